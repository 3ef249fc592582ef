//! A folder of migrations and a database of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ferrobase_migrate::{Error, Event, Failure, Report, Status, UpOptions};
use ferrobase_pg::{ConnectOptions, Session};
use ferrobase_testkit::TestDatabase;

/// How many sessions of the database sleep.
pub(crate) const SLEEPING: &str =
    "select count(*)::text from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()";

/// Ends them.
pub(crate) const KILL_SLEEPING: &str = "select pg_terminate_backend(pid) from pg_stat_activity
     where wait_event = 'PgSleep' and datname = current_database()";

pub(crate) struct Folder {
    dir: tempfile::TempDir,
    pub(crate) database: TestDatabase,
}

impl Folder {
    pub(crate) async fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), database: ferrobase_testkit::database().await }
    }

    /// With these files: name without `.sql`, text.
    pub(crate) async fn with(files: &[(&str, &str)]) -> Self {
        let folder = Self::new().await;
        for (name, text) in files {
            folder.write(name, text);
        }
        folder
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path().join(format!("{name}.sql"))
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.file(name), text).unwrap();
    }

    pub(crate) fn remove(&self, name: &str) {
        fs::remove_file(self.file(name)).unwrap();
    }

    pub(crate) async fn connect(&self) -> Session {
        self.database.connect().await
    }

    /// The first column of the first row, as text.
    pub(crate) async fn ask(&self, sql: &str) -> String {
        let result = self.connect().await.query(sql, &[]).await.unwrap();
        result.rows.first().and_then(|row| row.text(0)).unwrap_or("-").to_owned()
    }

    pub(crate) async fn up(&self) -> Result<Report, Error> {
        self.up_with(&UpOptions::default()).await.0
    }

    pub(crate) async fn up_with(&self, options: &UpOptions) -> (Result<Report, Error>, Vec<Event>) {
        run(self.path().to_owned(), self.database.url().to_owned(), options.clone()).await
    }

    /// Runs `up` in a task of its own.
    pub(crate) fn spawn_up(&self, options: UpOptions) -> tokio::task::JoinHandle<(Result<Report, Error>, Vec<Event>)> {
        tokio::spawn(run(self.path().to_owned(), self.database.url().to_owned(), options))
    }

    pub(crate) async fn status(&self) -> Status {
        ferrobase_migrate::status(&mut self.connect().await, self.path()).await.unwrap()
    }

    /// `0001 applied, 0002 pending`
    pub(crate) async fn states(&self) -> String {
        let entries = self.status().await.migrations;
        let texts = entries.iter().map(|e| format!("{} {}", e.version, format!("{:?}", e.state).to_lowercase()));
        texts.collect::<Vec<_>>().join(", ")
    }

    /// Applies and expects PostgreSQL to refuse a statement.
    pub(crate) async fn failure(&self) -> Failure {
        match self.up().await {
            Err(Error::Failed(failure)) => *failure,
            other => panic!("{other:?}"),
        }
    }
}

async fn run(dir: PathBuf, url: String, options: UpOptions) -> (Result<Report, Error>, Vec<Event>) {
    let mut session = Session::connect(&ConnectOptions::parse(&url).unwrap()).await.unwrap();
    let mut events = Vec::new();
    let result = ferrobase_migrate::up(&mut session, &dir, &options, &mut |event| events.push(event.clone())).await;
    (result, events)
}

/// Names of the applied files.
pub(crate) fn applied(report: &Report) -> Vec<&str> {
    report.applied.iter().map(|file| file.file.as_str()).collect()
}

/// Asks until it answers as expected.
pub(crate) async fn wait_for(folder: &Folder, sql: &str, expected: &str) {
    for _ in 0..400 {
        if folder.ask(sql).await == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("never {expected}: {sql}");
}
