//! Merging, in every way and against every refusal.

use coord_testkit::github::{MergeMethod, Protection, Review};
use serde_json::json;

use crate::site::Site;

fn merge(site: &Site, pull: u64, body: serde_json::Value) -> crate::client::Reply {
    site.octo.put(&format!("/repos/acme/api/pulls/{pull}/merge"), body)
}

#[test]
fn a_merge_commit_has_both_parents_and_githubs_words() {
    let site = Site::new();
    let (main, pull) = (site.project.head("main").unwrap(), site.pull("one"));
    let head = site.api.pull(pull).head_sha;
    let sha = merge(&site, pull, json!({})).is(200)["sha"].as_str().unwrap().to_owned();
    assert_eq!(site.project.head("main").unwrap(), sha);
    let git = |format: &str| {
        site.project.git(&site.project.origin, ["log", "-1", &format!("--format={format}"), "main"])
    };
    assert_eq!(git("%P"), format!("{main} {head}"));
    assert_eq!(git("%B").trim_end(), format!("Merge pull request #{pull} from acme/one\n\nWords of one"));
    assert_eq!(git("%an <%ae>, %cn"), "octo <octo@users.noreply.github.com>, GitHub");
    let seen = site.api.pull(pull);
    assert_eq!((seen.merged, seen.merge_commit, seen.merged_by), (true, Some(sha), Some("octo".into())));
    site.octo.get(&format!("/repos/acme/api/pulls/{pull}/merge")).is(204);
    assert_eq!(merge(&site, pull, json!({})).refuses(405), "Pull Request is not mergeable");
}

#[test]
fn a_squash_is_one_commit_that_lists_the_others() {
    let site = Site::new();
    let main = site.project.head("main").unwrap();
    let pull = site.pull("one");
    site.project.push_as("Ann", "one", "more words", &[("words/more.txt", "fig\n")]);
    merge(&site, pull, json!({ "merge_method": "squash" })).is(200);
    let log = site.project.git(&site.project.origin, ["log", "-1", "--format=%P%n%B", "main"]);
    let wanted = format!("{main}\nWords of one (#{pull})\n\n* words of one\n\n* more words");
    assert_eq!(log.trim_end(), wanted);
    assert_eq!(site.project.file("main", "words/more.txt").unwrap(), "fig\n");
}

#[test]
fn a_squash_of_one_commit_is_called_what_the_commit_is() {
    let site = Site::new();
    let pull = site.pull("one");
    merge(&site, pull, json!({ "merge_method": "squash" })).is(200);
    assert_eq!(site.project.log("main")[0], format!("words of one (#{pull})"));
}

#[test]
fn a_rebase_makes_each_commit_anew_with_its_author() {
    let site = Site::new();
    let pull = site.pull("one");
    let head = site.project.push_as("Ann", "one", "more words", &[("words/more.txt", "fig\n")]);
    site.project.push_as("Bob", "main", "meanwhile", &[("other.txt", "x\n")]);
    let sha = merge(&site, pull, json!({ "merge_method": "rebase" })).is(200)["sha"].clone();
    assert_eq!(site.project.log("main")[..3], ["more words", "words of one", "meanwhile"]);
    assert_ne!(sha, head);
    let who = site.project.git(&site.project.origin, ["log", "-1", "--format=%an, %cn", "main"]);
    assert_eq!(who, "Ann, GitHub");
}

#[test]
fn words_that_are_given_are_used() {
    let site = Site::new();
    let pull = site.pull("one");
    let words =
        json!({ "commit_title": "Plums", "commit_message": "Closes nothing", "merge_method": "squash" });
    merge(&site, pull, words).is(200);
    let message = site.project.git(&site.project.origin, ["log", "-1", "--format=%B", "main"]);
    assert_eq!(message.trim_end(), "Plums\n\nCloses nothing");
}

#[test]
fn a_head_that_moved_is_a_conflict_of_its_own() {
    let site = Site::new();
    let pull = site.pull("one");
    let old = site.api.pull(pull).head_sha;
    site.project.push_as("Bob", "one", "under you", &[("words/more.txt", "fig\n")]);
    let refused = merge(&site, pull, json!({ "sha": old }));
    assert_eq!(refused.refuses(409), "Head branch was modified. Review and try the merge again.");
    assert!(!site.api.pull(pull).merged);
}

