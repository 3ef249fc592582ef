//! Finds the migration files of a folder and puts them in order.
//!
//! First stage. A name is `<digits>_<name>.sql`: a running number (`0001_users.sql`) or a stamp of 14 digits
//! (`20260131120000_users.sql`). Order is by number, so stamps come after running numbers.
//! Invariant: a `.sql` file that cannot be placed stops everything; skipping it silently would lose a migration.

use std::fmt;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::error::Error;

/// Larger files are data, not migrations.
const MAX_BYTES: u64 = 256 * 1024 * 1024;
const MAX_DIGITS: usize = 14;

/// The number at the beginning of a file's name. Shown with at least four digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u64);

impl Version {
    /// Whether it is a stamp (year to second) and not a running number.
    pub fn is_stamp(self) -> bool {
        self.0 >= 10_u64.pow(13)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}", self.0)
    }
}

impl Serialize for Version {
    /// As text, as it stands in the file's name.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A migration file and its text.
#[derive(Clone, Debug)]
pub struct Migration {
    /// Its number.
    pub version: Version,
    /// The rest of its name.
    pub name: String,
    /// The file's name.
    pub file: String,
    /// Where it lies.
    pub path: PathBuf,
    /// SHA-256 of the text in hexadecimal. Line ends and a byte order mark do not count: git may change them.
    pub checksum: String,
    /// The text, without a byte order mark.
    pub text: String,
}

/// All migrations of a folder in order. A folder that does not exist has none. Files that do not end in `.sql`, small or
/// large, or begin with a dot are not looked at.
pub fn discover(dir: &Path) -> Result<Vec<Migration>, Error> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(Error::Read { path: dir.to_owned(), source }),
    };
    let mut migrations = Vec::new();
    for entry in entries {
        let path = entry.map_err(|source| Error::Read { path: dir.to_owned(), source })?.path();
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_sql = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("sql"));
        if file.starts_with('.') || !is_sql || path.is_dir() {
            continue;
        }
        let (version, name) = parse_name(&file).map_err(|reason| Error::Name { path: path.clone(), reason })?;
        let text = read_text(&path)?;
        migrations.push(Migration { version, name, file, checksum: checksum(&text), text, path });
    }
    migrations.sort_by(|a, b| (a.version, &a.file).cmp(&(b.version, &b.file)));
    refuse_duplicates(&migrations)?;
    Ok(migrations)
}

fn refuse_duplicates(migrations: &[Migration]) -> Result<(), Error> {
    match migrations.windows(2).find(|pair| pair[0].version == pair[1].version) {
        None => Ok(()),
        Some(pair) => Err(Error::Duplicate {
            version: pair[0].version,
            first: pair[0].file.clone(),
            second: pair[1].file.clone(),
        }),
    }
}

/// `0001_create_users.sql` -> 1 and `create_users`; on failure the reason.
fn parse_name(file: &str) -> Result<(Version, String), &'static str> {
    let Some(stem) = file.strip_suffix(".sql") else { return Err("its ending is not `.sql` in small letters") };
    let digits = stem.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 {
        return Err("it does not begin with a number");
    }
    if digits > MAX_DIGITS {
        return Err("its number has more than 14 digits");
    }
    let (number, rest) = stem.split_at(digits);
    let Some(name) = rest.strip_prefix('_').filter(|name| !name.is_empty()) else {
        return Err("its number is not followed by `_` and a name");
    };
    if !name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-') {
        return Err("its name has other characters than letters, digits, `_` and `-`");
    }
    let version = number.parse().map_err(|_| "its number is too large")?;
    Ok((Version(version), name.to_owned()))
}

/// Reads a file as UTF-8, within the bound, without its byte order mark.
pub(crate) fn read_text(path: &Path) -> Result<String, Error> {
    let fail = |source| Error::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(fail)?;
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Error::TooLarge { path: path.to_owned(), limit: MAX_BYTES });
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..valid].iter().filter(|b| **b == b'\n').count() + 1;
        Error::NotUtf8 { path: path.to_owned(), line }
    })?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

pub(crate) fn checksum(text: &str) -> String {
    let mut hash = Sha256::new();
    add(&mut hash, text);
    hex(hash)
}

/// Adds a text without what git may change.
pub(crate) fn add(hash: &mut Sha256, text: &str) {
    for (i, part) in text.split("\r\n").enumerate() {
        if i > 0 {
            hash.update(b"\n");
        }
        hash.update(part.as_bytes());
    }
}

pub(crate) fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_number_and_name() {
        let ok = |file: &str| parse_name(file).map(|(v, n)| (v.to_string(), n));
        assert_eq!(ok("0001_users.sql"), Ok(("0001".into(), "users".into())));
        assert_eq!(ok("20260131120000_add-Größe_2.sql"), Ok(("20260131120000".into(), "add-Größe_2".into())));
        for wrong in [
            "users.sql",
            "1.sql",
            "1_.sql",
            "1-x.sql",
            "123456789012345_x.sql",
            "1_x.down.sql",
            "1_a b.sql",
            ".sql",
            "1_x.SQL",
        ] {
            assert!(parse_name(wrong).is_err(), "{wrong}");
        }
        assert!(Version(20_260_131_120_000).is_stamp() && !Version(9999).is_stamp());
    }

    #[test]
    fn the_checksum_ignores_what_git_may_change() {
        assert_eq!(checksum("a\r\nb\r\n"), checksum("a\nb\n"));
        assert_ne!(checksum("a\nb"), checksum("a\n b"));
        assert_ne!(checksum("a\rb"), checksum("a\nb"));
        assert_eq!(checksum("").len(), 64);
    }

    #[test]
    fn a_folder_in_order_or_what_is_wrong_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &[u8]| fs::write(dir.path().join(name), text).unwrap();
        assert!(discover(&dir.path().join("none")).unwrap().is_empty());
        for name in ["20260101000000_c.sql", "0010_b.sql", "0009_a.sql"] {
            write(name, "\u{feff}select 1".as_bytes());
        }
        write("README.md", b"not SQL");
        write(".0001_hidden.sql", b"");
        let found = discover(dir.path()).unwrap();
        assert_eq!(found.iter().map(|m| m.name.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(found[0].text, "select 1");
        write("10_again.sql", b"");
        assert!(matches!(discover(dir.path()), Err(Error::Duplicate { version: Version(10), .. })));
        fs::remove_file(dir.path().join("10_again.sql")).unwrap();
        write("0011_bad.sql", b"select 1;\n'\xff'");
        assert!(matches!(discover(dir.path()), Err(Error::NotUtf8 { line: 2, .. })));
        write("0011_bad.sql", b"");
        for stray in ["stray.sql", "0012_large.SQL"] {
            write(stray, b"");
            assert!(matches!(discover(dir.path()), Err(Error::Name { .. })), "{stray}");
            fs::remove_file(dir.path().join(stray)).unwrap();
        }
    }
}
