//! What is said on the terminal: progress and errors on the standard error, data on the standard output.
//!
//! Colours are for terminals: `anstream` takes them away when the standard error is none, and asks `NO_COLOR`,
//! `CLICOLOR` and `TERM`. Invariant: data are never coloured.

use std::io::{self, Write as _};

use anyhow::{Context as _, Result};
use clap::builder::styling::{AnsiColor, Style};
use serde::Serialize;

use super::explain::explain;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();

/// Why a command ends.
pub(super) fn error(error: &anyhow::Error) {
    labelled(ERROR, "error", &explain(error.as_ref()));
}

/// A failure after which the command goes on.
pub(crate) fn failure(error: &(dyn std::error::Error + 'static)) {
    labelled(ERROR, "error", &explain(error));
}

/// Something odd that does not stop us.
pub(crate) fn warn(text: &str) {
    labelled(WARNING, "warning", text);
}

/// A line for the person who waits.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

fn labelled(style: Style, label: &str, text: &str) {
    // One write: another thread may log to the same stream.
    let line = format!("{style}{label}{style:#}: {text}\n");
    let _ = anstream::stderr().write_all(line.as_bytes());
}

/// Data for the person or the program that asked. A reader that went away (`| head`) is no error.
pub(crate) fn print(text: &str) -> Result<()> {
    print_while_read(text).map(drop)
}

/// The same, for those who go on while somebody reads: false once the reader went away.
pub(crate) fn print_while_read(text: &str) -> Result<bool> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        written => written.map(|()| true).context("cannot write to the standard output"),
    }
}

/// Data as JSON, for programs.
pub(crate) fn print_json(value: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    print(&text)
}

/// A runtime for commands that wait for something.
pub(crate) fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")?;
    let outcome = runtime.block_on(future);
    // Tasks that still run (a drain past its bound, a watchdog) must not hold the process.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    outcome
}
