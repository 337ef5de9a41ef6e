//! Where the file goes: what is there already, how it is put in place, and how it stays out of git.

use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};

use camino::{Utf8Path, Utf8PathBuf};
use coord_git::adopt::KeptOut;

use crate::config::{Config, ConfigError, predecessor};
use crate::context::Context;
use crate::error::{CliError, ErrorKind};

/// Where a copy of a replaced file is kept.
pub(super) fn kept(path: &Utf8Path) -> Utf8PathBuf {
    Utf8PathBuf::from(format!("{path}.before-coord"))
}

/// The text of the file that is there, if it may be replaced: a predecessor's, or any with `force`.
pub(super) fn existing(path: &Utf8Path, cx: &Context, force: bool) -> Result<Option<String>, CliError> {
    let text = match fs_err::read(path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(CliError::new(ErrorKind::ConfigInvalid, "cannot read what is there").because(error));
        }
    };
    if force {
        return Ok(Some(text));
    }
    match Config::load(path, cx) {
        Ok(_) => {
            Err(CliError::new(ErrorKind::Refused, format!("there is a configuration at {path} already"))
                .hint("`coord config` shows it")
                .hint("`coord init --yes --force` writes a new one, and keeps a copy of the old"))
        }
        Err(ConfigError::UnknownKey { ref key, .. })
            if predecessor::is_key(key) && predecessor::convert(&text).is_some() =>
        {
            Ok(Some(text))
        }
        Err(error) => Err(CliError::from(error)
            .hint("`coord init --yes --force` writes a new one, and keeps a copy of this")),
    }
}

/// Puts `text` at `path`, whole or not at all.
pub(super) fn put(path: &Utf8Path, text: &str, replaces: bool) -> Result<(), CliError> {
    let failed = |error: io::Error| {
        CliError::new(ErrorKind::Failed, format!("cannot write {path}"))
            .because(error)
            .hint("`coord init --yes --config PATH` writes it elsewhere")
    };
    let dir = path.parent().unwrap_or(path);
    fs_err::create_dir_all(dir).map_err(failed)?;
    if replaces {
        fs_err::copy(path, unused(&kept(path))).map_err(failed)?;
    }
    let mode = std::fs::Permissions::from_mode(0o644);
    let mut file = tempfile::Builder::new()
        .prefix(".coordinator.")
        .permissions(mode)
        .tempfile_in(dir)
        .map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

/// A name that nothing has: the oldest copy is the one that must not be lost.
fn unused(path: &Utf8Path) -> Utf8PathBuf {
    let numbered = (2..).map(|it| Utf8PathBuf::from(format!("{path}.{it}")));
    std::iter::once(path.to_owned())
        .chain(numbered)
        .find(|it| !it.exists())
        .unwrap_or_else(|| path.to_owned())
}

/// Has git ignore the file at `path`; what is worth saying about that.
pub(super) fn keep_out(path: &Utf8Path) -> Result<Option<String>, CliError> {
    let kept = coord_git::adopt::keep_out(path).map_err(|error| {
        CliError::new(ErrorKind::Failed, format!("{path} is written, but git still sees it")).because(error)
    })?;
    Ok(match kept {
        KeptOut::NotInARepo | KeptOut::Already => None,
        KeptOut::Excluded => Some("git ignores it from now on (.git/info/exclude)".to_owned()),
        KeptOut::Tracked => Some("it is committed in this repo; everybody who clones it gets it".to_owned()),
    })
}

/// Makes `COORD_HOME`, for its owner alone.
pub(super) fn make_home(home: &Utf8Path) -> Result<(), CliError> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(home);
    made.map_err(|error| CliError::new(ErrorKind::Failed, format!("cannot make {home}")).because(error))
}
