//! The signals that end a server or make it read its configuration again.
//!
//! From [`Signals::listen`] on they wait to be heard instead of ending the process, so that whoever started something
//! (a private PostgreSQL) can stop it. Made once, before anything is started.

use std::fs::File;
use std::io::{self, IsTerminal as _};

use anyhow::{Context as _, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Drain and end.
    Stop,
    /// Read the configuration again.
    Reload,
}

/// SIGHUP, SIGTERM and SIGINT.
pub(crate) struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
    /// A closed terminal means stop.
    follows_terminal: bool,
}

impl Signals {
    /// For a server that outlives the terminal from which it was started.
    pub(crate) fn listen() -> Result<Self> {
        let listen = |kind, name| signal(kind).with_context(|| format!("cannot wait for {name}"));
        Ok(Self {
            hangup: listen(SignalKind::hangup(), "SIGHUP")?,
            terminate: listen(SignalKind::terminate(), "SIGTERM")?,
            interrupt: listen(SignalKind::interrupt(), "SIGINT")?,
            follows_terminal: false,
        })
    }

    /// For a server that belongs to its terminal, where it has one: closing the window sends SIGHUP too, and then
    /// nobody is left to stop it.
    pub(crate) fn listen_on_terminal() -> Result<Self> {
        let follows_terminal = io::stdin().is_terminal() || io::stdout().is_terminal() || io::stderr().is_terminal();
        Ok(Self { follows_terminal, ..Self::listen()? })
    }

    /// The next thing that is asked for. Dropping the future loses none.
    pub(crate) async fn next(&mut self) -> Heard {
        tokio::select! {
            _ = self.hangup.recv() => {
                if self.follows_terminal && terminal_is_gone() { Heard::Stop } else { Heard::Reload }
            }
            _ = self.terminate.recv() => Heard::Stop,
            _ = self.interrupt.recv() => Heard::Stop,
        }
    }

    /// Waits for the order to stop; there is nothing to reload yet, or any more.
    pub(crate) async fn stop(&mut self) {
        while self.next().await != Heard::Stop {}
    }
}

/// Whether the terminal that controlled this process was closed.
fn terminal_is_gone() -> bool {
    File::open("/dev/tty").is_err()
}
