//! The board: the only crate that knows SQL
