//! The simulated world of coord's tests: real programs in a place where nothing can be harmed.
//!
//! | module | what it stands in for |
//! |---|---|
//! | [`world`] | a developer's machine: a home, repositories with an origin, and the processes started on it |
//! | [`model`] | the model behind the real `claude`: a scripted Anthropic API on loopback |
//! | [`github`] | GitHub: its API, its git server and its webhooks, with real repositories behind them |
//! | [`cgroup`] | what systemd hands over to a service |
//! | [`claude`], [`need`] | the pinned CLI itself, and what is said when a machine cannot have it |
//! | [`poll`], [`hold`], [`ageing`] | waiting for facts, making others wait, and not having to wait |
//!
//! What must hold: a test sees no file, variable or process of the machine but `PATH`, leaves none behind, and
//! asserts on the state of the world (refs, files, processes, requests that arrived), never on calls. The crate
//! is a development dependency only; nothing of it is compiled into what ships. A test's failure is a panic, so
//! functions here panic with everything a reader of the failure needs, and return no errors to pass on.

pub mod ageing;
pub mod agent;
pub mod cgroup;
pub mod claude;
pub mod github;
pub mod hold;
pub mod model;
pub mod need;
pub mod poll;
pub mod world;

use camino::Utf8PathBuf;

/// The root of the workspace this was built in.
fn workspace() -> Utf8PathBuf {
    let here = Utf8PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("this crate lies two levels below the workspace").into()
}
