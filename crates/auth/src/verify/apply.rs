//! What follows from a proof: the address or number counts as proved, or takes the place of the old one.

use serde_json::{Map, json};

use super::check::Right;
use crate::account::{add_identity, drop_stranger};
use crate::caller::Flow;
use crate::error::{Error, ErrorCode, Result};
use crate::store::one_time_tokens::{self, TokenType};
use crate::store::users::{Change, Way};
use crate::store::{Tx, audit, identities, is_duplicate, users, waiting_passwords};
use crate::user::User;

/// What became of it.
pub(super) enum Applied {
    Done(Box<User>),
    /// A change of address waits for the other one.
    First,
}

pub(super) async fn apply(flow: &Flow, tx: &mut Tx, right: Right) -> Result<Applied> {
    let Right { user, proved, address, .. } = right;
    one_time_tokens::delete(tx, user.id(), proved).await?;
    let is_done = match proved {
        TokenType::Confirmation if address == user.phone() => confirm_phone(flow, tx, &user).await?,
        TokenType::Confirmation | TokenType::Recovery => confirm_email(flow, tx, &user).await?,
        TokenType::EmailChangeCurrent | TokenType::EmailChangeNew => change_email(flow, tx, &user, proved).await?,
        TokenType::PhoneChange => change_phone(flow, tx, &user, &address).await?,
        TokenType::Reauthentication => {
            return Err(Error::internal("verifying a code")("a code for another purpose"));
        }
    };
    if !is_done {
        return Ok(Applied::First);
    }
    let user = users::find(tx, user.id()).await?;
    user.map(Box::new).map(Applied::Done).ok_or_else(|| Error::internal("verifying a code")("the account is gone"))
}

async fn confirm_email(flow: &Flow, tx: &mut Tx, user: &User) -> Result<bool> {
    if user.row.email_confirmed_at.is_some() {
        audit::note(tx, "login", user, flow.client.ip, Some(json!({"provider": "email"}))).await?;
        return Ok(true);
    }
    drop_doubtful(tx, user, Way::Email).await?;
    users::confirm_email(tx, user.id()).await?;
    let now = users::find(tx, user.id()).await?;
    note_verified(tx, now.as_ref().unwrap_or(user), user.email()).await?;
    audit::note(tx, "user_signedup", user, flow.client.ip, Some(json!({"provider": "email"}))).await?;
    Ok(true)
}

/// Whoever signs up with somebody else's address or number must not know a password of the account that its owner proves later
/// by signing in without one. An account of which one of the two is proved has an owner already.
async fn drop_doubtful(tx: &mut Tx, user: &User, own: Way) -> Result<()> {
    if user.row.confirmed_at.is_none() && waiting_passwords::is_doubted(tx, user.id()).await? {
        drop_stranger(tx, user, own).await?;
    }
    Ok(())
}

/// The identity of this address says that it is proved.
async fn note_verified(tx: &mut Tx, user: &User, email: &str) -> Result<()> {
    let verified = Map::from_iter([("email_verified".to_owned(), true.into())]);
    for identity in user.identities.iter().filter(|identity| identity.email.as_deref() == Some(email)) {
        identities::merge(tx, identity.id, &verified).await?;
    }
    Ok(())
}

async fn confirm_phone(flow: &Flow, tx: &mut Tx, user: &User) -> Result<bool> {
    drop_doubtful(tx, user, Way::Phone).await?;
    users::confirm_phone(tx, user.id()).await?;
    audit::note(tx, "login", user, flow.client.ip, Some(json!({"provider": "phone"}))).await?;
    Ok(true)
}

/// Gives whether the address is the new one now.
async fn change_email(flow: &Flow, tx: &mut Tx, user: &User, proved: TokenType) -> Result<bool> {
    let new = user.row.email_change.clone().unwrap_or_default();
    if new.is_empty() {
        return Err(super::request::expired_link());
    }
    let own = if proved == TokenType::EmailChangeNew { Change::NEW_AGREED } else { Change::CURRENT_AGREED };
    let agreed = user.row.email_change_confirm_status.unwrap_or_default();
    let needs_both = flow.settings.section.email.double_confirm_changes && !user.email().is_empty();
    let has_both = agreed != Change::NOBODY_AGREED && agreed != own;
    if needs_both && !has_both {
        users::email_change_agreed(tx, user.id(), own).await?;
        return Ok(false);
    }
    if !needs_both && proved == TokenType::EmailChangeCurrent {
        // The old address alone proves nothing of the new one.
        users::email_change_agreed(tx, user.id(), own).await?;
        return Ok(false);
    }
    let taken = || {
        let message = "A user with this email address has already been registered";
        Error::unprocessable(ErrorCode::EmailExists, message)
    };
    let set = users::set_email(tx, user.id(), &new).await;
    set.map_err(|error| if is_duplicate(&error, "users_email_partial_key") { taken() } else { error })?;
    users::confirm_email(tx, user.id()).await?;
    add_identity(tx, user, "email", Some(&new), None).await?;
    if let Some(changed) = users::find(tx, user.id()).await? {
        note_verified(tx, &changed, &new).await?;
    }
    // Whatever was sent to the old address is of no use any more.
    one_time_tokens::delete_all(tx, user.id()).await?;
    audit::note(tx, "user_modified", user, flow.client.ip, None).await?;
    Ok(true)
}

async fn change_phone(flow: &Flow, tx: &mut Tx, user: &User, phone: &str) -> Result<bool> {
    let taken = || {
        let message = "A user with this phone number has already been registered";
        Error::unprocessable(ErrorCode::PhoneExists, message)
    };
    let set = users::set_phone(tx, user.id(), phone).await;
    set.map_err(|error| if is_duplicate(&error, "users_phone_key") { taken() } else { error })?;
    users::confirm_phone(tx, user.id()).await?;
    add_identity(tx, user, "phone", None, Some(phone)).await?;
    audit::note(tx, "user_modified", user, flow.client.ip, None).await?;
    Ok(true)
}
