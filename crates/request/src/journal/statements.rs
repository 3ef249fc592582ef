//! What runs here, added up by statement: how often, how long, how much of it waiting.
//!
//! Statements are told apart by the name that people have for them (`GET books(authors) by title`); SQL, which holds no
//! values, is how a request finds its own without making the name again. The table is bounded: statements that were not
//! asked for longest make room. Counting costs a look into the table and some atomic additions a request.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hashlink::{DefaultHashBuilder, LruCache};

use super::{Latencies, Stage, Times};

/// Statements that are remembered; about 600 bytes each.
const STATEMENTS: usize = 1024;
/// Longest name in bytes.
const LONGEST_NAME: usize = 200;

/// The statements of one server.
#[derive(Debug)]
pub struct Statements {
    hasher: DefaultHashBuilder,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    by_sql: LruCache<u64, Arc<Statement>>,
    by_name: LruCache<Box<str>, Arc<Statement>>,
}

impl Default for Statements {
    fn default() -> Self {
        Self { hasher: DefaultHashBuilder::default(), known: Mutex::new(Known::new()) }
    }
}

impl Statements {
    /// The statement of this text; `name` is asked what to call one that is new.
    pub fn find(&self, sql: &str, name: impl FnOnce() -> String) -> Arc<Statement> {
        let key = self.hasher.hash_one(sql);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(statement) = known.by_sql.get(&key).map(Arc::clone) {
            if known.by_name.get(&statement.name).is_none() {
                known.by_name.insert(statement.name.clone(), Arc::clone(&statement));
            }
            return statement;
        }
        let new = Arc::new(Statement::named(name()));
        let statement = match known.by_name.get(&new.name) {
            Some(statement) => Arc::clone(statement),
            None => {
                known.by_name.insert(new.name.clone(), Arc::clone(&new));
                new
            }
        };
        known.by_sql.insert(key, Arc::clone(&statement));
        statement
    }

    /// All that are remembered.
    pub fn all(&self) -> Vec<Arc<Statement>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.by_name.iter().map(|(_, statement)| Arc::clone(statement)).collect()
    }
}

impl Known {
    fn new() -> Self {
        Self { by_sql: LruCache::new(STATEMENTS), by_name: LruCache::new(STATEMENTS) }
    }
}

/// How a request ended, for the sums of its statement.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// From its head to the end of its answer.
    pub took: Duration,
    /// Where the time went.
    pub times: Times,
    /// Bytes of the answer's body, as far as they are known.
    pub bytes: u64,
    /// Rows, as far as they are known.
    pub rows: u64,
    /// It was answered with an error.
    pub failed: bool,
}

/// One statement and what it cost so far.
#[derive(Debug)]
pub struct Statement {
    name: Box<str>,
    calls: AtomicU64,
    errors: AtomicU64,
    total: AtomicU64,
    wait: AtomicU64,
    execute: AtomicU64,
    bytes: AtomicU64,
    rows: AtomicU64,
    latencies: Latencies,
}

impl Statement {
    fn named(mut name: String) -> Self {
        if name.len() > LONGEST_NAME {
            let end = (0..=LONGEST_NAME).rev().find(|end| name.is_char_boundary(*end)).unwrap_or(0);
            name.truncate(end);
            name.push_str("...");
        }
        Self {
            name: name.into(),
            calls: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            total: AtomicU64::new(0),
            wait: AtomicU64::new(0),
            execute: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            rows: AtomicU64::new(0),
            latencies: Latencies::default(),
        }
    }

    /// What people call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Adds a request.
    pub fn count(&self, ended: &Ended) {
        let of = |stage| micros(ended.times.get(stage).unwrap_or_default());
        self.calls.fetch_add(1, Relaxed);
        self.total.fetch_add(micros(ended.took), Relaxed);
        self.wait.fetch_add(of(Stage::Wait), Relaxed);
        self.execute.fetch_add(of(Stage::Execute), Relaxed);
        self.bytes.fetch_add(ended.bytes, Relaxed);
        self.rows.fetch_add(ended.rows, Relaxed);
        if ended.failed {
            self.errors.fetch_add(1, Relaxed);
        }
        self.latencies.count(ended.took);
    }

    /// Requests.
    pub fn calls(&self) -> u64 {
        self.calls.load(Relaxed)
    }

    /// Of these, requests that failed.
    pub fn errors(&self) -> u64 {
        self.errors.load(Relaxed)
    }

    /// Microseconds that all requests took, that they waited for a connection, and that their transactions ran.
    pub fn micros(&self) -> (u64, u64, u64) {
        (self.total.load(Relaxed), self.wait.load(Relaxed), self.execute.load(Relaxed))
    }

    /// Bytes of all answers whose size was known when they began.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    /// Rows that were read or written.
    pub fn rows(&self) -> u64 {
        self.rows.load(Relaxed)
    }

    /// How long the requests took.
    pub fn latencies(&self) -> &Latencies {
        &self.latencies
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(failed: bool) -> Ended {
        Ended { took: Duration::from_millis(2), times: Times::default(), bytes: 10, rows: 1, failed }
    }

    #[test]
    fn the_same_name_is_the_same_statement_and_is_asked_for_once() {
        let statements = Statements::default();
        let first = statements.find("select 1", || "GET books".to_owned());
        first.count(&ended(false));
        let again = statements.find("select 1", || unreachable!("it is known"));
        again.count(&ended(true));
        assert_eq!((first.name(), first.calls(), first.errors(), first.bytes()), ("GET books", 2, 1, 20));
        assert_eq!(first.micros(), (4000, 0, 0));
        // The same request may become other SQL; it stays one statement.
        let other = statements.find("select 2", || "GET books".to_owned());
        assert_eq!((other.calls(), statements.all().len()), (2, 1));
    }

    #[test]
    fn the_table_and_its_names_are_bounded() {
        let statements = Statements::default();
        statements.find("kept", || "kept".to_owned());
        for number in 0..STATEMENTS * 2 {
            statements.find(&format!("select {number}"), || format!("{number} {}", "é".repeat(LONGEST_NAME)));
            statements.find("kept", || unreachable!("it was asked for just now"));
        }
        let all = statements.all();
        assert_eq!(all.len(), STATEMENTS);
        assert!(all.iter().all(|statement| statement.name().len() <= LONGEST_NAME + 3));
    }
}
