//! Values in documents: what the specification refuses, and what it lets stand.

use serde_json::{Value, json};

use crate::harness::api;

const TABLES: &str = "
    create table posts (id int primary key, n int, tags text[], meta jsonb);
    create function told(doc jsonb) returns text language sql stable as 'select doc::text';
    insert into posts values (1, 1, '{a}', '{}'), (2, 2, '{b}', '{}');
";

#[tokio::test]
async fn what_does_not_fit_its_place_is_refused_at_every_level() {
    let api = api(TABLES).await;
    let ids = "{ edges { node { id } } }";
    for (query, message) in [
        ("mutation { updatepostsByPk(id: 2, set: {n: 1, n: 2}) { n } }", "only one input field named \"n\""),
        ("query($f: postsFilter = {n: {eq: 1, eq: 2}}) { postsCollection(filter: $f) ids }", "only one input field"),
        ("{ told(doc: {a: {b: 1, b: 2}}) }", "only one input field named \"b\""),
        (
            "mutation { insertIntopostsCollection(objects: {id: 3, meta: {a: $no}}) { affectedCount } }",
            "\"$no\" is not defined",
        ),
        ("{ told(doc: {x: [$no]}) }", "\"$no\" is not defined"),
        ("{ ...F } fragment F on Query { told(doc: [$no]) }", "\"$no\" is not defined"),
        (
            "query($a: [Int]) { postsCollection(filter: {id: {in: $a}}) ids }",
            "type \"[Int]\" used in position expecting type \"[Int!]\"",
        ),
        (
            "query($a: Int) { postsCollection(filter: {id: {in: [$a, 2]}}) ids }",
            "type \"Int\" used in position expecting type \"Int!\"",
        ),
        ("query($a: Int!) { postsCollection(filter: {id: {in: $a}}) ids }", "type \"Int!\" used in position"),
        ("query($a: [[Int!]]) { postsCollection(filter: {id: {in: $a}}) ids }", "used in position"),
        ("query($f: [postsFilter]) { postsCollection(filter: {or: $f}) ids }", "used in position"),
        ("query($a: Int = null) { postsByPk(id: $a) { id } }", "used in position"),
        ("query($c: Boolean = null) { postsByPk(id: 1) { id @include(if: $c) } }", "used in position"),
        (
            "query($a: Int) { ...F } fragment F on Query { postsCollection(filter: {id: {in: [$a]}}) ids }",
            "used in position",
        ),
    ] {
        let answer = api.ask(&query.replace("ids", ids)).await;
        let told = answer.json()["errors"][0].clone();
        assert_eq!(answer.code(), "GRAPHQL_VALIDATION_FAILED", "{query}: {}", answer.body);
        assert!(told["message"].as_str().is_some_and(|text| text.contains(message)), "{query}: {told}");
        assert!(told["locations"][0]["line"].is_number(), "{query}: {told}");
    }
    let delete =
        "mutation($f: [postsFilter]) { deleteFrompostsCollection(filter: {or: $f}, atMost: 9) { affectedCount } }";
    let answer = api.ask_with(&[], delete, json!({"f": [null]})).await;
    assert_eq!(answer.code(), "GRAPHQL_VALIDATION_FAILED");
    assert_eq!(api.value("select count(*) from posts").await, "2");
}

#[tokio::test]
async fn what_fits_its_place_stands_at_every_level() {
    let api = api(TABLES).await;
    let ids = "{ edges { node { id } } }";
    for (query, variables, expected) in [
        ("query($a: [Int!]) { postsCollection(filter: {id: {in: $a}}) ids }", json!({"a": [2]}), json!([2])),
        ("query($a: Int!) { postsCollection(filter: {id: {in: [$a, 1]}}) ids }", json!({"a": 2}), json!([1, 2])),
        ("query($a: Int = 2) { postsCollection(filter: {id: {in: [$a]}}) ids }", Value::Null, json!([2])),
        ("query($a: Int) { postsCollection(first: $a) ids }", json!({"a": 1}), json!([1])),
        (
            "query($f: postsFilter!) { postsCollection(filter: {or: [$f, {id: {eq: 1}}]}) ids }",
            json!({"f": {"n": {"eq": 2}}}),
            json!([1, 2]),
        ),
        (
            "query($f: [postsFilter!]!) { postsCollection(filter: {and: $f}) ids }",
            json!({"f": [{"n": {"eq": 2}}]}),
            json!([2]),
        ),
    ] {
        let answer = api.ask_with(&[], &query.replace("ids", ids), variables).await.json();
        let edges = answer["data"]["postsCollection"]["edges"].as_array().cloned().unwrap_or_default();
        let found: Vec<_> = edges.iter().map(|edge| edge["node"]["id"].clone()).collect();
        assert_eq!(Value::from(found), expected, "{query}: {answer}");
    }
    let query = "query($a: Int, $b: JSON!) { told(doc: {x: [$a, {y: $b}]}) other: told(doc: [$b]) }";
    let answer = api.ask_with(&[], query, json!({"a": 1, "b": "2"})).await.json();
    assert_eq!(answer["data"]["told"], "{\"x\": [1, {\"y\": \"2\"}]}", "{answer}");
}
