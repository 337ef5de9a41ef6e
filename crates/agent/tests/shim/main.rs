//! The shim as a process of its own: real git, real workers, real signals.
//!
//! This program is the shim as well: started with the variable below, its test `shim_process` is one.

mod agents;
mod conformance;
mod contain;
mod ending;
mod fixture;
mod ladder;
mod limits;
mod output;
mod runtimes;
mod stopping;
mod watching;

use camino::Utf8Path;
use coord_agent::shim::contain::Means;

/// Names the directory of the run whose shim this process is to be.
const RUN_DIR: &str = "TEST_SHIM_RUN_DIR";
/// Names the one means by which that shim tells the processes of its run from others.
const MEANS: &str = "TEST_SHIM_MEANS";

#[test]
fn shim_process() {
    if let Some(dir) = std::env::var_os(RUN_DIR) {
        let dir = Utf8Path::from_path(dir.as_ref()).unwrap();
        let Some(means) = std::env::var_os(MEANS) else {
            return coord_agent::shim::run(dir, "1.2.3").unwrap();
        };
        let only = |name: &str| means == name;
        let means = Means { group: only("group"), ancestry: only("ancestry"), marker: only("marker") };
        coord_agent::shim::run_by(dir, "1.2.3", means).unwrap();
    }
}
