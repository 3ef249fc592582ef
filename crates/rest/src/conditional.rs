//! Conditional requests (RFC 9110, 13): which tags `If-Match` and `If-None-Match` name, and whether one fits.
//!
//! First stage reads the fields, `plan` puts `If-Match` of a write into its statement, `render` judges reads. Our tags
//! are strong: same tag, same bytes. The edge adds the encoding to the tag of an answer that it compresses
//! (`"1f..-gzip"`), which is another representation of the same state, so that the ending is taken off here.
//! Invariant: a field that cannot be read matches nothing. Read on: `ferrobase_query::tag` (what a tag is made of).

use http::header::{HeaderName, IF_MATCH, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue};

/// Endings that the edge gives to tags of compressed answers.
const ENCODINGS: [&str; 3] = ["-gzip", "-br", "-zstd"];

/// What a request wants to be so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// `If-Match`: go on only if this is what there is.
    pub matches: Option<Tags>,
    /// `If-None-Match`: go on only if this is not what there is.
    pub differs: Option<Tags>,
}

impl Conditions {
    /// Reads the fields.
    pub fn read(headers: &HeaderMap) -> Self {
        Self { matches: Tags::of(headers, &IF_MATCH), differs: Tags::of(headers, &IF_NONE_MATCH) }
    }

    /// Whether the request names a tag at all.
    pub fn is_some(&self) -> bool {
        self.matches.is_some() || self.differs.is_some()
    }
}

/// The value of one of the fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tags {
    /// `*`: whatever there is.
    Any,
    /// One of these.
    Listed(Vec<Tag>),
}

/// An entity tag as a caller sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// `W/`.
    weak: bool,
    /// What stands between the quotes.
    opaque: String,
}

impl Tag {
    /// The tag that we gave, without the encoding.
    fn plain(&self) -> &str {
        ENCODINGS.iter().find_map(|ending| self.opaque.strip_suffix(ending)).unwrap_or(&self.opaque)
    }

    /// The tag as the field writes it.
    pub fn field(&self) -> Option<HeaderValue> {
        HeaderValue::try_from(format!("\"{}\"", self.opaque)).ok()
    }
}

impl Tags {
    fn of(headers: &HeaderMap, name: &HeaderName) -> Option<Self> {
        let mut tags = Vec::new();
        let mut any = false;
        let mut fields = headers.get_all(name).iter().peekable();
        fields.peek()?;
        for field in fields {
            let text = field.to_str().unwrap_or_default().trim();
            any |= text == "*";
            tags.extend(listed(text));
        }
        Some(if any { Self::Any } else { Self::Listed(tags) })
    }

    /// The tags that a strong comparison may take (`If-Match`): weak ones never match. `None` for `*`.
    pub fn strong(&self) -> Option<Vec<String>> {
        match self {
            Self::Any => None,
            Self::Listed(tags) => Some(tags.iter().filter(|tag| !tag.weak).map(|tag| tag.plain().to_owned()).collect()),
        }
    }

    /// Whether a strong comparison finds this one.
    pub fn has(&self, current: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(tags) => tags.iter().any(|tag| !tag.weak && tag.plain() == current),
        }
    }

    /// What a weak comparison finds (`If-None-Match`): the tag as the caller knows it.
    pub fn find(&self, current: &str) -> Option<HeaderValue> {
        match self {
            Self::Any => field(current),
            Self::Listed(tags) => tags.iter().find(|tag| tag.plain() == current).and_then(Tag::field),
        }
    }
}

/// `ETag` of a tag that we made.
pub fn field(tag: &str) -> Option<HeaderValue> {
    HeaderValue::try_from(format!("\"{tag}\"")).ok()
}

/// The tags of a list, up to the first thing that is none.
fn listed(mut text: &str) -> Vec<Tag> {
    let mut tags = Vec::new();
    loop {
        text = text.trim_start_matches([' ', '\t', ',']);
        let (weak, rest) = match text.strip_prefix("W/") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let Some((opaque, rest)) = rest.strip_prefix('"').and_then(|rest| rest.split_once('"')) else { return tags };
        tags.push(Tag { weak, opaque: opaque.to_owned() });
        text = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(fields: &[&'static str]) -> Option<Tags> {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(IF_MATCH, HeaderValue::from_static(field));
        }
        Conditions::read(&headers).matches
    }

    #[test]
    fn lists_are_read() {
        assert_eq!(tags(&[]), None);
        assert_eq!(tags(&["*"]), Some(Tags::Any));
        let strong = |fields: &[&'static str]| tags(fields).unwrap().strong().unwrap();
        assert_eq!(strong(&["\"a\", W/\"b\" ,, \"c-gzip\"", "\"d,e\""]), ["a", "c", "d,e"]);
        for nothing in ["", "a", "\"open", "W/", "w/\"a\"", "'a'"] {
            assert!(strong(&[nothing]).is_empty(), "{nothing}");
        }
        assert_eq!(strong(&["\"a\" nonsense \"b\""]), ["a"]);
    }

    #[test]
    fn if_match_is_strong_and_if_none_match_is_weak() {
        let weak = tags(&["W/\"a\", \"b-br\""]).unwrap();
        assert!(!weak.has("a") && weak.has("b") && Tags::Any.has("x"));
        assert_eq!(weak.find("a").unwrap(), "\"a\"");
        assert_eq!(weak.find("b").unwrap(), "\"b-br\"", "the tag that the caller's copy has");
        assert_eq!(weak.find("c"), None);
        assert_eq!(Tags::Any.find("c").unwrap(), "\"c\"");
    }

    proptest::proptest! {
        #[test]
        fn any_field_is_read(text in "[ -~]{0,60}") {
            for tag in listed(&text) {
                proptest::prop_assert!(text.contains(&tag.opaque));
            }
        }
    }
}
