//! `POST /admin/users`: an account made by an administrator, confirmed only as far as it says.

use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::update::{ban_seconds, taken};
use crate::account::add_identity;
use crate::caller::{Admin, Flow, Json};
use crate::error::{Error, Result};
use crate::password::{self, Scheme};
use crate::signup::{Made, create_with_identity};
use crate::store::users::NewUser;
use crate::store::{Tx, audit, users};
use crate::user::{self, User, address};

/// The body.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Create {
    id: Option<Uuid>,
    email: Option<String>,
    phone: Option<String>,
    password: Option<String>,
    password_hash: Option<String>,
    email_confirm: Option<bool>,
    phone_confirm: Option<bool>,
    user_metadata: Option<Map<String, Value>>,
    app_metadata: Option<Map<String, Value>>,
    role: Option<String>,
    ban_duration: Option<String>,
}

pub(super) async fn create(admin: Admin, Json(body): Json<Create>) -> Result<Json<Value>> {
    let flow = &admin.flow;
    let ban = body.ban_duration.as_deref().map(ban_seconds).transpose()?.flatten();
    let new = new_user(flow, &body).await?;
    let provider = if new.email.is_some() { "email" } else { "phone" };
    let phone_beside = new.phone.clone().filter(|_| new.email.is_some());
    let mut tx = flow.begin().await?;
    let email = new.email.clone();
    let Made::New(user) = create_with_identity(&mut tx, new, provider).await? else {
        return Err(taken(&mut tx, email.as_deref()).await?);
    };
    if let Some(phone) = &phone_beside {
        add_identity(&mut tx, &user, "phone", None, Some(phone)).await?;
    }
    finish(flow, &mut tx, &user, &body, ban).await?;
    let made = users::find(&mut tx, user.id()).await?;
    let made = made.ok_or_else(|| Error::internal("making an account")("it is not there"))?;
    tx.commit().await?;
    Ok(Json(user::user(&made)))
}

async fn new_user(flow: &Flow, body: &Create) -> Result<NewUser> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let email = given(&body.email).map(|email| address::email(&email)).transpose()?;
    let phone = given(&body.phone).map(|phone| address::phone(&phone)).transpose()?;
    if email.is_none() && phone.is_none() {
        return Err(Error::invalid("Cannot create a user without either an email or phone"));
    }
    let password = match (given(&body.password), given(&body.password_hash)) {
        (Some(_), Some(_)) => {
            return Err(Error::invalid("Only a password or a password hash should be provided"));
        }
        (Some(password), None) => {
            if password.len() > password::LONGEST {
                return Err(Error::invalid(format!("Password cannot be longer than {} characters", password::LONGEST)));
            }
            Some(flow.room.hasher().hash(&password).await?)
        }
        (None, Some(hash)) => {
            Scheme::of(&hash).map_err(|error| Error::invalid(error.to_string()))?;
            Some(hash)
        }
        (None, None) => None,
    };
    Ok(NewUser {
        id: body.id,
        email,
        phone,
        password,
        role: given(&body.role),
        app_metadata: body.app_metadata.clone().unwrap_or_default(),
        user_metadata: body.user_metadata.clone().unwrap_or_default(),
        ..NewUser::default()
    })
}

async fn finish(flow: &Flow, tx: &mut Tx, user: &User, body: &Create, ban: Option<f64>) -> Result<()> {
    if body.email_confirm.unwrap_or(false) && !user.email().is_empty() {
        users::confirm_email(tx, user.id()).await?;
    }
    if body.phone_confirm.unwrap_or(false) && !user.phone().is_empty() {
        users::confirm_phone(tx, user.id()).await?;
    }
    if ban.is_some() {
        users::ban(tx, user.id(), ban).await?;
    }
    audit::note(tx, "user_signedup", user, flow.client.ip, None).await
}
