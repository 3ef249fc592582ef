//! Changes inside of jsonb columns by PATCH.

use serde_json::{Value, json};

use crate::harness::{Answer, Api, api};

const USERS: &str = "
create table public.users (
  id int primary key, owner text not null default 'anon', name text, settings jsonb, extra json, \"a->b\" text
);
insert into public.users (id, settings) values
  (1, '{\"theme\": \"light\", \"size\": 3, \"tags\": [\"a\", \"b\"], \"deep\": {\"x\": 1, \"y\": {\"z\": 2}}}'), (2, null), (3, '[1, 2]');
insert into public.users (id, owner, settings) values (4, 'other', '{\"theme\": \"light\"}');
alter table public.users enable row level security;
create policy own on public.users using (owner = current_user);
create table public.narrow (id int primary key, settings jsonb, secret jsonb);
insert into public.narrow values (1, '{\"a\": 1}', '{\"b\": 2}');
";

async fn users() -> Api {
    let api = api(USERS).await;
    api.db
        .script(
            "revoke all on public.narrow from anon; grant select (id, settings), update (settings) on public.narrow to anon;
             grant update (secret) on public.narrow to authenticated",
        )
        .await;
    api
}

const SHOW: (&str, &str) = ("prefer", "return=representation");
const MERGE: (&str, &str) = ("content-type", "application/merge-patch+json; charset=utf-8");

async fn patched(api: &Api, id: i32, fields: &[(&str, &str)], body: &Value) -> Answer {
    let fields: Vec<_> = std::iter::once(SHOW).chain(fields.iter().copied()).collect();
    api.send(&format!("PATCH /users?select=settings&id=eq.{id}"), &fields, body.to_string()).await
}

async fn settings(api: &Api, id: i32, fields: &[(&str, &str)], body: Value) -> Value {
    let answer = patched(api, id, fields, &body).await;
    assert_eq!(answer.status, 200, "{body}: {answer:?}");
    answer.json()[0]["settings"].clone()
}

