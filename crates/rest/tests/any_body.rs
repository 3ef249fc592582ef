//! Whatever JSON a write is given, the answer is one of its caller's: 2xx, or 4xx with a code.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};

use crate::harness::{Api, api};

const TABLES: &str = "
create table public.a (id int primary key, name text unique, data jsonb, at timestamptz, tags text[], up int references public.a deferrable);
create table public.b (id int generated always as identity primary key, a_id int references public.a, qty numeric check (qty > 0));
create table public.c (a_id int references public.a, b_id int references public.b, primary key (a_id, b_id));
create view public.v as select id, name from public.a;
create function public.f(x json) returns json language sql stable as 'select x';
";

const WORDS: &[&str] = &[
    "id",
    "name",
    "data",
    "at",
    "tags",
    "up",
    "a_id",
    "b_id",
    "qty",
    "a",
    "b",
    "c",
    "v",
    "a!a_up_fkey",
    "x:b",
    "b!",
    ":b",
    "!",
    "",
    "$ref",
    "method",
    "path",
    "headers",
    "body",
    "on_error",
    "operations",
    "isolation",
    "lock",
    "Prefer",
    "nope",
    "\u{0}",
    "\"",
    "é",
];

const TEXTS: &[&str] = &[
    "",
    "x",
    "1",
    "-1",
    "99999999999999999999",
    "2020-02-02",
    "infinity",
    "{}",
    "{a,b}",
    "null",
    "\u{0}",
    "\u{feff}",
    "'; drop table a; --",
    "/0/body/0/id",
    "/0",
    "/9/body",
    "GET",
    "POST",
    "PATCH",
    "DELETE",
    "/a",
    "/b?select=*",
    "/a?id=eq.{/0/body/0/id}",
    "/rpc/f?x={/0/body}",
    "/v?id=in.({/0/body})",
    "continue",
    "rollback",
    "update",
    "serializable",
    "return=representation",
    "resolution=merge-duplicates",
    "handling=strict",
    "missing=default",
];

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3_i64..4).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        prop::sample::select(TEXTS).prop_map(Value::from),
        "\\PC{0,6}".prop_map(Value::from),
    ]
}

fn object(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    prop::collection::vec((prop::sample::select(WORDS), inner), 0..5).prop_map(|pairs| {
        Value::Object(pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>())
    })
}

fn any_json() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(5, 24, 4, |inner| {
        prop_oneof![prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from), object(inner)]
    })
}

/// An operation that looks like one.
fn operation() -> impl Strategy<Value = Value> {
    let method = prop::sample::select(&["GET", "POST", "PATCH", "DELETE", "PUT", "HEAD"][..]);
    let path = prop::sample::select(
        &["/a?select=id", "/b", "/c", "/v?id=eq.1", "/a?id=eq.{/0/body/0/id}", "/rpc/f", "/a?on=id", "/b?order=id"][..],
    );
    let prefer = prop::sample::select(TEXTS);
    let on_error = prop::option::of(prop::sample::select(&["continue", "rollback"][..]));
    (method, path, prefer, any_json(), on_error).prop_map(|(method, path, prefer, body, on_error)| {
        json!({"method": method, "path": path, "headers": {"Prefer": prefer}, "body": body, "on_error": on_error})
    })
}

async fn holds(api: &Api, line: &str, fields: &[(&str, &str)], body: &Value) {
    let answer = api.send(line, fields, body.to_string()).await;
    let status = answer.status;
    assert!(status.is_success() || status.is_client_error() || status == 300, "{line} {body}: {answer:?}");
    if !status.is_success() {
        assert!(!answer.code().is_empty(), "{line} {body}: {answer:?}");
    }
}

#[tokio::test]
async fn any_body_is_answered_with_2xx_or_4xx() {
    let api = api(TABLES).await;
    let mut runner = TestRunner::deterministic();
    let mut draw = |strategy: &BoxedStrategy<Value>| strategy.new_tree(&mut runner).expect("a value").current();
    let bodies = prop_oneof![
        any_json(),
        object(any_json()),
        prop::collection::vec(object(any_json()), 1..4).prop_map(Value::from)
    ]
    .boxed();
    let batches = prop_oneof![
        any_json(),
        prop::collection::vec(operation(), 1..4).prop_map(Value::from),
        prop::collection::vec(any_json(), 1..3).prop_map(|operations| json!({ "operations": operations })),
    ]
    .boxed();
    let prefers = [
        "return=representation",
        "resolution=merge-duplicates",
        "missing=default, return=headers-only",
        "handling=strict",
    ];
    for round in 0..150 {
        let prefer = [("prefer", prefers[round % prefers.len()])];
        let body = draw(&bodies);
        for line in ["PATCH /a", "PATCH /a?on=name", "POST /a", "POST /b?select=*,a(*)", "POST /v"] {
            holds(&api, line, &prefer, &body).await;
        }
        let batch = draw(&batches);
        holds(&api, "POST /", &prefer, &batch).await;
    }
    let alive = api.send("GET /a?select=id", &[], "").await;
    assert_eq!(alive.status, 200);
}
