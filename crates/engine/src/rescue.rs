//! Rescued work, wherever in the fleet it lies: finding it, looking at it, taking it home, sending it to origin.
//!
//! The machines know what there is; the board only adds whose it was where a machine has forgotten that.

use camino::{Utf8Path, Utf8PathBuf};
use coord_core::id::RunId;
use coord_core::name::{CommitSha, MachineName, RepoName};
use coord_core::task::TaskRef;
use coord_git::apply::{Applied, OnConflict, Parcel, apply};
use coord_proto::client::rescue::Patch;
use coord_proto::rescue::{PushRescue, RescuePushed, RescueView};
use futures_util::future::join_all;

use crate::error::Error;
use crate::{Engine, blocking, chain, clock};

/// How many ids are named when a text stands for several.
const CANDIDATES: usize = 8;

/// Rescued work on a machine.
#[derive(Debug, Clone)]
pub struct Rescue {
    /// Which machine.
    pub machine: MachineName,
    /// What it says of it, with the task filled in from the board where the machine has forgotten it.
    pub view: RescueView,
}

/// What there is in the fleet.
#[derive(Debug, Default)]
pub struct Rescues {
    /// Newest first.
    pub rescues: Vec<Rescue>,
    /// Machines that could not be asked, and why.
    pub unasked: Vec<(MachineName, String)>,
}

/// Which rescued work is meant. What a branch of origin has all of is meant only by its id.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// That of a task (`42`, `#42`, `api#42`), or of runs whose ids begin like this.
    pub id: Option<String>,
    /// That of a repo.
    pub repo: Option<RepoName>,
}

impl Wanted {
    fn is(&self, rescue: &RescueView) -> bool {
        let of_repo = self.repo.as_ref().is_none_or(|it| *it == rescue.repo);
        let Some(id) = &self.id else { return of_repo && !rescue.published };
        let number = id.strip_prefix('#').unwrap_or(id).parse::<u64>();
        let of_task = rescue.task.as_ref().is_some_and(|task| match (id.parse::<TaskRef>(), &number) {
            (Ok(wanted), _) => wanted == *task,
            (Err(_), Ok(number)) => task.number == *number,
            (Err(_), Err(_)) => false,
        });
        let of_run = !id.is_empty() && rescue.run.to_string().starts_with(&id.to_ascii_lowercase());
        of_repo && (of_task || of_run)
    }
}

impl Engine {
    /// The rescued work of the whole fleet. A machine that does not answer hides that of no other.
    ///
    /// # Errors
    /// When the repo is unknown, or the board cannot be read.
    pub async fn rescues(&self, wanted: &Wanted) -> Result<Rescues, Error> {
        if let Some(repo) = &wanted.repo {
            self.repo(repo)?;
        }
        let machines = self.settings.machines.iter().map(|it| &it.name);
        let asked = join_all(machines.map(async |it| (it.clone(), self.rescues_on(it).await))).await;
        let mut found = Rescues::default();
        for (machine, answer) in asked {
            match answer {
                Ok(views) => {
                    for mut view in views {
                        if view.task.is_none() {
                            let run =
                                self.board.run(view.run).await.map_err(Error::board("reading a run"))?;
                            view.task = run.map(|it| it.task);
                        }
                        if wanted.is(&view) {
                            found.rescues.push(Rescue { machine: machine.clone(), view });
                        }
                    }
                }
                Err(error) => found.unasked.push((machine, chain(&error))),
            }
        }
        found.rescues.sort_by_key(|it| std::cmp::Reverse(it.view.at));
        Ok(found)
    }

    async fn rescues_on(&self, machine: &MachineName) -> Result<Vec<RescueView>, Error> {
        let client = self.client(machine)?;
        let mut views = Vec::new();
        let mut before = None;
        loop {
            let page = client.rescues(before.as_deref()).await.map_err(Error::agent(machine))?;
            views.extend(page.rescues);
            before = page.before;
            if before.is_none() {
                return Ok(views);
            }
        }
    }

