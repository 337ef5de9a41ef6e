//! Whatever is killed, stopped, repeated or asked for twice: one worker, nothing lost, nothing left behind.

use std::os::unix::fs::PermissionsExt as _;

use camino::Utf8PathBuf;
use coord_testkit::model::{Hold, Model, Step, bash, say, write};
use coord_testkit::poll::{PATIENCE, wait_for};
use coord_testkit::world::Running;

use crate::fleet::{Fleet, text};
use crate::machine::{is_alive, kill, wait_for_file};
use crate::proxy::{Proxy, Seen};
use crate::refusals::{script, scripted};

const COMMIT: &str = "git add -A && git commit -qm 'Add the tide'";

/// A worker that writes a file, is held before it commits, and ends as done.
fn held_work(hold: &Hold) -> [Step; 3] {
    [write("words/sea.txt", "tide\n"), bash(COMMIT).held(hold), say("done")]
}

/// How many conversations with the model were begun: as many as workers.
fn conversations(model: &Model) -> usize {
    let requests = model.requests();
    let firsts = requests.iter().filter(|it| it.is_agent() && it.tool_results().is_empty());
    firsts.count()
}

/// A gate in front of what a fetch from origin brings, for every git of this world.
struct SlowOrigin {
    closed: Utf8PathBuf,
    reached: Utf8PathBuf,
}

impl SlowOrigin {
    fn new(fleet: &Fleet) -> Self {
        // Something that only origin has, so that there is a pack to be made.
        fleet.api.push_as("Kim", "main", "news", &[("news.txt", "new\n")]);
        let (closed, reached) = (fleet.write("closed", ""), fleet.dir().join("reached"));
        let hook = fleet.write(
            "bin/slow-pack",
            &format!("#!/bin/sh\ntouch {reached}\nwhile [ -e {closed} ]; do sleep 0.02; done\nexec \"$@\"\n"),
        );
        fs_err::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
        let config = fs_err::read_to_string(fleet.dir().join("gitconfig")).unwrap();
        fleet.write("gitconfig", &format!("{config}[uploadpack]\n\tpackObjectsHook = {hook}\n"));
        Self { closed, reached }
    }

    fn wait_reached(&self) {
        wait_for_file(&self.reached);
    }

    fn open(&self) {
        fs_err::remove_file(&self.closed).unwrap();
    }
}

/// Starts an agent server from a program of another name, as after an upgrade.
fn upgraded_server(fleet: &Fleet) -> Running {
    let program = fleet.dir().join("bin/coord-next");
    if !program.exists() {
        fs_err::copy(env!("CARGO_BIN_EXE_coord"), &program).unwrap();
    }
    fleet.serve(program.as_str())
}

#[test]
fn a_killed_server_comes_back_as_a_new_program_and_finds_its_worker() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let (hold, before) = (Hold::new(), fleet.api.fingerprint());
    let number = fleet.task("Add a word", held_work(&hold));
    let run = fleet.assign(number);
    hold.wait_reached();
    let (shim, worker) = (fleet.shim_pid(&run), fleet.worker_pid(&run));
    fleet.kill_server();
    let meanwhile = fleet.coord(["status"]).success().stdout;
    assert!(meanwhile.contains(" when last heard of on here"), "{meanwhile}");
    let server = upgraded_server(&fleet);
    assert_eq!(fleet.server_pid(), server.pid());
    assert_eq!((fleet.shim_pid(&run), fleet.worker_pid(&run)), (shim, worker));
    assert!(is_alive(shim) && is_alive(worker));
    assert_eq!(fleet.shown(&run)["state"], "running");
    hold.release();
    assert_eq!(fleet.wait(&run)["outcome"]["kind"], "done");
    for kind in ["started", "result", "ended"] {
        assert_eq!(fleet.count(&run, kind), 1, "{kind}");
    }
    assert_eq!(conversations(&fleet.model), 1);
    fleet.model.assert_drained();
    fleet.wait_for_no_worktree();
    fleet.assert_nothing_runs_without_the_server();
    fleet.api.fingerprint().assert_same_as(&before);
}

#[test]
fn a_run_that_ends_while_no_server_is_there_ends_once() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let hold = Hold::new();
    let number = fleet.task("Add a word", held_work(&hold));
    let run = fleet.assign(number);
    hold.wait_reached();
    let shim = fleet.shim_pid(&run);
    fleet.kill_server();
    hold.release();
    wait_for("the shim to finish", PATIENCE, || if is_alive(shim) { Err(String::new()) } else { Ok(()) });
    let _server = upgraded_server(&fleet);
    let end = fleet.wait(&run);
    assert_eq!(end["outcome"]["kind"], "done", "{end}");
    assert_eq!(fleet.count(&run, "ended"), 1);
    assert_eq!(fleet.api.file(&text(&end["branch"]), "words/sea.txt").as_deref(), Some("tide\n"));
    fleet.wait_for_no_worktree();
    fleet.assert_nothing_runs_without_the_server();
}

