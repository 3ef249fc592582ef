//! `ferrobase keys signing`: signing keys, turned without a moment that the server refuses. They are in the database, where every
//! node finds them, or in the file of `auth.signing_keys`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use ferrobase_auth::keys::KeyFile;
use ferrobase_auth::keys::stored::{self, Change};
use ferrobase_pg::{ConnectOptions, Session};

use crate::config::Environment;

use super::settings::FileArguments;
use super::{migrate, terminal};

/// The private keys that sign users' tokens.
#[derive(Args)]
#[command(disable_help_subcommand = true)]
pub(super) struct SigningArguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Makes the first key (ES256), which signs.
    #[command(
        after_help = "Examples:\n  ferrobase keys signing generate\n  ferrobase keys signing generate --file signing-keys.json\n\nWith a file, set auth.signing_keys: file:///path/of/signing-keys.json"
    )]
    Generate(Place),
    /// Adds the next key: it verifies, and does not sign yet.
    #[command(
        after_help = "Examples:\n  ferrobase keys signing standby\n  ferrobase keys signing standby --file signing-keys.json"
    )]
    Standby(Place),
    /// Lets the standby key sign; the one before verifies on.
    #[command(
        after_help = "Examples:\n  ferrobase keys signing rotate\n  ferrobase keys signing rotate --kid NEXT\n  ferrobase keys signing rotate --file signing-keys.json\n\nServers see the keys of the database within seconds; with a file, reload after each step (SIGHUP).\nWait ten minutes after `standby`, as long as others remember the published set."
    )]
    Rotate {
        #[command(flatten)]
        place: Place,
        /// Which key; else the newest that does not sign.
        #[arg(long)]
        kid: Option<String>,
    },
    /// Takes a key away: its tokens are not believed any more.
    #[command(
        after_help = "Examples:\n  ferrobase keys signing remove OLD\n  ferrobase keys signing remove OLD --file signing-keys.json"
    )]
    Remove {
        /// Its `kid`.
        kid: String,
        #[command(flatten)]
        place: Place,
    },
    /// Lists the keys, without what is secret.
    #[command(
        after_help = "Examples:\n  ferrobase keys signing list\n  ferrobase keys signing list --file signing-keys.json"
    )]
    List(Place),
}

#[derive(Args)]
struct Place {
    /// A file, a JWK set [default: the database].
    #[arg(long, value_name = "FILE", conflicts_with = "database_url")]
    file: Option<PathBuf>,
    /// URL of the database as its owner (`database.url`).
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
}

impl Action {
    /// What it changes, and where; nothing when it only looks.
    fn change(&self) -> (&Place, Option<Change>) {
        match self {
            Self::Generate(place) => (place, Some(Change::Generate)),
            Self::Standby(place) => (place, Some(Change::Standby)),
            Self::Rotate { place, kid } => (place, Some(Change::Rotate(kid.clone()))),
            Self::Remove { kid, place } => (place, Some(Change::Remove(kid.clone()))),
            Self::List(place) => (place, None),
        }
    }
}

pub(super) fn run(
    arguments: &SigningArguments,
    config: &FileArguments,
    environment: &Environment,
    json: bool,
) -> Result<ExitCode> {
    let (place, change) = arguments.action.change();
    match &place.file {
        Some(path) => in_file(path, change, json)?,
        None => {
            let owner = migrate::owner(&config.with_database(place.database_url.clone()), environment)?;
            let keys = terminal::block_on(in_database(&owner, change))?;
            show(&keys, json)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn in_database(owner: &ConnectOptions, change: Option<Change>) -> Result<KeyFile> {
    let mut session = Session::connect(owner).await.context("cannot connect as the owner of the database")?;
    let keys = match change {
        None => stored::load(&mut session).await?,
        Some(change) => {
            let keys = stored::change(&mut session, &change).await?;
            terminal::note("servers use it within seconds");
            keys
        }
    };
    session.close().await;
    Ok(keys)
}

fn in_file(path: &Path, change: Option<Change>, json: bool) -> Result<()> {
    let shown = path.display();
    let keys = match change {
        None => return show(&read(path)?, json),
        Some(Change::Generate) if path.exists() => bail!("{shown} exists: `standby` and `rotate` change it"),
        Some(Change::Generate) => KeyFile::generate(),
        Some(Change::Standby) => {
            let mut keys = read(path)?;
            keys.add_standby();
            keys
        }
        Some(Change::Rotate(kid)) => {
            let mut keys = read(path)?;
            keys.rotate(kid.as_deref()).context("there is no key that could sign instead: `standby` makes one")?;
            keys
        }
        Some(Change::Remove(kid)) => {
            let mut keys = read(path)?;
            if !keys.remove(&kid) {
                bail!("no key {kid} that does not sign is in {shown}");
            }
            keys
        }
    };
    write(path, &keys, json)
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
