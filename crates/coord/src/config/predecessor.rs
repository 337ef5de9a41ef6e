//! A predecessor's `coordinator.yml`: what of it has an effect here, and what becomes of the rest.
//!
//! What must hold: nothing is dropped silently, and nothing is guessed; what is carried over keeps its meaning.

use std::collections::BTreeMap;

use serde_yaml::{Mapping, Value};

use super::draft::{Draft, MachineDraft, RepoDraft};

/// A key of the predecessor's that has another meaning here.
const ALLOW: &str = "allow";

/// Keys of the predecessor's file that are no keys here, and why a conversion drops each.
const DROPPED: [(&str, &str); 11] = [
    ("housekeeping", "nothing runs commands in your clones"),
    ("coordinator_only_files", "`rules` tells workers what to leave alone"),
    ("hooks", "there are no rounds or sessions to hook into"),
    ("reviews", "no reviews are dispatched; `gates: [person]` asks for a person's word"),
    ("smoke_tests", "`test_command` is what tests a change"),
    ("backoff_base", "nothing is retried by itself"),
    ("max_retries", "nothing is retried by itself"),
    ("auto_reassign", "nothing is reassigned by itself"),
    ("stale_threshold", "a machine either answers or does not"),
    ("escalation", "a model is chosen by label or by `--model`"),
    (ALLOW, "it never had an effect"),
];

/// Whether a key is one of the predecessor's that is not known here.
#[must_use]
pub(crate) fn is_key(key: &str) -> bool {
    key != ALLOW && DROPPED.iter().any(|(known, _)| *known == key)
}

/// What a predecessor's file becomes.
#[derive(Debug)]
pub(crate) struct Converted {
    /// What is carried over.
    pub(crate) draft: Draft,
    /// What is not: the key, and why.
    pub(crate) dropped: Vec<(String, String)>,
}

/// Converts a predecessor's file; `None` when `text` is none: it has no repo that names its `github`, or no key that
/// only the predecessor knows, and then it can be used as it is.
#[must_use]
pub(crate) fn convert(text: &str) -> Option<Converted> {
    let Ok(Value::Mapping(top)) = serde_yaml::from_str(text) else { return None };
    let repos = maps(top.get("repos"));
    if !repos.iter().any(|it| it.contains_key("github")) {
        return None;
    }
    let mut conversion = Conversion::default();
    let machines: Vec<_> = maps(top.get("machines")).into_iter().map(|it| conversion.machine(it)).collect();
    let repos = repos.into_iter().map(|it| conversion.repo(it)).collect();
    let concurrency = conversion.block(&top, "concurrency", &["max_workers", "stagger_seconds"]);
    let models = conversion.block(&top, "models", &["default", "labels"]);
    let draft = Draft {
        repos,
        max_workers: concurrency.get("max_workers").and_then(Value::as_u64),
        stagger_seconds: concurrency.get("stagger_seconds").and_then(Value::as_u64).filter(|it| *it > 0),
        model: word(models, "default"),
        labels: pairs(models.get("labels")),
        machines,
        api_url: None,
    };
    conversion.rest("", &top, &["repos", "machines", "concurrency", "models"]);
    let dropped = conversion.dropped;
    let own = |(way, _): &(String, String)| is_key(way.rsplit('.').next().unwrap_or(way));
    dropped.iter().any(own).then_some(Converted { draft, dropped })
}

#[derive(Default)]
struct Conversion {
    dropped: Vec<(String, String)>,
}

impl Conversion {
    fn repo(&mut self, map: &Mapping) -> RepoDraft {
        let name = word(map, "name").unwrap_or_default();
        let known = [
            "name",
            "github",
            "default_branch",
            "depends_on",
            "build_command",
            "test_command",
            "worker_permissions",
        ];
        self.rest(&format!("repos.{name}."), map, &known);
        let deny = map.get("worker_permissions").and_then(Value::as_mapping).map(|permissions| {
            self.rest(&format!("repos.{name}.worker_permissions."), permissions, &["deny"]);
            words(permissions.get("deny"))
        });
        let test = word(map, "test_command");
        RepoDraft {
            origin: None,
            github: word(map, "github"),
            local: false,
            name,
            default_branch: word(map, "default_branch").unwrap_or_else(|| "main".to_owned()),
            depends_on: words(map.get("depends_on")),
            build: word(map, "build_command"),
            tested: test.is_some(),
            test,
            setup: None,
            deny,
        }
    }

    fn machine(&mut self, map: &Mapping) -> MachineDraft {
        let name = word(map, "name").unwrap_or_default();
        self.rest(
            &format!("machines.{name}."),
            map,
            &["name", "host", "capabilities", "repos", "repo_paths"],
        );
        MachineDraft {
            host: word(map, "host").unwrap_or_else(super::file::loopback),
            name,
            capabilities: words(map.get("capabilities")),
            repos: words(map.get("repos")),
            clones: pairs(map.get("repo_paths")),
        }
    }

    /// A block of the top level, of which only `known` keys are carried over.
    fn block<'a>(&mut self, top: &'a Mapping, key: &str, known: &[&str]) -> &'a Mapping {
        static NONE: std::sync::LazyLock<Mapping> = std::sync::LazyLock::new(Mapping::new);
        let Some(Value::Mapping(map)) = top.get(key) else { return &NONE };
        self.rest(&format!("{key}."), map, known);
        map
    }

    fn rest(&mut self, within: &str, map: &Mapping, known: &[&str]) {
        for key in map.keys().filter_map(Value::as_str).filter(|it| !known.contains(it)) {
            let why =
                DROPPED.iter().find(|(dropped, _)| *dropped == key).map_or("it is not known", |(_, why)| why);
            self.dropped.push((format!("{within}{key}"), why.to_owned()));
        }
    }
}

fn maps(value: Option<&Value>) -> Vec<&Mapping> {
    value.and_then(Value::as_sequence).into_iter().flatten().filter_map(Value::as_mapping).collect()
}

fn word(map: &Mapping, key: &str) -> Option<String> {
    map.get(key).and_then(Value::as_str).filter(|it| !it.is_empty()).map(str::to_owned)
}

fn words(value: Option<&Value>) -> Vec<String> {
    let items = value.and_then(Value::as_sequence).into_iter().flatten();
    items.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn pairs(value: Option<&Value>) -> BTreeMap<String, String> {
    let entries = value.and_then(Value::as_mapping).into_iter().flatten();
    entries.filter_map(|(key, value)| Some((key.as_str()?.to_owned(), value.as_str()?.to_owned()))).collect()
}
