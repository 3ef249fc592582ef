//! What issuers publish about themselves, remembered: discovery documents and keys.
//!
//! Both are fetched when they are needed and good for an hour. A token that names a key nobody knows fetches the keys
//! again, at most once in ten seconds (security 6); a fetch that failed is not repeated sooner either, and leaves the
//! last good document in force. One fetch at a time for each address.
//! Invariant: only addresses from the configuration, or from the document of an issuer from the configuration, are called;
//! a document over https names nothing without it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::Value;

use super::id_token::{Expected, IdTokenError, IssuerKey, verify};
use super::{Protocol, Provider};
use crate::error::{Error, ErrorCode, Result};
use crate::outbound::{Call, Outbound};

/// How long a document is good.
const LIFE: Duration = Duration::from_secs(3600);
/// Shortest time between two attempts to fetch one.
const PAUSE: Duration = Duration::from_secs(10);
/// Most keys of one set.
const MOST_KEYS: usize = 100;
/// Most addresses that are remembered; more than anybody configures.
const MOST: usize = 1000;

/// Members of a discovery document that administrators are shown, and under which names.
const SHOWN: [(&str, &str); 10] = [
    ("issuer", "issuer"),
    ("authorization_endpoint", "authorization_endpoint"),
    ("token_endpoint", "token_endpoint"),
    ("jwks_uri", "jwks_uri"),
    ("userinfo_endpoint", "userinfo_endpoint"),
    ("revocation_endpoint", "revocation_endpoint"),
    ("scopes_supported", "supported_scopes"),
    ("response_types_supported", "supported_response_types"),
    ("subject_types_supported", "supported_subject_types"),
    ("id_token_signing_alg_values_supported", "supported_id_token_signing_algs"),
];

/// How a provider is spoken to.
#[derive(Clone, Debug)]
pub(crate) struct Endpoints {
    pub(crate) authorize: String,
    pub(crate) token: String,
    pub(crate) userinfo: Option<String>,
    /// Credentials go in the head.
    pub(crate) basic: bool,
    /// It takes a PKCE challenge.
    pub(crate) pkce: bool,
    /// What its ID tokens and answers name, if it is an issuer.
    pub(crate) issuer: Option<String>,
    /// Its answers always name it (RFC 9207).
    pub(crate) names_itself: bool,
}

/// The part of a discovery document that counts.
#[derive(Clone, Debug, Deserialize)]
struct Discovery {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    userinfo_endpoint: Option<String>,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    code_challenge_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// A document that may be there.
struct Slot<T> {
    value: Option<Arc<T>>,
    fetched: Option<Instant>,
    tried: Option<Instant>,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self { value: None, fetched: None, tried: None }
    }
}

type Slots<T> = Mutex<HashMap<String, Arc<tokio::sync::Mutex<Slot<T>>>>>;

/// What is remembered.
#[derive(Default)]
pub(crate) struct Directory {
    discoveries: Slots<Discovery>,
    keys: Slots<Vec<IssuerKey>>,
}

impl Directory {
    /// Where a provider is spoken to.
    ///
    /// # Errors
    /// Its discovery document cannot be had.
    pub(crate) async fn endpoints(&self, outbound: &dyn Outbound, provider: &Provider) -> Result<Endpoints> {
        if let Protocol::OAuth(oauth) = &provider.preset.protocol {
            return Ok(Endpoints {
                authorize: provider.filled(oauth.authorize),
                token: provider.filled(oauth.token),
                userinfo: None,
                basic: oauth.basic,
                pkce: provider.takes_pkce(),
                issuer: None,
                names_itself: false,
            });
        }
        let found = self.discovery(outbound, provider).await?;
        let methods = found.token_endpoint_auth_methods_supported.as_deref();
        let challenges = found.code_challenge_methods_supported.as_deref();
        Ok(Endpoints {
            authorize: found.authorization_endpoint.clone(),
            token: found.token_endpoint.clone(),
            userinfo: found.userinfo_endpoint.clone(),
            basic: methods.is_none_or(|methods| methods.iter().any(|method| method == "client_secret_basic")),
            // Those who do not say so ignore a challenge, or are known by the table to refuse one.
            pkce: provider.takes_pkce()
                && challenges.is_none_or(|methods| methods.iter().any(|method| method == "S256")),
            issuer: Some(found.issuer.clone()),
            names_itself: found.authorization_response_iss_parameter_supported,
        })
    }

    /// The claims of an ID token of this provider, for one of these audiences.
    ///
    /// # Errors
    /// The provider cannot be asked (outer), or the token proves nothing (inner).
    pub(crate) async fn verified(
        &self,
        outbound: &dyn Outbound,
        provider: &Provider,
        token: &str,
        audiences: &[String],
    ) -> Result<(String, std::result::Result<serde_json::Map<String, Value>, IdTokenError>)> {
        let discovery = self.discovery(outbound, provider).await?;
        let expected = Expected { issuer: &discovery.issuer, audiences, now: jiff::Timestamp::now().as_second() };
        let keys = self.keys(outbound, &discovery.jwks_uri, false).await?;
        let mut claims = verify(token, &keys, &expected);
        if claims == Err(IdTokenError::UnknownKey) {
            let keys = self.keys(outbound, &discovery.jwks_uri, true).await?;
            claims = verify(token, &keys, &expected);
        }
        Ok((discovery.issuer.clone(), claims))
    }

