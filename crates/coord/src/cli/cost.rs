//! `coord cost`.

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use coord_core::ledger::By;
use coord_core::usage::Tokens;
use coord_engine::clock;
use coord_engine::cost::{CapView, CostReport, CostView, a_month_ago};

use crate::cli::session::moment;
use crate::context::Context;
use crate::error::CliError;
use crate::session::Session;
use crate::ui::{Tone, Ui, when};

/// Show what runs cost, and where each cap stands
///
/// What is not known is said to be unknown, and what a subscription covers to be not billed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to tell it apart by
    #[arg(long, default_value = "day", value_parser = PossibleValuesParser::new(By::ALL.map(By::as_str)).map(|it| by(&it)))]
    by: By,

    /// Since when: today, yesterday, a day of the week, 2026-11-20, 3d, or RFC 3339; otherwise for 30 days
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
}

fn by(word: &str) -> By {
    By::ALL.into_iter().find(|it| it.as_str() == word).expect("the parser knows no other word")
}

/// Shows it.
///
/// # Errors
/// When `--since` is no moment, or the board cannot be read.
pub async fn run(args: &Args, cx: &Context, ui: &Ui) -> Result<(), CliError> {
    let session = Session::open(cx).await?;
    let now = clock::now();
    let since = match &args.since {
        Some(text) => moment(text, now, &session.engine.settings().zone, "coord cost --help")?,
        None => a_month_ago(now),
    };
    let report = session.engine.cost(args.by, since).await?;
    ui.finish(&report, &text(&report, ui), &[])
}

fn text(report: &CostReport, ui: &Ui) -> String {
    let CostReport { since, by, lines, total, caps, live_runs } = report;
    let mut told = vec![ui.paint(Tone::Strong, format!("since {}, by {by}", when::local(since)))];
    let width = lines.iter().map(|it| it.key.chars().count()).max().unwrap_or(0).max(5);
    told.extend(lines.iter().map(|it| format!("  {:<width$}  {}", it.key, cost(&it.cost))));
    told.push(format!("  {:<width$}  {}", "total", cost(total)));
    match live_runs {
        0 => {}
        1 => told.push("one run has not ended, and told nothing yet".to_owned()),
        count => told.push(format!("{count} runs have not ended, and told nothing yet")),
    }
    if !caps.is_empty() {
        told.push(ui.paint(Tone::Strong, "caps"));
        told.extend(caps.iter().map(|it| format!("  {}", cap(it, ui))));
    }
    told.join("\n")
}

/// What some runs cost, in a line.
fn cost(it: &CostView) -> String {
    let runs = if it.runs == 1 { "1 run".to_owned() } else { format!("{} runs", it.runs) };
    let tokens = it.tokens.map_or(String::new(), |it| format!("; tokens: {}", tokens(it)));
    format!("{} ({runs}{tokens})", it.words)
}

fn tokens(it: Tokens) -> String {
    let Tokens { input, output, cache_read, cache_write } = it;
    format!("{input} in, {output} out, {cache_read} from the cache, {cache_write} into it")
}

/// Where a cap stands, in a line.
pub fn cap(it: &CapView, ui: &Ui) -> String {
    if it.near {
        ui.paint(Tone::Attention, format!("{}: it nears its end", it.words))
    } else {
        it.words.clone()
    }
}
