//! What is there: everything of ended runs that could go, and what is not ours.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use coord_core::id::RunId;
use coord_core::retention::{Hold, Holding, Item};
use coord_core::run::{RunEnd, RunKind};
use coord_core::task::TaskRef;
use coord_git::rescued::{RescueRef, RescuedError};
use coord_git::store::Store;
use coord_proto::gc::Stays;
use jiff::Timestamp;
use serde::Deserialize;

use super::super::{Supervisor, lock, view};
use crate::config::AgentConfig;
use crate::finish::chain;

/// References of the store, and of origin, that are needed for one run only.
const FOR_ONE_RUN: [&str; 3] = ["fetched", "incoming", "tests"];
/// References that others look after.
const OF_OTHERS: [&str; 6] = ["rescue", "keep", "pushed", "landing", "expected", "runs"];

/// What is there.
#[derive(Default)]
pub(super) struct Survey {
    pub(super) holdings: Vec<Holding>,
    /// What is not ours, or cannot be looked at.
    pub(super) named: Vec<Stays>,
}

/// What is read of a run's spec.
#[derive(Deserialize)]
struct Head {
    kind: RunKind,
    task: TaskRef,
}

/// What the records of this machine say of a run.
struct Known {
    task: TaskRef,
    /// When it ended, once nothing is left to do for it.
    over: Option<Timestamp>,
    newest: bool,
}

type Runs = BTreeMap<RunId, Known>;

impl Survey {
    fn name(&mut self, name: impl Into<String>, why: impl Into<String>) {
        self.named.push(Stays { name: name.into(), why: why.into() });
    }

    /// Adds what is left of a run, unless it is not over.
    fn add(&mut self, known: &Known, item: Item, bytes: u64, since: Option<Timestamp>, hold: Hold) {
        let Some(over) = known.over else { return };
        let newest_of = known.newest.then(|| known.task.clone());
        self.holdings.push(Holding { item, bytes, since: since.unwrap_or(over), newest_of, hold });
    }
}

impl Supervisor {
    pub(super) fn survey(&self, config: &AgentConfig) -> io::Result<Survey> {
        let mut survey = Survey::default();
        let runs = self.known_runs(&mut survey)?;
        self.survey_logs(&runs, &mut survey)?;
        let stores = Store::all(&self.git, self.options.home.root())?;
        self.survey_worktrees(&runs, &stores, &mut survey)?;
        for store in &stores {
            if let Err(error) = self.survey_store(store, config, &runs, &mut survey) {
                survey.name(store.path().as_str(), chain(&error));
            }
        }
        Ok(survey)
    }

