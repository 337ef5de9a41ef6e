//! The shim's end of the side-channel: who may report.
//!
//! It has a socket of its own, so that a worker which is kept from everything else can be given this one: through it
//! nobody stops a run or answers a question. What must hold: only the token of this run opens it; however much a
//! worker sends, the shim stays small. What becomes of a report is the [`super::desk`]'s affair.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use camino::Utf8PathBuf;
use coord_core::report::Report;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::socket;
use crate::layout::RunDir;
use crate::report::{Reply, Request};

/// How long a report may be before its file, in bytes: what the longest verdict takes, and a little more.
const LONGEST: u64 = 512 * 1024;
/// How many conversations there may be at once. Those that wait for an answer are among them.
const AT_ONCE: usize = 32;
/// How many artifacts a run may hand over.
const ARTIFACTS: u32 = 20;

/// A report on its way to the event loop, with the way back. Its sender has proved whose it is.
#[derive(Debug)]
pub(super) struct Reported {
    pub(super) report: Report,
    /// Where the content of an artifact was put.
    pub(super) file: Option<Utf8PathBuf>,
    /// Whether the answer to a question is waited for.
    pub(super) wait: bool,
    pub(super) replies: mpsc::Sender<Reply>,
}

impl Reported {
    /// Tells the worker something. One that has gone away hears nothing, and needs to hear nothing.
    pub(super) fn reply(&self, reply: Reply) {
        self.replies.try_send(reply).ok();
    }
}

/// The socket that reports come through, bound and not served yet.
pub(super) struct Ear {
    listener: UnixListener,
    token: SecretString,
    artifacts: Utf8PathBuf,
}

impl Ear {
    /// Binds the socket of `dir` for whoever has `token`.
    pub(super) fn open(dir: &RunDir, token: SecretString) -> io::Result<Self> {
        let listener = socket::bind(&dir.report_socket())?;
        Ok(Self { listener, token, artifacts: dir.artifacts() })
    }

    /// Serves until dropped.
    pub(super) async fn serve(self, reports: mpsc::Sender<Reported>) {
        let desk = Arc::new(Door {
            token: self.token,
            artifacts: self.artifacts,
            received: AtomicU32::new(0),
            reports,
        });
        let mut talks = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept(), if talks.len() < AT_ONCE => match accepted {
                    Ok((worker, _)) => {
                        let desk = Arc::clone(&desk);
                        talks.spawn(async move { desk.talk(worker).await });
                    }
                    // Out of file descriptors, most likely; the run matters more than its reports.
                    Err(_) => tokio::time::sleep(socket::AGAIN).await,
                },
                Some(_) = talks.join_next() => {}
            }
        }
    }
}

/// What every conversation needs.
struct Door {
    token: SecretString,
    artifacts: Utf8PathBuf,
    received: AtomicU32,
    reports: mpsc::Sender<Reported>,
}

impl Door {
    async fn talk(&self, worker: UnixStream) {
        let (from, mut to) = worker.into_split();
        let mut from = BufReader::new(from);
        let (replies, mut said) = mpsc::channel(2);
        match self.hear(&mut from, replies).await {
            Ok(reported) => {
                // Nobody takes it when the run is at its end; then the end of the connection is the reply.
                if self.reports.send(reported).await.is_err() {
                    return;
                }
            }
            Err(reason) => return write(&mut to, &Reply::Refused { reason }).await,
        }
        loop {
            tokio::select! {
                reply = said.recv() => match reply {
                    Some(reply) => write(&mut to, &reply).await,
                    None => return,
                },
                // Who hangs up waits for nothing more.
                _ = from.read_u8() => return,
            }
        }
    }

    /// Reads one report, and the file that comes with it.
    async fn hear(
        &self,
        from: &mut BufReader<OwnedReadHalf>,
        replies: mpsc::Sender<Reply>,
    ) -> Result<Reported, String> {
        let mut line = Vec::new();
        let unread = |error: io::Error| format!("the report cannot be read: {error}");
        from.take(LONGEST).read_until(b'\n', &mut line).await.map_err(unread)?;
        let request = serde_json::from_slice::<Request>(&line);
        let Request { token, report, wait } =
            request.map_err(|error| format!("this is no report: {error}"))?;
        if !bool::from(token.as_bytes().ct_eq(self.token.expose_secret().as_bytes())) {
            return Err("the token is not that of this run".to_owned());
        }
        let report = report.checked().map_err(|error| error.to_string())?;
        let file = match &report {
            Report::Artifact { bytes, .. } => Some(self.receive(from, *bytes).await?),
            Report::Status { .. }
            | Report::Stuck { .. }
            | Report::Question { .. }
            | Report::Verdict(_)
            | Report::Unknown => None,
        };
        Ok(Reported { report, file, wait, replies })
    }

    /// Puts the file that follows a report where nobody takes it for a whole one.
    async fn receive(&self, from: &mut BufReader<OwnedReadHalf>, bytes: u64) -> Result<Utf8PathBuf, String> {
        let number = self.received.fetch_add(1, Ordering::Relaxed);
        if number >= ARTIFACTS {
            return Err(format!("a run hands over at most {ARTIFACTS} artifacts"));
        }
        let path = self.artifacts.join(format!(".incoming-{number}"));
        let failed = |error: io::Error| format!("the artifact cannot be kept: {error}");
        fs_err::create_dir_all(&self.artifacts).map_err(failed)?;
        let file = fs_err::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let mut file = tokio::fs::File::from_std(file.map_err(failed)?.into_parts().0);
        let got = tokio::io::copy_buf(&mut from.take(bytes), &mut file).await.map_err(failed)?;
        file.flush().await.map_err(failed)?;
        if got < bytes {
            return Err(format!("the artifact ended after {got} of {bytes} bytes"));
        }
        Ok(path)
    }
}

async fn write(to: &mut OwnedWriteHalf, reply: &Reply) {
    let line = serde_json::to_string(reply).expect("a reply is made of strings and numbers") + "\n";
    // Whoever asked may be gone; what they reported stands.
    to.write_all(line.as_bytes()).await.ok();
}
