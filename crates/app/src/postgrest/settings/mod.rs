//! The settings of PostgREST: names, defaults and rules are that server's, so that its deployments need no change.
//!
//! file (`file`) + environment + database (`database`) -> `sources` -> [`Settings`], checked. [`Settings::dump`] writes
//! them in the form in which they are read.
//! Invariant: pure but for `@file` values, which are read once more at every reload.
//! Read on: docs/guide/postgrest.md (the table of settings).

pub(crate) mod database;
mod dump;
pub(crate) mod file;
mod sources;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ferrobase_base::Secret;
use ferrobase_base::config::Atom;
use ferrobase_pg::{PoolOptions, Pooler};
use ferrobase_request::credentials::RolePath;
use ferrobase_rest::config::{OpenApiMode, TxEnd, Verbosity};

use crate::config::Environment;
pub(crate) use sources::Sources;

/// Names of the variables begin with this.
const PREFIX: &str = "PGRST_";
/// Schemas that must not be exposed.
const FORBIDDEN_SCHEMAS: [&str; 2] = ["pg_catalog", "information_schema"];
/// Permissions of a Unix socket.
const SOCKET_MODE: u32 = 0o660;

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    /// The file cannot be read.
    #[error("{path}: {source}")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file cannot be understood.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: file::FileError,
    },
    /// A value that a setting cannot have.
    #[error("{0}")]
    Value(String),
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listen {
    /// A host, or one of PostgREST's words for "any address" (`!4`, `*`, ...).
    pub(crate) host: String,
    /// The TCP port; none for an admin server that is off.
    pub(crate) port: Option<u16>,
    /// A Unix socket instead.
    pub(crate) socket: Option<PathBuf>,
    /// Its permissions.
    pub(crate) socket_mode: u32,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // the words of `log-level`
pub(crate) enum LogLevel {
    Crit,
    Error,
    Warn,
    Info,
    Debug,
}

/// Every setting, checked.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) app_settings: Vec<(String, String)>,
    pub(crate) verbosity: Verbosity,
    pub(crate) aggregates: bool,
    pub(crate) anon_role: Option<String>,
    pub(crate) channel: String,
    pub(crate) channel_enabled: bool,
    pub(crate) extra_search_path: Vec<String>,
    pub(crate) hoisted: Vec<String>,
    pub(crate) max_rows: Option<u64>,
    pub(crate) plans: bool,
    pub(crate) pool: Pool,
    pub(crate) pre_request: Option<Name>,
    pub(crate) prepared_statements: bool,
    pub(crate) root_spec: Option<Name>,
    pub(crate) schemas: Vec<String>,
    pub(crate) db_config: bool,
    pub(crate) pre_config: Option<Name>,
    pub(crate) tx_end: TxEnd,
    pub(crate) uri: Secret,
    pub(crate) jwt: Jwt,
    pub(crate) log_level: LogLevel,
    pub(crate) log_query: bool,
    pub(crate) openapi_mode: OpenApiMode,
    pub(crate) openapi_security: bool,
    pub(crate) openapi_proxy: Option<String>,
    pub(crate) cors_origins: Vec<String>,
    pub(crate) server: Listen,
    pub(crate) reuse_port: bool,
    pub(crate) trace_header: Option<String>,
    pub(crate) server_timing: bool,
    pub(crate) admin: Listen,
    pub(crate) target_names: bool,
}

/// `db-pool*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pool {
    pub(crate) size: u32,
    pub(crate) acquisition_timeout: u32,
    pub(crate) max_lifetime: u32,
    pub(crate) max_idletime: u32,
    pub(crate) automatic_recovery: bool,
}

/// `jwt-*`.
#[derive(Clone, Debug)]
pub(crate) struct Jwt {
    /// As it was given, before base64 is taken off.
    pub(crate) secret: Option<Secret>,
    pub(crate) is_base64: bool,
    pub(crate) audience: Option<String>,
    pub(crate) role: RolePath,
    pub(crate) cache_entries: u32,
}

/// A function's name, with its schema when one was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) schema: Option<String>,
    pub(crate) name: String,
}

impl Name {
    fn parse(text: &str) -> Self {
        match text.split_once('.') {
            Some((schema, name)) => Self { schema: Some(schema.to_owned()), name: name.to_owned() },
            None => Self { schema: None, name: text.to_owned() },
        }
    }
}

impl Sources {
    /// Reads the file and takes the environment.
    pub(crate) fn read(path: Option<&Path>, environment: &Environment) -> Result<Self, SettingsError> {
        let file = match path {
            None => BTreeMap::new(),
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|source| SettingsError::Unreadable { path: path.to_owned(), source })?;
                file::parse(&text, |name| environment.get(name))
                    .map_err(|source| SettingsError::File { path: path.to_owned(), source })?
            }
        };
        let ours = environment.iter().filter(|(name, _)| name.starts_with(PREFIX));
        let environment = ours.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Ok(Self { file, environment, database: BTreeMap::new() })
    }
}

