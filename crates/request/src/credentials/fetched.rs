//! Configured keys together with keys that somebody fetches from elsewhere.
//!
//! This side answers requests and never waits; the other side ([`Watcher`], driven by `app`) fetches. They meet in the
//! set, which is swapped whole, and in the state of fetching, which tells whether waiting for a new key makes sense.
//! Invariant: a key that is not in the newest set verifies nothing, because the epoch is made from the keys.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use ferrobase_base::ports::{KeySet, KeySource, Renewal, VerificationKey};
use tokio::sync::{Notify, watch};

use super::ConfiguredKeys;

/// Shortest time between two looks that unknown keys cause.
const REST: Duration = Duration::from_secs(10);

/// A source that grows.
#[derive(Debug)]
pub struct FetchedKeys {
    configured: ConfiguredKeys,
    fetched: Mutex<Vec<VerificationKey>>,
    current: ArcSwap<KeySet>,
    wanted: Arc<Notify>,
    state: watch::Sender<State>,
}

/// Where fetching is.
#[derive(Clone, Copy, Debug)]
struct State {
    /// How many looks have ended.
    looks: u64,
    /// A look is under way.
    is_looking: bool,
    /// When the last look began.
    began: Option<Instant>,
    /// Some look has brought keys.
    has_fetched: bool,
}

/// The side that fetches.
#[derive(Clone, Debug)]
pub struct Watcher(Arc<FetchedKeys>);

impl FetchedKeys {
    /// Configured keys, and fetched ones as far as they are known from before.
    pub fn new(configured: ConfiguredKeys, before: Option<&Self>) -> Self {
        let known = before.map_or_else(Vec::new, Self::fetched);
        let has_fetched = before.is_some_and(Self::has_fetched);
        let state = State { looks: 0, is_looking: false, began: None, has_fetched };
        Self {
            current: ArcSwap::from_pointee(configured.with(&known)),
            configured,
            fetched: Mutex::new(known),
            wanted: Arc::new(Notify::new()),
            state: watch::Sender::new(state),
        }
    }

    /// Whether keys were fetched at least once.
    pub fn has_fetched(&self) -> bool {
        self.state.borrow().has_fetched
    }

    fn fetched(&self) -> Vec<VerificationKey> {
        self.fetched.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl KeySource for FetchedKeys {
    fn current(&self) -> Arc<KeySet> {
        self.current.load_full()
    }

    fn can_grow(&self) -> bool {
        true
    }

    fn renew(&self) -> Option<Renewal> {
        let mut seen = self.state.subscribe();
        let now = *seen.borrow_and_update();
        // Remembered while the source rests, so that a new key is found even if nobody names it again.
        self.wanted.notify_one();
        if !now.is_looking && now.began.is_some_and(|began| began.elapsed() < REST) {
            return None;
        }
        Some(Box::pin(async move {
            // The source is gone when this fails, and then nothing will change any more.
            let _ = seen.wait_for(|state| state.looks > now.looks).await;
        }))
    }
}

impl Watcher {
    /// The other side of these keys.
    pub fn of(keys: &Arc<FetchedKeys>) -> Self {
        Self(Arc::clone(keys))
    }

    /// A look begins.
    pub fn begin(&self) {
        self.0.state.send_modify(|state| {
            state.is_looking = true;
            state.began = Some(Instant::now());
        });
    }

    /// A look has ended, with keys or without. True when the set has changed.
    pub fn end(&self, found: Option<Vec<VerificationKey>>) -> bool {
        let keys = &self.0;
        let before = keys.current.load().epoch;
        let has_found = found.is_some();
        if let Some(found) = found {
            keys.current.store(Arc::new(keys.configured.with(&found)));
            *keys.fetched.lock().unwrap_or_else(PoisonError::into_inner) = found;
        }
        keys.state.send_modify(|state| {
            state.looks += 1;
            state.is_looking = false;
            state.has_fetched |= has_found;
        });
        keys.current.load().epoch != before
    }

    /// Waits until it is time for the next look: after this pause, or when an unknown key was named and the last look is
    /// long enough ago.
    pub async fn rest(&self, pause: Duration) {
        let keys = &self.0;
        let began = keys.state.borrow().began;
        let wanted = async {
            keys.wanted.notified().await;
            let rested = began.map_or(Duration::ZERO, |began| began.elapsed());
            tokio::time::sleep(REST.saturating_sub(rested)).await;
        };
        tokio::select! {
            () = wanted => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(kid: &str) -> VerificationKey {
        let jwk = serde_json::json!({"kty": "EC", "kid": kid});
        VerificationKey {
            kid: Some(kid.to_owned()),
            issuer: None,
            is_own: false,
            material: ferrobase_base::ports::KeyMaterial::Jwk(jwk),
        }
    }

    #[tokio::test]
    async fn sec_06_waiting_makes_sense_while_a_look_is_possible() {
        let keys = Arc::new(FetchedKeys::new(ConfiguredKeys::none(), None));
        let watcher = Watcher::of(&keys);
        let first = keys.renew().expect("a look is about to begin");
        watcher.begin();
        let second = keys.renew().expect("a look is under way");
        assert!(watcher.end(Some(vec![key("a")])));
        first.await;
        second.await;
        assert!(keys.renew().is_none(), "the last look was a moment ago");
        assert!(keys.has_fetched() && keys.current().keys.len() == 1);
    }

    #[tokio::test]
    async fn keys_that_vanish_are_gone_and_a_failed_look_changes_nothing() {
        let keys = Arc::new(FetchedKeys::new(ConfiguredKeys::none(), None));
        let watcher = Watcher::of(&keys);
        assert!(watcher.end(Some(vec![key("a"), key("b")])));
        let epoch = keys.current().epoch;
        assert!(!watcher.end(None) && keys.current().epoch == epoch);
        assert!(!watcher.end(Some(vec![key("a"), key("b")])));
        assert!(watcher.end(Some(vec![key("b")])));
        assert_eq!(keys.current().keys.len(), 1);
        let again = FetchedKeys::new(ConfiguredKeys::none(), Some(&keys));
        assert!(again.has_fetched() && again.current().epoch == keys.current().epoch, "a reload keeps them");
    }
}
