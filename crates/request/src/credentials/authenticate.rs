//! The order of credentials: Bearer token, API key, nobody.
//!
//! A Bearer token decides the role, and an invalid one is an error. A Bearer that equals the `apikey`, or starts with
//! `sb_`, is an API key. An API key alone gives its role where the route lets it. With neither it is the anonymous
//! role. A key that was sent must be valid in every case, and never lowers what a valid token gives.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use ferrobase_base::ports::{ApiKeys, KeySource};
use serde_json::Map;
use sha2::{Digest, Sha256};

use super::cache::{TokenCache, Verified};
use super::error::AuthError;
use super::rules::AuthRules;
use crate::context::{ApiKey, Claims, Identity, Via};

/// Opaque API keys start with this.
const OPAQUE: &str = "sb_";

/// What a caller sent to prove who it is. `Debug` shows only what was present.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// What followed `Authorization: Bearer`.
    pub bearer: Option<String>,
    /// The `apikey` header.
    pub apikey: Option<String>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = |credential: &Option<String>| credential.as_ref().map(|_| "***");
        f.debug_struct("Credentials")
            .field("bearer", &shown(&self.bearer))
            .field("apikey", &shown(&self.apikey))
            .finish()
    }
}

impl Credentials {
    /// Whether this Bearer is an API key: clients repeat their key there.
    pub fn is_key(&self, bearer: &str) -> bool {
        bearer.starts_with(OPAQUE) || (!bearer.is_empty() && self.apikey.as_deref() == Some(bearer))
    }
}

/// What a route does with API keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gate {
    /// An API key alone gives its role. Off on `/auth/v1`, where only a user's token is an identity; the key is then
    /// in [`Identity::api_key`] for the routes that want it.
    pub key_gives_role: bool,
    /// Whether the request must bring a key when `security.require_api_key` is on. Off where browsers land.
    pub key_required: bool,
    /// Whether the caller needs a role. Off on `/auth/v1`, where nothing runs as the caller: without an anonymous role
    /// its callers have none.
    pub role_required: bool,
}

impl Default for Gate {
    fn default() -> Self {
        Self { key_gives_role: true, key_required: true, role_required: true }
    }
}

/// The identity behind these credentials on an ordinary route.
pub fn authenticate(
    credentials: &Credentials,
    keys: &dyn KeySource,
    api_keys: &dyn ApiKeys,
    rules: &AuthRules,
    cache: &TokenCache,
) -> Result<Identity, AuthError> {
    authenticate_at(Gate::default(), credentials, keys, api_keys, rules, cache)
}

/// The identity behind these credentials on a route with its own [`Gate`].
pub fn authenticate_at(
    gate: Gate,
    credentials: &Credentials,
    keys: &dyn KeySource,
    api_keys: &dyn ApiKeys,
    rules: &AuthRules,
    cache: &TokenCache,
) -> Result<Identity, AuthError> {
    Check { keys, api_keys, rules, cache, now: unix_now() }.identify(gate, credentials)
}

pub(super) fn unix_now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs() as i64)
}

struct Check<'a> {
    keys: &'a dyn KeySource,
    api_keys: &'a dyn ApiKeys,
    rules: &'a AuthRules,
    cache: &'a TokenCache,
    now: i64,
}

/// An API key that is ours.
struct Key {
    grant: ApiKey,
    verified: Option<Arc<Verified>>,
}

impl Check<'_> {
    fn identify(&self, gate: Gate, credentials: &Credentials) -> Result<Identity, AuthError> {
        let bearer = credentials.bearer.as_deref();
        if !self.rules.api_keys {
            return bearer.map_or_else(|| self.anonymous(), |token| self.token(token));
        }
        let apikey = credentials.apikey.as_deref();
        let (token, key) = sort(bearer, apikey);
        // Both are checked before either counts: a wrong key next to a right one is still a wrong key.
        let sent = apikey.map(|text| self.key(text)).transpose()?;
        let key = match key {
            Some(text) if Some(text) != apikey => Some(self.key(text)?),
            Some(_) => sent,
            None if sent.is_none() && self.rules.require_api_key && gate.key_required => {
                return Err(AuthError::MissingApiKey);
            }
            None => sent,
        };
        let mut identity = match (token, &key) {
            (Some(token), _) => self.token(token)?,
            (None, Some(key)) if gate.key_gives_role => self.keyed(key)?,
            (None, _) if !gate.role_required && self.rules.anon_role.is_none() => Identity::nobody(),
            (None, _) => self.anonymous()?,
        };
        identity.api_key = key.map(|key| key.grant);
        Ok(identity)
    }

    fn token(&self, token: &str) -> Result<Identity, AuthError> {
        let verified = self.cache.verified(token, self.keys, self.rules, self.now)?;
        self.admit(Via::Token, verified.claims.clone(), verified.times.expires)
    }

    fn key(&self, text: &str) -> Result<Key, AuthError> {
        if text.starts_with(OPAQUE) {
            let hash: [u8; 32] = Sha256::digest(text.as_bytes()).into();
            let grant = self.api_keys.find(&hash).ok_or(AuthError::InvalidApiKey)?;
            return Ok(Key {
                grant: ApiKey { role: grant.role, id: Some(grant.id), scopes: grant.scopes },
                verified: None,
            });
        }
        let verified = self.cache.verified(text, self.keys, self.rules, self.now);
        let verified = verified.map_err(|_| AuthError::InvalidApiKey)?;
        let role = verified.claims.role().ok_or(AuthError::InvalidApiKey)?.to_owned();
        Ok(Key { grant: ApiKey { role, id: None, scopes: None }, verified: Some(verified) })
    }

    fn keyed(&self, key: &Key) -> Result<Identity, AuthError> {
        match &key.verified {
            Some(verified) => self.admit(Via::ApiKey, verified.claims.clone(), verified.times.expires),
            None => self.admit(Via::ApiKey, Claims::of_role(Map::new(), &key.grant.role), None),
        }
    }

    fn anonymous(&self) -> Result<Identity, AuthError> {
        let role = self.rules.anon_role.as_deref().ok_or(AuthError::TokenRequired)?;
        self.admit(Via::Anonymous, Claims::of_role(Map::new(), role), None)
    }

    fn admit(&self, via: Via, claims: Claims, expires_at: Option<i64>) -> Result<Identity, AuthError> {
        let role = claims.role().ok_or(AuthError::TokenRequired)?;
        let is_anonymous = self.rules.anon_role.as_deref() == Some(role);
        // The anonymous role comes from the configuration, not from the caller: it is allowed by being configured.
        if !is_anonymous && !self.rules.allowed_roles.allow(role) {
            return Err(AuthError::RoleNotAllowed { role: role.to_owned() });
        }
        Ok(Identity { claims, via, is_anonymous, expires_at, api_key: None })
    }
}

/// Tells a token from a key that came as Bearer (clients repeat their key there).
fn sort<'a>(bearer: Option<&'a str>, apikey: Option<&'a str>) -> (Option<&'a str>, Option<&'a str>) {
    match bearer {
        Some(text) if text.starts_with(OPAQUE) || (Some(text) == apikey && !text.is_empty()) => (None, Some(text)),
        Some(token) => (Some(token), None),
        None => (None, apikey),
    }
}
