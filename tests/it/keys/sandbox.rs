//! Keys of the sandbox.

use coord_testkit::need;

use super::House;

/// Whether a script in repo `api` finds a file of the home.
fn sees(house: &House, name: &str) -> bool {
    house.write(&format!("home/{name}"), "x");
    let seen = house.dir().join("home").join(name);
    let run = house.run(&format!("if [ -e {seen} ]; then echo STATUS: it is there; fi"));
    assert_eq!(run["outcome"]["kind"], "no-change", "{run}");
    house.count(run["id"].as_str().unwrap(), "status") > 0
}

#[test]
pub(super) fn a_repo_has_the_last_word_on_its_sandbox() {
    if !need::bubblewrap() {
        return;
    }
    let house = House::new();
    assert!(sees(&house, "secret"));
    for (repo, all, hidden) in [
        ("", "sandbox: {level: worktree}", true),
        ("sandbox: strict", "", true),
        ("sandbox: none", "sandbox: {level: strict}", false),
    ] {
        house.says(repo, "", all);
        assert_eq!(sees(&house, "secret"), !hidden, "{repo} {all}");
    }
}

#[test]
pub(super) fn network_is_for_the_kinds_that_have_it() {
    if !need::bubblewrap() {
        return;
    }
    let house = House::new();
    let reached = |network: &str| {
        house.says("", "", &format!("sandbox: {{level: worktree, network: {network}}}"));
        let run = house.run("echo STATUS: $(readlink /proc/self/ns/net)");
        let events = house.events(run["id"].as_str().unwrap());
        let told = events.iter().find(|it| it["event"]["kind"] == "status").unwrap();
        told["event"]["text"].as_str().unwrap().to_owned()
    };
    let ours = std::fs::read_link("/proc/self/ns/net").unwrap();
    assert_eq!(reached("[work, test]"), ours.to_str().unwrap());
    assert_ne!(reached("[test]"), ours.to_str().unwrap());
}

#[test]
pub(super) fn readable_is_what_they_see_of_a_home() {
    if !need::bubblewrap() {
        return;
    }
    let house = House::new();
    house.says("", "", "sandbox: {level: strict, readable: [~/open, ~/.netrc]}");
    assert!(sees(&house, "open") && sees(&house, ".netrc"));
    assert!(!sees(&house, "closed"));
}
