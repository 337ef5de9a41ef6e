//! What passes between an agent server and its shims. Both may be of different versions: a shim outlives the
//! server that started it, so unknown fields are ignored here as they are on the network.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use coord_core::name::{AccountName, CommitSha};
use coord_core::run::RunState;
use coord_core::window::{Standing, Window};
use coord_proto::event::EventKind;
use coord_proto::run::{Holder, Message, Question, RunSpec};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::sandbox::Confined;

/// What a shim is to do: `order.json`, written once the worktree stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Order {
    /// What the coordinator asked for.
    pub spec: RunSpec,
    /// `COORD_HOME`.
    pub home: Utf8PathBuf,
    /// Where the store's commits come from and go to.
    pub origin: String,
    /// The user's clone, which is only ever read.
    pub clone: Option<Utf8PathBuf>,
    /// Where the worker works.
    pub worktree: Utf8PathBuf,
    /// The tip of the base branch on origin when the run started.
    pub base: CommitSha,
    /// What the worktree was made at.
    pub start: CommitSha,
    /// How the runtime is configured on this machine.
    pub runtime: RuntimeConfig,
    /// Whether rescued work is pushed, unless it seems to hold secrets.
    #[serde(default)]
    pub push_rescues: bool,
    /// What everything that is started for the run is started in; `None` without a sandbox.
    #[serde(default)]
    pub sandbox: Option<Confined>,
    /// The environment that the worker may see. It may hold secrets, so it is not written: the shim makes it of
    /// its own, by [`RuntimeConfig::pass_env`].
    #[serde(skip)]
    pub environment: BTreeMap<String, String>,
    /// The program that the worker can report with; the shim makes it.
    #[serde(skip)]
    pub reporter: Option<Utf8PathBuf>,
}

/// How a runtime is configured on a machine: `runtimes.<name>` in the configuration. It is taken as it is;
/// what a key means that nobody set was decided where the configuration was read. A key that the runtime has no use
/// for is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RuntimeConfig {
    /// The program: a name that is looked up in `PATH`, or a path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// Variables that its workers see beyond the usual few.
    pub pass_env: Vec<String>,
    /// What happens when a tool is neither allowed nor denied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permission_mode: Option<String>,
    /// Tools that need no question; none when it is empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_tools: Option<Vec<String>>,
    /// The model of a run that asks for none; empty where the program itself has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The command line of any program, with [placeholders](crate::runtime::template); empty where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub argv: Option<Vec<String>>,
    /// Which of the runtime's own settings files are read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub setting_sources: Option<String>,
}

/// When the log of a run went, and what it was: `gone.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogGone {
    /// When.
    pub at: Timestamp,
    /// How many events it had.
    pub events: u64,
    /// How many bytes went.
    pub bytes: u64,
}

/// A shim's identity: `shim.json`. The shim holds a lock on the file for as long as it lives, so a process
/// with a recycled number is never mistaken for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShimRecord {
    /// Its process id.
    pub pid: u32,
    /// When that process started, in the kernel's clock ticks since boot.
    pub start_time: u64,
    /// Which boot of the machine that was.
    pub boot_id: String,
    /// The version of the program it runs.
    pub version: String,
    /// Where the cgroups of the run are, as far as there are any.
    #[serde(default)]
    pub groups: Vec<Utf8PathBuf>,
}

/// A line that a shim writes to everybody connected to its socket, at once on connecting and whenever any
/// of it changed. It announces how far the log goes and never what is in it: readers read the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Announcement {
    /// The number of the newest event in the log.
    pub last_event: u64,
    /// Where the run stands; never `ended`, which is told by the exit record once the socket has closed.
    pub state: RunState,
    /// The worker's process id while it runs.
    #[serde(default)]
    pub pid: Option<u32>,
    /// How far the worker last said it is.
    #[serde(default)]
    pub status: Option<String>,
    /// How sure it was then that it will succeed, from 0 to 1.
    #[serde(default)]
    pub confidence: Option<f64>,
    /// What the worker last said keeps it from going on.
    #[serde(default)]
    pub stuck: Option<String>,
    /// What authenticates the worker, once it runs.
    #[serde(default)]
    pub account: Option<AccountName>,
    /// What the runtime said last of each usage window of that account which nears its end.
    #[serde(default)]
    pub windows: Vec<Window>,
    /// What it asked and nobody has answered yet, oldest first.
    #[serde(default)]
    pub questions: Vec<Question>,
    /// Whether the worker can be told something now. A shim that does not say takes no messages.
    #[serde(default)]
    pub takes_messages: bool,
    /// Who has taken the session over, while they have it.
    #[serde(default)]
    pub held: Option<Holder>,
}

