//! What the pure stages take, printed: `bench/run planning`. Nothing here is judged; how fast a machine is proves nothing.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use ferrobase_catalog::{Catalog, Column, Link, QualifiedName, Relation, Relationship, Role, Schema, TypeClass};
use ferrobase_request::exposure::Exposure;
use http::{HeaderMap, HeaderValue, Method, header};
use serde_json::json;

use super::VIEW;
use crate::config::GraphqlSection;
use crate::{Settings, View};

/// How often a cached operation is prepared.
const TIMES: u32 = 100_000;
/// As GraphiQL and code generators ask.
const INTROSPECTION: &str = "query IntrospectionQuery {__schema {queryType {name} mutationType {name} subscriptionType {name}
  types {...FullType} directives {name description locations args {...InputValue}}}}
fragment FullType on __Type {kind name description fields(includeDeprecated: true) {name description args {...InputValue}
  type {...TypeRef} isDeprecated deprecationReason} inputFields {...InputValue} interfaces {...TypeRef}
  enumValues(includeDeprecated: true) {name description isDeprecated deprecationReason} possibleTypes {...TypeRef}}
fragment InputValue on __InputValue {name description type {...TypeRef} defaultValue}
fragment TypeRef on __Type {kind name ofType {kind name ofType {kind name ofType {kind name}}}}";

#[test]
#[ignore = "it measures: bench/run planning"]
fn measured_planning_of_a_cached_operation() {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, query, variables) in [
        ("by key", "query($id: BigInt!) {tasksByPk(id: $id) {id title done}}", json!({"id": "17"})),
        ("list", "{tasksCollection(first: 20) {edges {node {id title done}}}}", json!({})),
        (
            "nested",
            "query($word: String, $first: Int) {peopleCollection(first: $first, filter: {name: {eq: $word}}) {edges {node {id name
             tasksCollection(first: 30, orderBy: [{title: DescNullsLast}]) {edges {node {id title done}}}}}}}",
            json!({"word": "ann", "first": 2}),
        ),
    ] {
        let body = json!({"query": query, "variables": variables}).to_string();
        let ask = || {
            let request = crate::request::read(&Method::POST, "", &headers, body.as_bytes()).expect("a request");
            VIEW.statement(&request).expect("a statement")
        };
        for _ in 0..3 {
            black_box(ask());
        }
        let began = Instant::now();
        for _ in 0..TIMES {
            black_box(ask());
        }
        println!("cached {name}: {:.2} us", began.elapsed().as_secs_f64() * 1e6 / f64::from(TIMES));
    }
}

#[test]
#[ignore = "it measures: bench/run planning"]
fn measured_introspection_of_a_thousand_tables() {
    let mut catalog = wide(1000);
    let before = resident();
    let view = introspected(&catalog, "1,000 tables");
    println!("memory of it: {:.0} MB", resident().saturating_sub(before) as f64 / 1e6);
    drop(view);
    let bare = Some(r#"@graphql({"aggregate": {"enabled": false}})"#.to_owned());
    catalog.schemas.values_mut().for_each(|schema| schema.comment.clone_from(&bare));
    introspected(&catalog, "the same without aggregates");
}

fn introspected(catalog: &Catalog, what: &str) -> View {
    let section = GraphqlSection { max_depth: 20, introspection: Some(true), ..GraphqlSection::default() };
    let settings = Settings::new(&section, Vec::new(), true);
    let before = computed();
    let began = Instant::now();
    let view = View::new(catalog, &Exposure::open(vec!["api".to_owned()]), &settings, "all", "api");
    let (took, computed_for) = (began.elapsed().as_secs_f64() * 1e3, computed() - before);
    let types = view.reflected.schema.types.len();
    println!("schema of {what}: {took:.0} ms ({computed_for:.0} ms of a processor), {types} types");
    for _ in 0..6 {
        let (began, before) = (Instant::now(), computed());
        let told = view.introspected(INTROSPECTION);
        let (took, computed) = (began.elapsed().as_secs_f64() * 1e3, computed() - before);
        println!("introspection: {took:.0} ms ({computed:.0} ms of a processor), {} bytes", told.len());
    }
    view
}

/// Bytes of memory that the process has; none where nobody tells.
fn resident() -> u64 {
    let told = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    told.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or_default() * 4096
}

/// Milliseconds that this thread had a processor: others may use the machine.
fn computed() -> f64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    told.split(' ').next().and_then(|nanoseconds| nanoseconds.parse::<f64>().ok()).unwrap_or_default() / 1e6
}

/// Tables of ten columns, each with a key to the next one.
fn wide(count: usize) -> Catalog {
    let mut catalog = Catalog::default();
    catalog.roles.insert("all".to_owned(), Role { superuser: true, ..Role::default() });
    catalog.schemas.insert("api".to_owned(), Schema::default());
    let name = |number: usize| QualifiedName::new("api", format!("t{number}"));
    for number in 0..count {
        catalog.relations.insert(name(number), Arc::new(relation(name(number))));
        let next = (number + 1) % count;
        let (constraint, key) = (format!("t{number}_next"), ("next_id".to_owned(), "id".to_owned()));
        let back = (key.1.clone(), key.0.clone());
        let there = Link::ManyToOne { constraint: constraint.clone(), columns: vec![key] };
        let back = Link::OneToMany { constraint, columns: vec![back] };
        for (source, target, link) in [(number, next, there), (next, number, back)] {
            let way = Relationship {
                source: name(source),
                target: name(target),
                link,
                is_self: false,
                source_is_view: false,
                target_is_view: false,
                comment: None,
            };
            catalog.relationships.entry(name(source)).or_default().push(way);
        }
    }
    catalog
}

fn relation(name: QualifiedName) -> Relation {
    let columns = [
        ("id", "bigint"),
        ("next_id", "bigint"),
        ("a", "text"),
        ("b", "integer"),
        ("c", "numeric"),
        ("d", "boolean"),
        ("e", "date"),
        ("f", "timestamp with time zone"),
        ("g", "jsonb"),
        ("h", "uuid"),
    ];
    let column = |(name, sql): (&str, &str)| {
        let type_class = if sql == "jsonb" { TypeClass::Jsonb } else { TypeClass::Scalar };
        let (base_type, declared_type) = (sql.to_owned(), sql.to_owned());
        let nullable = name != "id";
        let column =
            Column { name: name.to_owned(), nullable, base_type, declared_type, type_class, ..Column::default() };
        (name.to_owned(), column)
    };
    Relation {
        name,
        columns: columns.into_iter().map(column).collect(),
        primary_key: vec!["id".to_owned()],
        row_key: vec!["id".to_owned()],
        insertable: true,
        updatable: true,
        ..Relation::default()
    }
}
