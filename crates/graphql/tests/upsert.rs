//! New rows that are there already, rows by their keys, several changes at once.

use serde_json::json;

use crate::harness::{Api, api};

const SHOP: &str = "
    create table products (id int primary key, tenant int not null default 1, sku text not null, name text, stock int not null default 0,
        seen timestamptz, unique (tenant, sku));
    create unique index on products (name);
    insert into products (id, sku, name, stock) values (1, 'a', 'Apple', 5), (2, 'b', 'Beer', 6);
";

async fn stock(api: &Api) -> String {
    api.value("select string_agg(concat_ws(' ', id, sku, name, stock), ', ' order by id) from products").await
}

#[tokio::test]
async fn new_rows_change_those_that_are_there() {
    let api = api(SHOP).await;
    let upsert = async |objects: &str, conflict: &str| {
        let query = format!(
            "mutation {{ insertIntoproductsCollection(objects: [{objects}], onConflict: {{{conflict}}}) {{ affectedCount
               records {{ id sku stock }} }} }}"
        );
        api.data(&query).await["insertIntoproductsCollection"].take()
    };
    // The primary key decides where nothing is said, and all other columns that are given are changed.
    let both = upsert("{id: 1, sku: \"a\", stock: 7}, {id: 3, sku: \"c\", stock: 0}", "").await;
    assert_eq!(
        both,
        json!({"affectedCount": 2, "records": [{"id": 1, "sku": "a", "stock": 7}, {"id": 3, "sku": "c", "stock": 0}]})
    );
    // Another key, and only some columns.
    let other = upsert("{id: 9, sku: \"b\", name: \"x\", stock: 1}", "key: tenant_sku, update: [stock]").await;
    assert_eq!(other, json!({"affectedCount": 1, "records": [{"id": 2, "sku": "b", "stock": 1}]}));
    // An index without a constraint is a key too.
    let indexed = upsert("{id: 9, sku: \"z\", name: \"Apple\", stock: 2}", "key: name, update: [stock]").await;
    assert_eq!(indexed["records"], json!([{"id": 1, "sku": "a", "stock": 2}]));
    // Nothing is to change: rows that are there stay and are not told.
    let nothing = upsert("{id: 1, sku: \"q\"}, {id: 4, sku: \"d\"}", "update: []").await;
    assert_eq!(nothing, json!({"affectedCount": 1, "records": [{"id": 4, "sku": "d", "stock": 0}]}));
    // Only rows that are as they should be.
    let some =
        upsert("{id: 1, sku: \"a\", stock: 50}, {id: 2, sku: \"b\", stock: 50}", "where: {stock: {gt: 1}}").await;
    assert_eq!(some["records"], json!([{"id": 1, "sku": "a", "stock": 50}]));
    assert_eq!(stock(&api).await, "1 a Apple 50, 2 b Beer 1, 3 c 0, 4 d 0");
}

#[tokio::test]
async fn conflicts_with_another_key_or_among_the_rows_themselves_are_errors() {
    let api = api(SHOP).await;
    let other =
        "mutation { insertIntoproductsCollection(objects: [{id: 1, sku: \"b\"}], onConflict: {}) { affectedCount } }";
    assert_eq!(api.ask(other).await.code(), "CONFLICT");
    let twice =
        "mutation { insertIntoproductsCollection(objects: [{id: 7, sku: \"x\"}, {id: 7, sku: \"y\"}], onConflict: {})
        { affectedCount } }";
    let answer = api.ask(twice).await;
    assert_eq!(
        (answer.code().as_str(), &answer.json()["errors"][0]["path"]),
        ("BAD_USER_INPUT", &json!(["insertIntoproductsCollection"]))
    );
    let unknown = "mutation { insertIntoproductsCollection(objects: [], onConflict: {key: stock}) { affectedCount } }";
    assert_eq!(api.ask(unknown).await.code(), "GRAPHQL_VALIDATION_FAILED");
    assert_eq!(stock(&api).await, "1 a Apple 5, 2 b Beer 6");
}

