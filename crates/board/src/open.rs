//! Opening a board: made once, migrated once, refused when it is from the future.
//!
//! The common case, a board whose tables are current, costs one connection and one statement and takes no lock.
//! Everything else goes through a file lock, so that any number of first starts make and migrate one board.

use std::path::{Path, PathBuf};
use std::time::Duration;

use fs_err::os::unix::fs::OpenOptionsExt as _;
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::migrate::Migrator;
use sqlx::{AnyPool, Executor as _};

use crate::{Board, Error};

static MIGRATIONS: Migrator = sqlx::migrate!();

impl Board {
    /// Opens the board in the SQLite file at `path`, which is made with its directory if it does not exist.
    pub async fn open(path: &Path) -> Result<Self, Error> {
        let board = Self { pool: sqlite(path)? };
        if board.is_current().await? {
            return Ok(board);
        }
        let _lock = lock(path).await?;
        if !fs_err::exists(path).map_err(|source| Error::Make { path: path.to_owned(), source })? {
            make(path).await?;
        }
        board.migrate(path.display().to_string()).await
    }

    /// Opens the board at a database URL; which schemes there are depends on the drivers compiled in.
    pub async fn open_url(url: &str) -> Result<Self, Error> {
        let options = options(url)?;
        let database = options.database_url.path().trim_start_matches('/').to_owned();
        let pool = AnyPoolOptions::new().max_connections(4).connect_lazy_with(options);
        Self { pool }.migrate(database).await
    }

    async fn migrate(self, board: String) -> Result<Self, Error> {
        if !self.is_current().await? {
            MIGRATIONS.run(&self.pool).await.map_err(|source| Error::Migrate { board, source })?;
        }
        Ok(self)
    }

    /// Whether the tables are those of this version. An error of the database is no answer: it is cured by
    /// migrating, or met again there and reported.
    async fn is_current(&self) -> Result<bool, Error> {
        let known = MIGRATIONS.iter().map(|it| it.version).max().expect("there is a first migration");
        match self.version().await {
            Ok(Some(found)) if found > known => Err(Error::Newer { found, known }),
            Ok(found) => Ok(found == Some(known)),
            Err(_) => Ok(false),
        }
    }

    /// The version of the tables; an error when there are none.
    async fn version(&self) -> Result<Option<i64>, sqlx::Error> {
        sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations").fetch_one(&self.pool).await
    }
}

fn options(url: &str) -> Result<AnyConnectOptions, Error> {
    sqlx::any::install_default_drivers();
    url.parse().map_err(Error::Address)
}

/// A connection to the file at `path`, made when it is first needed.
///
/// There is one, for which the readers and writers of this process queue in order: two would meet in SQLite's
/// busy handler, which sleeps and is not fair. SQLite's default of `synchronous = FULL` stays, so that a commit
/// is on the disk before it is answered: a machine hears of a run only once the board cannot forget it. Another
/// process's transaction is waited for for half a minute.
fn sqlite(path: &Path) -> Result<AnyPool, Error> {
    // Encoding every other byte keeps `?`, `#`, `%` and `..` what they are in a path.
    let encoded: String = path
        .as_os_str()
        .as_encoded_bytes()
        .iter()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(*byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect();
    let options = options(&format!("sqlite:{encoded}?mode=rw"))?;
    Ok(AnyPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(Duration::from_secs(60))
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .after_connect(|connection, _| {
            Box::pin(async move { connection.execute("PRAGMA busy_timeout = 30000").await.map(|_| ()) })
        })
        .connect_lazy_with(options))
}

/// Makes a whole board beside `path` and moves it there, so that nobody ever meets half of one. Only the holder
/// of the lock may do it; what a killed one left behind is thrown away.
async fn make(path: &Path) -> Result<(), Error> {
    let draft = beside(path, ".new");
    for leftover in [draft.clone(), beside(path, ".new-wal"), beside(path, ".new-shm")] {
        match fs_err::remove_file(&leftover) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::Make { path: leftover, source });
            }
            Err(_) | Ok(()) => {}
        }
    }
    fs_err::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .map_err(|source| Error::Make { path: draft.clone(), source })?;
    let board = Board { pool: sqlite(&draft)? };
    board
        .pool
        .execute("PRAGMA journal_mode = WAL")
        .await
        .map_err(Error::sql("switch to a write-ahead log"))?;
    let board = board.migrate(path.display().to_string()).await?;
    // The last connection to go folds the write-ahead log into the file.
    board.pool.close().await;
    fs_err::rename(&draft, path).map_err(|source| Error::Make { path: path.to_owned(), source })
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Waits for the right to make or migrate the board; it ends when the file is dropped.
async fn lock(path: &Path) -> Result<fs_err::File, Error> {
    let path = beside(path, ".lock");
    let locking = path.clone();
    let take = move || -> std::io::Result<fs_err::File> {
        if let Some(directory) = locking.parent() {
            fs_err::create_dir_all(directory)?;
        }
        let mut options = fs_err::OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).mode(0o600).open(&locking)?;
        rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive)?;
        Ok(file)
    };
    match tokio::task::spawn_blocking(take).await {
        Ok(taken) => taken.map_err(|source| Error::Lock { path, source }),
        Err(broken) => Err(Error::Lock { path, source: std::io::Error::other(broken) }),
    }
}

