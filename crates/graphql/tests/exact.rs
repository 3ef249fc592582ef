//! Numbers keep all of their digits, whichever way they come and go.

use serde_json::json;

use crate::harness::api;

const LONG: &str = "98765432109876543210987";
const TABLES: &str = "
    create table numbers (id numeric(40) primary key, meta jsonb, text json, ratio double precision, list numeric[]);
    create table parts (number_id numeric(40) references numbers, place int, primary key (number_id, place));
    create function twice(n numeric) returns numeric language sql stable as 'select n * 2';
    create function told(doc jsonb) returns text language sql stable as 'select doc::text';
";

#[tokio::test]
async fn documents_are_stored_with_every_digit() {
    let api = api(TABLES).await;
    let document = r#"{\"a\":12345678901234567890123,\"b\":0.12345678901234567890123}"#;
    let query = format!(
        r#"mutation {{ insertIntonumbersCollection(objects: [{{id: "1", meta: "{document}", text: " {document}"}}]) {{ affectedCount }}
             updatenumbersByPk(id: "1", set: {{meta: "[{document}]"}}) {{ meta text }} }}"#
    );
    let data = api.data(&query).await;
    let stored = r#"{"a": 12345678901234567890123, "b": 0.12345678901234567890123}"#;
    assert_eq!(data["updatenumbersByPk"]["meta"], format!("[{stored}]"));
    assert_eq!(data["updatenumbersByPk"]["text"], stored.replace(": ", ":").replace(", ", ","));
    let told = api.data(&format!("{{ told(doc: \"{document}\") }}")).await;
    assert_eq!(told["told"], stored);
    for broken in ["{", "1 2", ""] {
        let refused = format!(
            r#"mutation {{ insertIntonumbersCollection(objects: [{{id: "2", meta: "{broken}"}}]) {{ affectedCount }} }}"#
        );
        assert_eq!(api.ask(&refused).await.code(), "BAD_USER_INPUT", "{broken}");
    }
}

