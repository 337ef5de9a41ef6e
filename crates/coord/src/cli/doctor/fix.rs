//! `coord doctor --fix`: what can be repaired without taking anything away from anybody.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use camino::Utf8Path;

use crate::config::Config;
use crate::context::Context;
use crate::slash::{self, Standing};

/// Repairs it; what was done, in sentences. What cannot be repaired is left to the checks to tell.
pub(super) fn all(cx: &Context) -> Vec<String> {
    let mut done: Vec<_> = close(&cx.home).into_iter().collect();
    if let Ok(config) = cx.config() {
        done.extend(refresh(cx, &config));
    }
    done
}

/// Has nobody else look into `COORD_HOME`.
fn close(home: &Utf8Path) -> Option<String> {
    let mode = fs_err::metadata(home).ok().filter(std::fs::Metadata::is_dir)?.mode();
    let open = mode & 0o077 != 0;
    let closed =
        open && fs_err::set_permissions(home, std::fs::Permissions::from_mode(mode & 0o7700)).is_ok();
    closed.then(|| format!("nobody else may look into {home} any more (mode {:o})", mode & 0o700))
}

/// Writes the slash commands anew that an older version wrote, and one that is missing beside another.
fn refresh(cx: &Context, config: &Config) -> Vec<String> {
    let directory = slash::directory(config, cx);
    let standings: Vec<_> =
        slash::ALL.into_iter().filter_map(|it| Some((it, it.standing(&directory).ok()?))).collect();
    let wanted = standings.iter().any(|(_, it)| *it != Standing::Missing);
    let ours = standings.iter().filter(|(_, it)| wanted && it.is_ours_to_write());
    let written = ours.filter(|(command, _)| command.write(&directory).is_ok());
    written.map(|(command, _)| format!("wrote {} anew", command.path(&directory))).collect()
}
