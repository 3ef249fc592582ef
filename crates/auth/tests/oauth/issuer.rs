//! An issuer of our own, which can be made to lie.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use ferrobase_auth::config::{ExternalProviderSection, SignInSection};
use ferrobase_base::Secret;
use ferrobase_base::config::{Atom, HttpUrl};
use ferrobase_testkit::token;
use http::Response;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use crate::harness::section;

#[derive(Default)]
struct Said {
    documents: HashMap<String, Value>,
    calls: Vec<String>,
}

/// A server on this machine.
pub struct Issuer {
    address: SocketAddr,
    said: Arc<Mutex<Said>>,
}

impl Issuer {
    /// Publishes itself and the first key as `one`.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let said = Arc::<Mutex<Said>>::default();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&said));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let issuer = Self { address, said };
        let url = |path: &str| issuer.url(path);
        let discovery = json!({"issuer": url(""), "authorization_endpoint": url("/auth"), "token_endpoint": url("/token"),
            "jwks_uri": url("/keys"), "userinfo_endpoint": url("/me")});
        issuer.says("/.well-known/openid-configuration", discovery);
        issuer.says("/keys", json!({"keys": [Pair::one().public("one")]}));
        issuer
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn says(&self, path: &str, document: Value) {
        self.said.lock().expect("the lock").documents.insert(path.to_owned(), document);
    }

    pub fn calls(&self, path: &str) -> usize {
        self.said.lock().expect("the lock").calls.iter().filter(|call| *call == path).count()
    }

    /// Of a sign-in that is right in everything.
    pub fn claims(&self) -> Value {
        json!({"iss": self.url(""), "aud": "web", "sub": "ada", "email": "ada@example.com", "email_verified": true,
            "iat": token::now(), "exp": token::now() + 300})
    }

    /// A token with these claims, signed with the first key.
    pub fn token(&self, claims: &Value) -> String {
        Pair::one().sign("one", claims)
    }

    /// The configuration with this issuer as `keycloak`.
    pub fn section(&self, change: impl FnOnce(&mut SignInSection)) -> SignInSection {
        section(|section| {
            let external = ExternalProviderSection {
                client_id: vec!["web".to_owned(), "phone".to_owned()],
                secret: Some(Secret::new("secret")),
                url: Some(HttpUrl::parse(&self.url("")).expect("a URL")),
                ..ExternalProviderSection::default()
            };
            section.external.insert("keycloak".to_owned(), external);
            change(section);
        })
    }
}

async fn answer(State(said): State<Arc<Mutex<Said>>>, request: Request) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let mut said = said.lock().expect("the lock");
    said.calls.push(path.clone());
    let (status, body) = said.documents.get(&path).map_or((404, "{}".to_owned()), |body| (200, body.to_string()));
    Response::builder().status(status).header("content-type", "application/json").body(Body::from(body)).expect("it")
}

/// A pair of keys.
pub struct Pair {
    private: [u8; 32],
}

impl Pair {
    pub fn one() -> Self {
        Self { private: [7; 32] }
    }

    pub fn two() -> Self {
        Self { private: [9; 32] }
    }

    pub fn public(&self, kid: &str) -> Value {
        use base64::Engine as _;
        use base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let point = p256::SecretKey::from_slice(&self.private).expect("a key").public_key().to_sec1_bytes();
        json!({"kty": "EC", "crv": "P-256", "kid": kid, "alg": "ES256", "use": "sig",
            "x": URL_SAFE_NO_PAD.encode(&point[1..33]), "y": URL_SAFE_NO_PAD.encode(&point[33..])})
    }

    pub fn sign(&self, kid: &str, claims: &Value) -> String {
        let header = Header { kid: Some(kid.to_owned()), ..Header::new(Algorithm::ES256) };
        encode(&header, claims, &self.key()).expect("a token")
    }

    pub fn key(&self) -> EncodingKey {
        let head = "30410201003013 06072a8648ce3d0201 06082a8648ce3d030107 0427 3025 020101 0420".replace(' ', "");
        let bytes = (0..head.len()).step_by(2).map(|at| u8::from_str_radix(&head[at..at + 2], 16).expect("hex"));
        EncodingKey::from_ec_der(&bytes.chain(self.private).collect::<Vec<_>>())
    }
}