#[tokio::test]
async fn a_value_is_set_at_a_path() {
    let api = users().await;
    let changed =
        settings(&api, 1, &[], json!({"settings->theme": "dark", "settings->deep->y->z": [1], "name": "Ann"})).await;
    assert_eq!(changed["theme"], "dark");
    assert_eq!(changed["deep"], json!({"x": 1, "y": {"z": [1]}}));
    assert_eq!(changed["size"], 3);
    assert_eq!(api.value("select name from public.users where id = 1").await, "Ann");
    let changed = settings(&api, 1, &[], json!({"settings->tags->0": "first", "settings->tags->-1": null})).await;
    assert_eq!(changed["tags"], json!(["first", null]));
    // What is missing on the way is made.
    assert_eq!(settings(&api, 2, &[], json!({"settings->a->b": 1})).await, json!({"a": {"b": 1}}));
    assert_eq!(settings(&api, 1, &[], json!({"settings->\"odd -> key\"": true})).await["odd -> key"], true);
    // A column of that very name is a column.
    let whole = api.send("PATCH /users?id=eq.1&select=a:\"a->b\"", &[SHOW], r#"{"a->b": "x"}"#).await;
    assert_eq!(whole.json(), json!([{"a": "x"}]));
}

#[tokio::test]
async fn a_document_is_merged() {
    let api = users().await;
    let changed = settings(
        &api,
        1,
        &[MERGE],
        json!({"settings": {"theme": null, "size": 4, "deep": {"x": null, "y": {"w": {"v": null, "u": 1}}}, "new": {"k": null}}}),
    )
    .await;
    assert_eq!(changed, json!({"size": 4, "tags": ["a", "b"], "deep": {"y": {"z": 2, "w": {"u": 1}}}, "new": {}}));
    // What is no object becomes one; what is no object in the patch replaces.
    assert_eq!(settings(&api, 2, &[MERGE], json!({"settings": {"a": 1}})).await, json!({"a": 1}));
    assert_eq!(settings(&api, 3, &[MERGE], json!({"settings": {"a": 1}})).await, json!({"a": 1}));
    assert_eq!(settings(&api, 3, &[MERGE], json!({"settings": [1], "name": "Cid"})).await, json!([1]));
    assert_eq!(settings(&api, 3, &[MERGE], json!({"settings": null})).await, json!(null));
    assert_eq!(api.value("select name from public.users where id = 3").await, "Cid");
    // Other columns are columns, also when their value is an object.
    let extra = api.send("PATCH /users?id=eq.3&select=extra", &[SHOW, MERGE], r#"{"extra": {"a": null}}"#).await;
    assert_eq!(extra.json(), json!([{"extra": {"a": null}}]));
    // What `columns=` does not name is passed over.
    let body = r#"{"settings": {"size": 99}, "name": "Dee"}"#;
    let listed = api.send("PATCH /users?id=eq.1&columns=name&select=name,settings->size", &[SHOW, MERGE], body).await;
    assert_eq!(listed.json(), json!([{"name": "Dee", "size": 4}]));
}

#[tokio::test]
async fn numbers_and_hostile_keys_arrive_as_they_are() {
    let api = users().await;
    let body = r#"{"settings": {"big": 123456789012345678901234567890.5, "'; drop table users; --": {"\"": 1}}}"#;
    let answer = api.send("PATCH /users?id=eq.1&select=settings", &[SHOW, MERGE], body).await;
    assert!(answer.body.contains("123456789012345678901234567890.5"), "{answer:?}");
    assert_eq!(answer.json()[0]["settings"]["'; drop table users; --"], json!({"\"": 1}));
    let answer = patched(&api, 1, &[], &json!({"settings->\"'; drop table users; --\"": 1})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn policies_and_grants_are_those_of_an_update() {
    let api = users().await;
    for (fields, body) in
        [(&[][..], json!({"settings->theme": "dark"})), (&[MERGE][..], json!({"settings": {"theme": "dark"}}))]
    {
        assert_eq!(patched(&api, 4, fields, &body).await.json(), json!([]), "a row of somebody else");
    }
    assert_eq!(api.value("select settings ->> 'theme' from public.users where id = 4").await, "light");
    for (body, wanted) in [(r#"{"settings->a": 2}"#, 204), (r#"{"secret->b": 3}"#, 401)] {
        assert_eq!(api.send("PATCH /narrow?id=eq.1", &[], body).await.status, wanted, "{body}");
    }
    for (body, wanted) in [(r#"{"settings": {"a": 3}}"#, 204), (r#"{"secret": {"b": 3}}"#, 401)] {
        assert_eq!(api.send("PATCH /narrow?id=eq.1", &[MERGE], body).await.status, wanted, "{body}");
    }
    assert_eq!(api.value("select settings::text || secret::text from public.narrow").await, r#"{"a": 3}{"b": 2}"#);
}

#[tokio::test]
async fn what_cannot_be_set_is_told_and_changes_nothing() {
    let api = users().await;
    let long = format!(r#"{{"settings->{}": 1}}"#, "k".repeat(80));
    for (fields, body, code) in [
        (&[][..], r#"{"name->a": 1}"#, "FB129"),
        (&[], r#"{"nothing->a": 1}"#, "FB129"),
        (&[], r#"{"settings->>a": 1}"#, "FB129"),
        (&[], long.as_str(), "FB129"),
        (&[], r#"{"settings->size->a": 1, "name": "x"}"#, "22023"),
        (&[MERGE], r#"[{"settings": {}}]"#, "FB130"),
        (&[MERGE], r#"{"nothing": {}}"#, "PGRST204"),
        (&[MERGE], r#"{"settings": {"#, "PGRST102"),
    ] {
        let answer = api.send("PATCH /users?id=eq.1", fields, body.to_owned()).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, code), "{body}: {answer:?}");
    }
    let both = api.send("PATCH /users?id=eq.1", &[], r#"{"settings": {}, "settings->a": 1}"#).await;
    assert_eq!(both.status, 400, "{both:?}");
    let insert = api.send("POST /users", &[], r#"{"id": 9, "settings->a": 1}"#).await;
    assert_eq!((insert.status.as_u16(), insert.code().as_str()), (400, "PGRST204"));
    let insert = api.send("POST /users", &[MERGE], r#"{"id": 9}"#).await;
    assert_eq!((insert.status.as_u16(), insert.code().as_str()), (400, "PGRST102"));
    assert_eq!(api.value("select count(*) from public.users where name is not null or id = 9").await, "0");
}

#[tokio::test]
async fn an_index_cannot_fill_a_list_without_bound() {
    let api = users().await;
    let reached = settings(&api, 1, &[], json!({"settings->tags->10000": "far"})).await;
    assert_eq!(reached["tags"].as_array().map(Vec::len), Some(10_001));
    for body in [json!({"settings->tags->10001": 1}), json!({"settings->99999999999999999999": 1})] {
        let refused = patched(&api, 1, &[], &body).await;
        assert_eq!((refused.status.as_u16(), refused.code().as_str()), (400, "FB129"), "{body}: {refused:?}");
    }
    let many: serde_json::Map<_, _> = (0..11).map(|n| (format!("settings->l{n}->10000"), json!(1))).collect();
    let refused = patched(&api, 1, &[], &many.into()).await;
    assert!(refused.code() == "FB129" && refused.body.contains("together"), "{refused:?}");
}

#[tokio::test]
async fn a_path_whose_column_alone_is_listed_is_refused() {
    let api = users().await;
    for (target, body) in [
        ("PATCH /users?id=eq.1&columns=settings", json!({"settings->theme": "dark"})),
        ("PATCH /users?id=eq.1&columns=settings,name", json!([{"settings->theme": "dark", "name": "x"}])),
        ("PATCH /users?columns=id,settings", json!([{"id": 1, "settings->theme": "dark"}])),
    ] {
        let answer = api.send(target, &[], body.to_string()).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "FB129"), "{target}: {answer:?}");
    }
    assert_eq!(api.value("select settings->>'theme' from users where id = 1").await, "light");
    let listed = "PATCH /users?id=eq.1&columns=\"settings->theme\"&select=settings->>theme,name";
    let body = r#"{"settings->theme": "dark", "settings->size": 9, "name": "x"}"#;
    assert_eq!(api.send(listed, &[SHOW], body).await.json(), json!([{"theme": "dark", "name": null}]));
    assert_eq!(api.value("select settings->>'size' from users where id = 1").await, "3", "not listed, not used");
}
