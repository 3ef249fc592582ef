//! An account as it is stored, and as clients see it.

pub mod address;
mod lenient;
mod shape;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::store::sessions::Session;

pub use shape::{factor, identity, user};

/// Audience and role of everybody who signs in.
pub const AUTHENTICATED: &str = "authenticated";

/// A row of `auth.users` with what belongs to it.
#[derive(Clone, Debug, Deserialize)]
pub struct User {
    /// The row.
    #[serde(rename = "user")]
    pub row: Row,
    /// Ways into the account, oldest first.
    #[serde(default)]
    pub identities: Vec<Identity>,
    /// Second factors, oldest first.
    #[serde(default)]
    pub factors: Vec<Factor>,
    /// The session that was asked for together with the account.
    #[serde(default)]
    pub session: Option<Session>,
}

/// Columns of `auth.users` that this room reads.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Row {
    pub id: Uuid,
    pub aud: Option<String>,
    pub role: Option<String>,
    #[serde(default, deserialize_with = "lenient::email")]
    pub email: Option<String>,
    pub encrypted_password: Option<String>,
    #[serde(default, deserialize_with = "lenient::time")]
    pub email_confirmed_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "lenient::time")]
    pub invited_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "lenient::time")]
    pub confirmation_sent_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "lenient::time")]
    pub recovery_sent_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "lenient::email")]
    pub email_change: Option<String>,
    #[serde(default, deserialize_with = "lenient::time")]
    pub email_change_sent_at: Option<Timestamp>,
    pub email_change_confirm_status: Option<i16>,
    #[serde(default, deserialize_with = "lenient::time")]
    pub last_sign_in_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "lenient::object")]
    pub raw_app_meta_data: Option<Map<String, Value>>,
    #[serde(default, deserialize_with = "lenient::object")]
    pub raw_user_meta_data: Option<Map<String, Value>>,
    #[serde(default, deserialize_with = "lenient::time")]
    pub created_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "lenient::time")]
    pub updated_at: Option<Timestamp>,
    pub phone: Option<String>,
    #[serde(default, deserialize_with = "lenient::time")]
    pub phone_confirmed_at: Option<Timestamp>,
    pub phone_change: Option<String>,
    #[serde(default, deserialize_with = "lenient::time")]
    pub phone_change_sent_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "lenient::time")]
    pub confirmed_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "lenient::time")]
    pub banned_until: Option<Timestamp>,
    #[serde(default, deserialize_with = "lenient::time")]
    pub reauthentication_sent_at: Option<Timestamp>,
    pub is_sso_user: bool,
    #[serde(default, deserialize_with = "lenient::time")]
    pub deleted_at: Option<Timestamp>,
    pub is_anonymous: bool,
}

/// A row of `auth.identities`.
#[derive(Clone, Debug, Deserialize)]
#[allow(missing_docs)]
pub struct Identity {
    pub id: Uuid,
    pub provider_id: String,
    pub user_id: Uuid,
    #[serde(deserialize_with = "lenient::object_or_empty")]
    pub identity_data: Map<String, Value>,
    pub provider: String,
    #[serde(default, deserialize_with = "lenient::time")]
    pub last_sign_in_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "lenient::time")]
    pub created_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "lenient::time")]
    pub updated_at: Option<Timestamp>,
    pub email: Option<String>,
}

/// A row of `auth.mfa_factors`, without its secret.
#[derive(Clone, Debug, Deserialize)]
#[allow(missing_docs)]
pub struct Factor {
    pub id: Uuid,
    pub user_id: Uuid,
    pub friendly_name: Option<String>,
    pub factor_type: String,
    pub status: String,
    #[serde(deserialize_with = "lenient::time_or_now")]
    pub created_at: Timestamp,
    #[serde(deserialize_with = "lenient::time_or_now")]
    pub updated_at: Timestamp,
    pub phone: Option<String>,
    #[serde(default, deserialize_with = "lenient::time")]
    pub last_challenged_at: Option<Timestamp>,
    pub web_authn_aaguid: Option<Uuid>,
    pub last_webauthn_challenge_data: Option<Value>,
}

impl User {
    /// The id.
    pub fn id(&self) -> Uuid {
        self.row.id
    }

    /// The address; empty when there is none.
    pub fn email(&self) -> &str {
        self.row.email.as_deref().unwrap_or_default()
    }

    /// The number; empty when there is none.
    pub fn phone(&self) -> &str {
        self.row.phone.as_deref().unwrap_or_default()
    }

    /// Whether the account may not be used now. The clock is this machine's: bans are not races.
    pub fn is_banned(&self) -> bool {
        self.row.banned_until.is_some_and(|until| until > Timestamp::now())
    }

    /// Whether it has an address or a number, and nobody has proved that it is theirs.
    pub fn waits_for_owner(&self) -> bool {
        let has_place = !self.email().is_empty() || !self.phone().is_empty();
        has_place && self.row.confirmed_at.is_none() && !self.row.is_sso_user
    }

    /// Whether a password is set.
    pub fn password(&self) -> Option<&str> {
        self.row.encrypted_password.as_deref().filter(|hash| !hash.is_empty())
    }

    /// Whether a second factor was verified once.
    pub fn has_verified_factor(&self) -> bool {
        self.factors.iter().any(|factor| factor.status == "verified")
    }
}