#[tokio::test]
async fn policies_and_grants_hold_for_rows_that_are_there() {
    let api = api("create table notes (id int primary key, owner text not null, text text);
         alter table notes enable row level security;
         create policy own on notes using (owner = 'ann') with check (owner = 'ann');
         insert into notes values (1, 'bob', 'secret');
         create table logs (id int primary key, line text);
         insert into logs values (1, 'kept');
         revoke all on logs from anon; grant insert, select on logs to anon;")
    .await;
    let taken =
        "mutation { insertIntonotesCollection(objects: [{id: 1, owner: \"ann\", text: \"mine\"}], onConflict: {})
        { affectedCount } }";
    assert_eq!(api.ask_as(json!({"role": "authenticated"}), taken).await.code(), "FORBIDDEN");
    assert_eq!(api.value("select owner || text from notes").await, "bobsecret");
    // Who may not change rows can only leave them as they are.
    let left = "mutation { insertIntologsCollection(objects: [{id: 1, line: \"x\"}, {id: 2}], onConflict: {}) { affectedCount } }";
    assert_eq!(api.data(left).await["insertIntologsCollection"]["affectedCount"], 1);
    let update = "mutation { insertIntologsCollection(objects: [], onConflict: {update: [line]}) { affectedCount } }";
    assert_eq!(api.ask(update).await.code(), "GRAPHQL_VALIDATION_FAILED");
}

#[tokio::test]
async fn one_row_is_changed_or_removed_by_its_key() {
    let api = api(SHOP).await;
    let data = api
        .data(
            "mutation { updateproductsByPk(id: 1, set: {stock: 9}) { id stock name } none: updateproductsByPk(id: 99, set: {stock: 1}) { id }
               deleteFromproductsByPk(id: 2) { name } gone: deleteFromproductsByPk(id: 2) { name } }",
        )
        .await;
    assert_eq!(
        data,
        json!({"updateproductsByPk": {"id": 1, "stock": 9, "name": "Apple"}, "none": null,
               "deleteFromproductsByPk": {"name": "Beer"}, "gone": null})
    );
    assert_eq!(api.ask("mutation { updateproductsByPk(id: 1) { id } }").await.code(), "BAD_USER_INPUT");
    assert_eq!(stock(&api).await, "1 a Apple 9");
}

#[tokio::test]
async fn several_changes_are_one_after_the_other_and_all_or_none() {
    let api = api(SHOP).await;
    let data = api
        .data(
            "mutation { updateproductsCollectionMany(updates: [
                 {set: {stock: 1}, filter: {id: {eq: 1}}},
                 {set: {stock: 2}, filter: {stock: {gt: 1}}, atMost: 5},
                 {set: {name: null}, filter: {id: {eq: 99}}}]) { affectedCount records { id stock } } }",
        )
        .await;
    assert_eq!(
        data["updateproductsCollectionMany"],
        json!([{"affectedCount": 1, "records": [{"id": 1, "stock": 1}]}, {"affectedCount": 1, "records": [{"id": 2, "stock": 2}]},
               {"affectedCount": 0, "records": []}])
    );
    let answer = api
        .ask(
            "mutation { it: updateproductsCollectionMany(updates: [{set: {stock: 8}, filter: {id: {eq: 1}}}, {set: {stock: 8}}])
               { affectedCount } }",
        )
        .await;
    assert_eq!((answer.code().as_str(), &answer.json()["errors"][0]["path"]), ("TOO_MANY_ROWS", &json!(["it", 1])));
    let none = api.data("mutation { updateproductsCollectionMany(updates: []) { affectedCount } }").await;
    assert_eq!(none["updateproductsCollectionMany"], json!([]));
    let many = "{set: {stock: 8}}, ".repeat(101);
    let answer =
        api.ask(&format!("mutation {{ updateproductsCollectionMany(updates: [{many}]) {{ affectedCount }} }}")).await;
    assert_eq!(answer.code(), "BAD_USER_INPUT");
    assert_eq!(stock(&api).await, "1 a Apple 1, 2 b Beer 2");
}

