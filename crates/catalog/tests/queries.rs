//! The loader's bounds and its conduct towards others in the database.

use std::time::Duration;

use ferrobase_catalog::{LoadError, Scope};

use crate::load;

#[tokio::test]
async fn an_empty_database_has_an_empty_catalog() {
    let database = ferrobase_testkit::database().await;
    let catalog = load(&database, &Scope::default()).await;
    assert!(catalog.relations.is_empty() && catalog.functions.is_empty() && catalog.relationships.is_empty());
    assert!(catalog.server_version >= 140_000);
    assert_eq!(catalog.schemas["public"].comment.as_deref(), Some("standard public schema"));
    assert!(catalog.timezones.is_empty());
    let with_zones = load(&database, &Scope { timezones: true, ..Scope::default() }).await;
    assert!(with_zones.timezones.contains("Europe/Berlin"));
}

#[tokio::test]
async fn a_load_leaves_the_session_as_it_found_it() {
    let database = ferrobase_testkit::database().await;
    let mut session = database.connect().await;
    session.script("set search_path = 'odd'; set statement_timeout = '77s'").await.unwrap();
    ferrobase_catalog::load(&mut session, &Scope::default()).await.unwrap();
    let shown = session
        .query("select current_setting('search_path'), current_setting('statement_timeout'), pg_current_xact_id_if_assigned()", &[])
        .await
        .unwrap();
    assert_eq!(
        (shown.rows.first().unwrap().text(0), shown.rows.first().unwrap().text(1), shown.rows.first().unwrap().text(2)),
        (Some("odd"), Some("77s"), None)
    );
}

#[tokio::test]
async fn a_locked_view_makes_a_load_fail_in_time_and_not_hang() {
    let database = crate::database("create view v as select 1 as one").await;
    let mut blocker = database.connect().await;
    blocker.script("begin; alter view v rename to w").await.unwrap();
    let mut session = database.connect().await;
    let hasty = Scope { timeout: Duration::from_millis(300), ..Scope::default() };
    let started = std::time::Instant::now();
    let error = ferrobase_catalog::load(&mut session, &hasty).await.unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert!(matches!(error, LoadError::Timeout(_) | LoadError::Query { .. }), "{error:?}");
    blocker.script("commit").await.unwrap();
    assert!(load(&database, &Scope::default()).await.relation("public", "w").is_some());
}

#[tokio::test]
async fn names_of_schemas_are_values_and_never_sql() {
    let odd = r#"x'"]); drop table t; --"#;
    let database = crate::database(&format!(
        "create table t (id int); create schema \"{0}\"; create table \"{0}\".inside (id int)",
        odd.replace('"', "\"\"")
    ))
    .await;
    let catalog = load(&database, &Scope::exposing([odd])).await;
    assert!(catalog.relation(odd, "inside").is_some());
    assert!(load(&database, &Scope::default()).await.relation("public", "t").is_some());
}

#[tokio::test]
async fn two_sessions_load_what_one_loads_and_end_their_transactions() {
    let fixture = concat!(include_str!("fixtures/columns.sql"), include_str!("fixtures/relationships.sql"));
    let database = crate::database(fixture).await;
    let (mut session, mut helper) = (database.connect().await, database.connect().await);
    let scope = Scope::default();
    let catalog = ferrobase_catalog::load_in_two(&mut session, &mut helper, &scope).await.unwrap();
    let alone = crate::describe::catalog(&load(&database, &scope).await);
    assert!(alone.len() > 100, "{}", alone.len());
    crate::assert_lines(&crate::describe::catalog(&catalog), &alone);
    for session in [&mut session, &mut helper] {
        let path = session.query("select current_setting('transaction_isolation')", &[]).await.unwrap();
        assert_eq!(path.rows.first().unwrap().text(0), Some("read committed"));
    }
}

#[tokio::test]
async fn two_sessions_of_different_databases_load_nothing() {
    let (one, other) = (ferrobase_testkit::database().await, ferrobase_testkit::database().await);
    let (mut session, mut helper) = (one.connect().await, other.connect().await);
    let loaded = ferrobase_catalog::load_in_two(&mut session, &mut helper, &Scope::default()).await;
    assert!(matches!(loaded, Err(LoadError::Query { query: "transaction", .. })), "{loaded:?}");
}
