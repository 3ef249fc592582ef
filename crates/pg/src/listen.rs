//! LISTEN that survives lost connections.
//!
//! A task holds one session, reconnects with back-off, and says when it did: whoever listens must then read again what
//! the notifications are about, since those sent in between are lost for ever. A silent connection is probed, because
//! a listener writes nothing by itself and would never notice a peer that vanished.
//! Invariant: a notification is a hint; anybody who can connect can send one (requirements/security.md 25).

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::connect::guide::Guide;
use crate::error::Error;
use crate::options::ConnectOptions;
use crate::session::{Notification, Session};

/// Events that wait for their receiver; when it is slower than that the session's socket fills, then the server's
/// queue.
const QUEUE: usize = 1024;
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(2);

/// What a listener has to tell.
#[derive(Clone, Debug)]
pub enum Event {
    /// Every channel is listened to from now on. Read again what notifications are about.
    Connected,
    /// A notification came.
    Notification(Notification),
    /// The connection is lost or could not be made; the next attempt follows by itself.
    Disconnected {
        /// Why.
        cause: Arc<Error>,
        /// When the next attempt is made.
        retry_in: Duration,
    },
}

/// How a listener notices a dead connection.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    /// Silence after which the server is asked for a sign of life (30 s).
    pub after: Duration,
    /// How long that may take (10 s).
    pub patience: Duration,
}

impl Default for Probe {
    fn default() -> Self {
        Self { after: Duration::from_secs(30), patience: Duration::from_secs(10) }
    }
}

/// Listens until it is dropped.
#[derive(Debug)]
pub struct Listener {
    events: mpsc::Receiver<Event>,
    task: JoinHandle<()>,
}

impl Listener {
    /// Listens to these channels, whose names are taken as they are (case included). Must be called on a runtime.
    pub fn spawn<C: Into<String>>(connect: ConnectOptions, channels: impl IntoIterator<Item = C>) -> Self {
        Self::spawn_with(connect, channels, Probe::default())
    }

    /// As [`Listener::spawn`], with other times for the probe.
    pub fn spawn_with<C: Into<String>>(
        connect: ConnectOptions,
        channels: impl IntoIterator<Item = C>,
        probe: Probe,
    ) -> Self {
        let (sender, events) = mpsc::channel(QUEUE);
        let script = listen_script(channels.into_iter().map(Into::into));
        let task = tokio::spawn(async move {
            // Ends when nobody receives any more.
            let _ = keep_listening(&connect, &script, probe, &sender).await;
        });
        Self { events, task }
    }

    /// The next event; `None` only after the runtime began to shut down. Dropping the future loses none.
    pub async fn recv(&mut self) -> Option<Event> {
        self.events.recv().await
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// `LISTEN` for each channel, its name quoted.
fn listen_script(channels: impl Iterator<Item = String>) -> String {
    channels.map(|channel| format!("LISTEN \"{}\";", channel.replace('"', "\"\""))).collect()
}

/// Nobody receives any more.
struct Unheard;

async fn keep_listening(
    connect: &ConnectOptions,
    script: &str,
    probe: Probe,
    events: &mpsc::Sender<Event>,
) -> Result<(), Unheard> {
    let mut backoff = FIRST_BACKOFF;
    loop {
        let moves = connect.guide.as_ref().map_or(0, Guide::moves);
        let cause = match begin(connect, script).await {
            Ok(mut session) => {
                backoff = FIRST_BACKOFF;
                send(events, Event::Connected).await?;
                tokio::select! {
                    cause = pass_on(&mut session, probe, events) => cause?,
                    () = moved(connect, moves) => Error::Moved,
                }
            }
            Err(error) => error,
        };
        if events.is_closed() {
            // Whoever listened has ended, often because the database is about to: no trouble to tell of.
            return Err(Unheard);
        }
        tracing::warn!(to = %connect, error = %cause, "listening to notifications was interrupted");
        send(events, Event::Disconnected { cause: Arc::new(cause), retry_in: backoff }).await?;
        tokio::time::sleep(backoff).await;
        backoff = (backoff * 2).min(LONGEST_BACKOFF);
    }
}

async fn begin(connect: &ConnectOptions, script: &str) -> Result<Session, Error> {
    let mut session = Session::connect(connect).await?;
    session.script(script).await?;
    Ok(session)
}

/// Waits until the primary is another server.
async fn moved(connect: &ConnectOptions, moves: u64) {
    match &connect.guide {
        Some(guide) => guide.moved_since(moves, false).await,
        None => std::future::pending().await,
    }
}

/// Passes notifications on until the connection fails.
async fn pass_on(session: &mut Session, probe: Probe, events: &mpsc::Sender<Event>) -> Result<Error, Unheard> {
    loop {
        match session.notification_within(probe.after).await {
            Ok(Some(notification)) => send(events, Event::Notification(notification)).await?,
            Ok(None) => {
                let answer = tokio::time::timeout(probe.patience, session.query("select 1", &[])).await;
                match answer {
                    Ok(Ok(_)) => {}
                    Ok(Err(error)) => return Ok(error),
                    Err(_) => return Ok(Error::ConnectTimeout(probe.patience)),
                }
            }
            Err(error) => return Ok(error),
        }
    }
}

async fn send(events: &mpsc::Sender<Event>, event: Event) -> Result<(), Unheard> {
    events.send(event).await.map_err(|_| Unheard)
}

#[cfg(test)]
mod tests {
    #[test]
    fn channel_names_are_quoted() {
        let script = super::listen_script(["pgrst".to_owned(), "A\"b".to_owned()].into_iter());
        assert_eq!(script, "LISTEN \"pgrst\";LISTEN \"A\"\"b\";");
    }
}
