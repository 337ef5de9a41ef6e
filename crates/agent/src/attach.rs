//! Taking the session of a worker over, from this machine: the person's end of it.

use std::io;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use crate::layout::RunDir;
use crate::order::{Command, Reply, TakeOver};
use crate::shim;

/// A session that is a person's for as long as this lives, and is handed back when it goes, however that comes about.
#[derive(Debug)]
pub struct Attached {
    /// How to go on with it.
    pub take_over: TakeOver,
    _connection: (OwnedReadHalf, OwnedWriteHalf),
}

/// Why nobody got the session.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// The run has no shim on this machine.
    #[error("the run has no worker on this machine at the moment")]
    NoShim(#[source] io::Error),
    /// The shim hung up before it said anything.
    #[error("the run ended before its session could be handed over")]
    Ended,
    /// The shim says no.
    #[error("{0}")]
    Declined(String),
}

/// Asks the shim of the run in `dir` for the session, and waits until its worker has gone. `who` is what everybody
/// else is told.
///
/// # Errors
/// See [`AttachError`]. Then the run goes on as it was, or has ended.
pub async fn attach(dir: &RunDir, who: &str) -> Result<Attached, AttachError> {
    let connection = shim::connect(dir).await.map_err(AttachError::NoShim)?;
    let (from, mut to) = connection.into_split();
    let command = Command::Attach { who: who.to_owned() };
    let line = serde_json::to_string(&command).expect("a command is made of words") + "\n";
    to.write_all(line.as_bytes()).await.map_err(|_| AttachError::Ended)?;
    let mut lines = BufReader::new(from).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        // Until it replies, it announces how far it is.
        match serde_json::from_str(&line) {
            Ok(Reply::Attached(take_over)) => {
                let from = lines.into_inner().into_inner();
                return Ok(Attached { take_over, _connection: (from, to) });
            }
            Ok(Reply::Declined { why }) => return Err(AttachError::Declined(why)),
            Ok(Reply::Done | Reply::Unknown) => {
                let why = "its shim is of another version, which hands over no session";
                return Err(AttachError::Declined(why.to_owned()));
            }
            Err(_) => {}
        }
    }
    Err(AttachError::Ended)
}
