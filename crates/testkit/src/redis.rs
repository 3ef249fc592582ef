//! Redis servers of one test's own: single, with replicas and sentinels, as a cluster.
//!
//! The machine's `redis-server` on free ports of loopback, in a folder that is deleted. Nothing is written to disk
//! except what sentinels and cluster nodes remember. Stopped, by process id, when dropped. Faults are signals: SIGKILL
//! for a machine that died, SIGSTOP for one that hangs.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::app::free_port;

/// What the sentinels of [`sentinels`] call the primary.
pub const PRIMARY: &str = "mymaster";
/// For a server to start, and for what several of them agree on.
const PATIENCE: Duration = Duration::from_secs(30);

/// How to start a server.
#[derive(Clone, Debug, Default)]
pub struct RedisBuilder {
    lines: Vec<String>,
    login: Option<(Option<String>, String)>,
    tls: Option<Certificates>,
    port: Option<u16>,
    is_sentinel: bool,
}

/// Files of a server with TLS.
#[derive(Clone, Debug)]
pub struct Certificates {
    /// Authority of the server's certificate and of clients'.
    pub authority: PathBuf,
    /// The server's certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

impl RedisBuilder {
    /// One more line of the configuration.
    #[must_use]
    pub fn line(mut self, line: impl Into<String>) -> Self {
        self.lines.push(line.into());
        self
    }

    /// The login of the test's own questions.
    #[must_use]
    pub fn login(mut self, user: Option<&str>, password: &str) -> Self {
        self.login = Some((user.map(str::to_owned), password.to_owned()));
        self
    }

    /// TLS only.
    #[must_use]
    pub fn tls(mut self, certificates: Certificates) -> Self {
        self.tls = Some(certificates);
        self
    }

    /// On this port instead of a free one.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Starts it and waits until it answers.
    pub fn start(self) -> Result<RedisServer> {
        let folder = tempfile::tempdir()?;
        let mut tries = 0;
        loop {
            let port = self.port.map_or_else(free_port, Ok)?;
            self.write(folder.path(), port)?;
            let child = launch(folder.path(), self.is_sentinel)?;
            let mut server = RedisServer { child, port, folder: None, builder: self.clone() };
            match server.wait(folder.path()) {
                Ok(()) => {
                    server.folder = Some(folder);
                    return Ok(server);
                }
                // The port was free when it was chosen.
                Err(error) if tries == 2 || self.port.is_some() => return Err(error),
                Err(_) => tries += 1,
            }
        }
    }

    fn write(&self, folder: &Path, port: u16) -> Result<()> {
        let folder = folder.display();
        let ports = match &self.tls {
            None => format!("port {port}\n"),
            Some(tls) => format!(
                "port 0\ntls-port {port}\ntls-cert-file {}\ntls-key-file {}\ntls-ca-cert-file {}\n",
                tls.certificate.display(),
                tls.key.display(),
                tls.authority.display()
            ),
        };
        let data = if self.is_sentinel { "" } else { "save \"\"\nappendonly no\nrepl-diskless-sync-delay 0\n" };
        let own = self.lines.join("\n");
        let text = format!("bind 127.0.0.1\ndir {folder}\nlogfile {folder}/log\n{ports}{data}{own}\n");
        Ok(fs::write(format!("{folder}/conf"), text)?)
    }
}

fn launch(folder: &Path, is_sentinel: bool) -> Result<Child> {
    let mut command = program();
    command.arg(folder.join("conf")).args(is_sentinel.then_some("--sentinel"));
    let output = File::create(folder.join("output"))?;
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).current_dir(folder);
    command.spawn().context("no redis-server; `scripts/install-tools test` installs it")
}

/// Debian's `redis-server` is another name of the program `redis-check-rdb`, which looks at how it was called; the
/// package of that name would also start a service, which no test needs.
fn program() -> Command {
    let path = std::env::var_os("PATH").unwrap_or_default();
    if std::env::split_paths(&path).any(|folder| folder.join("redis-server").exists()) {
        return Command::new("redis-server");
    }
    let mut command = Command::new("redis-check-rdb");
    command.arg0("redis-server");
    command
}

/// A running server, or sentinel.
#[derive(Debug)]
pub struct RedisServer {
    child: Child,
    port: u16,
    folder: Option<tempfile::TempDir>,
    builder: RedisBuilder,
}

impl RedisServer {
    /// How to start one.
    pub fn builder() -> RedisBuilder {
        RedisBuilder::default()
    }

