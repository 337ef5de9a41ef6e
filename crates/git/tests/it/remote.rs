use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use camino::Utf8Path;
use coord_git::program::Git;
use coord_git::remote::{Expect, Push, RemoteError};

use crate::fixture::{World, env, head, sh};

fn script(path: &Utf8Path, text: &str) {
    fs_err::write(path, text).unwrap();
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn of_two_pushes_from_one_place_one_is_told_that_it_moved() {
    let world = World::new();
    let store = world.store();
    let start = head(&world.clone);
    let rivals = ["a", "b"].map(|name| world.branch(name, "main", &[(name, name)]));
    store.fetch().unwrap();
    let results = thread::scope(|scope| {
        let (store, start) = (&store, &start);
        rivals
            .each_ref()
            .map(|commit| scope.spawn(move || store.push_forward(commit, "refs/heads/main", start).unwrap()))
            .map(|it| it.join().unwrap())
    });
    let now = store.remote_ref("refs/heads/main").unwrap();
    let won = results.iter().position(|it| *it == Push::Done).expect("one wins");
    assert_eq!(now.as_ref(), Some(&rivals[won]));
    assert_eq!(results[1 - won], Push::Moved { now });
}

#[test]
fn a_push_states_what_it_expects() {
    let world = World::new();
    let store = world.store();
    let main = head(&world.clone);
    let ahead = world.branch("a", "main", &[("a", "a")]);
    store.fetch().unwrap();
    let name = "refs/heads/change";
    assert_eq!(store.push(&main, name, Expect::Absent).unwrap(), Push::Done);
    assert_eq!(store.push(&ahead, name, Expect::Absent).unwrap(), Push::Moved { now: Some(main.clone()) });
    assert_eq!(store.push(&ahead, name, Expect::At(&main)).unwrap(), Push::Done);
    let back = store.push_forward(&main, name, &ahead).unwrap();
    assert!(matches!(back, Push::Refused { .. }), "{back:?}");
    assert_eq!(store.remote_ref(name).unwrap(), Some(ahead.clone()));
    let own = "refs/coord/runs/x";
    assert_eq!(store.push(&ahead, own, Expect::Anything).unwrap(), Push::Done);
    assert_eq!(store.push(&main, own, Expect::Anything).unwrap(), Push::Done);
    store.fetch_ref(own, "refs/coord/got").unwrap();
    assert_eq!(store.read_ref("refs/coord/got").unwrap(), Some(main.clone()));
    assert_eq!(store.delete_remote(name, &main).unwrap(), Push::Moved { now: Some(ahead.clone()) });
    assert_eq!(store.delete_remote(name, &ahead).unwrap(), Push::Done);
    assert_eq!(store.delete_remote(name, &ahead).unwrap(), Push::Done);
    assert_eq!(store.remote_ref(name).unwrap(), None);
}

/// The update is in, then the connection breaks: `post-receive` kills the process that would have said so.
#[test]
fn a_push_that_landed_and_whose_answer_was_lost_is_done() {
    let world = World::new();
    let store = world.store();
    let start = head(&world.clone);
    let ahead = world.branch("a", "main", &[("a", "a")]);
    store.fetch().unwrap();
    script(&world.origin.join("hooks/post-receive"), "#!/bin/sh\nkill -9 $PPID\n");
    let raw = format!("git push -q {} {ahead}:refs/heads/proof && exit 1 || true", world.origin);
    sh(store.path(), &raw);
    assert_eq!(store.push_forward(&ahead, "refs/heads/main", &start).unwrap(), Push::Done);
}

#[test]
fn a_hook_that_says_no_is_quoted() {
    let world = World::new();
    let store = world.store();
    script(&world.origin.join("hooks/pre-receive"), "#!/bin/sh\necho main is frozen >&2\nexit 1\n");
    let pushed = store.push(&head(&world.clone), "refs/heads/x", Expect::Absent).unwrap();
    let Push::Refused { reason } = pushed else { panic!("{pushed:?}") };
    assert!(reason.contains("main is frozen") && reason.contains("pre-receive hook declined"), "{reason}");
}

/// The first fetch is held up after it looked at origin, until everyone else has changed origin and asks.
#[test]
fn fetches_at_once_are_few_and_none_is_older_than_its_caller() {
    let world = World::new();
    let store = world.store();
    let (counter, gate) = (world.root.join("uploads"), world.root.join("gate"));
    let upload = world.root.join("upload-pack");
    let held = format!("echo >> {counter}; while [ ! -e {gate} ]; do sleep 0.01; done");
    script(&upload, &format!("#!/bin/sh\ngit-upload-pack \"$@\"\n{held}\n"));
    sh(store.path(), &format!("git config remote.origin.uploadpack {upload}"));
    let tip = head(&world.clone);
    let all = Barrier::new(32);
    thread::scope(|scope| {
        scope.spawn(|| store.fetch().unwrap());
        while !counter.exists() {
            thread::yield_now();
        }
        for n in 0..32 {
            let (store, all, world, tip, gate) = (&store, &all, &world, &tip, &gate);
            scope.spawn(move || {
                sh(&world.origin, &format!("git update-ref refs/heads/late{n} {tip}"));
                if all.wait().is_leader() {
                    fs_err::write(gate, "").unwrap();
                }
                store.fetch().unwrap();
                let seen = store.tip(&format!("late{n}").parse().unwrap()).unwrap();
                assert_eq!(seen.as_ref(), Some(tip));
            });
        }
    });
    let fetches = fs_err::read_to_string(&counter).unwrap().lines().count();
    assert!(fetches <= 8, "33 callers caused {fetches} fetches");
}

#[test]
fn a_remote_that_hangs_is_ended_with_everything_it_started() {
    let world = World::new();
    let pid = world.root.join("pid");
    let ssh = world.root.join("ssh");
    script(&ssh, &format!("#!/bin/sh\nsleep 1000 &\necho $! > {pid}.new && mv {pid}.new {pid}\nwait\n"));
    let own_ssh = ("GIT_SSH_COMMAND".into(), ssh.as_str().into());
    let git = Git::new(env().into_iter().chain([own_ssh])).with_network_deadline(Duration::from_secs(1));
    let store = world.store();
    sh(store.path(), "git config remote.origin.url ssh://nowhere/x.git");
    drop(store);
    let repo = "api".parse().unwrap();
    let store = coord_git::store::Store::open(&git, &world.home, &repo, "ssh://nowhere/x.git", None).unwrap();
    let error = store.fetch().unwrap_err();
    assert!(
        matches!(&error, RemoteError::Unreachable { reason, .. } if reason.contains("1 seconds")),
        "{error}"
    );
    let sleeper = fs_err::read_to_string(&pid).unwrap();
    let state = format!("/proc/{}/stat", sleeper.trim());
    while fs_err::read_to_string(&state).is_ok_and(|it| !it.contains(") Z ")) {
        thread::yield_now();
    }
}

#[test]
fn a_server_that_wants_a_password_gets_none_and_its_url_keeps_its_secret() {
    let world = World::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            assert!(stream.read(&mut request).unwrap() > 0);
            let answer = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    let asked = world.root.join("asked");
    let askpass = world.root.join("askpass");
    script(&askpass, &format!("#!/bin/sh\necho > {asked}\necho secret\n"));
    let ask = ["GIT_ASKPASS", "SSH_ASKPASS"].map(|name| (name.into(), askpass.as_str().into()));
    let git = Git::new(env().into_iter().chain(ask));
    let repo = "api".parse().unwrap();
    world.store();
    for url in
        [format!("http://127.0.0.1:{port}/x.git"), format!("http://bob:hunter2@127.0.0.1:{port}/x.git")]
    {
        let store = coord_git::store::Store::open(&git, &world.home, &repo, &url, None).unwrap();
        let error = store.fetch().unwrap_err();
        assert!(matches!(error, RemoteError::Auth { .. }), "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
    assert!(!asked.exists());
}

#[test]
fn what_is_wrong_with_a_remote_is_named() {
    let world = World::new();
    let store = world.store();
    let error = store.fetch_ref("refs/heads/nope", "refs/coord/x").unwrap_err();
    assert!(matches!(error, RemoteError::NotFound { .. }), "{error}");
    sh(store.path(), "git config remote.origin.url http://127.0.0.1:1/x.git");
    let error = store.fetch().unwrap_err();
    assert!(matches!(error, RemoteError::Unreachable { .. }), "{error}");
    sh(store.path(), "git config remote.origin.url /nonexistent/x.git");
    let error = store.fetch().unwrap_err();
    assert!(matches!(error, RemoteError::NotFound { .. }), "{error}");
}

#[test]
fn a_base_and_a_branch_move_together_or_not_at_all() {
    let world = World::new();
    let store = world.store();
    let base = head(&world.clone);
    let change = world.branch("change", "main", &[("a", "a")]);
    let landed = world.branch("landed", "main", &[("a", "a"), ("b", "b")]);
    store.fetch().unwrap();
    let (main, own) = ("refs/heads/main", "refs/heads/change");
    let at = |reference| store.remote_ref(reference).unwrap();

    // Somebody pushes to the branch first: the base stays where it was.
    let push = store.push_forward_with(&landed, main, &base, (own, &landed)).unwrap();
    assert_eq!(push, Push::Moved { now: Some(base.clone()) });
    assert_eq!((at(main), at(own)), (Some(base.clone()), Some(change.clone())));

    // Origin refuses the base: the branch stays where it was.
    let hook = world.origin.join("hooks/update");
    script(&hook, "#!/bin/sh\n[ \"$1\" != refs/heads/main ] || { echo 'not main' >&2; exit 1; }\n");
    let push = store.push_forward_with(&landed, main, &base, (own, &change)).unwrap();
    assert!(matches!(&push, Push::Refused { reason } if reason.contains("not main")), "{push:?}");
    assert_eq!((at(main), at(own)), (Some(base.clone()), Some(change.clone())));

    fs_err::remove_file(&hook).unwrap();
    assert_eq!(store.push_forward_with(&landed, main, &base, (own, &change)).unwrap(), Push::Done);
    assert_eq!((at(main), at(own)), (Some(landed.clone()), Some(landed)));
}
