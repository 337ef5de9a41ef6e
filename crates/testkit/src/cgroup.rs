//! A cgroup that the system has left to whoever runs there, as systemd does by `Delegate=`.

use std::ffi::OsStr;
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};

use crate::need;

/// A group that is marked as handed over, with one below it. Both go when it is dropped, if nothing is in them.
#[derive(Debug)]
pub struct HandedOver {
    path: Utf8PathBuf,
}

impl HandedOver {
    /// `None`, which has been reported, where groups cannot be made or marked.
    #[must_use]
    pub fn make() -> Option<Self> {
        let mounts = fs_err::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let point = mounts.lines().find(|it| it.contains(" - cgroup2 ")).and_then(|it| it.split(' ').nth(4));
        let path = format!("{}/coord-test-{}-above", point.unwrap_or_default(), std::process::id());
        let group = Self { path: path.into() };
        let made = point.is_some() && fs_err::create_dir_all(group.inner()).is_ok();
        let mark = rustix::fs::XattrFlags::empty();
        let marked = rustix::fs::setxattr(group.path.as_std_path(), "user.delegate", b"1", mark).is_ok();
        if !(made && marked) {
            need::not_run("no cgroup2 can be made and marked here");
        }
        (made && marked).then_some(group)
    }

    /// The group itself.
    #[must_use]
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// The one below it.
    #[must_use]
    pub fn inner(&self) -> Utf8PathBuf {
        self.path.join("inner")
    }
}

impl Drop for HandedOver {
    fn drop(&mut self) {
        // What a failing test left in there is no further failure.
        for below in self.path.read_dir_utf8().into_iter().flatten().flatten() {
            fs_err::remove_dir(below.path()).ok();
        }
        fs_err::remove_dir(&self.path).ok();
    }
}

/// Has a command run in a group.
#[must_use]
pub fn run_in(group: &Utf8Path, command: &Command) -> Command {
    let mut inside = Command::new("sh");
    inside.args(["-c", &format!("echo $$ > {group}/cgroup.procs && exec \"$@\""), "sh"]);
    inside.arg(command.get_program()).args(command.get_args());
    inside.env_clear();
    inside.envs(command.get_envs().filter_map(|(name, value): (&OsStr, _)| Some((name, value?))));
    if let Some(dir) = command.get_current_dir() {
        inside.current_dir(dir);
    }
    inside
}

/// The unified group that a process is in; empty where there is no such process.
#[must_use]
pub fn group_of(pid: u32) -> String {
    let groups = fs_err::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    groups.lines().find_map(|it| it.strip_prefix("0::")).unwrap_or_default().to_owned()
}
