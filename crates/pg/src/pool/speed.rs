//! How long statements of a shape take: only those that are known to be quick share a connection.
//!
//! A value that follows the newest measurements, per shape (SQL and scope), for the shapes that were seen last: down faster
//! than up, because what makes a quick statement look slow is mostly that the machine has much to do.

use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hashlink::{DefaultHashBuilder, LruCache};

use crate::batch::Batch;

/// Shapes that are remembered.
const SHAPES: usize = 4096;
/// A shape above this keeps a connection for itself.
const QUICK: Duration = Duration::from_millis(3);
/// Weight of a measurement below the value, and of one above it.
const WEIGHTS: (f32, f32) = (0.5, 0.1);

/// A shape of statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Shape(u64);

/// Times by shape, in seconds.
#[derive(Debug)]
pub(super) struct Speeds {
    hasher: DefaultHashBuilder,
    means: Mutex<LruCache<Shape, f32>>,
}

impl Default for Speeds {
    fn default() -> Self {
        Self { hasher: DefaultHashBuilder::default(), means: Mutex::new(LruCache::new(SHAPES)) }
    }
}

impl Speeds {
    pub(super) fn shape(&self, batch: &Batch) -> Shape {
        let mut hasher = self.hasher.build_hasher();
        batch.scope.hash(&mut hasher);
        batch.statements.iter().for_each(|statement| statement.sql.hash(&mut hasher));
        Shape(hasher.finish())
    }

    /// How long the shape takes, where it was measured and is quick.
    pub(super) fn quick(&self, shape: Shape) -> Option<Duration> {
        let mut means = self.means.lock().unwrap_or_else(PoisonError::into_inner);
        means.get(&shape).filter(|mean| **mean < QUICK.as_secs_f32()).map(|mean| Duration::from_secs_f32(*mean))
    }

    /// Notes how long a statement took.
    pub(super) fn note(&self, shape: Shape, took: Duration) {
        let took = took.as_secs_f32();
        let mut means = self.means.lock().unwrap_or_else(PoisonError::into_inner);
        match means.get_mut(&shape) {
            Some(mean) => *mean += (took - *mean) * if took < *mean { WEIGHTS.0 } else { WEIGHTS.1 },
            None => drop(means.insert(shape, took)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_became_slow_is_quick_no_longer_and_what_recovers_is_again() {
        let speeds = Speeds::default();
        let shape = Shape(1);
        assert_eq!(speeds.quick(shape), None, "never measured");
        speeds.note(shape, Duration::from_micros(500));
        assert_eq!(speeds.quick(shape), Some(Duration::from_micros(500)));
        speeds.note(shape, Duration::from_secs(2));
        assert_eq!(speeds.quick(shape), None);
        (0..40).for_each(|_| speeds.note(shape, Duration::from_micros(500)));
        assert!(speeds.quick(shape).is_some());
        speeds.note(shape, Duration::from_millis(4));
        assert!(speeds.quick(shape).is_some(), "one slow answer of many is no reason");
    }
}
