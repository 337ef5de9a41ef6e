//! A run whose session a person has taken over.
//!
//! The person's program talks to the shim for as long as it has the session: that connection is the lock, so that
//! whatever becomes of the person's terminal, the session is handed back. What must hold: the worker is gone before
//! anybody else writes to its session, and so is the person's program before the work is looked at; who has the
//! session is said to everybody who looks.
//!
//! Deliberately absent: the terminal. `coord attach` runs what is told here.

use std::time::Duration;

use coord_core::classify::StopCause;
use coord_core::outcome::{TimeoutPhase, WorkerExit};
use coord_core::run::RuntimeReport;
use coord_proto::event::EventKind;
use coord_proto::run::Holder;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::child::reap;
use super::socket::Wanted;
use super::supervise::Supervision;
use super::{ShimError, now};
use crate::finish::Ending;
use crate::log::RawLine;
use crate::order::{Command, Reply};
use crate::runtime;

/// How long a person may have a session. The run's own deadline stands still meanwhile.
const CEILING: Duration = Duration::from_secs(12 * 60 * 60);

/// Somebody who takes the session over.
#[derive(Debug)]
pub(super) struct Hold {
    pub(super) who: String,
    reply: oneshot::Sender<Reply>,
    /// Cancelled once they have hung up.
    gone: CancellationToken,
}

impl Hold {
    /// Tells them that they do not get it after all.
    pub(super) fn decline(self, why: &str) {
        self.reply.send(Reply::Declined { why: why.to_owned() }).ok();
    }
}

impl Supervision {
    /// Notes who wants the session, or tells them why they cannot have it.
    pub(super) fn attach(&mut self, who: String, wanted: Wanted) {
        let Wanted { reply, gone, command: _ } = wanted;
        let hold = Hold { who, reply, gone };
        if let Some(other) = &self.hold {
            let why = format!("{} is about to have its session", other.who);
            return hold.decline(&why);
        }
        let runtime = &self.order.spec.runtime;
        let takes_over = runtime::named(runtime).is_some_and(|it| it.take_over(&self.order, "").is_some());
        if !takes_over || self.announce.borrow().pid.is_none() {
            let why =
                format!("a worker of the runtime `{runtime}` has no session that a person could take over");
            return hold.decline(&why);
        }
        self.hold = Some(hold);
    }

    /// Ends a run whose session a person had: by what git says, and nothing else. What the worker said last is not the
    /// last word any more, and what the person's turns cost is not known here.
    pub(super) async fn left_to_a_person(
        &mut self,
        hold: Hold,
        report: RuntimeReport,
    ) -> Result<Ending, ShimError> {
        let stopped = self.held(hold, report.session.as_deref()).await?;
        let report = Box::new(RuntimeReport { cost_usd: None, ..report });
        Ok(Ending::Ran { exit: WorkerExit::Code(0), stopped, stream: Box::default(), report })
    }

    /// Leaves the session to the person who asked for it, until they hand it back. Returns why that was cut short, if
    /// it was.
    async fn held(&mut self, hold: Hold, session: Option<&str>) -> Result<Option<StopCause>, ShimError> {
        let Hold { who, reply, gone } = hold;
        let dialogue = session.zip(runtime::named(&self.order.spec.runtime));
        let Some(take_over) = dialogue.and_then(|(session, it)| it.take_over(&self.order, session)) else {
            reply.send(Reply::Declined { why: "its worker ended before it had a session".to_owned() }).ok();
            return Ok(None);
        };
        let since = now();
        self.log.append(since, &[EventKind::Held { who: who.clone() }], RawLine::None);
        self.announce.send_modify(|it| {
            it.pid = None;
            it.held = Some(Holder { who: who.clone(), since });
        });
        self.commit()?;
        reply.send(Reply::Attached(take_over)).ok();
        let cut_short = self.until_handed_back(&who, &gone).await?;
        // Their program may have outlived the connection.
        let swept = self.containment.end_all(None).await;
        swept.map_err(|source| ShimError::System { what: "list processes", source })?;
        self.announce.send_modify(|it| it.held = None);
        self.log.append(now(), &[EventKind::HandedBack { who }], RawLine::None);
        self.commit()?;
        Ok(cut_short)
    }

    async fn until_handed_back(
        &mut self,
        who: &str,
        gone: &CancellationToken,
    ) -> Result<Option<StopCause>, ShimError> {
        let ceiling = Instant::now() + CEILING;
        loop {
            tokio::select! {
                () = gone.cancelled() => return Ok(None),
                () = sleep_until(ceiling) => return Ok(Some(StopCause::Overdue(TimeoutPhase::Absolute))),
                Some(()) = self.inbox.stops.recv() => return Ok(Some(StopCause::Asked)),
                _ = self.terminate.recv() => return Ok(Some(StopCause::Asked)),
                _ = self.interrupt.recv() => return Ok(Some(StopCause::Asked)),
                Some(wanted) = self.inbox.wants.recv() => self.decline_while_held(wanted, who)?,
                Some(reported) = self.inbox.reports.recv() => self.reported(&reported)?,
                _ = self.died.recv() => {
                    // Orphans of the worker, which nobody waits for.
                    reap(None);
                }
            }
        }
    }

    fn decline_while_held(&mut self, wanted: Wanted, who: &str) -> Result<(), ShimError> {
        let reply = match wanted.command {
            Command::Answer { question, text } => self.answer(question, &text)?,
            Command::Attach { .. } | Command::Message(_) => {
                Reply::Declined { why: format!("{who} has its session") }
            }
            Command::Stop { .. } | Command::Unknown => Reply::Unknown,
        };
        wanted.reply.send(reply).ok();
        Ok(())
    }
}
