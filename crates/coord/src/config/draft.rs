//! A configuration in the making, and how it is written down: with comments, so that whoever opens the file
//! next knows what may be changed.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

/// A configuration in the making.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) repos: Vec<RepoDraft>,
    pub(crate) machines: Vec<MachineDraft>,
    /// Where GitHub's API is, where that is not the one of github.com.
    pub(crate) api_url: Option<String>,
    pub(crate) max_workers: Option<u64>,
    pub(crate) stagger_seconds: Option<u64>,
    pub(crate) model: Option<String>,
    pub(crate) labels: BTreeMap<String, String>,
}

/// A repo of it.
#[derive(Debug)]
pub(crate) struct RepoDraft {
    pub(crate) name: String,
    pub(crate) origin: Option<String>,
    /// Which repository on GitHub it is.
    pub(crate) github: Option<String>,
    /// Whether its tasks stay on the board although it is on GitHub.
    pub(crate) local: bool,
    pub(crate) default_branch: String,
    pub(crate) depends_on: Vec<String>,
    pub(crate) build: Option<String>,
    pub(crate) test: Option<String>,
    /// Whether the gate `tests` is asked for.
    pub(crate) tested: bool,
    pub(crate) setup: Option<String>,
    /// What workers may not run, where that is not the built-in list.
    pub(crate) deny: Option<Vec<String>>,
}

/// A machine of it.
#[derive(Debug)]
pub(crate) struct MachineDraft {
    pub(crate) name: String,
    pub(crate) host: String,
    pub(crate) capabilities: Vec<String>,
    pub(crate) repos: Vec<String>,
    pub(crate) clones: BTreeMap<String, String>,
}

impl Display for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# What coord works on, and where. Written by `coord init`, and yours to edit.")?;
        writeln!(f, "# `coord config` shows what is in force, `coord config --schema` describes every key.")?;
        writeln!(f, "\nrepos:")?;
        self.repos.iter().try_for_each(|it| write!(f, "{it}"))?;
        writeln!(f, "\nmachines:")?;
        self.machines.iter().try_for_each(|it| write!(f, "{it}"))?;
        if let Some(url) = &self.api_url {
            writeln!(f, "\ngithub:\n  # Where its API is.\n  api_url: {}", scalar(url))?;
        }
        writeln!(f, "\nconcurrency:")?;
        writeln!(f, "  # How many workers may run on each machine at once.")?;
        writeln!(f, "  max_workers: {}", self.max_workers.unwrap_or(2))?;
        if let Some(seconds) = self.stagger_seconds {
            writeln!(f, "  # A worker is started at the soonest this many seconds after the one before it.")?;
            writeln!(f, "  stagger_seconds: {seconds}")?;
        }
        writeln!(f, "\nmodels:")?;
        writeln!(f, "  # The model, unless a label or `coord assign --model` says otherwise.")?;
        writeln!(f, "  default: {}", scalar(self.model.as_deref().unwrap_or("sonnet")))?;
        if !self.labels.is_empty() {
            writeln!(f, "  # The model of tasks with a label.\n  labels:")?;
        }
        self.labels
            .iter()
            .try_for_each(|(label, model)| writeln!(f, "    {}: {}", scalar(label), scalar(model)))
    }
}

impl Display for RepoDraft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  - name: {}", scalar(&self.name))?;
        if let Some(origin) = &self.origin {
            writeln!(
                f,
                "    # Where commits are fetched from and pushed to.\n    origin: {}",
                scalar(origin)
            )?;
        }
        if let Some(github) = &self.github {
            writeln!(f, "    # Where its issues and pull requests are.\n    github: {}", scalar(github))?;
        }
        if self.local {
            writeln!(f, "    # Tasks and pull requests are on the board; without this line, on GitHub.")?;
            writeln!(f, "    forge: local")?;
        }
        writeln!(f, "    # The branch that changes are merged into.")?;
        writeln!(f, "    default_branch: {}", scalar(&self.default_branch))?;
        if !self.depends_on.is_empty() {
            writeln!(f, "    # Repos that this one builds on.\n    depends_on: {}", list(&self.depends_on))?;
        }
        let commands = [
            ("build_command", "Run on the merge result before the tests.", &self.build),
            ("test_command", "Run on the merge result; a failure keeps the change out.", &self.test),
            ("setup", "Run in every new worktree before the worker starts.", &self.setup),
        ];
        for (key, comment, command) in commands {
            match command {
                Some(command) => writeln!(f, "    # {comment}\n    {key}: {}", scalar(command))?,
                None => writeln!(f, "    # {comment}\n    # {key}:")?,
            }
        }
        if self.tested {
            writeln!(
                f,
                "    # What must hold before a change is merged: tests, person; on GitHub also checks, approval.\n    gates: [tests]"
            )?;
        } else {
            writeln!(
                f,
                "    # There are no tests, so nothing is asked before a change is merged.\n    gates: []"
            )?;
        }
        if let Some(deny) = &self.deny {
            writeln!(f, "    # What workers may not run, in place of the built-in list.")?;
            writeln!(f, "    worker_permissions:\n      deny: {}", list(deny))?;
        }
        Ok(())
    }
}

impl Display for MachineDraft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  - name: {}", scalar(&self.name))?;
        writeln!(f, "    # Where its agent server is reached, on port 7433 unless `port` says otherwise.")?;
        writeln!(f, "    host: {}", scalar(&self.host))?;
        writeln!(
            f,
            "    # What it can do, in your own words.\n    capabilities: {}",
            list(&self.capabilities)
        )?;
        if !self.repos.is_empty() {
            writeln!(f, "    # The repos it works on.\n    repos: {}", list(&self.repos))?;
        }
        if !self.clones.is_empty() {
            writeln!(f, "    # Your clones. They are only ever read.\n    repo_paths:")?;
        }
        self.clones
            .iter()
            .try_for_each(|(repo, path)| writeln!(f, "      {}: {}", scalar(repo), scalar(path)))
    }
}

fn list(words: &[String]) -> String {
    // JSON is YAML, and safe inside brackets whatever the words are.
    let words: Vec<_> = words
        .iter()
        .map(|it| if plain(it) { it.clone() } else { serde_json::Value::from(it.as_str()).to_string() })
        .collect();
    format!("[{}]", words.join(", "))
}

/// A text as a YAML scalar on one line.
fn scalar(text: &str) -> String {
    match serde_yaml::to_string(text) {
        Ok(scalar) if scalar.trim_end().lines().count() == 1 => scalar.trim_end().to_owned(),
        Ok(_) | Err(_) => serde_json::Value::from(text).to_string(),
    }
}

fn plain(word: &str) -> bool {
    let harmless = word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    // A word that YAML reads as a number, a boolean or nothing has to be quoted; `scalar` knows which do.
    harmless && scalar(word) == word
}
