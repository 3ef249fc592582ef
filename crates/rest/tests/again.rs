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
        ("POST /rpc/more", &[], "{\"a\":2,\"b\":7}"),
        ("POST /rpc/more", &[], "{\"b\":7,\"a\":3}"),
        ("POST /rpc/more", &[], "{\"a\":\"x\"}"),
        ("POST /rpc/more", &[], "{\"a\":1"),
        ("POST /rpc/more", &[], "{\"c\":1}"),
        ("POST /rpc/more", &[], "[{\"a\":1}]"),
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

const DIARY: &str = "
create table public.days (id int primary key, mood text not null default 'fine', doc jsonb);
create table public.pages (id int generated always as identity primary key, day_id int references public.days, body text);
";

/// Status and body of a write that tells what it wrote.
async fn write(api: &Api, line: &str, fields: &[(&str, &str)], body: impl Into<String>) -> (u16, String) {
    let mut all = vec![("prefer", "return=representation")];
    all.extend(fields);
    let answer = api.send(line, &all, body.into()).await;
    let code = if answer.status.is_success() { answer.json().to_string() } else { answer.code() };
    (answer.status.as_u16(), code)
}

#[tokio::test]
async fn writes_that_come_again_write_their_own_values() {
    let api = api(DIARY).await;
    let shown = |id: i32, mood: &str, doc: &str| format!(r#"[{{"id":{id},"mood":"{mood}","doc":{doc}}}]"#);
    let upsert = [("prefer", "resolution=merge-duplicates")];
    for round in 0..6 {
        let id = round + 1;
        let new = write(&api, "POST /days", &[], format!(r#"{{"id":{id},"mood":"m{round}"}}"#)).await;
        assert_eq!(new, (201, shown(id, &format!("m{round}"), "null")));
        let turned = write(&api, "POST /days", &[], format!(r#"{{ "mood":"t{round}","id":{} }}"#, id + 100)).await;
        assert_eq!(turned, (201, shown(id + 100, &format!("t{round}"), "null")));
        let short = write(&api, "POST /days", &[], format!(r#"{{"id":{}}}"#, id + 200)).await;
        assert_eq!(short, (201, shown(id + 200, "fine", "null")));
        let many = format!(r#"[{{"id":{},"mood":"a"}},{{"id":{},"mood":"b"}}]"#, id + 300, id + 400);
        assert_eq!(write(&api, "POST /days?columns=id", &[], many).await.0, 201);
        let csv =
            write(&api, "POST /days", &[("content-type", "text/csv")], format!("id,mood\n{},c\n", id + 500)).await;
        assert_eq!(csv, (201, shown(id + 500, "c", "null")));
        // Whatever kind of value stands at a key.
        for doc in
            [format!("{{\"a\":{round}}}"), format!("[{round}]"), round.to_string(), "\"x\"".into(), "null".into()]
        {
            let path = format!("PATCH /days?id=eq.{id}");
            let changed = write(&api, &path, &[], format!(r#"{{"doc":{doc}}}"#)).await;
            assert_eq!(changed, (200, shown(id, &format!("m{round}"), &doc)));
        }
        for (patch, doc) in
            [(r#"{"doc":{"a":1}}"#, r#"{"a":1}"#), (r#"{"doc":{"b":2}}"#, r#"{"a":1,"b":2}"#), (r#"{"doc":7}"#, "7")]
        {
            let path = format!("PATCH /days?id=eq.{id}");
            let merged = write(&api, &path, &[("content-type", "application/merge-patch+json")], patch).await;
            assert_eq!(merged, (200, shown(id, &format!("m{round}"), doc)), "{patch}");
        }
        let again = write(&api, "POST /days", &upsert, format!(r#"{{"id":{id},"mood":"u{round}"}}"#)).await;
        assert_eq!(again.1, shown(id, &format!("u{round}"), "7"));
        let put = format!(r#"{{"id":{id},"mood":"p{round}","doc":null}}"#);
        assert_eq!(
            write(&api, &format!("PUT /days?id=eq.{id}"), &[], put.clone()).await,
            (200, shown(id, &format!("p{round}"), "null"))
        );
        assert_eq!(write(&api, "PUT /days?id=eq.9999", &[], put).await.1, "PGRST115");
        let nested = format!(r#"{{"id":{},"mood":"n","pages":[{{"body":"p{round}"}}]}}"#, id + 600);
        let answer = write(&api, "POST /days?select=id,pages(body)", &[], nested).await;
        assert_eq!(answer, (201, format!(r#"[{{"id":{},"pages":[{{"body":"p{round}"}}]}}]"#, id + 600)));
        // Mistakes are told each time, between requests that are right.
        assert_eq!(write(&api, "POST /days", &[], format!(r#"{{"id":{id},"mood":"twice"}}"#)).await.1, "23505");
        assert_eq!(write(&api, "POST /days", &[], r#"{"id":"x","mood":"m"}"#).await.1, "22P02");
        assert_eq!(write(&api, "POST /days", &[], r#"{"id":7000,"mood":null}"#).await.1, "23502");
        assert_eq!(write(&api, "POST /days", &[], r#"{"id":7000,"mood":"m""#).await.1, "PGRST102");
        assert_eq!(write(&api, "POST /days", &[], r#"{"id":7000,"nothing":"m"}"#).await.1, "PGRST204");
        assert_eq!(
            write(&api, &format!("DELETE /days?id=eq.{}&select=id", id + 200), &[], "").await,
            (200, format!(r#"[{{"id":{}}}]"#, id + 200))
        );
    }
    let left = api.get("/days?select=count:id.count()").await;
    assert_eq!(left[0]["count"], json!(6 * 6));
}

/// Found by review: bytes that are no JSON may be those that stand for the keys of a body.
#[tokio::test]
async fn sec_05_no_body_is_taken_for_the_keys_of_another() {
    let api = api(SHELF).await;
    let keys = ["a\0", "a\0\0", "\0", "\0\0", "a"];
    for path in ["POST /rpc/more", "POST /rpc/more?columns=a"] {
        for round in 1..5 {
            for keys in keys {
                let refused = api.send(path, &[], keys.to_owned()).await;
                assert!(refused.status.is_client_error(), "{path} {keys:?}: {} {}", refused.status, refused.body);
            }
            let called = api.send(path, &[], format!(r#"{{"a":{round}}}"#)).await;
            assert_eq!(called.json(), json!(round + 1), "{path}");
            for keys in keys {
                assert!(api.send(path, &[], keys.to_owned()).await.status.is_client_error(), "{path} {keys:?}");
            }
        }
    }
}

/// Found by review: a body without keys looked like a filter with the same text.
#[tokio::test]
async fn a_filter_that_looks_like_the_body_keeps_its_value() {
    let api = api(SHELF).await;
    api.db
        .script("insert into public.books values (8, '{}', 1); grant execute on all functions in schema public to anon")
        .await;
    api.db.script("create function public.all_books() returns setof public.books stable begin atomic select * from public.books; end; grant execute on function public.all_books() to anon").await;
    api.reload().await;
    for body in ["{}", "{}", "{}", "{ }", "{  }", "{}"] {
        let found = api.send("POST /rpc/all_books?title=eq.{}&select=id", &[], body.to_owned()).await;
        assert_eq!(found.json(), json!([{"id": 8}]), "{body:?}");
    }
}

#[tokio::test]
async fn sec_05_nobody_writes_by_the_plan_of_another_role() {
    let api = api(DIARY).await;
    api.db.script("revoke insert, delete on public.days from anon").await;
    api.reload().await;
    let service = format!("Bearer {}", ferrobase_testkit::token::of_role("service_role"));
    for id in 0..5 {
        let body = format!(r#"{{"id":{id}}}"#);
        assert_eq!(write(&api, "POST /days", &[("authorization", &service)], body.clone()).await.0, 201);
        assert_eq!(write(&api, "POST /days", &[], body).await.1, "42501");
        assert_eq!(write(&api, &format!("DELETE /days?id=eq.{id}"), &[], "").await.1, "42501");
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

/// A row needs no columns to be one.
#[tokio::test]
async fn rows_of_which_nothing_is_shown_are_told_one_by_one() {
    let api = api(&format!(
        "{SHELF} create table public.bare (); insert into public.bare default values;
        insert into public.bare default values; insert into public.bare default values"
    ))
    .await;
    for proven in [false, true] {
        if proven {
            api.prove().await;
        }
        for _ in 0..4 {
            assert_eq!(api.get("/books?select=notes()").await, json!([{}, {}, {}]), "{proven}");
            assert_eq!(api.get("/books?select=notes()&limit=2").await, json!([{}, {}]), "{proven}");
            assert_eq!(api.get("/bare").await, json!([{}, {}, {}]), "{proven}");
        }
    }
}

/// Expressions of the database see the style of dates that its operator chose, whatever is selected beside them.
#[tokio::test]
async fn nothing_that_is_selected_changes_the_style_of_dates() {
    let api =
        api("do $$ begin execute format('alter database %I set datestyle = ''German''', current_database()); end $$;
        create table public.days (id int primary key, day date, at timestamptz);
        insert into days values (1, '2020-01-02', '2020-01-02 03:04:05+00'), (2, '2021-03-04', 'infinity');
        create view public.texts with (security_invoker) as select id, day, at, day::text as text from days;
        grant select on days, texts to anon; alter table days enable row level security;
        create policy not_2020 on days for select using (day::text not like '2020-%')")
        .await;
    let first = json!({"id": 1, "day": "2020-01-02", "at": "2020-01-02T03:04:05+00:00", "text": "02.01.2020"});
    for proven in [false, true] {
        if proven {
            api.prove().await;
        }
        for _ in 0..4 {
            for (ask, rows) in [
                ("/days?select=id&order=id", json!([{"id": 1}, {"id": 2}])),
                ("/days?select=id,day&id=eq.1", json!([{"id": 1, "day": "2020-01-02"}])),
                ("/days?select=at&order=id", json!([{"at": "2020-01-02T03:04:05+00:00"}, {"at": "infinity"}])),
                ("/texts?text=eq.02.01.2020", json!([first])),
                ("/days?select=day,as_text:day::text&id=eq.1", json!([{"day": "2020-01-02", "as_text": "02.01.2020"}])),
            ] {
                assert_eq!(api.get(ask).await, rows, "{ask}, proven: {proven}");
            }
        }
    }
}

#[tokio::test]
async fn a_uuid_is_the_same_however_it_comes() {
    let api = api("create table public.keys (id uuid, more uuid); insert into public.keys values
        ('0190b6f0-0000-7000-8000-00000000000f', null), ('ffffffff-ffff-ffff-ffff-ffffffffffff', gen_random_uuid())")
    .await;
    let ask = "/keys?order=id";
    let by_postgresql = api.get(ask).await;
    api.prove().await;
    // Text first, bytes once the statement is known.
    for _ in 0..6 {
        assert_eq!(api.get(ask).await, by_postgresql);
    }
    assert_eq!(by_postgresql[0], json!({"id": "0190b6f0-0000-7000-8000-00000000000f", "more": null}));
    // Nobody has told the server of this.
    api.db.script("alter table public.keys add more_of_it int").await;
    assert_eq!(api.get(ask).await[0]["more_of_it"], json!(null));
    assert_eq!(api.get(ask).await[1]["more"], by_postgresql[1]["more"]);
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
