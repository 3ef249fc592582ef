//! Who asks: the order of credentials, signatures of every algorithm, forged tokens, the cache.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ferrobase_base::ports::{ApiKeyGrant, ApiKeys, KeyMaterial, KeySet, KeySource, NoApiKeys, VerificationKey};
use ferrobase_base::{Kind, PublicError, Secret};
use ferrobase_request::credentials::{ConfiguredKeys, RolePath, TokenCache};
use ferrobase_request::keys::{self, TokenRequest};
use ferrobase_request::{AuthError, AuthRules, Credentials, Gate, Identity, Via, authenticate, authenticate_at};
use ferrobase_testkit::token::{SECRET, now, with_claims};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// One opaque key, `sb_secret_test`.
struct OneKey;

impl ApiKeys for OneKey {
    fn find(&self, sha256: &[u8; 32]) -> Option<ApiKeyGrant> {
        let hash: [u8; 32] = Sha256::digest(b"sb_secret_test").into();
        (*sha256 == hash).then(|| ApiKeyGrant { role: "service_role".into(), id: "key-1".into(), scopes: None })
    }
}

fn secret_keys() -> ConfiguredKeys {
    ConfiguredKeys::new(Some(&Secret::new(SECRET)), false, None).unwrap()
}

fn ask_at(gate: Gate, rules: &AuthRules, bearer: Option<&str>, apikey: Option<&str>) -> Result<Identity, AuthError> {
    let credentials = Credentials { bearer: bearer.map(str::to_owned), apikey: apikey.map(str::to_owned) };
    authenticate_at(gate, &credentials, &secret_keys(), &OneKey, rules, &TokenCache::new(10))
}

fn ask(bearer: Option<&str>, apikey: Option<&str>) -> Result<Identity, AuthError> {
    ask_at(Gate::default(), &AuthRules::default(), bearer, apikey)
}

fn check(keys: &dyn KeySource, token: &str) -> Result<Identity, AuthError> {
    let credentials = Credentials { bearer: Some(token.to_owned()), apikey: None };
    authenticate(&credentials, keys, &NoApiKeys, &AuthRules::default(), &TokenCache::new(10))
}

/// Code, message and challenge, as an HTTP client sees them.
fn seen(error: AuthError) -> (Kind, String, String, Option<String>) {
    let public = PublicError::from(error);
    let challenge = public.headers.iter().find(|(name, _)| name == "WWW-Authenticate").map(|(_, value)| value.clone());
    (public.kind, public.code.into_owned(), public.message, challenge)
}

#[test]
fn the_order_of_credentials() {
    let user = with_claims(&json!({"role": "authenticated", "sub": "u1", "exp": now() + 60}));
    let anon = keys::project_keys(SECRET.as_bytes(), &RolePath::default(), now() as i64).unwrap().anon;
    let service = keys::project_keys(SECRET.as_bytes(), &RolePath::default(), now() as i64).unwrap().service;
    for (bearer, apikey, role, via) in [
        (None, None, "anon", Via::Anonymous),
        (Some(&user), None, "authenticated", Via::Token),
        (Some(&user), Some(&anon), "authenticated", Via::Token),
        (Some(&user), Some(&service), "authenticated", Via::Token),
        (Some(&service), Some(&anon), "service_role", Via::Token),
        (Some(&anon), Some(&anon), "anon", Via::ApiKey),
        (None, Some(&anon), "anon", Via::ApiKey),
        (None, Some(&service), "service_role", Via::ApiKey),
        (Some(&"sb_secret_test".to_owned()), None, "service_role", Via::ApiKey),
        (None, Some(&"sb_secret_test".to_owned()), "service_role", Via::ApiKey),
        (Some(&user), Some(&"sb_secret_test".to_owned()), "authenticated", Via::Token),
    ] {
        let identity = ask(bearer.map(String::as_str), apikey.map(String::as_str)).unwrap();
        assert_eq!((identity.role(), identity.via), (role, via), "{bearer:?} {apikey:?}");
        assert_eq!(identity.is_anonymous, role == "anon");
    }
    let with_both = ask(Some(&user), Some("sb_secret_test")).unwrap();
    assert_eq!(with_both.api_key.unwrap().id.as_deref(), Some("key-1"));
    assert_eq!(with_both.claims.get("sub"), Some(&json!("u1")));
}

