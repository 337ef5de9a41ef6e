//! A key of `coordinator.yml` is accepted only once it has an effect: each is changed here, and what coord does
//! changes with it.
//!
//! The keys are those that the program itself names, so one that is new and has no story here fails.

mod agent;
mod github;
mod limits;
mod machine;
mod money;
mod repo;
mod sandbox;
mod upkeep;
mod worker;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Deref, DerefMut};
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::fleet::{Fleet, text};

/// Every key, and the story in which it is changed.
const STORIES: [(&str, fn()); 92] = [
    ("repos[].name", repo::name_is_what_it_is_called_by),
    ("repos[].origin", repo::origin_is_where_a_change_is_published),
    ("repos[].github", github::github_is_where_commits_come_from_that_no_clone_has),
    ("repos[].forge", repo::forge_is_where_tasks_live),
    ("repos[].default_branch", repo::default_branch_is_what_work_starts_from_and_ends_in),
    ("repos[].depends_on", repo::depends_on_holds_a_task_back_while_what_its_repo_builds_on_changes),
    ("repos[].build_command", repo::build_command_runs_before_the_tests_and_decides_with_them),
    ("repos[].test_command", repo::test_command_decides_the_gate),
    ("repos[].setup", repo::setup_runs_before_the_worker),
    ("repos[].rules", repo::rules_are_told_to_the_worker),
    ("repos[].gates", repo::gates_are_what_a_merge_waits_for),
    ("repos[].protection.checks", github::protection_is_what_holds_where_rules_cannot_be_read),
    ("repos[].protection.strict", github::strict_protection_has_a_change_brought_up_to_date),
    ("repos[].protection.approvals", github::protection_is_what_holds_where_rules_cannot_be_read),
    (
        "repos[].protection.pull_request_only",
        github::pull_request_only_has_github_merge_without_trying_a_push,
    ),
    ("repos[].may_skip", github::may_skip_lets_a_required_check_be_skipped),
    ("repos[].merge_method", repo::merge_method_is_how_history_looks),
    ("repos[].worker_permissions.allow", worker::permissions_are_rules_of_the_command_line),
    ("repos[].worker_permissions.deny", worker::permissions_are_rules_of_the_command_line),
    ("repos[].sandbox", sandbox::a_repo_has_the_last_word_on_its_sandbox),
    ("repos[].limits", limits::limits_go_with_the_order_and_the_last_word_is_the_repos),
    ("repos[].caps.usd_per_run", money::caps_are_the_most_that_a_worker_is_told_it_may_cost),
    ("repos[].caps.usd_per_task", money::caps_are_the_most_that_a_worker_is_told_it_may_cost),
    ("machines[].name", machine::name_is_what_it_is_called_by),
    ("machines[].host", machine::host_is_where_it_is_asked),
    ("machines[].port", machine::port_is_where_it_listens_and_is_asked),
    ("machines[].capabilities", machine::capabilities_are_told),
    ("machines[].repos", machine::repos_are_all_it_takes_tasks_of),
    ("machines[].repo_paths", machine::repo_paths_lend_what_git_does_not_have),
    ("machines[].slots", machine::slots_are_how_many_work_at_once),
    ("machines[].token_file", machine::token_file_is_what_it_is_asked_with),
    ("github.api_url", github::api_url_says_which_github_it_is),
    ("github.token_file", github::token_file_is_whose_token_speaks),
    ("github.app.id", github::an_app_speaks_with_its_own_key_for_its_own_installation),
    ("github.app.key_file", github::an_app_speaks_with_its_own_key_for_its_own_installation),
    ("github.app.installation", github::an_app_speaks_with_its_own_key_for_its_own_installation),
    ("issues.trusted", github::trusted_says_whose_issues_may_become_work),
    ("concurrency.max_workers", machine::max_workers_counts_where_there_are_no_slots),
    ("concurrency.stagger_seconds", machine::stagger_seconds_keep_starts_apart),
    ("models.default", worker::models_are_told_to_claude),
    ("models.labels", worker::models_are_told_to_claude),
    ("runtime", worker::runtime_is_what_does_the_work),
    ("runtimes.claude.program", worker::program_is_what_runs),
    ("runtimes.claude.pass_env", worker::pass_env_lets_variables_through),
    ("runtimes.claude.permission_mode", worker::options_of_claude_are_on_its_command_line),
    ("runtimes.claude.allowed_tools", worker::options_of_claude_are_on_its_command_line),
    ("runtimes.claude.setting_sources", worker::options_of_claude_are_on_its_command_line),
    ("runtimes.codex.program", agent::program_is_what_runs),
    ("runtimes.codex.pass_env", agent::pass_env_lets_variables_through),
    ("runtimes.codex.permission_mode", agent::permission_mode_and_model_are_on_the_command_line),
    ("runtimes.codex.model", agent::permission_mode_and_model_are_on_the_command_line),
    ("runtimes.gemini.program", agent::program_is_what_runs),
    ("runtimes.gemini.pass_env", agent::pass_env_lets_variables_through),
    ("runtimes.gemini.permission_mode", agent::permission_mode_and_model_are_on_the_command_line),
    ("runtimes.gemini.model", agent::permission_mode_and_model_are_on_the_command_line),
    ("runtimes.opencode.program", agent::program_is_what_runs),
    ("runtimes.opencode.pass_env", agent::pass_env_lets_variables_through),
    ("runtimes.opencode.model", agent::permission_mode_and_model_are_on_the_command_line),
    ("runtimes.command.argv", agent::argv_is_what_does_tasks),
    ("runtimes.command.model", agent::argv_is_what_does_tasks),
    ("runtimes.script.pass_env", worker::pass_env_lets_variables_through),
    ("runtimes.command.pass_env", worker::pass_env_lets_variables_through),
    ("limits.run_minutes", worker::run_minutes_go_with_the_order),
    ("limits.first_output", limits::a_claude_that_never_says_anything_times_out),
    ("limits.idle", limits::limits_go_with_the_order_and_the_last_word_is_the_repos),
    ("limits.tool_idle", limits::a_script_that_does_nothing_times_out),
    ("limits.memory", limits::a_script_that_uses_too_much_ends_over_budget),
    ("limits.processes", limits::a_script_that_uses_too_much_ends_over_budget),
    ("limits.disk", limits::a_script_that_uses_too_much_ends_over_budget),
    ("limits.log", limits::a_log_has_its_limit),
    ("limits.work", limits::limits_go_with_the_order_and_the_last_word_is_the_repos),
    ("limits.test", limits::a_test_has_limits_of_its_own),
    ("limits.runtimes", limits::a_claude_that_never_says_anything_times_out),
    ("limits.usd_per_run", money::caps_are_the_most_that_a_worker_is_told_it_may_cost),
    ("limits.usd_per_task", money::caps_are_the_most_that_a_worker_is_told_it_may_cost),
    ("limits.usd_per_day", money::caps_are_the_most_that_a_worker_is_told_it_may_cost),
    ("limits.usd_per_month", money::caps_are_the_most_that_a_worker_is_told_it_may_cost),
    ("limits.warn_at", money::warn_at_says_when_a_cap_nears_its_end),
    ("limits.keep", money::keep_leaves_the_rest_of_a_window_to_the_person),
    ("limits.on_limit", money::on_limit_and_work_hours_say_whether_and_when_a_session_goes_on),
    ("limits.work_hours", money::on_limit_and_work_hours_say_whether_and_when_a_session_goes_on),
    ("accounts[].name", money::accounts_are_called_as_the_person_says),
    ("accounts[].machines", money::accounts_are_called_as_the_person_says),
    ("time_zone", money::time_zone_says_which_day_it_is),
    ("retention.log_days", upkeep::retention_is_how_long_what_runs_leave_is_kept),
    ("retention.rescue_days", upkeep::retention_is_how_long_what_runs_leave_is_kept),
    ("retention.log_megabytes", upkeep::retention_is_how_long_what_runs_leave_is_kept),
    ("rescue.push", upkeep::rescue_push_sends_what_was_left_to_origin_once_it_was_looked_through),
    ("limits.attempts", worker::attempts_are_how_many_may_fail),
    ("sandbox.level", sandbox::a_repo_has_the_last_word_on_its_sandbox),
    ("sandbox.network", sandbox::network_is_for_the_kinds_that_have_it),
    ("sandbox.readable", sandbox::readable_is_what_they_see_of_a_home),
];

