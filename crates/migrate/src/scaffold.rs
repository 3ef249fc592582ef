//! Makes the next, empty migration file.
//!
//! It follows what the folder already does: a stamp after stamps, else the next running number.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::discover::{Version, discover};
use crate::error::Error;

const TEMPLATE: &str = "\
-- Runs in one transaction. A file with a statement that cannot (CREATE INDEX CONCURRENTLY, VACUUM, ...) begins with the
-- line `-- ferrobase: no-transaction`, without anything before it than comments.

";

/// Another runner may make a file of the same number at the same moment.
const ATTEMPTS: u32 = 100;
const MAX_NAME: usize = 80;

/// Makes `dir/NNNN_name.sql`, and the folder when it is missing. `name` may be a few words: `Create users`.
pub fn new(dir: &Path, name: &str) -> Result<PathBuf, Error> {
    let name = file_name(name).ok_or_else(|| Error::NewName { name: name.to_owned() })?;
    fs::create_dir_all(dir).map_err(|source| Error::Write { path: dir.to_owned(), source })?;
    let mut version = next(discover(dir)?.last().map(|m| m.version), Timestamp::now());
    for _ in 0..ATTEMPTS {
        let path = dir.join(format!("{version}_{name}.sql"));
        match File::create_new(&path).and_then(|mut file| file.write_all(TEMPLATE.as_bytes())) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => version = Version(version.0 + 1),
            Err(source) => return Err(Error::Write { path, source }),
        }
    }
    Err(Error::Write { path: dir.to_owned(), source: io::ErrorKind::AlreadyExists.into() })
}

fn next(last: Option<Version>, now: Timestamp) -> Version {
    match last {
        Some(last) if last.is_stamp() => {
            let stamp = now.strftime("%Y%m%d%H%M%S").to_string().parse().unwrap_or(0);
            // Two files in one second, or a clock that went back: after the last one in any case.
            Version(stamp.max(last.0 + 1))
        }
        Some(last) => Version(last.0 + 1),
        None => Version(1),
    }
}

/// Lower case, other characters than letters and digits as one `_`.
fn file_name(name: &str) -> Option<String> {
    let mut result = String::new();
    for c in name.trim().chars().flat_map(char::to_lowercase).take(MAX_NAME) {
        if c.is_alphanumeric() {
            result.push(c);
        } else if !result.ends_with('_') {
            result.push('_');
        }
    }
    let result = result.trim_matches('_');
    (!result.is_empty()).then(|| result.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_file_names() {
        for (name, expected) in [
            ("create users", Some("create_users")),
            ("  Add `E-Mail`!  ", Some("add_e_mail")),
            ("größe", Some("größe")),
            ("../../etc/passwd", Some("etc_passwd")),
            ("--", None),
            ("", None),
        ] {
            assert_eq!(file_name(name).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn the_next_number_follows_the_last() {
        let now: Timestamp = "2026-01-31T12:00:00Z".parse().unwrap();
        for (last, expected) in [
            (None, "0001"),
            (Some(41), "0042"),
            (Some(20_250_101_000_000), "20260131120000"),
            (Some(20_260_131_120_000), "20260131120001"),
        ] {
            assert_eq!(next(last.map(Version), now).to_string(), expected);
        }
    }

    #[test]
    fn files_are_made_one_after_the_other() {
        let dir = tempfile::tempdir().unwrap();
        let migrations = dir.path().join("ferrobase/migrations");
        let first = new(&migrations, "Create users").unwrap();
        assert_eq!(first, migrations.join("0001_create_users.sql"));
        assert_eq!(new(&migrations, "more").unwrap(), migrations.join("0002_more.sql"));
        assert!(matches!(new(&migrations, "!"), Err(Error::NewName { .. })));
        assert_eq!(discover(&migrations).unwrap().len(), 2);
    }
}
