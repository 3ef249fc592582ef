//! What is granted in part is offered as far as it can be had.

use serde_json::json;

use crate::harness::api;

const PART: &str = "
    create table owners (id int primary key, name text not null unique);
    create table part (id int primary key, name text, secret text, owner_id int references owners);
    create function shout(p part) returns text language sql stable as 'select upper(p.name)';
    create function twins(p part) returns setof owners language sql stable as 'select * from owners where id = p.owner_id';
    create function parts() returns setof part language sql stable as 'select * from part';
    insert into owners values (1, 'ann'); insert into part values (1, 'a', 'x', 1), (2, 'a', 'y', 1), (3, 'b', 'z', 1);
    revoke all on part from anon;
";

#[tokio::test]
async fn pages_need_a_key_that_can_be_read_and_groups_do_not() {
    let api = api(PART).await;
    api.db.script("grant select (name, owner_id), insert on part to anon").await;
    api.reload().await;
    for hidden in ["partCollection", "parts", "partByPk(id: 1)", "ownersCollection { edges { node { partCollection"] {
        let query = format!("{{ {hidden} {{ __typename }} {}", "}".repeat(hidden.matches('{').count() + 1));
        assert_eq!(api.ask(&query).await.code(), "GRAPHQL_VALIDATION_FAILED", "{query}");
    }
    let data = api
        .data(
            "{ partGroups(by: [name]) { keys { name } aggregate { count } }
               ownersCollection(filter: {partCollection: {some: {name: {eq: \"b\"}}}}) { edges { node { name } } } }",
        )
        .await;
    assert_eq!(
        data["partGroups"],
        json!([{"keys": {"name": "a"}, "aggregate": {"count": 2}}, {"keys": {"name": "b"}, "aggregate": {"count": 1}}])
    );
    assert_eq!(data["ownersCollection"]["edges"], json!([{"node": {"name": "ann"}}]));
    // What is written is told, and so are rows that are written with others.
    let data = api
        .data(
            "mutation { insertIntopartCollection(objects: [{id: 7, name: \"n\"}]) { records { name } }
               updateownersByPk(id: 1, related: {partCollection: {create: [{id: 8, name: \"m\"}]}}) { name } }",
        )
        .await;
    assert_eq!(data["insertIntopartCollection"]["records"], json!([{"name": "n"}]));
    assert_eq!(api.value("select string_agg(name, ',' order by id) from part where id > 6").await, "n,m");
}

#[tokio::test]
async fn functions_of_a_row_need_the_whole_row() {
    let api = api(PART).await;
    api.db.script("grant select (id, name), insert on part to anon").await;
    api.reload().await;
    let fields = |told: &str| {
        format!("mutation {{ insertIntopartCollection(objects: [{{id: 4, name: \"d\"}}]) {{ records {{ {told} }} }} }}")
    };
    for hidden in ["shout", "twins { edges { node { name } } }"] {
        assert_eq!(api.ask(&fields(hidden)).await.code(), "GRAPHQL_VALIDATION_FAILED", "{hidden}");
    }
    assert_eq!(api.data(&fields("name")).await["insertIntopartCollection"]["records"], json!([{"name": "d"}]));
    api.db.script("delete from part where id = 4; grant select on part to anon").await;
    api.reload().await;
    let data = api.data(&fields("shout twins { edges { node { name } } }")).await;
    assert_eq!(data["insertIntopartCollection"]["records"], json!([{"shout": "D", "twins": {"edges": []}}]));
}

#[tokio::test]
async fn a_function_that_leads_to_rows_must_be_executable() {
    let api = api(PART).await;
    api.db.script("grant select on part to anon; revoke execute on function twins(part) from public, anon").await;
    api.reload().await;
    let query = "{ partByPk(id: 1) { shout twins { edges { node { name } } } } }";
    assert_eq!(api.ask(query).await.code(), "GRAPHQL_VALIDATION_FAILED");
    api.db.script("grant execute on function twins(part) to anon").await;
    api.reload().await;
    assert_eq!(
        api.data(query).await["partByPk"],
        json!({"shout": "A", "twins": {"edges": [{"node": {"name": "ann"}}]}})
    );
}

#[tokio::test]
async fn sec_10_what_an_unnamed_row_is_given_to_must_be_executable() {
    let sql = format!(
        "{PART} create function first_letter(part) returns text language sql stable as 'select left($1.name, 1)';
         create function others(part) returns setof owners language sql stable as 'select * from owners';
         comment on function first_letter(part) is '@graphql({{\"name\": \"letter\"}})';
         create function others(int) returns int language sql stable as 'select $1';
         create function shout(word text) returns text language sql stable as 'select word';
         grant select on part to anon;
         revoke execute on function first_letter(part), others(part), shout(part) from public, anon;"
    );
    let api = api(&sql).await;
    // (What may be called under the same name with something else than the row is not what the row is given to.)
    for hidden in ["letter", "others { edges { node { name } } }", "shout"] {
        let query = format!("{{ partByPk(id: 1) {{ {hidden} }} }}");
        assert_eq!(api.ask(&query).await.code(), "GRAPHQL_VALIDATION_FAILED", "{hidden}");
    }
    let names = api.data("{ __type(name: \"part\") { fields { name } } }").await.to_string();
    assert!(!names.contains("letter") && !names.contains("others") && !names.contains("shout"), "{names}");
    let filters = "{ partCollection(filter: {letter: {eq: \"a\"}}) { edges { node { id } } } }";
    assert_eq!(api.ask(filters).await.code(), "GRAPHQL_VALIDATION_FAILED");
    api.db.script("grant execute on function first_letter(part), others(part), shout(part) to anon").await;
    api.reload().await;
    let query = "{ partByPk(id: 1) { letter shout others { edges { node { name } } } } }";
    assert_eq!(
        api.data(query).await["partByPk"],
        json!({"letter": "a", "shout": "A", "others": {"edges": [{"node": {"name": "ann"}}]}})
    );
}
