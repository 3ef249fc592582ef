//! Names of the database that mean something in GraphQL already, and functions whose rows have a type.

use serde_json::json;

use crate::harness::api;

const WORDS: &str = r#"
    create table odd (id int primary key, "null" int unique, "true" int, "false" text, unique ("null", "true"));
    create table "null" ("null" int primary key, "true" text);
    insert into odd values (1, 10, 20, 'x'), (2, 11, 20, 'y');
    insert into "null" values (7, 'seven');
"#;

#[tokio::test]
async fn columns_called_null_true_or_false_are_fields_and_no_values_of_enums() {
    let api = api(WORDS).await;
    let data = api
        .data(
            r#"{ oddCollection(filter: {null: {gt: 10}, true: {eq: 20}}, orderBy: [{null: AscNullsLast}]) {
                    edges { node { id null true false } } aggregate { sum { true } } }
                 oddBy(key: {null: 10}) { id } nullByPk(null: 7) { null true }
                 oddGroups(by: [id], having: {sum: {true: {gt: "0"}}}) { keys { id } }
                 column: __type(name: "oddColumn") { enumValues { name } }
                 change: __type(name: "oddUpdateColumn") { enumValues { name } }
                 key: __type(name: "oddKey") { enumValues { name } }
                 none: __type(name: "nullOnConflict") { name } }"#,
        )
        .await;
    let node = json!({"id": 2, "null": 11, "true": 20, "false": "y"});
    assert_eq!(data["oddCollection"], json!({"edges": [{"node": node}], "aggregate": {"sum": {"true": "20"}}}));
    assert_eq!(data["oddBy"], json!({"id": 1}));
    assert_eq!(data["nullByPk"], json!({"null": 7, "true": "seven"}));
    assert_eq!(data["oddGroups"], json!([{"keys": {"id": 1}}, {"keys": {"id": 2}}]));
    assert_eq!(data["column"]["enumValues"], json!([{"name": "id"}]));
    assert_eq!(data["change"]["enumValues"], json!([{"name": "id"}]));
    assert_eq!(data["key"]["enumValues"], json!([{"name": "id"}, {"name": "null_true"}]));
    assert_eq!(data["none"], json!(null));
    let data = api
        .data(
            r#"mutation { insertIntooddCollection(objects: [{id: 3, null: 11, true: 20, false: "z"}], onConflict: {key: null_true, update: [id]}) {
                    records { id false } }
                 updatenullByPk(null: 7, set: {true: "sieben"}) { true } }"#,
        )
        .await;
    assert_eq!(data["insertIntooddCollection"]["records"], json!([{"id": 3, "false": "y"}]));
    assert_eq!(data["updatenullByPk"], json!({"true": "sieben"}));
    let told = api.mistakes();
    assert!(told.iter().all(|text| text.contains("is no value of an enum")), "{told:?}");
    let objects: Vec<_> = told.iter().filter_map(|text| text.split(": ").next()).collect();
    assert_eq!(
        objects,
        ["public.null.null", "public.null.true", "public.odd.null", "public.odd.true", "public.odd.false"]
    );
}

const TWINS: &str = r#"
    create table film (id int primary key, title text, next int references film);
    create function twin(film) returns film language sql stable as 'select f from film f where f.id = $1.id + 1';
    create function sequel(film) returns film language sql stable as 'select f from film f where f.id = $1.id + 1';
    comment on function sequel is 'What came after. @graphql({"name": "continued"})';
    create function follower(film) returns setof film rows 1 language sql stable as 'select * from film where id = $1.id + 1';
    create table keyless (n int);
    create function shadow(film) returns keyless language sql stable as 'select row(1)::keyless';
    insert into film values (1, 'One'), (2, 'Two');
"#;

