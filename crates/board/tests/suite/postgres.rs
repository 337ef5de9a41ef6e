//! A PostgreSQL server of our own: a scratch directory, a socket in it, no port.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A running server; it stops when this is dropped, by a panic too.
pub(crate) struct Server {
    directory: TempDir,
    programs: PathBuf,
}

impl Server {
    /// Starts one, or says why that is not possible here.
    pub(crate) fn start() -> Result<Self, String> {
        let programs = programs()?;
        let directory = tempfile::tempdir().map_err(|it| it.to_string())?;
        if rustix::process::geteuid().is_root() {
            run(Command::new("chown").arg("postgres").arg(directory.path()))?;
        }
        let server = Self { directory, programs };
        let data = server.data();
        run(server.command("initdb").args(["-A", "trust", "-U", "postgres", "--no-sync", "-D"]).arg(&data))?;
        let options =
            format!("-c listen_addresses='' -c fsync=off -k '{}'", server.directory.path().display());
        let start = ["-w", "-s", "-o", &options, "-l"];
        let log = server.directory.path().join("log");
        run(server.command("pg_ctl").arg("start").args(start).arg(log).arg("-D").arg(data))?;
        Ok(server)
    }

    /// The address of one of its databases.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://postgres@localhost/{database}?host={}", self.directory.path().display())
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// PostgreSQL refuses to run as root, so root becomes somebody else first.
    fn command(&self, program: &str) -> Command {
        let program = self.programs.join(program);
        let mut command = if rustix::process::geteuid().is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir(self.directory.path());
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let stop =
            run(self.command("pg_ctl").args(["stop", "-s", "-w", "-m", "immediate", "-D"]).arg(self.data()));
        if let Err(reason) = stop {
            println!("PostgreSQL was not stopped: {reason}");
        }
    }
}

/// Says that the suite did not run on PostgreSQL, which is a failure where everything is expected to run.
pub(crate) fn not_run(reason: &str) {
    println!("not run: board on PostgreSQL: {reason}");
    let ci = std::env::var_os("CI").is_some_and(|it| it == "true");
    assert!(!ci, "not run: board on PostgreSQL: {reason}");
}

/// Debian keeps them out of the search path, one directory per version.
fn programs() -> Result<PathBuf, String> {
    let debian = fs_err::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let debian = debian.map(|it| it.path().join("bin"));
    let search = std::env::var_os("PATH").unwrap_or_default();
    let mut found: Vec<_> =
        debian.chain(std::env::split_paths(&search)).filter(|it| holds_a_server(it)).collect();
    found.sort();
    found.pop().ok_or_else(|| "no initdb and pg_ctl in /usr/lib/postgresql/*/bin or the PATH".to_owned())
}

fn holds_a_server(directory: &Path) -> bool {
    ["initdb", "pg_ctl", "postgres"].iter().all(|it| directory.join(it).exists())
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|it| format!("{command:?}: {it}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim()))
}
