//! Following logs: everything after a number, once, byte for byte, whatever is cut.

use coord_core::id::RunId;
use coord_core::run::RunState;
use coord_proto::event::{EventKind, FeedEntry};
use fs_err as fs;
use futures_util::StreamExt as _;

use crate::site::{PATIENCE, Server, Site, id, spec};

/// Puts a run there that has ended, with a log of `count` events of very different lengths.
fn ended_run(site: &Site, count: usize) -> (RunId, String) {
    let dir = site.run_dir(id(9));
    fs::create_dir_all(dir.path()).unwrap();
    fs::write(dir.spec(), serde_json::to_vec(&spec(9, "true")).unwrap()).unwrap();
    fs::write(dir.collected(), "").unwrap();
    let log: String = (1..=count)
        .map(|n| {
            let text = "é".repeat(n * n % 977);
            format!("{{\"n\":{n},\"at\":\"2026-01-01T00:00:00Z\",\"event\":{{\"kind\":\"text\",\"text\":\"{text}\"}}}}\n")
        })
        .collect();
    fs::write(dir.log(), &log).unwrap();
    (id(9), log)
}

async fn open(server: &Server, path: &str, headers: &[(&str, &str)]) -> reqwest::Response {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut request = client.get(format!("{}{path}", server.base)).bearer_auth(&server.token);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_cut_anywhere_goes_on_where_it_stood_to_the_byte() {
    let site = Site::new();
    let (run, log) = ended_run(&site, 3000);
    let server = site.serve().await;
    let (mut seen, mut cuts, mut seed) = (Vec::new(), 0, 0x1234_5678_u64);
    while seen.len() < log.len() {
        let after = memchr::memchr_iter(b'\n', &seen).count();
        let path = format!("/v1/runs/{run}/events?after={after}");
        let mut stream = open(&server, &path, &[("accept", "application/x-ndjson")]).await.bytes_stream();
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let cut = usize::try_from(seed >> 33).unwrap() % 400_000;
        let mut got = Vec::new();
        while got.len() < cut
            && let Some(bytes) = stream.next().await
        {
            got.extend_from_slice(&bytes.unwrap());
        }
        got.truncate(cut);
        got.truncate(memchr::memrchr(b'\n', &got).map_or(0, |at| at + 1));
        seen.extend_from_slice(&got);
        cuts += 1;
    }
    assert!(cuts > 3, "{cuts}");
    assert!(seen == log.as_bytes());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn server_sent_events_carry_their_numbers_and_the_last_one_seen_has_the_last_word() {
    let site = Site::new();
    let (run, log) = ended_run(&site, 50);
    let server = site.serve().await;
    let path = format!("/v1/runs/{run}/events?after=3");
    let answer = open(&server, &path, &[("last-event-id", "48")]).await;
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let lines: Vec<&str> = log.lines().collect();
    let wanted = format!("id: 49\ndata: {}\n\nid: 50\ndata: {}\n\n", lines[48], lines[49]);
    assert_eq!(answer.text().await.unwrap(), wanted);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_raw_log_is_served_in_ranges() {
    let site = Site::new();
    let (run, log) = ended_run(&site, 900);
    let server = site.serve().await;
    assert_eq!(server.client.log(run, 0).await.unwrap(), log);
    assert_eq!(server.client.log(run, 1000).await.unwrap(), log.as_bytes()[1000..]);
    assert_eq!(server.client.log(run, log.len() as u64).await.unwrap(), "");
    let path = format!("/v1/runs/{run}/log");
    let part = open(&server, &path, &[("range", "bytes=10-19")]).await;
    assert_eq!(part.status(), 206);
    assert_eq!(part.headers()["content-range"], format!("bytes 10-19/{}", log.len()));
    assert_eq!(part.bytes().await.unwrap(), log.as_bytes()[10..20]);
    let beyond = open(&server, &path, &[("range", "bytes=99999999-")]).await;
    assert_eq!(
        (beyond.status().as_u16(), &beyond.headers()["content-range"]),
        (416, &format!("bytes */{}", log.len()).parse().unwrap())
    );
    let whole = open(&server, &path, &[]).await;
    assert_eq!((whole.status().as_u16(), whole.bytes().await.unwrap().len()), (200, log.len()));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_live_run_is_followed_as_it_goes_and_in_the_feed() {
    let site = Site::new();
    let server = site.serve().await;
    let go = site.dir.join("go");
    let command = format!("echo first; while [ ! -e {go} ]; do sleep 0.01; done; echo second");
    assert!(server.client.start(&spec(1, &command)).await.is_ok());
    let mut stream = server.client.follow(id(1), 0, PATIENCE);
    let mut texts = Vec::new();
    while let Some(event) = stream.next().await.unwrap() {
        if let EventKind::Output { text, .. } | EventKind::Text { text } = event.event {
            // Only because the first line arrived while the run was running can there be a second one.
            fs::write(&go, "").unwrap();
            texts.push(text);
        }
    }
    assert_eq!(texts, ["first", "second"]);

    let mut feed =
        open(&server, "/v1/events?after=1", &[("accept", "application/x-ndjson")]).await.bytes_stream();
    let mut said: Vec<FeedEntry> = Vec::new();
    while said.last().is_none_or(|it| it.outcome.is_none()) {
        let bytes = feed.next().await.unwrap().unwrap();
        said.extend(bytes.split(|it| *it == b'\n').filter_map(|it| serde_json::from_slice(it).ok()));
    }
    assert_eq!(said[0].n, 2);
    assert!(said.iter().any(|it| it.run == id(1) && it.state == "running"), "{said:?}");
    assert_eq!(said.last().unwrap().outcome.as_deref(), Some("no-change"));
    server.stop().await;
    assert!(feed.next().await.is_none_or(|it| it.is_err()), "a stream outlives its server");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_live_run_says_what_it_is_doing() {
    let site = Site::new();
    let server = site.serve().await;
    assert!(server.client.start(&spec(1, "echo one; echo two; sleep 1000")).await.is_ok());
    let view = server.until(id(1), |it| it.pid.is_some() && it.last_event >= 3).await;
    assert!(matches!(view.state, RunState::Running { .. }), "{view:?}");
    assert_eq!(view.worktree.as_deref(), Some(site.home.worktrees().join("api/issue-1").as_str()));
    let listed = server.client.runs(None).await.unwrap();
    assert_eq!(listed.runs, [view]);
    assert!(server.client.stop(id(1)).await.is_ok());
    server.stop().await;
}
