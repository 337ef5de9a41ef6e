//! Starting and stopping runs: once, in time, under the newest fence, or not at all and with the reason.

use std::time::Duration;

use coord_core::outcome::Outcome;
use coord_core::run::RunState;
use coord_proto::client::Started;
use coord_proto::problem::ProblemKind;
use coord_proto::run::{Checkout, RunSpec};
use fs_err as fs;
use tokio::time::Instant;

use crate::site::{Site, id, spec, until};

const COMMIT: &str = "echo more >> README && git commit --quiet -am more";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_is_started_once_works_on_the_tip_of_origin_and_is_cleared_away() {
    let site = Site::new();
    let server = site.serve().await;
    let count = site.dir.join("count");
    let made = spec(1, &format!("echo started >> {count}; {COMMIT}"));
    let (one, two) = tokio::join!(server.client.start(&made), server.client.start(&made));
    let mut answers = [one.unwrap(), two.unwrap()];
    answers.sort_by_key(|it| *it == Started::Already);
    assert_eq!(answers, [Started::Created, Started::Already]);

    let end = server.end(id(1)).await;
    assert_eq!(end.outcome, Outcome::Done, "{end:?}");
    let main = site.git(&site.dir.join("origin.git"), "rev-parse main");
    assert_eq!(end.git.base.as_ref().unwrap().as_str(), main);
    let pushed = site.git(&site.dir.join("origin.git"), &format!("rev-parse refs/coord/runs/{}", id(1)));
    assert_eq!(end.git.head.as_ref().unwrap().as_str(), pushed);

    assert_eq!(server.client.start(&made).await.unwrap(), Started::Already);
    assert_eq!(fs::read_to_string(&count).unwrap(), "started\n");
    let view = server.client.run(id(1)).await.unwrap().unwrap();
    assert_eq!(view.state, RunState::Ended(Box::new(end)));
    assert_eq!(view.last_event, server.events(id(1)).await.len() as u64);
    until("the worktree is gone", || !site.home.worktrees().join("api/issue-1").exists()).await;
    until("the run is collected", || site.run_dir(id(1)).collected().exists()).await;
    let feed = fs::read_to_string(site.home.feed()).unwrap();
    let states: Vec<serde_json::Value> = feed.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
    assert_eq!(states.first().unwrap()["state"], "preparing");
    assert_eq!(states.last().unwrap()["outcome"], "done");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_spec_an_older_fence_and_a_late_start_are_refused_even_after_a_restart() {
    let site = Site::new();
    let server = site.serve().await;
    let made = RunSpec { fence: 5, ..spec(1, "true") };
    assert_eq!(server.client.start(&made).await.unwrap(), Started::Created);
    let other = RunSpec { command: Some("false".to_owned()), ..made.clone() };
    assert_eq!(server.refused(&other).await.kind, ProblemKind::Conflict);
    // The same again under a newer lease raises the fence, and so shuts out the older one.
    let newer = RunSpec { fence: 8, ..made.clone() };
    assert_eq!(server.client.start(&newer).await.unwrap(), Started::Already);
    let older = RunSpec { run: id(2), fence: 7, ..made.clone() };
    assert_eq!(server.refused(&older).await.kind, ProblemKind::Fenced);
    let late = RunSpec { start_before: crate::site::now() - Duration::from_secs(1), ..spec(3, "true") };
    assert_eq!(server.refused(&late).await.kind, ProblemKind::TooLate);
    server.end(id(1)).await;
    server.stop().await;

    let server = site.serve().await;
    assert_eq!(server.refused(&older).await.kind, ProblemKind::Fenced);
    let problem = server.refused(&RunSpec { fence: 9, ..other }).await;
    assert_eq!((problem.kind, problem.status), (ProblemKind::Conflict, 409));
    // Being known counts for more than being late.
    let known = RunSpec { start_before: late.start_before, ..newer };
    assert_eq!(server.client.start(&known).await.unwrap(), Started::Already);
    assert!(!site.run_dir(id(2)).path().exists() && !site.run_dir(id(3)).path().exists());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_machine_lacks_is_said_by_name_and_an_edited_configuration_is_in_force() {
    let mut site = Site::new();
    let bin = site.dir.join("only");
    fs::create_dir_all(&bin).unwrap();
    let usual = site.environment.insert("PATH".to_owned(), bin.to_string()).unwrap();
    site.add_repo("lost", Err("the clone has no remote `origin`".to_owned()));
    let server = site.serve().await;
    let on = |repo: &str| RunSpec { task: format!("{repo}#1").parse().unwrap(), ..spec(1, "true") };
    let by = |runtime: &str| RunSpec { runtime: runtime.parse().unwrap(), ..spec(1, "true") };
    let from = |reference: &str| {
        let commit = "0123456789012345678901234567890123456789".parse().unwrap();
        RunSpec { checkout: Checkout::Commit { commit, reference: reference.to_owned() }, ..spec(1, "true") }
    };
    for (spec, word) in [
        (on("web"), "it has `api`, `lost`"),
        (on("lost"), "no remote `origin`"),
        (by("cobol"), "no runtime `cobol`; there is `claude`"),
        (by("claude"), "no `claude` in the agent server's PATH"),
        (by("command"), "no `sh`"),
        (RunSpec { command: None, ..spec(1, "") }, "needs a command"),
        (from("--upload-pack=touch"), "no reference"),
        (from("refs/heads/x:refs/heads/y"), "no reference"),
    ] {
        let problem = server.refused(&spec).await;
        assert_eq!((problem.kind, problem.status), (ProblemKind::Unable, 422), "{problem:?}");
        assert!(problem.detail.contains(word), "{problem:?} does not say {word:?}");
    }
    server.stop().await;

    site.environment.insert("PATH".to_owned(), usual);
    let server = site.serve().await;
    site.add_repo("web", Ok(format!("file://{}/origin.git", site.dir)));
    assert_eq!(server.client.start(&on("web")).await.unwrap(), Started::Created, "the edit is in force");
    server.end(id(1)).await;
    *site.config.lock().unwrap() = Err("line 3: unknown key `slot`".to_owned());
    let problem = server.refused(&spec(2, "true")).await;
    assert!(problem.status == 422 && problem.detail.contains("line 3"), "{problem:?}");
    let health = server.client.health().await.unwrap();
    assert_eq!((health.slots, health.live, health.capabilities), (3, 0, vec!["gpu".to_owned()]));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_origin_without_the_branch_or_the_commit_ends_the_run_by_name() {
    let site = Site::new();
    let server = site.serve().await;
    let nowhere = "0123456789012345678901234567890123456789".parse().unwrap();
    for (n, made, wanted, word) in [
        (1, RunSpec { base_branch: "develop".parse().unwrap(), ..spec(1, "true") }, "base", "`develop`"),
        (
            2,
            RunSpec { checkout: Checkout::Head { head: nowhere }, ..spec(2, "true") },
            "checkout",
            "0123456789",
        ),
    ] {
        assert!(server.client.start(&made).await.is_ok());
        let Outcome::SetupFailed { step, reason } = server.end(id(n)).await.outcome else { panic!("it ran") };
        assert!(step == wanted && reason.contains(word), "{step}: {reason}");
        until("the run is collected", || site.run_dir(id(n)).collected().exists()).await;
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_origin_stalls_health_answers_and_a_stop_is_heeded() {
    let site = Site::new();
    let stall = site.add_stalled_repo("slow");
    let server = site.serve().await;
    for n in 1..=40 {
        let made = RunSpec { task: format!("slow#{n}").parse().unwrap(), ..spec(n, "true") };
        assert!(server.client.start(&made).await.is_ok());
    }
    until("origin is asked", || site.dir.join("stalled").exists()).await;
    for _ in 0..40 {
        let asked = Instant::now();
        assert_eq!(server.client.health().await.unwrap().live, 40);
        assert!(asked.elapsed() < Duration::from_millis(50), "{:?}", asked.elapsed());
    }
    let view = server.client.stop(id(1)).await.unwrap();
    assert_eq!(view.state.end().unwrap().outcome, Outcome::STOPPED);
    assert_eq!(server.client.stop(id(1)).await.unwrap(), view, "stopping again changes nothing");
    fs::remove_file(stall).unwrap();
    let Outcome::SetupFailed { step, .. } = server.end(id(2)).await.outcome else { panic!("it ran") };
    assert_eq!(step, "store");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_run_is_stopped_with_what_it_started_and_its_work_is_kept() {
    let site = Site::new();
    let server = site.serve().await;
    let pid = site.dir.join("pid");
    let command = format!("echo unsaved > new.txt; setsid sleep 1000 & echo $! > {pid}; sleep 1000");
    assert!(server.client.start(&spec(1, &command)).await.is_ok());
    server.until_running(id(1)).await;
    until("the grandchild runs", || fs::read_to_string(&pid).is_ok_and(|it| it.ends_with('\n'))).await;
    // Its directory is its own while it works.
    let problem = server.refused(&RunSpec { branch: "issue-1".parse().unwrap(), ..spec(2, "true") }).await;
    assert!(problem.status == 422 && problem.detail.contains(&id(1).to_string()), "{problem:?}");

    let stopped = server.client.stop(id(1)).await.unwrap().state;
    let RunState::Ended(end) = stopped else { panic!("{stopped:?}") };
    assert_eq!(end.outcome, Outcome::STOPPED);
    assert_eq!(end.rescue.unwrap().files, 1);
    let pid = fs::read_to_string(&pid).unwrap();
    assert!(!camino::Utf8Path::new("/proc").join(pid.trim()).exists(), "the grandchild lives");

    let again = RunSpec { branch: "issue-1".parse().unwrap(), ..spec(2, "test ! -e new.txt") };
    assert_eq!(server.client.start(&again).await.unwrap(), Started::Created);
    assert_eq!(
        server.end(id(2)).await.outcome,
        Outcome::NoChange,
        "it works where the other one did, afresh"
    );
    server.stop().await;
}
