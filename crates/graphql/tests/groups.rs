//! Groups, distinct rows, and filters and orders by what related rows add up to.

use serde_json::{Value, json};

use crate::harness::{Api, api};

const SALES: &str = "
    create table shops (id int primary key, name text not null, meta jsonb);
    create table sales (id int primary key, shop_id int references shops, day date, kind text, amount numeric, pieces int, note text);
    insert into shops values (1, 'North', '{\"address\": {\"city\": \"Oslo\", \"lines\": [\"a\", \"b\"]}}'),
        (2, 'South', '{\"address\": {\"city\": \"Rome\"}}'), (3, 'Empty', null);
    insert into sales values
        (1, 1, '2024-01-01', 'food', 10, 1, 'the quick brown fox'), (2, 1, '2024-01-01', 'toys', 20, 2, 'lazy dogs'),
        (3, 1, '2024-01-02', 'food', 5, 1, null), (4, 2, '2024-01-02', 'food', 100, 9, 'quick foxes'),
        (5, 2, '2024-01-03', null, 1, null, 'nothing'), (6, null, '2024-01-03', 'toys', 7, 3, 'fox, quick!');
";

async fn ids(api: &Api, query: &str) -> Vec<i64> {
    let data = api.data(query).await;
    let page = data.as_object().and_then(|data| data.values().next()).expect("a page");
    let edges = page["edges"].as_array().expect("edges");
    edges.iter().map(|edge| edge["node"]["id"].as_i64().expect("an id")).collect()
}

#[tokio::test]
async fn aggregates_that_add_nothing_up_are_told_once() {
    let api = api(SALES).await;
    let told = json!({"__typename": "salesAggregate"});
    let summed = json!({"sum": {"__typename": "salesSumAggregateResult"}});
    let data = api
        .data(
            "{ salesCollection { aggregate { __typename } } distinct: salesCollection(distinctOn: [kind]) { aggregate { __typename } }
               totals: salesCollection { totalCount aggregate { sum { __typename } } }
               shopsByPk(id: 3) { salesCollection { aggregate { __typename count @include(if: false) } } } }",
        )
        .await;
    assert_eq!(
        data,
        json!({"salesCollection": {"aggregate": told}, "distinct": {"aggregate": told},
               "totals": {"totalCount": 6, "aggregate": summed}, "shopsByPk": {"salesCollection": {"aggregate": told}}})
    );
}

