//! An account that waits for its owner may hold what somebody else put into it. It goes when the owner comes, or when an
//! administrator says what the password is.

use super::add_identity;
use crate::error::Result;
use crate::store::users::Way;
use crate::store::{Tx, one_time_tokens, sessions, users, waiting_passwords};
use crate::user::User;

/// The owner came by this way: a password, other ways in, factors, sessions, codes and the other of address and number go.
pub(crate) async fn drop_stranger(tx: &mut Tx, user: &User, own: Way) -> Result<()> {
    users::set_password(tx, user.id(), "").await?;
    drop_ways_in(tx, user).await?;
    one_time_tokens::delete_all(tx, user.id()).await?;
    match own {
        Way::Email => {
            users::release_phone(tx, user.id()).await?;
            add_identity(tx, user, "email", Some(user.email()), None).await
        }
        Way::Phone => {
            users::release_email(tx, user.id()).await?;
            add_identity(tx, user, "phone", None, Some(user.phone())).await
        }
    }
}

/// An administrator chooses the password. Where nobody has proved the account, no other way into it is left than its address
/// and its number; codes that went there are still good.
pub(crate) async fn vouch_for_password(tx: &mut Tx, user: &User, hash: &str) -> Result<()> {
    users::set_password(tx, user.id(), hash).await?;
    // Whoever knew the old password is out.
    sessions::delete_all(tx, user.id()).await?;
    waiting_passwords::vouch(tx, user.id()).await?;
    if !user.waits_for_owner() {
        return Ok(());
    }
    drop_ways_in(tx, user).await?;
    if !user.email().is_empty() {
        add_identity(tx, user, "email", Some(user.email()), None).await?;
    }
    if !user.phone().is_empty() {
        add_identity(tx, user, "phone", None, Some(user.phone())).await?;
    }
    Ok(())
}

/// Ways in, what `app_metadata` says of them, factors and sessions.
async fn drop_ways_in(tx: &mut Tx, user: &User) -> Result<()> {
    users::drop_ways_in(tx, user.id()).await?;
    sessions::delete_all(tx, user.id()).await?;
    let mut app = user.row.raw_app_meta_data.clone().unwrap_or_default();
    for of_stranger in ["provider", "providers"] {
        app.remove(of_stranger);
    }
    users::set_metadata(tx, user.id(), Some(&app), None).await
}
