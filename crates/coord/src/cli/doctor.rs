//! `coord doctor`: everything that work depends on, looked at one by one, each with what was seen and its cure.
//!
//! What must hold: without `--fix`, nothing is repaired or written, save for what the broker keeps of its requests to
//! GitHub; what cannot be found out is a warning that says so, never ok; no secret is printed. Checks are independent:
//! one that fails hides no other, and those that wait for a network wait side by side.

mod fix;
mod fleet;
mod github;
mod local;
mod probe;
mod repos;
mod slash;
mod worker;

use coord_agent::runtime;
use futures_util::future::join3;
use serde::Serialize;

use crate::config::Config;
use crate::context::Context;
use crate::error::{CliError, ErrorKind};
use crate::ui::{Next, Tone, Ui};

/// Check everything that work depends on, and say how to repair what is broken
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Also have the runtime answer one tiny question, as a worker would: this costs a fraction of a cent
    #[arg(long)]
    probe: bool,
    /// First repair what can be repaired safely: slash commands that an older version wrote, and who may look into
    /// COORD_HOME
    #[arg(long)]
    fix: bool,
}

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Status {
    Ok,
    Warn,
    Fail,
}

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
struct Check {
    /// What was looked at.
    subject: String,
    /// How it went.
    status: Status,
    /// What was seen.
    seen: String,
    /// What to do about it.
    cure: Option<String>,
}

impl Check {
    fn ok(subject: impl Into<String>, seen: impl Into<String>) -> Self {
        Self { subject: subject.into(), status: Status::Ok, seen: seen.into(), cure: None }
    }

    fn warn(subject: impl Into<String>, seen: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { subject: subject.into(), status: Status::Warn, seen: seen.into(), cure: Some(cure.into()) }
    }

    fn fail(subject: impl Into<String>, seen: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { subject: subject.into(), status: Status::Fail, seen: seen.into(), cure: Some(cure.into()) }
    }
}

#[derive(Serialize)]
struct Document {
    healthy: bool,
    /// What `--fix` repaired, in sentences.
    repaired: Vec<String>,
    checks: Vec<Check>,
}

/// Looks, and prints what was seen.
///
/// # Errors
/// When a check fails.
pub async fn run(args: &Args, cx: &Context, ui: &Ui) -> Result<(), CliError> {
    let repaired = if args.fix { fix::all(cx) } else { Vec::new() };
    let mut checks = local::checks(cx);
    match cx.config() {
        Ok(config) => {
            checks.push(Check::ok("configuration", config.path.as_str()));
            checks.extend(of_config(args, cx, &config).await);
        }
        Err(error) => {
            let cure =
                if error.hints.is_empty() { "coord init --yes".to_owned() } else { error.hints.join("; ") };
            checks.push(Check::fail("configuration", error.chain(), cure));
        }
    }
    let failed = checks.iter().filter(|it| it.status == Status::Fail).count();
    let count = checks.len();
    let mut human: Vec<_> =
        repaired.iter().map(|it| format!("{}  {it}", ui.paint(Tone::Good, "done"))).collect();
    human.push(listing(&checks, ui));
    let next: &[Next] = &[];
    ui.finish(&Document { healthy: failed == 0, repaired, checks }, &human.join("\n"), next)?;
    if failed == 0 {
        return Ok(());
    }
    ui.talk(&format!("{failed} of {count} checks failed"));
    Err(CliError::new(ErrorKind::Failed, format!("{failed} of {count} checks failed")).said())
}

async fn of_config(args: &Args, cx: &Context, config: &Config) -> Vec<Check> {
    let looks = join3(repos::checks(cx, config), github::checks(cx, config), fleet::checks(cx, config));
    let (mut checks, github, fleet) = looks.await;
    checks.extend(github);
    checks.extend(fleet);
    checks.extend(slash::checks(cx, config));
    for kind in runtime::ALL {
        let Some(worker) = worker::worker(cx, config, *kind) else { continue };
        let (seen, usable) = worker::checks(cx, config, &worker).await;
        checks.extend(seen);
        if args.probe && usable && config.runtime.as_str() == kind.name() {
            checks.push(probe::check(&worker).await);
        }
    }
    checks
}

fn listing(checks: &[Check], ui: &Ui) -> String {
    let mut lines = Vec::new();
    for Check { subject, status, seen, cure } in checks {
        let (tone, word) = match status {
            Status::Ok => (Tone::Good, "ok  "),
            Status::Warn => (Tone::Attention, "warn"),
            Status::Fail => (Tone::Bad, "fail"),
        };
        lines.push(format!("{}  {}: {seen}", ui.paint(tone, word), ui.paint(Tone::Strong, subject)));
        // Lines are not wrapped: a cure is there to be copied.
        lines.extend(cure.iter().map(|it| format!("      → {it}")));
    }
    lines.join("\n")
}
