//! Accounts: what authenticates workers to their model, and what is left of their limits.
//!
//! Which account a machine's workers have is learnt from the runs that it had, unless the configuration gives it a
//! name. So a machine that has never run anything is tried once; whatever limit that meets is told within a second.

use std::collections::{BTreeMap, BTreeSet};

use coord_core::id::RunId;
use coord_core::machine::Machine;
use coord_core::name::{AccountName, MachineName, RuntimeName};
use coord_core::queue::Holds;
use coord_core::run::RunState;
use coord_core::window::{Told, hold};
use serde::Serialize;

use crate::error::Error;
use crate::{Engine, clock};

/// An account, and what is known of its limits.
#[derive(Debug, Clone, Serialize)]
pub struct AccountView {
    /// What it is called.
    pub account: String,
    /// Where workers have it, as `machine/runtime`.
    pub used_by: Vec<String>,
    /// What was said last of its usage windows.
    pub windows: Vec<WindowView>,
    /// Why nothing is started for it; absent when something is.
    pub held: Option<String>,
    /// When that is over, RFC 3339, where it is known.
    pub until: Option<String>,
    /// Whether a person has to say that work goes on.
    pub asks: bool,
    /// Runs that are parked until it may go on.
    pub parked: Vec<String>,
}

/// A usage window.
#[derive(Debug, Clone, Serialize)]
pub struct WindowView {
    /// Which one, in the runtime's own word.
    pub window: String,
    /// The share that is used, where it was said.
    pub used: Option<f64>,
    /// Whether nothing is left of it.
    pub exhausted: bool,
    /// When it opens again, RFC 3339.
    pub until: Option<String>,
    /// When that was said, RFC 3339.
    pub told_at: String,
}

impl Engine {
    /// What an account is called whose workers run there: what the configuration says, or else what they said.
    /// Without either, a runtime that has accounts is taken to have one of its own on each machine.
    pub(crate) fn account_name(
        &self,
        machine: &MachineName,
        runtime: &RuntimeName,
        told: Option<AccountName>,
    ) -> Option<AccountName> {
        let configured = self.settings.accounts.get(&(machine.clone(), runtime.clone()));
        let own = || format!("{runtime}@{machine}").parse().ok();
        let has_any = self.settings.money.counted.contains(runtime);
        configured.cloned().or(told).or_else(|| has_any.then(own).flatten())
    }

    /// The account that a worker would have there.
    async fn account_at(
        &self,
        machine: &MachineName,
        runtime: &RuntimeName,
    ) -> Result<Option<AccountName>, Error> {
        let seen = self.board.account_on(machine, runtime).await;
        let seen = seen.map_err(Error::board("looking whose account a machine has"))?;
        Ok(self.account_name(machine, runtime, seen))
    }

    async fn told(&self) -> Result<Vec<Told>, Error> {
        self.board.windows().await.map_err(Error::board("reading usage windows"))
    }

    /// Where nothing may be started for these runtimes because of their accounts.
    pub(crate) async fn holds(&self, runtimes: &BTreeSet<RuntimeName>) -> Result<Holds, Error> {
        let told = self.told().await?;
        let mut holds = Holds::new();
        if told.is_empty() {
            return Ok(holds);
        }
        for Machine { name, .. } in &self.settings.machines {
            for runtime in runtimes {
                let Some(account) = self.account_at(name, runtime).await? else { continue };
                let of_it = told.iter().filter(|it| it.account == account);
                if let Some(hold) = hold(of_it, self.settings.on_limits.keep, clock::now()) {
                    holds.insert((name.clone(), runtime.clone()), hold);
                }
            }
        }
        Ok(holds)
    }

    /// Every account that is known, and what is left of its limits.
    ///
    /// # Errors
    /// When the board cannot be read.
    pub async fn accounts(&self) -> Result<Vec<AccountView>, Error> {
        let told = self.told().await?;
        let mut used_by: BTreeMap<AccountName, Vec<String>> = BTreeMap::new();
        for Machine { name, .. } in &self.settings.machines {
            for runtime in &self.settings.money.counted {
                let Some(account) = self.account_at(name, runtime).await? else { continue };
                used_by.entry(account).or_default().push(format!("{name}/{runtime}"));
            }
        }
        for told in &told {
            used_by.entry(told.account.clone()).or_default();
        }
        let live = self.live_runs().await?;
        let views = used_by.into_iter().map(|(account, used_by)| {
            let of_it: Vec<_> = told.iter().filter(|it| it.account == account).collect();
            let held = hold(of_it.iter().copied(), self.settings.on_limits.keep, clock::now());
            let parked = live.iter().filter(|it| match &it.state {
                RunState::Queued(wish) => {
                    wish.parked.as_ref().and_then(|it| it.account.as_ref()) == Some(&account)
                }
                RunState::Reserved
                | RunState::Preparing
                | RunState::Running { .. }
                | RunState::Finishing
                | RunState::Ended(_) => false,
            });
            AccountView {
                used_by,
                windows: of_it.iter().map(|it| window(it)).collect(),
                held: held.as_ref().map(ToString::to_string),
                until: held.as_ref().and_then(|it| it.until).map(|it| it.to_string()),
                asks: held.is_some_and(|it| it.asks),
                parked: parked.map(|it| it.id.to_string()).collect(),
                account: account.to_string(),
            }
        });
        Ok(views.collect())
    }

    /// A person says that work goes on for an account; the runs that were parked for it.
    ///
    /// # Errors
    /// When nothing is known of the account, or the board cannot be written.
    pub async fn lift(&self, account: &AccountName) -> Result<Vec<RunId>, Error> {
        let known: Vec<_> = self.accounts().await?.into_iter().map(|it| it.account).collect();
        if !known.iter().any(|it| it == account.as_str()) {
            let known = crate::list(known.iter().map(String::as_str));
            return Err(Error::UnknownAccount { name: account.to_string(), known });
        }
        let released = self.board.lift(account, clock::now()).await;
        let released = released.map_err(Error::board("lifting the limits of an account"))?;
        self.settle().await?;
        Ok(released)
    }
}

fn window(told: &Told) -> WindowView {
    WindowView {
        window: told.window.window.clone(),
        used: told.window.utilization,
        exhausted: told.window.standing == coord_core::window::Standing::Rejected && !told.lifted,
        until: told.window.until.map(|it| it.to_string()),
        told_at: told.at.to_string(),
    }
}
