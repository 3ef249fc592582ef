//! Requests that come again: whatever is kept of the first ones, the answer is that of a request which nobody sent before.

use serde_json::json;

use crate::harness::{Answer, Api, api};

const SHELF: &str = "
create table public.books (id int primary key, title text not null, pages int);
create table public.notes (id int primary key, book_id int references public.books, body text);
insert into public.books values (1, 'Dune', 412), (2, 'Emma', 474), (3, 'Kim', null);
insert into public.notes values (1, 1, 'sand'), (2, 1, 'spice'), (3, 2, null);
create schema other;
create table other.books (id int primary key, place text);
insert into other.books values (7, 'elsewhere');
create function public.more(a int, b int default 1) returns int immutable return a + b;
create sequence public.counted;
create function public.count_up() returns bigint security definer return nextval('public.counted');
create function public.below(most int) returns setof public.books stable
  begin atomic select * from public.books where pages < most; end;
grant usage on schema other to anon, authenticated;
grant select on other.books to anon, authenticated;
";

const SINGLE: &str = "application/vnd.pgrst.object+json";

/// A request line, fields, a body.
type Asked<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);

async fn ask(api: &Api, line: &str, fields: &[(&str, &str)], body: &'static str) -> Answer {
    api.send(line, fields, body).await
}

/// What of an answer depends on the request alone.
fn seen(answer: &Answer) -> (u16, Vec<(String, String)>, String) {
    let names =
        ["content-type", "content-range", "content-location", "preference-applied", "content-profile", "etag", "link"];
    let fields = names.map(|name| (name.to_owned(), answer.field(name).to_owned()));
    (answer.status.as_u16(), fields.into(), answer.body.clone())
}

/// Every field and part of a request that an answer may depend on, each in two forms at least.
#[tokio::test]
async fn a_request_that_comes_again_is_answered_like_the_first() {
    let setup = crate::harness::Setup {
        rest: ferrobase_rest::config::RestSection {
            schemas: ["public", "other"].map(ferrobase_base::config::Identifier::from_static).into(),
            plan_enabled: true,
            ..Default::default()
        },
        ..Default::default()
    };
    let api = setup.start(SHELF).await;
    let requests: &[Asked<'_>] = &[
        ("GET /books", &[], ""),
        ("GET /books", &[("accept", "text/csv")], ""),
        ("GET /books", &[("accept", SINGLE)], ""),
        ("GET /books", &[("accept", "application/vnd.pgrst.array+json;nulls=stripped")], ""),
        ("GET /books", &[("accept", "application/x-ndjson")], ""),
        ("GET /books", &[("accept", "image/png")], ""),
        ("GET /books", &[("accept-profile", "other")], ""),
        ("GET /books", &[("accept-profile", "nowhere")], ""),
        ("GET /books", &[("content-profile", "other")], ""),
        ("GET /books", &[("range", "0-0")], ""),
        ("GET /books", &[("range", "1-2")], ""),
        ("GET /books", &[("range", "9-9"), ("prefer", "count=exact")], ""),
        ("GET /books", &[("prefer", "count=exact")], ""),
        ("GET /books", &[("prefer", "count=planned")], ""),
        ("GET /books", &[("prefer", "handling=strict, nonsense")], ""),
        ("GET /books", &[("prefer", "count=exact"), ("prefer", "timezone=Asia/Tokyo")], ""),
        ("GET /books", &[("prefer", "timezone=Nowhere")], ""),
        ("HEAD /books", &[], ""),
        ("HEAD /books", &[("prefer", "count=exact")], ""),
        ("GET /books?id=eq.1", &[], ""),
        ("GET /books?id=eq.2", &[], ""),
        ("GET /books?id=eq.1", &[("accept", SINGLE)], ""),
        ("GET /books?id=eq.x", &[], ""),
        ("GET /books?id=eq.99999999999999999999", &[], ""),
        ("GET /books?id=eq.3", &[("accept", SINGLE)], ""),
        ("GET /books?id=eq.9", &[("accept", SINGLE)], ""),
        ("GET /books?title=eq.Emma&pages=gte.412", &[], ""),
        ("GET /books?pages=gte.412&title=eq.Dune", &[], ""),
        ("GET /books?pages=gte.475&title=eq.Dune", &[], ""),
        ("GET /books?title=eq.null", &[], ""),
        ("GET /books?title=eq.Kim", &[("prefer", "count=exact")], ""),
        ("GET /books?id=gt.1&id=lt.3", &[], ""),
        ("GET /books?id=gt.2&id=lt.1", &[], ""),
        ("GET /books?id=gt.1&order=id&limit=1", &[], ""),
        ("GET /books?id=gt.2&order=id&limit=1", &[], ""),
        ("GET /books?id=gt.0&order=id&limit=1&cursor=first", &[], ""),
        ("GET /books?id=gt.1&order=id&limit=1&cursor=first", &[], ""),
        ("GET /books?select=id,notes(id)&notes.id=gt.1&id=eq.1", &[], ""),
        ("GET /books?select=id,notes(id)&notes.id=gt.2&id=eq.2", &[], ""),
        ("HEAD /books?id=eq.1", &[], ""),
        ("GET /rpc/below?most=450&id=eq.1", &[], ""),
        ("GET /rpc/below?most=450&id=eq.2", &[], ""),
        ("GET /books?select=title,notes(body)&order=title.desc&limit=2", &[], ""),
        ("GET /books?select=*,notes(*,books(title,notes(id)))&order=id", &[], ""),
        ("GET /books?select=*,notes(*)&id=eq.3", &[("accept", SINGLE)], ""),
        ("GET /books?select=*,notes(*)&id=gt.1", &[("accept", SINGLE)], ""),
        ("GET /books?select=id,notes!inner(id)&notes.body=eq.sand", &[], ""),
        ("GET /books?select=id,notes(count)&order=id", &[], ""),
        ("GET /books?select=id,...notes(id)&order=id", &[], ""),
        ("GET /books?select=id,notes(wrong)", &[], ""),
        ("GET /books?select=id,notes(id)&order=id", &[("prefer", "count=exact")], ""),
        ("GET /notes?select=id,of:books(title,t:title)&order=books(title).desc,id", &[], ""),
        ("GET /notes?select=id,of:books(title,t:title)&order=id&offset=1", &[], ""),
        ("GET /books?select=nothing", &[], ""),
        ("GET /nowhere", &[], ""),
        ("OPTIONS /books", &[], ""),
        ("GET /rpc/more?a=1", &[], ""),
        ("GET /rpc/more?a=1&b=5", &[], ""),
        ("POST /rpc/more", &[], "{\"a\":1}"),
        ("POST /rpc/more", &[], "{\"a\":2}"),
        ("POST /rpc/more", &[("content-type", "text/csv")], "a\n4\n"),
        ("POST /rpc/more", &[("content-type", "application/x-www-form-urlencoded")], "a=5"),
        ("POST /rpc/more", &[("content-type", "application/x-www-form-urlencoded")], "a=6"),
        ("POST /rpc/below?select=title", &[("accept", "text/csv")], "{\"most\":450}"),
        ("GET /rpc/below?most=450", &[("prefer", "count=exact")], ""),
    ];
    let mut first = Vec::new();
    for (line, fields, body) in requests {
        first.push(seen(&ask(&api, line, fields, body).await));
    }
    for round in 2..5 {
        for ((line, fields, body), first) in requests.iter().zip(&first) {
            let again = seen(&ask(&api, line, fields, body).await);
            assert_eq!(again, *first, "time {round}: {line} {fields:?} {body}");
        }
    }
    // Nor does it matter who makes the JSON.
    api.prove().await;
    for round in 1..4 {
        for ((line, fields, body), first) in requests.iter().zip(&first) {
            let again = seen(&ask(&api, line, fields, body).await);
            assert_eq!(again, *first, "time {round} since it is known what runs: {line} {fields:?} {body}");
        }
    }
}

