//! A person takes the session of a worker over, in a terminal: the real claude on both sides of it, one writer at a
//! time, and nothing lost however the person leaves.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::Child;
use std::sync::{Arc, Mutex, PoisonError};

use coord_testkit::model::{Hold, bash, say, write};
use coord_testkit::poll::{PATIENCE, wait_for};
use coord_testkit::world::Running;
use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::{Value, json};

use crate::fleet::{Fleet, text};
use crate::machine::{is_alive, kill};
use crate::refusals::{refused, script, scripted};

const COMMIT: &str = "git add -A && git commit -qm 'Add the tide'";

/// Somebody at a terminal, in which `coord attach` runs.
struct Terminal {
    keyboard: File,
    screen: Arc<Mutex<Vec<u8>>>,
    program: Child,
}

impl Terminal {
    /// Opens a terminal and takes a session over in it.
    fn attach(fleet: &Fleet, run: &str) -> Self {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let name = ptsname(&terminal, Vec::new()).unwrap();
        let side =
            || -> OwnedFd { open(name.as_c_str(), OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap() };
        // A session of its own makes the terminal its own.
        let mut command = fleet.command("setsid");
        command
            .args(["--ctty", "--wait", env!("CARGO_BIN_EXE_coord"), "attach", run])
            .current_dir(fleet.dir());
        command.env("TERM", "xterm-256color").env("USER", "ann").stdin(side()).stdout(side()).stderr(side());
        let program = command.spawn().unwrap();
        drop(command);
        let keyboard = File::from(terminal);
        let (mut output, screen) = (keyboard.try_clone().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let shown = Arc::clone(&screen);
        // A terminal that nobody has open any more ends with an error, not with nothing.
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(got @ 1..) = output.read(&mut chunk) {
                shown.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&chunk[..got]);
            }
        });
        Self { keyboard, screen, program }
    }

    fn shown(&self) -> String {
        String::from_utf8_lossy(&self.screen.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    #[track_caller]
    fn wait_for(&self, text: &str) {
        wait_for("a text on the screen", PATIENCE, || {
            let shown = self.shown();
            if shown.contains(text) { Ok(()) } else { Err(shown) }
        });
    }

    /// Types a line. The program takes what comes at once for something that was pasted.
    fn enter(&mut self, line: &str) {
        let before = self.shown().len();
        self.keyboard.write_all(line.as_bytes()).unwrap();
        wait_for(
            "the echo",
            PATIENCE,
            || if self.shown().len() > before { Ok(()) } else { Err(self.shown()) },
        );
        self.keyboard.write_all(b"\r").unwrap();
    }

    /// The process of `coord attach` itself.
    fn coord(&self, fleet: &Fleet, run: &str) -> u32 {
        let wanted = format!("{} attach {run}", env!("CARGO_BIN_EXE_coord"));
        let found = fleet.processes().into_iter().find(|it| it.command.starts_with(&wanted));
        u32::try_from(found.expect("it runs").pid).unwrap()
    }

    #[track_caller]
    fn wait_until_left(&mut self) {
        wait_for("the end of attach", PATIENCE, || match self.program.try_wait().unwrap() {
            Some(status) if status.success() => Ok(()),
            Some(status) => panic!("{status}: {}", self.shown()),
            None => Err(self.shown()),
        });
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended long ago.
        self.program.kill().ok();
        self.program.wait().ok();
    }
}

/// A fleet on which claude knows its user, and a run that is in the middle of a tool.
fn at_work() -> Option<(Fleet, String)> {
    let fleet = Fleet::with_claude()?;
    let ready = fleet.dir().join("ready");
    let number = fleet
        .task("Add a word", [write("words/sea.txt", "tide\n"), bash(&format!("touch {ready}; sleep 600"))]);
    let run = fleet.assign(number);
    crate::machine::wait_for_file(&ready);
    let worktree = fleet.worktrees().pop().unwrap();
    let key = fleet.model.environment()[1].1.clone();
    let path = fleet.home().join(".claude.json");
    let mut known: Value = serde_json::from_slice(&fs_err::read(&path).unwrap()).unwrap();
    for (name, value) in [
        ("hasCompletedOnboarding", json!(true)),
        ("theme", json!("dark")),
        ("customApiKeyResponses", json!({"approved": [key], "rejected": []})),
        ("projects", json!({worktree: {"hasTrustDialogAccepted": true}})),
    ] {
        known[name] = value;
    }
    fs_err::write(&path, known.to_string()).unwrap();
    Some((fleet, run))
}

#[test]
fn a_person_goes_on_where_the_worker_was_and_hands_it_back() {
    let Some((fleet, run)) = at_work() else { return };
    let hold = Hold::new();
    fleet.model.on_task("api#1", [say("As you wish.").then(bash(COMMIT)), say("It is in.").held(&hold)]);
    let worker = fleet.worker_pid(&run);
    let mut terminal = Terminal::attach(&fleet, &run);
    terminal.wait_for("Claude Code");
    assert!(!is_alive(worker), "two write to one session");
    let shown = fleet.shown(&run);
    assert_eq!((&shown["held"]["who"], &shown["state"]), (&"ann".into(), &"running".into()), "{shown}");
    let human = fleet.coord(["status"]).success().stdout;
    assert!(human.contains("held by ann since"), "{human}");
    let why = fleet.coord(["why", &run]).success().stdout;
    assert!(why.contains("ann has had its session since"), "{why}");
    refused(&fleet, &["tell", &run, "hurry"], 5, "refused", "ann has its session");
    let mut second = Terminal::attach(&fleet, &run);
    second.wait_for("ann has its session");
    assert!(!second.program.wait().unwrap().success());
    refused(&fleet, &["assign", "here", "api", "1"], 5, "refused", &run);

    terminal.enter("commit it, please");
    hold.wait_reached();
    hold.release();
    terminal.wait_for("It is in.");
    terminal.enter("/exit");
    terminal.wait_until_left();
    let end = fleet.wait(&run);
    assert_eq!(end["outcome"]["kind"], "done", "{end}");
    assert_eq!(fleet.api.log(&text(&end["branch"])), ["Add the tide", "the project"]);
    let asked = fleet.model.requests();
    let asked = asked.iter().filter(|it| it.is_agent()).map(|it| it.body["messages"].to_string());
    let theirs: Vec<_> = asked.filter(|it| it.contains("commit it, please")).collect();
    assert!(theirs[0].contains("words/sea.txt"), "it is another session: {}", theirs[0]);
    assert_eq!((fleet.count(&run, "held"), fleet.count(&run, "handed-back")), (1, 1));
    fleet.wait_for_no_worktree();
    fleet.assert_nothing_runs_without_the_server();
}

#[test]
fn a_terminal_that_is_lost_hands_the_session_back_and_loses_nothing() {
    let Some((fleet, run)) = at_work() else { return };
    let terminal = Terminal::attach(&fleet, &run);
    terminal.wait_for("Claude Code");
    kill(terminal.coord(&fleet, &run));
    let end = fleet.wait(&run);
    assert_eq!(end["outcome"]["kind"], "dirty", "{end}");
    assert_eq!(fleet.in_store(&text(&end["rescue"]), "words/sea.txt"), "tide");
    drop(terminal);
    fleet.wait_for_no_worktree();
    fleet.assert_nothing_runs_without_the_server();
}

#[test]
fn a_held_run_outlives_its_server_and_can_be_stopped() {
    let Some((fleet, run)) = at_work() else { return };
    let terminal = Terminal::attach(&fleet, &run);
    terminal.wait_for("Claude Code");
    fleet.kill_server();
    let _server = fleet.serve(env!("CARGO_BIN_EXE_coord"));
    wait_for("the new server to hear of it", PATIENCE, || {
        let shown = fleet.shown(&run);
        if shown["held"]["who"] == "ann" { Ok(()) } else { Err(shown.to_string()) }
    });
    let stopped = fleet.coord(["--json", "stop", &run]).success().json()["data"]["run"].clone();
    assert_eq!(stopped["outcome"]["kind"], "cancelled", "{stopped}");
    assert_eq!(fleet.in_store(&text(&stopped["rescue"]), "words/sea.txt"), "tide");
    let claudes = fleet.processes().into_iter().filter(|it| it.command.contains("--resume"));
    assert_eq!(claudes.count(), 0);
}

#[test]
fn what_cannot_be_taken_over_says_why() {
    let fleet = scripted();
    let go = fleet.dir().join("go");
    let run =
        fleet.assign(script(&fleet, &format!("while [ ! -e {go} ]; do sleep 0.05; done")).parse().unwrap());
    fleet.worker_pid(&run);
    refused(&fleet, &["attach", &run], 2, "usage", "in a terminal");
    let mut terminal = Terminal::attach(&fleet, &run);
    terminal.wait_for("the runtime `script` has no session");
    assert!(!terminal.program.wait().unwrap().success());
    fleet.write("go", "");
    assert_eq!(fleet.wait(&run)["outcome"]["kind"], "no-change");
    refused(&fleet, &["attach", &run], 5, "refused", "has ended");
}

#[test]
fn a_session_on_another_machine_is_taken_over_there() {
    let fleet = scripted();
    let _here = fleet.serve(env!("CARGO_BIN_EXE_coord"));
    let (home, port) = (fleet.dir().join("there"), fleet.free_port());
    let machine = format!(
        "{{name: there, port: {port}, token_file: {home}/agent/token, repo_paths: {{api: {}}}}}",
        fleet.api.clone
    );
    fleet.reconfigure("machines:\n", &format!("machines:\n  - {machine}\n"));
    let mut there = fleet.command(env!("CARGO_BIN_EXE_coord"));
    there.env("COORD_HOME", &home).args(["agent", "--machine", "there"]);
    let there = Running::start(there);
    wait_for("the other machine", PATIENCE, || {
        if there.stderr().contains(" on http://") { Ok(()) } else { Err(there.stderr()) }
    });
    let go = fleet.dir().join("go");
    let number = script(&fleet, &format!("while [ ! -e {go} ]; do sleep 0.05; done"));
    let assigned = fleet.coord(["--json", "assign", "there", "api", &number]).success().json();
    let run = text(&assigned["data"]["run"]["id"]);
    let hints = refused(&fleet, &["attach", &run], 5, "refused", "is on machine there");
    assert_eq!(hints, [format!("run there: ssh -t 127.0.0.1 coord attach {run}")]);
    fleet.write("go", "");
    fleet.wait(&run);
}
