//! The agent server and the shim: supervision, runtimes and the event log.
//!
//! The server decides nothing. It is asked for runs (`PUT /v1/runs/{id}`), fetches, makes a worktree and
//! starts a *shim* for each; the shim starts the worker, writes its numbered event log, stops it, rescues and
//! pushes its work and leaves an exit record. A shim outlives the server that started it: the server is a
//! cache over the run directories ([`layout`]) and finds its shims again by their sockets.
//!
//! What must hold here: at most one worker per run id, whatever crashes; no worktree goes while work in it is
//! in no ref of the store; nothing that blocks runs on the event loop; a reader of a log misses nothing.
//!
//! Deliberately absent: SQL, GitHub, and any opinion on what should happen next.

pub mod attach;
pub mod config;
pub mod finish;
pub mod layout;
pub mod log;
pub mod order;
pub mod process;
pub mod report;
pub mod runtime;
pub mod sandbox;
pub mod server;
pub mod shim;
pub mod token;

mod auth;
mod durable;
pub mod environment;
mod feed;
mod fence;
mod handler;
mod journal;
mod looked;
mod restore;
mod router;
mod stream;
mod supervisor;
mod transcript;
