//! The control socket of a shim: it says how far the log goes and where the run stands, and takes commands.
//!
//! Whoever connects is told at once and on every change. Only the newest state is ever sent, so a client
//! that does not read misses what lay between and holds up nobody.

use std::fs::File;
use std::io;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::Mode;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::layout::RunDir;
use crate::order::{Announcement, Command, Reply};

/// The address of a socket has room for 104 to 108 bytes, depending on the system.
const LONGEST: usize = 100;
/// What one client may say in all: every message that a run takes, each as long as it may be.
const PATIENCE: u64 = 4 * 1024 * 1024;
/// How long to wait before somebody is let in again, after that failed.
pub(super) const AGAIN: Duration = Duration::from_millis(100);

/// Connects to the shim of the run in `dir`.
///
/// # Errors
/// When nobody listens there.
pub async fn connect(dir: &RunDir) -> io::Result<UnixStream> {
    connect_to(&dir.socket()).await
}

/// Connects to a socket of a shim by its path, of whatever length.
pub(crate) async fn connect_to(socket: &Utf8Path) -> io::Result<UnixStream> {
    let address = Address::of(socket)?;
    UnixStream::connect(&address.path).await
}

/// A path that fits, and what keeps it valid.
struct Address {
    path: Utf8PathBuf,
    _directory: Option<File>,
}

impl Address {
    fn of(socket: &Utf8Path) -> io::Result<Self> {
        if socket.as_str().len() <= LONGEST {
            return Ok(Self { path: socket.to_owned(), _directory: None });
        }
        let parts = socket.parent().zip(socket.file_name());
        let (directory, name) = parts.ok_or(io::ErrorKind::InvalidFilename)?;
        Self::short(directory, name)
    }

    #[cfg(target_os = "linux")]
    fn short(directory: &Utf8Path, name: &str) -> io::Result<Self> {
        use std::os::fd::AsRawFd as _;
        let directory = fs_err::File::open(directory)?.into_parts().0;
        let path = format!("/proc/self/fd/{}/{name}", directory.as_raw_fd());
        Ok(Self { path: path.into(), _directory: Some(directory) })
    }

    #[cfg(not(target_os = "linux"))]
    fn short(directory: &Utf8Path, name: &str) -> io::Result<Self> {
        let invalid = |_| io::Error::from(io::ErrorKind::InvalidFilename);
        let place = Utf8PathBuf::try_from(std::env::temp_dir()).map_err(invalid)?;
        let link = place.join(format!("coord-{}", directory.file_name().unwrap_or_default()));
        match fs_err::os::unix::fs::symlink(directory, &link) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => Ok(Self { path: link.join(name), _directory: None }),
        }
    }
}

/// A socket that is bound and not served yet.
pub(super) struct Listening(UnixListener);

/// Binds the control socket of `dir`.
pub(super) fn listen(dir: &RunDir) -> io::Result<Listening> {
    bind(&dir.socket()).map(Listening)
}

/// Binds a socket, readable and writable for its owner alone from the first moment.
pub(super) fn bind(socket: &Utf8Path) -> io::Result<UnixListener> {
    match fs_err::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let address = Address::of(socket)?;
    // Nothing else runs in this process yet, and the worker gets the mask as it was.
    let usual = rustix::process::umask(Mode::RWXG | Mode::RWXO);
    let listener = UnixListener::bind(&address.path);
    rustix::process::umask(usual);
    listener
}

/// A command that wants a reply, on its way to the event loop.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) command: Command,
    pub(super) reply: oneshot::Sender<Reply>,
    /// Cancelled once whoever sent it has hung up.
    pub(super) gone: CancellationToken,
}

/// Where a client's commands go.
#[derive(Debug, Clone)]
pub(super) struct Ways {
    /// One pending stop says all there is to say; a second one finds the queue full and is the same.
    pub(super) stop: mpsc::Sender<()>,
    /// Everything that wants a reply.
    pub(super) wanted: mpsc::Sender<Wanted>,
}

impl Listening {
    /// Serves until dropped, and closes every connection then.
    pub(super) async fn serve(self, announced: watch::Receiver<Announcement>, ways: Ways) {
        let mut clients = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.0.accept() => match accepted {
                    Ok((client, _)) => {
                        let (read, write) = client.into_split();
                        let (announced, ways) = (announced.clone(), ways.clone());
                        clients.spawn(async move {
                            let (reply, replies) = mpsc::channel(1);
                            // Who only wanted to say something may be gone before it is answered, and is
                            // heard all the same. The end of what it says is the end of the conversation.
                            tokio::select! {
                                () = obey(read, ways, reply) => {}
                                () = tell(write, announced, replies) => {}
                            }
                        });
                    }
                    // Out of file descriptors, most likely; the run matters more than who watches it.
                    Err(_) => tokio::time::sleep(AGAIN).await,
                },
                Some(_) = clients.join_next() => {}
            }
        }
    }
}

/// Goes on for as long as the client may have something to say.
async fn tell(
    mut client: OwnedWriteHalf,
    mut announced: watch::Receiver<Announcement>,
    mut replies: mpsc::Receiver<Reply>,
) {
    let mut line = said(&*announced.borrow_and_update());
    loop {
        if client.write_all(line.as_bytes()).await.is_err() {
            return std::future::pending().await;
        }
        line = tokio::select! {
            changed = announced.changed() => match changed {
                Ok(()) => said(&*announced.borrow_and_update()),
                Err(_) => return std::future::pending().await,
            },
            Some(reply) = replies.recv() => said(&reply),
        };
    }
}

fn said(what: &impl serde::Serialize) -> String {
    serde_json::to_string(what).expect("what is said is made of strings and numbers") + "\n"
}

async fn obey(client: OwnedReadHalf, ways: Ways, replies: mpsc::Sender<Reply>) {
    let gone = CancellationToken::new();
    let _hangs_up = gone.clone().drop_guard();
    let mut lines = BufReader::with_capacity(256, client.take(PATIENCE)).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        match serde_json::from_str(&line) {
            Ok(Command::Stop { .. }) => {
                // Full means that a stop is on its way already.
                ways.stop.try_send(()).ok();
            }
            Ok(command @ (Command::Answer { .. } | Command::Attach { .. } | Command::Message(_))) => {
                let (reply, replied) = oneshot::channel();
                // A run at its end takes nothing more; then nobody replies, and the connection ends.
                ways.wanted.send(Wanted { command, reply, gone: gone.clone() }).await.ok();
                if let Ok(reply) = replied.await {
                    replies.send(reply).await.ok();
                }
            }
            Ok(Command::Unknown) | Err(_) => {}
        }
    }
}
