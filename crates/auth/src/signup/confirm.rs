//! Signing up by address or number: confirmed at once where the configuration says so, else by a code.
//!
//! Known and unknown addresses get the same answer and take the same time where mails confirm: the password is hashed or
//! compared in every case, and an account that is confirmed already is answered with one that does not exist.
//! Invariant: who signs up learns nothing of an account that was there. Invariant: a password is kept at the proof only if
//! every sign-up with the address or number sent it, or an administrator chose it.

use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::create::{Made, create_with_identity, identity_data};
use super::request::{Request, Way};
use crate::caller::{Flow, Json};
use crate::error::{Error, ErrorCode, Result};
use crate::hooks;
use crate::params;
use crate::password::Verdict;
use crate::proof::{NumberProof, Proof, Purpose, check_mailer, check_quota, prepare, send, take_turn};
use crate::session;
use crate::store::one_time_tokens::TokenType;
use crate::store::{Tx, audit, users, waiting_passwords};
use crate::user::{self, Identity, Row, User};

/// Signs up by address.
pub(super) async fn by_email(flow: &Flow, request: Request) -> Result<Response> {
    let Way::Email(email) = &request.way else { return Err(mismatch()) };
    let known: Option<User> = flow.database.read(users::BY_EMAIL, params![email]).await?;
    let waiting = known.filter(|user| user.row.email_confirmed_at.is_none());
    let password = stored(flow, waiting.as_ref(), &request.password).await?;
    let autoconfirm = flow.settings.section.email.autoconfirm;
    let mut tx = flow.begin().await?;
    if !autoconfirm {
        check_mailer(flow)?;
        take_turn(flow, &mut tx, Purpose::Confirmation, email).await?;
    }
    let known = users::find_by_email(&mut tx, email).await?;
    let account = find_or_make(&mut tx, flow, known, &request, password).await?;
    if !account.is_new && (autoconfirm || account.user.row.email_confirmed_at.is_some()) {
        return repeated(flow, tx, &account.user, &request, autoconfirm).await;
    }
    let user = &account.user;
    if autoconfirm {
        users::confirm_email(&mut tx, user.id()).await?;
        return sign_in(flow, tx, user).await;
    }
    account.doubt(&mut tx).await?;
    send(flow, &mut tx, user, Proof::of_address(email, request.challenge.as_ref())).await?;
    tx.commit().await?;
    Ok(Json(account.told(&request)).into_response())
}

/// Signs up by number.
pub(super) async fn by_phone(flow: &Flow, request: Request) -> Result<Response> {
    let Way::Phone(phone) = &request.way else { return Err(mismatch()) };
    let known: Option<User> = flow.database.read(users::BY_PHONE, params![phone]).await?;
    let waiting = known.filter(|user| user.row.phone_confirmed_at.is_none());
    let password = stored(flow, waiting.as_ref(), &request.password).await?;
    let autoconfirm = flow.settings.section.sms.autoconfirm;
    let mut tx = flow.begin().await?;
    if !autoconfirm {
        take_turn(flow, &mut tx, Purpose::Message, phone).await?;
    }
    let known = users::find_by_phone(&mut tx, phone).await?;
    let account = find_or_make(&mut tx, flow, known, &request, password).await?;
    if !account.is_new && (autoconfirm || account.user.row.phone_confirmed_at.is_some()) {
        return repeated(flow, tx, &account.user, &request, autoconfirm).await;
    }
    let user = &account.user;
    if autoconfirm {
        users::confirm_phone(&mut tx, user.id()).await?;
        return sign_in(flow, tx, user).await;
    }
    account.doubt(&mut tx).await?;
    let proof = NumberProof { channel: &request.channel, ..NumberProof::of(TokenType::Confirmation, phone) };
    let text = prepare(flow, &mut tx, user, proof).await?;
    tx.commit().await?;
    text.send(flow).await?;
    Ok(Json(account.told(&request)).into_response())
}

/// The hash of a password: a new one, or the one of the account that waits for its owner. `None` when that account has
/// another password. Each takes the time of one hash.
async fn stored(flow: &Flow, waiting: Option<&User>, password: &str) -> Result<Option<String>> {
    let hasher = flow.room.hasher();
    let Some(hash) = waiting.and_then(User::password) else { return hasher.hash(password).await.map(Some) };
    let is_same = hasher.verify(password, Some(hash)).await? != Verdict::Wrong;
    Ok(is_same.then(|| hash.to_owned()))
}

/// The account of an address or number.
struct Account {
    user: Box<User>,
    /// Else it was there; whether it is confirmed, the row says.
    is_new: bool,
    /// Not the one that was sent now: nobody knows yet whose it is.
    has_another_password: bool,
}

impl Account {
    /// Of two passwords neither is known to be the owner's.
    async fn doubt(&self, tx: &mut Tx) -> Result<()> {
        if self.has_another_password { waiting_passwords::doubt(tx, self.user.id()).await } else { Ok(()) }
    }

