//! The questions, as `navigator.credentials` takes them (JSON of WebAuthn level 3: bytes are base64url).

use serde_json::{Value, json};
use uuid::Uuid;

use super::cose::ALGORITHMS;
use super::{Ceremony, base64url};

/// How long a browser waits, in milliseconds; the challenge lives as long.
const TIMEOUT: u64 = 300_000;

/// A credential for a list: its id and how to reach its device.
pub(crate) type Listed = (Vec<u8>, Vec<String>);

/// "Make a key for this user", on a device that has none of `known`.
pub(crate) fn creation(ceremony: &Ceremony<'_>, user: Uuid, name: &str, known: &[Listed], resident: bool) -> Value {
    let kinds: Value = ALGORITHMS.iter().map(|alg| json!({"type": "public-key", "alg": alg})).collect();
    let resident_key = if resident { "required" } else { "discouraged" };
    json!({
        "rp": ceremony.party.json(),
        "user": {"id": base64url(user.to_string().as_bytes()), "name": name, "displayName": name},
        "challenge": ceremony.challenge,
        "pubKeyCredParams": kinds,
        "timeout": TIMEOUT,
        "excludeCredentials": listed(known),
        "authenticatorSelection": {
            "residentKey": resident_key,
            "requireResidentKey": resident,
            "userVerification": user_verification(ceremony),
        },
        "attestation": "none",
    })
}

/// "Sign this with one of `known`"; with none, whatever key the device has for us.
pub(crate) fn request(ceremony: &Ceremony<'_>, known: &[Listed]) -> Value {
    json!({
        "challenge": ceremony.challenge,
        "timeout": TIMEOUT,
        "rpId": ceremony.party.id,
        "allowCredentials": listed(known),
        "userVerification": user_verification(ceremony),
    })
}

fn listed(known: &[Listed]) -> Value {
    let one = |(id, transports): &Listed| {
        let mut out = json!({"type": "public-key", "id": base64url(id)});
        if !transports.is_empty() {
            out["transports"] = json!(transports);
        }
        out
    };
    known.iter().map(one).collect()
}

fn user_verification(ceremony: &Ceremony<'_>) -> &'static str {
    if ceremony.verifies_user { "required" } else { "preferred" }
}
