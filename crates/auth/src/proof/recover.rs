//! `POST /recover`: a link for who has forgotten the password. The answer is the same for every address.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Proof, Purpose, check_mailer, check_quota, send, take_turn, veiled};
use crate::caller::{Flow, Json};
use crate::error::{Error, Result};
use crate::limit::Limit;
use crate::mail::MailKind;
use crate::pkce::Challenge;
use crate::store::{audit, users, waiting_passwords};
use crate::user::address;

/// The body.
#[derive(Deserialize)]
pub(super) struct Recover {
    email: Option<String>,
    code_challenge: Option<String>,
    code_challenge_method: Option<String>,
}

pub(super) async fn recover(flow: Flow, Json(body): Json<Recover>) -> Result<Json<Value>> {
    flow.count(Limit::SignIn).await?;
    let email = body.email.as_deref().filter(|email| !email.is_empty());
    let email = address::email(email.ok_or_else(|| Error::invalid("Password recovery requires an email"))?)?;
    let challenge = Challenge::read(body.code_challenge.as_deref(), body.code_challenge_method.as_deref())?;
    check_mailer(&flow)?;
    veiled(Box::pin(ask(&flow, &email, challenge.as_ref()))).await
}

async fn ask(flow: &Flow, email: &str, challenge: Option<&Challenge>) -> Result<Json<Value>> {
    let mut tx = flow.begin().await?;
    take_turn(flow, &mut tx, Purpose::SignIn, email).await?;
    match users::find_by_email(&mut tx, email).await? {
        Some(user) => {
            waiting_passwords::doubt(&mut tx, user.id()).await?;
            audit::note(&mut tx, "user_recovery_requested", &user, flow.client.ip, None).await?;
            send(flow, &mut tx, &user, Proof::of_sign_in(MailKind::Recovery, email, challenge)).await?;
        }
        None => check_quota(flow, &mut tx, Purpose::SignIn).await?,
    }
    tx.commit().await?;
    Ok(Json(json!({})))
}