#[test]
fn a_draft_a_conflict_and_a_method_that_is_not_allowed_are_not_merged() {
    let site = Site::new();
    let draft = site.pull_of_draft("one");
    assert_eq!(merge(&site, draft, json!({})).refuses(405), "Pull Request is still a draft");
    let pull = site.pull("two");
    site.api.allow_merges(&[MergeMethod::Squash]);
    let refused = merge(&site, pull, json!({ "merge_method": "merge" }));
    assert_eq!(refused.refuses(405), "Merge commits are not allowed on this repository.");
    site.project.push_as("Bob", "main", "the same file", &[("words/two.txt", "quince\n")]);
    let refused = merge(&site, pull, json!({ "merge_method": "squash" }));
    assert_eq!(refused.refuses(405), "Pull Request is not mergeable");
}

#[test]
fn a_merge_into_the_default_branch_closes_what_the_pull_request_says() {
    let site = Site::new();
    let [closed, mentioned] = ["closed", "mentioned"].map(|title| site.api.issue(title).open());
    site.branch("one");
    let pull = site.pull_of("one", &json!({ "body": format!("Fixes #{closed}, see #{mentioned}") }));
    merge(&site, pull, json!({})).is(200);
    assert!(!site.api.issue_state(closed).open);
    assert!(site.api.issue_state(mentioned).open);
}

#[test]
fn a_merge_into_another_branch_closes_nothing() {
    let site = Site::new();
    let issue = site.api.issue("stays").open();
    site.branch("one");
    site.project.push_as("Ann", "release", "a release", &[("release.txt", "1\n")]);
    let pull = site.pull_of("one", &json!({ "body": format!("Closes #{issue}"), "base": "release" }));
    merge(&site, pull, json!({})).is(200);
    assert!(site.api.pull(pull).merged);
    assert!(site.api.issue_state(issue).open);
}

#[test]
fn a_branch_goes_with_its_merge_where_that_is_wanted() {
    let site = Site::new();
    site.api.delete_branch_on_merge();
    let pull = site.pull("one");
    let _commit = site.api.merge_as("bob", pull, MergeMethod::Merge);
    assert_eq!(site.project.head("one"), None);
    assert_eq!(site.api.pull(pull).merged_by.as_deref(), Some("bob"));
}

#[test]
fn updating_a_branch_merges_the_base_into_it() {
    let site = Site::new();
    let pull = site.pull("one");
    let path = format!("/repos/acme/api/pulls/{pull}/update-branch");
    site.octo.put(&path, json!({})).is(422);
    let main = site.project.push_as("Bob", "main", "meanwhile", &[("other.txt", "x\n")]);
    site.octo.put(&path, json!({ "expected_head_sha": main })).is(422);
    site.octo.put(&path, json!({ "expected_head_sha": site.api.pull(pull).head_sha })).is(202);
    let compared = site.octo.get("/repos/acme/api/compare/main...one").is(200);
    assert_eq!(compared["behind_by"], 0);
    assert_eq!(site.api.pull(pull).head_sha, site.project.head("one").unwrap());
}

#[test]
fn a_required_approval_is_somebody_elses_and_of_those_who_may_write() {
    let site = Site::new();
    site.api.protect("main", Protection { approvals: 1, ..Default::default() });
    let pull = site.pull("one");
    let missing = "At least 1 approving review is required by reviewers with write access.";
    assert_eq!(merge(&site, pull, json!({})).refuses(405), missing);
    site.api.review_as("eve", pull, Review::Approve);
    assert_eq!(merge(&site, pull, json!({})).refuses(405), missing, "a stranger's does not count");
    site.api.review_as("bob", pull, Review::RequestChanges);
    assert_eq!(merge(&site, pull, json!({})).refuses(405), "Changes have been requested.");
    site.api.review_as("bob", pull, Review::Approve);
    merge(&site, pull, json!({})).is(200);
}