impl Settings {
    /// Checks and completes what the sources say. `uri` is the connection string of the settings before, which a
    /// reload keeps.
    pub(crate) fn new(sources: &Sources, uri: Option<&Secret>) -> Result<Self, SettingsError> {
        let server = listen(sources, "server", Some(3000))?;
        let mut admin = listen(sources, "admin-server", None)?;
        if sources.text("admin-server-host").is_none() {
            admin.host.clone_from(&server.host);
        }
        if admin.port.is_some() && admin.port == server.port {
            return Err(refused("admin-server-port cannot be the same as server-port"));
        }
        Ok(Self {
            app_settings: sources.app_settings(),
            verbosity: word(sources, "client-error-verbosity", Verbosity::Verbose)?,
            aggregates: sources.flag("db-aggregates-enabled").unwrap_or(false),
            anon_role: sources.text("db-anon-role"),
            channel: sources.text("db-channel").unwrap_or_else(|| "pgrst".to_owned()),
            channel_enabled: sources.flag("db-channel-enabled").unwrap_or(true),
            extra_search_path: sources
                .text_or_empty("db-extra-search-path")
                .map_or_else(|| list("public"), |t| list(&t)),
            hoisted: sources.text("db-hoisted-tx-settings").map_or_else(hoisted, |text| list(&text)),
            max_rows: sources.number_of("db-max-rows", "max-rows"),
            plans: sources.flag("db-plan-enabled").unwrap_or(false),
            pool: pool(sources),
            pre_request: sources.text_of("db-pre-request", "pre-request").map(|name| Name::parse(&name)),
            prepared_statements: sources.flag("db-prepared-statements").unwrap_or(true),
            root_spec: sources.text_of("db-root-spec", "root-spec").map(|name| Name::parse(&name)),
            schemas: schemas(sources)?,
            db_config: sources.flag("db-config").unwrap_or(true),
            pre_config: sources.text("db-pre-config").map(|name| Name::parse(&name)),
            tx_end: word(sources, "db-tx-end", TxEnd::Commit)?,
            uri: match uri {
                Some(uri) => uri.clone(),
                None => connection_string(sources)?,
            },
            jwt: jwt(sources)?,
            log_level: log_level(sources)?,
            log_query: sources.flag("log-query").unwrap_or(false),
            openapi_mode: word(sources, "openapi-mode", OpenApiMode::FollowPrivileges)?,
            openapi_security: sources.flag("openapi-security-active").unwrap_or(false),
            openapi_proxy: proxy(sources)?,
            cors_origins: sources.text("server-cors-allowed-origins").map_or_else(Vec::new, |text| list(&text)),
            server,
            reuse_port: sources.flag("server-reuseport").unwrap_or(false),
            trace_header: sources.text("server-trace-header"),
            server_timing: sources.flag("server-timing-enabled").unwrap_or(false),
            admin,
            target_names: sources.flag("url-use-legacy-target-names").unwrap_or(true),
        })
    }

    /// The bounds of the connection pool.
    pub(crate) fn pool_options(&self) -> PoolOptions {
        let seconds = |seconds: u32| Duration::from_secs(u64::from(seconds));
        PoolOptions {
            max_connections: self.pool.size as usize,
            max_idle_time: seconds(self.pool.max_idletime),
            max_lifetime: seconds(self.pool.max_lifetime),
            acquire_timeout: seconds(self.pool.acquisition_timeout),
            // Upstream lets everybody wait; memory is bounded all the same.
            max_waiting: 100_000,
            pooler: if self.prepared_statements { Pooler::Direct } else { Pooler::Transaction },
            ..PoolOptions::default()
        }
    }
}

fn refused(reason: impl Into<String>) -> SettingsError {
    SettingsError::Value(reason.into())
}

/// Comma-separated; of an empty text, nothing.
fn list(text: &str) -> Vec<String> {
    if text.is_empty() { Vec::new() } else { text.split(',').map(|item| item.trim().to_owned()).collect() }
}

fn hoisted() -> Vec<String> {
    list("statement_timeout,plan_filter.statement_cost_limit,default_transaction_isolation")
}

/// One of the words of a choice.
fn word<C: Atom>(sources: &Sources, key: &str, default: C) -> Result<C, SettingsError> {
    match sources.text(key) {
        None => Ok(default),
        Some(text) => C::parse(&text)
            .ok_or_else(|| refused(format!("Invalid {key}. Check your configuration: it is {}", C::kind()))),
    }
}

fn pool(sources: &Sources) -> Pool {
    Pool {
        size: sources.number("db-pool").unwrap_or(10),
        acquisition_timeout: sources.number("db-pool-acquisition-timeout").unwrap_or(10),
        max_lifetime: sources.number("db-pool-max-lifetime").unwrap_or(1800),
        max_idletime: sources.number_of("db-pool-timeout", "db-pool-max-idletime").unwrap_or(30),
        automatic_recovery: sources.flag("db-pool-automatic-recovery").unwrap_or(true),
    }
}

fn schemas(sources: &Sources) -> Result<Vec<String>, SettingsError> {
    let schemas = sources.text_of("db-schemas", "db-schema").map_or_else(|| list("public"), |text| list(&text));
    match FORBIDDEN_SCHEMAS.iter().find(|forbidden| schemas.iter().any(|schema| schema == *forbidden)) {
        Some(forbidden) => Err(refused(format!("db-schemas does not allow schema: '{forbidden}'"))),
        None => Ok(schemas),
    }
}

