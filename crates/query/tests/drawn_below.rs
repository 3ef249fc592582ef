//! Documents with rows below their rows: what PostgreSQL makes of them, and what we make of records, which must be the same.

use ferrobase_pg::Formats;
use ferrobase_query::compile_document;
use ferrobase_query::plan::*;
use serde_json::{Value as Json, json};

use crate::company::{by, name};
use crate::drawn::{both, document, edges, info, member, page, value};
use crate::rows::{Bench, SETTINGS, VALUES, everything};

const SCRIPT: &str = "
    create table lists (id int primary key, name text, made timestamptz);
    create table todos (id int primary key, list int, title text, at timestamptz, share numeric, span tsrange);
    create table notes (id bigint primary key, todo int, body text, data jsonb);
    insert into lists select n, 'list \"' || n, '2026-01-01'::timestamptz + n * interval '1 hour' from generate_series(1, 4) n;
    insert into todos select n, n % 3 + 1, nullif('t' || n % 4, 't0'), '2026-07-01'::timestamptz + n * interval '1 day', n * 0.10,
        '[2026-01-02 03:04:05,)' from generate_series(1, 20) n;
    insert into notes select n, n % 15 + 1, E'n\\n\\u20ac' || n, jsonb_build_object('n', n) from generate_series(1, 40) n;";

/// Equal columns of a row and of the rows below it.
fn join(above: &str, below: &str) -> Option<Join> {
    Some(Join::Columns(vec![(above.to_owned(), below.to_owned())]))
}

fn plain(columns: &[&str]) -> Vec<Member> {
    columns.iter().map(|column| member(column, value(column, Scalar::Plain))).collect()
}

fn below(key: &str, page: Page) -> Member {
    member(key, Content::Page(Box::new(page)))
}

fn one(table: &str, above: &str, column: &str, members: Vec<Member>) -> Content {
    let read = Read::from(Source::Table(name(table)), table);
    Content::One(Box::new(One { join: join(above, column), read, members }))
}

