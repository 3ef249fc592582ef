//! JSON views beyond the seed: what hides them, what clashes, what goes wrong in documents, who is who between mutations.

use std::collections::HashMap;

use serde_json::json;

use crate::harness::{Setup, api};
use crate::plans::Plans;

#[tokio::test]
async fn a_name_that_a_table_has_is_the_tables() {
    let api = api(r#"create table "User" (id int primary key, a int);
        insert into "User" values (1, 1);
        create function users() returns int language sql stable as $$ select 7 $$;
        create table docs (id int primary key, data jsonb);
        insert into docs values (1, '{"__typename": "User", "b": 1}'), (2, '{"__typename": "User", "b": 2}');
        create view v_user with (security_invoker = true) as select id, data from docs;
        create view v_other with (security_invoker = true) as
            select id, jsonb_build_object('__typename', 'Other', 'user', data) as data from docs;
        create view v_taken with (security_invoker = true) as
            select id, jsonb_build_object('__typename', 'Taken', 'a', 1) as data from docs;
        create function takens() returns int language sql stable as $$ select 8 $$;"#)
    .await;
    let fields = api.data("{ __type(name: \"User\") { fields { name } } users takens }").await;
    assert_eq!(
        fields,
        json!({"__type": {"fields": [{"name": "nodeId"}, {"name": "id"}, {"name": "a"}]}, "users": 7, "takens": 8})
    );
    // Inside other documents what has the name of a table's type is a value.
    let others = api.data("{ others(where: {id: {eq: 2}}) { user } }").await;
    assert_eq!(others["others"], json!([{"user": {"__typename": "User", "b": 2}}]));
}

#[tokio::test]
async fn what_a_role_may_not_read_is_not_there() {
    let api = api("create table docs (id int primary key, secret int, data jsonb);
        insert into docs values (1, 5, '{\"a\": 1}');
        create view v_doc with (security_invoker = true) as select id, secret, data from docs;
        create view v_hidden with (security_invoker = true) as select id, data from docs;
        revoke all on v_doc, v_hidden from anon, authenticated;
        grant select (id, data) on v_doc to anon;
        grant select (id, secret) on v_hidden to anon;"
        .replace("grant select (id, secret) on v_hidden to anon;", "grant select (id) on v_hidden to anon;")
        .as_str())
    .await;
    assert_eq!(api.data("{ docs(where: {id: {eq: 1}}) { a } }").await["docs"], json!([{"a": 1}]));
    for query in [
        "{ docs(where: {secret: {eq: 5}}) { a } }",
        "{ docs(orderBy: [{secret: AscNullsLast}]) { a } }",
        "{ hiddens { a } }",
        "{ v_docCollection { edges { cursor } } }",
    ] {
        assert_eq!(api.ask(query).await.code(), "GRAPHQL_VALIDATION_FAILED", "{query}");
    }
    let other = api.ask_as(json!({"role": "authenticated"}), "{ docs { a } }").await;
    assert_eq!(other.code(), "GRAPHQL_VALIDATION_FAILED");
}

#[tokio::test]
async fn documents_that_break_the_promise_are_null_where_they_do() {
    let api = api(r#"create table docs (id int primary key, data jsonb);
        insert into docs select n, '{"__typename": "Doc", "n": 1, "s": "x", "b": true, "o": {"x": 1}, "l": [{"y": 1}], "id": 7}'
            from unnest(array[1, 101, 102]) n;
        create view v_doc with (security_invoker = true) as select id, data from docs;"#)
    .await;
    api.db
        .script(
            r#"insert into docs values (2, '{"n": "no", "s": {"k": 1}, "b": 1, "o": [1], "l": {"y": 1}, "id": null}'),
               (3, '{"o": {"x": "no"}, "l": [1, null, {"y": {}}]}'), (4, '[1]'), (5, null), (6, '"text"')"#,
        )
        .await;
    let data = api
        .data("{ docs(where: {id: {lt: 100}}, orderBy: [{id: AscNullsLast}]) { __typename id n s b o { x } l { y } } }")
        .await;
    let docs = data["docs"].as_array().unwrap();
    assert_eq!(
        docs[0],
        json!({"__typename": "Doc", "id": "7", "n": 1, "s": "x", "b": true, "o": {"x": 1}, "l": [{"y": 1}]})
    );
    assert_eq!(
        docs[1],
        json!({"__typename": "Doc", "id": null, "n": null, "s": "{\"k\": 1}", "b": null, "o": null, "l": null})
    );
    assert_eq!((&docs[2]["o"], &docs[2]["l"]), (&json!({"x": null}), &json!([null, null, {"y": null}])));
    assert_eq!(docs[3..], [json!(null), json!(null), json!(null)]);
}

#[tokio::test]
async fn documents_of_several_types_make_a_list_of_a_union_where_a_comment_says_so() {
    let api = api(r#"create table docs (id int primary key, data jsonb);
        insert into docs values (1, '{"__typename": "Cat", "lives": 9}'), (2, '{"__typename": "Dog", "tricks": ["sit"]}'),
            (3, '{"__typename": "Eel", "slips": true}');
        create view v_pets with (security_invoker = true) as select id, data from docs;
        comment on view v_pets is '@graphql({"one_of": ["Cat", "Dog"]})';"#)
    .await;
    let query = "{ pets(orderBy: [{id: AscNullsLast}]) { __typename ... on Cat { lives } ... on Dog { tricks } }
        petsConnection(first: 1) { edges { node { ... on Cat { n: lives } } } } }";
    assert_eq!(
        api.data(query).await,
        json!({"pets": [{"__typename": "Cat", "lives": 9}, {"__typename": "Dog", "tricks": ["sit"]}, null],
               "petsConnection": {"edges": [{"node": {"n": 9}}]}})
    );
}

#[tokio::test]
async fn types_that_only_hidden_rows_name_are_asked_for_and_not_said_to_have_no_rows() {
    let api = api(r#"create table docs (id int primary key, kind text);
        alter table docs enable row level security; create policy all_of_them on docs using (true);
        insert into docs values (1, 'Cat'), (2, 'Dog');
        create view v_pets with (security_invoker = true) as
            select id, jsonb_build_object('__typename', case when kind = 'Cat' then 'Cat' else 'Dog' end, 'id', id) as data from docs;
        comment on view v_pets is '@graphql({"one_of": ["Cat", "Dog"]})';
        create view v_nothing as select 1 as id, null::jsonb as data;"#)
    .await;
    let told = api.mistakes();
    let of = |name: &str| told.iter().find(|text| text.starts_with(name)).cloned().unwrap_or_default();
    assert!(of("public.v_pets").contains("declare them as `types`"), "{told:?}");
    assert!(of("public.v_nothing").contains("has no rows"), "{told:?}");
}

/// Two views over one table of documents that anybody may write: `v_doc` says what stands in it, `v_raw` shows it as it is.
const OPEN: &str = "create table todos (id int primary key, title text, done boolean);
    create type mood as enum ('good', 'bad');
    create table moods (id int primary key, mood mood, moods mood[]);
    create function fn_add(input_data jsonb) returns app.mutation_result language sql as
        $$ select true, 'ok', null::jsonb $$;
    comment on function fn_add is '@graphql({\"input\": {\"a\": \"Int\"}})';
    create function listed() returns table (n int) language sql stable as $$ select 1 $$;
    create table docs (id int primary key, e jsonb);
    insert into docs values (1, '{\"a\": 1}'), (2, '{\"a\": 1}'), (3, '{\"a\": 1}');
    create view v_doc with (security_invoker = true) as
        select id, 'x' as word, jsonb_build_object('__typename', 'Doc', 'id', id, 'e', e) as data from docs;
    create view v_raw with (security_invoker = true) as select id, 'x' as word, e as data from docs;";

#[tokio::test]
async fn sec_no_name_in_a_document_breaks_the_schema_or_takes_a_type_of_others() {
    let api = api(OPEN).await;
    let types = async || {
        let data = api.data("{ __schema { types { kind name fields { name } inputFields { name } } } }").await;
        let types = data["__schema"]["types"].as_array().unwrap().clone();
        types.into_iter().map(|one| (one["name"].as_str().unwrap().to_owned(), one)).collect::<HashMap<_, _>>()
    };
    let before = types().await;
    assert!(
        ["StringFilter", "moodListFilter", "AddInput", "AddSuccess", "ListedRow", "DocsEdge"]
            .iter()
            .all(|name| before.contains_key(*name))
    );
    let still = "{ docs(first: 1, where: {id: {eq: 1}}) { __typename id } raws(first: 1, where: {id: {eq: 1}}) { __typename a } }";
    let answer = api.data(still).await;
    let mut names: Vec<_> = before.keys().filter(|name| !name.starts_with("__")).cloned().collect();
    names.extend(
        ["RawsConnection", "RawEdge", "IntListFilter", "moodFilter", "x y", "__Type", "", "_Any"].map(str::to_owned),
    );
    for name in names {
        let evil = json!({"__typename": name, "evil": 1}).to_string().replace('\'', "''");
        api.db.script(&format!("delete from docs where id > 3; insert into docs values (4, '{evil}')")).await;
        api.reload().await;
        assert_eq!(api.data(still).await, answer, "{name}");
        let now = types().await;
        for (known, of) in &before {
            // What is open stays so: fields of documents grow.
            if !matches!(known.as_str(), "Doc" | "DocE" | "Raw") {
                assert_eq!(now.get(known), Some(of), "{known} after {name}");
            }
        }
    }
}

#[tokio::test]
async fn sec_a_document_changes_neither_the_type_of_a_view_nor_what_another_view_shows() {
    let api = api(OPEN).await;
    let query = "{ docs(where: {id: {eq: 1}}) { __typename id } raws(where: {id: {eq: 1}}) { __typename a } }";
    let before = api.data(query).await;
    assert_eq!(before, json!({"docs": [{"__typename": "Doc", "id": "1"}], "raws": [{"__typename": "Raw", "a": 1}]}));
    api.db
        .script(
            r#"insert into docs values (5, '{"__typename": "Doc", "id": {"x": 1}, "e": 5}'), (6, '{"__typename": "Other", "a": 1}'),
                (7, '{"__typename": "Raw", "a": 1}')"#,
        )
        .await;
    api.reload().await;
    assert_eq!(api.data(query).await, before);
    let fields = api.data("{ __type(name: \"Doc\") { fields { name type { name } } } }").await;
    assert!(fields["__type"]["fields"].as_array().unwrap().contains(&json!({"name": "id", "type": {"name": "ID"}})));
    // A comment's name is the type's, whatever documents say.
    api.db.script("comment on view v_raw is '@graphql({\"name\": \"Paper\"})'").await;
    api.reload().await;
    let named =
        api.data("{ raws: raw(where: {id: {in: [1, 6]}}, orderBy: [{id: AscNullsLast}]) { __typename a } }").await;
    assert_eq!(named["raws"], json!([{"__typename": "Paper", "a": 1}, {"__typename": "Paper", "a": 1}]));
}

/// Everything that the schema says.
const WHOLE: &str =
    "{ __schema { types { name description fields(includeDeprecated: true) { name deprecationReason } } } }";

#[tokio::test]
async fn sec_values_of_rows_that_are_hidden_are_not_in_the_schema() {
    let api = api(r#"create table notes (id int primary key, owner text, note jsonb);
        alter table notes enable row level security;
        create policy own on notes using (owner = auth.jwt() ->> 'sub');
        insert into notes select n, 'ann', jsonb_build_object('__typename', 'AnnsDisease', 'a', 1,
            '__deprecated', '{"a": "Ann is ill"}'::jsonb) from generate_series(1, 5) n;
        create view v_base with (security_invoker = true) as select id,
            jsonb_build_object('__typename', 'Base', 'id', id, 'note', note, '__deprecated', note -> '__deprecated') as data from notes;
        create view v_note with (security_invoker = true) as select id, jsonb_build_object('__typename', 'Noted',
            'note', note, 'base', data, '__deprecated', note -> '__deprecated') as data from notes join v_base using (id);
        create table tv_kept (id int primary key, data jsonb);
        alter table tv_kept enable row level security;
        insert into tv_kept select id, note from notes;
        create function v_all() returns table (id int, data jsonb) language sql stable as $$ select id, note from notes $$;
        create table tv_open (id int primary key, data jsonb);
        insert into tv_open values (1, '{"__typename": "Opened", "a": 1, "__deprecated": {"a": "Use b"}}');"#)
    .await;
    let whole = api.data(WHOLE).await.to_string();
    assert!(!whole.contains("Disease") && !whole.contains("Ann is ill"), "{whole}");
    // What definitions write are no values; what everybody may read is no secret.
    let names =
        api.data("{ notes { __typename base { __typename note { a } } note { a } } opens { __typename } }").await;
    assert_eq!(names, json!({"notes": [], "opens": [{"__typename": "Opened"}]}));
    let known = ["Noted", "Base", "Kept", "All", "Opened", "Use b"];
    assert!(known.iter().all(|name| whole.contains(&format!("\"{name}\""))), "{whole}");
    // It is a secret from when rows are hidden.
    api.db.script("alter table tv_open enable row level security").await;
    api.reload().await;
    let whole = api.data(WHOLE).await.to_string();
    assert!(!whole.contains("Opened") && !whole.contains("Use b"), "{whole}");
}

#[tokio::test]
async fn sec_words_of_users_that_are_keys_are_no_fields() {
    let api = api(r#"create table docs (id int primary key, data jsonb);
        insert into docs select n, jsonb_build_object('votes', jsonb_build_object('user_' || n, 1), 'steady', '{"x": 1}'::jsonb,
            'list', '[{"y": 1}, {"y": 2}, {"y": 3}, {"y": 4}]'::jsonb) from generate_series(1, 5) n;
        create view v_doc with (security_invoker = true) as select id, data from docs;
        create view v_two with (security_invoker = true) as select id, data from docs where id < 3;
        create view v_one with (security_invoker = true) as select id, data from docs where id = 1;
        create view v_off with (security_invoker = true) as select id, data from docs;
        comment on view v_off is '@graphql({"sample": false, "fields": {"steady": "JSON"}})';"#)
    .await;
    let whole = api.data(WHOLE).await.to_string();
    assert!(!whole.to_lowercase().contains("user1") && !whole.contains("user_1"), "{whole}");
    let data = api
        .data(
            "{ docs(where: {id: {eq: 2}}) { votes steady { x } list(first: 1) { y } }
        ones { votes steady list } twos(first: 1) { steady } offs(first: 1) { steady } }",
        )
        .await;
    assert_eq!(data["docs"], json!([{"votes": {"user_2": 1}, "steady": {"x": 1}, "list": [{"y": 1}]}]));
    assert_eq!(data["ones"][0]["list"][0], json!({"y": 1}));
    let off = api.data("{ __type(name: \"Off\") { fields { name } } }").await;
    assert_eq!(off["__type"]["fields"], json!([{"name": "steady"}]));
    // The same documents, seen again, are no more documents.
    for _ in 0..3 {
        api.reload().await;
    }
    assert_eq!(api.data("{ ones { votes } }").await["ones"], json!([{"votes": {"user_1": 1}}]));
}

#[tokio::test]
async fn a_view_with_texts_beside_its_documents_is_there_with_trigrams_too() {
    let api = api(&format!("create extension if not exists pg_trgm schema extensions; {OPEN}")).await;
    let data = api.data("{ docs(where: {word: {eq: \"x\"}, id: {eq: 1}}) { id } }").await;
    assert_eq!(data["docs"], json!([{"id": "1"}]));
}

#[tokio::test]
async fn texts_of_documents_and_comments_stay_texts() {
    let evil = "x') FROM pg_authid; --";
    let api = api(&format!(
        r#"create table docs (id int primary key, data jsonb);
        insert into docs values (1, jsonb_build_object('__typename', 'Doc', 'a', 1, $t${evil}$t$, 2, 'it''s', 3, '$$', 4));
        insert into docs values (2, jsonb_build_object('__typename', $t${evil}$t$, 'a', 1));
        create view v_doc with (security_invoker = true) as select id, data from docs where id = 1;
        create view v_evil with (security_invoker = true) as select id, data from docs where id = 2;
        comment on column v_doc.data is '@graphql({{"fields": {{"it''s": "Int", "b": "Nobody", "c": 5, "__typename": "X"}}}})';"#
    ))
    .await;
    let fields = api.data("{ __type(name: \"Doc\") { fields { name } } }").await;
    assert_eq!(fields["__type"]["fields"], json!([{"name": "a"}, {"name": "b"}]));
    let key = "a".repeat(80);
    let long = api.data(&format!("{{ docs {{ {key}: a }} }}")).await;
    assert_eq!(long["docs"][0][&key], 1);
    assert_eq!(api.data("{ evils { __typename a } }").await["evils"], json!([{"__typename": "Evil", "a": 1}]));
}

#[tokio::test]
async fn what_users_write_in_documents_makes_no_types_where_it_is_declared() {
    let api = api(r#"create table docs (id int primary key, note jsonb);
        insert into docs values (1, '{"__typename": "Doc", "evil": 1}'), (2, '{"__typename": "Other", "evil": 1}');
        create view v_doc with (security_invoker = true) as select id, jsonb_build_object('__typename', 'Doc', 'id', id, 'note', note,
            '__deprecated', jsonb_build_object('note', 'Ask elsewhere')) as data from docs;
        comment on column v_doc.data is '@graphql({"fields": {"note": "JSON"}})';"#)
    .await;
    let data = api
        .data(
            "{ docs(where: {id: {eq: 1}}) { note } __type(name: \"Doc\") { fields(includeDeprecated: true) { name isDeprecated
               type { name } } } none: __type(name: \"Other\") { name } }",
        )
        .await;
    let field = |name: &str, deprecated: bool, of: &str| json!({"name": name, "isDeprecated": deprecated, "type": {"name": of}});
    assert_eq!(data["docs"], json!([{"note": {"__typename": "Doc", "evil": 1}}]));
    assert_eq!(data["__type"]["fields"], json!([field("id", false, "ID"), field("note", true, "JSONValue")]));
    assert_eq!(data["none"], json!(null));
}

#[tokio::test]
async fn only_what_was_asked_for_leaves_the_database() {
    let api = api(r#"create table docs (id int primary key, data jsonb);
        insert into docs select n, '{"a": 1, "deep": {"b": [{"c": 1, "d": 2}], "e": 3}}' from generate_series(1, 3) n;
        create view v_doc with (security_invoker = true) as select id, data from docs;"#)
    .await;
    let plans = Plans::record();
    let data = api.data("{ docs(first: 1) { deep { b { c } } } }").await;
    assert_eq!(data["docs"], json!([{"deep": {"b": [{"c": 1}]}}]));
    let (sql, count) = (plans.sql(), plans.count());
    assert!(count == 1 && !sql.contains("'d'") && !sql.contains("'e'") && !sql.contains("'a'"), "{sql}");
}

#[tokio::test]
async fn a_document_is_made_once_for_each_row_of_the_page_and_for_no_other() {
    let api = api("create table docs (id int primary key, a int, b int);
        insert into docs select n, n, n from generate_series(1, 500) n;
        create table made (n int);
        create function note(n int) returns int language plpgsql security definer as $$
            begin insert into public.made values (n); return n; end $$;
        create function dear(n int) returns int language plpgsql stable as $$ begin return public.note(n); end $$;
        create view v_doc with (security_invoker = true) as
            select id, jsonb_build_object('a', dear(a), 'b', b, 'c', jsonb_build_object('d', b)) as data from docs;
        comment on column v_doc.data is '@graphql({\"fields\": {\"a\": \"Int\", \"b\": \"Int\", \"c\": {\"d\": \"Int\"}}})';")
    .await;
    api.db.script("truncate made").await;
    // The view counts how often it is made, which no request lets it do: the statement is run by hand.
    let mut session = api.db.connect().await;
    let plans = Plans::record();
    assert_eq!(
        api.ask("{ docs(orderBy: [{id: DescNullsLast}], first: 3) { a b c { d } } }").await.code(),
        "BAD_USER_INPUT"
    );
    let sql = plans.sql();
    session.script(&format!("prepare asked as {sql}")).await.unwrap();
    session.query("execute asked", &[]).await.unwrap();
    assert_eq!(api.value("select count(*) from made").await, "3");
}

#[tokio::test]
async fn a_mutation_that_changes_who_asks_changes_nothing_for_the_next() {
    let api = api("create function set_tenant_context(p_tenant_id text, p_user_id text) returns void language plpgsql as $$
            begin
                perform set_config('app.current_tenant_id', p_tenant_id, true);
                perform set_config('app.tenant_id', p_tenant_id, true);
                perform set_config('request.jwt.claims', '{\"role\": \"service_role\"}', true);
            end $$;
        create function whoever() returns text language sql volatile as $$
            select current_user || ':' || coalesce(app.tenant_id(), 'none') || ':' || coalesce(auth.role(), 'none') $$;")
    .await;
    let query = "mutation { before: whoever set_tenant_context(p_tenant_id: \"b\", p_user_id: \"c\") { success } after: whoever }";
    let claims = json!({"role": "authenticated", "app_metadata": {"tenant_id": "a"}});
    let data = api.data_as(claims, query).await;
    assert_eq!(
        (&data["before"], &data["after"]),
        (&json!("authenticated:a:authenticated"), &json!("authenticated:a:authenticated"))
    );
    assert_eq!(data["set_tenant_context"], json!({"success": true}));
}

#[tokio::test]
async fn a_view_without_rows_has_the_type_that_is_declared() {
    let api = api("create table docs (id int primary key, data jsonb);
        create view v_doc with (security_invoker = true) as select id, data from docs;
        create view v_nothing with (security_invoker = true) as select id, data from docs;
        comment on view v_doc is 'Papers. @graphql({\"name\": \"Paper\", \"field\": \"papers\", \"fields\": {\"title\": \"String\", \"pages\": [\"Int\"]}})';")
    .await;
    assert_eq!(api.data("{ papers { __typename title pages } }").await, json!({"papers": []}));
    assert_eq!(api.ask("{ nothings { __typename } }").await.code(), "GRAPHQL_VALIDATION_FAILED");
}

#[tokio::test]
async fn a_list_is_no_longer_than_pages_may_be() {
    let mut setup = Setup::default();
    setup.graphql.max_rows = Some(5);
    let api = setup
        .start(
            "create table docs (id int primary key);
             insert into docs select generate_series(1, 9);
             create view v_doc with (security_invoker = true) as select id, jsonb_build_object('id', id) as data from docs;",
        )
        .await;
    for arguments in ["", "(first: 100)", "(limit: 100, orderBy: [{id: AscNullsLast}])"] {
        let data = api.data(&format!("{{ docs{arguments} {{ id }} }}")).await;
        assert_eq!(data["docs"].as_array().unwrap().len(), 5, "{arguments}");
    }
    assert_eq!(api.ask("{ docs(first: -1) { id } }").await.code(), "BAD_USER_INPUT");
}

#[tokio::test]
async fn plans_that_are_kept_belong_to_no_caller_and_to_no_values() {
    let api = api("create table docs (id int primary key, owner text, items int[]);
        insert into docs values (1, 'ann', '{1,2,3}'), (2, 'bob', '{4,5}');
        create function v_mine(p_viewer_id text default 'nobody') returns table (id int, data jsonb) language sql stable as $$
            select id, jsonb_build_object('owner', owner, 'items', items, 'viewer', p_viewer_id) from docs where owner = p_viewer_id $$;
        create view v_doc with (security_invoker = true) as
            select id, jsonb_build_object('owner', owner, 'items', items) as data from docs;
        comment on function v_mine is '@graphql({\"name\": \"Mine\", \"fields\": {\"owner\": \"String\", \"viewer\": \"String\"}})';")
    .await;
    for _ in 0..3 {
        for name in ["ann", "bob"] {
            let data = api.data_as(json!({"role": "authenticated", "sub": name}), "{ mines { owner viewer } }").await;
            assert_eq!(data["mines"], json!([{"owner": name, "viewer": name}]));
        }
        assert_eq!(api.data("{ mines { owner } }").await["mines"], json!([]));
    }
    let query = "query ($id: Int, $n: Int, $page: Int, $skip: Boolean!) { docs(where: {id: {gte: $id}}, first: $page,
        orderBy: [{id: AscNullsLast}]) { owner items(first: $n) @skip(if: $skip) } }";
    for (variables, expected) in [
        (json!({"id": 1, "n": 1, "page": 1, "skip": false}), json!([{"owner": "ann", "items": [1]}])),
        (
            json!({"id": 1, "n": 2, "page": 2, "skip": false}),
            json!([{"owner": "ann", "items": [1, 2]}, {"owner": "bob", "items": [4, 5]}]),
        ),
        (json!({"id": 2, "n": 1, "page": 5, "skip": false}), json!([{"owner": "bob", "items": [4]}])),
        (json!({"id": 2, "n": 1, "page": 5, "skip": true}), json!([{"owner": "bob"}])),
        (json!({"id": 1, "page": 1, "skip": false}), json!([{"owner": "ann", "items": [1, 2, 3]}])),
    ] {
        for _ in 0..3 {
            let answer = api.ask_with(&[], query, variables.clone()).await.json();
            assert_eq!(answer["data"]["docs"], expected, "{variables}: {answer}");
        }
    }
}

#[tokio::test]
async fn whole_numbers_are_whole_and_of_32_bits_or_null() {
    let api = api(r#"create table docs (id int primary key, data jsonb);
        insert into docs values (1, '{"n": 1, "l": [1]}');
        create view v_doc with (security_invoker = true) as select id, data from docs;"#)
    .await;
    api.db
        .script(
            r#"insert into docs values (2, '{"n": 1.5, "l": [2.0, 0.1, -2147483648]}'), (3, '{"n": 99999999999}'),
                (4, '{"n": 2147483647}'), (5, '{"n": 1e2}'), (6, '{"n": 1e400}'), (7, '{"n": "7"}')"#,
        )
        .await;
    let data = api.data("{ docs(orderBy: [{id: AscNullsLast}]) { n l } }").await;
    let docs = data["docs"].as_array().unwrap();
    let numbers: Vec<_> = docs.iter().map(|doc| doc["n"].clone()).collect();
    assert_eq!(json!(numbers), json!([1, null, null, 2_147_483_647, 100, null, null]));
    assert_eq!(docs[1]["l"], json!([2, null, -2_147_483_648_i64]));
}
