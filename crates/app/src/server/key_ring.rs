//! Keeps the opaque API keys current: new ones work, and those that were taken back stop working, within [`LOOK`].

use std::sync::Weak;
use std::time::Duration;

use ferrobase_auth::OWNER;
use ferrobase_base::error::causes;

use super::backend::Backend;

/// Between looks at the table of keys.
const LOOK: Duration = Duration::from_secs(3);
/// Before the database was reached first.
const FIRST_LOOK: Duration = Duration::from_millis(100);

/// Looks until the server ends.
pub(super) async fn keep(backend: Weak<Backend>) {
    let mut pause = FIRST_LOOK;
    loop {
        tokio::time::sleep(pause).await;
        let Some(backend) = backend.upgrade() else { return };
        let target = backend.target();
        pause = (pause * 2).min(LOOK);
        // Before the installation, and where this room is not.
        let Some(pool) = target.pools.rooms.get(OWNER.schema) else { continue };
        pause = LOOK;
        if let Err(error) = backend.key_ring().refresh(pool).await {
            tracing::debug!(error = causes(&error), "API keys were not read; those known before stay in force");
        }
    }
}
