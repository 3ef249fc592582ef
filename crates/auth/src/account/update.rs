//! `PUT /user`: a user changes the account. `app_metadata` is not among what can be changed here.
//!
//! Everything is checked and hashed before the transaction begins; it then locks the account and writes.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::caller::{Flow, Json, SignedIn};
use crate::error::{Error, ErrorCode, Result};
use crate::limit::Limit;
use crate::mail::MailKind;
use crate::password::{self, Verdict};
use crate::pkce::Challenge;
use crate::proof::{NumberProof, Proof, Purpose, Text, check_mailer, prepare, send, take_turn, use_nonce};
use crate::signup::identity_data;
use crate::store::one_time_tokens::{self, TokenType};
use crate::store::users::Change;
use crate::store::{Tx, audit, identities, is_duplicate, sessions, users};
use crate::user::{self, User, address};

/// A session younger than this may change the password without another proof, in seconds.
const FRESH: f64 = 24.0 * 60.0 * 60.0;

/// The body.
#[derive(Deserialize)]
pub(super) struct Update {
    email: Option<String>,
    phone: Option<String>,
    password: Option<String>,
    current_password: Option<String>,
    nonce: Option<String>,
    data: Option<Map<String, Value>>,
    channel: Option<String>,
    code_challenge: Option<String>,
    code_challenge_method: Option<String>,
}

/// What will be written.
#[derive(Default)]
struct Changes {
    email: Option<String>,
    phone: Option<String>,
    /// A hash.
    password: Option<String>,
    data: Option<Map<String, Value>>,
    /// `sms` or `whatsapp`, for a new number.
    channel: String,
    /// What the client will prove when somebody follows the link of a new address.
    challenge: Option<Challenge>,
}

pub(super) async fn update(caller: SignedIn, Json(body): Json<Update>) -> Result<Json<Value>> {
    caller.flow.count(Limit::SignIn).await?;
    let changes = Box::pin(check(&caller, body)).await?;
    let flow = &caller.flow;
    let mut tx = flow.begin().await?;
    let gone = || Error::forbidden(ErrorCode::UserNotFound, "User from sub claim in JWT does not exist");
    let user = users::lock(&mut tx, caller.user.id()).await?.ok_or_else(gone)?;
    check_unchanged(&mut tx, &caller, &user).await?;
    if let Some(data) = &changes.data {
        users::set_metadata(&mut tx, user.id(), None, Some(&merged(user.row.raw_user_meta_data.as_ref(), data)))
            .await?;
    }
    if let Some(hash) = &changes.password {
        users::set_password(&mut tx, user.id(), hash).await?;
        let own = caller.session.as_ref().map(|session| session.id);
        sessions::delete_others(&mut tx, user.id(), own).await?;
        // Links that were asked for before must not get around the new password.
        one_time_tokens::delete_all(&mut tx, user.id()).await?;
        audit::note(&mut tx, "user_updated_password", &user, flow.client.ip, None).await?;
    }
    if let Some(email) = &changes.email {
        Box::pin(change_email(flow, &mut tx, &user, email, changes.challenge.as_ref())).await?;
    }
    let mut text = None;
    if let Some(phone) = &changes.phone {
        text = Box::pin(change_phone(flow, &mut tx, &user, phone, &changes.channel)).await?;
    }
    audit::note(&mut tx, "user_modified", &user, flow.client.ip, None).await?;
    let user = users::find(&mut tx, user.id()).await?.ok_or_else(gone)?;
    tx.commit().await?;
    if let Some(text) = text {
        text.send(flow).await?;
    }
    Ok(Json(user::user(&user)))
}

/// Hashing takes a while: whoever was signed out, banned, deleted or given another password meanwhile changes nothing.
async fn check_unchanged(tx: &mut Tx, caller: &SignedIn, now: &User) -> Result<()> {
    if now.row.deleted_at.is_some() {
        return Err(Error::forbidden(ErrorCode::UserNotFound, "User from sub claim in JWT does not exist"));
    }
    if now.is_banned() {
        return Err(Error::forbidden(ErrorCode::UserBanned, "User is banned"));
    }
    if let Some(session) = &caller.session
        && sessions::find(tx, session.id).await?.is_none()
    {
        let message = "Session from session_id claim in JWT does not exist";
        return Err(Error::forbidden(ErrorCode::SessionNotFound, message));
    }
    if now.password() != caller.user.password() {
        let message = "The account is being changed, please try again";
        return Err(Error::refused(http::StatusCode::CONFLICT, ErrorCode::Conflict, message));
    }
    Ok(())
}

