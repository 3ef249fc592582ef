//! Signing keys (contract 1.6): what signs, what is published, what still verifies.

use ferrobase_base::config::SecretJson;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};

use crate::harness::{section, text, with};

fn es256(kid: &str, operations: &[&str]) -> Value {
    json!({"kty": "EC", "crv": "P-256", "kid": kid, "key_ops": operations,
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"})
}

fn standby() -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "kid": "next", "key_ops": ["verify"],
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"})
}

#[tokio::test]
async fn tokens_are_signed_with_the_key_in_force_and_verified_with_the_published_one() {
    let keys = json!({"keys": [es256("now", &["sign", "verify"]), standby()]});
    let auth = with(section(|section| section.signing_keys = Some(SecretJson::from(keys)))).await;
    let session = auth.sign_up("ada@example.com").await;
    let token = text(&session, "access_token");
    let published = auth.call("GET /.well-known/jwks.json", None, Value::Null).await;
    assert_eq!(published.field("cache-control"), "public, max-age=600");
    let published = published.ok();
    assert_eq!(published["keys"].as_array().map(Vec::len), Some(2));
    assert!(!published.to_string().contains("\"d\""), "{published}");
    let header = decode_header(token).expect("a header");
    assert_eq!((header.kid.as_deref(), header.typ.as_deref()), (Some("now"), Some("JWT")));
    let key: Jwk = serde_json::from_value(published["keys"][0].clone()).expect("a key");
    let mut rules = Validation::new(header.alg);
    rules.set_audience(&["authenticated"]);
    decode::<Value>(token, &DecodingKey::from_jwk(&key).expect("a key"), &rules).expect("a genuine token");
    auth.call("GET /user", Some(token), Value::Null).await.ok();
    // Keys made from the shared secret go on.
    auth.admin("GET /admin/users", Value::Null).await.ok();
}

#[tokio::test]
async fn the_shared_secret_signs_where_there_is_no_key_and_is_never_listed() {
    let auth = crate::harness::auth().await;
    let session = auth.sign_up("ada@example.com").await;
    let header = decode_header(text(&session, "access_token")).expect("a header");
    assert_eq!((header.alg, header.kid), (jsonwebtoken::Algorithm::HS256, None));
    let published = auth.call("GET /.well-known/jwks.json", None, Value::Null).await.ok();
    assert_eq!(published, json!({"keys": []}));
}
