//! Whether each machine's agent server is what the configuration believes it to be.

use coord_agent::layout::Home;
use coord_agent::shim::contain::survey;
use coord_core::machine::Machine;
use coord_proto::client::{Client, ClientError};
use coord_proto::health::Health;
use coord_proto::problem::ProblemKind;
use futures_util::future::join_all;
use secrecy::SecretString;

use super::Check;
use crate::config::{Config, MachineConfig, is_loopback};
use crate::context::Context;

pub(super) async fn checks(cx: &Context, config: &Config) -> Vec<Check> {
    let all = join_all(config.machines.iter().map(|it| look(cx, config, it))).await;
    let mut checks: Vec<_> = all.into_iter().flatten().collect();
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

/// A machine, and how it keeps runs within their limits, which decides how sure a limit is there.
async fn look(cx: &Context, config: &Config, known: &MachineConfig) -> Vec<Check> {
    let name = &known.machine.name;
    let local = config.here.as_ref() == Some(name);
    let (check, containment) = ask(cx, config, known, local).await;
    // Where nobody answers here, what a command starts is kept as this process could keep it.
    let containment = containment.or_else(|| local.then(survey));
    let contained = containment.map(|it| Check::ok(format!("containment on {name}"), it));
    std::iter::once(check).chain(contained).collect()
}

async fn ask(cx: &Context, config: &Config, known: &MachineConfig, local: bool) -> (Check, Option<String>) {
    let machine = &known.machine;
    let subject = format!("machine {}", machine.name);
    let token = config.token(known, cx);
    // Here the token is the one that our own agent server made, and only another server's is not that one.
    let ours = local && known.token_file.is_none();
    let unmade = ours && !Home::new(cx.home.clone()).token().exists();
    // `/health` needs no token, and one that is missing must not keep us from asking.
    let asking = token.clone().unwrap_or_else(|_| SecretString::from(""));
    let client = match Client::new(&machine.host, machine.port, asking) {
        Ok(client) => client,
        Err(error) => return (Check::fail(subject, chain(error), "coord doctor"), None),
    };
    let health = match client.health().await {
        Ok(health) => health,
        Err(error) => return (silent(&subject, error, local, known, config), None),
    };
    if health.machine != machine.name {
        let seen = format!("the agent server at {} is the one of machine {}", client.url(), health.machine);
        let cure = format!("correct `host` and `port` of {} in {}", machine.name, config.path);
        return (Check::fail(subject, seen, cure), None);
    }
    let check = match token {
        Err(_) if unmade => stranger(subject, &client, known, config, cx),
        Err(problem) => Check::fail(subject, problem.clone(), cure_in(&problem)),
        Ok(_) => match client.repos().await {
            Err(error) if ours && is_unauthorised(&error) => stranger(subject, &client, known, config, cx),
            answer => accepted(subject, &client, &health, answer.err()),
        },
    };
    (check, Some(health.containment).filter(|it| !it.is_empty()))
}

/// Nobody answers as an agent server does.
fn silent(subject: &str, error: ClientError, local: bool, known: &MachineConfig, config: &Config) -> Check {
    match error {
        ClientError::Unreachable { url, .. } if local => Check::ok(
            subject,
            format!("its agent server is not running; it is started at {url} when it is needed"),
        ),
        ClientError::Unreachable { .. } if !local => {
            let Machine { name, host, .. } = &known.machine;
            let cure = if is_loopback(host) {
                format!("coord agent --machine {name}")
            } else {
                format!("on {host}: coord agent --machine {name} --host {host}")
            };
            Check::fail(subject, chain(error), cure)
        }
        ClientError::Unreachable { .. } | ClientError::Refused(_) | ClientError::Foreign { .. } => {
            Check::fail(subject, chain(error), foreign_cure(known, config))
        }
    }
}

/// An agent server of ours answers, but of another `COORD_HOME`.
fn stranger(subject: String, client: &Client, known: &MachineConfig, config: &Config, cx: &Context) -> Check {
    let seen = format!("the agent server at {} is not the one of {}", client.url(), cx.home);
    Check::fail(subject, seen, foreign_cure(known, config))
}

fn is_unauthorised(error: &ClientError) -> bool {
    matches!(error, ClientError::Refused(problem) if problem.kind == ProblemKind::Unauthorized)
}

fn accepted(subject: String, client: &Client, health: &Health, refusal: Option<ClientError>) -> Check {
    let ours = env!("CARGO_PKG_VERSION");
    let Health { version, slots, live, .. } = health;
    match refusal {
        None if version != ours => {
            let seen = format!("its agent server is version {version}, and this is {ours}");
            Check::warn(subject, seen, "restart it with this version; its workers go on")
        }
        None => Check::ok(
            subject,
            format!("version {version} at {}, {live} of {slots} workers busy", client.url()),
        ),
        Some(error) if is_unauthorised(&error) => {
            let seen = "its agent server does not accept our token";
            Check::fail(subject, seen, "copy $COORD_HOME/agent/token from there into `token_file`, mode 600")
        }
        Some(error) => Check::fail(subject, chain(error), "coord agent"),
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
