//! Debian's PgBouncer in transaction mode in front of a test's PostgreSQL.
//!
//! One process a test, on a free port, in front of every database of the server; it looks logins up in PostgreSQL
//! (`auth_query`), so that those which our install makes work too. With `FERROBASE_TEST_POOLER=pgbouncer` every
//! `serve` of a test run goes through one, and only what needs a session of its own goes past it.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::unistd::chown;

use crate::cluster::{as_server_user, server_user};

/// The program, where Debian has it.
const PROGRAM_FOLDER: &str = "/usr/sbin";
/// What says that test applications go through one.
pub const VARIABLE: &str = "FERROBASE_TEST_POOLER";

/// Whether they do. Some tests ask for what only a connection of one's own has, and say so where they end early.
pub fn is_used() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// A running PgBouncer; stopped when dropped.
pub struct PgBouncer {
    child: Child,
    folder: tempfile::TempDir,
    port: u16,
}

impl PgBouncer {
    /// Starts one in front of the server of this superuser's URL (`postgresql://user:password@host:port/name`), with
    /// these settings beside the defaults for tests.
    pub fn start(url: &str, settings: &[(&str, &str)]) -> Result<Self> {
        let parts = parts(url).context("a URL with user, password, host and port")?;
        let folder = tempfile::Builder::new().prefix("fbpgb").tempdir_in("/tmp")?;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("users"), format!("\"{}\" \"{}\"\n", parts.user, parts.password))?;
        let written: String = settings.iter().map(|(name, value)| format!("{name} = {value}\n")).collect();
        fs::write(
            path("ini"),
            format!(
                "[databases]\n* = host={} port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
                 unix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {}\nauth_user = {}\n\
                 auth_query = select usename, passwd from pg_catalog.pg_shadow where usename = $1\n\
                 pool_mode = transaction\nserver_reset_query_always = 1\nmax_client_conn = 500\n\
                 default_pool_size = 10\nlogfile = {}\n{written}",
                parts.host,
                parts.port,
                path("users").display(),
                parts.user,
                path("log").display(),
            ),
        )?;
        if let Some(user) = server_user()? {
            for name in ["", "users", "ini"] {
                chown(&path(name), Some(user.uid), Some(user.gid))?;
            }
        }
        let child = as_server_user(Path::new(PROGRAM_FOLDER), "pgbouncer")
            .arg("--quiet")
            .arg(path("ini"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("starting PgBouncer; `scripts/install-tools test` installs it")?;
        let mut pooler = Self { child, folder, port };
        pooler.wait_until_it_listens()?;
        Ok(pooler)
    }

    /// This URL's server through PgBouncer.
    pub fn through(&self, url: &str) -> Option<String> {
        let parts = parts(url)?;
        let (user, password, rest) = (parts.user, parts.password, parts.rest);
        Some(format!("postgresql://{user}:{password}@127.0.0.1:{}{rest}", self.port))
    }

    /// Everything that it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn wait_until_it_listens(&mut self) -> Result<()> {
        let end = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            if self.child.try_wait()?.is_some() || Instant::now() > end {
                bail!("PgBouncer does not listen; its log:\n{}", self.log());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Parts<'a> {
    user: &'a str,
    password: &'a str,
    host: &'a str,
    port: &'a str,
    /// From the slash before the database's name.
    rest: &'a str,
}

fn parts(url: &str) -> Option<Parts<'_>> {
    let (login, place) = url.strip_prefix("postgresql://")?.split_once('@')?;
    let (user, password) = login.split_once(':')?;
    let at = place.find('/')?;
    let (host, port) = place[..at].split_once(':')?;
    Some(Parts { user, password, host, port, rest: &place[at..] })
}
