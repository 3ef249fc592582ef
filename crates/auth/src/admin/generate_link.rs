//! `POST /admin/generate_link`: the link and the code of a mail, for an administrator who sends it. Nothing is sent here.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::invite::{describe, invited};
use super::update::email_exists;
use super::{lock, not_found};
use crate::account::vouch_for_password;
use crate::caller::{Admin, Flow, Json};
use crate::error::{Error, Result};
use crate::mail::{Code, MailKind};
use crate::password;
use crate::proof::link;
use crate::signup::{Made, create_with_identity};
use crate::store::one_time_tokens::{self, NewToken, TokenType};
use crate::store::users::NewUser;
use crate::store::{Tx, audit, users, waiting_passwords};
use crate::user::{self, User, address};

/// The body.
#[derive(Deserialize)]
pub(super) struct GenerateLink {
    #[serde(rename = "type")]
    kind: Option<String>,
    email: Option<String>,
    new_email: Option<String>,
    password: Option<String>,
    data: Option<Map<String, Value>>,
    redirect_to: Option<String>,
}

/// What a link is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Signup,
    Invite,
    MagicLink,
    Recovery,
    EmailChangeCurrent,
    EmailChangeNew,
}

impl Kind {
    fn read(text: &str) -> Result<Self> {
        Ok(match text {
            "signup" => Self::Signup,
            "invite" => Self::Invite,
            "magiclink" => Self::MagicLink,
            "recovery" => Self::Recovery,
            "email_change_current" => Self::EmailChangeCurrent,
            "email_change_new" => Self::EmailChangeNew,
            _ => return Err(Error::invalid("Invalid email action link type requested")),
        })
    }

    /// `verification_type`, and `type` of the link.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Signup => ("signup", "signup"),
            Self::Invite => ("invite", "invite"),
            Self::MagicLink => ("magiclink", "magiclink"),
            Self::Recovery => ("recovery", "recovery"),
            Self::EmailChangeCurrent => ("email_change_current", "email_change"),
            Self::EmailChangeNew => ("email_change_new", "email_change"),
        }
    }

    fn token(self) -> TokenType {
        match self {
            Self::Signup | Self::Invite => TokenType::Confirmation,
            Self::MagicLink | Self::Recovery => TokenType::Recovery,
            Self::EmailChangeCurrent => TokenType::EmailChangeCurrent,
            Self::EmailChangeNew => TokenType::EmailChangeNew,
        }
    }
}

pub(super) async fn generate_link(admin: Admin, Json(body): Json<GenerateLink>) -> Result<Json<Value>> {
    let flow = &admin.flow;
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let kind = Kind::read(body.kind.as_deref().unwrap_or_default())?;
    let email = given(&body.email).ok_or_else(|| Error::invalid("An email address is required"))?;
    let email = address::email(&email)?;
    let new_email = given(&body.new_email).map(|email| address::email(&email)).transpose()?;
    let is_change = matches!(kind, Kind::EmailChangeCurrent | Kind::EmailChangeNew);
    if is_change && new_email.is_none() {
        return Err(Error::invalid("A new email address is required"));
    }
    let hash = new_hash(flow, kind, given(&body.password).as_deref()).await?;
    let data = body.data.unwrap_or_default();
    let wanted = flow.client.redirect_to.clone().or_else(|| given(&body.redirect_to));
    let redirect_to = flow.redirect_allowed(wanted.as_deref());
    let mut tx = flow.begin().await?;
    let (user, kind) = Box::pin(account(flow, &mut tx, kind, &email, data, hash)).await?;
    if let Some(new) = new_email.as_deref().filter(|_| is_change) {
        change(&mut tx, &user, new).await?;
    }
    let to = new_email.as_deref().filter(|_| kind == Kind::EmailChangeNew).unwrap_or(&email);
    let code = Code::make(to, flow.settings.section.email.otp_length);
    put(&mut tx, &user, kind, &code, to).await?;
    let user = users::find(&mut tx, user.id()).await?.ok_or_else(not_found)?;
    tx.commit().await?;
    let (verification_type, link_type) = kind.names();
    let mut answer = user::user(&user);
    answer["action_link"] = link(&flow.settings, &code.link, link_type, &redirect_to).into();
    answer["email_otp"] = code.digits.into();
    answer["hashed_token"] = code.link.into();
    answer["verification_type"] = verification_type.into();
    answer["redirect_to"] = redirect_to.into();
    Ok(Json(answer))
}