fn jwt(sources: &Sources) -> Result<Jwt, SettingsError> {
    let role = match sources.text_of("jwt-role-claim-key", "role-claim-key") {
        None => RolePath::default(),
        Some(path) => RolePath::parse(&path)
            .map_err(|error| refused(format!("failed to parse role-claim-key value ({path}): {error}")))?,
    };
    let audience = sources.text("jwt-aud");
    if audience.as_ref().is_some_and(|text| text.contains(':') && !is_uri(text)) {
        return Err(refused("jwt-aud should be a string or a valid URI"));
    }
    let is_base64 = sources.flag("jwt-secret-is-base64").or_else(|| sources.flag("secret-is-base64"));
    let (secret, is_base64) = secret(sources, is_base64.unwrap_or(false))?;
    Ok(Jwt {
        secret,
        is_base64,
        audience,
        role,
        cache_entries: sources.number("jwt-cache-max-entries").unwrap_or(1000),
    })
}

/// The secret and whether it is base64; a file of arbitrary bytes is turned into it.
fn secret(sources: &Sources, is_base64: bool) -> Result<(Option<Secret>, bool), SettingsError> {
    let Some(text) = sources.text("jwt-secret") else { return Ok((None, is_base64)) };
    Ok(match String::from_utf8(contents(&text, "jwt-secret")?) {
        Ok(text) => (Some(Secret::new(text)), is_base64),
        Err(binary) => (Some(Secret::new(STANDARD.encode(binary.as_bytes()))), true),
    })
}

/// RFC 3986: a scheme, a colon, and only characters that a URI may have; `%` begins two hexadecimal digits.
fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    let is_digit = |c: Option<&u8>| c.is_some_and(u8::is_ascii_hexdigit);
    let bytes = rest.as_bytes();
    let is_legal = |(at, byte): (usize, &u8)| match byte {
        b'%' => is_digit(bytes.get(at + 1)) && is_digit(bytes.get(at + 2)),
        byte => byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=".contains(byte),
    };
    is_scheme && bytes.iter().enumerate().all(is_legal)
}

fn connection_string(sources: &Sources) -> Result<Secret, SettingsError> {
    let text = sources.text("db-uri").unwrap_or_else(|| "postgresql://".to_owned());
    let text = String::from_utf8(contents(&text, "db-uri")?).map_err(|_| refused("db-uri: the file is not text"))?;
    Ok(Secret::new(text.trim()))
}

/// The value itself, or with `@` the contents of a file without its last line break.
fn contents(text: &str, key: &str) -> Result<Vec<u8>, SettingsError> {
    let Some(path) = text.strip_prefix('@') else { return Ok(text.as_bytes().to_vec()) };
    let mut read = std::fs::read(path).map_err(|source| refused(format!("{key}: cannot read {path}: {source}")))?;
    if read.last() == Some(&b'\n') {
        read.pop();
    }
    Ok(read)
}

fn log_level(sources: &Sources) -> Result<LogLevel, SettingsError> {
    Ok(match sources.text("log-level").as_deref() {
        None | Some("error") => LogLevel::Error,
        Some("crit") => LogLevel::Crit,
        Some("warn") => LogLevel::Warn,
        Some("info") => LogLevel::Info,
        Some("debug") => LogLevel::Debug,
        Some(_) => {
            return Err(refused("Invalid log-level. Check your configuration: it is crit, error, warn, info or debug"));
        }
    })
}

fn proxy(sources: &Sources) -> Result<Option<String>, SettingsError> {
    let Some(text) = sources.text("openapi-server-proxy-uri") else { return Ok(None) };
    let is_good = text.parse::<http::Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty())
    });
    if is_good && !text.contains('#') {
        return Ok(Some(text));
    }
    Err(refused("Malformed proxy uri, a correct example: https://example.com:8443/basePath"))
}

fn listen(sources: &Sources, what: &str, port: Option<u16>) -> Result<Listen, SettingsError> {
    let key = |suffix: &str| format!("{what}-{suffix}");
    Ok(Listen {
        host: sources.text(&key("host")).unwrap_or_else(|| "!4".to_owned()),
        port: sources.number(&key("port")).or(port),
        socket: sources.text(&key("unix-socket")).map(PathBuf::from),
        socket_mode: socket_mode(sources, &key("unix-socket-mode"))?,
    })
}

fn socket_mode(sources: &Sources, key: &str) -> Result<u32, SettingsError> {
    let Some(text) = sources.text(key) else { return Ok(SOCKET_MODE) };
    match u32::from_str_radix(&text, 8) {
        Err(_) => Err(refused(format!("Invalid {key}: not an octal"))),
        Ok(mode) if !(0o600..=0o777).contains(&mode) => {
            Err(refused(format!("Invalid {key}: needs to be between 600 and 777")))
        }
        Ok(mode) => Ok(mode),
    }
}

#[cfg(test)]
mod tests;
