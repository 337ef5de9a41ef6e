//! A worker that means harm, in a sandbox: what it tries does nothing, and its honest work still counts.

use coord_testkit::need;

use crate::fleet::{Fleet, text};
use crate::machine::wait_for_file;

const COMMIT: &str = "git add -A && git commit -qm work";

/// A fleet whose scripts are confined like this; `None`, which has been reported, where that cannot be had.
fn confined(level: &str) -> Option<Fleet> {
    if !need::bubblewrap() {
        return None;
    }
    let fleet = Fleet::without_claude();
    fleet.configure(&format!("    sandbox: {level}\n"));
    fleet.reconfigure("runtimes:\n", "runtime: script\nruntimes:\n");
    Some(fleet)
}

/// Has a script run to its end; the run.
fn run(fleet: &Fleet, lines: &str) -> serde_json::Value {
    let number = fleet.add(&["Do it", "--body", &format!("```sh\n{lines}\n```\n")]);
    fleet.wait(&fleet.assign(number))
}

#[test]
fn honest_work_in_a_sandbox_is_done_like_any_other() {
    for level in ["worktree", "strict"] {
        let Some(fleet) = confined(level) else { return };
        let before = fleet.api.fingerprint();
        let end = run(
            &fleet,
            &format!(
                "echo one > one; {COMMIT}; echo two > two; {COMMIT}; git log --oneline origin/main > seen; {COMMIT}"
            ),
        );
        assert_eq!(end["outcome"]["kind"], "done", "{level}: {end}");
        let branch = text(&end["branch"]);
        assert_eq!(fleet.api.file(&branch, "two").as_deref(), Some("two\n"), "{level}");
        let run = text(&end["id"]);
        let told = fleet.coord(["log", &run]).success().stdout;
        assert!(told.contains(&format!("sandbox {level}, enforced by bubblewrap")), "{told}");
        fleet.wait_for_no_worktree();
        assert!(!fleet.run_dir(&run).join("git").exists(), "{level}: what was lent has been given back");
        fleet.api.fingerprint().assert_same_as(&before);
        let tested = fleet.coord(["--json", "test", "1"]).json();
        assert_eq!(tested["data"]["gate"]["state"], "passed", "{level}: {tested}");
    }
}

#[test]
fn what_a_confined_worker_leaves_is_rescued() {
    let Some(fleet) = confined("strict") else { return };
    let end = run(
        &fleet,
        &format!(
            "echo a > a; {COMMIT}\necho stashed >> README.md; git stash -q\necho left > left\n\
             mkdir nested; cd nested; git init -q; echo inner > inner; git add inner; git -c user.name=x -c user.email=x@example.org commit -qm inner"
        ),
    );
    assert_eq!(end["outcome"]["kind"], "dirty", "{end}");
    let rescue = text(&end["rescue"]);
    assert_eq!(fleet.in_store(&rescue, "left"), "left");
    assert_eq!(fleet.in_store(&rescue, "nested/inner"), "inner");
    assert!(
        fleet.in_store(&format!("{rescue}^2"), "README.md").ends_with("stashed"),
        "the stash is its parent"
    );
    assert_eq!(fleet.api.file(&text(&end["branch"]), "a").as_deref(), Some("a\n"));
}

