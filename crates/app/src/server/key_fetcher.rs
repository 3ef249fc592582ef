//! Keeps the published keys of `auth.jwks_url` current.
//!
//! Fetched at start while the server answers already, again every ten minutes, and when a token names a key that is not
//! known (at most once in ten seconds). A failed fetch keeps the last good keys. The address may be that of a key set, or
//! of an OpenID discovery document, whose `issuer` tokens must then name.
//! Invariant: every fetch goes through the egress client. Invariant: a discovery document that came over https names
//! its keys over https.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ferrobase_base::config::{Cidr, HttpUrl};
use ferrobase_base::ports::{KeySet, KeySource, Renewal, VerificationKey};
use ferrobase_egress::{Authorities, Bounds, Client};
use ferrobase_request::credentials::{ConfiguredKeys, FetchedKeys, Published, PublishedError, Watcher};
use tokio::task::AbortHandle;

/// Between two fetches that went well.
const INTERVAL: Duration = Duration::from_secs(600);
/// First pause after one that failed; doubles up to the interval.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// How long `/ready` waits for the first keys. A key server that is down must not keep everybody else away.
const FIRST_PATIENCE: Duration = Duration::from_secs(10);
/// Key sets and discovery documents have a few kilobytes.
const LARGEST: usize = 256 * 1024;
/// What we ask for.
const ACCEPT: &str = "application/jwk-set+json, application/json;q=0.9, */*;q=0.1";

/// Configured keys and those at one address. Fetching ends when it is dropped.
pub(crate) struct KeyFetcher {
    url: HttpUrl,
    keys: Arc<FetchedKeys>,
    started: Instant,
    numbers: Arc<Numbers>,
    fetching: AbortHandle,
}

#[derive(Default)]
struct Numbers {
    fetches: AtomicU64,
    failures: AtomicU64,
}

/// Why a fetch brought no keys.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error(transparent)]
    Call(#[from] ferrobase_egress::Error),
    #[error("the answer has status {0}")]
    Status(u16),
    #[error(transparent)]
    Document(#[from] PublishedError),
    #[error("a discovery document names another one")]
    Chain,
    #[error("a discovery document that came over https names keys without it")]
    Downgrade,
}

impl KeyFetcher {
    /// Begins to fetch. Must be called on a runtime.
    pub(crate) fn start(
        configured: ConfiguredKeys,
        url: &HttpUrl,
        allowed: Vec<Cidr>,
        before: Option<&KeyFetcher>,
    ) -> Self {
        let before = before.filter(|before| before.url == *url).map(|before| &*before.keys);
        let keys = Arc::new(FetchedKeys::new(configured, before));
        let numbers = Arc::<Numbers>::default();
        let bounds = Bounds { body: LARGEST, ..Bounds::default() };
        let work = Work {
            url: url.clone(),
            client: Client::new(allowed, bounds, Authorities::System),
            watcher: Watcher::of(&keys),
            numbers: Arc::clone(&numbers),
        };
        let fetching = tokio::spawn(work.run()).abort_handle();
        Self { url: url.clone(), keys, started: Instant::now(), numbers, fetching }
    }

    /// Whether the first keys may still come soon.
    pub(crate) fn is_pending(&self) -> bool {
        !self.keys.has_fetched() && self.started.elapsed() < FIRST_PATIENCE
    }

    /// Attempts, and those that failed.
    pub(crate) fn numbers(&self) -> (u64, u64) {
        (self.numbers.fetches.load(Ordering::Relaxed), self.numbers.failures.load(Ordering::Relaxed))
    }
}

impl KeySource for KeyFetcher {
    fn current(&self) -> Arc<KeySet> {
        self.keys.current()
    }

    fn can_grow(&self) -> bool {
        true
    }

    fn renew(&self) -> Option<Renewal> {
        self.keys.renew()
    }
}

impl Drop for KeyFetcher {
    fn drop(&mut self) {
        self.fetching.abort();
    }
}

/// What the fetching task owns.
struct Work {
    url: HttpUrl,
    client: Client,
    watcher: Watcher,
    numbers: Arc<Numbers>,
}

impl Work {
    async fn run(self) {
        let mut failure_pause = FIRST_PAUSE;
        // What was told last of the keys that do not count. The first fetch is always told of: that a set has nothing
        // usable changes no key, and is why every token is refused.
        let mut told: Option<Vec<(String, &'static str)>> = None;
        loop {
            self.watcher.begin();
            self.numbers.fetches.fetch_add(1, Ordering::Relaxed);
            let pause = match self.fetch().await {
                Ok((keys, ignored)) => {
                    let number = keys.len();
                    if self.watcher.end(Some(keys)) || told.as_ref() != Some(&ignored) {
                        report(number, &ignored);
                        told = Some(ignored);
                    }
                    failure_pause = FIRST_PAUSE;
                    INTERVAL
                }
                Err(error) => {
                    self.watcher.end(None);
                    self.numbers.failures.fetch_add(1, Ordering::Relaxed);
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(error, "auth.jwks_url gave no keys; those fetched before stay in force");
                    let pause = failure_pause;
                    failure_pause = (failure_pause * 2).min(INTERVAL);
                    pause
                }
            };
            self.watcher.rest(pause).await;
        }
    }

    async fn fetch(&self) -> Result<Fetched, FetchError> {
        let (issuer, jwks_uri) = match self.read(&self.url).await? {
            Published::Keys { keys, ignored } => return Ok((keys, ignored)),
            Published::Discovery { issuer, jwks_uri } => (issuer, jwks_uri),
        };
        if self.url.is_https() && !jwks_uri.starts_with("https://") {
            return Err(FetchError::Downgrade);
        }
        match self.read(&jwks_uri).await? {
            Published::Keys { mut keys, ignored } => {
                for key in &mut keys {
                    key.issuer = Some(issuer.clone());
                }
                Ok((keys, ignored))
            }
            Published::Discovery { .. } => Err(FetchError::Chain),
        }
    }

    async fn read(&self, url: &str) -> Result<Published, FetchError> {
        let answer = self.client.get(url, ACCEPT).await?;
        if !answer.status.is_success() {
            return Err(FetchError::Status(answer.status.as_u16()));
        }
        Ok(Published::read(&answer.body)?)
    }
}

/// Keys, and what was left out and why.
type Fetched = (Vec<VerificationKey>, Vec<(String, &'static str)>);

fn report(keys: usize, ignored: &[(String, &'static str)]) {
    for (kid, reason) in ignored {
        tracing::warn!(kid, "a key of auth.jwks_url does not count: {reason}");
    }
    if keys == 0 {
        let why = if ignored.is_empty() { "its set is empty" } else { "none of its keys counts" };
        tracing::warn!("auth.jwks_url publishes no usable key ({why}): no token of that issuer is valid");
    } else {
        tracing::info!(keys, "new keys from auth.jwks_url are in force");
    }
}
