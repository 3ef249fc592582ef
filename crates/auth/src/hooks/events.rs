//! Each hook: what it is told, and what its answer may do.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Hook, Hooks};
use crate::caller::Flow;
use crate::error::{Error, ErrorCode, Result};
use crate::store::users::NewUser;
use crate::store::{Database, Tx, sessions};
use crate::user::{self, AUTHENTICATED, User};

/// Claims that a token must keep, each with its kind of value.
const KEPT: [&str; 10] = ["aud", "exp", "iat", "sub", "email", "phone", "role", "aal", "session_id", "is_anonymous"];

/// The claims of a token as the application wants them.
pub(crate) async fn customize_access_token(
    flow: &Flow,
    tx: &mut Tx,
    user: Uuid,
    claims: Value,
    method: &str,
) -> Result<Value> {
    let hooks = Hooks::of(flow);
    if !hooks.has(Hook::CustomizeAccessToken) {
        return Ok(claims);
    }
    let input = json!({"user_id": user, "claims": claims, "authentication_method": method});
    let Some(mut output) = hooks.call(tx, Hook::CustomizeAccessToken, input).await? else { return Ok(claims) };
    let changed = output.remove("claims").unwrap_or_default();
    for name in KEPT {
        let same_kind = std::mem::discriminant(&changed[name]) == std::mem::discriminant(&claims[name]);
        if !same_kind {
            let message =
                format!("output claims do not conform to the expected schema: {name} is missing or of another kind");
            let status = http::StatusCode::INTERNAL_SERVER_ERROR;
            return Err(Error::refused(status, ErrorCode::UnexpectedFailure, message));
        }
    }
    Ok(changed)
}

/// Tells of an attempt with a password, in a transaction of its own: what the hook counts is kept, also of a wrong one.
pub(crate) async fn judge_password(flow: &Flow, user: &User, valid: bool) -> Result<()> {
    let hooks = Hooks::of(flow);
    if !hooks.has(Hook::PasswordVerification) {
        return Ok(());
    }
    let mut tx = flow.begin().await?;
    let input = json!({"user_id": user.id(), "valid": valid});
    let output = hooks.call(&mut tx, Hook::PasswordVerification, input).await?.unwrap_or_default();
    let rejects = rejects(&output);
    if rejects && output.get("should_logout_user").and_then(Value::as_bool).unwrap_or(false) {
        sessions::delete_all(&mut tx, user.id()).await?;
    }
    tx.commit().await?;
    if rejects {
        let message = message(&output, "Further password verification attempts will be rejected.");
        return Err(Error::bad_request(ErrorCode::InvalidCredentials, message));
    }
    Ok(())
}

/// Tells of an attempt with a second factor, in its transaction. A refusal ends all of the user's sessions; the caller commits.
pub(crate) async fn judge_factor(
    flow: &Flow,
    tx: &mut Tx,
    user: &User,
    factor: Uuid,
    kind: &str,
    valid: bool,
) -> Result<Option<Error>> {
    let input = json!({"user_id": user.id(), "factor_id": factor, "factor_type": kind, "valid": valid});
    let Some(output) = Hooks::of(flow).call(tx, Hook::MfaVerification, input).await? else { return Ok(None) };
    if !rejects(&output) {
        return Ok(None);
    }
    sessions::delete_all(tx, user.id()).await?;
    let message = message(&output, "Further MFA verification attempts will be rejected.");
    Ok(Some(Error::forbidden(ErrorCode::MfaVerificationRejected, message)))
}

/// Asks whether an account may be made.
pub(crate) async fn before_user_created(flow: &Flow, tx: &mut Tx, new: &NewUser, provider: Option<&str>) -> Result<()> {
    let hooks = Hooks::of(flow);
    if !hooks.has(Hook::BeforeUserCreated) {
        return Ok(());
    }
    let mut app = new.app_metadata.clone();
    if let Some(provider) = provider {
        app.insert("provider".to_owned(), provider.into());
        app.insert("providers".to_owned(), json!([provider]));
    }
    let user = json!({
        "id": new.id.unwrap_or_default(),
        "aud": new.aud.as_deref().unwrap_or(AUTHENTICATED),
        "role": new.role.as_deref().unwrap_or(AUTHENTICATED),
        "email": new.email.as_deref().unwrap_or_default(),
        "phone": new.phone.as_deref().unwrap_or_default(),
        "app_metadata": app,
        "user_metadata": new.user_metadata,
        "identities": [],
        "is_anonymous": new.is_anonymous,
    });
    hooks.call(tx, Hook::BeforeUserCreated, json!({ "user": user })).await.map(drop)
}

/// Tells of a new account. What goes wrong there is logged, and undone as far as it was done in the database.
pub(crate) async fn after_user_created(flow: &Flow, tx: &mut Tx, made: &User) -> Result<()> {
    let hooks = Hooks::of(flow);
    if !hooks.has(Hook::AfterUserCreated) {
        return Ok(());
    }
    tx.savepoint().await?;
    match hooks.call(tx, Hook::AfterUserCreated, json!({"user": user::user(made)})).await {
        Ok(_) => tx.release_savepoint(),
        Err(error) => {
            tracing::warn!(error = ferrobase_base::error::causes(&error), "the hook after_user_created failed");
            tx.rollback_to_savepoint();
        }
    }
    Ok(())
}

/// Hands a mail to the application; `false` when it sends none, and the mailer has to. `data` has the contract's
/// `email_data`.
///
/// # Errors
/// The application's refusal, and everything that goes wrong on the way.
pub async fn send_email(hooks: Hooks<'_>, tx: &mut Tx, user: &Value, data: &Value) -> Result<bool> {
    let input = json!({"user": user, "email_data": data});
    Ok(hooks.call(tx, Hook::SendEmail, input).await?.is_some())
}

/// A text message for the application to send.
#[derive(Clone, Debug)]
pub struct SmsToSend<'a> {
    /// The number, digits only.
    pub phone: &'a str,
    /// The code.
    pub code: &'a str,
    /// What it is for (`sms_otp`, `mfa`, ...).
    pub kind: &'a str,
}

/// Hands a text message to the application, in a transaction of its own; `false` when it sends none, and the provider has to.
///
/// # Errors
/// The application's refusal, and everything that goes wrong on the way.
pub async fn send_sms(hooks: Hooks<'_>, database: &Database, user: &Value, sms: &SmsToSend<'_>) -> Result<bool> {
    if !hooks.has(Hook::SendSms) {
        return Ok(false);
    }
    let input = json!({"user": user, "sms": {"otp": sms.code, "phone": sms.phone, "sms_type": sms.kind}});
    let mut tx = database.begin().await?;
    let took = hooks.call(&mut tx, Hook::SendSms, input).await?.is_some();
    tx.commit().await?;
    Ok(took)
}

fn rejects(output: &Map<String, Value>) -> bool {
    output.get("decision").and_then(Value::as_str) == Some("reject")
}

fn message(output: &Map<String, Value>, default: &'static str) -> String {
    let message = output.get("message").and_then(Value::as_str).filter(|message| !message.is_empty());
    message.unwrap_or(default).to_owned()
}
