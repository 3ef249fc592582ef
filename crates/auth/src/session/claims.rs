//! What an access token says (contract 1.5).

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::settings::Settings;
use crate::store::amr::Proof;
use crate::user::{AUTHENTICATED, User};

/// Proofs of a second factor: one of them makes `aal2`.
const SECOND_FACTORS: [&str; 3] = ["totp", "mfa/phone", "mfa/webauthn"];

/// The claims of a session's token. `proofs` are the session's, newest first.
pub(super) fn claims(settings: &Settings, user: &User, session: Uuid, proofs: &[Proof], now: Timestamp) -> Value {
    let row = &user.row;
    let issued = now.as_second();
    let object = |map: &Option<Map<String, Value>>| Value::Object(map.clone().unwrap_or_default());
    let audience = settings.audience.as_deref().or(row.aud.as_deref());
    let proofs_of = |proof: &Proof| json!({"method": proof.method, "timestamp": proof.timestamp});
    json!({
        "iss": settings.external_url,
        "sub": row.id,
        "aud": audience.unwrap_or(AUTHENTICATED),
        "exp": issued + settings.jwt_expiry.as_secs() as i64,
        "iat": issued,
        "email": user.email(),
        "phone": user.phone(),
        "app_metadata": object(&row.raw_app_meta_data),
        "user_metadata": object(&row.raw_user_meta_data),
        "role": row.role.as_deref().unwrap_or(AUTHENTICATED),
        "aal": assurance(proofs),
        "amr": proofs.iter().map(proofs_of).collect::<Value>(),
        "session_id": session,
        "is_anonymous": row.is_anonymous,
    })
}

/// How well the user is known.
pub(super) fn assurance(proofs: &[Proof]) -> &'static str {
    if proofs.iter().any(|proof| SECOND_FACTORS.contains(&proof.method.as_str())) { "aal2" } else { "aal1" }
}
