//! Which machine takes a task, when nobody named one.

use crate::machine::Machine;
use crate::name::MachineName;
use crate::readiness::{Blocker, lacks, no_slot};
use crate::run::Run;
use crate::task::Task;

/// A machine for the task, or why none can take it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route<'a> {
    /// This one.
    To(&'a Machine),
    /// None. Where some work on the task's repo, this is what keeps those from taking it now.
    Nowhere(Vec<Blocker>),
}

/// Picks the machine with the most free slots of those that serve the task's repo and can do what its labels ask for;
/// `here` wins a tie, since what runs here costs no network. Those that are `unfit` at the moment are not counted on.
#[must_use]
pub fn route<'a>(
    task: &Task,
    machines: &'a [Machine],
    active: &[Run],
    here: Option<&MachineName>,
    unfit: impl Fn(&MachineName) -> Option<Blocker>,
) -> Route<'a> {
    let (serving, others): (Vec<_>, Vec<_>) =
        machines.iter().partition(|machine| machine.serves(&task.task.repo));
    if serving.is_empty() {
        let refusal = |machine: &Machine| Blocker::NotServed {
            machine: machine.name.clone(),
            repo: task.task.repo.clone(),
        };
        return Route::Nowhere(others.into_iter().map(refusal).collect());
    }
    let mut refusals = Vec::new();
    let mut candidates = Vec::new();
    for machine in serving {
        let lacks = lacks(machine, task);
        if !lacks.is_empty() {
            refusals.extend(lacks);
            continue;
        }
        match unfit(&machine.name).or_else(|| no_slot(&machine.name, machine.slots, active)) {
            Some(refusal) => refusals.push(refusal),
            None => candidates.push(machine),
        }
    }
    let busy = |machine: &Machine| active.iter().filter(|it| it.takes_slot_of(&machine.name)).count();
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
        let here: MachineName = "here".parse().unwrap();
        let nobody = |_: &MachineName| None;
        assert_eq!(route(&task, &fleet, &[], Some(&here), nobody), Route::To(&fleet[1]));
        assert_eq!(route(&task, &fleet, &[], None, nobody), Route::To(&fleet[0]));
        let away = |it: &MachineName| (*it == here).then(|| Blocker::Away(here.clone()));
        assert_eq!(route(&task, &fleet, &[], Some(&here), away), Route::To(&fleet[0]));
        // A machine that would never take it is not worth a word while there are others.
        assert_eq!(
            route(&task, &fleet[1..], &[], None, away),
            Route::Nowhere(vec![Blocker::Away(here.clone())])
        );
        let never = route(&task, &fleet[2..], &[], None, nobody);
        assert!(matches!(never, Route::Nowhere(why) if matches!(&why[..], [Blocker::NotServed { .. }])));
    }
}
