//! One private PostgreSQL server for every test process of a run.
//!
//! The first process that needs it creates and starts it under a file lock; the others reuse it. Each process holds a
//! shared lock while it lives, and a small watchdog stops the server once nobody holds one for a while. Durability is
//! off: these data are thrown away. `FERROBASE_TEST_PG` names a running server to use instead, and
//! `FERROBASE_TEST_PG_BIN` the folder of the binaries to test with.

use std::fs::{self, File, OpenOptions};
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Result, bail};
use nix::fcntl::{Flock, FlockArg};
use nix::unistd::{User, chown, geteuid};

/// Password of the superuser `postgres`; the server listens on loopback only.
const PASSWORD: &str = "testkit";

/// Settings that make a throw-away server fast and let every room be tested on it.
const SETTINGS: &[(&str, &str)] = &[
    ("fsync", "off"),
    ("synchronous_commit", "off"),
    ("full_page_writes", "off"),
    ("wal_level", "logical"),
    ("max_slot_wal_keep_size", "256MB"),
    ("max_connections", "300"),
    ("shared_buffers", "128MB"),
    ("listen_addresses", "127.0.0.1"),
    ("timezone", "UTC"),
    ("log_min_messages", "warning"),
    // A client that stops halfway through its login holds up every CREATE and DROP DATABASE of the cluster until this
    // ends (a minute by default).
    ("authentication_timeout", "5s"),
];

/// A running server that tests may use.
pub struct Cluster {
    url: String,
    bin: Option<PathBuf>,
    /// Held until the process ends: the watchdog waits for it.
    _in_use: Option<Flock<File>>,
}

impl Cluster {
    /// `postgresql://postgres:...@127.0.0.1:port/postgres`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The folder of `psql`, `pg_ctl` and the others, unless the server was given from outside.
    pub fn bin(&self) -> Option<&Path> {
        self.bin.as_deref()
    }
}

/// The server of this run, started when needed.
///
/// # Panics
/// When no PostgreSQL is installed or it does not start; the message says what to do.
pub fn shared() -> &'static Cluster {
    static SHARED: OnceLock<Cluster> = OnceLock::new();
    SHARED.get_or_init(|| match start_or_join() {
        Ok(cluster) => cluster,
        Err(error) => panic!("no PostgreSQL for the tests: {error:#}"),
    })
}

fn start_or_join() -> Result<Cluster> {
    if let Ok(url) = std::env::var("FERROBASE_TEST_PG") {
        return Ok(Cluster { url, bin: None, _in_use: None });
    }
    let bin = find_binaries()?;
    let home = home_for(&bin)?;
    let starting = lock(&home.join("start.lock"), FlockArg::LockExclusive)?;
    let in_use = lock(&home.join("users.lock"), FlockArg::LockShared)?;
    let port = match running_port(&home, &bin) {
        Some(port) => port,
        None => start(&home, &bin)?,
    };
    drop(starting);
    let url = format!("postgresql://postgres:{PASSWORD}@127.0.0.1:{port}/postgres");
    Ok(Cluster { url, bin: Some(bin), _in_use: Some(in_use) })
}

/// Binaries by `FERROBASE_TEST_PG_BIN`, else the newest of Debian's folders, else those of `pg_config`.
pub fn find_binaries() -> Result<PathBuf> {
    if let Ok(dir) = std::env::var("FERROBASE_TEST_PG_BIN") {
        return Ok(dir.into());
    }
    let mut versions: Vec<u32> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    versions.sort_unstable();
    let debian = versions.into_iter().rev().map(|v| PathBuf::from(format!("/usr/lib/postgresql/{v}/bin")));
    let configured = Command::new("pg_config").arg("--bindir").output().ok().filter(|out| out.status.success());
    let configured = configured.map(|out| PathBuf::from(String::from_utf8_lossy(&out.stdout).trim()));
    debian
        .chain(configured)
        .find(|dir| dir.join("initdb").exists())
        .context("PostgreSQL is not installed; `scripts/install-test-tools` installs it")
}

