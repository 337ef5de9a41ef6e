//! Keys that matter where a repo is on GitHub.

use std::collections::BTreeSet;
use std::num::NonZeroU64;

use coord_core::forge::Association;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// How GitHub is reached, and as whom. Without `app`, the credential is what `GITHUB_TOKEN` holds, or else
/// `token_file`, or else the GitHub CLI (`gh auth token`).
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct GitHubEntry {
    /// Where its API is. Default: what `GITHUB_API_URL` says, or else `https://api.github.com`.
    pub api_url: Option<String>,
    /// A file of mode 600 that holds a token. Default: none.
    pub token_file: Option<String>,
    /// An installed GitHub App to speak as, before every other credential. Default: none.
    pub app: Option<AppEntry>,
}

/// An installed GitHub App.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct AppEntry {
    /// The id of the App.
    pub id: NonZeroU64,
    /// A file of mode 600 that holds its private key, PEM.
    pub key_file: String,
    /// The id of its installation in the account that owns the repos.
    pub installation: NonZeroU64,
}

/// What the rules of a default branch ask for.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct ProtectionEntry {
    /// Checks that must pass on the head of a pull request. Default: none.
    pub checks: BTreeSet<String>,
    /// Whether they must have passed on a head that contains the tip of the branch. Default: false.
    pub strict: bool,
    /// How many people must approve. Default: 0.
    pub approvals: u32,
    /// Whether commits reach the branch through pull requests only. Default: false.
    pub pull_request_only: bool,
}

/// Which issues may become work.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct IssuesEntry {
    /// Whose issues may be assigned without `--trust`, by what GitHub says of their authors. Default: OWNER, MEMBER,
    /// COLLABORATOR.
    #[serde(deserialize_with = "associations")]
    #[schemars(schema_with = "associations_schema")]
    pub trusted: BTreeSet<Association>,
}

impl Default for IssuesEntry {
    fn default() -> Self {
        Self { trusted: Association::TRUSTED.into() }
    }
}

/// What GitHub may say of an author.
const ASSOCIATIONS: [Association; 8] = [
    Association::Owner,
    Association::Member,
    Association::Collaborator,
    Association::Contributor,
    Association::FirstTimeContributor,
    Association::FirstTimer,
    Association::Mannequin,
    Association::None,
];

/// A word that GitHub never says is a mistake here, although it is none in what GitHub itself says.
fn associations<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeSet<Association>, D::Error> {
    let words = Vec::<String>::deserialize(deserializer)?;
    let known = |word: String| {
        ASSOCIATIONS.into_iter().find(|it| it.as_str() == word).ok_or_else(|| {
            let all = ASSOCIATIONS.map(|it| format!("`{it}`")).join(", ");
            D::Error::custom(format_args!("unknown variant `{word}`, expected one of {all}"))
        })
    };
    words.into_iter().map(known).collect()
}

fn associations_schema(_: &mut SchemaGenerator) -> Schema {
    let words = ASSOCIATIONS.map(Association::as_str);
    json_schema!({ "type": "array", "items": { "enum": words }, "uniqueItems": true })
}
