//! Everything that decides who a caller is, in one value: keys, rules and the tokens they have verified.
//!
//! The edge and the target of a tenant share one. Rules and cache belong together: cached identities were judged by
//! the rules, so a reload makes a new authority.

use std::sync::Arc;

use ferrobase_base::ports::{ApiKeys, KeySource};

use super::{AuthError, AuthRules, Credentials, Gate, TokenCache, authenticate_at};
use crate::context::Identity;

/// Who decides about identities.
pub struct Authority {
    /// Keys that may have signed a token.
    pub keys: Arc<dyn KeySource>,
    /// Opaque API keys.
    pub api_keys: Arc<dyn ApiKeys>,
    /// How tokens and keys are judged.
    pub rules: AuthRules,
    /// Verified tokens.
    pub cache: TokenCache,
}

impl Authority {
    /// Who sent these credentials.
    ///
    /// # Errors
    /// Credentials that are not valid, or missing where they are needed.
    pub fn authenticate(&self, gate: Gate, credentials: &Credentials) -> Result<Identity, AuthError> {
        authenticate_at(gate, credentials, &*self.keys, &*self.api_keys, &self.rules, &self.cache)
    }
}
