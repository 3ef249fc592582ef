//! `POST /admin/users`: an account made by an administrator, confirmed only as far as it says.

use serde_json::Value;

use super::attributes::{Attributes, Checked, Strength};
use super::update::taken;
use crate::account::add_identity;
use crate::caller::{Admin, Flow, Json};
use crate::error::{Error, Result};
use crate::signup::{Made, create_with_identity};
use crate::store::users::NewUser;
use crate::store::{Tx, audit, users, waiting_passwords};
use crate::user::{self, User};

pub(super) async fn create(admin: Admin, Json(body): Json<Attributes>) -> Result<Json<Value>> {
    let flow = &admin.flow;
    let checked = body.check(flow)?;
    let new = new_user(flow, &body, &checked).await?;
    let provider = if new.email.is_some() { "email" } else { "phone" };
    let phone_beside = new.phone.clone().filter(|_| new.email.is_some());
    let mut tx = flow.begin().await?;
    let Made::New(user) = create_with_identity(&mut tx, new, provider).await? else {
        return Err(taken(&mut tx, checked.email.as_deref()).await?);
    };
    if let Some(phone) = &phone_beside {
        add_identity(&mut tx, &user, "phone", None, Some(phone)).await?;
    }
    if user.password().is_some() {
        waiting_passwords::vouch(&mut tx, user.id()).await?;
    }
    finish(flow, &mut tx, &user, &checked).await?;
    let made = users::find(&mut tx, user.id()).await?;
    let made = made.ok_or_else(|| Error::internal("making an account")("it is not there"))?;
    tx.commit().await?;
    Ok(Json(user::user(&made)))
}

async fn new_user(flow: &Flow, body: &Attributes, checked: &Checked) -> Result<NewUser> {
    if checked.email.is_none() && checked.phone.is_none() {
        return Err(Error::invalid("Cannot create a user without either an email or phone"));
    }
    Ok(NewUser {
        id: body.id,
        email: checked.email.clone(),
        phone: checked.phone.clone(),
        password: body.hash(flow, Strength::Any).await?,
        role: checked.role.clone(),
        app_metadata: body.app_metadata.clone().unwrap_or_default(),
        user_metadata: body.user_metadata.clone().unwrap_or_default(),
        ..NewUser::default()
    })
}

async fn finish(flow: &Flow, tx: &mut Tx, user: &User, checked: &Checked) -> Result<()> {
    if checked.confirms_email && !user.email().is_empty() {
        users::confirm_email(tx, user.id()).await?;
    }
    if checked.confirms_phone && !user.phone().is_empty() {
        users::confirm_phone(tx, user.id()).await?;
    }
    if let Some(Some(seconds)) = checked.ban {
        users::ban(tx, user.id(), Some(seconds)).await?;
    }
    audit::note(tx, "user_signedup", user, flow.client.ip, None).await
}
