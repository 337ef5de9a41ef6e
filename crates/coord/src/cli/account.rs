//! `coord account`.

use clap::Subcommand;
use coord_core::name::AccountName;
use coord_engine::account::{AccountView, WindowView};
use serde::Serialize;

use crate::context::Context;
use crate::error::CliError;
use crate::session::Session;
use crate::ui::{Next, Tone, Ui, when};

/// Look at the accounts that workers have, and at what is left of their limits
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List accounts with their usage windows, what is held and until when
    List,
    /// Say that work goes on for an account whatever its windows say, and with what was parked for it
    Lift {
        /// The account, as `coord account list` calls it
        account: AccountName,
    },
}

#[derive(Serialize)]
struct Listed {
    accounts: Vec<AccountView>,
}

#[derive(Serialize)]
struct Lifted {
    account: String,
    /// Runs that were parked for it and wait no longer.
    runs: Vec<String>,
}

/// Does it.
///
/// # Errors
/// When the board cannot be read or written, or nobody has the account.
pub async fn run(args: &Args, cx: &Context, ui: &Ui) -> Result<(), CliError> {
    let session = Session::open(cx).await?;
    match &args.command {
        Command::List => {
            session.engine.settle().await?;
            let listed = Listed { accounts: session.engine.accounts().await? };
            let lines: Vec<_> = listed.accounts.iter().flat_map(|it| lines(it, ui)).collect();
            let human =
                if lines.is_empty() { "no account is known yet".to_owned() } else { lines.join("\n") };
            let held = listed.accounts.iter().filter(|it| it.held.is_some());
            let next = held
                .map(|it| Next::new(format!("coord account lift {}", it.account), "says that work goes on"));
            let next: Vec<_> = next.collect();
            ui.finish(&listed, &human, &next)
        }
        Command::Lift { account } => {
            let runs: Vec<_> = session.engine.lift(account).await?.iter().map(ToString::to_string).collect();
            let human = match runs.as_slice() {
                [] => format!("work goes on for account `{account}`"),
                runs => {
                    format!("work goes on for account `{account}`, and so do the runs {}", runs.join(", "))
                }
            };
            ui.finish(&Lifted { account: account.to_string(), runs }, &human, &[])
        }
    }
}

/// An account, in a line and one more for each window.
pub fn lines(it: &AccountView, ui: &Ui) -> Vec<String> {
    let AccountView { account, used_by, windows, held, until: _, asks, parked } = it;
    let used_by = if used_by.is_empty() { String::new() } else { format!(" ({})", used_by.join(", ")) };
    let mut lines = vec![format!("{}{used_by}", ui.paint(Tone::Strong, account))];
    lines.extend(held.iter().map(|it| {
        let lift = if *asks { format!("; `coord account lift {account}` lifts it") } else { String::new() };
        ui.paint(Tone::Attention, format!("  {it}{lift}"))
    }));
    lines.extend(windows.iter().map(|it| {
        let WindowView { window, used, exhausted, until, told_at } = it;
        let used = match (exhausted, used) {
            (true, _) => "used up".to_owned(),
            (false, Some(used)) => format!("{:.0} % used", used * 100.0),
            (false, None) => "open".to_owned(),
        };
        let until = until.as_ref().map_or(String::new(), |it| format!(" until {}", when::local(it)));
        format!("  {window:<14} {used}{until}, told at {}", when::local(told_at))
    }));
    lines.extend((!parked.is_empty()).then(|| format!("  parked: {}", parked.join(", "))));
    lines
}
