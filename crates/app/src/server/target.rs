//! The one target of this process, made from the configuration and what installing gave.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use ferrobase_auth::keys::KeyFile;
use ferrobase_base::ports::{ApiKeys, KeySource};
use ferrobase_catalog::{CatalogHandle, QualifiedName, Scope};
use ferrobase_edge::config::DefinerViews as DefinerViewsSetting;
use ferrobase_request::credentials::TokenCache;
use ferrobase_request::exposure::DefinerViews;
use ferrobase_request::install::DefaultPrivileges;
use ferrobase_request::role_settings::RoleLimits;
use ferrobase_request::{Authority, Exposure, Pools, Profile, Target, TargetParts, TransactionRules};

use super::key_fetcher::KeyFetcher;
use crate::config::Config;

/// Name of the target of a process without tenants.
const DEFAULT: &str = "default";

/// Who decides about identities, and who fetches the keys for it when they are not in the configuration.
#[derive(Clone)]
pub(crate) struct Identities {
    /// The edge and the target share it.
    pub(crate) authority: Arc<Authority>,
    /// With `auth.jwks_url`.
    pub(crate) fetcher: Option<Arc<KeyFetcher>>,
}

/// The identities of this configuration and the keys that the database keeps. What the fetcher before it found is kept while the address stays the same.
/// Must be called on a runtime.
pub(crate) fn identities(
    config: &Config,
    before: Option<&KeyFetcher>,
    api_keys: Arc<dyn ApiKeys>,
    stored: &KeyFile,
) -> Result<Identities> {
    let tokens = &config.auth.tokens;
    let configured = config.auth.keys(stored).context("auth")?;
    let fetcher = tokens
        .jwks_url
        .as_ref()
        .map(|url| Arc::new(KeyFetcher::start(configured.clone(), url, config.security.egress_allow.clone(), before)));
    let keys: Arc<dyn KeySource> = match &fetcher {
        Some(fetcher) => Arc::clone(fetcher) as Arc<dyn KeySource>,
        None => Arc::new(configured),
    };
    let authority = Arc::new(Authority {
        keys,
        api_keys,
        rules: tokens.rules(config.rest.anon_role.as_ref(), config.security.require_api_key),
        cache: TokenCache::new(tokens.jwt_cache_entries as usize),
    });
    Ok(Identities { authority, fetcher })
}

/// The target of this configuration.
pub(crate) fn build(
    config: &Config,
    authority: Arc<Authority>,
    pools: Pools,
    catalog: CatalogHandle,
    privileges: DefaultPrivileges,
    epoch: u64,
) -> Target {
    Target::new(TargetParts {
        name: DEFAULT.to_owned(),
        pools,
        catalog,
        authority,
        transaction: transaction(config),
        exposure: exposure(config, privileges),
        epoch,
    })
}

/// What the catalog must know.
pub(crate) fn scope(config: &Config, request_login: &str) -> Scope {
    let names = |list: &[ferrobase_base::config::Identifier]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    Scope {
        extra_search_path: names(&config.rest.extra_search_path),
        request_login: Some(request_login.to_owned()),
        documents: names(&config.graphql.schemas),
        ..Scope::exposing(exposed(config))
    }
}

/// The schemas that any API exposes.
fn exposed(config: &Config) -> Vec<String> {
    let mut schemas: Vec<String> = config.rest.schemas.iter().map(ToString::to_string).collect();
    for schema in config.graphql.schemas.iter().map(ToString::to_string) {
        if !schemas.contains(&schema) {
            schemas.push(schema);
        }
    }
    schemas
}

fn transaction(config: &Config) -> TransactionRules {
    let limits = RoleLimits { statement_timeout: config.database.statement_timeout, ..RoleLimits::default() };
    TransactionRules {
        profile: Profile::Ferrobase,
        pre_request: config.rest.pre_request.as_ref().map(|name| {
            let schema = name.schema.as_ref().or(config.rest.schemas.first());
            QualifiedName::new(schema.map_or_else(String::new, ToString::to_string), name.name.to_string())
        }),
        hoisted_settings: config.rest.hoisted_tx_settings.clone(),
        role_limits: limits,
        max_cost: config.rest.max_cost,
        app_settings: Vec::new(),
    }
}

/// What the API shows to whom.
pub(crate) fn exposure(config: &Config, privileges: DefaultPrivileges) -> Exposure {
    let texts = |list: &[ferrobase_base::config::RelationPattern]| list.iter().map(ToString::to_string).collect();
    let definer = match config.security.definer_views {
        DefinerViewsSetting::Refuse => DefinerViews::Refuse,
        DefinerViewsSetting::Warn => DefinerViews::Warn,
        DefinerViewsSetting::Allow => DefinerViews::Allow,
    };
    let exposure = Exposure::guarded(
        exposed(config),
        privileges == DefaultPrivileges::Supabase,
        texts(&config.rest.allow_unprotected),
        definer,
        texts(&config.security.definer_views_allow),
    );
    match &config.rest.anon_role {
        Some(role) => exposure.also_from(role),
        None => exposure,
    }
}
