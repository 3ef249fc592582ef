//! Everything that decides who a caller is, in one value: keys, rules and the tokens they have verified.
//!
//! The edge and the target of a tenant share one. Rules and cache belong together: cached identities were judged by
//! the rules, so a reload makes a new authority.

use std::sync::Arc;
use std::time::Duration;

use ferrobase_base::ports::{ApiKeys, KeySource};

use super::authenticate::unix_now;
use super::{AuthError, AuthRules, Credentials, Gate, TokenCache, TokenError, authenticate_at};
use crate::context::{Claims, Identity};

/// Longest that a request waits for a key that its token names and that is not known yet.
const PATIENCE: Duration = Duration::from_secs(1);

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

    /// The claims of a token that a key of this installation signed and that is valid now, whatever role it names. For
    /// rooms that judge tokens themselves; remembered like every other verified token. Other issuers' tokens open the data
    /// that their role may see, and say nothing about accounts here.
    ///
    /// # Errors
    /// A token that is not genuine, or not valid here and now.
    pub fn claims_of(&self, token: &str) -> Result<Claims, AuthError> {
        let verified = self.cache.verified(token, &*self.keys, &self.rules, unix_now())?;
        if !verified.is_own {
            return Err(TokenError::NoSuitableKey.into());
        }
        Ok(verified.claims.clone())
    }

    /// The same for callers that can wait: a token whose key is not known yet gets a second look when the source has
    /// looked for new keys, within a second. Whoever is refused for anything else, or while the source does not look, is
    /// refused at once.
    ///
    /// # Errors
    /// As [`Self::authenticate`].
    pub async fn identify(&self, gate: Gate, credentials: &Credentials) -> Result<Identity, AuthError> {
        let refused = match self.authenticate(gate, credentials) {
            Err(refused @ AuthError::Token(TokenError::NoSuitableKey | TokenError::WrongSignature)) => refused,
            decided => return decided,
        };
        let token = credentials.bearer.as_deref().unwrap_or_default();
        if !self.keys.can_grow() || !self.cache.lacks_key_of(token, &*self.keys) {
            return Err(refused);
        }
        let Some(renewal) = self.keys.renew() else { return Err(refused) };
        match tokio::time::timeout(PATIENCE, renewal).await {
            Ok(()) => self.authenticate(gate, credentials),
            Err(_) => Err(refused),
        }
    }
}
