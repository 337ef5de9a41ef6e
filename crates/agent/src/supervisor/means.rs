//! What a run needs of this machine, looked up now: its repo's origin and its runtime's program. What is
//! missing is said by name, with its cure.

use std::os::unix::fs::PermissionsExt as _;

use camino::{Utf8Path, Utf8PathBuf};
use coord_core::sandbox::Confinement;
use coord_proto::problem::{Problem, ProblemKind};
use coord_proto::run::{Checkout, RunSpec};
use fs_err as fs;

use crate::config::AgentConfig;
use crate::order::RuntimeConfig;
use crate::{runtime, sandbox};

/// What a run needs of this machine.
#[derive(Debug)]
pub(super) struct Means {
    /// Where commits come from and go to.
    pub(super) origin: String,
    /// The user's clone.
    pub(super) clone: Option<Utf8PathBuf>,
    /// How the runtime is configured, with its program found.
    pub(super) runtime: RuntimeConfig,
    /// Whether rescued work is pushed.
    pub(super) push_rescues: bool,
    /// Where the program of the run lies.
    pub(super) program: Utf8PathBuf,
    /// What makes the run's sandbox, where it is to have one.
    pub(super) sandbox: Option<Utf8PathBuf>,
    /// What a confined run may read beside what is its own.
    pub(super) readable: Vec<Utf8PathBuf>,
}

impl Means {
    /// Finds everything that `spec` needs, or the first thing that is missing. `path` is the search path.
    pub(super) fn find(config: &AgentConfig, spec: &RunSpec, path: &str) -> Result<Self, Problem> {
        let unable = |detail: String| Problem::new(ProblemKind::Unable, detail);
        let (name, machine) = (&spec.task.repo, &config.machine);
        let Some(repo) = config.repos.get(name).filter(|_| machine.serves(name)) else {
            let has = listed(config.repos.keys().filter(|it| machine.serves(it)));
            return Err(unable(format!(
                "machine `{}` does not work on repo `{name}`; it has {has}",
                machine.name
            ))
            .hinted(format!("add `{name}` to the configuration of machine `{}`", machine.name)));
        };
        let origin = repo.origin.clone().map_err(|why| {
            unable(format!("repo `{name}` has no origin on machine `{}`: {why}", machine.name))
                .hinted(format!("give repo `{name}` an `origin`, or its clone a remote of that name"))
        })?;
        let Some(kind) = runtime::named(&spec.runtime) else {
            let has = listed(runtime::ALL.iter().map(|it| it.name()));
            return Err(unable(format!("there is no runtime `{}`; there is {has}", spec.runtime)));
        };
        if let Checkout::Commit { reference, .. } = &spec.checkout
            && !is_reference(reference)
        {
            return Err(unable("the commit is to be fetched from something that is no reference".to_owned()));
        }
        let mut runtime = config.runtimes.get(&spec.runtime).cloned().unwrap_or_else(|| kind.settings());
        let program = kind.program(spec, &runtime).map_err(|it| unable(it.to_string()))?;
        let Some(found) = find_program(program, path) else {
            let elsewhere = match runtime.program {
                Some(_) => format!(", or set `runtimes.{}.program` to where it is", spec.runtime),
                None => String::new(),
            };
            return Err(unable(format!("no `{program}` in the agent server's PATH ({path})")).hinted(format!(
                "install `{program}`{elsewhere}; then start the agent server again if its PATH changes by that"
            )));
        };
        if let Some(program) = &mut runtime.program {
            *program = found.to_string();
        }
        let sandbox = match spec.sandbox.level {
            Confinement::None => None,
            level @ (Confinement::Worktree | Confinement::Strict) => {
                Some(sandbox::probe(path).map_err(|why| {
                    unable(format!(
                        "repo `{name}` asks for the sandbox `{level}`, and machine `{}` has none: {why}",
                        machine.name
                    ))
                    .hinted("install bubblewrap there, or set `sandbox: none` for the repo".to_owned())
                })?)
            }
        };
        let readable = config.readable.clone();
        let push_rescues = config.push_rescues;
        let clone = repo.clone.clone();
        Ok(Self { origin, clone, runtime, push_rescues, program: found, sandbox, readable })
    }
}

fn listed(names: impl Iterator<Item = impl ToString>) -> String {
    let names: Vec<_> = names.map(|it| format!("`{}`", it.to_string())).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// Whether a text can be nothing but the full name of a reference when git reads it.
fn is_reference(text: &str) -> bool {
    text.strip_prefix("refs/").is_some_and(|it| it.parse::<coord_core::name::BranchName>().is_ok())
}

/// Where a program lies: a name is looked up in `path`, a path is taken as it is.
fn find_program(program: &str, path: &str) -> Option<Utf8PathBuf> {
    let runs = |file: &Utf8Path| {
        fs::metadata(file).is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
    };
    if program.contains('/') {
        return Some(Utf8PathBuf::from(program)).filter(|it| runs(it));
    }
    path.split(':').filter(|it| !it.is_empty()).map(|it| Utf8Path::new(it).join(program)).find(|it| runs(it))
}
