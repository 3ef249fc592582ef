//! The private PostgreSQL of a project, as configured.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use ferrobase_base::config::Atom as _;
use ferrobase_embedded::{Options, Progress};
use ferrobase_pg::config::{DatabaseSection, DatabaseUrl};

use crate::cli::terminal;
use crate::config::environment::PG_BIN;
use crate::config::{Environment, Loaded};

/// How to run it. Slow steps are told on the terminal.
pub(crate) fn options(loaded: &Loaded, environment: &Environment) -> Result<Options> {
    let section = &loaded.config.database.embedded;
    let folder = Path::new(".").canonicalize().context("cannot open the current folder")?;
    let mut options = Options::new(folder);
    options.bin_dir = environment.get(PG_BIN).filter(|path| !path.is_empty()).map(Into::into);
    options.port = section.port;
    options.version = section.version;
    options.data_dir.clone_from(&section.data_dir);
    options.progress = Some(Arc::new(|progress: &Progress| terminal::note(&progress.to_string())));
    Ok(options)
}

/// Makes the private database the one that is served, whatever the configuration says about others.
pub(crate) fn point_at(loaded: &mut Loaded, url: &str) -> Result<()> {
    let section = &mut loaded.config.database;
    section.url = Some(DatabaseUrl::parse(url).context("the private PostgreSQL has no usable URL")?);
    // What belongs to another server (its TLS, its pooler) does not belong to this one.
    let defaults = DatabaseSection::default();
    section.ssl_mode = defaults.ssl_mode;
    section.ssl_cert = defaults.ssl_cert;
    section.ssl_key = defaults.ssl_key;
    section.ssl_root_cert = defaults.ssl_root_cert;
    section.pooler = defaults.pooler;
    section.listen_url = defaults.listen_url;
    section.authenticator = defaults.authenticator;
    Ok(())
}
