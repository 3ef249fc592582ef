//! A PostgreSQL of one test's own, for what must not be done to the shared one: stopping it, killing it, logging
//! every statement.
//!
//! Made by `initdb` (about a second), durable against the death of its processes but not of the machine, stopped and
//! deleted when dropped. Works as root and as a user, as `cluster` does.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::unistd::chown;

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

    fn create(settings: &str) -> Result<Self> {
        let bin = find_binaries()?;
        // Short, because the path of a socket has at most 107 bytes.
        let folder = tempfile::Builder::new().prefix("fbpriv").tempdir_in("/tmp")?;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
        if let Some(user) = server_user()? {
            chown(folder.path(), Some(user.uid), Some(user.gid))?;
        }
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let cluster = Self { folder, bin, port };
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
        let _ = stop(&self.bin, &self.data(), Stop::Immediate);
    }
}

fn start(bin: &Path, data: &Path, log: &Path) -> Result<()> {
    check(as_server_user(bin, "pg_ctl").args(["start", "-w", "-s", "-l"]).arg(log).arg("-D").arg(data))
}

fn stop(bin: &Path, data: &Path, how: Stop) -> Result<()> {
    let mode = match how {
        Stop::Fast => "fast",
        Stop::Immediate => "immediate",
    };
    check(as_server_user(bin, "pg_ctl").args(["stop", "-w", "-s", "-m", mode, "-D"]).arg(data))
}

/// The callers of a test go on asking while the server starts or stops.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.context("a helper thread of the test ended")?
}
