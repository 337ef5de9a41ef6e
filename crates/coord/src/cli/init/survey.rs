//! What `init` can see by itself: the repos around, how each is built and tested, what this machine can do.
//!
//! Everything here is a proposal; nothing is run but `git` and `pkg-config`, and nothing is written.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use coord_core::name::{BranchName, GitHubRepo, RepoName};
use coord_git::adopt::ignored_files;
use coord_git::clone::{CloneError, default_branch_of, is_empty, origin_of};
use coord_git::program::Git;

use super::github;
use crate::config::api_url::ApiUrl;
use crate::context::Context;

/// What is seen of a repo.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) path: Utf8PathBuf,
    pub(super) name: String,
    pub(super) origin: Option<String>,
    /// Which repository on GitHub its origin is.
    pub(super) github: Option<GitHubRepo>,
    pub(super) default_branch: BranchName,
    pub(super) empty: bool,
    pub(super) commands: Commands,
    /// Ignored files that work may need and a new worktree would lack.
    pub(super) lacking: Vec<Utf8PathBuf>,
}

/// How a repo is built and tested.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Commands {
    pub(super) setup: Option<String>,
    pub(super) build: Option<String>,
    pub(super) test: Option<String>,
}

/// The clones that are here, right below, or under `~/src`.
pub(super) fn clones(cx: &Context) -> Vec<Utf8PathBuf> {
    let around = cx.cwd.ancestors().find(|it| is_clone(it)).map(Utf8Path::to_owned);
    let below = if around.is_none() { children(&cx.cwd) } else { Vec::new() };
    let sources = cx.user_home.as_ref().map(|it| children(&it.join("src"))).unwrap_or_default();
    let mut seen = BTreeSet::new();
    let all = around.into_iter().chain(below).chain(sources).filter(|it| is_clone(it));
    all.filter(|it| seen.insert(it.canonicalize_utf8().unwrap_or_else(|_| it.clone()))).collect()
}

fn is_clone(path: &Utf8Path) -> bool {
    path.join(".git").exists() && coord_git::clone::is_repo(path)
}

fn children(dir: &Utf8Path) -> Vec<Utf8PathBuf> {
    let Ok(entries) = dir.read_dir_utf8() else { return Vec::new() };
    let mut found: Vec<_> =
        entries.flatten().map(|it| it.path().to_owned()).filter(|it| it.is_dir()).collect();
    found.sort();
    found
}

/// Looks at the clone at `path`.
pub(super) fn look(git: &Git, path: &Utf8Path, api: &ApiUrl) -> Result<Seen, CloneError> {
    // A worktree without ignored files that matter, and one whose files cannot be listed, get no proposal.
    let lacking = ignored_files(git, path).unwrap_or_default();
    let origin = origin_of(path)?;
    Ok(Seen {
        path: path.to_owned(),
        name: name_of(path),
        github: origin.as_deref().and_then(|it| github::repository(it, api)),
        origin,
        default_branch: default_branch_of(path)?
            .unwrap_or_else(|| "main".parse().expect("it is a branch name")),
        empty: is_empty(path)?,
        commands: commands(path),
        lacking: lacking.into_iter().filter(|it| is_local_setting(it)).collect(),
    })
}

/// The repos among `others` that a manifest of `seen` points to, by path or by URL.
pub(super) fn dependencies(seen: &Seen, others: &[Seen]) -> Vec<String> {
    let manifests = ["Cargo.toml", "package.json", "go.mod", "pyproject.toml", ".gitmodules"];
    let text: String =
        manifests.iter().filter_map(|it| fs_err::read_to_string(seen.path.join(it)).ok()).collect();
    let points_to = |name: &str| {
        let ends = ['"', '\'', '/', '\n', ' '].map(|end| format!("../{name}{end}"));
        ends.iter().any(|it| text.contains(it)) || text.contains(&format!("/{name}.git"))
    };
    others.iter().filter(|it| it.path != seen.path && points_to(&it.name)).map(|it| it.name.clone()).collect()
}

/// A directory's name, as far as a repo name can have it.
fn name_of(path: &Utf8Path) -> String {
    let name =
        path.canonicalize_utf8().ok().and_then(|it| it.file_name().map(str::to_owned)).unwrap_or_default();
    let clean: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' }).collect();
    let clean = clean.trim_start_matches(['.', '_', '-']);
    if clean.parse::<RepoName>().is_ok() { clean.to_owned() } else { "repo".to_owned() }
}

/// Whether an ignored file looks like something a person wrote, rather than something a program left.
fn is_local_setting(path: &Utf8Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    let names = ["local.properties", ".npmrc", ".envrc", ".tool-versions", "credentials.json"];
    name == ".env" || name.starts_with(".env.") || name.contains(".local") || names.contains(&name)
}

