//! What somebody has to say to a worker, by way of its shim, and what it has handed over.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use coord_core::id::RunId;
use coord_core::report;
use coord_core::run::RunState;
use coord_proto::problem::{Problem, ProblemKind};
use coord_proto::run::{Accepted, Answer, Message, Receipt, RunView};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

use super::{Live, Supervisor, unknown, view};
use crate::order::{Command, Reply};
use crate::runtime::{self, Runtime};
use crate::{durable, shim};
use fs_err as fs;

/// How long a shim may take to reply. It does nothing meanwhile that takes long.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many messages are kept for a run.
const MESSAGES: usize = 100;

/// A message as it lies in the run's directory.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    at: Timestamp,
    message: Message,
}

impl Supervisor {
    /// Keeps a message for the worker of a run and has it handed over. The same message again is the same.
    pub(crate) async fn message(
        self: &Arc<Self>,
        run: RunId,
        mut message: Message,
    ) -> Result<Accepted, Problem> {
        let text = report::text("a message", &message.text);
        message.text = text.map_err(|error| Problem::new(ProblemKind::BadRequest, error.to_string()))?;
        let view = self.view(run).await?;
        let live = self.find(run).filter(|_| view.state.end().is_none());
        let live = live.ok_or_else(|| declined(run, "it has ended, and nobody reads a message"))?;
        self.takes_messages(&live).map_err(|why| declined(run, &why))?;
        let dir = self.options.home.run(run).messages();
        let kept = Kept { at: (self.options.now)(), message };
        self.off_loop("keep the message", move |_| keep(&dir, &kept))
            .await?
            .map_err(|why| declined(run, &why))?;
        live.told.notify_one();
        Ok(Accepted { receipt: Receipt::Queued, after: view.last_event })
    }

    /// Why the worker of a run cannot be told anything now.
    fn takes_messages(&self, live: &Live) -> Result<(), String> {
        let runtime = &live.spec.runtime;
        if runtime::named(runtime).and_then(Runtime::dialogue).is_none() {
            return Err(format!("a worker of the runtime `{runtime}` takes no messages while it works"));
        }
        let standing = live.standing.borrow();
        if let Some(held) = &standing.held {
            return Err(format!("{} has its session", held.who));
        }
        match &standing.state {
            RunState::Running { .. } if !standing.takes_messages => {
                let why = "its worker has had its last turn, or its shim is of an older version that takes no messages";
                Err(why.to_owned())
            }
            RunState::Finishing | RunState::Ended(_) => Err("its worker is gone".to_owned()),
            RunState::Queued(_) | RunState::Reserved | RunState::Preparing | RunState::Running { .. } => {
                Ok(())
            }
        }
    }

    /// The messages that are kept for a run, in the order in which they came.
    pub(super) async fn kept_messages(self: &Arc<Self>, run: RunId) -> Vec<Message> {
        let dir = self.options.home.run(run).messages();
        let kept = self.off_loop("read the messages", move |_| all_kept(&dir)).await;
        kept.unwrap_or_else(|problem| {
            tracing::error!(%run, "{problem}");
            Vec::new()
        })
    }

    /// Where an artifact lies that the worker of a run has handed over.
    pub(crate) async fn artifact(self: &Arc<Self>, run: RunId, name: &str) -> Result<Utf8PathBuf, Problem> {
        let wanted = report::file_name(name);
        let wanted = wanted.map_err(|error| Problem::new(ProblemKind::BadRequest, error.to_string()))?;
        // Artifacts go when the log goes, which says when that was.
        self.log(run).await?;
        let dir = self.options.home.run(run).artifacts();
        let found = self.off_loop("look for the artifact", move |_| {
            let path = dir.join(wanted);
            if path.try_exists()? {
                return Ok(Ok(path));
            }
            let entries = dir.read_dir_utf8().into_iter().flatten().flatten();
            Ok(Err(entries.filter_map(|it| report::file_name(it.file_name()).ok()).collect::<Vec<_>>()))
        });
        found.await?.map_err(|names| {
            let there = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            let what = format!("run {run} has no artifact `{}`; it has {there}", name.escape_debug());
            Problem::new(ProblemKind::NotFound, what)
        })
    }

    /// Answers a question that the worker of a run has asked.
    pub(crate) async fn answer(self: &Arc<Self>, run: RunId, answer: Answer) -> Result<RunView, Problem> {
        let text = report::text("an answer", &answer.text);
        let text = text.map_err(|error| Problem::new(ProblemKind::BadRequest, error.to_string()))?;
        let view = self.view(run).await?;
        if view.state.end().is_some() {
            return Err(declined(run, "it has ended, and nobody waits for an answer"));
        }
        if view.questions.is_empty() && answer.question.is_none() {
            return Err(declined(run, "no question is open"));
        }
        match self.command(run, &Command::Answer { question: answer.question, text }).await? {
            Reply::Done => self.view(run).await,
            Reply::Declined { why } => Err(declined(run, &why)),
            Reply::Attached(_) | Reply::Unknown => Err(declined(run, "its shim takes no answers")),
        }
    }

    /// Has the shim of a run do something, and waits for what became of it.
    async fn command(&self, run: RunId, command: &Command) -> Result<Reply, Problem> {
        let dir = self.options.home.run(run);
        if self.find(run).is_none() {
            return Err(unknown(run));
        }
        let declined = |why: &str| declined(run, why);
        let connection = shim::connect(&dir).await.map_err(|_| declined("it has no worker at the moment"))?;
        let (from, mut to) = connection.into_split();
        let line = serde_json::to_string(command).expect("a command is made of words") + "\n";
        to.write_all(line.as_bytes()).await.map_err(|_| declined("it is at its end"))?;
        let mut lines = BufReader::new(from).lines();
        let replied = tokio::time::timeout(PATIENCE, async {
            while let Ok(Some(line)) = lines.next_line().await {
                // Between two replies it announces how far it is.
                if let Ok(reply) = serde_json::from_str(&line) {
                    return Some(reply);
                }
            }
            None
        });
        match replied.await {
            Ok(Some(reply)) => Ok(reply),
            Ok(None) => Err(declined("it is at its end")),
            Err(_) => Err(declined("its shim is of an older version, which does not know this")),
        }
    }
}

fn declined(run: RunId, why: &str) -> Problem {
    let hint = format!("`coord why {run}` says where its task stands, and what leads on");
    Problem::new(ProblemKind::Declined, format!("run {run}: {why}")).hinted(hint)
}

/// Puts a message on disk, unless it is there. The inner error says why it is not taken.
fn keep(dir: &Utf8Path, kept: &Kept) -> io::Result<Result<(), String>> {
    fs::create_dir_all(dir)?;
    let path = dir.join(format!("{}.json", kept.message.id));
    if let Some(known) = view::read::<Kept>(&path)? {
        let same = known.message == kept.message;
        return Ok(if same { Ok(()) } else { Err("another message has this id".to_owned()) });
    }
    if fs::read_dir(dir)?.count() >= MESSAGES {
        return Ok(Err(format!("it has had {MESSAGES} messages, and takes no more")));
    }
    durable::write(&path, &serde_json::to_vec(kept)?)?;
    Ok(Ok(()))
}

fn all_kept(dir: &Utf8Path) -> io::Result<Vec<Message>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut all: Vec<Kept> = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let path = Utf8Path::from_path(&path).filter(|it| it.extension() == Some("json"));
        if let Some(path) = path {
            all.extend(view::read::<Kept>(path)?);
        }
    }
    all.sort_by_key(|it| it.at);
    Ok(all.into_iter().map(|it| it.message).collect())
}
