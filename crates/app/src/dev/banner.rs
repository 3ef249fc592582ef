//! What `dev` tells: how to reach what runs, for people on the standard output and for programs in `.ferrobase/dev.json`.
//!
//! Invariant: the request that is shown works as it is printed.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use ferrobase_catalog::Privilege;
use ferrobase_embedded::Running;
use ferrobase_request::Target;
use ferrobase_request::keys::{ProjectKeys, project_keys};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use crate::cli::keys::{now, signing_secret};
use crate::cli::terminal;
use crate::config::{Config, Loaded};
use crate::server::Server;

/// What is escaped in a path: all but unreserved characters (RFC 3986).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// How to reach the `dev` that runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RunningDev {
    /// Its process.
    pub(crate) pid: u32,
    /// Where the APIs are.
    pub(crate) url: String,
    /// Where health and metrics are.
    pub(crate) admin_url: String,
    /// Key for browsers and apps; none where only public keys are configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) anon_key: Option<String>,
    /// Key that passes row-level security.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) service_key: Option<String>,
    /// The database as superuser, over TCP.
    pub(crate) database_url: String,
    /// A request that works.
    #[serde(rename = "try")]
    pub(crate) example: String,
}

impl RunningDev {
    /// This process.
    pub(crate) fn of(server: &Server, postgres: &Running, loaded: &Loaded) -> Result<Self> {
        let config = &loaded.config;
        let scheme = if config.server.tls.files().is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}", reachable(server.address())?);
        let admin_url = format!("http://{}", reachable(server.admin_address())?);
        let tokens = &config.auth.tokens;
        let keys = signing_secret(tokens)?.map(|secret| project_keys(&secret, &tokens.jwt_role_claim, now()));
        let keys = keys.transpose()?;
        let example = example(&url, &admin_url, config, &server.backend().target(), keys.as_ref());
        let (anon_key, service_key) = keys.map(|keys| (keys.anon, keys.service)).unzip();
        let database_url = postgres.access().tcp_url_for("postgres");
        Ok(Self { pid: std::process::id(), url, admin_url, anon_key, service_key, database_url, example })
    }

    /// Tells it.
    pub(crate) fn show(&self, json: bool) -> Result<()> {
        if json { terminal::print_json(self) } else { terminal::print(&self.banner()) }
    }

    fn banner(&self) -> String {
        let mut lines = vec![
            ("REST", format!("{}/rest/v1", self.url)),
            ("GraphQL", format!("{}/graphql/v1", self.url)),
            ("auth", format!("{}/auth/v1", self.url)),
            ("health", format!("{}/ready", self.admin_url)),
            ("metrics", format!("{}/metrics", self.admin_url)),
            ("database", self.database_url.clone()),
        ];
        lines.extend(self.anon_key.clone().map(|key| ("anon key", key)));
        lines.extend(self.service_key.clone().map(|key| ("service key", key)));
        let lines: String = lines.iter().map(|(name, value)| format!("  {name:<12} {value}\n")).collect();
        format!("\n{lines}\n  {:<12} {}\n\n", "try", self.example)
    }
}

/// An address that listens everywhere is reached on this machine's own.
fn reachable(address: Option<SocketAddr>) -> Result<SocketAddr> {
    let mut address = address.context("not listening")?;
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    Ok(address)
}

/// Rows of the first table that anybody may read, else the state of the server.
fn example(url: &str, admin_url: &str, config: &Config, target: &Target, keys: Option<&ProjectKeys>) -> String {
    let Some(table) = readable_table(config, target) else { return format!("curl '{admin_url}/ready'") };
    // A certificate of one's own is not known to curl.
    let insecure = if url.starts_with("https") { "-k " } else { "" };
    let key = keys.filter(|_| config.security.require_api_key);
    let key = key.map(|keys| format!(" -H 'apikey: {}'", keys.anon)).unwrap_or_default();
    format!("curl {insecure}'{url}/rest/v1/{}?limit=3'{key}", utf8_percent_encode(&table, RESERVED))
}

fn readable_table(config: &Config, target: &Target) -> Option<String> {
    let catalog = target.catalog.get()?;
    let (schema, role) = (config.rest.schemas.first()?, config.rest.anon_role.as_ref()?);
    let readable = catalog.relations.values().filter(|relation| {
        relation.name.schema == **schema
            && catalog.may(role, Privilege::Select, relation)
            && target.exposure.visibility(&catalog, relation, role).is_visible()
    });
    readable.map(|relation| relation.name.name.clone()).min()
}
