//! Requests that differ in nothing but the values that they compare with or write have one plan.
//!
//! `id=eq.7` and `id=eq.8` are one text with a gap. The plan is made from that text with a word in each gap that is used
//! for nothing else ([`Gaps::filled`]); where these words end up is where values go ([`Values`]). A body is one such value. Whether values do nothing
//! but that is not believed but looked at: the plan of the request as it came must differ from that of the words in
//! parameters only ([`fits`]).
//! Invariant: a value in a gap is text to the end of its filter, whatever it is: letters, digits, `-`, `_` and `.` after
//! an operator that compares with one value.

use std::borrow::Cow;

use bytes::Bytes;
use ferrobase_pg::Statement;
use rand::distr::{Alphanumeric, SampleString as _};

use super::body;
use crate::flow::Ready;
use crate::request::RestRequest;

/// Operators whose right side is one value and nothing else.
const OPERATORS: [&str; 6] = ["eq", "neq", "gt", "gte", "lt", "lte"];
/// What stands for a value in the text that plans are found by. No byte of a URL.
const GAP: u8 = 0;
/// Most gaps of a text; a request with more has a plan of its own.
const MOST: usize = 8;
/// Longest value of a gap, in bytes.
const LONGEST: usize = 64;
/// Long enough to be found nowhere else.
const WORD: usize = 24;

/// The values of a request that may be anything.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Gaps<'q> {
    query: Vec<&'q str>,
    body: Option<&'q Bytes>,
}

/// What stands for a value in a plan that others share.
#[derive(Clone, Debug)]
pub(super) struct Word {
    text: Bytes,
    /// The part of it that stands nowhere else: all of it, or what a body has at its keys.
    mark: Bytes,
}

/// A request with words in its gaps.
pub(super) struct Filled {
    pub(super) query: String,
    pub(super) body: Option<Bytes>,
    pub(super) words: Vec<Word>,
}

/// What stands in the place of what, in a plan that others share.
#[derive(Debug, Default)]
pub(crate) struct Values(Vec<(Word, Bytes)>);

impl Word {
    fn random() -> Self {
        let text = Bytes::from(Alphanumeric.sample_string(&mut rand::rng(), WORD));
        Self { mark: text.clone(), text }
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.text).unwrap_or_default()
    }
}

impl<'q> Gaps<'q> {
    /// The gaps of a query string, which is written with gaps to `out`.
    pub(super) fn of(query: &'q str, out: &mut Vec<u8>) -> Self {
        let start = out.len();
        let mut gaps = Vec::new();
        for (index, pair) in query.split('&').enumerate() {
            if index > 0 {
                out.push(b'&');
            }
            match value_of(pair) {
                Some(value) => {
                    gaps.push(value);
                    out.extend_from_slice(&pair.as_bytes()[..pair.len() - value.len()]);
                    out.push(GAP);
                }
                None => out.extend_from_slice(pair.as_bytes()),
            }
        }
        if gaps.len() > MOST {
            out.truncate(start);
            out.extend_from_slice(query.as_bytes());
            gaps.clear();
        }
        Self { query: gaps, body: None }
    }

    /// The body may be any other of its shape.
    pub(super) fn set_body(&mut self, body: &'q Bytes) {
        self.body = Some(body);
    }

    pub(super) fn body(&self) -> Option<&'q Bytes> {
        self.body
    }

    pub(super) fn is_empty(&self) -> bool {
        self.query.is_empty() && self.body.is_none()
    }

    pub(super) fn len(&self) -> usize {
        self.query.len() + usize::from(self.body.is_some())
    }

    /// The query string with a new word in each gap, a body of the same shape, and the words.
    pub(super) fn filled(&self, query: &str) -> Filled {
        let mut text = String::with_capacity(query.len() + self.query.len() * WORD);
        let mut words = Vec::with_capacity(self.query.len() + 1);
        for (index, pair) in query.split('&').enumerate() {
            if index > 0 {
                text.push('&');
            }
            match value_of(pair).filter(|_| !self.query.is_empty()) {
                Some(value) => {
                    let word = Word::random();
                    text.push_str(&pair[..pair.len() - value.len()]);
                    text.push_str(word.text());
                    words.push(word);
                }
                None => text.push_str(pair),
            }
        }
        let body = self.body.map(|body| {
            let word = Word::random();
            let body = body::of_same_shape(body, word.text());
            words.push(Word { text: body.clone(), ..word });
            body
        });
        Filled { query: text, body, words }
    }

    /// These values in the place of those words.
    pub(super) fn values(&self, words: &[Word]) -> Values {
        let values = self.query.iter().map(|value| Bytes::copy_from_slice(value.as_bytes()));
        Values(words.iter().cloned().zip(values.chain(self.body.cloned())).collect())
    }
}

/// The value of a pair, if it may be a gap.
fn value_of(pair: &str) -> Option<&str> {
    let (key, filter) = pair.split_once('=')?;
    let (operator, value) = filter.split_once('.')?;
    let is_name = |c: u8| c.is_ascii_alphanumeric() || c == b'_';
    let is_plain = |c: u8| is_name(c) || matches!(c, b'-' | b'.');
    let fits = OPERATORS.contains(&operator)
        && !key.is_empty()
        && key.bytes().all(is_name)
        && (1..=LONGEST).contains(&value.len())
        && value.bytes().all(is_plain);
    fits.then_some(value)
}

impl Values {
    /// The statement with its values.
    pub(crate) fn fill(&self, statement: &Statement) -> Statement {
        let mut statement = statement.clone();
        if !self.0.is_empty() {
            for param in statement.params.iter_mut().flatten() {
                if let Some((_, value)) = self.0.iter().find(|(word, _)| word.text == *param) {
                    *param = value.clone();
                }
            }
        }
        statement
    }

