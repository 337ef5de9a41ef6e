//! What workers report through the side-channel, as a command and as tools of claude and codex, and that nobody reports
//! in the name of another.

use coord_testkit::agent::Agent;
use coord_testkit::model::{Hold, Request, bash, compute, say, tool, write};
use coord_testkit::poll::{PATIENCE, wait_for};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::cures::take;
use crate::fleet::{Fleet, text};
use crate::machine::{wait_for_file, walk};
use crate::refusals::{script, scripted};

const COMMIT: &str = "git add -A && git commit -qm work";

/// Waits until a run is shown in a way; the run as it is shown then.
#[track_caller]
fn wait_until_shown(fleet: &Fleet, run: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    wait_for("a run to be shown like that", PATIENCE, || {
        let shown = fleet.shown(run);
        if wanted(&shown) { Ok(shown) } else { Err(format!("{shown:#}\n{:#?}", fleet.events(run))) }
    })
}

/// The first event of this kind.
fn event(fleet: &Fleet, run: &str, kind: &str) -> Value {
    let events = fleet.events(run);
    let found = events.iter().find(|it| it["event"]["kind"] == kind);
    found.unwrap_or_else(|| panic!("no {kind} in {events:#?}")).clone()
}

/// The token of a run that is under way, once no process has it on its command line.
#[track_caller]
fn token_on_no_command_line(fleet: &Fleet, run: &str) -> String {
    let environ = fs_err::read(format!("/proc/{}/environ", fleet.worker_pid(run))).unwrap();
    let environ = String::from_utf8(environ).unwrap();
    let token = environ.split('\0').find_map(|it| it.strip_prefix("COORD_REPORT_TOKEN=")).unwrap().to_owned();
    assert_eq!(token.len(), 64);
    for process in fleet.processes() {
        assert!(!process.command.contains(&token), "{process:?}");
    }
    token
}

#[expect(clippy::disallowed_methods, reason = "this is what the times of events are compared with")]
fn this_moment() -> Timestamp {
    Timestamp::now()
}

#[test]
fn everybody_who_looks_a_second_later_sees_what_was_reported() {
    let fleet = scripted();
    let go = fleet.dir().join("go");
    let lines = format!(
        "coord report status 'half way' --confidence 0.8\nwhile [ ! -e {go} ]; do sleep 0.05; done\n\
         coord report stuck 'no key'"
    );
    let run = fleet.assign(script(&fleet, &lines).parse().unwrap());
    let mut missed = Vec::new();
    let shown = wait_for("the report", PATIENCE, || {
        let looked = this_moment();
        let shown = fleet.shown(&run);
        if shown["status"] == "half way" {
            return Ok(shown);
        }
        missed.push(looked);
        Err(shown.to_string())
    });
    assert_eq!(shown["confidence"], 0.8, "{shown}");
    let reported: Timestamp = text(&event(&fleet, &run, "status")["at"]).parse().unwrap();
    let late: Vec<_> = missed.iter().filter(|it| **it > reported + SignedDuration::from_secs(1)).collect();
    assert!(late.is_empty(), "reported at {reported}, and not seen by who looked at {late:?}");
    let human = fleet.coord(["status"]).success().stdout;
    assert!(human.contains("half way (80 % sure)"), "{human}");
    fleet.write("go", "");
    let end = fleet.wait(&run);
    assert_eq!(end["outcome"], json!({"kind": "stuck", "why": "no key"}));
    let watched = fleet.coord(["watch", &run]).exits(1).stdout;
    assert!(
        watched.contains("[status] half way (80 % sure)") && watched.contains("[stuck] no key"),
        "{watched}"
    );
}

