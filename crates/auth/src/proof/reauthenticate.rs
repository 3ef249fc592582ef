//! `GET /reauthenticate`: a code for who is signed in for long and wants to change the password (`nonce` of `PUT /user`).

use serde_json::{Value, json};
use subtle::ConstantTimeEq as _;

use super::{NumberProof, Proof, Purpose, check_mailer, prepare, send, take_turn};
use crate::caller::{Flow, Json, SignedIn};
use crate::error::{Error, ErrorCode, Result};
use crate::limit::Limit;
use crate::mail::{Code, MailKind};
use crate::store::one_time_tokens::{self, TokenType};
use crate::store::{audit, users, verify_limits};
use crate::user::User;

pub(super) async fn reauthenticate(caller: SignedIn) -> Result<Json<Value>> {
    let (flow, user) = (&caller.flow, &caller.user);
    flow.count(Limit::SignIn).await?;
    let mut tx = flow.begin().await?;
    audit::note(&mut tx, "user_reauthenticate_requested", user, flow.client.ip, None).await?;
    if user.row.email_confirmed_at.is_some() && !user.email().is_empty() {
        check_mailer(flow)?;
        take_turn(flow, &mut tx, Purpose::Reauthentication, user.email()).await?;
        let (kind, token) = (MailKind::Reauthentication, TokenType::Reauthentication);
        let proof = Proof { kind, token, ..Proof::of_address(user.email(), None) };
        send(flow, &mut tx, user, proof).await?;
        tx.commit().await?;
        return Ok(Json(json!({})));
    }
    if user.row.phone_confirmed_at.is_some() && !user.phone().is_empty() {
        take_turn(flow, &mut tx, Purpose::Message, user.phone()).await?;
        let proof = NumberProof::of(TokenType::Reauthentication, user.phone());
        let text = prepare(flow, &mut tx, user, proof).await?;
        tx.commit().await?;
        return Ok(Json(super::resend::message_id(text.send(flow).await?)));
    }
    let message = "Reauthentication requires the user to have an email or a phone number";
    Err(Error::unprocessable(ErrorCode::ValidationFailed, message))
}

/// Uses the code up, if it is right.
///
/// # Errors
/// 422 when it is not; that counts against code and account.
pub(crate) async fn use_nonce(flow: &Flow, user: &User, nonce: &str) -> Result<()> {
    let kinds = [TokenType::Reauthentication];
    let mut tx = flow.begin().await?;
    users::lock(&mut tx, user.id()).await?;
    let mut is_right = false;
    if !verify_limits::is_exhausted(&mut tx, user.id()).await? {
        for address in [user.email(), user.phone()].into_iter().filter(|address| !address.is_empty()) {
            let section = &flow.settings.section;
            let life = if address == user.email() { section.email.otp_expiry } else { section.sms.otp_expiry };
            let hash = Code::hash_of(address, nonce);
            let tokens = one_time_tokens::lock_of(&mut tx, user.id(), address, &kinds).await?;
            is_right |= tokens.iter().any(|token| {
                let stored = token.code_hash.as_deref().unwrap_or_default();
                token.age <= life.as_secs_f64() && bool::from(stored.as_bytes().ct_eq(hash.as_bytes()))
            });
            if !is_right {
                one_time_tokens::note_wrong(&mut tx, user.id(), address, &kinds).await?;
            }
        }
        if !is_right {
            verify_limits::note_wrong(&mut tx, user.id()).await?;
        }
    }
    if is_right {
        one_time_tokens::delete(&mut tx, user.id(), TokenType::Reauthentication).await?;
    }
    tx.commit().await?;
    if is_right {
        return Ok(());
    }
    Err(Error::unprocessable(ErrorCode::ReauthenticationNotValid, "Nonce has expired or is invalid"))
}
