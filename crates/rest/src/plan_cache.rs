//! Plans of requests whose text was seen before.
//!
//! A server is asked the same few things most of the time, and parse -> plan -> query take a fifth of what it spends on
//! them. Their outcome depends on the text of the request and on the caller's role (the key), and on configuration,
//! catalog and proofs (the basis, by identity: when any of it is another, everything is forgotten). A plan is kept at
//! second sight, so that requests which never come again push nothing out.
//! Invariant: what is found here is what the stages would give now. A plan that is kept was made from its key alone
//! ([`Text::head`] hides every field that is not in it), so nothing that is not in the key can be in the plan.
//! Bounds: entries, bytes of keys and statements, size of each.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use ferrobase_base::Sightings;
use ferrobase_catalog::{Catalog, Proven};
use ferrobase_request::Target;
use hashlink::LruCache;
use http::request::Parts;
use http::{HeaderMap, HeaderName, Method, header};

use crate::flow::Ready;
use crate::request::{Head, RestRequest};
use crate::settings::Settings;

/// Most plans that are kept.
const ENTRIES: usize = 1000;
/// Most bytes of their keys and statements together; a plan takes a few times as much memory.
const BYTES: usize = 4 << 20;
/// Longest key. A longer request is rarely asked again, and costs more to compare.
const LONGEST_KEY: usize = 2048;
/// Texts seen once that are remembered.
const SEEN_ONCE: usize = 4096;
/// All fields that the stages look at.
const FIELDS: [HeaderName; 8] = [
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
    pub(crate) request: RestRequest,
    pub(crate) ready: Ready,
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
    key: Vec<u8>,
}

/// What is known of a text.
pub(crate) enum Sight {
    /// Its plan.
    Planned(Arc<Known>),
    /// It was here before.
    Again,
    /// Nothing.
    First,
}

/// The plans of one room.
#[derive(Default)]
pub(crate) struct PlanCache {
    kept: Mutex<Kept>,
    sightings: Sightings<SEEN_ONCE>,
}

struct Kept {
    basis: Option<KeptBasis>,
    plans: LruCache<Box<[u8]>, Arc<Known>>,
    bytes: usize,
}

/// A basis that keeps nothing large alive: an address is not used again while somebody points to it.
struct KeptBasis {
    settings: Arc<Settings>,
    target: Weak<Target>,
    catalog: Weak<Catalog>,
    proven: Option<Weak<Proven>>,
}

impl<'a> Text<'a> {
    /// Of a read or a call; `None` for what is not worth keeping, or never asked twice.
    pub(crate) fn of(parts: &'a Parts, body: &'a Bytes, role: &str, streams: bool) -> Option<Self> {
        let path = parts.uri.path();
        let calls = parts.method == Method::POST && path.starts_with("/rpc/");
        let reads = matches!(parts.method, Method::GET | Method::HEAD);
        if !(calls || reads && body.is_empty()) {
            return None;
        }
        let query = parts.uri.query().unwrap_or_default();
        let mut key = Vec::with_capacity(path.len() + query.len() + body.len() + 192);
        key.push(u8::from(streams));
        let mut add = |part: &[u8]| {
            key.extend_from_slice(&part.len().to_le_bytes());
            key.extend_from_slice(part);
        };
        for part in [role, parts.method.as_str(), path, query] {
            add(part.as_bytes());
        }
        add(body);
        for (index, name) in FIELDS.iter().enumerate() {
            for value in parts.headers.get_all(name) {
                add(&[index as u8]);
                add(value.as_bytes());
            }
        }
        (key.len() <= LONGEST_KEY).then(|| Self { parts, body, fields: HeaderMap::new(), key })
    }

    /// The request as the key has it.
    pub(crate) fn head(&mut self) -> (Head<'_>, &Bytes) {
        for name in &FIELDS {
            for value in self.parts.headers.get_all(name) {
                self.fields.append(name, value.clone());
            }
        }
        let uri = &self.parts.uri;
        let query = uri.query().unwrap_or_default();
        (Head { method: &self.parts.method, path: uri.path(), query, headers: &self.fields }, self.body)
    }
}

impl PlanCache {
    /// What is known of this text.
    pub(crate) fn find(&self, basis: &Basis<'_>, text: &Text<'_>) -> Sight {
        let mut kept = self.lock();
        // Under one lock: in between somebody else could put plans of another basis there.
        let old = kept.begin(basis);
        let known = kept.plans.get(&*text.key).cloned();
        drop(kept);
        drop(old);
        if let Some(known) = known {
            return Sight::Planned(known);
        }
        if self.sightings.seen_before(&text.key) { Sight::Again } else { Sight::First }
    }

    /// Keeps a plan, unless what it was made from is the past by now.
    pub(crate) fn keep(&self, basis: &Basis<'_>, text: Text<'_>, known: &Arc<Known>) {
        let proof = known.ready.statements.proof.as_ref();
        let stands = basis.proven.map(|proven| proven.stands().flag());
        if proof.is_some_and(|proof| !stands.is_some_and(|stands| Arc::ptr_eq(proof.stands.flag(), stands))) {
            return;
        }
        let cost = cost(&text.key, known);
        let mut evicted = Vec::new();
        let mut kept = self.lock();
        if !kept.basis.as_ref().is_some_and(|kept| kept.is(basis)) {
            return;
        }
        kept.bytes += cost;
        let key = text.key.into_boxed_slice();
        if let Some(old) = kept.plans.insert(key.clone(), Arc::clone(known)) {
            kept.bytes -= self::cost(&key, &old);
            evicted.push(old);
        }
        while kept.plans.len() > ENTRIES || kept.bytes > BYTES {
            let Some((key, plan)) = kept.plans.remove_lru() else { break };
            kept.bytes -= self::cost(&key, &plan);
            evicted.push(plan);
        }
        drop(kept);
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Forgets what was made from anything else than this basis; the caller frees it outside the lock.
    fn begin(&mut self, basis: &Basis<'_>) -> Option<Self> {
        if self.basis.as_ref().is_some_and(|kept| kept.is(basis)) {
            return None;
        }
        Some(std::mem::replace(self, Self { basis: Some(KeptBasis::of(basis)), ..Self::default() }))
    }
}

impl Default for Kept {
    fn default() -> Self {
        Self { basis: None, plans: LruCache::new_unbounded(), bytes: 0 }
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

fn cost(key: &[u8], known: &Known) -> usize {
    key.len() + known.ready.statements.compiled.statement.sql.len()
}
