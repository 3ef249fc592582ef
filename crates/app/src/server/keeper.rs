//! Repairs the request logins while the server runs.
//!
//! Code that a caller gets to run can act as the request login itself, and PostgreSQL lets every login change its own
//! password and settings (security 1 and 21). Connections that exist are not affected, new ones are refused by the
//! server or by the pool. The installation puts both right; this asks for it when a pool cannot connect.
//! Invariant: a database that is merely down costs one more attempt to connect now and then, and nothing else.

use std::sync::Weak;
use std::time::Duration;

use ferrobase_base::error::causes;

use super::backend::Backend;

/// Between looks at the pools; also the first pause after an attempt.
const LOOK: Duration = Duration::from_millis(500);
/// Longest pause while the installation works, and while it does not because the database is down altogether.
const PAUSE_WORKING: Duration = Duration::from_secs(2);
const PAUSE_DOWN: Duration = Duration::from_secs(30);

/// Looks after the logins until the server ends.
pub(super) async fn keep(backend: Weak<Backend>) {
    let mut pause = LOOK;
    loop {
        tokio::time::sleep(pause).await;
        let Some(backend) = backend.upgrade() else { return };
        if !backend.is_cut_off() {
            pause = LOOK;
            continue;
        }
        let longest = match backend.try_install().await {
            Ok(_) => PAUSE_WORKING,
            Err(error) => {
                tracing::debug!(error = causes(error.as_ref()), "the request logins could not be looked after");
                PAUSE_DOWN
            }
        };
        pause = (pause * 2).min(longest);
    }
}