    /// What whoever signs up gets to know: what was sent, and nothing that is in the account. What triggers made of a new one
    /// would tell it from one that waits for its owner.
    fn told(&self, request: &Request) -> Value {
        let Self { user, is_new, .. } = self;
        let (way, made) = (user.identities.first(), user.row.created_at);
        let (way, made) = if *is_new { (way.map(|way| way.id), made) } else { (None, None) };
        let mut told = just_made(user.id(), request, made.unwrap_or_else(now));
        for identity in &mut told.identities {
            identity.id = way.unwrap_or(identity.id);
        }
        user::user(&told)
    }
}

async fn find_or_make(
    tx: &mut Tx,
    flow: &Flow,
    known: Option<User>,
    request: &Request,
    password: Option<String>,
) -> Result<Account> {
    let gone = || Error::refused(http::StatusCode::CONFLICT, ErrorCode::Conflict, "Please try again");
    let there = |user: User| Account {
        is_new: false,
        has_another_password: password.is_none() || password.as_deref() != user.password(),
        user: Box::new(user),
    };
    if let Some(user) = known {
        return Ok(there(user));
    }
    // The account whose password was compared is gone.
    let hash = password.clone().ok_or_else(gone)?;
    let provider = request.way.provider();
    let new = request.new_user(hash);
    hooks::before_user_created(flow, tx, &new, Some(provider)).await?;
    match create_with_identity(tx, new, provider).await? {
        Made::New(user) => {
            hooks::after_user_created(flow, tx, &user).await?;
            audit::note(tx, "user_signedup", &user, flow.client.ip, Some(json!({"provider": provider}))).await?;
            Ok(Account { user, is_new: true, has_another_password: false })
        }
        Made::Taken => {
            let user = match &request.way {
                Way::Email(email) => users::find_by_email(tx, email).await?,
                Way::Phone(phone) => users::find_by_phone(tx, phone).await?,
            };
            user.map(there).ok_or_else(gone)
        }
    }
}

async fn sign_in(flow: &Flow, mut tx: Tx, user: &User) -> Result<Response> {
    let tokens = session::open(flow, &mut tx, user, "password").await?;
    tx.commit().await?;
    Ok(tokens.into_response())
}

/// Somebody signs up who has an account. Where mails confirm, nobody but the owner of the address may learn that. Where
/// nothing is confirmed, nobody gets into an account that waits for its owner by signing up again.
async fn repeated(flow: &Flow, mut tx: Tx, user: &User, request: &Request, autoconfirm: bool) -> Result<Response> {
    audit::note(&mut tx, "user_repeated_signup", user, flow.client.ip, None).await?;
    if !autoconfirm {
        let is_by_email = matches!(request.way, Way::Email(_));
        let purpose = if is_by_email { Purpose::Confirmation } else { Purpose::Message };
        check_quota(flow, &mut tx, purpose).await?;
    }
    tx.commit().await?;
    if autoconfirm {
        return Err(Error::unprocessable(ErrorCode::UserAlreadyExists, "User already registered"));
    }
    Ok(Json(user::user(&nobody(request))).into_response())
}

/// An account as this request alone makes it.
fn just_made(id: Uuid, request: &Request, now: Timestamp) -> User {
    let now = Some(now);
    let (email, phone, provider) = (request.way.email(), request.way.phone(), request.way.provider());
    let subject = id.to_string();
    let identity = Identity {
        id: Uuid::new_v4(),
        identity_data: identity_data(&subject, email, phone, &request.data),
        provider_id: subject,
        user_id: id,
        provider: provider.to_owned(),
        last_sign_in_at: now,
        created_at: now,
        updated_at: now,
        email: email.map(str::to_owned),
    };
    let app = [("provider".to_owned(), provider.into()), ("providers".to_owned(), json!([provider]))];
    let row = Row {
        id,
        aud: Some(user::AUTHENTICATED.to_owned()),
        role: Some(user::AUTHENTICATED.to_owned()),
        email: email.map(str::to_owned),
        phone: phone.map(str::to_owned),
        confirmation_sent_at: now,
        raw_app_meta_data: Some(Map::from_iter(app)),
        raw_user_meta_data: Some(request.data.clone()),
        created_at: now,
        updated_at: now,
        ..Row::default()
    };
    User { row, identities: vec![identity], factors: Vec::new(), session: None }
}

/// Now, as finely as the database tells it.
fn now() -> Timestamp {
    let micros = Timestamp::now().as_microsecond();
    Timestamp::from_microsecond(micros).unwrap_or_default()
}

/// An account that looks new and is not there.
fn nobody(request: &Request) -> User {
    let mut user = just_made(Uuid::new_v4(), request, now());
    user.row.role = None;
    user.identities.clear();
    user
}

fn mismatch() -> Error {
    Error::internal("signing up")("another way than was asked for")
}
