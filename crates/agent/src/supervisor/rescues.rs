//! Rescued work of this machine: listed, shown, handed out as a bundle, sent to origin.
//!
//! What must hold: nothing of it goes to origin before it was looked through for secrets, and what is found is told
//! by place and kind alone.

use std::io;
use std::sync::Arc;

use coord_core::id::RunId;
use coord_core::task::TaskRef;
use coord_git::leak::{self, Leak};
use coord_git::remote::Push;
use coord_git::rescued::{Patch, RescueRef, Rescued, RescuedError};
use coord_git::store::Store;
use coord_proto::problem::{Problem, ProblemKind};
use coord_proto::rescue::{LeakView, PushRescue, RescueList, RescuePushed, RescueView};
use serde::Deserialize;

use super::{Supervisor, view};
use crate::finish::chain;
use crate::log::secrets::Secrets;

/// How much is on a page of the list.
const PAGE: usize = 100;

/// What is read of a run's spec.
#[derive(Deserialize)]
struct Whose {
    task: TaskRef,
}

impl Supervisor {
    /// A page of all rescued work, newest first. A store that cannot be read hides no other.
    pub(crate) async fn rescues(self: &Arc<Self>, before: Option<String>) -> Result<RescueList, Problem> {
        self.off_loop("list rescued work", move |this| {
            let mut all = Vec::new();
            for store in Store::all(&this.git, this.options.home.root())? {
                match store.rescue_refs() {
                    Ok(found) => all.extend(found.into_iter().map(|it| (it, store.clone()))),
                    Err(error) => tracing::error!(repo = %store.repo(), "rescued work: {}", chain(&error)),
                }
            }
            all.sort_by(|(a, _), (b, _)| b.at.cmp(&a.at).then_with(|| a.reference.cmp(&b.reference)));
            let first = match &before {
                None => 0,
                Some(before) => {
                    all.iter().position(|(it, _)| it.reference == *before).map_or(all.len(), |it| it + 1)
                }
            };
            let page: Vec<_> = all.iter().skip(first).take(PAGE).collect();
            let more = all.len() > first + page.len();
            let before = page.last().filter(|_| more).map(|(it, _)| it.reference.clone());
            let rescues = page.into_iter().filter_map(|(it, store)| this.rescue_at(store, it)).collect();
            Ok(RescueList { rescues, before })
        })
        .await
    }

    /// The rescued work of one run.
    pub(crate) async fn rescue(self: &Arc<Self>, run: RunId) -> Result<RescueView, Problem> {
        self.with_rescue("look at rescued work", run, |this, store, rescued| {
            Ok(this.rescue_view(store, rescued))
        })
        .await
    }

    /// What it changes.
    pub(crate) async fn rescue_patch(
        self: &Arc<Self>,
        run: RunId,
        limit: Option<usize>,
    ) -> Result<Patch, Problem> {
        self.with_rescue("make the patch of rescued work", run, move |this, store, rescued| {
            this.note_look(run);
            store.rescue_patch(&rescued, limit)
        })
        .await
    }

    /// It as a bundle.
    pub(crate) async fn rescue_bundle(self: &Arc<Self>, run: RunId) -> Result<Vec<u8>, Problem> {
        self.with_rescue("bundle rescued work", run, move |this, store, rescued| {
            this.note_look(run);
            store.rescue_bundle(&rescued)
        })
        .await
    }

    /// Sends it to origin, once it was looked through.
    pub(crate) async fn push_rescue(
        self: &Arc<Self>,
        run: RunId,
        push: PushRescue,
    ) -> Result<RescuePushed, Problem> {
        self.with_rescue("push rescued work", run, move |this, store, rescued| {
            let secrets = Secrets::of(&this.options.environment);
            let leaks = store.leaks(&rescued.commit, &secrets.values())?;
            let seen = leaks.iter().map(leak_view).collect();
            match (&push.anyway, leaks.is_empty()) {
                (None, false) => return Ok(RescuePushed::Held { leaks: seen }),
                (Some(reason), false) => {
                    let (reason, found) = (secrets.strike_text(reason), leak::summary(&leaks));
                    tracing::warn!(%run, %reason, %found, "rescued work is pushed although it seems to hold secrets");
                }
                (_, true) => {}
            }
            this.note_look(run);
            Ok(match store.push_rescued(run, &rescued.reference, &rescued.commit)? {
                Push::Done => RescuePushed::Pushed {
                    reference: rescued.reference,
                    commit: rescued.commit,
                    leaks: seen,
                },
                Push::Moved { now } => RescuePushed::Refused {
                    reason: format!("it is at {now:?} there, and was moved meanwhile"),
                },
                Push::Refused { reason } => RescuePushed::Refused { reason },
            })
        })
        .await
    }

    /// Does something with the rescued work of `run`. What was uncommitted comes before commits alone, which are part
    /// of it.
    async fn with_rescue<T: Send + 'static>(
        self: &Arc<Self>,
        what: &str,
        run: RunId,
        work: impl FnOnce(&Self, &Store, Rescued) -> Result<T, RescuedError> + Send + 'static,
    ) -> Result<T, Problem> {
        let done = self.off_loop(what, move |this| {
            let mut found = Vec::new();
            for store in Store::all(&this.git, this.options.home.root())? {
                let refs = store.rescue_refs().map_err(|it| described(&it))?;
                found.extend(
                    refs.into_iter().filter(|it| it.run == run).map(|it| (store.clone(), it.reference)),
                );
            }
            found.sort_by_key(|(_, reference)| !reference.starts_with("refs/coord/rescue/"));
            for (store, reference) in found {
                if let Some(rescued) = store.rescued(run, &reference).map_err(|it| described(&it))? {
                    return work(this, &store, rescued).map(Some).map_err(|it| described(&it));
                }
            }
            Ok(None)
        });
        done.await?.ok_or_else(|| {
            Problem::new(ProblemKind::NotFound, format!("nothing was rescued from run {run} on this machine"))
        })
    }

    /// What a reference holds. One that cannot be read is left out of a list, and says why when it is asked for.
    fn rescue_at(&self, store: &Store, it: &RescueRef) -> Option<RescueView> {
        match store.rescued(it.run, &it.reference) {
            Ok(rescued) => rescued.map(|it| self.rescue_view(store, it)),
            Err(error) => {
                tracing::error!(repo = %store.repo(), reference = it.reference, "{}", chain(&error));
                None
            }
        }
    }

    fn rescue_view(&self, store: &Store, rescued: Rescued) -> RescueView {
        let Rescued {
            run,
            reference,
            commit,
            head,
            files,
            names,
            stashes,
            earlier,
            commits,
            published,
            pushed,
            at,
        } = rescued;
        // A spec that cannot be read leaves the task unknown; the work is there all the same.
        let whose = view::read::<Whose>(&self.options.home.run(run).spec()).ok().flatten();
        RescueView {
            run,
            repo: store.repo().clone(),
            task: whose.map(|it| it.task),
            reference,
            commit,
            head,
            files,
            names,
            stashes,
            earlier,
            commits,
            published,
            pushed,
            at,
            looked_at: self.looked.at(run),
        }
    }

    fn note_look(&self, run: RunId) {
        if let Err(error) = self.looked.look(run, (self.options.now)()) {
            tracing::warn!(%run, "cannot note that somebody looked: {error}");
        }
    }
}

fn described(error: &RescuedError) -> io::Error {
    io::Error::other(chain(error))
}

fn leak_view(leak: &Leak) -> LeakView {
    LeakView { place: leak.place.clone(), line: leak.finding.line, rule: leak.finding.rule }
}
