//! What becomes of runs when their server, their shim or both are gone.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use camino::Utf8Path;
use coord_agent::order::ShimRecord;
use coord_core::id::RunId;
use coord_core::outcome::Outcome;
use fs_err as fs;

use crate::site::{Site, id, spec, until, write_program};

fn shim_pid(site: &Site, run: RunId) -> String {
    let record: ShimRecord = serde_json::from_slice(&fs::read(site.run_dir(run).shim()).unwrap()).unwrap();
    record.pid.to_string()
}

fn kill(pid: &str) {
    assert!(Command::new("kill").args(["-9", pid]).process_group(0).status().unwrap().success());
}

fn is_there(pid: &str) -> bool {
    fs::read_to_string(Utf8Path::new("/proc").join(pid).join("stat")).is_ok_and(|it| !it.contains(") Z "))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_goes_on_without_its_server_and_is_found_again_or_collected() {
    let site = Site::new();
    let (go, count) = (site.dir.join("go"), site.dir.join("count"));
    let work = "echo x > x && git add x && git commit --quiet -m x";
    let command = |n| format!("echo {n} >> {count}; while [ ! -e {go}{n} ]; do sleep 0.01; done; {work}");
    let server = site.serve().await;
    for n in [1, 2] {
        assert!(server.client.start(&spec(n, &command(n))).await.is_ok());
    }
    let before = server.until_running(id(1)).await;
    server.until_running(id(2)).await;
    server.stop().await;

    // The second one ends while nobody looks.
    fs::write(format!("{go}2"), "").unwrap();
    until("the shim is gone", || site.run_dir(id(2)).exit().exists()).await;
    assert!(!site.run_dir(id(2)).collected().exists());
    let server = site.serve().await;
    let after = server.until_running(id(1)).await;
    assert_eq!((after.pid, &after.state), (before.pid, &before.state), "it is the same worker");
    assert_eq!(server.end(id(2)).await.outcome, Outcome::Done);
    until("the other one is collected", || site.run_dir(id(2)).collected().exists()).await;
    assert!(!site.home.worktrees().join("api/issue-2").exists());
    fs::write(format!("{go}1"), "").unwrap();
    assert_eq!(server.end(id(1)).await.outcome, Outcome::Done);
    let mut started: Vec<_> = fs::read_to_string(&count).unwrap().lines().map(str::to_owned).collect();
    started.sort();
    assert_eq!(started, ["1", "2"]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_whose_shim_was_killed_is_lost_and_its_work_is_not() {
    let site = Site::new();
    let server = site.serve().await;
    let command = |n: u64| format!("echo unsaved > new.txt; echo $$ > {}/pid{n}; sleep 1000", site.dir);
    for n in [1, 2] {
        assert!(server.client.start(&spec(n, &command(n))).await.is_ok());
        server.until_running(id(n)).await;
        let pid = site.dir.join(format!("pid{n}"));
        until("the worker is at work", || fs::read_to_string(&pid).is_ok_and(|it| it.ends_with('\n'))).await;
    }
    // Under the eyes of the server, and while there is none.
    kill(&shim_pid(&site, id(1)));
    let mut ends = vec![(1, server.end(id(1)).await)];
    server.stop().await;
    kill(&shim_pid(&site, id(2)));
    let server = site.serve().await;
    ends.push((2, server.end(id(2)).await));
    for (n, end) in ends {
        assert!(matches!(end.outcome, Outcome::Lost { .. }), "{end:?}");
        let worker = fs::read_to_string(site.dir.join(format!("pid{n}"))).unwrap();
        assert!(!is_there(worker.trim()), "the worker lives");
        let rescue = end.rescue.unwrap();
        let store = site.dir.join("home/repos/api.git");
        assert_eq!(site.git(&store, &format!("show {}:new.txt", rescue.reference)), "unsaved");
        until("the worktree is gone", || !site.home.worktrees().join(format!("api/issue-{n}")).exists())
            .await;
    }
    server.stop().await;
}

/// Nothing of a run that somebody stopped leaves the machine, whoever sees to its end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_whose_shim_was_killed_while_it_was_stopped_is_cancelled() {
    let site = Site::new();
    let server = site.serve().await;
    let ready = site.dir.join("ready");
    let stubborn = format!(
        "trap '' TERM; echo x > x && git add x && git commit --quiet -m x; touch {ready}; \
         while :; do sleep 0.05; done"
    );
    assert!(server.client.start(&spec(1, &stubborn)).await.is_ok());
    until("the worker is at work", || ready.exists()).await;
    let (client, run) = (server.client.clone(), id(1));
    let stop = tokio::spawn(async move { client.stop(run).await });
    let log = site.run_dir(id(1)).log();
    until("it is told to stop", || fs::read_to_string(&log).is_ok_and(|it| it.contains("stopping,"))).await;
    kill(&shim_pid(&site, id(1)));
    let end = server.end(id(1)).await;
    assert_eq!((end.outcome, end.git.added, end.git.pushed), (Outcome::STOPPED, Some(1), None));
    assert!(stop.await.unwrap().is_ok());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_was_confirmed_is_made_good_unless_its_time_has_passed() {
    let site = Site::new();
    // What a server leaves that is killed right after its answer.
    for (n, seconds) in [(1, 600), (2, -1)] {
        let mut made = spec(n, "echo x > x && git add x && git commit --quiet -m x");
        made.start_before = crate::site::now() + jiff::SignedDuration::from_secs(seconds);
        fs::create_dir_all(site.run_dir(id(n)).path()).unwrap();
        fs::write(site.run_dir(id(n)).spec(), serde_json::to_vec(&made).unwrap()).unwrap();
    }
    // And one whose answer was never given.
    fs::create_dir_all(site.run_dir(id(3)).path()).unwrap();
    let server = site.serve().await;
    assert_eq!(server.end(id(1)).await.outcome, Outcome::Done);
    let Outcome::Lost { reason } = server.end(id(2)).await.outcome else { panic!("it was started") };
    assert!(reason.contains("too late"), "{reason}");
    assert_eq!(server.client.run(id(3)).await.unwrap(), None);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_without_a_trace_of_a_shim_is_carried_out() {
    let mut site = Site::new();
    // The first server is stopped before the shim that it started did anything.
    let idle = site.dir.join("bin/idle");
    write_program(&idle, "#!/bin/sh\nexec sleep 5\n");
    let real = std::mem::replace(&mut site.shim_program, idle);
    let server = site.serve().await;
    assert!(
        server.client.start(&spec(1, "echo x > x && git add x && git commit --quiet -m x")).await.is_ok()
    );
    until("the order is written", || site.run_dir(id(1)).order().exists()).await;
    server.stop().await;
    assert!(!site.run_dir(id(1)).shim().exists());

    site.shim_program = real;
    let server = site.serve().await;
    assert_eq!(server.end(id(1)).await.outcome, Outcome::Done);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_earlier_run_left_in_the_worktree_is_rescued_before_the_next_one_works_there() {
    let site = Site::new();
    let server = site.serve().await;
    assert!(server.client.start(&spec(1, "true")).await.is_ok());
    server.end(id(1)).await;
    until("the run is collected", || site.run_dir(id(1)).collected().exists()).await;
    // As after a removal that came to nothing: a worktree with something in it, and nobody at work.
    let store = site.dir.join("home/repos/api.git");
    let git = coord_git::program::Git::new(
        site.environment.iter().map(|(name, value)| (name.into(), value.into())),
    );
    let origin = format!("file://{}/origin.git", site.dir);
    let opened =
        coord_git::store::Store::open(&git, site.home.root(), &"api".parse().unwrap(), &origin, None)
            .unwrap();
    let path = site.home.worktrees().join("api/issue-1");
    let tip = opened.tip(&"main".parse().unwrap()).unwrap().unwrap();
    drop(opened.add_worktree(&path, id(5), &tip).unwrap());
    fs::write(path.join("left.txt"), "left").unwrap();

    let mut next = spec(2, "test ! -e left.txt");
    next.branch = "issue-1".parse().unwrap();
    assert!(server.client.start(&next).await.is_ok());
    assert_eq!(server.end(id(2)).await.outcome, Outcome::NoChange);
    assert_eq!(site.git(&store, &format!("show refs/coord/rescue/{}:left.txt", id(5))), "left");
    server.stop().await;
}
