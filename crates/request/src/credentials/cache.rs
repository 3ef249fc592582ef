//! Verified tokens, so that a signature is checked once and not at every request.
//!
//! Keyed by the hash of the token (the text itself is not kept) within one epoch of the keys: a rotation empties the
//! cache. Bounded; the least recently used token makes room. Refused tokens are never kept.
//! Invariant: a hit checks the token's times again; everything else about a token cannot change.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwapOption;
use ferrobase_base::ports::KeySource;
use hashlink::LruCache;
use sha2::{Digest, Sha256};

use super::claims::{Times, check_audience};
use super::error::AuthError;
use super::rules::AuthRules;
use super::signature::{names_unknown_key, verified_claims};
use super::signing_keys::SigningKeys;
use crate::context::Claims;

/// Verified tokens of one set of [`AuthRules`] and one key source. Make a new one when either changes its meaning;
/// rotation of keys is noticed by their epoch.
pub struct TokenCache {
    capacity: usize,
    keys: ArcSwapOption<SigningKeys>,
    tokens: Mutex<Tokens>,
    requests: AtomicU64,
    hits: AtomicU64,
    evictions: AtomicU64,
}

struct Tokens {
    epoch: u64,
    by_hash: LruCache<[u8; 32], Arc<Verified>>,
}

/// Longest token that is kept. Users write part of theirs themselves, and claims take several times as much memory; a
/// longer one is verified each time.
const LARGEST: usize = 4096;

/// A token whose signature and audience are good.
pub(super) struct Verified {
    pub(super) claims: Claims,
    pub(super) times: Times,
    /// Whether a key of ours signed it.
    pub(super) is_own: bool,
}

/// Numbers for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Look-ups.
    pub requests: u64,
    /// Look-ups that needed no cryptography.
    pub hits: u64,
    /// Tokens that made room for others.
    pub evictions: u64,
    /// Tokens in the cache now.
    pub entries: usize,
}

impl TokenCache {
    /// How many tokens are kept unless the configuration says otherwise.
    pub const DEFAULT_CAPACITY: usize = 10_000;

    /// An empty cache; with a capacity of 0 every token is verified every time.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            keys: ArcSwapOption::empty(),
            tokens: Mutex::new(Tokens { epoch: 0, by_hash: LruCache::new(capacity) }),
            requests: AtomicU64::new(0),
            hits: AtomicU64::new(0),
            evictions: AtomicU64::new(0),
        }
    }

    /// What it did since it was made.
    pub fn stats(&self) -> CacheStats {
        CacheStats {
            requests: self.requests.load(Ordering::Relaxed),
            hits: self.hits.load(Ordering::Relaxed),
            evictions: self.evictions.load(Ordering::Relaxed),
            entries: self.tokens().by_hash.len(),
        }
    }

    /// The token's claims, if one of the keys signed it, it is meant for us and it is valid now.
    pub(super) fn verified(
        &self,
        token: &str,
        source: &dyn KeySource,
        rules: &AuthRules,
        now: i64,
    ) -> Result<Arc<Verified>, AuthError> {
        let keys = self.current_keys(source);
        if keys.is_empty() && !source.can_grow() {
            return Err(AuthError::NoKeys);
        }
        let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        self.requests.fetch_add(1, Ordering::Relaxed);
        if let Some(verified) = self.look_up(keys.epoch, &hash) {
            self.hits.fetch_add(1, Ordering::Relaxed);
            verified.times.check(now)?;
            return Ok(verified);
        }
        let (claims, is_own) = verified_claims(token, &keys)?;
        let times = Times::of(&claims)?;
        times.check(now)?;
        check_audience(&claims, rules.audience.as_deref())?;
        let verified = Arc::new(Verified { claims: Claims::from_token(claims, rules), times, is_own });
        if token.len() <= LARGEST {
            self.remember(keys.epoch, hash, &verified);
        }
        Ok(verified)
    }

    /// Whether this token, which was refused, names a key that the source does not have.
    pub(super) fn lacks_key_of(&self, token: &str, source: &dyn KeySource) -> bool {
        names_unknown_key(token, &self.current_keys(source))
    }

    /// The source's keys, parsed again only when their epoch changed.
    fn current_keys(&self, source: &dyn KeySource) -> Arc<SigningKeys> {
        let set = source.current();
        if let Some(keys) = &*self.keys.load()
            && keys.epoch == set.epoch
        {
            return Arc::clone(keys);
        }
        let keys = Arc::new(SigningKeys::prepare(&set));
        self.keys.store(Some(Arc::clone(&keys)));
        keys
    }

    fn look_up(&self, epoch: u64, hash: &[u8; 32]) -> Option<Arc<Verified>> {
        let mut tokens = self.tokens();
        if tokens.epoch != epoch {
            return None;
        }
        tokens.by_hash.get(hash).map(Arc::clone)
    }

    fn remember(&self, epoch: u64, hash: [u8; 32], verified: &Arc<Verified>) {
        if self.capacity == 0 {
            return;
        }
        let mut tokens = self.tokens();
        if tokens.epoch != epoch {
            tokens.by_hash.clear();
            tokens.epoch = epoch;
        }
        if tokens.by_hash.len() >= self.capacity && !tokens.by_hash.contains_key(&hash) {
            tokens.by_hash.remove_lru();
            self.evictions.fetch_add(1, Ordering::Relaxed);
        }
        tokens.by_hash.insert(hash, Arc::clone(verified));
    }

    fn tokens(&self) -> MutexGuard<'_, Tokens> {
        // A panic while the lock was held leaves a valid map behind, so the poison is of no interest.
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenCache").field("capacity", &self.capacity).field("stats", &self.stats()).finish()
    }
}
