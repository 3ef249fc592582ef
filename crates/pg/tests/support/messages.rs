//! A proxy that drops, repeats or replays whole messages from the server to the client.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What happens to a message of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    Pass,
    Drop,
    Twice,
    /// Everything up to the next ReadyForQuery is replaced by the previous answer.
    ReplayAnswer,
}

#[derive(Default)]
struct Plan {
    /// For the next messages, in order; then everything passes.
    acts: VecDeque<Act>,
    seen: Vec<u8>,
}

/// A running proxy. Connections must be without TLS.
#[derive(Clone)]
pub struct MessageProxy {
    pub address: SocketAddr,
    plan: Arc<Mutex<Plan>>,
}

impl MessageProxy {
    pub async fn start(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let plan = Arc::new(Mutex::new(Plan::default()));
        let shared = plan.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let plan = shared.clone();
                tokio::spawn(async move {
                    let server = TcpStream::connect(upstream).await.unwrap();
                    // Messages are written one by one: without this each would wait for the last one's receipt.
                    client.set_nodelay(true).unwrap();
                    server.set_nodelay(true).unwrap();
                    let (mut client_in, client_out) = client.into_split();
                    let (server_in, mut server_out) = server.into_split();
                    tokio::select! {
                        _ = tokio::io::copy(&mut client_in, &mut server_out) => {}
                        () = forward(server_in, client_out, plan) => {}
                    }
                });
            }
        });
        Self { address, plan }
    }

    /// What happens to the next messages, beginning now.
    pub fn set(&self, acts: impl IntoIterator<Item = Act>) {
        let mut plan = self.plan.lock().unwrap();
        plan.acts = acts.into_iter().collect();
        plan.seen.clear();
    }

    /// Types of the messages that the server sent since [`MessageProxy::set`].
    pub fn seen(&self) -> Vec<u8> {
        self.plan.lock().unwrap().seen.clone()
    }
}

async fn forward(mut from: impl AsyncReadExt + Unpin, mut to: impl AsyncWriteExt + Unpin, plan: Arc<Mutex<Plan>>) {
    let mut last_answer = Vec::new();
    let mut answer = Vec::new();
    let mut replaying = false;
    loop {
        let mut header = [0; 5];
        if from.read_exact(&mut header).await.is_err() {
            return;
        }
        let length = u32::from_be_bytes(header[1..].try_into().unwrap()) as usize - 4;
        let mut message = header.to_vec();
        message.resize(5 + length, 0);
        if from.read_exact(&mut message[5..]).await.is_err() {
            return;
        }
        let act = {
            let mut plan = plan.lock().unwrap();
            plan.seen.push(header[0]);
            plan.acts.pop_front().unwrap_or(Act::Pass)
        };
        answer.extend_from_slice(&message);
        replaying |= act == Act::ReplayAnswer;
        let ended = header[0] == b'Z';
        let sent = match act {
            _ if replaying && ended => to.write_all(&last_answer).await,
            _ if replaying => Ok(()),
            Act::Drop => Ok(()),
            Act::Twice => to.write_all(&[message.as_slice(), message.as_slice()].concat()).await,
            _ => to.write_all(&message).await,
        };
        if ended {
            replaying = false;
            last_answer = std::mem::take(&mut answer);
        }
        if sent.is_err() {
            return;
        }
    }
}