#[test]
fn a_question_waits_for_its_answer_and_the_command_that_is_shown_gives_it() {
    let fleet = scripted();
    let lines = format!(
        "coord report question 'Which colour?' --option red --option blue > colour\n\
         coord report question 'Which colour?' > again\n{COMMIT}"
    );
    let run = fleet.assign(script(&fleet, &lines).parse().unwrap());
    let shown = wait_until_shown(&fleet, &run, |it| it["questions"] != json!([]));
    let asked = &shown["questions"][0];
    assert_eq!((&asked["text"], &asked["options"]), (&"Which colour?".into(), &json!(["red", "blue"])));
    let human = fleet.coord(["status"]).success().stdout;
    assert!(human.contains("asks: Which colour? [red | blue]"), "{human}");
    let why = fleet.coord(["--json", "why", &run]).success().json();
    assert!(text(&why["data"]["because"][0]).contains("Which colour?"), "{why:#}");
    let command = text(&why["data"]["next"]["command"]);
    assert!(human.contains(&command), "{human}");
    take(&fleet, &command).unwrap().success();
    let end = fleet.wait(&run);
    assert_eq!(end["outcome"]["kind"], "done", "{end}");
    let file = |path| fleet.api.file(&text(&end["branch"]), path).unwrap();
    assert_eq!((file("colour").as_str(), file("again").as_str()), ("red\n", "red\n"));
    assert_eq!((fleet.count(&run, "question"), fleet.count(&run, "answer")), (1, 1));
    fleet.coord(["answer", &run, "blue"]).exits(5);
}

#[test]
fn a_question_has_one_answer() {
    let fleet = scripted();
    let lines = format!(
        "coord report question 'Which colour?' --no-wait\ncoord report question 'Which size?' --no-wait\n\
         coord report question 'Which size?' > size\ncoord report question 'Which colour?' > colour\n{COMMIT}"
    );
    let run = fleet.assign(script(&fleet, &lines).parse().unwrap());
    wait_until_shown(&fleet, &run, |it| it["questions"].as_array().is_some_and(|it| it.len() == 2));
    fleet.coord(["answer", &run, "red"]).success();
    let refused = fleet.coord(["answer", &run, "--question", "1", "green"]).exits(5).stderr;
    assert!(refused.contains("red"), "{refused}");
    fleet.coord(["answer", &run, "--question", "9", "green"]).exits(5);
    fleet.coord(["answer", &run, "small"]).success();
    let end = fleet.wait(&run);
    let file = |path| fleet.api.file(&text(&end["branch"]), path).unwrap();
    assert_eq!((file("colour").as_str(), file("size").as_str()), ("red\n", "small\n"));
}

#[test]
fn nobody_reports_in_the_name_of_another_run() {
    let fleet = scripted();
    let go = fleet.dir().join("go");
    let victim =
        fleet.assign(script(&fleet, &format!("while [ ! -e {go} ]; do sleep 0.05; done")).parse().unwrap());
    let socket = fleet.run_dir(&victim).join("report.sock");
    wait_for_file(&socket);
    let lines = format!(
        "for token in \"$COORD_REPORT_TOKEN\" '' x; do\n\
         COORD_REPORT_SOCKET={socket} COORD_REPORT_TOKEN=$token coord report status forged 2>> said && exit 9\n\
         COORD_REPORT_TOKEN=$token-x coord report stuck forged 2>> said && exit 9\ndone\n{COMMIT}"
    );
    let attacker = fleet.assign(script(&fleet, &lines).parse().unwrap());
    let end = fleet.wait(&attacker);
    assert_eq!(end["outcome"]["kind"], "done", "{end}");
    let said = fleet.api.file(&text(&end["branch"]), "said").unwrap();
    assert_eq!(said.matches("the token is not that of this run").count(), 6, "{said}");
    fleet.write("go", "");
    fleet.wait(&victim);
    for run in [&victim, &attacker] {
        assert_eq!((fleet.count(run, "status"), fleet.count(run, "stuck")), (0, 0), "{run}");
    }
}

#[test]
fn the_token_of_a_run_is_in_no_file_on_no_command_line_and_in_no_log() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let hold = Hold::new();
    let number = fleet.task(
        "Show it",
        [
            bash("env; coord report status \"token $COORD_REPORT_TOKEN\""),
            write("words/sea.txt", "tide\n"),
            bash(COMMIT).held(&hold),
            say("done"),
        ],
    );
    let run = fleet.assign(number);
    hold.wait_reached();
    let token = token_on_no_command_line(&fleet, &run);
    hold.release();
    assert_eq!(fleet.wait(&run)["outcome"]["kind"], "done");
    // What claude keeps of its session is claude's own, and so is the copy of it; the token is worth nothing by then.
    let ours = walk(&fleet.coord_home()).into_iter().filter(|it| it.file_name() != Some("transcript.jsonl"));
    for path in ours {
        let Ok(bytes) = fs_err::read(&path) else { continue };
        assert!(!bytes.windows(token.len()).any(|it| it == token.as_bytes()), "{path} holds the token");
    }
    assert_eq!(event(&fleet, &run, "status")["event"]["text"], "token [redacted]");
}

