//! A real Patroni cluster of one test's own: etcd and two members, each with its PostgreSQL.
//!
//! Everything on free ports of loopback, in a folder that is deleted; as the user `postgres` when the test is root.
//! Stopped by process id when dropped. Slow to start: some ten seconds.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, chown};
use serde_json::Value;

use crate::app::free_port;
use crate::cluster::{as_server_user, find_binaries, server_user};

const PASSWORD: &str = "of the test";
const PATIENCE: Duration = Duration::from_secs(90);

/// A running cluster.
pub struct Patroni {
    folder: tempfile::TempDir,
    children: Vec<Child>,
    members: Vec<Member>,
}

#[derive(Clone, Debug)]
struct Member {
    name: &'static str,
    api: u16,
    port: u16,
}

impl Patroni {
    /// Starts everything and waits until there is a leader and a replica that streams.
    pub async fn start() -> Result<Self> {
        tokio::task::spawn_blocking(Self::start_now).await?
    }

    fn start_now() -> Result<Self> {
        let bin = find_binaries()?;
        let folder = tempfile::Builder::new().prefix("fbpat").tempdir_in("/tmp")?;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
        give(folder.path())?;
        let (client, peer) = (free_port()?, free_port()?);
        let mut cluster = Self { folder, children: Vec::new(), members: Vec::new() };
        let etcd = cluster.folder.path().join("etcd");
        let address = |port: u16| format!("http://127.0.0.1:{port}");
        let mut command = as_server_user(Path::new("/usr/bin"), "etcd");
        command.args(["--name", "e", "--data-dir"]).arg(&etcd).args([
            "--listen-client-urls",
            &address(client),
            "--advertise-client-urls",
            &address(client),
            "--listen-peer-urls",
            &address(peer),
            "--initial-advertise-peer-urls",
            &address(peer),
            "--initial-cluster",
            &format!("e={}", address(peer)),
        ]);
        cluster.launch("etcd", &mut command)?;
        for name in ["one", "two"] {
            let member = Member { name, api: free_port()?, port: free_port()? };
            cluster.write(&member, client, &bin, false)?;
            let mut command = as_server_user(Path::new("/usr/bin"), "patroni");
            cluster.launch(name, command.arg(cluster.file(name)))?;
            cluster.members.push(member);
        }
        cluster.wait()?;
        Ok(cluster)
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(format!("{name}.yml"))
    }

    fn write(&self, member: &Member, etcd: u16, bin: &Path, no_reads: bool) -> Result<()> {
        let (root, name) = (self.folder.path().display(), member.name);
        let text = format!(
            "scope: test\nname: {name}\n\
             restapi: {{listen: '127.0.0.1:{api}', connect_address: '127.0.0.1:{api}'}}\n\
             etcd3: {{host: '127.0.0.1:{etcd}'}}\n\
             bootstrap:\n  dcs: {{ttl: 20, loop_wait: 1, retry_timeout: 3, postgresql: {{use_pg_rewind: false, \
             parameters: {{wal_level: logical, hot_standby: 'on', max_connections: 60, shared_buffers: 32MB}}}}}}\n  \
             initdb: [{{encoding: UTF8}}, no-sync]\n\
             postgresql:\n  listen: '127.0.0.1:{port}'\n  connect_address: '127.0.0.1:{port}'\n  \
             data_dir: {root}/{name}\n  bin_dir: {bin}\n  pgpass: {root}/{name}.pass\n  \
             pg_hba: ['host all all 127.0.0.1/32 scram-sha-256', 'host replication all 127.0.0.1/32 scram-sha-256', \
             'local all all trust']\n  \
             authentication: {{superuser: {{username: postgres, password: '{PASSWORD}'}}, \
             replication: {{username: replicator, password: '{PASSWORD}'}}}}\n  \
             parameters: {{unix_socket_directories: '{root}', fsync: 'off'}}\n\
             tags: {{noloadbalance: {no_reads}}}\n",
            api = member.api,
            port = member.port,
            bin = bin.display(),
        );
        let file = self.file(name);
        fs::write(&file, text)?;
        give(&file)
    }

