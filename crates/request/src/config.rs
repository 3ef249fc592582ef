//! `auth`, the part that decides who a request is: keys, claims and roles.
//!
//! The keys of signing in (mail, providers, MFA) belong to the same section of the file and to another room. `keys` and
//! `rules` give what `credentials` works with; a configuration that was checked cannot fail there.

use std::time::Duration;

use ferrobase_base::config::{Atom, HttpUrl, Identifier, Report, SecretJson, Shown};
use ferrobase_base::{Secret, section};

use crate::credentials::{AllowedRoles, AuthRules, ConfiguredKeys, KeyTextError, RolePath};

section! {
    /// Tokens: which are valid, and which role they give.
    pub struct TokenSection {
        /// Secret of HS256, HS384 and HS512 tokens, at least 32 bytes. Anon and service keys are made from it.
        jwt_secret: Option<Secret> = None;
        /// The secret is written in base64 (standard or URL alphabet).
        jwt_secret_is_base64: bool = false;
        /// Tokens must name this audience when they name any; none checks nothing.
        jwt_audience: Option<String> = None;
        /// Path of the role in the claims: `.role`, `.app.role`, `."x-role"`. Tokens and keys that are made here have it there too, where only keys lead to it.
        jwt_role_claim: RolePath = RolePath::default();
        /// Keys of other issuers: a JWK or a JWK set, as JSON or as YAML. Shared ones (`oct`) are judged as `jwt_secret` is.
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
        self.jwks_url.is_some()
            || self.pending_secret().is_some()
            || self.secret_keys().is_ok_and(|keys| keys.can_verify())
            || self.set_keys().is_ok_and(|keys| keys.can_verify())
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

    /// The keys of `jwt_secret`; an empty one counts as none.
    fn secret_keys(&self) -> Result<ConfiguredKeys, KeyTextError> {
        let secret = self.jwt_secret.as_ref().filter(|secret| !secret.is_empty());
        ConfiguredKeys::new(secret, self.jwt_secret_is_base64, None)
    }

    /// The keys of `jwks`.
    fn set_keys(&self) -> Result<ConfiguredKeys, KeyTextError> {
        ConfiguredKeys::new(None, false, self.jwks.as_ref().map(SecretJson::expose))
    }

    /// A secret that a provider still has to deliver.
    fn pending_secret(&self) -> Option<&Secret> {
        self.jwt_secret.as_ref().filter(|secret| is_reference(secret))
    }

    /// Shared secrets that must not protect a server that others can reach: the setting that has one, and why.
    pub fn unfit_secrets(&self) -> Vec<(&'static str, String)> {
        // What is pending nobody knows, and `check` has refused what is no key.
        let secrets = self.secret_keys().ok().filter(|_| self.pending_secret().is_none());
        let secrets = secrets.iter().flat_map(ConfiguredKeys::unfit);
        let secrets = secrets.map(|(_, reason)| ("jwt_secret", reason.to_string()));
        let sets = self.set_keys().ok();
        let sets = sets.iter().flat_map(ConfiguredKeys::unfit);
        secrets.chain(sets.map(|(key, reason)| ("jwks", format!("{key}: {reason}")))).collect()
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
            Err(fault) if self.pending_secret().is_none() => {
                report.refuse("jwt_secret", fault.to_string());
            }
            _ => {}
        }
        self.check_set(report);
        if self.jwt_role_claim.keys().is_some_and(|keys| keys.first() == Some(&"user_metadata")) {
            report.refuse("jwt_role_claim", "users write user_metadata themselves, and so would choose their role");
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

    /// Keys that a start would only complain of when the first token comes.
    fn check_set(&self, report: &mut Report<'_>) {
        let Some(keys) = self.jwks.as_ref().and_then(|_| self.set_keys().ok()) else { return };
        let unusable = keys.unusable();
        if !unusable.is_empty() {
            let reason = format!(
                "{} can verify nothing: keys for signatures are oct, RSA of at least 2048 bits, EC (P-256, P-384) and Ed25519",
                unusable.join(", ")
            );
            report.warn("jwks", reason);
        }
    }
}

/// Where a provider has it.
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