impl Announcement {
    /// Of a run whose worker has not been started, and whose log goes as far as `last_event`.
    #[must_use]
    pub fn of(last_event: u64) -> Self {
        Self {
            last_event,
            state: RunState::Preparing,
            pid: None,
            status: None,
            confidence: None,
            stuck: None,
            account: None,
            windows: Vec::new(),
            questions: Vec::new(),
            takes_messages: false,
            held: None,
        }
    }

    /// Takes in what an event says of the run as it is now; whether it says anything of that.
    pub(crate) fn note(&mut self, event: &EventKind) -> bool {
        match event {
            EventKind::Status { text, confidence } => {
                self.status = Some(text.clone());
                self.confidence = *confidence;
            }
            EventKind::Stuck { why } => self.stuck = Some(why.clone()),
            EventKind::Limit { rejected, window, until, utilization } => {
                let standing = if *rejected { Standing::Rejected } else { Standing::Warned };
                let (window, until, utilization) = (window.clone(), *until, *utilization);
                self.windows.retain(|it| it.window != window);
                self.windows.push(Window { window, standing, until, utilization });
            }
            EventKind::Started { .. }
            | EventKind::Note { .. }
            | EventKind::Init { .. }
            | EventKind::Text { .. }
            | EventKind::Tool { .. }
            | EventKind::ToolResult { .. }
            | EventKind::Retry { .. }
            | EventKind::Denial { .. }
            | EventKind::Result { .. }
            | EventKind::Question { .. }
            | EventKind::Answer { .. }
            | EventKind::Artifact { .. }
            | EventKind::Verdict(_)
            | EventKind::Message { .. }
            | EventKind::Receipt { .. }
            | EventKind::Held { .. }
            | EventKind::HandedBack { .. }
            | EventKind::Output { .. }
            | EventKind::Leak { .. }
            | EventKind::LeftOut { .. }
            | EventKind::Other
            | EventKind::Ended { .. } => return false,
        }
        true
    }
}

/// A line that a shim reads from its socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
pub enum Command {
    /// Go down the ladder: interrupt, terminate, kill, sweep. Idempotent.
    Stop {
        /// Who asked and when, for the log.
        at: Timestamp,
    },
    /// Tell the worker something. What becomes of it is events; the same message again is nothing new.
    Message(Message),
    /// Leave the session of the worker to a person for as long as this connection stays open. The reply comes when
    /// the worker has gone.
    Attach {
        /// Who it is.
        who: String,
    },
    /// Hand an answer to the worker that asked. The reply is a line with a [`Reply`], among the announcements.
    Answer {
        /// Which question; the oldest that is open when it is left out.
        question: Option<u32>,
        /// What to tell the worker.
        text: String,
    },
    /// Sent by a newer server.
    #[serde(other)]
    Unknown,
}

/// How a person goes on with the session of a worker, at a terminal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakeOver {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Where it is started.
    pub worktree: Utf8PathBuf,
    /// Variables that say where the session is kept.
    pub environment: BTreeMap<String, String>,
}

/// What a shim says to a command that asks for a reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "kebab-case")]
pub enum Reply {
    /// It is done, and an event of the run.
    Done,
    /// The session is theirs.
    Attached(TakeOver),
    /// It is not, and will not be.
    Declined {
        /// Why.
        why: String,
    },
    /// Sent by a newer shim.
    #[serde(other)]
    Unknown,
}
