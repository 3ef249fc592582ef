//! Plans of operations that were asked before, but for the values that they compare with.
//!
//! A client sends the same document with other variables. Where a variable ends up in parameters of the statement and
//! nowhere else, one plan serves all its values ([`Holes`]). Whether it does is not believed but looked at: the plan is made
//! once more with a word in its place, and must differ in those parameters only. Whatever else variables decide (sizes of
//! pages, orders, which fields) is part of the key.
//! Invariant: what is found here is what the stages would give now: schemas are made anew with catalog and configuration,
//! and a plan whose proofs are of another time is none.
//! Bounds: plans, bytes of their keys and statements, values in the variables, size of a key.

use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use apollo_compiler::ExecutableDocument;
use apollo_compiler::response::{JsonMap, JsonValue};
use apollo_compiler::validation::Valid;
use bytes::Bytes;
use ferrobase_base::{Shelf, Sightings};
use ferrobase_catalog::{Proof, Proven};
use ferrobase_pg::Statement;
use ferrobase_query::Drawn;
use rand::RngExt as _;
use rand::distr::{Alphanumeric, SampleString as _};

/// Most plans that are kept for one schema.
const ENTRIES: usize = 1000;
/// Most bytes of their keys and statements together; a plan takes a few times as much memory.
const BYTES: usize = 4 << 20;
/// Most values in the variables of a request whose plan is kept.
const LEAVES: usize = 16;
/// Longest key, in bytes.
const LONGEST_KEY: usize = 2048;
/// Letters and digits of a word; long enough to be found nowhere else.
const WORD: usize = 24;
/// Keys seen once that are remembered.
const SEEN_ONCE: usize = 4096;

/// A document that was read and checked.
pub(crate) struct Asked {
    pub(crate) document: Valid<ExecutableDocument>,
    /// Tells it from every other document of its schema.
    pub(crate) number: u64,
    /// Bytes of the longest part of the schema that it was told: dozens of megabytes grow slowly.
    pub(crate) told: AtomicUsize,
}

/// The plans of one schema.
pub(crate) struct Plans {
    kept: Mutex<Shelf<Kept>>,
    sightings: Sightings<SEEN_ONCE>,
}

impl Default for Plans {
    fn default() -> Self {
        Self { kept: Mutex::new(Shelf::new(ENTRIES, BYTES)), sightings: Sightings::default() }
    }
}

/// What is kept under a key.
#[derive(Clone)]
enum Kept {
    /// Which of the values belong to the key: for keys without values.
    Counting(Arc<[bool]>),
    Plan(Arc<Prepared>),
}

/// A statement that reads, ready for values.
pub(crate) struct Prepared {
    pub(crate) drawn: Drawn,
    pub(crate) proof: Option<Proof>,
    /// The key of the only field that is read from the database.
    pub(crate) root: Option<String>,
    /// How many rows it may touch.
    pub(crate) cost: f64,
    /// Rows were not of the form that the catalog let expect, and will not be next time.
    pub(crate) rows_are_odd: AtomicBool,
    /// Of when its proofs are.
    proven: Option<Weak<Proven>>,
    /// Parameters and the values that belong there.
    holes: Vec<(usize, usize)>,
}

/// The variables of a request taken apart.
pub(crate) struct Variables<'v> {
    /// Everything but values.
    skeleton: Vec<u8>,
    leaves: Vec<&'v JsonValue>,
}

/// What is known of a request.
pub(crate) enum Sight {
    /// Its plan, with its values.
    Planned(Arc<Prepared>, Statement),
    /// It was here before.
    Again,
    /// Nothing, or it is not worth keeping.
    First,
}

impl Prepared {
    pub(crate) fn new(
        drawn: Drawn,
        proof: Option<Proof>,
        root: Option<String>,
        cost: f64,
        proven: Option<&Arc<Proven>>,
    ) -> Self {
        let (proven, rows_are_odd) = (proven.map(Arc::downgrade), AtomicBool::new(false));
        Self { drawn, proof, root, cost, rows_are_odd, proven, holes: Vec::new() }
    }

