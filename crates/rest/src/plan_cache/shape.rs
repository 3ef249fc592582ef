//! Requests that differ in nothing but the values they compare with have one plan.
//!
//! `id=eq.7` and `id=eq.8` are one text with a gap. The plan is made from that text with a word in each gap that is used
//! for nothing else ([`Gaps::filled`]); where these words end up is where values go ([`Values`]). Whether values do nothing
//! but that is not believed but looked at: the plan of the request as it came must differ from that of the words in
//! parameters only ([`fits`]).
//! Invariant: a value in a gap is text to the end of its filter, whatever it is: letters, digits, `-`, `_` and `.` after
//! an operator that compares with one value.

use bytes::Bytes;
use ferrobase_pg::Statement;
use rand::distr::{Alphanumeric, SampleString as _};

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

/// The values of a query string that may be anything.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Gaps<'q>(Vec<&'q str>);

/// What stands in the place of what, in a plan that others share.
#[derive(Debug, Default)]
pub(crate) struct Values(Vec<(Bytes, Bytes)>);

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
        Self(gaps)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The query string with a new word in each gap, and the words.
    pub(super) fn filled(&self, query: &str) -> (String, Vec<Bytes>) {
        let mut text = String::with_capacity(query.len() + self.0.len() * WORD);
        let mut words = Vec::with_capacity(self.0.len());
        for (index, pair) in query.split('&').enumerate() {
            if index > 0 {
                text.push('&');
            }
            match value_of(pair) {
                Some(value) => {
                    let word = Alphanumeric.sample_string(&mut rand::rng(), WORD);
                    text.push_str(&pair[..pair.len() - value.len()]);
                    text.push_str(&word);
                    words.push(Bytes::from(word));
                }
                None => text.push_str(pair),
            }
        }
        (text, words)
    }

    /// These values in the place of those words.
    pub(super) fn values(&self, words: &[Bytes]) -> Values {
        let values = self.0.iter().map(|value| Bytes::copy_from_slice(value.as_bytes()));
        Values(words.iter().cloned().zip(values).collect())
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
                if let Some((_, value)) = self.0.iter().find(|(word, _)| word == param) {
                    *param = value.clone();
                }
            }
        }
        statement
    }

    /// The request as it came, as far as anybody looks at it who has its plan: its text.
    pub(super) fn request(&self, known: &RestRequest) -> RestRequest {
        let mut request = known.clone();
        for (word, value) in &self.0 {
            let text = |bytes| std::str::from_utf8(bytes).unwrap_or_default();
            request.query.canonical = request.query.canonical.replacen(text(word), text(value), 1);
        }
        request
    }
}

/// Whether the first plan, with these values, is the second one.
pub(super) fn fits(words: &Ready, values: &Values, real: &Ready) -> bool {
    let statements = |ready: &Ready| {
        let compiled = &ready.statements.compiled;
        [Some(compiled.statement.clone()), compiled.estimate.clone()]
    };
    let says_words = |text: &[u8]| values.0.iter().any(|(word, _)| text.windows(WORD).any(|part| part == word));
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
        (String::from_utf8(out).unwrap().replace('\0', "?"), gaps.0)
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
        let gaps = Gaps::of(query, &mut Vec::new());
        let (text, words) = gaps.filled(query);
        let [first, second] = &words[..] else { panic!("{words:?}") };
        let word = |word: &Bytes| String::from_utf8(word.to_vec()).unwrap();
        assert_eq!(text, format!("select=a&id=eq.{}&n=gt.{}", word(first), word(second)));
        let statement = Statement {
            sql: "select $1, $2, $3".into(),
            params: vec![Some(second.clone()), None, Some(first.clone()), Some("other".into())],
            param_types: vec![0, 23],
            binary: false,
        };
        let filled = gaps.values(&words).fill(&statement);
        assert_eq!(filled.params, [Some("1.5".into()), None, Some("7".into()), Some("other".into())]);
        assert_eq!((filled.sql, filled.param_types), (statement.sql, statement.param_types));
    }
}
