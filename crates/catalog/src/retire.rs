//! The end of what a reload replaced: freed when nobody reads it any more, and not by whoever read it last.
//!
//! Ten thousand tables are more than a million small allocations; freeing them takes longer than a request. Without this
//! the request that finished last on the old catalog, or the first that noticed the new one, would pay for it.
//! Invariant: nothing here is waited for.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::model::Catalog;
use crate::pace::{Pace, Room};
use crate::proven::Proven;

/// First and longest pause between two looks at who still reads.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// In how much time it should be gone.
const BOUND: Duration = Duration::from_secs(60);

/// Something large that ends in small pieces.
pub(crate) trait Large: Send + Sync + 'static {
    fn discard(self, pace: &Pace);
}

impl Large for Catalog {
    fn discard(self, pace: &Pace) {
        pace.over(self.relations).for_each(drop);
        pace.over(self.functions).for_each(drop);
        pace.over(self.row_functions).for_each(drop);
        pace.over(self.relationships).for_each(drop);
        pace.over(self.types).for_each(drop);
    }
}

impl Large for Proven {
    fn discard(self, pace: &Pace) {
        Self::discard(self, pace);
    }
}

/// Keeps it until nobody else does, then frees it on a thread that may block. Without a runtime (tests, a process that
/// ends) it is released at once.
pub(crate) fn retire<L: Large>(old: Arc<L>) {
    let Ok(runtime) = Handle::try_current() else { return };
    runtime.spawn(async move {
        let mut pause = FIRST_PAUSE;
        while Arc::strong_count(&old) > 1 {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        if let Some(old) = Arc::into_inner(old) {
            tokio::task::spawn_blocking(move || old.discard(&Pace::new(Room::within(BOUND))));
        }
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
