//! Whether a claude worker could start, as which account it would be billed, and what it may do.
//!
//! Everything is asked of the program itself, with the very environment that a worker would have: what this
//! shell could do is beside the point.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use camino::Utf8PathBuf;
use coord_agent::order::{Order, RuntimeConfig};
use coord_agent::runtime::{self, Launch, Runtime};
use coord_core::limits::RunLimits;
use coord_core::name::{CommitSha, RuntimeName};
use coord_core::repo::Permissions;
use coord_core::run::RunKind;
use coord_core::task::TaskRef;
use coord_proto::run::{Checkout, RunSpec};
use serde::Deserialize;
use tokio::process::Command;

use super::Check;
use crate::config::Config;
use crate::context::Context;

/// How long the program may take to say what it is.
const PATIENCE: Duration = Duration::from_secs(20);
/// The variable that turns a subscription into a bill per token.
const API_KEY: &str = "ANTHROPIC_API_KEY";

/// A worker as it would be started.
pub(super) struct Worker {
    pub(super) launch: Launch,
    config: RuntimeConfig,
    /// Whether the agent server would have an API key that it keeps to itself.
    key_withheld: bool,
    /// Whose environment it is.
    from: &'static str,
}

impl Worker {
    /// How a login that is not accepted becomes one that is.
    pub(super) fn to_log_in(&self) -> String {
        if self.launch.environment.contains_key(API_KEY) {
            format!(
                "set a valid {API_KEY} in the environment of {}, or take it out of runtimes.claude.pass_env",
                self.from
            )
        } else {
            "claude auth login".to_owned()
        }
    }
}

/// What the program says about its login.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Login {
    logged_in: bool,
    auth_method: String,
    api_key_source: Option<String>,
    email: Option<String>,
    subscription_type: Option<String>,
}

fn name() -> RuntimeName {
    "claude".parse().expect("it is a runtime name")
}

/// The runtime that is looked at.
pub(super) fn kind() -> &'static dyn Runtime {
    runtime::named(&name()).expect("there is that runtime")
}

/// The command line and environment of a worker that is asked one tiny question.
pub(super) fn worker(cx: &Context, config: &Config) -> Worker {
    let kind = kind();
    let runtime = config.runtimes.get(&name()).cloned().unwrap_or_else(|| kind.settings());
    let (base, from) = match server_environment(cx) {
        Some(environment) => (environment, "the running agent server"),
        None => (cx.environment.clone(), "this shell, which would start the agent server"),
    };
    let environment = coord_agent::environment::reduce(&base, &runtime.pass_env);
    let order = order(cx, config, runtime.clone(), environment);
    let launch = kind.launch(&order).expect("a claude order lacks nothing");
    let key_withheld = base.contains_key(API_KEY) && !launch.environment.contains_key(API_KEY);
    Worker { launch, config: runtime, key_withheld, from }
}

fn order(
    cx: &Context,
    config: &Config,
    runtime: RuntimeConfig,
    environment: BTreeMap<String, String>,
) -> Order {
    let nowhere: CommitSha = "0".repeat(40).parse().expect("forty zeros are a hash");
    let repo = &config.repos[0];
    let spec = RunSpec {
        run: coord_core::id::RunId::from_random(0),
        kind: RunKind::Work,
        task: TaskRef { repo: repo.name.clone(), number: 0 },
        attempt: 1,
        fence: 0,
        start_before: jiff::Timestamp::MAX,
        runtime: name(),
        model: Some(config.models.default.clone()),
        base_branch: repo.default_branch.clone(),
        branch: repo.default_branch.clone(),
        checkout: Checkout::Base,
        prompt: "coord: probe\n\nUse no tools. Answer with the single word ok.".to_owned(),
        command: None,
        setup: None,
        permissions: Permissions::default(),
        deadline_seconds: config.limits.longest().as_secs(),
        resume: None,
        budget_usd: None,
        limits: RunLimits::default(),
    };
    Order {
        spec,
        home: cx.home.clone(),
        origin: String::new(),
        clone: None,
        worktree: cx.cwd.clone(),
        base: nowhere.clone(),
        start: nowhere,
        runtime,
        push_rescues: false,
        environment,
    }
}

/// The environment of the agent server that runs on this machine, where the system shows it.
fn server_environment(cx: &Context) -> Option<BTreeMap<String, String>> {
    let proc = Utf8PathBuf::from(format!("/proc/{}", cx.server_record()?.pid));
    // A server that is gone leaves its record, and its number to some other process in time.
    let command = fs_err::read(proc.join("cmdline")).ok()?;
    if !command.split(|it| *it == 0).any(|it| it == b"agent") {
        return None;
    }
    let environ = fs_err::read(proc.join("environ")).ok()?;
    let pairs = environ.split(|it| *it == 0).filter_map(|pair| {
        let (name, value) = std::str::from_utf8(pair).ok()?.split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    });
    Some(pairs.collect())
}

