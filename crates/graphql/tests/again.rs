//! Operations that come again: plans are kept, values are not.

use serde_json::{Value, json};

use crate::harness::{Api, api};

const NUMBERS: &str = "create table numbers (id int primary key, word text, twin int);
    insert into numbers select n, 'w' || n % 3, n % 2 from generate_series(1, 9) n";

/// The answers to one document with many variables, each asked often enough to be kept, must be those of a document that
/// was never seen before.
async fn same_as_new(api: &Api, document: &str, all: &[Value]) {
    for round in 0..4 {
        for variables in all {
            // A comment makes it another document.
            let new = format!("{document} # {round} {variables}").replace('\n', " ");
            let expected = api.ask_with(&[], &new, variables.clone()).await.json();
            let kept = api.ask_with(&[], document, variables.clone()).await.json();
            assert_eq!(kept, expected, "{variables} in round {round}");
        }
    }
}

#[tokio::test]
async fn plans_are_shared_by_values_and_by_nothing_else() {
    let api = api(NUMBERS).await;
    same_as_new(
        &api,
        "query($id: Int!) { numbersByPk(id: $id) { id word } }",
        &[json!({"id": 1}), json!({"id": 2}), json!({"id": 99}), json!({"id": "a"}), json!({"id": 3_000_000_000_i64})],
    )
    .await;
    same_as_new(
        &api,
        "query($first: Int, $word: String, $way: OrderByDirection!, $with: Boolean!) {
           numbersCollection(first: $first, filter: {word: {eq: $word}}, orderBy: [{id: $way}]) {
             edges { node { id word @include(if: $with) } } pageInfo { hasNextPage } } }",
        &[
            json!({"first": 1, "word": "w1", "way": "AscNullsLast", "with": true}),
            json!({"first": 2, "word": "w1", "way": "AscNullsLast", "with": true}),
            json!({"first": 2, "word": "w2", "way": "AscNullsLast", "with": true}),
            json!({"first": 2, "word": "w2", "way": "DescNullsLast", "with": true}),
            json!({"first": 2, "word": "w2", "way": "DescNullsLast", "with": false}),
            json!({"first": 2, "word": null, "way": "DescNullsLast", "with": false}),
            json!({"first": 2, "way": "DescNullsLast", "with": false}),
            json!({"first": 0, "way": "DescNullsLast", "with": false}),
        ],
    )
    .await;
    same_as_new(
        &api,
        "query($filter: numbersFilter, $order: [numbersOrderBy!]) {
           numbersCollection(filter: $filter, orderBy: $order) { edges { cursor node { id } } } }",
        &[
            json!({"filter": {"id": {"gt": 3, "lt": 6}}}),
            json!({"filter": {"id": {"gt": 6, "lt": 9}}}),
            json!({"filter": {"id": {"lt": 6, "gt": 3}}}),
            json!({"filter": {"id": {"in": [1, 2]}}}),
            json!({"filter": {"id": {"in": [3, 2]}}}),
            json!({"filter": {"word": {"startsWith": "w1"}}}),
            json!({"filter": {"word": {"startsWith": "w2"}}}),
            json!({"filter": {"word": {"is": "NULL"}}}),
            json!({"filter": {"word": {"is": "NOT_NULL"}}}),
            json!({"filter": {"not": {"id": {"gt": 2}}}, "order": [{"word": "DescNullsLast"}, {"id": "AscNullsLast"}]}),
            json!({"filter": {"not": {"id": {"gt": 2}}}, "order": [{"word": "AscNullsLast"}, {"id": "AscNullsLast"}]}),
        ],
    )
    .await;
}

#[tokio::test]
async fn places_and_names_of_rows_are_no_values() {
    let api = api(NUMBERS).await;
    let page = api.data("{ numbersCollection(first: 3) { edges { cursor node { nodeId } } } }").await;
    let edges = page["numbersCollection"]["edges"].as_array().unwrap().clone();
    let after = |edge: &Value| json!({"after": edge["cursor"]});
    same_as_new(
        &api,
        "query($after: Cursor) { numbersCollection(first: 2, after: $after) { edges { node { id } } } }",
        &[after(&edges[0]), after(&edges[1]), json!({}), json!({"after": "bm9uZQ=="})],
    )
    .await;
    let node = |edge: &Value| json!({"id": edge["node"]["nodeId"]});
    same_as_new(
        &api,
        "query($id: ID!) { node(nodeId: $id) { ... on numbers { id } } }",
        &[node(&edges[0]), node(&edges[1]), json!({"id": "bm9uZQ=="})],
    )
    .await;
}

#[tokio::test]
async fn a_changed_schema_is_seen_by_documents_that_were_kept() {
    let api = api(NUMBERS).await;
    let query = "{ numbersByPk(id: 1) { id word } }";
    for _ in 0..4 {
        assert_eq!(api.data(query).await["numbersByPk"], json!({"id": 1, "word": "w1"}));
    }
    api.db.script("alter table numbers drop column word").await;
    api.reload().await;
    assert_eq!(api.ask(query).await.code(), "GRAPHQL_VALIDATION_FAILED");
    api.db.script("alter table numbers add column word int not null default 7").await;
    api.reload().await;
    assert_eq!(api.data(query).await["numbersByPk"], json!({"id": 1, "word": 7}));
}

/// Findings of a review: each began to answer otherwise once its plan was kept.
const ODD: &str = "create type mood as enum ('happy', 'sad');
    comment on type mood is '@graphql({\"mappings\": {\"happy\": \"HAPPY\"}})';
    create table odd (id int primary key, mood mood, arr jsonb not null, meta jsonb not null);
    insert into odd values (1, 'happy', '[\"x\", \"y\"]', '{\"abc\": \"q\", \"0\": \"w\"}'), (2, 'sad', '[]', '{\"abc\": \"x\"}');";

#[tokio::test]
async fn words_of_enums_and_steps_of_paths_are_no_values() {
    let api = api(ODD).await;
    same_as_new(
        &api,
        "query($m: mood) { oddCollection(filter: {mood: {eq: $m}}) { edges { node { id mood } } } }",
        &[json!({"m": "HAPPY"}), json!({"m": "sad"}), json!({"m": null})],
    )
    .await;
    same_as_new(
        &api,
        "query($k: String!) { oddCollection(filter: {arr: {at: {path: [$k], text: {eq: \"x\"}}}}) { edges { node { id } } } }",
        &[json!({"k": "abc"}), json!({"k": "0"}), json!({"k": "1"}), json!({"k": ""})],
    )
    .await;
    same_as_new(
        &api,
        "query($x: String!, $y: String!) { oddCollection(filter: {arr: {at: {path: [$x], text: {eq: \"x\"}}},
           meta: {at: {path: [$y], text: {eq: \"w\"}}}}) { edges { node { id } } } }",
        &[
            json!({"x": "0", "y": "abc"}),
            json!({"x": "abc", "y": "7"}),
            json!({"x": "abc", "y": "0"}),
            json!({"x": "0", "y": "0"}),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_ask_first_get_one_schema() {
    let api = std::sync::Arc::new(api(NUMBERS).await);
    for round in 0..3 {
        let asking: Vec<_> = (0..16)
            .map(|_| {
                let api = std::sync::Arc::clone(&api);
                tokio::spawn(async move { api.data("{ numbersByPk(id: 1) { word } }").await })
            })
            .collect();
        for answer in asking {
            assert_eq!(answer.await.unwrap()["numbersByPk"]["word"], "w1", "round {round}");
        }
        // Another catalog, another schema.
        api.reload().await;
    }
}
