//! What one request did, stage by stage.
//!
//! The edge makes a [`Journal`] when a request arrives and closes it when the answer has left; on the way every stage
//! notes how long it took, rooms those that are theirs and `run` waiting and executing. `Server-Timing`, the histogram of
//! stages, spans, the log of slow queries and `/debug/top` all read this one list.
//! Invariant: a journal holds names and times, never a value that a caller sent.
//! Read on: `statements` (what is added up by statement).

mod latency;
mod statements;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub use latency::Latencies;
pub use statements::{Ended, Statement, Statements};

/// Most steps that are kept of one request; a batch has several a statement. Beyond that only the sums grow.
const STEPS: usize = 64;

/// A stage of a request, in the order in which they come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Who asks: tokens and keys are checked.
    Jwt,
    /// The request is read.
    Parse,
    /// Names are looked up in the catalog.
    Plan,
    /// The plan becomes SQL.
    Query,
    /// A connection is waited for.
    Wait,
    /// The transaction runs.
    Execute,
    /// The answer is made.
    Render,
}

impl Stage {
    /// All of them, in their order.
    pub const ALL: [Self; 7] =
        [Self::Jwt, Self::Parse, Self::Plan, Self::Query, Self::Wait, Self::Execute, Self::Render];

    /// Its name in metrics, spans and `Server-Timing`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Jwt => "jwt",
            Self::Parse => "parse",
            Self::Plan => "plan",
            Self::Query => "query",
            Self::Wait => "wait",
            Self::Execute => "execute",
            Self::Render => "render",
        }
    }
}

/// How long each stage took, all its steps together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times([Option<Duration>; 7]);

impl Times {
    /// The time of a stage; `None` when the request did not get there.
    pub fn get(&self, stage: Stage) -> Option<Duration> {
        self.0[stage as usize]
    }

    /// The stages that the request went through, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (Stage, Duration)> + '_ {
        Stage::ALL.into_iter().filter_map(|stage| Some((stage, self.get(stage)?)))
    }

    fn add(&mut self, stage: Stage, took: Duration) {
        *self.0[stage as usize].get_or_insert_default() += took;
    }
}

/// One step of a stage.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Of which stage.
    pub stage: Stage,
    /// When it began.
    pub began: Instant,
    /// How long it took.
    pub took: Duration,
}

/// What was noted.
#[derive(Clone, Debug, Default)]
pub struct Notes {
    /// The sums.
    pub times: Times,
    /// The steps, where they are kept.
    pub steps: Vec<Step>,
    /// What was run, where it has a name.
    pub statement: Option<Arc<Statement>>,
    /// Rows that were read or written, where they were counted.
    pub rows: Option<u64>,
}

/// What one request did. Clones write into the same journal; the default one forgets everything, for work of our own.
#[derive(Clone, Debug, Default)]
pub struct Journal(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    statements: Option<Arc<Statements>>,
    keeps_steps: bool,
    notes: Mutex<Notes>,
}

impl Journal {
    /// An empty journal. Steps are kept for requests that are traced; statements are added up where there is a table.
    pub fn new(statements: Option<Arc<Statements>>, keeps_steps: bool) -> Self {
        Self(Some(Arc::new(Inner { statements, keeps_steps, notes: Mutex::default() })))
    }

    /// Notes a step of a stage.
    pub fn note(&self, stage: Stage, began: Instant, took: Duration) {
        let Some(inner) = &self.0 else { return };
        let mut notes = inner.lock();
        notes.times.add(stage, took);
        if inner.keeps_steps && notes.steps.len() < STEPS {
            notes.steps.push(Step { stage, began, took });
        }
    }

    /// Notes a step that ends now.
    pub fn since(&self, stage: Stage, began: Instant) {
        if self.0.is_some() {
            self.note(stage, began, began.elapsed());
        }
    }

    /// Runs a synchronous stage and notes how long it took, less what it noted of a later stage itself.
    pub fn measure<T>(&self, stage: Stage, run: impl FnOnce() -> T) -> T {
        if self.0.is_none() {
            return run();
        }
        let (before, began) = (self.later(stage), Instant::now());
        let result = run();
        let inside = self.later(stage).saturating_sub(before);
        self.note(stage, began, began.elapsed().saturating_sub(inside));
        result
    }

