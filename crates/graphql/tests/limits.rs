//! How far a request may go: every bound is hit, and every answer is the caller's with a code.

use std::fmt::Write as _;

use ferrobase_base::config::Identifier;
use ferrobase_graphql::config::GraphqlSection;
use serde_json::{Value, json};

use crate::harness::{Api, Setup, api};

const TREE: &str = "
    create table nodes (id int primary key, parent_id int references nodes(id), label text, tags text[], data jsonb);
    create table leaves (id int primary key, node_id int not null references nodes(id));
    insert into nodes values (1, null, 'root', '{}', '{}'), (2, 1, 'child', '{}', '{}');
    insert into leaves values (1, 1), (2, 1), (3, 2);
    comment on table leaves is '@graphql({\"totalCount\": {\"enabled\": true}})';
    create function words(n int) returns setof text language sql stable as $$ select 'w' from generate_series(1, n) $$;
";

fn section() -> GraphqlSection {
    GraphqlSection { introspection: Some(true), ..GraphqlSection::default() }
}

async fn with(section: GraphqlSection) -> Api {
    Setup { graphql: section, ..Setup::default() }.start(TREE).await
}

/// The code of a document that is refused before anything runs: no data.
async fn refused(api: &Api, query: &str) -> String {
    let answer = api.ask(query).await;
    let json = answer.json();
    assert!(json.get("data").is_none(), "{}", answer.body.chars().take(500).collect::<String>());
    assert!(answer.status.is_success() || answer.status.is_client_error());
    answer.code()
}

/// Inside each other.
fn nested(levels: usize, outer: &str, inner: &str, middle: &str, close: &str) -> String {
    format!("{outer}{}{middle}{}", inner.repeat(levels), close.repeat(levels))
}

#[tokio::test]
async fn selections_go_so_deep_and_no_deeper() {
    let api = api(TREE).await;
    let query = |levels: usize| {
        let below = nested(levels, "", "parent { ", "id", " }");
        format!("{{ nodesByPk(id: 1) {{ {below} }} }}")
    };
    // The root and the id are levels too.
    assert_eq!(api.ask(&query(8)).await.json()["data"]["nodesByPk"]["parent"], Value::Null);
    assert_eq!(refused(&api, &query(9)).await, "OPERATION_TOO_DEEP");
    assert_eq!(refused(&api, &query(100)).await, "OPERATION_TOO_DEEP");
    for levels in [1000, 100_000] {
        assert_eq!(refused(&api, &query(levels)).await, "GRAPHQL_PARSE_FAILED", "{levels}: the reader's own bound");
    }
    // The frame of a page is no level, and a page of pages is.
    let page = |levels: usize| {
        let below = nested(levels, "", "nodesCollection { edges { node { ", "id", " } } }");
        format!("{{ nodesCollection {{ edges {{ node {{ {below} }} }} }} }}")
    };
    assert!(api.ask(&page(8)).await.json().get("errors").is_none());
    assert_eq!(refused(&api, &page(9)).await, "OPERATION_TOO_DEEP");
}

#[tokio::test]
async fn aliases_are_counted_wherever_they_are() {
    let api = api(TREE).await;
    let query = |count: usize| {
        let fields: String = (0..count).fold(String::new(), |mut text, n| {
            let _ = write!(text, "a{n}: __typename ");
            text
        });
        format!("{{ {fields} }}")
    };
    assert!(api.ask(&query(30)).await.json().get("errors").is_none());
    assert_eq!(refused(&api, &query(31)).await, "TOO_MANY_ALIASES");
    assert_eq!(refused(&api, &query(2500)).await, "TOO_MANY_ALIASES");
    let many = api.ask(&query(10_000)).await;
    assert_eq!((many.status.as_u16(), many.code().as_str()), (200, "GRAPHQL_PARSE_FAILED"), "more words than are read");
    assert!(many.body.contains("limit"), "{}", many.body);
    let spread = "{ a: nodesByPk(id: 1) { ...F } b: nodesByPk(id: 1) { ...F } }
        fragment F on nodes { a1: id a2: id a3: id a4: id a5: id a6: id a7: id a8: id a9: id a10: id a11: id a12: id
                              a13: id a14: id a15: id }";
    assert_eq!(refused(&api, spread).await, "TOO_MANY_ALIASES");
}

