//! A clock that somebody sets while workers work: it ends nothing, starts nothing twice and hides nothing.

use camino::Utf8PathBuf;
use coord_testkit::need;

use crate::fleet::{Fleet, text};
use crate::machine::wait_for_file;
use crate::refusals::{script, scripted};

/// The wall clock of every process of a fleet but its workers. Time that merely passes stays as it is.
struct Clock(Utf8PathBuf);

impl Clock {
    fn of(fleet: &mut Fleet) -> Option<Self> {
        let library = need::faketime()?;
        let clock = Self(fleet.dir().join("clock"));
        clock.set("+0");
        fleet.set("LD_PRELOAD", library.as_str());
        fleet.set("FAKETIME_TIMESTAMP_FILE", clock.0.as_str());
        fleet.set("FAKETIME_NO_CACHE", "1");
        fleet.set("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        Some(clock)
    }

    /// From now on it is wrong by this much: `+2d`, `-90m`.
    fn set(&self, offset: &str) {
        // At once, so that nobody reads half of it.
        let next = self.0.with_extension("next");
        fs_err::write(&next, offset).unwrap();
        fs_err::rename(next, &self.0).unwrap();
    }
}

#[test]
fn a_clock_that_jumps_ends_no_run_and_starts_none_twice() {
    let mut fleet = scripted();
    let Some(clock) = Clock::of(&mut fleet) else { return };
    let (begun, go) = (fleet.dir().join("begun"), fleet.dir().join("go"));
    let long = script(
        &fleet,
        &format!(
            "echo x >> {begun}; while ! [ -e {go} ]; do sleep 0.05; done; \
             echo tide > sea.txt; git add sea.txt; git commit -qm tide"
        ),
    );
    let held = fleet.assign(long.parse().unwrap());
    wait_for_file(&begun);
    let short = || script(&fleet, "echo $COORD_RUN > $COORD_RUN; git add .; git commit -qm short");
    for offset in ["+40d", "-40d", "+3h", "+0"] {
        clock.set(offset);
        assert_eq!(fleet.work(short().parse().unwrap()), "done", "at {offset}");
        assert_eq!(fleet.shown(&held)["state"], "running", "at {offset}");
    }
    clock.set("-3h");
    fleet.write("go", "");
    let end = fleet.wait(&held);
    assert_eq!(
        (text(&end["outcome"]["kind"]), text(&end["state"])),
        ("done".into(), "ended".into()),
        "{end}"
    );
    assert_eq!(fs_err::read_to_string(&begun).unwrap(), "x\n", "one worker");
    let numbers: Vec<_> = fleet.events(&held).iter().map(|it| it["n"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
}

#[test]
fn a_server_that_starts_under_another_clock_finds_its_worker() {
    let mut fleet = scripted();
    let Some(clock) = Clock::of(&mut fleet) else { return };
    let (begun, go) = (fleet.dir().join("begun"), fleet.dir().join("go"));
    let number = script(
        &fleet,
        &format!("echo x >> {begun}; while ! [ -e {go} ]; do sleep 0.05; done; echo tide > sea.txt"),
    );
    let run = fleet.assign(number.parse().unwrap());
    wait_for_file(&begun);
    let worker = fleet.worker_pid(&run);
    fleet.kill_server();
    clock.set("+400d");
    let _server = fleet.serve(env!("CARGO_BIN_EXE_coord"));
    assert_eq!((fleet.worker_pid(&run), text(&fleet.shown(&run)["state"])), (worker, "running".into()));
    fleet.write("go", "");
    assert_eq!(fleet.wait(&run)["outcome"]["kind"], "dirty");
    assert_eq!(fleet.in_store(&format!("refs/coord/rescue/{run}"), "sea.txt"), "tide");
    assert_eq!(fs_err::read_to_string(&begun).unwrap(), "x\n", "one worker");
}
