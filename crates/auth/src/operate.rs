//! Accounts as the command line works with them: past HTTP, with the rules of the administrator's endpoints.

use ferrobase_pg::Pool;
use jiff::Timestamp;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::config::PasswordSection;
use crate::error::{Error, Result};
use crate::password::{self, Hasher};
use crate::signup::{Made, create_with_identity};
use crate::store::users::NewUser;
use crate::store::{Database, Tx, audit, sessions, users};
use crate::user::{User, address, user};

/// A page of accounts, newest first, as administrators see them.
///
/// # Errors
/// Those of the database.
pub async fn list(pool: &Pool, filter: &str, limit: i64, offset: i64) -> Result<Vec<Value>> {
    let mut tx = Database::internal(pool.clone()).begin().await?;
    let page = users::page(&mut tx, filter, false, limit, offset).await?;
    tx.commit().await?;
    Ok(page.iter().map(user).collect())
}

/// A page of accounts with their stored passwords, oldest first, as `POST /admin/users` takes them.
///
/// # Errors
/// Those of the database.
pub async fn export(pool: &Pool, limit: i64, offset: i64) -> Result<Vec<Value>> {
    let mut tx = Database::internal(pool.clone()).begin().await?;
    let page = users::page(&mut tx, "", true, limit, offset).await?;
    tx.commit().await?;
    let one = |account: &User| {
        let mut out = user(account);
        out["password_hash"] = account.password().into();
        out["email_confirm"] = account.row.email_confirmed_at.is_some().into();
        out["phone_confirm"] = account.row.phone_confirmed_at.is_some().into();
        if let Some(until) = account.row.banned_until.filter(|_| account.is_banned()) {
            out["ban_duration"] = format!("{}s", seconds_until(until)).into();
        }
        out
    };
    Ok(page.iter().map(one).collect())
}

/// Makes an account whose address counts as confirmed.
///
/// # Errors
/// What is no address, a weak password, an address that somebody has.
pub async fn create(pool: &Pool, section: &PasswordSection, email: &str, word: Option<&str>) -> Result<Value> {
    let email = address::email(email)?;
    let password = match word {
        Some(word) => {
            password::check(word, section)?;
            let hasher = Hasher::new(section).map_err(Error::internal("preparing to hash"))?;
            Some(hasher.hash(word).await?)
        }
        None => None,
    };
    let mut tx = Database::internal(pool.clone()).begin().await?;
    let new = NewUser { email: Some(email.clone()), password, user_metadata: Map::new(), ..NewUser::default() };
    let Made::New(made) = create_with_identity(&mut tx, new, "email").await? else {
        return Err(Error::invalid(format!("{email} has an account already")));
    };
    users::confirm_email(&mut tx, made.id()).await?;
    audit::note(&mut tx, "user_signedup", &made, None, None).await?;
    let made = users::find(&mut tx, made.id()).await?.ok_or_else(|| nobody(&email))?;
    tx.commit().await?;
    Ok(user(&made))
}

/// Bans for so many seconds and ends the sessions; `None` lifts a ban.
///
/// # Errors
/// Nobody of this id or address.
pub async fn ban(pool: &Pool, who: &str, seconds: Option<f64>) -> Result<Value> {
    let mut tx = Database::internal(pool.clone()).begin().await?;
    let account = find(&mut tx, who).await?;
    users::ban(&mut tx, account.id(), seconds).await?;
    if seconds.is_some() {
        sessions::delete_all(&mut tx, account.id()).await?;
    }
    audit::note(&mut tx, "user_modified", &account, None, None).await?;
    let account = users::find(&mut tx, account.id()).await?.ok_or_else(|| nobody(who))?;
    tx.commit().await?;
    Ok(user(&account))
}

/// Deletes an account with everything that refers to it.
///
/// # Errors
/// Nobody of this id or address.
pub async fn delete(pool: &Pool, who: &str) -> Result<Value> {
    let mut tx = Database::internal(pool.clone()).begin().await?;
    let account = find(&mut tx, who).await?;
    audit::note(&mut tx, "user_deleted", &account, None, None).await?;
    users::delete(&mut tx, account.id()).await?;
    tx.commit().await?;
    Ok(user(&account))
}

/// As far as durations go: somebody who is banned for ever is banned for 285 years.
fn seconds_until(time: Timestamp) -> i64 {
    const LONGEST: i64 = 9_000_000_000;
    (time.as_second() - Timestamp::now().as_second()).clamp(1, LONGEST)
}

/// Seconds of a duration as the API writes it (`24h`, `1h30m`); `none` is no ban.
///
/// # Errors
/// What is no duration.
pub fn ban_seconds(text: &str) -> Result<Option<f64>> {
    crate::admin::ban_seconds(text)
}

/// By id or address, locked.
async fn find(tx: &mut Tx, who: &str) -> Result<User> {
    let id = match Uuid::parse_str(who) {
        Ok(id) => Some(id),
        Err(_) => users::find_by_email(tx, &address::email(who)?).await?.map(|account| account.id()),
    };
    match id {
        Some(id) => users::lock(tx, id).await?.ok_or_else(|| nobody(who)),
        None => Err(nobody(who)),
    }
}

fn nobody(who: &str) -> Error {
    Error::not_found(crate::error::ErrorCode::UserNotFound, format!("nobody has the id or address {who}"))
}
