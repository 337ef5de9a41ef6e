//! What workers leave behind: found, looked at, taken home and sent to origin.

use coord_testkit::world::Finished;
use serde_json::Value;

use crate::fleet::{Fleet, text};
use crate::refusals::{script, scripted};

/// Has a script run to its end that leaves something; its run.
fn leave(fleet: &Fleet, lines: &str) -> String {
    let number = script(fleet, lines).parse().unwrap();
    let run = fleet.assign(number);
    fleet.wait(&run);
    fleet.wait_for_no_worktree();
    run
}

/// The document of a command.
fn said(fleet: &Fleet, arguments: &[&str]) -> Value {
    fleet.coord(arguments.iter().chain(&["--json"])).success().json()["data"].clone()
}

/// A command in the clone of the developer.
fn in_clone(fleet: &Fleet, arguments: &str) -> String {
    fleet.api.git(&fleet.api.clone, arguments.split(' '))
}

/// Fourteen characters that no dictionary has, put together so that they stand nowhere as they are.
fn password() -> String {
    ["hT5q", "Zp81", "wLxR", "0v"].concat()
}

/// Everything about the clone that a person sees.
fn standing(fleet: &Fleet) -> Vec<String> {
    let asked = ["status --porcelain", "for-each-ref", "stash list", "diff HEAD", "rev-parse HEAD"];
    asked.map(|it| in_clone(fleet, it)).to_vec()
}

const LEFT: &str = "echo stashed > lib/later.sh; git add -A; git stash -q -m 'for later'; \
                    echo tide > sea.txt; echo more >> README.md; printf '\\000\\377' > raw.bin";

#[test]
fn work_that_was_left_is_listed_shown_and_applied() {
    let fleet = scripted();
    let run = leave(&fleet, LEFT);
    let done = leave(&fleet, "echo tide > tide.txt; git add tide.txt; git commit -qm tide");
    let kept = format!("refs/coord/keep/{done}");
    let store = fleet.coord_home().join("repos/api.git");
    fleet.api.git(&store, ["update-ref", &kept, "refs/remotes/origin/issue-2-a-task"]);
    let list = said(&fleet, &["rescue", "list"]);
    let kept = &list["rescues"][0];
    assert_eq!(list["rescues"].as_array().unwrap().len(), 1, "{list}");
    assert_eq!(
        (&kept["run"], &kept["task"], &kept["machine"]),
        (&run.as_str().into(), &"api#1".into(), &"here".into())
    );
    assert_eq!((&kept["files"], &kept["stashes"], &kept["commits"]), (&3.into(), &1.into(), &0.into()));
    assert_eq!(
        (&kept["published"], &kept["pushed"], &kept["looked_at"]),
        (&false.into(), &false.into(), &Value::Null)
    );

    // What origin has as well is no worry of anybody's, but there for who asks.
    assert_eq!(said(&fleet, &["rescue", "list", "2"])["rescues"][0]["published"], true);

    let shown = said(&fleet, &["rescue", "show", "1"]);
    assert!(text(&shown["patch"]).contains("+tide") && text(&shown["patch"]).contains("+stashed"), "{shown}");
    assert!(said(&fleet, &["rescue", "list", "api#1"])["rescues"][0]["looked_at"].is_string());

    let clone = fleet.api.clone.clone();
    let applied = said(&fleet, &["rescue", "apply", &run[..6], clone.as_str()]);
    assert_eq!(
        (applied["files"].as_array().unwrap().len(), &applied["stashes"]),
        (3, &1.into()),
        "{applied}"
    );
    assert_eq!(in_clone(&fleet, "diff --cached --name-only"), "README.md\nraw.bin\nsea.txt");
    assert_eq!(fs_err::read(clone.join("raw.bin")).unwrap(), b"\0\xff");
    assert_eq!(in_clone(&fleet, "diff --name-only"), "");
    assert_eq!(in_clone(&fleet, "stash list --format=%s"), "On coord/run/".to_owned() + &run + ": for later");
    in_clone(&fleet, "commit --quiet -m home");
    in_clone(&fleet, "stash pop --quiet");
    assert_eq!(fs_err::read_to_string(clone.join("lib/later.sh")).unwrap(), "stashed\n");
}

