//! An empty database, to be opened any number of times.

use std::path::PathBuf;

use coord_board::Board;
use sqlx::{AnyConnection, Connection as _, Executor as _};
use tempfile::TempDir;

use crate::postgres::Server;

/// Where a board is to be.
pub(crate) enum Place {
    /// A file that does not exist yet, in a directory that does not either.
    File(TempDir),
    /// An empty database.
    Url(String),
}

impl Place {
    pub(crate) fn file() -> Self {
        Self::File(tempfile::tempdir().unwrap())
    }

    pub(crate) async fn database(server: &Server, name: &str) -> Self {
        sqlx::any::install_default_drivers();
        let mut connection = AnyConnection::connect(&server.url("postgres")).await.unwrap();
        let create = format!("CREATE DATABASE {name}");
        connection.execute(sqlx::AssertSqlSafe(create)).await.unwrap();
        Self::Url(server.url(name))
    }

    /// Opens the board there, with connections of its own.
    pub(crate) async fn open(&self) -> Result<Board, coord_board::Error> {
        match self {
            Self::File(directory) => Board::open(&path(directory)).await,
            Self::Url(url) => Board::open_url(url).await,
        }
    }

    pub(crate) async fn board(&self) -> Board {
        self.open().await.unwrap()
    }

    /// Does to the database what the board never would.
    pub(crate) async fn tamper(&self, sql: &'static str) {
        let mut connection = AnyConnection::connect(&self.url()).await.unwrap();
        let done = sqlx::query(sql).execute(&mut connection).await.unwrap();
        assert!(done.rows_affected() > 0, "{sql}");
        connection.close().await.unwrap();
    }

    /// Writes, and does not commit as long as what is returned is there.
    pub(crate) async fn in_the_middle_of(&self, sql: &'static str) -> AnyConnection {
        let mut connection = AnyConnection::connect(&self.url()).await.unwrap();
        connection.execute("BEGIN").await.unwrap();
        connection.execute(sql).await.unwrap();
        connection
    }

    fn url(&self) -> String {
        match self {
            Self::File(directory) => format!("sqlite:{}", path(directory).display()),
            Self::Url(url) => url.clone(),
        }
    }
}

fn path(directory: &TempDir) -> PathBuf {
    directory.path().join("home").join("board.db")
}
