//! The contract between a coordinator and an agent server: types, version and client
