//! A throwaway project folder, commands run in it, and the `dev` that serves it.
//!
//! Nothing is shared with other tests: `dev` chooses ports of its own. What a killed `dev` leaves (a PostgreSQL, its data
//! and socket folder) is removed when the folder is; processes are signalled by the id in their own data folder.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User, geteuid};
use serde_json::Value;

use crate::support::BINARY;

/// Longest wait for anything; the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder, and who works in it.
pub(crate) struct Project {
    path: PathBuf,
    folder: tempfile::TempDir,
    user: Option<User>,
}

impl Project {
    /// An empty folder.
    pub(crate) fn empty() -> Self {
        // PostgreSQL runs as another user when the tests run as root.
        let folder = tempfile::Builder::new().prefix("fb-dev-").tempdir_in("/tmp").unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let path = folder.path().join("shop");
        fs::create_dir(&path).unwrap();
        Self { path, folder, user: None }
    }

    /// One with what `ferrobase init` makes.
    pub(crate) fn new() -> Self {
        let project = Self::empty();
        project.run(&["init"]).succeeds();
        project
    }

    /// The same of an ordinary user when the tests run as root.
    pub(crate) fn of_user() -> Self {
        let mut project = Self::empty();
        if geteuid().is_root() {
            let user = User::from_name("nobody").unwrap().unwrap();
            chown(&project.path, Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
            // The checkout may lie where others cannot go.
            fs::copy(BINARY, project.folder.path().join("ferrobase")).unwrap();
            project.user = Some(user);
        }
        project
    }

    /// A copy of a folder of the checkout.
    pub(crate) fn copy_of(source: &Path) -> Self {
        let project = Self::empty();
        let copied = Command::new("cp").arg("-R").arg(source.join(".")).arg(&project.path).status().unwrap();
        assert!(copied.success());
        let _ = fs::remove_dir_all(project.path.join(".ferrobase"));
        project
    }

    /// The same under another name.
    pub(crate) fn renamed(mut self, name: &str) -> Self {
        let path = self.folder.path().join(name);
        fs::rename(&self.path, &path).unwrap();
        self.path = path;
        self
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(self.file(name).parent().unwrap()).unwrap();
        fs::write(self.file(name), text).unwrap();
    }

    pub(crate) fn migration(&self, name: &str, sql: &str) {
        self.write(&format!("ferrobase/migrations/{name}"), sql);
    }

    /// A program in this folder, with `ferrobase` on its PATH and none of our own variables.
    pub(crate) fn program(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("FERROBASE_")) {
            command.env_remove(name);
        }
        if let Ok(bin) = std::env::var("FERROBASE_TEST_PG_BIN") {
            command.env("FERROBASE_PG_BIN", bin);
        }
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", self.binary().parent().unwrap().display()));
        command.current_dir(&self.path).stdin(Stdio::null());
        if let Some(user) = &self.user {
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        command
    }

    /// `ferrobase` in this folder.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.program(self.binary());
        command.args(arguments);
        command
    }

    fn binary(&self) -> PathBuf {
        if self.user.is_some() { self.folder.path().join("ferrobase") } else { PathBuf::from(BINARY) }
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(&mut self.command(arguments))
    }

    /// `ferrobase dev`, ready.
    pub(crate) fn dev(&self) -> Dev {
        self.start(&["dev"]).ready()
    }

    /// A command that goes on, not waited for.
    pub(crate) fn start(&self, arguments: &[&str]) -> Dev {
        self.spawn(&mut self.command(arguments))
    }

    /// Any program that runs `dev` here.
    pub(crate) fn spawn(&self, command: &mut Command) -> Dev {
        let log = tempfile::tempdir().unwrap();
        let (out, err) = (File::create(log.path().join("out")).unwrap(), File::create(log.path().join("err")).unwrap());
        let stale = self.announced();
        let child = command.stdout(out).stderr(err).spawn().unwrap();
        Dev { child, log, project: self.path.clone(), stale }
    }

    /// What its `dev` said about itself.
    pub(crate) fn announced(&self) -> Option<Value> {
        announced(&self.path)
    }

    /// Where the data of its PostgreSQL are, once they are.
    pub(crate) fn data(&self) -> Option<PathBuf> {
        let pg = self.file(".ferrobase/pg");
        let home = if pg.is_dir() { pg } else { PathBuf::from(fs::read_to_string(pg).ok()?.trim()) };
        Some(home.join("data"))
    }

    /// What its PostgreSQL has logged.
    pub(crate) fn postgres_log(&self) -> String {
        let home = self.data().and_then(|data| data.parent().map(Path::to_owned));
        home.and_then(|home| fs::read_to_string(home.join("postgres.log")).ok()).unwrap_or_default()
    }

    /// The process of its PostgreSQL, if it runs.
    pub(crate) fn postmaster(&self) -> Option<i32> {
        let data = self.data()?;
        let pid = fs::read_to_string(data.join("postmaster.pid")).ok()?.lines().next()?.parse().ok()?;
        let works_in = fs::read_link(format!("/proc/{pid}/cwd")).ok()?;
        (is_alive(pid) && works_in == data.canonicalize().ok()?).then_some(pid)
    }

