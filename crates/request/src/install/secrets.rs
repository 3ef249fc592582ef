//! Secrets of rooms, kept beside the installation's own in `ferrobase.secrets`, which only the owner of the database reads:
//! neither a room's role nor code that runs as it.
//!
//! What is really secret is made in the server ([`generate`]): statements and their parameters can end in its log, results
//! do not. Names of a room begin with `room.` and its name.

use std::collections::HashMap;

use ferrobase_base::Secret;
use ferrobase_pg::{Error, Session};

/// How the names of all rooms' secrets begin.
pub(super) const PREFIX: &str = "room.";

/// Nobody else changes a secret until the transaction ends.
///
/// # Errors
/// Those of the database.
pub async fn lock(session: &mut Session) -> Result<(), Error> {
    session.script("lock table ferrobase.secrets in share row exclusive mode").await
}

/// Those whose names begin so.
///
/// # Errors
/// Those of the database.
pub async fn list(session: &mut Session, prefix: &str) -> Result<HashMap<String, Secret>, Error> {
    let result = session.query(include_str!("../../sql/secret_list.sql"), &[]).await?;
    let secret = |row: ferrobase_pg::Row<'_>| Some((row.text(0)?.to_owned(), Secret::new(row.text(1)?)));
    Ok(result.rows.iter().filter_map(secret).filter(|(name, _)| name.starts_with(prefix)).collect())
}

/// Makes one of 244 random bits, unless it is there.
///
/// # Errors
/// Those of the database.
pub async fn generate(session: &mut Session, name: &str) -> Result<(), Error> {
    session.execute(include_str!("../../sql/secret_generate.sql"), &[Some(name)]).await.map(drop)
}

/// Stores a value that is not secret itself.
///
/// # Errors
/// Those of the database.
pub async fn put(session: &mut Session, name: &str, value: &str) -> Result<(), Error> {
    session.execute(include_str!("../../sql/secret_put.sql"), &[Some(name), Some(value)]).await.map(drop)
}

/// Forgets one.
///
/// # Errors
/// Those of the database.
pub async fn delete(session: &mut Session, name: &str) -> Result<(), Error> {
    session.execute(include_str!("../../sql/secret_delete.sql"), &[Some(name)]).await.map(drop)
}