/// A value for every key that is none of the defaults.
const EVERY_KEY: &str = "
repos:
- name: api
  origin: https://git.example.org/one.git
  github: team/api
  forge: github
  default_branch: develop
  depends_on: [web]
  build_command: make two
  test_command: make three
  setup: make four
  rules: Mind the five.
  gates: [tests, person, checks]
  protection: {checks: [thirty], strict: true, approvals: 31, pull_request_only: true}
  may_skip: [thirtytwo]
  merge_method: squash
  worker_permissions: {allow: [Bash(six *)], deny: [Bash(seven *)]}
  sandbox: strict
  limits: {idle: 39}
  caps: {usd_per_run: 39.5, usd_per_task: 40.5}
- name: web
machines:
- name: eight
  host: nine.example.org
  port: 1010
  capabilities: [eleven]
  repos: [api]
  repo_paths: {api: /twelve}
  slots: 13
  token_file: /fourteen
github:
  api_url: https://thirtythree.example.org/api/v3
  token_file: /thirtyfour
  app: {id: 35, key_file: /thirtysix, installation: 37}
issues: {trusted: [OWNER, CONTRIBUTOR]}
concurrency: {max_workers: 15, stagger_seconds: 38}
models: {default: sixteen, labels: {seventeen: eighteen}}
runtime: script
runtimes:
  claude:
    program: nineteen
    pass_env: [TWENTY]
    permission_mode: twentyone
    allowed_tools: [Twentytwo]
    setting_sources: twentythree
  script: {pass_env: [TWENTYFOUR]}
  codex: {program: fortyone, pass_env: [FORTYTWO], permission_mode: fortythree, model: fortyfour}
  gemini: {program: fortyfive, pass_env: [FORTYSIX], permission_mode: fortyseven, model: fortyeight}
  opencode: {program: fortynine, pass_env: [FIFTY], model: fiftyone}
  command: {pass_env: [TWENTYFIVE], argv: [fiftytwo, fiftythree], model: fiftyfour}