    /// Every process that works in its data folder, or in one that is being made beside it.
    pub(crate) fn processes(&self) -> Vec<i32> {
        let Some(home) = self.data().and_then(|data| data.parent()?.canonicalize().ok()) else { return Vec::new() };
        let pids =
            fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(|pid| fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(&home))).collect()
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        let socket_folder = self.data().and_then(|data| {
            let text = fs::read_to_string(data.join("postmaster.pid")).ok()?;
            Some(PathBuf::from(text.lines().nth(4)?))
        });
        for pid in self.processes() {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            wait_until("a left process to end", || !is_alive(pid));
        }
        if let Some(folder) = socket_folder.filter(|folder| folder.components().count() > 2) {
            let _ = fs::remove_dir_all(folder);
        }
        let home = self.data().and_then(|data| data.parent().map(Path::to_owned));
        if let Some(home) = home.filter(|home| home.starts_with("/var/lib/ferrobase")) {
            let _ = fs::remove_dir_all(home);
        }
    }
}

/// A `dev` (or `serve --embedded`) that runs.
pub(crate) struct Dev {
    child: Child,
    log: tempfile::TempDir,
    project: PathBuf,
    /// What one that was killed has left.
    stale: Option<Value>,
}

impl Dev {
    /// Waits until it has told how to reach it.
    pub(crate) fn ready(mut self) -> Self {
        let began = Instant::now();
        while self.announced().is_none() {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("ended with {status}:\n{}{}", self.out(), self.err());
            }
            assert!(began.elapsed() < PATIENCE, "not ready:\n{}{}", self.out(), self.err());
            std::thread::sleep(Duration::from_millis(20));
        }
        self
    }

    fn announced(&self) -> Option<Value> {
        announced(&self.project).filter(|announced| Some(announced) != self.stale.as_ref())
    }

    pub(crate) fn pid(&self) -> i32 {
        self.child.id().try_into().unwrap()
    }

    /// A value of its `dev.json`.
    pub(crate) fn says(&self, key: &str) -> String {
        self.announced().unwrap()[key].as_str().unwrap_or_else(|| panic!("no {key}")).to_owned()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        self.says("url") + path
    }

    pub(crate) fn out(&self) -> String {
        fs::read_to_string(self.log.path().join("out")).unwrap()
    }

    pub(crate) fn err(&self) -> String {
        fs::read_to_string(self.log.path().join("err")).unwrap()
    }

    /// Waits until it has said this on the standard error.
    pub(crate) fn wait_to_say(&self, text: &str) {
        wait_until(&format!("{text:?} in:\n{}", self.err()), || self.err().contains(text));
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).unwrap();
    }

    /// Sends a signal and waits for the end.
    pub(crate) fn stop(self, signal: Signal) -> Ran {
        self.signal(signal);
        self.end()
    }

    /// Waits until it has ended by itself.
    pub(crate) fn end(mut self) -> Ran {
        let mut status = None;
        wait_until(&format!("the end; it said:\n{}", self.err()), || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        Ran::new(status.unwrap(), self.out(), self.err())
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Ran {
    status: ExitStatus,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self::new(output.status, text(output.stdout), text(output.stderr))
    }

    /// Nothing here is a terminal, so nothing may be coloured.
    fn new(status: ExitStatus, out: String, err: String) -> Self {
        assert!(!out.contains('\x1b') && !err.contains('\x1b'), "coloured: {out}{err}");
        Self { status, out, err }
    }

    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// It ended well; what it printed.
    #[track_caller]
    pub(crate) fn succeeds(self) -> String {
        assert!(self.status.success(), "{self:?}");
        self.out
    }

    /// It ended well; its data.
    #[track_caller]
    pub(crate) fn json(self) -> Value {
        serde_json::from_str(&self.succeeds()).unwrap()
    }

    /// It failed as commands fail, and said all this on the standard error.
    #[track_caller]
    pub(crate) fn fails(self, said: &[&str]) -> String {
        assert_eq!(self.code(), Some(1), "{self:?}");
        assert!(self.err.contains("error: "), "{self:?}");
        for text in said {
            assert!(self.err.contains(text), "no {text:?} in:\n{}", self.err);
        }
        self.err
    }
}

/// Status and body of a GET with this key or token as bearer.
pub(crate) async fn get(url: &str, key: &str) -> (u16, String) {
    let answer = reqwest::Client::new().get(url).bearer_auth(key).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// Waits until a GET is answered with this body.
pub(crate) async fn eventually(url: &str, key: &str, body: &str) {
    let began = Instant::now();
    loop {
        let answer = get(url, key).await;
        if answer == (200, body.to_owned()) {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "{url}: {answer:?} and not {body}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < PATIENCE, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Dead, or a zombie that only its parent still knows.
pub(crate) fn is_alive(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.trim().is_empty() && !rest.trim().starts_with('Z'))
}

fn announced(project: &Path) -> Option<Value> {
    serde_json::from_slice(&fs::read(project.join(".ferrobase/dev.json")).ok()?).ok()
}
