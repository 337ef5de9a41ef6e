//! Whether a worker could start, as which account it would be billed, and what it may do.
//!
//! Everything is asked of the program itself, with the very environment that a worker would have: what this
//! shell could do is beside the point.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use camino::Utf8PathBuf;
use coord_agent::order::{Order, RuntimeConfig};
use coord_agent::runtime::{Inquiry, Launch, Login, Runtime};
use coord_core::limits::RunLimits;
use coord_core::name::CommitSha;
use coord_core::repo::Permissions;
use coord_core::run::RunKind;
use coord_core::task::TaskRef;
use coord_proto::run::{Checkout, RunSpec};
use tokio::process::Command;

use super::Check;
use crate::config::Config;
use crate::context::Context;

/// How long the program may take to say what it is.
const PATIENCE: Duration = Duration::from_secs(20);

/// A worker as it would be started.
pub(super) struct Worker {
    pub(super) kind: &'static dyn Runtime,
    pub(super) launch: Launch,
    config: RuntimeConfig,
    inquiry: &'static Inquiry,
    /// Whether the agent server would have an API key that it keeps to itself.
    key_withheld: bool,
    /// Whose environment it is.
    from: &'static str,
}

impl Worker {
    /// How a login that is not accepted becomes one that is.
    pub(super) fn to_log_in(&self) -> String {
        let Inquiry { api_key, log_in, .. } = self.inquiry;
        if self.launch.environment.contains_key(*api_key) {
            format!(
                "set a valid {api_key} in the environment of {}, or take it out of runtimes.{}.pass_env",
                self.from,
                self.kind.name()
            )
        } else {
            (*log_in).to_owned()
        }
    }

    /// Whether it is what does the work unless somebody says otherwise.
    fn is_wanted(&self, config: &Config) -> bool {
        config.runtime.as_str() == self.kind.name()
    }
}

/// The command line and environment of a worker that is asked one tiny question; `None` of a runtime that is nothing
/// but a shell.
pub(super) fn worker(cx: &Context, config: &Config, kind: &'static dyn Runtime) -> Option<Worker> {
    let inquiry = kind.inquiry()?;
    let runtime = config.runtimes.of(kind).clone();
    let (base, from) = match server_environment(cx) {
        Some(environment) => (environment, "the running agent server"),
        None => (cx.environment.clone(), "this shell, which would start the agent server"),
    };
    let environment = coord_agent::environment::reduce(&base, &runtime.pass_env);
    let order = order(cx, config, kind, runtime.clone(), environment);
    let launch = kind.launch(&order).expect("an order of an agent lacks nothing");
    let key_withheld =
        base.contains_key(inquiry.api_key) && !launch.environment.contains_key(inquiry.api_key);
    Some(Worker { kind, launch, config: runtime, inquiry, key_withheld, from })
}

fn order(
    cx: &Context,
    config: &Config,
    kind: &dyn Runtime,
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
        runtime: kind.name().parse().expect("runtimes have names that are runtime names"),
        model: kind.has_our_models().then(|| config.models.default.clone()),
        base_branch: repo.default_branch.clone(),
        branch: repo.default_branch.clone(),
        checkout: Checkout::Base,
        prompt: "coord: probe\n\nUse no tools. Answer with the single word ok.".to_owned(),
        command: None,
        setup: None,
        permissions: Permissions::default(),
        sandbox: coord_core::sandbox::Sandbox::default(),
        deadline_seconds: config.limits.longest().as_secs(),
        resume: None,
        restore: None,
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
        sandbox: None,
        environment,
        reporter: None,
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

/// The checks, and whether there is any point in a probe. What nobody uses may be missing.
pub(super) async fn checks(cx: &Context, config: &Config, worker: &Worker) -> (Vec<Check>, bool) {
    let wanted = worker.is_wanted(config);
    let fail: Unusable = if wanted { Check::fail } else { Check::warn };
    let name = worker.kind.name();
    let version = match said(worker, &["--version"]).await {
        Ok(version) => version,
        Err(_) if !wanted => return (Vec::new(), false),
        Err(problem) => {
            let seen = format!("{problem}; looked for it in the PATH of {}", worker.from);
            return (vec![fail(name.to_owned(), seen, worker.inquiry.install.to_owned())], false);
        }
    };
    let mut checks = vec![Check::ok(name, version.trim())];
    let (account, usable) = account(worker, fail).await;
    checks.push(account);
    if wanted {
        checks.extend(permissions(cx, config, worker));
    }
    (checks, usable)
}

async fn account(worker: &Worker, fail: Unusable) -> (Check, bool) {
    let Inquiry { api_key, log_in, login, read_login, .. } = worker.inquiry;
    let name = worker.kind.name();
    let subject = format!("{name} account");
    let withheld = if worker.key_withheld {
        format!("; {api_key} is set but workers do not see it, since `pass_env` does not name it")
    } else {
        String::new()
    };
    let told = if login.is_empty() { Err(String::new()) } else { said(worker, login).await };
    let has_key = worker.launch.environment.contains_key(*api_key);
    match told.ok().and_then(|it| read_login(&it)) {
        Some(Login::Somebody(who)) if has_key => (Check::ok(subject, who), true),
        Some(Login::Somebody(who)) => (Check::ok(subject, format!("{who}{withheld}")), true),
        Some(Login::Nobody) => {
            let seen = format!("not logged in, in the environment of {}{withheld}", worker.from);
            let cure = if worker.key_withheld {
                format!("{log_in}; or, to be billed per token, name {api_key} in runtimes.{name}.pass_env")
            } else {
                (*log_in).to_owned()
            };
            (fail(subject, seen, cure), false)
        }
        None if has_key => (Check::ok(subject, format!("an API key ({api_key}), billed per token")), true),
        None => {
            let seen = format!("{name} does not say which account it would bill{withheld}");
            (Check::warn(subject, seen, "coord doctor --probe"), true)
        }
    }
}

fn permissions(cx: &Context, config: &Config, worker: &Worker) -> Vec<Check> {
    let subject = "permissions";
    let name = worker.kind.name();
    let Inquiry { unguarded, heeds_rules, .. } = worker.inquiry;
    let mode = worker.config.permission_mode.as_deref();
    let mut checks = Vec::new();
    if mode.is_some() && mode == *unguarded {
        let seen = format!(
            "{name} workers ask nobody about anything and may do all that you may, without a sandbox"
        );
        let usual = worker.kind.settings().permission_mode.unwrap_or_default();
        checks.push(Check::warn(subject, seen, format!("permission_mode: {usual} in {}", config.path)));
    }
    let open: Vec<_> =
        config.repos.iter().filter(|it| it.permissions.deny.is_empty()).map(|it| it.name.as_str()).collect();
    if *heeds_rules && !open.is_empty() {
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
        let mode = mode.unwrap_or("what its own configuration allows");
        let rules = if *heeds_rules {
            "with a list of what is denied"
        } else {
            "and `worker_permissions` do nothing here"
        };
        checks.push(Check::ok(subject, format!("{mode}, {rules}")));
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
    // Some say that nobody is logged in where complaints go, and all fail with it.
    let text = if output.stdout.is_empty() { &output.stderr } else { &output.stdout };
    let text = String::from_utf8_lossy(text).into_owned();
    if text.trim().is_empty() {
        Err(format!("`{program}` ended with {} and said nothing", output.status))
    } else {
        Ok(text)
    }
}
