//! The figures that coord is held to, measured on this machine, in release, over nothing but the real thing:
//!
//! ```text
//! cargo bench -p coord --bench figures              # all of them
//! cargo bench -p coord --bench figures -- memory    # one group: startup, start, stream, memory or requests
//! ```
//!
//! One table of medians comes out, each beside something else that was run in the same breath: on a machine that
//! is busy both are slow, and the ratio tells. It is deliberately no test: nothing fails for being slow.

mod beside;
mod memory;
mod requests;
mod site;
mod start;
mod startup;
mod stream;
mod table;
mod worker;

use std::io::Write as _;

use anyhow::Context as _;

use crate::table::Row;

const GROUPS: [&str; 5] = ["startup", "start", "stream", "memory", "requests"];

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.first().and_then(|it| it.rsplit('/').next()) == Some("claude") {
        return worker::work();
    }
    // What runs every target to see whether it runs is not kept waiting for figures.
    if !arguments.iter().any(|it| it == "--bench") {
        return Ok(());
    }
    let wanted: Vec<&str> =
        arguments.iter().skip(1).filter(|it| !it.starts_with("--")).map(String::as_str).collect();
    if let Some(unknown) = wanted.iter().find(|it| !GROUPS.contains(it)) {
        anyhow::bail!("there is no group `{unknown}`; there is {}", GROUPS.join(", "));
    }
    // The event loop of a watcher, as the commands have it.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(measure(|group| wanted.is_empty() || wanted.contains(&group)))
}

async fn measure(wanted: impl Fn(&str) -> bool) -> anyhow::Result<()> {
    let mut rows: Vec<Row> = Vec::new();
    if wanted("startup") {
        rows.extend(startup::rows().await.context("start-up")?);
    }
    if wanted("start") {
        rows.extend(start::rows().await.context("starts of runs")?);
    }
    if wanted("stream") {
        rows.extend(stream::rows().await.context("streams")?);
    }
    if wanted("memory") {
        rows.extend(memory::rows().await.context("memory")?);
    }
    if wanted("requests") {
        rows.extend(requests::rows().context("requests to GitHub")?);
    }
    let load = fs_err::read_to_string("/proc/loadavg").unwrap_or_else(|_| "unknown".to_owned());
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}\nload: {}", table::of(&rows), load.trim())?;
    Ok(())
}