    fn launch(&mut self, name: &str, command: &mut Command) -> Result<()> {
        let log = File::create(self.folder.path().join(format!("{name}.log")))?;
        let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn();
        self.children
            .push(child.with_context(|| format!("cannot start {name}; `scripts/install-tools test` installs it"))?);
        Ok(())
    }

    fn wait(&self) -> Result<()> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            let told = self.members.first().and_then(|member| get(member.api).ok());
            let states = told.as_ref().and_then(|told| told["members"].as_array()).map(|members| {
                let state = |wanted: &str| {
                    let is_up = |m: &&Value| m["state"] == "running" || m["state"] == "streaming";
                    members.iter().filter(is_up).filter(|m| (m["role"] == "leader") == (wanted == "leader")).count()
                };
                (state("leader"), state("replica"))
            });
            if states == Some((1, 1)) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        let log = |name: &str| fs::read_to_string(self.folder.path().join(format!("{name}.log"))).unwrap_or_default();
        bail!("no cluster came up:\n{}\n{}\n{}", log("etcd"), log("one"), log("two"))
    }

    /// Where the members answer HTTP.
    pub fn apis(&self) -> Vec<String> {
        self.members.iter().map(|member| format!("http://127.0.0.1:{}", member.api)).collect()
    }

    /// Ports of the servers: the leader's, and the other one's.
    pub fn ports(&self) -> Result<(u16, u16)> {
        let told = get(self.members[0].api)?;
        let members = told["members"].as_array().context("no members")?;
        let leader = members.iter().find(|member| member["role"] == "leader").context("no leader")?;
        let port = leader["port"].as_u64().and_then(|port| u16::try_from(port).ok()).context("no port")?;
        let other = self.members.iter().find(|member| member.port != port).context("one member only")?;
        Ok((port, other.port))
    }

    /// The superuser's URL of this server.
    pub fn url(&self, port: u16) -> String {
        format!("postgresql://postgres:{}@127.0.0.1:{port}/postgres", PASSWORD.replace(' ', "%20"))
    }

    /// Says in a member's own file whether it should answer reads, and has it read again.
    pub fn keep_out_of_reads(&self, port: u16, keep_out: bool) -> Result<()> {
        let member = self.members.iter().find(|member| member.port == port).context("no such member")?;
        let file = self.file(member.name);
        let text = fs::read_to_string(&file)?;
        let (from, to) = (format!("noloadbalance: {}", !keep_out), format!("noloadbalance: {keep_out}"));
        fs::write(&file, text.replace(&from, &to))?;
        post(member.api, "/reload", "{}")
    }

    /// Has the other member take over, as an operator would.
    pub fn switch_over(&self) -> Result<()> {
        let (leader, _) = self.ports()?;
        let name = |leads: bool| self.members.iter().find(|member| (member.port == leader) == leads).map(|m| m.name);
        let (from, to) = name(true).zip(name(false)).context("two members")?;
        post(self.members[0].api, "/switchover", &format!(r#"{{"leader": "{from}", "candidate": "{to}"}}"#))
    }
}

impl Drop for Patroni {
    fn drop(&mut self) {
        // Members first, which stop their PostgreSQL; etcd was started first.
        for mut child in std::mem::take(&mut self.children).into_iter().rev() {
            let pid = Pid::from_raw(child.id().cast_signed());
            let _ = kill(pid, Signal::SIGTERM);
            let end = Instant::now() + Duration::from_secs(10);
            while matches!(child.try_wait(), Ok(None)) && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(50));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// To the user whom PostgreSQL runs as.
fn give(path: &Path) -> Result<()> {
    if let Some(user) = server_user()? {
        chown(path, Some(user.uid), Some(user.gid))?;
    }
    Ok(())
}

fn get(api: u16) -> Result<Value> {
    let body = curl(api, "/cluster", &[])?;
    Ok(serde_json::from_str(&body)?)
}

fn post(api: u16, path: &str, body: &str) -> Result<()> {
    curl(api, path, &["-X", "POST", "-H", "content-type: application/json", "-d", body]).map(drop)
}

fn curl(api: u16, path: &str, more: &[&str]) -> Result<String> {
    let url = format!("http://127.0.0.1:{api}{path}");
    let output = Command::new("curl").args(["-sS", "--fail-with-body", "-m", "60"]).args(more).arg(&url).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        bail!("{url}: {text}{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(text)
}
