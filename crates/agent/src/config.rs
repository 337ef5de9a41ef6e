//! What an agent server needs to know of its machine. It is asked for anew at each start of a run, so that an
//! edited configuration is in force without a restart.

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8PathBuf;
use coord_core::machine::Machine;
use coord_core::name::{RepoName, RuntimeName};
use coord_core::retention::Policy;

use crate::order::RuntimeConfig;

/// What an agent server needs to know of its machine.
#[derive(Debug, Clone)]
pub struct AgentConfig {
    /// The machine it serves as.
    pub machine: Machine,
    /// The repos it works on. No other is ever touched.
    pub repos: BTreeMap<RepoName, AgentRepo>,
    /// How each runtime is started.
    pub runtimes: BTreeMap<RuntimeName, RuntimeConfig>,
    /// Every repo that is configured, whoever works on it.
    pub known: BTreeSet<RepoName>,
    /// How long what runs leave is kept.
    pub retention: Policy,
    /// Whether rescued work is pushed at the end of a run, unless it seems to hold secrets.
    pub push_rescues: bool,
    /// What a confined run may read beside the system, its programs and what is its own.
    pub readable: Vec<Utf8PathBuf>,
}

/// A repo on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentRepo {
    /// Where commits come from and go to, or why that is not known.
    pub origin: Result<String, String>,
    /// The user's clone, if there is one. It is only ever read.
    pub clone: Option<Utf8PathBuf>,
}
