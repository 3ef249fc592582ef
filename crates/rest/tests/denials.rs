//! Hints of 42501: which grant or kind of policy is missing, and who is told.

use ferrobase_testkit::token;
use serde_json::Value;

use crate::harness::{Answer, Api, Setup};

const TABLES: &str = "
create table public.posts (id int primary key, author uuid, title text, secret text, votes int default 0);
alter table public.posts enable row level security;
create policy reads on public.posts for select to authenticated using (true);
create policy edits on public.posts for update to authenticated using (true) with check (votes < 10);
create policy tidy on public.posts as restrictive for update to authenticated with check (title <> 'spam');
revoke all on public.posts from anon, authenticated;
grant select (id, title, votes), update (title, votes), insert on public.posts to authenticated;
grant select on public.posts to anon;
create policy shown on public.posts for select to anon using (true);
insert into public.posts values (1, null, 'one', 's', 0);

create table public.inbox (id int primary key, body text);
alter table public.inbox enable row level security;
create policy put on public.inbox for insert to authenticated with check (length(body) < 10);
revoke all on public.inbox from anon, authenticated;
grant insert on public.inbox to authenticated;

create table public.tickets (id bigserial primary key, body text);
alter table public.tickets enable row level security;
create policy put on public.tickets for insert to authenticated with check (true);
revoke all on public.tickets from anon, authenticated;
revoke all on sequence public.tickets_id_seq from anon, authenticated;
grant insert on public.tickets to authenticated;

create table public.remarks (id int primary key, post_id int references public.posts, body text);
alter table public.remarks enable row level security;
create policy reads on public.remarks for select to authenticated using (true);
revoke all on public.remarks from anon, authenticated;
grant insert on public.remarks to authenticated;

create table public.pages (id int primary key, owner text, body text);
alter table public.pages enable row level security;
create policy seen on public.pages for select to authenticated using (true);
create policy put on public.pages for insert to authenticated with check (true);
create policy changed on public.pages for update to authenticated using (owner = 'ann') with check (body <> 'bad');
revoke all on public.pages from anon, authenticated;
grant select, insert, update on public.pages to authenticated;
insert into public.pages values (1, 'bob', 'b'), (2, 'ann', 'a');

create table public.people (id int primary key, name text, salary int);
alter table public.people enable row level security;
create policy all_of_them on public.people to authenticated using (true) with check (true);
revoke all on public.people from anon, authenticated;
grant select (name), update (name), insert (id, name) on public.people to authenticated;

create table public.vault (id int primary key);
alter table public.vault enable row level security;
create policy p on public.vault using (true);
revoke all on public.vault from anon, authenticated;

create function public.audit() returns trigger language plpgsql as
    'begin raise insufficient_privilege using message = ''not you'', hint = ''ask somebody''; end';
create table public.guarded (id int primary key);
alter table public.guarded enable row level security;
create policy p on public.guarded to authenticated using (true);
create trigger audit before insert on public.guarded for each row execute function public.audit();

create function public.whole_posts() returns setof public.posts language sql as 'select * from public.posts';
create function public.locked() returns int language sql as 'select 1';
revoke execute on function public.locked() from public, anon, authenticated;
";

async fn api() -> Api {
    // What these tables show is decided by grants and policies.
    Setup { allow_unprotected: Vec::new(), ..Setup::default() }.start(TABLES).await
}

async fn ann(api: &Api, line: &str, prefer: &str, body: &str) -> Answer {
    let bearer = format!("Bearer {}", token::of_user("00000000-0000-4000-8000-00000000000a"));
    api.send(line, &[("authorization", &bearer), ("prefer", prefer)], body.to_owned()).await
}

fn hint(answer: &Answer) -> String {
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (403, "42501"), "{answer:?}");
    answer.json()["hint"].as_str().unwrap_or_default().to_owned()
}

const SHOWN: &str = "return=representation";

