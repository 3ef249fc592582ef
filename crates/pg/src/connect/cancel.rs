//! Asks the server to cancel what a session is running, over a connection of its own.
//!
//! The server answers nothing: it signals the session's process and closes. Waiting for that close means that the
//! signal was sent, which is as much as can be known.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Attempt, Peer, open};
use crate::error::Error;
use crate::options::ConnectOptions;
use crate::wire::write;

/// Longest time that a CancelRequest may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Cancels the running statement of one session. Cheap to clone; outlives the session harmlessly.
#[derive(Clone)]
pub struct CancelToken {
    pub(crate) options: std::sync::Arc<ConnectOptions>,
    pub(crate) peer: Peer,
    pub(crate) key: Option<(i32, Vec<u8>)>,
}

impl CancelToken {
    /// Sends the request and waits until the server has dealt with it. The statement may finish first, and its code
    /// may catch the cancellation: success here says only that the server was told.
    pub async fn cancel(&self) -> Result<(), Error> {
        let Some((pid, secret)) = &self.key else { return Err(Error::Closed) };
        let mut request = Vec::with_capacity(16);
        write::cancel_request(&mut request, *pid, secret);
        let send = async {
            // The secret is worth protecting as the session's own traffic is.
            let treatment = if self.peer.tls { Attempt::Tls } else { Attempt::Plain };
            let mut stream = open(&self.options, &self.peer, treatment).await?;
            stream.write_all(&request).await?;
            stream.flush().await?;
            let mut end = [0; 1];
            match stream.read(&mut end).await {
                Ok(_) => Ok(()),
                // TLS connections end without a closing alert.
                Err(e) if matches!(e.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => Ok(()),
                Err(e) => Err(e.into()),
            }
        };
        tokio::time::timeout(PATIENCE, send).await.unwrap_or(Err(Error::ConnectTimeout(PATIENCE)))
    }
}

impl std::fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CancelToken").field("pid", &self.key.as_ref().map(|k| k.0)).finish_non_exhaustive()
    }
}
