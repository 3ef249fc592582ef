//! A database of its own for each test, copied from a prepared template in milliseconds.
//!
//! Roles are cluster-wide: templates make them once, tests never change them.

use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use ferrobase_pg::{ConnectOptions, Session};

use crate::cluster;

/// A database that is dropped when the value is.
pub struct TestDatabase {
    name: String,
    url: String,
}

impl TestDatabase {
    /// The superuser's URL of this database.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The URL for another login.
    pub fn url_as(&self, user: &str, password: &str) -> String {
        let at = self.url.find('@').unwrap_or(0);
        format!("postgresql://{user}:{password}{}", &self.url[at..])
    }

    /// A superuser's session in it.
    pub async fn connect(&self) -> Session {
        connect(&self.url).await
    }

    /// Runs a script as superuser.
    pub async fn script(&self, sql: &str) {
        self.connect().await.script(sql).await.unwrap_or_else(|e| panic!("{e}\nin script:\n{sql}"));
    }

    /// Asks as superuser for one value; empty when there is none.
    pub async fn value(&self, sql: &str) -> String {
        let result = self.connect().await.query(sql, &[]).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        result.rows.first().and_then(|row| row.text(0).map(str::to_owned)).unwrap_or_default()
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let name = std::mem::take(&mut self.name);
        let (dropped, done) = mpsc::channel();
        // Drop cannot wait in an async context: a thread with its own small runtime does.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            if let Ok(runtime) = runtime {
                runtime.block_on(async {
                    let mut admin = connect(cluster::shared().url()).await;
                    let _ = admin.script(&format!("drop database if exists {name} with (force)")).await;
                });
            }
            let _ = dropped.send(());
        });
        let _ = done.recv_timeout(PATIENCE);
    }
}

/// How long a test waits for its database to be dropped. PostgreSQL waits for every client that is halfway through its
/// login, and one of the test's own pool gets no further while this very thread waits; the server drops the database
/// all the same once that client is gone.
const PATIENCE: Duration = Duration::from_millis(300);

/// An empty database.
pub async fn database() -> TestDatabase {
    create("template1").await
}

/// A database copied from the template of this name, which `prepare` fills the first time it is needed in a run; it
/// gets the template's superuser URL. Change the name when what `prepare` does changes.
pub async fn database_from<F, Fut>(template: &str, prepare: F) -> TestDatabase
where
    F: FnOnce(String) -> Fut,
    Fut: Future<Output = ()>,
{
    let template = format!("template_{template}");
    ensure_template(&template, prepare).await;
    create(&template).await
}

async fn ensure_template<F, Fut>(template: &str, prepare: F)
where
    F: FnOnce(String) -> Fut,
    Fut: Future<Output = ()>,
{
    let mut admin = connect(cluster::shared().url()).await;
    // A session lock is enough here: it only orders the test processes, and it ends with the connection.
    admin
        .query("select pg_advisory_lock(hashtext($1))", &[Some(template)])
        .await
        .unwrap_or_else(|e| panic!("locking the template: {e}"));
    let ready = admin
        .query("select 1 from pg_database where datname = $1 and datistemplate", &[Some(template)])
        .await
        .unwrap_or_else(|e| panic!("looking for the template: {e}"));
    if !ready.rows.is_empty() {
        return;
    }
    admin.script(&format!("drop database if exists {template} with (force)")).await.unwrap_or_else(|e| panic!("{e}"));
    admin.script(&format!("create database {template}")).await.unwrap_or_else(|e| panic!("{e}"));
    prepare(url_of(template)).await;
    admin
        .script(&format!(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = '{template}';
             alter database {template} is_template true"
        ))
        .await
        .unwrap_or_else(|e| panic!("{e}"));
}

async fn create(template: &str) -> TestDatabase {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("t_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let mut admin = connect(cluster::shared().url()).await;
    admin.script(&format!("drop database if exists {name} with (force)")).await.unwrap_or_else(|e| panic!("{e}"));
    admin
        .script(&format!("create database {name} template {template}"))
        .await
        .unwrap_or_else(|e| panic!("creating {name} from {template}: {e}"));
    TestDatabase { url: url_of(&name), name }
}

fn url_of(database: &str) -> String {
    let base = cluster::shared().url();
    let end = base.rfind('/').unwrap_or(base.len());
    format!("{}/{database}", &base[..end])
}

async fn connect(url: &str) -> Session {
    let options = ConnectOptions::parse(url).unwrap_or_else(|e| panic!("{e}"));
    Session::connect(&options).await.unwrap_or_else(|e| panic!("connecting to the test server: {e}"))
}
