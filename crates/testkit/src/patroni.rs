//! A real Patroni cluster of one test's own: etcd and members, each with its PostgreSQL: two at first, others may come and go.
//!
//! Everything on free ports of loopback, in a folder that is deleted; as the user `postgres` when the test is root.
//! Stopped by process id when dropped. Slow to start: some ten seconds.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
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
    bin: PathBuf,
    etcd: Child,
    etcd_port: u16,
    /// Those that run, and those whose Patroni was killed.
    members: Vec<Member>,
}

struct Member {
    name: String,
    api: u16,
    port: u16,
    patroni: Option<Child>,
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
        let (etcd_port, peer) = (free_port()?, free_port()?);
        let address = |port: u16| format!("http://127.0.0.1:{port}");
        let mut command = as_server_user(Path::new("/usr/bin"), "etcd");
        command.args(["--name", "e", "--data-dir"]).arg(folder.path().join("etcd")).args([
            "--listen-client-urls",
            &address(etcd_port),
            "--advertise-client-urls",
            &address(etcd_port),
            "--listen-peer-urls",
            &address(peer),
            "--initial-advertise-peer-urls",
            &address(peer),
            "--initial-cluster",
            &format!("e={}", address(peer)),
        ]);
        let etcd = launch(folder.path(), "etcd", &mut command)?;
        let mut cluster = Self { folder, bin, etcd, etcd_port, members: Vec::new() };
        for name in ["one", "two"] {
            cluster.launch_member(name)?;
        }
        cluster.wait(1)?;
        Ok(cluster)
    }

    /// Adds a member, as a new machine would be; gives its port once it streams.
    pub fn add(&mut self, name: &str) -> Result<u16> {
        let running = self.members.iter().filter(|member| member.patroni.is_some()).count();
        self.launch_member(name)?;
        self.wait(running)?;
        self.members.last().map(|member| member.port).context("it was just added")
    }

    fn launch_member(&mut self, name: &str) -> Result<()> {
        let (api, port) = (free_port()?, free_port()?);
        let mut member = Member { name: name.to_owned(), api, port, patroni: None };
        self.write(&member)?;
        let mut command = as_server_user(Path::new("/usr/bin"), "patroni");
        member.patroni = Some(launch(self.folder.path(), name, command.arg(self.file(name)))?);
        self.members.push(member);
        Ok(())
    }

    /// Ends a member and its PostgreSQL, as a machine that is switched off. Patroni names it for some twenty seconds more.
    pub fn stop(&mut self, port: u16) -> Result<()> {
        let place = self.members.iter().position(|member| member.port == port).context("no such member")?;
        let mut member = self.members.remove(place);
        member.patroni.as_mut().map(end).context("its Patroni does not run")
    }

    /// Kills a member's Patroni and leaves its PostgreSQL alone, which goes on streaming. Patroni names it for some twenty
    /// seconds more.
    pub fn abandon(&mut self, port: u16) -> Result<()> {
        let member = self.members.iter_mut().find(|member| member.port == port).context("no such member")?;
        let mut patroni = member.patroni.take().context("its Patroni does not run")?;
        patroni.kill()?;
        patroni.wait()?;
        Ok(())
    }

    /// Whether Patroni names a member with this port.
    pub fn names(&self, port: u16) -> Result<bool> {
        let told = self.told()?;
        Ok(told["members"].as_array().is_some_and(|members| members.iter().any(|member| member["port"] == port)))
    }

    fn told(&self) -> Result<Value> {
        let member = self.members.iter().find(|member| member.patroni.is_some()).context("nobody runs")?;
        get(member.api)
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(format!("{name}.yml"))
    }

    fn write(&self, member: &Member) -> Result<()> {
        let (root, name) = (self.folder.path().display(), &member.name);
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
             tags: {{noloadbalance: false}}\n",
            api = member.api,
            port = member.port,
            bin = self.bin.display(),
            etcd = self.etcd_port,
        );
        let file = self.file(name);
        fs::write(&file, text)?;
        give(&file)
    }

    /// Waits until there is a leader with so many replicas that stream.
    fn wait(&self, replicas: usize) -> Result<()> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            let told = self.told().ok();
            let states = told.as_ref().and_then(|told| told["members"].as_array()).map(|members| {
                let is_up = |m: &&Value| m["state"] == "running" || m["state"] == "streaming";
                let is_ours =
                    |m: &&Value| self.members.iter().any(|own| own.patroni.is_some() && m["name"] == own.name);
                let up: Vec<_> = members.iter().filter(is_up).filter(is_ours).collect();
                let leaders = up.iter().filter(|m| m["role"] == "leader").count();
                (leaders, up.len() - leaders)
            });
            if states == Some((1, replicas)) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        let log = |name: &str| fs::read_to_string(self.folder.path().join(format!("{name}.log"))).unwrap_or_default();
        let logs: Vec<_> = self.members.iter().map(|member| log(&member.name)).collect();
        bail!("no cluster came up:\n{}\n{}", log("etcd"), logs.join("\n"))
    }

    /// Where the members answer HTTP.
    pub fn apis(&self) -> Vec<String> {
        self.members.iter().map(|member| format!("http://127.0.0.1:{}", member.api)).collect()
    }

    /// Port of the leader's server.
    pub fn leader(&self) -> Result<u16> {
        let told = self.told()?;
        let members = told["members"].as_array().context("no members")?;
        let leader = members.iter().find(|member| member["role"] == "leader").context("no leader")?;
        leader["port"].as_u64().and_then(|port| u16::try_from(port).ok()).context("no port")
    }

    /// Ports of the servers: the leader's, and that of another one whose Patroni runs.
    pub fn ports(&self) -> Result<(u16, u16)> {
        let leader = self.leader()?;
        let is_other = |member: &&Member| member.port != leader && member.patroni.is_some();
        Ok((leader, self.members.iter().find(is_other).context("one member only")?.port))
    }

    /// The superuser's URL of this server.
    pub fn url(&self, port: u16) -> String {
        format!("postgresql://postgres:{}@127.0.0.1:{port}/postgres", PASSWORD.replace(' ', "%20"))
    }

    /// Says in a member's own file whether it should answer reads, and has it read again.
    pub fn keep_out_of_reads(&self, port: u16, keep_out: bool) -> Result<()> {
        let member = self.members.iter().find(|member| member.port == port).context("no such member")?;
        let file = self.file(&member.name);
        let text = fs::read_to_string(&file)?;
        let (from, to) = (format!("noloadbalance: {}", !keep_out), format!("noloadbalance: {keep_out}"));
        fs::write(&file, text.replace(&from, &to))?;
        post(member.api, "/reload", "{}")
    }

    /// Has the other member take over, as an operator would.
    pub fn switch_over(&self) -> Result<()> {
        let (leader, other) = self.ports()?;
        let member = |port: u16| self.members.iter().find(|member| member.port == port);
        let (from, to) = member(leader).zip(member(other)).context("two members")?;
        let body = format!(r#"{{"leader": "{}", "candidate": "{}"}}"#, from.name, to.name);
        post(from.api, "/switchover", &body)
    }

    /// Ends the PostgreSQL of a member that nobody keeps any more; its folder is ours.
    fn end_orphan(&self, member: &Member) {
        let file = self.folder.path().join(&member.name).join("postmaster.pid");
        let pid = fs::read_to_string(file).ok().and_then(|text| text.lines().next()?.parse().ok()).map(Pid::from_raw);
        let end = Instant::now() + Duration::from_secs(10);
        while pid.is_some_and(|pid| kill(pid, Signal::SIGQUIT).is_ok()) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Patroni {
    fn drop(&mut self) {
        // Members first, which stop their PostgreSQL, all at once.
        self.members.iter().filter_map(|member| member.patroni.as_ref()).for_each(ask_to_end);
        for mut member in std::mem::take(&mut self.members).into_iter().rev() {
            match &mut member.patroni {
                Some(patroni) => end(patroni),
                None => self.end_orphan(&member),
            }
        }
        end(&mut self.etcd);
    }
}

fn launch(folder: &Path, name: &str, command: &mut Command) -> Result<Child> {
    let log = File::create(folder.join(format!("{name}.log")))?;
    let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn();
    child.with_context(|| format!("cannot start {name}; `scripts/install-tools test` installs it"))
}

fn ask_to_end(child: &Child) {
    let _ = kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM);
}

/// Asks a process to end, and makes it after ten seconds.
fn end(child: &mut Child) {
    ask_to_end(child);
    let end = Instant::now() + Duration::from_secs(10);
    while matches!(child.try_wait(), Ok(None)) && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(50));
    }
    let _ = child.kill();
    let _ = child.wait();
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
