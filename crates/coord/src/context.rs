//! What a command knows of its surroundings. It is gathered once, in `main`, and is data ever after.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use coord_agent::layout::Home;
use coord_agent::server::ServerRecord;

use crate::config::{Config, ConfigError};
use crate::error::{CliError, ErrorKind};

/// The name of the configuration file.
pub const CONFIG_FILE: &str = "coordinator.yml";

/// What a command knows of its surroundings.
#[derive(Debug, Clone)]
pub struct Context {
    /// `--config`.
    pub config_flag: Option<Utf8PathBuf>,
    /// `COORD_HOME`, an absolute path.
    pub home: Utf8PathBuf,
    /// Where the command was started.
    pub cwd: Utf8PathBuf,
    /// The user's home directory, where there is one.
    pub user_home: Option<Utf8PathBuf>,
    /// What the machine calls itself.
    pub host_name: String,
    /// This program.
    pub program: Utf8PathBuf,
    /// The environment.
    pub environment: BTreeMap<String, String>,
    /// Whether somebody is there to be asked: standard input and standard error are terminals.
    pub interactive: bool,
}

impl Context {
    /// The configuration that is in force.
    ///
    /// # Errors
    /// When there is none, or it cannot be used.
    pub fn config(&self) -> Result<Config, CliError> {
        let Some(path) = self.config_path() else {
            let places = format!("in {}, the directories above it or {}", self.cwd, self.home);
            return Err(CliError::new(
                ErrorKind::ConfigMissing,
                format!("there is no {CONFIG_FILE} {places}"),
            )
            .hint(self.how_to_init()));
        };
        match Config::load(&path, self) {
            Ok(config) => Ok(config),
            Err(error @ ConfigError::Missing { .. }) => {
                Err(CliError::new(ErrorKind::ConfigMissing, error.to_string()).hint(self.how_to_init()))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// What the agent server of this `COORD_HOME` said of itself when it was last started, if ever it was.
    #[must_use]
    pub fn server_record(&self) -> Option<ServerRecord> {
        let record = fs_err::read(Home::new(self.home.clone()).server_record()).ok()?;
        serde_json::from_slice(&record).ok()
    }

    /// Where the configuration in force is: `--config`; or else here, in a directory above, or in `COORD_HOME`.
    #[must_use]
    pub fn config_path(&self) -> Option<Utf8PathBuf> {
        if let Some(path) = &self.config_flag {
            return Some(self.cwd.join(path));
        }
        let candidates = self.cwd.ancestors().chain([self.home.as_path()]).map(|it| it.join(CONFIG_FILE));
        candidates.into_iter().find(|it| it.is_file())
    }

    /// A path as somebody may type it, made absolute.
    #[must_use]
    pub fn absolute(&self, path: &Utf8Path) -> Utf8PathBuf {
        match (path.strip_prefix("~"), &self.user_home) {
            (Ok(rest), Some(home)) => home.join(rest),
            (Ok(_) | Err(_), _) => self.cwd.join(path),
        }
    }

    fn how_to_init(&self) -> String {
        let flag = self.config_flag.as_ref().map_or(String::new(), |it| format!(" --config {it}"));
        let yes = if self.interactive { "" } else { " --yes" };
        format!("`coord init{yes}{flag}` writes one")
    }
}
