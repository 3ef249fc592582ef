//! ETag, If-None-Match and If-Match; X-Total-Count.

use ferrobase_request::{Profile, TransactionRules};
use ferrobase_testkit::token;

use crate::harness::{Answer, Api, Setup, api};

const NOTES: &str = "
create table public.notes (id int primary key, owner text not null, body text, extra jsonb);
alter table public.notes enable row level security;
create policy seen on public.notes for select to anon, authenticated using (owner in ('all', auth.jwt()->>'sub'));
create policy changed on public.notes for update to authenticated using (owner = auth.jwt()->>'sub');
create policy removed on public.notes for delete to authenticated using (owner in ('all', auth.jwt()->>'sub'));
insert into public.notes values (1, 'all', 'one', '{\"a\": [1, 2]}'), (2, 'ann', 'two', null), (3, 'bob', 'three', null);
";
const ONE: (&str, &str) = ("accept", "application/vnd.pgrst.object+json");
const FULL: (&str, &str) = ("prefer", "return=representation");

fn bearer(user: &str) -> String {
    format!("Bearer {}", token::of_user(user))
}

async fn tag(api: &Api, target: &str, fields: &[(&str, &str)]) -> String {
    let answer = api.send(&format!("GET {target}"), fields, "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let tag = answer.field("etag").to_owned();
    assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() == 34, "{tag:?}");
    tag
}

#[tokio::test]
async fn one_row_has_a_tag_of_what_is_shown() {
    let api = api(NOTES).await;
    let by_key = tag(&api, "/notes?id=eq.1", &[]).await;
    assert_eq!(by_key, tag(&api, "/notes?id=eq.1", &[]).await);
    let object = tag(&api, "/notes?id=eq.1", &[ONE]).await;
    let narrow = tag(&api, "/notes?id=eq.1&select=body", &[ONE]).await;
    let stripped = tag(&api, "/notes?id=eq.1", &[("accept", "application/vnd.pgrst.object+json;nulls=stripped")]).await;
    for (index, one) in [&by_key, &object, &narrow, &stripped].iter().enumerate() {
        assert_eq!([&by_key, &object, &narrow, &stripped].iter().position(|other| other == one), Some(index));
    }
    api.db.script("update public.notes set body = 'new' where id = 1").await;
    assert_ne!(object, tag(&api, "/notes?id=eq.1", &[ONE]).await);
    api.db.script("update public.notes set body = 'one' where id = 1").await;
    assert_eq!(object, tag(&api, "/notes?id=eq.1", &[ONE]).await, "the same bytes again");
}

#[tokio::test]
async fn lists_have_a_tag_when_asked() {
    let api = api(NOTES).await;
    for plain in ["/notes", "/notes?id=gt.0", "/notes?id=eq.1&body=eq.one", "/notes?id=not.eq.9", "/notes?or=(id.eq.1)"]
    {
        assert_eq!(api.send(&format!("GET {plain}"), &[], "").await.field("etag"), "", "{plain}");
    }
    let asked = api.send("GET /notes?order=id", &[("prefer", "etag, handling=strict")], "").await;
    assert_eq!((asked.status.as_u16(), asked.field("preference-applied")), (200, "handling=strict, etag"));
    let listed = asked.field("etag").to_owned();
    let same = api.send("GET /notes?order=id", &[("if-none-match", &listed)], "").await;
    assert_eq!((same.status.as_u16(), same.body.as_str(), same.field("etag")), (304, "", listed.as_str()));
    // What a role may see is part of it.
    let ann = bearer("ann");
    let hers = api.send("GET /notes?order=id", &[("if-none-match", &listed), ("authorization", &ann)], "").await;
    assert_eq!(hers.status, 200);
    assert_ne!(hers.field("etag"), listed);
}

