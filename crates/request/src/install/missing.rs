//! What an owner who may not make roles asks somebody else to run: all of it at once, and such that nothing else has to be done.
//!
//! The passwords of the logins are made and kept first, and go along as verifiers: whoever runs the statements needs to
//! know none of them.

use ferrobase_pg::Session;

use super::state::{State, quote};
use super::{InstallError, InstallOptions, cluster_roles, database, ledger, logins};

/// Asked before anything but those passwords is written.
///
/// # Errors
/// Roles, logins or memberships are missing that the owner may not give.
pub(super) async fn check(session: &mut Session, state: &State, options: &InstallOptions) -> Result<(), InstallError> {
    if state.may_create_roles {
        return Ok(());
    }
    let mut roles: Vec<String> = cluster_roles::missing(state, options).into_iter().map(str::to_owned).collect();
    let mut statements: Vec<String> = roles.iter().map(|name| cluster_roles::creation(name, true)).collect();
    if logins::are_missing(state, options) {
        if !state.has_bootstrap {
            database::bootstrap(session).await?;
        }
        let (names, creations) = logins::creations(session, state, options).await?;
        roles.extend(names);
        statements.extend(creations);
    }
    let memberships = memberships(state, options);
    let to_owner =
        (!memberships.is_empty()).then(|| format!("grant {} to {}", memberships.join(", "), quote(&state.user)));
    match to_owner {
        Some(sql) if statements.is_empty() => {
            let (user, roles) = (state.user.clone(), memberships.into_iter().map(str::to_owned).collect());
            Err(InstallError::MissingGrant { login: user.clone(), roles, user, sql })
        }
        None if statements.is_empty() => Ok(()),
        to_owner => {
            statements.extend(to_owner);
            let sql = statements.iter().map(|statement| format!("{statement};\n")).collect();
            Err(InstallError::MissingRoles { roles, user: state.user.clone(), sql })
        }
    }
}

/// Roles that own schemas which are still to be made, and that the owner of the database cannot act as: schemas are made by it
/// and handed over.
fn memberships(state: &State, options: &InstallOptions) -> Vec<&'static str> {
    let pending = options.rooms.iter().filter(|room| ledger::pending(room, &state.applied).next().is_some());
    let owners = pending.filter_map(|room| room.owner.map(|owner| owner.role));
    owners.filter(|role| !state.acts_as.iter().any(|known| known == role)).collect()
}
