//! Signing up by address or number: confirmed at once where the configuration says so, else by a code.
//!
//! Known and unknown addresses get the same answer and take the same time where mails confirm: the password is hashed in
//! every case, and an account that is confirmed already is answered with one that does not exist.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::create::{Made, create_with_identity};
use super::request::{Request, Way};
use crate::caller::{Flow, Json};
use crate::error::{Error, ErrorCode, Result};
use crate::hooks;
use crate::mail::{Code, Mail, MailKind};
use crate::session;
use crate::sms::Message;
use crate::store::one_time_tokens::{self, TokenType};
use crate::store::users::NewUser;
use crate::store::{Tx, audit, users};
use crate::user::{self, User};

/// Signs up by address.
pub(super) async fn by_email(flow: &Flow, request: Request) -> Result<Response> {
    let Way::Email(email) = &request.way else { return Err(mismatch()) };
    let hash = flow.room.hasher().hash(&request.password).await?;
    let autoconfirm = flow.settings.section.email.autoconfirm;
    let mut tx = flow.begin().await?;
    let new = NewUser {
        email: Some(email.clone()),
        password: Some(hash),
        user_metadata: request.data.clone(),
        ..NewUser::default()
    };
    let known = users::find_by_email(&mut tx, email).await?;
    let user = match find_or_make(&mut tx, flow, known, new, "email").await? {
        Account::Known(user) if autoconfirm || user.row.email_confirmed_at.is_some() => {
            return repeated(flow, tx, &user, &request, autoconfirm).await;
        }
        Account::Known(user) | Account::New(user) => *user,
    };
    if autoconfirm {
        users::confirm_email(&mut tx, user.id()).await?;
        return sign_in(flow, tx, &user).await;
    }
    send_confirmation(flow, &mut tx, &user).await?;
    finish(tx, &user).await
}

/// Signs up by number.
pub(super) async fn by_phone(flow: &Flow, request: Request) -> Result<Response> {
    let Way::Phone(phone) = &request.way else { return Err(mismatch()) };
    let hash = flow.room.hasher().hash(&request.password).await?;
    let autoconfirm = flow.settings.section.sms.autoconfirm;
    let mut tx = flow.begin().await?;
    let new = NewUser {
        phone: Some(phone.clone()),
        password: Some(hash),
        user_metadata: request.data.clone(),
        ..NewUser::default()
    };
    let known = users::find_by_phone(&mut tx, phone).await?;
    let user = match find_or_make(&mut tx, flow, known, new, "phone").await? {
        Account::Known(user) if autoconfirm || user.row.phone_confirmed_at.is_some() => {
            return repeated(flow, tx, &user, &request, autoconfirm).await;
        }
        Account::Known(user) | Account::New(user) => *user,
    };
    if autoconfirm {
        users::confirm_phone(&mut tx, user.id()).await?;
        return sign_in(flow, tx, &user).await;
    }
    send_message(flow, &mut tx, &user, &request.channel).await?;
    finish(tx, &user).await
}

/// The account of an address or number.
enum Account {
    New(Box<User>),
    /// It was there; whether it is confirmed, the row says.
    Known(Box<User>),
}

async fn find_or_make(tx: &mut Tx, flow: &Flow, known: Option<User>, new: NewUser, provider: &str) -> Result<Account> {
    if let Some(user) = known {
        return Ok(Account::Known(Box::new(user)));
    }
    let (email, phone) = (new.email.clone(), new.phone.clone());
    hooks::before_user_created(flow, tx, &new, Some(provider)).await?;
    match create_with_identity(tx, new, provider).await? {
        Made::New(user) => {
            hooks::after_user_created(flow, tx, &user).await?;
            audit::note(tx, "user_signedup", &user, flow.client.ip, Some(json!({"provider": provider}))).await?;
            Ok(Account::New(user))
        }
        Made::Taken => {
            let user = match (email, phone) {
                (Some(email), _) => users::find_by_email(tx, &email).await?,
                (None, phone) => users::find_by_phone(tx, &phone.unwrap_or_default()).await?,
            };
            let gone = || Error::refused(http::StatusCode::CONFLICT, ErrorCode::Conflict, "Please try again");
            user.map(Box::new).map(Account::Known).ok_or_else(gone)
        }
    }
}

