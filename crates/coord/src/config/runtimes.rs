//! `runtimes` of the file: for each runtime the keys that do something for it, and no others.
//!
//! Which keys those are, and what they are when nobody sets them, each runtime says itself ([`runtime::ALL`]); what a
//! key means is said here, once for all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::LazyLock;

use coord_agent::order::RuntimeConfig;
use coord_agent::runtime::{self, Runtime};
use coord_core::name::RuntimeName;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{DeserializeSeed, Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// How each runtime is started; every one of them is there.
#[derive(Debug, Clone, Serialize)]
pub struct Runtimes(BTreeMap<RuntimeName, RuntimeConfig>);

/// Every key that a runtime can take, with what it means and what its value is.
const KEYS: [(&str, &str, Kind); 7] = [
    (
        "program",
        "The program: a name that is looked up in `PATH`, or a path from here or from `~/`. Default: the runtime's own.",
        Kind::Text,
    ),
    (
        "pass_env",
        "Variables of the agent server's environment that workers see beyond the usual few. Default: none, so an API \
         key is never passed on unasked.",
        Kind::List,
    ),
    (
        "permission_mode",
        "How much a worker may do that is neither allowed nor denied, in the runtime's own words. Default: as much as \
         its task needs, in its worktree.",
        Kind::Text,
    ),
    (
        "model",
        "The model, unless `coord assign --model` says otherwise. Default: none is named, and the program has its own.",
        Kind::Text,
    ),
    (
        "argv",
        "The command line that does tasks: any program, with its arguments. `{model}` and `{prompt_file}` in it are \
         replaced; without the latter the prompt is on its standard input. Default: `[]`, which does no tasks.",
        Kind::List,
    ),
    (
        "allowed_tools",
        "Tools that need no question. Default: those that read, write and run commands; `[]` allows none.",
        Kind::List,
    ),
    (
        "setting_sources",
        "Which of the runtime's own settings files are read. Default: `project`, never those of the user.",
        Kind::Text,
    ),
];

#[derive(Clone, Copy)]
enum Kind {
    Text,
    List,
}

/// The names of the runtimes, and of the keys that each takes.
static KNOWN: LazyLock<(Vec<&str>, Vec<Vec<&str>>)> = LazyLock::new(|| {
    let keys = |it: &&dyn Runtime| {
        let settings = shown(&it.settings());
        KEYS.iter().map(|(key, ..)| *key).filter(|key| settings.contains_key(*key)).collect()
    };
    (runtime::ALL.iter().map(|it| it.name()).collect(), runtime::ALL.iter().map(keys).collect())
});

impl Runtimes {
    /// How a runtime is started.
    #[must_use]
    pub fn of(&self, runtime: &dyn Runtime) -> &RuntimeConfig {
        self.0.get(&name(runtime)).expect("every runtime is there")
    }

    /// All of them, by name.
    #[must_use]
    pub fn all(&self) -> &BTreeMap<RuntimeName, RuntimeConfig> {
        &self.0
    }

    /// Has every program that is given as a path found from where the file stands.
    pub(super) fn place(&mut self, place: impl Fn(&str) -> String) {
        for config in self.0.values_mut() {
            let first = config.argv.as_mut().and_then(|it| it.first_mut());
            for program in config.program.as_mut().into_iter().chain(first).filter(|it| it.contains('/')) {
                *program = place(program);
            }
        }
    }
}

impl Default for Runtimes {
    fn default() -> Self {
        Self(runtime::ALL.iter().map(|it| (name(*it), it.settings())).collect())
    }
}

/// What a runtime is called.
pub(super) fn name(runtime: &dyn Runtime) -> RuntimeName {
    runtime.name().parse().expect("runtimes have names that are runtime names")
}

/// The runtimes that do tasks, configured like this.
pub fn for_tasks(runtimes: &Runtimes) -> impl Iterator<Item = &'static dyn Runtime> {
    runtime::ALL.iter().copied().filter(|it| it.does_tasks(runtimes.of(*it)))
}