#[test]
fn a_server_killed_while_preparing_makes_its_promise_good_once() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let origin = SlowOrigin::new(&fleet);
    let before = fleet.api.fingerprint();
    let number = fleet.task("Add a word", [write("a", "a\n"), bash(COMMIT), say("done")]);
    let run = fleet.assign(number);
    origin.wait_reached();
    assert_eq!(fleet.shown(&run)["state"], "preparing");
    fleet.kill_server();
    let _server = upgraded_server(&fleet);
    origin.open();
    let end = fleet.wait(&run);
    assert_eq!(end["outcome"]["kind"], "done", "{end}");
    assert_eq!((conversations(&fleet.model), fleet.count(&run, "started")), (1, 1));
    assert_eq!(fleet.api.log(&text(&end["branch"]))[..2], ["Add the tide", "news"]);
    fleet.wait_for_no_worktree();
    fleet.assert_nothing_runs_without_the_server();
    fleet.api.fingerprint().assert_same_as(&before);
}

#[test]
fn a_killed_shim_takes_its_worker_along_and_leaves_the_work() {
    let Some(fleet) = Fleet::with_claude() else { return };
    fleet.reconfigure("slots: 40", "slots: 1");
    let (hold, before) = (Hold::new(), fleet.api.fingerprint());
    let number = fleet.task(
        "Add a word",
        [
            write("words/sea.txt", "tide\n"),
            bash("setsid nohup sleep 1000 >/dev/null 2>&1 &"),
            say("").held(&hold),
        ],
    );
    let run = fleet.assign(number);
    hold.wait_reached();
    let worker = fleet.worker_pid(&run);
    kill(fleet.shim_pid(&run));
    let end = fleet.wait(&run);
    assert_eq!(end["outcome"]["kind"], "lost", "{end}");
    assert!(!is_alive(worker));
    // What is on its way out may take a moment.
    wait_for("the last process of the run to end", PATIENCE, || {
        let left = fleet.beside_the_server();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:#?}")) }
    });
    assert_eq!(fleet.in_store(&text(&end["rescue"]), "words/sea.txt"), "tide");
    assert_eq!(fleet.api.head(&text(&end["branch"])), None);
    fleet.wait_for_no_worktree();
    // The only slot is free again.
    let next = fleet.task("Another", [write("b", "b\n"), bash(COMMIT), say("done")]);
    assert_eq!(fleet.work(next), "done");
    fleet.assert_nothing_runs_without_the_server();
    fleet.api.fingerprint().assert_same_as(&before);
}

#[test]
fn a_stop_leaves_no_process_and_keeps_the_work_to_itself() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let (hold, before) = (Hold::new(), fleet.api.fingerprint());
    let number = fleet.task(
        "Add a word",
        [
            write("committed.txt", "yes\n"),
            bash("git add -A && git commit -qm 'half of it'"),
            write("words/sea.txt", "tide\n"),
            bash("setsid nohup sleep 1000 >/dev/null 2>&1 & (sleep 1000 &) ; echo started"),
            say("").held(&hold),
        ],
    );
    let run = fleet.assign(number);
    hold.wait_reached();
    wait_for("both to sleep", PATIENCE, || {
        let all = fleet.processes();
        let sleeping = all.iter().filter(|it| it.command == "sleep 1000").count();
        if sleeping == 2 { Ok(()) } else { Err(format!("{all:#?}")) }
    });
    let stopped = fleet.coord(["--json", "stop", &run]).success().json()["data"]["run"].clone();
    assert_eq!(fleet.beside_the_server().len(), 0, "{:#?}", fleet.beside_the_server());
    assert_eq!(stopped["outcome"]["kind"], "cancelled", "{stopped}");
    assert_eq!(fleet.in_store(&text(&stopped["rescue"]), "words/sea.txt"), "tide");
    assert_eq!(fleet.in_store(&text(&stopped["rescue"]), "committed.txt"), "yes");
    // Nothing of it went to origin.
    assert_eq!(fleet.api.refs().into_keys().collect::<Vec<_>>(), ["refs/heads/main"]);
    let again = fleet.coord(["--json", "stop", &run]).success().json()["data"]["run"].clone();
    assert_eq!(again, stopped);
    assert_eq!(fleet.count(&run, "ended"), 1);
    fleet.coord(["watch", &run]).exits(1);
    fleet.wait_for_no_worktree();
    fleet.assert_nothing_runs_without_the_server();
    fleet.api.fingerprint().assert_same_as(&before);
}