#[tokio::test]
async fn what_was_changed_meanwhile_shows() {
    let api = api(SHELF).await;
    for pages in [1, 2, 3, 4] {
        assert_eq!(api.get("/books?id=eq.3&select=pages").await[0]["pages"], json!(null), "{pages}");
    }
    for number in 1..6 {
        let answer = ask(&api, "POST /rpc/count_up", &[], "{}").await;
        assert_eq!(answer.json(), json!(number), "a call is made each time");
    }
    api.db.script("alter table public.books rename column pages to leaves").await;
    api.reload().await;
    for _ in 0..3 {
        assert_eq!(ask(&api, "GET /books?id=eq.3&select=pages", &[], "").await.code(), "42703");
        assert_eq!(api.get("/books?id=eq.3&select=leaves").await, json!([{"leaves": null}]));
    }
}

#[tokio::test]
async fn what_was_just_changed_shows_in_rows_below_rows() {
    let api = api(SHELF).await;
    api.prove().await;
    let ask = "/books?select=*,notes(*)&id=eq.1&limit=1";
    assert_eq!(api.get(ask).await[0]["notes"][0], json!({"id": 1, "book_id": 1, "body": "sand"}));
    // Nobody has told the server of any of these.
    for (change, note) in [
        ("notes alter id type text", json!({"id": "1", "book_id": 1, "body": "sand"})),
        ("notes drop column body", json!({"id": "1", "book_id": 1})),
        ("notes add column body json default '[1]'", json!({"id": "1", "book_id": 1, "body": [1]})),
    ] {
        api.db.script(&format!("alter table public.{change}")).await;
        let books = api.get(ask).await;
        assert_eq!((&books[0]["title"], &books[0]["notes"][0]), (&json!("Dune"), &note), "{change}");
    }
}

#[tokio::test]
async fn sec_05_nobody_gets_the_plan_of_another_role() {
    let api = crate::harness::Setup { allow_unprotected: Vec::new(), ..Default::default() }.start(SHELF).await;
    let service = format!("Bearer {}", ferrobase_testkit::token::of_role("service_role"));
    for _ in 0..4 {
        let open = ask(&api, "GET /books?select=id&id=eq.1", &[("authorization", &service)], "").await;
        assert_eq!(open.json(), json!([{"id": 1}]));
        let hidden = ask(&api, "GET /books?select=id&id=eq.1", &[], "").await;
        assert_eq!((hidden.status.as_u16(), hidden.code().as_str()), (404, "PGRST205"));
    }
}
