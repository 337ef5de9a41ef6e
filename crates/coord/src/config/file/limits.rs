//! What runs may use up, in one place for all of them and in others for some.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use coord_agent::runtime;
use coord_core::hours::Span;
use coord_core::limits::{Cap, LimitRules, LimitSet};
use coord_core::name::RuntimeName;
use coord_core::park::OnLimit;
use jiff::SignedDuration;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::super::runtimes::name;
use super::RepoEntry;

/// What a run may use up, and what all of them may. The first eight can be set again for a runtime, for agent work, for tests and for a repo; a
/// repo has the last word, then the kind of run, then the runtime. Durations are seconds, or `15m` and the like; sizes
/// are bytes, or `512M` and the like; `none` is no limit.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Limits {
    /// A worker is stopped after this many minutes. Default: 120.
    pub run_minutes: NonZeroU32,
    /// A worker is stopped that has not printed anything for so long after its start. Default: `5m`; for `script` and
    /// `command`, which may have nothing to say, only what `runtimes` says below.
    #[schemars(schema_with = "limit_schema")]
    pub first_output: Seconds,
    /// A worker is stopped that prints nothing for so long while its model is waited for. Default: `20m`.
    #[schemars(schema_with = "limit_schema")]
    pub idle: Seconds,
    /// A worker is stopped that prints nothing for so long while a tool runs, if next to nothing is computed, read or
    /// written meanwhile. Default: `30m`.
    #[schemars(schema_with = "limit_schema")]
    pub tool_idle: Seconds,
    /// Memory of all processes of a run together. Default: `none`.
    #[schemars(schema_with = "limit_schema")]
    pub memory: Size,
    /// Processes and threads of a run at a time. Default: `none`.
    #[schemars(schema_with = "limit_schema")]
    pub processes: Size,
    /// What a run may write: by what its worktree grows, or what its processes write. Default: `none`.
    #[schemars(schema_with = "limit_schema")]
    pub disk: Size,
    /// The size of a run's log. What is printed beyond is left out of it; the run goes on. Default: `1G`.
    #[schemars(schema_with = "limit_schema")]
    pub log: Size,
    /// A task at which this many attempts have failed is gone on with only by `--force`. Default: 3.
    pub attempts: NonZeroU32,
    /// The same as the first eight for agent work. Default: nothing else.
    #[schemars(schema_with = "limits_schema")]
    pub work: Overrides,
    /// The same for tests. Default: nothing else.
    #[schemars(schema_with = "limits_schema")]
    pub test: Overrides,
    /// The same for a runtime, by its name. Default: nothing else.
    #[schemars(schema_with = "runtimes_schema")]
    pub runtimes: BTreeMap<RuntimeName, Overrides>,
    /// The most that one run may cost, in US dollars. Default: no cap.
    pub usd_per_run: Option<f64>,
    /// The most that all runs of one task may cost. Default: no cap.
    pub usd_per_task: Option<f64>,
    /// The most that a day of the whole fleet may cost. Default: no cap.
    pub usd_per_day: Option<f64>,
    /// The most that a month of the whole fleet may cost. Default: no cap.
    pub usd_per_month: Option<f64>,
    /// It is said that a cap nears its end once this share of it is spent. Default: 0.8.
    pub warn_at: f64,
    /// The share of each usage window of an account that is left to you. Default: 0, nothing.
    pub keep: f64,
    /// What becomes of a run whose account has used up its window: `auto` (it goes on once the window is open again),
    /// `ask` (once you say so) or `never`. Default: `auto`.
    #[schemars(schema_with = "super::money::on_limit_schema")]
    pub on_limit: OnLimit,
    /// When such a run may go on: `22:00-07:00`, `mon-fri 18:00-08:00`. Default: at any time.
    #[schemars(with = "Vec<String>")]
    pub work_hours: Vec<Span>,
}

/// Limits that are other than elsewhere.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Overrides {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_minutes: Option<NonZeroU32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_output: Option<Seconds>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<Seconds>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_idle: Option<Seconds>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Size>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processes: Option<Size>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk: Option<Size>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<Size>,
}

/// A duration, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) struct Seconds(pub Cap);

/// A number of bytes, or of other things; or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) struct Size(pub Cap);

impl Default for Limits {
    fn default() -> Self {
        let none = Size(Cap::None);
        Self {
            run_minutes: const { NonZeroU32::new(120).expect("two hours are more than nothing") },
            first_output: Seconds(Cap::At(5 * 60)),
            idle: Seconds(Cap::At(20 * 60)),
            tool_idle: Seconds(Cap::At(30 * 60)),
            memory: none,
            processes: none,
            disk: none,
            log: Size(Cap::At(1 << 30)),
            attempts: const { NonZeroU32::new(3).expect("three attempts are some") },
            work: Overrides::default(),
            test: Overrides::default(),
            runtimes: BTreeMap::new(),
            usd_per_run: None,
            usd_per_task: None,
            usd_per_day: None,
            usd_per_month: None,
            warn_at: 0.8,
            keep: 0.0,
            on_limit: OnLimit::Auto,
            work_hours: Vec::new(),
        }
    }
}

