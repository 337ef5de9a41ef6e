//! Surroundings that turn hostile: a machine that was restarted, numbers that were used again, clocks that jump,
//! a disk that cannot be written, an origin that is away.

use std::process::Command;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use camino::Utf8PathBuf;
use coord_agent::order::ShimRecord;
use coord_agent::process;
use coord_core::id::RunId;
use coord_core::outcome::Outcome;
use coord_core::retention::Policy;
use fs_err as fs;
use jiff::{SignedDuration, Timestamp};

use crate::site::{Server, Site, id, spec, until};

const COMMIT: &str = "echo x >> x && git add x && git commit --quiet -m x";

/// Starts run 1, which works until it is told to go on, and returns once it does.
async fn busy(site: &Site, server: &Server) -> Utf8PathBuf {
    let go = site.dir.join("go");
    let command = format!("echo left > left.txt; while [ ! -e {go} ]; do sleep 0.01; done; {COMMIT}");
    assert!(server.client.start(&spec(1, &command)).await.is_ok());
    server.until_running(id(1)).await;
    go
}

/// Ends the shim of a run and its worker, as the end of the machine would.
fn end_all(site: &Site, run: RunId) -> ShimRecord {
    let record: ShimRecord = serde_json::from_slice(&fs::read(site.run_dir(run).shim()).unwrap()).unwrap();
    let table = process::table().unwrap();
    let shim = table.iter().find(|it| it.pid == record.pid).copied();
    // The shim first: it would see its worker end, and record that.
    let pids = shim.map(|it| it.pid).into_iter().chain(process::descendants(&table, record.pid));
    let pids: Vec<_> = pids.map(|it| it.to_string()).collect();
    Command::new("kill").arg("-9").args(pids).status().unwrap();
    record
}