#[tokio::test]
async fn missing_grants_are_named() {
    let api = api().await;
    for (line, prefer, body, expected) in [
        ("DELETE /posts?id=eq.1", "", "", "role authenticated lacks DELETE on posts"),
        ("PATCH /posts?id=eq.1", "", r#"{"secret": "x"}"#, "role authenticated lacks UPDATE on column posts.secret"),
        ("GET /posts?select=id,secret", "", "", "role authenticated lacks SELECT on column posts.secret"),
        (
            "GET /posts",
            "",
            "",
            "role authenticated may SELECT some columns of posts only: name them in the select parameter",
        ),
        (
            "POST /inbox",
            SHOWN,
            r#"{"id": 1, "body": "x"}"#,
            "role authenticated lacks SELECT on inbox, which Prefer: return=representation needs: \
             use Prefer: return=minimal",
        ),
        (
            "POST /inbox?on_conflict=id",
            "resolution=merge-duplicates",
            r#"{"id": 1, "body": "x"}"#,
            "role authenticated lacks UPDATE on inbox",
        ),
        (
            "POST /tickets",
            "",
            r#"{"body": "x"}"#,
            "role authenticated lacks USAGE on the sequence that numbers tickets.id",
        ),
        ("GET /posts?select=id,remarks(body)", "", "", "role authenticated lacks SELECT on remarks"),
        ("GET /rpc/locked", "", "", "role authenticated lacks EXECUTE on locked"),
        (
            "GET /rpc/whole_posts?select=id",
            "",
            "",
            "role authenticated may SELECT some columns of posts only, and a function that it calls reads others",
        ),
    ] {
        let answer = ann(&api, line, prefer, body).await;
        assert_eq!(hint(&answer), expected, "{line}");
    }
    assert_eq!(ann(&api, "POST /inbox", "return=minimal", r#"{"id": 1, "body": "x"}"#).await.status, 201);
}

#[tokio::test]
async fn missing_policies_are_named() {
    let api = api().await;
    let insert = ann(&api, "POST /posts", "", r#"{"id": 2, "title": "x"}"#).await;
    assert_eq!(hint(&insert), "no policy of table posts lets role authenticated INSERT");
    let row = ann(&api, "POST /inbox", "", r#"{"id": 2, "body": "much too long"}"#).await;
    assert_eq!(hint(&row), "the row satisfies no INSERT policy of table inbox for role authenticated");
    let votes = ann(&api, "PATCH /posts?id=eq.1", "", r#"{"votes": 11}"#).await;
    assert!(hint(&votes).starts_with("the row satisfies no UPDATE policy"), "{votes:?}");
    let spam = ann(&api, "PATCH /posts?id=eq.1", "", r#"{"title": "spam"}"#).await;
    assert_eq!(hint(&spam), "a restrictive policy of table posts refuses the row");
    api.db.script("grant select on public.inbox to authenticated").await;
    api.reload().await;
    let shown = ann(&api, "POST /inbox", SHOWN, r#"{"id": 3, "body": "x"}"#).await;
    assert_eq!(
        hint(&shown),
        "no policy of table inbox lets role authenticated SELECT, which Prefer: return=representation needs: \
         use Prefer: return=minimal"
    );
}

#[tokio::test]
async fn sec_22_nobody_is_told_what_they_may_not_know() {
    let api = api().await;
    // The anonymous role may read posts, and is told nothing about writing them.
    let anonymous = api.send("POST /posts", &[], r#"{"id": 5}"#).await;
    assert_eq!((anonymous.status.as_u16(), anonymous.code().as_str()), (401, "42501"));
    assert_eq!(anonymous.json()["hint"], Value::Null, "{anonymous:?}");
    let vault = ann(&api, "GET /vault", "", "").await;
    assert_eq!(hint(&vault), "", "a role without any privilege on the table");
    // What SQL code of the application says is passed on as it is.
    let raised = ann(&api, "POST /guarded", "", r#"{"id": 1}"#).await;
    assert_eq!(hint(&raised), "ask somebody");
}

#[tokio::test]
async fn postgrest_mode_adds_no_hint() {
    let transaction = ferrobase_request::TransactionRules {
        profile: ferrobase_request::Profile::Postgrest,
        ..ferrobase_request::TransactionRules::default()
    };
    let api = Setup { transaction, ..Setup::default() }.start(TABLES).await;
    assert_eq!(hint(&ann(&api, "DELETE /posts?id=eq.1", "", "").await), "");
}

#[tokio::test]
async fn the_update_policy_that_refuses_an_upsert_is_named() {
    let api = api().await;
    for (line, prefer) in [("POST /pages", "resolution=merge-duplicates"), ("PUT /pages?id=eq.1", "")] {
        let refused = ann(&api, line, prefer, r#"{"id": 1, "owner": "ann", "body": "x"}"#).await;
        assert_eq!(
            hint(&refused),
            "the row that is there already satisfies no UPDATE policy, or no SELECT policy, of table pages \
             for role authenticated",
            "{line}"
        );
        let bad = line.replace('1', "2");
        let refused = ann(&api, &bad, prefer, r#"{"id": 2, "owner": "ann", "body": "bad"}"#).await;
        assert!(hint(&refused).contains("because it may replace another and is read again, no UPDATE"), "{refused:?}");
    }
}

#[tokio::test]
async fn the_column_that_must_be_readable_is_named_and_what_for() {
    let api = api().await;
    let of_reads = "which filters, order, groups, cursors and embedded rows need";
    for (line, body, expected) in [
        ("GET /people?select=name&order=salary", "", format!("column people.salary, {of_reads}")),
        ("GET /people?select=name&salary=gt.1", "", format!("column people.salary, {of_reads}")),
        ("GET /people?select=n:name.count()&group_by=salary", "", format!("column people.salary, {of_reads}")),
        // Nobody named this one, and not every role may know what a key is made of.
        ("GET /people?select=name&order=name&cursor=first", "", format!("a key column of people, {of_reads}")),
        ("PATCH /people", r#"[{"id":1,"name":"z"}]"#, "column people.id, which finding rows by their key needs".into()),
        ("PATCH /people?salary=gt.1", r#"{"name":"z"}"#, "column people.salary, which filters need".into()),
    ] {
        let answer = ann(&api, line, "", body).await;
        assert_eq!(hint(&answer), format!("role authenticated lacks SELECT on {expected}"), "{line}");
    }
}

#[tokio::test]
async fn rows_with_related_rows_are_told_what_is_missing_too() {
    let api = api().await;
    let nested = ann(&api, "POST /posts", "", r#"{"id": 9, "title": "x", "remarks": [{"id": 1, "body": "y"}]}"#).await;
    assert_eq!(hint(&nested), "no policy of table posts lets role authenticated INSERT");
    api.db.script("create policy writes on public.posts for insert to authenticated with check (true)").await;
    let below = ann(&api, "POST /posts", "", r#"{"id": 9, "title": "x", "remarks": [{"id": 1, "body": "y"}]}"#).await;
    assert_eq!(hint(&below), "no policy of table remarks lets role authenticated INSERT");
    api.db.script("revoke insert on public.remarks from authenticated").await;
    api.reload().await;
    let below = ann(&api, "POST /posts", "", r#"{"id": 9, "title": "x", "remarks": [{"id": 1, "body": "y"}]}"#).await;
    assert_eq!(hint(&below), "", "without any privilege on a table nothing is told of it");
}