#[tokio::test]
async fn rows_are_told_in_groups() {
    let api = api(SALES).await;
    let data = api
        .data(
            "{ salesGroups(by: [kind]) { __typename keys { kind __typename } aggregate { count sum { amount pieces } max { day } } } }",
        )
        .await;
    let group = |kind: Value, count: i64, amount: &str, pieces: Value, day: &str| {
        json!({"__typename": "salesGroup", "keys": {"kind": kind, "__typename": "salesGroupKeys"},
               "aggregate": {"count": count, "sum": {"amount": amount, "pieces": pieces}, "max": {"day": day}}})
    };
    assert_eq!(
        data["salesGroups"],
        json!([
            group(json!("food"), 3, "115", json!("11"), "2024-01-02"),
            group(json!("toys"), 2, "27", json!("5"), "2024-01-03"),
            group(Value::Null, 1, "1", Value::Null, "2024-01-03")
        ])
    );
    let data = api
        .data(
            "{ salesGroups(by: [shop_id, kind], filter: {shop_id: {is: NOT_NULL}}, having: {or: [{count: {gt: 1}}, {sum: {amount: {gte: \"20\"}}}]},
                 orderBy: [{sum: {amount: DescNullsLast}}], first: 2) { keys { shop_id kind } aggregate { count } } }",
        )
        .await;
    assert_eq!(
        data["salesGroups"],
        json!([{"keys": {"shop_id": 2, "kind": "food"}, "aggregate": {"count": 1}},
               {"keys": {"shop_id": 1, "kind": "toys"}, "aggregate": {"count": 1}}])
    );
    let data = api
        .data(
            "{ salesGroups(by: [day], orderBy: [{count: DescNullsLast}, {keys: {day: DescNullsLast}}], offset: 1,
                 having: {not: {avg: {amount: {gt: \"52\"}}}, min: {id: {lt: 6}}}) { keys { day } } }",
        )
        .await;
    assert_eq!(data["salesGroups"], json!([{"keys": {"day": "2024-01-01"}}]));
}

#[tokio::test]
async fn what_groups_do_not_have_in_common_cannot_be_told() {
    let api = api(SALES).await;
    for (query, code) in [
        ("{ salesGroups(by: []) { keys { kind } } }", "BAD_USER_INPUT"),
        ("{ salesGroups(by: [kind]) { keys { day } } }", "BAD_USER_INPUT"),
        ("{ salesGroups(by: [kind], orderBy: [{keys: {day: AscNullsLast}}]) { keys { kind } } }", "BAD_USER_INPUT"),
        ("{ salesGroups(by: [nonsense]) { keys { kind } } }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ shopsGroups(by: [meta]) { keys { id } } }", "GRAPHQL_VALIDATION_FAILED"),
    ] {
        let answer = api.ask(query).await;
        assert_eq!(answer.code(), code, "{query}: {answer:?}");
    }
}

#[tokio::test]
async fn groups_are_of_rows_that_the_caller_sees() {
    let api = api(&format!(
        "{SALES} alter table sales enable row level security; create policy first on sales using (shop_id = 1);
         revoke all on shops from anon; grant select (id) on shops to anon;"
    ))
    .await;
    let data = api.data("{ salesGroups(by: [kind]) { keys { kind } aggregate { count } } }").await;
    assert_eq!(
        data["salesGroups"],
        json!([{"keys": {"kind": "food"}, "aggregate": {"count": 2}}, {"keys": {"kind": "toys"}, "aggregate": {"count": 1}}])
    );
    assert_eq!(api.ask("{ shopsGroups(by: [name]) { keys { name } } }").await.code(), "GRAPHQL_VALIDATION_FAILED");
    // Nor do hidden rows count for filters.
    assert_eq!(
        ids(&api, "{ shopsCollection(filter: {salesCollection: {count: {gt: 0}}}) { edges { node { id } } } }").await,
        [1]
    );
}

#[tokio::test]
async fn only_one_of_rows_that_are_alike_is_told() {
    let api = api(SALES).await;
    let page = async |arguments: &str| {
        let query = format!(
            "{{ salesCollection({arguments}) {{ edges {{ node {{ id }} }} totalCount aggregate {{ count sum {{ amount }} }}
               pageInfo {{ hasNextPage endCursor }} }} }}"
        );
        api.data(&query).await["salesCollection"].take()
    };
    let found = |page: &Value| -> Vec<i64> {
        page["edges"].as_array().unwrap().iter().map(|edge| edge["node"]["id"].as_i64().unwrap()).collect()
    };
    let all = page("distinctOn: [kind], orderBy: [{amount: DescNullsLast}]").await;
    assert_eq!(found(&all), [4, 2, 5]);
    assert_eq!((&all["totalCount"], &all["aggregate"]), (&json!(3), &json!({"count": 3, "sum": {"amount": "121"}})));
    // The order's own direction counts for the columns that make rows alike.
    let turned = page("distinctOn: [kind], orderBy: [{amount: AscNullsLast}, {kind: DescNullsFirst}]").await;
    assert_eq!(found(&turned), [5, 6, 3]);
    // Pages go on behind all rows that are alike.
    let mut seen = Vec::new();
    let mut after = String::new();
    for more in [true, true, false] {
        let one = page(&format!("distinctOn: [kind], orderBy: [{{amount: DescNullsLast}}], first: 1{after}")).await;
        seen.extend(found(&one));
        assert_eq!(one["pageInfo"]["hasNextPage"], more);
        after = format!(", after: {}", one["pageInfo"]["endCursor"]);
    }
    assert_eq!(seen, [4, 2, 5]);
    let both = page("distinctOn: [shop_id, kind, shop_id]").await;
    assert_eq!(found(&both), [1, 2, 4, 5, 6]);
    for refused in ["distinctOn: [kind], last: 1", "distinctOn: [kind], before: \"W10=\""] {
        assert_eq!(
            api.ask(&format!("{{ salesCollection({refused}) {{ totalCount }} }}")).await.code(),
            "BAD_USER_INPUT"
        );
    }
}

