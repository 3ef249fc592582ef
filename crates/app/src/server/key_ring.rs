//! Keeps the opaque API keys and the signing keys of the database current: new ones work, and those that were taken back stop
//! working, within [`LOOK`].

use std::sync::Weak;
use std::time::{Duration, Instant};

use ferrobase_auth::OWNER;
use ferrobase_auth::keys::stored;
use ferrobase_base::error::causes;
use ferrobase_pg::Pool;

use super::backend::Backend;

/// Between looks at the table of keys.
const LOOK: Duration = Duration::from_secs(3);
/// Before the database was reached first.
const FIRST_LOOK: Duration = Duration::from_millis(100);
/// Longest wait for a connection.
const PATIENCE: Duration = Duration::from_secs(2);

/// Looks until the server ends.
pub(super) async fn keep(backend: Weak<Backend>) {
    let mut pause = FIRST_LOOK;
    loop {
        tokio::time::sleep(pause).await;
        let Some(backend) = backend.upgrade() else { return };
        let target = backend.target();
        pause = (pause * 2).min(LOOK);
        // Before the installation.
        if target.pools.rooms.is_empty() && !backend.lacks_a_room() {
            continue;
        }
        pause = LOOK;
        if let Err(error) = look_for_signing_keys(&backend, &target.pools.owner).await {
            tracing::debug!(error = causes(&error), "signing keys were not read; those known before stay in force");
        }
        let Some(pool) = target.pools.rooms.get(OWNER.schema) else { continue };
        if let Err(error) = backend.key_ring().refresh(pool).await {
            tracing::debug!(error = causes(&error), "API keys were not read; those known before stay in force");
        }
    }
}

async fn look_for_signing_keys(backend: &Backend, owner: &Pool) -> Result<(), ferrobase_pg::Error> {
    let mut session = owner.session(Instant::now() + PATIENCE).await?;
    let found = stored::load(&mut session).await?;
    backend.found_signing_keys(found);
    Ok(())
}
