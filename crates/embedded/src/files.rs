//! The few file operations that must be done carefully: owner-only folders, atomic writes, free space.
//!
//! Invariant: nothing here follows a symbolic link in the last part of a path when it writes; as root we work inside
//! folders that other users may own.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use nix::sys::statvfs::statvfs;
use rand::distr::{Alphanumeric, SampleString};

use crate::error::Error;

const LOCK_ATTEMPTS: u32 = 300;
const LOCK_PAUSE: Duration = Duration::from_millis(100);

/// Makes a folder with exactly this mode unless it is there; a link or a file in its place is refused.
pub(crate) fn ensure_dir(path: &Path, mode: u32) -> Result<(), Error> {
    match DirBuilder::new().mode(mode).create(path) {
        // The mode given to mkdir passes the umask, which may have taken bits away.
        Ok(()) => set_mode(path, mode),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let meta = fs::symlink_metadata(path).map_err(|e| Error::io("look at", path, e))?;
            if meta.is_dir() { Ok(()) } else { Err(not_a_dir(path)) }
        }
        Err(error) => Err(Error::io("create", path, error)),
    }
}

/// As [`ensure_dir`], and parents too (0755, as `mkdir -p` makes them).
pub(crate) fn ensure_dirs(path: &Path, mode: u32) -> Result<(), Error> {
    if let Some(parent) = path.parent()
        && !parent.exists()
    {
        DirBuilder::new().recursive(true).mode(0o755).create(parent).map_err(|e| Error::io("create", parent, e))?;
    }
    ensure_dir(path, mode)
}

fn not_a_dir(path: &Path) -> Error {
    Error::UnsafeFolder { path: path.to_owned(), reason: "it is not a folder".into() }
}

/// Sets the mode of a path that is known to be ours.
pub(crate) fn set_mode(path: &Path, mode: u32) -> Result<(), Error> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(|e| Error::io("change the mode of", path, e))
}

/// Checks that a folder belongs to `uid` and that nobody else may write into it.
pub(crate) fn check_private(path: &Path, uid: u32) -> Result<(), Error> {
    let meta = fs::symlink_metadata(path).map_err(|e| Error::io("look at", path, e))?;
    let unsafe_folder = |reason: String| Err(Error::UnsafeFolder { path: path.to_owned(), reason });
    if !meta.is_dir() {
        return unsafe_folder("it is not a folder".into());
    }
    if meta.uid() != uid {
        return unsafe_folder(format!("it belongs to user {}", crate::account::user_name(meta.uid())));
    }
    if meta.mode() & 0o022 != 0 {
        return unsafe_folder("others may write into it".into());
    }
    Ok(())
}

/// Writes a whole file so that a crash leaves the old one or the new one, never a part.
pub(crate) fn write_atomically(path: &Path, content: &[u8], mode: u32) -> Result<(), Error> {
    let parent = path.parent().unwrap_or(Path::new("/"));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = parent.join(format!(".{name}.{}", random_text(8)));
    let written = write_new(&temporary, content, mode)
        .and_then(|()| fs::rename(&temporary, path))
        .and_then(|()| File::open(parent)?.sync_all());
    written.map_err(|error| {
        let _ = fs::remove_file(&temporary);
        Error::io("write", path, error)
    })
}

/// Writes a file that must not exist yet.
pub(crate) fn write_new(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Opens a regular file for reading without following a link.
pub(crate) fn open_no_follow(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK).open(path)
}

/// Takes a lock that others hold only for moments; released when the file is dropped.
pub(crate) async fn wait_for_lock(path: &Path) -> Result<File, Error> {
    if let Some(parent) = path.parent() {
        ensure_dirs(parent, 0o755)?;
    }
    let mut options = OpenOptions::new();
    let options = options.create(true).truncate(false).write(true).mode(0o600);
    let file = options.open(path).map_err(|e| Error::io("open", path, e))?;
    for _ in 0..LOCK_ATTEMPTS {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(fs::TryLockError::WouldBlock) => tokio::time::sleep(LOCK_PAUSE).await,
            Err(fs::TryLockError::Error(error)) => return Err(Error::io("lock", path, error)),
        }
    }
    Err(Error::io("lock", path, io::ErrorKind::TimedOut.into()))
}

/// Bytes that an unprivileged user may still write on the disk of `path`; `None` where the system does not say.
pub(crate) fn free_bytes(path: &Path) -> Option<u64> {
    let stat = statvfs(path).ok()?;
    #[allow(clippy::useless_conversion, reason = "the types differ between platforms")]
    let free = u64::from(stat.blocks_available()).saturating_mul(u64::from(stat.fragment_size()));
    Some(free)
}

/// Letters and digits from the system's random source; 32 of them carry 190 bits.
pub(crate) fn random_text(length: usize) -> String {
    Alphanumeric.sample_string(&mut rand::rng(), length)
}
