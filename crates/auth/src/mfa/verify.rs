//! `POST /factors/{id}/verify`: answers a challenge, and raises the session.
//!
//! A question dies of [`TRIES`] wrong answers, an account takes [`USER_TRIES`] an hour, wherever they come from. The account's row
//! is locked while an answer is judged, so that answers at once are counted one after the other.

use axum::extract::Path;
use serde::Deserialize;
use serde_json::{Value, json};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::{Kind, factor_id, known, no_factor, stored, totp};
use crate::caller::{Json, SignedIn};
use crate::error::{Error, ErrorCode, Result};
use crate::hooks;
use crate::limit::Limit;
use crate::mail::Code;
use crate::session::{self, Tokens};
use crate::store::challenges::Challenge;
use crate::store::factors::Proving;
use crate::store::{Tx, audit, challenges, factors, users};
use crate::webauthn::{Assertion, Ceremony, Fault, Registration, RelyingParty};

/// Wrong answers of which a question dies.
const TRIES: u32 = 5;
/// Wrong answers that an account takes in an hour. Somebody who has the password and guesses six digits, three of which are good
/// at a time, day and night for a year, has a chance of one in four; each right answer of the owner's starts it again.
const USER_TRIES: u32 = 10;

/// The body.
#[derive(Deserialize)]
pub(super) struct Verify {
    challenge_id: Option<Uuid>,
    code: Option<String>,
    webauthn: Option<Answer>,
}

/// What a browser says.
#[derive(Deserialize)]
struct Answer {
    credential_response: Option<Value>,
}

/// How an answer was judged.
enum Verdict {
    Right,
    Wrong(Error),
}

pub(super) async fn verify(caller: SignedIn, Path(path): Path<String>, Json(body): Json<Verify>) -> Result<Tokens> {
    let flow = &caller.flow;
    flow.count(Limit::Mfa).await?;
    let id = factor_id(&path)?;
    let gone = || Error::forbidden(ErrorCode::SessionNotFound, "Session from session_id claim in JWT does not exist");
    let session = caller.session.as_ref().ok_or_else(gone)?.id;
    let asked = body.challenge_id.ok_or_else(|| Error::invalid("challenge_id is required"))?;
    let mut tx = flow.begin().await?;
    users::lock(&mut tx, caller.user.id()).await?.ok_or_else(gone)?;
    let proving = factors::lock(&mut tx, caller.user.id(), id).await?.ok_or_else(no_factor)?;
    let kind = Kind::of(&proving.factor.factor_type).ok_or_else(no_factor)?;
    kind.check_verify(&flow.settings.section.mfa)?;
    let challenge = open_challenge(&caller, &mut tx, id, asked).await?;
    let verdict = Box::pin(judge(&caller, &mut tx, kind, &proving, &challenge, &body)).await?;
    let is_right = matches!(verdict, Verdict::Right);
    if let Some(rejected) = hooks::judge_factor(flow, &mut tx, &caller.user, id, kind.name(), is_right).await? {
        tx.commit().await?;
        return Err(rejected);
    }
    if let Verdict::Wrong(error) = verdict {
        challenges::failed(&mut tx, caller.user.id(), asked).await?;
        tx.commit().await?;
        return Err(error);
    }
    challenges::verified(&mut tx, asked).await?;
    challenges::forgive(&mut tx, caller.user.id()).await?;
    factors::verified(&mut tx, &proving.factor).await?;
    let traits = json!({"factor_id": id, "challenge_id": asked, "factor_type": kind.name()});
    audit::note(&mut tx, "verification_attempted", &caller.user, flow.client.ip, Some(traits)).await?;
    let tokens = session::raise(flow, &mut tx, session, &proving.factor, kind.method()).await?;
    tx.commit().await?;
    Ok(tokens)
}

/// The question, if it can still be answered by this caller.
async fn open_challenge(caller: &SignedIn, tx: &mut Tx, factor: Uuid, id: Uuid) -> Result<Challenge> {
    let flow = &caller.flow;
    let failures = challenges::failures(tx, caller.user.id(), id).await?;
    if failures.user >= USER_TRIES {
        let message = "Too many wrong codes, please retry later";
        let wait = std::time::Duration::from_secs(3600);
        return Err(Error::too_many(ErrorCode::OverRequestRateLimit, message, wait));
    }
    let unknown = || {
        let message = "MFA factor with the provided challenge ID not found";
        Error::not_found(ErrorCode::MfaFactorNotFound, message)
    };
    let challenge = challenges::lock(tx, factor, id, flow.client.ip).await?.ok_or_else(unknown)?;
    if challenge.is_used || !challenge.same_address {
        let message = "Challenge and verify IP addresses mismatch.";
        return Err(Error::unprocessable(ErrorCode::MfaIpAddressMismatch, message));
    }
    let expiry = flow.settings.section.mfa.challenge_expiry.as_secs_f64();
    if challenge.age > expiry || failures.challenge >= TRIES {
        let message = "MFA challenge has expired, verify against another challenge or create a new challenge.";
        return Err(Error::unprocessable(ErrorCode::MfaChallengeExpired, message));
    }
    Ok(challenge)
}

