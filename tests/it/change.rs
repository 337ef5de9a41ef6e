//! What stories about changes share: having one made by a worker, merging, and looking at what came of it.

use coord_testkit::model::{Step, bash, say};
use serde_json::Value;

use crate::fleet::{Fleet, text};

/// The reply that writes a file and commits it.
pub(crate) fn commit(path: &str, content: &str, message: &str) -> Step {
    bash(&format!("printf '{content}\\n' > {path} && git add -A && git commit -qm '{message}'"))
}

/// A task that a worker has done, with an open pull request: it adds a list of one word.
pub(crate) fn change(fleet: &Fleet, list: &str, word: &str) -> u64 {
    let (path, title) = (format!("words/{list}.txt"), format!("Add {list}"));
    proposed(fleet, &title, [commit(&path, word, &title)])
}

pub(crate) fn proposed(fleet: &Fleet, title: &str, steps: impl IntoIterator<Item = Step>) -> u64 {
    let number = fleet.task(title, steps.into_iter().chain([say("done")]));
    assert_eq!(fleet.work(number), "done");
    fleet.propose(number);
    number
}

pub(crate) fn test(fleet: &Fleet, number: u64) {
    let tested = fleet.coord(["--json", "test", &number.to_string()]).success().json();
    assert_eq!(tested["data"]["gate"]["state"], "passed", "{tested:#}");
}

/// `coord merge` with these arguments: its document, once it has ended with `code`.
#[track_caller]
pub(crate) fn merge(fleet: &Fleet, arguments: &[&str], code: i32) -> Value {
    let arguments = ["--json", "merge"].iter().chain(arguments);
    fleet.coord(arguments).exits(code).json()["data"].clone()
}

/// The numbers of the tasks in a list of `merge`'s document.
pub(crate) fn tasks(list: &Value) -> Vec<u64> {
    let tasks = list.as_array().unwrap().iter().map(|it| text(&it["task"]));
    tasks.map(|it| it.strip_prefix("api#").unwrap().parse().unwrap()).collect()
}

pub(crate) fn why(fleet: &Fleet, number: u64) -> Value {
    fleet.coord(["--json", "why", &number.to_string()]).success().json()["data"].clone()
}

/// The merge results that were tested for a task, oldest first.
pub(crate) fn tested(fleet: &Fleet, number: u64) -> Vec<String> {
    let why = why(fleet, number);
    let runs = why["runs"].as_array().unwrap().iter().filter(|it| it["kind"] == "test");
    let ends = runs.map(|it| fleet.coord_home().join(format!("runs/{}/exit.json", text(&it["id"]))));
    let ends = ends.map(|it| serde_json::from_str::<Value>(&fs_err::read_to_string(it).unwrap()).unwrap());
    ends.map(|it| text(&it["git"]["head"])).collect()
}

/// Runs git in the repo store.
pub(crate) fn store(fleet: &Fleet, arguments: &[&str]) -> String {
    fleet.api.git(&fleet.coord_home().join("repos/api.git"), arguments.iter().copied())
}

/// Runs git in the bare origin.
pub(crate) fn origin(fleet: &Fleet, arguments: &[&str]) -> String {
    fleet.api.git(&fleet.api.origin, arguments.iter().copied())
}

pub(crate) fn main_of(fleet: &Fleet) -> String {
    fleet.api.head("main").expect("origin has a default branch")
}
