//! Media types: what `Accept` and `Content-Type` may name, and how the answer names itself.
//!
//! First stage. The types of our own (`application/vnd.pgrst.*`) carry parameters that change the answer; the
//! parameters of any other known type are ignored, those of an unknown one are part of its name.
//! Invariant: total; a malformed type is an unknown one. Read on: `negotiate` (which of them is chosen).

use std::borrow::Cow;
use std::fmt;

const NDJSON: &str = "application/x-ndjson";

/// A media type as this room understands it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum MediaType {
    /// `application/json`.
    Json,
    /// `application/geo+json`.
    GeoJson,
    /// `text/csv`.
    Csv,
    /// `text/plain`.
    Text,
    /// `text/xml`.
    Xml,
    /// `application/openapi+json`.
    OpenApi,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `application/octet-stream`.
    OctetStream,
    /// `*/*`.
    Any,
    /// `application/vnd.pgrst.array+json;nulls=stripped`.
    StrippedArray,
    /// `application/vnd.pgrst.object+json`: one row as an object.
    Object {
        /// `nulls=stripped`.
        stripped: bool,
    },
    /// `application/vnd.pgrst.plan+json|text`: how PostgreSQL would run it.
    Plan(Box<PlanType>),
    /// Anything else, as it was written.
    Other(String),
}

/// `application/vnd.pgrst.plan` with its parameters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PlanType {
    /// `for=`: the type whose plan is asked for.
    pub of: MediaType,
    /// `+json` instead of text.
    pub json: bool,
    /// `options=`.
    pub options: PlanOptions,
}

/// Options of EXPLAIN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PlanOptions {
    /// `analyze`.
    pub analyze: bool,
    /// `verbose`.
    pub verbose: bool,
    /// `settings`.
    pub settings: bool,
    /// `buffers`.
    pub buffers: bool,
    /// `wal`.
    pub wal: bool,
}

impl PlanOptions {
    fn parse(text: &str) -> Self {
        let has = |name: &str| text.split('|').any(|option| option == name);
        Self {
            analyze: has("analyze"),
            verbose: has("verbose"),
            settings: has("settings"),
            buffers: has("buffers"),
            wal: has("wal"),
        }
    }

    /// The names of those that are on, in their fixed order.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        [
            (self.analyze, "analyze"),
            (self.verbose, "verbose"),
            (self.settings, "settings"),
            (self.buffers, "buffers"),
            (self.wal, "wal"),
        ]
        .into_iter()
        .filter_map(|(on, name)| on.then_some(name))
    }
}

impl MediaType {
    /// Reads one media type with its parameters.
    pub fn parse(text: &str) -> Self {
        // `for=` of a plan names a type, which could name a plan again: one level is all that means anything.
        Self::parse_level(text, true)
    }

    fn parse_level(text: &str, plans: bool) -> Self {
        let Some(token) = Token::read(text) else { return Self::Other(text.to_owned()) };
        let plan = |json: bool| {
            let of = token.parameter("for").map_or(Self::Json, |of| Self::parse_level(of, false));
            let options = PlanOptions::parse(token.parameter("options").unwrap_or_default());
            Self::Plan(Box::new(PlanType { of, json, options }))
        };
        let stripped = token.parameter("nulls") == Some("stripped");
        match (token.main.as_str(), token.sub.as_str()) {
            ("application", "json") => Self::Json,
            ("application", "geo+json") => Self::GeoJson,
            ("text", "csv") => Self::Csv,
            ("text", "plain") => Self::Text,
            ("text", "xml") => Self::Xml,
            ("application", "openapi+json") => Self::OpenApi,
            ("application", "x-www-form-urlencoded") => Self::Form,
            ("application", "octet-stream") => Self::OctetStream,
            ("application", "vnd.pgrst.plan" | "vnd.pgrst.plan+text") if plans => plan(false),
            ("application", "vnd.pgrst.plan+json") if plans => plan(true),
            ("application", "vnd.pgrst.object" | "vnd.pgrst.object+json") => Self::Object { stripped },
            ("application", "vnd.pgrst.array" | "vnd.pgrst.array+json") if stripped => Self::StrippedArray,
            ("application", "vnd.pgrst.array" | "vnd.pgrst.array+json") => Self::Json,
            ("*", "*") => Self::Any,
            _ => Self::Other(text.to_owned()),
        }
    }

