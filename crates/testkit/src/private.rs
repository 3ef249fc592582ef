//! A PostgreSQL of one test's own, for what must not be done to the shared one: stopping it, killing it, logging
//! every statement.
//!
//! Made by `initdb` (about a second), durable against the death of its processes but not of the machine, stopped and
//! deleted when dropped. Works as root and as a user, as `cluster` does. [`PrivateCluster::standby`] makes a streaming
//! replica of one, which is a private server like any other.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, chown};

use crate::cluster::{as_server_user, check, find_binaries, server_user};

/// Password of its superuser `postgres`.
const PASSWORD: &str = "testkit";

/// How to stop it, in `pg_ctl`'s words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Sessions are ended, data are written.
    Fast,
    /// As if the machine had been switched off; the next start recovers.
    Immediate,
    /// `kill -9` of the server's first process; the others notice and end by themselves.
    Kill,
}

/// A private server.
pub struct PrivateCluster {
    folder: tempfile::TempDir,
    bin: PathBuf,
    port: u16,
}

impl PrivateCluster {
    /// Makes and starts one with these settings beside the defaults for tests.
    pub async fn start(settings: &[(&str, &str)]) -> Result<Self> {
        let written: String = settings.iter().map(|(name, value)| format!("{name} = '{value}'\n")).collect();
        blocking(move || Self::create(&written)).await
    }

    /// Makes and starts a streaming replica of it, with these settings beside its own. `name` is what
    /// `synchronous_standby_names` calls it.
    pub async fn standby(&self, name: &str, settings: &[(&str, &str)]) -> Result<Self> {
        let written: String = settings.iter().map(|(name, value)| format!("{name} = '{value}'\n")).collect();
        let (port, name) = (self.port, name.to_owned());
        blocking(move || Self::copy_of(port, &name, &written)).await
    }

    fn copy_of(primary: u16, name: &str, settings: &str) -> Result<Self> {
        let cluster = Self::empty()?;
        check(
            as_server_user(&cluster.bin, "pg_basebackup")
                .env("PGPASSWORD", PASSWORD)
                .args(["-h", "127.0.0.1", "-U", "postgres", "-c", "fast", "-X", "stream", "--no-sync", "-p"])
                .arg(primary.to_string())
                .arg("-D")
                .arg(cluster.data()),
        )?;
        fs::write(cluster.data().join("standby.signal"), "")?;
        let conf = cluster.data().join("postgresql.conf");
        // What is written last counts.
        let own = format!(
            "port = {}\nunix_socket_directories = '{}'\nhot_standby = on\nwal_receiver_status_interval = '100ms'\n\
             wal_retrieve_retry_interval = '200ms'\nsynchronous_standby_names = ''\n\
             primary_conninfo = 'host=127.0.0.1 port={primary} user=postgres password={PASSWORD} application_name={name}'\n\
             {settings}",
            cluster.port,
            cluster.folder.path().display()
        );
        fs::write(&conf, fs::read_to_string(&conf)? + &own)?;
        let _ = fs::remove_file(cluster.log_file());
        cluster.start_now()?;
        Ok(cluster)
    }

    /// Makes a standby a primary and waits until it is one.
    pub async fn promote(&self) -> Result<()> {
        let (bin, data) = (self.bin.clone(), self.data());
        blocking(move || check(as_server_user(&bin, "pg_ctl").args(["promote", "-w", "-s", "-D"]).arg(data))).await
    }

    /// Ends all its processes at once and without a word. It can be started again.
    pub fn kill(&self) {
        let killed = self.signal(Signal::SIGKILL);
        let end = Instant::now() + Duration::from_secs(5);
        while killed.iter().any(|pid| is_running(*pid)) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = remove_locks(&self.data());
    }

    /// Stops all its processes: nothing answers and nothing is closed, until they go on.
    pub fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// They go on.
    pub fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// The postmaster first, so that it starts no more.
    fn signal(&self, signal: Signal) -> Vec<i32> {
        let text = fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
        let Some(postmaster) = text.lines().next().and_then(|pid| pid.trim().parse().ok()) else { return Vec::new() };
        let all: Vec<i32> = std::iter::once(postmaster).chain(children(postmaster)).collect();
        for pid in &all {
            let _ = kill(Pid::from_raw(*pid), signal);
        }
        all
    }

