//! The agent server, asked by the real client over loopback, with real repositories, shims and workers.

#![expect(clippy::unwrap_used, reason = "all of this is a test")]

mod access;
mod deadline;
mod restart;
mod site;
mod starts;
mod streams;
mod surroundings;

/// This very program is the shim of the runs that are started here: [`site::Site`] makes a script that calls it
/// for this one test, with the run's directory in a variable. Without one there is nothing to do.
#[test]
fn shim() {
    if let Some((_, dir)) = std::env::vars().find(|(name, _)| name == site::SHIM) {
        coord_agent::shim::run(dir.as_str().into(), "test").unwrap();
    }
}
