//! `POST /resend`: the last mail or message again, with a new code. Where there is none to send, nothing is said.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{NumberProof, Proof, Purpose, Text, check_mailer, check_quota, prepare, send, take_turn, veiled};
use crate::account::send_email_change;
use crate::caller::{Flow, Json};
use crate::error::{Error, Result};
use crate::limit::Limit;
use crate::pkce::Challenge;
use crate::store::one_time_tokens::TokenType;
use crate::store::{Tx, users};
use crate::user::address;

/// The body.
#[derive(Deserialize)]
pub(super) struct Resend {
    #[serde(rename = "type")]
    kind: Option<String>,
    email: Option<String>,
    phone: Option<String>,
    code_challenge: Option<String>,
    code_challenge_method: Option<String>,
}

pub(super) async fn resend(flow: Flow, Json(body): Json<Resend>) -> Result<Json<Value>> {
    flow.count(Limit::SignIn).await?;
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let kind = body.kind.as_deref().unwrap_or_default();
    match (kind, given(&body.email), given(&body.phone)) {
        (_, Some(_), Some(_)) => Err(Error::invalid("Only an email address or phone number should be provided.")),
        ("signup" | "email_change", Some(email), None) => {
            let email = address::email(&email)?;
            let challenge = Challenge::read(body.code_challenge.as_deref(), body.code_challenge_method.as_deref())?;
            check_mailer(&flow)?;
            veiled(Box::pin(by_email(&flow, kind == "signup", &email, challenge.as_ref()))).await
        }
        ("signup" | "email_change", ..) => Err(Error::invalid("Type provided requires an email address")),
        ("sms" | "phone_change", None, Some(phone)) => {
            veiled(Box::pin(by_phone(&flow, kind == "sms", &address::phone(&phone)?))).await
        }
        ("sms" | "phone_change", ..) => Err(Error::invalid("Type provided requires a phone number")),
        _ => Err(Error::invalid("Missing one of these types: signup, email_change, sms, phone_change")),
    }
}

async fn by_email(flow: &Flow, is_signup: bool, email: &str, challenge: Option<&Challenge>) -> Result<Json<Value>> {
    let mut tx = flow.begin().await?;
    let purpose = if is_signup { Purpose::Confirmation } else { Purpose::EmailChange };
    take_turn(flow, &mut tx, purpose, email).await?;
    let user = match users::find_by_email(&mut tx, email).await? {
        Some(user) => users::lock(&mut tx, user.id()).await?,
        None => None,
    };
    match user {
        Some(user) if is_signup && user.row.email_confirmed_at.is_none() => {
            send(flow, &mut tx, &user, Proof::of_address(email, challenge)).await?;
        }
        Some(user) if !is_signup && user.row.email_change.as_deref().is_some_and(|new| !new.is_empty()) => {
            let new = user.row.email_change.clone().unwrap_or_default();
            send_email_change(flow, &mut tx, &user, &new, challenge).await?;
        }
        _ => check_quota(flow, &mut tx, purpose).await?,
    }
    tx.commit().await?;
    Ok(Json(json!({})))
}

async fn by_phone(flow: &Flow, is_sms: bool, phone: &str) -> Result<Json<Value>> {
    let mut tx = flow.begin().await?;
    take_turn(flow, &mut tx, Purpose::Message, phone).await?;
    let text = prepare_again(flow, &mut tx, is_sms, phone).await?;
    tx.commit().await?;
    match text {
        Some(text) => Ok(Json(message_id(text.send(flow).await?))),
        None => Ok(Json(json!({}))),
    }
}

async fn prepare_again(flow: &Flow, tx: &mut Tx, is_sms: bool, phone: &str) -> Result<Option<Text>> {
    let user = users::find_by_phone(tx, phone).await?;
    let new = user.as_ref().and_then(|user| user.row.phone_change.clone()).filter(|new| !new.is_empty());
    match (user, new) {
        (Some(user), _) if is_sms && user.row.phone_confirmed_at.is_none() => {
            prepare(flow, tx, &user, NumberProof::of(TokenType::Confirmation, phone)).await.map(Some)
        }
        (Some(user), Some(new)) if !is_sms => {
            prepare(flow, tx, &user, NumberProof::of(TokenType::PhoneChange, &new)).await.map(Some)
        }
        _ => check_quota(flow, tx, Purpose::Message).await.map(|()| None),
    }
}

/// The provider's id, where it gave one.
pub(super) fn message_id(id: Option<String>) -> Value {
    id.map_or_else(|| json!({}), |id| json!({ "message_id": id }))
}
