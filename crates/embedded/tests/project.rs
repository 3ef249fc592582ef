//! A throwaway project folder, and the ways to play with its database: SQL, signals, processes of another user.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ferrobase_embedded::{Embedded, Options, Profile, Running};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User, geteuid};
use sha2::{Digest, Sha256};

/// Set in processes that a test started itself.
const CHILD: &str = "EMBEDDED_TEST_CHILD";

/// A project folder that is removed with its database.
pub(crate) struct Project {
    dir: tempfile::TempDir,
}

impl Project {
    pub(crate) fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("fb-embedded-").tempdir_in("/tmp").unwrap();
        Self { dir }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Options of the fast profile.
    pub(crate) fn options(&self) -> Options {
        Options { profile: Profile::Test, ..self.durable() }
    }

    /// Options as users have them.
    pub(crate) fn durable(&self) -> Options {
        options_of(self.path())
    }

    pub(crate) async fn start(&self) -> Running {
        Embedded::start(self.options()).await.unwrap()
    }

    /// Where data, state and log lie: found through the pointer when root runs it.
    pub(crate) fn home(&self) -> PathBuf {
        let pg = self.path().join(".ferrobase/pg");
        if pg.is_dir() { pg } else { PathBuf::from(fs::read_to_string(pg).unwrap().trim()) }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.home().join("data")
    }

    pub(crate) fn state(&self) -> serde_json::Value {
        serde_json::from_slice(&fs::read(self.home().join("cluster.json")).unwrap()).unwrap()
    }

    /// The pid in `postmaster.pid`.
    pub(crate) fn postmaster(&self) -> i32 {
        let text = fs::read_to_string(self.data().join("postmaster.pid")).unwrap();
        text.lines().next().unwrap().parse().unwrap()
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        // A failed test may leave its server running; nobody else would stop it.
        if let Ok(text) = fs::read_to_string(self.path().join(".ferrobase/pg/data/postmaster.pid")) {
            stop_hard(&text, &self.path().join(".ferrobase/pg/data"));
        }
        let pointer = self.path().join(".ferrobase/pg");
        remove_run_dir(&pointer);
        if let Ok(home) = fs::read_to_string(&pointer)
            && home.starts_with("/var/lib/ferrobase/")
        {
            let home = PathBuf::from(home.trim());
            if let Ok(text) = fs::read_to_string(home.join("data/postmaster.pid")) {
                stop_hard(&text, &home.join("data"));
            }
            remove_run_dir(&home);
            let _ = fs::remove_dir_all(home);
        }
    }
}

/// Defaults, with the programs that `FERROBASE_TEST_PG_BIN` names, so that the tests can run on each version.
pub(crate) fn options_of(project: &Path) -> Options {
    Options { bin_dir: std::env::var_os("FERROBASE_TEST_PG_BIN").map(PathBuf::from), ..Options::new(project) }
}

/// What killed servers leave; the folder is named by the hash of the home.
fn remove_run_dir(home: &Path) {
    let digest = Sha256::digest(home.as_os_str().as_encoded_bytes());
    let hash: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let runs = if is_root() { "/run/ferrobase".into() } else { format!("/tmp/ferrobase-{}", geteuid()) };
    let _ = fs::remove_dir_all(Path::new(&runs).join(hash));
}

fn stop_hard(pid_file: &str, data: &Path) {
    let Some(pid) = pid_file.lines().next().and_then(|l| l.parse::<i32>().ok()) else { return };
    let cwd = fs::read_link(format!("/proc/{pid}/cwd")).ok();
    if cwd.is_some() && cwd == data.canonicalize().ok() {
        let _ = kill(Pid::from_raw(pid), Signal::SIGQUIT);
        wait_until("the server of a failed test to end", || !is_alive(pid));
    }
}

/// Runs SQL as psql does it and returns the unaligned rows.
pub(crate) fn sql(url: &str, text: &str) -> String {
    try_sql(url, text).unwrap()
}

pub(crate) fn try_sql(url: &str, text: &str) -> Result<String, String> {
    let output = Command::new("psql")
        .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", text])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    if output.status.success() {
        Ok(String::from_utf8(output.stdout).unwrap().trim().to_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// A session that stays open, running one statement.
pub(crate) fn background_sql(url: &str, text: &str) -> Child {
    Command::new("psql")
        .args(["-X", "-q", "-A", "-t", "-d", url, "-c", text])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

pub(crate) fn is_root() -> bool {
    geteuid().is_root()
}

/// Dead, or a zombie that only its parent still knows.
pub(crate) fn is_alive(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.trim().is_empty() && !rest.trim().starts_with('Z'))
}

pub(crate) fn signal(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).unwrap();
}

pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < Duration::from_secs(60), "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Another process of ours that runs the project's database until it is killed.
pub(crate) struct Other {
    pub(crate) child: Child,
}

impl Other {
    /// Starts it without waiting.
    pub(crate) fn spawn(project: &Path) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "project::other_process", "--nocapture"])
            .env(CHILD, project)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self { child }
    }

    /// Starts it and waits until its database is ready.
    pub(crate) fn start(project: &Path) -> Self {
        let mut other = Self::spawn(project);
        let lines = BufReader::new(other.child.stdout.take().unwrap()).lines();
        let ready = lines.map_while(Result::ok).any(|line| line.contains("OTHER-IS-READY"));
        assert!(ready, "the other process did not start its database");
        other
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Body of [`Other`]; nothing in a normal run.
#[tokio::test]
async fn other_process() {
    let Some(project) = std::env::var_os(CHILD).filter(|dir| dir != OsStr::new("as-user")) else { return };
    let options = Options { profile: Profile::Test, ..options_of(Path::new(&project)) };
    let _running = Embedded::start(options).await.unwrap();
    println!("OTHER-IS-READY");
    std::future::pending::<()>().await;
}

/// Runs one test of this binary again as an unprivileged user. Nothing to do when we are one.
pub(crate) fn run_as_user(test: &str) {
    if is_root() {
        run_as_user_in(Path::new("/tmp"), test);
    }
}

/// The same, in a working folder that the test looks at.
pub(crate) fn run_as_user_in(dir: &Path, test: &str) {
    let user = User::from_name("nobody").unwrap().unwrap();
    // The user must be able to read the binary.
    let place = tempfile::tempdir_in("/tmp").unwrap();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let binary = place.path().join("test");
    fs::copy(std::env::current_exe().unwrap(), &binary).unwrap();
    let output = Command::new(&binary)
        .args(["--exact", test, "--nocapture"])
        .current_dir(dir)
        .env(CHILD, "as-user")
        .uid(user.uid.as_raw())
        .gid(user.gid.as_raw())
        .output()
        .unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("1 passed"), "as {}: {text}", user.name);
}

/// Declares `<name>_as_user`, which runs the test `<name>` of this module as an unprivileged user.
#[macro_export]
macro_rules! as_user {
    ($($name:ident => $again:ident),+ $(,)?) => {
        $(#[test]
        fn $again() {
            let module = module_path!().split_once("::").unwrap().1;
            $crate::project::run_as_user(&format!("{module}::{}", stringify!($name)));
        })+
    };
}
