//! What a test needs and a machine may lack.
//!
//! A test that cannot run here is not a test that passed: it is listed in `target/not-run.txt` with its reason,
//! which `tests/run` prints at the end. With `CI=true` it fails, because there everything must run.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};

use crate::agent::Agent;
use crate::claude::{self, Version};

/// The real Claude Code CLI in its pinned version; `None` when this machine cannot have it.
///
/// ```no_run
/// let Some(claude) = coord_testkit::need::claude() else { return };
/// ```
#[must_use]
pub fn claude() -> Option<Utf8PathBuf> {
    claude_of(Version::Current)
}

/// The real Claude Code CLI in one of its pinned versions; `None` when this machine cannot have it.
#[must_use]
pub fn claude_of(version: Version) -> Option<Utf8PathBuf> {
    claude::installed(version).map_err(|reason| not_run(&reason)).ok()
}

/// Another real agent in its pinned version; `None` when this machine cannot have it.
#[must_use]
pub fn agent(agent: Agent) -> Option<Utf8PathBuf> {
    agent.installed().map_err(|reason| not_run(&reason)).ok()
}

/// Whether this machine can confine processes with bubblewrap; that it cannot is recorded.
#[must_use]
pub fn bubblewrap() -> bool {
    let tried = Command::new("bwrap").args(["--unshare-pid", "--ro-bind", "/", "/", "true"]).output();
    match tried {
        Ok(output) if output.status.success() => true,
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            not_run(&format!("bubblewrap cannot make a sandbox: {}", said.trim()));
            false
        }
        Err(_) => {
            not_run("bubblewrap is not installed");
            false
        }
    }
}

/// The library that gives a program another wall clock, and has it changed while the program runs; `None` when this
/// machine has none.
#[must_use]
pub fn faketime() -> Option<Utf8PathBuf> {
    let places = Utf8Path::new("/usr/lib").read_dir_utf8().into_iter().flatten().flatten();
    let mut libraries = places.map(|it| it.path().join("faketime/libfaketimeMT.so.1"));
    let found = libraries.find(|it| it.exists());
    if found.is_none() {
        not_run("libfaketime is not installed");
    }
    found
}

/// Records that the current test did not run, and why; the test then returns.
///
/// # Panics
/// With `CI=true`, and when the list cannot be written.
pub fn not_run(reason: &str) {
    let test = test_name();
    assert!(!is_ci(std::env::var_os("CI")), "{test} could not run: {reason}");
    let target = crate::workspace().join("target");
    record(&target, &test, reason).expect("the list of tests that did not run can be written");
}

fn record(target: &Utf8Path, test: &str, reason: &str) -> io::Result<()> {
    fs_err::create_dir_all(target)?;
    let mut list = fs_err::OpenOptions::new().create(true).append(true).open(target.join("not-run.txt"))?;
    // One write of one line: tests in other processes append to the same list.
    list.write_all(format!("{test}: {}\n", reason.replace('\n', " ")).as_bytes())
}

fn is_ci(value: Option<OsString>) -> bool {
    value.is_some_and(|value| value == "true")
}

/// libtest names a test's thread after the test, unless it runs it on the main thread; nextest exports the name.
fn test_name() -> String {
    let named = std::thread::current().name().filter(|name| *name != "main").map(String::from);
    named
        .or_else(|| std::env::var_os("NEXTEST_TEST_NAME")?.into_string().ok())
        .unwrap_or_else(|| "a test".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_word_true_makes_it_ci() {
        assert!(is_ci(Some("true".into())));
        assert!(!is_ci(Some("false".into())));
        assert!(!is_ci(None));
    }

    #[test]
    fn every_reason_is_one_line_of_the_list() {
        let dir = tempfile::tempdir().unwrap();
        let target = Utf8Path::from_path(dir.path()).unwrap().join("target");
        record(&target, "one", "no npm,\nno claude").unwrap();
        record(&target, "two", "no postgres").unwrap();
        let list = fs_err::read_to_string(target.join("not-run.txt")).unwrap();
        assert_eq!(list, "one: no npm, no claude\ntwo: no postgres\n");
    }

    #[test]
    fn knows_which_test_it_is_in() {
        assert!(test_name().ends_with("knows_which_test_it_is_in"), "{}", test_name());
    }
}