    /// The canonical query string of the request, from that of the plan.
    pub(crate) fn canonical<'q>(&self, query: &'q str) -> Cow<'q, str> {
        let mut canonical = Cow::Borrowed(query);
        for (word, value) in &self.0 {
            let value = std::str::from_utf8(value).unwrap_or_default();
            if canonical.contains(word.text()) {
                canonical = canonical.replacen(word.text(), value, 1).into();
            }
        }
        canonical
    }

    /// The request as it came, as far as anybody looks at it who tells what is wrong with it: its text.
    pub(crate) fn request<'r>(&self, known: &'r RestRequest) -> Cow<'r, RestRequest> {
        match self.canonical(&known.query.canonical) {
            Cow::Borrowed(_) => Cow::Borrowed(known),
            Cow::Owned(canonical) => {
                let mut request = known.clone();
                request.query.canonical = canonical;
                Cow::Owned(request)
            }
        }
    }
}

/// Whether the first plan, with these values, is the second one.
pub(super) fn fits(words: &Ready, values: &Values, real: &Ready) -> bool {
    let statements = |ready: &Ready| {
        let compiled = &ready.statements.compiled;
        [Some(compiled.statement.clone()), compiled.estimate.clone()]
    };
    let says_words = |text: &[u8]| values.0.iter().any(|(word, _)| text.windows(WORD).any(|part| part == word.mark));
    let pages = words.planned.pages.is_some();
    let (theirs, ours) = (&words.planned, &real.planned);
    !pages
        && (theirs.read_only, theirs.names_row) == (ours.read_only, ours.names_row)
        && words.statements.proof == real.statements.proof
        && words.statements.compiled.output == real.statements.compiled.output
        && words.media == real.media
        && statements(words).iter().zip(statements(real)).all(|(words, real)| {
            let filled = words.as_ref().map(|words| values.fill(words));
            let is_clean = |filled: &Statement| !filled.params.iter().flatten().any(|param| says_words(param));
            filled == real && filled.as_ref().is_none_or(is_clean)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gaps(query: &str) -> (String, Vec<&str>) {
        let mut out = Vec::new();
        let gaps = Gaps::of(query, &mut out);
        (String::from_utf8(out).unwrap().replace('\0', "?"), gaps.query)
    }

    #[test]
    fn only_plain_values_of_plain_comparisons_are_gaps() {
        for (query, expected, values) in [
            ("", "", &[][..]),
            ("id=eq.7", "id=eq.?", &["7"]),
            ("select=a&id=eq.7&n=gt.1.5&limit=5", "select=a&id=eq.?&n=gt.?&limit=5", &["7", "1.5"]),
            ("id=gt.1&id=lte.9", "id=gt.?&id=lte.?", &["1", "9"]),
            ("id=eq.", "id=eq.", &[]),
            ("id=eq.a%20b", "id=eq.a%20b", &[]),
            ("id=eq.a+b", "id=eq.a+b", &[]),
            ("id=eq.(1)", "id=eq.(1)", &[]),
            ("id=eq(any).7", "id=eq(any).7", &[]),
            ("id=not.eq.7", "id=not.eq.7", &[]),
            ("id=in.7", "id=in.7", &[]),
            ("id=is.null", "id=is.null", &[]),
            ("id=like.a", "id=like.a", &[]),
            ("a.b=eq.7", "a.b=eq.7", &[]),
            ("a->b=eq.7", "a->b=eq.7", &[]),
            ("=eq.7", "=eq.7", &[]),
            ("id", "id", &[]),
        ] {
            assert_eq!(gaps(query), (expected.to_owned(), values.to_vec()), "{query}");
        }
        let long = format!("id=eq.{}", "7".repeat(LONGEST));
        assert_eq!(gaps(&long).0, "id=eq.?");
        assert_eq!(gaps(&format!("{long}7")).1, [""; 0]);
        let many = ["id=eq.7"; MOST + 1].join("&");
        assert_eq!(gaps(&many), (many.clone(), vec![]));
    }

    #[test]
    fn words_take_the_place_of_values() {
        let query = "select=a&id=eq.7&n=gt.1.5";
        let mut gaps = Gaps::of(query, &mut Vec::new());
        let body = Bytes::from_static(br#"{"a":1}"#);
        gaps.set_body(&body);
        let filled = gaps.filled(query);
        let [first, second, third] = &filled.words[..] else { panic!("{:?}", filled.words) };
        assert_eq!(filled.query, format!("select=a&id=eq.{}&n=gt.{}", first.text(), second.text()));
        let mark = std::str::from_utf8(&third.mark).unwrap();
        assert_eq!(filled.body.unwrap(), format!("{{\"a\":\"{mark}\"}}"));
        let statement = Statement {
            sql: "select $1, $2, $3, $4, $5".into(),
            params: vec![
                Some(second.text.clone()),
                None,
                Some(first.text.clone()),
                Some("other".into()),
                Some(third.text.clone()),
            ],
            param_types: vec![0, 23],
            formats: ferrobase_pg::Formats::Text,
        };
        let values = gaps.values(&filled.words);
        let put = values.fill(&statement);
        assert_eq!(put.params, [Some("1.5".into()), None, Some("7".into()), Some("other".into()), Some(body)]);
        assert_eq!((put.sql, put.param_types), (statement.sql, statement.param_types));
        assert_eq!(values.canonical(&filled.query), query);
        assert!(matches!(Values::default().canonical(query), Cow::Borrowed(_)));
    }
}