#[test]
fn an_invalid_credential_is_never_a_fallback() {
    let user = with_claims(&json!({"role": "authenticated", "exp": now() + 60}));
    let forged = format!("{}x", &user[..user.len() - 2]);
    for (bearer, apikey) in [
        (Some(forged.as_str()), None),
        (Some(forged.as_str()), Some(user.as_str())),
        (Some(user.as_str()), Some(forged.as_str())),
        (Some(user.as_str()), Some("sb_secret_other")),
        (None, Some(forged.as_str())),
        (None, Some("sb_secret_other")),
        (None, Some("")),
        (Some(""), None),
        (Some("sb_secret_other"), Some("sb_secret_test")),
        (Some("sb_secret_test"), Some("sb_secret_other")),
    ] {
        let error = ask(bearer, apikey).unwrap_err();
        assert_eq!(PublicError::from(error).kind, Kind::Unauthenticated, "{bearer:?} {apikey:?}");
    }
    assert_eq!(ask(None, Some("nonsense")).unwrap_err(), AuthError::InvalidApiKey);
}

#[test]
fn gates_decide_what_a_key_is_worth() {
    let anon = keys::project_keys(SECRET.as_bytes(), &RolePath::default(), now() as i64).unwrap().anon;
    let user = with_claims(&json!({"role": "authenticated", "exp": now() + 60}));
    let rules = AuthRules { require_api_key: true, ..AuthRules::default() };
    assert_eq!(ask_at(Gate::default(), &rules, None, None).unwrap_err(), AuthError::MissingApiKey);
    assert_eq!(ask_at(Gate::default(), &rules, Some(&user), None).unwrap_err(), AuthError::MissingApiKey);
    assert!(ask_at(Gate::default(), &rules, Some(&user), Some(&anon)).is_ok());
    let browser = Gate { key_required: false, ..Gate::default() };
    assert!(ask_at(browser, &rules, None, None).is_ok());
    let sign_in = Gate { key_gives_role: false, ..Gate::default() };
    let identity = ask_at(sign_in, &rules, None, Some("sb_secret_test")).unwrap();
    assert_eq!((identity.role(), identity.via), ("anon", Via::Anonymous));
    assert_eq!(identity.api_key.unwrap().role, "service_role");
}

#[test]
fn postgrest_knows_no_keys_and_may_have_no_anonymous_role() {
    let rules = AuthRules::postgrest(None);
    let at = |bearer, apikey| ask_at(Gate::default(), &rules, bearer, apikey);
    let no_role = with_claims(&json!({"sub": "u"}));
    let (kind, code, message, challenge) = seen(at(None, Some("ignored")).unwrap_err());
    assert_eq!((kind, code.as_str()), (Kind::Unauthenticated, "PGRST302"));
    assert_eq!((message.as_str(), challenge.as_deref()), ("Anonymous access is disabled", Some("Bearer")));
    assert_eq!(at(Some(&no_role), None).unwrap_err(), AuthError::TokenRequired);
    assert_eq!(at(Some(&with_claims(&json!({"role": "anything"}))), None).unwrap().role(), "anything");
    let without = AuthRules::postgrest(Some("web".into()));
    assert_eq!(ask_at(Gate::default(), &without, None, Some("ignored")).unwrap().role(), "web");
}

