//! A model that says what a test tells it to, with a script, through the API of each agent ([`Dialect`]).
//!
//! The real `claude`, `codex`, `gemini` and `opencode` talk to it on loopback, so that what a test exercises is a worker and not a mock of one. A
//! script is a list of [`Step`]s; each *agent* request, which is one that brings tools, consumes one. Whose
//! script a request is served from is decided by
//!
//! - the path of the base URL, `/s/<name>`, for a worker that was started with [`Model::scenario`]'s URL; else
//! - the task in the first line of its prompt, `coord: run=<id> kind=<kind> task=<repo>#<n> attempt=<k>`, so
//!   that one base URL serves every worker of an agent server.
//!
//! Subagents share their parent's base URL and session and have a script of their own ([`Model::on_subagent`]).
//!
//! What must hold: a request never gets a reply that nobody scripted. One that finds no script, or a finished
//! one, is answered with an error that the CLI does not retry, and [`Model::assert_drained`] fails for it.
//! Deliberately absent: any judgement about the requests; tests read them in [`Model::requests`].

mod dialect;
mod request;
mod server;
mod step;

use std::collections::{BTreeMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

pub use crate::hold::Hold;
use crate::poll;
pub use dialect::Dialect;
pub use request::{Request, ToolResult};
use server::run;
pub use step::{
    Step, agent, bash, compute, drop_connection, edit, error, over_limit, read, say, stall, stream_error,
    tool, truncated, write,
};

/// A running model server. It lives on a thread of its own, so that blocking and asynchronous tests use it
/// alike, and ends when it is dropped.
#[derive(Debug)]
pub struct Model {
    address: SocketAddr,
    state: Shared,
    shutdown: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What the server and the test both hold.
#[derive(Debug, Clone, Default)]
struct Shared(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    scripts: BTreeMap<Reader, VecDeque<Step>>,
    /// Which script a session reads; a subagent's request carries no prompt line, only its parent's session.
    sessions: BTreeMap<String, String>,
    requests: Vec<Request>,
    unscripted: Vec<String>,
    /// The answer to what brings no tools; a title, unless it is scripted.
    small_talk: Option<Step>,
}

/// Who reads a script: the worker itself, or its subagents.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Reader {
    Worker(String),
    Subagent(String),
}

impl Model {
    /// Starts a server on a free port of the loopback interface.
    ///
    /// # Panics
    /// When the machine has no free port or thread.
    #[must_use]
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        listener.set_nonblocking(true).expect("a listener can be made non-blocking");
        let address = listener.local_addr().expect("a bound listener has an address");
        let state = Shared::default();
        let (shutdown, ended) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime can be started");
        let thread = std::thread::spawn({
            let state = state.clone();
            move || {
                runtime.block_on(async {
                    let listener =
                        tokio::net::TcpListener::from_std(listener).expect("tokio takes a listener");
                    // A dropped sender ends the server as well.
                    run(listener, state, async { drop(ended.await) }).await;
                });
            }
        });
        Self { address, state, shutdown: Some(shutdown), thread: Some(thread) }
    }

    /// The base URL for workers whose script is chosen by the task in their prompt.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What a worker needs in its environment to speak to this model and to nobody else: without the last of
    /// these the CLI also connects to its maker. The names are what `pass_env` must let through.
    #[must_use]
    pub fn environment(&self) -> [(&'static str, String); 3] {
        [
            ("ANTHROPIC_BASE_URL", self.url()),
            ("ANTHROPIC_API_KEY", "sk-ant-dummy".into()),
            ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1".into()),
        ]
    }

    /// Scripts a worker that is started with the base URL this returns. More steps for the same name come
    /// after the ones that are there.
    #[must_use]
    pub fn scenario(&self, name: &str, steps: impl IntoIterator<Item = Step>) -> String {
        self.add(Reader::Worker(name.into()), steps);
        format!("{}/s/{name}", self.url())
    }

    /// Scripts the workers of one task, such as `api#1`, over all its attempts.
    pub fn on_task(&self, task: &str, steps: impl IntoIterator<Item = Step>) {
        self.add(Reader::Worker(task.into()), steps);
    }

    /// Scripts the subagents that the workers of a task or scenario start.
    pub fn on_subagent(&self, of: &str, steps: impl IntoIterator<Item = Step>) {
        self.add(Reader::Subagent(of.into()), steps);
    }

    /// Answers what a CLI asks beside its work, which brings no tools: for a title, or for a summary of the conversation.
    pub fn on_small_talk(&self, step: Step) {
        self.state.lock().small_talk = Some(step);
    }

    fn add(&self, reader: Reader, steps: impl IntoIterator<Item = Step>) {
        self.state.lock().scripts.entry(reader).or_default().extend(steps);
    }

    /// Every request so far, in the order of arrival.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.state.lock().requests.clone()
    }

    /// Waits until `find` finds what it looks for among the requests.
    ///
    /// # Panics
    /// When it does not come, with a line per request that did.
    #[track_caller]
    pub fn wait_for<T>(&self, what: &str, mut find: impl FnMut(&[Request]) -> Option<T>) -> T {
        poll::wait_for(what, poll::PATIENCE, || {
            let requests = self.requests();
            find(&requests).ok_or_else(|| {
                let lines: Vec<_> = requests.iter().map(ToString::to_string).collect();
                format!("{} requests:\n{}", lines.len(), lines.join("\n"))
            })
        })
    }

    /// Every script was played to its end, and no request came that nobody scripted.
    ///
    /// # Panics
    /// Otherwise, with all of them.
    #[track_caller]
    pub fn assert_drained(&self) {
        let state = self.state.lock();
        let mut problems = state.unscripted.clone();
        for (reader, steps) in &state.scripts {
            let left = steps.iter().filter(|step| !step.is_endless()).count();
            if left > 0 {
                problems.push(format!("{reader:?} has {left} unplayed steps"));
            }
        }
        assert!(problems.is_empty(), "the model's scripts were not followed:\n{}", problems.join("\n"));
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        drop(self.shutdown.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the server thread has been printed; a second one while a test unwinds would abort it.
            drop(thread.join());
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A test that failed while it held the lock leaves whole data: every change is a single push or pop.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a request and takes the step that answers it.
    fn answer(&self, request: &Request) -> Step {
        let mut state = self.lock();
        let step = state.next_step(request).unwrap_or_else(|problem| {
            state.unscripted.push(format!("{problem}: {request}"));
            error(400, &problem)
        });
        state.requests.push(request.clone());
        drop(state);
        step.resolved(request)
    }

    /// Records a request that brings no tools and takes the step that answers it.
    fn chat(&self, request: Request) -> Step {
        let mut state = self.lock();
        state.requests.push(request);
        state.small_talk.clone().unwrap_or_else(|| say("A title"))
    }

    fn record(&self, request: Request) {
        self.lock().requests.push(request);
    }
}

impl State {
    fn next_step(&mut self, request: &Request) -> Result<Step, String> {
        let session = request.header("x-claude-code-session-id").map(String::from);
        let name = request
            .scenario()
            .map(String::from)
            .or_else(|| request.task())
            .or_else(|| self.sessions.get(session.as_ref()?).cloned())
            .ok_or("the request names neither a scenario nor a task")?;
        if let Some(session) = session {
            self.sessions.insert(session, name.clone());
        }
        let reader = if request.subagent().is_some() { Reader::Subagent(name) } else { Reader::Worker(name) };
        let steps = self.scripts.get_mut(&reader).ok_or_else(|| format!("{reader:?} has no script"))?;
        let next = steps.front().ok_or_else(|| format!("the script of {reader:?} has no step left"))?;
        let step = next.clone();
        if !step.is_endless() {
            steps.pop_front();
        }
        Ok(step)
    }
}
