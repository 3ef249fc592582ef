//! Rows of several types in one table.

use serde_json::json;

use crate::harness::api;

const FEED: &str = r#"
    create table people (id int primary key, name text);
    create table feed (id int primary key, kind text not null, owner_id int references people, parent_id int references feed,
        title text, body text, stars int);
    comment on table feed is '@graphql({"name": "Entry", "polymorphic": {"column": "kind", "types": {
        "post": {"name": "Post", "columns": ["title", "body"]}, "comment": {"name": "Comment", "columns": ["body", "parent_id"]},
        "it''s": {"name": "Rating", "columns": ["stars", "id"]}}}})';
    insert into people values (1, 'Ann');
    insert into feed values (1, 'post', 1, null, 'Hello', 'world', null), (2, 'comment', 1, 1, null, 'nice', null),
        (3, 'it''s', null, null, null, null, 5), (4, 'unheard', null, null, null, null, null);
"#;

#[tokio::test]
async fn rows_are_of_the_type_that_their_column_says() {
    let api = api(FEED).await;
    let data = api
        .data(
            "{ entryCollection(orderBy: [{id: AscNullsLast}]) { totalCount edges { cursor node { __typename id
                 ... on Post { title body } ... on Comment { body parent_id } ... on Rating { stars } } } } }",
        )
        .await;
    let nodes: Vec<_> =
        data["entryCollection"]["edges"].as_array().into_iter().flatten().map(|edge| &edge["node"]).collect();
    assert_eq!(
        json!(nodes),
        json!([{"__typename": "Post", "id": 1, "title": "Hello", "body": "world"},
               {"__typename": "Comment", "id": 2, "body": "nice", "parent_id": 1},
               {"__typename": "Rating", "id": 3, "stars": 5}, {"__typename": "EntryOther", "id": 4}])
    );
    // Where nothing depends on the type, one object serves all.
    let data = api
        .data(
            "{ peopleCollection { edges { node { entryCollection { edges { node { __typename kind owner { name } } } } } } }
               entryByPk(id: 3) { __typename nodeId ...R } node(nodeId: \"WyJwdWJsaWMiLCAiZmVlZCIsIDFd\") { ... on Post { title } } }
             fragment R on Rating { stars }",
        )
        .await;
    let edges = &data["peopleCollection"]["edges"][0]["node"]["entryCollection"]["edges"];
    assert_eq!(
        edges,
        &json!([{"node": {"__typename": "Post", "kind": "post", "owner": {"name": "Ann"}}},
                {"node": {"__typename": "Comment", "kind": "comment", "owner": {"name": "Ann"}}}])
    );
    assert_eq!(
        data["entryByPk"],
        json!({"__typename": "Rating", "nodeId": "WyJwdWJsaWMiLCAiZmVlZCIsIDNd", "stars": 5})
    );
    assert_eq!(data["node"], json!({"title": "Hello"}));
}

#[tokio::test]
async fn they_are_written_and_asked_for_as_rows_of_their_table() {
    let api = api(FEED).await;
    let data = api
        .data(
            "mutation { insertIntoEntryCollection(objects: [{id: 9, kind: \"post\", title: \"New\", owner: {connect: {id: 1}}}])
                 { records { __typename ... on Post { title } } }
               updateEntryByPk(id: 2, set: {body: \"nicer\"}) { ... on Comment { body } ... on Post { title } } }",
        )
        .await;
    assert_eq!(data["insertIntoEntryCollection"]["records"], json!([{"__typename": "Post", "title": "New"}]));
    assert_eq!(data["updateEntryByPk"], json!({"body": "nicer"}));
    let found = "{ entryCollection(filter: {stars: {gt: 3}}) { edges { node { __typename } } } }";
    assert_eq!(api.data(found).await["entryCollection"]["edges"], json!([{"node": {"__typename": "Rating"}}]));
    // What only some have cannot be asked of all.
    assert_eq!(api.ask("{ entryCollection { edges { node { title } } } }").await.code(), "GRAPHQL_VALIDATION_FAILED");
}

#[tokio::test]
async fn types_within_types_are_bounded_and_need_a_column_that_is_seen() {
    let api = api(&format!("{FEED} revoke all on feed from anon; grant select (id, title) on feed to anon;")).await;
    // Who cannot see which is which has rows of one type.
    let data = api.data("{ entryByPk(id: 1) { __typename title } }").await;
    assert_eq!(data["entryByPk"], json!({"__typename": "Entry", "title": "Hello"}));
    let mut query = "id".to_owned();
    for _ in 0..5 {
        query = format!("id ... on Post {{ title }} parent {{ {query} }}");
    }
    let service = json!({"role": "service_role"});
    let answer = api.ask_as(service, &format!("{{ entryByPk(id: 2) {{ {query} }} }}")).await;
    assert_eq!(answer.code(), "BAD_REQUEST", "{}", answer.body);
}
