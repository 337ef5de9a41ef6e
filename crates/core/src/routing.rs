//! Which machine takes a task, when nobody named one.

use crate::machine::Machine;
use crate::name::MachineName;
use crate::readiness::{Blocker, blockers};
use crate::run::{Run, RunState};
use crate::task::Task;

/// A machine for the task, or why each of them cannot take it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route<'a> {
    /// This one.
    To(&'a Machine),
    /// None; with the reasons that are the machine's own.
    Nowhere(Vec<(MachineName, Vec<Blocker>)>),
}

/// Picks the machine with the most free slots of those that serve the task's repo; `here` wins a tie, since
/// what runs here costs no network.
#[must_use]
pub fn route<'a>(
    task: &Task,
    machines: &'a [Machine],
    active: &[Run],
    here: Option<&MachineName>,
) -> Route<'a> {
    let mut refusals = Vec::new();
    let mut candidates = Vec::new();
    for machine in machines {
        let reasons: Vec<_> = blockers(task, &[], active, &[], Some(machine))
            .into_iter()
            .filter(|it| matches!(it, Blocker::NotServed { .. } | Blocker::NoSlot { .. }))
            .collect();
        if reasons.is_empty() {
            candidates.push(machine);
        } else {
            refusals.push((machine.name.clone(), reasons));
        }
    }
    let busy = |machine: &Machine| {
        let live = |run: &&Run| !matches!(run.state, RunState::Ended(_)) && run.kind.is_agent_work();
        active.iter().filter(live).filter(|it| it.machine == machine.name).count()
    };
    let free = |machine: &Machine| (machine.slots as usize).saturating_sub(busy(machine));
    let best = candidates.into_iter().rev().max_by_key(|it| (free(it), Some(&it.name) == here));
    best.map_or(Route::Nowhere(refusals), Route::To)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::task::TaskState;

    fn machine(name: &str, slots: u32, repos: &[&str]) -> Machine {
        Machine {
            name: name.parse().unwrap(),
            host: "127.0.0.1".to_owned(),
            port: 1,
            capabilities: Vec::new(),
            repos: repos.iter().map(|it| it.parse().unwrap()).collect(),
            slots,
        }
    }

    #[test]
    fn the_freest_machine_that_serves_the_repo_wins_and_here_breaks_a_tie() {
        let task = Task {
            task: "api#1".parse().unwrap(),
            title: String::new(),
            body: String::new(),
            labels: Vec::new(),
            files: Vec::new(),
            after: Vec::new(),
            origin: None,
            related: Vec::new(),
            state: TaskState::Open,
            created_at: Timestamp::UNIX_EPOCH,
        };
        let fleet = [machine("far", 2, &[]), machine("here", 2, &["api"]), machine("big", 9, &["web"])];
        let here = "here".parse().unwrap();
        assert_eq!(route(&task, &fleet, &[], Some(&here)), Route::To(&fleet[1]));
        assert_eq!(route(&task, &fleet, &[], None), Route::To(&fleet[0]));
        assert!(matches!(route(&task, &fleet[2..], &[], None), Route::Nowhere(why) if why.len() == 1));
    }
}
