//! What the processes that stay keep for themselves.

use std::process::Stdio;

use anyhow::Context as _;
use coord_agent::order::ShimRecord;
use coord_proto::client::Started;

use crate::site::{Site, time_of};
use crate::table::{Budget, Row, median};

const RUNS: usize = 32;
/// Every run talks this often before its shim is looked at, and then stays.
const LINES: usize = 500;

pub(crate) async fn rows() -> anyhow::Result<Vec<Row>> {
    let site = Site::start().await?;
    let mut git = site.world.command("git");
    git.args(["cat-file", "--batch"]).current_dir(&site.repo.clone);
    let mut git = git.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    let mut runs = Vec::new();
    for _ in 0..RUNS {
        let spec = site.spec(&format!("talk {LINES} stay"))?;
        anyhow::ensure!(site.client.start(&spec).await? == Started::Created);
        runs.push(spec.run);
    }
    let mut shims = Vec::new();
    for run in &runs {
        let mut events = site.watch(*run);
        let mut lines = 0;
        while lines <= LINES {
            let event = events.next().await?.context("a worker stays")?;
            lines += usize::from(time_of(&event).is_some());
        }
        let shim: ShimRecord = serde_json::from_slice(&fs_err::read(site.files(*run).shim())?)?;
        shims.push(anonymous(shim.pid)?);
    }
    for run in runs {
        site.settle(run).await?;
    }
    let beside = ("git cat-file --batch, waiting", anonymous(git.id())?);
    let row = |name, value, most| Row { name, unit: "MB", value, budget: Budget::Most(most), beside };
    // What was needed for the runs and is not given back counts as well.
    let server = anonymous(site.server.pid())?;
    git.kill()?;
    git.wait()?;
    Ok(vec![
        row("RssAnon of the idle agent server", server, 12.0),
        row("RssAnon of a shim in mid-run", median(&shims), 3.0),
    ])
}

/// The memory of a process that is backed by no file.
fn anonymous(pid: u32) -> anyhow::Result<f64> {
    let status = fs_err::read_to_string(format!("/proc/{pid}/status"))?;
    let line =
        status.lines().find_map(|it| it.strip_prefix("RssAnon:")).context("the kernel tells RssAnon")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
}
