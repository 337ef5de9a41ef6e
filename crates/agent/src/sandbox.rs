//! The sandbox of a run: bubblewrap, with what the run may see.
//!
//! Everything that is started for a run is started in it: its setup, its worker, the tests of its change. The
//! system is there and read-only; the user's home, `COORD_HOME`, `/tmp` and `/run` are empty but for what the run
//! needs: its worktree, what it commits into, the socket it reports through, programs on its search path, and the files in which its
//! runtime keeps its login and its sessions. It has process ids of its own, so that nothing in it outlives it and
//! nothing outside can be seen or signalled.
//!
//! What must hold: a sandbox that was asked for and cannot be had is a refusal, never a run without it; what it
//! does not keep a worker from is said in the run's log as plainly as what it does.
//!
//! Deliberately absent: filtering of system calls, and of the network by address.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use coord_core::sandbox::{Confinement, Sandbox};
use coord_git::lend::Lent;
use serde::{Deserialize, Serialize};

use crate::runtime::Launch;

/// The program that makes sandboxes.
pub const PROGRAM: &str = "bwrap";

/// Directories of a home that hold toolchains and are named by a variable, beside the search path.
const TOOLCHAINS: [&str; 12] = [
    "CARGO_HOME",
    "CONDA_PREFIX",
    "GOROOT",
    "JAVA_HOME",
    "NODE_EXTRA_CA_CERTS",
    "NVM_DIR",
    "PNPM_HOME",
    "PYENV_ROOT",
    "RBENV_ROOT",
    "RUSTUP_HOME",
    "SDKMAN_DIR",
    "VOLTA_HOME",
];

/// How the processes of a run are confined, as its order has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confined {
    /// What comes before every command line.
    pub argv: Vec<String>,
    /// The worker's own git directory, where it does not commit into the store.
    #[serde(default)]
    pub lent: Option<Utf8PathBuf>,
    /// What is enforced and what is not, in sentences for the log.
    pub told: Vec<String>,
}

/// What a run needs to see.
#[derive(Debug)]
pub(crate) struct Needs<'a> {
    /// What was asked for.
    pub(crate) sandbox: Sandbox,
    /// The program that makes it.
    pub(crate) program: &'a Utf8Path,
    /// `COORD_HOME`.
    pub(crate) coord_home: &'a Utf8Path,
    /// Where the run works.
    pub(crate) worktree: &'a Utf8Path,
    /// The objects of the repo store.
    pub(crate) objects: Utf8PathBuf,
    /// The repo store, for a worker that commits into it.
    pub(crate) store: Option<Shared<'a>>,
    /// The git directory of its own, for a worker that has one.
    pub(crate) lent: Option<Lent>,
    /// What it is to be shown of its own directory.
    pub(crate) shown: [Utf8PathBuf; 2],
    /// Programs that are started for it, whose directories must be there.
    pub(crate) programs: Vec<Utf8PathBuf>,
    /// Where the runtime keeps its login and its sessions.
    pub(crate) state: Vec<Utf8PathBuf>,
    /// What else it may read.
    pub(crate) readable: &'a [Utf8PathBuf],
    /// What it sees of the server's environment.
    pub(crate) environment: &'a BTreeMap<String, String>,
}

/// A repo store that a worker commits into.
#[derive(Debug)]
pub(crate) struct Shared<'a> {
    /// Where it lies.
    pub(crate) path: &'a Utf8Path,
    /// What of it and of the worktree the worker writes.
    pub(crate) written: [Utf8PathBuf; 4],
    /// What of that it must leave alone.
    pub(crate) fixed: [Utf8PathBuf; 4],
}

