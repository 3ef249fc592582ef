//! PostgREST's signals: SIGUSR1 loads the schema cache, SIGUSR2 the configuration, SIGTERM and SIGINT end.

use anyhow::{Context as _, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Load the schema cache.
    Schema,
    /// Read the configuration.
    Configuration,
    /// End; the signal's name.
    Stop(&'static str),
}

/// The signals, from now on heard instead of ending the process.
pub(super) struct Signals {
    schema: Signal,
    configuration: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(super) fn listen() -> Result<Self> {
        let listen = |kind, name| signal(kind).with_context(|| format!("cannot wait for {name}"));
        Ok(Self {
            schema: listen(SignalKind::user_defined1(), "SIGUSR1")?,
            configuration: listen(SignalKind::user_defined2(), "SIGUSR2")?,
            terminate: listen(SignalKind::terminate(), "SIGTERM")?,
            interrupt: listen(SignalKind::interrupt(), "SIGINT")?,
        })
    }

    /// The next one. Dropping the future loses none.
    pub(super) async fn next(&mut self) -> Heard {
        tokio::select! {
            _ = self.schema.recv() => Heard::Schema,
            _ = self.configuration.recv() => Heard::Configuration,
            _ = self.terminate.recv() => Heard::Stop("SIGTERM"),
            _ = self.interrupt.recv() => Heard::Stop("SIGINT"),
        }
    }
}
