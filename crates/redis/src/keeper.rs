//! Makes the connection, watches it, and makes it again.
//!
//! A lost connection is made again at once, then after 0.5, 1 and 2 seconds, and every 2 seconds from there on; a
//! connection that did not last counts as a failed attempt, so that a server which takes logins and then hangs is not
//! asked all the time. An outage is said when the first attempt to end it fails, once for each kind of trouble, and its
//! end once; interruptions that nobody could have noticed are counted only.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ferrobase_base::error::causes;

use crate::client::Link;
use crate::connect::Connector;
use crate::connection::Connection;
use crate::error::{Error, Trouble};

/// Pause after the first failed attempt; doubles twice.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const DOUBLINGS: u32 = 2;
/// A connection that lived so long was a good one.
const LASTING: Duration = Duration::from_secs(5);
/// Between two looks at a connection. Requests notice more quickly; without any, this is how long a server can be gone
/// before the metric says so.
const LOOK: Duration = Duration::from_secs(5);
/// What was said is not said again for the next outage, when that follows so soon.
const QUIET: Duration = Duration::from_secs(30);

/// Never ends; the client aborts it.
pub(crate) async fn keep(link: Arc<Link>, mut connector: Connector) {
    let (mut failures, mut teller) = (0, Teller::default());
    loop {
        let connection = Arc::new(regain(&link, &mut connector, &mut failures, &mut teller).await);
        link.put(Arc::clone(&connection));
        teller.is_back();
        let began = Instant::now();
        watch(&link, &connection, &mut connector).await;
        if began.elapsed() >= LASTING {
            failures = 0;
        } else {
            tokio::time::sleep(pause(failures)).await;
            failures += 1;
        }
    }
}

/// Tries until it works.
async fn regain(link: &Link, connector: &mut Connector, failures: &mut u32, teller: &mut Teller) -> Connection {
    loop {
        match connector.connect().await {
            Ok(connection) => return connection,
            Err(error) => {
                link.attempt_failed(error.trouble());
                teller.is_down(&error);
                tokio::time::sleep(pause(*failures)).await;
                *failures += 1;
            }
        }
    }
}

/// Until somebody takes the connection away, or a look at it shows that it is of no use.
async fn watch(link: &Link, connection: &Arc<Connection>, connector: &mut Connector) {
    loop {
        tokio::select! {
            () = link.lost() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        if let Err(error) = connector.check(connection).await {
            tracing::debug!(error = causes(&error), "the connection to Redis is given up");
            link.give_up(connection);
        }
    }
}

fn pause(failures: u32) -> Duration {
    FIRST_PAUSE * 2_u32.pow(failures.min(DOUBLINGS))
}

/// Says what an operator wants to read once.
#[derive(Default)]
struct Teller {
    outage: Option<Outage>,
    said: Vec<(Trouble, Instant)>,
}

struct Outage {
    began: Instant,
    met: Vec<Trouble>,
    was_said: bool,
}

impl Teller {
    fn is_down(&mut self, error: &Error) {
        let outage =
            self.outage.get_or_insert_with(|| Outage { began: Instant::now(), met: Vec::new(), was_said: false });
        let trouble = error.trouble();
        if outage.met.contains(&trouble) {
            return;
        }
        outage.met.push(trouble);
        self.said.retain(|(_, at)| at.elapsed() < QUIET);
        if self.said.iter().any(|(said, _)| *said == trouble) {
            return;
        }
        self.said.push((trouble, Instant::now()));
        outage.was_said = true;
        let error = causes(error);
        match trouble {
            Trouble::Ours => tracing::error!(error, "Redis is of no use: rate limits are counted on this node alone"),
            _ => tracing::warn!(error, "Redis is unavailable: rate limits are counted on this node alone"),
        }
    }

    fn is_back(&mut self) {
        if let Some(outage) = self.outage.take().filter(|outage| outage.was_said) {
            let seconds = outage.began.elapsed().as_secs();
            tracing::info!(after_seconds = seconds, "Redis is there: rate limits are shared");
        }
    }
}
