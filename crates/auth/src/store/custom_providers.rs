//! `auth.custom_oauth_providers`: providers of sign-in that administrators add while the server runs.

use ferrobase_base::Secret;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::tx::{Database, Tx};
use crate::error::Result;
use crate::params;

/// A provider. Its secret leaves for the provider and the table, and for nobody else.
#[derive(Clone, Debug, Default, Deserialize)]
#[allow(missing_docs)]
pub struct CustomProvider {
    pub provider_type: String,
    pub identifier: String,
    pub name: String,
    pub client_id: String,
    pub client_secret: Secret,
    pub acceptable_client_ids: Vec<String>,
    pub scopes: Vec<String>,
    pub custom_claims_allowlist: Vec<String>,
    pub pkce_enabled: bool,
    pub attribute_mapping: Map<String, Value>,
    pub authorization_params: Map<String, Value>,
    pub enabled: bool,
    pub email_optional: bool,
    pub trust_email: bool,
    pub issuer: Option<String>,
    pub discovery_url: Option<String>,
    pub skip_nonce_check: bool,
    pub cached_discovery: Option<Value>,
    pub authorization_url: Option<String>,
    pub token_url: Option<String>,
    pub userinfo_url: Option<String>,
    pub jwks_uri: Option<String>,
}

impl CustomProvider {
    /// Whether it is an OpenID Connect issuer.
    pub fn is_issuer(&self) -> bool {
        self.provider_type == "oidc"
    }

    /// The columns that are written. With the secret: for the table only.
    fn columns(&self) -> Value {
        json!({
            "provider_type": self.provider_type,
            "identifier": self.identifier,
            "name": self.name,
            "client_id": self.client_id,
            "client_secret": self.client_secret.expose(),
            "acceptable_client_ids": self.acceptable_client_ids,
            "scopes": self.scopes,
            "custom_claims_allowlist": self.custom_claims_allowlist,
            "pkce_enabled": self.pkce_enabled,
            "attribute_mapping": self.attribute_mapping,
            "authorization_params": self.authorization_params,
            "enabled": self.enabled,
            "email_optional": self.email_optional,
            "trust_email": self.trust_email,
            "issuer": self.issuer,
            "discovery_url": self.discovery_url,
            "skip_nonce_check": self.skip_nonce_check,
            "cached_discovery": self.cached_discovery,
            "authorization_url": self.authorization_url,
            "token_url": self.token_url,
            "userinfo_url": self.userinfo_url,
            "jwks_uri": self.jwks_uri,
        })
    }
}

const BY_NAME: &str = "select to_jsonb(p)::text from auth.custom_oauth_providers p where p.identifier = $1";

/// By its identifier, in one flush.
pub async fn read(database: &Database, identifier: &str) -> Result<Option<CustomProvider>> {
    database.read(BY_NAME, params![identifier]).await
}

/// The first enabled issuer of this name, with or without the slash that some have at their end.
pub async fn read_by_issuer(database: &Database, issuer: &str) -> Result<Option<CustomProvider>> {
    let sql = "select to_jsonb(p)::text from auth.custom_oauth_providers p
        where p.provider_type = 'oidc' and p.enabled and rtrim(p.issuer, '/') = rtrim($1, '/') order by p.created_at, p.id limit 1";
    database.read(sql, params![issuer]).await
}

/// By its identifier, locked.
pub async fn lock(tx: &mut Tx, identifier: &str) -> Result<Option<CustomProvider>> {
    let sql = "select to_jsonb(p)::text from auth.custom_oauth_providers p where p.identifier = $1 for update";
    tx.one(sql, params![identifier]).await
}

macro_rules! shown {
    ($rest:literal) => {
        // Absent is what is not set; the secret and when the document was read are nobody's business.
        concat!(
            "select (jsonb_strip_nulls(to_jsonb(p) - 'client_secret' - 'cached_discovery' - 'discovery_cached_at'
                || case p.provider_type when 'oidc' then jsonb_build_object('discovery_document', p.cached_discovery)
                   else '{}' end))::text from auth.custom_oauth_providers p ",
            $rest
        )
    };
}

/// As administrators see it, by its identifier.
pub async fn shown(tx: &mut Tx, identifier: &str) -> Result<Option<Value>> {
    tx.one(shown!("where p.identifier = $1"), params![identifier]).await
}

/// As administrators see them, all or those of a type, oldest first.
pub async fn list(tx: &mut Tx, provider_type: Option<&str>) -> Result<Vec<Value>> {
    let sql = shown!("where $1::text is null or p.provider_type = $1 order by p.created_at, p.identifier");
    tx.all(sql, params![provider_type]).await
}

/// Keeps a new one, if there are fewer than so many; whether there were. A duplicate violates
/// `custom_oauth_providers_identifier_key`.
pub async fn insert(tx: &mut Tx, provider: &CustomProvider, most: i64) -> Result<bool> {
    let sql = "insert into auth.custom_oauth_providers
            (provider_type, identifier, name, client_id, client_secret, acceptable_client_ids, scopes,
             custom_claims_allowlist, pkce_enabled, attribute_mapping, authorization_params, enabled, email_optional,
             trust_email, issuer, discovery_url, skip_nonce_check, cached_discovery, discovery_cached_at,
             authorization_url, token_url, userinfo_url, jwks_uri)
        select n.provider_type, n.identifier, n.name, n.client_id, n.client_secret, n.acceptable_client_ids, n.scopes,
               n.custom_claims_allowlist, n.pkce_enabled, n.attribute_mapping, n.authorization_params, n.enabled,
               n.email_optional, n.trust_email, n.issuer, n.discovery_url, n.skip_nonce_check, n.cached_discovery,
               case when n.cached_discovery is not null then now() end,
               n.authorization_url, n.token_url, n.userinfo_url, n.jwks_uri
        from jsonb_populate_record(null::auth.custom_oauth_providers, $1::jsonb) n
        where (select count(*) from auth.custom_oauth_providers) < $2::int8";
    Ok(tx.execute(sql, params![provider.columns(), most]).await? > 0)
}

/// Replaces what may change of it.
pub async fn update(tx: &mut Tx, provider: &CustomProvider) -> Result<()> {
    let sql = "update auth.custom_oauth_providers p set
            (name, client_id, client_secret, acceptable_client_ids, scopes, custom_claims_allowlist, pkce_enabled,
             attribute_mapping, authorization_params, enabled, email_optional, trust_email, issuer, discovery_url,
             skip_nonce_check, cached_discovery, discovery_cached_at, authorization_url, token_url, userinfo_url,
             jwks_uri, updated_at) =
            (select n.name, n.client_id, n.client_secret, n.acceptable_client_ids, n.scopes, n.custom_claims_allowlist,
                    n.pkce_enabled, n.attribute_mapping, n.authorization_params, n.enabled, n.email_optional,
                    n.trust_email, n.issuer, n.discovery_url, n.skip_nonce_check, n.cached_discovery,
                    case when n.cached_discovery is not distinct from p.cached_discovery then p.discovery_cached_at
                         else now() end,
                    n.authorization_url, n.token_url, n.userinfo_url, n.jwks_uri, now()
             from jsonb_populate_record(null::auth.custom_oauth_providers, $2::jsonb) n)
        where p.identifier = $1";
    tx.execute(sql, params![provider.identifier, provider.columns()]).await.map(drop)
}

/// Takes one away; whether there was one.
pub async fn delete(tx: &mut Tx, identifier: &str) -> Result<bool> {
    let sql = "delete from auth.custom_oauth_providers where identifier = $1";
    Ok(tx.execute(sql, params![identifier]).await? > 0)
}
