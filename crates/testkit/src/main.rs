//! The stand-ins by hand: `cargo run -p coord-testkit -- github --port 8080`.

use std::process::{Command, ExitCode};

use camino::{Utf8Path, Utf8PathBuf};
use clap::{Args, Parser, Subcommand};
use coord_testkit::github::{GitHub, Permission, Scheme};

/// The simulated world of coord's tests, to click through.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: Stand,
}

#[derive(Debug, Subcommand)]
enum Stand {
    /// A GitHub on loopback, until Ctrl-C.
    Github(Github),
}

#[derive(Debug, Args)]
struct Github {
    /// The port to listen on; 0 is any that is free.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Speak HTTPS, as `gh` wants it.
    #[arg(long)]
    tls: bool,
    /// A bare repository and its name there; without any, a scratch one with one issue is made.
    #[arg(long = "repo", value_name = "OWNER/NAME=PATH", value_parser = parse_repo)]
    repos: Vec<(String, Utf8PathBuf)>,
    /// Whoever the token is for.
    #[arg(long, default_value = "octo")]
    user: String,
}

fn parse_repo(text: &str) -> Result<(String, Utf8PathBuf), String> {
    let (name, path) = text.split_once('=').ok_or("want OWNER/NAME=PATH")?;
    if name.matches('/').count() != 1 {
        return Err(format!("`{name}` is not OWNER/NAME"));
    }
    let path = Utf8Path::new(path).canonicalize_utf8().map_err(|error| format!("`{path}`: {error}"))?;
    Ok((name.into(), path))
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Stand::Github(arguments) => serve(&arguments),
    }
}

#[expect(clippy::print_stdout, reason = "what it prints is for the person who started it")]
fn serve(arguments: &Github) -> ExitCode {
    let scheme = if arguments.tls { Scheme::Https } else { Scheme::Http };
    let github = GitHub::start_on(arguments.port, scheme);
    let user = github.user(&arguments.user);
    let token = user.token();
    let scratch = tempfile::tempdir().expect("a temporary directory");
    let mut repos = arguments.repos.clone();
    if repos.is_empty() {
        let dir = Utf8Path::from_path(scratch.path()).expect("temporary directories have UTF-8 names");
        repos.push(("acme/api".into(), scratch_repo(dir)));
    }
    for (name, path) in &repos {
        let repo = github.repo(name, path);
        repo.collaborator(&arguments.user, Permission::Admin);
        if arguments.repos.is_empty() {
            let number = repo.issue("The greeting is rude").body("It says `hey`.").label("bug").open();
            println!("issue   {}/{name}/issues/{number}", github.url());
        }
        println!("clone   git clone {}", repo.clone_url());
    }
    println!("api     {}", github.url());
    println!("token   {token}  ({}, who administers all of it)", arguments.user);
    let (first, ca) =
        (&repos[0].0, if arguments.tls { format!(" --cacert {}", github.ca_file()) } else { String::new() });
    println!("try     curl{ca} -H 'Authorization: Bearer {token}' {}/repos/{first}/issues", github.url());
    println!("coord   GITHUB_API_URL={} GITHUB_TOKEN={token} coord status", github.url());
    if arguments.tls {
        let host = github.url().trim_start_matches("https://");
        println!(
            "gh      SSL_CERT_FILE={} GH_HOST={host} GH_ENTERPRISE_TOKEN={token} gh issue list -R {host}/{first}",
            github.ca_file()
        );
    }
    println!("Ctrl-C ends it.");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let interrupted = runtime.block_on(tokio::signal::ctrl_c());
    for problem in github.problems() {
        println!("note    {problem}");
    }
    if interrupted.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A bare repository with one commit.
fn scratch_repo(dir: &Utf8Path) -> Utf8PathBuf {
    let (bare, clone) = (dir.join("api.git"), dir.join("api"));
    let git = |at: &Utf8Path, arguments: &[&str]| {
        let identity = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org"];
        let status = Command::new("git").args(identity).args(arguments).current_dir(at).status();
        assert!(status.is_ok_and(|it| it.success()), "git {arguments:?} failed");
    };
    git(dir, &["init", "--quiet", "--bare", "--initial-branch", "main", bare.as_str()]);
    git(dir, &["init", "--quiet", "--initial-branch", "main", clone.as_str()]);
    fs_err::write(clone.join("greet.sh"), "#!/bin/sh\necho hey\n").expect("a new directory can be filled");
    git(&clone, &["add", "--all"]);
    git(&clone, &["commit", "--quiet", "--message", "A greeting"]);
    git(&clone, &["push", "--quiet", bare.as_str(), "main"]);
    bare
}