#[tokio::test]
async fn fragments_that_explode_or_run_in_circles_cost_nothing() {
    let api = with(GraphqlSection { max_depth: 64, max_aliases: 1000, ..section() }).await;
    let mut plain = "{ ...F0 }".to_owned();
    let mut deep = "{ nodesByPk(id: 1) { ...F0 } }".to_owned();
    let mut circle = plain.clone();
    for n in 0..60 {
        let next = n + 1;
        let _ = write!(plain, " fragment F{n} on Query {{ ...F{next} ...F{next} }}");
        let _ = write!(deep, " fragment F{n} on nodes {{ parent {{ ...F{next} }} parent {{ ...F{next} }} }}");
        let _ = write!(circle, " fragment F{n} on Query {{ ...F{next} ...F{next} ...F0 }}");
    }
    plain.push_str(" fragment F60 on Query { __typename }");
    deep.push_str(" fragment F60 on nodes { id }");
    circle.push_str(" fragment F60 on Query { __typename }");
    for query in [&plain, &deep, &circle] {
        assert_eq!(refused(&api, query).await, "TOO_MANY_FIELDS");
    }
    for query in [
        "{ ...A } fragment A on Query { ...A }",
        "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }",
        "{ nodesByPk(id: 1) { ...A } } fragment A on nodes { parent { ...A } }",
    ] {
        assert_eq!(refused(&api, query).await, "GRAPHQL_VALIDATION_FAILED", "{query}");
    }
    let chain: String = (0..500).map(|n| format!(" fragment F{n} on Query {{ ...F{} }}", n + 1)).collect();
    let chain = format!("{{ ...F0 }}{chain} fragment F500 on Query {{ __typename }}");
    assert_eq!(refused(&api, &chain).await, "OPERATION_TOO_DEEP");
    // Twice is not too much.
    let twice = "{ nodesByPk(id: 1) { ...A ...A } } fragment A on nodes { id ...B } fragment B on nodes { id label }";
    assert_eq!(api.data(twice).await["nodesByPk"], json!({"id": 1, "label": "root"}));
}

#[tokio::test]
async fn introspection_goes_no_deeper_than_tools_ask() {
    let api = api(TREE).await;
    let fine = "{ __schema { types { fields { args { type { ofType { ofType { ofType { name } } } } } } } } }";
    assert!(api.ask(fine).await.json().get("errors").is_none());
    let all = "{ __schema { types { fields { type { fields { type { fields { type { fields { name } } } } } } } } } }";
    assert_ne!(refused(&api, all).await, "");
}