async fn check(caller: &SignedIn, body: Update) -> Result<Changes> {
    let user = &caller.user;
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let email = given(&body.email).map(|email| address::email(&email)).transpose()?;
    let phone = given(&body.phone).map(|phone| address::phone(&phone)).transpose()?;
    let changes_credentials = email.is_some() || phone.is_some() || body.password.is_some();
    if user.row.is_sso_user && changes_credentials {
        let message = "Updating email, phone, password of a SSO account only possible via SSO";
        return Err(Error::unprocessable(ErrorCode::UserSsoManaged, message));
    }
    if changes_credentials && caller.lacks_second_factor() {
        let message = "AAL2 session is required to update email or password when MFA is enabled.";
        return Err(Error::unauthorized(ErrorCode::InsufficientAal, message));
    }
    let challenge = Challenge::read(body.code_challenge.as_deref(), body.code_challenge_method.as_deref())?;
    let channel = given(&body.channel).unwrap_or_else(|| "sms".to_owned());
    if phone.is_some() && !["sms", "whatsapp"].contains(&channel.as_str()) {
        return Err(Error::invalid("Invalid channel, supported values are 'sms' or 'whatsapp'"));
    }
    let password = match &body.password {
        Some(password) => Some(new_password(caller, password, &body).await?),
        None => None,
    };
    Ok(Changes {
        email: email.filter(|email| email != user.email()),
        phone: phone.filter(|phone| phone != user.phone()),
        password,
        data: body.data,
        channel,
        challenge,
    })
}

/// The hash of a password that may be set.
async fn new_password(caller: &SignedIn, password: &str, body: &Update) -> Result<String> {
    let (user, section) = (&caller.user, &caller.flow.settings.section.password);
    if user.row.is_anonymous && body.email.is_none() && body.phone.is_none() {
        let message = "Updating password of an anonymous user without an email or phone is not allowed";
        return Err(Error::unprocessable(ErrorCode::ValidationFailed, message));
    }
    password::check(password, section)?;
    password::check_leaked(caller.flow.room.outbound(), password, section).await?;
    let is_fresh = caller.session.as_ref().is_some_and(|session| session.age < FRESH);
    let nonce = body.nonce.as_deref().filter(|nonce| !nonce.is_empty());
    if section.reauthenticate && !is_fresh && nonce.is_none() {
        let message = "Password update requires reauthentication";
        return Err(Error::bad_request(ErrorCode::ReauthenticationNeeded, message));
    }
    let hasher = caller.flow.room.hasher();
    if let Some(current) = body.current_password.as_deref()
        && hasher.verify(current, user.password()).await? == Verdict::Wrong
    {
        return Err(Error::bad_request(ErrorCode::CurrentPasswordInvalid, "Current password is not valid"));
    }
    if user.password().is_some() && hasher.verify(password, user.password()).await? != Verdict::Wrong {
        let message = "New password should be different from the old password.";
        return Err(Error::unprocessable(ErrorCode::SamePassword, message));
    }
    // Last, because it can be used once.
    if let Some(nonce) = nonce.filter(|_| section.reauthenticate && !is_fresh) {
        Box::pin(use_nonce(&caller.flow, user, nonce)).await?;
    }
    hasher.hash(password).await
}

/// Metadata with the given keys; null takes one away.
pub(crate) fn merged(before: Option<&Map<String, Value>>, data: &Map<String, Value>) -> Map<String, Value> {
    let mut out = before.cloned().unwrap_or_default();
    for (name, value) in data {
        match value {
            Value::Null => drop(out.remove(name)),
            value => drop(out.insert(name.clone(), value.clone())),
        }
    }
    out
}

