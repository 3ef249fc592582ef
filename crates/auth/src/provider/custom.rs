//! Providers that administrators added: a row of the database as a provider like any other.
//!
//! What they say of somebody is brought into the usual names (`attribute_mapping`) before it is read, and claims of the
//! administrator's choice are taken over beside. An administrator is not the operator: their confirmed addresses open no
//! account unless the row says `trust_email`.

use serde_json::{Map, Value};

use super::presets::{CUSTOM_ISSUER, CUSTOM_OAUTH};
use super::{Missing, Provider};
use crate::caller::Flow;
use crate::error::Result;
use crate::settings::Settings;
use crate::store::custom_providers::{self, CustomProvider};

/// How their names begin.
pub(crate) const PREFIX: &str = "custom:";
/// Largest claim that is taken over beside the usual ones.
const LARGEST_CLAIM: usize = 4096;

/// What only such a provider has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Custom {
    pub(crate) authorize: String,
    pub(crate) token: String,
    pub(crate) userinfo: String,
    pub(crate) discovery_url: Option<String>,
    pub(crate) pkce: bool,
    /// Claims by the name of another, or values.
    mapping: Map<String, Value>,
    /// Claims that go along as they are.
    allowlist: Vec<String>,
    /// Parameters of the way there.
    pub(crate) params: Vec<(String, String)>,
}

impl Custom {
    /// What a provider says, in the usual names.
    pub(super) fn mapped(&self, said: &Map<String, Value>) -> Map<String, Value> {
        let mut out = said.clone();
        if !out.contains_key("sub")
            && let Some(id) = said.get("id")
        {
            out.insert("sub".to_owned(), id.clone());
        }
        for (name, from) in &self.mapping {
            let value = match from.as_str() {
                Some(from) => said.get(from),
                None => Some(from),
            };
            if let Some(value) = value {
                out.insert(name.clone(), value.clone());
            }
        }
        out
    }

    /// Adds the claims that go along.
    pub(super) fn add_claims(&self, said: &Map<String, Value>, claims: &mut Map<String, Value>) {
        let fits = |value: &Value| !value.is_null() && value.to_string().len() <= LARGEST_CLAIM;
        let allowed = self.allowlist.iter().filter_map(|name| Some((name.clone(), said.get(name)?.clone())));
        let allowed: Map<String, Value> = allowed.filter(|(_, value)| fits(value)).collect();
        if allowed.is_empty() {
            return;
        }
        let place = claims.entry("custom_claims").or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(place) = place {
            place.extend(allowed);
        }
    }
}

/// The provider of a name, also where the database has it.
pub(crate) async fn find(flow: &Flow, name: &str) -> Result<Result<Provider, Missing>> {
    if !name.starts_with(PREFIX) {
        return Ok(Provider::find(&flow.settings, name));
    }
    let row = custom_providers::read(&flow.database, name).await?;
    Ok(match row {
        None => Err(Missing::Unknown),
        Some(row) if !row.enabled => Err(Missing::Disabled),
        Some(row) => Ok(provider(&flow.settings, &row)),
    })
}

/// The same, with the answer of `/authorize`.
pub(crate) async fn open(flow: &Flow, name: &str) -> Result<Provider> {
    find(flow, name).await?.map_err(|missing| missing.unsupported(name))
}

/// The provider that is this issuer.
pub(crate) async fn find_by_issuer(flow: &Flow, issuer: &str) -> Result<Option<Provider>> {
    let row = custom_providers::read_by_issuer(&flow.database, issuer).await?;
    Ok(row.map(|row| provider(&flow.settings, &row)))
}

/// A row as a provider.
pub(crate) fn provider(settings: &Settings, row: &CustomProvider) -> Provider {
    let text = |url: &Option<String>| url.clone().unwrap_or_default();
    let base = if row.is_issuer() { text(&row.issuer) } else { text(&row.userinfo_url) };
    let client_ids = [std::slice::from_ref(&row.client_id), &row.acceptable_client_ids].concat();
    let param = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
    let custom = Custom {
        authorize: text(&row.authorization_url),
        token: text(&row.token_url),
        userinfo: text(&row.userinfo_url),
        discovery_url: row.discovery_url.clone(),
        pkce: row.pkce_enabled,
        mapping: row.attribute_mapping.clone(),
        allowlist: row.custom_claims_allowlist.clone(),
        params: row.authorization_params.iter().filter_map(param).collect(),
    };
    Provider {
        name: row.identifier.clone(),
        preset: if row.is_issuer() { &CUSTOM_ISSUER } else { &CUSTOM_OAUTH },
        base: base.trim_end_matches('/').to_owned(),
        client_ids,
        secret: Some(row.client_secret.clone()),
        redirect_uri: format!("{}/callback", settings.external_url),
        scopes: match row.scopes.as_slice() {
            [] if row.is_issuer() => vec!["email".to_owned(), "profile".to_owned()],
            scopes => scopes.to_vec(),
        },
        skips_nonce: row.skip_nonce_check,
        is_trusted: row.trust_email,
        email_optional: row.email_optional,
        custom: Some(Box::new(custom)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn claims_are_mapped_and_allowed_ones_go_along() {
        let object = |value: Value| value.as_object().cloned().unwrap_or_default();
        let custom = Custom {
            mapping: object(json!({"email": "mail", "email_verified": true, "name": "no such"})),
            allowlist: vec!["groups".to_owned(), "big".to_owned()],
            ..Custom::default()
        };
        let said =
            object(json!({"id": 7, "mail": "a@example.com", "groups": ["x"], "big": "b".repeat(5000), "other": 1}));
        let mapped = custom.mapped(&said);
        assert_eq!(
            (&mapped["sub"], &mapped["email"], &mapped["email_verified"]),
            (&json!(7), &json!("a@example.com"), &json!(true))
        );
        assert!(!mapped.contains_key("name"));
        let mut claims = object(json!({"custom_claims": {"hd": "example.com"}}));
        custom.add_claims(&said, &mut claims);
        assert_eq!(claims["custom_claims"], json!({"hd": "example.com", "groups": ["x"]}));
    }
}
