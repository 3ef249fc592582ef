//! A collector of traces on loopback that takes, refuses or hangs as a test says, and keeps what came.
//!
//! What came is read with OpenTelemetry's published classes (tests/clients/python/decode_otlp.py).

use std::net::SocketAddr;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::routing::post;
use serde_json::Value;

use crate::{clients, support};

/// What it does with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Behaviour {
    Takes,
    Refuses(u16),
    Hangs,
}

struct Shared {
    behaviour: Behaviour,
    messages: Vec<(Uri, HeaderMap, Bytes)>,
    refused: usize,
}

/// The collector.
pub(super) struct Collector {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    task: tokio::task::JoinHandle<()>,
}

impl Collector {
    pub(super) async fn start(behaviour: Behaviour) -> Self {
        let shared = Arc::new(Mutex::new(Shared { behaviour, messages: Vec::new(), refused: 0 }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/{*path}", post(take)).with_state(Arc::clone(&shared));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, shared, task }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn behave(&self, behaviour: Behaviour) {
        self.shared.lock().unwrap().behaviour = behaviour;
    }

    /// Messages that were not taken so far.
    pub(super) fn refused(&self) -> usize {
        self.shared.lock().unwrap().refused
    }

    /// Path, fields and size of the messages that were taken.
    pub(super) fn messages(&self) -> Vec<(String, HeaderMap, usize)> {
        let shared = self.shared.lock().unwrap();
        shared.messages.iter().map(|(uri, fields, body)| (uri.path().to_owned(), fields.clone(), body.len())).collect()
    }

    /// Everything that was taken, as bytes.
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.shared.lock().unwrap().messages.iter().flat_map(|(_, _, body)| body.to_vec()).collect()
    }

    /// The spans of everything that was taken.
    pub(super) async fn spans(&self) -> Vec<Value> {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(clients::python());
        command.arg(support::root().join("tests/clients/python/decode_otlp.py"));
        for (index, (_, _, body)) in self.shared.lock().unwrap().messages.iter().enumerate() {
            let path = folder.path().join(index.to_string());
            std::fs::write(&path, body).unwrap();
            command.arg(path);
        }
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn take(State(shared): State<Arc<Mutex<Shared>>>, uri: Uri, fields: HeaderMap, body: Bytes) -> StatusCode {
    let behaviour = shared.lock().unwrap().behaviour;
    match behaviour {
        Behaviour::Takes => {
            shared.lock().unwrap().messages.push((uri, fields, body));
            StatusCode::OK
        }
        Behaviour::Refuses(status) => {
            shared.lock().unwrap().refused += 1;
            StatusCode::from_u16(status).unwrap()
        }
        Behaviour::Hangs => {
            shared.lock().unwrap().refused += 1;
            tokio::time::sleep(Duration::from_secs(600)).await;
            StatusCode::OK
        }
    }
}
