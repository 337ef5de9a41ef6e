//! Whether amounts, shares, time zone and accounts make sense.

use std::collections::BTreeSet;

use coord_core::money::Usd;
use jiff::tz::TimeZone;

use super::Checker;
use crate::config::error::ConfigError;
use crate::config::locate::Step;

impl Checker<'_> {
    pub(super) fn money(&self) -> Result<(), ConfigError> {
        let limits = &self.file.limits;
        let everywhere = [
            ("usd_per_run", limits.usd_per_run),
            ("usd_per_task", limits.usd_per_task),
            ("usd_per_day", limits.usd_per_day),
            ("usd_per_month", limits.usd_per_month),
        ];
        for (key, amount) in everywhere {
            self.amount(key, amount, &[Step::Key("limits"), Step::Key(key)])?;
        }
        for (index, repo) in self.file.repos.iter().enumerate() {
            let at = [Step::Key("repos"), Step::Item(index), Step::Key("caps")];
            for (key, amount) in
                [("usd_per_run", repo.caps.usd_per_run), ("usd_per_task", repo.caps.usd_per_task)]
            {
                self.amount(key, amount, &[at[0], at[1], at[2], Step::Key(key)])?;
            }
        }
        for (key, share) in [("warn_at", limits.warn_at), ("keep", limits.keep)] {
            if !(0.0..=1.0).contains(&share) {
                let what = format!("`{key}` is {share}, which is no share");
                let cure = "write a number from 0 to 1, such as 0.2".to_owned();
                return Err(self.error(what, &[Step::Key("limits"), Step::Key(key)], cure));
            }
        }
        match &self.file.time_zone {
            Some(zone) if TimeZone::get(zone).is_err() => {
                let what = format!("there is no time zone `{zone}`");
                let cure = "write one such as `Europe/Berlin`, or remove the key".to_owned();
                Err(self.error(what, &[Step::Key("time_zone")], cure))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn amount(&self, key: &str, amount: Option<f64>, at: &[Step<'_>]) -> Result<(), ConfigError> {
        let Some(amount) = amount else { return Ok(()) };
        if Usd::from_dollars(amount).is_some_and(|it| it >= Usd::CENT) {
            return Ok(());
        }
        let what = format!("`{key}` is {amount}, which lets nothing start");
        Err(self.error(what, at, "write an amount of US dollars, such as 5, or remove the key".to_owned()))
    }

    pub(super) fn accounts(&self) -> Result<(), ConfigError> {
        let mut taken = BTreeSet::new();
        for (index, account) in self.file.accounts.iter().enumerate() {
            let at = [Step::Key("accounts"), Step::Item(index)];
            let known = self.file.machines.iter().map(|it| &it.name);
            let unknown = account.machines.iter().find(|it| !known.clone().any(|known| known == *it));
            if let Some(machine) = unknown {
                let what = format!(
                    "account `{}` names machine `{machine}`, which is not among `machines`",
                    account.name
                );
                let cure =
                    "`coord config` shows the machines; leave `machines` out to mean every one".to_owned();
                return Err(self.error(what, &[at[0], at[1], Step::Key("machines")], cure));
            }
            let all = known.filter(|it| account.machines.is_empty() || account.machines.contains(it));
            let twice = all.map(|it| it.as_str()).find(|it| !taken.insert(*it));
            if let Some(machine) = twice {
                let what = format!("there are two accounts on machine `{machine}`");
                return Err(self.error(what, &at, "name the machines of each account".to_owned()));
            }
        }
        Ok(())
    }
}
