//! `auth`, the part that decides who a request is: keys, claims and roles.
//!
//! The keys of signing in (mail, providers, MFA) belong to the same section of the file and to another room.
//! Invariant: `serve` never runs without a secret or a key set; where there is none, `check_keys` refuses.

use std::time::Duration;

use ferrobase_base::config::{HttpUrl, Identifier, Report, SecretJson};
use ferrobase_base::{Secret, section};

/// Bytes below which an HMAC secret can be guessed (RFC 7518 section 3.2 for HS256).
pub const MIN_SECRET_BYTES: usize = 32;

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
        jwt_role_claim: String = ".role".to_owned();
        /// Public keys of other issuers: a JWK or a JWK set, as JSON or as YAML.
        jwks: Option<SecretJson> = None;
        /// Where to fetch a JWK set, again every ten minutes.
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

    /// What only shows when keys are compared.
    pub fn check(&self, report: &mut Report<'_>) {
        if let Some(secret) = &self.jwt_secret
            && !is_reference(secret)
            && secret.expose().len() < MIN_SECRET_BYTES
        {
            report.refuse("jwt_secret", format!("is shorter than {MIN_SECRET_BYTES} bytes and could be guessed"));
        }
        if self.jwt_secret_is_base64 && self.jwt_secret.is_none() {
            report.refuse("jwt_secret_is_base64", "there is no jwt_secret");
        }
        if self.jwks_url.as_ref().is_some_and(|url| !url.is_https()) {
            report.warn("jwks_url", "keys fetched without https can be replaced on the way");
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
