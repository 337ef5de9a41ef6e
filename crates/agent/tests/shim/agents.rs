//! The real codex, gemini and opencode go on with a session of an earlier run.
#![expect(clippy::unwrap_used, reason = "a world that cannot be set up is a failed test")]

use coord_core::outcome::Outcome;
use coord_proto::run::Resume;
use coord_testkit::agent::Agent;
use coord_testkit::model::{Model, bash, say};
use coord_testkit::need;

use crate::fixture::{Place, Run};

/// A run of this agent, and the variables that it is to see.
fn run<'a>(place: &'a Place, agent: Agent, passed: &[&str], session: Option<String>) -> Run<'a> {
    let mut run = place.run(1, agent.as_str(), |spec| {
        spec.prompt = format!("coord: run={} kind=work task=api#1 attempt=1\nDo it.\n", spec.run);
        spec.resume = session.map(|session| Resume { session, from: None, prompt: None });
    });
    let command = place.world.command("sh");
    let seen = command.get_envs().filter_map(|(name, value)| Some((name.to_str()?, value?.to_str()?)));
    let seen = seen.filter(|(name, _)| passed.contains(name));
    run.order.environment.extend(seen.map(|(name, value)| (name.to_owned(), value.to_owned())));
    run
}

fn a_session_goes_on(agent: Agent) {
    let Some(program) = need::agent(agent) else { return };
    let mut place = Place::new();
    let model = Model::start();
    let passed = agent.settle(&mut place.world, &model, &program);
    model.on_task("api#1", [bash("echo one"), say("The word is tide."), say("I remember.")]);
    let (first, _) = run(&place, agent, &passed, None).end();
    assert_eq!(first.outcome, Outcome::NoChange, "{first:?}");
    let (second, events) = run(&place, agent, &passed, first.report.session.clone()).end();
    assert_eq!(second.outcome, Outcome::NoChange, "{second:?} {events:?}");
    assert_eq!(second.report.session, first.report.session);
    let asked = model.requests().into_iter().rfind(coord_testkit::model::Request::is_agent).unwrap();
    assert!(asked.body.to_string().contains("The word is tide."), "the conversation is known: {asked}");
    assert!(asked.tool_results().iter().any(|it| it.text.contains("one")), "{asked}");
    model.assert_drained();
    let missing = "00000000-0000-7000-8000-000000000000".to_owned();
    let (lost, _) = run(&place, agent, &passed, Some(missing)).end();
    assert!(matches!(lost.outcome, Outcome::Failed { .. }), "{lost:?}");
}

#[test]
fn codex_goes_on_with_a_session() {
    a_session_goes_on(Agent::Codex);
}

#[test]
fn gemini_goes_on_with_a_session() {
    a_session_goes_on(Agent::Gemini);
}

#[test]
fn opencode_goes_on_with_a_session() {
    a_session_goes_on(Agent::OpenCode);
}
