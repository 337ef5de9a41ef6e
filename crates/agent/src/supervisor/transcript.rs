//! The sessions of ended runs: what is left of each, kept with its run, given to whoever moves it elsewhere.

use std::io::{self, BufRead as _, Read as _};
use std::sync::Arc;

use camino::Utf8PathBuf;
use coord_core::id::RunId;
use coord_core::run::RunEnd;
use coord_proto::event::{Event, EventKind};
use coord_proto::problem::{Problem, ProblemKind};
use coord_proto::run::SessionView;
use fs_err as fs;

use super::{Supervisor, unknown, view};
use crate::layout::RunDir;
use crate::order::Order;
use crate::transcript::{Copied, Seat};
use crate::{durable, environment};

/// How much of a log is read for the session of a run whose end nobody saw: it is told in one of the first events.
const HEAD: u64 = 1024 * 1024;

impl Supervisor {
    /// The session of an ended run, and what is left of it.
    pub(super) fn session(&self, run: RunId) -> io::Result<Option<SessionView>> {
        let dir = self.options.home.run(run);
        let Some((id, seat)) = self.seat(&dir)? else { return Ok(None) };
        Ok(Some(SessionView { transcript: seat.look(&dir), id }))
    }

    /// Keeps the transcript of an ended run's session with the run. Its place is the runtime's to clear up.
    pub(super) fn keep_transcript(&self, run: RunId) -> io::Result<()> {
        let dir = self.options.home.run(run);
        let Some((_, seat)) = self.seat(&dir)? else { return Ok(()) };
        match seat.keep(&dir)? {
            Copied::Whole | Copied::Nothing => {}
            Copied::TooLong(length) => {
                tracing::warn!(%run, "the transcript of its session has {length} bytes, and no copy is kept");
            }
        }
        Ok(())
    }

    /// Where the copy of the transcript of an ended run's session lies, as new as can be had.
    pub(crate) async fn transcript(self: &Arc<Self>, run: RunId) -> Result<Utf8PathBuf, Problem> {
        let found = self.off_loop("look for the transcript", move |this| {
            let dir = this.options.home.run(run);
            let Some((_, seat)) = this.seat(&dir)? else { return Ok(None) };
            match seat.keep(&dir)? {
                Copied::TooLong(_) => Ok(None),
                Copied::Whole | Copied::Nothing => Ok(Some(dir.transcript()).filter(|it| it.is_file())),
            }
        });
        found.await?.ok_or_else(|| unknown(run))
    }

    /// Takes a transcript in for a run that has yet to be started.
    pub(crate) async fn leave_transcript(
        self: &Arc<Self>,
        run: RunId,
        transcript: Vec<u8>,
    ) -> Result<(), Problem> {
        let dir = self.options.home.run(run);
        let left = self.off_loop("keep the transcript", move |_| {
            if dir.spec().try_exists()? {
                return Ok(false);
            }
            fs::create_dir_all(dir.path())?;
            durable::write(&dir.transcript(), &transcript)?;
            Ok(true)
        });
        match left.await? {
            true => Ok(()),
            false => Err(Problem::new(ProblemKind::Conflict, format!("run {run} was started already"))),
        }
    }

    fn seat(&self, dir: &RunDir) -> io::Result<Option<(String, Seat)>> {
        let Some(mut order) = view::read::<Order>(&dir.order())? else { return Ok(None) };
        let Some(session) = session_of(dir)? else { return Ok(None) };
        order.environment = environment::reduce(&self.options.environment, &order.runtime.pass_env);
        Ok(Seat::of(&order, &session).map(|seat| (session, seat)))
    }
}

/// The last session that the run's report names, or else that its log does.
fn session_of(dir: &RunDir) -> io::Result<Option<String>> {
    let reported = view::read::<RunEnd>(&dir.exit())?.and_then(|it| it.report.session);
    if reported.is_some() {
        return Ok(reported);
    }
    let log = match fs::File::open(dir.log()) {
        Ok(log) => io::BufReader::new(log.take(HEAD)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut last = None;
    for line in log.split(b'\n') {
        let Ok(Event { event: EventKind::Init { session, .. }, .. }) = serde_json::from_slice(&line?) else {
            continue;
        };
        last = Some(session);
    }
    Ok(last)
}
