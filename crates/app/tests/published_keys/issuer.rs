//! An issuer: key pairs, tokens they sign, and an https server on loopback that publishes what a test says.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// A P-256 key with its name.
pub(super) struct SigningPair {
    kid: String,
    pkcs8: Vec<u8>,
    /// `x` and `y`.
    point: Vec<u8>,
}

impl SigningPair {
    pub(super) fn new(kid: &str) -> Self {
        let pair = KeyPair::generate().unwrap();
        let point = pair.public_key_raw()[1..].to_vec();
        Self { kid: kid.to_owned(), pkcs8: pair.serialize_der(), point }
    }

    /// The same key under another name.
    pub(super) fn named(other: &Self, kid: &str) -> Self {
        Self { kid: kid.to_owned(), pkcs8: other.pkcs8.clone(), point: other.point.clone() }
    }

    /// What an issuer publishes.
    pub(super) fn public(&self) -> Value {
        let (x, y) = self.point.split_at(32);
        let text = |bytes| URL_SAFE_NO_PAD.encode(bytes);
        json!({"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.kid, "x": text(x), "y": text(y)})
    }

    pub(super) fn sign(&self, claims: &Value) -> String {
        let header = Header { kid: Some(self.kid.clone()), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, claims, &EncodingKey::from_ec_der(&self.pkcs8)).unwrap()
    }
}

/// Status line and body by path, and how often each was asked for.
#[derive(Default)]
struct Pages {
    pages: HashMap<String, (String, String)>,
    calls: HashMap<String, usize>,
}

/// The server.
pub(super) struct Issuer {
    port: u16,
    pages: Arc<Mutex<Pages>>,
    folder: tempfile::TempDir,
    task: tokio::task::JoinHandle<()>,
}

impl Issuer {
    pub(super) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        std::fs::write(folder.path().join("authority.pem"), certificate.pem()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let pages = Arc::<Mutex<Pages>>::default();
        let shown = Arc::clone(&pages);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, acceptor.clone(), Arc::clone(&shown)));
            }
        });
        Self { port, pages, folder, task }
    }

    /// The file that holds the authority of its certificate.
    pub(super) fn authority(&self) -> PathBuf {
        self.folder.path().join("authority.pem")
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port)
    }

    pub(super) fn says(&self, path: &str, status: &str, body: &str) {
        let page = (status.to_owned(), body.to_owned());
        self.pages.lock().unwrap().pages.insert(path.to_owned(), page);
    }

    /// Publishes a key set.
    pub(super) fn publish(&self, path: &str, keys: &[Value]) {
        self.says(path, "200 OK", &json!({ "keys": keys }).to_string());
    }

    pub(super) fn calls(&self, path: &str) -> usize {
        self.pages.lock().unwrap().calls.get(path).copied().unwrap_or_default()
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(stream: TcpStream, acceptor: TlsAcceptor, pages: Arc<Mutex<Pages>>) {
    let Ok(mut stream) = acceptor.accept(stream).await else { return };
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let (status, body) = {
        let mut pages = pages.lock().unwrap();
        *pages.calls.entry(path.clone()).or_default() += 1;
        pages.pages.get(&path).cloned().unwrap_or_else(|| ("404 Not Found".to_owned(), String::new()))
    };
    let text = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.shutdown().await;
}