    fn is_of(&self, proven: Option<&Arc<Proven>>) -> bool {
        match (&self.proven, proven) {
            (None, None) => true,
            (Some(known), Some(proven)) => std::ptr::eq(known.as_ptr(), Arc::as_ptr(proven)),
            _ => false,
        }
    }

    /// The statement with these values; `None` where they are not those of this plan.
    fn filled(&self, variables: &Variables<'_>) -> Option<Statement> {
        let mut statement = self.drawn.statement.clone();
        for (param, leaf) in &self.holes {
            *statement.params.get_mut(*param)? = text(variables.leaves.get(*leaf)?);
        }
        Some(statement)
    }
}

impl<'v> Variables<'v> {
    /// Of the operation of this name; `None` for what is not worth keeping.
    pub(crate) fn of(document: &Asked, operation: Option<&str>, values: &'v JsonMap) -> Option<Self> {
        let mut variables = Self { skeleton: Vec::with_capacity(64), leaves: Vec::new() };
        variables.skeleton.extend_from_slice(&document.number.to_le_bytes());
        variables.name(operation.unwrap_or_default());
        variables.object(values);
        (variables.leaves.len() <= LEAVES && variables.skeleton.len() <= LONGEST_KEY).then_some(variables)
    }

    fn object(&mut self, values: &'v JsonMap) {
        self.skeleton.push(b'{');
        for (name, value) in values {
            self.skeleton.push(b':');
            self.name(name.as_str());
            self.value(value);
        }
        self.skeleton.push(b'}');
    }

    /// Keys of a document may be any text: with its length in front, nothing that follows can be a part of one.
    fn name(&mut self, name: &str) {
        self.skeleton.extend_from_slice(&name.len().to_le_bytes());
        self.skeleton.extend_from_slice(name.as_bytes());
    }

    fn value(&mut self, value: &'v JsonValue) {
        match value {
            JsonValue::Null => self.skeleton.push(b'n'),
            JsonValue::Bool(true) => self.skeleton.push(b't'),
            JsonValue::Bool(false) => self.skeleton.push(b'f'),
            JsonValue::Number(_) => self.leaf(b'0', value),
            JsonValue::String(_) => self.leaf(b'"', value),
            JsonValue::Array(items) => {
                self.skeleton.push(b'[');
                items.iter().for_each(|item| self.value(item));
                self.skeleton.push(b']');
            }
            JsonValue::Object(values) => self.object(values),
        }
    }

    fn leaf(&mut self, mark: u8, value: &'v JsonValue) {
        self.skeleton.push(mark);
        self.leaves.push(value);
    }

    /// The key with the values that count.
    fn key(&self, counts: &[bool]) -> Box<[u8]> {
        let mut key = self.skeleton.clone();
        // Which of them count, too: it may have been found otherwise before.
        key.extend(counts.iter().map(|counts| u8::from(*counts)));
        for (leaf, _) in self.leaves.iter().zip(counts).filter(|(_, counts)| **counts) {
            let text = text(leaf).unwrap_or_default();
            key.extend_from_slice(&text.len().to_le_bytes());
            key.extend_from_slice(&text);
        }
        // No key with values is one without.
        key.push(0);
        key.into()
    }
}

/// A value as a parameter.
fn text(value: &JsonValue) -> Option<Bytes> {
    match value {
        JsonValue::String(text) => Some(Bytes::copy_from_slice(text.as_str().as_bytes())),
        JsonValue::Number(number) => Some(Bytes::from(number.to_string())),
        _ => None,
    }
}

/// The variables with a word in the place of one value.
fn with_word(values: &JsonMap, leaf: usize, word: &str) -> JsonMap {
    let mut values = values.clone();
    let mut count = 0;
    for value in values.values_mut() {
        replace(value, leaf, &mut count, word);
    }
    values
}

fn replace(value: &mut JsonValue, leaf: usize, count: &mut usize, word: &str) {
    match value {
        JsonValue::Number(_) | JsonValue::String(_) => {
            if *count == leaf {
                *value = JsonValue::String(word.into());
            }
            *count += 1;
        }
        JsonValue::Array(items) => items.iter_mut().for_each(|item| replace(item, leaf, count, word)),
        JsonValue::Object(fields) => fields.values_mut().for_each(|field| replace(field, leaf, count, word)),
        JsonValue::Null | JsonValue::Bool(_) => {}
    }
}