fn write_record(site: &Site, run: RunId, record: &ShimRecord) {
    fs::write(site.run_dir(run).shim(), serde_json::to_vec(record).unwrap()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_of_before_a_restart_of_the_machine_is_lost_by_that_and_its_work_is_not() {
    let site = Site::new();
    let server = site.serve().await;
    let _go = busy(&site, &server).await;
    server.stop().await;
    let record = end_all(&site, id(1));
    until("nothing lives", || process::find(record.pid).is_none_or(|it| it.zombie)).await;
    write_record(&site, id(1), &ShimRecord { boot_id: "another boot".to_owned(), ..record });
    let server = site.serve().await;
    let end = server.end(id(1)).await;
    assert_eq!(end.outcome, Outcome::Lost { reason: "the machine was restarted while it ran".to_owned() });
    let store = site.dir.join("home/repos/api.git");
    assert_eq!(site.git(&store, &format!("show {}:left.txt", end.rescue.unwrap().reference)), "left");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_that_somebody_else_has_by_now_is_nobody_that_is_touched() {
    let site = Site::new();
    let server = site.serve().await;
    let _go = busy(&site, &server).await;
    server.stop().await;
    let record = end_all(&site, id(1));
    let mut stranger = Command::new("sleep").arg("600").spawn().unwrap();
    write_record(&site, id(1), &ShimRecord { pid: stranger.id(), ..record });
    let server = site.serve().await;
    assert!(matches!(server.end(id(1)).await.outcome, Outcome::Lost { .. }));
    let stopped = server.client.stop(id(1)).await.unwrap();
    assert!(matches!(stopped.state.end().unwrap().outcome, Outcome::Lost { .. }));
    assert_eq!(stranger.try_wait().unwrap(), None, "it lives");
    stranger.kill().unwrap();
    stranger.wait().unwrap();
    server.stop().await;
}

/// How far the clock of the agent server is from the true one, in seconds.
static OFF: AtomicI64 = AtomicI64::new(0);

fn crooked() -> Timestamp {
    crate::site::now() + SignedDuration::from_secs(OFF.load(Ordering::Relaxed))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_jumps_changes_what_is_stamped_and_nothing_else() {
    const YEAR: i64 = 365 * 24 * 3600;
    let site = Site::new();
    let options = || coord_agent::server::Options { now: crooked, ..site.options() };
    let server = site.try_serve(options()).await.unwrap();
    let go = busy(&site, &server).await;
    OFF.store(YEAR, Ordering::Relaxed);
    server.until_running(id(1)).await;
    server.stop().await;
    OFF.store(-YEAR, Ordering::Relaxed);
    let server = site.try_serve(options()).await.unwrap();
    server.until_running(id(1)).await;
    fs::write(&go, "").unwrap();
    let events = server.events(id(1)).await;
    assert!(events.iter().zip(1..).all(|(event, n)| event.n == n));
    assert_eq!(server.end(id(1)).await.outcome, Outcome::Dirty);
    until("it is collected", || site.run_dir(id(1)).collected().exists()).await;
    // The feed goes by its numbers.
    let feed = fs::read_to_string(site.home.feed()).unwrap();
    for (line, n) in feed.lines().zip(1..) {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(entry["n"], n, "{feed}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_whose_directory_cannot_be_written_is_refused_and_starts_once_it_can() {
    let site = Site::new();
    let server = site.serve().await;
    let in_the_way = site.run_dir(id(1));
    fs::write(in_the_way.path(), "").unwrap();
    let problem = server.refused(&spec(1, "true")).await;
    assert!(problem.detail.contains("the run's spec"), "{problem:?}");
    assert_eq!(server.client.health().await.unwrap().live, 0);
    fs::remove_file(in_the_way.path()).unwrap();
    assert!(server.client.start(&spec(1, "true")).await.is_ok());
    assert_eq!(server.end(id(1)).await.outcome, Outcome::NoChange);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worktree_that_goes_away_underneath_takes_no_commit_along() {
    let site = Site::new();
    let server = site.serve().await;
    let command = format!("{COMMIT}; here=$PWD; cd /; rm -rf $here");
    assert!(server.client.start(&spec(1, &command)).await.is_ok());
    let end = server.end(id(1)).await;
    let Outcome::Lost { reason } = &end.outcome else { panic!("{end:?}") };
    assert!(reason.contains("worktree"), "{reason}");
    assert_eq!((end.git.added, end.git.pushed, end.git.dirty), (Some(1), Some(true), None));
    let origin = site.dir.join("origin.git");
    let head = end.git.head.unwrap();
    assert_eq!(site.git(&origin, &format!("rev-parse refs/coord/runs/{}", id(1))), head.as_str());
    until("it is collected", || site.run_dir(id(1)).collected().exists()).await;
    // Its place is free for the next.
    let mut next = spec(2, COMMIT);
    next.branch = "issue-1".parse().unwrap();
    assert!(server.client.start(&next).await.is_ok());
    assert_eq!(server.end(id(2)).await.outcome, Outcome::Done);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_that_could_not_be_pushed_are_pushed_later_by_whichever_server_is_there() {
    let site = Site::new();
    let (origin, away) = (site.dir.join("origin.git"), site.dir.join("away.git"));
    let server = site.serve().await;
    let go = busy(&site, &server).await;
    fs::rename(&origin, &away).unwrap();
    fs::write(&go, "").unwrap();
    let end = server.end(id(1)).await;
    assert_eq!(end.git.added, Some(1), "{end:?}");
    until("it is collected", || site.run_dir(id(1)).collected().exists()).await;
    let view = server.client.run(id(1)).await.unwrap().unwrap();
    let unpushed = view.unpushed.expect("it is said");
    assert!(unpushed.tries >= 1 && unpushed.next_at.is_some(), "{unpushed:?}");
    server.stop().await;
    let server = site.serve().await;
    fs::rename(&away, &origin).unwrap();
    until("it is pushed", || site.run_dir(id(1)).pushed().exists()).await;
    let view = server.client.run(id(1)).await.unwrap().unwrap();
    assert!(view.unpushed.is_none() && view.pushed_at.is_some(), "{view:?}");
    let head = end.git.head.unwrap();
    assert_eq!(site.git(&origin, &format!("rev-parse refs/coord/runs/{}", id(1))), head.as_str());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_nothing_to_do_clears_up_by_itself() {
    let site = Site::new();
    let nothing = Policy { logs: SignedDuration::ZERO, rescues: SignedDuration::ZERO, log_bytes: 0 };
    site.config.lock().unwrap().as_mut().unwrap().retention = nothing;
    let options =
        || coord_agent::server::Options { clear_every: Duration::from_millis(50), ..site.options() };
    let server = site.try_serve(options()).await.unwrap();
    for n in [1, 2] {
        let mut made = spec(n, "true");
        made.task = "api#7".parse().unwrap();
        made.branch = "issue-7".parse().unwrap();
        made.fence = n;
        assert!(server.client.start(&made).await.is_ok());
        server.end(id(n)).await;
    }
    until("the log of the older one is gone", || site.run_dir(id(1)).gone().exists()).await;
    until("and all of it", || !site.run_dir(id(1)).log().exists()).await;
    assert!(site.run_dir(id(2)).log().exists(), "the newest of a task stays");
    // The run stays known, so that it cannot start a second time.
    let mut again = spec(1, "true");
    again.task = "api#7".parse().unwrap();
    again.branch = "issue-7".parse().unwrap();
    again.fence = 3;
    assert!(server.client.start(&again).await.is_ok());
    assert!(server.client.run(id(1)).await.unwrap().unwrap().state.end().is_some());
    server.stop().await;
}
