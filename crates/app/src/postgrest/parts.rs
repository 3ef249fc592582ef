//! From PostgREST's settings to the values that catalog, request, edge and the REST room work with. Pure.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use ferrobase_base::ports::NoApiKeys;
use ferrobase_catalog::{CatalogHandle, QualifiedName, Scope};
use ferrobase_edge::log::{LogSettings, Style};
use ferrobase_request::credentials::{AuthRules, ConfiguredKeys, TokenCache};
use ferrobase_request::{Authority, Exposure, Pools, Profile, Target, TargetParts, TransactionRules};
use ferrobase_rest::config::{OpenApiMode, TxEnd};
use ferrobase_rest::openapi::Address;
use ferrobase_rest::request::{Root, Rules};

use super::settings::{LogLevel, Name, Settings};

/// Who decides about identities.
pub(super) fn authority(settings: &Settings) -> Result<Arc<Authority>> {
    let jwt = &settings.jwt;
    let keys = ConfiguredKeys::new(jwt.secret.as_ref(), jwt.is_base64, None)?;
    let rules = AuthRules {
        audience: jwt.audience.clone(),
        role_claim: jwt.role.clone(),
        ..AuthRules::postgrest(settings.anon_role.clone())
    };
    let cache = TokenCache::new(jwt.cache_entries as usize);
    Ok(Arc::new(Authority { keys: Arc::new(keys), api_keys: Arc::new(NoApiKeys), rules, cache }))
}

/// What the catalog must know.
pub(super) fn scope(settings: &Settings) -> Scope {
    Scope {
        extra_search_path: settings.extra_search_path.clone(),
        timezones: true,
        ..Scope::exposing(settings.schemas.clone())
    }
}

/// What requests run against.
pub(super) fn target(
    settings: &Settings,
    authority: Arc<Authority>,
    pools: Pools,
    catalog: CatalogHandle,
    epoch: u64,
) -> Target {
    Target::new(TargetParts {
        name: "default".to_owned(),
        pools,
        catalog,
        authority,
        transaction: TransactionRules {
            profile: Profile::Postgrest,
            pre_request: settings.pre_request.as_ref().map(qualified),
            hoisted_settings: settings.hoisted.clone(),
            app_settings: settings.app_settings.clone(),
            ..TransactionRules::default()
        },
        exposure: Exposure::open(settings.schemas.clone()),
        epoch,
    })
}

/// A name without a schema is found by the search path.
fn qualified(name: &Name) -> QualifiedName {
    QualifiedName::new(name.schema.clone().unwrap_or_default(), name.name.clone())
}

/// What the REST room goes by.
pub(super) fn rest(settings: &Settings) -> ferrobase_rest::Settings {
    let root = match (settings.openapi_mode, &settings.root_spec) {
        (OpenApiMode::Disabled, _) => Root::Nothing,
        // Upstream looks for it in the request's schema, whatever its name says.
        (_, Some(function)) => Root::Function { schema: None, name: function.name.clone() },
        (_, None) => Root::Description,
    };
    let base = ferrobase_rest::Settings::postgrest(settings.schemas.clone());
    ferrobase_rest::Settings {
        rules: Rules {
            tx_override: matches!(settings.tx_end, TxEnd::CommitAllowOverride | TxEnd::RollbackAllowOverride),
            root,
            ..base.rules
        },
        extra_search_path: settings.extra_search_path.clone(),
        max_rows: settings.max_rows,
        aggregates: settings.aggregates,
        plans: settings.plans,
        target_names: settings.target_names,
        tx_end: settings.tx_end,
        verbosity: settings.verbosity,
        openapi: settings.openapi_mode,
        openapi_security: settings.openapi_security,
        address: address(settings),
        ..base
    }
}

/// Where the description says that the API is: at the proxy in front, or where this server listens.
fn address(settings: &Settings) -> Address {
    let proxy = settings.openapi_proxy.as_deref().and_then(Address::from_uri);
    proxy.unwrap_or_else(|| Address::listening(&settings.server.host, settings.server.port.unwrap_or_default()))
}

/// What the edge goes by.
pub(super) fn edge(settings: &Settings, authority: Arc<Authority>) -> Result<ferrobase_edge::Settings> {
    let mut edge = ferrobase_edge::Settings::postgrest(&settings.cors_origins, authority)
        .context("server-cors-allowed-origins")?;
    edge.server_timing = settings.server_timing;
    edge.trace_header =
        settings.trace_header.as_ref().map(|name| name.parse()).transpose().context("server-trace-header")?;
    Ok(edge)
}

/// What is logged: this server's own sentences always, requests by their status.
pub(super) fn log(settings: &Settings) -> LogSettings {
    let requests = match settings.log_level {
        LogLevel::Crit => "off",
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => {
            "info,ferrobase_pg=debug,ferrobase_request=debug,ferrobase_rest=debug,ferrobase_catalog=debug"
        }
    };
    let statements = if settings.log_query { ",ferrobase::sql=debug" } else { "" };
    LogSettings {
        // Connections that fail are told by the server's own sentences, once.
        level: format!("{requests},ferrobase_app=info,ferrobase::deprecated=warn,ferrobase_pg::listen=off{statements}"),
        style: Style::Apache,
        file: None,
        to_stderr: true,
    }
}
