//! Signing in with a password (contract 2.2).
//!
//! The account is read, the password checked without a connection, and only then a transaction opens the session, if the
//! account is still what it was.

use serde::Deserialize;
use serde_json::json;

use super::{Verdict, rules};
use crate::caller::Flow;
use crate::error::{Error, ErrorCode, Result};
use crate::hooks;
use crate::params;
use crate::session::{self, Tokens};
use crate::store::{audit, users};
use crate::user::{AUTHENTICATED, User, address};

/// Body of `grant_type=password`.
#[derive(Deserialize)]
pub struct PasswordGrant {
    email: Option<String>,
    phone: Option<String>,
    password: Option<String>,
}

/// Opens a session for who knows the password.
pub async fn grant(flow: &Flow, body: &PasswordGrant) -> Result<Tokens> {
    let password = body.password.as_deref().unwrap_or_default();
    let is_meant = |user: &User| {
        let audience = user.row.aud.as_deref().unwrap_or(AUTHENTICATED);
        flow.client.audience.as_deref().is_none_or(|wanted| wanted == audience)
    };
    let user = find(flow, body).await?.filter(is_meant);
    let stored = user.as_ref().and_then(User::password);
    let verdict = flow.room.hasher().verify(password, stored).await?;
    if let Some(user) = &user {
        hooks::judge_password(flow, user, verdict != Verdict::Wrong).await?;
    }
    let (Some(user), Verdict::Right(renewed)) = (user, verdict) else { return Err(wrong()) };
    if user.is_banned() {
        return Err(Error::bad_request(ErrorCode::UserBanned, "User is banned"));
    }
    check_confirmed(&user, body)?;
    let mut tx = flow.begin().await?;
    let now = users::lock(&mut tx, user.id()).await?.ok_or_else(wrong)?;
    // Deleted, banned or given another password while this one was checked.
    if now.password() != user.password() || now.is_banned() || now.row.deleted_at.is_some() {
        return Err(wrong());
    }
    if let Some(hash) = renewed {
        users::set_password(&mut tx, user.id(), &hash).await?;
    }
    audit::note(&mut tx, "login", &now, flow.client.ip, Some(json!({"provider": provider(body)}))).await?;
    let mut tokens = session::open(flow, &mut tx, &now, "password").await?;
    tx.commit().await?;
    tokens.weak_password = rules::check(password, &flow.settings.section.password).err();
    Ok(tokens)
}

async fn find(flow: &Flow, body: &PasswordGrant) -> Result<Option<User>> {
    let section = &flow.settings.section;
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    match (given(&body.email), given(&body.phone)) {
        (Some(_), Some(_)) => Err(Error::invalid("Only an email address or phone number should be provided on login.")),
        (None, None) => Err(Error::invalid("missing email or phone")),
        (Some(_), None) if !section.email.enabled => {
            Err(Error::unprocessable(ErrorCode::EmailProviderDisabled, "Email logins are disabled"))
        }
        (None, Some(_)) if !section.sms.enabled => {
            Err(Error::unprocessable(ErrorCode::PhoneProviderDisabled, "Phone logins are disabled"))
        }
        // What is no address belongs to nobody; it is told as any other mistake is, and takes as long.
        (Some(email), None) => match address::email(&email) {
            Ok(email) => flow.database.read(users::BY_EMAIL, params![email]).await,
            Err(_) => Ok(None),
        },
        (None, Some(phone)) => match address::phone(&phone) {
            Ok(phone) => flow.database.read(users::BY_PHONE, params![phone]).await,
            Err(_) => Ok(None),
        },
    }
}

fn check_confirmed(user: &User, body: &PasswordGrant) -> Result<()> {
    let by_email = body.email.as_deref().is_some_and(|email| !email.is_empty());
    if by_email && user.row.email_confirmed_at.is_none() {
        return Err(Error::bad_request(ErrorCode::EmailNotConfirmed, "Email not confirmed"));
    }
    if !by_email && user.row.phone_confirmed_at.is_none() {
        return Err(Error::bad_request(ErrorCode::PhoneNotConfirmed, "Phone not confirmed"));
    }
    Ok(())
}

fn provider(body: &PasswordGrant) -> &'static str {
    if body.email.as_deref().is_some_and(|email| !email.is_empty()) { "email" } else { "phone" }
}

fn wrong() -> Error {
    Error::bad_request(ErrorCode::InvalidCredentials, "Invalid login credentials")
}
