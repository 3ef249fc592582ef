//! `/passkeys/registration/*`: a signed-in user adds a key.

use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{EXPIRY, MOST, check_enabled, failed, listed, question, shape};
use crate::caller::{Json, SignedIn};
use crate::error::{Error, ErrorCode, Result};
use crate::limit::Limit;
use crate::store::{audit, is_duplicate, passkeys, users};
use crate::webauthn::{Ceremony, Fault, Registration, RelyingParty, challenge, creation};

/// The body of `verify`.
#[derive(Deserialize)]
pub(super) struct Verify {
    challenge_id: Option<Uuid>,
    credential: Option<Value>,
}

pub(super) async fn options(caller: SignedIn) -> Result<Json<Value>> {
    let flow = &caller.flow;
    check_enabled(flow)?;
    flow.count(Limit::Passkey).await?;
    check_caller(&caller)?;
    let (party, challenge, user) = (RelyingParty::of(&flow.settings), challenge(), caller.user.id());
    let mut tx = flow.begin().await?;
    let known = passkeys::list(&mut tx, user).await?;
    check_count(known.len())?;
    let id = passkeys::ask(&mut tx, "registration", Some(user), &challenge, EXPIRY as f64).await?;
    tx.commit().await?;
    let ceremony = Ceremony { party: &party, challenge: &challenge, verifies_user: true };
    let known: Vec<_> = known.iter().map(listed).collect();
    let options = creation(&ceremony, user, name(&caller), &known, true);
    let expires_at = jiff::Timestamp::now().as_second() + EXPIRY;
    Ok(Json(json!({"challenge_id": id, "options": options, "expires_at": expires_at})))
}

pub(super) async fn verify(caller: SignedIn, Json(body): Json<Verify>) -> Result<Json<Value>> {
    let flow = &caller.flow;
    check_enabled(flow)?;
    flow.count(Limit::Passkey).await?;
    check_caller(&caller)?;
    let user = caller.user.id();
    let question = question(flow, "registration", body.challenge_id).await?;
    if question.user_id != Some(user) {
        return Err(failed(Fault::Challenge));
    }
    let party = RelyingParty::of(&flow.settings);
    let ceremony = Ceremony { party: &party, challenge: &question.challenge, verifies_user: true };
    let answer: Registration = serde_json::from_value(body.credential.unwrap_or_default())
        .map_err(|_| failed(Fault::Unreadable("the credential")))?;
    let credential = answer.check(&ceremony).map_err(failed)?;
    let mut tx = flow.begin().await?;
    let gone = || Error::forbidden(ErrorCode::UserNotFound, "User from sub claim in JWT does not exist");
    users::lock(&mut tx, user).await?.ok_or_else(gone)?;
    check_count(passkeys::list(&mut tx, user).await?.len())?;
    let made = passkeys::insert(&mut tx, user, "", &credential).await.map_err(duplicate)?;
    audit::note(&mut tx, "passkey_created", &caller.user, flow.client.ip, Some(json!({"passkey_id": made.id}))).await?;
    tx.commit().await?;
    Ok(Json(shape(&made)))
}

/// A key opens the account for good: who adds one has proved all that the account asks for.
fn check_caller(caller: &SignedIn) -> Result<()> {
    if caller.user.row.is_anonymous {
        let message = "Anonymous user not allowed to perform these actions";
        return Err(Error::forbidden(ErrorCode::NoAuthorization, message));
    }
    if caller.user.row.is_sso_user {
        let message = "Passkeys of a SSO account are managed by its provider";
        return Err(Error::unprocessable(ErrorCode::UserSsoManaged, message));
    }
    if caller.lacks_second_factor() {
        return Err(Error::forbidden(ErrorCode::InsufficientAal, "AAL2 required to register a passkey"));
    }
    Ok(())
}

fn check_count(count: usize) -> Result<()> {
    if count < MOST {
        return Ok(());
    }
    Err(Error::unprocessable(ErrorCode::TooManyPasskeys, "Maximum number of passkeys reached"))
}

fn name(caller: &SignedIn) -> &str {
    if caller.user.email().is_empty() { caller.user.phone() } else { caller.user.email() }
}

fn duplicate(error: Error) -> Error {
    if is_duplicate(&error, "webauthn_credentials_credential_id_key") {
        return Error::unprocessable(ErrorCode::WebauthnCredentialExists, "This passkey is registered already");
    }
    error
}
