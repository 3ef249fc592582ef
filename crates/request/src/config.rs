//! `auth`, the part that decides who a request is: keys, claims and roles.
//!
//! The keys of signing in (mail, providers, MFA) belong to the same section of the file and to another room. `keys` and
//! `rules` give what `credentials` works with; a configuration that was checked cannot fail there.

use std::time::Duration;

use ferrobase_base::config::{Atom, HttpUrl, Identifier, Report, SecretJson, Shown};
use ferrobase_base::{Secret, section};

use crate::credentials::{AllowedRoles, AuthRules, ConfiguredKeys, KeyTextError, RolePath, SecretError, check_secret};

section! {
    /// Tokens: which are valid, and which role they give.
    pub struct TokenSection {
        /// Secret of HS256, HS384 and HS512 tokens, at least 32 bytes. Anon and service keys are made from it.
        jwt_secret: Option<Secret> = None;
        /// The secret is written in base64 (standard or URL alphabet).
        jwt_secret_is_base64: bool = false;
        /// Tokens must name this audience when they name any; none checks nothing.
        jwt_audience: Option<String> = None;
        /// Path of the role in the claims: `.role`, `.app.roles[0]`, `."x-role"`.
        jwt_role_claim: RolePath = RolePath::default();
        /// Public keys of other issuers: a JWK or a JWK set, as JSON or as YAML.
        jwks: Option<SecretJson> = None;
        /// Where to fetch a JWK set, again every ten minutes: its address, or that of an OpenID discovery document.
        jwks_url: Option<HttpUrl> = None;
        /// Lifetime of tokens that are made here.
        jwt_expiry: Duration = Duration::from_secs(3600), in Duration::from_secs(30)..=Duration::from_secs(7 * 86_400);
        /// Most verified tokens that are remembered until they expire.
        jwt_cache_entries: u32 = 10_000, in 0..=10_000_000;
        /// Roles that a token may name. Superusers, login roles and owners are refused even when listed.
        allowed_roles: Vec<Identifier> = standard_roles();
    }
}

fn standard_roles() -> Vec<Identifier> {
    ["anon", "authenticated", "service_role"].map(Identifier::from_static).to_vec()
}

impl TokenSection {
    /// Whether any token can be verified.
    pub fn has_keys(&self) -> bool {
        self.jwt_secret.as_ref().is_some_and(|secret| !secret.is_empty())
            || self.jwks.is_some()
            || self.jwks_url.is_some()
    }

    /// The keys that the file itself holds.
    ///
    /// # Errors
    /// A secret or key set that cannot be used; `check` has said so before.
    pub fn keys(&self) -> Result<ConfiguredKeys, KeyTextError> {
        let secret = self.jwt_secret.as_ref().filter(|secret| !secret.is_empty());
        ConfiguredKeys::new(secret, self.jwt_secret_is_base64, self.jwks.as_ref().map(SecretJson::expose))
    }

    /// How tokens and keys are judged, with what other sections say about it.
    pub fn rules(&self, anon_role: Option<&Identifier>, require_api_key: bool) -> AuthRules {
        AuthRules {
            audience: self.jwt_audience.clone(),
            role_claim: self.jwt_role_claim.clone(),
            anon_role: anon_role.map(|role| role.as_str().to_owned()),
            allowed_roles: AllowedRoles::only(self.allowed_roles.iter().map(|role| role.as_str())),
            api_keys: true,
            require_api_key,
        }
    }

    /// Why the secret must not protect a server that others can reach.
    ///
    /// # Errors
    /// The reason.
    pub fn check_for_production(&self) -> Result<(), SecretError> {
        match self.keys() {
            Ok(keys) => keys.shared_secret().map_or(Ok(()), |secret| check_secret(&secret)),
            // A reference that is not resolved yet, or what `check` has refused.
            Err(_) => Ok(()),
        }
    }

    /// What only shows when keys are compared.
    pub fn check(&self, report: &mut Report<'_>) {
        if self.jwt_secret_is_base64 && self.jwt_secret.is_none() {
            report.refuse("jwt_secret_is_base64", "there is no jwt_secret");
        }
        match self.keys() {
            Err(fault @ (KeyTextError::NotAKeySet | KeyTextError::NoUsableKeyInSet)) => {
                report.refuse("jwks", fault.to_string());
            }
            Err(fault) if !self.jwt_secret.as_ref().is_some_and(is_reference) => {
                report.refuse("jwt_secret", fault.to_string());
            }
            _ => {}
        }
        if self.jwks_url.as_ref().is_some_and(|url| !url.is_https()) {
            report.warn("jwks_url", "keys fetched without https can be replaced on the way");
        }
        if self.jwks_url.is_some() && self.jwt_audience.is_none() {
            report.warn("jwks_url", "tokens that the issuer made for other applications count too; set jwt_audience");
        }
        if self.allowed_roles.is_empty() {
            report.refuse("allowed_roles", "no token could be used with an empty list");
        }
    }
}

/// A secret that a provider still has to deliver.
fn is_reference(secret: &Secret) -> bool {
    secret.expose().starts_with("vault://") || secret.expose().starts_with("aws://")
}

impl Atom for RolePath {
    fn kind() -> String {
        "a path into the claims such as `.role`".to_owned()
    }

    fn parse(text: &str) -> Option<Self> {
        Self::parse(text).ok()
    }

    fn spell(&self) -> Shown {
        Shown::Text(self.source().to_owned())
    }
}
