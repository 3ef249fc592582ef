//! Repairs the request logins while the server runs, and installs what could not be installed at its start.
//!
//! Code that a caller gets to run can act as the request login itself, and PostgreSQL lets every login change its own
//! password and settings (security 1 and 21). Connections that exist are not affected, new ones are refused by the
//! server or by the pool. The installation puts both right; this asks for it when a pool cannot connect, and when a
//! room is not there because its part failed (`installation`).
//! Invariant: a database that is merely down costs one more attempt to connect now and then, and nothing else.

use std::sync::Weak;
use std::time::Duration;

use ferrobase_base::error::causes;

use super::backend::Backend;
use super::installation::Installation;

/// Between looks at the pools; also the first pause after an attempt.
const LOOK: Duration = Duration::from_millis(500);
/// Longest pause while the installation works, and while it does not because the database is down altogether.
const PAUSE_WORKING: Duration = Duration::from_secs(2);
const PAUSE_DOWN: Duration = Duration::from_secs(30);

/// Looks after the logins until the server ends.
pub(super) async fn keep(backend: Weak<Backend>) {
    let mut pause = LOOK;
    let mut said = None;
    loop {
        tokio::time::sleep(pause).await;
        let Some(backend) = backend.upgrade() else { return };
        if !backend.is_cut_off() && !backend.lacks_a_room() {
            pause = LOOK;
            continue;
        }
        let longest = if look_after(&backend, &mut said).await { PAUSE_WORKING } else { PAUSE_DOWN };
        pause = (pause * 2).min(longest);
    }
}

/// One attempt; whether everything is installed. The same failure of a room is said once.
async fn look_after(backend: &Backend, said: &mut Option<String>) -> bool {
    let Installation { installed, failed } = match backend.try_install().await {
        Ok(installation) => installation,
        Err(error) => {
            tracing::debug!(error = causes(error.as_ref()), "the request logins could not be looked after");
            return false;
        }
    };
    if let Some(failed) = failed {
        if said.as_ref() != Some(&failed.reason) {
            failed.report();
            *said = Some(failed.reason);
        }
        return false;
    }
    if backend.lacks_a_room() {
        match backend.adopt_rooms(&installed) {
            Ok(()) => tracing::info!("the rooms that could not be installed are there now"),
            Err(error) => tracing::error!(error = causes(error.as_ref()), "a room has no connections"),
        }
    }
    true
}
