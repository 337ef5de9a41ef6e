//! Commits that could not be pushed when their run ended: tried again until they are on origin.
//!
//! The run has ended, and stays as it ended; that its commits came to origin later is said beside it. A note in the
//! run's directory is the whole state, so a server that comes back goes on. It waits longer from one try to the next.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use coord_core::id::RunId;
use coord_core::outcome::Outcome;
use coord_core::run::RunEnd;
use coord_git::remote::{Expect, Push};
use coord_proto::run::Unpushed;
use fs_err as fs;

use super::{Supervisor, view};
use crate::durable;
use crate::finish::{chain, run_reference};
use crate::log::secrets::Secrets;
use crate::order::Order;

/// How long after the first failure, or after the start of a server, it is tried again.
const FIRST: Duration = Duration::from_secs(5);
/// The longest wait from one try to the next.
const LONGEST: Duration = Duration::from_secs(600);

impl Supervisor {
    /// Notes that the commits of a run are not on origin, if that is so.
    pub(super) fn note_unpushed(&self, run: RunId, end: &RunEnd) -> io::Result<bool> {
        let stopped = matches!(end.outcome, Outcome::Cancelled { .. });
        let worked = end.git.added.is_some_and(|it| it > 0);
        if stopped || !worked || end.git.pushed == Some(true) {
            return Ok(false);
        }
        let path = self.options.home.run(run).unpushed();
        if !path.try_exists()? {
            let reason = if let Outcome::PushFailed { reason } = &end.outcome {
                reason.clone()
            } else {
                "they were not pushed when it ended".to_owned()
            };
            let next_at = Some((self.options.now)() + FIRST);
            durable::write(&path, &serde_json::to_vec(&Unpushed { reason, tries: 1, next_at })?)?;
        }
        Ok(true)
    }

    /// Pushes the commits of an ended run as soon as origin takes them.
    pub(super) fn push_later(self: &Arc<Self>, run: RunId) {
        let this = Arc::clone(self);
        self.tasks.spawn(async move {
            let mut wait = FIRST;
            loop {
                tokio::select! {
                    () = this.halt.cancelled() => return,
                    () = tokio::time::sleep(wait) => {}
                }
                wait = (wait * 2).min(LONGEST);
                let permit = this.git_threads.acquire().await;
                let tried = this.off_loop("push an ended run", move |this| this.try_push(run, wait)).await;
                drop(permit);
                match tried {
                    Ok(true) => return tracing::info!(%run, "its commits are on origin now"),
                    Ok(false) => {}
                    Err(problem) => tracing::warn!(%run, "{problem}"),
                }
            }
        });
    }

    /// Tries once; whether its commits are on origin.
    fn try_push(&self, run: RunId, wait: Duration) -> io::Result<bool> {
        let dir = self.options.home.run(run);
        let noted = view::read::<Unpushed>(&dir.unpushed())?;
        let (Some(order), Some(end)) =
            (view::read::<Order>(&dir.order())?, view::read::<RunEnd>(&dir.exit())?)
        else {
            return Err(io::Error::other("its records are gone"));
        };
        match self.push_ended(&order, &end) {
            Ok(()) => {
                durable::write(&dir.pushed(), &serde_json::to_vec(&(self.options.now)())?)?;
                self.feed.say_pushed((self.options.now)(), run)?;
                fs::remove_file(dir.unpushed())?;
                Ok(true)
            }
            Err(reason) => {
                // Hooks of the other side say what they like.
                let reason = Secrets::of(&self.options.environment).strike_text(&reason).into_owned();
                let tries = noted.map_or(1, |it| it.tries) + 1;
                let next_at = Some((self.options.now)() + wait);
                durable::write(&dir.unpushed(), &serde_json::to_vec(&Unpushed { reason, tries, next_at })?)?;
                Ok(false)
            }
        }
    }

    fn push_ended(&self, order: &Order, end: &RunEnd) -> Result<(), String> {
        let head = end.git.head.as_ref().ok_or("its head is not known")?;
        let repo = &order.spec.task.repo;
        let store = self.store(repo, &order.origin, order.clone.as_deref()).map_err(|it| chain(&it))?;
        let reference = run_reference(order.spec.run);
        match store.push(head, &reference, Expect::Anything).map_err(|it| chain(&it))? {
            Push::Done => {}
            Push::Moved { .. } => return Err(format!("somebody else moved `{reference}`")),
            Push::Refused { reason } => return Err(reason),
        }
        let there = store.remote_ref(&reference).map_err(|it| chain(&it))?;
        if there.as_ref() == Some(head) {
            Ok(())
        } else {
            Err("origin does not have it all the same".to_owned())
        }
    }
}
