//! `POST /factors/{id}/challenge`: asks for a proof. A telephone gets a code, a security key something to sign.

use axum::extract::Path;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Kind, factor_id, known, no_factor};
use crate::caller::{Json, SignedIn};
use crate::error::{Error, ErrorCode, Result};
use crate::hooks::{self, Hooks, SmsToSend};
use crate::limit::Limit;
use crate::mail::Code;
use crate::sms::{Message, test_code};
use crate::store::challenges::NewChallenge;
use crate::store::factors::Proving;
use crate::store::{audit, challenges, factors};
use crate::user;
use crate::webauthn::{Ceremony, RelyingParty, challenge as new_challenge, creation, request};

/// The body, as far as it is read.
#[derive(Deserialize)]
pub(super) struct Ask {
    channel: Option<String>,
}

/// What is asked, by kind.
#[derive(Default)]
struct Question {
    code: Option<Code>,
    session_data: Option<Value>,
    /// For the browser.
    webauthn: Option<Value>,
}

pub(super) async fn challenge(
    caller: SignedIn,
    Path(path): Path<String>,
    Json(body): Json<Ask>,
) -> Result<Json<Value>> {
    let flow = &caller.flow;
    flow.count(Limit::Mfa).await?;
    let id = factor_id(&path)?;
    let channel = body.channel.as_deref().filter(|channel| !channel.is_empty()).unwrap_or("sms");
    if !["sms", "whatsapp"].contains(&channel) {
        return Err(Error::invalid("Invalid channel, supported values are 'sms' or 'whatsapp'"));
    }
    let mut tx = flow.begin().await?;
    let proving = factors::lock(&mut tx, caller.user.id(), id).await?.ok_or_else(no_factor)?;
    let kind = Kind::of(&proving.factor.factor_type).ok_or_else(no_factor)?;
    kind.check_verify(&flow.settings.section.mfa)?;
    let question = question(&caller, kind, &proving)?;
    let new = NewChallenge {
        id: Uuid::new_v4(),
        factor: id,
        ip: flow.client.ip,
        code: question.code.as_ref().map(|code| code.hash.as_str()),
        session_data: question.session_data.as_ref(),
    };
    challenges::insert(&mut tx, &new).await?;
    factors::challenged(&mut tx, id).await?;
    audit::note(&mut tx, "challenge_created", &caller.user, flow.client.ip, Some(json!({"factor_id": id}))).await?;
    tx.commit().await?;
    // Only now: a slow provider holds no connection and no lock.
    if let Some(code) = &question.code {
        send(&caller, &proving, channel, code).await?;
    }
    let expires = flow.settings.section.mfa.challenge_expiry.as_secs() as i64;
    let mut answer = json!({
        "id": new.id,
        "type": kind.name(),
        "expires_at": jiff::Timestamp::now().as_second() + expires,
    });
    if let Some(webauthn) = question.webauthn {
        answer["webauthn"] = webauthn;
    }
    Ok(Json(answer))
}

fn question(caller: &SignedIn, kind: Kind, proving: &Proving) -> Result<Question> {
    match kind {
        Kind::Totp => Ok(Question::default()),
        Kind::Phone => code(caller, proving),
        Kind::Webauthn => signature(caller, proving),
    }
}

/// A code for the telephone, if the last one is old enough.
fn code(caller: &SignedIn, proving: &Proving) -> Result<Question> {
    let section = &caller.flow.settings.section.sms;
    let wait = section.max_frequency.as_secs_f64() - proving.challenged.unwrap_or(f64::INFINITY);
    if wait > 0.0 {
        let seconds = wait.ceil();
        let message = format!("For security purposes, you can only request this after {seconds} seconds.");
        let wait = std::time::Duration::from_secs_f64(seconds);
        return Err(Error::too_many(ErrorCode::OverSmsSendRateLimit, message, wait));
    }
    let phone = proving.factor.phone.as_deref().unwrap_or_default();
    let code = match test_code(section, phone) {
        Some(digits) => Code::of(phone, digits.to_owned()),
        None => Code::make(phone, section.otp_length),
    };
    Ok(Question { code: Some(code), ..Question::default() })
}

/// Something to sign: by a new key while the factor is not verified, by its key later.
fn signature(caller: &SignedIn, proving: &Proving) -> Result<Question> {
    let party = RelyingParty::of(&caller.flow.settings);
    let challenge = new_challenge();
    let ceremony = Ceremony { party: &party, challenge: &challenge, verifies_user: false };
    let user = caller.user.id();
    let (kind, options) = if proving.factor.status == "verified" {
        let credential = proving.web_authn_credential.as_ref().unwrap_or(&Value::Null);
        let known = known(credential, user).map_err(Error::internal("reading a credential"))?;
        let transports = serde_json::from_value(credential["transport"].clone()).unwrap_or_default();
        ("request", request(&ceremony, &[(known.id, transports)]))
    } else {
        let name = if caller.user.email().is_empty() { caller.user.phone() } else { caller.user.email() };
        ("create", creation(&ceremony, user, name, &[], false))
    };
    Ok(Question {
        code: None,
        session_data: Some(json!({"challenge": challenge, "type": kind})),
        webauthn: Some(json!({"type": kind, "credential_options": {"publicKey": options}})),
    })
}

/// Numbers with a fixed code get no message.
async fn send(caller: &SignedIn, proving: &Proving, channel: &str, code: &Code) -> Result<()> {
    let section = &caller.flow.settings.section.sms;
    let to = proving.factor.phone.clone().unwrap_or_default();
    if test_code(section, &to).is_some() {
        return Ok(());
    }
    let sms = SmsToSend { phone: &to, code: &code.digits, kind: "mfa" };
    let (flow, user) = (&caller.flow, user::user(&caller.user));
    if hooks::send_sms(Hooks::of(flow), &flow.database, &user, &sms).await? {
        return Ok(());
    }
    let text = section.template.replace("{{ .Code }}", &code.digits).replace("{{.Code}}", &code.digits);
    caller.flow.room.texter().send(Message { to, channel: channel.to_owned(), text }).await.map(drop)
}
