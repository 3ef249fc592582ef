//! What belongs to the database and is not a migration, because it depends on what the owner may do and on choices.

use std::time::Duration;

use ferrobase_pg::{Error as PgError, Session};

use super::cluster_roles::{self, is_collision};
use super::state::{DEFAULT_PRIVILEGES, State, quote};
use super::{DefaultPrivileges, InstallError, InstallOptions};

const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(25);

/// Schema, leases, ledger and secrets. Comes before the lease, so processes that start together collide here; the
/// loser looks again.
pub(super) async fn bootstrap(session: &mut Session) -> Result<(), InstallError> {
    let mut attempt = 1;
    loop {
        match session.script(include_str!("../../sql/install_bootstrap.sql")).await {
            Ok(()) => return Ok(()),
            Err(error) if attempt < ATTEMPTS && (is_collision(&error) || is_duplicate(&error)) => attempt += 1,
            Err(error) => return Err(InstallError::sql("creating schema ferrobase")(error)),
        }
        tokio::time::sleep(PAUSE * attempt).await;
    }
}

fn is_duplicate(error: &PgError) -> bool {
    error.code().is_some_and(|code| matches!(code.as_str(), "42P06" | "42P07" | "42710"))
}

/// The other steps; says what was done.
pub(super) async fn ensure(
    session: &mut Session,
    state: &State,
    options: &InstallOptions,
) -> Result<Vec<String>, InstallError> {
    let mut done = Vec::new();
    if state.public_may_make_temporary && state.owns_database {
        let sql = format!("revoke temporary on database {} from public", quote(&state.database));
        let revoked = cluster_roles::run(session, &sql).await;
        revoked.map_err(InstallError::sql("revoking temporary tables from public"))?;
        done.push("no temporary tables for public".to_owned());
    }
    if state.default_privileges().is_none() {
        choose_default_privileges(session, options.default_privileges).await?;
        done.push(format!("default privileges: {}", options.default_privileges.as_str()));
    }
    if state.wants_publication() {
        let created = session.script("create publication supabase_realtime").await;
        created.map_err(InstallError::sql("creating publication supabase_realtime"))?;
        done.push("publication supabase_realtime".to_owned());
    }
    if state.wants_ddl_trigger(options) {
        let created = session.script(include_str!("../../sql/ddl_trigger.sql")).await;
        created.map_err(InstallError::sql("creating the event trigger"))?;
        done.push("event trigger for schema changes".to_owned());
    }
    Ok(done)
}

/// Once: who later revokes a grant by hand must not find it again after a restart.
async fn choose_default_privileges(session: &mut Session, choice: DefaultPrivileges) -> Result<(), InstallError> {
    let doing = "setting default privileges";
    if choice == DefaultPrivileges::Supabase {
        let granted = cluster_roles::run(session, include_str!("../../sql/default_privileges_supabase.sql")).await;
        granted.map_err(InstallError::sql(doing))?;
    }
    let parameters = [Some(DEFAULT_PRIVILEGES), Some(choice.as_str())];
    session.execute(include_str!("../../sql/secret_put.sql"), &parameters).await.map_err(InstallError::sql(doing))?;
    Ok(())
}
