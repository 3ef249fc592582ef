//! The callers that are being counted: a bounded map in shards, so that counting never queues behind one lock.
//!
//! Each shard keeps its callers in the order of their last request. A full shard forgets the one that was quiet
//! longest; under attack that is an attacker's own one-off address long before it is a busy user.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hashlink::LruCache;

use super::Caller;
use super::window::Window;

const SHARDS: usize = 16;

pub(super) struct Counters {
    shards: Vec<Mutex<LruCache<Caller, Window>>>,
    /// Keyed at random, so that nobody can aim at one shard.
    hasher: RandomState,
}

impl Counters {
    pub(super) fn new(callers: usize) -> Self {
        let each = callers.div_ceil(SHARDS).max(1);
        Self { shards: (0..SHARDS).map(|_| Mutex::new(LruCache::new(each))).collect(), hasher: RandomState::new() }
    }

    /// Works with the window of a caller, who is remembered from now on.
    pub(super) fn with<T>(&self, caller: &Caller, now: Duration, work: impl FnOnce(&mut Window) -> T) -> T {
        let shard = self.hasher.hash_one(caller) as usize % SHARDS;
        let mut shard = self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(window) = shard.get_mut(caller) {
            return work(window);
        }
        let mut window = Window::new(now);
        let outcome = work(&mut window);
        shard.insert(caller.clone(), window);
        outcome
    }

    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }
}