#[test]
fn two_stops_at_once_are_one() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let hold = Hold::new();
    let number = fleet.task("Add a word", held_work(&hold));
    let run = fleet.assign(number);
    hold.wait_reached();
    let stops = [0, 1].map(|_| fleet.spawn(["--json", "stop", &run]));
    let [one, other] = stops.map(|it| it.wait().success().json()["data"]["run"].clone());
    assert_eq!(one["outcome"]["kind"], "cancelled");
    assert_eq!(one, other);
    fleet.assert_nothing_runs_without_the_server();
}

#[test]
fn many_who_wait_for_a_run_take_its_end_in_once() {
    let fleet = scripted();
    let (go, tide) = (fleet.dir().join("go"), "echo tide > sea.txt; git add sea.txt; git commit -qm tide");
    let lines = format!("while ! [ -e {go} ]; do sleep 0.05; done; {tide}");
    let run = fleet.assign(script(&fleet, &lines).parse().unwrap());
    let waiting: Vec<_> = (0..8).map(|_| fleet.spawn(["--json", "wait", &run])).collect();
    fleet.worker_pid(&run);
    fleet.write("go", "");
    for it in waiting {
        let ended = it.wait().success().json()["data"]["run"].clone();
        assert_eq!(ended["outcome"]["kind"], "done", "{ended}");
    }
    assert_eq!(fleet.api.file(&text(&fleet.wait(&run)["branch"]), "sea.txt").as_deref(), Some("tide\n"));
}

#[test]
fn a_stop_while_preparing_comes_before_any_worker() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let origin = SlowOrigin::new(&fleet);
    let number = fleet.add(&["Add a word"]);
    let run = fleet.assign(number);
    origin.wait_reached();
    let stopped = fleet.coord(["--json", "stop", &run]).success().json()["data"]["run"].clone();
    assert_eq!(stopped["outcome"]["kind"], "cancelled", "{stopped}");
    origin.open();
    assert_eq!((fleet.count(&run, "started"), conversations(&fleet.model)), (0, 0));
    fleet.wait_for_no_worktree();
    fleet.assert_nothing_runs_without_the_server();
    // The task can be given away again, on the same branch.
    fleet.model.on_task(&format!("api#{number}"), [write("a", "a\n"), bash(COMMIT), say("done")]);
    assert_eq!(fleet.work(number), "done");
}

#[test]
fn a_fetch_that_prunes_leaves_rescued_work_alone() {
    let Some(fleet) = Fleet::with_claude() else { return };
    fleet.api.push_as("Kim", "passing", "soon gone", &[("kim.txt", "hi\n")]);
    let number = fleet.task("Forget to commit", [write("words/sea.txt", "tide\n"), say("done")]);
    let run = fleet.assign(number);
    let end = fleet.wait(&run);
    assert_eq!(end["outcome"]["kind"], "dirty", "{end}");
    let rescue = text(&end["rescue"]);
    let tracked = "refs/remotes/origin/passing";
    assert_eq!(fleet.store_refs(tracked), [tracked]);
    fleet.api.git(&fleet.api.origin, ["branch", "--quiet", "-D", "passing"]);
    let next = fleet.task("Another", [write("b", "b\n"), bash(COMMIT), say("done")]);
    assert_eq!(fleet.work(next), "done");
    assert!(fleet.store_refs(tracked).is_empty());
    assert_eq!(fleet.store_refs("refs/coord/rescue"), std::slice::from_ref(&rescue));
    assert_eq!(fleet.in_store(&rescue, "words/sea.txt"), "tide");
}

/// A fleet whose coordinator reaches its agent server through a proxy only.
fn behind_proxy(fleet: &Fleet) -> (Running, Proxy) {
    let server = upgraded_server(fleet);
    let proxy = Proxy::start(fleet.port);
    fleet.reconfigure(&format!("port: {}", fleet.port), &format!("port: {}", proxy.port));
    (server, proxy)
}

#[test]
fn a_coordinator_killed_before_it_heard_of_its_start_is_settled_by_the_next_command() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let (_server, proxy) = behind_proxy(&fleet);
    let (hold, number) = (Hold::new(), fleet.add(&["Add a word"]).to_string());
    fleet.model.on_task(&format!("api#{number}"), held_work(&hold));
    proxy.swallow_answers_to("PUT ");
    let assigning = fleet.spawn(["assign", "here", "api", &number]);
    proxy.wait_for(Seen::Answer, 1);
    kill(assigning.pid());
    proxy.behave();
    hold.wait_reached();
    let run = text(&fleet.coord(["--json", "status"]).success().json()["data"]["runs"][0]["id"]);
    assert_eq!(fleet.shown(&run)["state"], "running");
    let refused = fleet.coord(["assign", "here", "api", &number]).exits(5);
    assert!(refused.stderr.contains(&run), "{}", refused.stderr);
    hold.release();
    assert_eq!(fleet.wait(&run)["outcome"]["kind"], "done");
    assert_eq!((conversations(&fleet.model), fleet.count(&run, "started")), (1, 1));
}

