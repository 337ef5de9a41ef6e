//! The bearer token of an agent server: made at the first start, read at every other.
//!
//! What must hold: nobody but its owner can read the file, and a file that is blank, short or readable by
//! others is an error with its cure, never a reason to go on without a token.

use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use secrecy::{ExposeSecret as _, SecretString};

/// How many characters a token has at least: what sixteen random bytes give in hex.
const SHORTEST: usize = 32;

/// Why there is no token to ask for.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be made or read.
    #[error("cannot use the file `{path}`")]
    File {
        /// Which file.
        path: Utf8PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file can be read by others.
    #[error("others may read the file `{path}` (mode {mode:o}); run `chmod 600 {path}`")]
    Exposed {
        /// Which file.
        path: Utf8PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The file holds no token.
    #[error("the token file `{path}` holds no token; remove it, and the next start makes a new one")]
    Blank {
        /// Which file.
        path: Utf8PathBuf,
    },
}

/// The token at `path`, which is made if it does not exist. Two first starts at once agree on one token.
///
/// # Errors
/// See [`TokenError`].
pub fn load_or_make(path: &Utf8Path) -> Result<SecretString, TokenError> {
    match load(path) {
        Err(TokenError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            make(path).map_err(|source| TokenError::File { path: path.to_owned(), source })?;
            load(path)
        }
        known => known,
    }
}

/// The token at `path`, which must exist.
///
/// # Errors
/// See [`TokenError`].
pub fn load(path: &Utf8Path) -> Result<SecretString, TokenError> {
    let text = secret(path)?;
    let token = text.expose_secret();
    let sound = token.len() >= SHORTEST && token.chars().all(|c| c.is_ascii_graphic());
    if sound { Ok(text) } else { Err(TokenError::Blank { path: path.to_owned() }) }
}

/// What a file holds that nobody but its owner can read, without the white space around it.
///
/// # Errors
/// [`TokenError::File`] and [`TokenError::Exposed`].
pub fn secret(path: &Utf8Path) -> Result<SecretString, TokenError> {
    let file = |source| TokenError::File { path: path.to_owned(), source };
    let mut opened = fs::File::open(path).map_err(file)?;
    let mode = opened.metadata().map_err(file)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(TokenError::Exposed { path: path.to_owned(), mode });
    }
    let mut text = String::new();
    opened.read_to_string(&mut text).map_err(file)?;
    Ok(text.trim().into())
}

/// A token that nobody has had before.
pub(crate) fn random() -> io::Result<SecretString> {
    let mut random = [0_u8; 32];
    fs::File::open("/dev/urandom")?.read_exact(&mut random)?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into())
}

/// Puts a whole file in place at once, so that no reader ever sees half a token. Whoever comes second
/// leaves the first one's token alone.
fn make(path: &Utf8Path) -> io::Result<()> {
    let token = random()?;
    let token = token.expose_secret();
    let scratch = path.with_extension(format!("new.{}", &token[..8]));
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&scratch)?;
    file.write_all(token.as_bytes())?;
    file.sync_all()?;
    let placed = fs::hard_link(&scratch, path);
    fs::remove_file(&scratch)?;
    match placed {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> (tempfile::TempDir, Utf8PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(dir.path().join("token")).unwrap();
        (dir, path)
    }

    #[test]
    fn a_token_is_made_once_and_only_its_owner_reads_it() {
        let (_dir, path) = place();
        let made = load_or_make(&path).unwrap();
        assert_eq!(made.expose_secret().len(), 64);
        assert_eq!(load_or_make(&path).unwrap().expose_secret(), made.expose_secret());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        make(&path).unwrap();
        assert_eq!(load(&path).unwrap().expose_secret(), made.expose_secret(), "the second one won");
    }

    #[test]
    fn a_token_that_others_can_read_or_that_is_blank_is_refused_with_its_cure() {
        let (_dir, path) = place();
        load_or_make(&path).unwrap();
        fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let error = load_or_make(&path).unwrap_err().to_string();
        assert!(error.contains(&format!("chmod 600 {path}")), "{error}");
        fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        for blank in ["", " \n", "short"] {
            fs::write(&path, blank).unwrap();
            assert!(matches!(load_or_make(&path), Err(TokenError::Blank { .. })), "{blank:?}");
        }
    }
}