#[test]
fn sec_01_a_token_names_allowed_roles_only() {
    for role in ["postgres", "pg_read_all_data", "supabase_admin", "Authenticated", "", "none"] {
        let error = ask(Some(&with_claims(&json!({"role": role, "exp": now() + 60}))), None).unwrap_err();
        let (kind, code, ..) = seen(error);
        assert_eq!((kind, code.as_str()), (Kind::Forbidden, "FB303"), "{role:?}");
    }
    let rules = AuthRules { role_claim: RolePath::parse(".app.roles[0]").unwrap(), ..AuthRules::default() };
    let token = with_claims(&json!({"role": "service_role", "app": {"roles": ["authenticated"]}}));
    let identity = ask_at(Gate::default(), &rules, Some(&token), None).unwrap();
    assert_eq!(identity.role(), "authenticated");
    assert_eq!(serde_json::from_str::<Value>(identity.claims.json()).unwrap()["role"], "authenticated");
}

#[test]
fn refusals_read_as_clients_know_them() {
    let invalid = |message: &str| Some(format!("Bearer error=\"invalid_token\", error_description=\"{message}\""));
    let none = "eyJ0eXAiOiJKV1QiLCJhbGciOiJub25lIn0.e30.yOBhlOIqn56T";
    let strange = "eyJhbGciOiJIUzI1NyJ9.e30.AAAA";
    let wrong = encode(&Header::default(), &json!({}), &EncodingKey::from_secret(b"wrong secret")).unwrap();
    let text = encode(&Header::default(), &json!("text"), &EncodingKey::from_secret(SECRET.as_bytes())).unwrap();
    for (token, code, message, details) in [
        ("", "PGRST301", "Empty JWT is sent in Authorization header", None),
        ("a.b", "PGRST301", "Expected 3 parts in JWT; got 2", None),
        ("a.b.c.d.e", "PGRST301", "Expected 3 parts in JWT; got 5", None),
        ("quifquirndsjagnrgniur.fonvoienqhhdj.iuqvnvhojah", "PGRST301", "JWT cryptographic operation failed", None),
        (
            none,
            "PGRST301",
            "Wrong or unsupported encoding algorithm",
            Some("JWT is unsecured but expected 'alg' was not 'none'"),
        ),
        (strange, "PGRST301", "Wrong or unsupported encoding algorithm", Some("The 'alg' of the JWT is not supported")),
        (&wrong, "PGRST301", "No suitable key or wrong key type", Some("None of the keys was able to decode the JWT")),
        (&text, "PGRST303", "Parsing claims failed", None),
        (&with_claims(&json!({"exp": 1})), "PGRST303", "JWT expired", None),
        (&with_claims(&json!({"nbf": now() + 60})), "PGRST303", "JWT not yet valid", None),
        (&with_claims(&json!({"iat": now() + 60})), "PGRST303", "JWT issued at future", None),
        (&with_claims(&json!({"exp": "x"})), "PGRST303", "The JWT 'exp' claim must be a number", None),
        (
            &with_claims(&json!({"aud": 1})),
            "PGRST303",
            "The JWT 'aud' claim must be a string or an array of strings",
            None,
        ),
    ] {
        let error = ask(Some(token), None).unwrap_err();
        assert_eq!(PublicError::from(&error).details, details.map(Into::into), "{token}");
        assert_eq!(seen(error), (Kind::Unauthenticated, code.into(), message.into(), invalid(message)), "{token}");
    }
    let (kind, code, message, challenge) = seen(check(&ConfiguredKeys::none(), &wrong).unwrap_err());
    assert_eq!((kind, code.as_str(), message.as_str()), (Kind::Internal, "PGRST300", "Server lacks JWT secret"));
    assert_eq!(challenge, None);
}

