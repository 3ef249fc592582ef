//! Counting: exactly, up to a bound, by estimate, and beside embeds that filter.

use ferrobase_query::plan::*;
use ferrobase_query::{compile, statement::estimated_rows};

use crate::company::{Company, compare, first, projects, table, tasks};

fn counted(read: Read, count: Count) -> Query {
    Query { count, ..Query::list(read) }
}

const EXACT: Count = Count { exact: true, at_most: None, estimate: false };

#[tokio::test]
async fn the_total_ignores_the_window() {
    let mut db = Company::open().await;
    let outcome = db.run(&counted(Read { window: first(1), ..table("projects", &["id"]) }, EXACT)).await;
    assert_eq!((outcome.page, outcome.total), (1, Some(4)));
    let filters = vec![compare("id", Operator::Greater, "1")];
    let outcome = db.run(&counted(Read { filters, window: first(2), ..table("projects", &["id"]) }, EXACT)).await;
    assert_eq!((outcome.page, outcome.total), (2, Some(3)));
    let outcome = db.run(&counted(table("projects", &["id"]), EXACT)).await;
    assert_eq!((outcome.page, outcome.total), (4, Some(4)));
}

#[tokio::test]
async fn a_bound_stops_counting() {
    let mut db = Company::open().await;
    let count = Count { at_most: Some(3), ..EXACT };
    let outcome = db.run(&counted(Read { window: first(1), ..table("projects", &["id"]) }, count)).await;
    assert_eq!(outcome.total, Some(3));
}

#[tokio::test]
async fn parents_without_the_rows_they_need_are_not_counted() {
    let mut db = Company::open().await;
    let inner = |mut embed: Embed, below: Vec<Embed>| {
        embed.inner = true;
        embed.read.embeds = below;
        embed
    };
    let read = Read { embeds: vec![inner(projects(&["id"]), vec![])], window: first(1), ..table("clients", &["id"]) };
    assert_eq!(db.run(&counted(read, EXACT)).await.total, Some(2));
    let mut paint = inner(tasks(&["id"]), vec![]);
    paint.read.filters = vec![crate::company::eq("title", "paint")];
    let nested = inner(projects(&["id"]), vec![paint]);
    let read = Read { embeds: vec![nested], window: first(1), ..table("clients", &["id"]) };
    assert_eq!(db.run(&counted(read, EXACT)).await.total, Some(1));
    let filters = vec![Condition::Embedded { embed: 0, exists: false }];
    let read = Read { embeds: vec![projects(&["id"])], filters, window: first(1), ..table("clients", &["id"]) };
    assert_eq!(db.run(&counted(read, EXACT)).await.total, Some(1));
}

#[tokio::test]
async fn the_planner_estimates_in_a_second_statement() {
    let mut db = Company::open().await;
    db.script("analyze projects").await;
    let query = counted(table("projects", &["id"]), Count { estimate: true, ..Count::default() });
    assert_eq!(db.run(&query).await.total, None);
    let rows = db.try_rows(compile(&query).unwrap().estimate.unwrap()).await.unwrap();
    assert_eq!(estimated_rows(rows.first().unwrap().value(0).unwrap()), Some(4));
}

#[tokio::test]
async fn plans_are_explained() {
    let mut db = Company::open().await;
    let explain = Explain { json: true, verbose: true, ..Explain::default() };
    let query = Query { explain: Some(explain), ..Query::list(table("projects", &["id"])) };
    let rows = db.try_rows(compile(&query).unwrap().statement).await.unwrap();
    let plan: serde_json::Value = serde_json::from_slice(rows.first().unwrap().value(0).unwrap()).unwrap();
    assert_eq!(plan[0]["Plan"]["Output"][2], "COALESCE(json_agg(ROW(projects.id)), '[]'::json)");
    let query =
        Query { explain: Some(Explain { analyze: true, buffers: true, wal: true, ..Explain::default() }), ..query };
    let rows = db.try_rows(compile(&query).unwrap().statement).await.unwrap();
    assert!(rows.first().unwrap().text(0).unwrap().starts_with("Aggregate"), "{rows:?}");
}
