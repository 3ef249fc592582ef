//! `POST /invite`: an account for somebody who has not asked for it, and a mail that says so.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::not_found;
use super::update::email_exists;
use crate::account::merged;
use crate::caller::{Admin, Flow, Json};
use crate::error::{Error, Result};
use crate::hooks;
use crate::mail::MailKind;
use crate::proof::{Proof, check_mailer, send};
use crate::signup::{Made, create_with_identity};
use crate::store::users::NewUser;
use crate::store::{Tx, audit, users, waiting_passwords};
use crate::user::{self, User, address};

/// The body.
#[derive(Deserialize)]
pub(super) struct Invite {
    email: Option<String>,
    data: Option<Map<String, Value>>,
}

pub(super) async fn invite(admin: Admin, Json(body): Json<Invite>) -> Result<Json<Value>> {
    let flow = &admin.flow;
    let email = body.email.filter(|email| !email.is_empty());
    let email = address::email(&email.ok_or_else(|| Error::invalid("An email address is required"))?)?;
    check_mailer(flow)?;
    let mut tx = flow.begin().await?;
    let user = Box::pin(invited(flow, &mut tx, &email, body.data.unwrap_or_default())).await?;
    let proof = Proof { kind: MailKind::Invite, ..Proof::of_address(&email, None) };
    send(flow, &mut tx, &user, proof).await?;
    let user = users::find(&mut tx, user.id()).await?.ok_or_else(not_found)?;
    tx.commit().await?;
    Ok(Json(user::user(&user)))
}

/// The account of an address that nobody has proved yet.
pub(super) async fn invited(flow: &Flow, tx: &mut Tx, email: &str, data: Map<String, Value>) -> Result<User> {
    if let Some(user) = users::find_by_email(tx, email).await? {
        if user.row.email_confirmed_at.is_some() {
            return Err(email_exists());
        }
        describe(tx, &user, &data).await?;
        waiting_passwords::doubt(tx, user.id()).await?;
        return Ok(user);
    }
    let new = NewUser { email: Some(email.to_owned()), user_metadata: data, ..NewUser::default() };
    hooks::before_user_created(flow, tx, &new, Some("email")).await?;
    let Made::New(user) = create_with_identity(tx, new, "email").await? else { return Err(email_exists()) };
    hooks::after_user_created(flow, tx, &user).await?;
    audit::note(tx, "user_invited", &user, flow.client.ip, None).await?;
    Ok(*user)
}

/// What an administrator says of an account that is there goes before what somebody said who signed up with the address.
pub(super) async fn describe(tx: &mut Tx, user: &User, data: &Map<String, Value>) -> Result<()> {
    let metadata = merged(user.row.raw_user_meta_data.as_ref(), data);
    users::set_metadata(tx, user.id(), None, Some(&metadata)).await
}
