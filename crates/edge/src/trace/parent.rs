//! `traceparent` and `tracestate` as callers send them (W3C Trace Context), read strictly.
//!
//! Whatever is not exactly as the specification has it is as good as absent: a trace that begins here is better than
//! one that hangs on a garbled id.

use std::fmt;

use ferrobase_request::TraceFields;
use http::{HeaderMap, HeaderName, HeaderValue};

/// The field with the ids.
pub const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");
/// The field with what vendors add.
pub const TRACE_STATE: HeaderName = HeaderName::from_static("tracestate");

/// Length of version 00, and of what later versions begin with.
const LENGTH: usize = 55;
/// Most members of `tracestate`, and bytes of it that are handed on.
const MEMBERS: usize = 32;
const LONGEST_STATE: usize = 512;

/// The id of a trace; never all zero.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TraceId([u8; 16]);

/// The id of a span; never all zero.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SpanId([u8; 8]);

/// What is said about a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags(u8);

/// Whom a request was made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parent {
    /// The trace.
    pub trace: TraceId,
    /// The caller's span in it.
    pub span: SpanId,
    /// What it says.
    pub flags: Flags,
    /// What vendors add, as it came.
    pub state: Option<String>,
}

impl TraceId {
    /// An id of random bytes.
    pub fn new(bytes: [u8; 16]) -> Self {
        Self(if bytes == [0; 16] { [1; 16] } else { bytes })
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl SpanId {
    /// An id of random bytes.
    pub fn new(bytes: [u8; 8]) -> Self {
        Self(if bytes == [0; 8] { [1; 8] } else { bytes })
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

impl Flags {
    const SAMPLED: u8 = 1;
    /// The trace's id is random.
    pub const RANDOM: Self = Self(2);

    /// Whether the caller records its side.
    pub fn is_sampled(self) -> bool {
        self.0 & Self::SAMPLED != 0
    }

    /// The same of a trace that is recorded.
    #[must_use]
    pub fn sampled(self) -> Self {
        Self(self.0 | Self::SAMPLED)
    }

    /// Their bits.
    pub fn bits(self) -> u8 {
        self.0
    }
}

impl Parent {
    /// The parent that the fields name.
    pub fn read(headers: &HeaderMap) -> Option<Self> {
        let mut fields = headers.get_all(TRACE_PARENT).iter();
        let field = fields.next()?;
        // Two of them: nobody knows which one counts.
        if fields.next().is_some() {
            return None;
        }
        let parent = Self::parse(field.to_str().ok()?.trim_matches([' ', '\t']))?;
        Some(Self { state: state(headers), ..parent })
    }

    fn parse(text: &str) -> Option<Self> {
        let head = text.get(..LENGTH)?;
        let mut parts = head.split('-');
        let [version, trace, span, flags] = [parts.next()?, parts.next()?, parts.next()?, parts.next()?];
        let [version] = hex::<1>(version)?;
        // Later versions may have more behind a dash; the highest is forbidden.
        let rest = &text[LENGTH..];
        if version == 0xff || (version == 0 && !rest.is_empty()) || !(rest.is_empty() || rest.starts_with('-')) {
            return None;
        }
        let (trace, span, [flags]) = (hex::<16>(trace)?, hex::<8>(span)?, hex::<1>(flags)?);
        if parts.next().is_some() || trace == [0; 16] || span == [0; 8] {
            return None;
        }
        // Flags that nobody has given a meaning yet are not handed on.
        let flags = Flags(flags & (Flags::SAMPLED | Flags::RANDOM.0));
        Some(Self { trace: TraceId(trace), span: SpanId(span), flags, state: None })
    }

    /// What is handed on by somebody who adds nothing.
    pub(crate) fn fields(&self) -> TraceFields {
        TraceFields { parent: format(&self.trace, &self.span, self.flags), state: self.state.clone() }
    }
}

/// The text of `traceparent`.
pub(crate) fn format(trace: &TraceId, span: &SpanId, flags: Flags) -> String {
    format!("00-{trace}-{span}-{:02x}", flags.bits())
}

/// The bytes of so many lower-case hexadecimal digits.
fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

/// The members of all `tracestate` fields, when all of them are well formed.
fn state(headers: &HeaderMap) -> Option<String> {
    let texts: Option<Vec<&str>> =
        headers.get_all(TRACE_STATE).iter().map(|field: &HeaderValue| field.to_str().ok()).collect();
    let texts = texts?;
    let members: Vec<&str> = texts
        .iter()
        .flat_map(|text| text.split(','))
        .map(|member| member.trim_matches([' ', '\t']))
        .filter(|member| !member.is_empty())
        .collect();
    let joined = members.join(",");
    let is_good = !members.is_empty()
        && members.len() <= MEMBERS
        && joined.len() <= LONGEST_STATE
        && members.iter().all(|member| is_member(member))
        && members.iter().enumerate().all(|(place, member)| !members[..place].iter().any(|m| key(m) == key(member)));
    is_good.then_some(joined)
}

fn key(member: &str) -> &str {
    member.split('=').next().unwrap_or(member)
}

fn is_member(member: &str) -> bool {
    let Some((key, value)) = member.split_once('=') else { return false };
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-*/".contains(&byte);
    let begins = key.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let is_key = begins && key.len() <= 256 && key.bytes().all(|byte| plain(byte) || byte == b'@');
    let is_value = !value.is_empty()
        && value.len() <= 256
        && value.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'=' && byte != b',');
    is_key && key.matches('@').count() <= 1 && is_value
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceId({self})")
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SpanId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn headers(parents: &[&str], states: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for parent in parents {
            headers.append(TRACE_PARENT, parent.parse().unwrap());
        }
        for state in states {
            headers.append(TRACE_STATE, state.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_good_parent_is_read_and_written_alike() {
        let parent = Parent::read(&headers(&[GOOD], &[])).unwrap();
        assert!(parent.flags.is_sampled());
        assert_eq!(parent.fields().parent, GOOD);
        // A later version is read as far as it is known; flags without a meaning are dropped.
        let later = "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-f9-what-ever";
        let parent = Parent::read(&headers(&[later], &[])).unwrap();
        assert_eq!(parent.fields().parent, GOOD);
    }

    #[test]
    fn anything_else_is_as_good_as_absent() {
        for bad in [
            "",
            "00",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.more",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0x",
            "00-0af7651916cd43dd8448eb211c8031-9cb7ad6b7169203331-01-",
            "x'; drop",
        ] {
            assert_eq!(Parent::read(&headers(&[bad], &[])), None, "{bad}");
        }
        assert_eq!(Parent::read(&headers(&[GOOD, GOOD], &[])), None);
        assert_eq!(Parent::read(&headers(&[], &["a=1"])), None);
    }

    #[test]
    fn state_goes_on_whole_or_not_at_all() {
        let state = |states: &[&str]| Parent::read(&headers(&[GOOD], states)).unwrap().state;
        assert_eq!(state(&["rojo=00f067aa0ba902b7 , congo=t61rcWkgMzE", "a@b=x"]).as_deref(), {
            Some("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE,a@b=x")
        });
        let many = (0..33).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join(",");
        let long = format!("k={}", "v".repeat(300));
        for bad in ["", ",", "a", "a=", "=a", "A=1", "a=1,a=2", "a=b=c", "@a=1", "a@b@c=1", &many, &long] {
            assert_eq!(state(&[bad]), None, "{bad}");
        }
    }
}
