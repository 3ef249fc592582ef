//! Attacks over HTTP, against the real binary (requirements/security.md). Each test is named for its item.
//!
//! Many begin with one function that runs whatever its caller says (`go`, `ask`): one such function in an application
//! must not break the whole wall. What crates test by themselves is not repeated: `git grep 'fn sec_'` lists all.
//! Roles belong to the cluster, so tests that change them have a PostgreSQL of their own (`security_private`).

use std::time::{Duration, Instant};

use ferrobase_testkit::proxy::{Fault, Proxy};
use ferrobase_testkit::{App, TestDatabase, pooler, token};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::caller::{Answer, Caller, PATIENCE, eventually, metric, ready, value};
use crate::support::{self, ANN, BINARY, BOB};

/// The holes from which attacks begin, tables worth attacking, and a look at the session.
pub(crate) const SCHEMA: &str = "
    create function go(sql text) returns void language plpgsql volatile as $$ begin execute sql; end $$;
    create function ask(sql text) returns text language plpgsql volatile as
        $$ declare result text; begin execute sql into result; return result; end $$;
    create table notes (id bigint generated always as identity primary key,
                        owner uuid not null default auth.uid(), body text);
    alter table notes enable row level security;
    create policy own on notes using (owner = auth.uid()) with check (owner = auth.uid());
    insert into notes (owner, body) values
        ('00000000-0000-4000-8000-00000000000a', 'of ann'), ('00000000-0000-4000-8000-00000000000b', 'of bob');
    create table decoys (id bigint, owner uuid, body text);
    alter table decoys enable row level security;
    create policy everything on decoys using (true);
    insert into decoys values (666, '00000000-0000-4000-8000-00000000000a', 'planted');
    create table unprotected (id int primary key, secret text default 'unprotected');
    insert into unprotected values (1);
    notify ferrobase;";

async fn attacked() -> TestDatabase {
    let database = support::installed().await;
    database.script(SCHEMA).await;
    database
}

/// A server whose API roles share one connection: whatever an attack leaves there, the next caller meets.
async fn on_one_connection(database: &TestDatabase) -> App {
    support::serve(database).env("FERROBASE_DATABASE__MAX_CONNECTIONS", "1").start().await.unwrap()
}

pub(crate) async fn go(caller: &Caller, sql: &str) -> Answer {
    caller.call("go", &json!({ "sql": sql })).await
}

pub(crate) async fn ask(caller: &Caller, sql: &str) -> Answer {
    caller.call("ask", &json!({ "sql": sql })).await
}

fn ann(app: &App) -> Caller {
    Caller::of(app).with(token::of_user(ANN))
}

fn bob(app: &App) -> Caller {
    Caller::of(app).with(token::of_user(BOB))
}

fn service(app: &App) -> Caller {
    Caller::of(app).with(support::credentials()["SERVICE_KEY"].clone())
}

#[tokio::test]
async fn sec_01_code_that_leaves_its_role_finds_nothing() {
    let database = attacked().await;
    let app = on_one_connection(&database).await;
    let caller = Caller::of(&app);
    for prize in [
        "select count(*) from pg_authid",
        "select value from ferrobase.secrets limit 1",
        "select pg_read_file('/etc/passwd')",
        "select count(*) from public.notes",
        "copy (select 1) to program 'id'",
        "create role taken superuser",
        "alter system set log_statement = 'all'",
    ] {
        let attack = format!("do $d$ begin perform set_config('role', 'none', true); execute $q${prize}$q$; end $d$");
        let answer = go(&caller, &attack).await;
        assert!(matches!(answer.code().as_str(), "42501" | "25001" | "0A000"), "{prize}: {answer:?}");
    }
    let login = ask(&caller, "select session_user").await.json();
    assert!(login.as_str().unwrap().starts_with("authenticator"), "{login}");
    for role in ["postgres", "authenticator", "pg_read_all_data", "ferrobase", "nobody"] {
        let answer = caller.with(token::of_role(role)).get("/notes").await;
        assert_eq!((answer.status, answer.json().as_array()), (403, None), "{role}: {answer:?}");
    }
}