/// How the repo at `path` is built and tested, guessed from the files at its top.
fn commands(path: &Utf8Path) -> Commands {
    let has = |name: &str| path.join(name).is_file();
    let some = |command: &str| Some(command.to_owned());
    let mut found = Commands::default();
    let mut add = |more: Commands| {
        found.setup = found.setup.take().or(more.setup);
        found.build = found.build.take().or(more.build);
        found.test = found.test.take().or(more.test);
    };
    if has("Cargo.toml") {
        add(Commands { setup: None, build: some("cargo build"), test: some("cargo test") });
    }
    if has("package.json") {
        add(node(path));
    }
    if has("go.mod") {
        add(Commands { setup: None, build: some("go build ./..."), test: some("go test ./...") });
    }
    if has("pyproject.toml") || has("setup.py") {
        add(python(path));
    }
    let makefile = fs_err::read_to_string(path.join("Makefile")).unwrap_or_default();
    let target =
        |name: &str| makefile.lines().any(|it| it.strip_prefix(name).is_some_and(|it| it.starts_with(':')));
    let first = |names: &[&str]| names.iter().find(|it| target(it)).map(|it| format!("make {it}"));
    add(Commands { setup: None, build: first(&["build", "all"]), test: first(&["test", "check"]) });
    let script = ["test.sh", "tests/run", "script/test", "bin/test"].into_iter().find(|it| has(it));
    add(Commands { setup: None, build: None, test: script.map(|it| format!("./{it}")) });
    found
}

fn node(path: &Utf8Path) -> Commands {
    let locks = [
        ("pnpm-lock.yaml", "pnpm", "pnpm install --frozen-lockfile"),
        ("yarn.lock", "yarn", "yarn install --frozen-lockfile"),
        ("package-lock.json", "npm", "npm ci"),
    ];
    let lock = locks.into_iter().find(|(lock, ..)| path.join(lock).is_file());
    let (program, setup) =
        lock.map_or(("npm", None), |(_, program, setup)| (program, Some(setup.to_owned())));
    let text = fs_err::read_to_string(path.join("package.json")).unwrap_or_default();
    let scripts = serde_json::from_str::<serde_json::Value>(&text).unwrap_or_default();
    let script =
        |name: &str| scripts["scripts"][name].as_str().filter(|it| !it.contains("no test specified"));
    Commands {
        setup,
        build: script("build").map(|_| format!("{program} run build")),
        test: script("test").map(|_| format!("{program} test")),
    }
}

fn python(path: &Utf8Path) -> Commands {
    let locks = [("uv.lock", "uv sync", "uv run "), ("poetry.lock", "poetry install", "poetry run ")];
    let lock = locks.into_iter().find(|(lock, ..)| path.join(lock).is_file());
    let (setup, prefix) = lock.map_or((None, ""), |(_, setup, prefix)| (Some(setup.to_owned()), prefix));
    let tested = path.join("tests").is_dir() || path.join("test").is_dir();
    Commands { setup, build: None, test: tested.then(|| format!("{prefix}python3 -m pytest")) }
}

/// What this machine can do, as far as its programs tell.
pub(super) fn capabilities(cx: &Context) -> Vec<String> {
    let programs = [
        ("rust", "cargo"),
        ("node", "node"),
        ("python3", "python3"),
        ("go", "go"),
        ("java", "javac"),
        ("docker", "docker"),
    ];
    let path = cx.environment.get("PATH").map_or("", String::as_str);
    let installed = |program: &str| path.split(':').any(|it| Utf8Path::new(it).join(program).is_file());
    let mut found: Vec<_> = programs
        .into_iter()
        .filter(|(_, program)| installed(program))
        .map(|(name, _)| name.to_owned())
        .collect();
    let gtk = Command::new("pkg-config")
        .args(["--exists", "gtk4"])
        .env_clear()
        .envs(&cx.environment)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if gtk.is_ok_and(|it| it.success()) {
        found.push("gtk".to_owned());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guess(files: &[(&str, &str)]) -> [Option<String>; 3] {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap();
        for (name, text) in files {
            fs_err::create_dir_all(path.join(name).parent().unwrap()).unwrap();
            fs_err::write(path.join(name), text).unwrap();
        }
        let Commands { setup, build, test } = commands(path);
        [setup, build, test]
    }

    #[test]
    fn commands_are_guessed_from_what_lies_at_the_top() {
        let case = |files: &[(&str, &str)], wanted: [&str; 3]| {
            assert_eq!(guess(files).map(Option::unwrap_or_default), wanted, "{files:?}");
        };
        case(&[("README.md", "")], ["", "", ""]);
        case(&[("Cargo.toml", ""), ("Makefile", "test:\n")], ["", "cargo build", "cargo test"]);
        let unspecified =
            r#"{"scripts": {"test": "echo \"Error: no test specified\" && exit 1", "build": "tsc"}}"#;
        case(&[("package.json", unspecified), ("package-lock.json", "{}")], ["npm ci", "npm run build", ""]);
        let tested = r#"{"scripts": {"test": "vitest"}}"#;
        case(
            &[("package.json", tested), ("pnpm-lock.yaml", "")],
            ["pnpm install --frozen-lockfile", "", "pnpm test"],
        );
        case(&[("Makefile", "all:\n\ttrue\ncheck: all\n")], ["", "make all", "make check"]);
        case(&[("go.mod", "module x\n")], ["", "go build ./...", "go test ./..."]);
        case(
            &[("pyproject.toml", ""), ("uv.lock", ""), ("tests/x.py", "")],
            ["uv sync", "", "uv run python3 -m pytest"],
        );
        case(&[("test.sh", "")], ["", "", "./test.sh"]);
    }

    #[test]
    fn settings_are_told_from_litter() {
        for (name, is) in [
            (".env", true),
            ("app/.env.test", true),
            ("a.local.json", true),
            ("x.pyc", false),
            ("log", false),
        ] {
            assert_eq!(is_local_setting(Utf8Path::new(name)), is, "{name}");
        }
    }
}
