//! What an operation of a batch cannot have: it is refused, because passing over it would be silent.

use ferrobase_rest::config::{RestSection, TxEnd};
use serde_json::{Value, json};

use crate::harness::{Answer, Api, Setup, api};

const FILMS: &str = "
create table public.film (id int primary key, title text, data jsonb);
insert into public.film (id, title) values (1, 'one'), (2, 'two'), (3, 'three');
create function public.films() returns setof film language sql stable as 'select * from film';
";

async fn send(api: &Api, batch: &Value) -> Answer {
    api.send("POST /", &[], batch.to_string()).await
}

fn refused(answer: &Answer, why: &str) {
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "FB152"), "{answer:?}");
    let details = answer.json()["details"].as_str().unwrap_or_default().to_owned();
    assert!(details.contains(why), "{details} does not tell of {why}");
}

#[tokio::test]
async fn a_lock_that_would_lock_nothing_is_refused() {
    let api = api(FILMS).await;
    let locked = |path: &str| json!([{"method": "GET", "path": path, "lock": "update"}]);
    refused(&send(&api, &locked("/rpc/films?id=eq.1")).await, "a function returns");
    refused(&send(&api, &locked("/film?cursor=first&order=id")).await, "cursor");
    let table = send(&api, &locked("/film?id=eq.1&select=id")).await;
    assert_eq!(table.json()[0]["body"], json!([{"id": 1}]), "{table:?}");
}

#[tokio::test]
async fn the_end_of_the_transaction_is_not_for_an_operation_to_choose() {
    let rest = RestSection { tx_end: TxEnd::CommitAllowOverride, ..RestSection::default() };
    let api = Setup { rest, ..Setup::default() }.start(FILMS).await;
    for prefer in ["tx=rollback", "tx=rollback, handling=lenient", "return=minimal,tx=commit"] {
        let batch = json!([{"method": "POST", "path": "/film", "body": {"id": 9}, "headers": {"Prefer": prefer}}]);
        refused(&send(&api, &batch).await, "for the batch as a whole");
    }
    assert_eq!(api.value("select count(*) from film").await, "3");

    let batch = json!([{"method": "POST", "path": "/film", "body": {"id": 9}}]).to_string();
    let undone = api.send("POST /", &[("prefer", "tx=rollback, return=minimal")], batch.clone()).await;
    assert_eq!((undone.status.as_u16(), undone.field("preference-applied")), (200, "tx=rollback"), "{undone:?}");
    assert_eq!(api.value("select count(*) from film").await, "3");
    let strict = api.send("POST /", &[("prefer", "handling=strict, nonsense")], batch.clone()).await;
    assert_eq!((strict.status.as_u16(), strict.code().as_str()), (400, "PGRST122"), "{strict:?}");
    let kept = api.send("POST /", &[("prefer", "tx=commit, handling=strict")], batch).await;
    assert_eq!(kept.field("preference-applied"), "tx=commit, handling=strict");
    assert_eq!(api.value("select count(*) from film").await, "4");
}

#[tokio::test]
async fn an_operation_may_not_choose_and_need_not_where_nobody_may() {
    let api = api(FILMS).await;
    let prefer = json!({"Prefer": "tx=rollback, return=minimal"});
    let kept = send(&api, &json!([{"method": "POST", "path": "/film", "body": {"id": 9}, "headers": prefer}])).await;
    assert_eq!(kept.json()[0]["headers"]["preference-applied"], "return=minimal", "as alone: {kept:?}");
    assert_eq!(kept.field("preference-applied"), "");
}

#[tokio::test]
async fn references_stand_only_where_they_are_replaced() {
    let api = api(FILMS).await;
    let first = json!({"method": "GET", "path": "/film?select=n:id&id=eq.2"});
    for (place, path) in [
        ("limit", "/film?select=id&limit={/0/body/0/n}"),
        ("offset", "/film?select=id&offset={/0/body/0/n}"),
        ("order", "/film?select=id&order={/0/body/0/n}"),
        ("films.limit", "/film?select=id&films.limit={/0/body/0/n}"),
        ("columns", "/film?columns={/0/body/0/n}"),
        ("distinct", "/film?select=id&distinct={/0/body/0/n}"),
        ("cursor", "/film?select=id&cursor={/0/body/0/n}"),
    ] {
        let answer = send(&api, &json!([first, {"method": "GET", "path": path}])).await;
        let is_grammar = answer.code() == "PGRST100";
        if !is_grammar {
            refused(&answer, &format!("'{place}'"));
        }
        assert_eq!(is_grammar, ["order", "columns", "distinct", "cursor"].contains(&place), "{answer:?}");
    }
    let ranged = json!({"method": "GET", "path": "/film", "headers": {"Range": "{/0/body/0/n}-2"}});
    refused(&send(&api, &json!([first, ranged])).await, "'range'");
    let filled =
        json!({"method": "GET", "path": "/film?select=id&or=(id.eq.{/0/body/0/n},id.eq.9)&id=gte.{/0/body/0/n}"});
    assert_eq!(send(&api, &json!([first, filled])).await.json()[1]["body"], json!([{"id": 2}]));
}

#[tokio::test]
async fn json_of_another_name_is_json() {
    let api = api(FILMS).await;
    let merge = json!({"Content-Type": "application/merge-patch+json"});
    let patch = |body: Value| json!({"method": "PATCH", "path": "/film?id=eq.2", "headers": merge, "body": body});
    let first = json!({"method": "GET", "path": "/film?select=title&id=eq.1"});
    let batch = json!([
        first,
        patch(json!({"data": {"of": {"$ref": "/0/body/0/title"}}})),
        patch(json!("{\"data\":{\"b\":1}}"))
    ]);
    let answer = send(&api, &batch).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(api.value("select data from film where id = 2").await, r#"{"b": 1, "of": "one"}"#);
    let text = json!([{"method": "POST", "path": "/film", "headers": {"Content-Type": "text/csv"}, "body": {"id": 7}}]);
    refused(&send(&api, &text).await, "must be given as a text");
}
