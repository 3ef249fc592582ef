//! What tells rows apart, where a primary key does not: tables that others inherit from, and views that join.

use serde_json::json;

use crate::harness::{Api, api};

const INHERITED: &str = "
    create table base (id int primary key, code text unique, name text);
    create table derived (extra text, primary key (id)) inherits (base);
    create table named (id int primary key, code text unique, name text);
    create table child () inherits (named);
    insert into base values (1, 'a', 'base'); insert into derived values (1, 'a', 'dup', 'y'), (2, 'b', 'derived', 'x');
    insert into named values (1, 'a', 'one'), (2, 'b', 'two'); insert into child values (1, 'a', 'again');
    comment on table named is '@graphql({\"primary_key_columns\": [\"id\"]})';
";

async fn fields(api: &Api, type_name: &str) -> Vec<String> {
    let query = format!("{{ __type(name: \"{type_name}\") {{ fields {{ name }} }} }}");
    let data = api.data(&query).await;
    let fields = data["__type"]["fields"].as_array().cloned().unwrap_or_default();
    fields.iter().filter_map(|field| field["name"].as_str().map(str::to_owned)).collect()
}

#[tokio::test]
async fn keys_that_do_not_hold_for_heirs_are_none_of_their_parents() {
    let api = api(INHERITED).await;
    let roots = [fields(&api, "Query").await, fields(&api, "Mutation").await].concat();
    assert!(!roots.iter().any(|name| name.to_lowercase().contains("base")), "{roots:?}");
    assert!(roots.iter().any(|name| name == "derivedByPk"), "{roots:?}");
    // Its unique index holds as little, but decides what is there already.
    assert!(!roots.iter().any(|name| name == "namedBy"), "{roots:?}");
    let upsert = r#"mutation { insertIntonamedCollection(objects: {id: 7, code: "b", name: "2"},
        onConflict: {key: code, update: [name]}) { records { id name } } }"#;
    let data = api.data(upsert).await;
    assert_eq!(data["insertIntonamedCollection"]["records"], json!([{"id": 2, "name": "2"}]));
}

#[tokio::test]
async fn a_change_by_a_key_that_is_none_changes_nothing() {
    let api = api(INHERITED).await;
    for change in [r#"updatenamedByPk(id: 1, set: {name: "both"}) { name }"#, "deleteFromnamedByPk(id: 1) { name }"] {
        assert_eq!(api.ask(&format!("mutation {{ {change} }}")).await.code(), "TOO_MANY_ROWS", "{change}");
    }
    assert_eq!(api.value("select string_agg(name, ' ' order by name) from named").await, "again one two");
    let data = api.data(r#"mutation { updatenamedByPk(id: 2, set: {name: "b"}) { name } none: updatenamedByPk(id: 9, set: {name: ""}) { name } }"#).await;
    assert_eq!(data, json!({"updatenamedByPk": {"name": "b"}, "none": null}));
}

const JOINED: &str = "
    create table people (id int primary key, boss int references people, name text);
    create table posts (id int primary key, author int references people, n int);
    insert into people values (1, null, 'Ann'), (2, 1, 'Bob'), (3, 1, 'Cid'), (4, 2, 'Dan');
    insert into posts values (1, 1, 7), (2, 1, 8), (3, 2, null), (4, null, null);
    create view below as select a.id, b.id as bid, b.name from people a join people b on b.boss = a.id;
    create view pairs as select a.id, b.id as bid from people a, people b;
    create view written as select p.id, t.id as tid, t.n from people p left join posts t on t.author = p.id;
    create view signed as select p.id as pid, t.id, p.name from posts t left join people p on p.id = t.author;
    create view repeated as select p.id from people p, posts t;
    create view doubled as select id, generate_series(1, 2) as g from people;
    create view by_author as select author, count(*) as many from posts group by author;
    comment on view by_author is '@graphql({\"primary_key_columns\": [\"author\"]})';
    create view by_name as select lower(name) as name, count(*) as many from people group by 1;
    comment on view by_name is '@graphql({\"primary_key_columns\": [\"name\"]})';
";

/// All rows of a collection as they are told page by page.
async fn paged(api: &Api, collection: &str, told: &str, size: usize) -> Vec<String> {
    let mut rows = Vec::new();
    let mut after = "null".to_owned();
    loop {
        let query = format!(
            "{{ page: {collection}(first: {size}, after: {after}) {{ edges {{ node {{ {told} }} }} pageInfo {{ hasNextPage endCursor }} }} }}"
        );
        let page = api.data(&query).await["page"].clone();
        let edges = page["edges"].as_array().cloned().unwrap_or_default();
        rows.extend(edges.iter().map(|edge| edge["node"].to_string()));
        if page["pageInfo"]["hasNextPage"] == false || edges.is_empty() {
            return rows;
        }
        after = page["pageInfo"]["endCursor"].to_string();
    }
}

#[tokio::test]
async fn pages_of_views_that_join_leave_no_row_out() {
    let api = api(JOINED).await;
    for (collection, told, all) in [
        ("belowCollection", "id bid name", 3),
        ("pairsCollection", "id bid", 16),
        ("writtenCollection", "id tid n", 5),
        ("signedCollection", "id pid name", 4),
        ("by_authorCollection", "author many", 3),
    ] {
        for size in [1, 2, 30] {
            let mut rows = paged(&api, collection, told, size).await;
            rows.sort();
            rows.dedup();
            assert_eq!(rows.len(), all, "{collection} by {size}: {rows:?}");
        }
    }
    let data = api
        .data("{ belowByPk(bid: 4) { id name } pairsByPk(id: 2, bid: 3) { id bid } signedByPk(id: 4) { pid } }")
        .await;
    assert_eq!(
        data,
        json!({"belowByPk": {"id": 2, "name": "Dan"}, "pairsByPk": {"id": 2, "bid": 3}, "signedByPk": {"pid": null}})
    );
}

#[tokio::test]
async fn views_whose_rows_nothing_tells_apart_are_not_in_the_schema() {
    let api = api(JOINED).await;
    let roots = fields(&api, "Query").await;
    for absent in ["repeated", "doubled"] {
        assert!(!roots.iter().any(|name| name.starts_with(absent)), "{roots:?}");
    }
}

#[tokio::test]
async fn keys_that_may_be_null_have_such_types_and_name_their_rows() {
    let api = api(JOINED).await;
    let kinds = |type_name: &'static str| {
        format!("{type_name}: __type(name: \"{type_name}\") {{ fields {{ name type {{ kind }} }} }}")
    };
    let query = format!("{{ {} {} {} }}", kinds("written"), kinds("by_author"), kinds("by_name"));
    let data = api.data(&query).await;
    let kind = |type_name: &str, field: &str| {
        let fields = data[type_name]["fields"].as_array().cloned().unwrap_or_default();
        fields.iter().find(|of| of["name"] == field).map(|of| of["type"]["kind"].clone()).unwrap_or_default()
    };
    assert_eq!((kind("written", "id"), kind("written", "tid")), (json!("NON_NULL"), json!("SCALAR")));
    assert_eq!((kind("by_author", "author"), kind("by_name", "name")), (json!("SCALAR"), json!("NON_NULL")));
    let data =
        api.data("{ writtenCollection(filter: {tid: {is: NULL}, id: {eq: 3}}) { edges { node { nodeId } } } }").await;
    let id = data["writtenCollection"]["edges"][0]["node"]["nodeId"].clone();
    let data = api.data(&format!("{{ node(nodeId: {id}) {{ ... on written {{ id tid }} }} }}")).await;
    assert_eq!(data["node"], json!({"id": 3, "tid": null}));
}
