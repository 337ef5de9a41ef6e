//! The runtime `command`: a command line. Tests run as one that the run brings; tasks are done by any program whose
//! command line the configuration has, as [`super::template`] describes it.
//!
//! Such a program gets the prompt on its standard input or in a file, and works and commits in its directory. What it
//! prints are its own words, so it can report with `STATUS:` and `STUCK:`; how it went is told by its exit status and
//! by git.

use coord_core::run::RunKind;
use coord_proto::run::RunSpec;

use super::script::Reader as Spoken;
use super::template::{self, Placeholder};
use super::{Launch, Plain, Reader, Runtime, Unlaunchable};
use crate::layout::Home;
use crate::order::{Order, RuntimeConfig};

/// A command line.
#[derive(Debug)]
pub(super) struct Command;

impl Runtime for Command {
    fn name(&self) -> &'static str {
        "command"
    }

    fn about(&self) -> &'static str {
        "Any program; and what runs `build_command` and `test_command`."
    }

    fn settings(&self) -> RuntimeConfig {
        RuntimeConfig { argv: Some(Vec::new()), model: Some(String::new()), ..RuntimeConfig::default() }
    }

    fn does_tasks(&self, config: &RuntimeConfig) -> bool {
        config.argv.as_ref().is_some_and(|it| !it.is_empty())
    }

    fn program<'a>(&self, spec: &'a RunSpec, config: &'a RuntimeConfig) -> Result<&'a str, Unlaunchable> {
        if spec.command.is_some() {
            return Ok("sh");
        }
        let program = config.argv.as_ref().filter(|_| spec.kind.is_agent_work()).and_then(|it| it.first());
        program.map(String::as_str).ok_or_else(|| {
            let what = "the runtime `command` needs a command, and the run has none";
            let cure = "`runtimes.command.argv` is what does tasks";
            Unlaunchable(if spec.kind.is_agent_work() { format!("{what}: {cure}") } else { what.to_owned() })
        })
    }

    fn launch(&self, order: &Order) -> Result<Launch, Unlaunchable> {
        if let Some(command) = &order.spec.command {
            return Ok(Launch::shell(order, command.clone()));
        }
        self.program(&order.spec, &order.runtime)?;
        let template = order.runtime.argv.as_deref().unwrap_or_default();
        let asks = |placeholder| template.iter().any(|it| template::names(it, placeholder));
        let model = super::model(order);
        if asks(Placeholder::Model) && model.is_none() {
            let what = "`runtimes.command.argv` asks for a model, and there is none: \
                        `coord assign --model` names one, and so does `runtimes.command.model`";
            return Err(Unlaunchable(what.to_owned()));
        }
        let prompt_file = Home::new(&*order.home).run(order.spec.run).prompt();
        let argv = template.iter().map(|it| {
            template::fill(it, |place| match place {
                Placeholder::Model => model.unwrap_or_default(),
                Placeholder::PromptFile => prompt_file.as_str(),
            })
        });
        let argv = argv.collect();
        let (prompt, environment) = (order.spec.prompt.clone(), order.environment.clone());
        if asks(Placeholder::PromptFile) {
            let launch = Launch::unattended(argv, String::new(), environment);
            return Ok(Launch { files: vec![(prompt_file, prompt)], ..launch });
        }
        Ok(Launch::unattended(argv, prompt, environment))
    }

    fn may_be_silent(&self) -> bool {
        true
    }

    fn reader(&self, kind: RunKind) -> Box<dyn Reader> {
        if kind.is_agent_work() { Box::<Spoken>::default() } else { Box::new(Plain) }
    }
}