/// What holds for which run.
pub(in crate::config) fn rules(limits: &Limits, repos: &[RepoEntry]) -> LimitRules {
    let Limits {
        run_minutes,
        first_output,
        idle,
        tool_idle,
        memory,
        processes,
        disk,
        log,
        attempts: _,
        work,
        test,
        runtimes,
        ..
    } = limits;
    let all = LimitSet {
        run: Some(seconds(*run_minutes)),
        first_output: Some(first_output.0),
        idle: Some(idle.0),
        tool_idle: Some(tool_idle.0),
        memory: Some(memory.0),
        processes: Some(processes.0),
        disk: Some(disk.0),
        log: Some(log.0),
    };
    let runtimes = runtime::ALL.iter().map(|runtime| {
        let name = name(*runtime);
        let mut set = runtimes.get(&name).map(LimitSet::from).unwrap_or_default();
        if runtime.may_be_silent() {
            set.first_output = set.first_output.or(Some(Cap::None));
        }
        (name, set)
    });
    LimitRules {
        all,
        runtimes: runtimes.collect(),
        work: work.into(),
        test: test.into(),
        repos: repos.iter().map(|it| (it.name.clone(), LimitSet::from(&it.limits))).collect(),
    }
}

fn seconds(minutes: NonZeroU32) -> u64 {
    u64::from(minutes.get()) * 60
}

impl From<&Overrides> for LimitSet {
    fn from(it: &Overrides) -> Self {
        Self {
            run: it.run_minutes.map(seconds),
            first_output: it.first_output.map(|it| it.0),
            idle: it.idle.map(|it| it.0),
            tool_idle: it.tool_idle.map(|it| it.0),
            memory: it.memory.map(|it| it.0),
            processes: it.processes.map(|it| it.0),
            disk: it.disk.map(|it| it.0),
            log: it.log.map(|it| it.0),
        }
    }
}

/// A number, or words that mean one.
#[derive(Deserialize)]
#[serde(untagged)]
enum Said {
    Number(u64),
    Words(String),
}

impl Said {
    fn cap<E: serde::de::Error>(self, parse: fn(&str) -> Result<u64, String>) -> Result<Cap, E> {
        let at = match self {
            Self::Number(number) => number,
            Self::Words(words) if words == "none" => return Ok(Cap::None),
            Self::Words(words) => parse(&words).map_err(E::custom)?,
        };
        if at == 0 {
            Err(E::custom("nothing is allowed then; write `none` for no limit"))
        } else {
            Ok(Cap::At(at))
        }
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Said::deserialize(deserializer)
            .map_err(|_| D::Error::custom("it is no duration"))?
            .cap(span)
            .map(Self)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Said::deserialize(deserializer).map_err(|_| D::Error::custom("it is no size"))?.cap(size).map(Self)
    }
}

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        say(self.0, serializer)
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        say(self.0, serializer)
    }
}

fn say<S: Serializer>(cap: Cap, serializer: S) -> Result<S::Ok, S::Error> {
    match cap {
        Cap::None => serializer.serialize_str("none"),
        Cap::At(limit) => serializer.serialize_u64(limit),
    }
}

fn span(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no duration; write `90` (seconds), `15m` or `none`");
    let span: SignedDuration = text.parse().map_err(|_| wrong())?;
    u64::try_from(span.as_secs()).map_err(|_| wrong())
}

/// `512M` and the like: units grow by 1024, and `B` or `iB` behind them changes nothing.
fn size(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no size; write `512M`, `8G` or `none`");
    let digits = text.find(|it: char| !it.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().map_err(|_| wrong())?;
    let unit = text[digits..].trim().to_ascii_uppercase();
    let unit = unit.strip_suffix("IB").or(unit.strip_suffix('B')).unwrap_or(&unit);
    let power = ["", "K", "M", "G", "T"].iter().position(|it| *it == unit).ok_or_else(wrong)?;
    number.checked_mul(1 << (10 * power)).ok_or_else(wrong)
}

fn limit_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["integer", "string"] })
}

pub(super) fn limits_schema(_: &mut SchemaGenerator) -> Schema {
    let names = ["run_minutes", "first_output", "idle", "tool_idle", "memory", "processes", "disk", "log"];
    json_schema!({
        "type": "object",
        "propertyNames": { "enum": names },
        "additionalProperties": { "type": ["integer", "string"] },
    })
}

fn runtimes_schema(generator: &mut SchemaGenerator) -> Schema {
    let names: Vec<_> = runtime::ALL.iter().map(|it| it.name()).collect();
    json_schema!({
        "type": "object",
        "propertyNames": { "enum": names },
        "additionalProperties": limits_schema(generator),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_durations_are_what_people_mean_by_them() {
        let sizes = ["512", "4K", "512M", "8 GiB", "1gb", "2T"].map(|it| size(it).unwrap());
        assert_eq!(sizes, [512, 4 << 10, 512 << 20, 8 << 30, 1 << 30, 2 << 40]);
        for wrong in ["", "G", "1.5G", "-1", "8X", "99999999999T"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
        assert_eq!(["15m", "2h 30m", "90s"].map(|it| span(it).unwrap()), [900, 9000, 90]);
        assert!(span("-5m").is_err() && span("soon").is_err());
    }

    #[test]
    fn none_is_no_limit_and_nothing_is_no_value() {
        let read = |text: &str| serde_yaml::from_str::<Size>(text).map(|it| it.0);
        assert_eq!(read("none").unwrap(), Cap::None);
        assert_eq!(read("7").unwrap(), Cap::At(7));
        assert!(read("0").unwrap_err().to_string().contains("`none`"));
        assert!(read("[1]").is_err());
    }
}
