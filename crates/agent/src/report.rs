//! How a worker reports: the two ends of the side-channel between it and its shim.
//!
//! A worker finds a socket and a token in its environment. Each conversation is one line of JSON with the token and
//! the report, the bytes of the file where the report is an artifact, and the shim's reply, one line; a question that
//! is waited for has a second line with the answer.
//!
//! What must hold: a token opens one run and dies with its shim; it is in the worker's environment and in the memory
//! of the shim, and on no command line, in no file and in no log. A file is read by the worker and never by the shim,
//! whose sight is wider.

use std::collections::BTreeMap;
use std::io;

use camino::Utf8PathBuf;
use coord_core::report::Report;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::unix::OwnedReadHalf;

use crate::shim;

/// The variable with the path of the socket.
pub(crate) const SOCKET: &str = "COORD_REPORT_SOCKET";
/// The variable with the token. Its name makes what is written about the worker leave it out.
pub(crate) const TOKEN: &str = "COORD_REPORT_TOKEN";

/// What the MCP server is called, and so how its tools begin.
pub const MCP_SERVER: &str = "coord";
/// The tools of the MCP server, each of which is a report.
pub const MCP_TOOLS: [&str; 5] =
    ["ask_question", "report_artifact", "report_status", "report_stuck", "report_verdict"];

/// What the worker says to the shim.
#[derive(Serialize, Deserialize)]
pub(crate) struct Request {
    /// The token of the run.
    pub(crate) token: String,
    /// What is reported.
    pub(crate) report: Report,
    /// Whether the answer to a question is waited for.
    #[serde(default)]
    pub(crate) wait: bool,
}

/// What the shim says to the worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "kebab-case")]
pub(crate) enum Reply {
    /// It is an event of the run.
    Recorded,
    /// The question is asked; the answer follows if it is waited for.
    Asked {
        /// Which question of the run it is.
        question: u32,
    },
    /// Somebody answered.
    Answered {
        /// What they said.
        text: String,
    },
    /// It is not taken.
    Refused {
        /// Why.
        reason: String,
    },
    /// Sent by a newer shim.
    #[serde(other)]
    Unknown,
}

/// Why a report did not get through.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// Nobody listens: the run is over.
    #[error("the run is over: nobody listens at `{socket}`")]
    Over {
        /// Where somebody listened.
        socket: Utf8PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The run was over before the shim, or a person, had replied.
    #[error("the run was over before there was an answer")]
    Unanswered,
    /// The shim does not take it.
    #[error("{0}")]
    Refused(String),
}

/// What became of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// It is open, and somebody will see it.
    Open {
        /// Which question of the run it is.
        question: u32,
    },
    /// It is answered.
    Answered {
        /// With these words.
        text: String,
    },
}

/// The worker's end.
#[derive(Debug)]
pub struct Reporter {
    socket: Utf8PathBuf,
    token: SecretString,
}

impl Reporter {
    /// The way to report that a worker's environment shows; `None` outside of a run.
    #[must_use]
    pub fn of(environment: &BTreeMap<String, String>) -> Option<Self> {
        let (socket, token) = (environment.get(SOCKET)?, environment.get(TOKEN)?);
        Some(Self { socket: socket.into(), token: token.as_str().into() })
    }

    /// Reports something that needs no answer. `content` is that of the artifact, if it is one.
    ///
    /// # Errors
    /// See [`ReportError`].
    pub async fn report(&self, report: &Report, content: &[u8]) -> Result<(), ReportError> {
        let mut replies = self.say(report, content, false).await?;
        match next(&mut replies).await? {
            Reply::Recorded | Reply::Asked { .. } | Reply::Answered { .. } | Reply::Unknown => Ok(()),
            Reply::Refused { reason } => Err(ReportError::Refused(reason)),
        }
    }

    /// Asks a question and, if `wait`, waits for its answer, however long that takes. The same question again is
    /// the same question: whoever was interrupted asks anew and loses nothing.
    ///
    /// # Errors
    /// See [`ReportError`].
    pub async fn ask(&self, text: String, options: Vec<String>, wait: bool) -> Result<Asked, ReportError> {
        let mut replies = self.say(&Report::Question { text, options }, &[], wait).await?;
        loop {
            match next(&mut replies).await? {
                Reply::Asked { question } if !wait => return Ok(Asked::Open { question }),
                Reply::Answered { text } => return Ok(Asked::Answered { text }),
                Reply::Refused { reason } => return Err(ReportError::Refused(reason)),
                Reply::Asked { .. } | Reply::Recorded | Reply::Unknown => {}
            }
        }
    }

    async fn say(
        &self,
        report: &Report,
        content: &[u8],
        wait: bool,
    ) -> Result<Lines<BufReader<OwnedReadHalf>>, ReportError> {
        let over = |source| ReportError::Over { socket: self.socket.clone(), source };
        let (replies, mut to) = shim::connect_to(&self.socket).await.map_err(over)?.into_split();
        let token = self.token.expose_secret().to_owned();
        let request = Request { token, report: report.clone(), wait };
        let mut said = serde_json::to_vec(&request).expect("a report is made of strings and numbers");
        said.push(b'\n');
        said.extend_from_slice(content);
        // A shim that refuses does not read to the end, and says why all the same.
        if let Err(source) = to.write_all(&said).await
            && source.kind() != io::ErrorKind::BrokenPipe
        {
            return Err(over(source));
        }
        // The end of what is said would be the end of the conversation.
        to.forget();
        Ok(BufReader::new(replies).lines())
    }
}

async fn next(replies: &mut Lines<BufReader<OwnedReadHalf>>) -> Result<Reply, ReportError> {
    let line = replies.next_line().await.ok().flatten().ok_or(ReportError::Unanswered)?;
    Ok(serde_json::from_str(&line).unwrap_or(Reply::Unknown))
}
