//! What callers may not know of, and what policies leave of the rest.

use ferrobase_testkit::token;
use serde_json::json;

use crate::harness::Setup;

const TODOS: &str = "
create table public.open (id int primary key);
create table public.todos (id int primary key, user_id text not null, task text);
alter table public.todos enable row level security;
create policy own on public.todos using (user_id = auth.uid()::text or user_id = current_setting('app.user_id', true))
  with check (user_id = current_setting('app.user_id', true));
create view public.leak as select * from public.todos;
create view public.mine with (security_invoker = true) as select * from public.todos;
insert into public.todos values
  (1, '00000000-0000-0000-0000-000000000001', 'a'), (2, '00000000-0000-0000-0000-000000000002', 'b');
";

const ADA: &str = "00000000-0000-0000-0000-000000000001";

async fn guarded() -> crate::harness::Api {
    Setup { allow_unprotected: vec![], ..Setup::default() }.start(TODOS).await
}

#[tokio::test]
async fn sec_10_a_table_without_row_security_looks_like_none() {
    let api = guarded().await;
    for line in ["GET /open", "POST /open", "OPTIONS /open", "HEAD /open"] {
        let answer = api.send(line, &[], "{}").await;
        assert_eq!(answer.status, 404, "{line}");
    }
    let hidden = api.send("GET /open", &[], "").await;
    let missing = api.send("GET /open_", &[], "").await;
    assert_eq!(hidden.body, missing.body.replace("open_", "open"));
    let root = api.send("GET /", &[], "").await.json();
    let paths: Vec<_> = root["paths"].as_object().expect("paths").keys().collect();
    assert!(paths.iter().any(|path| *path == "/todos") && !paths.iter().any(|path| *path == "/open"), "{paths:?}");
    let service = format!("Bearer {}", token::of_role("service_role"));
    assert_eq!(api.send("GET /open", &[("authorization", &service)], "").await.status, 200);
}

#[tokio::test]
async fn sec_10_a_view_past_policies_is_refused() {
    let api = guarded().await;
    let answer = api.send("GET /leak", &[], "").await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (404, "FB205"));
    assert_eq!(api.get("/mine").await, json!([]));
}

#[tokio::test]
async fn policies_hold_for_every_verb() {
    let api = guarded().await;
    let bearer = format!("Bearer {}", token::of_user(ADA));
    let ada = [("authorization", bearer.as_str()), ("prefer", "return=representation")];
    assert_eq!(api.get("/todos").await, json!([]));
    assert_eq!(api.send("GET /todos?select=id", &ada, "").await.json(), json!([{"id": 1}]));
    assert_eq!(api.send("PATCH /todos?id=gt.0&select=id", &ada, r#"{"task":"x"}"#).await.json(), json!([{"id": 1}]));
    let foreign = api.send("POST /todos", &ada, r#"{"id":3,"user_id":"someone"}"#).await;
    assert_eq!((foreign.status.as_u16(), foreign.code().as_str()), (403, "42501"));
    assert_eq!(api.send("DELETE /todos?id=gt.0&select=id", &ada, "").await.json(), json!([{"id": 1}]));
    assert_eq!(api.value("select count(*) from todos").await, "1");
    // Nothing of Ada is left on the connection.
    assert_eq!(api.get("/todos").await, json!([]));
}

#[tokio::test]
async fn sec_22_counts_and_casts_do_not_tell() {
    let api = guarded().await;
    let counted = api.send("GET /todos", &[("prefer", "count=planned")], "").await;
    assert_eq!(counted.field("content-range"), "*/0");
    let bearer = format!("Bearer {}", token::of_user(ADA));
    let cast = api.send("GET /todos?select=task::regclass", &[("authorization", &bearer)], "").await;
    assert_eq!(cast.status, 400);
    assert!(!cast.body.contains("does not exist"), "{}", cast.body);
}

#[tokio::test]
async fn sec_22_hints_name_nothing_that_the_role_has_no_right_to() {
    let api = crate::harness::api(
        "create table public.stock (sku text primary key, amount int, secret_price int);
        create table public.private_notes (id int primary key, sku text references stock);
        create table public.sheets (id int primary key, sku text references stock);
        revoke all on stock, private_notes from anon; grant select (sku, amount) on stock to anon",
    )
    .await;
    for (line, named) in [
        ("/stock?select=sku,private_note(id)", None),
        ("/stock?select=sku,sheet(id)", Some("sheets")),
        ("/stock?select=sku,secret_pric", None),
        ("/stock?select=sku&secret_pric=eq.1", None),
    ] {
        let answer = api.send(&format!("GET {line}"), &[], "").await;
        assert_eq!(answer.status, 400, "{line}: {answer:?}");
        let hint = answer.json()["hint"].as_str().unwrap_or_default().to_owned();
        assert!(!answer.body.contains("private_notes") && !answer.body.contains("secret_price"), "{answer:?}");
        assert_eq!(hint.contains("Perhaps"), named.is_some_and(|named| hint.contains(named)), "{line}: {hint}");
    }
}
