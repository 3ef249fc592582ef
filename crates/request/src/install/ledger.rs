//! Our own migrations: numbered, forward only, each in one transaction, remembered with a checksum.
//!
//! A version that the ledger has and this program does not is from a newer release, on whose schema this one still
//! works. The same version with another text is an error.

use ferrobase_pg::{Error as PgError, Session};
use sha2::{Digest, Sha256};

use super::InstallError;
use super::lease::Lease;
use super::state::Applied;

/// One migration.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// Its number within the room; order of application.
    pub version: u32,
    /// What it makes.
    pub name: &'static str,
    /// Its statements. No transaction control, names qualified; PostgreSQL looks nowhere but in `pg_catalog`.
    pub sql: &'static str,
}

/// A room's migrations.
#[derive(Clone, Copy, Debug)]
pub struct RoomMigrations {
    /// The room's name.
    pub room: &'static str,
    /// Whose the room's schema is; `None` leaves it with the owner of the database.
    pub owner: Option<RoomOwner>,
    /// In ascending order.
    pub migrations: &'static [Migration],
}

/// The role that owns a room's schema and everything in it (security 17): no superuser, no login, member of nothing.
/// The room logs in as another role, which can become this one and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoomOwner {
    /// The schema.
    pub schema: &'static str,
    /// Its owner, which is made when it does not exist.
    pub role: &'static str,
    /// The room's login; a second database of a cluster takes a name of its own.
    pub login: &'static str,
}

impl Migration {
    /// SHA-256 of the text in hexadecimal; line ends do not count.
    fn checksum(&self) -> String {
        let hash = Sha256::digest(self.sql.replace("\r\n", "\n").as_bytes());
        hash.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn find<'a>(&self, room: &str, applied: &'a [Applied]) -> Option<&'a Applied> {
        applied.iter().find(|entry| entry.room == room && entry.version == self.version)
    }
}

/// Whether what was applied is what this program would apply.
pub(super) fn check(room: &RoomMigrations, applied: &[Applied]) -> Result<(), InstallError> {
    for migration in room.migrations {
        if let Some(entry) = migration.find(room.room, applied)
            && entry.checksum != migration.checksum()
        {
            let applied = entry.name.clone();
            return Err(InstallError::Changed { room: room.room, version: migration.version, applied });
        }
    }
    Ok(())
}

/// Migrations that are not in the ledger.
pub(super) fn pending<'a>(
    room: &'a RoomMigrations,
    applied: &'a [Applied],
) -> impl Iterator<Item = &'a Migration> + use<'a> {
    room.migrations.iter().filter(|migration| migration.find(room.room, applied).is_none())
}

/// Applies one migration and records it, or does neither.
pub(super) async fn apply(
    session: &mut Session,
    room: &RoomMigrations,
    migration: &Migration,
    lease: &Lease,
) -> Result<(), InstallError> {
    match apply_in_transaction(session, room, migration, lease).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(InstallError::LeaseLost),
        Err(source) => {
            // The session is closed after a failed installation, which rolls back too.
            let _ = session.script("rollback").await;
            let Migration { version, name, .. } = *migration;
            Err(InstallError::Migration { room: room.room, version, name, source })
        }
    }
}

/// Whether it was committed: not when the lease was lost meanwhile.
async fn apply_in_transaction(
    session: &mut Session,
    room: &RoomMigrations,
    migration: &Migration,
    lease: &Lease,
) -> Result<bool, PgError> {
    session.script("begin").await?;
    session.script(migration.sql).await?;
    if let Some(owner) = &room.owner {
        let whose = "select set_config('ferrobase.room_schema', $1, true), set_config('ferrobase.room_role', $2, true)";
        session.query(whose, &[Some(owner.schema), Some(owner.role)]).await?;
        session.script(include_str!("../../sql/room_adopt.sql")).await?;
    }
    let (version, checksum) = (migration.version.to_string(), migration.checksum());
    let (lease_name, holder, fence) = lease.proof();
    let parameters = [
        room.room,
        &version,
        migration.name,
        &checksum,
        concat!("ferrobase ", env!("CARGO_PKG_VERSION")),
        lease_name,
        holder,
        &fence,
    ]
    .map(Some);
    let recorded = session.execute(include_str!("../../sql/ledger_insert.sql"), &parameters).await? == 1;
    session.script(if recorded { "commit" } else { "rollback" }).await?;
    Ok(recorded)
}
