//! What is proved, and by which secret.

use serde::Deserialize;

use crate::error::{Error, ErrorCode, Result};
use crate::store::one_time_tokens::TokenType;
use crate::user::address;

/// The body.
#[derive(Deserialize)]
pub(super) struct Verify {
    #[serde(rename = "type")]
    kind: Option<String>,
    token: Option<String>,
    token_hash: Option<String>,
    email: Option<String>,
    phone: Option<String>,
}

/// What somebody wants to prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Signup,
    Invite,
    Recovery,
    MagicLink,
    EmailChange,
    /// Either a new account's address or a sign-in.
    Email,
    Sms,
    PhoneChange,
}

/// By which secret.
pub(super) enum Secret {
    /// What stands in a link.
    Link(String),
    /// What was typed, and the address or number that it was sent to.
    Code { address: String, digits: String },
}

/// A request.
pub(super) struct Ask {
    pub(super) kind: Type,
    pub(super) secret: Secret,
}

impl Type {
    fn read(text: &str) -> Result<Self> {
        Ok(match text {
            "signup" => Self::Signup,
            "invite" => Self::Invite,
            "recovery" => Self::Recovery,
            "magiclink" => Self::MagicLink,
            "email_change" => Self::EmailChange,
            "email" => Self::Email,
            "sms" => Self::Sms,
            "phone_change" => Self::PhoneChange,
            "" => return Err(Error::invalid("Verify requires a verification type")),
            _ => return Err(Error::invalid("Unsupported verification type")),
        })
    }

    pub(super) fn is_by_phone(self) -> bool {
        matches!(self, Self::Sms | Self::PhoneChange)
    }

    /// Which tokens can prove it.
    pub(super) fn tokens(self) -> &'static [TokenType] {
        match self {
            Self::Signup | Self::Invite | Self::Sms => &[TokenType::Confirmation],
            Self::Recovery | Self::MagicLink => &[TokenType::Recovery],
            Self::EmailChange => &[TokenType::EmailChangeCurrent, TokenType::EmailChangeNew],
            Self::Email => &[TokenType::Confirmation, TokenType::Recovery],
            Self::PhoneChange => &[TokenType::PhoneChange],
        }
    }
}

impl Ask {
    /// From a link.
    pub(super) fn link(kind: &str, link: String) -> Result<Self> {
        let kind = Type::read(kind)?;
        if kind.is_by_phone() {
            return Err(Error::invalid("Unsupported verification type"));
        }
        Ok(Self { kind, secret: Secret::Link(link) })
    }

    /// What every wrong, used or late secret is told.
    pub(super) fn refusal(&self) -> Error {
        match self.secret {
            Secret::Link(_) => expired_link(),
            Secret::Code { .. } => Error::forbidden(ErrorCode::OtpExpired, "Token has expired or is invalid"),
        }
    }
}

pub(super) fn expired_link() -> Error {
    Error::forbidden(ErrorCode::OtpExpired, "Email link is invalid or has expired")
}

impl Verify {
    pub(super) fn read(self) -> Result<Ask> {
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        let (email, phone) = (given(self.email), given(self.phone));
        let kind = given(self.kind).unwrap_or_default();
        match (given(self.token), given(self.token_hash)) {
            (Some(_), Some(_)) | (None, None) => Err(Error::invalid("Verify requires either a token or a token hash")),
            (None, Some(_)) if email.is_some() || phone.is_some() => {
                Err(Error::invalid("Only the token_hash and type should be provided"))
            }
            (None, Some(link)) => Ask::link(&kind, link),
            (Some(digits), None) => {
                let kind = Type::read(&kind)?;
                let address = match (email, phone) {
                    (Some(email), None) if !kind.is_by_phone() => address::email(&email)?,
                    (None, Some(phone)) if kind.is_by_phone() => address::phone(&phone)?,
                    _ => {
                        return Err(Error::invalid(
                            "Only an email address or phone number should be provided on verify",
                        ));
                    }
                };
                Ok(Ask { kind, secret: Secret::Code { address, digits } })
            }
        }
    }
}