impl Plans {
    /// What is known of a request with these variables.
    pub(crate) fn find(&self, variables: &Variables<'_>, proven: Option<&Arc<Proven>>) -> Sight {
        let found = {
            let mut plans = self.lock();
            let counts = match plans.get(&variables.skeleton) {
                Some(Kept::Counting(counts)) => Some(Arc::clone(counts)),
                _ => None,
            };
            let counts = counts.filter(|counts| counts.len() == variables.leaves.len());
            counts.and_then(|counts| plans.get(&variables.key(&counts)).cloned())
        };
        let planned = match found {
            Some(Kept::Plan(prepared)) if prepared.is_of(proven) => {
                prepared.filled(variables).map(|statement| (prepared, statement))
            }
            _ => None,
        };
        match planned {
            Some((prepared, statement)) => Sight::Planned(prepared, statement),
            _ if self.sightings.seen_before(&variables.skeleton) => Sight::Again,
            _ => Sight::First,
        }
    }

    /// Keeps a plan. `plan` makes the statement of the same request with other variables.
    pub(crate) fn keep(
        &self,
        variables: &Variables<'_>,
        values: &JsonMap,
        mut prepared: Prepared,
        plan: impl Fn(&JsonMap) -> Option<Prepared>,
    ) -> Arc<Prepared> {
        let mut counts = Vec::with_capacity(variables.leaves.len());
        for (leaf, value) in variables.leaves.iter().enumerate() {
            let value = text(value);
            let places = |word: &str| {
                let again = plan(&with_word(values, leaf, word)).filter(|again| again.cost == prepared.cost)?;
                // A word that is nowhere may have been read as something else.
                holes(&prepared.drawn, &again.drawn, word, value.as_deref()).filter(|holes| !holes.is_empty())
            };
            // Digits may mean something that letters do not, as in a path.
            let [letters, digits] = words().map(|word| places(&word));
            let holes = letters.filter(|letters| digits.as_ref() == Some(letters));
            counts.push(holes.is_none());
            prepared.holes.extend(holes.into_iter().flatten().map(|param| (param, leaf)));
        }
        let prepared = Arc::new(prepared);
        let key = variables.key(&counts);
        let skeleton: Box<[u8]> = variables.skeleton.clone().into();
        let drawn = &prepared.drawn;
        let costs = (skeleton.len() + counts.len(), key.len() + drawn.statement.sql.len() + drawn.template.size());
        let mut plans = self.lock();
        let mut evicted = plans.put(skeleton, Kept::Counting(counts.into()), costs.0);
        evicted.extend(plans.put(key, Kept::Plan(Arc::clone(&prepared)), costs.1));
        drop(plans);
        // Freed outside the lock.
        drop(evicted);
        prepared
    }

    fn lock(&self) -> MutexGuard<'_, Shelf<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Two words that are found nowhere else: letters and digits, and digits alone.
fn words() -> [String; 2] {
    let mut random = rand::rng();
    [Alphanumeric.sample_string(&mut random, WORD), random.random_range(100_000_000..1_000_000_000_u32).to_string()]
}

/// The parameters that are the word, and the value in the real plan; none where the plan with the word differs in anything
/// else, or says the word somewhere else.
fn holes(real: &Drawn, with_word: &Drawn, word: &str, value: Option<&[u8]>) -> Option<Vec<usize>> {
    let (ours, theirs) = (&real.statement, &with_word.statement);
    let same = ours.sql == theirs.sql
        && ours.param_types == theirs.param_types
        && ours.formats == theirs.formats
        && ours.params.len() == theirs.params.len()
        && real.template == with_word.template;
    if !same {
        return None;
    }
    let mut holes = Vec::new();
    for (index, (ours, theirs)) in ours.params.iter().zip(&theirs.params).enumerate() {
        if theirs.as_deref() == Some(word.as_bytes()) && ours.as_deref() == value {
            holes.push(index);
        } else if ours != theirs {
            return None;
        }
    }
    Some(holes)
}
