//! The simulated world of coord's tests
