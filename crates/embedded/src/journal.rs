//! The server's log file: where its stderr goes, what its end says about a failed start, and how it stays small.
//!
//! The server holds the file open for appending, so it outlives us; we only read its end and cut it when it is too long.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// Cut above this; one older part of at most this size is kept beside it.
const MAX_BYTES: u64 = 16 * 1024 * 1024;
/// How much of the end goes into an error.
const TAIL_LINES: usize = 20;
const TAIL_BYTES: u64 = 16 * 1024;

/// The log file of one cluster.
#[derive(Clone, Debug)]
pub(crate) struct Journal {
    path: PathBuf,
}

impl Journal {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens it for a server to write to, and says where this run's text begins.
    pub(crate) fn open(&self) -> Result<(File, u64), Error> {
        self.bound();
        let mut options = File::options();
        let options = options.append(true).create(true).mode(0o600).custom_flags(nix::libc::O_NOFOLLOW);
        let file = options.open(&self.path).map_err(|e| Error::io("open", &self.path, e))?;
        let start = file.metadata().map_err(|e| Error::io("look at", &self.path, e))?.len();
        Ok((file, start))
    }

    /// The last lines written since `start`.
    pub(crate) fn tail(&self, start: u64) -> String {
        let text = self.read_since(start).unwrap_or_else(|error| format!("(the log cannot be read: {error})"));
        last_lines(&text)
    }

    fn read_since(&self, start: u64) -> io::Result<String> {
        let mut file = File::open(&self.path)?;
        let length = file.metadata()?.len();
        // Shorter than where we began: it was cut meanwhile.
        let start = if start > length { 0 } else { start };
        file.seek(SeekFrom::Start(start.max(length.saturating_sub(TAIL_BYTES))))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Keeps the file bounded. The server appends, so its next line lands at the new end; lines written between the copy
    /// and the cut are lost, which a log may.
    pub(crate) fn bound(&self) {
        let too_long = fs::metadata(&self.path).is_ok_and(|m| m.len() > MAX_BYTES);
        if !too_long {
            return;
        }
        let older = self.path.with_extension("log.1");
        let cut = fs::copy(&self.path, older)
            .and_then(|_| File::options().write(true).open(&self.path))
            .and_then(|file| file.set_len(0));
        if let Err(error) = cut {
            tracing::warn!(path = %self.path.display(), %error, "the database's log could not be shortened");
        }
    }
}

/// The last lines of a text, for an error.
pub(crate) fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let from = lines.len().saturating_sub(TAIL_LINES);
    if lines.is_empty() { "(empty)".into() } else { lines[from..].join("\n") }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn only_this_runs_lines_are_shown_and_a_long_log_is_cut() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::new(dir.path().join("postgres.log"));
        let (mut file, start) = journal.open().unwrap();
        assert_eq!(start, 0);
        writeln!(file, "old line").unwrap();
        let (mut file, start) = journal.open().unwrap();
        assert_eq!(journal.tail(start), "(empty)");
        for n in 0..100 {
            writeln!(file, "line {n}").unwrap();
        }
        let tail = journal.tail(start);
        assert!(tail.starts_with("line 80\n") && tail.ends_with("line 99"), "{tail}");

        file.write_all(&vec![b'x'; usize::try_from(MAX_BYTES).unwrap()]).unwrap();
        journal.bound();
        writeln!(file, "after the cut").unwrap();
        assert_eq!(fs::read_to_string(journal.path()).unwrap(), "after the cut\n");
        assert!(dir.path().join("postgres.log.1").exists());
        assert_eq!(journal.tail(1 << 40), "after the cut");
    }
}
