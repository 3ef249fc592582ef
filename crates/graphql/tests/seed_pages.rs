//! The seed's checklist, 25 to 28: results that are kept, pages by cursor, and what stands beside tables that were there.

use serde_json::{Value, json};

use crate::harness::{Api, api};
use crate::seed_documents::PEOPLE;

#[tokio::test]
async fn seed_25_results_are_kept_for_a_time_and_for_one_role() {
    let api = api(&format!("{PEOPLE} grant create on schema public to service_role;")).await;
    let hits = "select string_agg(role_name || ':' || hit_count, ' ' order by role_name) from app.query_cache where cache_key = 'top'";
    let mut session = api.db.connect().await;
    session.script("set role service_role").await.unwrap();
    let mut ask = async |query: &str, ttl: &str| {
        let call = "select app.cached_query('top', $1::text, $2::text::interval)::text";
        session
            .query(call, &[Some(query), Some(ttl)])
            .await
            .unwrap()
            .rows
            .get(0)
            .unwrap()
            .text(0)
            .unwrap_or("null")
            .to_owned()
    };
    let query = "select jsonb_agg(data -> 'name' order by data -> 'name') from v_user";
    assert_eq!(ask(query, "1 hour").await, r#"["Ann", "Bob"]"#);
    api.db.script("update people set name = 'Eve' where name = 'Bob'").await;
    assert_eq!(ask(query, "1 hour").await, r#"["Ann", "Bob"]"#, "kept");
    assert_eq!(api.value(hits).await, "service_role:1");
    assert_eq!(
        ask("select jsonb_agg(data -> 'name' order by 1) from v_user where true", "1 hour").await,
        r#"["Ann", "Eve"]"#,
        "another text"
    );
    api.db.script("update app.query_cache set expires_at = now() - interval '1 s'; update people set name = 'Fay' where name = 'Eve'").await;
    assert_eq!(
        ask("select jsonb_agg(data -> 'name' order by 1) from v_user where true", "1 hour").await,
        r#"["Ann", "Fay"]"#,
        "too old"
    );
    // Another role has results of its own.
    let owner = api.value("select app.cached_query('top', 'select to_jsonb(current_user)')::text <> 'null'").await;
    assert_eq!(
        (
            owner.as_str(),
            api.value("select count(*)::text from app.query_cache where cache_key = 'top'").await.as_str()
        ),
        ("t", "2")
    );
    for role in ["anon", "authenticated"] {
        let call = format!("set role {role}; select app.cached_query('top', 'select 1::text::jsonb')");
        assert_eq!(api.refused(&call).await, "42501");
        assert_eq!(api.refused(&format!("set role {role}; select * from app.query_cache")).await, "42501");
    }
    // The seed's example orders rows by a column beside an aggregate.
    assert_eq!(
        api.refused("select jsonb_agg(data) from v_user where email > '' order by email desc limit 10").await,
        "42803"
    );
}

async fn page(api: &Api, arguments: &str) -> (Vec<String>, Value) {
    let query = format!(
        "{{ usersConnection({arguments}) {{ edges {{ cursor node {{ name }} }} totalCount
           pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }} }}"
    );
    let mut data = api.data(&query).await["usersConnection"].take();
    let edges = data["edges"].as_array().expect("edges");
    if let (Some(first), Some(last)) = (edges.first(), edges.last()) {
        assert_eq!(
            (&first["cursor"], &last["cursor"]),
            (&data["pageInfo"]["startCursor"], &data["pageInfo"]["endCursor"])
        );
    }
    assert_eq!(data["totalCount"], 3);
    let names = edges.iter().map(|edge| edge["node"]["name"].as_str().expect("a name").to_owned()).collect();
    (names, data["pageInfo"].take())
}

#[tokio::test]
async fn seed_26_pages_of_documents_go_on_behind_a_cursor_in_both_directions() {
    let api = api(&format!("{PEOPLE} insert into people (email, name) values ('cid@example.org', 'Cid');")).await;
    let order = "orderBy: [{email: AscNullsLast}]";
    let (names, first) = page(&api, &format!("first: 1, {order}")).await;
    assert_eq!(
        (names, &first["hasNextPage"], &first["hasPreviousPage"]),
        (vec!["Ann".to_owned()], &json!(true), &json!(false))
    );
    let (names, second) = page(&api, &format!("first: 1, {order}, after: {}", first["endCursor"])).await;
    assert_eq!((names, &second["hasNextPage"]), (vec!["Bob".to_owned()], &json!(true)));
    let (names, last) = page(&api, &format!("first: 1, {order}, after: {}", second["endCursor"])).await;
    assert_eq!((names, &last["hasNextPage"]), (vec!["Cid".to_owned()], &json!(false)));
    let (names, end) = page(&api, &format!("first: 1, {order}, after: {}", last["endCursor"])).await;
    assert_eq!((names.len(), &end["hasNextPage"], &end["endCursor"]), (0, &json!(false), &json!(null)));
    let (names, back) = page(&api, &format!("last: 1, {order}, before: {}", last["startCursor"])).await;
    assert_eq!((names, &back["hasPreviousPage"]), (vec!["Bob".to_owned()], &json!(true)));
    let (names, back) = page(&api, &format!("last: 2, {order}, before: {}", last["startCursor"])).await;
    assert_eq!((names, &back["hasPreviousPage"]), (vec!["Ann".to_owned(), "Bob".to_owned()], &json!(false)));
    // The plain list takes the same cursors.
    let list = api.data(&format!("{{ users({order}, after: {}, first: 5) {{ name }} }}", first["endCursor"])).await;
    assert_eq!(list["users"], json!([{"name": "Bob"}, {"name": "Cid"}]));
    assert_eq!(
        api.ask(&format!("{{ users({order}, after: \"nonsense\") {{ name }} }}")).await.code(),
        "BAD_USER_INPUT"
    );
}

