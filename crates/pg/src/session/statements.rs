//! Prepared statements of one session: which SQL has which name on the server.
//!
//! Keyed by (SQL, scope), since a plan depends on role and search_path. A statement is prepared at its second sight
//! in the whole pool, so that one-off shapes never crowd out the common ones; least recently used ones go when the
//! budget is spent. Names are random, so that code in the database cannot know them without looking; that it looked
//! and replaced one is found by `check.rs`, that it dropped one by SQLSTATE 26000 (`exchange.rs`). One whose plan went bad
//! is not prepared any more for a while (`pace.rs`).

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ferrobase_base::Sightings;
use hashlink::LruCache;
use rand::Rng;

use super::pace::{Pace, Verdict};
use crate::batch::{Column, Isolation};

/// What a prepared statement costs the server: a measured plan of a plain list is some 20 kB for 1 kB of SQL.
const COST_OF_ANY: usize = 4 * 1024;
const COST_PER_BYTE: usize = 16;
/// Shapes that are remembered as seen once, for a whole pool.
const SEEN_ONCE: usize = 4096;
/// How long a statement is not prepared whose plan was bad; then statistics may be others.
const UNPREPARED_FOR: Duration = Duration::from_secs(600);
/// Most of them at a time.
const MAX_UNPREPARED: usize = 256;
/// Most prepared statements of a session on which user code runs: the check after such a request lists all of them,
/// at about 1 µs each (`check.rs`).
const MAX_WHEN_CHECKED: usize = 24;
/// Most numbers of settings that are prepared; real callers use one or two.
const MAX_CONTROLS: usize = 24;

/// The name of a prepared statement.
pub(crate) type Name = Box<str>;

/// What identifies a user statement.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) sql: Arc<str>,
    pub(crate) scope: Arc<str>,
}

/// A user statement that the server knows.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) name: Name,
    pub(crate) types: Box<[u32]>,
    /// Unknown until a Describe succeeded.
    pub(crate) columns: Option<Arc<[Column]>>,
    /// How long it takes.
    pub(crate) pace: Pace,
}

/// Statements of our own around a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    /// `set_config` of this many settings.
    Settings(usize),
    Begin(Isolation, bool),
    ConstraintsImmediate,
    Commit,
    Rollback,
    Savepoint,
    ReleaseSavepoint,
    RollbackToSavepoint,
    ConstraintsDeferred,
    /// The login's own rights, until the settings that follow give another role.
    NoRole,
    ResetRole,
    ResetAll,
    CloseAll,
    Unlisten,
    DiscardSequences,
}

impl Control {
    pub(crate) fn sql(self) -> Cow<'static, str> {
        match self {
            Self::Settings(count) => settings_sql(count).into(),
            Self::Begin(Isolation::ReadCommitted, false) => "begin isolation level read committed read write".into(),
            Self::Begin(Isolation::ReadCommitted, true) => "begin isolation level read committed read only".into(),
            Self::Begin(Isolation::RepeatableRead, false) => "begin isolation level repeatable read read write".into(),
            Self::Begin(Isolation::RepeatableRead, true) => "begin isolation level repeatable read read only".into(),
            Self::Begin(Isolation::Serializable, false) => "begin isolation level serializable read write".into(),
            Self::Begin(Isolation::Serializable, true) => "begin isolation level serializable read only".into(),
            Self::ConstraintsImmediate => "set constraints all immediate".into(),
            Self::Commit => "commit".into(),
            Self::Rollback => "rollback".into(),
            Self::Savepoint => "savepoint fb".into(),
            Self::ReleaseSavepoint => "release savepoint fb".into(),
            Self::RollbackToSavepoint => "rollback to savepoint fb".into(),
            Self::ConstraintsDeferred => "set constraints all deferred".into(),
            Self::NoRole => "set local role none".into(),
            Self::ResetRole => "reset role".into(),
            Self::ResetAll => "reset all".into(),
            Self::CloseAll => "close all".into(),
            Self::Unlisten => "unlisten *".into(),
            Self::DiscardSequences => "discard sequences".into(),
        }
    }
}

/// One `set_config` a setting; names and values are parameters, so the text depends only on their number.
fn settings_sql(count: usize) -> String {
    let mut sql = String::with_capacity(8 + count * 44);
    sql.push_str("select ");
    for i in 0..count {
        let comma = if i > 0 { "," } else { "" };
        // Writing to a String cannot fail.
        let _ = write!(sql, "{comma}pg_catalog.set_config(${},${},true)", i * 2 + 1, i * 2 + 2);
    }
    sql
}

/// How to run a user statement.
pub(crate) enum Lookup<'a> {
    /// By a name that the server knows.
    Known(&'a str, Option<Arc<[Column]>>),
    /// Prepare it under this name first.
    New(Name),
    /// As the unnamed statement.
    Unnamed,
}

