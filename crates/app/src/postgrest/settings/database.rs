//! Settings in the database: `ALTER ROLE authenticator SET pgrst.db_max_rows = '500'`, and what `db-pre-config` sets.
//!
//! As upstream, the login's own settings count, those for this database first; then what the function sets with
//! `set_config`. Ports, pool and the database itself cannot be set there.

use std::collections::BTreeMap;

use ferrobase_pg::{Error, Session};

use super::Name;

const SETTING_LIST: &str = include_str!("../../../sql/postgrest_setting_list.sql");

/// What can be set in the database.
const NAMES: &str = "{pgrst.client_error_verbosity,pgrst.db_aggregates_enabled,pgrst.db_anon_role,\
    pgrst.db_extra_search_path,pgrst.db_hoisted_tx_settings,pgrst.db_max_rows,pgrst.db_plan_enabled,\
    pgrst.db_pre_config,pgrst.db_pre_request,pgrst.db_prepared_statements,pgrst.db_root_spec,pgrst.db_schemas,\
    pgrst.db_tx_end,pgrst.jwt_aud,pgrst.jwt_cache_max_entries,pgrst.jwt_role_claim_key,pgrst.jwt_secret,\
    pgrst.jwt_secret_is_base64,pgrst.openapi_mode,pgrst.openapi_security_active,pgrst.openapi_server_proxy_uri,\
    pgrst.server_cors_allowed_origins,pgrst.server_timing_enabled,pgrst.server_trace_header,\
    pgrst.url_use_legacy_target_names}";

/// The settings, by key with underscores. Calls the function first; what it writes is undone.
pub(crate) async fn read(session: &mut Session, function: Option<&Name>) -> Result<BTreeMap<String, String>, Error> {
    session.script("begin read only").await?;
    let settings = read_within(session, function).await;
    let ended = session.script("rollback").await;
    let settings = settings?;
    ended?;
    Ok(settings)
}

async fn read_within(session: &mut Session, function: Option<&Name>) -> Result<BTreeMap<String, String>, Error> {
    if let Some(function) = function {
        session.query(&call(function), &[]).await?;
    }
    let called = if function.is_some() { "true" } else { "false" };
    let result = session.query(SETTING_LIST, &[Some(NAMES), Some(called)]).await?;
    let pair = |row: ferrobase_pg::Row<'_>| Some((row.text(0)?.to_owned(), row.text(1)?.to_owned()));
    Ok(result.rows.iter().filter_map(pair).collect())
}

/// The name comes from the operator's own file; it is quoted all the same.
fn call(function: &Name) -> String {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let schema = function.schema.as_deref().map(|schema| format!("{}.", quoted(schema))).unwrap_or_default();
    format!("select {schema}{}()", quoted(&function.name))
}