#[tokio::test]
async fn sec_02_anonymous_code_cannot_become_service_role() {
    let database = attacked().await;
    let app = on_one_connection(&database).await;
    for caller in [Caller::of(&app), ann(&app)] {
        for attack in [
            "select set_config('role', 'service_role', true)",
            "set local role service_role",
            "select set_config('role', 'none', true), set_config('role', 'service_role', true)",
            "grant service_role to anon",
            "alter role anon bypassrls",
        ] {
            let answer = ask(&caller, attack).await;
            assert_eq!(answer.code(), "42501", "{attack}: {answer:?}");
        }
    }
    assert_eq!(Caller::of(&app).get("/notes").await.json(), json!([]));
    assert_eq!(
        service(&app).get("/notes?select=body&order=id").await.json(),
        json!([{"body": "of ann"}, {"body": "of bob"}])
    );
    // The service login is no way to anybody else either.
    let attack = "select set_config('role', 'authenticated', true)";
    assert_eq!(ask(&service(&app), attack).await.code(), "42501");
}

/// Every statement that we prepared is replaced by one of the same shape that reads other rows.
const POISON: &str = "do $d$ declare s record; begin
    for s in select name, statement, parameter_types from pg_prepared_statements where not from_sql loop
        execute format('deallocate %I', s.name);
        begin
            execute format('prepare %I (%s) as %s', s.name, array_to_string(s.parameter_types, ', '),
                           replace(replace(s.statement, 'notes', 'decoys'), 'set_config(', 'concat('));
        exception when others then
            execute format('prepare %I as select 666', s.name);
        end;
    end loop;
end $d$";

#[tokio::test]
async fn sec_03_replaced_prepared_statements_fool_nobody() {
    // Behind PgBouncer nothing is prepared that could be replaced.
    if pooler::is_used() {
        return;
    }
    let database = attacked().await;
    let app = on_one_connection(&database).await;
    let (ann, bob) = (ann(&app), bob(&app));
    for round in 0..5 {
        for _ in 0..3 {
            // Statements are prepared at second sight, so these are.
            assert_eq!(ann.get("/notes?select=body").await.json(), json!([{"body": "of ann"}]), "round {round}");
        }
        let count = ask(&bob, "select count(*) from pg_prepared_statements where not from_sql").await;
        assert_ne!(count.json(), json!("0"), "there is something to poison");
        let poisoned = go(&bob, POISON).await;
        assert_eq!(poisoned.status, 204, "{poisoned:?}");
        let read = ann.get("/notes?select=body").await;
        assert_eq!((read.status, read.json()), (200, json!([{"body": "of ann"}])), "round {round}");
        assert_eq!(bob.get("/notes?select=body").await.json(), json!([{"body": "of bob"}]), "round {round}");
    }
}

#[tokio::test]
async fn sec_03_statements_that_are_gone_or_changed_are_prepared_anew() {
    let database = attacked().await;
    let app = on_one_connection(&database).await;
    let ann = ann(&app);
    let mut direct = database.connect().await;
    for round in 0..3 {
        for _ in 0..3 {
            assert_eq!(ann.get("/notes?body=eq.of ann").await.json()[0]["body"], "of ann", "round {round}");
        }
        assert_eq!(go(&ann, "deallocate all").await.status, 204);
        assert_eq!(ann.get("/notes?body=eq.of ann").await.json()[0]["body"], "of ann", "round {round}");
        // Another type of the same column: the plan that is prepared no longer fits.
        let kind = if round % 2 == 0 { "varchar" } else { "text" };
        direct.script(&format!("alter table notes alter column body type {kind}")).await.unwrap();
        let read = ann.get("/notes?body=eq.of ann").await;
        assert_eq!((read.status, &read.json()[0]["body"]), (200, &json!("of ann")), "round {round}: {read:?}");
    }
}