    /// The document of an issuer, asked for now: what of it administrators are shown.
    ///
    /// # Errors
    /// Why it is of no use.
    pub(crate) async fn discovered(
        &self,
        outbound: &dyn Outbound,
        provider: &Provider,
    ) -> std::result::Result<Value, &'static str> {
        let issuer = provider.issuer().unwrap_or_default();
        let url = provider.discovery_url(&issuer);
        let reply = outbound.call(Call::get(&url)).await.map_err(|error| {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(url, error, "a provider's document cannot be had");
            "it cannot be had"
        })?;
        let body: Value = reply.json().ok_or("it is no JSON, or has another status")?;
        let found: Discovery = serde_json::from_value(body.clone()).map_err(|_| "it lacks endpoints")?;
        found.check(&issuer, provider)?;
        let shown = SHOWN.iter().filter_map(|(name, shown)| Some(((*shown).to_owned(), body.get(name)?.clone())));
        Ok(Value::Object(shown.collect()))
    }

    async fn discovery(&self, outbound: &dyn Outbound, provider: &Provider) -> Result<Arc<Discovery>> {
        let none = || unreachable(&provider.name);
        let issuer = provider.issuer().filter(|issuer| !issuer.is_empty()).ok_or_else(none)?;
        let url = provider.discovery_url(&issuer);
        let read = |body: Value| {
            let found: Discovery = serde_json::from_value(body).map_err(|_| "it lacks endpoints")?;
            found.check(&issuer, provider)?;
            Ok(found)
        };
        fetched(&self.discoveries, outbound, &url, false, read).await.ok_or_else(none)
    }

    async fn keys(&self, outbound: &dyn Outbound, url: &str, anew: bool) -> Result<Arc<Vec<IssuerKey>>> {
        let read = |body: Value| {
            let listed = body.get("keys").and_then(Value::as_array).ok_or("it is no key set")?;
            if listed.len() > MOST_KEYS {
                return Err("it has too many keys");
            }
            Ok(listed.iter().filter_map(IssuerKey::read).collect::<Vec<_>>())
        };
        fetched(&self.keys, outbound, url, anew, read).await.ok_or_else(|| unreachable("the provider"))
    }
}

impl Discovery {
    /// It must be the issuer's own (OpenID Connect Discovery, 4.3), and keep to https.
    fn check(&self, issuer: &str, provider: &Provider) -> std::result::Result<(), &'static str> {
        // Configured addresses have no slash at their end, some issuers have.
        let is_same = self.issuer.strip_suffix('/').unwrap_or(&self.issuer) == issuer;
        let is_for_all = provider.preset.name == "azure"
            && self.issuer == "https://login.microsoftonline.com/{tenantid}/v2.0"
            && ["common", "organizations", "consumers"].iter().any(|tenant| provider.base.ends_with(tenant));
        // Microsoft's and LinkedIn's documents name an issuer that differs from where they lie.
        let is_linkedin = provider.preset.name == "linkedin_oidc" && self.issuer == "https://www.linkedin.com/oauth";
        if !is_same && !is_for_all && !is_linkedin {
            return Err("its issuer is somebody else");
        }
        let mut named = vec![&self.authorization_endpoint, &self.token_endpoint, &self.jwks_uri];
        named.extend(&self.userinfo_endpoint);
        let is_secure = !issuer.starts_with("https://") || named.iter().all(|url| url.starts_with("https://"));
        is_secure.then_some(()).ok_or("it came over https and names addresses without")
    }
}

/// The document at an address, from memory where that is good enough. None when it was never had.
async fn fetched<T>(
    slots: &Slots<T>,
    outbound: &dyn Outbound,
    url: &str,
    anew: bool,
    read: impl Fn(Value) -> std::result::Result<T, &'static str>,
) -> Option<Arc<T>> {
    let slot = {
        let mut slots = slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= MOST && !slots.contains_key(url) {
            slots.clear();
        }
        Arc::clone(slots.entry(url.to_owned()).or_default())
    };
    let mut slot = slot.lock().await;
    let is_good = slot.fetched.is_some_and(|at| at.elapsed() < LIFE) && !anew;
    let is_too_soon = slot.tried.is_some_and(|at| at.elapsed() < PAUSE);
    if is_good || is_too_soon {
        return slot.value.clone();
    }
    slot.tried = Some(Instant::now());
    match outbound.call(Call::get(url)).await {
        Ok(reply) => match reply.json::<Value>().ok_or("it is no JSON, or has another status").and_then(read) {
            Ok(value) => {
                slot.value = Some(Arc::new(value));
                slot.fetched = Some(Instant::now());
            }
            Err(reason) => {
                tracing::warn!(url, status = reply.status.as_u16(), reason, "a provider's document is of no use");
            }
        },
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(url, error, "a provider's document cannot be had");
        }
    }
    slot.value.clone()
}

/// Not the caller's fault, and nothing that asking again at once would change.
fn unreachable(name: &str) -> Error {
    let message = format!("The provider {name} cannot be reached, please try again later");
    Error::refused(http::StatusCode::BAD_GATEWAY, ErrorCode::UnexpectedFailure, message)
}
