//! Clone, fetch and push over smart HTTP, through git's own CGI program.
//!
//! <https://git-scm.com/docs/git-http-backend>

use std::io;
use std::process::Command;

use camino::Utf8Path;

use super::packet::Push;
use super::{Git, finish, pipe, set_environment};

/// A request of a git client, with its body as it was before it was compressed.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a str,
    /// What follows the repository in the path: `/info/refs` and the like.
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) content_type: &'a str,
    pub(crate) protocol: &'a str,
    pub(crate) user: &'a str,
    pub(crate) body: &'a [u8],
}

/// What the CGI program answered.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Git {
    /// Has git answer a request.
    pub(crate) fn serve(&self, asked: &Asked<'_>) -> io::Result<Answered> {
        let mut command = Command::new("git");
        command.arg("http-backend").current_dir(self.dir());
        set_environment(&mut command);
        command.env("GIT_PROJECT_ROOT", self.dir()).env("GIT_HTTP_EXPORT_ALL", "1").envs([
            ("PATH_INFO", asked.path),
            ("QUERY_STRING", asked.query),
            ("REQUEST_METHOD", asked.method),
            ("CONTENT_TYPE", asked.content_type),
            ("CONTENT_LENGTH", &asked.body.len().to_string()),
            ("GIT_PROTOCOL", asked.protocol),
            ("REMOTE_USER", asked.user),
            ("REMOTE_ADDR", "127.0.0.1"),
        ]);
        let output = pipe(command, asked.body)?;
        parse_cgi(&output.stdout).ok_or_else(|| {
            io::Error::other(format!("git http-backend: {}", String::from_utf8_lossy(&output.stderr)))
        })
    }

    /// Whether each move of a push keeps what was there: its objects are looked at in a place of their own,
    /// since nothing of a push that is refused may stay.
    pub(crate) fn keeps_history(&self, push: &Push<'_>, scratch: &Utf8Path) -> Result<Vec<bool>, String> {
        let aside = tempfile::tempdir_in(scratch).map_err(|error| error.to_string())?;
        let aside = Utf8Path::from_path(aside.path()).ok_or("a temporary directory with a strange name")?;
        fs_err::create_dir_all(aside.join("pack")).map_err(|error| error.to_string())?;
        let quarantined = |arguments: &[&str]| {
            let mut command = self.command(arguments.iter().copied());
            command.env("GIT_OBJECT_DIRECTORY", aside);
            command.env("GIT_ALTERNATE_OBJECT_DIRECTORIES", self.dir().join("objects"));
            command
        };
        if !push.pack.is_empty() {
            finish(pipe(quarantined(&["index-pack", "--stdin", "--fix-thin"]), push.pack))?;
        }
        let keeps = push.commands.iter().map(|it| {
            let asked = ["merge-base", "--is-ancestor", it.old.as_str(), it.new.as_str()];
            it.creates() || (!it.deletes() && finish(quarantined(&asked).output()).is_ok())
        });
        Ok(keeps.collect())
    }
}

fn parse_cgi(output: &[u8]) -> Option<Answered> {
    let end = output.windows(4).position(|window| window == b"\r\n\r\n")?;
    let mut answered = Answered { status: 200, headers: Vec::new(), body: output[end + 4..].to_vec() };
    for line in String::from_utf8_lossy(&output[..end]).lines() {
        let (name, value) = line.split_once(": ")?;
        if name.eq_ignore_ascii_case("status") {
            answered.status = value.split(' ').next()?.parse().ok()?;
        } else {
            answered.headers.push((name.into(), value.into()));
        }
    }
    Some(answered)
}