/// An anonymous account takes its address at once where nobody has to confirm; everybody else confirms it first.
async fn change_email(flow: &Flow, tx: &mut Tx, user: &User, email: &str, challenge: Option<&Challenge>) -> Result<()> {
    let section = &flow.settings.section.email;
    let taken = || {
        let message = "A user with this email address has already been registered";
        Error::unprocessable(ErrorCode::EmailExists, message)
    };
    if users::find_by_email(tx, email).await?.is_some() {
        return Err(taken());
    }
    if user.row.is_anonymous && section.autoconfirm {
        let set = users::set_email(tx, user.id(), email).await;
        set.map_err(|error| if is_duplicate(&error, "users_email_partial_key") { taken() } else { error })?;
        users::confirm_email(tx, user.id()).await?;
        return add_identity(tx, user, "email", Some(email), None).await;
    }
    check_mailer(flow)?;
    take_turn(flow, tx, Purpose::EmailChange, email).await?;
    users::email_change_begun(tx, user.id(), email).await?;
    one_time_tokens::delete(tx, user.id(), TokenType::EmailChangeCurrent).await?;
    let begun = users::find(tx, user.id()).await?;
    send_email_change(flow, tx, begun.as_ref().unwrap_or(user), email, challenge).await
}

/// Asks the readers of the new address and, where both must agree, of the old one; not who has agreed already.
pub(crate) async fn send_email_change(
    flow: &Flow,
    tx: &mut Tx,
    user: &User,
    new: &str,
    challenge: Option<&Challenge>,
) -> Result<()> {
    let agreed = user.row.email_change_confirm_status.unwrap_or_default();
    let change = Proof {
        kind: MailKind::EmailChange,
        token: TokenType::EmailChangeNew,
        new_email: Some(new),
        ..Proof::of_address(new, challenge)
    };
    let asks_both = flow.settings.section.email.double_confirm_changes && !user.email().is_empty();
    if asks_both && agreed != Change::CURRENT_AGREED {
        let current = Proof { token: TokenType::EmailChangeCurrent, to: user.email(), ..change };
        send(flow, tx, user, current).await?;
    }
    if agreed != Change::NEW_AGREED {
        send(flow, tx, user, change).await?;
    }
    Ok(())
}

/// Gives the message that is to be sent when the transaction has ended.
async fn change_phone(flow: &Flow, tx: &mut Tx, user: &User, phone: &str, channel: &str) -> Result<Option<Text>> {
    let taken = || {
        let message = "A user with this phone number has already been registered";
        Error::unprocessable(ErrorCode::PhoneExists, message)
    };
    if users::find_by_phone(tx, phone).await?.is_some() {
        return Err(taken());
    }
    let section = &flow.settings.section.sms;
    if section.autoconfirm {
        let set = users::set_phone(tx, user.id(), phone).await;
        set.map_err(|error| if is_duplicate(&error, "users_phone_key") { taken() } else { error })?;
        users::confirm_phone(tx, user.id()).await?;
        return add_identity(tx, user, "phone", None, Some(phone)).await.map(|()| None);
    }
    take_turn(flow, tx, Purpose::Message, phone).await?;
    users::phone_change_begun(tx, user.id(), phone).await?;
    let proof = NumberProof { channel, ..NumberProof::of(TokenType::PhoneChange, phone) };
    prepare(flow, tx, user, proof).await.map(Some)
}

/// The address or number is a way in from now on.
pub(crate) async fn add_identity(
    tx: &mut Tx,
    user: &User,
    provider: &str,
    email: Option<&str>,
    phone: Option<&str>,
) -> Result<()> {
    let subject = user.id().to_string();
    match identities::find(tx, user.id(), provider).await? {
        Some(identity) => {
            let mut data = Map::new();
            data.extend(email.map(|email| ("email".to_owned(), email.into())));
            data.extend(phone.map(|phone| ("phone".to_owned(), phone.into())));
            identities::merge(tx, identity.id, &data).await?;
        }
        None => {
            let data = identity_data(&subject, email, phone, &Map::new());
            identities::insert(tx, user.id(), provider, &subject, &data).await?;
        }
    }
    // As it is now: another provider may have come since the account was read.
    let now = users::find(tx, user.id()).await?;
    let mut app = now.and_then(|now| now.row.raw_app_meta_data).unwrap_or_default();
    let mut providers: Vec<Value> = app.get("providers").and_then(Value::as_array).cloned().unwrap_or_default();
    if !providers.iter().any(|known| known == provider) {
        providers.push(provider.into());
    }
    app.entry("provider").or_insert_with(|| provider.into());
    app.insert("providers".to_owned(), json!(providers));
    users::set_metadata(tx, user.id(), Some(&app), None).await
}
