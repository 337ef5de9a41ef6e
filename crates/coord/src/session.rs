//! An engine for a command, and an agent server for it to speak to.
//!
//! A single machine needs nothing but the binary: a command that needs the agent server of this machine starts
//! it in the background, and says so.

use std::sync::Arc;

use coord_agent::layout::Home;
use coord_core::name::MachineName;
use coord_core::run::Run;
use coord_engine::Engine;

use crate::background::{Attendance, Background, Reached};
use crate::context::Context;
use crate::error::{CliError, ErrorKind};
use crate::ui::Ui;

/// An engine, and what its commands leave running.
pub struct Session {
    /// Everything that can be asked for.
    pub engine: Engine,
    background: Arc<Background>,
}

impl Session {
    /// Opens the board that the configuration in force describes. Runs that are left in its queue are looked after
    /// by a process that outlives the command.
    ///
    /// # Errors
    /// When there is no configuration, or the board cannot be opened.
    pub async fn open(cx: &Context) -> Result<Self, CliError> {
        Self::attended(cx, Attendance::LeftBehind).await
    }

    /// The same, for who says who looks after the queue.
    ///
    /// # Errors
    /// As [`Session::open`].
    pub async fn attended(cx: &Context, attendance: Attendance) -> Result<Self, CliError> {
        let config = cx.config()?;
        let background = Background::new(config.clone(), cx, attendance);
        if config.here.is_some() {
            // The local agent server may never have run; its token is made by whoever comes first.
            let hint = "`coord doctor` looks at COORD_HOME and what is in it";
            background.make_place().map_err(|error| {
                CliError::new(ErrorKind::ConfigInvalid, format!("COORD_HOME cannot be {}", cx.home))
                    .because(error)
                    .hint("set COORD_HOME to a directory that you may write to")
                    .hint(hint)
            })?;
            coord_agent::token::load_or_make(&Home::new(cx.home.clone()).token()).map_err(|error| {
                CliError::new(ErrorKind::Unauthorised, "cannot use the agent server's token")
                    .because(error)
                    .hint(hint)
            })?;
        }
        let background = Arc::new(background);
        let engine = Engine::open(config.settings(cx), &cx.environment).await?;
        Ok(Self { engine: engine.with_caretaker(background.clone()), background })
    }

    /// Makes sure that the agent server of `machine` answers, starting it if it is this machine's.
    ///
    /// # Errors
    /// When it does not answer and cannot be started from here.
    pub async fn reach(&self, machine: &MachineName, ui: &Ui) -> Result<(), CliError> {
        let client = self.engine.client(machine)?;
        match self.background.reach(machine, &client).await? {
            Reached::Answered => {}
            Reached::Started => {
                ui.talk(&format!("started the agent server of this machine ({machine}) in the background"));
            }
        }
        Ok(())
    }

    /// Makes sure that the agent server which knows `run` answers, where it is this machine's: after a reboot
    /// its runs are looked after again as soon as somebody asks for one. Others are asked as they are.
    ///
    /// # Errors
    /// When it is this machine's and cannot be started.
    pub async fn wake(&self, run: &Run, ui: &Ui) -> Result<(), CliError> {
        match run.machine() {
            Some(machine) if self.background.is_here(machine) => self.reach(machine, ui).await,
            Some(_) | None => Ok(()),
        }
    }

    /// The right to look after the queue in the background, for as long as the file is kept; `None` while another
    /// process has it.
    ///
    /// # Errors
    /// When the lock cannot be had for another reason.
    pub fn only_attendant(&self) -> std::io::Result<Option<fs_err::File>> {
        self.background.only_attendant()
    }

    /// Ends the agent server that [`Session::reach`] started, if it did, and waits until it has gone.
    ///
    /// # Errors
    /// When it cannot be told, or does not go.
    pub async fn stop_agent(&self) -> Result<(), CliError> {
        self.background.stop_agent().await
    }
}
