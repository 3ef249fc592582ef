//! Tells whether a process belongs to our data folder, before anything is signalled.
//!
//! A pid in a file proves nothing: the process may be dead and its number given to another. A PostgreSQL server changes
//! its working folder to its data folder, which Linux shows under `/proc`; elsewhere `ps` shows the command line.
//! Invariant: only processes of the account's uid, named `postgres` or `initdb`, at home in our data folder are ever
//! signalled.

use std::path::Path;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A process that was shown to be a PostgreSQL server process of one data folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    /// When it started, in the system's own units: tells it from a later process with the same number.
    started: u64,
}

impl Process {
    /// Whether `pid` is alive and one of this data folder's, running as `uid`.
    pub(crate) fn of_data(pid: i32, data: &Path, uid: u32) -> Option<Self> {
        system::belongs(pid, data, uid).then(|| system::started(pid)).flatten().map(|started| Self { pid, started })
    }

    /// Whether `pid` is alive and, as far as the system shows, might be a server of ours although that cannot be proved.
    pub(crate) fn might_be_ours(pid: i32, uid: u32) -> bool {
        system::might_be_postgres(pid, uid)
    }

    /// Whether it is still the same process, and not a zombie.
    pub(crate) fn is_alive(self) -> bool {
        system::started(self.pid) == Some(self.started)
    }

    /// Sends a signal if it is still the same process; one that is gone is no error.
    pub(crate) fn signal(self, signal: Signal) {
        if self.is_alive() {
            send(self.pid, signal);
        }
    }
}

/// All server processes of a data folder, whatever their parent. Empty where the system cannot tell.
pub(crate) fn all_of_data(data: &Path, uid: u32) -> Vec<Process> {
    system::pids().into_iter().filter_map(|pid| Process::of_data(pid, data, uid)).collect()
}

/// Sends a signal to a process known to be ours.
pub(crate) fn send(pid: i32, signal: Signal) {
    match kill(Pid::from_raw(pid), signal) {
        Ok(()) | Err(Errno::ESRCH) => {}
        Err(errno) => tracing::warn!(pid, %signal, %errno, "a signal could not be sent"),
    }
}

#[cfg(target_os = "linux")]
mod system {
    use std::fs;
    use std::os::unix::fs::MetadataExt;
    use std::path::{Path, PathBuf};

    fn proc_of(pid: i32) -> PathBuf {
        PathBuf::from(format!("/proc/{pid}"))
    }

    pub(super) fn belongs(pid: i32, data: &Path, uid: u32) -> bool {
        let dir = proc_of(pid);
        let same_user = fs::metadata(&dir).is_ok_and(|m| m.uid() == uid);
        let command = fs::read_to_string(dir.join("comm")).unwrap_or_default();
        let is_postgres = matches!(command.trim_end(), "postgres" | "initdb");
        if !same_user || !is_postgres {
            return false;
        }
        // `cwd` of a zombie cannot be read, so zombies are not ours. Compared by inode: folders can be moved.
        match (fs::metadata(dir.join("cwd")), fs::metadata(data)) {
            (Ok(cwd), Ok(data)) => cwd.dev() == data.dev() && cwd.ino() == data.ino(),
            _ => false,
        }
    }

    /// A server process of the account whose working folder is hidden from us.
    pub(super) fn might_be_postgres(pid: i32, uid: u32) -> bool {
        let dir = proc_of(pid);
        fs::metadata(&dir).is_ok_and(|m| m.uid() == uid)
            && started(pid).is_some()
            && fs::read_to_string(dir.join("comm")).is_ok_and(|c| c.trim_end() == "postgres")
            && fs::metadata(dir.join("cwd")).is_err()
    }

    /// Field 22 of `stat`, ticks since boot; `None` for zombies. The command in field 2 may contain blanks.
    pub(super) fn started(pid: i32) -> Option<u64> {
        let stat = fs::read_to_string(proc_of(pid).join("stat")).ok()?;
        let after_command = &stat[stat.rfind(')')? + 1..];
        let mut fields = after_command.split_whitespace();
        let state = fields.next()?;
        if matches!(state, "Z" | "X") {
            return None;
        }
        fields.nth(18)?.parse().ok()
    }

    pub(super) fn pids() -> Vec<i32> {
        let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
        entries.flatten().filter_map(|e| e.file_name().to_str()?.parse().ok()).collect()
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::hash::{DefaultHasher, Hash, Hasher};
    use std::path::Path;
    use std::process::Command;

    fn ps(pid: i32, columns: &str) -> Option<String> {
        let output = Command::new("/bin/ps").args(["-o", columns, "-p", &pid.to_string()]).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
        (output.status.success() && !text.is_empty()).then_some(text)
    }

    /// Only the postmaster carries `-D <data>` in its command line, so its children are not recognised here.
    pub(super) fn belongs(pid: i32, data: &Path, uid: u32) -> bool {
        let Some(line) = ps(pid, "uid=,command=") else { return false };
        let Some((owner, command)) = line.split_once(char::is_whitespace) else { return false };
        owner.parse() == Ok(uid) && command.contains("postgres") && command.contains(&format!("-D {}", data.display()))
    }

    pub(super) fn might_be_postgres(pid: i32, uid: u32) -> bool {
        ps(pid, "uid=,command=").is_some_and(|line| {
            let (owner, command) = line.split_once(char::is_whitespace).unwrap_or_default();
            owner.parse() == Ok(uid) && command.contains("postgres")
        })
    }

    pub(super) fn started(pid: i32) -> Option<u64> {
        let line = ps(pid, "state=,lstart=")?;
        if line.starts_with('Z') {
            return None;
        }
        let mut hasher = DefaultHasher::new();
        line.split_once(char::is_whitespace)?.1.hash(&mut hasher);
        Some(hasher.finish())
    }

    pub(super) fn pids() -> Vec<i32> {
        Vec::new()
    }
}