#[tokio::test]
async fn seed_26_the_seeds_function_of_pages_answers_nothing() {
    let api = api(&format!(
        "{PEOPLE} create function paginate_cursor(p_table text, p_field text, p_value anyelement default null, p_limit int default 20)
            returns table (data jsonb) language plpgsql as $$ begin
            return query execute format('select data from %I where %I > $1 order by %I limit %s', p_table, p_field, p_field, p_limit)
            using p_value; end $$;"
    ))
    .await;
    assert_eq!(api.refused("select * from paginate_cursor('v_user', 'email', null)").await, "42804");
    assert_eq!(
        api.value("select count(*) from paginate_cursor('v_user', 'email', null::text)").await,
        "0",
        "greater than NULL is nothing"
    );
}

#[tokio::test]
async fn seed_27_views_stand_beside_tables_that_were_there() {
    let api = api("create table existing (id int primary key, a int, b text);
        insert into existing values (1, 10, 'x');
        create view v_existing with (security_invoker = true) as
            select id, jsonb_build_object('id', id, 'alpha', a, 'beta_value', b) as data from existing;")
    .await;
    let data =
        api.data("{ existings { __typename id alpha betaValue } existingCollection { edges { node { a b } } } }").await;
    assert_eq!(
        data,
        json!({"existings": [{"__typename": "Existing", "id": "1", "alpha": 10, "betaValue": "x"}],
               "existingCollection": {"edges": [{"node": {"a": 10, "b": "x"}}]}})
    );
    // Without any view there are the tables.
    let plain =
        crate::harness::api("create table existing (id int primary key, a int); insert into existing values (1, 2);")
            .await;
    assert_eq!(
        plain.data("{ existingCollection { edges { node { a } } } }").await["existingCollection"]["edges"][0]["node"]["a"],
        2
    );
}

#[tokio::test]
async fn seed_28_both_forms_of_outcomes_are_known_by_their_columns() {
    let api = api(&format!(
        "{PEOPLE}
         create type own_result as (success boolean, message text, data jsonb);
         create function fn_rename(p_id uuid, p_new_name text) returns own_result language plpgsql as $$
            begin update people set name = p_new_name where id = p_id;
            return row(found, 'renamed', '{{\"n\": 1}}')::own_result; end $$;
         create function fn_update_user(input_data jsonb) returns app.mutation_response language plpgsql as $$
            declare changed jsonb;
            begin
                update people set name = input_data ->> 'name' where id = (input_data ->> 'id')::uuid;
                if not found then
                    return app.mutation_err('not_found', 'There is nobody of this id', jsonb_build_object('id', input_data ->> 'id'));
                end if;
                select data into changed from v_user where id = (input_data ->> 'id')::uuid;
                return app.mutation_ok(changed, 'Changed', updated_fields => array['name']);
            end $$;
         comment on function fn_update_user is '@graphql({{\"entity\": \"User\"}})';"
    ))
    .await;
    let ann = "00000000-0000-4000-8000-000000000001";
    let short = api
        .data(&format!("mutation {{ rename(id: \"{ann}\", newName: \"Anna\") {{ __typename success data }} }}"))
        .await;
    assert_eq!(short["rename"], json!({"__typename": "RenameSuccess", "success": true, "data": {"n": 1}}));
    let long = async |id: &str| {
        let query = format!(
            "mutation {{ updateUser(input: {{id: \"{id}\", name: \"Zoe\"}}) {{ __typename succeeded message httpStatus
               ... on UpdateUserSuccess {{ entity {{ __typename name }} entityType updatedFields stateChanged }}
               ... on UpdateUserError {{ errorClass errorDetail }} }} }}"
        );
        let answer = api.ask(&query).await;
        assert_eq!(answer.status, 200);
        answer.json()["data"]["updateUser"].take()
    };
    assert_eq!(
        long(ann).await,
        json!({"__typename": "UpdateUserSuccess", "succeeded": true, "message": "Changed", "httpStatus": 200,
               "entity": {"__typename": "User", "name": "Zoe"}, "entityType": "User", "updatedFields": ["name"], "stateChanged": true})
    );
    assert_eq!(
        long("00000000-0000-4000-8000-0000000000ff").await,
        json!({"__typename": "UpdateUserError", "succeeded": false, "message": "There is nobody of this id", "httpStatus": 404,
               "errorClass": "not_found", "errorDetail": {"id": "00000000-0000-4000-8000-0000000000ff"}})
    );
    // The seed's example of a function is none: its body is no block.
    let seeds =
        "create function fn_create_user(input_data jsonb) returns own_result as $$ perform 1; $$ language plpgsql";
    assert_eq!(api.refused(seeds).await, "42601");
}
