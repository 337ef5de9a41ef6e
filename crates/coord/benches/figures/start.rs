//! From a request to a worker that runs: nothing is left out, neither the fetch nor what must be on disk first.

use anyhow::Context as _;
use coord_core::id::RunId;
use coord_proto::client::Started;
use futures_util::future::try_join_all;

use crate::beside::{Bare, ByHand};
use crate::site::{Site, began};
use crate::table::{Budget, Row, median};
use crate::worker::wall;

const ROUNDS: usize = 30;
const CROWDS: usize = 7;
const CROWD: usize = 32;

pub(crate) async fn rows() -> anyhow::Result<Vec<Row>> {
    let site = Site::start().await?;
    let (mut alone, mut alone_beside) = (Vec::new(), Vec::new());
    let by_hand = ByHand::new(&site.world, &site.repo);
    for round in 0..=ROUNDS {
        site.push();
        let ours = crowd(&site, 1).await?;
        let theirs = crowd_by_hand(&site, &by_hand, 1, round)?;
        // The first round makes the store.
        if round > 0 {
            alone.push(ours);
            alone_beside.push(theirs);
        }
    }
    let (mut many, mut many_beside) = (Vec::new(), Vec::new());
    for round in 0..CROWDS {
        site.push();
        many.push(crowd(&site, CROWD).await?);
        many_beside.push(crowd_by_hand(&site, &by_hand, CROWD, ROUNDS + 1 + round)?);
    }
    Ok(vec![
        Row {
            name: "request to worker running",
            unit: "ms",
            value: median(&alone),
            budget: Budget::Over(25.0),
            beside: ("git fetch + worktree add + exec", median(&alone_beside)),
        },
        Row {
            name: "32 at once, until all workers run",
            unit: "ms",
            value: median(&many),
            budget: Budget::Most(1200.0),
            beside: ("git fetch + 32 x (worktree add + exec)", median(&many_beside)),
        },
    ])
}

/// Asks for `count` runs at once: how long until the last of their workers has begun.
async fn crowd(site: &Site, count: usize) -> anyhow::Result<f64> {
    let specs = (0..count).map(|_| site.spec("stay")).collect::<anyhow::Result<Vec<_>>>()?;
    let asked = wall();
    let starts = specs.iter().map(|spec| async move {
        anyhow::ensure!(site.client.start(spec).await? == Started::Created);
        began(&mut site.watch(spec.run)).await
    });
    let began = try_join_all(starts).await?.into_iter().fold(0.0, f64::max);
    let runs: Vec<RunId> = specs.iter().map(|it| it.run).collect();
    try_join_all(runs.into_iter().map(|run| site.settle(run))).await?;
    Ok(began - asked)
}

/// The same by hand: one fetch, then a worktree and the worker for each. One after the other, since git's own
/// `worktree add` does not bear company.
fn crowd_by_hand(site: &Site, by_hand: &ByHand<'_>, count: usize, round: usize) -> anyhow::Result<f64> {
    let asked = wall();
    by_hand.fetch()?;
    let mut made = Vec::new();
    for n in 0..count {
        let path = by_hand.add(&format!("by-hand-{round}-{n}"))?;
        let worker = Bare::start(&site.world, &path, "stay")?;
        made.push((path, worker));
    }
    let mut last = 0.0;
    for (path, mut worker) in made {
        last = f64::max(last, worker.next()?.context("the worker said nothing")?);
        worker.end()?;
        by_hand.remove(&path)?;
    }
    Ok(last - asked)
}
