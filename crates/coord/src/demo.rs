//! `coord demo`
use crate::{context::Context, error::CliError, ui::Ui};
/// x
#[derive(Debug, clap::Args)]
pub struct Args {}
pub async fn run(_: &Args, _: &Context, _: &Ui) -> Result<(), CliError> { Ok(()) }
