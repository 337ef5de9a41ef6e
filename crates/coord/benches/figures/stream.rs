//! What a watcher sees, and how soon.

use anyhow::Context as _;
use coord_core::id::RunId;
use coord_proto::client::Started;
use coord_proto::event::EventKind;

use crate::beside::{Bare, cat, cpu};
use crate::site::{Site, time_of};
use crate::table::{Budget, Row, median, quantile};
use crate::worker::wall;

const LINES: usize = 1000;
const EVENTS: u64 = 100_000;
/// With what the log says about a line of a command, three hundred bytes.
const LINE: usize = 203;
const REPLAYS: usize = 9;
const LIVE: usize = 5;

pub(crate) async fn rows() -> anyhow::Result<Vec<Row>> {
    let site = Site::start().await?;
    let mut rows = ages(&site).await?;
    let text = site.world.write("lines", &format!("{}\n", "x".repeat(LINE)).repeat(EVENTS as usize));
    let (mut live, mut live_beside) = (Vec::new(), Vec::new());
    let mut finished = None;
    for _ in 0..LIVE {
        let spec = site.command(&format!("exec cat {text}"))?;
        anyhow::ensure!(site.client.start(&spec).await? == Started::Created);
        live.push(watched_live(&site, spec.run).await?);
        live_beside.push(cat(&text)?);
        finished = Some(spec.run);
    }
    rows.push(Row {
        name: "100,000 events live",
        unit: "ms",
        value: median(&live),
        budget: Budget::Most(250.0),
        beside: ("cat of the lines to a pipe", median(&live_beside)),
    });
    rows.extend(replays(&site, finished.context("a finished run")?).await?);
    Ok(rows)
}

/// How old each line is when the watcher has it, one every few milliseconds.
async fn ages(site: &Site) -> anyhow::Result<Vec<Row>> {
    let prompt = format!("talk {LINES}");
    let spec = site.spec(&prompt)?;
    anyhow::ensure!(site.client.start(&spec).await? == Started::Created);
    let mut events = site.watch(spec.run);
    let mut ages = Vec::new();
    while let Some(event) = events.next().await? {
        ages.extend(time_of(&event).map(|told| wall() - told));
    }
    // The first line was said before anybody could listen.
    ages.remove(0);
    let dir = site.world.home();
    let mut worker = Bare::start(&site.world, &dir, &prompt)?;
    let bare = tokio::task::spawn_blocking(move || {
        let mut ages = Vec::new();
        while let Some(told) = worker.next()? {
            ages.push(wall() - told);
        }
        anyhow::Ok(ages)
    });
    let bare = bare.await??;
    let row = |name, share, most| Row {
        name,
        unit: "ms",
        value: quantile(&ages, share),
        budget: Budget::Most(most),
        beside: ("the same line on a pipe", quantile(&bare, share)),
    };
    Ok(vec![row("age of an event, p50", 0.5, 2.0), row("age of an event, p99", 0.99, 10.0)])
}

/// From the start of the worker, by the clock of its shim, until the watcher has its last line.
async fn watched_live(site: &Site, run: RunId) -> anyhow::Result<f64> {
    let mut events = site.watch(run);
    let (mut lines, mut began, mut last) = (0, 0.0, 0.0);
    while let Some(event) = events.next().await? {
        if let EventKind::Started { .. } = event.event {
            began = event.at.as_duration().as_secs_f64() * 1000.0;
        }
        lines += u64::from(matches!(event.event, EventKind::Output { .. }));
        if lines == EVENTS && last == 0.0 {
            last = wall();
        }
    }
    anyhow::ensure!(lines == EVENTS, "{lines} lines came");
    Ok(last - began)
}

async fn replays(site: &Site, run: RunId) -> anyhow::Result<Vec<Row>> {
    let log = site.files(run).log();
    let mean = fs_err::metadata(&log)?.len() / EVENTS;
    anyhow::ensure!((295..=305).contains(&mean), "an event is {mean} bytes long");
    let (mut took, mut took_beside) = (Vec::new(), Vec::new());
    let (mut used, mut used_beside) = (Vec::new(), Vec::new());
    let both = || anyhow::Ok((cpu(site.server.pid())?, cpu(std::process::id())?));
    for _ in 0..REPLAYS {
        let (asked, (server, watcher)) = (wall(), both()?);
        let mut events = site.watch(run);
        let mut seen = 0;
        while events.next().await?.is_some() {
            seen += 1;
        }
        took.push(wall() - asked);
        let (server_after, watcher_after) = both()?;
        used.push(server_after - server);
        used_beside.push(watcher_after - watcher);
        anyhow::ensure!(seen >= EVENTS, "{seen} events came");
        took_beside.push(cat(&log)?);
    }
    Ok(vec![
        Row {
            name: "replay of 100,000 events",
            unit: "ms",
            value: median(&took),
            budget: Budget::Most(250.0),
            beside: ("cat of the log to a pipe", median(&took_beside)),
        },
        Row {
            name: "  CPU of the agent server for it",
            unit: "ms",
            value: median(&used),
            budget: Budget::Most(200.0),
            beside: ("CPU of the watcher that reads it", median(&used_beside)),
        },
    ])
}
