//! A mail server of one test's own: MailDev, which takes every mail and shows what it took.
//!
//! Node runs it on free ports of loopback; it is stopped, by process id, when dropped. SIGSTOP makes it a server that takes
//! connections and says nothing.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::app::free_port;

const PATIENCE: Duration = Duration::from_secs(30);

/// A running mail server.
#[derive(Debug)]
pub struct MailServer {
    child: Child,
    smtp: u16,
    web: u16,
    _folder: tempfile::TempDir,
}

impl MailServer {
    /// Starts one that asks for nothing.
    pub async fn start() -> Result<Self> {
        Self::start_with(&[]).await
    }

    /// Starts one with further arguments.
    pub async fn start_with(arguments: &[&str]) -> Result<Self> {
        for _ in 0..3 {
            let (smtp, web, folder) = (free_port()?, free_port()?, tempfile::tempdir()?);
            let child = launch(smtp, web, folder.path(), arguments)?;
            let mut server = Self { child, smtp, web, _folder: folder };
            if server.is_up().await {
                return Ok(server);
            }
            // The ports were free when they were chosen.
        }
        bail!("the mail server does not start")
    }

    /// Its port for mails.
    pub fn port(&self) -> u16 {
        self.smtp
    }

    /// Everything that it took, oldest first.
    pub async fn mails(&self) -> Result<Vec<Value>> {
        let answer = reqwest::get(format!("http://127.0.0.1:{}/email", self.web)).await?.text().await?;
        Ok(serde_json::from_str(&answer)?)
    }

    /// The same, once there are so many.
    pub async fn wait_for(&self, count: usize) -> Result<Vec<Value>> {
        let end = Instant::now() + PATIENCE;
        loop {
            let mails = self.mails().await?;
            if mails.len() >= count {
                return Ok(mails);
            }
            if Instant::now() > end {
                bail!("{} mails instead of {count} came", mails.len());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The source of a mail, head and body.
    pub async fn source(&self, mail: &Value) -> Result<String> {
        let id = mail["id"].as_str().context("a mail without an id")?;
        Ok(reqwest::get(format!("http://127.0.0.1:{}/email/{id}/source", self.web)).await?.text().await?)
    }

    /// Sends a signal: SIGSTOP makes it hang, SIGCONT go on.
    pub fn signal(&self, signal: Signal) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }

    async fn is_up(&mut self) -> bool {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end && matches!(self.child.try_wait(), Ok(None)) {
            let answers = self.mails().await.is_ok();
            if answers && tokio::net::TcpStream::connect(("127.0.0.1", self.smtp)).await.is_ok() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        false
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn launch(smtp: u16, web: u16, folder: &Path, arguments: &[&str]) -> Result<Child> {
    let program =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/servers/mail/node_modules/maildev/bin/maildev");
    let missing = "no mail server; `scripts/install-tools test` installs it";
    if !program.exists() {
        bail!(missing);
    }
    let mut command = Command::new(node().context(missing)?);
    command.arg(program).args(["--ip", "127.0.0.1", "--silent"]);
    command.args(["--smtp", &smtp.to_string(), "--web", &web.to_string()]);
    command.arg("--mail-directory").arg(folder).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().context(missing)
}

/// What `scripts/install-tools` has noted.
fn node() -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))?;
    let node = std::fs::read_to_string(cache.join("ferrobase/node")).ok()?;
    Some(PathBuf::from(node.trim()))
}