#[test]
fn a_patch_that_is_shown_whole_is_one_that_git_takes() {
    let fleet = scripted();
    let run = leave(&fleet, "printf '\\000\\377' > raw.bin; seq 30000 > long.txt");
    let part = fleet.coord(["rescue", "show", &run]).success();
    assert!(
        part.stdout.len() < 70_000 && part.stderr.contains("--all"),
        "{} {}",
        part.stdout.len(),
        part.stderr
    );
    let whole = fleet.coord(["rescue", "show", &run, "--all"]).success().stdout;
    let patch = fleet.write("whole.patch", &whole);
    fleet.api.git(&fleet.api.clone, ["apply", patch.as_str()]);
    assert_eq!(fs_err::read(fleet.api.clone.join("raw.bin")).unwrap(), b"\0\xff");
    assert!(fs_err::read_to_string(fleet.api.clone.join("long.txt")).unwrap().ends_with("\n30000\n"));
}

#[test]
fn a_clone_where_it_does_not_fit_is_left_as_it_was_and_told_why() {
    let fleet = scripted();
    let run = leave(&fleet, "echo theirs > README.md; echo tide > sea.txt");
    let clone = fleet.api.clone.clone();
    let apply = |more: &[&str]| fleet.coord(["rescue", "apply", &run, clone.as_str()].iter().chain(more));

    fs_err::write(clone.join("README.md"), "mine\n").unwrap();
    let before = standing(&fleet);
    let refused = apply(&[]).exits(5);
    assert!(
        refused.stderr.contains("README.md") && refused.stderr.contains("changes of its own"),
        "{}",
        refused.stderr
    );
    assert_eq!(standing(&fleet), before);

    in_clone(&fleet, "commit --quiet -am mine");
    let before = standing(&fleet);
    let refused = apply(&[]).exits(5);
    assert!(
        refused.stderr.contains("conflicts") && refused.stderr.contains("--conflicts"),
        "{}",
        refused.stderr
    );
    assert_eq!(in_clone(&fleet, "status --porcelain"), "");
    assert!(!clone.join("sea.txt").exists());
    assert_eq!(standing(&fleet), before);

    apply(&["--conflicts"]).exits(5);
    let marked = fs_err::read_to_string(clone.join("README.md")).unwrap();
    assert!(marked.contains("<<<<<<<") && marked.contains("mine") && marked.contains("theirs"), "{marked}");
    assert!(clone.join("sea.txt").exists());

    let empty = fleet.dir().join("empty");
    fs_err::create_dir(&empty).unwrap();
    fleet.api.git(&empty, ["init", "--quiet"]);
    fleet.api.git(&empty, ["commit", "--quiet", "--allow-empty", "--message", "another history"]);
    let refused = fleet.coord(["rescue", "apply", &run, empty.as_str()]).exits(5);
    assert!(refused.stderr.contains("lacks the commits"), "{}", refused.stderr);
    fleet.coord(["rescue", "apply", &run, fleet.coord_home().as_str()]).exits(2);
}

#[test]
fn commits_of_a_stopped_run_are_taken_home_as_well() {
    let fleet = scripted();
    let ready = fleet.dir().join("ready");
    let lines = format!("echo tide > sea.txt; git add -A; git commit -qm tide; touch {ready}; sleep 600");
    let run = fleet.assign(script(&fleet, &lines).parse().unwrap());
    crate::machine::wait_for_file(&ready);
    fleet.coord(["stop", &run]).success();
    fleet.wait_for_no_worktree();
    let kept = said(&fleet, &["rescue", "list"])["rescues"][0].clone();
    assert_eq!((&kept["files"], &kept["commits"]), (&0.into(), &1.into()), "{kept}");
    assert!(text(&said(&fleet, &["rescue", "show", &run])["patch"]).contains("+tide"));
    said(&fleet, &["rescue", "apply", &run, fleet.api.clone.as_str()]);
    assert_eq!(in_clone(&fleet, "diff --cached --name-only"), "sea.txt");
}

