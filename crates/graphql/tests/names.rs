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