    fn create(settings: &str) -> Result<Self> {
        let cluster = Self::empty()?;
        let port = cluster.port;
        let password = cluster.folder.path().join("password");
        fs::write(&password, PASSWORD)?;
        check(
            as_server_user(&cluster.bin, "initdb")
                .args(["-U", "postgres", "-A", "scram-sha-256", "-E", "UTF8", "--no-locale", "--no-sync"])
                .arg(format!("--pwfile={}", password.display()))
                .arg("-D")
                .arg(cluster.data()),
        )?;
        let conf = cluster.data().join("postgresql.conf");
        let own = format!(
            "port = {port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{}'\nfsync = off\n\
             shared_buffers = 32MB\nmax_connections = 60\nwal_level = logical\nmax_slot_wal_keep_size = 64MB\n\
             timezone = 'UTC'\n{settings}",
            cluster.folder.path().display()
        );
        fs::write(&conf, fs::read_to_string(&conf)? + &own)?;
        cluster.start_now()?;
        Ok(cluster)
    }

    /// A folder and a port, and nothing in them.
    fn empty() -> Result<Self> {
        let bin = find_binaries()?;
        // Short, because the path of a socket has at most 107 bytes.
        let folder = tempfile::Builder::new().prefix("fbpriv").tempdir_in("/tmp")?;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
        if let Some(user) = server_user()? {
            chown(folder.path(), Some(user.uid), Some(user.gid))?;
        }
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        Ok(Self { folder, bin, port })
    }

    /// The superuser's URL of the database `postgres`.
    pub fn url(&self) -> String {
        format!("postgresql://postgres:{PASSWORD}@127.0.0.1:{}/postgres", self.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Everything that it has logged.
    pub fn log(&self) -> String {
        fs::read(self.log_file()).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Stops it and waits until it is gone.
    pub async fn stop(&self, how: Stop) -> Result<()> {
        let (bin, data) = (self.bin.clone(), self.data());
        blocking(move || stop(&bin, &data, how)).await
    }

    /// Starts it again and waits until it takes connections.
    pub async fn start_again(&self) -> Result<()> {
        let (bin, data, log) = (self.bin.clone(), self.data(), self.log_file());
        blocking(move || start(&bin, &data, &log)).await
    }

    fn start_now(&self) -> Result<()> {
        start(&self.bin, &self.data(), &self.log_file())
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn log_file(&self) -> PathBuf {
        self.data().join("server.log")
    }
}

impl Drop for PrivateCluster {
    fn drop(&mut self) {
        self.thaw();
        let _ = stop(&self.bin, &self.data(), Stop::Immediate);
    }
}

/// Whether a process is there and no zombie.
fn is_running(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

/// Processes whose parent this is.
fn children(parent: i32) -> Vec<i32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let is_child = |pid: &i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // Behind the command's name, which may contain anything: state and parent.
        let parent_of = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse::<i32>().ok());
        parent_of == Some(parent)
    };
    pids.filter(is_child).collect()
}

fn start(bin: &Path, data: &Path, log: &Path) -> Result<()> {
    let started = check(as_server_user(bin, "pg_ctl").args(["start", "-w", "-s", "-l"]).arg(log).arg("-D").arg(data));
    started.with_context(|| {
        let log = fs::read_to_string(log).unwrap_or_default();
        log.lines().rev().take(5).collect::<Vec<_>>().join(" < ")
    })
}

fn stop(bin: &Path, data: &Path, how: Stop) -> Result<()> {
    let mode = match how {
        Stop::Fast => "fast",
        Stop::Immediate => "immediate",
        Stop::Kill => return kill_postmaster(data),
    };
    check(as_server_user(bin, "pg_ctl").args(["stop", "-w", "-s", "-m", mode, "-D"]).arg(data))
}

/// A new server refuses to start while processes of the old one are attached to its memory: waits for their end too.
fn kill_postmaster(data: &Path) -> Result<()> {
    let file = fs::read_to_string(data.join("postmaster.pid"))?;
    let postmaster: i32 = file.lines().next().unwrap_or_default().parse().context("postmaster.pid")?;
    let family = children(postmaster);
    kill(Pid::from_raw(postmaster), Signal::SIGKILL)?;
    let end = Instant::now() + Duration::from_secs(30);
    while family.iter().any(|child| is_running(*child)) {
        anyhow::ensure!(Instant::now() < end, "processes of a killed server live on");
        std::thread::sleep(Duration::from_millis(10));
    }
    remove_locks(data)
}

/// Where nobody buries the dead at once, PostgreSQL would take them for alive.
fn remove_locks(data: &Path) -> Result<()> {
    fs::remove_file(data.join("postmaster.pid"))?;
    for entry in fs::read_dir(data.parent().unwrap_or(data))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "lock") {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// The callers of a test go on asking while the server starts or stops.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.context("a helper thread of the test ended")?
}
