//! How a line looks: JSON with fixed leading keys, one readable line of text, or as PostgREST and Apache write it.
//!
//! All are built by hand into one byte buffer: a log line is on the path of every request. JSON keys come as
//! `timestamp level message` first, so that a person reading raw lines finds what matters on the left.
//! Invariant: whatever a value contains, a line stays one line, and in JSON one object.

use std::cell::RefCell;
use std::io::Write;
use std::time::Duration;

use tracing::Level;

use crate::config::LogFormat;

/// The time of Apache's log lines.
pub(super) const APACHE_TIME: &str = "%d/%b/%Y:%H:%M:%S %z";

/// How lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// One JSON object.
    Json,
    /// Readable text with `key=value`.
    Text,
    /// Requests in Apache's combined format, events behind its kind of time: what PostgREST writes.
    Apache,
}

impl From<LogFormat> for Style {
    fn from(format: LogFormat) -> Self {
        match format {
            LogFormat::Json => Self::Json,
            LogFormat::Text => Self::Text,
        }
    }
}

/// A line that grows key by key.
pub(super) struct Line {
    style: Style,
    bytes: Vec<u8>,
}

impl Line {
    /// Starts a line with the time, the level and the message.
    pub(super) fn start(style: Style, level: Level, message: &str) -> Self {
        let mut line = Self { style, bytes: Vec::with_capacity(320) };
        match style {
            Style::Json => {
                line.bytes.extend_from_slice(b"{\"timestamp\":\"");
                line.time();
                line.bytes.extend_from_slice(b"\"");
                line.text("level", lower(level));
                line.text("message", message);
            }
            Style::Text => {
                line.time();
                let _ = write!(line.bytes, " {level:<5} ");
                line.plain_text(message);
            }
            Style::Apache => {
                let _ = write!(line.bytes, "{}: ", jiff::Zoned::now().strftime(APACHE_TIME));
                line.plain_text(message);
            }
        }
        line
    }

    /// Adds a text value.
    pub(super) fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        if self.style == Style::Json || needs_quotes(value) {
            self.json_text(value);
        } else {
            self.bytes.extend_from_slice(value.as_bytes());
        }
    }

    /// Adds a text value, or null where there is none. Text lines leave an absent value out.
    pub(super) fn text_or_null(&mut self, key: &str, value: Option<&str>) {
        match value {
            Some(value) => self.text(key, value),
            None if self.style == Style::Json => self.raw(key, format_args!("null")),
            None => {}
        }
    }

    /// Adds a number.
    pub(super) fn number(&mut self, key: &str, number: u64) {
        self.key(key);
        self.digits(number, 1);
    }

    /// Adds a time in milliseconds, with three decimals.
    pub(super) fn milliseconds(&mut self, key: &str, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.key(key);
        self.digits(micros / 1000, 1);
        self.bytes.push(b'.');
        self.digits(micros % 1000, 3);
    }

    /// Adds another value whose text is JSON already.
    pub(super) fn raw(&mut self, key: &str, value: std::fmt::Arguments<'_>) {
        self.key(key);
        let _ = self.bytes.write_fmt(value);
    }

    /// The time in milliseconds, RFC 3339. All but the last three digits are those of the line before, most of the time.
    fn time(&mut self) {
        thread_local! {
            static SECOND: RefCell<(i64, String)> = const { RefCell::new((i64::MIN, String::new())) };
        }
        let now = jiff::Timestamp::now();
        SECOND.with_borrow_mut(|(second, text)| {
            if *second != now.as_second() {
                *second = now.as_second();
                *text = jiff::Timestamp::from_second(*second).unwrap_or_default().to_string();
                text.truncate(text.len() - 1);
            }
            self.bytes.extend_from_slice(text.as_bytes());
        });
        self.bytes.push(b'.');
        self.digits(u64::from(now.subsec_millisecond().unsigned_abs()), 3);
        self.bytes.push(b'Z');
    }

    /// A number with at least so many digits. Every line has several, and this is cheaper than `write!`.
    fn digits(&mut self, number: u64, least: usize) {
        let mut digits = [b'0'; 20];
        let (mut rest, mut start) = (number, digits.len());
        while rest > 0 {
            start -= 1;
            digits[start] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        self.bytes.extend_from_slice(&digits[start.min(digits.len() - least)..]);
    }

    /// Ends the line.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.bytes.extend_from_slice(if self.style == Style::Json { b"}\n" } else { b"\n" });
        self.bytes
    }

    fn key(&mut self, key: &str) {
        if self.style == Style::Json {
            self.bytes.push(b',');
            self.json_text(key);
            self.bytes.push(b':');
        } else {
            self.bytes.push(b' ');
            self.bytes.extend_from_slice(key.as_bytes());
            self.bytes.push(b'=');
        }
    }

    fn json_text(&mut self, text: &str) {
        if text.bytes().any(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
            // Writing a string into memory cannot fail.
            let _ = serde_json::to_writer(&mut self.bytes, text);
            return;
        }
        self.bytes.push(b'"');
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.push(b'"');
    }

    /// The message of a text line: control characters would let a value forge further lines or move the cursor.
    fn plain_text(&mut self, text: &str) {
        for character in text.chars() {
            if character.is_control() {
                let _ = write!(self.bytes, "{}", character.escape_default());
            } else {
                let mut buffer = [0; 4];
                self.bytes.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
            }
        }
    }
}