    /// Notes what a transaction said about itself, which began then: first it waited, then it ran.
    pub fn ran(&self, began: Instant, waited: Duration) {
        if self.0.is_some() {
            self.note(Stage::Wait, began, waited);
            self.since(Stage::Execute, began + waited);
        }
    }

    /// A transaction begins now.
    pub fn run(&self) -> Running<'_> {
        Running { journal: self, began: Instant::now(), ended: false }
    }

    /// Says what is run: the statement, and what people call it, which is asked for when it is new.
    pub fn runs(&self, sql: &str, name: impl FnOnce() -> String) {
        let Some(inner) = &self.0 else { return };
        if let Some(statements) = &inner.statements {
            let statement = statements.find(sql, name);
            inner.lock().statement = Some(statement);
        }
    }

    /// Says how many rows were read or written.
    pub fn counted(&self, rows: u64) {
        if let Some(inner) = &self.0 {
            *inner.lock().rows.get_or_insert_default() += rows;
        }
    }

    /// The sums so far.
    pub fn times(&self) -> Times {
        self.0.as_ref().map(|inner| inner.lock().times).unwrap_or_default()
    }

    /// Everything so far; what is noted later is lost.
    pub fn close(&self) -> Notes {
        self.0.as_ref().map(|inner| std::mem::take(&mut *inner.lock())).unwrap_or_default()
    }

    /// What stages after this one took so far.
    fn later(&self, stage: Stage) -> Duration {
        let Some(inner) = &self.0 else { return Duration::ZERO };
        inner.lock().times.0[stage as usize + 1..].iter().flatten().sum()
    }
}

/// A transaction that runs. Dropped without a word, because its caller left, it ran until then.
#[derive(Debug)]
pub struct Running<'j> {
    journal: &'j Journal,
    began: Instant,
    ended: bool,
}

impl Running<'_> {
    /// It waited for so long, and ran until now.
    pub fn ended(mut self, waited: Duration) {
        self.ended = true;
        self.journal.ran(self.began, waited);
    }

    /// It waited until now, and did not run.
    pub fn waited(mut self) {
        self.ended = true;
        self.journal.since(Stage::Wait, self.began);
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.journal.ran(self.began, Duration::ZERO);
        }
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_add_up_and_a_stage_inside_another_is_counted_once() {
        let journal = Journal::new(None, true);
        let began = Instant::now();
        journal.note(Stage::Execute, began, Duration::from_millis(2));
        journal.note(Stage::Execute, began, Duration::from_millis(3));
        let planned = journal.measure(Stage::Plan, || {
            journal.note(Stage::Query, began, Duration::from_secs(3600));
            7
        });
        assert_eq!(planned, 7);
        let notes = journal.close();
        assert_eq!(notes.times.get(Stage::Execute), Some(Duration::from_millis(5)));
        assert_eq!(notes.times.get(Stage::Plan), Some(Duration::ZERO));
        assert_eq!(notes.times.get(Stage::Wait), None);
        assert_eq!(notes.steps.len(), 4);
        let names: Vec<&str> = notes.times.iter().map(|(stage, _)| stage.name()).collect();
        assert_eq!(names, ["plan", "query", "execute"]);
    }

    #[test]
    fn a_journal_of_nobody_forgets_and_a_long_one_is_bounded() {
        let nobody = Journal::default();
        nobody.since(Stage::Parse, Instant::now());
        nobody.runs("select 1", || unreachable!("nobody asks"));
        assert_eq!(nobody.close().times, Times::default());
        let journal = Journal::new(None, true);
        (0..1000).for_each(|_| journal.note(Stage::Parse, Instant::now(), Duration::from_millis(1)));
        assert_eq!(journal.times().get(Stage::Parse), Some(Duration::from_secs(1)));
        assert_eq!(journal.close().steps.len(), STEPS);
    }
}