limits:
  run_minutes: 26
  first_output: 43
  idle: 44
  tool_idle: 45
  memory: 46
  processes: 47
  disk: 48
  log: 49
  attempts: 39
  work: {idle: 50}
  test: {idle: none}
  runtimes:
    claude: {idle: 40}
    codex: {idle: 55}
    gemini: {idle: 56}
    opencode: {idle: 57}
    command: {first_output: 41}
    script: {first_output: 42}
  usd_per_run: 41.5
  usd_per_task: 42.5
  usd_per_day: 43.5
  usd_per_month: 44.5
  warn_at: 0.45
  keep: 0.46
  on_limit: never
  work_hours: [mon-fri 04:07-04:08]
accounts:
- {name: fortynine, machines: [eight]}
time_zone: Europe/Berlin
rescue: {push: true}
retention: {log_days: 39, rescue_days: 40, log_megabytes: 41}
sandbox: {level: worktree, network: [test], readable: [/fortyone]}
";

#[test]
fn every_key_has_a_story() {
    let told = STORIES.iter().map(|(key, _)| (*key).to_owned());
    let told: BTreeSet<_> = told.collect();
    assert_eq!(told, keys(&House::new()));
}

#[test]
fn every_key_is_shown_with_what_is_in_force() {
    let house = House::new();
    house.config(EVERY_KEY);
    let said: Value = serde_yaml::from_str(EVERY_KEY).unwrap();
    let shown = house.coord(["config", "--json"]).success().json()["data"]["config"].clone();
    let human = house.coord(["config"]).success().stdout;
    for key in keys(&house) {
        let pointer = format!("/{}", key.replace("[]", "/0").replace('.', "/"));
        let value = said.pointer(&pointer).unwrap_or_else(|| panic!("{key} is not in EVERY_KEY"));
        assert_eq!(shown.pointer(&pointer), Some(value), "{key}");
        let said = value.is_boolean().then(|| key.rsplit('.').next().unwrap().replace('_', " "));
        for word in said.map_or_else(|| words(value), |it| vec![it]) {
            assert!(human.contains(&word), "{key}: no {word:?} in\n{human}");
        }
    }
}