    /// The value of a `Content-Type` field: with the charset where the type is text.
    pub fn content_type(&self) -> Cow<'static, str> {
        match self {
            Self::Json => "application/json; charset=utf-8".into(),
            Self::Object { stripped: false } => "application/vnd.pgrst.object+json; charset=utf-8".into(),
            Self::OctetStream | Self::Other(_) => self.to_string().into(),
            _ => format!("{self}; charset=utf-8").into(),
        }
    }

    /// `application/x-ndjson`, which PostgREST does not know: a type like any other except where it is asked for.
    pub fn is_ndjson(&self) -> bool {
        let Self::Other(text) = self else { return false };
        text.split(';').next().is_some_and(|name| name.trim().eq_ignore_ascii_case(NDJSON))
    }

    /// `application/x-ndjson`.
    pub fn ndjson() -> Self {
        Self::Other(NDJSON.to_owned())
    }

    /// Whether exactly one row is asked for.
    pub fn is_singular(&self) -> bool {
        matches!(self, Self::Object { .. })
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Json => "application/json",
            Self::GeoJson => "application/geo+json",
            Self::Csv => "text/csv",
            Self::Text => "text/plain",
            Self::Xml => "text/xml",
            Self::OpenApi => "application/openapi+json",
            Self::Form => "application/x-www-form-urlencoded",
            Self::OctetStream => "application/octet-stream",
            Self::Any => "*/*",
            Self::StrippedArray => "application/vnd.pgrst.array+json;nulls=stripped",
            Self::Object { stripped: false } => "application/vnd.pgrst.object+json",
            Self::Object { stripped: true } => "application/vnd.pgrst.object+json;nulls=stripped",
            Self::Other(text) => text,
            Self::Plan(plan) => {
                let format = if plan.json { "json" } else { "text" };
                write!(f, "application/vnd.pgrst.plan+{format}; for=\"{}\"", plan.of)?;
                let options: Vec<_> = plan.options.names().collect();
                if !options.is_empty() {
                    write!(f, "; options={}", options.join("|"))?;
                }
                return Ok(());
            }
        })
    }
}

/// The value of `Accept`, best first: by quality, then by how specific a type is, then as written.
/// Types with quality zero are left out.
pub fn accept(field: &str) -> Vec<MediaType> {
    let mut ranked: Vec<(f64, i64, &str)> = Vec::new();
    let pieces: Vec<String> = field.split(',').map(|piece| piece.replace(' ', "")).collect();
    for piece in &pieces {
        let (text, quality) = match piece.find(";q=") {
            Some(at) => {
                let value = piece[at + 3..].split(';').next().unwrap_or_default();
                (&piece[..at], value.parse::<f64>().ok().filter(|q| q.is_finite()).unwrap_or(1.0))
            }
            None => (piece.as_str(), 1.0),
        };
        let count = |c: char| i64::try_from(text.matches(c).count()).unwrap_or(i64::MAX);
        if quality > 0.0 && !text.is_empty() {
            ranked.push((quality, count(';') - count('*'), text));
        }
    }
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.cmp(&a.1)));
    ranked.into_iter().map(|(_, _, text)| MediaType::parse(text)).collect()
}

/// `main/sub;key=value;...`, keys in lower case.
struct Token {
    main: String,
    sub: String,
    parameters: Vec<(String, String)>,
}