async fn new_hash(flow: &Flow, kind: Kind, password: Option<&str>) -> Result<Option<String>> {
    match (kind, password) {
        (Kind::Signup, None) => Err(Error::invalid("Signup requires a valid password")),
        (Kind::Signup, Some(password)) => {
            password::check(password, &flow.settings.section.password)?;
            flow.room.hasher().hash(password).await.map(Some)
        }
        _ => Ok(None),
    }
}

/// The account that the link is for. A link to sign in makes one, and is a link to sign up then.
async fn account(
    flow: &Flow,
    tx: &mut Tx,
    kind: Kind,
    email: &str,
    data: Map<String, Value>,
    hash: Option<String>,
) -> Result<(User, Kind)> {
    match (kind, users::find_by_email(tx, email).await?) {
        (Kind::Invite, _) => Ok((invited(flow, tx, email, data).await?, kind)),
        (Kind::Signup, Some(user)) => {
            let user = lock(tx, user.id()).await?;
            if user.row.email_confirmed_at.is_some() {
                return Err(email_exists());
            }
            describe(tx, &user, &data).await?;
            if let Some(hash) = hash {
                vouch_for_password(tx, &user, &hash).await?;
            }
            Ok((user, kind))
        }
        (Kind::Signup | Kind::MagicLink, None) => {
            let new =
                NewUser { email: Some(email.to_owned()), password: hash, user_metadata: data, ..NewUser::default() };
            let Made::New(user) = create_with_identity(tx, new, "email").await? else { return Err(email_exists()) };
            if user.password().is_some() {
                waiting_passwords::vouch(tx, user.id()).await?;
            }
            audit::note(tx, "user_signedup", &user, flow.client.ip, None).await?;
            Ok((*user, Kind::Signup))
        }
        (_, Some(user)) => {
            if matches!(kind, Kind::MagicLink | Kind::Recovery) {
                waiting_passwords::doubt(tx, user.id()).await?;
            }
            Ok((lock(tx, user.id()).await?, kind))
        }
        (_, None) => Err(not_found()),
    }
}

/// Begins a change of address, unless this one has begun: the links of both addresses belong to the same change.
async fn change(tx: &mut Tx, user: &User, new: &str) -> Result<()> {
    if user.row.email_change.as_deref() == Some(new) {
        return Ok(());
    }
    if users::find_by_email(tx, new).await?.is_some() {
        return Err(email_exists());
    }
    users::email_change_begun(tx, user.id(), new).await?;
    for stale in [TokenType::EmailChangeCurrent, TokenType::EmailChangeNew] {
        one_time_tokens::delete(tx, user.id(), stale).await?;
    }
    Ok(())
}

async fn put(tx: &mut Tx, user: &User, kind: Kind, code: &Code, to: &str) -> Result<()> {
    let token = NewToken { user: user.id(), kind: kind.token(), code, relates_to: to, flow: None };
    one_time_tokens::put(tx, &token).await?;
    let mail = match kind {
        Kind::Signup => MailKind::Confirmation,
        Kind::Invite => MailKind::Invite,
        Kind::MagicLink | Kind::Recovery => MailKind::Recovery,
        Kind::EmailChangeCurrent | Kind::EmailChangeNew => MailKind::EmailChange,
    };
    users::sent(tx, user.id(), mail).await
}
