//! Branches, refs, commits and comparisons, from the real repository.

use serde_json::{Value, json};

use crate::site::Site;

#[test]
fn a_comparison_counts_both_sides_and_names_where_they_part() {
    let site = Site::new();
    let start = site.project.head("main").unwrap();
    let head = site.branch("one");
    let compare = || site.octo.get("/repos/acme/api/compare/main...one").is(200);
    let seen = compare();
    assert_eq!(
        (&seen["status"], &seen["ahead_by"], &seen["behind_by"]),
        (&json!("ahead"), &json!(1), &json!(0))
    );
    assert_eq!(seen["files"][0]["filename"], "words/one.txt");
    assert_eq!(seen["files"][0]["additions"], 1);

    site.project.push_as("Bob", "main", "meanwhile", &[("other.txt", "x\n")]);
    let seen = compare();
    assert_eq!((&seen["status"], &seen["behind_by"]), (&json!("diverged"), &json!(1)));
    assert_eq!(seen["merge_base_commit"]["sha"], start);
    assert_eq!(seen["commits"][0]["sha"], head);
    assert_eq!(site.octo.get("/repos/acme/api/compare/one...one").is(200)["status"], "identical");
    site.octo.get("/repos/acme/api/compare/main...nowhere").is(404);
}

#[test]
fn a_branch_with_a_slash_is_found_and_one_that_is_not_there_is_not() {
    let site = Site::new();
    let sha = site.branch("issue-1/words");
    assert_eq!(site.octo.get("/repos/acme/api/branches/issue-1/words").is(200)["commit"]["sha"], sha);
    assert_eq!(site.octo.get("/repos/acme/api/branches/issue-1%2Fwords").is(200)["protected"], false);
    assert_eq!(site.octo.get("/repos/acme/api/branches/nowhere").refuses(404), "Branch not found");
    let refs = site.octo.get("/repos/acme/api/git/matching-refs/heads/issue-1").is(200);
    assert_eq!(refs[0]["ref"], "refs/heads/issue-1/words");
    assert_eq!(site.octo.get("/repos/acme/api/git/matching-refs/heads/nowhere").is(200), json!([]));
    site.octo.get("/repos/acme/api/git/ref/heads/issue-1").is(404);
}

#[test]
fn a_ref_is_made_moved_forward_and_deleted() {
    let site = Site::new();
    let (main, head) = (site.project.head("main").unwrap(), site.branch("one"));
    let refs = "/repos/acme/api/git/refs";
    let make = |name: &str, sha: &str| site.octo.post(refs, json!({ "ref": name, "sha": sha }));
    make("refs/heads/new", &main).is(201);
    assert_eq!(make("refs/heads/new", &main).refuses(422), "Reference already exists");
    assert_eq!(make("refs/heads/other", &"1".repeat(40)).refuses(422), "Object does not exist");
    let path = format!("{refs}/heads/new");
    site.octo.patch(&path, json!({ "sha": head })).is(200);
    let backwards = site.octo.patch(&path, json!({ "sha": main }));
    assert_eq!(backwards.refuses(422), "Update is not a fast forward");
    assert_eq!(site.project.head("new").unwrap(), head);
    site.octo.delete(&path, Value::Null).is(204);
    assert_eq!(site.project.head("new"), None);
    site.octo.delete(&path, Value::Null).is(422);
}

#[test]
fn a_file_is_read_at_a_commit() {
    let site = Site::new();
    site.branch("one");
    let file = site.octo.get("/repos/acme/api/contents/words/one.txt?ref=one").is(200);
    assert_eq!(file["content"], "cGx1bQo=");
    let listed = site.octo.get("/repos/acme/api/contents/words").is(200);
    assert_eq!(listed[0]["path"], "words/fruit.txt");
    site.octo.get("/repos/acme/api/contents/words/one.txt").is(404);
}
