//! Documents that are named by their hash or id.

use ferrobase_graphql::Trusted;
use ferrobase_graphql::config::GraphqlSection;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::harness::{Answer, Api, Setup, api};

const TABLE: &str =
    "create table notes (id int primary key, body text); insert into notes values (1, 'one'), (2, 'two');";
const JSON: (&str, &str) = ("content-type", "application/json");
const QUERY: &str = "query Note($id: Int!) { notesByPk(id: $id) { body } }";

fn hash(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn named(hash: &str) -> Value {
    json!({"persistedQuery": {"version": 1, "sha256Hash": hash}})
}

async fn post(api: &Api, body: Value) -> Answer {
    api.send("POST ", &[JSON], body.to_string()).await
}

#[tokio::test]
async fn a_document_is_sent_once_and_named_from_then_on() {
    let api = api(TABLE).await;
    let (hash, variables) = (hash(QUERY), json!({"id": 2}));
    let by_hash = json!({"variables": variables, "extensions": named(&hash)});
    let unknown = post(&api, by_hash.clone()).await;
    assert_eq!((unknown.status.as_u16(), unknown.code().as_str()), (200, "PERSISTED_QUERY_NOT_FOUND"));
    assert_eq!(unknown.json()["errors"][0]["message"], "PersistedQueryNotFound", "what Apollo's clients look for");
    let other = json!({"query": "{ __typename }", "extensions": named(&hash)});
    assert_eq!(post(&api, other).await.code(), "PERSISTED_QUERY_HASH_MISMATCH");
    assert_eq!(
        post(&api, by_hash.clone()).await.code(),
        "PERSISTED_QUERY_NOT_FOUND",
        "and nothing is remembered of it"
    );
    let whole = json!({"query": QUERY, "variables": variables, "extensions": named(&hash)});
    let expected = json!({"data": {"notesByPk": {"body": "two"}}});
    assert_eq!(post(&api, whole).await.json(), expected);
    assert_eq!(post(&api, by_hash).await.json(), expected);
    // As the link of a client does that wants its answers in caches.
    let extensions: String = form_urlencoded::byte_serialize(named(&hash).to_string().as_bytes()).collect();
    let line = format!("GET ?operationName=Note&variables=%7B%22id%22%3A2%7D&extensions={extensions}");
    assert_eq!(api.send(&line, &[], "").await.json(), expected);
}

#[tokio::test]
async fn what_is_not_valid_is_not_remembered() {
    let api = api(TABLE).await;
    for query in ["{ nope }", "{"] {
        let hash = hash(query);
        assert_ne!(post(&api, json!({"query": query, "extensions": named(&hash)})).await.code(), "");
        assert_eq!(post(&api, json!({"extensions": named(&hash)})).await.code(), "PERSISTED_QUERY_NOT_FOUND");
    }
    let version =
        json!({"query": "{ __typename }", "extensions": {"persistedQuery": {"version": 2, "sha256Hash": "x"}}});
    assert_eq!(post(&api, version).await.code(), "PERSISTED_QUERY_NOT_SUPPORTED");
}

#[tokio::test]
async fn what_is_remembered_is_bounded() {
    let api = api(TABLE).await;
    let document = |n: usize| format!("query Q{n} {{ __typename }}");
    for n in 0..2100 {
        let text = document(n);
        assert_eq!(post(&api, json!({"query": text, "extensions": named(&hash(&text))})).await.code(), "");
    }
    assert_eq!(post(&api, json!({"extensions": named(&hash(&document(2099)))})).await.code(), "");
    assert_eq!(post(&api, json!({"extensions": named(&hash(&document(0)))})).await.code(), "PERSISTED_QUERY_NOT_FOUND");
    let long = format!("{{ __typename }} # {}", "x".repeat(40_000));
    assert_eq!(post(&api, json!({"query": long, "extensions": named(&hash(&long))})).await.code(), "");
    assert_eq!(post(&api, json!({"extensions": named(&hash(&long))})).await.code(), "PERSISTED_QUERY_NOT_FOUND");
}

#[tokio::test]
async fn it_can_be_switched_off() {
    let graphql = GraphqlSection { persisted_queries: false, ..GraphqlSection::default() };
    let api = Setup { graphql, ..Setup::default() }.start(TABLE).await;
    let whole = json!({"query": "{ __typename }", "extensions": named(&hash("{ __typename }"))});
    let answer = post(&api, whole).await;
    assert_eq!(answer.code(), "PERSISTED_QUERY_NOT_SUPPORTED");
    assert_eq!(answer.json()["errors"][0]["message"], "PersistedQueryNotSupported", "what Apollo's clients look for");
}

#[tokio::test]
async fn where_documents_are_trusted_nothing_else_is_answered() {
    let api = api(TABLE).await;
    let folder = std::env::temp_dir().join(format!("ferrobase-trusted-{}", std::process::id()));
    std::fs::write(&folder, json!({"note": QUERY, "names": "{ __typename }"}).to_string()).unwrap();
    let trusted = Trusted::read(&folder).unwrap();
    std::fs::remove_file(&folder).unwrap();
    let settings = (*api.settings.load_full()).clone().trusting(Some(trusted));
    api.settings.store(std::sync::Arc::new(settings));
    let (variables, expected) = (json!({"id": 1}), json!({"data": {"notesByPk": {"body": "one"}}}));
    for request in [
        json!({"documentId": "note", "variables": variables}),
        json!({"doc_id": "note", "variables": variables}),
        json!({"documentId": format!("sha256:{}", hash(QUERY)), "variables": variables}),
        json!({"extensions": named(&hash(QUERY)), "variables": variables}),
        json!({"query": QUERY, "variables": variables}),
    ] {
        assert_eq!(post(&api, request.clone()).await.json(), expected, "{request}");
    }
    for (request, code) in [
        (json!({"query": "{ notesCollection { edges { cursor } } }"}), "QUERY_NOT_IN_SAFELIST"),
        (json!({"query": "query { __schema { types { name } } }"}), "QUERY_NOT_IN_SAFELIST"),
        (json!({"documentId": "other"}), "PERSISTED_QUERY_NOT_IN_LIST"),
        (
            json!({"query": "{ a: __typename }", "extensions": named(&hash("{ a: __typename }"))}),
            "PERSISTED_QUERY_NOT_IN_LIST",
        ),
        (json!({}), "BAD_REQUEST"),
    ] {
        assert_eq!(post(&api, request.clone()).await.code(), code, "{request}");
    }
    let get = api.send("GET ?documentId=names", &[], "").await;
    assert_eq!(get.json(), json!({"data": {"__typename": "Query"}}));
}