    /// The rescued work that `text` stands for: of a run, or the newest of a task.
    ///
    /// # Errors
    /// When there is none, when `text` could mean several runs, or when a machine that might have it does not answer.
    pub async fn rescue(&self, text: &str) -> Result<Rescue, Error> {
        let found = self.rescues(&Wanted { id: Some(text.to_owned()), repo: None }).await?;
        let mut runs: Vec<RunId> = Vec::new();
        for rescue in &found.rescues {
            if !runs.contains(&rescue.view.run) {
                runs.push(rescue.view.run);
            }
        }
        let is_task =
            text.parse::<TaskRef>().is_ok() || text.strip_prefix('#').unwrap_or(text).parse::<u64>().is_ok();
        if runs.len() > 1 && !is_task {
            let candidates = runs.iter().take(CANDIDATES).map(ToString::to_string).collect();
            return Err(Error::AmbiguousId { text: text.to_owned(), candidates });
        }
        match (found.rescues.into_iter().next(), found.unasked.into_iter().next()) {
            // What was uncommitted has the commits beneath it, and is what the machine hands out.
            (Some(first), _) => {
                let machine = first.machine;
                let view = self.client(&machine)?.rescue(first.view.run).await;
                let view = view.map_err(Error::agent(&machine))?;
                let task = view.task.clone().or(first.view.task);
                Ok(Rescue { machine, view: RescueView { task, ..view } })
            }
            (None, Some((machine, _))) => {
                // Asked again for its own words.
                self.rescues_on(&machine).await?;
                Err(Error::NothingRescued(text.to_owned()))
            }
            (None, None) => Err(Error::NothingRescued(text.to_owned())),
        }
    }

    /// What it changes; at most about `limit` bytes of it.
    ///
    /// # Errors
    /// When its machine does not answer.
    pub async fn rescue_patch(&self, rescue: &Rescue, limit: Option<usize>) -> Result<Patch, Error> {
        let patch = self.client(&rescue.machine)?.rescue_patch(rescue.view.run, limit).await;
        patch.map_err(Error::agent(&rescue.machine))
    }

    /// Brings it into a clone of the user's own.
    ///
    /// # Errors
    /// When its machine does not answer, or git fails in the clone.
    pub async fn apply_rescue(
        &self,
        rescue: &Rescue,
        clone: &Utf8Path,
        on_conflict: OnConflict,
    ) -> Result<Applied, Error> {
        let bundle = self.client(&rescue.machine)?.rescue_bundle(rescue.view.run).await;
        let bundle = bundle.map_err(Error::agent(&rescue.machine))?;
        let (git, view, clone) = (self.git.clone(), rescue.view.clone(), Utf8PathBuf::from(clone));
        blocking(move || {
            let RescueView { ref commit, ref head, ref stashes, .. } = view;
            let stashes: &[CommitSha] = stashes;
            let parcel = Parcel { bundle: &bundle, commit, head: head.as_ref(), stashes };
            apply(&git, &clone, &parcel, on_conflict)
        })
        .await
        .map_err(|source| Error::Apply { run: rescue.view.run, source })
    }

    /// Sends it to origin, unless it seems to hold secrets; `anyway` is why it is to go all the same. The board keeps that
    /// it went, and why.
    ///
    /// # Errors
    /// When its machine does not answer, or cannot reach origin, or the board cannot be written: then it has gone.
    pub async fn push_rescue(&self, rescue: &Rescue, anyway: Option<String>) -> Result<RescuePushed, Error> {
        let run = rescue.view.run;
        let asked = PushRescue { anyway };
        let pushed = self.client(&rescue.machine)?.push_rescue(run, &asked).await;
        let pushed = pushed.map_err(Error::agent(&rescue.machine))?;
        let known = self.board.run(run).await.map_err(Error::board("reading a run"))?;
        if let (RescuePushed::Pushed { leaks, .. }, Some(known)) = (&pushed, known) {
            let anyway = asked.anyway.filter(|_| !leaks.is_empty());
            let noted = self.board.note_rescue_pushed(&known.task, run, anyway, clock::now()).await;
            noted.map_err(Error::board("noting that rescued work was pushed"))?;
        }
        Ok(pushed)
    }
}
