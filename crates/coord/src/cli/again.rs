//! What `retry`, `fix` and `resume-stuck` have in common: a change is gone on with, in the session that it was worked
//! on in wherever that can be had.

use coord_core::again::Aim;
use coord_core::claim::Said;
use coord_core::name::MachineName;
use coord_engine::again::Asked;
use coord_engine::assign::Otherwise;

use crate::cli::assign;
use crate::context::Context;
use crate::error::CliError;
use crate::session::Session;
use crate::ui::Ui;

/// How a change is gone on with.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct How {
    /// A task, or the last of its runs
    id: String,

    /// The machine; otherwise the one that it was on, if that answers
    #[arg(long)]
    machine: Option<MachineName>,

    /// The model, instead of the one that it had
    #[arg(long)]
    model: Option<String>,

    /// Begin a new session, with a summary and the diff, although the old one may be had
    #[arg(long)]
    fresh: bool,

    /// Do it although as many attempts have failed as may (`limits.attempts`)
    #[arg(long)]
    force: bool,

    /// Do it although somebody else has a claim to it, and say why
    #[arg(long, value_name = "REASON", allow_hyphen_values = true)]
    take: Option<String>,

    /// Do it although its author is not among those trusted; read it first
    #[arg(long)]
    trust: bool,

    /// Only say what would be done, with every reason why it could not
    #[arg(long)]
    dry_run: bool,

    /// Watch the worker until it has finished
    #[arg(short, long)]
    watch: bool,

    /// Refuse it when it cannot start now; otherwise it is queued, and starts by itself
    #[arg(long)]
    no_queue: bool,
}

impl How {
    /// Goes on with it.
    ///
    /// # Errors
    /// When there is nothing to go on with, something is in the way, or the machine does not answer.
    pub async fn perform(
        &self,
        aim: Aim,
        guidance: Option<&str>,
        cx: &Context,
        ui: &Ui,
    ) -> Result<(), CliError> {
        let session = Session::open(cx).await?;
        let last = session.engine.resolve_run(&self.id, None).await?;
        session.wake(&last, ui).await?;
        if aim == Aim::Unstick && !self.dry_run {
            self.end_what_is_stuck(&session, ui).await?;
        }
        let asked = Asked {
            aim,
            machine: self.machine.clone(),
            model: self.model.clone(),
            guidance: guidance.map(str::to_owned),
            fresh: self.fresh,
            force: self.force,
            said: Said { take: self.take.clone(), trust: self.trust },
        };
        let plan = session.engine.plan_again(&self.id, asked).await?;
        if self.dry_run {
            return assign::show(&plan, ui);
        }
        let otherwise = if self.no_queue { Otherwise::Refuse } else { Otherwise::Queue };
        assign::give_out(&session, plan, otherwise, self.watch, ui).await
    }

    async fn end_what_is_stuck(&self, session: &Session, ui: &Ui) -> Result<(), CliError> {
        if let Some(stuck) = session.engine.stuck_run(&self.id).await? {
            let stopped = session.engine.stop(stuck.id).await?;
            ui.talk(&format!("stopped run {}, which is stuck", stopped.id));
        }
        Ok(())
    }
}