/// The keys that the program knows: `repos[].name`, `limits.run_minutes`, ….
fn keys(house: &House) -> BTreeSet<String> {
    fn walk(schema: &Value, node: &Value, way: &str, into: &mut BTreeSet<String>) {
        // What may be left out and has no default is this or nothing.
        let node = if node["anyOf"][0]["$ref"].is_string() { &node["anyOf"][0] } else { node };
        let target = node["$ref"].as_str().map(|it| it.trim_start_matches('#'));
        let node = target.map_or(node, |it| schema.pointer(it).unwrap());
        if let Some(properties) = node["properties"].as_object() {
            for (key, property) in properties {
                let dot = if way.is_empty() { "" } else { "." };
                walk(schema, property, &format!("{way}{dot}{key}"), into);
            }
        } else if node["items"]["$ref"].is_string() {
            walk(schema, &node["items"], &format!("{way}[]"), into);
        } else {
            into.insert(way.to_owned());
        }
    }
    let schema = house.coord(["config", "--schema"]).success().json();
    let mut found = BTreeSet::new();
    walk(&schema, &schema, "", &mut found);
    found
}

/// Every scalar of a value, and every name in it.
fn words(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().flat_map(words).collect(),
        Value::Object(map) => {
            map.iter().flat_map(|(key, it)| [vec![key.clone()], words(it)].concat()).collect()
        }
        Value::String(word) => vec![word.clone()],
        Value::Null | Value::Bool(_) | Value::Number(_) => vec![value.to_string()],
    }
}

/// One machine, `here`, and one repo, `api`; a story says the rest.
struct House(Fleet);

impl Deref for House {
    type Target = Fleet;

    fn deref(&self) -> &Fleet {
        &self.0
    }
}

impl DerefMut for House {
    fn deref_mut(&mut self) -> &mut Fleet {
        &mut self.0
    }
}

/// How a worker was called.
struct Call {
    arguments: Vec<String>,
    environment: BTreeMap<String, String>,
}

impl House {
    /// With nothing configured beyond what is needed.
    fn new() -> Self {
        let house = Self(Fleet::without_claude());
        house.says("", "", "");
        house
    }

    /// Configures the repo and the machine with these keys on top, and the whole with those at the end.
    fn says(&self, api: &str, here: &str, more: &str) {
        self.config(&format!(
            "repos:\n- {{name: api, origin: '{}', {api}}}\nmachines:\n- {{name: here, port: {}, {here}}}\n{more}\n",
            self.api.url(),
            self.port
        ));
    }

    /// Adds a task to `repo` that is this script; its number.
    fn script_in(&self, repo: &str, lines: &str) -> u64 {
        let body = format!("```sh\n{lines}\n```\n");
        let added = self.coord(["--json", "task", "add", repo, "Do it", "--body", &body]).success().json();
        added["data"]["task"]["number"].as_u64().unwrap()
    }

    /// Has a script run to its end on the machine `here`; the run.
    fn run(&self, lines: &str) -> Value {
        self.finish(self.script_in("api", lines))
    }

