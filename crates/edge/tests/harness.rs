//! Starts an edge on a free port, and speaks to it with and without manners.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ferrobase_base::ports::{KeyMaterial, KeySet, KeySource, NoApiKeys, VerificationKey};
use ferrobase_edge::config::{LogFormat, SecuritySection, ServerSection};
use ferrobase_edge::listener::{ConnectionLimits, Ended, Endpoint, Listener, Tls, Workers};
use ferrobase_edge::log::{AccessLog, Sink, Target};
use ferrobase_edge::metrics::{Exposition, Metrics};
use ferrobase_edge::{Alias, App, Lifecycle, Room, Settings};
use ferrobase_request::credentials::{RolePath, TokenCache};
use ferrobase_request::keys::project_keys;
use ferrobase_request::{AuthRules, Authority};
use jsonwebtoken::{EncodingKey, Header};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

const SECRET: &[u8] = b"a-secret-of-the-edge-tests-with-enough-bytes";

/// The smallest request.
pub(crate) const HELLO: &str = "GET /rest/v1/hello HTTP/1.1\r\nhost: x\r\n\r\n";

/// What a test may change before the server starts.
pub(crate) struct Setup {
    pub(crate) server: ServerSection,
    pub(crate) security: SecuritySection,
    pub(crate) rules: AuthRules,
    pub(crate) limits: ConnectionLimits,
    pub(crate) tls: Option<Arc<Tls>>,
    pub(crate) rooms: Vec<Room>,
    pub(crate) adjust: fn(&mut Settings),
    pub(crate) postgrest: Option<Vec<String>>,
    pub(crate) format: LogFormat,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            server: ServerSection::default(),
            security: SecuritySection::default(),
            rules: AuthRules::default(),
            limits: ConnectionLimits::default(),
            tls: None,
            rooms: Vec::new(),
            adjust: |_| {},
            postgrest: None,
            format: LogFormat::Json,
        }
    }
}

/// A running edge with the test room at `/rest/v1`.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) app: App,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) metrics: Metrics,
    pub(crate) log: Memory,
    sink: Arc<Sink>,
    pub(crate) task: JoinHandle<Ended>,
}

pub(crate) async fn start() -> Server {
    Setup::default().start().await
}

pub(crate) fn authority(rules: AuthRules) -> Arc<Authority> {
    Arc::new(Authority {
        keys: Arc::new(OneSecret),
        api_keys: Arc::new(NoApiKeys),
        rules,
        cache: TokenCache::new(1000),
    })
}

impl Setup {
    pub(crate) fn settings(&self) -> Settings {
        let authority = authority(self.rules.clone());
        let mut settings = match &self.postgrest {
            Some(origins) => Settings::postgrest(origins, authority),
            None => Settings::from_sections(&self.server, &self.security, authority),
        }
        .unwrap();
        (self.adjust)(&mut settings);
        settings
    }

    pub(crate) async fn start(self) -> Server {
        let log = Memory::default();
        let sink = Arc::new(Sink::new(Target::Writer(Box::new(log.clone()))));
        let metrics = Metrics::new();
        let mut builder = App::builder(self.settings(), metrics.http())
            .room(Room::new("/rest/v1", crate::room::router()))
            .aliases(Alias::seed())
            .access_log(AccessLog::new(Arc::clone(&sink), self.format.into(), Some(tracing::Level::INFO)));
        for room in self.rooms {
            builder = builder.room(room);
        }
        let app = builder.build();
        app.register(&metrics);
        let endpoint = Endpoint::Tcp { host: "127.0.0.1".to_owned(), port: 0, shared: false };
        let listener = Listener::bind(&[endpoint]).await.unwrap();
        let listener = listener.tls(self.tls).limits(self.limits).metrics(metrics.http());
        let listener = listener.workers(Workers::start().unwrap());
        let address = listener.addresses()[0];
        let lifecycle = Lifecycle::default();
        let task = tokio::spawn(listener.serve(app.clone(), lifecycle.clone()));
        Server { address, app, lifecycle, metrics, log, sink, task }
    }
}

impl Server {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}/rest/v1{path}", self.address)
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        client().get(self.url(path)).send().await.unwrap()
    }

    /// Writes bytes on a new connection and reads until the server closes it.
    pub(crate) async fn raw(&self, request: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect().await;
        let _ = stream.write_all(request.as_ref()).await;
        read_all(&mut stream).await
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// The request lines logged so far.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.text_lines().iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub(crate) fn text_lines(&self) -> Vec<String> {
        self.sink.flush();
        self.log.text().lines().map(str::to_owned).collect()
    }

    /// Waits for that many request lines.
    pub(crate) async fn wait_for_lines(&self, count: usize) -> Vec<Value> {
        for _ in 0..200 {
            let lines = self.lines();
            if lines.len() >= count {
                return lines;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("only {:?}", self.lines());
    }

    pub(crate) fn metric(&self, series: &str) -> Option<f64> {
        let page = self.metrics.expose(Exposition::Classic).unwrap();
        page.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
    }
}

/// Reads until the end of the connection, five seconds at most.
pub(crate) async fn read_all(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut bytes = Vec::new();
    let read = async {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(count @ 1..) = stream.read(&mut buffer).await {
            bytes.extend_from_slice(&buffer[..count]);
        }
    };
    tokio::time::timeout(Duration::from_secs(5), read).await.expect("the server should close the connection");
    String::from_utf8_lossy(&bytes).into_owned()
}

pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder().no_gzip().no_brotli().no_zstd().build().unwrap()
}

/// A token of our secret.
pub(crate) fn token(claims: &Value) -> String {
    jsonwebtoken::encode(&Header::default(), claims, &EncodingKey::from_secret(SECRET)).unwrap()
}

pub(crate) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64
}

pub(crate) fn user_token(user: &str) -> String {
    token(&serde_json::json!({"role": "authenticated", "sub": user, "exp": now() + 600}))
}

pub(crate) fn anon_key() -> String {
    project_keys(SECRET, &RolePath::default(), now()).unwrap().anon
}

pub(crate) fn service_key() -> String {
    project_keys(SECRET, &RolePath::default(), now()).unwrap().service
}

struct OneSecret;

impl KeySource for OneSecret {
    fn current(&self) -> Arc<KeySet> {
        let key =
            VerificationKey { kid: None, issuer: None, is_own: true, material: KeyMaterial::Hmac(SECRET.to_vec()) };
        Arc::new(KeySet { epoch: 1, keys: vec![key] })
    }
}

/// A log in memory.
#[derive(Clone, Default)]
pub(crate) struct Memory(Arc<Mutex<Vec<u8>>>);

impl Memory {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Write::write(&mut *self.0.lock().unwrap(), bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
