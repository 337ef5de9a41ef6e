//! The contract between a coordinator and an agent server, which are upgraded separately.
//!
//! HTTP under `/v1`, JSON bodies, a bearer token on everything but `/health`. What each side may rely on:
//!
//! - **Compatibility.** Unknown fields are ignored and unknown enum values become `Unknown`, so either side
//!   may be the newer one. Every answer carries the header `coord-protocol`.
//! - **Starting is idempotent.** `PUT /v1/runs/{id}` says 201 the first time and 200 for the same again; a
//!   coordinator that did not hear the answer asks again. 409, 410 and 422 are final.
//! - **Streams have numbers and no holes.** Event *n* of a run is line *n* of its log. A reader that comes
//!   back with `?after=n` (or `Last-Event-ID`) gets every later event once, in order, byte for byte as
//!   everybody else. A stream ends after the event `ended`; a connection that ends earlier was cut.
//! - **A session can be moved.** `GET /v1/runs/{id}/transcript` gives the transcript of an ended run's session, and
//!   `PUT /v1/runs/{id}/transcript` leaves one with another machine for the run of that id, before it is started.
//! - **Errors** are RFC 9457 problem documents ([`problem`]).
//!
//! Deliberately absent: paths, origins and credentials. A coordinator names a repo; where it lies and how to
//! reach it is the agent server's own configuration, so that the network cannot choose a directory.

pub mod client;
pub mod event;
pub mod gc;
pub mod health;
pub mod problem;
pub mod rescue;
pub mod run;

/// The version of this contract. It grows when an old coordinator could misunderstand a new agent server.
pub const PROTOCOL: u32 = 1;

/// The header that carries [`PROTOCOL`] in every answer.
pub const PROTOCOL_HEADER: &str = "coord-protocol";
