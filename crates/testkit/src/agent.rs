//! The other real agents beside claude, in the versions that `tests/agents/<name>/package-lock.json` pin.
//!
//! `tests/agents/install` is the one place that knows how to install them, into the git-ignored `tests/tools`;
//! `tests/run` calls it up front, and a test that is run on its own calls it here.

use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::json;

use crate::model::Model;
use crate::world::World;

/// Which agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agent {
    /// Codex.
    Codex,
    /// The Gemini CLI.
    Gemini,
    /// opencode.
    OpenCode,
}

impl Agent {
    /// What its program is called.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Codex => "codex",
            Self::Gemini => "gemini",
            Self::OpenCode => "opencode",
        }
    }

    /// Puts its program into a world, set up so that it asks `model` and nobody else; the variables that it has to
    /// see for that.
    pub fn settle(self, world: &mut World, model: &Model, program: &Utf8Path) -> Vec<&'static str> {
        world.install(self.as_str(), program);
        let url = model.url();
        let variables = match self {
            Self::Codex => {
                world.write(
                    "home/.codex/config.toml",
                    &format!(
                        "model = \"gpt-5.5\"\nmodel_provider = \"loop\"\n[model_providers.loop]\nname = \"loop\"\n\
                         base_url = \"{url}/v1\"\nwire_api = \"responses\"\nenv_key = \"LOOP_KEY\"\n"
                    ),
                );
                vec![("LOOP_KEY", "dummy".to_owned())]
            }
            Self::Gemini => {
                // It tries ten times, which is five minutes.
                let general = json!({ "enableAutoUpdate": false, "maxAttempts": 2 });
                let settings = json!({
                    "security": { "auth": { "selectedType": "gemini-api-key" } },
                    "privacy": { "usageStatisticsEnabled": false },
                    "general": general,
                    "model": { "name": "gemini-2.5-pro" },
                });
                world.write("home/.gemini/settings.json", &settings.to_string());
                vec![("GEMINI_API_KEY", "dummy".to_owned()), ("GOOGLE_GEMINI_BASE_URL", url)]
            }
            Self::OpenCode => {
                let limit = json!({ "context": 200_000, "output": 8000 });
                let provider = json!({
                    "npm": "@ai-sdk/openai-compatible", "name": "loop",
                    "options": { "baseURL": format!("{url}/v1"), "apiKey": "dummy" },
                    "models": { "test": { "name": "Test", "limit": limit } },
                });
                let settings = json!({
                    "autoupdate": false, "share": "disabled", "model": "loop/test", "small_model": "loop/test",
                    "provider": { "loop": provider },
                });
                world.write("home/.config/opencode/opencode.json", &settings.to_string());
                // Without these it asks its maker for lists and plug-ins first.
                vec![
                    ("OPENCODE_DISABLE_MODELS_FETCH", "1".to_owned()),
                    ("OPENCODE_DISABLE_LSP_DOWNLOAD", "1".to_owned()),
                    ("OPENCODE_DISABLE_DEFAULT_PLUGINS", "1".to_owned()),
                ]
            }
        };
        let names = variables.iter().map(|(name, _)| *name).collect();
        world.set_all(variables);
        names
    }

    /// The path of its program, installed if need be; otherwise why it cannot be had.
    ///
    /// # Errors
    /// The reason, for the list of tests that did not run.
    pub fn installed(self) -> Result<Utf8PathBuf, String> {
        let name = self.as_str();
        let root = crate::workspace();
        let tools = root.join("tests/tools");
        let prepare = || -> std::io::Result<fs_err::File> {
            fs_err::create_dir_all(&tools)?;
            // Tests run side by side; the first installs and the others wait here. The lock goes with the file.
            let lock = fs_err::File::create(tools.join(format!("{name}.lock")))?;
            lock.file().lock()?;
            Ok(lock)
        };
        let lock = prepare().map_err(|error| format!("no place for {name}: {error}"))?;
        let install = root.join("tests/agents/install");
        let output = Command::new(&install).arg(name).stdin(Stdio::null()).output();
        let output = output.map_err(|error| format!("cannot run {install}: {error}"))?;
        drop(lock);
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{name} cannot be installed: {}", said.trim()));
        }
        Ok(Utf8PathBuf::from(String::from_utf8_lossy(&output.stdout).trim_end()))
    }
}
