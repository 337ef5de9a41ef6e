//! The runtime `command`: one command line, which is how tests are run.

use coord_core::run::RunKind;
use coord_proto::run::RunSpec;

use super::{Launch, Plain, Reader, Runtime, Unlaunchable};
use crate::order::{Order, RuntimeConfig};

/// A command line for the shell.
#[derive(Debug)]
pub(super) struct Command;

impl Runtime for Command {
    fn name(&self) -> &'static str {
        "command"
    }

    fn about(&self) -> &'static str {
        "The runtime that runs `build_command` and `test_command`."
    }

    fn settings(&self) -> RuntimeConfig {
        RuntimeConfig::default()
    }

    fn does_tasks(&self, _: &RuntimeConfig) -> bool {
        false
    }

    fn program<'a>(&self, spec: &'a RunSpec, _: &'a RuntimeConfig) -> Result<&'a str, Unlaunchable> {
        match spec.command {
            Some(_) => Ok("sh"),
            None => {
                Err(Unlaunchable("the runtime `command` needs a command, and the run has none".to_owned()))
            }
        }
    }

    fn launch(&self, order: &Order) -> Result<Launch, Unlaunchable> {
        let command = order.spec.command.clone();
        let command = command.ok_or_else(|| Unlaunchable("the order names no command".to_owned()))?;
        Ok(Launch::shell(order, command))
    }

    fn may_be_silent(&self) -> bool {
        true
    }

    fn reader(&self, _: RunKind) -> Box<dyn Reader> {
        Box::new(Plain)
    }
}
