//! A repository with many open issues: all of them are tasks, and looking again costs next to nothing.

use std::collections::BTreeSet;

use coord_testkit::github::{Association, Recorded};
use serde_json::Value;

use super::OnGitHub;

const MANY: usize = 300;

impl OnGitHub {
    fn listed_tasks(&self) -> Vec<Value> {
        self.document(&["task", "list"])["data"]["tasks"].as_array().unwrap().clone()
    }

    /// What is asked of the API while something is done.
    fn asked_for<T>(&self, during: impl FnOnce() -> T) -> (Vec<Recorded>, T) {
        let before = self.github.requests().len();
        let done = during();
        let requests = self.github.requests().split_off(before);
        (requests.into_iter().filter(|it| !it.path.starts_with("/acme/")).collect(), done)
    }
}

#[test]
fn three_hundred_issues_are_read_once_and_then_only_asked_after() {
    let world = OnGitHub::with_scripts();
    let milestone = world.repo.milestone("Spring");
    let labels = ["bug", "docs", "good first issue"];
    let numbers: BTreeSet<_> = (0..MANY)
        .map(|n| {
            let issue = world.repo.issue(&format!("Issue {n}")).by("ann", Association::Member);
            issue.label(labels[n % 3]).milestone(milestone).open()
        })
        .collect();
    world.api.push_as("Bob", "bobs", "begin", &[("bob.txt", "")]);
    let pull = world.repo.open_pull_as("ann", "bobs", "main", "Is no task");

    let (asked, tasks) = world.asked_for(|| world.listed_tasks());
    assert!(asked.len() <= 8, "{asked:#?}");
    assert_eq!(tasks.iter().map(|it| it["number"].as_u64().unwrap()).collect::<BTreeSet<_>>(), numbers);
    assert!(!numbers.contains(&pull));
    for task in &tasks {
        let n: usize = task["title"].as_str().unwrap().strip_prefix("Issue ").unwrap().parse().unwrap();
        assert_eq!(task["labels"], Value::from(vec![labels[n % 3]]), "{task}");
        assert_eq!(task["milestone"], "Spring", "{task}");
    }

    let (asked, _) = world.asked_for(|| world.listed_tasks());
    assert_eq!(asked.len(), 0, "what was just read is not asked for: {asked:#?}");
    world.a_minute_later();
    let (asked, again) = world.asked_for(|| world.listed_tasks());
    assert_eq!(again, tasks);
    assert!((1..=8).contains(&asked.len()), "{asked:#?}");
    assert!(asked.iter().all(|it| it.status == Some(304) && !it.counted), "{asked:#?}");

    let closed: Vec<_> = [0, MANY / 2, MANY - 1].iter().map(|n| numbers.iter().nth(*n).unwrap()).collect();
    for number in &closed {
        world.repo.close_issue(**number);
    }
    world.a_minute_later();
    let left: BTreeSet<_> = world.listed_tasks().iter().map(|it| it["number"].as_u64().unwrap()).collect();
    assert_eq!(numbers.difference(&left).collect::<Vec<_>>(), closed);
    assert_eq!(left.len(), MANY - closed.len());
}

#[test]
fn a_status_of_many_issues_is_one_that_can_be_read() {
    let world = OnGitHub::with_scripts();
    for n in 0..MANY {
        world.repo.issue(&format!("Issue {n}")).by("ann", Association::Member).open();
    }
    let status = world.coord(["status"]).success().stdout;
    assert!(status.lines().count() <= 60, "{} lines:\n{status}", status.lines().count());
    assert!(status.contains("api#1 ") && status.contains("Issue 0"), "{status}");
    assert!(status.contains("… and 285 more; `coord task list` lists them"), "{status}");
    // One that few have looked at for long has its title as well.
    let number = world.scripted("Add a word", "echo tide > words/sea.txt; git add -A; git commit -qm sea");
    for n in 0..MANY {
        world.repo.issue(&format!("Later {n}")).by("ann", Association::Member).open();
    }
    assert_eq!(world.work(number), "done");
    world.a_minute_later();
    let changes = world.document(&["status"])["data"]["changes"].clone();
    assert_eq!(changes[0]["title"], "Add a word", "{changes:#}");
}
