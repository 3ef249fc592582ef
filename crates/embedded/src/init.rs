//! Makes a new cluster with `initdb`, and sets a new superuser password when ours was lost.
//!
//! Fourth stage. The cluster is made in a folder of another name and moved into place when it is complete, so that a crash
//! in the middle leaves nothing that looks like data.
//! Invariant: the password never appears in an argument list; accounts log in by scram only, locally too.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::io::AsyncWriteExt;
use tokio::time::{sleep, timeout};

use crate::binaries::Binaries;
use crate::error::Error;
use crate::files;
use crate::journal::last_lines;
use crate::options::{Options, Profile, Progress};
use crate::place::Place;
use crate::process;
use crate::settings;
use crate::state::State;

/// A new cluster takes 40 MB and its first log segments; below this it would fail soon after.
const NEEDED_BYTES: u64 = 150_000_000;
/// `initdb` takes seconds; on a very slow disk, a minute.
const INITDB_TIMEOUT: Duration = Duration::from_secs(600);
const PARTIAL: &str = "data.partial-";
const PASSWORD: &str = "password-";
const REMOVE_ATTEMPTS: u32 = 100;

/// The major version of existing data, `None` when there is none.
pub(crate) fn data_major(data: &Path) -> Result<Option<u32>, Error> {
    let mut entries = match fs::read_dir(data) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("read", data, error)),
    };
    if entries.next().is_none() {
        return Ok(None);
    }
    let not_a_cluster = || Error::NotACluster { data: data.to_owned() };
    let file = files::open_no_follow(&data.join("PG_VERSION")).map_err(|_| not_a_cluster())?;
    let text = io::read_to_string(io::Read::take(file, 64)).map_err(|_| not_a_cluster())?;
    // Before 10 the major version had two parts (9.6); its first says enough to refuse it.
    let major = text.trim().split('.').next().unwrap_or_default();
    major.parse().map(Some).map_err(|_| not_a_cluster())
}

/// Makes the cluster and then writes the state with its password.
pub(crate) async fn create(place: &Place, binaries: &Binaries, options: &Options) -> Result<State, Error> {
    options.report(&Progress::Initialising { major: binaries.version.major, data: place.data() });
    remove_partials(&place.home, place.account.uid).await?;
    check_space(&place.home)?;
    let state = State::fresh(&place.project);
    let partial = place.home.join(format!("{PARTIAL}{}", files::random_text(8)));
    let made = fill(place, binaries, options.profile, &partial, &state).await;
    if let Err(error) = made {
        let _ = remove_partial(&partial, place.account.uid).await;
        return Err(error);
    }
    // State first: data whose password nobody knows would need another repair.
    state.write(&place.state())?;
    let data = place.data();
    fs::rename(&partial, &data).map_err(|e| Error::io("create", &data, e))?;
    fs::File::open(&place.home).and_then(|dir| dir.sync_all()).map_err(|e| Error::io("write", &place.home, e))?;
    Ok(state)
}

/// Leftovers of an `initdb` whose starter died; it may itself still be running and writing.
async fn remove_partials(home: &Path, uid: u32) -> Result<(), Error> {
    let entries = fs::read_dir(home).map_err(|e| Error::io("read", home, e))?;
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(PASSWORD) {
            fs::remove_file(&path).map_err(|e| Error::io("remove", &path, e))?;
        } else if name.starts_with(PARTIAL) {
            remove_partial(&path, uid).await?;
        }
    }
    Ok(())
}

async fn remove_partial(path: &Path, uid: u32) -> Result<(), Error> {
    let mut attempts = 0;
    loop {
        process::all_of_data(path, uid).iter().for_each(|p| p.signal(Signal::SIGKILL));
        match fs::remove_dir_all(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            // Processes end a moment after their signal, and may have made a file meanwhile.
            Err(_) if attempts < REMOVE_ATTEMPTS => {
                attempts += 1;
                sleep(Duration::from_millis(50)).await;
            }
            result => return result.map_err(|e| Error::io("remove", path, e)),
        }
    }
}

fn check_space(home: &Path) -> Result<(), Error> {
    match files::free_bytes(home) {
        Some(free) if free < NEEDED_BYTES => {
            Err(Error::DiskFull { path: home.to_owned(), free: Some(free), needed: Some(NEEDED_BYTES) })
        }
        _ => Ok(()),
    }
}

async fn fill(
    place: &Place,
    binaries: &Binaries,
    profile: Profile,
    partial: &Path,
    state: &State,
) -> Result<(), Error> {
    files::ensure_dir(partial, 0o700)?;
    place.account.give(partial)?;
    let password = PasswordFile::write(place, state)?;
    run_initdb(place, binaries, profile, partial, &state.superuser, &password.path).await?;
    append_defaults(partial)
}

