//! The values that were asked for last, as many as there is room for.
//!
//! A cache with two bounds: how many, and how much they cost together (bytes, as its owner counts them).

use hashlink::LruCache;

/// Values by keys of bytes.
#[derive(Debug)]
pub struct Shelf<V> {
    /// With what each costs.
    held: LruCache<Box<[u8]>, (V, usize)>,
    cost: usize,
    entries: usize,
    most: usize,
}

impl<V> Shelf<V> {
    /// Room for so many values, which cost together at most so much.
    pub fn new(entries: usize, most: usize) -> Self {
        Self { held: LruCache::new_unbounded(), cost: 0, entries, most }
    }

    /// A value, which counts as asked for.
    pub fn get(&mut self, key: &[u8]) -> Option<&V> {
        self.held.get(key).map(|(value, _)| value)
    }

    /// Keeps a value; gives those that there is no room for any more, to be freed where that disturbs nobody.
    #[must_use = "freeing what was thrown out can take long"]
    pub fn put(&mut self, key: Box<[u8]>, value: V, cost: usize) -> Vec<V> {
        let mut evicted = Vec::new();
        self.cost += cost;
        let mut gone = self.held.insert(key, (value, cost));
        while let Some((value, cost)) = gone.take().or_else(|| self.overflow()) {
            self.cost -= cost;
            evicted.push(value);
        }
        evicted
    }

    /// The value that was not asked for longest, while there are too many.
    fn overflow(&mut self) -> Option<(V, usize)> {
        let is_full = self.held.len() > self.entries || self.cost > self.most;
        is_full.then(|| self.held.remove_lru()).flatten().map(|(_, held)| held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_for_last_stays() {
        let mut shelf = Shelf::new(2, 10);
        let put = |shelf: &mut Shelf<u8>, key: &[u8], value, cost| shelf.put(key.into(), value, cost);
        assert!(put(&mut shelf, b"a", 1, 1).is_empty() && put(&mut shelf, b"b", 2, 1).is_empty());
        assert_eq!(shelf.get(b"a"), Some(&1));
        assert_eq!(put(&mut shelf, b"c", 3, 1), [2], "more than two");
        assert_eq!(put(&mut shelf, b"a", 4, 9), [1], "the one that it replaces");
        assert_eq!(shelf.get(b"c"), Some(&3));
        assert_eq!(put(&mut shelf, b"c", 5, 2), [3, 4], "and what costs too much together");
        assert_eq!(shelf.get(b"a"), None);
        assert_eq!(shelf.get(b"c"), Some(&5));
        assert_eq!(put(&mut shelf, b"d", 6, 11), [5, 6], "what costs too much alone does not stay either");
        assert_eq!(shelf.cost, 0);
    }
}
