//! The statements that a test causes, and how PostgreSQL would run them.

use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Metadata, Subscriber};

use crate::harness::Api;

/// Statements of the room, noted while this lives. For tests of one thread.
pub struct Plans {
    seen: Arc<Mutex<Vec<String>>>,
    _guard: DefaultGuard,
}

impl Plans {
    pub fn record() -> Self {
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let guard = tracing::subscriber::set_default(Notes(Arc::clone(&seen)));
        tracing::callsite::rebuild_interest_cache();
        Self { seen, _guard: guard }
    }

    pub fn clear(&self) {
        self.seen.lock().expect("a whole lock").clear();
    }

    pub fn count(&self) -> usize {
        self.seen.lock().expect("a whole lock").len()
    }

    /// The newest statement.
    pub fn sql(&self) -> String {
        self.seen.lock().expect("a whole lock").last().cloned().expect("a statement")
    }

    /// Its plan, without anything sequential where there is another way, for values that nobody knows yet.
    pub async fn explain(&self, api: &Api) -> String {
        self.explain_with(api, &[]).await
    }

    /// Its plan for these values; the rest is NULL.
    pub async fn explain_with(&self, api: &Api, values: &[&str]) -> String {
        let sql = self.sql();
        let count = (1..100).rev().find(|n| sql.contains(&format!("${n}"))).unwrap_or(0);
        let values: Vec<String> =
            (0..count).map(|n| values.get(n).map_or("null".to_owned(), |value| format!("'{value}'"))).collect();
        let mode = if values.iter().all(|value| value == "null") { "force_generic_plan" } else { "force_custom_plan" };
        let mut session = api.db.connect().await;
        session.script(&format!("set plan_cache_mode = {mode}; set enable_seqscan = off")).await.expect("settings");
        session.script(&format!("prepare asked as {sql}")).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        let arguments = if values.is_empty() { String::new() } else { format!("({})", values.join(", ")) };
        let plan = session.query(&format!("explain (costs off) execute asked{arguments}"), &[]).await.expect("a plan");
        plan.rows.iter().filter_map(|row| row.text(0)).collect::<Vec<_>>().join("\n")
    }
}

struct Notes(Arc<Mutex<Vec<String>>>);

impl Subscriber for Notes {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "ferrobase::sql"
    }

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Sql(&self.0));
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

struct Sql<'s>(&'s Mutex<Vec<String>>);

impl Visit for Sql<'_> {
    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "sql" {
            self.0.lock().expect("a whole lock").push(value.to_owned());
        }
    }
}