#[tokio::test]
async fn a_caller_that_has_it_gets_304() {
    let api = api(NOTES).await;
    let current = tag(&api, "/notes?id=eq.1", &[ONE]).await;
    let compressed = format!("{}-gzip", current.replace('"', ""));
    for (field, status) in [
        (current.clone(), 304),
        (format!("W/{current}"), 304),
        (format!("\"x\", {current}"), 304),
        (format!("\"{compressed}\""), 304),
        ("*".to_owned(), 304),
        ("\"x\"".to_owned(), 200),
        ("nonsense".to_owned(), 200),
    ] {
        let answer = api.send("GET /notes?id=eq.1", &[ONE, ("if-none-match", &field)], "").await;
        assert_eq!(answer.status.as_u16(), status, "{field}");
        if status == 304 {
            assert_eq!((answer.body.as_str(), answer.field("content-type")), ("", ""));
            assert!(!answer.field("etag").is_empty() && !answer.field("cache-control").is_empty(), "{answer:?}");
        }
    }
    let failed = api.send("GET /notes?id=eq.1", &[ONE, ("if-match", "\"x\"")], "").await;
    assert_eq!((failed.status.as_u16(), failed.code().as_str()), (412, "FB131"));
    let passed = api.send("GET /notes?id=eq.1", &[ONE, ("if-match", &current)], "").await;
    assert_eq!(passed.status, 200);
}

fn refused(answer: &Answer) {
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (412, "FB131"), "{answer:?}");
}

