//! `ferrobase keys create|list|revoke`: opaque API keys, in the database that they open.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use ferrobase_auth::api_keys::{self, KeyKind};
use ferrobase_base::scope::Scopes;
use ferrobase_catalog::Scope;
use ferrobase_pg::{Pool, PoolOptions};
use ferrobase_request::roles::{self, Owners, Refusal};
use serde_json::json;

use crate::config::{Config, Environment};
use crate::server::{default_privileges, exposure};

use super::keys::warn_of_role;
use super::settings::{ConfigArguments, FileArguments};
use super::{migrate, terminal};

/// Longest wait for a connection.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Args)]
pub(super) struct CreateArguments {
    /// What it is for; no other key has this name.
    name: String,
    /// For applications that everybody can read; else it stays on servers.
    #[arg(long)]
    publishable: bool,
    /// The database role that it stands for [default: service_role, or anon with --publishable].
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
    /// What it may be used for: `rest`, `rest:read`, `auth:admin`, ...; several times for several [default: everything].
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// URL of the database as its owner (`database.url`).
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
}

#[derive(Args)]
pub(super) struct ListArguments {
    /// URL of the database as its owner (`database.url`).
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
}

#[derive(Args)]
pub(super) struct RevokeArguments {
    /// Its name or id.
    key: String,
    /// URL of the database as its owner (`database.url`).
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
}

pub(super) fn create(
    arguments: &CreateArguments,
    file: &FileArguments,
    environment: &Environment,
    json: bool,
) -> Result<ExitCode> {
    let kind = if arguments.publishable { KeyKind::Publishable } else { KeyKind::Secret };
    let role = arguments.role.as_deref().unwrap_or(kind.role());
    let scopes = Scopes::read(arguments.scopes.clone())?;
    let owner = file.with_database(arguments.database_url.clone());
    let config = owner.load(environment.clone())?.config;
    let (key, stored) = with_pool(&owner, environment, async |pool| {
        check_role(pool, kind, role, &config).await?;
        Ok(api_keys::create(pool, kind, &arguments.name, role, scopes.as_ref()).await?)
    })?;
    warn_of_role(role, &config);
    terminal::note("this is the only time that the key is shown");
    if json {
        terminal::print_json(&json!({
            "id": stored.id, "name": stored.name, "role": role, "scopes": stored.scopes, "key": key.expose(),
        }))?;
    } else {
        terminal::print(&format!("{}\n", key.expose()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Refuses a role as which no request ever runs, and for everybody one that policies do not bind. One that is not there at
/// all the key's own statement finds out.
async fn check_role(pool: &Pool, kind: KeyKind, role: &str, config: &Config) -> Result<()> {
    let schemas = exposure(config, default_privileges(&config.database)).schemas;
    let mut session = pool.session(Instant::now() + PATIENCE).await.context("cannot connect as the owner")?;
    let catalog = ferrobase_catalog::load(&mut session, &Scope::exposing(schemas.clone())).await;
    let catalog = catalog.context("cannot read the catalog")?;
    match roles::admit(role, &catalog, &Owners::of(&catalog, &schemas)) {
        Err(refusal) if refusal != Refusal::Unknown => bail!("--role {role}: no request may run as it: {refusal}"),
        Ok(admitted) if admitted.bypass_rls && kind == KeyKind::Publishable => bail!(
            "--role {role}: it passes row-level security, and everybody can read a publishable key: leave out --publishable"
        ),
        _ => Ok(()),
    }
}

pub(super) fn list(
    arguments: &ListArguments,
    file: &FileArguments,
    environment: &Environment,
    json: bool,
) -> Result<ExitCode> {
    let owner = file.with_database(arguments.database_url.clone());
    let keys = with_pool(&owner, environment, async |pool| Ok(api_keys::list(pool).await?))?;
    if json {
        terminal::print_json(&keys)?;
        return Ok(ExitCode::SUCCESS);
    }
    if keys.is_empty() {
        terminal::note("no opaque keys: `ferrobase keys create` makes one");
    }
    let mut text = String::new();
    for key in &keys {
        let state = match (key.revoked_at, key.last_used_at) {
            (Some(at), _) => format!("revoked {at:.0}"),
            (None, Some(at)) => format!("used {at:.0}"),
            (None, None) => "never used".to_owned(),
        };
        let (shown, scopes) = (format!("{}...", key.prefix), key.scopes.as_deref().unwrap_or_default().join(" "));
        let line = format!("{:<24} {:<16} {shown:<24} {state:<28} {scopes}", key.name, key.role);
        text.push_str(line.trim_end());
        text.push('\n');
    }
    terminal::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn revoke(arguments: &RevokeArguments, file: &FileArguments, environment: &Environment) -> Result<ExitCode> {
    let owner = file.with_database(arguments.database_url.clone());
    let revoked = with_pool(&owner, environment, async |pool| Ok(api_keys::revoke(pool, &arguments.key).await?))?;
    if !revoked {
        bail!("there is no key {} that could be taken back", arguments.key);
    }
    terminal::note(&format!("{} is taken back", arguments.key));
    Ok(ExitCode::SUCCESS)
}

/// Does something on connections of the database's owner.
pub(super) fn with_pool<T>(
    owner: &ConfigArguments,
    environment: &Environment,
    work: impl AsyncFnOnce(&Pool) -> Result<T>,
) -> Result<T> {
    let owner = migrate::owner(owner, environment)?;
    terminal::block_on(async {
        let pool = Pool::new(owner, PoolOptions { max_connections: 1, ..PoolOptions::default() });
        let done = work(&pool).await;
        pool.close().await;
        done
    })
}
