//! Writing a file so that it is there, whole, after whatever happens next.

use std::io::{self, Write as _};

use camino::Utf8Path;
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;

/// Replaces `path` by a file that only its owner reads. A crash leaves the old file or the new one.
///
/// The data is synchronised before the rename; the name itself is on disk with the next commit of the file
/// system's journal, which a crash of any process does not need.
pub(crate) fn write(path: &Utf8Path, bytes: &[u8]) -> io::Result<()> {
    let scratch = path.with_extension("new");
    let mut file =
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&scratch)?;
    file.write_all(bytes)?;
    file.sync_data()?;
    fs::rename(&scratch, path)
}
