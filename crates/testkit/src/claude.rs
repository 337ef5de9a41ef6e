//! The real Claude Code CLI, in the versions that the lock files under `tests/claude` pin.
//!
//! `tests/claude/install` is the one place that knows how to install it, into the git-ignored `tests/tools`;
//! `tests/run` calls it up front, and a test that is run on its own calls it here.

use std::process::{Command, Stdio};

use camino::Utf8PathBuf;

/// Which of the pinned versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// The one that every story runs.
    Current,
    /// An earlier one that people still have; its stream differs in ways that matter.
    Previous,
}

/// The path of the program, installed if need be; otherwise why it cannot be had.
///
/// # Errors
/// The reason, for the list of tests that did not run.
pub fn installed(version: Version) -> Result<Utf8PathBuf, String> {
    let root = crate::workspace();
    let tools = root.join("tests/tools");
    let prepare = || -> std::io::Result<fs_err::File> {
        fs_err::create_dir_all(&tools)?;
        // Tests run side by side; the first installs and the others wait here. The lock goes with the file.
        let lock = fs_err::File::create(tools.join("claude.lock"))?;
        lock.file().lock()?;
        Ok(lock)
    };
    let lock = prepare().map_err(|error| format!("no place for the claude CLI: {error}"))?;
    let install = root.join("tests/claude/install");
    let which = match version {
        Version::Current => None,
        Version::Previous => Some("previous"),
    };
    let output = Command::new(&install)
        .args(which)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot run {install}: {error}"))?;
    drop(lock);
    if !output.status.success() {
        return Err(format!(
            "the claude CLI cannot be installed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        ));
    }
    let path = String::from_utf8_lossy(&output.stdout);
    Ok(Utf8PathBuf::from(path.trim_end()))
}
