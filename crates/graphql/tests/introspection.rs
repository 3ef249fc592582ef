//! What a schema says about itself.

use ferrobase_catalog::QualifiedName;
use ferrobase_request::TransactionRules;
use serde_json::{Value, json};

use crate::harness::{Setup, api};

const TABLES: &str = "create type mood as enum ('happy', 'sad');
    create table people (id bigint primary key, name text not null, mood mood, tags text[] not null default '{}');
    comment on table people is 'Somebody';
    comment on column people.name is '@graphql({\"deprecated\": \"Names change\"}) What they are called';
    create table pets (id int primary key, owner_id bigint not null references people(id));
    create function add_up(a int, b int default 1) returns int language sql immutable as $$ select a + b $$;";

#[tokio::test]
async fn types_fields_and_arguments_are_told() {
    let api = api(TABLES).await;
    let data = api
        .data(
            "{ __schema { queryType { name } mutationType { name } subscriptionType { name } }
               people: __type(name: \"people\") { kind name description interfaces { name } possibleTypes { name }
                 fields { name type { kind name ofType { kind name } } }
                 all: fields(includeDeprecated: true) { name description isDeprecated deprecationReason } }
               mood: __type(name: \"mood\") { kind enumValues { name isDeprecated } fields { name } }
               node: __type(name: \"Node\") { kind possibleTypes { name } }
               update: __type(name: \"Mutation\") { fields { name args { name defaultValue type { kind ofType { name } } } } }
               none: __type(name: \"nobody\") { name } __typename }",
        )
        .await;
    assert_eq!(
        data["__schema"],
        json!({"queryType": {"name": "Query"}, "mutationType": {"name": "Mutation"}, "subscriptionType": null})
    );
    let people = &data["people"];
    assert_eq!((&people["kind"], &people["description"]), (&json!("OBJECT"), &json!("Somebody")));
    assert_eq!((&people["interfaces"], &people["possibleTypes"]), (&json!([{"name": "Node"}]), &Value::Null));
    let names = |fields: &Value| {
        fields.as_array().unwrap().iter().map(|f| f["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&people["fields"]), ["nodeId", "id", "mood", "tags", "petsCollection"]);
    assert_eq!(
        people["fields"][1]["type"],
        json!({"kind": "NON_NULL", "name": null, "ofType": {"kind": "SCALAR", "name": "BigInt"}})
    );
    let name = people["all"].as_array().unwrap().iter().find(|field| field["name"] == "name").unwrap();
    assert_eq!(
        *name,
        json!({"name": "name", "description": "What they are called", "isDeprecated": true, "deprecationReason": "Names change"})
    );
    assert_eq!(
        data["mood"]["enumValues"],
        json!([{"name": "happy", "isDeprecated": false}, {"name": "sad", "isDeprecated": false}])
    );
    assert_eq!(data["mood"]["fields"], Value::Null);
    assert_eq!(names(&data["node"]["possibleTypes"]), ["people", "pets"]);
    let update =
        data["update"]["fields"].as_array().unwrap().iter().find(|f| f["name"] == "updatepeopleCollection").unwrap();
    let at_most = update["args"].as_array().unwrap().iter().find(|argument| argument["name"] == "atMost").unwrap();
    assert_eq!(
        *at_most,
        json!({"name": "atMost", "defaultValue": "1", "type": {"kind": "NON_NULL", "ofType": {"name": "Int"}}})
    );
    assert_eq!((&data["none"], &data["__typename"]), (&Value::Null, &json!("Query")));
}

#[tokio::test]
async fn introspection_is_a_switch_that_a_comment_can_turn() {
    let mut setup = Setup::default();
    setup.graphql.introspection = Some(false);
    let api = setup.start(TABLES).await;
    let answer = api.ask("{ __schema { queryType { name } } }").await;
    assert_eq!((answer.code().as_str(), answer.json().get("data")), ("GRAPHQL_VALIDATION_FAILED", None));
    assert_eq!(api.data("{ __typename }").await, json!({"__typename": "Query"}));
    api.db.script("comment on schema public is '@graphql({\"introspection\": true})'").await;
    api.reload().await;
    assert_eq!(api.data("{ __schema { queryType { name } } }").await["__schema"]["queryType"]["name"], "Query");
}

#[tokio::test]
async fn sec_whom_the_pre_request_function_refuses_gets_no_schema() {
    let pre_request = Some(QualifiedName::new("public", "gate"));
    let setup =
        Setup { transaction: TransactionRules { pre_request, ..TransactionRules::default() }, ..Setup::default() };
    let gate = "create function gate() returns void language plpgsql as $$ begin
            if current_setting('request.headers')::json ->> 'x-pass' is null then
                raise insufficient_privilege using message = 'closed';
            end if;
        end $$;";
    let api = setup.start(&format!("{TABLES} {gate}")).await;
    let query = "{ __schema { queryType { name } } }";
    let refused = api.ask(query).await;
    assert_eq!((refused.code().as_str(), &refused.json()["data"]), ("UNAUTHENTICATED", &Value::Null), "{refused:?}");
    let passed = api.ask_with(&[("x-pass", "yes")], query, Value::Null).await;
    assert_eq!(passed.json()["data"]["__schema"]["queryType"]["name"], "Query");
}

#[tokio::test]
async fn inputs_that_take_one_of_their_fields_say_so() {
    let api = api(TABLES).await;
    let data = api
        .data(
            "{ key: __type(name: \"peopleKeyInput\") { isOneOf inputFields { name } } set: __type(name: \"peopleUpdateInput\") { isOneOf }
               people: __type(name: \"people\") { isOneOf } list: __type(name: \"people\") { fields { type { isOneOf } } }
               types: __type(name: \"__Type\") { fields { name type { name } } } }",
        )
        .await;
    assert_eq!(data["key"], json!({"isOneOf": true, "inputFields": [{"name": "id"}]}));
    assert_eq!((&data["set"]["isOneOf"], &data["people"]["isOneOf"]), (&json!(false), &Value::Null));
    assert_eq!(data["list"]["fields"][0]["type"]["isOneOf"], Value::Null);
    let of_types = data["types"]["fields"].as_array().unwrap();
    assert!(of_types.contains(&json!({"name": "isOneOf", "type": {"name": "Boolean"}})), "{of_types:?}");
}

#[tokio::test]
async fn types_that_no_operation_can_use_are_not_there() {
    let api = api(TABLES).await;
    let data = api.data("{ __schema { types { name } } }").await;
    let names: Vec<_> =
        data["__schema"]["types"].as_array().unwrap().iter().map(|of| of["name"].as_str().unwrap()).collect();
    // Nothing leads from another table to many people, and pets only to their one owner.
    for unused in ["peopleManyFilter", "peopleManyInput", "peopleManyUpdate", "peopleAggregateOrderBy"] {
        assert!(!names.contains(&unused), "{unused}");
    }
    for used in ["petsManyFilter", "petsManyInput", "peopleOneInput", "mood", "moodFilter", "Node", "__Type", "Cursor"]
    {
        assert!(names.contains(&used), "{used}: {names:?}");
    }
}

#[tokio::test]
async fn a_long_answer_is_the_same_as_its_parts() {
    let mut tables = String::new();
    for number in 0..90 {
        tables.push_str(&format!("create table t{number} (id int primary key, a text, b int, c numeric, d date);"));
    }
    let api = api(&tables).await;
    let types = "kind name fields { name args { name type { kind name ofType { name } } } type { kind name ofType { kind name ofType { name } } } }
                 inputFields { name type { name ofType { name ofType { name } } } } enumValues { name }";
    let query =
        format!("{{ a: __schema {{ types {{ {types} }} }} one: __type(name: \"t7\") {{ {types} }} __typename }}");
    // More than once: it is made anew each time.
    for _ in 0..3 {
        let answer = api.ask(&query).await;
        assert!(answer.body.len() > 1 << 20, "{}", answer.body.len());
        let data = &answer.json()["data"];
        let all = data["a"]["types"].as_array().unwrap();
        let one = all.iter().find(|of| of["name"] == "t7").unwrap();
        assert_eq!((one, &data["__typename"]), (&data["one"], &json!("Query")));
    }
}
