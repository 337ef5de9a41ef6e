//! The stories: the built program, in a world of its own, with real repositories, real processes and, where a
//! worker is wanted, the real claude with a scripted model behind it.
//!
//! Each file is one subject. A test asserts on the state of the world, and reads like the story it tells.

#![expect(clippy::unwrap_used, reason = "a world that cannot be set up is a failed test")]

mod attaching;
mod change;
mod config;
mod contained;
mod cures;
mod demo;
mod doctor;
mod documents;
mod fleet;
mod help;
mod hostile;
mod init;
mod keys;
mod machine;
mod proxy;
mod wire;

mod again;
mod gates;
mod github;
mod happy;
mod landing;
mod limits;
mod meeting;
mod merging;
mod money;
mod queue;
mod refusals;
mod reporting;
mod runtimes;
mod script;
mod sessions;
mod slash;
mod soak;
mod surviving;
mod surviving_clock;
mod surviving_disk;
mod surviving_gc;
mod surviving_origin;
mod surviving_rescue;
mod surviving_restarts;
mod telling;
mod vanished;
mod watching;
mod work;

/// A file that nobody lists here would be a file of tests that never run.
#[test]
fn no_file_of_stories_is_forgotten() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/it");
    let main = include_str!("main.rs");
    for entry in fs_err::read_dir(dir).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        // What a directory holds is its module's affair.
        let Some(name) = name.strip_suffix(".rs") else { continue };
        let listed = ["main", "snapshots"].contains(&name) || main.contains(&format!("mod {name};"));
        assert!(listed, "{name} is not in main.rs");
    }
}