#[test]
fn files_and_verdicts_are_kept_and_what_is_too_much_is_refused() {
    let fleet = scripted();
    let lines = "echo '<p>fine</p>' > /tmp/$COORD_RUN.html\n\
         coord report artifact /tmp/$COORD_RUN.html --name report.html; rm /tmp/$COORD_RUN.html\n\
         coord report verdict changes --summary 'Nearly.' --finding 'words/fruit.txt:2 misspelt' \
         --finding 'README.md:1 says nothing'\n\
         coord report artifact README.md --name ../../escape && exit 9\n\
         coord report status \"$(head -c 600 /dev/zero | tr '\\0' x)\" && exit 9\n\
         coord report status fine --confidence 1.5 && exit 9\n\
         coord report verdict approve --summary ok --finding 'no place' && exit 9\n\
         exit 0";
    let run = fleet.assign(script(&fleet, lines).parse().unwrap());
    assert_eq!(fleet.wait(&run)["outcome"]["kind"], "no-change");
    let kept = fleet.run_dir(&run).join("artifacts/report.html");
    assert_eq!(fs_err::read_to_string(kept).unwrap(), "<p>fine</p>\n");
    assert_eq!(fs_err::read_dir(fleet.run_dir(&run).join("artifacts")).unwrap().count(), 1);
    let verdict = json!({
        "decision": "changes",
        "summary": "Nearly.",
        "findings": [
            {"file": "words/fruit.txt", "line": 2, "text": "misspelt"},
            {"file": "README.md", "line": 1, "text": "says nothing"},
        ],
    });
    assert_eq!(event(&fleet, &run, "ended")["event"]["end"]["report"]["verdict"], verdict);
    assert_eq!((fleet.count(&run, "verdict"), fleet.count(&run, "status")), (1, 0));
    let watched = fleet.coord(["watch", &run]).exits(1).stdout;
    assert!(watched.contains("[verdict] changes: Nearly.\n  words/fruit.txt:2 misspelt"), "{watched}");
    assert!(watched.contains("[artifact] report.html, 12 bytes"), "{watched}");
    let fetched = fleet.coord(["log", &run, "--artifact", "report.html"]).success().stdout;
    assert_eq!(fetched, "<p>fine</p>\n");
    let missing = fleet.coord(["log", &run, "--artifact", "raport.html"]).exits(4).stderr;
    assert!(missing.contains("has no artifact `raport.html`; it has report.html"), "{missing}");
    let outside = fleet.coord(["log", &run, "--artifact", "../exit.json"]).exits(2).stderr;
    assert!(outside.contains("is no name for an artifact"), "{outside}");
}

#[test]
fn outside_of_a_run_nobody_takes_a_report() {
    let fleet = scripted();
    let refused = fleet.coord(["report", "status", "hello"]).exits(2).stderr;
    assert!(refused.contains("no run of coord"), "{refused}");
}