#[tokio::test]
async fn sec_04_nothing_that_an_attack_leaves_reaches_the_next_caller() {
    let database = attacked().await;
    // Where an administrator has given TEMP back, and functions of the owner trust their path.
    database
        .script(&format!(
            "grant temporary on database {} to public;
             create function count_notes() returns bigint language plpgsql security definer set search_path = public as
                 $$ begin return (select count(*) from notes); end $$;
             create function look() returns json language sql volatile as $$ select json_build_object(
                 'sub', current_setting('request.jwt.claims')::json ->> 'sub', 'user', current_setting('app.user_id'),
                 'legacy', nullif(current_setting('request.jwt.claim.sub', true), ''),
                 'marker', nullif(current_setting('app.marker', true), ''), 'path', current_setting('search_path'),
                 'rows', current_setting('row_security'), 'encoding', current_setting('client_encoding'),
                 'timeout', current_setting('statement_timeout'), 'zone', current_setting('timezone'),
                 'read_only', current_setting('transaction_read_only'), 'role', current_setting('role'),
                 'temporary', pg_my_temp_schema() <> 0, 'count', count_notes(),
                 'listens', (select count(*) from pg_listening_channels()),
                 'cursors', (select count(*) from pg_cursors where is_holdable),
                 'locks', (select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()),
                 'prepared', (select count(*) from pg_prepared_statements where from_sql)) $$;
             notify ferrobase;",
            database.name()
        ))
        .await;
    let app = on_one_connection(&database).await;
    let (ann, bob) = (ann(&app), bob(&app));
    let clean = ann.call("look", &json!({})).await.json();
    assert_eq!(
        (&clean["sub"], &clean["count"], &clean["temporary"]),
        (&json!(ANN), &json!(2), &json!(false)),
        "{clean}"
    );
    for attack in [
        "create temporary table notes (id bigint, owner uuid, body text)",
        "create temporary view notes as select 1",
        "create function pg_temp.count_notes() returns bigint language sql as 'select 7::bigint'",
        "select set_config('request.jwt.claims', '{\"sub\": \"evil\"}', false)",
        "select set_config('request.jwt.claim.sub', 'evil', false)",
        "select set_config('app.user_id', 'evil', false)",
        "select set_config('app.marker', 'evil', false)",
        "select set_config('role', 'none', false)",
        "set session authorization default",
        "set row_security = off",
        "set search_path = pg_temp, public",
        "set statement_timeout = 1",
        "set default_transaction_read_only = on",
        "set default_transaction_isolation = 'serializable'",
        "set client_encoding = 'LATIN1'",
        "set timezone = 'Asia/Tokyo'",
        "set standard_conforming_strings = off",
        "listen left_behind",
        "notify left_behind, 'x'",
        "select pg_advisory_lock(4711)",
        "declare left_behind cursor with hold for select * from decoys",
        "prepare left_behind as select 1",
        "reset all",
        "discard temp",
    ] {
        go(&bob, attack).await;
        let seen = ann.call("look", &json!({})).await;
        assert_eq!((seen.status, seen.json()), (200, clean.clone()), "after: {attack}");
        assert_eq!(ann.get("/notes?select=body").await.json(), json!([{"body": "of ann"}]), "after: {attack}");
    }
}

#[tokio::test]
async fn sec_05_a_header_or_host_chooses_no_tenant() {
    let database = attacked().await;
    let app = support::serve(&database).start().await.unwrap();
    let claims = |tenant: Value| {
        let metadata = json!({ "tenant_id": "of the user's own writing" });
        token::with_claims(&json!({ "role": "authenticated", "sub": ANN, "tenant_id": tenant,
                                    "user_metadata": metadata, "exp": token::now() + 3600 }))
    };
    let seen = "select concat_ws('|', app.tenant_id(), current_setting('app.current_tenant'))";
    for (caller, expected) in [
        (Caller::of(&app), ""),
        (Caller::of(&app).with(token::of_user(ANN)), ""),
        (Caller::of(&app).with(claims(json!("one"))), "one|one"),
        (Caller::of(&app).with(claims(json!(null))), ""),
    ] {
        for (name, value) in [
            ("x-tenant-id", "two"),
            ("x-tenant", "two"),
            ("tenant", "two"),
            ("host", "two.example"),
            ("x-forwarded-host", "two.example"),
        ] {
            let request = caller.request(Method::POST, "/rpc/ask").json(&json!({ "sql": seen })).header(name, value);
            let answer = caller.send(request).await.unwrap();
            assert_eq!((answer.status, answer.json()), (200, json!(expected)), "{name}");
        }
    }
}

/// Only settings that a plan's code looks at are set (adr/0009): whatever way it does that, it finds its own request's.
#[tokio::test]
async fn sec_04_known_code_finds_the_settings_of_its_own_request() {
    let database = support::installed().await;
    database
        .script(
            "create table said (id int primary key, place text);
             insert into said values (1, 'a'), (2, 'b'), (3, null);
             alter table said enable row level security;
             create policy by_header on said for select
               using (place = (current_setting('request.headers', true)::json ->> 'x-place'));
             create function place() returns text stable return current_setting('request.headers')::json ->> 'x-place';
             create table by_function (id int, place text default place());
             insert into by_function values (1, 'a'), (2, 'b');
             alter table by_function enable row level security;
             create policy own on by_function using (place = place()) with check (place = place());
             create view request with (security_barrier) as select place() as place, app.user_id() as user_id,
               current_setting('request.method') as method, current_setting('request.path') as path,
               current_setting('app.' || 'role') as role;
             grant select on request to anon, authenticated; grant all on said, by_function to anon, authenticated",
        )
        .await;
    let app = support::serve(&database)
        .env("FERROBASE_SECURITY__DEFINER_VIEWS", "allow")
        .env("FERROBASE_DATABASE__MAX_CONNECTIONS", "2")
        .start()
        .await
        .unwrap();
    for round in 0..6 {
        for (caller, user, role) in [(ann(&app), json!(ANN), "authenticated"), (Caller::of(&app), json!(null), "anon")]
        {
            for (place, id) in [("a", 1), ("b", 2)] {
                let ask = async |path: &str| {
                    let request = caller.request(Method::GET, path).header("x-place", place);
                    caller.send(request).await.unwrap().json()
                };
                assert_eq!(ask("/said?select=id").await, json!([{ "id": id }]), "{round} {place}");
                let mine = ask("/by_function?select=place&limit=1").await;
                assert_eq!(mine, json!([{ "place": place }]), "{round} {place}");
                let told =
                    json!([{ "place": place, "user_id": user, "method": "GET", "path": "/request", "role": role }]);
                assert_eq!(ask("/request").await, told, "{round} {place}");
                let request =
                    caller.request(Method::POST, "/by_function?select=place").json(&json!({ "id": 3 + round }));
                let request = request.header("x-place", place).header("prefer", "return=representation");
                assert_eq!(caller.send(request).await.unwrap().json(), json!([{ "place": place }]), "{round}");
            }
        }
    }
}