/// What the sessions of a pool know of shapes together.
#[derive(Debug, Default)]
pub(crate) struct Shapes {
    seen: Sightings<SEEN_ONCE>,
    /// Shapes that are better planned each time, and until when.
    unprepared: Mutex<HashMap<Key, Instant>>,
}

impl Shapes {
    fn unprepare(&self, key: &Key) {
        let mut unprepared = self.unprepared.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        unprepared.retain(|_, until| *until > now);
        if unprepared.len() < MAX_UNPREPARED {
            unprepared.insert(key.clone(), now + UNPREPARED_FOR);
        }
    }

    fn is_unprepared(&self, key: &Key) -> bool {
        let unprepared = self.unprepared.lock().unwrap_or_else(PoisonError::into_inner);
        unprepared.get(key).is_some_and(|until| *until > Instant::now())
    }
}

/// The prepared statements of one session.
pub(crate) struct Statements {
    cached: LruCache<Key, Entry>,
    controls: Vec<(Control, Name)>,
    cost: usize,
    /// 0: nothing is prepared, because a pooler may give each transaction another server connection.
    budget: usize,
    checked: bool,
    /// Names to close in the next flush.
    closing: Vec<Name>,
    shapes: Arc<Shapes>,
    /// A statement that runs planned for its values although it is prepared.
    attempt: Option<Key>,
    /// Whether the unnamed statement is the one of `check.rs`.
    pub(crate) unnamed_is_check: bool,
    /// Nothing goes by a name: code of the same transaction ran before and may have replaced what a name means.
    pub(crate) distrust_names: bool,
}

impl Statements {
    pub(crate) fn new(budget: usize, shapes: Arc<Shapes>) -> Self {
        Self {
            cached: LruCache::new_unbounded(),
            controls: Vec::new(),
            cost: 0,
            budget,
            checked: false,
            closing: Vec::new(),
            shapes,
            attempt: None,
            unnamed_is_check: false,
            distrust_names: false,
        }
    }

    /// How to run a user statement whose parameters have these types.
    pub(crate) fn find(&mut self, key: &Key, types: &[u32]) -> Lookup<'_> {
        if self.budget == 0 || self.distrust_names {
            return Lookup::Unnamed;
        }
        match self.cached.get(key) {
            Some(entry) if entry.pace.is_suspect() => {
                self.attempt = Some(key.clone());
                Lookup::Unnamed
            }
            Some(entry) if *entry.types == *types => Lookup::Known(&entry.name, entry.columns.clone()),
            // The same text with other types is another statement; too rare for a key of its own.
            Some(_) => Lookup::Unnamed,
            None if cost(key) > self.budget || !self.shapes.seen.seen_before(key) => Lookup::Unnamed,
            None if self.shapes.is_unprepared(key) => Lookup::Unnamed,
            None => Lookup::New(random_name()),
        }
    }

    /// The only user statement of a flush was answered.
    pub(crate) fn took(&mut self, key: &Key, took: Duration) {
        let attempted = self.attempt.take().is_some_and(|attempt| attempt == *key);
        let Some(entry) = self.cached.peek_mut(key) else { return };
        if !attempted {
            return entry.pace.ran(took);
        }
        if entry.pace.attempted(took) == Verdict::Bad {
            tracing::info!(
                sql = &*key.sql,
                "a prepared statement has a bad plan; for ten minutes it is planned each time"
            );
            self.shapes.unprepare(key);
            self.forget(key);
        }
    }

    /// How to run a statement of our own: prepared at first sight.
    pub(crate) fn find_control(&self, control: Control) -> Lookup<'_> {
        if self.budget == 0 || self.distrust_names {
            return Lookup::Unnamed;
        }
        match self.controls.iter().find(|(known, _)| *known == control) {
            Some((_, name)) => Lookup::Known(name, None),
            None if self.controls.len() >= MAX_CONTROLS => Lookup::Unnamed,
            None => Lookup::New(random_name()),
        }
    }

    /// The server prepared a user statement.
    pub(crate) fn prepared(&mut self, key: Key, entry: Entry) {
        let cost = cost(&key);
        match self.cached.insert(key, entry) {
            None => self.cost += cost,
            // The same statement twice in one flush.
            Some(old) => self.closing.push(old.name),
        }
        self.evict();
    }

    /// The server prepared a statement of ours.
    pub(crate) fn prepared_control(&mut self, control: Control, name: Name) {
        self.controls.push((control, name));
    }

    /// The server described a user statement.
    pub(crate) fn described(&mut self, key: &Key, columns: &Arc<[Column]>) {
        if let Some(entry) = self.cached.peek_mut(key) {
            entry.columns = Some(columns.clone());
        }
    }

    /// From now on every request of this session is followed by a check, whose price grows with each statement.
    pub(crate) fn keep_few(&mut self) {
        self.checked = true;
        self.evict();
    }

    /// Whether [`Statements::keep_few`] was called.
    pub(crate) fn is_checked(&self) -> bool {
        self.checked
    }

    fn evict(&mut self) {
        while self.cost > self.budget || (self.checked && self.cached.len() > MAX_WHEN_CHECKED) {
            let Some((key, entry)) = self.cached.remove_lru() else { break };
            self.cost -= cost(&key);
            self.closing.push(entry.name);
        }
    }

    /// The plan of one statement is stale.
    pub(crate) fn forget(&mut self, key: &Key) {
        if let Some(entry) = self.cached.remove(key) {
            self.cost -= cost(key);
            self.closing.push(entry.name);
        }
    }

    /// The server does not know a name: then somebody dropped statements, perhaps all of them. Those that are still
    /// there are closed; closing an unknown name is no error.
    pub(crate) fn forget_all(&mut self) {
        self.closing.extend(self.cached.drain().map(|(_, entry)| entry.name));
        self.closing.extend(self.controls.drain(..).map(|(_, name)| name));
        self.cost = 0;
    }

    /// Names to close, each once.
    pub(crate) fn take_closing(&mut self) -> Vec<Name> {
        std::mem::take(&mut self.closing)
    }

    /// Number of prepared user statements.
    pub(crate) fn len(&self) -> usize {
        self.cached.len()
    }
}

