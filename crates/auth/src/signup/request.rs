//! What `/signup` is sent, and the order in which it is checked.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::config::SignInSection;
use crate::error::{Error, ErrorCode, Result};
use crate::password;
use crate::pkce::Challenge;
use crate::store::users::NewUser;
use crate::user::address;

/// The body.
#[derive(Deserialize)]
pub(super) struct SignUp {
    email: Option<String>,
    phone: Option<String>,
    password: Option<String>,
    pub(super) data: Option<Map<String, Value>>,
    channel: Option<String>,
    code_challenge: Option<String>,
    code_challenge_method: Option<String>,
}

/// How the person will be reached.
pub(super) enum Way {
    Email(String),
    Phone(String),
}

impl Way {
    /// As `provider` of an identity.
    pub(super) fn provider(&self) -> &'static str {
        match self {
            Self::Email(_) => "email",
            Self::Phone(_) => "phone",
        }
    }

    pub(super) fn email(&self) -> Option<&str> {
        if let Self::Email(email) = self { Some(email) } else { None }
    }

    pub(super) fn phone(&self) -> Option<&str> {
        if let Self::Phone(phone) = self { Some(phone) } else { None }
    }
}

/// A body that was checked.
pub(super) struct Request {
    pub(super) way: Way,
    pub(super) password: String,
    pub(super) data: Map<String, Value>,
    /// `sms` or `whatsapp`.
    pub(super) channel: String,
    /// What the client will prove when somebody follows the link.
    pub(super) challenge: Option<Challenge>,
}

impl SignUp {
    /// Nobody in particular signs up.
    pub(super) fn is_anonymous(&self) -> bool {
        given(&self.email).is_none() && given(&self.phone).is_none()
    }

    pub(super) fn check(self, section: &SignInSection) -> Result<Request> {
        let password =
            given(&self.password).ok_or_else(|| Error::invalid("Signup requires a valid password"))?.to_owned();
        password::check(&password, &section.password)?;
        let (email, phone) = (given(&self.email), given(&self.phone));
        if email.is_some() && phone.is_some() {
            let message = "Only an email address or phone number should be provided on signup.";
            return Err(Error::invalid(message));
        }
        let channel = given(&self.channel).unwrap_or("sms").to_owned();
        if phone.is_some() && !["sms", "whatsapp"].contains(&channel.as_str()) {
            return Err(Error::invalid("Invalid channel, supported values are 'sms' or 'whatsapp'"));
        }
        let has_challenge = given(&self.code_challenge).is_some() || given(&self.code_challenge_method).is_some();
        if phone.is_some() && has_challenge {
            return Err(Error::invalid("PKCE not supported for phone signups"));
        }
        let way = match (email, phone) {
            (Some(_), _) if !section.email.enabled => {
                return Err(Error::bad_request(ErrorCode::EmailProviderDisabled, "Email signups are disabled"));
            }
            (Some(email), _) => Way::Email(address::email(email)?),
            (None, _) if !section.sms.enabled => {
                return Err(Error::bad_request(ErrorCode::PhoneProviderDisabled, "Phone signups are disabled"));
            }
            (None, phone) => Way::Phone(address::phone(phone.unwrap_or_default())?),
        };
        let challenge = Challenge::read(self.code_challenge.as_deref(), self.code_challenge_method.as_deref())?;
        Ok(Request { way, password, data: self.data.unwrap_or_default(), channel, challenge })
    }
}

impl Request {
    /// What the account begins with.
    pub(super) fn new_user(&self, hash: String) -> NewUser {
        NewUser {
            email: self.way.email().map(str::to_owned),
            phone: self.way.phone().map(str::to_owned),
            password: Some(hash),
            user_metadata: self.data.clone(),
            ..NewUser::default()
        }
    }
}

fn given(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|text| !text.is_empty())
}
