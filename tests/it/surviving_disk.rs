//! A disk that is full, or cannot be written any more, under the records of runs.

use camino::Utf8PathBuf;
use coord_testkit::need;
use coord_testkit::poll::{PATIENCE, wait_for};
use coord_testkit::world::Running;

use crate::fleet::{Fleet, text};
use crate::machine::wait_for_file;
use crate::refusals::{script, scripted};

/// An agent server whose `runs` lie on a disk of its own, of two megabytes.
struct SmallDisk<'a> {
    fleet: &'a Fleet,
    server: Running,
}

impl<'a> SmallDisk<'a> {
    /// `None`, which has been reported, where no such disk can be had.
    fn new(fleet: &'a Fleet) -> Option<Self> {
        let mut probe = fleet.command("unshare");
        probe.args(["--mount", "true"]);
        if !Running::start(probe).wait().status.success() {
            need::not_run("a disk of its own needs mount namespaces, which only root has here");
            return None;
        }
        // The token must be there for both sides.
        fleet.coord(["status"]).success();
        let runs = fleet.coord_home().join("runs");
        let mut command = fleet.command("unshare");
        command.args(["--mount", "sh", "-ec"]).arg(format!(
            "mkdir -p {runs}; mount -t tmpfs -o size=2m none {runs}; head -c 1000000 /dev/zero > {runs}/ballast; \
             exec {} agent --machine here --port {}",
            env!("CARGO_BIN_EXE_coord"),
            fleet.port
        ));
        let server = Running::start(command);
        wait_for("the agent server to listen", PATIENCE, || {
            if server.stderr().contains(" on http://") { Ok(()) } else { Err(server.stderr()) }
        });
        Some(Self { fleet, server })
    }

    /// Does something to that disk.
    fn on_it(&self, shell: &str) {
        let runs = self.fleet.coord_home().join("runs");
        let mut command = self.fleet.command("nsenter");
        command.args(["--target", &self.server.pid().to_string(), "--mount", "sh", "-ec"]);
        command.arg(format!("cd {runs}; {shell}"));
        Running::start(command).wait().success();
    }
}

/// A worker that writes a file, and prints without end once it is told to go on.
fn flood(fleet: &Fleet) -> (String, Utf8PathBuf) {
    let (ready, go) = (fleet.dir().join("ready"), fleet.dir().join("go"));
    let lines = format!(
        "echo tide > sea.txt; touch {ready}; while [ ! -e {go} ]; do sleep 0.02; done; \
         while :; do head -c 20000 /dev/zero | tr '\\0' x; echo; sleep 0.01; done"
    );
    let run = fleet.assign(script(fleet, &lines).parse().unwrap());
    wait_for_file(&ready);
    (run, go)
}

/// It was lost by that name, and its work was not.
fn assert_lost(fleet: &Fleet, run: &str, by: &str) {
    let end = fleet.wait(run);
    assert_eq!(end["outcome"]["kind"], "lost", "{end}");
    assert!(text(&end["outcome"]["reason"]).contains(by), "{end}");
    assert_eq!(fleet.in_store(&text(&end["rescue"]), "sea.txt"), "tide");
    fleet.wait_for_no_worktree();
}

#[test]
fn a_run_whose_log_fills_the_disk_ends_by_that_name_and_loses_no_work() {
    let fleet = scripted();
    let Some(disk) = SmallDisk::new(&fleet) else { return };
    let (run, go) = flood(&fleet);
    fs_err::write(&go, "").unwrap();
    assert_lost(&fleet, &run, "No space left on device");
    disk.on_it("rm ballast");
    assert_eq!(fleet.work(script(&fleet, "true").parse().unwrap()), "no-change");
}

/// Makes the directory of a run read-only for whatever is opened from now on.
fn freeze(disk: &SmallDisk<'_>, run: &str) {
    disk.on_it(&format!("mount --bind {run} {run}; mount -o remount,bind,ro {run}"));
}

/// Waits until the server has failed to record the end of the run, which has not ended before that.
fn assert_unended(disk: &SmallDisk<'_>, run: &str) {
    wait_for("the server to say what is wrong", PATIENCE, || {
        let log = disk.server.stderr();
        if log.contains("cannot end the run") { Ok(()) } else { Err(log) }
    });
    let shown = disk.fleet.shown(run);
    assert!(shown["outcome"].is_null() && shown["state"] != "ended", "{shown}");
}

#[test]
fn an_end_that_cannot_be_recorded_is_recorded_once_it_can() {
    let fleet = scripted();
    let Some(disk) = SmallDisk::new(&fleet) else { return };
    let (ready, go) = (fleet.dir().join("ready"), fleet.dir().join("go"));
    let lines = format!("echo tide > sea.txt; touch {ready}; while [ ! -e {go} ]; do sleep 0.02; done");
    let run = fleet.assign(script(&fleet, &lines).parse().unwrap());
    wait_for_file(&ready);
    freeze(&disk, &run);
    fs_err::write(&go, "").unwrap();
    assert_unended(&disk, &run);
    disk.on_it(&format!("umount -l {run}"));
    let end = fleet.wait(&run);
    assert_eq!(end["outcome"]["kind"], "dirty", "{end}");
    assert_eq!(fleet.in_store(&text(&end["rescue"]), "sea.txt"), "tide");
    let log = fleet.coord(["log", &run, "--json"]).success().stdout;
    assert_eq!(log.matches("\"kind\":\"ended\"").count(), 1, "{log}");
}

#[test]
fn a_run_whose_shim_dies_on_a_disk_that_cannot_be_written_is_lost_by_that_name() {
    let fleet = scripted();
    let Some(disk) = SmallDisk::new(&fleet) else { return };
    let (run, _go) = flood(&fleet);
    freeze(&disk, &run);
    let all = fleet.processes();
    let shim = all.iter().find(|it| it.command.contains(" shim ") && it.command.contains(&run)).unwrap();
    crate::machine::kill(u32::try_from(shim.pid).unwrap());
    assert_unended(&disk, &run);
    disk.on_it(&format!("umount -l {run}"));
    assert_lost(&fleet, &run, "the disk was read-only");
}
