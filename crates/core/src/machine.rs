//! Where an agent server runs.

use crate::name::{MachineName, RepoName};

/// The port an agent server listens on unless told otherwise.
pub const AGENT_PORT: u16 = 7433;

/// A machine of the fleet, as the configuration describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// What the configuration calls it.
    pub name: MachineName,
    /// Host name or address at which its agent server is reached.
    pub host: String,
    /// Port of its agent server.
    pub port: u16,
    /// What it can do, in the user's own words (`gtk`, `gpu`, …).
    pub capabilities: Vec<String>,
    /// The repos it works on; empty means every repo.
    pub repos: Vec<RepoName>,
    /// How many workers may run there at once.
    pub slots: u32,
}

impl Machine {
    /// Whether the machine works on `repo`.
    #[must_use]
    pub fn serves(&self, repo: &RepoName) -> bool {
        self.repos.is_empty() || self.repos.contains(repo)
    }

    /// The machine that a host name means: its own name, its host, or the first label of either, whatever
    /// the case. `None` when no machine or more than one answers to it.
    #[must_use]
    pub fn matching<'a>(machines: &'a [Self], host_name: &str) -> Option<&'a Self> {
        let label = |text: &str| text.split('.').next().unwrap_or(text).to_lowercase();
        let wanted = host_name.to_lowercase();
        let exact = machines
            .iter()
            .filter(|it| it.name.as_str().to_lowercase() == wanted || it.host.to_lowercase() == wanted);
        let loose = machines
            .iter()
            .filter(|it| label(it.name.as_str()) == label(&wanted) || label(&it.host) == label(&wanted));
        only(exact).or_else(|| only(loose))
    }
}

fn only<T>(mut items: impl Iterator<Item = T>) -> Option<T> {
    let first = items.next()?;
    items.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(name: &str, host: &str) -> Machine {
        Machine {
            name: name.parse().unwrap(),
            host: host.to_owned(),
            port: AGENT_PORT,
            capabilities: Vec::new(),
            repos: Vec::new(),
            slots: 2,
        }
    }

    #[test]
    fn a_host_name_finds_its_machine_or_nothing() {
        let fleet = [machine("Laptop", "127.0.0.1"), machine("box", "box.lan"), machine("box2", "10.0.0.2")];
        let found = |host: &str| Machine::matching(&fleet, host).map(|it| it.name.to_string());
        assert_eq!(found("laptop.home.arpa").as_deref(), Some("Laptop"));
        assert_eq!(found("BOX").as_deref(), Some("box"));
        assert_eq!(found("elsewhere"), None);
        let twins = [machine("a", "same.x"), machine("b", "same.y")];
        assert!(Machine::matching(&twins, "same").is_none());
        let of_twins = |host: &str| Machine::matching(&twins, host).map(|it| it.name.to_string());
        assert_eq!(of_twins("Same.X").as_deref(), Some("a"), "the whole of it says more than its beginning");
        let named = [machine("box", "10.0.0.1"), machine("box-of-ann", "box.lan")];
        assert_eq!(Machine::matching(&named, "box").map(|it| it.name.as_str()), Some("box"));
        assert_eq!(Machine::matching(&named, "box.lan").map(|it| it.name.as_str()), Some("box-of-ann"));
    }
}