#[tokio::test]
async fn sec_10_a_table_without_policies_is_hidden_and_the_start_says_so() {
    let database = attacked().await;
    database
        .script(
            "create table parents (id int primary key references unprotected); alter table parents enable row level security;
             create policy everything on parents using (true) with check (true); insert into parents values (1)",
        )
        .await;
    let app = support::serve(&database).start().await.unwrap();
    eventually("a warning names it", PATIENCE, async || app.log().contains("public.unprotected")).await;
    database.script("create table made_later (id int)").await;
    let said = async || app.log().contains("public.made_later");
    eventually("one that is made later is named too", PATIENCE, said).await;
    assert_eq!(app.log().matches("\"relation\":\"public.unprotected\"").count(), 1, "and nothing is said twice");
    for caller in [Caller::of(&app), ann(&app)] {
        for (method, path) in [
            (Method::GET, "/unprotected"),
            (Method::HEAD, "/unprotected"),
            (Method::POST, "/unprotected"),
            (Method::PATCH, "/unprotected?id=eq.1"),
            (Method::DELETE, "/unprotected?id=eq.1"),
        ] {
            let answer = caller.send(caller.request(method.clone(), path).body("{}")).await.unwrap();
            assert_eq!(answer.status, 404, "{method} {path}: {answer:?}");
        }
        let embedded = caller.get("/parents?select=id,unprotected(secret)").await;
        assert!(embedded.status == 400 && !embedded.body.contains("'unprotected' or"), "{embedded:?}");
        // What is hidden is not suggested either.
        let hint = caller.get("/unprotecte").await;
        assert!(hint.status == 404 && !hint.body.contains("public.unprotected'"), "{hint:?}");
        assert!(!caller.get("/").await.body.contains("unprotected"), "nor described");
    }
    assert_eq!(service(&app).get("/unprotected?select=secret").await.json(), json!([{"secret": "unprotected"}]));
    drop(app);
    let named = support::serve(&database).env("FERROBASE_REST__ALLOW_UNPROTECTED", "public.unprotected");
    let app = named.start().await.unwrap();
    assert_eq!(Caller::of(&app).get("/unprotected?select=id").await.json(), json!([{"id": 1}]));
}

#[tokio::test]
async fn sec_11_copies_without_policies_are_hidden() {
    let database = attacked().await;
    database
        .script(
            "create materialized view copied as select * from notes;
             create view past_policies as select * from notes;
             create table parted (id int, owner uuid) partition by range (id); alter table parted enable row level security;
             create table parted_1 partition of parted for values from (0) to (10);
             insert into parted values (1, '00000000-0000-4000-8000-00000000000b');
             create extension if not exists file_fdw; create server files foreign data wrapper file_fdw;
             create foreign table passwords (line text) server files options (filename '/etc/passwd');
             grant select on passwords to anon, authenticated;
             notify ferrobase",
        )
        .await;
    let app = support::serve(&database).start().await.unwrap();
    for caller in [Caller::of(&app), ann(&app)] {
        assert_eq!(caller.get("/parted").await.json(), json!([]));
        for hidden in ["copied", "past_policies", "parted_1", "passwords"] {
            let answer = caller.get(&format!("/{hidden}")).await;
            assert_eq!(answer.status, 404, "{hidden}: {answer:?}");
        }
    }
}