#[tokio::test]
async fn related_rows_are_asked_for_what_they_add_up_to() {
    let api = api(SALES).await;
    for (filter, expected) in [
        ("{count: {gt: 2}}", vec![1]),
        ("{count: {eq: 0}}", vec![3]),
        ("{sum: {amount: {gt: \"50\"}}}", vec![2]),
        ("{avg: {amount: {lt: \"20\"}}}", vec![1]),
        ("{min: {day: {eq: \"2024-01-01\"}}}", vec![1]),
        ("{max: {pieces: {gte: 1}}}", vec![1, 2]),
        ("{max: {pieces: {is: NULL}}}", vec![3]),
        ("{count: {eq: 1}, filter: {kind: {eq: \"food\"}}}", vec![2]),
        ("{count: {gt: 0}, some: {kind: {eq: \"toys\"}}}", vec![1]),
        ("{exists: true}", vec![1, 2]),
        ("{exists: false}", vec![3]),
        ("{filter: {kind: {eq: \"food\"}}}", vec![1, 2, 3]),
    ] {
        let query =
            format!("{{ shopsCollection(filter: {{salesCollection: {filter}}}) {{ edges {{ node {{ id }} }} }} }}");
        assert_eq!(ids(&api, &query).await, expected, "{filter}");
    }
    for (order, expected) in [
        ("{salesCollection: {sum: {amount: DescNullsLast}}}", vec![2, 1, 3]),
        ("{salesCollection: {max: {day: AscNullsFirst}}}", vec![3, 1, 2]),
        ("{salesCollection: {avg: {pieces: AscNullsLast}}}", vec![1, 2, 3]),
        ("{salesCollection: {min: {amount: DescNullsLast}, count: AscNullsLast}}", vec![1, 2, 3]),
    ] {
        let query = format!("{{ shopsCollection(orderBy: [{order}]) {{ edges {{ node {{ id }} }} }} }}");
        assert_eq!(ids(&api, &query).await, expected, "{order}");
    }
    // A cursor is a place in such an order too.
    let order = "orderBy: [{salesCollection: {sum: {amount: DescNullsLast}}}]";
    let first = api.data(&format!("{{ shopsCollection(first: 1, {order}) {{ pageInfo {{ endCursor }} }} }}")).await;
    let after = &first["shopsCollection"]["pageInfo"]["endCursor"];
    let query = format!("{{ shopsCollection(after: {after}, {order}) {{ edges {{ node {{ id }} }} }} }}");
    assert_eq!(ids(&api, &query).await, [1, 3]);
}

#[tokio::test]
async fn documents_and_texts_are_looked_into() {
    let api = api(SALES).await;
    for (filter, expected) in [
        ("{at: {path: [\"address\", \"city\"], text: {eq: \"Rome\"}}}", vec![2]),
        ("{at: {path: [\"address\", \"lines\", \"1\"], text: {startsWith: \"b\"}}}", vec![1]),
        ("{at: {path: [\"address\", \"city\"], text: {is: NULL}}}", vec![3]),
        ("{at: {path: [\"address\", \"city\"], text: {eq: null}}}", vec![]),
        ("{at: {path: [\"' or true --\"], text: {eq: \"x\"}}}", vec![]),
    ] {
        let query = format!("{{ shopsCollection(filter: {{meta: {filter}}}) {{ edges {{ node {{ id }} }} }} }}");
        assert_eq!(ids(&api, &query).await, expected, "{filter}");
    }
    assert_eq!(
        api.ask("{ shopsCollection(filter: {meta: {at: {path: [], text: {eq: \"x\"}}}}) { totalCount } }").await.code(),
        "BAD_USER_INPUT"
    );
    for (search, expected) in [
        ("{query: \"quick fox\", configuration: \"english\"}", vec![1, 4, 6]),
        ("{query: \"quick fox\", configuration: \"simple\"}", vec![1, 6]),
        ("{query: \"quick brown\", mode: phrase}", vec![1]),
        ("{query: \"quick -brown\", mode: web, configuration: \"english\"}", vec![4, 6]),
        ("{query: \"dog:* | nothing\", mode: operators, configuration: \"simple\"}", vec![2, 5]),
    ] {
        let query =
            format!("{{ salesCollection(filter: {{note: {{fullText: {search}}}}}) {{ edges {{ node {{ id }} }} }} }}");
        assert_eq!(ids(&api, &query).await, expected, "{search}");
    }
    let odd =
        "{ salesCollection(filter: {note: {fullText: {query: \"x\", configuration: \"no_such\"}}}) { totalCount } }";
    assert_eq!(api.ask(odd).await.code(), "BAD_USER_INPUT");
}