/// Nothing that was printed has the secret.
#[track_caller]
fn assert_silent(finished: &Finished, secret: &str) {
    assert!(!finished.stdout.contains(secret) && !finished.stderr.contains(secret), "{finished:?}");
}

#[test]
fn nothing_that_looks_like_a_secret_goes_to_origin_without_a_word_and_none_is_ever_printed() {
    let fleet = scripted();
    let secret = password();
    let run =
        leave(&fleet, &format!("echo ok > ok.txt; printf 'one\\npassword = \"{secret}\"\\n' > app.cfg"));
    let reference = format!("refs/coord/rescue/{run}");
    let refused = fleet.coord(["rescue", "push", &run]).exits(5);
    assert!(refused.stderr.contains("app.cfg:2: a password, token or key"), "{}", refused.stderr);
    let program = fleet.coord(["rescue", "push", &run, "--json"]).exits(5);
    let leaks = program.json()["data"]["push"]["leaks"].clone();
    assert_eq!((&leaks[0]["place"], &leaks[0]["line"]), (&"app.cfg".into(), &2.into()), "{leaks}");
    assert_silent(&refused, &secret);
    assert_silent(&program, &secret);
    assert!(!fleet.api.refs().contains_key(&reference));

    let anyway = fleet.coord(["rescue", "push", &run, "--anyway", "it is a fixture"]).success();
    assert_silent(&anyway, &secret);
    let commit = fleet.api.refs().remove(&reference).expect("origin has it");
    assert_eq!(said(&fleet, &["rescue", "list"])["rescues"][0]["commit"], commit.as_str());
    assert_eq!(said(&fleet, &["rescue", "list"])["rescues"][0]["pushed"], true);
    let why = fleet.coord(["why", &run]).success().stdout;
    assert!(why.contains("was pushed although it seems to hold secrets: it is a fixture"), "{why}");
    let log = fs_err::read_to_string(fleet.coord_home().join("agent/agent.log")).unwrap();
    assert!(log.contains("it is a fixture") && !log.contains(&secret), "{log}");
}

#[test]
fn a_secret_of_the_environment_is_found_in_a_stash_beneath_what_was_left() {
    let mut fleet = scripted();
    // No rule knows what it looks like.
    let secret = "correct horse battery";
    fleet.set("HOUSE_PASSWORD", secret);
    let run = leave(&fleet, &format!("echo '{secret}' > a; git stash -q -u; echo left > b"));
    fleet.coord(["rescue", "push", &run]).exits(5);
    let clean = leave(&fleet, "echo fine > c");
    fleet.coord(["rescue", "push", &clean]).success();
    let refs = fleet.api.refs();
    assert!(refs.contains_key(&format!("refs/coord/rescue/{clean}")), "{refs:?}");
    assert!(!refs.contains_key(&format!("refs/coord/rescue/{run}")), "{refs:?}");
}

#[test]
fn whoever_is_refused_is_told_a_command_that_leads_on() {
    let fleet = scripted();
    let secret = password();
    let run = leave(&fleet, &format!("printf 'password = \"{secret}\"\\n' > app.cfg"));
    let elsewhere = fleet.coord_home().to_string();
    let follow = |arguments: &[&str], code: i32| {
        let said = fleet.coord(arguments).exits(code).stderr;
        let hints: Vec<_> =
            said.lines().filter_map(|it| it.strip_prefix("hint: ")).map(str::to_owned).collect();
        let cures = crate::refusals::cures(&hints);
        assert!(!cures.is_empty(), "{arguments:?}: {said}");
        for cure in cures {
            crate::cures::take(&fleet, &cure).unwrap().success();
        }
    };
    follow(&["rescue", "show", "99"], 4);
    follow(&["rescue", "apply", &run, &elsewhere], 2);
    // The last of its cures is to push it all the same.
    follow(&["rescue", "push", &run], 5);
    assert!(fleet.api.refs().contains_key(&format!("refs/coord/rescue/{run}")));
}
