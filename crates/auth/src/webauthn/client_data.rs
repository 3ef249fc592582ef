//! What the browser says of the question that it answers.

use serde::Deserialize;
use subtle::ConstantTimeEq;

use super::Fault;

#[derive(Deserialize)]
struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    origin: String,
    #[serde(rename = "crossOrigin", default)]
    is_cross_origin: Option<bool>,
}

/// Checks kind, challenge and page.
pub(super) fn check(json: &[u8], kind: &str, challenge: &str, origins: &[String]) -> Result<(), Fault> {
    let data: ClientData = serde_json::from_slice(json).map_err(|_| Fault::Unreadable("clientDataJSON"))?;
    if data.kind != kind {
        return Err(Fault::Ceremony);
    }
    if !bool::from(data.challenge.as_bytes().ct_eq(challenge.as_bytes())) {
        return Err(Fault::Challenge);
    }
    // A page in a frame of somebody else's page is not the page that the user sees.
    if data.is_cross_origin == Some(true) || !origins.contains(&data.origin) {
        return Err(Fault::Origin);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_ceremony_question_page_or_frame_is_refused() {
        let json = |kind: &str, challenge: &str, origin: &str, cross: bool| {
            serde_json::json!({"type": kind, "challenge": challenge, "origin": origin, "crossOrigin": cross})
                .to_string()
                .into_bytes()
        };
        let origins = ["https://app.example.com".to_owned()];
        let check = |json: Vec<u8>| check(&json, "webauthn.get", "abc", &origins);
        assert_eq!(check(json("webauthn.get", "abc", "https://app.example.com", false)), Ok(()));
        for (json, fault) in [
            (json("webauthn.create", "abc", "https://app.example.com", false), Fault::Ceremony),
            (json("webauthn.get", "abd", "https://app.example.com", false), Fault::Challenge),
            (json("webauthn.get", "", "https://app.example.com", false), Fault::Challenge),
            (json("webauthn.get", "abc", "https://app.example.com.evil.example", false), Fault::Origin),
            (json("webauthn.get", "abc", "http://app.example.com", false), Fault::Origin),
            (json("webauthn.get", "abc", "https://app.example.com", true), Fault::Origin),
            (b"[".to_vec(), Fault::Unreadable("clientDataJSON")),
        ] {
            assert_eq!(check(json), Err(fault));
        }
    }
}
