//! Everything that can go wrong with a board, as opposed to what merely comes second.

use std::path::PathBuf;

use coord_core::id::RunId;
use coord_core::task::TaskRef;

/// Why the board could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file or its directory could not be made.
    #[error("cannot make the board `{path}`")]
    Make {
        /// The board's file.
        path: PathBuf,
        /// What the file system said.
        #[source]
        source: std::io::Error,
    },
    /// The lock that orders first starts could not be taken.
    #[error("cannot lock `{path}`")]
    Lock {
        /// The lock's file.
        path: PathBuf,
        /// What the file system said.
        #[source]
        source: std::io::Error,
    },
    /// The address does not name a database.
    #[error("cannot understand where the board is")]
    Address(#[source] sqlx::Error),
    /// The tables could not be brought up to date.
    #[error("cannot bring the tables of the board `{board}` up to date")]
    Migrate {
        /// Its file, or the name of its database.
        board: String,
        /// What the database said.
        #[source]
        source: sqlx::migrate::MigrateError,
    },
    /// A newer version of coord has written this board.
    #[error(
        "the board was written by a newer version of coord (tables {found}, this one knows {known}); upgrade coord"
    )]
    Newer {
        /// The version of the board's tables.
        found: i64,
        /// The newest version this program knows.
        known: i64,
    },
    /// The database refused a statement.
    #[error("cannot {doing} on the board")]
    Sql {
        /// What was being done.
        doing: &'static str,
        /// What the database said.
        #[source]
        source: sqlx::Error,
    },
    /// A column holds what its type does not allow.
    #[error("{row} on the board cannot be read: bad `{column}`")]
    Column {
        /// Which row.
        row: String,
        /// Which column.
        column: &'static str,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The facts of a row do not fit its state.
    #[error("{row} on the board cannot be read: its facts do not fit the state `{state}`")]
    HalfState {
        /// Which row.
        row: String,
        /// The state it claims to be in.
        state: String,
    },
    /// No such task.
    #[error("there is no task {0} on the board")]
    NoTask(TaskRef),
    /// No run was ever reserved for the task, so it has no change.
    #[error("task {0} has no change yet: nothing was ever assigned")]
    NoChange(TaskRef),
    /// No such run.
    #[error("there is no run {0} on the board")]
    NoRun(RunId),
    /// Evidence may only come from a run of the same task that has ended.
    #[error("run {run} is no evidence for {task}: it has not ended, or is of another task")]
    NoEvidence {
        /// The task whose gate was to be written.
        task: TaskRef,
        /// The run that was named as the source.
        run: RunId,
    },
}

impl Error {
    /// Names the operation that a statement belonged to.
    pub(crate) fn sql(doing: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Sql { doing, source }
    }
}
