//! Parents, children and blockers.

use serde_json::{Value, json};

use crate::site::Site;

#[test]
fn a_parent_counts_its_children_and_a_child_has_one_parent() {
    let site = Site::new();
    let [parent, other, child] = ["parent", "other", "child"].map(|title| site.api.issue(title).open());
    let path = |number: u64, rest: &str| format!("/repos/acme/api/issues/{number}{rest}");
    let id = site.octo.get(&path(child, "")).is(200)["id"].clone();
    site.octo.get(&path(child, "/parent")).is(404);

    site.octo.post(&path(parent, "/sub_issues"), json!({ "sub_issue_id": id })).is(201);
    assert_eq!(site.octo.get(&path(child, "/parent")).is(200)["number"], parent);
    let taken = site.octo.post(&path(other, "/sub_issues"), json!({ "sub_issue_id": id }));
    assert_eq!(taken.refuses(422), "Sub issue may only have one parent");
    let replace = json!({ "sub_issue_id": id, "replace_parent": true });
    site.octo.post(&path(other, "/sub_issues"), replace).is(201);
    assert_eq!(site.octo.get(&path(parent, "/sub_issues")).is(200), json!([]));

    site.api.close_issue(child);
    let summary = site.octo.get(&path(other, "")).is(200)["sub_issues_summary"].clone();
    assert_eq!(summary, json!({ "total": 1, "completed": 1, "percent_completed": 100 }));
}

#[test]
fn an_issue_waits_for_others_until_they_are_closed() {
    let site = Site::new();
    let [waiting, blocker] = ["waiting", "blocker"].map(|title| site.api.issue(title).open());
    let path = |number: u64, rest: &str| format!("/repos/acme/api/issues/{number}{rest}");
    site.api.blocked_by(waiting, blocker);
    let blockers = site.octo.get(&path(waiting, "/dependencies/blocked_by")).is(200);
    assert_eq!(blockers[0]["number"], blocker);
    let blocking = site.octo.get(&path(blocker, "/dependencies/blocking")).is(200);
    assert_eq!(blocking[0]["number"], waiting);

    let summary = || site.octo.get(&path(waiting, "")).is(200)["issue_dependencies_summary"].clone();
    assert_eq!((&summary()["blocked_by"], &summary()["total_blocked_by"]), (&json!(1), &json!(1)));
    site.api.close_issue(blocker);
    assert_eq!((&summary()["blocked_by"], &summary()["total_blocked_by"]), (&json!(0), &json!(1)));

    let id = blockers[0]["id"].clone();
    let remove = path(waiting, &format!("/dependencies/blocked_by/{id}"));
    site.octo.delete(&remove, Value::Null).is(200);
    site.octo.delete(&remove, Value::Null).is(404);
}

#[test]
fn children_stay_in_their_order_until_they_are_moved() {
    let site = Site::new();
    let parent = site.api.issue("parent").open();
    let children = ["one", "two", "three"].map(|title| site.api.issue(title).open());
    for child in children {
        site.api.sub_issue(parent, child);
    }
    let path = format!("/repos/acme/api/issues/{parent}/sub_issues");
    let listed = site.octo.get(&path).is(200);
    let body = json!({ "sub_issue_id": listed[2]["id"], "after_id": listed[0]["id"] });
    site.octo.patch(&format!("{path}/priority"), body).is(200);
    let titles: Vec<_> =
        site.octo.get(&path).is(200).as_array().unwrap().iter().map(|it| it["title"].clone()).collect();
    assert_eq!(titles, ["one", "three", "two"]);
}