async fn sign_in(flow: &Flow, mut tx: Tx, user: &User) -> Result<Response> {
    let tokens = session::open(flow, &mut tx, user, "password").await?;
    tx.commit().await?;
    Ok(tokens.into_response())
}

/// The account without a session.
async fn finish(mut tx: Tx, user: &User) -> Result<Response> {
    let user = users::find(&mut tx, user.id()).await?;
    let user = user.ok_or_else(|| Error::internal("reading an account")("it is gone"))?;
    tx.commit().await?;
    Ok(Json(user::user(&user)).into_response())
}

/// Somebody signs up who has an account. Where mails confirm, nobody but the owner of the address may learn that. Where
/// nothing is confirmed, nobody gets into an account that waits for its owner by signing up again.
async fn repeated(flow: &Flow, mut tx: Tx, user: &User, request: &Request, autoconfirm: bool) -> Result<Response> {
    audit::note(&mut tx, "user_repeated_signup", user, flow.client.ip, None).await?;
    tx.commit().await?;
    if autoconfirm {
        return Err(Error::unprocessable(ErrorCode::UserAlreadyExists, "User already registered"));
    }
    Ok(Json(nobody(request)).into_response())
}

/// An account that looks new and is not there.
fn nobody(request: &Request) -> Value {
    let now = Timestamp::now().to_string();
    let (email, phone, provider, sent) = match &request.way {
        Way::Email(email) => (email.as_str(), "", "email", "confirmation_sent_at"),
        Way::Phone(phone) => ("", phone.as_str(), "phone", "confirmation_sent_at"),
    };
    let mut user = json!({
        "id": Uuid::new_v4(),
        "aud": user::AUTHENTICATED,
        "role": "",
        "email": email,
        "phone": phone,
        "app_metadata": {"provider": provider, "providers": [provider]},
        "user_metadata": request.data,
        "identities": [],
        "created_at": now,
        "updated_at": now,
        "is_anonymous": false,
    });
    user[sent] = now.into();
    user
}

/// Makes a code and queues the mail that holds it.
pub(crate) async fn send_confirmation(flow: &Flow, tx: &mut Tx, user: &User) -> Result<()> {
    let section = &flow.settings.section.email;
    check_frequency(tx, user, section.max_frequency, ErrorCode::OverEmailSendRateLimit).await?;
    let code = Code::make(user.email(), section.otp_length);
    one_time_tokens::put(tx, user.id(), TokenType::Confirmation, &code.hash, user.email()).await?;
    users::confirmation_sent(tx, user.id()).await?;
    let mail = Mail {
        kind: MailKind::Confirmation,
        to: user.email().to_owned(),
        code,
        redirect_to: flow.client.redirect_to.clone(),
        new_email: None,
        user: user::user(user),
    };
    flow.room.mailer().queue(tx, mail).await
}

async fn send_message(flow: &Flow, tx: &mut Tx, user: &User, channel: &str) -> Result<()> {
    let section = &flow.settings.section.sms;
    check_frequency(tx, user, section.max_frequency, ErrorCode::OverSmsSendRateLimit).await?;
    let code = Code::make(user.phone(), section.otp_length);
    one_time_tokens::put(tx, user.id(), TokenType::Confirmation, &code.hash, user.phone()).await?;
    users::confirmation_sent(tx, user.id()).await?;
    let text = section.template.replace("{{ .Code }}", &code.digits).replace("{{.Code}}", &code.digits);
    let message = Message { to: user.phone().to_owned(), channel: channel.to_owned(), text };
    flow.room.texter().send(message).await.map(drop)
}

async fn check_frequency(tx: &mut Tx, user: &User, least: Duration, code: ErrorCode) -> Result<()> {
    match users::confirmation_wait(tx, user.id(), least.as_secs_f64()).await? {
        None => Ok(()),
        Some(wait) => {
            let wait = wait.max(1.0);
            let message = format!("For security purposes, you can only request this after {wait} seconds.");
            Err(Error::too_many(code, message, Duration::from_secs_f64(wait)))
        }
    }
}

fn mismatch() -> Error {
    Error::internal("signing up")("another way than was asked for")
}
