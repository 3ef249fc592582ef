//! The folder of a project and what `dev` keeps in its `.ferrobase`: the signing secret, and how to reach the server
//! that runs (`dev.json`, which programs read too).
//!
//! Invariant: both files are readable by their owner only, because keys and passwords are in them, and git ignores the
//! folder.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use ferrobase_base::Secret;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::kill;
use nix::unistd::{Pid, Uid, User, geteuid};
use rand::distr::{Alphanumeric, SampleString as _};
use serde::{Deserialize, Serialize};

use super::banner::RunningDev;

/// Length of a made secret: 48 characters of 62 are 285 bits.
const SECRET_LENGTH: usize = 48;

/// A project folder.
#[derive(Clone, Debug)]
pub(crate) struct Project {
    folder: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Secrets {
    jwt_secret: String,
}

impl Project {
    /// The project in this folder.
    pub(crate) fn at(folder: &Path) -> Result<Self> {
        let folder = folder.canonicalize().with_context(|| format!("cannot open the folder {}", folder.display()))?;
        Ok(Self { folder })
    }

    /// Where its migrations are.
    pub(crate) fn migrations(&self) -> PathBuf {
        self.folder.join("ferrobase/migrations")
    }

    /// What fills a database that was just made.
    pub(crate) fn seed(&self) -> PathBuf {
        self.folder.join("ferrobase/seed.sql")
    }

    /// Whether there is a folder of migrations.
    pub(crate) fn has_migrations(&self) -> bool {
        self.migrations().is_dir()
    }

    /// The lock that the one running `dev` holds; `None` when somebody else has it.
    pub(crate) fn lock(&self) -> Result<Option<Flock<File>>> {
        self.prepare()?;
        let path = self.state("dev.lock");
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let file = file.with_context(|| self.unwritable(&path))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Some(lock)),
            Err((_, nix::errno::Errno::EWOULDBLOCK)) => Ok(None),
            Err((_, error)) => Err(error).with_context(|| format!("cannot lock {}", path.display())),
        }
    }

    /// The signing secret, if one was made.
    pub(crate) fn known_secret(&self) -> Result<Option<Secret>> {
        Ok(self.read::<Secrets>("secrets.json")?.map(|secrets| Secret::new(secrets.jwt_secret)))
    }

    /// The signing secret, made the first time.
    pub(crate) fn secret(&self) -> Result<Secret> {
        match self.known_secret()? {
            Some(secret) => Ok(secret),
            None => self.rotate_secret(),
        }
    }

    /// A new signing secret: every key and token made before is worthless once the server has it.
    pub(crate) fn rotate_secret(&self) -> Result<Secret> {
        let secret = new_secret();
        self.write("secrets.json", &Secrets { jwt_secret: secret.expose().to_owned() })?;
        Ok(secret)
    }

    /// How to reach the `dev` that runs; `None` when none has said so.
    pub(crate) fn running(&self) -> Result<Option<RunningDev>> {
        self.read("dev.json")
    }

    /// The same of one whose process is still there: one that was killed took nothing back.
    pub(crate) fn alive(&self) -> Result<Option<RunningDev>> {
        let is_there = |dev: &RunningDev| {
            let pid = i32::try_from(dev.pid).map(Pid::from_raw);
            pid.is_ok_and(|pid| kill(pid, None) != Err(Errno::ESRCH))
        };
        Ok(self.running()?.filter(is_there))
    }

    /// Says how to reach this `dev`.
    pub(crate) fn announce(&self, running: &RunningDev) -> Result<()> {
        self.write("dev.json", running)
    }

    /// Takes it back.
    pub(crate) fn withdraw(&self) {
        let _ = fs::remove_file(self.state("dev.json"));
    }

    fn state(&self, name: &str) -> PathBuf {
        self.folder.join(".ferrobase").join(name)
    }

    /// Makes `.ferrobase` with a `.gitignore` of its own.
    fn prepare(&self) -> Result<()> {
        let folder = self.folder.join(".ferrobase");
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
        made.with_context(|| format!("cannot make {}; `dev` keeps its state there", folder.display()))?;
        let ignore = folder.join(".gitignore");
        if !ignore.exists() {
            fs::write(&ignore, "*\n").with_context(|| self.unwritable(&ignore))?;
        }
        Ok(())
    }

    fn read<T: for<'de> Deserialize<'de>>(&self, name: &str) -> Result<Option<T>> {
        let path = self.state(name);
        match fs::read(&path) {
            Ok(bytes) => {
                let value = serde_json::from_slice(&bytes);
                value.map(Some).with_context(|| format!("{} is damaged; delete it to start anew", path.display()))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Writes beside and renames, so that a reader never sees half a file.
    fn write(&self, name: &str, value: &impl Serialize) -> Result<()> {
        self.prepare()?;
        let path = self.state(name);
        let beside = self.state(&format!("{name}.new"));
        let written = (|| {
            let _ = fs::remove_file(&beside);
            let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&beside)?;
            file.write_all(&serde_json::to_vec_pretty(value)?)?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            fs::rename(&beside, &path)
        })();
        written.with_context(|| self.unwritable(&path))
    }

    /// Says whose the state is when it is another user's: mostly root's, from a `dev` run with `sudo`.
    fn unwritable(&self, path: &Path) -> String {
        let folder = self.folder.join(".ferrobase");
        let owner = fs::metadata(&folder).map(|metadata| Uid::from_raw(metadata.uid()));
        let advice = match owner {
            Ok(owner) if owner != geteuid() => {
                let name = User::from_uid(owner).ok().flatten().map_or_else(|| owner.to_string(), |user| user.name);
                let folder = folder.display();
                format!("\n  {folder} belongs to {name}: run as {name}, or remove it to start with new keys and data")
            }
            _ => String::new(),
        };
        format!("cannot write {}{advice}", path.display())
    }
}

/// A fresh secret.
pub(crate) fn new_secret() -> Secret {
    Secret::new(Alphanumeric.sample_string(&mut rand::rng(), SECRET_LENGTH))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_secret_is_made_once_and_only_its_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let project = Project::at(folder.path()).unwrap();
        assert!(project.known_secret().unwrap().is_none());
        let secret = project.secret().unwrap();
        assert_eq!(secret.expose().len(), SECRET_LENGTH);
        assert_eq!(project.secret().unwrap(), secret);
        let file = folder.path().join(".ferrobase/secrets.json");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_to_string(folder.path().join(".ferrobase/.gitignore")).unwrap(), "*\n");
        assert_ne!(project.rotate_secret().unwrap(), secret);
    }

    #[test]
    fn two_projects_have_different_secrets() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let secret = |folder: &Path| Project::at(folder).unwrap().secret().unwrap();
        assert_ne!(secret(one.path()), secret(other.path()));
    }

    #[test]
    fn one_dev_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let project = Project::at(folder.path()).unwrap();
        let lock = project.lock().unwrap();
        assert!(lock.is_some());
        assert!(project.lock().unwrap().is_none());
        drop(lock);
        assert!(project.lock().unwrap().is_some());
    }

    #[test]
    fn a_damaged_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let project = Project::at(folder.path()).unwrap();
        project.secret().unwrap();
        fs::write(folder.path().join(".ferrobase/secrets.json"), "{").unwrap();
        assert!(format!("{:#}", project.secret().unwrap_err()).contains("secrets.json is damaged"));
    }
}