#[test]
fn claude_reports_with_tools() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let answered = compute(|request: &Request| {
        let said = request.tool_results().pop().expect("the question has its answer").text;
        write("words/colour.txt", said.trim())
    });
    let number = fleet.task(
        "Add a colour",
        [
            tool("mcp__coord__report_status", json!({"text": "looking around", "confidence": 0.25})),
            tool("mcp__coord__ask_question", json!({"text": "Which colour?", "options": ["red", "blue"]})),
            answered,
            bash(COMMIT),
            tool("mcp__coord__report_artifact", json!({"path": "README.md", "name": "copy.md"})),
            tool(
                "mcp__coord__report_verdict",
                json!({"decision": "approve", "summary": "It is blue.",
                       "findings": [{"file": "README.md", "line": 1, "text": "short"}]}),
            ),
            tool("mcp__coord__report_status", json!({"text": "", "confidence": 7})),
            say("done"),
        ],
    );
    let run = fleet.assign(number);
    let shown = wait_until_shown(&fleet, &run, |it| it["questions"] != json!([]));
    assert_eq!((&shown["status"], &shown["confidence"]), (&"looking around".into(), &0.25.into()));
    fleet.coord(["answer", &run, "blue"]).success();
    let end = fleet.wait(&run);
    assert_eq!(end["outcome"]["kind"], "done", "{end}");
    assert_eq!(fleet.api.file(&text(&end["branch"]), "words/colour.txt").as_deref(), Some("blue"));
    for (kind, count) in [("status", 1), ("question", 1), ("answer", 1), ("artifact", 1), ("verdict", 1)] {
        assert_eq!(fleet.count(&run, kind), count, "{kind}");
    }
    let requests = fleet.model.requests();
    let refused = requests.last().unwrap().tool_results().pop().unwrap();
    assert!(refused.is_error && refused.text.contains("0 to 1"), "{refused:?}");
    assert!(requests.iter().find_map(Request::prompt).unwrap().contains("report_status"));
    // Nobody has to search for them first.
    let offered = &requests.iter().find(|it| it.is_agent()).unwrap().body["tools"];
    let named = |name: &str| offered.as_array().unwrap().iter().any(|it| it["name"] == name);
    for name in ["report_status", "report_stuck", "ask_question", "report_artifact", "report_verdict"] {
        assert!(named(&format!("mcp__coord__{name}")), "{name} in {offered:#}");
    }
    fleet.model.assert_drained();
}

#[test]
fn codex_reports_with_tools() {
    let Some(fleet) = crate::runtimes::fleet(Agent::Codex) else { return };
    let answered = compute(|request: &Request| {
        let said = request.tool_results().pop().expect("the question has its answer").text;
        let word = said.lines().last().expect("the answer is the last of what is said");
        bash(&format!("echo {word} > sea.txt; {COMMIT}"))
    });
    let number = fleet.task(
        "Add a word",
        [
            tool("mcp__coord__report_status", json!({"text": "looking around", "confidence": 0.25})),
            tool("mcp__coord__ask_question", json!({"text": "Which word?"})),
            answered,
            tool("mcp__coord__report_status", json!({"text": "", "confidence": 7})),
            say("done"),
        ],
    );
    let run = fleet.assign(number);
    let shown = wait_until_shown(&fleet, &run, |it| it["questions"] != json!([]));
    assert_eq!((&shown["status"], &shown["confidence"]), (&"looking around".into(), &0.25.into()));
    token_on_no_command_line(&fleet, &run);
    fleet.coord(["answer", &run, "tide"]).success();
    let end = fleet.wait(&run);
    assert_eq!(end["outcome"]["kind"], "done", "{end}");
    assert_eq!(fleet.api.file(&text(&end["branch"]), "sea.txt").as_deref(), Some("tide\n"));
    for (kind, count) in [("status", 1), ("question", 1), ("answer", 1)] {
        assert_eq!(fleet.count(&run, kind), count, "{kind}");
    }
    let refused = fleet.model.requests().last().unwrap().tool_results().pop().unwrap();
    assert!(refused.text.contains("0 to 1"), "{refused:?}");
    fleet.model.assert_drained();
}

#[test]
fn tools_that_do_not_start_are_told_once_and_fail_no_run() {
    let Some(fleet) = Fleet::with_claude() else { return };
    let claude = fleet.dir().join("bin/claude");
    let wrapped = fleet.write(
        "bin/wrapped-claude",
        &format!("#!/bin/sh\nrm $(dirname $COORD_REPORT_SOCKET)/bin/coord\nexec {claude} \"$@\"\n"),
    );
    fs_err::set_permissions(&wrapped, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    fleet.reconfigure("  claude:\n", &format!("  claude:\n    program: {wrapped}\n"));
    let number = fleet.task("Add a word", [write("words/sea.txt", "tide\n"), bash(COMMIT), say("done")]);
    let run = fleet.assign(number);
    assert_eq!(fleet.wait(&run)["outcome"]["kind"], "done");
    let watched = fleet.coord(["watch", &run]).success().stdout;
    assert_eq!(watched.matches("no tools to report with").count(), 1, "{watched}");
}