#[tokio::test]
async fn changes_happen_only_to_what_was_seen() {
    let api = api(NOTES).await;
    let ann = bearer("ann");
    let who = ("authorization", ann.as_str());
    let before = tag(&api, "/notes?id=eq.2", &[ONE, who]).await;
    let patch = |tag: String, body: &'static str| {
        let (api, ann) = (&api, ann.clone());
        async move {
            let fields = [ONE, FULL, ("authorization", ann.as_str()), ("if-match", tag.as_str())];
            api.send("PATCH /notes?id=eq.2", &fields, body).await
        }
    };
    refused(&patch("\"0\"".into(), r#"{"body":"lost"}"#).await);
    refused(&patch(format!("W/{before}"), r#"{"body":"lost"}"#).await);
    let changed = patch(before.clone(), r#"{"body":"kept"}"#).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    let after = changed.field("etag").to_owned();
    assert_eq!(after, tag(&api, "/notes?id=eq.2", &[ONE, who]).await, "the tag of the new state");
    refused(&patch(before.clone(), r#"{"body":"lost"}"#).await);
    assert_eq!(api.value("select body from notes where id = 2").await, "kept");

    refused(&api.send("DELETE /notes?id=eq.2", &[ONE, who, ("if-match", &before)], "").await);
    assert_eq!(api.value("select count(*) from notes").await, "3");
    let gone = api.send("DELETE /notes?id=eq.2", &[ONE, who, ("if-match", &after)], "").await;
    assert_eq!((gone.status.as_u16(), gone.body.as_str()), (204, ""));
    refused(&api.send("DELETE /notes?id=eq.2", &[ONE, who, ("if-match", "*")], "").await);
}

#[tokio::test]
async fn a_change_may_depend_on_a_list_its_columns_and_its_embeds() {
    let api = api(
        "create table public.a (id int primary key, x int); create table public.b (id int primary key, a_id int references a);
         insert into a values (1, 1), (2, 2); insert into b values (1, 1), (2, 1);",
    )
    .await;
    let url = "/a?select=x,b(id)&order=id&b.order=id";
    let seen = api.send(&format!("GET {url}"), &[("prefer", "etag")], "").await.field("etag").to_owned();
    let fields = [("if-match", seen.as_str())];
    api.db.script("insert into b values (3, 2)").await;
    refused(&api.send(&format!("PATCH {url}"), &fields, r#"{"x":9}"#).await);
    api.db.script("delete from b where id = 3").await;
    let changed = api.send(&format!("PATCH {url}"), &fields, r#"{"x":9}"#).await;
    assert_eq!(changed.status, 204, "{changed:?}");
    let csv = [("accept", "text/csv"), ("prefer", "etag")];
    let lines = api.send("GET /a?order=id", &csv, "").await.field("etag").to_owned();
    let removed = api.send("DELETE /a?order=id&id=gt.1", &[("accept", "text/csv"), ("if-match", &lines)], "").await;
    refused(&removed);
    let lines = api.send("GET /a?id=gt.1", &csv, "").await.field("etag").to_owned();
    let removed = api.send("DELETE /a?id=gt.1", &[("accept", "text/csv"), ("if-match", &lines)], "").await;
    assert_eq!(removed.status, 204, "{removed:?}");
    let one = tag(&api, "/a?id=eq.1", &[]).await;
    let put = api.send("PUT /a?id=eq.1", &[("if-match", &one)], r#"{"id":1,"x":5}"#).await;
    assert_eq!(put.status, 204, "{put:?}");
    refused(&api.send("PUT /a?id=eq.1", &[("if-match", &one)], r#"{"id":1,"x":6}"#).await);
    refused(&api.send("PUT /a?id=eq.7", &[("if-match", "*")], r#"{"id":7,"x":6}"#).await);
}

#[tokio::test]
async fn sec_22_hidden_rows_and_missing_rows_fail_alike() {
    let api = api(NOTES).await;
    let bob = bearer("bob");
    let his = tag(&api, "/notes?id=eq.3", &[("authorization", &bob)]).await;
    let ann = bearer("ann");
    for (method, body) in [("PATCH", r#"{"body":"x"}"#), ("DELETE", "")] {
        let mut told = Vec::new();
        for (id, tag) in [(3, his.as_str()), (3, "*"), (99, "*"), (99, his.as_str())] {
            let line = format!("{method} /notes?id=eq.{id}");
            let answer = api.send(&line, &[("authorization", &ann), ("if-match", tag)], body).await;
            refused(&answer);
            told.push(answer.body);
        }
        told.dedup();
        assert_eq!(told.len(), 1, "{told:?}");
    }
    // Seen, and not to be changed: PATCH says no more than for a row that is not there.
    let shared = tag(&api, "/notes?id=eq.1", &[("authorization", &ann)]).await;
    refused(
        &api.send("PATCH /notes?id=eq.1", &[("authorization", &ann), ("if-match", &shared)], r#"{"body":"x"}"#).await,
    );
}

#[tokio::test]
async fn deleting_needs_no_right_to_update() {
    let api = api(NOTES).await;
    api.db.script("revoke update, insert on public.notes from authenticated").await;
    let ann = bearer("ann");
    let shared = tag(&api, "/notes?id=eq.1", &[("authorization", &ann)]).await;
    let gone = api.send("DELETE /notes?id=eq.1", &[("authorization", &ann), ("if-match", &shared)], "").await;
    assert_eq!(gone.status, 204, "{gone:?}");
}

#[tokio::test]
async fn of_many_at_once_one_wins() {
    let setup = Setup { connections: 8, ..Setup::default() };
    let api =
        setup.start("create table public.n (id int primary key, v int); insert into n values (1, 0), (2, 0);").await;
    for id in [1, 2] {
        for round in 0..5 {
            let seen = tag(&api, &format!("/n?id=eq.{id}"), &[]).await;
            let (line, body) = match id {
                1 => ("PATCH /n?id=eq.1", format!("{{\"v\":{}}}", round + 1)),
                _ => ("DELETE /n?id=eq.2", String::new()),
            };
            let fields = [("if-match", seen.as_str())];
            let attempts = (0..8).map(|_| api.send(line, &fields, body.clone()));
            let answers = futures_util::future::join_all(attempts).await;
            let won = answers.iter().filter(|answer| answer.status == 204).count();
            assert_eq!(won, 1, "{answers:?}");
            answers.iter().filter(|answer| answer.status != 204).for_each(refused);
            api.db.script("insert into n values (2, 0) on conflict do nothing").await;
        }
    }
}

#[tokio::test]
async fn postgrest_knows_none_of_it() {
    let transaction = TransactionRules { profile: Profile::Postgrest, ..TransactionRules::default() };
    let api = Setup { transaction, ..Setup::default() }
        .start("create table public.t (id int primary key); insert into t values (1);")
        .await;
    let read = api.send("GET /t?id=eq.1", &[ONE, ("prefer", "count=exact"), ("if-none-match", "*")], "").await;
    assert_eq!((read.status.as_u16(), read.field("etag"), read.field("x-total-count")), (200, "", ""));
    let strict = api.send("GET /t", &[("prefer", "etag, handling=strict")], "").await;
    assert_eq!((strict.status.as_u16(), strict.code().as_str()), (400, "PGRST122"));
    let removed = api.send("DELETE /t?id=eq.1", &[("if-match", "\"x\"")], "").await;
    assert_eq!(removed.status, 204);
}

#[tokio::test]
async fn the_total_is_told_where_a_count_is_asked() {
    let api = api("create table public.t (id int primary key); insert into t select generate_series(1, 5);").await;
    let count = ("prefer", "count=exact");
    for (line, fields, body, total) in [
        ("GET /t?limit=2", vec![count], "", "5"),
        ("HEAD /t?limit=2", vec![count], "", "5"),
        ("GET /t?limit=2", vec![], "", ""),
        ("POST /t", vec![count], r#"[{"id":6},{"id":7}]"#, "2"),
        ("PATCH /t?id=gt.5", vec![count], r#"{"id":6}"#, ""),
        ("DELETE /t?id=gt.5", vec![count], "", "2"),
    ] {
        let answer = api.send(line, &fields, body).await;
        if answer.status.is_success() {
            assert_eq!(answer.field("x-total-count"), total, "{line} {answer:?}");
        }
    }
}

const COUNTERS: &str = "
create table public.counters (id int primary key, name text unique, n int);
insert into counters values (700, 'a', 1);
";

#[tokio::test]
async fn put_of_a_row_that_must_be_new_never_overwrites() {
    let api = api(COUNTERS).await;
    let new = ("if-none-match", "*");
    let put = |line: &'static str, body: &'static str| {
        let api = &api;
        async move {
            let answer = api.send(line, &[new], body).await;
            let code = if answer.status.is_success() { String::new() } else { answer.code() };
            (answer.status.as_u16(), code)
        }
    };
    let told = |status, code: &str| (status, code.to_owned());
    assert_eq!(put("PUT /counters?id=eq.700", r#"{"id":700,"name":"b","n":2}"#).await, told(412, "FB133"));
    assert_eq!(api.value("select name || n from counters where id = 700").await, "a1");
    // Another key in the way is no answer to what was asked.
    assert_eq!(put("PUT /counters?id=eq.701", r#"{"id":701,"name":"a","n":2}"#).await, told(409, "23505"));
    assert_eq!(put("PUT /counters?id=eq.701", r#"{"id":702,"name":"c","n":2}"#).await, told(400, "PGRST115"));
    assert_eq!(put("PUT /counters?id=eq.701", r#"{"id":701,"name":"c","n":2}"#).await, told(204, ""));
    assert_eq!(put("PUT /counters?id=eq.701", r#"{"id":701,"name":"c","n":2}"#).await, told(412, "FB133"));
    let made = api.send("PUT /counters?id=eq.9&select=n", &[new, FULL], r#"{"id":9,"name":"d","n":3}"#).await;
    assert_eq!((made.status.as_u16(), made.body.as_str()), (201, r#"[{"n":3}]"#));
}

#[tokio::test]
async fn of_several_that_put_a_new_row_one_succeeds() {
    let api = Setup { connections: 8, ..Setup::default() }.start(COUNTERS).await;
    let put = |n: usize| {
        let body = format!(r#"{{"id":1,"name":"x","n":{n}}}"#);
        let api = &api;
        async move { api.send("PUT /counters?id=eq.1", &[("if-none-match", "*")], body).await.status.as_u16() }
    };
    let mut statuses = futures_util::future::join_all((0..8).map(put)).await;
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 412, 412, 412, 412, 412, 412, 412]);
}

/// Whoever inserts is slow between looking for the key that the URL names and writing the keys.
const SLOW: &str = "
create function public.slowly(n int) returns int immutable language plpgsql as
    'begin perform pg_sleep(0.3); return n; end';
create table public.counters (id int not null, name text, n int);
create index on counters (slowly(n));
alter table counters add primary key (id), add unique (name);
";

#[tokio::test]
async fn a_put_that_loses_against_the_same_new_row_is_no_conflict_of_another_key() {
    let api = Setup { connections: 4, ..Setup::default() }.start(SLOW).await;
    let statuses = async |id: &str, fields: &[(&str, &str)]| {
        let line = format!("PUT /counters?id=eq.{id}");
        let body = format!(r#"{{"id":{id},"name":"x{id}","n":1}}"#);
        let puts = (0..4).map(|_| api.send(&line, fields, body.clone()));
        let mut statuses: Vec<u16> =
            futures_util::future::join_all(puts).await.iter().map(|answer| answer.status.as_u16()).collect();
        statuses.sort_unstable();
        statuses
    };
    assert_eq!(statuses("1", &[("if-none-match", "*")]).await, [204, 412, 412, 412]);
    assert_eq!(statuses("2", &[]).await, [204, 204, 204, 204]);
    // A key that is really another row's is still told.
    let taken = api.send("PUT /counters?id=eq.3", &[], r#"{"id":3,"name":"x1","n":1}"#).await;
    assert_eq!((taken.status.as_u16(), taken.code().as_str()), (409, "23505"));
}

#[tokio::test]
async fn conditions_that_a_write_cannot_keep_are_refused() {
    let api = api(COUNTERS).await;
    let body = r#"{"id":700,"name":"a","n":9}"#;
    for (line, field, value) in [
        ("POST /counters", "if-none-match", "*"),
        ("POST /counters", "if-match", "*"),
        ("PATCH /counters?id=eq.700", "if-none-match", "*"),
        ("PUT /counters?id=eq.700", "if-none-match", "\"abc\""),
        ("DELETE /counters?id=eq.700", "if-none-match", "*"),
    ] {
        let answer = api.send(line, &[(field, value)], body).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "FB134"), "{line} {field}: {value}");
    }
    assert_eq!(api.value("select n from counters where id = 700").await, "1");
    let transaction = TransactionRules { profile: Profile::Postgrest, ..TransactionRules::default() };
    let api = Setup { transaction, ..Setup::default() }.start(COUNTERS).await;
    let put = api.send("PUT /counters?id=eq.700", &[("if-none-match", "*")], body).await;
    assert_eq!(put.status, 204, "PostgREST overwrites: {put:?}");
}

/// A function may write, and nothing of its state is known before it ran.
#[tokio::test]
async fn conditions_of_calls_and_batches_are_refused() {
    let script = "create function public.bump() returns setof counters language sql as
        'update counters set n = n + 1 returning *';
        create function public.shown() returns setof counters language sql stable as 'select * from counters'";
    let api = api(&format!("{COUNTERS} {script}")).await;
    let operation = |field: &str| format!(r#"[{{"method":"POST","path":"/rpc/bump","headers":{{"{field}":"*"}}}}]"#);
    for (line, field, value, body) in [
        ("POST /rpc/bump", Some("if-match"), "*", "{}".to_owned()),
        ("POST /rpc/bump", Some("if-match"), "\"abc\"", "{}".to_owned()),
        ("POST /rpc/bump", Some("if-none-match"), "*", "{}".to_owned()),
        ("POST /rpc/bump", Some("if-none-match"), "\"abc\"", "{}".to_owned()),
        ("POST /", None, "", operation("If-Match")),
        ("POST /", None, "", operation("If-None-Match")),
        ("POST /", Some("if-match"), "*", r#"[{"method":"POST","path":"/rpc/bump"}]"#.to_owned()),
        ("POST /", Some("if-none-match"), "\"a\"", r#"[{"method":"POST","path":"/rpc/bump"}]"#.to_owned()),
    ] {
        let fields: Vec<_> = field.map(|field| (field, value)).into_iter().collect();
        let answer = api.send(line, &fields, body.clone()).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "FB134"), "{line} {field:?} {body}");
    }
    assert_eq!(api.value("select n from counters").await, "1");
    let called = api.send("POST /rpc/bump", &[("prefer", "etag")], "{}").await;
    assert_eq!((called.status.as_u16(), called.field("etag"), called.field("preference-applied")), (200, "", ""));
    let read = api.send("GET /rpc/shown", &[("if-match", "\"other\"")], "").await;
    assert_eq!((read.status.as_u16(), read.code().as_str()), (412, "FB131"), "calls that read are judged");
}

#[tokio::test]
async fn if_match_of_anything_wants_a_row_of_a_read_too() {
    let api = api(NOTES).await;
    let any = [("if-match", "*")];
    for target in ["/notes?id=eq.1", "/notes?select=id", "/notes?id=eq.1&select=body"] {
        assert_eq!(api.send(&format!("GET {target}"), &any, "").await.status, 200, "{target}");
    }
    for target in ["/notes?id=eq.99", "/notes?body=eq.none", "/notes?id=eq.2"] {
        let answer = api.send(&format!("GET {target}"), &any, "").await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (412, "FB131"), "{target}: {answer:?}");
        assert_eq!(api.get(target).await, serde_json::json!([]));
    }
    let empty = tag(&api, "/notes?body=eq.none", &[("prefer", "etag")]).await;
    let same = api.send("GET /notes?body=eq.none", &[("if-match", &*empty)], "").await;
    assert_eq!((same.status.as_u16(), same.body.as_str()), (200, "[]"), "a list without rows has a tag all the same");
}

/// What a write is held to is about the rows that are written, also where its `select` shows fewer.
#[tokio::test]
async fn embeds_that_drop_rows_hide_none_from_the_conditions_of_a_write() {
    let api = api("create table public.people (id int primary key, last text, boss int references people);
        insert into people values (1, 'a', null), (2, 'b', 1)")
    .await;
    let narrow = "id=in.(1,2)&select=id,boss!inner(id)";
    assert_eq!(api.get(&format!("/people?{narrow}")).await, serde_json::json!([{"id": 2, "boss": {"id": 1}}]));
    for line in [
        format!("PATCH /people?{narrow}"),
        format!("DELETE /people?{narrow}"),
        "PATCH /people?id=in.(1,2)&select=count()".to_owned(),
    ] {
        for (field, value, status, code) in [
            ("if-match", "*", 400, "FB134"),
            ("prefer", "handling=strict,max-affected=1,return=representation", 400, "PGRST124"),
            ("accept", "application/vnd.pgrst.object+json", 406, "PGRST116"),
        ] {
            let fields = [(field, value), FULL];
            let answer = api.send(&line, &fields, r#"{"last":"mine"}"#).await;
            assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code), "{line} {value}: {answer:?}");
        }
    }
    assert_eq!(api.value("select string_agg(last, '' order by id) from people").await, "ab");
    // A row that is written and not shown is not the one that was asked for.
    let one = [("accept", "application/vnd.pgrst.object+json"), FULL];
    let hidden = api.send("PATCH /people?id=eq.1&select=id,boss!inner(id)", &one, r#"{"last":"mine"}"#).await;
    assert_eq!((hidden.status.as_u16(), hidden.code().as_str()), (406, "PGRST116"));
    let shown = api.send("PATCH /people?id=eq.2&select=id,boss!inner(id)", &one, r#"{"last":"mine"}"#).await;
    assert_eq!((shown.status.as_u16(), shown.json()), (200, serde_json::json!({"id": 2, "boss": {"id": 1}})));
}