async fn judge(
    caller: &SignedIn,
    tx: &mut Tx,
    kind: Kind,
    proving: &Proving,
    challenge: &Challenge,
    body: &Verify,
) -> Result<Verdict> {
    let code = || {
        let code = body.code.as_deref().map(str::trim).filter(|code| !code.is_empty());
        code.ok_or_else(|| Error::invalid("Code needs to be non-empty"))
    };
    match kind {
        Kind::Totp => {
            let right = right_totp(tx, proving, code()?).await?;
            Ok(verdict(right, "Invalid TOTP code entered"))
        }
        Kind::Phone => {
            let phone = proving.factor.phone.as_deref().unwrap_or_default();
            let hash = Code::hash_of(phone, code()?);
            let sent = challenge.otp_code.as_deref().unwrap_or_default();
            Ok(verdict(bool::from(hash.as_bytes().ct_eq(sent.as_bytes())), "Invalid MFA Phone code entered"))
        }
        Kind::Webauthn => {
            let answer = body.webauthn.as_ref().and_then(|answer| answer.credential_response.as_ref());
            let answer = answer.ok_or_else(|| Error::invalid("webauthn.credential_response is required"))?;
            match right_signature(caller, proving, challenge, answer) {
                Ok(credential) => {
                    let aaguid = (proving.factor.status != "verified").then(|| aaguid(&credential)).flatten();
                    factors::set_credential(tx, proving.factor.id, &credential, aaguid).await?;
                    Ok(Verdict::Right)
                }
                Err(fault) => Ok(Verdict::Wrong(wrong(fault.to_string()))),
            }
        }
    }
}

/// A code of an application is good once, so that who looked over a shoulder is late. The enrolment's own does not count: its
/// owner has just made the secret, and may sign in elsewhere at once.
async fn right_totp(tx: &mut Tx, proving: &Proving, code: &str) -> Result<bool> {
    let now = jiff::Timestamp::now().as_second();
    let Some(step) = totp::step_of(proving.secret.as_deref().unwrap_or_default(), code, now) else { return Ok(false) };
    if proving.factor.status != "verified" {
        return Ok(true);
    }
    factors::use_step(tx, proving.factor.id, step).await
}

/// What to keep of the credential, if the answer is right.
fn right_signature(
    caller: &SignedIn,
    proving: &Proving,
    challenge: &Challenge,
    answer: &Value,
) -> Result<Value, Fault> {
    let party = RelyingParty::of(&caller.flow.settings);
    let data = challenge.web_authn_session_data.as_ref().unwrap_or(&Value::Null);
    let asked = data["challenge"].as_str().ok_or(Fault::Challenge)?;
    let ceremony = Ceremony { party: &party, challenge: asked, verifies_user: false };
    let unreadable = |_| Fault::Unreadable("credential_response");
    if data["type"] == "create" {
        // Asked before somebody else verified the factor: its key stays.
        if proving.factor.status == "verified" {
            return Err(Fault::Ceremony);
        }
        let answer: Registration = serde_json::from_value(answer.clone()).map_err(unreadable)?;
        return answer.check(&ceremony).map(|credential| stored(&credential));
    }
    let answer: Assertion = serde_json::from_value(answer.clone()).map_err(unreadable)?;
    let mut credential = proving.web_authn_credential.clone().ok_or(Fault::Credential)?;
    let seen = answer.check(&ceremony, &known(&credential, caller.user.id())?)?;
    credential["authenticator"]["signCount"] = seen.sign_count.into();
    credential["flags"]["backupState"] = seen.backed_up.into();
    Ok(credential)
}

fn aaguid(credential: &Value) -> Option<Uuid> {
    let bytes = credential["authenticator"]["AAGUID"].as_str().and_then(super::from_base64)?;
    Uuid::from_slice(&bytes).ok()
}

fn verdict(right: bool, message: &'static str) -> Verdict {
    if right { Verdict::Right } else { Verdict::Wrong(wrong(message)) }
}

fn wrong(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::unprocessable(ErrorCode::MfaVerificationFailed, message)
}
