//! What the figures are measured beside: the same work done by hand, without coord.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command, Stdio};

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};
use coord_testkit::world::{Repo, World};

use crate::worker::{told, wall};

/// A bare repository with worktrees, the way somebody would keep one by hand.
pub(crate) struct ByHand<'a> {
    world: &'a World,
    store: Utf8PathBuf,
}

impl<'a> ByHand<'a> {
    pub(crate) fn new(world: &'a World, repo: &Repo) -> Self {
        let store = world.dir().join("by-hand.git");
        repo.git(world.dir(), ["clone", "--quiet", "--bare", &repo.url(), store.as_str()]);
        repo.git(&store, ["config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*"]);
        Self { world, store }
    }

    /// `git fetch`.
    pub(crate) fn fetch(&self) -> anyhow::Result<()> {
        self.git(&["fetch", "--quiet", "origin"])
    }

    /// `git worktree add`.
    pub(crate) fn add(&self, name: &str) -> anyhow::Result<Utf8PathBuf> {
        let path = self.world.dir().join(name);
        self.git(&["worktree", "add", "--quiet", "--no-track", "-b", name, path.as_str(), "origin/main"])?;
        Ok(path)
    }

    /// Removes what [`Self::add`] made.
    pub(crate) fn remove(&self, path: &Utf8Path) -> anyhow::Result<()> {
        self.git(&["worktree", "remove", "--force", path.as_str()])
    }

    fn git(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let status = self.world.command("git").args(arguments).current_dir(&self.store).status()?;
        anyhow::ensure!(status.success(), "git {arguments:?}: {status}");
        Ok(())
    }
}

/// The worker by itself, on a pipe.
pub(crate) struct Bare {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Bare {
    /// Starts it in `dir` with `prompt` on its standard input.
    pub(crate) fn start(world: &World, dir: &Utf8Path, prompt: &str) -> anyhow::Result<Self> {
        let mut command = world.command("claude");
        command.current_dir(dir).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        child.stdin.take().context("its input is a pipe")?.write_all(prompt.as_bytes())?;
        let lines = BufReader::new(child.stdout.take().context("its output is a pipe")?);
        Ok(Self { child, lines })
    }

    /// The time that its next line tells; `None` at the end.
    pub(crate) fn next(&mut self) -> anyhow::Result<Option<f64>> {
        let mut line = String::new();
        if self.lines.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        Ok(Some(told(&line).context("a line of the worker tells a time")?))
    }

    /// Ends it.
    pub(crate) fn end(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

/// `cat` of a file into a pipe that is read to its end, in milliseconds.
pub(crate) fn cat(path: &Utf8Path) -> anyhow::Result<f64> {
    let asked = wall();
    let mut child = Command::new("cat").arg(path).stdout(Stdio::piped()).spawn()?;
    let mut pipe = child.stdout.take().context("its output is a pipe")?;
    let mut piece = vec![0; 64 * 1024];
    while pipe.read(&mut piece)? > 0 {}
    let took = wall() - asked;
    child.wait()?;
    Ok(took)
}

/// How many milliseconds of CPU a process has used: the sum over its threads, in ticks of ten.
pub(crate) fn cpu(pid: u32) -> anyhow::Result<f64> {
    let stat = fs_err::read_to_string(format!("/proc/{pid}/stat"))?;
    let behind = stat.rsplit_once(')').context("a name in parentheses")?.1;
    let ticks: Vec<f64> =
        behind.split_whitespace().skip(11).take(2).filter_map(|it| it.parse().ok()).collect();
    Ok(ticks.iter().sum::<f64>() * 10.0)
}
