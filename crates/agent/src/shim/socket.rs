//! The control socket of a shim: it says how far the log goes and where the run stands, and takes a stop.
//!
//! Whoever connects is told at once and on every change. Only the newest state is ever sent, so a client
//! that does not read misses what lay between and holds up nobody.

use std::fs::File;
use std::io;
use std::time::Duration;

use camino::Utf8PathBuf;
use rustix::fs::Mode;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::layout::RunDir;
use crate::order::{Announcement, Command};

/// The address of a socket has room for 104 to 108 bytes, depending on the system.
const LONGEST: usize = 100;
/// What one client may say in all.
const PATIENCE: u64 = 64 * 1024;

/// Connects to the shim of the run in `dir`.
///
/// # Errors
/// When nobody listens there.
pub async fn connect(dir: &RunDir) -> io::Result<UnixStream> {
    let address = Address::of(dir)?;
    UnixStream::connect(&address.path).await
}

/// A path that fits, and what keeps it valid.
struct Address {
    path: Utf8PathBuf,
    _directory: Option<File>,
}

impl Address {
    fn of(dir: &RunDir) -> io::Result<Self> {
        let path = dir.socket();
        if path.as_str().len() <= LONGEST {
            return Ok(Self { path, _directory: None });
        }
        Self::short(dir)
    }

    #[cfg(target_os = "linux")]
    fn short(dir: &RunDir) -> io::Result<Self> {
        use std::os::fd::AsRawFd as _;
        let directory = fs_err::File::open(dir.path())?.into_parts().0;
        let path = format!("/proc/self/fd/{}/shim.sock", directory.as_raw_fd());
        Ok(Self { path: path.into(), _directory: Some(directory) })
    }

    #[cfg(not(target_os = "linux"))]
    fn short(dir: &RunDir) -> io::Result<Self> {
        let invalid = |_| io::Error::from(io::ErrorKind::InvalidFilename);
        let place = Utf8PathBuf::try_from(std::env::temp_dir()).map_err(invalid)?;
        let link = place.join(format!("coord-{}", dir.path().file_name().unwrap_or_default()));
        match fs_err::os::unix::fs::symlink(dir.path(), &link) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => Ok(Self { path: link.join("shim.sock"), _directory: None }),
        }
    }
}

/// A socket that is bound and not served yet.
pub(super) struct Listening(UnixListener);

/// Binds the socket of `dir`, readable and writable for its owner alone from the first moment.
pub(super) fn listen(dir: &RunDir) -> io::Result<Listening> {
    match fs_err::remove_file(dir.socket()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let address = Address::of(dir)?;
    // Nothing else runs in this process yet, and the worker gets the mask as it was.
    let usual = rustix::process::umask(Mode::RWXG | Mode::RWXO);
    let listener = UnixListener::bind(&address.path);
    rustix::process::umask(usual);
    Ok(Listening(listener?))
}

impl Listening {
    /// Serves until dropped, and closes every connection then.
    pub(super) async fn serve(self, announced: watch::Receiver<Announcement>, stop: mpsc::Sender<()>) {
        let mut clients = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.0.accept() => match accepted {
                    Ok((client, _)) => {
                        let (read, write) = client.into_split();
                        let (announced, stop) = (announced.clone(), stop.clone());
                        clients.spawn(async move {
                            // Who only wanted to say something may be gone before it is answered, and is
                            // heard all the same. The end of what it says is the end of the conversation.
                            tokio::select! {
                                () = obey(read, stop) => {}
                                () = tell(write, announced) => {}
                            }
                        });
                    }
                    // Out of file descriptors, most likely; the run matters more than who watches it.
                    Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                },
                Some(_) = clients.join_next() => {}
            }
        }
    }
}

/// Goes on for as long as the client may have something to say.
async fn tell(mut client: OwnedWriteHalf, mut announced: watch::Receiver<Announcement>) {
    loop {
        let line = serde_json::to_string(&*announced.borrow_and_update());
        let line = line.expect("an announcement is made of strings and numbers") + "\n";
        if client.write_all(line.as_bytes()).await.is_err() || announced.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

async fn obey(client: OwnedReadHalf, stop: mpsc::Sender<()>) {
    let mut lines = BufReader::with_capacity(256, client.take(PATIENCE)).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        match serde_json::from_str(&line) {
            Ok(Command::Stop { .. }) => {
                // Full means that a stop is on its way already.
                stop.try_send(()).ok();
            }
            Ok(Command::Unknown) | Err(_) => {}
        }
    }
}