/// Whether this machine can confine processes, by the `PATH` given; the program that does, or why not.
///
/// # Errors
/// The reason, in words.
pub fn probe(path: &str) -> Result<Utf8PathBuf, String> {
    let places = path.split(':').filter(|it| !it.is_empty()).map(|it| Utf8Path::new(it).join(PROGRAM));
    let program = places.into_iter().find(|it| it.is_file());
    let program = program.ok_or_else(|| format!("there is no `{PROGRAM}` (bubblewrap) in PATH"))?;
    let tried = Command::new(&program)
        .args(["--unshare-pid", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "true"])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("`{program}` cannot be run: {error}"))?;
    if tried.status.success() {
        return Ok(program);
    }
    let said = String::from_utf8_lossy(&tried.stderr);
    Err(format!("`{program}` cannot make a sandbox here: {}", said.trim()))
}

impl Needs<'_> {
    /// How everything is started for a run that needs this.
    pub(crate) fn confine(self) -> Confined {
        let told = self.told();
        let mut argv = Arguments(vec![self.program.to_string()]);
        argv.plain(&["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]);
        argv.plain(&["--die-with-parent", "--cap-drop", "ALL"]);
        argv.plain(&["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]);
        if !self.sandbox.network {
            argv.plain(&["--unshare-net"]);
        }
        for hidden in ["/tmp", "/var/tmp", "/run"] {
            argv.plain(&["--tmpfs", hidden]);
        }
        // Names are looked up by what lies there on many systems.
        argv.plain(&["--ro-bind-try", "/run/systemd/resolve", "/run/systemd/resolve"]);
        let home = self.environment.get("HOME").map(Utf8Path::new).filter(|it| it.parent().is_some());
        for hidden in home.into_iter().chain([self.coord_home]) {
            argv.plain(&["--tmpfs", hidden.as_str()]);
        }
        for readable in self.readable() {
            argv.bind("--ro-bind-try", &readable);
        }
        for state in &self.state {
            argv.bind("--bind-try", state);
        }
        argv.bind("--ro-bind", &self.objects);
        if let Some(store) = &self.store {
            argv.bind("--ro-bind", store.path);
            store.written.iter().for_each(|it| argv.bind("--bind", it));
        }
        argv.bind("--bind", self.worktree);
        for fixed in self.store.iter().flat_map(|it| &it.fixed) {
            argv.bind("--ro-bind", fixed);
        }
        if let Some(Lent { directory, link }) = &self.lent {
            argv.bind("--bind", directory);
            argv.plain(&["--ro-bind", link.as_str(), self.worktree.join(".git").as_str()]);
        }
        for shown in &self.shown {
            argv.bind("--ro-bind-try", shown);
        }
        argv.plain(&["--setenv", "TMPDIR", "/tmp", "--chdir", self.worktree.as_str(), "--"]);
        Confined { argv: argv.0, lent: self.lent.map(|it| it.directory), told }
    }

    /// What lies in a hidden place and is to be read all the same.
    fn readable(&self) -> Vec<Utf8PathBuf> {
        let path = self.environment.get("PATH").map_or("", String::as_str);
        let searched = path.split(':').filter(|it| it.starts_with('/')).map(Utf8PathBuf::from);
        let toolchains = TOOLCHAINS.iter().filter_map(|it| self.environment.get(*it)).map(Utf8PathBuf::from);
        let programs = self.programs.iter().flat_map(|it| surroundings(it));
        let all = searched.chain(toolchains).chain(programs).chain(self.readable.iter().cloned());
        let hidden = |it: &Utf8PathBuf| {
            let home = self.environment.get("HOME").is_some_and(|home| it.starts_with(home));
            let system = ["/tmp", "/var/tmp", "/run"].iter().any(|hidden| it.starts_with(hidden));
            (home || system) && !self.coord_home.starts_with(it) && !it.starts_with(self.coord_home)
        };
        // Showing a home because it is on the search path would show all that is in it.
        let home = self.environment.get("HOME").map(Utf8PathBuf::from);
        all.filter(|it| hidden(it) && home.as_ref() != Some(it)).collect()
    }

    fn told(&self) -> Vec<String> {
        let mut enforced = vec![
            "it sees and signals no process but its own, and none outlives it",
            "it writes nowhere but in its worktree and where its runtime keeps its state",
            "the user's home, the agent server's token and the logs of other runs are hidden",
        ];
        let mut open = Vec::new();
        match self.sandbox.level {
            Confinement::Strict => enforced.push("the repo store is read-only to it"),
            Confinement::Worktree | Confinement::None => {
                enforced.push("references of the repo store are read-only to it, those of runs apart");
                open.push("it can damage objects of the repo store and the branches of other runs there");
            }
        }
        if self.sandbox.network {
            open.push("it reaches the network, and services of this machine that listen there");
        } else {
            enforced.push("it has no network");
        }
        if !self.state.is_empty() {
            open.push("it can read and change the login and the sessions of its runtime");
        }
        let level = self.sandbox.level;
        let mut told = vec![format!("sandbox {level}, enforced by bubblewrap: {}", enforced.join("; "))];
        if !open.is_empty() {
            told.push(format!("sandbox {level}, not enforced: {}", open.join("; ")));
        }
        told
    }
}

impl Confined {
    /// The same start, confined.
    #[must_use]
    pub fn wrap(&self, mut launch: Launch) -> Launch {
        launch.argv.splice(0..0, self.argv.iter().cloned());
        launch
    }
}

/// Where a program lies and, for one that npm installed, what it was installed with.
fn surroundings(program: &Utf8Path) -> Vec<Utf8PathBuf> {
    let real = program.canonicalize_utf8().unwrap_or_else(|_| program.to_owned());
    let modules = real.ancestors().filter(|it| it.file_name() == Some("node_modules")).last();
    let place = modules.or(real.parent()).map(Utf8Path::to_owned);
    program.parent().map(Utf8Path::to_owned).into_iter().chain(place).collect()
}

/// A command line of bubblewrap.
struct Arguments(Vec<String>);

impl Arguments {
    fn plain(&mut self, words: &[&str]) {
        self.0.extend(words.iter().map(|it| (*it).to_owned()));
    }

    /// Shows a path as it is, where it is.
    fn bind(&mut self, how: &str, path: &Utf8Path) {
        self.plain(&[how, path.as_str(), path.as_str()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_npm_installed_needs_all_that_it_was_installed_with() {
        let found = surroundings(Utf8Path::new("/opt/tools/node_modules/@a/b/node_modules/c/bin/agent"));
        assert_eq!(found, ["/opt/tools/node_modules/@a/b/node_modules/c/bin", "/opt/tools/node_modules"]);
        assert_eq!(surroundings(Utf8Path::new("/opt/bin/agent")), ["/opt/bin", "/opt/bin"]);
    }

    #[test]
    fn a_home_on_the_search_path_is_not_shown() {
        let environment = BTreeMap::from([
            ("HOME".to_owned(), "/home/dev".to_owned()),
            ("PATH".to_owned(), "/home/dev:/home/dev/bin:/usr/bin:/tmp/tools:relative".to_owned()),
            ("CARGO_HOME".to_owned(), "/home/dev/.cargo".to_owned()),
        ]);
        let needs = Needs {
            sandbox: Sandbox { level: Confinement::Strict, network: false },
            program: Utf8Path::new("/usr/bin/bwrap"),
            coord_home: Utf8Path::new("/home/dev/.coord"),
            worktree: Utf8Path::new("/home/dev/.coord/worktrees/api/x"),
            objects: "/home/dev/.coord/repos/api.git/objects".into(),
            store: None,
            lent: None,
            shown: ["report.sock", "bin"].map(|it| Utf8PathBuf::from("/home/dev/.coord/runs/a").join(it)),
            programs: Vec::new(),
            state: Vec::new(),
            readable: &["/home/dev/.coord/agent".into(), "/home/dev/.npmrc".into()],
            environment: &environment,
        };
        assert_eq!(needs.readable(), ["/home/dev/bin", "/tmp/tools", "/home/dev/.cargo", "/home/dev/.npmrc"]);
        let confined = needs.confine();
        assert!(confined.argv.iter().any(|it| it == "--unshare-net"));
        assert!(confined.told[0].contains("it has no network"), "{:?}", confined.told);
        assert_eq!(confined.told.len(), 1, "nothing is left open");
    }
}