/// Answers of PostgreSQL that come twice or not at all, between four users.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_13_garbled_connections_give_nobody_the_answer_of_another() {
    // PgBouncer gives up a garbled connection before its clients hear of it.
    if pooler::is_used() {
        return;
    }
    const USERS: u32 = 4;
    let database = attacked().await;
    let owner = |number: u32| format!("00000000-0000-4000-8000-00000000001{number}");
    for number in 0..USERS {
        let row = format!("insert into notes (owner, body) values ('{}', 'of {number}')", owner(number));
        database.script(&row).await;
    }
    let upstream = ferrobase_pg::ConnectOptions::parse(database.url()).unwrap().hosts()[0].to_string();
    let proxy = Proxy::start(upstream).await.unwrap();
    let app = App::serve(BINARY, &proxy.in_front_of(database.url()))
        .env("FERROBASE_DATABASE__MAX_CONNECTIONS", "20")
        .env("FERROBASE_SERVER__REQUEST_TIMEOUT", "500ms")
        .start()
        .await
        .unwrap();
    proxy.set(Fault::Garble(17));
    let end = Instant::now() + Duration::from_secs(2);
    let users: Vec<_> = (0..2 * USERS)
        .map(|client| {
            let number = client % USERS;
            let caller = Caller::of(&app).with(token::of_user(&owner(number)));
            tokio::spawn(async move {
                let (mut good, mut refused) = (0, 0);
                while Instant::now() < end {
                    let answer = caller.get("/notes?select=body").await;
                    match answer.status {
                        200 => {
                            assert_eq!(answer.json(), json!([{"body": format!("of {number}")}]));
                            good += 1;
                        }
                        503 | 504 => refused += 1,
                        _ => panic!("{answer:?}"),
                    }
                }
                (good, refused)
            })
        })
        .collect();
    let (mut good, mut refused) = (0, 0);
    for user in users {
        let (served, turned_away) = user.await.unwrap();
        good += served;
        refused += turned_away;
    }
    proxy.set(Fault::None);
    let count = async |name: &str| metric(&app, &format!("{name}{{pool=\"request\"}}")).await.unwrap();
    let (broken, dirty) = (count("database_protocol_errors_total").await, count("database_sessions_dirty_total").await);
    println!("{good} right answers, {refused} refused; {broken} broken answers, {dirty} broken checks");
    assert!(good > 50 && refused > 0 && broken + dirty > 3.0, "{good} {refused} {broken} {dirty}");
    let caller = ann(&app);
    // Connections whose answers were swallowed are given up after the grace of a cancelled statement.
    let limit = Duration::from_secs(15);
    eventually("served again", limit, async || caller.get("/notes").await.status == 200).await;
}

/// Whatever is nested deeply is refused; the process lives on and answers the next caller.
#[tokio::test]
async fn sec_18_deep_nesting_costs_one_request() {
    let database = attacked().await;
    let app = support::serve(&database).start().await.unwrap();
    let caller = Caller::of(&app);
    let nested = |open: &str, inner: &str, close: &str, depth: usize| open.repeat(depth) + inner + &close.repeat(depth);
    let paths = [
        format!("/notes?and=({})", nested("or(", "id.eq.1", ")", 2500)),
        format!("/notes?not.and=({})", nested("not.or(", "id.eq.1", ")", 1500)),
        format!("/notes?select={}", nested("notes(", "id", ")", 2000)),
        format!("/notes?select=id,{}", nested("...notes(", "id", ")", 1500)),
        format!("/notes?id=in.({})", "(".repeat(12_000)),
        format!("/notes?body=cs.{}", "{".repeat(12_000)),
        format!("/notes?id=eq(any).{}", "{".repeat(12_000)),
    ];
    for path in &paths {
        let answer = caller.get(path).await;
        // 54000 is PostgreSQL's own bound of array dimensions.
        let bounded = matches!(answer.status, 400 | 404) || answer.code() == "54000";
        assert!(bounded && !answer.code().is_empty(), "{}...: {answer:?}", &path[..40]);
    }
    // A path into JSON is a list, not a nest: nothing of ours recurses, and PostgreSQL watches its own stack.
    for path in ["select=body", "order=body", "body"] {
        let path = format!("/notes?{path}{}{}", "->a".repeat(2500), if path == "body" { "=eq.1" } else { "" });
        let answer = caller.get(&path).await;
        assert!(matches!(answer.status, 200 | 400), "{}: {}", answer.status, &answer.body[..100]);
    }
    let arrays = nested("[", "", "]", 100_000);
    for (path, body) in [
        ("/notes", arrays.clone()),
        ("/notes", format!("{{\"body\": {arrays}}}")),
        ("/rpc/ask", format!("{{\"sql\": {arrays}}}")),
        ("/rpc/ask", nested("{\"sql\":", "1", "}", 100_000)),
    ] {
        let request = caller.request(Method::POST, path).header("content-type", "application/json").body(body);
        let answer = caller.send(request).await.unwrap();
        assert_eq!(answer.status, 400, "{path}: {}", &answer.body[..answer.body.len().min(300)]);
    }
    // A token's claims are JSON from outside as well. It is signed, so its maker knew the secret: only its size counts.
    let claims =
        format!("{{\"role\":\"authenticated\",\"exp\":{},\"x\":{}}}", token::now() + 60, nested("[", "", "]", 8000));
    let answer = caller.with(signed(&claims)).get("/notes").await;
    assert!(matches!(answer.status, 400 | 401), "{answer:?}");
    assert_eq!(caller.get("/notes").await.status, 200);
}