#[tokio::test]
async fn any_key_finds_its_row() {
    let api = api(SHOP).await;
    let data = api
        .data(
            "{ a: productsBy(key: {id: 1}) { sku } b: productsBy(key: {name: \"Beer\"}) { id }
               c: productsBy(key: {tenant_sku: {tenant: 1, sku: \"b\"}}) { id } d: productsBy(key: {name: \"?\"}) { id } }",
        )
        .await;
    assert_eq!(data, json!({"a": {"sku": "a"}, "b": {"id": 2}, "c": {"id": 2}, "d": null}));
    for key in ["{}", "{id: 1, name: \"x\"}", "{id: null}", "{id: $absent}"] {
        let head = if key.contains('$') { "query($absent: Int)" } else { "" };
        let answer = api.ask(&format!("{head} {{ productsBy(key: {key}) {{ id }} }}")).await;
        assert_eq!(answer.code(), "BAD_USER_INPUT", "{key}: {answer:?}");
    }
    let sdl = api.data("{ __type(name: \"productsKeyInput\") { inputFields { name type { name kind } } } }").await;
    assert_eq!(sdl["__type"]["inputFields"].as_array().map(Vec::len), Some(3));
    // With one key there is nothing to choose from.
    let single = self::api("create table solo (id int primary key)").await;
    assert_eq!(single.ask("{ soloBy(key: {id: 1}) { id } }").await.code(), "GRAPHQL_VALIDATION_FAILED");
}

#[tokio::test]
async fn objects_that_give_different_columns_say_what_to_update() {
    let api = api(SHOP).await;
    let upsert = |objects: &str, conflict: &str| {
        format!(
            "mutation {{ insertIntoproductsCollection(objects: [{objects}], onConflict: {{{conflict}}}) {{ affectedCount }} }}"
        )
    };
    let mixed = "{id: 1, sku: \"a\", stock: 7}, {id: 2, sku: \"b\", name: \"New\"}";
    let refused = api.ask(&upsert(mixed, "")).await;
    assert_eq!(refused.code(), "BAD_USER_INPUT");
    let message = refused.json()["errors"][0]["message"].to_string();
    assert!(message.contains("`update`") && message.contains("`stock`") && message.contains("`name`"), "{message}");
    assert!(!message.contains("`sku`") && !message.contains("`id`"), "{message}");
    assert_eq!(stock(&api).await, "1 a Apple 5, 2 b Beer 6");
    // What is said is done, and keys are no columns that change.
    api.data(&upsert(mixed, "update: [sku]")).await;
    assert_eq!(stock(&api).await, "1 a Apple 5, 2 b Beer 6");
    api.data(&upsert("{id: 1, sku: \"a\", stock: 8}, {sku: \"b\", stock: 9, id: 2}", "")).await;
    assert_eq!(stock(&api).await, "1 a Apple 8, 2 b Beer 9");
    // What an object refers to gives its columns too.
    let api = self::api(
        "create table makers (id int primary key, name text unique);
         create table tools (id int primary key, maker_id int references makers, name text);
         insert into makers values (1, 'one'), (2, 'two'); insert into tools values (1, 1, 'a'), (2, 1, 'b')",
    )
    .await;
    let tools = |second: &str| {
        format!(
            "mutation {{ insertIntotoolsCollection(objects: [{{id: 1, maker_id: 2}}, {{id: 2 {second}}}], onConflict: {{}}) {{ affectedCount }} }}"
        )
    };
    assert_eq!(api.ask(&tools("maker: null")).await.code(), "BAD_USER_INPUT");
    api.data(&tools("maker: {connect: {name: \"two\"}}")).await;
    assert_eq!(api.value("select string_agg(maker_id || name, ',' order by id) from tools").await, "2a,2b");
}

#[tokio::test]
async fn only_new_rows_that_are_given_twice_are_told_to_be_the_same() {
    let api = api(&format!(
        "{SHOP} create function several() returns int language sql volatile as 'select (select id from products)';"
    ))
    .await;
    let several = api.ask("mutation { several }").await;
    assert_eq!(several.json()["errors"][0]["extensions"]["sqlstate"], "21000", "{}", several.body);
    assert!(!several.body.contains("same row"), "{}", several.body);
    let twice = r#"mutation { insertIntoproductsCollection(objects: [{id: 1, sku: "a", stock: 1}, {id: 1, sku: "a", stock: 2}],
        onConflict: {update: [stock]}) { affectedCount } }"#;
    let twice = api.ask(twice).await;
    assert_eq!((twice.code().as_str(), twice.body.contains("same row")), ("BAD_USER_INPUT", true), "{}", twice.body);
}
