//! `POST /otp` and `/magiclink`: signing in by a code or link, with an account that is made when there is none.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{NumberProof, Proof, Purpose, check_mailer, prepare, send, take_turn, veiled};
use crate::caller::{Flow, Json};
use crate::error::{Error, ErrorCode, Result};
use crate::hooks;
use crate::limit::Limit;
use crate::mail::MailKind;
use crate::pkce::Challenge;
use crate::signup::{Made, create_with_identity};
use crate::store::one_time_tokens::TokenType;
use crate::store::users::NewUser;
use crate::store::{Tx, audit, users, waiting_passwords};
use crate::user::{User, address};

/// The body.
#[derive(Deserialize)]
pub(super) struct Otp {
    email: Option<String>,
    phone: Option<String>,
    data: Option<Map<String, Value>>,
    create_user: Option<bool>,
    channel: Option<String>,
    code_challenge: Option<String>,
    code_challenge_method: Option<String>,
}

pub(super) async fn otp(flow: Flow, Json(body): Json<Otp>) -> Result<Json<Value>> {
    flow.count(Limit::SignIn).await?;
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    match (given(&body.email), given(&body.phone)) {
        (Some(_), Some(_)) => Err(Error::invalid("Only an email address or phone number should be provided")),
        (None, None) => Err(Error::invalid("One of email or phone must be set")),
        (Some(email), None) => veiled(Box::pin(by_email(&flow, &email, &body))).await,
        (None, Some(phone)) => veiled(Box::pin(by_phone(&flow, &phone, &body))).await,
    }
}

pub(super) async fn magic_link(flow: Flow, Json(mut body): Json<Otp>) -> Result<Json<Value>> {
    flow.count(Limit::SignIn).await?;
    body.create_user = None;
    let email = body.email.clone().filter(|email| !email.is_empty());
    let email = email.ok_or_else(|| Error::invalid("An email address is required"))?;
    veiled(Box::pin(by_email(&flow, &email, &body))).await
}

async fn by_email(flow: &Flow, email: &str, body: &Otp) -> Result<Json<Value>> {
    if !flow.settings.section.email.enabled {
        return Err(Error::unprocessable(ErrorCode::EmailProviderDisabled, "Email logins are disabled"));
    }
    let email = address::email(email)?;
    let challenge = Challenge::read(body.code_challenge.as_deref(), body.code_challenge_method.as_deref())?;
    check_mailer(flow)?;
    let mut tx = flow.begin().await?;
    // Which of the two mails it will be must not show before both may go.
    for purpose in [Purpose::SignIn, Purpose::Confirmation] {
        take_turn(flow, &mut tx, purpose, &email).await?;
    }
    let known = users::find_by_email(&mut tx, &email).await?;
    let user = match known {
        Some(user) => user,
        None => {
            let new = NewUser { email: Some(email.clone()), ..new_user(flow, body)? };
            let user = make(flow, &mut tx, new, "email").await?;
            if flow.settings.section.email.autoconfirm {
                users::confirm_email(&mut tx, user.id()).await?;
            }
            users::find(&mut tx, user.id()).await?.unwrap_or(user)
        }
    };
    let proof = if user.row.email_confirmed_at.is_some() {
        Proof::of_sign_in(MailKind::MagicLink, &email, challenge.as_ref())
    } else {
        Proof::of_address(&email, challenge.as_ref())
    };
    waiting_passwords::doubt(&mut tx, user.id()).await?;
    audit::note(&mut tx, "user_recovery_requested", &user, flow.client.ip, None).await?;
    send(flow, &mut tx, &user, proof).await?;
    tx.commit().await?;
    Ok(Json(json!({})))
}

async fn by_phone(flow: &Flow, phone: &str, body: &Otp) -> Result<Json<Value>> {
    let section = &flow.settings.section.sms;
    if !section.enabled {
        return Err(Error::bad_request(ErrorCode::PhoneProviderDisabled, "Unsupported phone provider"));
    }
    let phone = address::phone(phone)?;
    let channel = body.channel.as_deref().filter(|channel| !channel.is_empty()).unwrap_or("sms");
    if !["sms", "whatsapp"].contains(&channel) {
        return Err(Error::invalid("Invalid channel, supported values are 'sms' or 'whatsapp'"));
    }
    let mut tx = flow.begin().await?;
    take_turn(flow, &mut tx, Purpose::Message, &phone).await?;
    let user = match users::find_by_phone(&mut tx, &phone).await? {
        Some(user) => user,
        None => {
            let new = NewUser { phone: Some(phone.clone()), ..new_user(flow, body)? };
            make(flow, &mut tx, new, "phone").await?
        }
    };
    waiting_passwords::doubt(&mut tx, user.id()).await?;
    audit::note(&mut tx, "user_recovery_requested", &user, flow.client.ip, None).await?;
    let token = TokenType::Confirmation;
    let proof = NumberProof { token, number: &phone, channel };
    let text = prepare(flow, &mut tx, &user, proof).await?;
    tx.commit().await?;
    Ok(Json(super::resend::message_id(text.send(flow).await?)))
}

/// What a new account begins with, if there may be one.
fn new_user(flow: &Flow, body: &Otp) -> Result<NewUser> {
    if body.create_user == Some(false) {
        return Err(Error::unprocessable(ErrorCode::OtpDisabled, "Signups not allowed for otp"));
    }
    if !flow.settings.section.enable_signup {
        return Err(Error::unprocessable(ErrorCode::SignupDisabled, "Signups not allowed for this instance"));
    }
    Ok(NewUser { user_metadata: body.data.clone().unwrap_or_default(), ..NewUser::default() })
}

async fn make(flow: &Flow, tx: &mut Tx, new: NewUser, provider: &str) -> Result<User> {
    hooks::before_user_created(flow, tx, &new, Some(provider)).await?;
    match create_with_identity(tx, new, provider).await? {
        Made::New(user) => {
            hooks::after_user_created(flow, tx, &user).await?;
            audit::note(tx, "user_signedup", &user, flow.client.ip, Some(json!({"provider": provider}))).await?;
            Ok(*user)
        }
        Made::Taken => Err(Error::refused(http::StatusCode::CONFLICT, ErrorCode::Conflict, "Please try again")),
    }
}
