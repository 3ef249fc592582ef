//! NDJSON answers: rows that leave as PostgreSQL makes them.

use std::time::Duration;

use ferrobase_request::{Profile, TransactionRules};
use ferrobase_rest::config::RestSection;
use ferrobase_testkit::token;
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::harness::{Answer, Api, Setup, api};

const LINES: (&str, &str) = ("accept", "application/x-ndjson");
const TABLES: &str = "
create table public.a (id int primary key, name text, doc json, owner text not null default 'all');
create table public.b (id int primary key, a_id int references a);
insert into a (id, name, doc) values (1, 'one', E'{\\n \"k\": \"x\\\\ny\"\\r\\n}'), (2, 'two', null), (3, null, '[]');
insert into b values (1, 1), (2, 1), (3, 2);
create view public.many as select i as id, repeat('x', 100) as text from generate_series(1, 20000) as i;
create view public.broken as select i as id, repeat('x', 100) as text, 1 / (15000 - i) as n from generate_series(1, 20000) as i;
create view public.refused as select 1 / (i - i) as n from generate_series(1, 3) as i;
create view public.slow as select i as id, repeat('x', 9000) as text, pg_sleep(0.02)::text as slept
    from generate_series(1, 100000) as i;
grant select on many, broken, refused, slow to anon, authenticated;
create function public.above(lowest int) returns setof a language sql stable as 'select * from a where id > lowest';
create function public.numbers() returns setof int language sql immutable as 'values (1), (null), (3)';
create function public.one() returns json language sql immutable as $$ select '{\"a\": 1}'::json $$;
create function public.nothing() returns void language sql volatile as '';
create table public.made (id int primary key, a_id int references a deferrable initially deferred);
create function public.make(first int, last int, parent int) returns table (id int, filler text) language plpgsql volatile as $$
begin
  return query insert into made select i, parent from generate_series(first, last) as i returning made.id, repeat('x', 100);
end $$;
grant all on made, a, b to anon, authenticated;
";

async fn tables() -> Api {
    api(TABLES).await
}

fn lines(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.body.is_empty() || answer.body.ends_with('\n'));
    answer.body.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

#[tokio::test]
async fn rows_are_those_of_the_array() {
    let api = tables().await;
    for target in [
        "/a?order=id",
        "/a?order=id.desc&limit=2&offset=1&select=id,title:name",
        "/a?id=gt.1&select=id,b(id)&order=id&b.order=id",
        "/a?select=name,...b(ids:id)&order=id",
        "/b?select=id,a!inner(name)&a.name=eq.one&order=id",
        "/a?select=count()",
        "/a?id=eq.99",
        "/many?select=id&order=id&limit=700",
        "/rpc/above?lowest=1&order=id&select=id,b(id)",
        "/rpc/numbers",
    ] {
        let line = format!("GET {target}");
        let answer = api.send(&line, &[LINES], "").await;
        assert_eq!(answer.field("content-type"), "application/x-ndjson", "{target}");
        assert_eq!(Value::Array(lines(&answer)), api.get(target).await, "{target}");
    }
    let posted = api.send("POST /rpc/above", &[LINES], r#"{"lowest":2}"#).await;
    assert_eq!(lines(&posted), [json!({"id": 3, "name": null, "doc": [], "owner": "all"})]);
    // One value is one line, and not a stream.
    assert_eq!(lines(&api.send("GET /rpc/one", &[LINES], "").await), [json!({"a": 1})]);
    assert_eq!(api.send("POST /rpc/nothing", &[LINES], "{}").await.status, 204);
    let head = api.send("HEAD /a", &[LINES], "").await;
    assert_eq!((head.status.as_u16(), head.field("content-type")), (200, "application/x-ndjson"));
}

#[tokio::test]
async fn writes_answer_in_lines_too() {
    let api = tables().await;
    let fields = [LINES, ("prefer", "return=representation")];
    let changed = api.send("PATCH /a?id=lt.3&select=id,doc&order=id", &fields, r#"{"name":"new"}"#).await;
    assert_eq!(lines(&changed), [json!({"id": 1, "doc": {"k": "x\ny"}}), json!({"id": 2, "doc": null})]);
}

#[tokio::test]
async fn bounds_of_a_stream() {
    let rows = |max_rows, stream_max_rows| async move {
        let rest = RestSection { max_rows, stream_max_rows, page_limit_default: Some(1), ..RestSection::default() };
        let api = Setup { rest, ..Setup::default() }.start(TABLES).await;
        let all = lines(&api.send("GET /many?select=id", &[LINES], "").await).len();
        let asked = lines(&api.send("GET /many?select=id&limit=5", &[LINES], "").await).len();
        let called = lines(&api.send("GET /rpc/above?lowest=0", &[LINES], "").await).len();
        (all, asked, called)
    };
    assert_eq!(rows(Some(2), None).await, (2, 2, 2));
    assert_eq!(rows(Some(2), Some(0)).await, (20_000, 5, 3));
    assert_eq!(rows(Some(2), Some(7)).await, (7, 5, 3));
    assert_eq!(rows(None, None).await, (20_000, 5, 3));
}

#[tokio::test]
async fn a_count_comes_first() {
    let api = tables().await;
    let answer = api.send("GET /many?select=id&limit=3", &[LINES, ("prefer", "count=exact")], "").await;
    assert_eq!((lines(&answer).len(), answer.field("x-total-count")), (3, "20000"));
    assert_eq!((answer.field("preference-applied"), answer.field("content-range")), ("count=exact", ""));
    let called = api.send("GET /rpc/above?lowest=0", &[LINES, ("prefer", "count=exact")], "").await;
    assert_eq!((called.field("x-total-count"), called.field("preference-applied")), ("", ""));
}

#[tokio::test]
async fn every_row_passes_row_security() {
    let api = api(&format!(
        "{TABLES} alter table a enable row level security;
         create policy own on a using (owner = auth.jwt()->>'sub');
         insert into a (id, owner) select i, case when i % 2 = 0 then 'ann' else 'bob' end from generate_series(10, 3000) i;"
    ))
    .await;
    let of = |user: &str| format!("Bearer {}", token::of_user(user));
    for (user, rows) in [("ann", 1000), ("nobody", 0)] {
        let answer = api.send("GET /a?select=owner", &[LINES, ("authorization", &of(user))], "").await;
        let rows_seen = lines(&answer);
        assert_eq!(rows_seen.len(), rows);
        assert!(rows_seen.iter().all(|row| row["owner"] == user));
    }
    assert!(lines(&api.send("GET /a", &[LINES], "").await).is_empty());
}

/// What came of a body, and whether it ended well.
async fn drain(body: axum::body::Body) -> (usize, bool) {
    let (mut body, mut bytes) = (body, 0);
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => bytes += frame.data_ref().map_or(0, bytes::Bytes::len),
            Err(_) => return (bytes, false),
        }
    }
    (bytes, true)
}

