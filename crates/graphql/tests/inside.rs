//! Orders by what is inside of documents.

use serde_json::{Value, json};

use crate::harness::{Api, api};

const THINGS: &str = r#"
    create table makers (id int primary key, about jsonb);
    create table things (id int primary key, details jsonb, plain json, maker_id int references makers);
    insert into makers values (1, '{"rank": 10}'), (2, '{"rank": 9}');
    insert into things values (1, '{"price": 9, "tags": ["b"], "name": "x"}', '{"n": 2}', 1),
        (2, '{"price": 10, "tags": ["a"]}', '{"n": 10}', 2), (3, '{"tags": []}', null, 2), (4, '{"price": 9.5}', '{"n": 1}', null),
        (5, '{"price": "9"}', '{}', 1);
"#;

async fn ids(api: &Api, arguments: &str) -> Vec<i64> {
    let data = api.data(&format!("{{ thingsCollection({arguments}) {{ edges {{ node {{ id }} }} }} }}")).await;
    let edges = data["thingsCollection"]["edges"].as_array().expect("rows").clone();
    edges.iter().map(|edge| edge["node"]["id"].as_i64().expect("rows")).collect()
}

#[tokio::test]
async fn rows_are_ordered_by_what_is_inside() {
    let api = api(THINGS).await;
    let by = |column: &str, path: &str, direction: &str| {
        format!("orderBy: [{{{column}: {{path: [{path}], direction: {direction}}}}}]")
    };
    for (order, expected) in [
        // Numbers are numbers; a text comes before all of them.
        (by("details", "\"price\"", "AscNullsLast"), [5, 1, 4, 2, 3]),
        (by("details", "\"price\"", "DescNullsFirst"), [3, 2, 4, 1, 5]),
        (by("details", "\"tags\", \"0\"", "AscNullsLast"), [2, 1, 3, 4, 5]),
        (by("plain", "\"n\"", "DescNullsLast"), [2, 1, 4, 3, 5]),
        (
            "orderBy: [{maker: {about: {path: [\"rank\"], direction: AscNullsLast}}}, {id: DescNullsLast}]".to_owned(),
            [3, 2, 5, 1, 4],
        ),
    ] {
        assert_eq!(ids(&api, &order).await, expected, "{order}");
    }
    let nowhere =
        "{ thingsCollection(orderBy: [{details: {path: [], direction: AscNullsLast}}]) { edges { node { id } } } }";
    assert_eq!(api.ask(nowhere).await.code(), "BAD_USER_INPUT");
}

#[tokio::test]
async fn pages_go_on_behind_what_is_inside() {
    let api = api(THINGS).await;
    pages(&api).await;
    api.prove().await;
    pages(&api).await;
}

async fn pages(api: &Api) {
    for direction in ["AscNullsLast", "AscNullsFirst", "DescNullsLast", "DescNullsFirst"] {
        let order = format!("orderBy: [{{details: {{path: [\"price\"], direction: {direction}}}}}]");
        let all = ids(api, &order).await;
        let (mut after, mut seen) = (String::new(), Vec::new());
        for _ in 0..5 {
            let query =
                format!("{{ thingsCollection(first: 1, {order}{after}) {{ edges {{ cursor node {{ id }} }} }} }}");
            let data = api.data(&query).await;
            let edge = &data["thingsCollection"]["edges"][0];
            seen.push(edge["node"]["id"].as_i64().expect("a row"));
            after = format!(", after: \"{}\"", edge["cursor"].as_str().expect("a cursor"));
        }
        assert_eq!(seen, all, "{direction}");
    }
}

#[tokio::test]
async fn words_of_a_path_are_values() {
    let api = api(THINGS).await;
    let query = "query($path: [String!]!) { thingsCollection(orderBy: [{details: {path: $path, direction: AscNullsLast}}]) { edges { node { id } } } }";
    for path in
        [json!(["price\"') or 1=1; --"]), json!(["price"]), json!(["tags", "0"]), json!(["price"]), json!(["\u{e9}'"])]
    {
        // Twice, and with other paths between: a plan that is kept is that of its path.
        let answer = api.ask_with(&[], query, json!({"path": path})).await.json();
        let first: &Value = &answer["data"]["thingsCollection"]["edges"][0]["node"]["id"];
        let expected = match path[0].as_str() {
            Some("price") => 5,
            Some("tags") => 2,
            _ => 1,
        };
        assert_eq!(*first, json!(expected), "{path}: {answer}");
    }
}