/// Vectors of RFC 7515 (A.1, A.3) and RFC 8037 (A.4): the signatures are good, so what is refused is what is inside.
#[test]
fn the_examples_of_the_rfcs_verify() {
    let payload = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let jwks = json!({"keys": [
        {"kty": "oct", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"},
        {"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
         "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"},
        {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
    ]});
    let keys = ConfiguredKeys::new(None, false, Some(&jwks)).unwrap();
    let hs256 =
        format!("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{payload}.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    let es256 = format!(
        "eyJhbGciOiJFUzI1NiJ9.{payload}.\
         DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
    );
    let eddsa = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.\
                 hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    assert_eq!(check(&keys, &hs256).unwrap_err().to_string(), "JWT expired");
    assert_eq!(check(&keys, &es256).unwrap_err().to_string(), "JWT expired");
    assert_eq!(check(&keys, eddsa).unwrap_err().to_string(), "Parsing claims failed");
    let broken = hs256.replace("OEjXk", "OEjXl");
    assert_eq!(check(&keys, &broken).unwrap_err().to_string(), "No suitable key or wrong key type");
}

fn signing_key(algorithm: Algorithm) -> EncodingKey {
    match algorithm {
        Algorithm::ES256 => EncodingKey::from_ec_pem(include_bytes!("keys/p256.pem")).unwrap(),
        Algorithm::ES384 => EncodingKey::from_ec_pem(include_bytes!("keys/p384.pem")).unwrap(),
        Algorithm::EdDSA => EncodingKey::from_ed_pem(include_bytes!("keys/ed25519.pem")).unwrap(),
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => EncodingKey::from_secret(SECRET.as_bytes()),
        _ => EncodingKey::from_rsa_pem(include_bytes!("keys/rsa.pem")).unwrap(),
    }
}

fn public_key(algorithm: Algorithm) -> Value {
    serde_json::to_value(Jwk::from_encoding_key(&signing_key(algorithm), algorithm).unwrap()).unwrap()
}

const ALL: [Algorithm; 12] = [
    Algorithm::HS256,
    Algorithm::HS384,
    Algorithm::HS512,
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

#[test]
fn every_algorithm_verifies_with_its_key_and_no_other() {
    let claims = json!({"role": "authenticated", "sub": "u", "exp": now() + 60});
    for signed in ALL {
        let token = encode(&Header::new(signed), &claims, &signing_key(signed)).unwrap();
        for held in ALL {
            let keys = ConfiguredKeys::new(None, false, Some(&public_key(held))).unwrap();
            let result = check(&keys, &token);
            assert_eq!(result.is_ok(), signed == held, "{signed:?} with a key for {held:?}: {result:?}");
        }
    }
    let mut jwk = public_key(Algorithm::RS256);
    jwk.as_object_mut().unwrap().remove("alg");
    let keys = ConfiguredKeys::new(None, false, Some(&jwk)).unwrap();
    let pss = encode(&Header::new(Algorithm::PS384), &claims, &signing_key(Algorithm::PS384)).unwrap();
    assert!(check(&keys, &pss).is_ok(), "a key without alg verifies all algorithms of its type");
    jwk.as_object_mut().unwrap().insert("use".into(), "enc".into());
    let beside = json!({"keys": [jwk, public_key(Algorithm::ES256)]});
    let keys = ConfiguredKeys::new(None, false, Some(&beside)).unwrap();
    let refused = check(&keys, &pss).unwrap_err().to_string();
    assert_eq!(refused, "No suitable key or wrong key type", "an encryption key verifies nothing");
}

#[test]
fn sec_01_forged_tokens_are_refused() {
    let claims = json!({"role": "service_role"});
    let jwk = public_key(Algorithm::RS256);
    let rsa = ConfiguredKeys::new(None, false, Some(&jwk)).unwrap();
    // A public key used as if it were a shared secret: its modulus, and its whole text.
    for secret in [jwk["n"].as_str().unwrap().to_owned(), jwk.to_string()] {
        let confused = encode(&Header::default(), &claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap();
        assert_eq!(check(&rsa, &confused).unwrap_err().to_string(), "No suitable key or wrong key type");
    }
    // A key of the forger's own, delivered in the header.
    let own = EncodingKey::from_ec_pem(include_bytes!("keys/p256.pem")).unwrap();
    let mut header = Header::new(Algorithm::ES256);
    header.jwk = Some(Jwk::from_encoding_key(&own, Algorithm::ES256).unwrap());
    header.jku = Some("https://forger.example/keys".into());
    assert!(check(&rsa, &encode(&header, &claims, &own).unwrap()).is_err());
    // An empty signature, none in any spelling, and an extension that nobody understands.
    let hmac = secret_keys();
    let good = with_claims(&claims);
    let (signed, _) = good.rsplit_once('.').unwrap();
    assert!(check(&hmac, &format!("{signed}.")).is_err());
    for alg in ["none", "None", "NONE", "nOnE"] {
        let header = base64url(json!({"alg": alg}).to_string().as_bytes());
        let (_, payload) = signed.split_once('.').unwrap();
        assert!(check(&hmac, &format!("{header}.{payload}.")).is_err(), "{alg}");
    }
    let mut header = Header::default();
    header.extras.insert("crit", vec!["b64"]);
    header.extras.insert("b64", false);
    let extended = encode(&header, &claims, &signing_key(Algorithm::HS256)).unwrap();
    assert_eq!(check(&hmac, &extended).unwrap_err().to_string(), "Unsupported token type");
}

fn base64url(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

#[test]
fn kid_selects_the_key() {
    let hmac = |kid: Option<&str>, secret: &str| VerificationKey {
        kid: kid.map(str::to_owned),
        issuer: None,
        is_own: true,
        material: KeyMaterial::Hmac(secret.as_bytes().to_vec()),
    };
    let keys = Rotating::new(vec![hmac(Some("a"), "secret a"), hmac(Some("b"), "secret b"), hmac(None, "secret c")]);
    let token = |kid: Option<&str>, secret: &str| {
        let header = Header { kid: kid.map(str::to_owned), ..Header::default() };
        encode(&header, &json!({"role": "anon"}), &EncodingKey::from_secret(secret.as_bytes())).unwrap()
    };
    for (kid, secret, accepted) in [
        (Some("a"), "secret a", true),
        (Some("a"), "secret b", false),
        (Some("a"), "secret c", false),
        (Some("unknown"), "secret c", true),
        (Some("unknown"), "secret a", false),
        (None, "secret b", true),
        (None, "secret d", false),
    ] {
        assert_eq!(check(&keys, &token(kid, secret)).is_ok(), accepted, "{kid:?} {secret}");
    }
}

/// A source whose keys a test replaces.
struct Rotating(std::sync::Mutex<Arc<KeySet>>);

impl Rotating {
    fn new(keys: Vec<VerificationKey>) -> Self {
        Self(std::sync::Mutex::new(Arc::new(KeySet { epoch: 1, keys })))
    }

    fn rotate(&self, keys: Vec<VerificationKey>) {
        static EPOCH: AtomicU64 = AtomicU64::new(2);
        let epoch = EPOCH.fetch_add(1, Ordering::Relaxed);
        *self.0.lock().unwrap() = Arc::new(KeySet { epoch, keys });
    }
}

impl KeySource for Rotating {
    fn current(&self) -> Arc<KeySet> {
        Arc::clone(&self.0.lock().unwrap())
    }
}

#[test]
fn the_cache_is_bounded_checks_exp_and_forgets_on_rotation() {
    let hmac = |secret: &str| VerificationKey {
        kid: None,
        issuer: None,
        is_own: true,
        material: KeyMaterial::Hmac(secret.as_bytes().to_vec()),
    };
    let keys = Rotating::new(vec![hmac(SECRET)]);
    let cache = TokenCache::new(3);
    let rules = AuthRules::default();
    let ask = |token: &str| {
        let credentials = Credentials { bearer: Some(token.to_owned()), apikey: None };
        authenticate(&credentials, &keys, &NoApiKeys, &rules, &cache)
    };
    let token = |user: u32| with_claims(&json!({"role": "authenticated", "sub": user, "exp": now() + 60}));
    for user in [1, 1, 1, 2, 3] {
        ask(&token(user)).unwrap();
    }
    let stats = cache.stats();
    assert_eq!((stats.requests, stats.hits, stats.entries, stats.evictions), (5, 2, 3, 0));
    ask(&token(4)).unwrap();
    let stats = cache.stats();
    assert_eq!((stats.entries, stats.evictions), (3, 1));
    ask("nonsense").unwrap_err();
    assert_eq!(cache.stats().entries, 3, "refused tokens are not kept");
    let large = with_claims(&json!({"role": "authenticated", "user_metadata": "x".repeat(4096), "exp": now() + 60}));
    for _ in 0..2 {
        let hits = cache.stats().hits;
        assert_eq!(ask(&large).unwrap().role(), "authenticated");
        assert_eq!((cache.stats().hits, cache.stats().evictions), (hits, 1), "nor ones that users have made large");
    }

    let ending = with_claims(&json!({"role": "authenticated", "exp": now() - 29}));
    ask(&ending).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(2100));
    assert_eq!(ask(&ending).unwrap_err().to_string(), "JWT expired", "a hit checks the times again");

    keys.rotate(vec![hmac("another secret, as long as it has to be")]);
    assert!(ask(&token(2)).is_err(), "a rotated key verifies nothing, also not from the cache");
    keys.rotate(vec![hmac(SECRET)]);
    assert!(ask(&token(2)).is_ok());
}

#[test]
fn keys_are_tokens_with_a_role_for_ten_years() {
    let at = now() as i64;
    let keys = keys::project_keys(SECRET.as_bytes(), &RolePath::default(), at).unwrap();
    assert_eq!(keys.anon, keys::project_keys(SECRET.as_bytes(), &RolePath::default(), at - at % 86_400).unwrap().anon);
    let identity = ask(None, Some(&keys.service)).unwrap();
    assert_eq!(identity.claims.get("iss"), Some(&json!("ferrobase")));
    assert!(identity.expires_at.unwrap() > at + 9 * 365 * 86_400);
    let request = TokenRequest {
        role: Some("authenticated".into()),
        sub: Some("u1".into()),
        audience: None,
        lifetime: Some(10),
        claims: json!({"tenant_id": "t1"}).as_object().unwrap().clone(),
        ..TokenRequest::default()
    };
    let identity = ask(Some(&keys::token(SECRET.as_bytes(), &request, at).unwrap()), None).unwrap();
    assert_eq!((identity.user_id(), identity.tenant_id()), (Some("u1"), Some("t1")));
    let expired = keys::token(SECRET.as_bytes(), &request, at - 100).unwrap();
    assert_eq!(ask(Some(&expired), None).unwrap_err().to_string(), "JWT expired");
}

#[test]
fn keys_and_tokens_carry_their_role_to_where_it_is_looked_for() {
    let at = now() as i64;
    let role_claim = RolePath::parse(".app.role").unwrap();
    let rules = AuthRules { role_claim: role_claim.clone(), ..AuthRules::default() };
    let role = |token: &str| ask_at(Gate::default(), &rules, Some(token), None).unwrap().role().to_owned();
    let keys = keys::project_keys(SECRET.as_bytes(), &role_claim, at).unwrap();
    assert_eq!((role(&keys.anon), role(&keys.service)), ("anon".to_owned(), "service_role".to_owned()));
    let request = TokenRequest { role: Some("authenticated".into()), role_claim, ..TokenRequest::default() };
    assert_eq!(role(&keys::token(SECRET.as_bytes(), &request, at).unwrap()), "authenticated");
    let elsewhere = TokenRequest { role_claim: RolePath::default(), ..request };
    assert_eq!(role(&keys::token(SECRET.as_bytes(), &elsewhere, at).unwrap()), "anon", "what was lost before");
}
