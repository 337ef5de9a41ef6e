use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use coord_board::{Board, Error};
use tokio::task::JoinSet;

use crate::place::Place;
use crate::world::{add, named};

/// Tells a child process of this test which board to open.
const BOARD: &str = "COORD_TEST_FIRST_START";

pub(crate) async fn a_board_from_the_future_is_refused(place: &Place) {
    add(&place.board().await, "api", "t").await;
    place.tamper("UPDATE _sqlx_migrations SET version = 9999 WHERE version = 1").await;
    let refused = place.open().await.unwrap_err();
    assert!(matches!(refused, Error::Newer { found: 9999, .. }), "{refused}");
    assert!(refused.to_string().contains("newer version"), "{refused}");
}

pub(crate) async fn many_open_a_new_board_at_once(place: &Place) {
    let boards: Vec<Board> = match place {
        Place::File(_) => {
            let (a, b, c, d) = tokio::join!(place.board(), place.board(), place.board(), place.board());
            vec![a, b, c, d]
        }
        Place::Url(url) => {
            let mut opening = JoinSet::new();
            for _ in 0..4 {
                let url = url.clone();
                opening.spawn(async move { Board::open_url(&url).await.unwrap() });
            }
            opening.join_all().await
        }
    };
    let task = add(&boards[0], "api", "t").await;
    for board in &boards {
        assert_eq!(board.task(&task.task).await.unwrap().as_ref(), Some(&task));
    }
}

/// Eight processes open a board that does not exist, and each adds a task.
#[tokio::test]
async fn eight_first_starts_at_once_make_one_board() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("some/where/board.db");
    let mut children: Vec<Child> = (0..8).map(|_| child(&path)).collect();
    for child in &mut children {
        child.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
    }
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
    let board = Board::open(&path).await.unwrap();
    let events = board.events_after(0, 99).await.unwrap();
    assert_eq!(events.iter().map(|it| it.task.number).collect::<Vec<_>>(), (1..=8).collect::<Vec<_>>());
    assert_eq!(fs_err::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let wal = directory.path().join("some/where/board.db-wal");
    assert_eq!(fs_err::metadata(wal).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!fs_err::exists(directory.path().join("some/where/board.db.new")).unwrap());
}

/// One of the eight: this test again, in a process of its own that waits for the word.
fn child(path: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "first_start::one_first_start", "--nocapture"]).env(BOARD, path);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap()
}

#[tokio::test]
async fn one_first_start() {
    let Some(path) = std::env::var_os(BOARD) else { return };
    std::io::stdin().read_line(&mut String::new()).unwrap();
    let board = Board::open(Path::new(&path)).await.unwrap();
    add(&board, "api", "t").await;
}

#[tokio::test]
async fn a_start_that_was_killed_halfway_is_thrown_away() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("board.db");
    fs_err::write(directory.path().join("board.db.new"), "half a board").unwrap();
    fs_err::write(directory.path().join("board.db.new-wal"), "half a log").unwrap();
    add(&Board::open(&path).await.unwrap(), "api", "t").await;
    assert!(Board::open(&path).await.unwrap().task(&named("api#1")).await.unwrap().is_some());
}

#[tokio::test]
async fn any_path_will_do() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["a?mode=memory", "b#c", "d%41", "e f", "ü", "x/../y"] {
        fs_err::create_dir_all(directory.path().join("x")).unwrap();
        let path = directory.path().join(name);
        add(&Board::open(&path).await.unwrap(), "api", "t").await;
        assert!(fs_err::metadata(&path).unwrap().len() > 0, "{name}");
        assert!(Board::open(&path).await.unwrap().task(&named("api#1")).await.unwrap().is_some(), "{name}");
    }
}

#[tokio::test]
async fn what_is_no_board_is_said_to_be_none() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("board.db");
    fs_err::write(&path, "this is a text, and no database, whatever its name may say".repeat(20)).unwrap();
    let refused = Board::open(&path).await.unwrap_err();
    assert!(
        matches!(&refused, Error::Migrate { .. }) && refused.to_string().contains("board.db"),
        "{refused}"
    );
    let nowhere = path.join("board.db");
    assert!(matches!(Board::open(&nowhere).await.unwrap_err(), Error::Lock { .. }));
}