#[test]
fn a_coordinator_killed_before_its_start_arrived_leaves_no_second_worker() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let (_server, proxy) = behind_proxy(&fleet);
    let number = fleet.task("Add a word", []);
    proxy.swallow_requests("PUT ");
    let assigning = fleet.spawn(["assign", "here", "api", &number.to_string()]);
    proxy.wait_for(Seen::Request, 1);
    kill(assigning.pid());
    proxy.behave();
    // Whether the start is still on its way nobody can know, so the task is not given away a second time.
    let run = text(&fleet.coord(["--json", "status"]).success().json()["data"]["runs"][0]["id"]);
    let refused = fleet.coord(["assign", "here", "api", &number.to_string()]).exits(5);
    assert!(refused.stderr.contains(&run), "{}", refused.stderr);
    assert_eq!(fleet.shown(&run)["state"], "reserved");
    assert_eq!(conversations(&fleet.model), 0);
}

#[test]
fn a_stop_that_overtakes_its_start_waits_for_it() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let (_server, proxy) = behind_proxy(&fleet);
    let number = fleet.task("Add a word", [say("").held(&Hold::new()).forever()]).to_string();
    proxy.hold_requests("PUT ");
    let assigning = fleet.spawn(["assign", "here", "api", &number]);
    proxy.wait_for(Seen::Request, 1);
    let run = text(&fleet.coord(["--json", "status"]).success().json()["data"]["runs"][0]["id"]);
    let watching = fleet.spawn(["watch", &run]);
    let stopping = fleet.spawn(["--json", "stop", &run]);
    // The machine has not heard of the run the first time it is asked.
    proxy.wait_for(Seen::Stop, 2);
    proxy.behave();
    let stopped = stopping.wait().success().json()["data"]["run"].clone();
    assert_eq!(stopped["outcome"]["kind"], "cancelled", "{stopped}");
    assigning.wait().success();
    assert!(watching.wait().exits(1).stdout.contains("[ended] cancelled"));
    assert_eq!(fleet.beside_the_server().len(), 0, "{:#?}", fleet.beside_the_server());
}

#[test]
fn a_task_assigned_twice_at_once_has_one_worker() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let hold = Hold::new();
    let number = fleet.task("Add a word", held_work(&hold)).to_string();
    let assigning = [0, 1].map(|_| fleet.spawn(["--json", "assign", "here", "api", &number]));
    let ended = assigning.map(Running::wait);
    hold.wait_reached();
    let (done, refused): (Vec<_>, Vec<_>) = ended.into_iter().partition(|it| it.status.success());
    let [done, refused] = [done, refused].map(|it| it.into_iter().next().expect("one of each"));
    let run = text(&done.json()["data"]["run"]["id"]);
    let refused = refused.exits(5).json();
    assert!(text(&refused["error"]["message"]).contains(&run), "{refused}");
    hold.release();
    assert_eq!(fleet.wait(&run)["outcome"]["kind"], "done");
    assert_eq!(conversations(&fleet.model), 1);
    let runs = fleet.coord_home().join("runs").read_dir_utf8().unwrap().count();
    assert_eq!(runs, 1);
}

#[test]
fn the_agent_server_is_started_by_who_needs_it_and_only_once() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let numbers = [1, 2].map(|n| {
        let steps = [write(&format!("words/{n}.txt"), &format!("w{n}\n")), bash(COMMIT), say("done")];
        fleet.task(&format!("Add word {n}"), steps).to_string()
    });
    let assigning = numbers.each_ref().map(|number| fleet.spawn(["assign", "here", "api", number]));
    let ended = assigning.map(|it| it.wait().success());
    assert!(ended.iter().any(|it| it.stderr.contains("started the agent server")), "{ended:#?}");
    let servers: Vec<_> =
        fleet.processes().into_iter().filter(|it| it.command.contains(" agent --background")).collect();
    assert_eq!(servers.len(), 1, "{servers:#?}");
    assert_eq!(u32::try_from(servers[0].pid).unwrap(), fleet.server_pid());
    for number in &numbers {
        assert_eq!(fleet.wait(number)["outcome"]["kind"], "done");
    }
    let third = fleet.task("Another", [write("c", "c\n"), bash(COMMIT), say("done")]).to_string();
    let later = fleet.coord(["assign", "here", "api", &third]).success();
    assert!(!later.stderr.contains("started the agent server"), "{}", later.stderr);
    fleet.wait(&third);
    fleet.assert_nothing_runs_without_the_server();
}
