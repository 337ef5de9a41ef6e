use coord_core::repo::RepoForge;
use serde_yaml::Value;

use super::*;
use crate::error::{CliError, ErrorKind};

const EXAMPLE: &str = include_str!("../../../../coordinator.example.yml");

fn context() -> Context {
    Context {
        config_flag: None,
        home: "/home/dev/.coord".into(),
        cwd: "/home/dev".into(),
        user_home: Some("/home/dev".into()),
        host_name: "Laptop.lan".into(),
        environment: BTreeMap::new(),
        program: "/usr/bin/coord".into(),
        interactive: false,
    }
}

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Utf8Path::new("/w/coordinator.yml"), &context())
}

fn refusal(text: &str) -> CliError {
    let error = CliError::from(parse(text).expect_err("it is refused"));
    assert_eq!(error.kind, ErrorKind::ConfigInvalid);
    assert!(!error.hints.is_empty(), "no cure: {error:?}");
    error
}

/// The keys of a document, each as the way to it; items of lists and free keys are one.
fn keys(value: &Value, way: &str, into: &mut BTreeMap<String, Value>) {
    match value {
        Value::Mapping(map) => {
            for (key, value) in map {
                let key = key.as_str().expect("keys are words");
                let free = ["repo_paths", "labels"].iter().any(|it| way.ends_with(it));
                let way = if free { format!("{way}.*") } else { format!("{way}.{key}") };
                into.insert(way.clone(), value.clone());
                keys(value, &way, into);
            }
        }
        Value::Sequence(items) => items.iter().for_each(|it| keys(it, way, into)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Tagged(_) => {}
    }
}

fn keys_of(value: &Value) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    keys(value, "", &mut found);
    found
}

#[test]
fn the_example_names_every_key_with_its_default() {
    parse(EXAMPLE).unwrap();
    let example = keys_of(&serde_yaml::from_str(EXAMPLE).unwrap());
    let meant: File = serde_yaml::from_str(EXAMPLE).unwrap();
    let meant = keys_of(&serde_yaml::to_value(&meant).unwrap());
    let least =
        "repos: [{name: api, protection: {}}]\nmachines: [{name: laptop}]\naccounts: [{name: team}]\n";
    let filled: File = serde_yaml::from_str(least).unwrap();
    let defaults = keys_of(&serde_yaml::to_value(&filled).unwrap());
    for (key, default) in &defaults {
        let shown = example.get(key).unwrap_or_else(|| panic!("the example lacks {key}"));
        let has_default = match default {
            Value::Null => false,
            Value::Mapping(map) => {
                map.is_empty() && !matches!(key.as_str(), ".machines.repo_paths" | ".models.labels")
            }
            Value::Sequence(items) => !matches!(items.first(), Some(Value::Mapping(_))),
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Tagged(_) => true,
        };
        assert!(
            !has_default || meant.get(key) == Some(default),
            "{key}: the default is {default:?}, the example says {shown:?}"
        );
    }
    let app = [".github.app.id", ".github.app.key_file", ".github.app.installation"];
    let made_up = [[".machines.repo_paths.*", ".models.labels.*"].as_slice(), &app].concat();
    let extra: Vec<_> =
        example.keys().filter(|it| !defaults.contains_key(*it) && !made_up.contains(&it.as_str())).collect();
    assert!(extra.is_empty(), "{extra:?}");
}

#[test]
fn the_schema_names_the_keys_of_the_example_and_describes_each() {
    let schema = Config::schema().to_value();
    let mut described = BTreeSet::new();
    let mut objects = vec![&schema];
    objects.extend(schema["$defs"].as_object().expect("it has definitions").values());
    for object in objects {
        assert!(object["properties"].is_null() || object["additionalProperties"] == false, "{object}");
        for (key, property) in object["properties"].as_object().into_iter().flatten() {
            assert!(property["description"].is_string(), "{key} has no description");
            described.insert(key.clone());
        }
    }
    let example = keys_of(&serde_yaml::from_str(EXAMPLE).unwrap());
    let named: BTreeSet<_> = example
        .keys()
        .filter_map(|it| it.rsplit('.').next())
        .filter(|it| *it != "*")
        .map(str::to_owned)
        .collect();
    assert_eq!(described, named);
}

#[test]
fn a_wrong_key_is_named_with_its_line_and_the_key_that_was_meant() {
    let error = refusal("repos:\n- name: api\nmachines:\n- name: a\n  host: h\n  slotz: 3\n");
    assert_eq!(
        error.message,
        "/w/coordinator.yml: machines[0]: unknown key `slotz` at line 6; did you mean `slots`?"
    );
    let error = refusal("repos:\n- name: api\n  housekeeping: [make]\n");
    assert!(error.message.contains("unknown key `housekeeping` at line 3"), "{error:?}");
    assert!(error.hints[0].contains("coord init --yes --force"), "{error:?}");
}

