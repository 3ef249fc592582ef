//! The one target of this process, made from the configuration and what installing gave.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use ferrobase_base::ports::NoApiKeys;
use ferrobase_catalog::{CatalogHandle, QualifiedName, Scope};
use ferrobase_edge::config::DefinerViews as DefinerViewsSetting;
use ferrobase_request::credentials::TokenCache;
use ferrobase_request::exposure::DefinerViews;
use ferrobase_request::install::DefaultPrivileges;
use ferrobase_request::role_settings::RoleLimits;
use ferrobase_request::{Authority, Exposure, Pools, Profile, Target, TargetParts, TransactionRules};

use crate::config::Config;

/// Name of the target of a process without tenants.
const DEFAULT: &str = "default";

/// Who decides about identities; the edge and the target share it.
pub(crate) fn authority(config: &Config) -> Result<Arc<Authority>> {
    let tokens = &config.auth.tokens;
    Ok(Arc::new(Authority {
        keys: Arc::new(tokens.keys().context("auth")?),
        api_keys: Arc::new(NoApiKeys),
        rules: tokens.rules(config.rest.anon_role.as_ref(), config.security.require_api_key),
        cache: TokenCache::new(tokens.jwt_cache_entries as usize),
    }))
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
        ..Scope::exposing(names(&config.rest.schemas))
    }
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
        app_settings: Vec::new(),
    }
}

fn exposure(config: &Config, privileges: DefaultPrivileges) -> Exposure {
    let texts = |list: &[ferrobase_base::config::RelationPattern]| list.iter().map(ToString::to_string).collect();
    let definer = match config.security.definer_views {
        DefinerViewsSetting::Refuse => DefinerViews::Refuse,
        DefinerViewsSetting::Warn => DefinerViews::Warn,
        DefinerViewsSetting::Allow => DefinerViews::Allow,
    };
    let exposure = Exposure::guarded(
        config.rest.schemas.iter().map(ToString::to_string).collect(),
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