impl Token {
    /// Reads as much as makes sense: what follows the last good parameter is ignored.
    fn read(text: &str) -> Option<Self> {
        let main_end = text.find(|c: char| !(c.is_alphanumeric() || matches!(c, '.' | '*')))?;
        let after_main = text[main_end..].strip_prefix('/')?;
        let sub_end = after_main
            .find(|c: char| !(c.is_alphanumeric() || matches!(c, '.' | '*' | '+' | '-')))
            .unwrap_or(after_main.len());
        if main_end == 0 || sub_end == 0 {
            return None;
        }
        let mut parameters = Vec::new();
        let mut rest = &after_main[sub_end..];
        while let Some((key, value, after)) = parameter(rest) {
            parameters.push((key.to_ascii_lowercase(), value.to_owned()));
            rest = after;
        }
        Some(Self { main: text[..main_end].to_lowercase(), sub: after_main[..sub_end].to_lowercase(), parameters })
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// `; key = value` or `; key="value"` and what follows.
fn parameter(text: &str) -> Option<(&str, &str, &str)> {
    let text = text.trim_start().strip_prefix(';')?.trim_start();
    let key_end = text.find(|c: char| !(c.is_alphanumeric() || c == '-')).filter(|end| *end > 0)?;
    let (key, rest) = text.split_at(key_end);
    let rest = rest.trim_start().strip_prefix('=')?.trim_start();
    if let Some(inner) = rest.strip_prefix('"') {
        let end = inner.find('"')?;
        return Some((key, &inner[..end], &inner[end + 1..]));
    }
    let end = rest.find(|c: char| !(c.is_alphanumeric() || matches!(c, '|' | '-'))).unwrap_or(rest.len());
    if end == 0 { None } else { Some((key, &rest[..end], &rest[end..])) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read() {
        let cases = [
            ("application/json", "application/json"),
            ("Application/JSON; charset=utf-8", "application/json"),
            ("ApplicatIon/vnd.PgRsT.object+json", "application/vnd.pgrst.object+json"),
            ("application/vnd.pgrst.object+json;nulls=stripped", "application/vnd.pgrst.object+json;nulls=stripped"),
            ("application/vnd.pgrst.array+json", "application/json"),
            ("application/vnd.pgrst.array+json ; Nulls = stripped", "application/vnd.pgrst.array+json;nulls=stripped"),
            ("application/vnd.pgrst.plan;", "application/vnd.pgrst.plan+text; for=\"application/json\""),
            (
                "application/vnd.pgrst.plan+json ; for=\"text/xml\" ; options=wal|analyze|nonsense;",
                "application/vnd.pgrst.plan+json; for=\"text/xml\"; options=analyze|wal",
            ),
            ("application/vnd.twkb", "application/vnd.twkb"),
            ("unknown/unknown;a=b", "unknown/unknown;a=b"),
            ("nonsense", "nonsense"),
            ("", ""),
            ("/", "/"),
            ("*/*", "*/*"),
        ];
        for (text, shown) in cases {
            assert_eq!(MediaType::parse(text).to_string(), shown, "{text}");
        }
    }

    #[test]
    fn a_plan_of_a_plan_is_no_plan() {
        let text = "application/vnd.pgrst.plan;for=\"application/vnd.pgrst.plan\"";
        let MediaType::Plan(plan) = MediaType::parse(text) else { panic!("not a plan") };
        assert!(matches!(plan.of, MediaType::Other(_)));
    }

    #[test]
    fn accept_lists_are_sorted() {
        let cases = [
            ("text/csv", "text/csv"),
            ("*/*,text/csv", "text/csv|*/*"),
            ("text/csv;q=0.5, application/json;q=0.9", "application/json|text/csv"),
            (
                "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
                "text/html|application/xhtml+xml|application/xml|*/*",
            ),
            ("text/csv;q=0, */*;q=0.1", "*/*"),
            ("text/csv;q=zero", "text/csv"),
            ("", ""),
            (",,", ""),
        ];
        for (field, order) in cases {
            let shown: Vec<String> = accept(field).iter().map(ToString::to_string).collect();
            assert_eq!(shown.join("|"), order, "{field}");
        }
    }
}
