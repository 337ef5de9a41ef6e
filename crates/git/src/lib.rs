//! The only crate that touches repositories