/// Each line is an attempt; one that comes off is written down where the test finds it.
#[test]
fn a_worker_that_means_harm_gets_nowhere() {
    let Some(fleet) = confined("strict") else { return };
    let bystander =
        fleet.add(&["Look on", "--body", "```sh\ntouch ~/standing-by; while :; do sleep 0.05; done\n```\n"]);
    fleet.reconfigure("sandbox: strict", "sandbox: none");
    let other = fleet.assign(bystander);
    wait_for_file(&fleet.home().join("standing-by"));
    fleet.reconfigure("sandbox: none", "sandbox: strict");

    let home = fleet.coord_home();
    let (store, origin) = (home.join("repos/api.git"), &fleet.api.origin);
    let (refs, origin_refs) = (fleet.store_refs(""), fleet.api.refs());
    let victim = fleet.worker_pid(&other);
    let pwned = fleet.dir().join("pwned");
    let attempts = [
        format!("git push {origin} HEAD:refs/heads/main"),
        "git push origin HEAD:refs/heads/main".to_owned(),
        format!("git push {origin} HEAD:refs/coord/runs/{other}"),
        format!("cat {home}/agent/token"),
        format!("cat {home}/runs/{other}/log.ndjson"),
        format!("ls {home}/runs/{other}"),
        "cat ~/.gitconfig ~/standing-by".to_owned(),
        format!("git --git-dir={store} update-ref refs/heads/coord/run/{other} HEAD"),
        format!("git --git-dir={store} update-ref refs/remotes/origin/main HEAD"),
        format!("echo 'touch {pwned}' > {store}/hooks/post-checkout"),
        format!("rm -rf {store}/objects/pack"),
        format!("echo x >> {store}/objects/info/alternates"),
        "echo 'gitdir: /tmp/evil' > .git".to_owned(),
        "rm -f .git".to_owned(),
        "mv .git elsewhere".to_owned(),
        format!("kill -9 {victim}"),
        format!("COORD_REPORT_SOCKET={home}/runs/{other}/report.sock coord report stuck 'forged'"),
    ];
    // What its own git directory says must not be obeyed by anybody else.
    let traps = format!(
        "touch {pwned} {home}/mine\n\
         git config core.fsmonitor 'touch {pwned}; false'; git config core.hooksPath $PWD/hooks\n\
         git config filter.evil.clean 'touch {pwned}; cat'; echo '* filter=evil' > .gitattributes\n\
         git config uploadpack.packObjectsHook 'touch {pwned}; exec'; git config core.sshCommand 'touch {pwned}'\n\
         mkdir -p hooks; printf '#!/bin/sh\\ntouch {pwned}\\n' | tee hooks/pre-commit hooks/post-checkout hooks/reference-transaction > /dev/null\n\
         chmod +x hooks/*\n\
         git init -q trap; (cd trap; git commit -q --allow-empty -m x; git config core.fsmonitor 'touch {pwned}; false'; \
         git config filter.evil.clean 'touch {pwned}; cat'; echo '* filter=evil' > .gitattributes; echo x > x)\n\
         setsid sh -c 'trap \"\" INT TERM HUP; while :; do sleep 0.05; done' > /dev/null 2>&1 &\n"
    );
    let tried: Vec<_> = attempts
        .iter()
        .map(|it| format!("if ({it}) > /dev/null 2>&1; then echo \"STATUS: came off: {it}\"; fi"))
        .collect();
    let end =
        run(&fleet, &format!("set +e\necho honest > honest; {COMMIT}\n{}\n{traps}\ntrue", tried.join("\n")));
    let run = text(&end["id"]);
    let told: Vec<_> = fleet.events(&run).into_iter().filter(|it| it["event"]["kind"] == "status").collect();
    assert!(told.is_empty(), "{told:#?}");
    assert_eq!(end["outcome"]["kind"], "dirty", "what it left lying about: {end}");
    assert_eq!(fleet.api.file(&text(&end["branch"]), "honest").as_deref(), Some("honest\n"));
    assert!(!pwned.exists() && !home.join("mine").exists(), "something was done outside of the sandbox");
    assert!(crate::machine::is_alive(victim), "the bystander is alive");
    let mine = |it: &String| !it.contains(&run);
    let after: Vec<_> = fleet.store_refs("").into_iter().filter(mine).collect();
    assert!(refs.iter().all(|it| after.contains(it)), "{refs:?} became {after:?}");
    let mut published = fleet.api.refs();
    published.remove(&format!("refs/heads/{}", text(&end["branch"])));
    assert_eq!(published, origin_refs);
    assert_eq!(fleet.count(&other, "stuck"), 0, "nobody spoke in the name of the other run");
    fleet.coord(["stop", &other]).success();
    fleet.assert_nothing_runs_without_the_server();
}

#[test]
fn a_sandbox_that_cannot_be_had_is_a_refusal() {
    let fleet = Fleet::without_claude();
    fleet.configure("    sandbox: strict\n");
    fleet.reconfigure("runtimes:\n", "runtime: script\nruntimes:\n");
    let number = fleet.add(&["Do it", "--body", "```sh\ntouch ~/worked\n```\n"]);
    // A search path with everything on it but the program that makes sandboxes.
    let bin = fleet.dir().join("without-bwrap");
    fs_err::create_dir_all(&bin).unwrap();
    for dir in ["/usr/local/bin", "/usr/bin", "/bin"] {
        for entry in fs_err::read_dir(dir).into_iter().flatten().flatten() {
            if entry.file_name() != "bwrap" {
                drop(fs_err::os::unix::fs::symlink(entry.path(), bin.as_std_path().join(entry.file_name())));
            }
        }
    }
    let mut command = fleet.command(env!("CARGO_BIN_EXE_coord"));
    command.args(["assign", "here", "api", &number.to_string()]).env("PATH", &bin);
    let refused = coord_testkit::world::Running::start(command).wait();
    assert_ne!(refused.status.code(), Some(0));
    assert!(refused.stderr.contains("asks for the sandbox `strict`"), "{}", refused.stderr);
    assert!(refused.stderr.contains("install bubblewrap"), "{}", refused.stderr);
    assert!(!fleet.home().join("worked").exists());
}
