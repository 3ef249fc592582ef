//! Mail servers of one test's own: MailDev, which takes every mail and shows what it took, and one that begins in the clear.
//!
//! Node runs it on free ports of loopback; it is stopped, by process id, when dropped. SIGSTOP makes it a server that takes
//! connections and says nothing.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::app::free_port;
use crate::node::node;

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
            // Mails are taken before they are shown. With TLS, a connection that only looks would end the server.
            if self.mails().await.is_ok() {
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

/// A mail server that begins in the clear and changes to TLS (tests/servers/mail/starttls.mjs). It runs until it is dropped.
#[derive(Debug)]
pub struct StarttlsServer {
    child: Child,
    port: u16,
    told: Arc<Mutex<Vec<Value>>>,
}

impl StarttlsServer {
    /// Starts one with this certificate; `is_plain` does not offer TLS.
    pub fn start(certificate: &Path, key: &Path, is_plain: bool) -> Result<Self> {
        let (port, folder) = (free_port()?, Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/servers/mail"));
        let mut command = Command::new(node()?);
        command.arg("starttls.mjs").arg(port.to_string()).args([certificate, key]).current_dir(folder);
        command.args(is_plain.then_some("plain")).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        let out = child.stdout.take().context("no output")?;
        let mut lines = BufReader::new(out).lines().map_while(Result::ok);
        if !lines.any(|line| line == "\"listening\"") {
            bail!("the mail server does not start; `scripts/install-tools test` installs it");
        }
        let told = Arc::<Mutex<Vec<Value>>>::default();
        let heard = Arc::clone(&told);
        std::thread::spawn(move || {
            for event in lines.filter_map(|line| serde_json::from_str(&line).ok()) {
                heard.lock().unwrap_or_else(PoisonError::into_inner).push(event);
            }
        });
        Ok(Self { child, port, told })
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Everything that it was told: `login`, `mail` or `error`, and whether that was `secure`.
    pub fn told(&self) -> Vec<Value> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for StarttlsServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