/// A token with these claims, however they are nested.
fn signed(claims: &str) -> String {
    let raw = serde_json::value::RawValue::from_string(claims.to_owned()).unwrap();
    let key = jsonwebtoken::EncodingKey::from_secret(token::SECRET.as_bytes());
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), &raw, &key).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_20_code_that_swallows_its_cancellation_is_ended() {
    // Which backend runs a statement is PgBouncer's to know: docs/guide/operating.md says what remains.
    if pooler::is_used() {
        return;
    }
    let database = attacked().await;
    database
        .script(
            "create function stubborn() returns void language plpgsql volatile as $$ begin
                 loop begin perform pg_sleep(60); exception when query_canceled then null; end; end loop; end $$;
             notify ferrobase",
        )
        .await;
    let app = support::serve(&database)
        .env("FERROBASE_SERVER__REQUEST_TIMEOUT", "1s")
        .env("FERROBASE_DATABASE__MAX_CONNECTIONS", "1")
        .start()
        .await
        .unwrap();
    let caller = Caller::of(&app);
    let answer = caller.call("stubborn", &json!({})).await;
    assert_eq!(answer.status, 504, "{answer:?}");
    assert!(answer.took < Duration::from_secs(3), "the caller waits for its own deadline only: {answer:?}");
    let mut direct = database.connect().await;
    let running = "select count(*) from pg_stat_activity where state = 'active' and query like '%stubborn%'
                   and datname = current_database() and pid <> pg_backend_pid()";
    let limit = Duration::from_secs(10);
    eventually("the backend is gone", limit, async || value(&mut direct, running).await == "0").await;
    eventually("answers", Duration::from_secs(3), async || caller.get("/notes").await.status == 200).await;
}

#[tokio::test]
async fn sec_22_answers_tell_nothing_of_what_is_hidden() {
    let database = attacked().await;
    database
        .script(
            "create table items (id int primary key, note bigint references notes);
             alter table items enable row level security; create policy everything on items using (true) with check (true);
             create schema private; create table private.vault (id int);
             create table ungranted (id int); alter table ungranted enable row level security;
             revoke all on ungranted from anon, authenticated;
             notify ferrobase",
        )
        .await;
    let app = support::serve(&database).start().await.unwrap();
    let caller = ann(&app);
    for count in ["exact", "planned", "estimated"] {
        let request = caller.request(Method::GET, "/notes?select=id").header("prefer", format!("count={count}"));
        let answer = caller.send(request).await.unwrap();
        assert_eq!(answer.header("content-range"), "0-0/1", "{count} counts what the caller may see");
    }
    for cast in ["regclass", "regproc", "regrole", "regnamespace", "regtype"] {
        for path in [format!("/notes?select=body::{cast}"), format!("/notes?select=v:body::{cast}&limit=0")] {
            let answer = caller.get(&path).await;
            assert!(answer.status == 400 && !answer.body.contains("does not exist"), "{path}: {answer:?}");
        }
    }
    let plan = caller.request(Method::GET, "/notes").header("accept", "application/vnd.pgrst.plan+json");
    assert_eq!(caller.send(plan).await.unwrap().status, 406, "plans estimate rows that are hidden");
    for near in ["/ungrante", "/vaul", "/unprotecte"] {
        let answer = caller.get(near).await;
        assert!(answer.status == 404 && !answer.body.contains("Perhaps"), "{near}: {answer:?}");
    }
    let missing = caller.get("/private.vault").await;
    assert!(missing.status == 404 && !missing.body.contains("Perhaps"), "{missing:?}");
    let profile = caller.request(Method::GET, "/vault").header("accept-profile", "private");
    assert_eq!(caller.send(profile).await.unwrap().status, 406);
}