#[tokio::test]
async fn numbers_in_variables_keep_every_digit() {
    let api = api(TABLES).await;
    let insert =
        "mutation($rows: [numbersInsertInput!]!) { insertIntonumbersCollection(objects: $rows) { affectedCount } }";
    let body = format!(
        r#"{{"query": "{insert}", "variables": {{"rows": [
             {{"id": {LONG}, "meta": {{"n": [{LONG}, "x"]}}, "ratio": 0.10000000000000001, "list": [1.5, -0.{LONG}]}}, {{"id": 7}}]}}}}"#
    );
    let answer = api.send("POST ", &[("content-type", "application/json")], body).await;
    assert_eq!(answer.json(), json!({"data": {"insertIntonumbersCollection": {"affectedCount": 2}}}));
    assert_eq!(
        api.value("select concat_ws(' ', id, meta, ratio, list) from numbers order by id desc limit 1").await,
        format!(r#"{LONG} {{"n": [{LONG}, "x"]}} 0.1 {{1.5,-0.{LONG}}}"#)
    );
    // More than once: a plan that is kept takes them as well.
    let read = "query($id: BigFloat!, $n: BigFloat!) { numbersByPk(id: $id) { id } twice(n: $n) }";
    for last in [7, 7, 8] {
        let body =
            format!(r#"{{"query": "{read}", "variables": {{"id": {LONG}, "n": 10000000000000000000000{last}}}}}"#);
        let answer = api.send("POST ", &[("content-type", "application/json")], body).await;
        let twice = format!("2000000000000000000000{}", 2 * last);
        assert_eq!(answer.json()["data"], json!({"numbersByPk": {"id": LONG}, "twice": twice}));
    }
    let get =
        "GET ?query=query(%24n%3ABigFloat!)%7Btwice(n%3A%24n)%7D&variables=%7B%22n%22%3A100000000000000000000001%7D";
    assert_eq!(api.send(get, &[], "").await.json()["data"]["twice"], "200000000000000000000002");
}

#[tokio::test]
async fn rows_with_long_keys_are_found_by_their_names_and_related() {
    let api = api(TABLES).await;
    api.db.script(&format!("insert into numbers (id) values ({LONG})")).await;
    let row = api.data(&format!("{{ numbersByPk(id: {LONG}) {{ nodeId }} }}")).await;
    let node = row["numbersByPk"]["nodeId"].as_str().unwrap_or_default().to_owned();
    let data = api.data(&format!("{{ node(nodeId: \"{node}\") {{ ... on numbers {{ id }} }} }}")).await;
    assert_eq!(data["node"]["id"], LONG);
    // A foreign key that is given is compared by its digits.
    let related = |id: &str| {
        format!(
            "mutation {{ updatenumbersByPk(id: \"{LONG}\", set: {{meta: \"1\"}},
               related: {{partsCollection: {{create: [{{number_id: \"{id}\", place: 1}}]}}}}) {{ id }} }}"
        )
    };
    assert_eq!(api.ask(&related(&LONG.replace("0987", "0988"))).await.code(), "BAD_USER_INPUT");
    api.data(&related(LONG)).await;
    assert_eq!(api.value("select number_id || '/' || place from parts").await, format!("{LONG}/1"));
}

#[tokio::test]
async fn what_is_no_number_is_null_where_a_float_is_asked_for() {
    let api = api("create table ratios (id int primary key, a double precision not null, b real, l double precision[] not null default '{}', m real[]);
         insert into ratios values (1, 'NaN', 'Infinity', '{1.5,NaN,-Infinity,NULL,Infinity}', '{NaN}'), (2, '-Infinity', 'NaN', '{}', null), (3, 1.5, 1e30, '{}', null);
         create function ratio(t ratios) returns double precision language sql stable as 'select t.a';
         create function nothing() returns double precision language sql stable as $$ select 'NaN'::float8 $$;")
    .await;
    let data = api
        .data(
            "{ ratiosCollection { edges { node { a b } } aggregate { max { a } min { b } } } nothing
               nested: ratiosByPk(id: 2) { a b ratio } }",
        )
        .await;
    let node = |a: serde_json::Value, b: serde_json::Value| json!({"node": {"a": a, "b": b}});
    assert_eq!(
        data["ratiosCollection"],
        json!({"edges": [node(json!(null), json!(null)), node(json!(null), json!(null)), node(json!(1.5), json!(1e30))],
               "aggregate": {"max": {"a": null}, "min": {"b": 1e30}}})
    );
    assert_eq!((&data["nothing"], &data["nested"]), (&json!(null), &json!({"a": null, "b": null, "ratio": null})));
    // So no field of floats promises a value, and lists promise none of their elements.
    let told = api
        .data("{ __type(name: \"ratios\") { fields { name type { kind name ofType { kind ofType { kind } } } } } }")
        .await;
    let type_of = |name: &str| {
        let fields = told["__type"]["fields"].as_array().unwrap();
        fields.iter().find(|field| field["name"] == name).unwrap()["type"].clone()
    };
    assert_eq!(type_of("a"), json!({"kind": "SCALAR", "name": "Float", "ofType": null}));
    assert_eq!(
        type_of("l"),
        json!({"kind": "NON_NULL", "name": null, "ofType": {"kind": "LIST", "ofType": {"kind": "SCALAR"}}})
    );
    api.prove().await;
    let lists = api.data("{ ratiosCollection { edges { node { l m } } } ratiosByPk(id: 1) { l m } }").await;
    assert_eq!(api.data("{ ratiosByPk(id: 1) { l m } }").await["ratiosByPk"], lists["ratiosByPk"]);
    let first = json!({"l": [1.5, null, null, null, null], "m": [null]});
    assert_eq!((&lists["ratiosByPk"], &lists["ratiosCollection"]["edges"][0]["node"]), (&first, &first));
    assert_eq!(lists["ratiosCollection"]["edges"][1]["node"], json!({"l": [], "m": null}));
    // The same where a plan of its own writes them.
    let list = api.data("{ ratiosCollection { edges { node { a b } } } }").await;
    assert_eq!(list["ratiosCollection"]["edges"], data["ratiosCollection"]["edges"]);
    assert_eq!(api.data("{ ratiosByPk(id: 1) { a b } }").await["ratiosByPk"], json!({"a": null, "b": null}));
}

#[tokio::test]
async fn rows_of_nothing_but_null_are_none() {
    let api = api("create table marks (id int primary key, word text);
         create function few() returns setof marks language sql stable as
             $$ select null::marks union all select (1, 'x')::marks union all select null::marks $$;")
    .await;
    let data = api.data("{ few { totalCount edges { node { id word } } aggregate { count } } }").await;
    assert_eq!(
        data["few"],
        json!({"totalCount": 1, "edges": [{"node": {"id": 1, "word": "x"}}], "aggregate": {"count": 1}})
    );
}