    fn known_runs(&self, survey: &mut Survey) -> io::Result<Runs> {
        let mut runs = Runs::new();
        let mut newest: BTreeMap<(TaskRef, &'static str), (Timestamp, RunId)> = BTreeMap::new();
        for entry in self.options.home.runs().read_dir_utf8()? {
            let path = entry?.into_path();
            let run = path.file_name().and_then(|it| it.parse::<RunId>().ok());
            let head = run.map(|it| view::read::<Head>(&self.options.home.run(it).spec())).transpose();
            let (Some(run), Ok(Some(Some(Head { kind, task })))) = (run, head) else {
                survey.name(path, "it is no run of this machine");
                continue;
            };
            let dir = self.options.home.run(run);
            let ended = view::read::<RunEnd>(&dir.exit())?.map(|it| it.at);
            let over = ended.filter(|_| dir.collected().exists());
            let at = over.unwrap_or(Timestamp::MAX);
            let newer = newest.entry((task.clone(), kind.as_str())).or_insert((at, run));
            *newer = (*newer).max((at, run));
            runs.insert(run, Known { task, over, newest: false });
        }
        for (_, run) in newest.into_values() {
            runs.entry(run).and_modify(|it| it.newest = true);
        }
        Ok(runs)
    }

    fn survey_logs(&self, runs: &Runs, survey: &mut Survey) -> io::Result<()> {
        for (run, known) in runs {
            let dir = self.options.home.run(*run);
            if known.over.is_none() || (dir.gone().exists() && dir.may_go()?.is_empty()) {
                continue;
            }
            let unpushed = dir.unpushed().exists();
            let hold = if unpushed {
                Hold::Needed("its commits are not on origin yet".to_owned())
            } else {
                Hold::Nothing
            };
            survey.add(known, Item::Log { run: *run }, dir.room()?, None, hold);
        }
        Ok(())
    }

    fn survey_worktrees(&self, runs: &Runs, stores: &[Store], survey: &mut Survey) -> io::Result<()> {
        let busy: BTreeSet<_> = lock(&self.live).values().map(|it| it.worktree.clone()).collect();
        for entry in self.options.home.worktrees().read_dir_utf8()? {
            let of_repo = entry?.into_path();
            let store = stores.iter().find(|it| of_repo.file_name() == Some(it.repo().as_str()));
            let (Some(store), Ok(entries)) = (store, of_repo.read_dir_utf8()) else {
                survey.name(of_repo, "no run of this machine made it");
                continue;
            };
            for entry in entries {
                let path = entry?.into_path();
                if busy.contains(&path) {
                    continue;
                }
                let whose = store.worktree(&path).ok().map(|it| it.run());
                let Some((run, known)) = whose.and_then(|it| Some((it, runs.get(&it)?))) else {
                    survey.name(path, "no run of this machine made it");
                    continue;
                };
                let item = Item::Worktree { repo: store.repo().clone(), run, path: path.into_string() };
                survey.add(known, item, 0, None, Hold::Nothing);
            }
        }
        Ok(())
    }

    fn survey_store(
        &self,
        store: &Store,
        config: &AgentConfig,
        runs: &Runs,
        survey: &mut Survey,
    ) -> Result<(), RescuedError> {
        let repo = store.repo();
        for RescueRef { run, reference, .. } in store.rescue_refs()? {
            let Some(rescued) = store.rescued(run, &reference)? else { continue };
            let Some(known) = runs.get(&run) else {
                survey.name(format!("{repo} {reference}"), "no run of this machine made it");
                continue;
            };
            let looked_at = self.looked.at(run);
            let seen = rescued.published || rescued.pushed || looked_at.is_some();
            let hold = if seen { Hold::SeenWork } else { Hold::UnseenWork };
            let since = Some(rescued.at.max(looked_at.unwrap_or(rescued.at)));
            let item = Item::Rescue { repo: repo.clone(), run, reference, commit: rescued.commit };
            survey.add(known, item, 0, since, hold);
        }
        for reference in store.names_below("refs/coord")? {
            let Some(kind) = reference.split('/').nth(2).filter(|it| !OF_OTHERS.contains(it)) else {
                continue;
            };
            let run = reference.rsplit('/').next().and_then(|it| it.parse::<RunId>().ok());
            let (true, Some(run)) = (FOR_ONE_RUN.contains(&kind), run) else {
                survey.name(format!("{repo} {reference}"), "no run of this machine made it");
                continue;
            };
            // One of another machine's run is its coordinator's to remove.
            let (Some(known), Some(commit)) = (runs.get(&run), store.read_ref(&reference)?) else { continue };
            survey.add(
                known,
                Item::Reference { repo: repo.clone(), run, reference, commit },
                0,
                None,
                Hold::Nothing,
            );
        }
        match config.repos.get(repo).map(|it| &it.origin) {
            Some(Ok(_)) => survey_origin(store, runs, survey),
            Some(Err(_)) => {}
            None if config.known.contains(repo) => {}
            None => survey.survey_whole(store, runs),
        }
        Ok(())
    }
}

impl Survey {
    /// A store that nobody has configured any more.
    fn survey_whole(&mut self, store: &Store, runs: &Runs) {
        let repo = store.repo();
        let of_repo = || runs.values().filter(|it| it.task.repo == *repo);
        if of_repo().any(|it| it.over.is_none()) {
            return;
        }
        let Some(since) = of_repo().filter_map(|it| it.over).max() else {
            self.name(store.path().as_str(), "no run of this machine worked with it");
            return;
        };
        let hold = match store.holds() {
            Ok(Some(why)) => Hold::Needed(why),
            Ok(None) => Hold::Nothing,
            Err(error) => Hold::Needed(chain(&error)),
        };
        let item = Item::Store { repo: repo.clone() };
        self.holdings.push(Holding { item, bytes: 0, since, newest_of: None, hold });
    }
}

/// References on origin that the runs of this machine left there. Those of other machines are theirs.
fn survey_origin(store: &Store, runs: &Runs, survey: &mut Survey) {
    let repo = store.repo();
    let listed = match store.remote_refs("refs/coord/*") {
        Ok(listed) => listed,
        Err(error) => return survey.name(format!("origin of {repo}"), chain(&error)),
    };
    for (reference, commit) in listed {
        let kind = reference.split('/').nth(2).unwrap_or_default().to_owned();
        let run = reference.rsplit('/').next().and_then(|it| it.parse::<RunId>().ok());
        if ["landing", "expected"].contains(&kind.as_str()) {
            continue;
        }
        let (true, Some(run)) = (["runs", "rescue", "tests"].contains(&kind.as_str()), run) else {
            survey.name(format!("{repo} {reference} on origin"), "no run of this machine made it");
            continue;
        };
        let Some(known) = runs.get(&run) else { continue };
        // What was made for a test is no work; what cannot be told is not known to be published.
        let published = kind == "tests" || store.is_published(&commit).unwrap_or(false);
        let hold = if published { Hold::Nothing } else { Hold::UnseenWork };
        let item = Item::OnOrigin { repo: repo.clone(), run, reference, commit };
        survey.add(known, item, 0, None, hold);
    }
}