#[tokio::test]
async fn words_that_are_ready_are_searched_as_they_are() {
    let api = api(
        "create table pages (id int primary key, text text, words tsvector generated always as (to_tsvector('english', text)) stored);
         create index on pages using gin (words);
         insert into pages (id, text) values (1, 'running foxes'), (2, 'a fox ran'), (3, 'dogs');",
    )
    .await;
    for (filter, expected) in [
        ("{fullText: {query: \"fox\", configuration: \"english\"}}", vec![1, 2]),
        ("{fullText: {query: \"run & fox\", configuration: \"english\", mode: operators}}", vec![1]),
        ("{search: \"dog\"}", vec![3]),
        ("{is: NULL}", vec![]),
    ] {
        let query = format!("{{ pagesCollection(filter: {{words: {filter}}}) {{ edges {{ node {{ id words }} }} }} }}");
        assert_eq!(ids(&api, &query).await, expected, "{filter}");
    }
    assert_eq!(
        api.ask("{ pagesCollection(filter: {words: {eq: \"fox\"}}) { totalCount } }").await.code(),
        "GRAPHQL_VALIDATION_FAILED"
    );
}

#[tokio::test]
async fn texts_that_are_alike_are_found_where_the_database_can_tell() {
    let plain = api("create table names (id int primary key, name text)").await;
    let similar = "{ namesCollection(filter: {name: {similar: \"anderson\"}}, orderBy: [{similarity: {column: name, to: \"anderson\"}}])
        { edges { cursor node { id } } } }";
    assert_eq!(plain.ask(similar).await.code(), "GRAPHQL_VALIDATION_FAILED");
    let known = plain.value("select count(*) from pg_available_extensions where name = 'pg_trgm'").await;
    assert_eq!(known, "1", "PostgreSQL's own extensions are there where tests run");
    let api = api("create extension pg_trgm schema extensions;
         create table names (id int primary key, name text);
         insert into names values (1, 'andersen'), (2, 'anderson'), (3, 'sanders'), (4, 'smith'), (5, null);")
    .await;
    assert_eq!(ids(&api, similar).await, [2, 1, 3]);
    let order = "orderBy: [{similarity: {column: name, to: \"anderson\"}}]";
    let all = format!("{{ namesCollection({order}) {{ edges {{ node {{ id }} }} }} }}");
    assert_eq!(ids(&api, &all).await, [2, 1, 3, 4, 5]);
    let first = api.data(&format!("{{ namesCollection(first: 2, {order}) {{ pageInfo {{ endCursor }} }} }}")).await;
    let after = &first["namesCollection"]["pageInfo"]["endCursor"];
    assert_eq!(
        ids(&api, &format!("{{ namesCollection(after: {after}, {order}) {{ edges {{ node {{ id }} }} }} }}")).await,
        [3, 4, 5]
    );
    let word = "{ namesCollection(filter: {name: {similarWord: \"sander\"}}) { edges { node { id } } } }";
    assert_eq!(ids(&api, word).await, [3]);
    let no_text = "{ namesCollection(orderBy: [{similarity: {column: id, to: \"x\"}}]) { totalCount } }";
    assert_eq!(api.ask(no_text).await.code(), "BAD_USER_INPUT");
}

#[tokio::test]
async fn distinct_rows_may_be_asked_for_in_an_order_that_says_a_column_twice() {
    let api = api(SALES).await;
    let query = |order: &str| {
        format!("{{ salesCollection(distinctOn: [kind, day], orderBy: [{order}]) {{ edges {{ node {{ id }} }} }} }}")
    };
    let once = ids(&api, &query("{kind: AscNullsLast}, {day: DescNullsLast}, {id: DescNullsLast}")).await;
    let twice =
        "{kind: AscNullsLast}, {kind: DescNullsLast}, {day: DescNullsLast}, {day: AscNullsLast}, {id: DescNullsLast}";
    assert_eq!(ids(&api, &query(twice)).await, once);
    assert_eq!(once, [4, 1, 6, 2, 5]);
    // The same for pages, which go on behind their cursors.
    let page = |after: &str| {
        format!(
            "{{ salesCollection(first: 2{after}, orderBy: [{{kind: DescNullsLast}}, {{id: AscNullsLast}}, {{kind: AscNullsLast}}]) {{
               edges {{ node {{ id }} }} pageInfo {{ endCursor }} }} }}"
        )
    };
    let first = api.data(&page("")).await;
    let cursor = format!(", after: {}", first["salesCollection"]["pageInfo"]["endCursor"]);
    assert_eq!((ids(&api, &page("")).await, ids(&api, &page(&cursor)).await), (vec![2, 6], vec![1, 3]));
}
