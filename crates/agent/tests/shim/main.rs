//! The shim as a process of its own: real git, real workers, real signals.
//!
//! This program is the shim as well: started with the variable below, its test `shim_process` is one.

mod ending;
mod fixture;
mod output;
mod runtimes;
mod stopping;

use camino::Utf8Path;

/// Names the directory of the run whose shim this process is to be.
const RUN_DIR: &str = "TEST_SHIM_RUN_DIR";

#[test]
fn shim_process() {
    if let Some(dir) = std::env::var_os(RUN_DIR) {
        let dir = Utf8Path::from_path(dir.as_ref()).unwrap();
        coord_agent::shim::run(dir, "1.2.3").unwrap();
    }
}
