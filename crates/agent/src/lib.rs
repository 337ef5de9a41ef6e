//! The agent server and the shim: supervision, runtimes and the event log
