//! How fresh a caller's reads must be: a token that a write gives out and a later read brings back.
//!
//! A token is a place in the log behind the commit of the write, with the cluster and the timeline that the place is on, under a
//! MAC (`seal`). Whoever reads with it is answered by a server that has replayed the log up to there, by the primary otherwise
//! (`replicas`). It holds nothing secret; the MAC keeps callers from making requests wait for places that nobody wrote.
//! Invariant: what comes out of [`FreshnessKey::open`] went into [`FreshnessKey::seal`] for the same target; damaged and
//! foreign tokens mean "the primary", never an error: the caller cannot help it (requirements/security.md 14).

use std::sync::{Mutex, PoisonError};

use ferrobase_pg::{Lsn, Position};

use crate::seal::SealingKey;

/// What the key is for.
const PURPOSE: &str = "ferrobase freshness token";
/// Version of what is sealed: its first byte.
const VERSION: u8 = 1;
/// Version, cluster, timeline, place.
const BODY: usize = 1 + 8 + 4 + 8;

/// Where a caller wants to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFrom {
    /// The primary, whatever is configured.
    Primary,
    /// A replica that is fresh enough, when there is one.
    Replica,
}

/// What a request says about freshness, and what its answer will.
#[derive(Debug, Default)]
pub struct Freshness {
    /// The token that came along, as it was sent.
    pub token: Option<String>,
    /// Where it wants to read.
    pub from: Option<ReadFrom>,
    given: Mutex<Option<String>>,
}

impl Freshness {
    /// A request with this token and this wish.
    pub fn new(token: Option<String>, from: Option<ReadFrom>) -> Self {
        Self { token, from, given: Mutex::default() }
    }

    /// The token that the answer gives out; of several writes the last one's.
    pub fn given(&self) -> Option<String> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn give(&self, token: String) {
        *self.given.lock().unwrap_or_else(PoisonError::into_inner) = Some(token);
    }
}

/// What a token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Identity of the cluster.
    pub system: u64,
    /// The place behind the write.
    pub position: Position,
}

/// The key that seals tokens.
#[derive(Clone, Copy, Debug)]
pub struct FreshnessKey(SealingKey);

impl FreshnessKey {
    /// The key that belongs to a secret and a target; without a secret everybody knows it, and tokens can be made by callers.
    pub fn derived_from(secret: Option<&[u8]>, target: &str) -> Self {
        Self(SealingKey::derived_from(secret, &format!("{PURPOSE}\0{target}")))
    }

    /// The token of a mark.
    pub fn seal(&self, mark: Mark) -> String {
        let mut body = Vec::with_capacity(BODY);
        body.push(VERSION);
        body.extend_from_slice(&mark.system.to_be_bytes());
        body.extend_from_slice(&mark.position.timeline.to_be_bytes());
        body.extend_from_slice(&mark.position.lsn.0.to_be_bytes());
        self.0.seal(&[], body)
    }

    /// The mark of a token that was sealed with this key.
    pub fn open(&self, token: &str) -> Option<Mark> {
        let body: [u8; BODY] = self.0.open(&[], token, BODY)?.try_into().ok()?;
        let (version, rest) = body.split_first()?;
        let (system, rest) = rest.split_first_chunk::<8>()?;
        let (timeline, rest) = rest.split_first_chunk::<4>()?;
        let lsn = Lsn(u64::from_be_bytes(rest.try_into().ok()?));
        let position = Position { timeline: u32::from_be_bytes(*timeline), lsn };
        (*version == VERSION).then_some(Mark { system: u64::from_be_bytes(*system), position })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark() -> Mark {
        Mark { system: 7_712_848_691_851_630_541, position: Position { timeline: 3, lsn: Lsn(0x0150_1298) } }
    }

    #[test]
    fn sec_14_what_is_sealed_is_opened_with_the_same_key_only() {
        let key = FreshnessKey::derived_from(Some(b"secret"), "default");
        let token = key.seal(mark());
        assert_eq!(key.open(&token), Some(mark()));
        for other in [(Some(&b"other"[..]), "default"), (None, "default"), (Some(&b"secret"[..]), "another")] {
            assert_eq!(FreshnessKey::derived_from(other.0, other.1).open(&token), None);
        }
        assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'), "{token}");
    }

    #[test]
    fn sec_14_a_changed_token_is_none() {
        let key = FreshnessKey::derived_from(None, "default");
        let token = key.seal(mark());
        for at in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(key.open(&String::from_utf8(changed).expect("ASCII")), None, "{at}");
        }
        let long = "A".repeat(10_000);
        for malformed in ["", "A", "token", &token[1..], &format!("{token}A"), &format!(" {token}"), &long] {
            assert_eq!(key.open(malformed), None, "{malformed}");
        }
        assert_eq!(format!("{key:?}"), "FreshnessKey(SealingKey)");
    }

    #[test]
    fn of_several_writes_the_last_one_counts() {
        let freshness = Freshness::new(Some("t".to_owned()), None);
        assert_eq!(freshness.given(), None);
        freshness.give("a".to_owned());
        freshness.give("b".to_owned());
        assert_eq!(freshness.given().as_deref(), Some("b"));
    }
}