fn cost(key: &Key) -> usize {
    COST_OF_ANY + COST_PER_BYTE * key.sql.len()
}

fn random_name() -> Name {
    let mut rng = rand::rng();
    format!("f{:016x}{:016x}", rng.next_u64(), rng.next_u64()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(sql: &str) -> Key {
        Key { sql: sql.into(), scope: "anon".into() }
    }

    fn prepare(statements: &mut Statements, sql: &str) {
        let entry = Entry { name: random_name(), types: Box::new([]), columns: None, pace: Pace::default() };
        statements.prepared(key(sql), entry);
    }

    #[test]
    fn a_statement_is_prepared_at_second_sight_by_any_session_of_the_pool() {
        let shapes = Arc::new(Shapes::default());
        let mut one = Statements::new(1 << 20, shapes.clone());
        let mut two = Statements::new(1 << 20, shapes);
        assert!(matches!(one.find(&key("a"), &[]), Lookup::Unnamed));
        assert!(matches!(two.find(&key("a"), &[]), Lookup::New(_)));
        prepare(&mut two, "a");
        assert!(matches!(two.find(&key("a"), &[]), Lookup::Known(..)));
        assert!(matches!(two.find(&key("a"), &[23]), Lookup::Unnamed), "other types");
        let other_scope = Key { sql: "a".into(), scope: "web".into() };
        assert!(matches!(two.find(&other_scope, &[]), Lookup::Unnamed), "other role");
    }

    #[test]
    fn the_budget_is_kept_and_evicted_names_are_closed() {
        let mut statements = Statements::new(3 * COST_OF_ANY + 200, Arc::default());
        for sql in ["a", "b", "c"] {
            prepare(&mut statements, sql);
        }
        statements.find(&key("a"), &[]);
        prepare(&mut statements, "d");
        assert_eq!((statements.len(), statements.take_closing().len()), (3, 1));
        assert!(statements.cached.peek(&key("a")).is_some() && statements.cached.peek(&key("b")).is_none());
        let long = "x".repeat(COST_OF_ANY);
        statements.find(&key(&long), &[]);
        assert!(matches!(statements.find(&key(&long), &[]), Lookup::Unnamed), "larger than the whole budget");
    }

    #[test]
    fn checked_sessions_keep_few() {
        let mut statements = Statements::new(1 << 30, Arc::default());
        for i in 0..100 {
            prepare(&mut statements, &i.to_string());
        }
        statements.keep_few();
        assert_eq!(statements.len(), MAX_WHEN_CHECKED);
        prepare(&mut statements, "one more");
        assert_eq!((statements.len(), statements.take_closing().len()), (MAX_WHEN_CHECKED, 101 - MAX_WHEN_CHECKED));
        statements.prepared_control(Control::Commit, random_name());
        statements.forget_all();
        assert_eq!((statements.len(), statements.cost, statements.take_closing().len()), (0, 0, MAX_WHEN_CHECKED + 1));
    }

    #[test]
    fn behind_a_transaction_pooler_nothing_is_prepared() {
        let mut statements = Statements::new(0, Arc::default());
        for _ in 0..3 {
            assert!(matches!(statements.find(&key("a"), &[]), Lookup::Unnamed));
            assert!(matches!(statements.find_control(Control::Commit), Lookup::Unnamed));
        }
    }

    #[test]
    fn settings_are_parameters() {
        assert_eq!(settings_sql(2), "select pg_catalog.set_config($1,$2,true),pg_catalog.set_config($3,$4,true)");
    }
}
