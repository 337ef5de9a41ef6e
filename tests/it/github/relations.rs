//! Issues that wait for each other, and issues that change while somebody is at them.

use coord_testkit::github::{Permission, Repo};
use coord_testkit::model::{Hold, say};

use super::OnGitHub;
use crate::cures::take;
use crate::fleet::text;

impl OnGitHub {
    /// A second repo on GitHub, `web`, which `more` (flow YAML) says more of.
    fn with_web(&self, more: &str) -> Repo {
        let origin = self.repo("web").origin;
        let web = self.github.repo("acme/web", &origin);
        web.collaborator("octo", Permission::Write);
        let entry = format!("  - {{name: web, github: acme/web, origin: {}{more}}}\n", web.clone_url());
        self.reconfigure("machines:\n", &format!("{entry}machines:\n"));
        web
    }

    /// It is said wherever somebody may look that an issue waits for this and for nothing else.
    #[track_caller]
    fn waits_only_because(&self, number: u64, says: &str) {
        self.not_given_out(number, says);
        let because = self.document(&["why", &format!("api#{number}")])["data"]["because"].clone();
        let because: Vec<_> = because.as_array().unwrap().iter().map(text).collect();
        assert!(because.len() == 1 && because[0].contains(says), "{because:?}");
        assert_eq!(self.waiting(number), because);
    }

    /// What `status` says of a task that nobody is at.
    #[track_caller]
    fn waiting(&self, number: u64) -> Vec<String> {
        let status = self.document(&["status"]);
        let waiting = status["data"]["waiting"].as_array().unwrap();
        let named = |it: &&serde_json::Value| it["task"] == format!("api#{number}");
        let found = waiting.iter().find(named).unwrap_or_else(|| panic!("{waiting:#?}"));
        found["blockers"].as_array().unwrap().iter().map(text).collect()
    }
}

#[test]
fn an_issue_waits_for_those_that_block_it_here_and_elsewhere() {
    let world = OnGitHub::with_scripts();
    let web = world.with_web("");
    let (first, elsewhere) = (world.simple("First"), web.issue("There\u{1b}[31m").open());
    let number = world.simple("Then");
    world.repo.blocked_by(number, first);
    world.repo.blocked_by_one_of(number, &web, elsewhere);
    let here = format!("it is blocked by acme/api#{first} (First), which is still open");
    let there = format!("it is blocked by acme/web#{elsewhere} (There[31m), which is still open");
    assert_eq!(world.waiting(number), [here.clone(), there.clone()]);
    world.not_given_out(number, &here);
    world.repo.close_issue(first);
    world.a_minute_later();
    world.waits_only_because(number, &there);
    web.close_issue(elsewhere);
    world.a_minute_later();
    assert_eq!((world.waiting(number), world.because(number)), (vec![], "[]".to_owned()));
    assert_eq!(world.work(number), "done");
}

#[test]
fn an_issue_waits_for_its_parts() {
    let world = OnGitHub::with_scripts();
    let number = world.simple("All of it");
    let parts = [world.simple("One part"), world.simple("Another part")];
    for part in parts {
        world.repo.sub_issue(number, part);
    }
    world.repo.close_issue(parts[0]);
    let says = format!("its sub-issue acme/api#{} (Another part), which is still open", parts[1]);
    world.waits_only_because(number, &says);
    assert_eq!(world.work(parts[1]), "done");
    world.coord(["pr", &parts[1].to_string()]).success();
    world.merge(&[&parts[1].to_string()], 0);
    world.a_minute_later();
    assert_eq!(world.waiting(number), [""; 0]);
    assert_eq!(world.work(number), "done");
}

#[test]
fn an_issue_waits_until_what_comes_before_it_is_merged_or_done_elsewhere() {
    let world = OnGitHub::with_scripts();
    let [merged, done, dropped] = [world.simple("One"), world.simple("Two"), world.simple("Three")];
    for first in [merged, done, dropped] {
        let number = world.simple("Then");
        let (id, first_id) = (format!("api#{number}"), format!("api#{first}"));
        world.document(&["task", "show", &first_id]);
        world.document(&["task", "show", &id]);
        world.coord(["task", "edit", &id, "--after", &first_id]).success();
        world.waits_only_because(number, &format!("it waits for {first_id}, which is not merged yet"));
        let refused = world.coord(["task", "edit", &first_id, "--after", &id]).exits(5);
        assert!(refused.stderr.contains("wait for each other"), "{}", refused.stderr);
        if first == merged {
            assert_eq!(world.work(first), "done");
            world.coord(["pr", &first_id]).success();
            world.merge(&[&first_id], 0);
        } else if first == done {
            // Somebody did it in another way.
            world.repo.close_issue(first);
            world.a_minute_later();
        } else {
            world.coord(["task", "close", &first_id]).success();
            let says = format!("it waits for {first_id}, which was closed without being merged");
            let cures = world.not_given_out(number, &says);
            assert_eq!(cures, [format!("coord task edit {id} --no-after")]);
            take(&world, &cures[0]).unwrap().success();
        }
        assert_eq!(world.waiting(number), [""; 0]);
        assert_eq!(world.work(number), "done");
    }
}