#[test]
fn whatever_else_is_wrong_is_named_with_its_line() {
    let cases = [
        ("", "missing field `repos`"),
        ("repos: api\n", "repos: invalid type: string \"api\", expected a sequence (line 1)"),
        ("repos: []\n", "there is no repo in `repos` (line 1)"),
        ("repos:\n- name: api\n  name: web\n", "the key `name` stands there a second time at line 3"),
        ("repos:\n- name: a/b\n", "repos[0]: `a/b` is not a repo name"),
        ("repos:\n- name: api\n- name: api\n", "there are two repos called `api` (line 3)"),
        ("repos:\n- name: api\n  default_branch: -x\n", "`-x` is not a branch name"),
        (
            "repos:\n- name: api\n  depends_on: [apj]\n",
            "repo `api` depends on `apj`, which is not among `repos` (line 3)",
        ),
        ("repos:\n- name: api\n  depends_on: [api]\n", "repo `api` depends on itself (line 3)"),
        (
            "repos:\n- name: api\n  forge: gitlab\n",
            "repos[0].forge: unknown variant `gitlab`, expected `local` or `github` (line 3)",
        ),
        ("repos:\n- name: api\n  gates: [test]\n", "unknown variant `test`"),
        (
            "repos:\n- name: api\nmachines:\n- name: m\n- name: m\n",
            "there are two machines called `m` (line 5)",
        ),
        ("repos:\n- name: api\nmachines:\n- name: m\n  port: 70000\n", "machines[0].port: invalid value"),
        ("repos:\n- name: api\nmachines:\n- name: m\n  repos: [app]\n", "machine `m` names `app`"),
        (
            "repos:\n- name: api\nmachines:\n- name: m\n  repo_paths:\n    app: x\n",
            "which is not among `repos` (line 6)",
        ),
        ("repos:\n- name: api\nruntime: gpt\n", "`gpt` is no runtime that does tasks (line 3)"),
        ("repos:\n- name: api\nruntimes:\n  gpt: {}\n", "runtimes: unknown key `gpt` at line 4"),
        (
            "repos:\n- name: api\nruntimes:\n  script:\n    pass_env: []\n    permission_mode: plan\n",
            "runtimes.script: unknown key `permission_mode` at line 6",
        ),
        (
            "repos:\n- name: api\nruntimes:\n  command: {program: bash}\n",
            "runtimes.command: unknown key `program` at line 4",
        ),
        (
            "repos:\n- name: api\nruntimes:\n  claude:\n    permission_mode: ''\n",
            "`permission_mode` of the runtime `claude` is empty (line 5)",
        ),
        (
            "repos:\n- name: api\nruntimes:\n  command:\n    argv: [x, '--model={modle}']\n",
            "`{modle}` in `argv` of the runtime `command` is nothing that can be put in (line 5)",
        ),
        ("repos:\n- name: api\nruntime: command\n", "`command` is no runtime that does tasks (line 3)"),
        (
            "repos:\n- name: api\nruntimes:\n  codex:\n    pass_env: 3\n",
            "runtimes.codex.pass_env: invalid type: integer `3`, expected a sequence (line 5)",
        ),
        ("repos:\n- name: api\nlimits:\n  run_minutes: 0\n", "limits.run_minutes: invalid value"),
        ("repos:\n- name: api\nlimits:\n  idle: soon\n", "limits: `soon` is no duration"),
        ("repos:\n- name: api\n  limits: {memory: lots}\n", "repos[0].limits: `lots` is no size"),
        (
            "repos:\n- name: api\nlimits:\n  runtimes: {cobol: {idle: 1}}\n",
            "`limits.runtimes` names `cobol`, which is no runtime (line 4)",
        ),
        (
            "repos:\n\t- name: api\n",
            "found character that cannot start any token, while scanning for the next token (line 2)",
        ),
    ];
    let wrong: Vec<_> = cases
        .map(|(text, wanted)| (refusal(text).message, wanted))
        .into_iter()
        .filter(|(said, wanted)| !said.starts_with("/w/coordinator.yml: ") || !said.contains(wanted))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_circle_of_dependencies_is_shown_as_one() {
    let text = "repos:\n- {name: web, depends_on: [a]}\n- {name: a, depends_on: [b]}\n- {name: b, depends_on: [a]}\n";
    let error = refusal(text);
    assert!(error.message.contains("a → b → a (line 3)"), "{error:?}");
}

#[test]
fn what_is_left_out_has_its_default() {
    let config = parse("repos: [{name: api}]\n").unwrap();
    let machine = &config.machines[0].machine;
    assert_eq!((machine.name.as_str(), machine.port, machine.slots), ("laptop", 7433, 2));
    assert_eq!(config.here.as_ref(), Some(&machine.name));
    assert_eq!(config.limits.longest(), Duration::from_secs(7200));
    assert!(config.repos[0].permissions.deny.contains(&"Bash(gh *)".to_owned()));
    let claude = &config.runtimes.all()[&"claude".parse().unwrap()];
    assert_eq!(claude.permission_mode.as_deref(), Some("acceptEdits"));
}

#[test]
fn what_is_said_is_in_force() {
    let config = parse(
        "repos:\n- {name: api, gates: [], worker_permissions: {allow: [Bash(make *)]}}\n\
         - {name: web, worker_permissions: {deny: []}}\n\
         machines:\n- {name: box, host: box.lan, slots: 5, repos: [web]}\n\
         - {name: mine, repo_paths: {api: ~/src/api, web: web}}\n\
         concurrency: {max_workers: 3}\nmodels: {default: opus, labels: {easy: haiku}}\n\
         runtimes: {claude: {pass_env: [ANTHROPIC_API_KEY]}}\nlimits: {run_minutes: 5}\n",
    )
    .unwrap();
    let settings = config.settings(&context());
    assert_eq!(settings.machines.iter().map(|it| it.slots).collect::<Vec<_>>(), [5, 3]);
    assert_eq!(settings.here.as_ref().map(MachineName::as_str), Some("mine"), "it is the one on loopback");
    let clones: Vec<_> = settings.clones.values().map(|it| it.as_str()).collect();
    assert_eq!(clones, ["/home/dev/src/api", "/w/web"]);
    assert!(settings.tokens[&"box".parse().unwrap()].as_ref().unwrap_err().contains("token_file"));
    assert_eq!(
        (settings.models.default.as_str(), settings.models.labels["easy"].as_str()),
        ("opus", "haiku")
    );
    assert_eq!(settings.limits.longest(), Duration::from_secs(300));
    assert!(settings.repos[0].gates.is_empty());
    assert!(!settings.repos[0].permissions.deny.is_empty(), "the built-in list stays until `deny` is given");
    assert!(settings.repos[1].permissions.deny.is_empty());
    let agent = config.agent(&"box".parse().unwrap()).unwrap();
    assert_eq!(agent.repos.keys().map(RepoName::as_str).collect::<Vec<_>>(), ["web"]);
    let claude = &agent.runtimes[&"claude".parse().unwrap()];
    assert_eq!(claude.pass_env, ["ANTHROPIC_API_KEY"]);
    assert_eq!(claude.setting_sources.as_deref(), Some("project"), "the rest has its defaults");
}

#[test]
fn a_host_name_of_any_kind_gives_a_machine_name() {
    for (host, name) in
        [("MacBook-Pro.local", "macbook-pro"), ("--x", "x"), ("Jürgen", "jrgen"), ("", "local")]
    {
        assert_eq!(machine_name(host).as_str(), name);
    }
}

#[test]
fn what_is_wrong_about_github_is_named_with_its_line() {
    let cases = [
        (
            "repos:\n- name: api\n  forge: github\n",
            "repo `api` is on GitHub, but does not say where (line 3)",
        ),
        ("repos:\n- name: api\n  github: api\n", "`api` is not a GitHub repository: write `owner/name`"),
        (
            "repos:\n- {name: api, github: team/api}\n- name: web\n  github: Team/API\n",
            "repos `api` and `web` are the same on GitHub (line 4)",
        ),
        (
            "repos:\n- name: api\n  gates: [tests, approval]\n",
            "the gate `approval` is for repos on GitHub, and `api` is on the board (line 3)",
        ),
        (
            "repos:\n- name: api\n  github: team/api\n  forge: local\n  protection: {strict: true}\n",
            "`protection` is for repos on GitHub, and `api` is on the board (line 5)",
        ),
        ("repos:\n- name: api\n  may_skip: [lint]\n", "`may_skip` is for repos on GitHub"),
        (
            "repos:\n- name: api\ngithub:\n  api_url: http://ghe.example.org\n",
            "`api_url` begins with http://, where a token could be read on its way (line 4)",
        ),
        ("repos:\n- name: api\ngithub:\n  token_file: ''\n", "`token_file` is empty (line 4)"),
        ("repos:\n- name: api\ngithub:\n  app: {id: 1, installation: 2}\n", "missing field `key_file`"),
        (
            "repos:\n- name: api\nissues:\n  trusted: [OWNR]\n",
            "unknown variant `OWNR`, expected one of `OWNER`",
        ),
    ];
    let wrong: Vec<_> = cases
        .map(|(text, wanted)| (refusal(text).message, wanted))
        .into_iter()
        .filter(|(said, wanted)| !said.contains(wanted))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_repo_that_names_github_has_its_tasks_there_unless_it_says_local() {
    let config = parse(
        "repos:\n- {name: api, github: team/api}\n- {name: lib, github: team/lib, forge: local}\n- name: web\n",
    )
    .unwrap();
    let on_github: Vec<_> = config.repos.iter().map(|it| it.forge.github().is_some()).collect();
    assert_eq!(on_github, [true, false, false]);
    let local = parse("repos: [{name: lib, github: team/lib, forge: local}]\n").unwrap();
    assert!(local.settings(&context()).github.is_none(), "nobody has to speak to GitHub");
    assert!(config.settings(&context()).github.is_some());
}

#[test]
fn what_a_person_says_of_the_rules_of_a_branch_is_kept() {
    let text = "repos:\n- name: api\n  github: team/api\n  may_skip: [lint]\n  protection: {checks: [ci], approvals: 2}\n";
    let config = parse(text).unwrap();
    let RepoForge::GitHub(it) = &config.repos[0].forge else { panic!("it is on GitHub") };
    let rules = it.protection.clone().unwrap();
    assert_eq!((rules.approvals, rules.strict, rules.pull_request_only), (2, false, false));
    assert!(rules.checks.contains("ci") && it.may_skip.contains("lint"));
    let silent = parse("repos: [{name: api, github: team/api}]\n").unwrap();
    assert!(silent.repos[0].forge.github().unwrap().protection.is_none(), "nothing said is not known");
}

#[test]
fn the_origin_is_github_for_machines_whose_clone_does_not_tell() {
    let config = parse(
        "repos: [{name: api, github: team/api}]\ngithub: {api_url: 'https://ghe.example.org/api/v3/'}\n\
         machines:\n- {name: mine, repo_paths: {api: /src/api}}\n- {name: box, host: box.lan}\n",
    )
    .unwrap();
    let origin = |name: &str| {
        let machine = config.machine(&name.parse().unwrap());
        config.repos_on(machine).next().unwrap().origin
    };
    assert_eq!(origin("mine"), None, "the clone is asked");
    assert_eq!(origin("box").as_deref(), Some("https://ghe.example.org/team/api.git"));
}

#[test]
fn the_environment_says_where_the_api_is_only_to_who_needs_it() {
    let mut cx = context();
    cx.environment.insert("GITHUB_API_URL".to_owned(), "ghe.example.org".to_owned());
    let parse = |text: &str| Config::parse(text, Utf8Path::new("/w/coordinator.yml"), &cx);
    parse("repos: [{name: api}]\n").unwrap();
    let refused = parse("repos: [{name: api, github: team/api}]\n").unwrap_err().to_string();
    assert!(
        refused.contains("the address of GitHub's API that GITHUB_API_URL has is not a URL"),
        "{refused}"
    );
    let said =
        "repos: [{name: api, github: team/api}]\ngithub: {api_url: 'https://ghe.example.org/api/v3'}\n";
    assert_eq!(parse(said).unwrap().github.api_url.host(), "ghe.example.org");
}

#[test]
fn what_is_wrong_about_money_is_named_with_its_line() {
    let cases = [
        ("limits: {usd_per_day: 0}", "`usd_per_day` is 0, which lets nothing start"),
        ("limits: {usd_per_run: -3}", "`usd_per_run` is -3"),
        ("limits: {keep: 20}", "`keep` is 20, which is no share"),
        ("limits: {work_hours: [at night]}", "`at night` is no span of hours"),
        ("limits: {on_limit: always}", "limits.on_limit"),
        ("time_zone: Atlantis/Capital", "there is no time zone `Atlantis/Capital`"),
        ("machines: [{name: a}]\naccounts: [{name: x, machines: [b]}]", "account `x` names machine `b`"),
        ("machines: [{name: a}]\naccounts: [{name: x}, {name: y}]", "two accounts on machine `a`"),
    ];
    for (more, said) in cases {
        let error = refusal(&format!("repos: [{{name: api}}]\n{more}\n")).to_string();
        assert!(error.contains(said) && error.contains("line "), "{error}");
    }
}
