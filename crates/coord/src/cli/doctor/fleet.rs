//! Whether each machine's agent server is what the configuration believes it to be.

use coord_agent::layout::Home;
use coord_proto::client::{Client, ClientError};
use coord_proto::health::Health;
use coord_proto::problem::ProblemKind;
use futures_util::future::join_all;
use secrecy::SecretString;

use super::Check;
use crate::config::{Config, MachineConfig};
use crate::context::Context;

pub(super) async fn checks(cx: &Context, config: &Config) -> Vec<Check> {
    let all = join_all(config.machines.iter().map(|it| look(cx, config, it))).await;
    let mut checks: Vec<_> = all.into_iter().collect();
    if config.here.is_none() {
        let names: Vec<_> = config.machines.iter().map(|it| it.machine.name.as_str()).collect();
        let seen = format!("this host is called {}, which is none of {}", cx.host_name, names.join(", "));
        let cure = format!(
            "if one of them is this one, name it so in {}, or start `coord agent --machine NAME`",
            config.path
        );
        checks.push(Check::warn("this machine", seen, cure));
    }
    checks
}

async fn look(cx: &Context, config: &Config, known: &MachineConfig) -> Check {
    let machine = &known.machine;
    let subject = format!("machine {}", machine.name);
    let local = config.here.as_ref() == Some(&machine.name);
    let token = config.token(known, cx);
    let unmade = local && known.token_file.is_none() && !Home::new(cx.home.clone()).token().exists();
    // `/health` needs no token, and one that is missing must not keep us from asking.
    let asking = token.clone().unwrap_or_else(|_| SecretString::from(""));
    let client = match Client::new(&machine.host, machine.port, asking) {
        Ok(client) => client,
        Err(error) => return Check::fail(subject, chain(error), "coord doctor"),
    };
    let health = match client.health().await {
        Ok(health) => health,
        Err(error) => return silent(&subject, error, local, known, config),
    };
    if health.machine != machine.name {
        let seen = format!("the agent server at {} is the one of machine {}", client.url(), health.machine);
        return Check::fail(
            subject,
            seen,
            format!("correct `host` and `port` of {} in {}", machine.name, config.path),
        );
    }
    match token {
        Err(problem) if unmade => Check::fail(subject, problem, foreign_cure(known, config)),
        Err(problem) => Check::fail(subject, problem.clone(), cure_in(&problem)),
        Ok(_) => accepted(subject, &client, &health).await,
    }
}

/// Nobody answers as an agent server does.
fn silent(subject: &str, error: ClientError, local: bool, known: &MachineConfig, config: &Config) -> Check {
    match error {
        ClientError::Unreachable { url, .. } if local => Check::ok(
            subject,
            format!("its agent server is not running; it is started at {url} when it is needed"),
        ),
        ClientError::Unreachable { .. } if !local => {
            let name = &known.machine.name;
            let cure = format!(
                "on {}: coord agent --machine {name} --host {}",
                known.machine.host, known.machine.host
            );
            Check::fail(subject, chain(error), cure)
        }
        ClientError::Unreachable { .. } | ClientError::Refused(_) | ClientError::Foreign { .. } => {
            Check::fail(subject, chain(error), foreign_cure(known, config))
        }
    }
}

async fn accepted(subject: String, client: &Client, health: &Health) -> Check {
    let ours = env!("CARGO_PKG_VERSION");
    let Health { version, slots, live, .. } = health;
    match client.repos().await {
        Ok(_) if version != ours => {
            let seen = format!("its agent server is version {version}, and this is {ours}");
            Check::warn(subject, seen, "restart it with this version; its workers go on")
        }
        Ok(_) => Check::ok(
            subject,
            format!("version {version} at {}, {live} of {slots} workers busy", client.url()),
        ),
        Err(ClientError::Refused(problem)) if problem.kind == ProblemKind::Unauthorized => {
            let seen = "its agent server does not accept our token";
            Check::fail(subject, seen, "copy $COORD_HOME/agent/token from there into `token_file`, mode 600")
        }
        Err(error) => Check::fail(subject, chain(error), "coord agent"),
    }
}

fn foreign_cure(known: &MachineConfig, config: &Config) -> String {
    let name = &known.machine.name;
    format!(
        "stop what listens on port {}, or give {name} another `port` in {}",
        known.machine.port, config.path
    )
}

/// Where a problem names the command that cures it, that command.
fn cure_in(problem: &str) -> String {
    problem
        .split('`')
        .find(|it| it.starts_with("chmod "))
        .unwrap_or("chmod 600 the token file, or copy it anew")
        .to_owned()
}

fn chain(error: ClientError) -> String {
    format!("{:#}", anyhow::Error::from(error))
}
