//! What lies between a coordinator and an agent server, and fails.
//!
//! It copies bytes and knows of HTTP only how a request begins. A connection is cut for both sides at once.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use coord_testkit::poll::{PATIENCE, wait_for};

/// A proxy on a port of its own. Its threads end with their connections.
pub(crate) struct Proxy {
    /// Where it listens.
    pub(crate) port: u16,
    faults: Arc<Mutex<Faults>>,
}

/// What came by and was kept back, or was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    Request,
    Answer,
    /// Somebody asked for a run to be stopped.
    Stop,
}

#[derive(Default)]
struct Faults {
    requests_with: Option<String>,
    held: Option<String>,
    answers_to: Option<String>,
    seen: Vec<Seen>,
    /// After how many bytes of its answer each further event stream is cut.
    cuts: Vec<usize>,
    streams: usize,
}

impl Proxy {
    /// Starts one in front of a port of the loopback interface.
    pub(crate) fn start(upstream: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let faults = Arc::new(Mutex::new(Faults::default()));
        std::thread::spawn({
            let faults = Arc::clone(&faults);
            move || {
                for client in listener.incoming().flatten() {
                    // Nobody listens there any more: neither does anybody here.
                    let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, upstream)) else { continue };
                    let faults = Arc::clone(&faults);
                    std::thread::spawn(move || connect(&client, &server, &faults));
                }
            }
        });
        Self { port, faults }
    }

    /// Takes requests that begin like this, and does nothing with them.
    pub(crate) fn swallow_requests(&self, beginning: &str) {
        lock(&self.faults).requests_with = Some(beginning.to_owned());
    }

    /// Keeps requests that begin like this back until it behaves.
    pub(crate) fn hold_requests(&self, beginning: &str) {
        lock(&self.faults).held = Some(beginning.to_owned());
    }

    /// Passes requests that begin like this on, and keeps the answer to itself.
    pub(crate) fn swallow_answers_to(&self, beginning: &str) {
        lock(&self.faults).answers_to = Some(beginning.to_owned());
    }

    /// Fails no more; connections that it failed stay as they are.
    pub(crate) fn behave(&self) {
        let mut faults = lock(&self.faults);
        faults.requests_with = None;
        faults.held = None;
        faults.answers_to = None;
    }

    /// Cuts each further event stream after so many bytes of its answer, head included, one after the other.
    pub(crate) fn cut_streams_after(&self, bytes: impl IntoIterator<Item = usize>) {
        lock(&self.faults).cuts = bytes.into_iter().collect();
    }

    /// How many event streams were asked for.
    pub(crate) fn streams(&self) -> usize {
        lock(&self.faults).streams
    }

    /// Waits until this has come by so often.
    pub(crate) fn wait_for(&self, what: Seen, times: usize) {
        wait_for("something to come by", PATIENCE, || {
            let seen = lock(&self.faults).seen.clone();
            if seen.iter().filter(|it| **it == what).count() >= times {
                Ok(())
            } else {
                Err(format!("{seen:?}"))
            }
        });
    }
}

/// What is to be done with the answer that comes next on a connection.
#[derive(Default)]
struct Answer {
    swallow: bool,
    cut_after: Option<usize>,
}

fn connect(client: &TcpStream, server: &TcpStream, faults: &Arc<Mutex<Faults>>) {
    let answer = Arc::new(Mutex::new(Answer::default()));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            requests(client, server, faults, &answer);
            close(client, server);
        });
        answers(server, client, faults, &answer);
        close(client, server);
    });
}

fn requests(mut from: &TcpStream, mut to: &TcpStream, faults: &Mutex<Faults>, answer: &Mutex<Answer>) {
    let mut buffer = [0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let bytes = &buffer[..count];
        let begins = |with: &Option<String>| with.as_ref().is_some_and(|it| bytes.starts_with(it.as_bytes()));
        let is_held = || begins(&lock(faults).held);
        if is_held() {
            lock(faults).seen.push(Seen::Request);
            wait_for("a held request to be let go", PATIENCE, || {
                if is_held() { Err(String::new()) } else { Ok(()) }
            });
        }
        let mut faults = lock(faults);
        if begins(&faults.requests_with) {
            faults.seen.push(Seen::Request);
            continue;
        }
        if bytes.starts_with(b"POST ") {
            faults.seen.push(Seen::Stop);
        }
        if bytes.starts_with(b"GET ") {
            let line = String::from_utf8_lossy(bytes.split(|it| *it == b'\r').next().unwrap_or_default());
            if line.contains("/events") {
                faults.streams += 1;
                let cut = (!faults.cuts.is_empty()).then(|| faults.cuts.remove(0));
                lock(answer).cut_after = cut;
            }
        }
        lock(answer).swallow = begins(&faults.answers_to);
        drop(faults);
        if to.write_all(bytes).is_err() {
            return;
        }
    }
}

fn answers(mut from: &TcpStream, mut to: &TcpStream, faults: &Mutex<Faults>, answer: &Mutex<Answer>) {
    let mut buffer = [0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let mut state = lock(answer);
        if state.swallow {
            lock(faults).seen.push(Seen::Answer);
            continue;
        }
        let passed = state.cut_after.map_or(count, |left| left.min(count));
        let cut = state.cut_after.is_some_and(|left| left <= count);
        state.cut_after = state.cut_after.map(|left| left.saturating_sub(count));
        drop(state);
        if to.write_all(&buffer[..passed]).is_err() || cut {
            return;
        }
    }
}

fn close(one: &TcpStream, other: &TcpStream) {
    for stream in [one, other] {
        // It may be closed already.
        drop(stream.shutdown(Shutdown::Both));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
