//! Documents: the JSON that PostgreSQL makes, and what we make of columns, which must be the same.

use ferrobase_query::plan::*;
use ferrobase_query::{CatalogSql, compile_document};
use serde_json::{Value as Json, json};

use crate::company::{by, name};
use crate::rows::{Bench, VALUES, everything};

/// What PostgreSQL makes of the document, and what we make of it.
pub async fn both(bench: &mut Bench, document: &Document, settings: &[(&'static str, &str)]) -> (Json, Json) {
    let mut answers = Vec::new();
    for catalog in [None, Some(bench.catalog.clone())] {
        let drawn = compile_document(document, catalog.as_ref()).unwrap();
        let result = bench.result(drawn.statement, settings).await;
        let mut out = Vec::new();
        drawn.template.write(&result, &mut out).expect("the columns are as expected");
        let text = String::from_utf8(out.to_vec()).unwrap();
        answers.push(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")));
    }
    let ours = answers.pop().unwrap();
    (answers.pop().unwrap(), ours)
}

pub fn value(column: &str, scalar: Scalar) -> Content {
    Content::Value { field: Field::column(column), scalar }
}

pub fn member(key: &str, value: Content) -> Member {
    Member { key: key.to_owned(), value }
}

/// A page of a table that is ordered by `id`.
pub fn page(table: &str, members: Vec<PageMember>) -> Page {
    let mut read = Read::from(Source::Table(name(table)), table);
    read.order = vec![Order { direction: Some(Direction::Ascending), ..by("id") }];
    let keyset = Keyset { keys: vec![Key { not_null: true, type_name: None }], after: None, backward: false };
    Page { join: None, read, keyset, until: None, members }
}

pub fn edges(node: Vec<Member>) -> PageMember {
    let edges = vec![
        EdgeMember { key: "cursor".to_owned(), value: EdgeValue::Cursor },
        EdgeMember { key: "node".to_owned(), value: EdgeValue::Node(node) },
        EdgeMember { key: "type".to_owned(), value: EdgeValue::Constant("\"Edge\"".to_owned()) },
    ];
    PageMember { key: "edges".to_owned(), value: PageValue::Edges(edges) }
}

pub fn info() -> PageMember {
    let facts = [PageFact::HasNext, PageFact::HasPrevious, PageFact::Start, PageFact::End];
    let facts = facts.into_iter().enumerate().map(|(index, fact)| (format!("f{index}"), fact)).collect();
    PageMember { key: "info".to_owned(), value: PageValue::Info(facts) }
}

pub fn document(page: Page) -> Document {
    Document { members: vec![member("page", Content::Page(Box::new(page)))] }
}

#[tokio::test]
async fn every_type_is_the_same_in_both_forms() {
    let script = format!("{}; alter table everything add id serial primary key", everything());
    let mut bench = Bench::open(&script).await;
    let scalar = |type_name: &str| match type_name {
        "bigint" | "numeric" => Scalar::Text,
        "jsonb" | "json" => Scalar::Encoded,
        "mood" => Scalar::Words(vec![("good".to_owned(), "GOOD".to_owned())]),
        _ => Scalar::Plain,
    };
    let columns = VALUES.iter().enumerate();
    let node: Vec<Member> = columns
        .map(|(n, (type_name, _))| member(&format!("c{n}"), value(&format!("c{n}"), scalar(type_name))))
        .collect();
    for settings in [
        &[][..],
        &[("timezone", "America/St_Johns"), ("datestyle", "ISO, DMY")],
        &[("bytea_output", "escape"), ("intervalstyle", "sql_standard")],
    ] {
        let (theirs, ours) = both(&mut bench, &document(page("everything", vec![edges(node.clone())])), settings).await;
        let rows = |json: &Json| json["page"]["edges"].as_array().unwrap().clone();
        assert!(rows(&theirs).len() > VALUES.len());
        for (theirs, ours) in rows(&theirs).iter().zip(rows(&ours).iter()) {
            assert_eq!(ours, theirs, "{settings:?}");
        }
        assert_eq!(ours, theirs);
    }
}

pub const THINGS: &str = "create table things (id int primary key, name text, at timestamptz);
    insert into things select n, nullif('n' || n % 3, 'n0'), '2026-01-01'::timestamptz + n * interval '1 hour' from generate_series(1, 7) n";

#[tokio::test]
async fn facts_about_pages_are_the_same_in_both_forms() {
    let mut bench = Bench::open(THINGS).await;
    let node = vec![member("id", value("id", Scalar::Plain)), member("again", value("id", Scalar::Plain))];
    let ids = |json: &Json| {
        let edges = json["page"]["edges"].as_array().unwrap();
        edges.iter().map(|edge| edge["node"]["id"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    for (limit, offset, after, backward, expected, next, previous) in [
        (Some(3), 0, None, false, vec![1, 2, 3], true, false),
        (Some(7), 0, None, false, vec![1, 2, 3, 4, 5, 6, 7], false, false),
        (Some(3), 0, Some("5"), false, vec![6, 7], false, true),
        (Some(2), 1, None, false, vec![2, 3], true, true),
        (Some(3), 0, None, true, vec![5, 6, 7], false, true),
        (Some(3), 0, Some("3"), true, vec![1, 2], true, false),
        (Some(0), 0, None, false, vec![], true, false),
        (Some(3), 0, Some("7"), false, vec![], false, true),
        (None, 0, None, false, vec![1, 2, 3, 4, 5, 6, 7], false, false),
    ] {
        let mut page = page("things", vec![edges(node.clone()), info()]);
        page.read.window = Window { offset, limit };
        page.keyset.after = after.map(|value| vec![Some(value.to_owned())]);
        page.keyset.backward = backward;
        let (theirs, ours) = both(&mut bench, &document(page), &[]).await;
        assert_eq!(ours, theirs, "{limit:?} {offset} {after:?} {backward}");
        assert_eq!(ids(&ours), expected);
        let info = &ours["page"]["info"];
        assert_eq!(
            (&info["f0"], &info["f1"]),
            (&json!(next), &json!(previous)),
            "{limit:?} {offset} {after:?} {backward}"
        );
        let places: Vec<_> = ours["page"]["edges"].as_array().unwrap().iter().map(|edge| &edge["cursor"]).collect();
        assert_eq!(info["f2"], *places.first().copied().unwrap_or(&Json::Null));
        assert_eq!(info["f3"], *places.last().copied().unwrap_or(&Json::Null));
    }
}

#[tokio::test]
async fn a_page_can_end_before_a_row_too() {
    let mut bench = Bench::open(THINGS).await;
    for (after, until, backward, expected) in [
        (Some("2"), Some("5"), false, vec![3, 4]),
        (Some("5"), Some("2"), true, vec![3, 4]),
        (None, Some("3"), false, vec![1, 2]),
    ] {
        let mut page = page("things", vec![edges(vec![member("id", value("id", Scalar::Plain))])]);
        let place = |value: &str| vec![Some(value.to_owned())];
        page.keyset.after = after.map(place);
        page.keyset.backward = backward;
        page.until = until.map(place);
        page.read.window.limit = Some(5);
        let (theirs, ours) = both(&mut bench, &document(page), &[]).await;
        assert_eq!(ours, theirs);
        let ids: Vec<i64> =
            ours["page"]["edges"].as_array().unwrap().iter().map(|e| e["node"]["id"].as_i64().unwrap()).collect();
        assert_eq!(ids, expected);
    }
}

#[tokio::test]
async fn rows_constants_and_ids_are_the_same_in_both_forms() {
    let mut bench = Bench::open(THINGS).await;
    let one = |id: &str| {
        let filter = Comparison {
            field: Field::column("id"),
            negated: false,
            operation: Operation::Binary { operator: Operator::Equal, quantifier: None, value: id.to_owned() },
        };
        let mut read = Read::from(Source::Table(name("things")), "things");
        read.filters = vec![Condition::Compare(filter)];
        let long = "a_key_that_is_longer_than_any_name_of_a_column_can_be_in_postgresql_at_all";
        let members = vec![
            member("type", Content::Constant("\"Thing\"".to_owned())),
            member("name", value("name", Scalar::Plain)),
            member(long, value("at", Scalar::Plain)),
            member("more", Content::Object(vec![member("id", value("id", Scalar::Plain))])),
            member("rowId", Content::RowId { table: name("things"), key: vec!["id".to_owned()] }),
        ];
        let one = Content::One(Box::new(One { join: None, read, members }));
        Document { members: vec![member("kind", Content::Constant("[1]".to_owned())), member("thing", one)] }
    };
    let (theirs, ours) = both(&mut bench, &one("3"), &[("timezone", "Asia/Kathmandu")]).await;
    assert_eq!(ours, theirs);
    assert_eq!((&ours["kind"], &ours["thing"]["more"]), (&json!([1]), &json!({"id": 3})));
    assert_eq!(ours["thing"]["rowId"], "WyJwdWJsaWMiLCAidGhpbmdzIiwgM10=");
    let (theirs, ours) = both(&mut bench, &one("99"), &[]).await;
    assert_eq!((&ours, &ours["thing"]), (&theirs, &Json::Null));
}

#[tokio::test]
async fn documents_of_several_rows_at_the_root_come_from_one_statement() {
    let mut bench = Bench::open(THINGS).await;
    let total = PageMember { key: "total".to_owned(), value: PageValue::Total };
    let sum = AggregateValue::Of {
        field: Field::column("id"),
        aggregate: Aggregate::of(AggregateFunction::Sum),
        scalar: Scalar::Text,
    };
    let aggregates = vec![AggregateMember { key: "sum".to_owned(), value: sum }];
    let aggregates = PageMember { key: "all".to_owned(), value: PageValue::Aggregates(aggregates) };
    let mut groups = Read::from(Source::Table(name("things")), "things");
    groups.group_by = vec![GroupKey::Field(Field::column("name"))];
    groups.order = vec![by("name")];
    let members = vec![
        GroupMember::Keys("keys".to_owned(), vec![member("name", value("name", Scalar::Plain))]),
        GroupMember::Aggregate(AggregateMember { key: "count".to_owned(), value: AggregateValue::Count }),
    ];
    let document = Document {
        members: vec![
            member("page", Content::Page(Box::new(page("things", vec![total, aggregates])))),
            member("groups", Content::Groups(Box::new(Groups { join: None, read: groups, members }))),
        ],
    };
    let (theirs, ours) = both(&mut bench, &document, &[]).await;
    assert_eq!(ours, theirs);
    assert_eq!(
        ours,
        json!({"page": {"total": 7, "all": {"sum": "28"}},
               "groups": [{"keys": {"name": "n1"}, "count": 3}, {"keys": {"name": "n2"}, "count": 2},
                          {"keys": {"name": null}, "count": 2}]})
    );
}

#[tokio::test]
async fn columns_of_other_types_than_expected_are_refused() {
    let mut bench = Bench::open(THINGS).await;
    let document = document(page("things", vec![edges(vec![member("name", value("name", Scalar::Plain))])]));
    let drawn = compile_document(&document, Some(&bench.catalog)).unwrap();
    bench.session.script("alter table things alter name type bytea using name::bytea").await.unwrap();
    let result = bench.result(drawn.statement, &[]).await;
    assert_eq!(drawn.template.write(&result, &mut Vec::new()), None);
}

#[tokio::test]
async fn objects_by_the_value_of_a_column_are_the_same_in_both_forms() {
    let mut bench = Bench::open(THINGS).await;
    let object = |key: &str| Content::Object(vec![member(key, value("id", Scalar::Plain))]);
    let cases = |key: &str, then: Content, otherwise: Content| {
        let cases = Cases { field: Field::column("name"), cases: vec![("n1".to_owned(), then)], otherwise };
        member(key, Content::Cases(Box::new(cases)))
    };
    let constant = |text: &str| Content::Constant(format!("\"{text}\""));
    for (node, first, third) in [
        (vec![cases("", object("one"), object("other"))], json!({"one": 1}), json!({"other": 3})),
        (
            vec![cases("type", constant("One"), constant("Other")), member("id", value("id", Scalar::Plain))],
            json!({"type": "One", "id": 1}),
            json!({"type": "Other", "id": 3}),
        ),
    ] {
        let (theirs, ours) = both(&mut bench, &document(page("things", vec![edges(node)])), &[]).await;
        assert_eq!(ours, theirs);
        let edges = &ours["page"]["edges"];
        assert_eq!((&edges[0]["node"], &edges[2]["node"]), (&first, &third));
    }
}

#[tokio::test]
async fn pages_of_rows_that_differ_are_the_same_in_both_forms() {
    let mut bench = Bench::open(THINGS).await;
    for (after, expected) in [(None, vec![1, 2, 3]), (Some("n1"), vec![2, 3]), (Some("n2"), vec![3])] {
        let mut page = page("things", vec![edges(vec![member("id", value("id", Scalar::Plain))]), info()]);
        page.read.order = vec![by("name"), Order { direction: Some(Direction::Ascending), ..by("id") }];
        page.read.distinct = Some(Distinct::On(vec![OrderBy::Field(Field::column("name"))]));
        page.keyset.keys = vec![
            Key { not_null: false, type_name: None },
            Key { not_null: true, type_name: Some(CatalogSql::written_by_catalog("int4")) },
        ];
        // Whatever row stood for its like, the page begins behind all of them.
        page.keyset.after = after.map(|name| vec![Some(name.to_owned()), Some("0".to_owned())]);
        page.read.window.limit = Some(5);
        let (theirs, ours) = both(&mut bench, &document(page), &[]).await;
        assert_eq!(ours, theirs);
        let ids: Vec<i64> =
            ours["page"]["edges"].as_array().unwrap().iter().map(|e| e["node"]["id"].as_i64().unwrap()).collect();
        assert_eq!(ids, expected, "{after:?}");
    }
}
