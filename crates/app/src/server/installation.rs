//! Installing, where one room's part may fail and the others answer all the same.
//!
//! A room with a schema and a role of its own needs more of the database than the rest does. When everything together cannot
//! be installed, the core is installed without such rooms; they answer 503, and `keeper` asks for them again.
//! Invariant: a database that cannot be reached, and a core that cannot be installed, are failures as before.

use ferrobase_base::error::causes;
use ferrobase_pg::ConnectOptions;
use ferrobase_request::install::{InstallError, InstallOptions, Installed, install};

/// What an installation came to.
pub(crate) struct Installation {
    pub(crate) installed: Installed,
    /// Rooms that are not there, and why.
    pub(crate) failed: Option<Failed>,
}

/// The rooms that could not be installed.
pub(crate) struct Failed {
    /// Their names.
    pub(crate) rooms: Vec<&'static str>,
    /// Why.
    pub(crate) reason: String,
}

impl Failed {
    /// Says it.
    pub(crate) fn report(&self) {
        tracing::error!(
            code = "room_not_installed",
            rooms = ?self.rooms,
            error = self.reason,
            "a room is not there: its part of the installation failed; its requests get 503, everything else works, and it \
             is tried again"
        );
    }
}

/// Installs everything, or what can be.
///
/// # Errors
/// The database cannot be reached, or not even the core can be installed.
pub(super) async fn install_what_can_be(
    owner: &ConnectOptions,
    options: InstallOptions,
) -> Result<Installation, InstallError> {
    let error = match install(owner, &options).await {
        Ok(installed) => return Ok(Installation { installed, failed: None }),
        Err(error @ InstallError::Connect(_)) => return Err(error),
        Err(error) => error,
    };
    let (own, core): (Vec<_>, Vec<_>) = options.rooms.into_iter().partition(|room| room.owner.is_some());
    let installed = match install(owner, &InstallOptions { rooms: core, ..options }).await {
        // What to run for everything is among what the first one says.
        Err(InstallError::MissingRoles { .. }) if matches!(error, InstallError::MissingRoles { .. }) => {
            return Err(error);
        }
        result => result?,
    };
    let rooms = own.iter().map(|room| room.room).collect();
    Ok(Installation { installed, failed: Some(Failed { rooms, reason: causes(&error) }) })
}