#[cfg(test)]
mod tests {
    use sqlx::Row as _;

    use super::*;

    /// Every migration that was ever released, with the checksum it was released with. Add a line for a new
    /// one; a line that is there never changes, because boards remember what they were made with.
    const RELEASED: &[(i64, &str)] = &[
        (1, "0fa116079abd813675325c8a"),
        (2, "59acf706e52758e8c675c016"),
        (3, "8f5229a239b1ecf93ab0f0cc"),
        (4, "4a6329fe041fd1e70a7a788a"),
        (5, "f2422944251b28ae4d104926"),
    ];

    #[test]
    fn migrations_are_only_ever_appended() {
        let found: Vec<(i64, String)> = MIGRATIONS
            .iter()
            .map(|it| (it.version, it.checksum.iter().take(12).map(|byte| format!("{byte:02x}")).collect()))
            .collect();
        let released: Vec<(i64, String)> =
            RELEASED.iter().map(|(version, checksum)| (*version, (*checksum).to_owned())).collect();
        assert_eq!(found, released);
    }

    #[tokio::test]
    async fn a_commit_is_on_the_disk_before_it_is_answered() {
        let directory = tempfile::tempdir().unwrap();
        let board = Board::open(&directory.path().join("board.db")).await.unwrap();
        let pragma = async |sql| sqlx::query(sql).fetch_one(&board.pool).await.unwrap();
        assert_eq!(pragma("PRAGMA synchronous").await.get::<i64, _>(0), 2);
        assert_eq!(pragma("PRAGMA journal_mode").await.get::<String, _>(0), "wal");
        assert_eq!(pragma("PRAGMA busy_timeout").await.get::<i64, _>(0), 30_000);
    }

    /// What one database would take and the other not, or what would make an older program's rows unreadable.
    #[test]
    fn migrations_add_tables_columns_and_indexes_of_text_and_bigint() {
        for migration in MIGRATIONS.iter() {
            let sql: String = migration
                .sql
                .as_str()
                .lines()
                .filter(|line| !line.trim_start().starts_with("--"))
                .flat_map(|line| [line, "\n"])
                .collect();
            for statement in sql.split(';').map(str::trim).filter(|it| !it.is_empty()) {
                let adds = ["CREATE TABLE ", "CREATE INDEX ", "CREATE UNIQUE INDEX ", "ALTER TABLE "];
                assert!(adds.iter().any(|it| statement.starts_with(it)), "{statement}");
                assert!(
                    !statement.starts_with("ALTER TABLE ") || statement.contains(" ADD COLUMN "),
                    "{statement}"
                );
                if !statement.starts_with("CREATE TABLE ") {
                    continue;
                }
                for line in statement.lines().skip(1).map(str::trim).filter(|line| *line != ")") {
                    let key = line.starts_with("PRIMARY KEY ") || line.starts_with("FOREIGN KEY ");
                    let kind = line.trim_end_matches(',').split(' ').nth(1);
                    assert!(key || matches!(kind, Some("TEXT" | "BIGINT")), "{line}");
                }
            }
        }
    }
}
