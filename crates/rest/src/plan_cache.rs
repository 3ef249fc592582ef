//! Plans of requests whose text was seen before, but for the values that they compare with or write.
//!
//! A server is asked the same few things most of the time, and parse -> plan -> query take a fifth of what it spends on
//! them. Their outcome depends on the text of the request and on the caller's role (the key), and on configuration,
//! catalog and proofs (the basis, by identity: when any of it is another, everything is forgotten). A plan is kept at
//! second sight, so that requests which never come again push nothing out.
//! Invariant: what is found here is what the stages would give now. A plan that is kept was made from its key alone
//! ([`Text::head`] hides every field that is not in it), so nothing that is not in the key can be in the plan.
//! Bounds: entries, bytes of keys and statements, size of each. Read on: `shape` (values that are not part of the key),
//! `body` (what of a body is part of it).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use ferrobase_base::{Shelf, Sightings};
use ferrobase_catalog::{Catalog, Proven};
use ferrobase_request::Target;
use http::request::Parts;
use http::{HeaderMap, HeaderName, Method, header};

use crate::flow::Ready;
use crate::request::{Head, RestRequest};
use crate::settings::Settings;

mod body;
mod shape;

pub(crate) use shape::Values;
use shape::{Gaps, Word, fits};

/// Most plans that are kept.
const ENTRIES: usize = 1000;
/// Most bytes of their keys and statements together; a plan takes a few times as much memory.
const BYTES: usize = 4 << 20;
/// Longest key. A longer request is rarely asked again, and costs more to compare.
const LONGEST_KEY: usize = 2048;
/// Texts seen once that are remembered.
const SEEN_ONCE: usize = 4096;
/// Says in the first byte of a key that it has the keys of the body, and not the body.
const SHAPE: u8 = 1 << 2;
/// All fields that the stages look at.
static FIELDS: [HeaderName; 8] = [
    header::ACCEPT,
    HeaderName::from_static("accept-profile"),
    HeaderName::from_static("content-profile"),
    header::CONTENT_TYPE,
    HeaderName::from_static("prefer"),
    header::RANGE,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
];

/// A request up to the point where values of the database come in.
pub(crate) struct Known {
    request: RestRequest,
    ready: Ready,
    /// What stands in the plan for the values of the request.
    words: Vec<Word>,
}

/// One request, from its own values and a plan that it shares with others.
pub(crate) struct Recognised {
    known: Arc<Known>,
    values: Values,
}

/// What is kept of a text.
#[derive(Clone)]
enum Kept {
    Plan(Arc<Known>),
    /// The plan depends on the values: each has its own.
    Each,
    /// It is none that can be kept.
    Nothing,
}

/// What came of planning for others, too.
pub(crate) enum Made {
    /// A plan that can be kept.
    Plan(Box<(RestRequest, Ready)>),
    /// One that cannot, whatever the values.
    Other,
    /// The request is refused.
    Refused,
}

/// What plans depend on, apart from the request.
pub(crate) struct Basis<'a> {
    pub(crate) settings: &'a Arc<Settings>,
    pub(crate) target: &'a Arc<Target>,
    pub(crate) catalog: &'a Arc<Catalog>,
    pub(crate) proven: Option<&'a Arc<Proven>>,
}

/// Everything of a request that the stages look at.
pub(crate) struct Text<'a> {
    parts: &'a Parts,
    body: &'a Bytes,
    fields: HeaderMap,
    /// Values that are no part of the key.
    gaps: Gaps<'a>,
    role: &'a str,
    streams: bool,
    key: Vec<u8>,
}

/// What is known of a text.
pub(crate) enum Sight {
    /// Its plan.
    Planned(Recognised),
    /// It was here before.
    Again,
    /// Nothing.
    First,
}

/// The plans of one room.
#[derive(Default)]
pub(crate) struct PlanCache {
    kept: Mutex<Plans>,
    sightings: Sightings<SEEN_ONCE>,
}

struct Plans {
    basis: Option<KeptBasis>,
    plans: Shelf<Kept>,
}

/// A basis that keeps nothing large alive: an address is not used again while somebody points to it.
struct KeptBasis {
    settings: Arc<Settings>,
    target: Weak<Target>,
    catalog: Weak<Catalog>,
    proven: Option<Weak<Proven>>,
}

