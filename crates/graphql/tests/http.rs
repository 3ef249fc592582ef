//! GraphQL over HTTP: methods, types, statuses, parameters.

use serde_json::{Value, json};

use crate::harness::{Api, api};

const TABLE: &str = "create table notes (id int primary key, body text); insert into notes values (1, 'one');
    create function touch() returns int language sql volatile as 'select 1';";
const JSON: (&str, &str) = ("content-type", "application/json");
const MODERN: (&str, &str) = ("accept", "application/graphql-response+json");

fn line(query: &str) -> String {
    let query: String = form_urlencoded::byte_serialize(query.as_bytes()).collect();
    format!("GET ?query={query}")
}

async fn post(api: &Api, fields: &[(&str, &str)], body: Value) -> crate::harness::Answer {
    api.send("POST ", fields, body.to_string()).await
}

#[tokio::test]
async fn the_type_and_the_status_are_those_of_the_caller() {
    let api = api(TABLE).await;
    let fine = json!({"query": "{ __typename }"});
    for (accept, media) in [
        ("application/json", "application/json; charset=utf-8"),
        ("*/*", "application/json; charset=utf-8"),
        ("application/graphql-response+json", "application/graphql-response+json; charset=utf-8"),
        ("application/json, application/graphql-response+json;q=0.1", "application/json; charset=utf-8"),
    ] {
        let answer = post(&api, &[JSON, ("accept", accept)], fine.clone()).await;
        assert_eq!(
            (answer.status.as_u16(), answer.headers["content-type"].to_str().unwrap()),
            (200, media),
            "{accept}"
        );
    }
    for (body, code) in [
        (json!({"query": "{"}), "GRAPHQL_PARSE_FAILED"),
        (json!({"query": "{ nope }"}), "GRAPHQL_VALIDATION_FAILED"),
        (json!({"query": "query($id: Int!) { notesByPk(id: $id) { id } }"}), "OPERATION_RESOLUTION_FAILURE"),
        (json!({"query": "query A { __typename } query B { __typename }"}), "OPERATION_RESOLUTION_FAILURE"),
        (json!({"query": "query A { __typename }", "operationName": "B"}), "OPERATION_RESOLUTION_FAILURE"),
    ] {
        let plain = post(&api, &[JSON], body.clone()).await;
        let modern = post(&api, &[JSON, MODERN], body.clone()).await;
        assert_eq!((plain.status.as_u16(), modern.status.as_u16()), (200, 400), "{body}");
        assert_eq!((plain.code().as_str(), modern.code().as_str()), (code, code), "{body}");
        assert!(plain.json().get("data").is_none() && modern.json().get("data").is_none());
    }
    // A field that failed is an answer.
    let failed = post(&api, &[JSON, MODERN], json!({"query": "{ notesCollection(first: -1) { __typename } }"})).await;
    assert_eq!((failed.status.as_u16(), failed.json()["data"].clone()), (200, Value::Null));
    assert_eq!(failed.json()["errors"][0]["path"], json!(["notesCollection"]));
}

#[tokio::test]
async fn bodies_are_single_requests_in_json() {
    let api = api(TABLE).await;
    let body = json!({"query": "{ __typename }"}).to_string();
    for media in
        ["multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "text/plain", "application/graphql"]
    {
        let answer = api.send("POST ", &[("content-type", media)], body.clone()).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (415, "BAD_REQUEST"), "{media}");
    }
    assert_eq!(api.send("POST ", &[], body.clone()).await.status, 415);
    assert_eq!(
        api.send("POST ", &[("content-type", "application/json; charset=utf-8")], body.clone()).await.status,
        200
    );
    for list in ["[]", r#"[{"query": "{ __typename }"}]"#, r#"["{ __typename }"]"#, " \n[1]"] {
        let answer = api.send("POST ", &[JSON], list).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "BATCHING_NOT_SUPPORTED"), "{list}");
    }
    for bad in [
        "",
        "{",
        "7",
        "null",
        "\"x\"",
        r#"{"query": 1}"#,
        r#"{"query": "{a}", "variables": []}"#,
        "{}",
        r#"{"query": null}"#,
    ] {
        let answer = api.send("POST ", &[JSON], bad).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "BAD_REQUEST"), "{bad}");
        assert!(answer.json().get("data").is_none());
    }
    for method in ["PUT", "DELETE", "PATCH"] {
        assert_eq!(api.send(&format!("{method} "), &[JSON], body.clone()).await.status, 405);
    }
    let nulls =
        json!({"query": "{ __typename }", "variables": null, "operationName": null, "extensions": null, "other": 1});
    assert_eq!(post(&api, &[JSON], nulls).await.json(), json!({"data": {"__typename": "Query"}}));
}

#[tokio::test]
async fn get_reads_and_never_writes() {
    let api = api(TABLE).await;
    let read = api.send(&line("query Q($id: Int!) { notesByPk(id: $id) { body } }"), &[], "").await;
    assert_eq!(read.code(), "OPERATION_RESOLUTION_FAILURE");
    let with = format!(
        "{}&variables=%7B%22id%22%3A1%7D&operationName=Q",
        line("query Q($id: Int!) { notesByPk(id: $id) { body } }")
    );
    assert_eq!(api.send(&with, &[], "").await.json()["data"]["notesByPk"]["body"], "one");
    let write = api.send(&line("mutation { touch }"), &[MODERN], "").await;
    assert_eq!((write.status.as_u16(), write.code().as_str()), (405, "BAD_REQUEST"));
    assert_eq!(write.headers["allow"], "GET, POST");
    let both = format!("{}&operationName=W", line("query R { __typename } mutation W { touch }"));
    assert_eq!(api.send(&both, &[], "").await.status, 405);
    for bad in ["GET ", "GET ?query=", "GET ?variables=1&query={a}", "GET ?query={__typename}&extensions=[]"] {
        let answer = api.send(bad, &[MODERN], "").await;
        assert_eq!(answer.status, 400, "{bad}: {}", answer.body);
    }
}

#[tokio::test]
async fn other_paths_are_nothing() {
    let api = api("create table t (id int primary key)").await;
    let body = r#"{"query": "{ __typename }"}"#;
    for line in ["GET /nope", "GET /nope?query={__typename}", "POST /nope", "POST /nope/more"] {
        let answer = api.send(line, &[("content-type", "application/json")], body).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (404, "NOT_FOUND".to_owned()), "{line}: {answer:?}");
    }
    assert_eq!(api.send("POST /", &[("content-type", "application/json")], body).await.status, 200);
}
