//! Which of many texts were seen before: what is worth keeping is what comes again.
//!
//! Remembers hashes of the newest `N` texts that were seen once. A collision makes a text look known, which costs a
//! place in a cache and nothing else; hashes are seeded, so that nobody can choose collisions.

use std::hash::{BuildHasher, Hash};
use std::sync::{Mutex, PoisonError};

use hashlink::{DefaultHashBuilder, LruCache};

/// The newest `N` texts that were seen.
#[derive(Debug)]
pub struct Sightings<const N: usize> {
    hasher: DefaultHashBuilder,
    seen: Mutex<LruCache<u64, ()>>,
}

impl<const N: usize> Default for Sightings<N> {
    fn default() -> Self {
        Self { hasher: DefaultHashBuilder::default(), seen: Mutex::new(LruCache::new(N)) }
    }
}

impl<const N: usize> Sightings<N> {
    /// Notes a sight; whether it is not the first.
    pub fn seen_before(&self, text: &(impl Hash + ?Sized)) -> bool {
        let hash = self.hasher.hash_one(text);
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(hash, ()).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_sight_counts_while_the_first_is_remembered() {
        let sightings = Sightings::<2>::default();
        assert!(!sightings.seen_before("a"));
        assert!(sightings.seen_before("a"));
        assert!(!sightings.seen_before("b") && !sightings.seen_before("c"));
        assert!(!sightings.seen_before("a"), "pushed out by two others");
    }
}