impl<'a> Text<'a> {
    /// `None` for what is not worth keeping, or never asked twice.
    pub(crate) fn of(parts: &'a Parts, body: &'a Bytes, role: &'a str, streams: bool) -> Option<Self> {
        let calls = parts.uri.path().starts_with("/rpc/");
        let reads = matches!(parts.method, Method::GET | Method::HEAD);
        let writes = matches!(parts.method, Method::POST | Method::PATCH | Method::PUT | Method::DELETE);
        if (reads && !body.is_empty()) || !(reads || writes) {
            return None;
        }
        let (fields, gaps, key) = (HeaderMap::new(), Gaps::default(), Vec::new());
        let mut text = Self { parts, body, fields, gaps, role, streams, key };
        text.set_key(true);
        // A body that is written and has no shape is another one each time.
        let is_asked_again = calls || body.is_empty() || text.gaps.body().is_some();
        (is_asked_again && text.key.len() <= LONGEST_KEY).then_some(text)
    }

    fn query(&self) -> &'a str {
        self.parts.uri.query().unwrap_or_default()
    }

    /// Makes the key, with gaps for values or with the values.
    fn set_key(&mut self, with_gaps: bool) {
        let (path, query) = (self.parts.uri.path(), self.query());
        let mut key = Vec::with_capacity(path.len() + query.len() + self.body.len().min(LONGEST_KEY) + 192);
        key.push(u8::from(self.streams) | u8::from(with_gaps) << 1);
        let mut start = 0;
        // Each part is followed by its length, so that no two lists of parts are one key.
        let mut end = |key: &mut Vec<u8>| {
            let length = key.len() - start;
            key.extend_from_slice(&length.to_le_bytes());
            start = key.len();
        };
        for part in [self.role, self.parts.method.as_str(), path] {
            key.extend_from_slice(part.as_bytes());
            end(&mut key);
        }
        self.gaps = Gaps::default();
        // What a function is given by its query looks like a filter.
        if with_gaps && !path.starts_with("/rpc/") {
            self.gaps = Gaps::of(query, &mut key);
        } else {
            key.extend_from_slice(query.as_bytes());
        }
        end(&mut key);
        if with_gaps && body::write_shape(self.body, &self.parts.headers, &mut key) {
            self.gaps.set_body(self.body);
            // A body that is written as it is may consist of the same bytes.
            key[0] |= SHAPE;
        } else {
            key.extend_from_slice(self.body);
        }
        end(&mut key);
        for (index, name) in FIELDS.iter().enumerate() {
            for value in self.parts.headers.get_all(name) {
                key.push(index as u8);
                key.extend_from_slice(value.as_bytes());
                end(&mut key);
            }
        }
        self.key = key;
    }

    /// The request as the key has it, with this query string.
    fn head<'h>(&'h mut self, query: &'h str) -> Head<'h> {
        if self.fields.is_empty() {
            for name in &FIELDS {
                for value in self.parts.headers.get_all(name) {
                    self.fields.append(name, value.clone());
                }
            }
        }
        Head { method: &self.parts.method, path: self.parts.uri.path(), query, headers: &self.fields }
    }
}

impl Recognised {
    fn new(known: Arc<Known>, text: &Text<'_>) -> Self {
        let values = text.gaps.values(&known.words);
        Self { known, values }
    }

    /// A request of this plan, the plan, and the values to put into both.
    pub(crate) fn parts(&self) -> (&RestRequest, &Ready, &Values) {
        (&self.known.request, &self.known.ready, &self.values)
    }
}

impl PlanCache {
    /// What is known of this text. Its key is the exact one afterwards, where values count.
    pub(crate) fn find(&self, basis: &Basis<'_>, text: &mut Text<'_>) -> Sight {
        let mut plans = self.lock();
        // Under one lock: in between somebody else could put plans of another basis there.
        let old = plans.begin(basis);
        let mut kept = plans.plans.get(&text.key).cloned();
        if matches!(kept, Some(Kept::Each)) {
            text.set_key(false);
            kept = plans.plans.get(&text.key).cloned();
        }
        drop(plans);
        drop(old);
        match kept {
            // A plan without a place for each value is none for them.
            Some(Kept::Plan(known)) if known.words.len() == text.gaps.len() => {
                Sight::Planned(Recognised::new(known, text))
            }
            Some(Kept::Plan(_) | Kept::Nothing) => Sight::First,
            _ if text.key.len() > LONGEST_KEY => Sight::First,
            _ if self.sightings.seen_before(&text.key) => Sight::Again,
            _ => Sight::First,
        }
    }

