//! Finds and reads `ferrobase.yaml`.
//!
//! First step of loading. A file that was named, or exists and cannot be read, is an error: silence would start the
//! server with other settings than were meant. Invariant: reads are bounded.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use ferrobase_base::config::{ConfigErrors, Fault, Place, Problem, yaml};

use super::Environment;
use super::environment::CONFIG;

/// The name that is looked for.
pub const NAME: &str = "ferrobase.yaml";
/// Where it is looked for, in order.
pub const FOLDERS: [&str; 3] = [".", "./ferrobase", "/etc/ferrobase"];

/// A configuration file's path and text.
#[derive(Clone, Debug)]
pub struct ConfigFile {
    /// Where it was found.
    pub path: PathBuf,
    /// What is in it.
    pub text: String,
}

/// The file that `--config` or `FERROBASE_CONFIG` names, else the first that exists in the known folders.
///
/// # Errors
/// A named file that cannot be read, or a found one that cannot: silence would start with other settings than meant.
pub fn find(named: Option<&Path>, environment: &Environment) -> Result<Option<ConfigFile>, ConfigErrors> {
    find_in(named, environment, &FOLDERS.map(Path::new))
}

fn find_in(
    named: Option<&Path>,
    environment: &Environment,
    folders: &[&Path],
) -> Result<Option<ConfigFile>, ConfigErrors> {
    if let Some(path) = named {
        return read(path, Place::Flag("--config".into())).map(Some);
    }
    if let Some(path) = environment.get(CONFIG).filter(|path| !path.is_empty()) {
        return read(Path::new(path), Place::Environment(CONFIG.into())).map(Some);
    }
    for folder in folders {
        let path = folder.join(NAME);
        match std::fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            _ => return read(&path, Place::Default).map(Some),
        }
    }
    Ok(None)
}

fn read(path: &Path, place: Place) -> Result<ConfigFile, ConfigErrors> {
    let text = read_bounded(path, yaml::MAX_BYTES).map_err(|reason| {
        let fault = Fault::Unreadable { path: path.display().to_string(), reason };
        ConfigErrors::from(Problem { key: String::new(), place, fault })
    })?;
    let path = path.strip_prefix(".").unwrap_or(path).to_owned();
    Ok(ConfigFile { path, text })
}

/// The text of a file of at most `limit` bytes, or the reason why not.
pub(crate) fn read_bounded(path: &Path, limit: usize) -> Result<String, String> {
    let file = File::open(path).map_err(|error| reason(&error))?;
    // A device or a pipe has no length that could be trusted.
    let mut bytes = Vec::new();
    let bound = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    file.take(bound).read_to_end(&mut bytes).map_err(|error| reason(&error))?;
    if bytes.len() > limit {
        return Err(format!("longer than {limit} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| "not UTF-8 text".to_owned())
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::IsADirectory => "is a folder".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none() -> Environment {
        Environment::default()
    }

    #[test]
    fn the_first_folder_wins_and_none_is_fine() {
        let root = tempfile::tempdir().unwrap();
        let (first, second) = (root.path().join("a"), root.path().join("b"));
        for folder in [&first, &second] {
            std::fs::create_dir(folder).unwrap();
        }
        let folders = [first.as_path(), second.as_path()];
        assert!(find_in(None, &none(), &folders).unwrap().is_none());
        std::fs::write(second.join(NAME), "b").unwrap();
        assert_eq!(find_in(None, &none(), &folders).unwrap().unwrap().text, "b");
        std::fs::write(first.join(NAME), "a").unwrap();
        assert_eq!(find_in(None, &none(), &folders).unwrap().unwrap().text, "a");
    }

    #[test]
    fn a_named_file_must_exist_and_be_readable_text() {
        let root = tempfile::tempdir().unwrap();
        let missing = root.path().join("x.yaml");
        let message = find_in(Some(&missing), &none(), &[]).unwrap_err().to_string();
        assert!(message.contains("--config") && message.contains("no such file"), "{message}");
        let variable: Environment = [(CONFIG, missing.display().to_string())].into_iter().collect();
        assert!(find_in(None, &variable, &[]).unwrap_err().to_string().contains(CONFIG));
        assert!(find_in(Some(root.path()), &none(), &[]).unwrap_err().to_string().contains("folder"));
        let odd = root.path().join("odd.yaml");
        std::fs::write(&odd, [0xff, 0xfe]).unwrap();
        assert!(find_in(Some(&odd), &none(), &[]).unwrap_err().to_string().contains("UTF-8"));
        std::fs::write(&odd, " ".repeat(yaml::MAX_BYTES + 1)).unwrap();
        assert!(find_in(Some(&odd), &none(), &[]).unwrap_err().to_string().contains("longer than"));
    }

    #[test]
    fn a_found_file_that_cannot_be_read_is_an_error() {
        let root = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/nowhere/at/all", root.path().join(NAME)).unwrap();
        assert!(find_in(None, &none(), &[root.path()]).is_err());
    }
}