fn needs_quotes(value: &str) -> bool {
    value.is_empty() || value.chars().any(|c| c.is_control() || c.is_whitespace() || c == '"' || c == '=')
}

fn lower(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(style: Style) -> String {
        let mut line = Line::start(style, Level::WARN, "a \"message\"\nforged");
        line.text("path", "/a b\n{}");
        line.text("plain", "x");
        line.text_or_null("user_id", None);
        line.number("status", 204);
        String::from_utf8(line.finish()).unwrap()
    }

    #[test]
    fn json_lines_are_one_object_with_leading_keys() {
        let text = line(Style::Json);
        assert_eq!(text.matches('\n').count(), 1);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        let keys: Vec<&String> = value.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["timestamp", "level", "message", "path", "plain", "user_id", "status"]);
        assert_eq!(value["level"], "warn");
        assert_eq!(value["message"], "a \"message\"\nforged");
        assert!(value["user_id"].is_null());
        let stamp = value["timestamp"].as_str().unwrap();
        assert!(stamp.len() == 24 && stamp.ends_with('Z') && stamp.parse::<jiff::Timestamp>().is_ok(), "{stamp}");
    }

    #[test]
    fn numbers_have_their_digits() {
        let mut line = Line { style: Style::Text, bytes: Vec::new() };
        line.number("a", 0);
        line.number("b", u64::MAX);
        line.milliseconds("c", Duration::from_micros(12_007));
        line.milliseconds("d", Duration::ZERO);
        line.milliseconds("e", Duration::from_nanos(999_999));
        assert_eq!(String::from_utf8(line.bytes).unwrap(), format!(" a=0 b={} c=12.007 d=0.000 e=0.999", u64::MAX));
    }

    #[test]
    fn apache_lines_begin_with_the_time() {
        let text = line(Style::Apache);
        let (time, rest) = text.split_once(": ").unwrap();
        assert!(jiff::Zoned::strptime(APACHE_TIME, time).is_ok(), "{time}");
        assert_eq!(rest, "a \"message\"\\nforged path=\"/a b\\n{}\" plain=x status=204\n");
    }

    #[test]
    fn text_lines_stay_one_line() {
        let text = line(Style::Text);
        assert_eq!(text.matches('\n').count(), 1);
        assert!(text.ends_with("a \"message\"\\nforged path=\"/a b\\n{}\" plain=x status=204\n"), "{text}");
    }
}