/// The password for `initdb`, in a file that only the account reads and that is gone afterwards. (A pipe would not do:
/// `initdb` opens a path, and a pipe of root's cannot be reopened by another user.)
struct PasswordFile {
    path: PathBuf,
}

impl PasswordFile {
    fn write(place: &Place, state: &State) -> Result<Self, Error> {
        let path = place.home.join(format!("{PASSWORD}{}", files::random_text(8)));
        files::write_new(&path, format!("{}\n", state.password).as_bytes(), 0o600)
            .map_err(|e| Error::io("write", &path, e))?;
        let file = Self { path };
        place.account.give(&file.path)?;
        Ok(file)
    }
}

impl Drop for PasswordFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Code point order (`C.UTF-8`) is the one collation that no upgrade of libc or ICU changes under existing indexes; with
/// it letters outside ASCII still have upper and lower case. Where libc does not know it, `C` does.
async fn run_initdb(
    place: &Place,
    binaries: &Binaries,
    profile: Profile,
    partial: &Path,
    superuser: &str,
    password: &Path,
) -> Result<(), Error> {
    let mut output = String::new();
    for locale in ["C.UTF-8", "C"] {
        // Working inside the new folder is what shows later whose process it is.
        let mut command = place.account.command(binaries.program("initdb"), partial);
        command
            .arg("--pgdata")
            .arg(partial)
            .arg(format!("--username={superuser}"))
            .arg("--pwfile")
            .arg(password)
            .args(["--auth-local=scram-sha-256", "--auth-host=scram-sha-256", "--encoding=UTF8", "--data-checksums"])
            .args(["--no-instructions", "--text-search-config=english"])
            .arg(format!("--locale={locale}"))
            .kill_on_drop(true);
        if binaries.version.major >= 17 {
            command.args(["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]);
        }
        if profile == Profile::Test {
            command.arg("--no-sync");
        }
        let result = timeout(INITDB_TIMEOUT, command.output()).await;
        let result = result.map_err(|_| Error::InitFailed { output: "it did not end in time".into() })?;
        let result = result.map_err(|e| Error::io("run", &binaries.program("initdb"), e))?;
        if result.status.success() {
            return Ok(());
        }
        output = both_streams(&result);
        if !output.contains("invalid locale") {
            break;
        }
    }
    if output.contains("No space left on device") || output.contains("Disk quota exceeded") {
        return Err(Error::DiskFull { path: place.home.clone(), free: None, needed: None });
    }
    Err(Error::InitFailed { output: last_lines(&output) })
}

fn both_streams(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn append_defaults(partial: &Path) -> Result<(), Error> {
    let path = partial.join("postgresql.conf");
    let mut text = fs::read(&path).map_err(|e| Error::io("read", &path, e))?;
    text.extend_from_slice(settings::DEFAULTS.as_bytes());
    // In place, so that owner and mode stay as initdb made them; no SQL has run here yet.
    fs::write(&path, text).map_err(|e| Error::io("write", &path, e))
}

/// Gives the superuser a new password through the single-user mode of a stopped server, and writes the state.
pub(crate) async fn reset_password(place: &Place, binaries: &Binaries, options: &Options) -> Result<State, Error> {
    options.report(&Progress::NewPassword);
    let state = State::fresh(&place.project);
    let data = place.data();
    let program = binaries.program("postgres");
    let mut command = place.account.command(&program, &place.home);
    command
        .arg("--single")
        .arg("-D")
        .arg(&data)
        .args(["-c", "password_encryption=scram-sha-256", "-c", "lc_messages=C", "-c", "log_destination=stderr"])
        .args(["-c", "logging_collector=off", "-c", "log_statement=none", "postgres"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let fail = |e| Error::io("run", &program, e);
    let mut child = command.spawn().map_err(fail)?;
    if let Some(mut input) = child.stdin.take() {
        let sql = format!("ALTER ROLE {} LOGIN PASSWORD '{}'\n", state.superuser, state.password);
        // A server that does not start closes its input; its messages say why.
        let _ = input.write_all(sql.as_bytes()).await;
    }
    let result = timeout(options.start_timeout, child.wait_with_output()).await;
    let result = result.map_err(|_| Error::StartTimeout {
        seconds: options.start_timeout.as_secs(),
        log: place.log(),
        tail: "(single-user mode, to set the password)".into(),
    })?;
    let output = both_streams(&result.map_err(fail)?).replace(&state.password, "***");
    if ["ERROR:", "FATAL:", "PANIC:"].iter().any(|level| output.contains(level)) {
        return Err(Error::StartFailed { log: place.log(), tail: last_lines(&output) });
    }
    state.write(&place.state())?;
    Ok(state)
}
