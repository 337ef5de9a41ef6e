//! The vocabulary of `coord` and every decision it makes.
//!
//! Nothing here does IO, asks for the time, draws a random number or reads the environment: the list of
//! dependencies forbids the first, the lint table the rest. A function that decides takes a snapshot, with
//! `now` in it, and returns data; `coord-engine` gathers the snapshot and performs the answer.
//!
//! | module | its subject |
//! |---|---|
//! | [`id`], [`name`] | identifiers and names, parsed once and valid ever after |
//! | [`repo`], [`machine`] | what is under coordination, and where it runs |
//! | [`task`], [`change`], [`run`] | the wanted thing, its branch, one attempt at it |
//! | [`limits`] | what a run may use up, and how long it may be silent |
//! | [`outcome`], [`classify`] | how a run ended, and how that is decided |
//! | [`gate`], [`pull`], [`merge`] | what must hold before a change may merge, and the order of merging |
//! | [`forge`] | what a forge says: issues, pull requests, checks, reviews, the rules of a branch |
//! | [`claim`] | who else is at an issue, and whose words may become work |
//! | [`readiness`], [`routing`] | whether a task may be dispatched, with every reason why not, and where to |
//! | [`comment`] | what is said of a run on the forge, and when |
//! | [`again`] | whether a change is gone on with after a run that was not its end, and in which session |
//! | [`queue`] | whose turn it is among the runs that wait to start |
//! | [`usage`], [`money`], [`ledger`] | what runs used up and cost, and who pays |
//! | [`budget`] | what may be spent, and how much of it a run may take |
//! | [`window`], [`park`], [`hours`] | the usage windows of accounts, and what becomes of a run that meets one |
//! | [`retention`] | what may go of what runs left on a machine, and why everything else stays |
//! | [`secret`] | what looks like a secret in bytes that are about to leave the machine |
//! | [`sandbox`] | how far a worker is kept from what is not its own |
//! | [`session`] | what happened while a person worked, what it cost, what is left for them |
//! | [`event`] | the immutable facts that everything shown is derived from |
//!
//! What must always hold, whoever calls: `unknown` is never folded into ok, empty or zero; terminal states
//! stay; evidence is bound to a head, a base and a tree, and says nothing about any other.

pub mod again;
pub mod budget;
pub mod change;
pub mod claim;
pub mod classify;
pub mod closing;
pub mod comment;
pub mod event;
pub mod forge;
pub mod gate;
pub mod hours;
pub mod id;
pub mod ledger;
pub mod limits;
pub mod machine;
pub mod merge;
pub mod money;
pub mod name;
pub mod outcome;
pub mod park;
pub mod pull;
pub mod queue;
pub mod readiness;
pub mod repo;
pub mod report;
pub mod retention;
pub mod routing;
pub mod run;
pub mod sandbox;
pub mod secret;
pub mod session;
pub mod task;
pub mod usage;
pub mod window;
