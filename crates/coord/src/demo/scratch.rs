//! The scratch directory of the demo: a bare origin, a clone with a small real project, a configuration, and
//! five tasks. It is laid out with the commands that a user would type.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use anyhow::{Context as _, bail};
use camino::{Utf8Path, Utf8PathBuf};
use coord_board::NewTask;
use coord_core::task::TaskRef;

use crate::config::Runtimes;

/// What the demo calls its repo.
pub const REPO: &str = "greeter";
/// What the demo calls its machine.
pub const MACHINE: &str = "demo";

const GREET: &str = "\
#!/bin/sh
# Greets somebody.

name=world

greeting() {
    echo \"hello\"
}

# What is printed at the end.

greeting
";

const TEST: &str = "\
#!/bin/sh
# Every file in tests/ is a test.
cd \"$(dirname \"$0\")\" || exit 1
for test in tests/*.sh; do
    sh -eu \"$test\" || { echo \"FAILED $test\"; exit 1; }
    echo \"ok $test\"
done
";

/// The directory and what is in it.
pub struct Scratch {
    /// All of it.
    pub root: Utf8PathBuf,
    /// The bare repository that everything ends in.
    pub origin: Utf8PathBuf,
    /// The configuration.
    pub config: Utf8PathBuf,
    /// `COORD_HOME`.
    pub home: Utf8PathBuf,
}

impl Scratch {
    /// Lays it out in the empty directory `root`. `runtimes` are the user's own, where there is a configuration.
    pub fn lay_out(root: &Utf8Path, runtimes: &Runtimes) -> anyhow::Result<Self> {
        let (origin, clone) = (root.join("origin.git"), root.join(REPO));
        git(root, &["init", "--quiet", "--bare", "--initial-branch=main", origin.as_str()])?;
        git(root, &["clone", "--quiet", origin.as_str(), clone.as_str()])?;
        let files = [
            ("greet.sh", GREET),
            ("test.sh", TEST),
            ("tests/greets.sh", "./greet.sh | grep -q hello\n"),
            ("README.md", "# greeter\n\nA program that greets.\n"),
        ];
        for (name, text) in files {
            let path = clone.join(name);
            fs_err::create_dir_all(path.parent().unwrap_or(&clone))?;
            fs_err::write(&path, text)?;
            if !name.contains('/') && name.ends_with(".sh") {
                fs_err::set_permissions(&path, Permissions::from_mode(0o755))?;
            }
        }
        git(&clone, &["add", "--all"])?;
        let who = ["-c", "user.name=coord demo", "-c", "user.email=demo@localhost"];
        git(&clone, &[&who[..], &["commit", "--quiet", "--message=A program that greets"]].concat())?;
        git(&clone, &["push", "--quiet", "origin", "HEAD:main"])?;
        let config = root.join("coordinator.yml");
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let runtimes = serde_yaml::to_string(&BTreeMap::from([("runtimes", runtimes)]))?;
        fs_err::write(
            &config,
            format!(
                "{runtimes}repos:\n  - name: {REPO}\n    test_command: ./test.sh\n    merge_method: merge\n\
                 machines:\n  - name: {MACHINE}\n    port: {port}\n    slots: 2\n    repo_paths:\n      {REPO}: {clone}\n"
            ),
        )?;
        Ok(Self { root: root.to_owned(), origin, config, home: root.join("home") })
    }

    /// The history of main, as a picture.
    pub fn graph(&self) -> anyhow::Result<String> {
        git(&self.origin, &["log", "--graph", "--format=%h %s", "main"])
    }

    /// Runs the tests of main as it is on origin now, in a fresh clone; what they print.
    pub fn test_main(&self) -> anyhow::Result<String> {
        let fresh = self.root.join("main");
        git(&self.root, &["clone", "--quiet", "--branch", "main", self.origin.as_str(), fresh.as_str()])?;
        let output = Command::new(fresh.join("test.sh")).output().context("cannot run the tests of main")?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            bail!("the tests of main failed:\n{said}{}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(said)
    }
}

fn git(dir: &Utf8Path, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("git")
        .current_dir(dir)
        .args(arguments)
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .env_remove("GIT_INDEX_FILE")
        .env("GIT_TERMINAL_PROMPT", "0")
        .output()
        .context("cannot run git; is it installed?")?;
    if !output.status.success() {
        bail!("`git {}` failed: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// One task: what is wanted, in words for a model and as a script for the runtime `script`.
pub struct Wanted {
    title: &'static str,
    words: &'static str,
    script: &'static str,
    files: &'static [&'static str],
    /// Which of the tasks must be merged first, by position.
    pub after: Option<usize>,
}

impl Wanted {
    /// The task, once those before it are on the board.
    pub fn task(&self, before: &[TaskRef]) -> NewTask {
        NewTask {
            repo: REPO.parse().expect("a constant that is a repo name"),
            title: self.title.to_owned(),
            body: format!("{}\n\n```sh\n{}```\n", self.words, self.script),
            labels: Vec::new(),
            files: self.files.iter().map(|&it| it.to_owned()).collect(),
            after: self.after.and_then(|it| before.get(it)).cloned().into_iter().collect(),
        }
    }
}

/// The five: the first and the third touch the same file, the fourth waits for the second.
pub const TASKS: [Wanted; 5] = [
    Wanted {
        title: "Greet by name",
        words: "greet.sh should greet the name in its first argument, `world` without one. \
                Add a test in tests/. The block below does it.",
        script: "echo 'STATUS: reading greet.sh'\nsleep 1\n\
                 sed -i.bak 's/^name=world$/name=${1:-world}/; s/echo \"hello\"/echo \"hello $name\"/' greet.sh\nrm greet.sh.bak\n\
                 printf '%s\\n' './greet.sh Ada | grep -q \"hello Ada\"' > tests/name.sh\n\
                 echo 'STATUS: testing'\n./test.sh\ngit add --all\ngit commit --quiet --message='Greet by name'\nsleep 1\n",
        files: &["greet.sh"],
        after: None,
    },
    Wanted {
        title: "Say goodbye",
        words: "Add bye.sh, which prints `goodbye`, and a test for it in tests/. The block below does it.",
        script: "echo 'STATUS: writing bye.sh'\nsleep 1\n\
                 printf '%s\\n' '#!/bin/sh' 'echo goodbye' > bye.sh\nchmod +x bye.sh\n\
                 printf '%s\\n' './bye.sh | grep -q goodbye' > tests/bye.sh\n\
                 ./test.sh\ngit add --all\ngit commit --quiet --message='Say goodbye'\n",
        files: &["bye.sh"],
        after: None,
    },
    Wanted {
        title: "End with a full stop",
        words: "greet.sh should print a line with a single full stop at its very end. \
                Add a test in tests/. The block below does it.",
        script: "echo 'STATUS: reading greet.sh'\nsleep 2\n\
                 echo 'echo \".\"' >> greet.sh\n\
                 printf '%s\\n' './greet.sh | tail -n 1 | grep -qx \"\\.\"' > tests/stop.sh\n\
                 ./test.sh\ngit add --all\ngit commit --quiet --message='End with a full stop'\n",
        files: &["greet.sh"],
        after: None,
    },
    Wanted {
        title: "Document the programs",
        words: "Describe greet.sh and bye.sh in README.md, a line each. Add a test in tests/ that every program \
                in the root but test.sh is mentioned there. The block below does it.",
        script: "echo 'STATUS: listing the programs'\nsleep 1\ntest -x bye.sh\n\
                 printf '\\n- greet.sh greets\\n- bye.sh says goodbye\\n' >> README.md\n\
                 printf '%s\\n' 'grep -q greet.sh README.md' 'grep -q bye.sh README.md' > tests/readme.sh\n\
                 ./test.sh\ngit add --all\ngit commit --quiet --message='Document the programs'\n",
        files: &["README.md"],
        after: Some(1),
    },
    Wanted {
        title: "Count the tests",
        words: "Add count.sh, which prints how many files there are in tests/, and a test for it. \
                The block below does it.",
        script: "echo 'STATUS: writing count.sh'\nsleep 1\n\
                 printf '%s\\n' '#!/bin/sh' 'ls tests | wc -l | tr -d \" \"' > count.sh\nchmod +x count.sh\n\
                 printf '%s\\n' 'test \"$(./count.sh)\" = \"$(ls tests | wc -l | tr -d \" \")\"' > tests/count.sh\n\
                 ./test.sh\ngit add --all\ngit commit --quiet --message='Count the tests'\n",
        files: &["count.sh"],
        after: None,
    },
];