#[test]
fn a_repo_waits_for_the_one_it_depends_on_and_its_issue_hears_nothing_before() {
    let world = OnGitHub::with_scripts();
    let web = world.with_web(", depends_on: [api]");
    let open = world.dir().join("open");
    let first = world.scripted("First", &format!("until [ -e {open} ]; do sleep 0.1; done; {DO_IT}"));
    let run = world.assign(first);
    let then = web.issue("Then").body(&format!("```sh\n{DO_IT}\n```")).open();
    let id = then.to_string();
    let says = format!("run {run} is at `api`, which its repo depends on");
    let refused = world.coord(["assign", "auto", "web", &id, "--no-queue"]).exits(5);
    assert!(refused.stderr.contains(&says), "{}", refused.stderr);
    let queued = world.document(&["assign", "auto", "web", &id])["data"]["run"].clone();
    let why = world.document(&["why", &format!("web#{then}")]);
    assert!(why["data"]["because"].to_string().contains(&says), "{why:#}");
    assert_eq!(web.comments(then), []);
    fs_err::write(open, "").unwrap();
    assert_eq!(world.wait(&run)["outcome"]["kind"], "done");
    assert_eq!(world.wait(&text(&queued["id"]))["outcome"]["kind"], "done");
    let said = web.comments(then);
    assert!(said.len() == 2 && said[0].body.contains("coord:event=briefing"), "{said:#?}");
}

const DO_IT: &str = "echo $COORD_RUN > done.txt; git add done.txt; git commit -qm 'Do it'";

#[test]
fn an_issue_that_is_closed_there_is_closed_here_until_it_is_opened_again() {
    let world = OnGitHub::with_scripts();
    let (number, other) = (world.simple("Come and go"), world.simple("Stay"));
    let listed = || {
        world.a_minute_later();
        let list = world.document(&["task", "list"]);
        let tasks = list["data"]["tasks"].as_array().unwrap().iter();
        tasks.map(|it| it["number"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    world.document(&["task", "list"]);
    assert_eq!(listed(), [other, number]);
    world.repo.close_issue(number);
    assert_eq!(listed(), [other]);
    assert_eq!(world.because(number), "[\"its issue was closed on GitHub\"]");
    let refused = world.coord(["assign", "auto", "api", &number.to_string()]).exits(5);
    assert!(refused.stderr.contains("it is closed"), "{}", refused.stderr);
    world.repo.reopen_issue(number);
    assert_eq!(listed(), [other, number]);
    let events = world.events(number);
    assert_eq!(events[1..], ["closed: its issue was closed on GitHub", "opened again"]);
    assert_eq!(world.work(number), "done");
}

#[test]
fn an_issue_that_is_edited_while_a_worker_is_at_it_is_told_to_people_and_to_the_next_worker() {
    let Some(world) = OnGitHub::with_claude() else { return };
    let hold = Hold::new();
    let number = world.issue("Add the tide", [say("done").held(&hold), say("done again")]);
    let id = number.to_string();
    let run = world.assign(number);
    hold.wait_reached();
    world.repo.edit_issue(number, "Add the spring tide", "Please: the spring tide.");
    world.a_minute_later();
    let edited = format!("it was edited after run {run} began, which was told what it said before");
    assert!(world.because(number).contains(&edited), "{}", world.because(number));
    let shown = world.document(&["task", "list"])["data"]["tasks"][0].clone();
    assert_eq!(
        (text(&shown["title"]), text(&shown["body"])),
        ("Add the spring tide".into(), "Please: the spring tide.".into())
    );
    hold.release();
    assert_eq!(world.wait(&run)["outcome"]["kind"], "no-change");
    let [assigned, edit] = ["assigned to", "edited"].map(|what| {
        let events = world.events(number);
        events.iter().position(|it| it.contains(what)).unwrap_or_else(|| panic!("{events:?}"))
    });
    assert!(assigned < edit);

    world.work(number);
    assert!(!world.because(number).contains("it was edited after"), "{}", world.because(number));
    let requests = world.model.requests();
    let prompts: Vec<_> = requests.iter().filter(|it| it.is_agent()).map(|it| it.prompt().unwrap()).collect();
    let told = ["Add the tide\n\nPlease.", "Add the spring tide\n\nPlease: the spring tide."];
    for (prompt, told) in prompts.iter().zip(told) {
        assert!(prompt.contains(&format!("\n{told}\n")), "{prompt}");
    }
    // The branch was named once.
    let runs = world.document(&["why", &id])["data"]["runs"].clone();
    assert_eq!((&runs[0]["branch"], prompts.len()), (&runs[1]["branch"], 2));
    world.model.assert_drained();
}
