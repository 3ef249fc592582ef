//! What SQL code says about the answer: the settings `response.status` and `response.headers`.
//!
//! Last stage. Nonsense in them is an error of the database's code (PGRST111, PGRST112), told as such.
//! Invariant: no value can add a field of its own, and fields that frame the message stay ours.

use http::{HeaderName, HeaderValue, StatusCode};

use crate::error::Error;

/// Fields that say where the message ends: a wrong one would break the connection.
const FRAMING: [&str; 3] = ["content-length", "transfer-encoding", "connection"];

/// The status that was chosen.
pub(super) fn status(setting: Option<&str>) -> Result<Option<StatusCode>, Error> {
    let Some(text) = setting.filter(|text| !text.is_empty()) else { return Ok(None) };
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let number: u16 = text[..digits].parse().map_err(|_| Error::ResponseStatus)?;
    // An informational status is not an answer.
    let status = StatusCode::from_u16(number).ok().filter(|_| (200..=599).contains(&number));
    status.map(Some).ok_or(Error::ResponseStatus)
}

/// The fields that were chosen, in order.
pub(super) fn headers(setting: Option<&str>) -> Result<Vec<(HeaderName, HeaderValue)>, Error> {
    let Some(text) = setting.filter(|text| !text.is_empty()) else { return Ok(Vec::new()) };
    let list: Vec<serde_json::Map<String, serde_json::Value>> =
        serde_json::from_str(text).map_err(|_| Error::ResponseHeaders)?;
    let mut fields = Vec::with_capacity(list.len());
    for object in list {
        let mut entries = object.into_iter();
        let (Some((name, serde_json::Value::String(value))), None) = (entries.next(), entries.next()) else {
            return Err(Error::ResponseHeaders);
        };
        let name = HeaderName::try_from(name).map_err(|_| Error::ResponseHeaders)?;
        let value = HeaderValue::try_from(value).map_err(|_| Error::ResponseHeaders)?;
        if !FRAMING.contains(&name.as_str()) {
            fields.push((name, value));
        }
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses() {
        assert!(matches!(status(None), Ok(None)));
        assert!(matches!(status(Some("")), Ok(None)));
        assert!(matches!(status(Some("418")), Ok(Some(s)) if s.as_u16() == 418));
        for text in ["nonsense", "99", "100", "600", "99999999", "-200"] {
            assert!(matches!(status(Some(text)), Err(Error::ResponseStatus)), "{text}");
        }
    }

    #[test]
    fn fields() {
        let list = r#"[{"Set-Cookie":"a=1"},{"set-cookie":"b=2"},{"X-Any":""},{"Content-Length":"7"}]"#;
        let names: Vec<_> = headers(Some(list)).expect("fields").into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["set-cookie", "set-cookie", "x-any"]);
        for text in [
            "nonsense",
            "{}",
            "[1]",
            "[{}]",
            r#"[{"a":"b","c":"d"}]"#,
            r#"[{"a":1}]"#,
            r#"[{"a b":"c"}]"#,
            r#"[{"a":"b\r\nc: d"}]"#,
        ] {
            assert!(matches!(headers(Some(text)), Err(Error::ResponseHeaders)), "{text}");
        }
    }
}
