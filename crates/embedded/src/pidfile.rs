//! Reads `postmaster.pid`, PostgreSQL's own lock and status file in the data folder.
//!
//! Lines (see src/include/utils/pidfile.h of PostgreSQL): pid, data folder, start time, port, socket folder, listen
//! address, shared memory key, status padded with blanks. The same on 14 to 18.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::files;

/// A line of it never gets near this; more is not a lock file.
const LIMIT: u64 = 8 * 1024;

/// What the file says, which need not be true any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PidFile {
    pub(crate) pid: i32,
    pub(crate) port: Option<u16>,
    pub(crate) socket_dir: Option<PathBuf>,
    pub(crate) status: Status,
}

/// What the server says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// Nothing yet, or recovering.
    Starting,
    /// Accepts connections.
    Ready,
    /// Shutting down.
    Stopping,
}

impl PidFile {
    /// Where it lies.
    pub(crate) fn path(data: &Path) -> PathBuf {
        data.join("postmaster.pid")
    }

    /// `None` when there is none, or none that can be understood (it is being written, or a crash cut it).
    pub(crate) fn read(data: &Path) -> io::Result<Option<Self>> {
        let file = match files::open_no_follow(&Self::path(data)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::new();
        file.take(LIMIT).read_to_end(&mut bytes)?;
        Ok(Self::parse(&String::from_utf8_lossy(&bytes)))
    }

    fn parse(text: &str) -> Option<Self> {
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let line = |n: usize| lines.get(n).copied().filter(|l| !l.is_empty());
        // A standalone backend writes its pid as a negative number.
        let pid = line(0)?.parse::<i32>().ok()?.checked_abs().filter(|p| *p > 1)?;
        Some(Self {
            pid,
            port: line(3).and_then(|l| l.parse().ok()),
            socket_dir: line(4).map(PathBuf::from),
            status: match line(7) {
                Some("ready" | "standby") => Status::Ready,
                Some("stopping") => Status::Stopping,
                _ => Status::Starting,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complete_file_and_the_steps_before_it() {
        let full = "4711\n/p/data\n1700000000\n54320\n/run/x\n127.0.0.1\n  1234567    32768\nready   \n";
        let read = PidFile::parse(full).unwrap();
        assert_eq!(
            read,
            PidFile { pid: 4711, port: Some(54320), socket_dir: Some("/run/x".into()), status: Status::Ready }
        );
        let starting = PidFile::parse(&full.replace("ready   ", "starting")).unwrap();
        assert_eq!(starting.status, Status::Starting);
        assert_eq!(PidFile::parse(&full.replace("ready   ", "stopping")).unwrap().status, Status::Stopping);
        let early = PidFile::parse("4711\n/p/data\n1700000000\n54320\n\n").unwrap();
        assert_eq!((early.socket_dir, early.status), (None, Status::Starting));
        assert_eq!(PidFile::parse("-4711\n").unwrap().pid, 4711);
    }

    #[test]
    fn nonsense_is_no_pid() {
        for text in ["", "\n", "x", "0\n", "1\n", "-2147483648\n", "99999999999\n"] {
            assert_eq!(PidFile::parse(text), None, "{text:?}");
        }
    }
}
