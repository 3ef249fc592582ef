//! The end of a catalog that was replaced: freed when nobody reads it any more, and not by whoever read it last.
//!
//! Ten thousand tables are more than a million small allocations; freeing them takes longer than a request. Without this
//! the request that finished last on the old catalog, or the first that noticed the new one, would pay for it.
//! Invariant: nothing here is waited for.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::model::Catalog;

/// First and longest pause between two looks at who still reads.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Keeps the catalog until nobody else does, then frees it on a thread that may block. Without a runtime (tests, a process
/// that ends) it is released at once.
pub(crate) fn retire(old: Arc<Catalog>) {
    let Ok(runtime) = Handle::try_current() else { return };
    runtime.spawn(async move {
        let mut pause = FIRST_PAUSE;
        while Arc::strong_count(&old) > 1 {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        tokio::task::spawn_blocking(move || drop(old));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_catalog_ends_after_its_last_reader() {
        let catalog = Arc::new(Catalog::default());
        let (reader, seen) = (Arc::clone(&catalog), Arc::downgrade(&catalog));
        retire(catalog);
        tokio::time::sleep(LONGEST_PAUSE * 3).await;
        assert_eq!(seen.strong_count(), 2, "kept, so that the reader does not free it");
        drop(reader);
        tokio::time::sleep(LONGEST_PAUSE * 2).await;
        while seen.strong_count() > 0 {
            tokio::task::yield_now().await;
        }
    }
}
