//! Tiny traits through which rooms meet without importing each other; `app` hands in the implementations.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::scope::Scopes;

/// The material of one verification key.
#[derive(Clone, Debug)]
pub enum KeyMaterial {
    /// A shared secret for HS256, HS384 and HS512; the bytes as text or already decoded from base64.
    Hmac(Vec<u8>),
    /// A JSON Web Key (RFC 7517), public or symmetric.
    Jwk(serde_json::Value),
}

/// One key that may have signed a token.
#[derive(Clone, Debug)]
pub struct VerificationKey {
    /// The `kid` by which tokens name it; a key without one is tried for tokens without a match.
    pub kid: Option<String>,
    /// Tokens that this key signed must name this issuer (`iss`), when there is one.
    pub issuer: Option<String>,
    /// Whether this installation signs with it; else its tokens are another issuer's.
    pub is_own: bool,
    /// The key itself.
    pub material: KeyMaterial,
}

/// The keys that are valid at one moment.
#[derive(Clone, Debug, Default)]
pub struct KeySet {
    /// Changes with every rotation; verified-token caches are keyed by it.
    pub epoch: u64,
    /// Candidates in the order in which they are tried.
    pub keys: Vec<VerificationKey>,
}

/// Ends when a source has looked for new keys, whether it found some or not.
pub type Renewal = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where verification keys come from: configuration first, then a published key set, the database once `auth` exists.
pub trait KeySource: Send + Sync {
    /// The current set. Cheap: called once a request.
    fn current(&self) -> Arc<KeySet>;

    /// Whether keys may come that are not there yet; an empty set is then no mistake of the configuration.
    fn can_grow(&self) -> bool {
        false
    }

    /// A token named a key that is not in the set: asks for another look. `None` when there is nowhere to look or the
    /// last look was a moment ago. Callers bound how long they wait.
    fn renew(&self) -> Option<Renewal> {
        None
    }
}

/// What an opaque API key stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKeyGrant {
    /// The database role.
    pub role: String,
    /// The key's public id, for logs and last-used marks.
    pub id: String,
    /// What it may be used for; nothing here is everything.
    pub scopes: Option<Arc<Scopes>>,
}

/// Looks up opaque (`sb_...`) API keys by the SHA-256 of their text.
pub trait ApiKeys: Send + Sync {
    /// The grant of the key with this hash, if it is known and not revoked.
    fn find(&self, sha256: &[u8; 32]) -> Option<ApiKeyGrant>;
}

/// No opaque keys: the answer until `auth` stores some.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoApiKeys;

impl ApiKeys for NoApiKeys {
    fn find(&self, _sha256: &[u8; 32]) -> Option<ApiKeyGrant> {
        None
    }
}

/// One request, counted against a quota that several nodes share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharedCount {
    /// Whether the quota has room for it.
    pub allowed: bool,
    /// Requests that count now.
    pub used: u32,
    /// Until the oldest of them stops counting.
    pub reset: Duration,
}

/// Why a request could not be counted for all nodes; each node then counts for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SharedFault {
    /// Known to be down: nobody was asked.
    Unavailable,
    /// No answer in the time that a request may wait.
    Late,
    /// An answer that is no count.
    Failed,
}

/// Ends when the request is counted or cannot be, within the few milliseconds that an implementation allows itself.
pub type SharedCounting<'a> = Pin<Box<dyn Future<Output = Result<SharedCount, SharedFault>> + Send + 'a>>;

/// Counts requests for several nodes together.
pub trait SharedCounts: Send + Sync {
    /// Counts one request of `caller` in this tier unless `quota` requests of the last `span` count already. Spans are whole
    /// minutes: what counts is known to a sixtieth of one.
    fn count<'a>(&'a self, tier: &'static str, caller: &'a str, quota: u32, span: Duration) -> SharedCounting<'a>;
}

/// Ends with what is remembered, or with nothing: also where nobody can be asked, within the few milliseconds that an
/// implementation allows itself.
pub type SharedText<'a> = Pin<Box<dyn Future<Output = Option<String>> + Send + 'a>>;
/// Ends when the text is remembered or cannot be, within the same time.
pub type SharedKeeping<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Remembers texts for several nodes together, by their SHA-256 (64 hexadecimal digits); some, and for a time. Whoever asks
/// compares the hash of what comes: nobody who can write there decides what a hash means.
pub trait SharedTexts: Send + Sync {
    /// What is remembered under a hash.
    fn find<'a>(&'a self, hash: &'a str) -> SharedText<'a>;
    /// Remembers a text.
    fn keep<'a>(&'a self, hash: &'a str, text: &'a str) -> SharedKeeping<'a>;
}