    /// Starts one without a password.
    pub fn start() -> Result<Self> {
        Self::builder().start()
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `127.0.0.1:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it something with `redis-cli`; gives what that prints.
    pub fn ask(&self, command: &[&str]) -> Result<String> {
        let mut cli = Command::new("redis-cli");
        cli.args(["-p", &self.port.to_string()]).env_remove("REDISCLI_AUTH");
        if let Some((user, password)) = &self.builder.login {
            cli.env("REDISCLI_AUTH", password);
            if let Some(user) = user {
                cli.args(["--user", user]);
            }
        }
        if let Some(tls) = &self.builder.tls {
            cli.arg("--tls").arg("--cacert").arg(&tls.authority);
            cli.arg("--cert").arg(&tls.certificate).arg("--key").arg(&tls.key);
        }
        let output = cli.args(command).stdin(Stdio::null()).output().context("no redis-cli")?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if !output.status.success() {
            bail!("{command:?}: {text} {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(text)
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.folder.as_ref().and_then(|folder| fs::read_to_string(folder.path().join("log")).ok()).unwrap_or_default()
    }

    /// Sends a signal: SIGSTOP makes it hang, SIGCONT go on.
    pub fn signal(&self, signal: Signal) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }

    /// Ends it as a lost machine does, and waits until it is gone.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again on the same port, without data.
    pub fn start_again(&mut self) -> Result<()> {
        self.kill();
        let Some(folder) = self.folder.take() else { bail!("it never ran") };
        self.child = launch(folder.path(), self.builder.is_sentinel)?;
        let waited = self.wait(folder.path());
        self.folder = Some(folder);
        waited
    }

    fn wait(&mut self, folder: &Path) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait()? {
                let said = fs::read_to_string(folder.join("log")).unwrap_or_default()
                    + &fs::read_to_string(folder.join("output")).unwrap_or_default();
                bail!("redis-server ended with {status}: {said}");
            }
            if self.ask(&["ping"]).is_ok_and(|answer| answer == "PONG" || answer.starts_with("NO")) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("redis-server does not answer")
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A primary with one replica, and three sentinels that replace it half a second after it went.
pub struct Watched {
    /// Servers: the first primary, and its replica.
    pub servers: [RedisServer; 2],
    /// The sentinels.
    pub sentinels: Vec<RedisServer>,
}

impl Watched {
    /// Starts them, with this password on the servers when there is one and that one on the sentinels.
    pub fn start(password: Option<&str>, sentinel_password: Option<&str>) -> Result<Self> {
        Self::start_from(&RedisBuilder::default(), password, sentinel_password)
    }

    /// The same, and all of them with these lines and certificates.
    pub fn start_from(base: &RedisBuilder, password: Option<&str>, sentinel_password: Option<&str>) -> Result<Self> {
        let server = || match password {
            Some(password) => base
                .clone()
                .line(format!("requirepass {password}"))
                .line(format!("masterauth {password}"))
                .login(None, password),
            None => base.clone(),
        };
        let primary = server().start()?;
        let replica = server().line(format!("replicaof 127.0.0.1 {}", primary.port())).start()?;
        let sentinel = || {
            let mut sentinel = RedisBuilder { is_sentinel: true, ..base.clone() }
                .line(format!("sentinel monitor {PRIMARY} 127.0.0.1 {} 2", primary.port()))
                .line(format!("sentinel down-after-milliseconds {PRIMARY} 500"))
                .line(format!("sentinel failover-timeout {PRIMARY} 2000"));
            if let Some(password) = password {
                sentinel = sentinel.line(format!("sentinel auth-pass {PRIMARY} {password}"));
            }
            if let Some(password) = sentinel_password {
                // Sentinels use it among themselves too.
                sentinel = sentinel
                    .line(format!("requirepass {password}"))
                    .line(format!("sentinel sentinel-pass {password}"))
                    .login(None, password);
            }
            sentinel.start()
        };
        let sentinels = (0..3).map(|_| sentinel()).collect::<Result<Vec<_>>>()?;
        let watched = Self { servers: [primary, replica], sentinels };
        agree("the sentinels know the replica and each other", || {
            Ok(watched.sentinels.iter().all(|sentinel| {
                let known = sentinel.ask(&["sentinel", "master", PRIMARY]).unwrap_or_default();
                let fields: Vec<&str> = known.lines().collect();
                let is = |name, value| fields.windows(2).any(|pair| pair == [name, value]);
                is("num-slaves", "1") && is("num-other-sentinels", "2") && is("flags", "master")
            }))
        })?;
        Ok(watched)
    }

    /// Addresses of the sentinels.
    pub fn addresses(&self) -> Vec<String> {
        self.sentinels.iter().map(RedisServer::address).collect()
    }
}

/// A cluster of so many primaries, with all slots. A node that cannot reach another for a second says so.
pub fn cluster(primaries: usize) -> Result<Vec<RedisServer>> {
    cluster_from(&RedisBuilder::default(), primaries)
}

/// The same, and all of them with these lines and certificates.
pub fn cluster_from(base: &RedisBuilder, primaries: usize) -> Result<Vec<RedisServer>> {
    let node = || {
        base.clone()
            .line("cluster-enabled yes")
            .line("cluster-node-timeout 1000")
            .line(format!("cluster-port {}", free_port()?))
            .start()
    };
    let nodes = (0..primaries).map(|_| node()).collect::<Result<Vec<_>>>()?;
    let bus = |node: &RedisServer| -> Result<String> {
        let answer = node.ask(&["config", "get", "cluster-port"])?;
        Ok(answer.lines().last().unwrap_or_default().to_owned())
    };
    let share = 16_384_usize.div_ceil(primaries);
    for (index, node) in nodes.iter().enumerate() {
        let (first, last) = (index * share, ((index + 1) * share).min(16_384) - 1);
        node.ask(&["cluster", "addslotsrange", &first.to_string(), &last.to_string()])?;
        if index > 0 {
            nodes[0].ask(&["cluster", "meet", "127.0.0.1", &node.port().to_string(), &bus(node)?])?;
        }
    }
    agree("the cluster has all slots", || {
        Ok(nodes.iter().all(|node| {
            let (info, known) = (node.ask(&["cluster", "info"]), node.ask(&["cluster", "slots"]));
            info.is_ok_and(|info| info.contains("cluster_state:ok"))
                && known.is_ok_and(|known| nodes.iter().all(|node| known.contains(&node.port().to_string())))
        }))
    })?;
    Ok(nodes)
}

/// Waits until several servers see it the same way.
fn agree(what: &str, mut is_so: impl FnMut() -> Result<bool>) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    while !is_so()? {
        if Instant::now() > end {
            bail!("not within {PATIENCE:?}: {what}");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}
