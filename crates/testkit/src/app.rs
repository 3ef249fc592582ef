//! The built binary, running against a test's database on a port of its own.
//!
//! Ready when `/ready` on the admin port says so. Its log goes to a file that tests can read; it is stopped,
//! without draining, when dropped.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::pooler::{self, PgBouncer};
use crate::token;

/// How to start the binary.
pub struct AppBuilder {
    binary: PathBuf,
    arguments: Vec<String>,
    environment: BTreeMap<String, String>,
    ports: Ports,
    port: Option<u16>,
    wait_until_ready: bool,
    pooler: Option<PgBouncer>,
}

const DATABASE_URL: &str = "FERROBASE_DATABASE__URL";
const LISTEN_URL: &str = "FERROBASE_DATABASE__LISTEN_URL";
const POOLER: &str = "FERROBASE_DATABASE__POOLER";

/// The variables that say where to listen.
#[derive(Clone, Copy)]
struct Ports {
    host: &'static str,
    port: &'static str,
    admin: &'static str,
}

const FERROBASE: Ports =
    Ports { host: "FERROBASE_SERVER__HOST", port: "FERROBASE_SERVER__PORT", admin: "FERROBASE_SERVER__ADMIN_PORT" };
const POSTGREST: Ports =
    Ports { host: "PGRST_SERVER_HOST", port: "PGRST_SERVER_PORT", admin: "PGRST_ADMIN_SERVER_PORT" };

impl AppBuilder {
    /// One more environment variable (`FERROBASE_...`).
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.insert(name.to_owned(), value.into());
        self
    }

    /// Takes back a variable that every test application has.
    #[must_use]
    pub fn without_env(mut self, name: &str) -> Self {
        self.environment.remove(name);
        self
    }

    /// One more argument.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Listens on this port instead of a free one.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Reaches its database through this PgBouncer, and past it for what needs a session of its own.
    #[must_use]
    pub fn behind(mut self, pooler: PgBouncer) -> Self {
        let direct = self.environment.get(DATABASE_URL).cloned().unwrap_or_default();
        if let Some(through) = pooler.through(&direct) {
            let own = [(DATABASE_URL, through), (LISTEN_URL, direct), (POOLER, "transaction".to_owned())];
            self.environment.extend(own.map(|(name, value)| (name.to_owned(), value)));
            self.pooler = Some(pooler);
        }
        self
    }

    /// Returns as soon as the process runs, ready or not.
    #[must_use]
    pub fn without_waiting(mut self) -> Self {
        self.wait_until_ready = false;
        self
    }

    /// Starts it.
    pub async fn start(self) -> Result<App> {
        let folder = tempfile::tempdir()?;
        let log = folder.path().join("log");
        let mut app = None;
        // The ports are free when they are chosen and may be gone when the process binds them: three tries.
        for _ in 0..3 {
            let port = self.port.map_or_else(free_port, Ok)?;
            let mut admin_port = free_port()?;
            while admin_port == port {
                admin_port = free_port()?;
            }
            let file = std::fs::File::create(&log)?;
            let child = Command::new(&self.binary)
                .args(&self.arguments)
                .current_dir(folder.path())
                .env(self.ports.host, "127.0.0.1")
                .env(self.ports.port, port.to_string())
                .env(self.ports.admin, admin_port.to_string())
                .envs(&self.environment)
                .stdin(Stdio::null())
                .stdout(file.try_clone()?)
                .stderr(file)
                .spawn()
                .with_context(|| format!("starting {}", self.binary.display()))?;
            let mut started = App { child, port, admin_port, log: log.clone(), folder: None, pooler: None };
            if !self.wait_until_ready || started.wait_until_ready().await.is_ok() {
                app = Some(started);
                break;
            }
            if !started.log().contains("in use") {
                bail!("the application did not become ready; its log:\n{}", started.log());
            }
        }
        let mut app = app.context("no free port after three tries")?;
        app.folder = Some(folder);
        app.pooler = self.pooler;
        Ok(app)
    }
}

/// `FERROBASE_TEST_BINARY` names another build to test than the one that was made for the tests: a release, say.
fn chosen(binary: &Path) -> PathBuf {
    std::env::var_os("FERROBASE_TEST_BINARY").map_or_else(|| binary.to_owned(), PathBuf::from)
}

/// A running application.
pub struct App {
    child: Child,
    port: u16,
    admin_port: u16,
    log: PathBuf,
    folder: Option<tempfile::TempDir>,
    pooler: Option<PgBouncer>,
}

impl App {
    /// `ferrobase serve` with the test secret on this database. `binary` is `env!("CARGO_BIN_EXE_ferrobase")`.
    pub fn serve(binary: impl AsRef<Path>, database_url: &str) -> AppBuilder {
        let app = AppBuilder {
            binary: chosen(binary.as_ref()),
            arguments: vec!["serve".into()],
            environment: BTreeMap::from([
                (DATABASE_URL.into(), database_url.into()),
                ("FERROBASE_AUTH__JWT_SECRET".into(), token::SECRET.into()),
            ]),
            ports: FERROBASE,
            port: None,
            wait_until_ready: true,
            pooler: None,
        };
        if !pooler::is_used() {
            return app;
        }
        match PgBouncer::start(database_url, &[]) {
            Ok(pooler) => app.behind(pooler),
            Err(error) => panic!("no PgBouncer for the tests: {error:#}"),
        }
    }

    /// `ferrobase postgrest` with the test secret on this database; its log is what it writes to both streams.
    pub fn postgrest(binary: impl AsRef<Path>, database_url: &str) -> AppBuilder {
        AppBuilder {
            binary: chosen(binary.as_ref()),
            arguments: vec!["postgrest".into()],
            environment: BTreeMap::from([
                ("PGRST_DB_URI".into(), database_url.into()),
                ("PGRST_JWT_SECRET".into(), token::SECRET.into()),
            ]),
            ports: POSTGREST,
            port: None,
            wait_until_ready: true,
            pooler: None,
        }
    }

    /// The PgBouncer that it stands behind.
    pub fn pooler(&self) -> Option<&PgBouncer> {
        self.pooler.as_ref()
    }

    /// The API's address with this path.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The admin address with this path.
    pub fn admin_url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.admin_port)
    }

    /// The port of the API.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Its folder: current directory of the process.
    pub fn folder(&self) -> &Path {
        self.folder.as_ref().map_or(Path::new("."), tempfile::TempDir::path)
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }

    /// Waits for the process to end by itself; `None` after `limit`.
    pub async fn wait(&mut self, limit: Duration) -> Option<std::process::ExitStatus> {
        let end = Instant::now() + limit;
        while Instant::now() < end {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        None
    }

    /// Waits until `/ready` answers 200.
    pub async fn wait_until_ready(&mut self) -> Result<()> {
        let end = Instant::now() + Duration::from_secs(30);
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait()? {
                bail!("the application ended with {status}; its log:\n{}", self.log());
            }
            if let Ok(answer) = reqwest::get(self.admin_url("/ready")).await
                && answer.status().is_success()
            {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bail!("not ready after 30 s; its log:\n{}", self.log())
    }
}

impl Drop for App {
    fn drop(&mut self) {
        // The second signal says that nobody needs the drain.
        self.signal(Signal::SIGTERM);
        self.signal(Signal::SIGINT);
        let end = Instant::now() + Duration::from_secs(10);
        while Instant::now() < end {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that nobody has at the moment.
pub(crate) fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
