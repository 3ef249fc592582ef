//! Where everybody finds the catalog in force.
//!
//! Readers take an `Arc` and keep it for their whole request; a reload swaps the pointer and never waits for them.
//! Invariant: what `get` returned never changes and stays valid after any number of reloads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwapOption;

use crate::model::Catalog;
use crate::retire::retire;

/// A place that holds the newest catalog of one target. Cheap to clone; clones share the place.
#[derive(Clone, Debug, Default)]
pub struct CatalogHandle(Arc<Place>);

#[derive(Debug, Default)]
struct Place {
    current: ArcSwapOption<Catalog>,
    generation: AtomicU64,
}

impl CatalogHandle {
    /// A handle without a catalog: nothing was loaded yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The catalog in force; `None` until the first load succeeded. One atomic read, never blocks.
    pub fn get(&self) -> Option<Arc<Catalog>> {
        self.0.current.load_full()
    }

    /// Puts a catalog in force, gives it the next generation and returns it as readers will see it.
    pub fn set(&self, mut catalog: Catalog) -> Arc<Catalog> {
        catalog.generation = self.0.generation.fetch_add(1, Ordering::Relaxed) + 1;
        let catalog = Arc::new(catalog);
        if let Some(old) = self.0.current.swap(Some(Arc::clone(&catalog))) {
            retire(old);
        }
        catalog
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_keep_what_they_took() {
        let handle = CatalogHandle::new();
        assert!(handle.get().is_none());
        handle.set(Catalog { server_version: 1, ..Catalog::default() });
        let kept = handle.get().unwrap();
        let shared = handle.clone();
        shared.set(Catalog { server_version: 2, ..Catalog::default() });
        assert_eq!((kept.server_version, kept.generation), (1, 1));
        let newest = handle.get().unwrap();
        assert_eq!((newest.server_version, newest.generation), (2, 2));
    }
}
