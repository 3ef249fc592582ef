//! What an error says to the person at the terminal: its causes, the line of the file it is about, what to do.
//!
//! Used by commands that end with an error and by `dev`, which goes on after one. Pure: texts only.
//! Invariant: nothing is said twice, although many errors already quote their cause; the advice comes last.

use std::error::Error;
use std::fmt::Write as _;
use std::iter::successors;

use ferrobase_edge::listener::ListenError;
use ferrobase_migrate::Failure;

/// The whole text, without a line feed at its end.
pub(crate) fn explain(error: &(dyn Error + 'static)) -> String {
    let mut text = causes(error);
    if let Some(failure) = find(error, failed_statement) {
        statement(&mut text, failure);
    }
    let asked = |error: &'_ (dyn Error + 'static)| port_setting(error).map(str::to_owned).or_else(|| hint(error));
    if let Some(hint) = find(error, asked) {
        text.push_str("\n  ");
        text.push_str(&hint.replace('\n', "\n  "));
    }
    text
}

/// The error and what caused it, each once.
fn causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    for cause in chain(error).skip(1).map(ToString::to_string) {
        if text.contains(&cause) {
            continue;
        }
        // A context of one word is the key of a setting: `server.port: in use`.
        text.push_str(if text.contains(char::is_whitespace) { "\n  because: " } else { ": " });
        text.push_str(&cause);
    }
    text
}

/// The line that PostgreSQL refused and all else that it said.
fn statement(text: &mut String, failure: &Failure) {
    if !failure.line.trim().is_empty() {
        let _ = write!(text, "\n  {:>4} | {}", failure.place.line, failure.line.trim_end());
    }
    for (label, said) in [("detail", &failure.detail), ("context", &failure.context)] {
        if let Some(said) = said {
            let _ = write!(text, "\n  {label}: {}", said.replace('\n', "\n    "));
        }
    }
    if let Some((done, of)) = failure.applied {
        let _ = write!(text, "\n  {done} of its {of} statements are applied and stay so");
    }
}

fn failed_statement<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Failure> {
    match error.downcast_ref()? {
        ferrobase_migrate::Error::Failed(failure) => Some(failure),
        _ => None,
    }
}

/// `ferrobase postgrest` has no flags for its ports, and names the setting in the context of the error.
fn port_setting(error: &(dyn Error + 'static)) -> Option<&'static str> {
    let is_in_use = || find(error, |cause| matches!(cause.downcast_ref()?, ListenError::InUse { .. }).then_some(()));
    match error.to_string().as_str() {
        "server-port" => is_in_use().map(|()| {
            "stop that program, or set another server-port (PGRST_SERVER_PORT); with server-reuseport = true in both \
             processes they share it"
        }),
        "admin-server-port" => is_in_use().map(|()| {
            "stop that program, or set another admin-server-port (PGRST_ADMIN_SERVER_PORT); with server-reuseport = true \
             in both processes they share it"
        }),
        _ => None,
    }
}

/// What the reader can do about it, where an error knows.
fn hint(error: &(dyn Error + 'static)) -> Option<String> {
    if let Some(error) = error.downcast_ref::<ferrobase_embedded::Error>() {
        return error.hint();
    }
    if let Some(error) = error.downcast_ref::<ferrobase_migrate::Error>() {
        return error.hint();
    }
    match error.downcast_ref()? {
        ListenError::InUse { .. } => {
            Some("stop that program, or choose another port (--port, --admin-port)".to_owned())
        }
        _ => None,
    }
}

/// The first answer of an error or of one of its causes.
fn find<'a, T>(error: &'a (dyn Error + 'static), ask: impl FnMut(&'a (dyn Error + 'static)) -> Option<T>) -> Option<T> {
    chain(error).find_map(ask)
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    successors(Some(error), |&error| error.source())
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    fn said(error: &anyhow::Error) -> String {
        explain(error.as_ref())
    }

    #[test]
    fn causes_are_said_once() {
        let error = anyhow!("disk full").context("cannot write a").context("cannot keep the key: cannot write a");
        assert_eq!(said(&error), "cannot keep the key: cannot write a\n  because: disk full");
    }

    #[test]
    fn a_key_is_followed_by_what_is_wrong_with_it() {
        let error = anyhow!("in use").context("server.port");
        assert_eq!(said(&error), "server.port: in use");
    }

    #[test]
    fn the_advice_of_a_cause_comes_last() {
        let port = ferrobase_embedded::Error::PortTaken { port: 5432 };
        let text = said(&anyhow::Error::new(port).context("cannot start the database"));
        assert!(text.starts_with("cannot start the database\n  because: port 5432"), "{text}");
        assert!(text.ends_with("choose another port with database.embedded.port"), "{text}");
    }
}