/// The names of those runtimes of which this is true.
pub(super) fn named(is: impl Fn(&'static dyn Runtime) -> bool) -> BTreeSet<RuntimeName> {
    runtime::ALL.iter().copied().filter(|it| is(*it)).map(name).collect()
}

/// The keys that a runtime takes, with their values.
pub fn shown(config: &RuntimeConfig) -> Map<String, Value> {
    match serde_json::to_value(config) {
        Ok(Value::Object(map)) => map,
        other => unreachable!("what a runtime takes is a mapping of texts and lists: {other:?}"),
    }
}

impl<'de> Deserialize<'de> for Runtimes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Entries)
    }
}

struct Entries;

impl<'de> Visitor<'de> for Entries {
    type Value = Runtimes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping of runtimes")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Runtimes, A::Error> {
        let mut runtimes = Runtimes::default();
        let (names, keys) = &*KNOWN;
        while let Some(index) = map.next_key_seed(Known(names))? {
            let entry = Entry { known: &keys[index], config: runtime::ALL[index].settings() };
            runtimes.0.insert(name(runtime::ALL[index]), map.next_value_seed(entry)?);
        }
        Ok(runtimes)
    }
}

/// One of these words, as its index. It is refused where it stands, so that the error has its line.
struct Known(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for Known {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Known {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<usize, E> {
        let found = self.0.iter().position(|it| *it == word);
        found.ok_or_else(|| E::unknown_field(word, self.0))
    }
}

/// What is said of one runtime, over what holds otherwise.
struct Entry {
    known: &'static [&'static str],
    config: RuntimeConfig,
}

impl<'de> DeserializeSeed<'de> for Entry {
    type Value = RuntimeConfig;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<RuntimeConfig, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Entry {
    type Value = RuntimeConfig;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping of keys")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RuntimeConfig, A::Error> {
        let Self { known, mut config } = self;
        while let Some(index) = map.next_key_seed(Known(known))? {
            match known[index] {
                "program" => config.program = Some(map.next_value()?),
                "pass_env" => config.pass_env = map.next_value()?,
                "permission_mode" => config.permission_mode = Some(map.next_value()?),
                "model" => config.model = Some(map.next_value()?),
                "argv" => config.argv = Some(map.next_value()?),
                "allowed_tools" => config.allowed_tools = Some(map.next_value()?),
                "setting_sources" => config.setting_sources = Some(map.next_value()?),
                other => unreachable!("`{other}` is in KEYS and is not read"),
            }
        }
        Ok(config)
    }
}

impl JsonSchema for Runtimes {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Runtimes".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut properties = Map::new();
        for runtime in runtime::ALL {
            let definition = format!("Runtime.{}", runtime.name());
            generator.definitions_mut().insert(definition.clone(), schema_of(*runtime).into());
            let reference = format!("#/$defs/{definition}");
            let property = serde_json::json!({ "$ref": reference, "description": runtime.about() });
            properties.insert(runtime.name().to_owned(), property);
        }
        json_schema!({ "type": "object", "properties": properties, "additionalProperties": false })
    }
}

/// What one runtime takes.
fn schema_of(runtime: &dyn Runtime) -> Schema {
    let settings = shown(&runtime.settings());
    let taken = KEYS.iter().filter_map(|(key, about, kind)| {
        let default = settings.get(*key)?;
        let property = match kind {
            Kind::Text => serde_json::json!({ "type": "string", "description": about, "default": default }),
            Kind::List => serde_json::json!({
                "type": "array", "items": { "type": "string" }, "description": about, "default": default,
            }),
        };
        Some(((*key).to_owned(), property))
    });
    let properties: Map<_, _> = taken.collect();
    json_schema!({
        "type": "object", "description": runtime.about(), "properties": properties, "additionalProperties": false,
    })
}
