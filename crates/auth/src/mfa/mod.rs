//! `/factors`: second factors (contract 3.1). Enrol -> challenge -> verify; only a verified factor counts.
//!
//! Codes of an application, codes by text message and security keys differ in what a challenge asks and what answers it; the rest
//! is one flow. Invariant: a wrong answer is noted in the transaction that found it wrong, and that is committed, so
//! that no number of callers at once gets more tries than one. Invariant: a challenge is answered once.
//! Read on: `verify` (the limits), `store::challenges`, docs/guide/auth-mfa.md.

mod admin;
mod challenge;
mod delete;
mod enroll;
mod qr;
mod totp;
mod verify;

use axum::Router;
use axum::routing::{delete as on_delete, get, post, put};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::config::{FactorSection, MfaSection};
use crate::error::{Error, ErrorCode, Result};
use crate::router::Room;
use crate::webauthn::{Credential, Fault, Known};

pub(crate) fn routes() -> Router<Room> {
    Router::new()
        .route("/factors", post(enroll::enroll))
        .route("/factors/{id}", on_delete(delete::delete))
        .route("/factors/{id}/challenge", post(challenge::challenge))
        .route("/factors/{id}/verify", post(verify::verify))
        .route("/admin/users/{id}/factors", get(admin::list))
        .route("/admin/users/{id}/factors/{factor}", put(admin::update).delete(admin::delete))
}

/// A kind of factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Totp,
    Phone,
    Webauthn,
}

impl Kind {
    fn of(name: &str) -> Option<Self> {
        [Self::Totp, Self::Phone, Self::Webauthn].into_iter().find(|kind| kind.name() == name)
    }

    /// As `auth.factor_type` has it.
    fn name(self) -> &'static str {
        match self {
            Self::Totp => "totp",
            Self::Phone => "phone",
            Self::Webauthn => "webauthn",
        }
    }

    /// What a token says of it.
    fn method(self) -> &'static str {
        match self {
            Self::Totp => "totp",
            Self::Phone => "mfa/phone",
            Self::Webauthn => "mfa/webauthn",
        }
    }

    fn section(self, section: &MfaSection) -> &FactorSection {
        match self {
            Self::Totp => &section.totp,
            Self::Phone => &section.phone,
            Self::Webauthn => &section.webauthn,
        }
    }

    fn check_enroll(self, section: &MfaSection) -> Result<()> {
        if self.section(section).enroll_enabled {
            return Ok(());
        }
        Err(match self {
            Self::Totp => off(ErrorCode::MfaTotpEnrollNotEnabled, "MFA enroll is disabled for TOTP"),
            Self::Phone => off(ErrorCode::MfaPhoneEnrollNotEnabled, "MFA enroll is disabled for Phone"),
            Self::Webauthn => off(ErrorCode::MfaWebauthnEnrollNotEnabled, "MFA enroll is disabled for WebAuthn"),
        })
    }

    fn check_verify(self, section: &MfaSection) -> Result<()> {
        if self.section(section).verify_enabled {
            return Ok(());
        }
        Err(match self {
            Self::Totp => off(ErrorCode::MfaTotpVerifyNotEnabled, "MFA verification is disabled for TOTP"),
            Self::Phone => off(ErrorCode::MfaPhoneVerifyNotEnabled, "MFA verification is disabled for Phone"),
            Self::Webauthn => off(ErrorCode::MfaWebauthnVerifyNotEnabled, "MFA verification is disabled for WebAuthn"),
        })
    }
}

fn off(code: ErrorCode, message: &'static str) -> Error {
    Error::unprocessable(code, message)
}

/// A path's factor; what is no id is no factor of anybody.
fn factor_id(text: &str) -> Result<Uuid> {
    Uuid::parse_str(text).map_err(|_| Error::not_found(ErrorCode::ValidationFailed, "factor_id must be an UUID"))
}

fn no_factor() -> Error {
    Error::not_found(ErrorCode::MfaFactorNotFound, "Factor not found")
}

/// A credential as it is stored; the shape of Supabase's rows, so that imported ones go on working.
fn stored(credential: &Credential) -> Value {
    json!({
        "id": base64(&credential.id),
        "publicKey": base64(&credential.key),
        "attestationType": "none",
        "transport": credential.transports,
        "flags": {
            "userPresent": true,
            "userVerified": credential.user_verified,
            "backupEligible": credential.backup_eligible,
            "backupState": credential.backed_up,
        },
        "authenticator": {
            "AAGUID": base64(credential.aaguid.as_bytes()),
            "signCount": credential.sign_count,
            "cloneWarning": false,
            "attachment": "",
        },
    })
}

/// The way back.
fn known(stored: &Value, user: Uuid) -> Result<Known, Fault> {
    let bytes = |name: &str| stored[name].as_str().and_then(from_base64).ok_or(Fault::Unreadable("the credential"));
    let count = stored["authenticator"]["signCount"].as_u64().unwrap_or_default();
    Ok(Known {
        id: bytes("id")?,
        key: bytes("publicKey")?,
        sign_count: u32::try_from(count).unwrap_or(u32::MAX),
        user: user.to_string(),
    })
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn from_base64(text: &str) -> Option<Vec<u8>> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(text).ok()
}
