//! `ferrobase keys signing`: the file of `auth.signing_keys`, turned without a moment that the server refuses.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use ferrobase_auth::keys::KeyFile;

use super::terminal;

/// The private keys that sign users' tokens.
#[derive(Args)]
#[command(disable_help_subcommand = true)]
pub(super) struct SigningArguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Makes the file with one key (ES256), which signs.
    #[command(
        after_help = "Example:\n  ferrobase keys signing generate --file signing-keys.json\n\nThen set auth.signing_keys: file:///path/of/signing-keys.json"
    )]
    Generate(FileOfKeys),
    /// Adds the next key: it verifies, and does not sign yet.
    #[command(after_help = "Example:\n  ferrobase keys signing standby --file signing-keys.json")]
    Standby(FileOfKeys),
    /// Lets the standby key sign; the one before verifies on.
    #[command(
        after_help = "Examples:\n  ferrobase keys signing rotate --file signing-keys.json\n  ferrobase keys signing rotate --file signing-keys.json --kid NEXT\n\nReload after each step (SIGHUP); wait ten minutes after `standby`, as long as others remember\nthe published set."
    )]
    Rotate {
        #[command(flatten)]
        file: FileOfKeys,
        /// Which key; else the newest that does not sign.
        #[arg(long)]
        kid: Option<String>,
    },
    /// Takes a key away: its tokens are not believed any more.
    #[command(after_help = "Example:\n  ferrobase keys signing remove OLD --file signing-keys.json")]
    Remove {
        /// Its `kid`.
        kid: String,
        #[command(flatten)]
        file: FileOfKeys,
    },
    /// Lists the keys, without what is secret.
    #[command(after_help = "Example:\n  ferrobase keys signing list --file signing-keys.json")]
    List(FileOfKeys),
}

#[derive(Args)]
struct FileOfKeys {
    /// The file, a JWK set.
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
}

pub(super) fn run(arguments: &SigningArguments, json: bool) -> Result<ExitCode> {
    match &arguments.action {
        Action::Generate(file) => {
            if file.file.exists() {
                bail!("{} exists: `standby` and `rotate` change it", file.file.display());
            }
            write(&file.file, &KeyFile::generate(), json)?;
        }
        Action::Standby(file) => {
            let mut keys = read(&file.file)?;
            keys.add_standby();
            write(&file.file, &keys, json)?;
        }
        Action::Rotate { file, kid } => {
            let mut keys = read(&file.file)?;
            keys.rotate(kid.as_deref()).context("there is no key that could sign instead: `standby` makes one")?;
            write(&file.file, &keys, json)?;
        }
        Action::Remove { kid, file } => {
            let mut keys = read(&file.file)?;
            if !keys.remove(kid) {
                bail!("no key {kid} that does not sign is in {}", file.file.display());
            }
            write(&file.file, &keys, json)?;
        }
        Action::List(file) => show(&read(&file.file)?, json)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn read(path: &Path) -> Result<KeyFile> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let set = serde_json::from_str(&text).with_context(|| format!("{} is not JSON", path.display()))?;
    KeyFile::read(&set).with_context(|| path.display().to_string())
}

/// Replaces the file in one step; only its owner reads it.
fn write(path: &Path, keys: &KeyFile, json: bool) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let beside = folder.join(format!(".{}.new", path.file_name().unwrap_or_default().to_string_lossy()));
    let doing = || format!("cannot write {}", path.display());
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&beside).with_context(doing)?;
    file.write_all(serde_json::to_string_pretty(&keys.json())?.as_bytes()).with_context(doing)?;
    file.sync_all().with_context(doing)?;
    std::fs::rename(&beside, path).with_context(doing)?;
    terminal::note("reload the server (SIGHUP) to use it");
    show(keys, json)
}

fn show(keys: &KeyFile, json: bool) -> Result<()> {
    let listed = keys.list();
    if json {
        return terminal::print_json(&listed);
    }
    let line = |signs| if signs { "signs" } else { "verifies" };
    let text: String =
        listed.iter().map(|key| format!("{:<8}  {:<6} {}\n", line(key.signs), key.alg, key.kid)).collect();
    terminal::print(&text)
}