/// Makes the check of what keeps a worker from starting.
type Unusable = fn(String, String, String) -> Check;

/// The checks, and whether there is any point in a probe.
pub(super) async fn checks(cx: &Context, config: &Config, worker: &Worker) -> (Vec<Check>, bool) {
    let wanted = config.runtime == name();
    // What nobody uses may be missing.
    let fail: Unusable = if wanted { Check::fail } else { Check::warn };
    let version = match said(worker, &["--version"]).await {
        Ok(version) => version,
        Err(problem) => {
            let seen = format!("{problem}; looked for it in the PATH of {}", worker.from);
            let check =
                fail("claude".to_owned(), seen, "npm install --global @anthropic-ai/claude-code".to_owned());
            return (vec![check], false);
        }
    };
    let mut checks = vec![Check::ok("claude", version.trim())];
    let (account, usable) = account(worker, fail).await;
    checks.push(account);
    checks.extend(permissions(cx, config, worker));
    (checks, usable)
}

async fn account(worker: &Worker, fail: Unusable) -> (Check, bool) {
    let subject = "claude account".to_owned();
    let withheld = if worker.key_withheld {
        format!("; {API_KEY} is set but workers do not see it, since `pass_env` does not name it")
    } else {
        String::new()
    };
    let login = match said(worker, &["auth", "status", "--json"]).await {
        Ok(text) => serde_json::from_str::<Login>(&text).ok(),
        Err(_) => None,
    };
    let Some(login) = login else {
        let seen = format!("this version cannot say which account it would bill{withheld}");
        return (Check::warn(subject, seen, "coord doctor --probe"), true);
    };
    if !login.logged_in {
        let seen = format!("not logged in, in the environment of {}{withheld}", worker.from);
        let cure = if worker.key_withheld {
            format!(
                "claude auth login; or, to be billed per token, name {API_KEY} in runtimes.claude.pass_env"
            )
        } else {
            "claude auth login".to_owned()
        };
        return (fail(subject, seen, cure), false);
    }
    let seen = match &login.api_key_source {
        Some(source) => format!("an API key ({source}), billed per token"),
        None => format!("a login ({}){}{withheld}", login.auth_method, whose(&login)),
    };
    (Check::ok(subject, seen), true)
}

fn whose(login: &Login) -> String {
    let plan = login.subscription_type.as_ref().map(|it| format!("subscription {it}"));
    let parts: Vec<_> = plan.into_iter().chain(login.email.clone()).collect();
    if parts.is_empty() { String::new() } else { format!(", {}", parts.join(" of ")) }
}

fn permissions(cx: &Context, config: &Config, worker: &Worker) -> Vec<Check> {
    let subject = "permissions";
    let mode = worker.config.permission_mode.as_deref().unwrap_or_default();
    let mut checks = Vec::new();
    if mode == "bypassPermissions" {
        let seen = "claude workers ask nobody about anything and may do all that you may, without a sandbox";
        checks.push(Check::warn(subject, seen, format!("permission_mode: acceptEdits in {}", config.path)));
    }
    let open: Vec<_> =
        config.repos.iter().filter(|it| it.permissions.deny.is_empty()).map(|it| it.name.as_str()).collect();
    if !open.is_empty() {
        let seen = format!("nothing is denied to workers on {}", open.join(", "));
        checks.push(Check::warn(subject, seen, format!("remove `deny: []` in {}", config.path)));
    }
    let remote = cx.environment.contains_key("SSH_AUTH_SOCK")
        && worker.config.pass_env.iter().any(|it| it == "SSH_AUTH_SOCK");
    if remote {
        let seen = "workers can use your ssh agent, and push wherever you can";
        checks.push(Check::warn(
            subject,
            seen,
            format!("remove SSH_AUTH_SOCK from `pass_env` in {}", config.path),
        ));
    }
    if checks.is_empty() {
        let seen = format!("{mode}, with a list of what is denied");
        checks.push(Check::ok(subject, seen));
    }
    checks
}

/// What the program prints when it is asked something about itself.
async fn said(worker: &Worker, arguments: &[&str]) -> Result<String, String> {
    let program = &worker.launch.argv[0];
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .envs(&worker.launch.environment)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = match tokio::time::timeout(PATIENCE, command.output()).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => return Err(format!("`{program}` cannot be run: {error}")),
        Err(_) => return Err(format!("`{program} {}` does not answer", arguments.join(" "))),
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // `auth status` fails when nobody is logged in, and still says so.
    if text.trim().is_empty() {
        Err(format!("`{program}` ended with {} and said nothing", output.status))
    } else {
        Ok(text)
    }
}
