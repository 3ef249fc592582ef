//! The API roles (anon, authenticated, service_role) and the roles that own rooms' schemas. Roles belong to the whole
//! cluster, so two servers on two databases can make them at the same moment; their statements are tried again.

use std::time::Duration;

use ferrobase_pg::{Error as PgError, Session};

use super::state::State;
use super::{InstallError, InstallOptions};

/// The roles that requests run as.
const NAMES: [&str; 3] = ["anon", "authenticated", SERVICE];
const SERVICE: &str = "service_role";

const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(25);

/// Every role that must be there: those that requests run as, and those that own a room's schema.
pub(super) fn names(options: &InstallOptions) -> impl Iterator<Item = &'static str> {
    NAMES.into_iter().chain(options.owners().map(|owner| owner.role))
}

pub(super) fn are_complete(state: &State, options: &InstallOptions) -> bool {
    missing(state, options).is_empty() && !wants_bypass(state)
}

/// service_role exists without the right that it is for, and we may give it.
fn wants_bypass(state: &State) -> bool {
    state.is_superuser && state.roles.get(SERVICE).is_some_and(|role| !role.bypass_rls)
}

/// Those that are not there.
pub(super) fn missing(state: &State, options: &InstallOptions) -> Vec<&'static str> {
    names(options).filter(|name| !state.roles.contains_key(*name)).collect()
}

/// Makes what is missing and says what was made.
pub(super) async fn ensure(
    session: &mut Session,
    state: &State,
    options: &InstallOptions,
) -> Result<Vec<String>, InstallError> {
    let mut done = Vec::new();
    for name in missing(state, options) {
        create(session, name, state.may_bypass_rls).await?;
        done.push(format!("role {name}"));
    }
    if wants_bypass(state) {
        let alter = run(session, "alter role service_role bypassrls").await;
        alter.map_err(InstallError::sql("giving service_role BYPASSRLS"))?;
        done.push("bypassrls for service_role".to_owned());
    }
    Ok(done)
}

async fn create(session: &mut Session, name: &str, may_bypass: bool) -> Result<(), InstallError> {
    let doing = "creating the API roles";
    match run(session, &creation(name, may_bypass)).await {
        // Before PostgreSQL 16 only a superuser hands BYPASSRLS on: then service keys wait for one.
        Err(error) if name == SERVICE && error.code().is_some_and(|code| code == "42501") => {
            run(session, &creation(name, false)).await.map_err(InstallError::sql(doing))
        }
        result => result.map_err(InstallError::sql(doing)),
    }
}

/// The statement that makes one of them.
pub(super) fn creation(name: &str, may_bypass: bool) -> String {
    let bypass = if name == SERVICE && may_bypass { " bypassrls" } else { "" };
    format!("create role {name} nologin noinherit{bypass}")
}

/// Runs a statement about roles, as often as others get in its way. That the role exists already is fine.
pub(super) async fn run(session: &mut Session, sql: &str) -> Result<(), PgError> {
    let mut attempt = 1;
    loop {
        match session.script(sql).await {
            Ok(()) => return Ok(()),
            Err(error) if is_duplicate_role(&error) => return Ok(()),
            Err(error) if attempt < ATTEMPTS && is_collision(&error) => attempt += 1,
            Err(error) => return Err(error),
        }
        tokio::time::sleep(PAUSE * attempt).await;
    }
}

fn is_duplicate_role(error: &PgError) -> bool {
    error.code().is_some_and(|code| code == "42710")
}

/// Two sessions wrote the same row of a system catalog: PostgreSQL has no row locks there and reports it like this.
pub(super) fn is_collision(error: &PgError) -> bool {
    error.db().is_some_and(|db| match db.code.as_str() {
        "23505" | "40001" | "40P01" | "55P03" => true,
        "XX000" => db.message.starts_with("tuple concurrently"),
        _ => false,
    })
}
