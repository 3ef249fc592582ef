//! Signing up by address or number: confirmed at once where the configuration says so, else by a code.
//!
//! Known and unknown addresses get the same answer and take the same time where mails confirm: the password is hashed in
//! every case, and an account that is confirmed already is answered with one that does not exist.

use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::create::{Made, create_with_identity};
use super::request::{Request, Way};
use crate::caller::{Flow, Json};
use crate::error::{Error, ErrorCode, Result};
use crate::hooks;
use crate::proof::{Proof, Purpose, check_mailer, check_quota, prepare, send, take_turn};
use crate::session;
use crate::store::one_time_tokens::TokenType;
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
    if !autoconfirm {
        check_mailer(flow)?;
        take_turn(flow, &mut tx, Purpose::Confirmation, email).await?;
    }
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
    send(flow, &mut tx, &user, Proof::of_address(email, request.challenge.as_ref())).await?;
    let user = found(&mut tx, &user).await?;
    tx.commit().await?;
    Ok(Json(user::user(&user)).into_response())
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
    if !autoconfirm {
        take_turn(flow, &mut tx, Purpose::Message, phone).await?;
    }
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
    let text = prepare(flow, &mut tx, &user, TokenType::Confirmation, phone, &request.channel).await?;
    let user = found(&mut tx, &user).await?;
    tx.commit().await?;
    text.send(flow).await?;
    Ok(Json(user::user(&user)).into_response())
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

/// The account as it is now.
async fn found(tx: &mut Tx, user: &User) -> Result<User> {
    let user = users::find(tx, user.id()).await?;
    user.ok_or_else(|| Error::internal("reading an account")("it is gone"))
}

/// Somebody signs up who has an account. Where mails confirm, nobody but the owner of the address may learn that. Where
/// nothing is confirmed, nobody gets into an account that waits for its owner by signing up again.
async fn repeated(flow: &Flow, mut tx: Tx, user: &User, request: &Request, autoconfirm: bool) -> Result<Response> {
    audit::note(&mut tx, "user_repeated_signup", user, flow.client.ip, None).await?;
    if !autoconfirm {
        let is_by_email = matches!(request.way, Way::Email(_));
        let purpose = if is_by_email { Purpose::Confirmation } else { Purpose::Message };
        check_quota(flow, &mut tx, purpose).await?;
    }
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

fn mismatch() -> Error {
    Error::internal("signing up")("another way than was asked for")
}