/// A folder of this checkout's and this PostgreSQL's own, outside the tree because the server runs as another user
/// when the tests run as root.
fn home_for(bin: &Path) -> Result<PathBuf> {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    (env!("CARGO_MANIFEST_DIR"), bin, geteuid().as_raw()).hash(&mut hasher);
    let home = std::env::temp_dir().join(format!("ferrobase-test-{:08x}", hasher.finish() as u32));
    if !home.exists() {
        fs::DirBuilder::new().mode(0o755).recursive(true).create(&home)?;
    }
    Ok(home)
}

fn lock(path: &Path, how: FlockArg) -> Result<Flock<File>> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o666)).ok();
    Flock::lock(file, how).map_err(|(_, errno)| errno).with_context(|| format!("locking {}", path.display()))
}

fn running_port(home: &Path, bin: &Path) -> Option<u16> {
    let status = as_server_user(bin, "pg_ctl").args(["status", "-D"]).arg(home.join("data")).output().ok()?;
    if !status.status.success() {
        return None;
    }
    fs::read_to_string(home.join("port")).ok()?.trim().parse().ok()
}

fn start(home: &Path, bin: &Path) -> Result<u16> {
    let data = home.join("data");
    if data.exists() {
        // A server that was killed leaves data whose durability was off: worthless by definition.
        fs::remove_dir_all(&data)?;
    }
    fs::DirBuilder::new().mode(0o700).create(&data)?;
    if let Some(user) = server_user()? {
        chown(&data, Some(user.uid), Some(user.gid))?;
    }
    let password = home.join("password");
    fs::write(&password, PASSWORD)?;
    check(
        as_server_user(bin, "initdb")
            .args(["-U", "postgres", "-A", "scram-sha-256", "-E", "UTF8", "--no-locale", "--no-sync"])
            .arg(format!("--pwfile={}", password.display()))
            .arg("-D")
            .arg(&data),
    )?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let mut options = format!("-p {port} -k {}", data.display());
    for (name, value) in SETTINGS {
        options.push_str(&format!(" -c {name}={value}"));
    }
    check(
        as_server_user(bin, "pg_ctl")
            .args(["start", "-w", "-s", "-l"])
            .arg(data.join("server.log"))
            .arg("-D")
            .arg(&data)
            .args(["-o", &options]),
    )?;
    fs::write(home.join("port"), port.to_string())?;
    watch(home, bin)?;
    Ok(port)
}

/// Stops the server when no test process has used it for ten seconds.
fn watch(home: &Path, bin: &Path) -> Result<()> {
    let script = r#"
        cd /
        while sleep 10; do
            exec 8>"$0/start.lock" 9>"$0/users.lock"
            flock -x 8
            if flock -n -x 9; then "$1/pg_ctl" stop -s -m immediate -D "$0/data"; exit; fi
            exec 8>&- 9>&-
        done"#;
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).arg(home).arg(bin);
    if let Some(user) = server_user()? {
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0).spawn()?;
    Ok(())
}

/// PostgreSQL refuses to run as root; then it runs as the package's user `postgres`.
pub(crate) fn server_user() -> Result<Option<User>> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    Ok(Some(User::from_name("postgres")?.context("running as root, and there is no user `postgres`")?))
}

pub(crate) fn as_server_user(bin: &Path, program: &str) -> Command {
    let mut command = Command::new(bin.join(program));
    command.current_dir("/").stdin(Stdio::null());
    if let Ok(Some(user)) = server_user() {
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    command
}

pub(crate) fn check(command: &mut Command) -> Result<()> {
    // The server inherits our output pipes when they are captured, and then the test never ends: use a file's end.
    let output = command.stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    if !output.success() {
        bail!("{command:?} failed with {output}");
    }
    Ok(())
}
