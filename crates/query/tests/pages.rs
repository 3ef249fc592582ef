//! Pages by keys, groups, and changes inside of documents, on PostgreSQL.

use ferrobase_query::plan::*;
use ferrobase_query::sql::CatalogSql;
use ferrobase_query::{CompileError, compile};
use serde_json::{Value as Json, json};

use crate::company::{Company, body, by, eq, first, name, table};

/// Projects by client, two at a time.
fn page(after: Option<&[Option<&str>]>, backward: bool) -> Query {
    let read = Read { order: vec![by("client_id"), by("id")], window: first(2), ..table("projects", &["id"]) };
    let key = |not_null| Key { not_null, type_name: Some(CatalogSql::written_by_catalog("integer")) };
    let after = after.map(|values| values.iter().map(|value| value.map(str::to_owned)).collect());
    let keyset = Keyset { keys: vec![key(false), key(true)], after, backward };
    Query { keyset: Some(keyset), ..Query::list(read) }
}

/// The rows of a page, and the keys at its ends.
async fn told(db: &mut Company, query: &Query) -> (Json, Vec<Option<String>>) {
    let outcome = db.run(query).await;
    let keys = outcome.keys.clone().expect("keys");
    let spelt = |key: Option<Vec<Option<String>>>| {
        key.map(|key| key.iter().map(|value| value.as_deref().unwrap_or("-")).collect::<Vec<_>>().join("/"))
    };
    (body(&outcome), vec![spelt(keys.near), spelt(keys.far), spelt(keys.beyond)])
}

#[tokio::test]
async fn pages_begin_behind_a_row() {
    let mut db = Company::open().await;
    let some = |texts: [&str; 3]| texts.map(|text| (!text.is_empty()).then(|| text.to_owned())).to_vec();
    // Clients: 1, 1, 2, none.
    assert_eq!(told(&mut db, &page(None, false)).await, (json!([{"id": 1}, {"id": 2}]), some(["1/1", "1/2", "2/3"])));
    let second = told(&mut db, &page(Some(&[Some("1"), Some("2")]), false)).await;
    assert_eq!(second, (json!([{"id": 3}, {"id": 4}]), some(["2/3", "-/4", ""])));
    let behind_all = told(&mut db, &page(Some(&[None, Some("4")]), false)).await;
    assert_eq!(behind_all, (json!([]), some(["", "", ""])));
    let last = told(&mut db, &page(None, true)).await;
    assert_eq!(last, (json!([{"id": 3}, {"id": 4}]), some(["-/4", "2/3", "1/2"])));
    let before = told(&mut db, &page(Some(&[Some("1"), Some("2")]), true)).await;
    assert_eq!(before, (json!([{"id": 1}]), some(["1/1", "", ""])));
}

#[tokio::test]
async fn a_page_is_counted_whole() {
    let mut db = Company::open().await;
    let count = Count { exact: true, ..Count::default() };
    let outcome = db.run(&Query { count, ..page(Some(&[Some("2"), Some("3")]), false) }).await;
    assert_eq!((outcome.total, outcome.page), (Some(4), 1));
}

#[test]
fn what_is_no_page_is_not_compiled() {
    let grouped = |mut query: Query| {
        query.read.distinct = Some(Distinct::Rows);
        query
    };
    let unlimited = |mut query: Query| {
        query.read.window = Window::default();
        query
    };
    let csv = Query { body: Body::Csv(CsvForm::Standard), ..page(None, false) };
    let short = page(Some(&[Some("1")]), false);
    for query in [grouped(page(None, false)), unlimited(page(None, false)), csv, short] {
        assert_eq!(compile(&query).unwrap_err(), CompileError::NoPage);
    }
}

#[test]
fn the_text_of_a_page() {
    let text = compile(&page(Some(&[Some("1"), Some("2")]), false)).unwrap().statement.sql.to_string();
    insta::assert_snapshot!(text.replace(" FROM ", "\nFROM ").replace(" WHERE ", "\nWHERE "));
}

#[tokio::test]
async fn groups_have_conditions() {
    let mut db = Company::open().await;
    let count = Select { aggregate: Some(Aggregate::of(AggregateFunction::Count)), ..Select::star() };
    let more = Condition::Aggregate(AggregateComparison {
        of: count.clone(),
        negated: false,
        operation: Operation::Binary { operator: Operator::Greater, quantifier: None, value: "1".to_owned() },
    });
    let read = Read {
        select: vec![count],
        group_by: vec![GroupKey::Field(Field::column("client_id"))],
        having: vec![more],
        ..table("projects", &[])
    };
    assert_eq!(db.json(&Query::list(read)).await, json!([{"count": 2}]));
    let only = Aggregate { filter: vec![eq("client_id", "1")], ..Aggregate::of(AggregateFunction::Sum) };
    let budget = Select { aggregate: Some(only), ..Select::column("budget") };
    let read = Read { select: vec![budget], ..table("projects", &[]) };
    assert_eq!(db.json(&Query::list(read)).await, json!([{"sum": 150.5}]));
}

#[tokio::test]
async fn documents_change_inside() {
    let mut db = Company::open().await;
    let jsonb = CatalogSql::written_by_catalog("jsonb");
    let input = InputColumn { name: "x".to_owned(), type_name: jsonb, convert: None, default: None };
    // The same digits as a key and as an index.
    let path = vec![PathKey::Key("0".to_owned()), PathKey::Index("0".to_owned())];
    let update = Update {
        table: name("projects"),
        columns: vec![],
        inside: vec![SetInside { column: "data".to_owned(), path, input }],
        merge: vec![],
        payload: Payload::Json { json: r#"{"x": true}"#.into(), is_object: true },
        missing_is_default: false,
        filters: vec![eq("id", "2")],
        returning: Columns::Named(vec!["data".to_owned()]),
    };
    let shown = |update: Update| Query {
        mutation: Some(Mutation::Update(update)),
        ..Query::list(Read { source: Source::Derived, ..table("projects", &["data"]) })
    };
    assert_eq!(db.json(&shown(update.clone())).await, json!([{"data": {"0": [true]}}]));
    let inner = Patch { remove: vec!["w".to_owned()], set: Some(r#"{"h": 1}"#.to_owned()), inside: vec![] };
    let patch = Patch { remove: vec!["tags".to_owned()], set: None, inside: vec![("size".to_owned(), inner)] };
    let merge = Update {
        inside: vec![],
        merge: vec![MergeInto { column: "data".to_owned(), patch }],
        filters: vec![eq("id", "1")],
        ..update
    };
    assert_eq!(db.json(&shown(merge)).await, json!([{"data": {"size": {"h": 1}}}]));
}