#[tokio::test]
async fn values_may_be_large_but_not_deep() {
    let api = api(TREE).await;
    let query = "query($f: nodesFilter) { nodesCollection(filter: $f) { edges { node { id } } } }";
    // Ten thousand values are one list.
    let many: Vec<_> = (0..10_000).collect();
    let answer = api.ask_with(&[], query, json!({"f": {"id": {"in": many}}})).await;
    assert_eq!(answer.json()["data"]["nodesCollection"]["edges"].as_array().unwrap().len(), 2);
    let ids = |answer: Value| answer["data"]["nodesCollection"]["edges"].as_array().map(Vec::len);
    for (levels, expected) in [(16, None), (100, Some("TOO_DEEP")), (1000, Some("BAD_REQUEST"))] {
        for key in ["not", "and"] {
            let (open, close) = if key == "not" { ("{\"not\":", "}") } else { ("{\"and\":[", "]}") };
            let filter = format!("{}{{\"id\":{{\"eq\":1}}}}{}", open.repeat(levels), close.repeat(levels));
            let body = format!("{{\"query\":{},\"variables\":{{\"f\":{filter}}}}}", json!(query));
            let answer = api.send("POST ", &[("content-type", "application/json")], body).await;
            match expected {
                None => assert_eq!(ids(answer.json()), Some(1), "{key}"),
                // As JSON a list and an object are two levels.
                Some("TOO_DEEP") if key == "and" => assert_eq!(answer.code(), "BAD_REQUEST"),
                Some(code) => assert!(answer.code().contains(code), "{key} {levels}: {}", answer.body),
            }
        }
        // The same written in the document.
        let filter = format!("{}{{id: {{eq: 1}}}}{}", "{not: ".repeat(levels), "}".repeat(levels));
        let answer = api.ask(&format!("{{ nodesCollection(filter: {filter}) {{ edges {{ node {{ id }} }} }} }}")).await;
        match expected {
            None => assert_eq!(ids(answer.json()), Some(1)),
            Some(_) => {
                assert!(["OPERATION_TOO_DEEP", "GRAPHQL_PARSE_FAILED"].contains(&&*answer.code()), "{}", answer.body);
            }
        }
    }
    let lists = format!(
        "{{ nodesCollection(filter: {}1{}) {{ edges {{ cursor }} }} }}",
        "[".repeat(50_000),
        "]".repeat(50_000)
    );
    assert_eq!(refused(&api, &lists).await, "GRAPHQL_PARSE_FAILED");
    let types = format!("query($a: {}Int{}) {{ __typename }}", "[".repeat(50_000), "]".repeat(50_000));
    assert_eq!(refused(&api, &types).await, "GRAPHQL_PARSE_FAILED");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_by_its_size() {
    let api = api(TREE).await;
    let body = json!({"query": "{ __typename }", "variables": {"x": "x".repeat(32 << 20)}}).to_string();
    let answer = api.send("POST ", &[("content-type", "application/json")], body).await;
    assert_eq!(answer.status, 413);
    assert!(answer.json()["errors"][0]["extensions"]["code"].is_string(), "{}", answer.body);
}

#[tokio::test]
async fn unknown_names_are_suggested_where_introspection_is_answered() {
    let open = api(TREE).await;
    let closed = with(GraphqlSection { introspection: Some(false), ..section() }).await;
    for (query, near) in [
        ("{ nodesColection { edges { cursor } } }", "nodesCollection"),
        ("{ nodesByPk(id: 1) { lable } }", "label"),
        ("{ nodesByPk(idd: 1) { id } }", "\\\"id\\\""),
        ("{ nodesCollection(filter: {lable: {eq: \"x\"}}) { edges { cursor } } }", "label"),
        ("{ nodesCollection(orderBy: [{id: AscNullsFrist}]) { edges { cursor } } }", "AscNullsFirst"),
        ("query($f: nodeFilter) { nodesCollection(filter: $f) { edges { cursor } } }", "nodesFilter"),
    ] {
        let told = open.ask(query).await;
        assert_eq!(told.code(), "GRAPHQL_VALIDATION_FAILED", "{query}");
        assert!(told.body.contains("Did you mean") && told.body.contains(near), "{query}: {}", told.body);
        let silent = closed.ask(query).await;
        assert_eq!(silent.code(), "GRAPHQL_VALIDATION_FAILED", "{query}");
        assert!(!silent.body.contains("Did you mean"), "{query}: {}", silent.body);
    }
    assert_eq!(closed.ask("{ __schema { types { name } } }").await.code(), "GRAPHQL_VALIDATION_FAILED");
}

#[tokio::test]
async fn values_of_other_types_are_refused_with_their_place() {
    let api = api(TREE).await;
    for query in [
        "{ nodesByPk(id: \"one\") { id } }",
        "{ nodesByPk(id: 3000000000) { id } }",
        "{ nodesByPk(id: null) { id } }",
        "{ nodesByPk { id } }",
        "{ nodesCollection(first: 1.5) { edges { cursor } } }",
        "{ nodesCollection(orderBy: [{id: 7}]) { edges { cursor } } }",
    ] {
        let answer = api.ask(query).await;
        assert_eq!(answer.code(), "GRAPHQL_VALIDATION_FAILED", "{query}");
        assert!(answer.json()["errors"][0]["locations"][0]["line"].is_number(), "{query}: {}", answer.body);
    }
    for (query, code) in [
        ("{ nodesCollection(first: -1) { edges { cursor } } }", "BAD_USER_INPUT"),
        ("{ nodesCollection(after: \"!\") { edges { cursor } } }", "BAD_USER_INPUT"),
        ("{ node(nodeId: \"x\") { nodeId } }", "BAD_USER_INPUT"),
        ("{ nodesCollection(filter: {label: {regex: \"(\"}}) { edges { cursor } } }", "BAD_USER_INPUT"),
    ] {
        assert_eq!(api.ask(query).await.code(), code, "{query}");
    }
    for variables in [json!({"id": "x"}), json!({"id": []}), json!({"id": {}}), json!({}), json!({"id": 1e300})] {
        let answer = api.ask_with(&[], "query($id: Int!) { nodesByPk(id: $id) { id } }", variables.clone()).await;
        assert_eq!(answer.code(), "OPERATION_RESOLUTION_FAILURE", "{variables}: {}", answer.body);
    }
}

#[tokio::test]
async fn names_in_comments_are_names_or_nothing() {
    let evil = [
        r#"x" } type Query { y: Int } #"#,
        "drop table nodes; --",
        "a'b",
        "naïve",
        "\u{202e}x",
        "__reserved",
        "Query",
        "Node",
        "",
        "a b",
    ];
    for name in evil {
        let comment = format!("@graphql({})", json!({"name": name})).replace('\'', "''");
        let sql = format!(
            "create table t (id int primary key, w text); insert into t values (1, 'w');
            comment on table t is '{comment}'; comment on column t.w is '{comment}';
            create function f() returns int language sql stable as 'select 1'; comment on function f() is '{comment}';"
        );
        let api = api(&sql).await;
        let types =
            api.data("{ __schema { types { name fields { name } } queryType { name fields { name } } } }").await;
        let told = types.to_string();
        if !["Query", "Node"].contains(&name) {
            assert!(name.is_empty() || !told.contains(&json!(name).to_string()), "{name}: {told}");
        }
        assert_eq!(api.value("select w from t").await, "w");
    }
    // What can be read but is no directive does nothing.
    let api = api("create table t (id int primary key); comment on table t is '@graphql({\"name\": ';
        create table u (id int primary key); comment on table u is '@graphql({\"name\": 7})';
        create table v (id int primary key); comment on table v is '@graphql({\"description\": \"\"\"\" quoted \\u0000 \\n # \"})'").await;
    assert_eq!(
        api.data("{ t: tCollection { __typename } u: uCollection { __typename } v: vCollection { __typename } }").await
            ["t"]["__typename"],
        "tConnection"
    );
}

#[tokio::test]
async fn anonymous_callers_learn_nothing_of_the_inside() {
    let api = Setup { allow_unprotected: Vec::new(), ..Setup::default() }
        .start(
            "create table secrets (id int primary key, word text not null check (word <> 'no'));
             alter table secrets enable row level security;
             create policy all_of_it on secrets using (true) with check (true);
             create function fails() returns int language plpgsql volatile as $$ begin raise 'inside: % of %', current_user, 'secrets'; end $$;
             create function divides() returns int language sql volatile as $$ select 1 / 0 $$;",
        )
        .await;
    let answer = api.ask("mutation { divides }").await;
    assert_eq!(answer.code(), "BAD_USER_INPUT", "{}", answer.body);
    for query in [
        "mutation { divides }",
        "mutation { insertIntosecretsCollection(objects: [{id: 1, word: \"no\"}]) { affectedCount } }",
    ] {
        let body = api.ask(query).await.body;
        for inside in ["pg_", "SELECT", "select ", "plpgsql", "authenticator", "Failing row", "line "] {
            assert!(!body.contains(inside), "{query}: {inside} in {body}");
        }
    }
}

#[tokio::test]
async fn costs_are_rows_by_what_is_asked() {
    let api = with(GraphqlSection { max_cost: Some(500.0), ..section() }).await;
    for (query, cost) in [
        ("{ __typename }", 0),
        ("{ nodesByPk(id: 1) { id parent { id } } }", 2),
        ("{ nodesCollection { edges { cursor } } }", 30),
        ("{ nodesCollection(first: 5) { edges { node { leavesCollection(first: 4) { edges { cursor } } } } } }", 25),
        ("{ nodesCollection(first: 2) { edges { node { leavesCollection(first: 4) { totalCount } } } } }", 4),
        ("{ nodesCollection { totalCount } }", 1),
        ("{ nodesCollection(first: 5) { totalCount pageInfo { hasNextPage } } }", 6),
        ("{ a: nodesCollection(first: 5) { edges { cursor } } b: nodesCollection(last: 6) { edges { cursor } } }", 11),
        ("{ nodesCollection(first: 0) { edges { cursor } } }", 0),
        (
            "mutation { updateleavesCollection(set: {node_id: 1}, atMost: 7, filter: {id: {eq: 99}}) { affectedCount records { node { id } } } }",
            14,
        ),
        (
            "mutation { insertIntoleavesCollection(objects: [{id: 8, node_id: 1}, {id: 9, node_id: 1}]) { affectedCount } deleteFromleavesCollection(filter: {id: {gt: 7}}, atMost: 3) { affectedCount } }",
            5,
        ),
    ] {
        let answer = api.ask(query).await.json();
        assert!(answer.get("errors").is_none(), "{query}: {answer}");
        assert_eq!(answer["extensions"]["cost"], cost, "{query}");
    }
    let too_much =
        api.ask("{ nodesCollection(first: 20) { edges { node { leavesCollection { edges { cursor } } } } } }").await;
    assert_eq!(too_much.code(), "OPERATION_COST_EXCEEDED");
    let json = too_much.json();
    assert_eq!((&json["extensions"]["cost"], json.get("data")), (&json!(620), None));
    let change = "mutation { deleteFromleavesCollection(atMost: 501) { affectedCount } }";
    assert_eq!(refused(&api, change).await, "OPERATION_COST_EXCEEDED");
    assert_eq!(api.value("select count(*) from leaves").await, "3", "nothing has run");
    assert!(
        self::api(TREE).await.ask("{ __typename }").await.json().get("extensions").is_none(),
        "only where it is bounded"
    );
}

#[tokio::test]
async fn plans_that_are_kept_cost_what_they_would_cost_now() {
    let api = with(GraphqlSection { max_cost: Some(100.0), ..section() }).await;
    let query =
        "query($n: Int, $id: Int) { nodesCollection(first: $n, filter: {id: {lt: $id}}) { edges { node { id } } } }";
    for _ in 0..4 {
        for (n, id) in [(10, 2), (20, 3), (10, 9), (101, 2), (100, 1)] {
            let answer = api.ask_with(&[], query, json!({"n": n, "id": id})).await;
            assert_eq!(answer.json()["extensions"]["cost"], n);
            assert_eq!(answer.code() == "OPERATION_COST_EXCEEDED", n > 100, "{n}");
        }
        assert_eq!(api.ask_with(&[], query, json!({})).await.json()["extensions"]["cost"], 30);
    }
}

#[test]
fn sec_18_a_small_stack_is_enough_for_whatever_comes() {
    let (schemas, levels) = (vec![Identifier::from_static("public")], 120);
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let api = with(GraphqlSection { max_depth: 64, max_aliases: 1000, schemas, ..section() }).await;
            let selection = nested(levels, "{ nodesByPk(id: 1) { ", "parent { ", "id", " }") + " } }";
            let lists = nested(levels, "{ nodesCollection(filter: ", "{and: [", "{id: {eq: 1}}", "]}")
                + ") { edges { cursor } } }";
            let deepest = nested(60, "{ nodesByPk(id: 1) { ", "parent { ", "id", " }") + " } }";
            let inline = nested(levels, "{ ", "... on Query { ", "__typename", " }") + " }";
            for query in [selection, lists, deepest, inline] {
                let answer = api.ask(&query).await;
                assert!(answer.status.is_success() || answer.status.is_client_error(), "{query}: {answer:?}");
            }
            let filter = format!("{}{{}}{}", "{\"not\":".repeat(levels), "}".repeat(levels));
            let query = json!("query($f: nodesFilter) { nodesCollection(filter: $f) { edges { cursor } } }");
            let body = format!("{{\"query\":{query},\"variables\":{{\"f\":{filter}}}}}");
            let answer = api.send("POST ", &[("content-type", "application/json")], body).await;
            assert!(answer.status.is_success() || answer.status.is_client_error(), "{answer:?}");
        });
    };
    // Half of what the server's own threads have.
    std::thread::Builder::new().stack_size(1 << 20).spawn(run).expect("a thread").join().expect("no overflow");
}

#[tokio::test]
async fn lists_of_functions_are_no_longer_than_pages() {
    let api = with(GraphqlSection { max_rows: Some(3), max_cost: Some(5.0), ..section() }).await;
    api.db
        .script(
            "create function lines(n int) returns table (place int) language sql stable as 'select generate_series(1, n)';
             create function wrote(n int) returns setof int language sql volatile as
                'insert into leaves select i, 1 from generate_series(10, 9 + n) i returning id'",
        )
        .await;
    api.reload().await;
    for query in ["{ list: words(n: 100) }", "{ list: lines(n: 100) { place } }"] {
        let answer = api.ask(query).await.json();
        assert_eq!(answer["data"]["list"].as_array().map(Vec::len), Some(3), "{query}: {answer}");
        assert_eq!(answer["extensions"]["cost"], 3, "{query}: {answer}");
    }
    // What writes is done to its end.
    api.ask("mutation { wrote(n: 5) }").await;
    assert_eq!(api.value("select count(*) from leaves where id >= 10").await, "5");
}
