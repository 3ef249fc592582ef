//! Logs: one line per request and the program's own events, as JSON or text, to a stream or a file.
//!
//! `init` installs the process-wide `tracing` subscriber once and returns a [`LogHandle`], through which the app writes
//! request lines, reopens the file after rotation (SIGHUP), changes the level and flushes before it ends. Lines pass
//! through one buffer that a thread of its own writes (`sink`): a stuck reader of our output never holds up a request.
//! Invariant: no line holds a credential (security 28): see `scrub`, and `access` for what a request line contains.

mod access;
mod format;
mod layer;
mod scrub;
mod sink;

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use tracing::Level;
use tracing_subscriber::filter::{EnvFilter, LevelFilter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::LogSection;

pub use access::{AccessLog, AccessRecord, Visit};
pub use format::Style;
pub use scrub::scrub_query;
pub use sink::{Sink, Target};

/// What `observability.log` settles.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// A level (`error`, `warn`, `info`, `debug`, `trace`, `off`) or `tracing` directives (`info,ferrobase_pg=debug`).
    pub level: String,
    /// How lines look.
    pub style: Style,
    /// Where lines go: a file, or a stream of the process.
    pub file: Option<PathBuf>,
    /// Which stream: the standard error instead of the standard output, for programs whose output is data.
    pub to_stderr: bool,
}

impl From<&LogSection> for LogSettings {
    fn from(section: &LogSection) -> Self {
        Self {
            level: section.level.as_str().to_owned(),
            style: section.format.into(),
            file: section.file.clone(),
            to_stderr: false,
        }
    }
}

/// Why logging could not be set up or changed.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The log file cannot be opened for appending.
    #[error("cannot open the log file {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The level is neither a level nor a list of directives.
    #[error("`{level}` is not a log level (error, warn, info, debug, trace, off)")]
    Level {
        /// What was given.
        level: String,
    },
    /// A subscriber is installed already.
    #[error("logging was set up twice")]
    Twice,
}

/// Owns the process's log. Dropping it flushes; keep it until the end of `main`.
pub struct LogHandle {
    sink: Arc<Sink>,
    access: AccessLog,
    filter: reload::Handle<EnvFilter, tracing_subscriber::Registry>,
}

/// Installs the process-wide subscriber and a panic hook that logs instead of printing.
pub fn init(settings: &LogSettings) -> Result<LogHandle, LogError> {
    let sink = Arc::new(open_sink(settings)?);
    let (filter, filter_handle) = reload::Layer::new(parse_level(&settings.level)?);
    tracing_subscriber::registry()
        .with(filter)
        .with(layer::LineLayer::new(Arc::clone(&sink), settings.style))
        .try_init()
        .map_err(|_| LogError::Twice)?;
    log_panics();
    // PostgREST's requests go to the standard output and its events to the standard error.
    let requests = match settings.style {
        Style::Apache => Arc::new(Sink::new(Target::Stdout)),
        Style::Json | Style::Text => Arc::clone(&sink),
    };
    let access = AccessLog::new(requests, settings.style, access_level(&settings.level));
    Ok(LogHandle { sink, access, filter: filter_handle })
}

impl LogHandle {
    /// The writer of request lines, for the app.
    pub fn access(&self) -> AccessLog {
        self.access.clone()
    }

    /// Closes and opens the log file again, after something renamed it. The old one stays in use if that fails.
    pub fn reopen(&self) -> Result<(), LogError> {
        self.sink.reopen().map_err(|(path, source)| LogError::File { path, source })
    }

    /// Changes the level of the program's events and of request lines.
    pub fn set_level(&self, level: &str) -> Result<(), LogError> {
        let filter = parse_level(level)?;
        self.access.set_level(access_level(level));
        self.filter.reload(filter).map_err(|_| LogError::Level { level: level.to_owned() })
    }

    /// Waits until everything logged so far is written, two seconds at most.
    pub fn flush(&self) {
        self.sink.flush();
        self.access.sink().flush();
    }

    /// Lines thrown away because whoever reads our output stopped reading, or the disk is full.
    pub fn dropped_lines(&self) -> u64 {
        self.sink.dropped()
    }

    /// The sink itself, for metrics closures that outlive a borrow.
    pub fn sink(&self) -> Arc<Sink> {
        Arc::clone(&self.sink)
    }
}

impl Drop for LogHandle {
    fn drop(&mut self) {
        self.flush();
    }
}

fn open_sink(settings: &LogSettings) -> Result<Sink, LogError> {
    match &settings.file {
        None if settings.to_stderr => Ok(Sink::new(Target::Stderr)),
        None => Ok(Sink::new(Target::Stdout)),
        Some(path) => Sink::file(path.clone()).map_err(|source| LogError::File { path: path.clone(), source }),
    }
}

/// Whether [`init`] could open the log with these settings; makes no file.
///
/// # Errors
/// The level is none, or the file cannot be written.
pub fn check(settings: &LogSettings) -> Result<(), LogError> {
    parse_level(&settings.level)?;
    let Some(path) = &settings.file else { return Ok(()) };
    sink::check(path).map_err(|source| LogError::File { path: path.clone(), source })
}

/// `crit` is PostgREST's word for "only what is fatal"; here that is `error`.
fn parse_level(level: &str) -> Result<EnvFilter, LogError> {
    let words = if level.eq_ignore_ascii_case("crit") { "error" } else { level };
    EnvFilter::builder().parse(words).map_err(|_| LogError::Level { level: level.to_owned() })
}

/// The threshold for request lines: the level itself, or the bare level among directives.
fn access_level(level: &str) -> Option<Level> {
    if level.eq_ignore_ascii_case("crit") {
        return None;
    }
    let bare = level.split(',').map(str::trim).find(|part| !part.contains('='));
    bare.and_then(|word| LevelFilter::from_str(word).ok()).unwrap_or(LevelFilter::ERROR).into_level()
}

/// Panics are logged where they happen; the request that met one is answered by `app`.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(String::new, |l| format!("{}:{}", l.file(), l.line()));
        let payload = panic.payload();
        let text = payload
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("no message");
        // A message may quote data: enough to recognise the bug is enough.
        let text: String = text.chars().take(200).collect();
        tracing::error!(place, panic = text, "Panicked");
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_words_or_directives() {
        for good in ["info", "INFO", "off", "warn,ferrobase_pg=debug", "crit"] {
            assert!(parse_level(good).is_ok(), "{good}");
        }
        assert!(parse_level("a=b=c").is_err());
        assert_eq!(access_level("info"), Some(Level::INFO));
        assert_eq!(access_level("ferrobase_pg=debug,warn"), Some(Level::WARN));
        assert_eq!(access_level("ferrobase_pg=debug"), Some(Level::ERROR));
        assert_eq!(access_level("off"), None);
    }
}
