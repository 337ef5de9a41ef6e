//! Programs that were started: while they run, and how they ended.

use std::ffi::OsStr;
use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::poll;

/// How long a program may take to its end.
const LIFETIME: Duration = poll::PATIENCE.saturating_mul(2);

/// A program that runs. Dropping it kills it.
#[derive(Debug)]
pub struct Running {
    command: String,
    child: Child,
    stdout: Capture,
    stderr: Capture,
}

/// A program that ended.
#[derive(Debug, Clone)]
pub struct Finished {
    /// What was run, for failures to say.
    pub command: String,
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to its standard output.
    pub stdout: String,
    /// What it wrote to its standard error.
    pub stderr: String,
}

impl Running {
    /// Starts a command and collects what it prints.
    ///
    /// # Panics
    /// When it cannot be started.
    #[track_caller]
    #[must_use]
    pub fn start(mut command: Command) -> Self {
        let words = [command.get_program()].into_iter().chain(command.get_args());
        let line = words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ");
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {line}: {error}"));
        let stdout = Capture::of(child.stdout.take().expect("the standard output is piped"));
        let stderr = Capture::of(child.stderr.take().expect("the standard error is piped"));
        Self { command: line, child, stdout, stderr }
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed to its standard output so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// What it has printed to its standard error so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Waits for a whole line on its standard output, and returns it.
    ///
    /// # Panics
    /// When it does not come, with all that did.
    #[track_caller]
    pub fn wait_for_line(&self, what: &str, mut is_it: impl FnMut(&str) -> bool) -> String {
        poll::wait_for(what, poll::PATIENCE, || {
            let text = self.stdout();
            let whole = text.rfind('\n').map_or("", |end| &text[..end]);
            whole.lines().find(|line| is_it(line)).map(String::from).ok_or_else(|| {
                format!("{} has printed:\n{text}\nand to standard error:\n{}", self.command, self.stderr())
            })
        })
    }

    /// Kills it, as a power cut would.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Asks it to end.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// What Ctrl-C does.
    pub fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).unwrap_or_else(|error| panic!("cannot signal {}: {error}", self.command));
    }

    /// Waits for its end, and for the end of what it prints: a process that it left behind with its standard
    /// output keeps whoever reads that waiting, so it is a failure here.
    ///
    /// # Panics
    /// When it does not end.
    #[track_caller]
    #[must_use]
    pub fn wait(mut self) -> Finished {
        let (command, child) = (&self.command, &mut self.child);
        let (stdout, stderr) = (&self.stdout, &self.stderr);
        let status = poll::wait_for("a program to end", LIFETIME, || {
            let ended = child.try_wait().expect("a child can be waited for");
            ended.ok_or_else(|| {
                format!("{command} still runs; it printed:\n{}\nand:\n{}", stdout.text(), stderr.text())
            })
        });
        poll::wait_for("the end of a program's output", poll::PATIENCE / 12, || {
            let ended = stdout.ended() && stderr.ended();
            if ended { Ok(()) } else { Err(format!("{command} ended, but something holds its output open")) }
        });
        Finished { command: command.clone(), status, stdout: stdout.text(), stderr: stderr.text() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already, and a failing test must not fail twice.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Finished {
    /// It ended with 0.
    ///
    /// # Panics
    /// Otherwise, with everything it printed.
    #[track_caller]
    pub fn success(self) -> Self {
        self.exits(0)
    }

    /// It ended with this code.
    ///
    /// # Panics
    /// Otherwise, with everything it printed.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "{}", self.report());
        self
    }

    /// The one document it printed with `--json`.
    ///
    /// # Panics
    /// When its standard output is not exactly one.
    #[track_caller]
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("not one JSON document: {error}\n{}", self.report()))
    }

    fn report(&self) -> String {
        let Self { command, status, stdout, stderr } = self;
        format!("{command}\nended with {status}\n--- stdout\n{stdout}\n--- stderr\n{stderr}\n---")
    }
}

/// What comes out of a pipe, read as it comes so that its writer is never held up.
#[derive(Debug)]
struct Capture {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Capture {
    fn of(mut pipe: impl Read + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let reader = std::thread::spawn({
            let bytes = Arc::clone(&bytes);
            move || {
                let mut buffer = [0; 8192];
                while let Ok(count @ 1..) = pipe.read(&mut buffer) {
                    bytes.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&buffer[..count]);
                }
            }
        });
        Self { bytes, reader }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    fn ended(&self) -> bool {
        self.reader.is_finished()
    }
}
