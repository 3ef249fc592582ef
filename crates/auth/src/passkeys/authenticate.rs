//! `/passkeys/authentication/*`: signs in whoever holds a key. The caller says nothing of who it is; the key does.

use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{EXPIRY, check_enabled, failed, question};
use crate::caller::{Flow, Json};
use crate::error::{Error, ErrorCode, Result};
use crate::limit::Limit;
use crate::session::{self, Tokens};
use crate::store::passkeys::from_hex;
use crate::store::{audit, passkeys, users};
use crate::webauthn::{Assertion, Ceremony, Fault, Known, RelyingParty, challenge, request};

/// The body of `verify`.
#[derive(Deserialize)]
pub(super) struct Verify {
    challenge_id: Option<Uuid>,
    credential: Option<Value>,
}

pub(super) async fn options(flow: Flow) -> Result<Json<Value>> {
    check_enabled(&flow)?;
    flow.count(Limit::Passkey).await?;
    let (party, challenge) = (RelyingParty::of(&flow.settings), challenge());
    let mut tx = flow.begin().await?;
    let id = passkeys::ask(&mut tx, "authentication", None, &challenge, EXPIRY as f64).await?;
    tx.commit().await?;
    let options = request(&Ceremony { party: &party, challenge: &challenge, verifies_user: true }, &[]);
    let expires_at = jiff::Timestamp::now().as_second() + EXPIRY;
    Ok(Json(json!({"challenge_id": id, "options": options, "expires_at": expires_at})))
}

pub(super) async fn verify(flow: Flow, Json(body): Json<Verify>) -> Result<Tokens> {
    check_enabled(&flow)?;
    flow.count(Limit::Passkey).await?;
    let question = question(&flow, "authentication", body.challenge_id).await?;
    let party = RelyingParty::of(&flow.settings);
    let ceremony = Ceremony { party: &party, challenge: &question.challenge, verifies_user: true };
    let answer: Assertion = serde_json::from_value(body.credential.unwrap_or_default())
        .map_err(|_| failed(Fault::Unreadable("the credential")))?;
    let mut tx = flow.begin().await?;
    // A key that was taken away is told as any other wrong answer is.
    let unknown = || failed(Fault::Credential);
    let passkey = passkeys::lock(&mut tx, &answer.credential_id().map_err(failed)?).await?.ok_or_else(unknown)?;
    let user = users::lock(&mut tx, passkey.user_id).await?.ok_or_else(unknown)?;
    let known = Known {
        id: from_hex(&passkey.credential),
        key: from_hex(&passkey.key),
        sign_count: u32::try_from(passkey.sign_count).unwrap_or(u32::MAX),
        user: passkey.user_id.to_string(),
    };
    let seen = answer.check(&ceremony, &known).map_err(failed)?;
    if user.row.deleted_at.is_some() {
        return Err(unknown());
    }
    if user.is_banned() {
        return Err(Error::forbidden(ErrorCode::UserBanned, "User is banned"));
    }
    passkeys::used(&mut tx, passkey.id, seen.sign_count, seen.backed_up).await?;
    audit::note(&mut tx, "login", &user, flow.client.ip, Some(json!({"provider": "passkey"}))).await?;
    let tokens = session::open(&flow, &mut tx, &user, "passkey").await?;
    tx.commit().await?;
    Ok(tokens)
}
