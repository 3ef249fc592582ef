//! The bound on planner cost, hit by every verb. Rows, pages and embed depth: contract/rest/limits.case.

use ferrobase_catalog::QualifiedName;
use ferrobase_request::TransactionRules;
use serde_json::json;

use crate::harness::{Answer, Api, Setup};

const STOCK: &str = "
create table public.parts (id int primary key, name text, shelf int);
insert into public.parts select n, 'part ' || n, n % 50 from generate_series(1, 20000) as n;
analyze public.parts;
create table public.visits (at timestamptz default now());
create function public.visit() returns void language plpgsql as 'begin
    if current_setting(''transaction_read_only'') = ''off'' then insert into public.visits default values; end if;
end';
create function public.on_shelf(shelf int) returns setof public.parts stable
    language sql as 'select * from public.parts where parts.shelf = on_shelf.shelf order by name';
create function public.one(id int) returns setof public.parts stable
    language sql as 'select * from public.parts where parts.id = one.id';
";

/// Reading the whole table costs more than 300, one row by its key less than 20.
const MOST: f64 = 200.0;

async fn bounded() -> Api {
    let transaction = TransactionRules {
        max_cost: Some(MOST),
        pre_request: Some(QualifiedName::new("public".to_owned(), "visit".to_owned())),
        ..TransactionRules::default()
    };
    Setup { transaction, ..Setup::default() }.start(STOCK).await
}

fn is_refused(answer: &Answer) -> bool {
    let expected = json!({
        "code": "FB120",
        "message": "The request would cost more than is allowed",
        "details": null,
        "hint": "Filter by an indexed column, embed less, or ask for fewer rows.",
    });
    answer.status == 400 && answer.json() == expected
}

#[tokio::test]
async fn sec_22_costly_statements_are_refused_before_they_run_and_no_estimate_is_told() {
    let api = bounded().await;
    for (line, body) in [
        ("GET /parts?order=name", ""),
        ("GET /parts?name=eq.part 7", ""),
        ("PATCH /parts?shelf=eq.7", r#"{"shelf": 99}"#),
        ("DELETE /parts?name=eq.part 7", ""),
        ("GET /rpc/on_shelf?shelf=7", ""),
        ("POST /rpc/on_shelf", r#"{"shelf": 7}"#),
    ] {
        let answer = api.send(line, &[("content-type", "application/json")], body).await;
        assert!(is_refused(&answer), "{line}: {answer:?}");
    }
    let counted = api.send("GET /parts?id=eq.1&or=(name.eq.x,id.eq.1)", &[("prefer", "count=exact")], "").await;
    assert_eq!(counted.status, 200, "{counted:?}");
    assert_eq!(api.value("select count(*) from visits").await, "0", "refused requests leave nothing of pre-request");
    assert_eq!(api.value("select count(*) from parts where shelf <> 99").await, "20000");
}

#[tokio::test]
async fn cheap_statements_run_as_ever() {
    let api = bounded().await;
    for round in 1..=3 {
        assert_eq!(api.get("/parts?id=eq.7&select=name").await, json!([{"name": "part 7"}]), "round {round}");
        assert_eq!(api.get("/rpc/one?id=8&select=id").await, json!([{"id": 8}]));
        let prefer = [("prefer", "return=representation")];
        let new = format!(r#"{{"id": {}, "name": "new"}}"#, 30_000 + round);
        let made = api.send("POST /parts?select=name", &prefer, new).await;
        assert_eq!((made.status.as_u16(), made.json()), (201, json!([{"name": "new"}])));
        let twice = api.send("POST /parts", &prefer, r#"{"id": 1}"#).await;
        assert_eq!((twice.status.as_u16(), twice.code().as_str()), (409, "23505"));
        let changed = api.send("PATCH /parts?id=eq.1&select=shelf", &prefer, format!(r#"{{"shelf": {round}}}"#)).await;
        assert_eq!(changed.json(), json!([{ "shelf": round }]));
        let wrong = api.send("GET /parts?id=eq.x", &[], "").await;
        assert_eq!((wrong.status.as_u16(), wrong.code().as_str()), (400, "22P02"));
    }
    let estimated = api.send("GET /parts?id=eq.7", &[("prefer", "count=estimated")], "").await;
    assert_eq!((estimated.status.as_u16(), estimated.field("content-range")), (200, "0-0/1"));
}