fn unbounded(connections: usize) -> Setup {
    let rest = RestSection { stream_max_rows: Some(0), ..RestSection::default() };
    Setup { rest, connections, ..Setup::default() }
}

#[tokio::test]
async fn sec_29_a_failure_in_the_middle_cuts_the_body() {
    let api = unbounded(2).start(TABLES).await;
    let response = api.begin("GET /broken", &[LINES], "").await;
    assert_eq!(response.status(), 200);
    let (bytes, complete) = drain(response.into_body()).await;
    assert!(bytes > 100_000 && !complete, "{bytes} {complete}");
    // Before the first row it is an ordinary answer.
    let early = api.send("GET /refused", &[LINES], "").await;
    assert_eq!((early.status.as_u16(), early.code().as_str()), (400, "22012"));
    let missing = api.send("GET /a?select=nope", &[LINES], "").await;
    assert_eq!((missing.status.as_u16(), missing.code().as_str()), (400, "42703"));
    // The sessions are as good as before.
    for _ in 0..4 {
        assert_eq!(lines(&api.send("GET /a", &[LINES], "").await).len(), 3);
    }
}

#[tokio::test]
async fn a_commit_that_fails_after_the_rows_cuts_the_body_and_keeps_nothing() {
    let api = unbounded(2).start(TABLES).await;
    let kept = api.begin("POST /rpc/make", &[LINES], r#"{"first":1,"last":5000,"parent":1}"#).await;
    assert!(drain(kept.into_body()).await.1);
    let failed = api.begin("POST /rpc/make", &[LINES], r#"{"first":5001,"last":9000,"parent":77}"#).await;
    assert_eq!(failed.status(), 200);
    assert!(!drain(failed.into_body()).await.1);
    let small = api.send("POST /rpc/make", &[LINES], r#"{"first":9001,"last":9003,"parent":77}"#).await;
    assert_eq!((small.status.as_u16(), small.code().as_str()), (409, "23503"), "few rows are known before they leave");
    assert_eq!(api.value("select count(*) from made").await, "5000");
}

/// Waits until the database is asked nothing of this kind any more.
async fn until_idle(api: &Api, text: &str) {
    let sql = format!(
        "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
           and state <> 'idle' and query like '%{text}%'"
    );
    for _ in 0..400 {
        if api.value(&sql).await == "0" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("still running: {text}");
}

#[tokio::test]
async fn a_caller_that_leaves_ends_the_statement() {
    let api = unbounded(2).start(TABLES).await;
    for _ in 0..3 {
        let mut body = api.begin("GET /slow", &[LINES], "").await.into_body();
        body.frame().await.expect("a frame").expect("a piece");
        drop(body);
        until_idle(&api, "\"slow\"").await;
    }
    // Nothing was read at all.
    drop(api.begin("GET /many", &[LINES], "").await);
    until_idle(&api, "\"many\"").await;
    assert_eq!(lines(&api.send("GET /a", &[LINES], "").await).len(), 3);
}

#[tokio::test]
async fn sec_29_streams_leave_connections_to_others() {
    let api = unbounded(2).start(TABLES).await;
    let held = api.begin("GET /slow", &[LINES], "").await;
    for _ in 0..3 {
        assert_eq!(api.send("GET /a", &[], "").await.status, 200);
    }
    drop(held);
    until_idle(&api, "\"slow\"").await;
}

#[tokio::test]
async fn what_is_said_before_the_rows_counts() {
    let pre_request = ferrobase_catalog::QualifiedName::new("public", "greet");
    let transaction = TransactionRules { pre_request: Some(pre_request), ..TransactionRules::default() };
    let api = Setup { transaction, ..Setup::default() }
        .start(&format!(
            "{TABLES} create function public.greet() returns void language sql as $$
               select set_config('response.headers', '[{{\"X-Hello\": \"there\"}}]', true) $$;"
        ))
        .await;
    let answer = api.send("GET /a", &[LINES], "").await;
    assert_eq!((lines(&answer).len(), answer.field("x-hello")), (3, "there"));
}

#[tokio::test]
async fn postgrest_has_no_lines() {
    let transaction = TransactionRules { profile: Profile::Postgrest, ..TransactionRules::default() };
    let api = Setup { transaction, ..Setup::default() }.start(TABLES).await;
    let answer = api.send("GET /a", &[LINES], "").await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (406, "PGRST107"));
    let fields = [("content-type", "application/x-ndjson")];
    let posted = api.send("POST /b", &fields, "{\"id\":9}").await;
    assert_eq!((posted.status.as_u16(), posted.code().as_str()), (400, "PGRST102"));
}

#[tokio::test]
async fn the_bound_on_cost_holds_for_streams() {
    let transaction = TransactionRules { max_cost: Some(500.0), ..TransactionRules::default() };
    let api = Setup { transaction, ..unbounded(2) }
        .start(&format!("{TABLES} create table public.parts as select generate_series(1, 50000) as id; analyze parts;"))
        .await;
    let refused = api.send("GET /parts", &[LINES], "").await;
    assert_eq!(refused.code(), "FB120", "{refused:?}");
    assert_eq!(lines(&api.send("GET /parts?limit=5", &[LINES], "").await).len(), 5);
}

#[tokio::test]
async fn a_stream_that_the_server_bounds_says_so_before_its_rows() {
    let rest = RestSection { max_rows: Some(5), ..RestSection::default() };
    let api = Setup { rest, ..Setup::default() }.start(TABLES).await;
    for (target, rows, told) in
        [("/many?select=id", 5, "5"), ("/many?select=id&limit=9", 5, "5"), ("/many?select=id&limit=5", 5, "")]
    {
        let answer = api.send(&format!("GET {target}"), &[LINES], "").await;
        assert_eq!((lines(&answer).len(), answer.field("x-max-rows")), (rows, told), "{target}");
    }
    let rest = RestSection { max_rows: Some(5), stream_max_rows: Some(0), ..RestSection::default() };
    let api = Setup { rest, ..Setup::default() }.start(TABLES).await;
    let all = api.send("GET /many?select=id", &[LINES], "").await;
    assert_eq!((lines(&all).len(), all.field("x-max-rows")), (20_000, ""));
}

#[tokio::test]
async fn a_stream_whose_embedded_lists_are_bounded_says_so_before_its_rows() {
    let rest = RestSection { max_rows: Some(3), stream_max_rows: Some(0), ..RestSection::default() };
    let more = "insert into b select i, 2 from generate_series(10, 19) as i;";
    let api = Setup { rest, ..Setup::default() }.start(&format!("{TABLES} {more}")).await;
    for (target, told) in [
        ("/a?id=eq.2&select=id,b(id)", "3"),
        ("/a?id=eq.2&select=id,...b(id)", "3"),
        ("/b?a_id=eq.2&select=id,a(id,b(id))", "3"),
        ("/rpc/above?lowest=1&select=id,b(id)", "3"),
        ("/a?id=eq.2&select=id,b(id)&b.limit=2", ""),
        ("/a?id=eq.2&select=id,b(count())", ""),
        ("/a?id=eq.2&select=id,b()", ""),
        ("/b?a_id=eq.2&select=id,a(id)", ""),
    ] {
        let answer = api.send(&format!("GET {target}"), &[LINES], "").await;
        assert_eq!(
            (answer.field("x-max-embedded-rows"), answer.field("x-max-rows")),
            (told, ""),
            "{target}: {answer:?}"
        );
    }
    let cut = lines(&api.send("GET /a?id=eq.2&select=id,b(id)", &[LINES], "").await);
    assert_eq!(cut[0]["b"].as_array().map(Vec::len), Some(3));
    let counted = lines(&api.send("GET /a?id=eq.2&select=b(count())", &[LINES], "").await);
    assert_eq!(counted, [json!({"b": [{"count": 11}]})]);
}

#[tokio::test]
async fn conditions_of_a_stream_are_refused() {
    let api = api("create table public.t (id int primary key); insert into t values (1)").await;
    for field in ["if-match", "if-none-match"] {
        let fields = [("accept", "application/x-ndjson"), (field, "\"x\"")];
        let answer = api.send("GET /t?id=eq.1", &fields, "").await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "FB134"), "{field}");
    }
}
