//! The catalog against real PostgreSQL: one binary, a module per topic, fixtures beside it.

#![allow(clippy::unwrap_used, reason = "helpers of tests panic as tests do")]

mod access;
mod columns;
mod depends;
mod describe;
mod exposed;
mod functions;
mod portions;
mod proven;
mod queries;
mod relationships;
mod reload;
mod renewal;
mod scale;
mod shadows;
mod shapes;
mod views;

use ferrobase_catalog::{Catalog, Scope};
use ferrobase_testkit::TestDatabase;

/// A database of its own with a fixture in it.
async fn database(fixture: &str) -> TestDatabase {
    let database = ferrobase_testkit::database().await;
    database.script(fixture).await;
    database
}

/// Loads a scope as superuser.
async fn load(database: &TestDatabase, scope: &Scope) -> Catalog {
    let mut session = database.connect().await;
    ferrobase_catalog::load(&mut session, scope).await.unwrap()
}

/// Compares lists of lines one below the other, so that a difference can be read.
#[track_caller]
fn assert_lines<L: AsRef<str>>(actual: &[String], expected: &[L]) {
    let expected: Vec<&str> = expected.iter().map(AsRef::as_ref).collect();
    assert_eq!(format!("\n{}\n", actual.join("\n")), format!("\n{}\n", expected.join("\n")));
}
