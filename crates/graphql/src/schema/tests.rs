//! Schemas are valid, whatever the database looks like and whoever looks at it.

use apollo_compiler::Schema;
use ferrobase_catalog::{Relation, Scope, load};
use ferrobase_testkit::database;

use super::{draw, unchecked};
use crate::model::Model;
use crate::reflect::{Sight, reflect};
use crate::views::{DocumentField, DocumentType, ObjectType, Place};

/// Tables whose names are those of other types, of every sort of column, with every sort of key, and with none.
const ODD: &str = r#"
    do $$ begin create role graphql_looker; exception when duplicate_object or unique_violation then null; end $$;
    do $$ begin create role graphql_writer; exception when duplicate_object or unique_violation then null; end $$;
    grant usage on schema public to graphql_looker, graphql_writer;
    create type mood as enum ('happy', 'sad'); create type odd as enum ('a b', '1');
    create type pair as (a int, b text);
    create domain positive as int check (value > 0);
    create table people (id bigint primary key, name text unique, mail text, tenant int not null, code text not null,
        boss bigint references people, unique (tenant, code));
    create unique index on people (mail);
    create table "peopleFilter" (id int primary key);
    create table "Query" (id int primary key);
    create table mood_log (day date, mood mood, moods mood[], primary key (day, mood));
    create table everything (a smallint, b int[], c bigint, d numeric, e real, f text, g boolean, h uuid, i time, j timestamptz,
        k json, l jsonb, m jsonb[], n int4range, o pair, p odd, q positive, r bytea, s tsvector, t inet, u text[], v bigint[],
        key uuid primary key);
    create table only_json (key jsonb primary key);
    create table tags (id int primary key, word text);
    create table tagged (person bigint references people, tag int references tags, since date, primary key (person, tag));
    create table profile (person bigint primary key references people, text text);
    create table keyless (a int);
    create table feed (id int primary key, kind text, title text, by bigint references people);
    comment on table feed is '@graphql({"polymorphic": {"column": "kind", "types": {"a": {"name": "Post", "columns": ["title"]},
        "b": {"name": "Remark", "columns": ["by"]}}}})';
    create view seen as select id, name from people;
    comment on view seen is '@graphql({"primary_key_columns": ["id"]})';
    create table odd1 (id int primary key, "null" int, "true" int unique, "false" text, unique ("null", "true"));
    create table "null" ("null" int primary key, "on" int unique, "true" int references "null");
    create table "true" ("true" int primary key);
    create function "false"("null" int, "true" text) returns "null" language sql stable as 'select null::"null"';
    create function "on"("true" "true") returns "null" language sql stable as 'select null::"null"';
    create table "and" ("or" int primary key, "not" int, "and" int);
    create function shout(people) returns text language sql stable as 'select upper($1.name)';
    create function all_people() returns setof people language sql stable as 'select * from people';
    create function hello(a int, b text default 'x') returns text language sql as 'select $2';
    create extension pg_trgm schema public;
    grant select on all tables in schema public to graphql_looker;
    grant insert on all tables in schema public to graphql_writer;
    grant update (name) on people to graphql_writer;
"#;

#[tokio::test]
async fn every_role_has_a_valid_schema() {
    let db = database().await;
    db.script(ODD).await;
    let mut session = db.connect().await;
    let catalog = load(&mut session, &Scope::exposing(["public"])).await.expect("a catalog");
    let owner = session
        .query("select current_user", &[])
        .await
        .expect("an answer")
        .rows
        .first()
        .and_then(|row| row.text(0))
        .unwrap_or_default()
        .to_owned();
    for inflects in [false, true] {
        for role in [owner.as_str(), "graphql_looker", "graphql_writer", "nobody"] {
            let mut catalog = catalog.clone();
            if inflects && let Some(schema) = catalog.schemas.get_mut("public") {
                schema.comment = Some("@graphql({\"inflect_names\": true})".to_owned());
            }
            let sees = |_: &Relation| true;
            let sight =
                Sight { catalog: &catalog, schema: "public", role, sees: &sees, max_rows: None, introspection: true };
            let schema = unchecked(&reflect(sight));
            let types = schema.types.len();
            // What is read again is judged by the grammar too: no enum has `null` among its values.
            let read = Schema::parse(schema.to_string(), "schema.graphql").map_err(|e| e.errors.to_string());
            assert!(read.is_ok(), "{role}, inflected {inflects}: {read:?}");
            let checked = schema.validate();
            assert!(
                checked.is_ok(),
                "{role}, inflected {inflects}: {}",
                checked.err().map_or(String::new(), |e| e.errors.to_string())
            );
            assert!(role == "nobody" || types > 40, "{role} has {types} types");
        }
    }
}

#[test]
fn types_of_documents_that_make_no_valid_schema_are_given_up() {
    let field = |place| DocumentField { key: "k".to_owned(), place, deprecated: None };
    let model = |place: Place| {
        let fields = [("k".to_owned(), field(place))].into_iter().collect();
        let object = DocumentType::Object(ObjectType { description: None, fields });
        let mut model = Model::default();
        model.documents.types.insert("Doc".to_owned(), object);
        model
    };
    let mut good = model(Place::Object("Doc".to_owned()));
    // Nothing leads to it, so it is not drawn; but it is a type.
    assert!(!draw(&mut good).types.contains_key("Doc") && good.documents.types.contains_key("Doc"));
    let mut bad = model(Place::Object("Nobody".to_owned()));
    let schema = draw(&mut bad);
    assert!(!schema.types.contains_key("Doc") && bad.documents.types.is_empty());
    assert!((*schema).clone().validate().is_ok());
}