#[tokio::test]
async fn a_function_of_the_row_that_gives_a_row_is_one_field() {
    let api = api(TWINS).await;
    let data = api.data(r#"{ __type(name: "film") { fields { name description type { name } } } }"#).await;
    let field = |name: &str, description: Option<&str>, ty: &str| json!({"name": name, "description": description, "type": {"name": ty}});
    let fields = data["__type"]["fields"].as_array().unwrap();
    let told = |name: &str| fields.iter().find(|field| field["name"] == name).cloned().unwrap_or_default();
    assert_eq!(told("twin"), field("twin", None, "film"));
    assert_eq!(told("follower"), field("follower", None, "film"));
    assert_eq!(told("continued"), field("continued", Some("What came after."), "film"));
    // Its rows have no type.
    assert_eq!(told("shadow"), field("shadow", None, "Opaque"));
    for absent in ["twinBy", "sequel", "sequelBy", "continuedBy", "followerBy"] {
        assert_eq!(told(absent), json!(null), "{fields:?}");
    }
    let data =
        api.data("{ filmByPk(id: 1) { twin { title twin { title } } continued { id } follower { id } shadow } }").await;
    assert_eq!(data["filmByPk"]["twin"]["title"], "Two");
    assert_eq!(data["filmByPk"]["continued"], json!({"id": 2}));
    assert_eq!(data["filmByPk"]["shadow"], "(1)");
}

#[tokio::test]
async fn tables_called_as_filters_of_values_are_left_out() {
    let api = api(
        r#"create table "IntFilter" (id int primary key); create table "StringListFilter" (id int primary key);
           create table "NullFilter" (id int primary key); create table plain (id int primary key, name text, tags text[], p point);
           insert into plain values (1, 'a', '{a}');"#,
    )
    .await;
    let filter = r#"{id: {eq: 1}, name: {eq: "a"}, tags: {contains: "a"}, p: {is: NULL}}"#;
    let data = api.data(&format!("{{ plainCollection(filter: {filter}) {{ totalCount }} }}")).await;
    assert_eq!(data["plainCollection"]["totalCount"], 1);
    let told = api.mistakes();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told.iter().all(|text| text.contains("no name or not free")), "{told:?}");
}

const WRITTEN: &str = "
    create table writers (id int primary key, name text, active bool);
    create table books (id int primary key, writer_id int references writers);
    insert into writers values (1, 'Ann', true), (2, 'Bob', false); insert into books values (1, 1), (2, 2);
";

#[tokio::test]
async fn a_view_that_is_added_takes_no_field_of_a_table_or_of_another_view() {
    let api = api(WRITTEN).await;
    let query = "{ booksCollection { edges { node { id writer { __typename name } } } } }";
    let before = api.data(query).await;
    api.db
        .script(
            "create view quiet_writers with (security_invoker = true) as select id, name from writers where not active",
        )
        .await;
    api.reload().await;
    let other = "{ booksByPk(id: 2) { quiet_writersByWriterId { __typename name } } }";
    let of_view = api.data(other).await;
    assert_eq!(of_view["booksByPk"]["quiet_writersByWriterId"], json!({"__typename": "quiet_writers", "name": "Bob"}));
    api.db
        .script(
            "create view active_writers with (security_invoker = true) as select id, name from writers where active",
        )
        .await;
    api.reload().await;
    assert_eq!(api.data(query).await, before);
    assert_eq!(api.data(other).await, of_view);
    let insert = r#"mutation { insertIntobooksCollection(objects: {id: 3, writer: {create: {id: 3, name: "Cid"}}}) {
        records { writer { __typename name } } } }"#;
    let data = api.data(insert).await;
    let writer = json!({"__typename": "writers", "name": "Cid"});
    assert_eq!(data["insertIntobooksCollection"]["records"][0]["writer"], writer);
}

#[tokio::test]
async fn of_several_views_that_show_one_key_none_has_its_name() {
    let writers = "create view writers_v as select id, name from kept.writers;";
    let script = format!(
        "{WRITTEN} create schema kept; alter table writers set schema kept; alter table books set schema kept;
         create view books_v as select id, writer_id from kept.books; {writers}
         create view active_writers as select id, name from kept.writers where active;"
    );
    let api = api(&script).await;
    let query = "{ books_vByPk(id: 1) { writers_vByWriterId { __typename } active_writersByWriterId { __typename } } }";
    let short = "{ books_vByPk(id: 1) { writer { __typename } } }";
    let expected = json!({
        "writers_vByWriterId": {"__typename": "writers_v"},
        "active_writersByWriterId": {"__typename": "active_writers"},
    });
    for change in [String::new(), format!("drop view writers_v; {writers}")] {
        api.db.script(&change).await;
        api.reload().await;
        assert_eq!(api.data(query).await["books_vByPk"], expected);
        assert_eq!(api.ask(short).await.code(), "GRAPHQL_VALIDATION_FAILED");
        let told = api.mistakes();
        assert!(told.iter().any(|text| text.contains("`writer` could lead to several views")), "{told:?}");
    }
    let declared = r#"comment on view books_v is '@graphql({"foreign_keys": [{"local_columns": ["writer_id"], "foreign_name": "writer",
        "foreign_schema": "public", "foreign_table": "active_writers", "foreign_columns": ["id"]}]})'"#;
    api.db.script(declared).await;
    api.reload().await;
    assert_eq!(api.data(short).await["books_vByPk"]["writer"], json!({"__typename": "active_writers"}));
    api.db.script("comment on view books_v is null; drop view active_writers").await;
    api.reload().await;
    assert_eq!(api.data(short).await["books_vByPk"]["writer"], json!({"__typename": "writers_v"}));
}