    /// Has the script of a task run to its end; the run.
    fn finish(&self, number: u64) -> Value {
        let words = ["--json", "assign", "here", "api", &number.to_string(), "--runtime", "script"];
        let assigned = self.coord(words).success().json();
        self.wait(&text(&assigned["data"]["run"]["id"]))
    }

    /// Has a change of two commits made; its task.
    fn change(&self) -> u64 {
        let commit = "git add -A && git commit -qm";
        let number =
            self.script_in("api", &format!("echo $$ > a; {commit} 'first'; echo $$ > b; {commit} 'second'"));
        let end = self.finish(number);
        assert_eq!(end["outcome"]["kind"], "done", "{end}");
        number
    }

    /// What assigning a task would do.
    fn plan(&self, number: u64) -> Value {
        let words = ["--json", "assign", "here", "api", &number.to_string(), "--dry-run"];
        self.coord(words).success().json()["data"]["run"].clone()
    }

    /// Starts a script that works until its machine is gone; returns once it does.
    fn busy(&self, repo: &str) {
        let started = self.dir().join("started");
        let script = format!("touch {started}; while :; do sleep 0.05; done");
        let number = self.script_in(repo, &script).to_string();
        self.coord(["assign", "here", repo, &number, "--runtime", "script"]).success();
        crate::machine::wait_for_file(&started);
    }

    /// Puts a program into the world that is called as an agent is, and writes down how. What it prints is success in
    /// the language of each.
    fn agent(&self, name: &str) {
        let record = self.dir().join(name);
        let program = self.write(
            &format!("bin/{name}"),
            &format!(
                "#!/bin/sh\nprintf '%s\\n' \"$@\" > {record}.arguments\nenv > {record}.environment\nread -r prompt\n\
                 echo '{{\"type\":\"system\",\"subtype\":\"init\",\"session_id\":\"s\"}}'\n\
                 echo '{{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":false,\"num_turns\":1,\"result\":\"ok\",\"status\":\"success\"}}'\n\
                 echo '{{\"type\":\"turn.completed\"}}'\n\
                 echo '{{\"type\":\"step_finish\",\"part\":{{\"reason\":\"stop\"}}}}'\n"
            ),
        );
        fs_err::set_permissions(program, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Has that program work at a new task with these further arguments of `task add`; how it was called.
    fn call(&self, name: &str, arguments: &[&str]) -> Call {
        let number = self.add(&[&["Do it"], arguments].concat());
        let end = self.wait(&self.assign(number));
        assert_eq!(end["outcome"]["kind"], "no-change", "{end}");
        let read = |what: &str| {
            let path = self.dir().join(format!("{name}.{what}"));
            let text = fs_err::read_to_string(&path).unwrap();
            fs_err::remove_file(path).unwrap();
            text
        };
        let pairs = read("environment");
        let pairs = pairs.lines().filter_map(|it| it.split_once('='));
        Call {
            arguments: read("arguments").lines().map(str::to_owned).collect(),
            environment: pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        }
    }

    /// How the machine `here` looks from outside.
    fn machine(&self) -> Value {
        self.coord(["--json", "status"]).success().json()["data"]["machines"][0].clone()
    }

    /// A file of the home directory, if it is there.
    fn noted(&self, name: &str) -> Option<String> {
        fs_err::read_to_string(self.home().join(name)).ok()
    }
}

impl Call {
    /// The tools that need no question, beside those by which it reports.
    fn allowed(&self) -> Vec<&str> {
        self.flag("--allowedTools").into_iter().filter(|it| !it.starts_with("mcp__coord__")).collect()
    }

    /// The values that follow a flag.
    fn flag(&self, name: &str) -> Vec<&str> {
        let behind = self.arguments.iter().skip_while(|it| *it != name).skip(1);
        behind.take_while(|it| !it.starts_with("--")).map(String::as_str).collect()
    }
}

/// The blockers of a plan, as one text.
fn blockers(plan: &Value) -> String {
    plan["blockers"].as_array().unwrap().iter().map(text).collect::<Vec<_>>().join("\n")
}
