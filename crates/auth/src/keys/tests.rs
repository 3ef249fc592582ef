//! Keys of every kind sign, and the published half verifies.

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{DecodingKey, Validation, decode};

use super::*;

/// RFC 7515 A.3 (P-256) and RFC 8037 A.1 (Ed25519), with operations of ours.
fn es256(kid: &str, operations: &[&str]) -> Value {
    json!({"kty": "EC", "crv": "P-256", "kid": kid, "key_ops": operations,
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"})
}

fn eddsa(kid: &str, operations: &[&str]) -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "key_ops": operations,
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"})
}

#[test]
fn the_signing_key_signs_and_the_published_one_verifies() {
    for key in [es256("a", &["sign", "verify"]), eddsa("a", &["sign", "verify"])] {
        let keys = SigningKeys::read(&json!([key])).unwrap();
        let token =
            Signer::new(&keys, Some(b"unused")).unwrap().sign(&json!({"sub": "u", "exp": 4102444800_i64})).unwrap();
        let public: Jwk = serde_json::from_value(keys.public_set()["keys"][0].clone()).unwrap();
        let header = jsonwebtoken::decode_header(&token).unwrap();
        assert_eq!(header.kid.as_deref(), Some("a"));
        let claims = decode::<Value>(&token, &DecodingKey::from_jwk(&public).unwrap(), &Validation::new(header.alg));
        assert_eq!(claims.unwrap().claims["sub"], "u");
    }
}

#[test]
fn nothing_private_is_published() {
    let secret =
        json!({"kty": "oct", "kid": "old", "k": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", "key_ops": ["verify"]});
    let keys =
        SigningKeys::read(&json!({"keys": [es256("now", &["sign"]), eddsa("next", &["verify"]), secret]})).unwrap();
    let published = keys.public_set();
    let names: Vec<_> = published["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap()).collect();
    assert_eq!(names, ["now", "next"]);
    assert!(!published.to_string().contains("\"d\"") && !published.to_string().contains("\"k\""));
    let verifying = format!("{:?}", keys.verification_keys());
    assert!(!verifying.contains("jpsQnnGQmL") && !verifying.contains("nWGxne_9"), "{verifying}");
    assert_eq!(keys.verification_keys().len(), 3);
}

#[test]
fn a_set_says_which_one_key_signs() {
    let read = |set: Value| SigningKeys::read(&set).unwrap_err();
    assert_eq!(read(json!("x")), KeySetError::NotASet);
    assert_eq!(read(json!([es256("a", &["verify"])])), KeySetError::Signing(0));
    assert_eq!(read(json!([es256("a", &["sign"]), es256("b", &["sign"])])), KeySetError::Signing(2));
    assert_eq!(read(json!([es256("a", &["sign"]), eddsa("a", &["verify"])])), KeySetError::Kid(1));
    let mut other = es256("a", &["sign"]);
    other["alg"] = "HS256".into();
    assert!(matches!(read(json!([other])), KeySetError::Key { .. }));
}
