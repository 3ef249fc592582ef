//! What an administrator says about an account, when one is made and when it is changed.

use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::duration::ban_seconds;
use crate::caller::{ADMINISTRATORS, Flow};
use crate::error::{Error, Result};
use crate::password::{self, Scheme};
use crate::user::address;

/// The body.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Attributes {
    /// Of a new account.
    pub(super) id: Option<Uuid>,
    email: Option<String>,
    phone: Option<String>,
    password: Option<String>,
    password_hash: Option<String>,
    email_confirm: Option<bool>,
    phone_confirm: Option<bool>,
    pub(super) user_metadata: Option<Map<String, Value>>,
    pub(super) app_metadata: Option<Map<String, Value>>,
    role: Option<String>,
    ban_duration: Option<String>,
}

/// What of it is written, in the one spelling of each.
pub(super) struct Checked {
    pub(super) email: Option<String>,
    pub(super) phone: Option<String>,
    pub(super) role: Option<String>,
    /// Seconds, or no ban; nothing where nothing is said of it.
    pub(super) ban: Option<Option<f64>>,
    pub(super) confirms_email: bool,
    pub(super) confirms_phone: bool,
}

/// Which passwords may be set.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Strength {
    /// Any that can be hashed: accounts come from elsewhere with what they have.
    Any,
    /// As people may choose them.
    AsPeopleChoose,
}

fn given(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|text| !text.is_empty())
}

impl Attributes {
    /// Checks everything but the password.
    pub(super) fn check(&self, flow: &Flow) -> Result<Checked> {
        Ok(Checked {
            email: given(&self.email).map(address::email).transpose()?,
            phone: given(&self.phone).map(address::phone).transpose()?,
            role: given(&self.role).map(|role| check_role(flow, role)).transpose()?,
            ban: given(&self.ban_duration).map(ban_seconds).transpose()?,
            confirms_email: self.email_confirm.unwrap_or(false),
            confirms_phone: self.phone_confirm.unwrap_or(false),
        })
    }

    /// The hash of the password, or the one that came as such.
    pub(super) async fn hash(&self, flow: &Flow, strength: Strength) -> Result<Option<String>> {
        match (given(&self.password), given(&self.password_hash)) {
            (Some(_), Some(_)) => Err(Error::invalid("Only a password or a password hash should be provided")),
            (Some(password), None) => {
                check_password(flow, password, strength).await?;
                flow.room.hasher().hash(password).await.map(Some)
            }
            (None, Some(hash)) => {
                Scheme::of(hash).map_err(|error| Error::invalid(error.to_string()))?;
                Ok(Some(hash.to_owned()))
            }
            (None, None) => Ok(None),
        }
    }
}

async fn check_password(flow: &Flow, password: &str, strength: Strength) -> Result<()> {
    let section = &flow.settings.section.password;
    if strength == Strength::AsPeopleChoose {
        password::check(password, section)?;
        return password::check_leaked(flow.room.outbound(), password, section).await;
    }
    if password.len() > password::LONGEST {
        return Err(Error::invalid(format!("Password cannot be longer than {} characters", password::LONGEST)));
    }
    Ok(())
}

/// Only what tokens may name here, and no administrators: whoever has the account's password would be one for good.
fn check_role(flow: &Flow, role: &str) -> Result<String> {
    let is_allowed = flow.target.authority.rules.allowed_roles.allow(role) && !ADMINISTRATORS.contains(&role);
    is_allowed
        .then(|| role.to_owned())
        .ok_or_else(|| Error::invalid("An account cannot have this role (auth.allowed_roles)"))
}