/// Two servers begin on one empty database while somebody holds advisory locks and an old transaction open.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_24_servers_that_start_together_wait_for_nobodys_locks() {
    let database = ferrobase_testkit::database().await;
    let mut holder = database.connect().await;
    holder
        .script("select pg_advisory_lock(k) from generate_series(-500, 500) k; begin; select count(*) from pg_class")
        .await
        .unwrap();
    let started = Instant::now();
    let serve = || support::serve(&database).env("FERROBASE_OBSERVABILITY__LOG__LEVEL", "debug");
    let (one, two) = tokio::join!(serve().start(), serve().start());
    let (one, two) = (one.unwrap(), two.unwrap());
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
    let migrations = "migration request/0001";
    let installed = one.log().matches(migrations).count() + two.log().matches(migrations).count();
    assert_eq!(installed, 1, "one of them installed");
    let waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted";
    assert_eq!(value(&mut database.connect().await, waiting).await, "0");
    for app in [&one, &two] {
        assert_eq!(Caller::of(app).get("/").await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_25_a_flood_of_notifications_costs_a_load_a_second() {
    let database = attacked().await;
    let app = support::serve(&database).start().await.unwrap();
    let caller = Caller::of(&app);
    let loads = || app.log().matches("catalog loaded").count();
    let (before, started) = (loads(), Instant::now());
    let mut slowest = Duration::ZERO;
    while started.elapsed() < Duration::from_secs(3) {
        let flood = "do $d$ begin for i in 1..1000 loop perform pg_notify('pgrst', 'reload schema ' || i);
                     perform pg_notify('ferrobase', 'reload config ' || i); end loop; end $d$";
        assert_eq!(go(&caller, flood).await.status, 204);
        let read = ann(&app).get("/notes?select=body").await;
        assert_eq!((read.status, read.json()), (200, json!([{"body": "of ann"}])));
        slowest = slowest.max(read.took);
    }
    let seconds = started.elapsed().as_secs_f64();
    let loaded = loads() - before;
    println!("{loaded} loads in {seconds:.1} s of flood, slowest read {slowest:?}");
    assert!((loaded as f64) <= seconds + 1.5, "{loaded} loads in {seconds:.1} s");
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    // What a notification says is nobody's order.
    let request = "select pg_notify('ferrobase', 'reload config'), pg_notify('pgrst', 'allow everything')";
    go(&caller, &format!("do $d$ begin perform 1 from ({request}) x; end $d$")).await;
    assert_eq!(caller.get("/unprotected").await.status, 404);
}

#[tokio::test]
async fn sec_26_the_event_trigger_never_stands_in_the_way() {
    let database = attacked().await;
    let app = support::serve(&database).start().await.unwrap();
    let caller = Caller::of(&app);
    let owner = "select r.rolsuper from pg_event_trigger e join pg_proc p on p.oid = e.evtfoid
                 join pg_roles r on r.oid = p.proowner where evtname = 'ferrobase_ddl'";
    let mut direct = database.connect().await;
    assert_eq!(value(&mut direct, owner).await, "t");
    // Even with the channel's queue or the function broken, DDL goes on; and API roles cannot touch it.
    for attack in [
        "drop event trigger ferrobase_ddl",
        "drop function ferrobase.notify_ddl()",
        "alter event trigger ferrobase_ddl disable",
    ] {
        assert_eq!(go(&caller, attack).await.code(), "42501", "{attack}");
    }
    // A grant changes who may, not which tables there are: it holds at once, without any reload.
    assert_eq!(ann(&app).get("/notes").await.status, 200);
    direct.script("revoke select on notes from authenticated").await.unwrap();
    assert_eq!(ann(&app).get("/notes").await.status, 403);
    direct.script("grant select on notes to authenticated; drop policy own on notes").await.unwrap();
    assert_eq!(ann(&app).get("/notes").await.json(), json!([]));
}

#[tokio::test]
async fn sec_27_cookies_prove_nothing_and_answers_are_not_sniffed() {
    let database = attacked().await;
    let app = support::serve(&database).start().await.unwrap();
    let caller = Caller::of(&app);
    let bearer = token::of_user(ANN);
    for cookie in [
        format!("access_token={bearer}"),
        format!("sb-access-token={bearer}"),
        format!("Authorization=Bearer {bearer}"),
    ] {
        let answer = caller.send(caller.request(Method::GET, "/notes").header("cookie", cookie)).await.unwrap();
        assert_eq!((answer.status, answer.json()), (200, json!([])));
    }
    let origin = caller.request(Method::GET, "/notes").header("origin", "https://evil.example");
    let answer = caller.send(origin).await.unwrap();
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert_eq!(answer.header("access-control-allow-credentials"), "", "never together with any origin");
    for path in ["/ready", "/metrics", "/live", "/admin"] {
        let answer = caller.send(crate::caller::client().get(app.url(path))).await.unwrap();
        assert_eq!(answer.status, 404, "{path} is on its own listener");
    }
}

/// Weak secrets are refused at start and, all the same, when the configuration is read again.
#[tokio::test]
async fn sec_27_serve_refuses_secrets_that_everybody_knows() {
    let database = support::installed().await;
    for weak in
        ["super-secret-jwt-token-with-at-least-32-characters-long", "short", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]
    {
        let serve = App::serve(BINARY, database.url()).env("FERROBASE_AUTH__JWT_SECRET", weak).without_waiting();
        let mut app = serve.start().await.unwrap();
        let status = app.wait(PATIENCE).await.expect("it does not start");
        assert!(!status.success());
        assert!(app.log().contains("auth.jwt_secret") && !app.log().contains(weak), "{}", app.log());
    }
}

/// Callers who ask for much and read nothing hold no database connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_29_slow_readers_starve_nobody() {
    let database = attacked().await;
    database
        .script("create function much() returns text language sql stable as $$ select repeat('x', 8000000) $$; notify ferrobase")
        .await;
    let app = support::serve(&database).env("FERROBASE_DATABASE__MAX_CONNECTIONS", "3").start().await.unwrap();
    let caller = Caller::of(&app);
    eventually("the function is known", PATIENCE, async || caller.get("/rpc/much").await.status == 200).await;
    let mut slow = Vec::new();
    for _ in 0..6 {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", app.port())).await.unwrap();
        stream.write_all(b"GET /rest/v1/rpc/much HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut first = [0; 12];
        stream.read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
        slow.push(stream);
    }
    // All six answers have begun and none is read any further.
    let active = "database_connections_active{pool=\"request\"}";
    eventually("no connection is held", Duration::from_secs(3), async || metric(&app, active).await == Some(0.0)).await;
    for _ in 0..20 {
        let answer = caller.get("/notes").await;
        assert!(answer.status == 200 && answer.took < Duration::from_secs(1), "{answer:?}");
    }
    let limit = "select count(*) from pg_db_role_setting s join pg_roles r on r.oid = s.setrole
                 where rolname like 'authenticator%' and array_to_string(setconfig, ' ') like '%temp_file_limit%'";
    assert_ne!(value(&mut database.connect().await, limit).await, "0", "install bounds temporary files");
    assert_eq!(ready(&app).await.0, 200);
}

/// Strangers who ask for slow things leave a quarter of the connections to everybody else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_29_anonymous_callers_cannot_take_every_connection() {
    let database = attacked().await;
    database
        .script(
            "create function slow(seconds float) returns text language sql volatile as
                 $$ select pg_sleep(seconds); select 'done'::text $$; notify ferrobase",
        )
        .await;
    // Two are for service keys, six for requests, of which strangers get five.
    let app = support::serve(&database)
        .env("FERROBASE_DATABASE__MAX_CONNECTIONS", "8")
        .env("FERROBASE_DATABASE__MAX_WAITING", "5")
        .start()
        .await
        .unwrap();
    let caller = Caller::of(&app);
    let strangers: Vec<_> = (0..10)
        .map(|_| {
            let caller = caller.clone();
            tokio::spawn(async move { caller.call("slow", &json!({"seconds": 1.5})).await.status })
        })
        .collect();
    let waiting = "database_connections_waiting{pool=\"request\"}";
    let running = "database_connections_active{pool=\"request\"}";
    // The first five wait as well while their connections are opened.
    eventually("five run and five wait", PATIENCE, async || {
        metric(&app, running).await == Some(5.0) && metric(&app, waiting).await == Some(5.0)
    })
    .await;
    let refused = caller.get("/notes").await;
    assert!(refused.is_unavailable() && refused.took < Duration::from_millis(500), "{refused:?}");
    for _ in 0..10 {
        let answer = ann(&app).get("/notes?select=body").await;
        assert_eq!((answer.status, answer.json()), (200, json!([{"body": "of ann"}])));
        assert!(answer.took < Duration::from_millis(500), "{answer:?}");
    }
    for stranger in strangers {
        assert_eq!(stranger.await.unwrap(), 200, "whoever was let in is answered");
    }
    assert_eq!(metric(&app, "database_saturated_total{pool=\"request\"}").await, Some(1.0));
}
