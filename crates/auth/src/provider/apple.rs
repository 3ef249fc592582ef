//! Apple's client secret: a token that is signed with the developer's key.
//!
//! `auth.external.apple.secret` may be such a token, which somebody has to renew twice a year, or what it is made from:
//! `{"team_id", "key_id", "private_key"}` (the key as PEM).

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde::Deserialize;
use serde_json::json;

/// Seconds that a secret is good for: one exchange.
const LIFE: i64 = 300;

#[derive(Deserialize)]
struct Key {
    team_id: String,
    key_id: String,
    private_key: String,
}

/// The secret for one exchange, when the configured one is a key. The audience is where it will be sent.
pub(super) fn client_secret(secret: &str, client_id: &str, audience: &str, now: i64) -> Option<String> {
    let key: Key = serde_json::from_str(secret).ok()?;
    let header = Header { kid: Some(key.key_id), ..Header::new(Algorithm::ES256) };
    let claims = json!({"iss": key.team_id, "sub": client_id, "aud": audience, "iat": now, "exp": now + LIFE});
    let signing = EncodingKey::from_ec_pem(key.private_key.as_bytes());
    let signed = signing.and_then(|signing| encode(&header, &claims, &signing));
    signed.inspect_err(|error| tracing::error!(%error, "auth.external.apple.secret has a key that cannot sign")).ok()
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{DecodingKey, Validation, decode};
    use serde_json::Value;

    use super::*;

    const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgjpsQnnGQmL+YBIff
H1136cspYG6+0iY7X1fCE9+E9LKhRANCAAR/zc4ncPbEXUGDy+5v20t7WAczNXvp
7xO6z248e9FURcfxRM0bvZt+hyzf7bnuufSzaV1uqQskrYpGIyiFiOWt
-----END PRIVATE KEY-----";

    #[test]
    fn a_key_makes_a_secret_and_a_secret_stays() {
        let key = json!({"team_id": "TEAM", "key_id": "KID", "private_key": PRIVATE}).to_string();
        let Some(secret) = client_secret(&key, "com.example", "https://appleid.apple.com", 1_700_000_000) else {
            panic!("no secret");
        };
        let header = jsonwebtoken::decode_header(&secret).unwrap();
        assert_eq!((header.alg, header.kid.as_deref()), (Algorithm::ES256, Some("KID")));
        let public = DecodingKey::from_ec_components(
            "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        );
        let mut validation = Validation::new(Algorithm::ES256);
        validation.validate_exp = false;
        validation.set_audience(&["https://appleid.apple.com"]);
        let claims = decode::<Value>(&secret, &public.unwrap(), &validation).unwrap().claims;
        assert_eq!((&claims["iss"], &claims["sub"]), (&json!("TEAM"), &json!("com.example")));
        assert_eq!(claims["exp"], 1_700_000_300);
        assert_eq!(client_secret("eyJ.a.b", "com.example", "https://appleid.apple.com", 0), None);
    }
}
