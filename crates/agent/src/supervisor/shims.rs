//! The server's side of a shim: starting one, and listening to it until it is gone.

use std::collections::BTreeSet;
use std::io;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::unix::OwnedWriteHalf;
use tokio::process::{Child, Command};
use tokio::sync::watch;

use super::{Live, Supervisor};
use crate::layout::RunDir;
use crate::order::{self, Announcement};
use crate::shim;

/// How long a shim that does not listen is left alone before it is tried again: it is about to, or about to
/// be gone. Its worker waits for neither.
const PAUSE: Duration = Duration::from_millis(3);

/// How listening to a shim ended.
pub(super) enum Heard {
    /// The shim closed the connection, or there was none to be had.
    Silence,
    /// This server is being stopped.
    Halted,
}

impl Supervisor {
    /// Starts the shim of a run. Nothing ties it to this process but that somebody has to reap it: it has its
    /// own group, no terminal and no open file in common.
    pub(super) fn start_shim(&self, dir: &RunDir) -> io::Result<Child> {
        Command::new(self.options.shim_program.as_std_path())
            .args(["shim", dir.path().as_str()])
            .env_clear()
            .envs(&self.options.environment)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
    }

    /// Hands on what the shim of a run announces, and tells it to stop when that is wanted, until it closes
    /// the connection.
    pub(super) async fn listen(self: &Arc<Self>, live: &Live, says: &watch::Sender<Announcement>) -> Heard {
        let dir = self.options.home.run(live.spec.run);
        let Ok(connection) = shim::connect(&dir).await else {
            return tokio::select! {
                () = self.halt.cancelled() => Heard::Halted,
                () = tokio::time::sleep(PAUSE) => Heard::Silence,
            };
        };
        let (from, mut to) = connection.into_split();
        let mut lines = BufReader::new(from).lines();
        let mut asked = false;
        // Whatever an earlier connection has said: the shim knows what it has heard.
        let mut said = BTreeSet::new();
        live.told.notify_one();
        loop {
            tokio::select! {
                line = lines.next_line() => match line {
                    // A line of a newer shim that is not understood is no reason to lose the run.
                    Ok(Some(line)) => if let Ok(announcement) = serde_json::from_str(&line) {
                        self.hear(live, says, announcement).await;
                    },
                    Ok(None) | Err(_) => return Heard::Silence,
                },
                () = live.stop.cancelled(), if !asked => {
                    asked = true;
                    let stop = order::Command::Stop { at: (self.options.now)() };
                    say(&mut to, &stop).await;
                }
                () = live.told.notified() => {
                    let kept = self.kept_messages(live.spec.run).await;
                    for message in kept.into_iter().filter(|it| said.insert(it.id)) {
                        say(&mut to, &order::Command::Message(message)).await;
                    }
                }
                () = self.halt.cancelled() => return Heard::Halted,
            }
        }
    }

    async fn hear(
        self: &Arc<Self>,
        live: &Live,
        says: &watch::Sender<Announcement>,
        announcement: Announcement,
    ) {
        let new = says.borrow().state.as_str() != announcement.state.as_str();
        let state = announcement.state.clone();
        // Watchers come first: the feed is for those who are in no hurry.
        says.send_replace(announcement);
        if new {
            self.tell(live.spec.run, state).await;
        }
    }
}

/// Tells a shim something. One that is at its end already shows that at the next read.
async fn say(to: &mut OwnedWriteHalf, command: &order::Command) {
    let line = serde_json::to_string(command).expect("a command is made of words") + "\n";
    to.write_all(line.as_bytes()).await.ok();
}
