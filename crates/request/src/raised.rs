//! Answers that SQL code chose itself: `RAISE` with SQLSTATE `PTxyz` or `PGRST`.
//!
//! `PTxyz` sets the status, with the message beside it, and keeps the message, detail and hint of the RAISE. `PGRST` takes all from JSON: MESSAGE is
//! `{"code", "message", "details"?, "hint"?}`, DETAIL is `{"status", "status_text"?, "headers"}`.

use ferrobase_base::{Kind, PublicError};
use ferrobase_pg::DbError;
use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Deserialize)]
struct Message {
    code: String,
    message: String,
    #[serde(default)]
    details: Option<String>,
    #[serde(default)]
    hint: Option<String>,
}

#[derive(Deserialize)]
struct Detail {
    status: u16,
    #[serde(default)]
    status_text: Option<String>,
    headers: Map<String, Value>,
}

/// The error that SQL code raised on purpose; `None` for every other failure.
pub(crate) fn read(error: &DbError) -> Option<PublicError> {
    match error.code.as_str() {
        "PGRST" => Some(from_json(error)),
        code => code.strip_prefix("PT").map(|status| with_status(error, status)),
    }
}

fn with_status(error: &DbError, status: &str) -> PublicError {
    let kind = status.parse().ok().and_then(raised).unwrap_or(Kind::Internal);
    let mut public = PublicError::new(kind, error.code.as_str().to_owned(), error.message.clone());
    public.details = error.detail.clone().map(Into::into);
    public.hint = error.hint.clone();
    public.reason = Some(error.message.clone()).filter(|_| kind != Kind::Internal);
    if kind == Kind::Raised(401) {
        public = public.header("WWW-Authenticate", "Bearer");
    }
    public
}

fn from_json(error: &DbError) -> PublicError {
    let Ok(message) = serde_json::from_str::<Message>(&error.message) else {
        return unreadable(format!("Invalid JSON value for MESSAGE: '{}'", error.message), MESSAGE_SHAPE);
    };
    let Some(text) = &error.detail else {
        return unreadable("DETAIL is missing in the RAISE statement".to_owned(), DETAIL_SHAPE);
    };
    let detail = serde_json::from_str::<Detail>(text).ok();
    let detail = detail.and_then(|d| Some((raised(d.status)?, texts(d.headers)?, one_line(d.status_text)?)));
    let Some((kind, headers, reason)) = detail else {
        return unreadable(format!("Invalid JSON value for DETAIL: '{text}'"), DETAIL_SHAPE);
    };
    let mut public = PublicError::new(kind, message.code, message.message);
    public.details = message.details.map(Into::into);
    public.hint = message.hint;
    public.headers = headers;
    public.reason = reason;
    public
}

/// What would begin something else.
const BREAKS: [char; 3] = ['\r', '\n', '\0'];

const MESSAGE_SHAPE: &str =
    "MESSAGE must be a JSON object with obligatory keys: 'code', 'message' and optional keys: 'details', 'hint'.";
const DETAIL_SHAPE: &str =
    "DETAIL must be a JSON object with obligatory keys: 'status', 'headers' and optional key: 'status_text'.";

fn unreadable(details: String, hint: &str) -> PublicError {
    PublicError::new(Kind::Internal, "PGRST121", "Could not parse JSON in the \"RAISE SQLSTATE 'PGRST'\" error")
        .details(details)
        .hint(hint)
}

/// A status that an answer with a body can have.
fn raised(status: u16) -> Option<Kind> {
    (200..=599).contains(&status).then_some(Kind::Raised(status))
}

/// Header fields; values must be texts without line breaks, so that no value can add a field of its own.
fn texts(headers: Map<String, Value>) -> Option<Vec<(String, String)>> {
    headers
        .into_iter()
        .map(|(name, value)| match value {
            Value::String(value) if !value.contains(BREAKS) => Some((name, value)),
            _ => None,
        })
        .collect()
}

/// The same of the words beside the status, if there are any.
fn one_line(text: Option<String>) -> Option<Option<String>> {
    if text.as_ref().is_some_and(|text| text.contains(BREAKS)) { None } else { Some(text) }
}

#[cfg(test)]
mod tests {
    use ferrobase_pg::{Severity, SqlState};

    use super::*;

    fn raise(code: &str, message: &str, detail: Option<&str>) -> Option<PublicError> {
        read(&DbError {
            severity: Severity::Error,
            code: SqlState::parse(code).unwrap(),
            message: message.to_owned(),
            detail: detail.map(str::to_owned),
            hint: Some("hint".to_owned()),
            position: None,
            where_: None,
            schema: None,
            table: None,
            column: None,
            data_type: None,
            constraint: None,
            routine: None,
        })
    }

    #[test]
    fn pt_codes_are_statuses() {
        assert_eq!(raise("PT402", "Pay", Some("up")).unwrap().kind, Kind::Raised(402));
        assert_eq!(raise("PT402", "Pay", Some("up")).unwrap().hint.as_deref(), Some("hint"));
        assert_eq!(raise("PT402", "Pay", None).unwrap().reason.as_deref(), Some("Pay"));
        assert_eq!(raise("PT099", "?", None).unwrap().kind, Kind::Internal);
        assert_eq!(raise("PTABC", "?", None).unwrap().kind, Kind::Internal);
        assert!(raise("P0001", "plain", None).is_none());
    }

    #[test]
    fn pgrst_takes_everything_from_json() {
        let message = r#"{"code": "123", "message": "ABC", "details": "DEF", "hint": "XYZ"}"#;
        let detail = r#"{"status": 332, "status_text": "My", "headers": {"X-Header": "str"}}"#;
        let public = raise("PGRST", message, Some(detail)).unwrap();
        assert_eq!((public.kind, public.code.as_ref(), public.message.as_str()), (Kind::Raised(332), "123", "ABC"));
        assert_eq!(public.headers, [("X-Header".to_owned(), "str".to_owned())]);
        assert_eq!(public.reason.as_deref(), Some("My"));
        assert_eq!((public.details, public.hint.as_deref()), (Some("DEF".into()), Some("XYZ")));
    }

    #[test]
    fn pgrst_that_is_not_json_is_an_error_of_the_function() {
        let good = r#"{"code": "1", "message": "m"}"#;
        for (message, detail) in [
            ("INVALID", Some("{}")),
            (good, None),
            (good, Some("{}")),
            (good, Some(r#"{"status": 7, "headers": {}}"#)),
            (good, Some(r#"{"status": 200, "headers": {"a": "b\r\nSet-Cookie: c"}}"#)),
            (good, Some(r#"{"status": 419, "status_text": "x\r\nSet-Cookie: c", "headers": {}}"#)),
            (good, Some(r#"{"status": 419, "status_text": 7, "headers": {}}"#)),
        ] {
            let public = raise("PGRST", message, detail).unwrap();
            assert_eq!((public.kind, public.code.as_ref()), (Kind::Internal, "PGRST121"), "{message} {detail:?}");
        }
    }
}