    /// Makes and keeps a plan, if it is one that can be kept: at best for every request that differs in nothing but values.
    pub(crate) fn keep(
        &self,
        basis: &Basis<'_>,
        mut text: Text<'_>,
        plan: impl Fn(Head<'_>, &Bytes) -> Made,
    ) -> Option<Recognised> {
        let (query, body) = (text.query(), text.body);
        let (request, ready) = match plan(text.head(query), body) {
            Made::Plan(made) => *made,
            Made::Refused => return None,
            Made::Other => {
                self.insert(basis, &text.key, Kept::Nothing);
                return None;
            }
        };
        let mut known = Known { request, ready, words: Vec::new() };
        if !text.gaps.is_empty() {
            let filled = text.gaps.filled(query);
            let shared = match plan(text.head(&filled.query), filled.body.as_ref().unwrap_or(body)) {
                Made::Plan(made) => Some(*made),
                Made::Other | Made::Refused => None,
            };
            let words = filled.words;
            match shared.filter(|(_, ready)| fits(ready, &text.gaps.values(&words), &known.ready)) {
                Some((request, ready)) => known = Known { request, ready, words },
                None => {
                    self.insert(basis, &text.key, Kept::Each);
                    text.set_key(false);
                }
            }
        }
        let known = Arc::new(known);
        let proof = known.ready.statements.proof.as_ref();
        let stands = basis.proven.map(|proven| proven.stands().flag());
        // Unless what it was made from is the past by now.
        if proof.is_none_or(|proof| stands.is_some_and(|stands| Arc::ptr_eq(proof.stands.flag(), stands))) {
            self.insert(basis, &text.key, Kept::Plan(Arc::clone(&known)));
        }
        Some(Recognised::new(known, &text))
    }

    fn insert(&self, basis: &Basis<'_>, key: &[u8], new: Kept) {
        if key.len() > LONGEST_KEY {
            return;
        }
        let mut plans = self.lock();
        if !plans.basis.as_ref().is_some_and(|kept| kept.is(basis)) {
            return;
        }
        let cost = cost(key, &new);
        let evicted = plans.plans.put(key.into(), new, cost);
        drop(plans);
        // Freed outside the lock.
        drop(evicted);
    }

    fn lock(&self) -> MutexGuard<'_, Plans> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Plans {
    /// Forgets what was made from anything else than this basis; the caller frees it outside the lock.
    fn begin(&mut self, basis: &Basis<'_>) -> Option<Self> {
        if self.basis.as_ref().is_some_and(|kept| kept.is(basis)) {
            return None;
        }
        Some(std::mem::replace(self, Self { basis: Some(KeptBasis::of(basis)), ..Self::default() }))
    }
}

impl Default for Plans {
    fn default() -> Self {
        Self { basis: None, plans: Shelf::new(ENTRIES, BYTES) }
    }
}

impl KeptBasis {
    fn of(basis: &Basis<'_>) -> Self {
        Self {
            settings: Arc::clone(basis.settings),
            target: Arc::downgrade(basis.target),
            catalog: Arc::downgrade(basis.catalog),
            proven: basis.proven.map(Arc::downgrade),
        }
    }

    fn is(&self, basis: &Basis<'_>) -> bool {
        let proven = match (&self.proven, basis.proven) {
            (Some(kept), Some(now)) => std::ptr::eq(kept.as_ptr(), Arc::as_ptr(now)),
            (kept, now) => kept.is_none() && now.is_none(),
        };
        proven
            && Arc::ptr_eq(&self.settings, basis.settings)
            && std::ptr::eq(self.target.as_ptr(), Arc::as_ptr(basis.target))
            && std::ptr::eq(self.catalog.as_ptr(), Arc::as_ptr(basis.catalog))
    }
}

fn cost(key: &[u8], kept: &Kept) -> usize {
    let statement = match kept {
        Kept::Plan(known) => {
            let statement = &known.ready.statements.compiled.statement;
            statement.sql.len() + statement.params.iter().flatten().map(Bytes::len).sum::<usize>()
        }
        Kept::Each | Kept::Nothing => 0,
    };
    key.len() + statement
}