/// The document, which must come as records.
async fn same(bench: &mut Bench, page: Page, settings: &[(&'static str, &str)]) -> Json {
    let document = document(page);
    let drawn = compile_document(&document, Some(&bench.catalog)).unwrap();
    assert!(
        drawn.statement.formats != Formats::Text && drawn.statement.sql.contains("ROW("),
        "{}",
        drawn.statement.sql
    );
    let (theirs, ours) = both(bench, &document, settings).await;
    assert_eq!(ours, theirs, "{}", drawn.statement.sql);
    ours
}

#[tokio::test]
async fn pages_below_rows_have_their_own_facts() {
    let mut bench = Bench::open(SCRIPT).await;
    for (limit, offset, after, backward) in [
        (Some(3), 0, None, false),
        (Some(3), 0, None, true),
        (Some(2), 1, None, false),
        (Some(3), 0, Some("9"), false),
        (Some(2), 0, Some("12"), true),
        (Some(0), 0, None, false),
        (Some(50), 0, Some("99"), false),
        (None, 0, None, true),
    ] {
        let mut node = plain(&["id", "title"]);
        let notes = page("notes", vec![edges(plain(&["id", "body", "data"])), info()]);
        node.push(below("notes", Page { join: join("id", "todo"), ..notes }));
        let mut todos = page("todos", vec![edges(node), info()]);
        todos.join = join("id", "list");
        todos.read.window = Window { offset, limit };
        todos.keyset.after = after.map(|value| vec![Some(value.to_owned())]);
        todos.keyset.backward = backward;
        let mut node = plain(&["id", "name", "made"]);
        node.push(below("todos", todos));
        let mut lists = page("lists", vec![info(), edges(node)]);
        lists.read.window.limit = Some(3);
        lists.keyset.backward = backward;
        let ours = same(&mut bench, lists, &[("timezone", "Asia/Kathmandu")]).await;
        let todos = &ours["page"]["edges"][0]["node"]["todos"];
        let edges = todos["edges"].as_array().unwrap();
        assert_eq!(todos["info"]["f2"], edges.first().map_or(Json::Null, |edge| edge["cursor"].clone()));
        assert_eq!(todos["info"]["f3"], edges.last().map_or(Json::Null, |edge| edge["cursor"].clone()));
        let ids: Vec<i64> = edges.iter().map(|edge| edge["node"]["id"].as_i64().unwrap()).collect();
        assert!(ids.is_sorted(), "{ids:?}");
        assert!(ids.len() as u64 <= limit.unwrap_or(50));
        if limit == Some(3) && after.is_none() {
            assert_eq!((ids.len(), &todos["info"][if backward { "f1" } else { "f0" }]), (3, &json!(true)));
        }
    }
}

#[tokio::test]
async fn rows_lists_and_objects_below_rows_are_the_same_in_both_forms() {
    let mut bench = Bench::open(SCRIPT).await;
    let list = |table: &str, above: &str, column: &str, members: Vec<Member>| {
        let mut read = Read::from(Source::Table(name(table)), table);
        read.order = vec![Order { direction: Some(Direction::Descending), ..by("id") }];
        read.window.limit = Some(2);
        Content::List(Box::new(One { join: join(above, column), read, members }))
    };
    let long = "a_key_that_is_longer_than_any_name_of_a_column_can_be_in_postgresql_at_all";
    let up = one("lists", "list", "id", plain(&["id", "name"]));
    let data = member("data", value("data", Scalar::Encoded));
    let notes = list("notes", "id", "todo", vec![member("id", value("id", Scalar::Text)), data]);
    let words = Scalar::Words(vec![("t1".to_owned(), "ONE".to_owned())]);
    let cases = Cases {
        field: Field::column("title"),
        cases: vec![("t1".to_owned(), Content::Object(plain(&["at"])))],
        otherwise: Content::Object(plain(&["id"])),
    };
    let total = PageMember { key: "total".to_owned(), value: PageValue::Total };
    let counted = Page { join: join("id", "todo"), ..page("notes", vec![total, edges(plain(&["id"]))]) };
    let node = vec![
        member("kind", Content::Constant("\"Todo\"".to_owned())),
        member(long, up.clone()),
        member(
            "none",
            one(
                "notes",
                "list",
                "id",
                vec![below("none", Page { join: join("id", "todo"), ..page("notes", vec![edges(plain(&["id"]))]) })],
            ),
        ),
        member("more", Content::Object(vec![member("notes", notes), member("word", value("title", words))])),
        member("share", value("share", Scalar::Text)),
        member("rowId", Content::RowId { table: name("todos"), key: vec!["id".to_owned(), "title".to_owned()] }),
        member("cases", Content::Cases(Box::new(cases.clone()))),
        below("counted", counted),
        member("empty", Content::Object(vec![])),
    ];
    let todos = Page { join: join("id", "list"), ..page("todos", vec![edges(node.clone())]) };
    let lists = page("lists", vec![edges(vec![below("todos", todos)])]);
    for settings in [&[][..], &[("timezone", "Asia/Kathmandu")]] {
        let ours = same(&mut bench, lists.clone(), settings).await;
        let first = &ours["page"]["edges"][0]["node"]["todos"]["edges"][0]["node"];
        assert_eq!((&first[long]["id"], &first["kind"]), (&json!(1), &json!("Todo")));
        assert!(first["more"]["notes"][0]["data"].is_string() && first["counted"]["total"].is_number());
    }
    // One row at the root.
    let alone = Content::Cases(Box::new(cases));
    let read = Read { order: vec![by("id")], ..Read::from(Source::Table(name("todos")), "todos") };
    let of_notes = Content::Cases(Box::new(Cases {
        field: Field::column("body"),
        cases: vec![("none".to_owned(), Content::Constant("{}".to_owned()))],
        otherwise: Content::Object(plain(&["id"])),
    }));
    let members = vec![
        member("up", up),
        member("notes", list("notes", "id", "todo", vec![member("", of_notes)])),
        member("cases", alone),
    ];
    let root = Document { members: vec![member("todo", Content::One(Box::new(One { join: None, read, members })))] };
    let (theirs, ours) = both(&mut bench, &root, &[]).await;
    assert_eq!(ours, theirs);
    assert_eq!(ours["todo"]["notes"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn every_type_below_a_row_is_the_same_in_both_forms() {
    let script = format!(
        "{}; alter table everything add id serial primary key, add owner int default 1;
        create table owners (id int primary key); insert into owners values (1), (2)",
        everything()
    );
    let mut bench = Bench::open(&script).await;
    let scalar = |type_name: &str| match type_name {
        "bigint" | "numeric" => Scalar::Text,
        "real" | "double precision" => Scalar::Finite,
        "jsonb" | "json" | "document" => Scalar::Encoded,
        "mood" => Scalar::Words(vec![("good".to_owned(), "GOOD".to_owned())]),
        _ => Scalar::Plain,
    };
    let columns = VALUES.iter().enumerate();
    let columns =
        columns.map(|(n, (type_name, _))| member(&format!("c{n}"), value(&format!("c{n}"), scalar(type_name))));
    let node: Vec<Member> = columns.collect();
    for settings in SETTINGS {
        let children = Page { join: join("id", "owner"), ..page("everything", vec![edges(node.clone())]) };
        let owners = page("owners", vec![edges(vec![below("children", children)])]);
        let ours = same(&mut bench, owners, settings).await;
        let edges = &ours["page"]["edges"];
        assert!(edges[0]["node"]["children"]["edges"].as_array().unwrap().len() > VALUES.len());
        assert_eq!(edges[1]["node"]["children"]["edges"], json!([]));
    }
}

#[tokio::test]
async fn records_of_other_types_than_expected_are_refused() {
    let mut bench = Bench::open(SCRIPT).await;
    let todos = Page { join: join("id", "list"), ..page("todos", vec![edges(plain(&["id", "title"]))]) };
    let document = document(page("lists", vec![edges(vec![below("todos", todos)])]));
    let drawn = compile_document(&document, Some(&bench.catalog)).unwrap();
    let result = bench.result(drawn.statement.clone(), &[]).await;
    assert_eq!(drawn.template.write(&result, &mut Vec::new()), Some(4));
    bench.session.script("alter table todos alter title type bytea using title::bytea").await.unwrap();
    let result = bench.result(drawn.statement, &[]).await;
    assert_eq!(drawn.template.write(&result, &mut Vec::new()), None);
}
