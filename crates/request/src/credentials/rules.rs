//! What the configuration says about credentials.

use std::collections::BTreeSet;

use super::role_path::RolePath;

/// How tokens and keys are judged. Immutable; a configuration reload makes a new one together with a new
/// [`TokenCache`](super::TokenCache), because cached identities were judged by the old one.
#[derive(Clone, Debug)]
pub struct AuthRules {
    /// The audience that a token with an `aud` must name; `None` accepts any.
    pub audience: Option<String>,
    /// Where in the claims the role is.
    pub role_claim: RolePath,
    /// The role of callers without a credential and of tokens without a role; `None` refuses them.
    pub anon_role: Option<String>,
    /// Roles that a credential may name.
    pub allowed_roles: AllowedRoles,
    /// Whether the `apikey` header is looked at (PostgREST does not know it).
    pub api_keys: bool,
    /// Whether a request without any API key is refused (`security.require_api_key`).
    pub require_api_key: bool,
}

impl Default for AuthRules {
    /// The rules of `serve` with nothing configured.
    fn default() -> Self {
        Self {
            audience: None,
            role_claim: RolePath::default(),
            anon_role: Some("anon".to_owned()),
            allowed_roles: AllowedRoles::only(["anon", "authenticated", "service_role"]),
            api_keys: true,
            require_api_key: false,
        }
    }
}

impl AuthRules {
    /// The rules of `ferrobase postgrest`: the database alone decides about roles, and there are no API keys.
    pub fn postgrest(anon_role: Option<String>) -> Self {
        Self { anon_role, allowed_roles: AllowedRoles::Any, api_keys: false, ..Self::default() }
    }
}

/// Roles that a credential may name (`auth.allowed_roles`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedRoles {
    /// Whatever the database lets the login become.
    Any,
    /// These only.
    Only(BTreeSet<String>),
}

impl AllowedRoles {
    /// These roles and no others.
    pub fn only<R: Into<String>>(roles: impl IntoIterator<Item = R>) -> Self {
        Self::Only(roles.into_iter().map(Into::into).collect())
    }

    /// Whether a credential may name this role.
    pub fn allow(&self, role: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Only(roles) => roles.contains(role),
        }
    }
}
