//! A developer's machine in a temporary directory.
//!
//! A [`World`] has a home, a `COORD_HOME`, a git configuration with an identity, and nothing else: every process
//! starts from an empty environment in which `PATH` is the one variable that comes from outside. Repositories
//! have a bare origin and a clone under `~/src`, as `coord` expects them.
//!
//! What must hold: no process outlives its world. Whatever was started in it, however deep and in whatever
//! session, carries a path of the world in its environment or works in it, and is found by that; see
//! [`leftover`].

pub mod leftover;
mod process;
mod repo;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::hash::{BuildHasher as _, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use tempfile::TempDir;

use crate::poll;
use leftover::Process;
pub use process::{Finished, Running};
pub use repo::{Fingerprint, Repo};

/// A hermetic place to run `coord` in. Dropping it kills what still runs there and removes it.
#[derive(Debug)]
pub struct World {
    coord: Utf8PathBuf,
    environment: Environment,
    // Removed after the processes that `drop` kills.
    _dir: TempDir,
}

/// Where a process starts and what it is told.
#[derive(Debug, Clone)]
struct Environment {
    dir: Utf8PathBuf,
    variables: BTreeMap<String, OsString>,
}

const GIT_CONFIG: &str = "[user]\n\tname = Dev\n\temail = dev@example.org\n[init]\n\tdefaultBranch = main\n";

impl World {
    /// An empty world for the `coord` program at this path: `World::new(env!("CARGO_BIN_EXE_coord"))`.
    ///
    /// # Panics
    /// When the temporary directory cannot be made.
    #[must_use]
    pub fn new(coord: impl Into<Utf8PathBuf>) -> Self {
        // A short name: Unix sockets below it have about a hundred bytes for their whole path.
        let temp = tempfile::Builder::new().prefix("coord-").tempdir().expect("a temporary directory");
        let real = fs_err::canonicalize(temp.path()).expect("a temporary directory has a real path");
        let dir = Utf8PathBuf::from_path_buf(real).expect("temporary directories have UTF-8 names");
        for name in ["home/src", "bin", "tmp"] {
            fs_err::create_dir_all(dir.join(name)).expect("a new directory can be filled");
        }
        fs_err::write(dir.join("gitconfig"), GIT_CONFIG).expect("a new directory can be filled");
        let mut path = OsString::from(dir.join("bin"));
        if let Some(outside) = std::env::var_os("PATH") {
            path.push(":");
            path.push(outside);
        }
        let variables = [
            ("HOME", dir.join("home").into()),
            ("COORD_HOME", dir.join("home/.coord").into()),
            ("TMPDIR", dir.join("tmp").into()),
            ("GIT_CONFIG_GLOBAL", dir.join("gitconfig").into()),
            ("GIT_CONFIG_NOSYSTEM", "1".into()),
            ("LANG", "C.UTF-8".into()),
            ("TZ", "UTC".into()),
            ("PATH", path),
        ];
        let variables =
            variables.into_iter().map(|(name, value): (_, OsString)| (name.into(), value)).collect();
        Self { coord: coord.into(), environment: Environment { dir, variables }, _dir: temp }
    }

    /// The root of it all, and the directory that commands start in.
    #[must_use]
    pub fn dir(&self) -> &Utf8Path {
        &self.environment.dir
    }

    /// `$HOME`.
    #[must_use]
    pub fn home(&self) -> Utf8PathBuf {
        self.dir().join("home")
    }

    /// `$COORD_HOME`.
    #[must_use]
    pub fn coord_home(&self) -> Utf8PathBuf {
        self.home().join(".coord")
    }

    /// Sets a variable for every process that is started from here on.
    pub fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.environment.variables.insert(name.into(), value.into());
    }

    /// Sets several, such as a model's environment.
    pub fn set_all(&mut self, variables: impl IntoIterator<Item = (&'static str, String)>) {
        for (name, value) in variables {
            self.set(name, value);
        }
    }

    /// A port of the loopback interface on which nothing listens.
    ///
    /// None of those that the system hands out by itself: until it is used, another program could be given one of
    /// them, or who asks whether anybody listens there could be connected with itself.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn free_port(&self) -> u16 {
        let chance = RandomState::new();
        let mut ports = (0..1000_u16).map(|it| 10_000 + (chance.hash_one(it) % 20_000) as u16);
        ports
            .find(|it| TcpListener::bind((Ipv4Addr::LOCALHOST, *it)).is_ok())
            .expect("loopback has a free port")
    }

    /// Puts a program into the world's own directory at the front of `PATH`.
    ///
    /// # Panics
    /// When there is one of that name already.
    pub fn install(&self, name: &str, program: &Utf8Path) {
        fs_err::os::unix::fs::symlink(program, self.dir().join("bin").join(name))
            .expect("a free name in bin");
    }

    /// Writes a file, with the directories above it; the path is relative to the world.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, path: &str, content: &str) -> Utf8PathBuf {
        let path = self.dir().join(path);
        let parent = path.parent().expect("a path below the world has a parent");
        fs_err::create_dir_all(parent).expect("directories below the world can be made");
        fs_err::write(&path, content).expect("files below the world can be written");
        path
    }

    /// Writes `coordinator.yml`, where commands find it.
    pub fn config(&self, yaml: &str) -> Utf8PathBuf {
        self.write("coordinator.yml", yaml)
    }

    /// A repository whose default branch is `main`: a bare origin and a clone at `~/src/<name>`.
    #[must_use]
    pub fn repo(&self, name: &str) -> Repo {
        self.repo_on(name, "main")
    }

    /// The same with another default branch.
    #[must_use]
    pub fn repo_on(&self, name: &str, branch: &str) -> Repo {
        Repo::create(self.environment.clone(), name, branch)
    }

    /// The bearer token of the world's agent server, once it has made one.
    ///
    /// # Panics
    /// When it makes none.
    #[must_use]
    pub fn token(&self) -> String {
        let path = self.coord_home().join("agent/token");
        poll::wait_for("the agent server's token", poll::PATIENCE, || {
            let text = fs_err::read_to_string(&path).map_err(|error| error.to_string())?;
            let token = text.trim();
            if token.is_empty() { Err("the file is empty".into()) } else { Ok(token.to_owned()) }
        })
    }

    /// Runs `coord` to its end.
    ///
    /// # Panics
    /// When it does not end.
    #[track_caller]
    pub fn coord(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Finished {
        self.spawn(arguments).wait()
    }

    /// Starts `coord`, for commands that go on.
    ///
    /// # Panics
    /// When it cannot be started.
    #[track_caller]
    pub fn spawn(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Running {
        let mut command = self.command(self.coord.as_str());
        command.args(arguments);
        Running::start(command)
    }

    /// Any program, as it would be started by a shell of this world; its standard input is empty.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        self.environment.command(program)
    }

    /// What runs in this world.
    #[must_use]
    pub fn processes(&self) -> Vec<Process> {
        leftover::of(self.dir())
    }

    /// Nothing runs in this world any more. What is on its way out may take a moment.
    ///
    /// # Panics
    /// When something stays, with its command line.
    #[track_caller]
    pub fn assert_no_process_left(&self) {
        poll::wait_for("the last process to end", poll::PATIENCE / 4, || {
            let left = self.processes();
            if left.is_empty() { Ok(()) } else { Err(format!("{left:#?}")) }
        });
    }
}

impl Drop for World {
    fn drop(&mut self) {
        leftover::kill_all(self.dir());
        leftover::remove_groups(&self.coord_home());
    }
}

impl Environment {
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(&self.variables).current_dir(&self.dir).stdin(Stdio::null());
        command
    }
}
