//! What code in the database can leave behind in a session, and that nobody finds it there.
//!
//! One connection, two callers: the first runs a function of his own, the second runs what everybody runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ferrobase_pg::{Batch, ConnectOptions, Judge, Pool, PoolOptions, Session, StatementResult, Terms};
use ferrobase_testkit::TestDatabase;

use crate::support::{BatchExt, batch, cell, database, eventually, options, pool, user_batch};

/// Replaces every statement that the server prepared for us by one of the attacker's.
const POISON: &str = "
    create function poison(replacement text) returns void language plpgsql as $$
    declare s record;
    begin
        for s in select name from pg_prepared_statements where not from_sql loop
            execute format('deallocate %I', s.name);
            execute format('prepare %I as %s', s.name, replacement);
        end loop;
    end $$;
";

fn as_role(request: Batch, role: &str) -> Batch {
    request.with("role", role)
}

/// Runs something as the first caller and waits until its session is back or closed.
async fn attack(pool: &Pool, sql: &str) {
    let _ = pool.run(as_role(user_batch(&[sql]), "fbpg_one")).await;
    settled(pool).await;
}

async fn settled(pool: &Pool) {
    eventually("the session is back", async || pool.stats().active == 0).await;
}

/// The second caller.
async fn ask(pool: &Pool, sql: &str) -> Option<String> {
    let reply = pool.run(as_role(batch(&[sql]), "fbpg_two")).await.unwrap();
    cell(&reply).map(str::to_owned)
}

async fn one_connection() -> (TestDatabase, Pool) {
    let database = database().await;
    let pool = pool(&database, 1);
    (database, pool)
}

#[tokio::test]
async fn sec_03_replaced_prepared_statements_are_noticed() {
    let (database, pool) = one_connection().await;
    database.script(POISON).await;
    for _ in 0..3 {
        assert_eq!(ask(&pool, "select 'true answer'").await.as_deref(), Some("true answer"));
    }
    attack(&pool, "select poison('select ''forged answer''::text')").await;
    assert_eq!(pool.stats().dirty, 1);
    assert_eq!(ask(&pool, "select 'true answer'").await.as_deref(), Some("true answer"));
    assert_eq!(pool.stats().opened, 2);
}

/// The check's own statements may be replaced too, by code that covers up when the check runs it.
#[tokio::test]
async fn sec_03_the_check_cannot_be_turned_against_itself() {
    let (database, pool) = one_connection().await;
    database.script(POISON).await;
    database
        .script(
            "create function cover_up() returns text language plpgsql as $$
             declare s record;
             begin
                 perform set_config('work_mem', '7MB', false);
                 for s in select name from pg_prepared_statements where from_sql loop
                     execute format('deallocate %I', s.name);
                 end loop;
                 return 'covered';
             end $$",
        )
        .await;
    for _ in 0..3 {
        // The resets are prepared by the first checks.
        attack(&pool, "select 1").await;
    }
    assert_eq!((pool.stats().resets, pool.stats().dirty), (3, 0));
    attack(&pool, "select poison('select cover_up()')").await;
    assert_eq!(pool.stats().dirty, 1);
    assert_eq!(ask(&pool, "show work_mem").await.as_deref(), Some("4MB"));
}

#[tokio::test]
async fn sec_03_dropped_prepared_statements_do_no_harm() {
    let (database, pool) = one_connection().await;
    database
        .script("create function drop_all() returns void language plpgsql as $$ begin execute 'deallocate all'; end $$")
        .await;
    for _ in 0..5 {
        assert_eq!(ask(&pool, "select 'true answer'").await.as_deref(), Some("true answer"));
        attack(&pool, "select drop_all()").await;
    }
    assert_eq!(ask(&pool, "select 'true answer'").await.as_deref(), Some("true answer"));
}

/// Even without the check (a caller who wrongly said that no user code ran) a dropped name is prepared anew.
#[tokio::test]
async fn sec_03_a_name_that_vanished_is_prepared_anew() {
    let (database, pool) = one_connection().await;
    database
        .script("create function drop_all() returns text language plpgsql as $$ begin execute 'deallocate all'; return 'x'; end $$")
        .await;
    for _ in 0..4 {
        assert_eq!(ask(&pool, "select 'true answer'").await.as_deref(), Some("true answer"));
        assert_eq!(ask(&pool, "select drop_all()").await.as_deref(), Some("x"));
    }
    assert_eq!(pool.stats().opened, 1);
}

#[tokio::test]
async fn sec_03_a_changed_result_type_is_no_error_for_the_next_caller() {
    let (database, pool) = one_connection().await;
    database.script("create table t (id int); insert into t values (1); grant select on t to public").await;
    for _ in 0..3 {
        assert_eq!(ask(&pool, "select * from t").await.as_deref(), Some("1"));
    }
    database.script("alter table t alter id type text using 'one'").await;
    assert_eq!(ask(&pool, "select * from t").await.as_deref(), Some("one"));
}

#[tokio::test]
async fn sec_04_clean_user_code_keeps_its_connection() {
    let (database, pool) = one_connection().await;
    database.script("create function f() returns int language plpgsql as $$ begin return 1; end $$").await;
    for _ in 0..10 {
        attack(&pool, "select f()").await;
        attack(&pool, "select f() / 0").await;
    }
    let stats = pool.stats();
    assert_eq!((stats.opened, stats.resets, stats.dirty), (1, 20, 0));
}

/// A batch that may only count up sequences is not checked afterwards: it forgets them itself, and is checked when it
/// failed before it could.
#[tokio::test]
async fn sec_04_where_sequences_stand_is_forgotten_in_the_same_flush() {
    let (database, pool) = one_connection().await;
    database.script("create sequence counted; grant usage on sequence counted to public").await;
    let counts = |sql: &str| as_role(Batch { counts_up: true, ..batch(&[sql]) }, "fbpg_one");
    for number in 1..5 {
        let reply = pool.run(counts("select nextval('counted')")).await.unwrap();
        assert_eq!(cell(&reply), Some(number.to_string().as_str()));
        assert_eq!(reply.results.len(), 1, "nothing of ours is among the results");
        let lastval = pool.run(as_role(batch(&["select lastval()"]), "fbpg_two")).await.unwrap_err();
        assert!(lastval.to_string().contains("lastval is not yet defined"), "{lastval}");
    }
    assert_eq!(pool.stats().resets, 0);
    pool.run(counts("select nextval('counted') / 0")).await.unwrap_err();
    settled(&pool).await;
    let lastval = pool.run(as_role(batch(&["select lastval()"]), "fbpg_two")).await.unwrap_err();
    assert!(lastval.to_string().contains("lastval is not yet defined"), "{lastval}");
    assert_eq!((pool.stats().resets, pool.stats().opened), (1, 1));
    // With a condition in the middle there are two flushes.
    let passes = |_: &[StatementResult]| true;
    let terms = Terms { judge: Some(Judge { leading: 1, passes: &passes }), ..Terms::default() };
    let two = Batch { counts_up: true, ..batch(&["select 1", "select nextval('counted')"]) };
    pool.run_on(as_role(two, "fbpg_one"), terms).await.unwrap();
    let lastval = pool.run(as_role(batch(&["select lastval()"]), "fbpg_two")).await.unwrap_err();
    assert!(lastval.to_string().contains("lastval is not yet defined"), "{lastval}");
}

/// What was known of a batch's code when it was made was no longer so when it ran.
#[tokio::test]
async fn sec_03_a_batch_whose_proof_fell_is_followed_by_a_check() {
    let (_database, pool) = one_connection().await;
    let stands = Arc::new(AtomicBool::new(true));
    let proven = || as_role(Batch { proof: Some(Arc::clone(&stands)), ..batch(&["select 1"]) }, "fbpg_one");
    pool.run(proven()).await.unwrap();
    settled(&pool).await;
    assert_eq!(pool.stats().resets, 0);
    stands.store(false, Ordering::Release);
    pool.run(proven()).await.unwrap();
    settled(&pool).await;
    assert_eq!(pool.stats().resets, 1);
}

/// What is left behind, what the next caller asks, and what he must hear.
const LEFTOVERS: &[(&str, &str, &str)] = &[
    ("perform set_config('work_mem', '7MB', false)", "show work_mem", "4MB"),
    ("perform set_config('search_path', 'evil', false)", "show search_path", "\"$user\", public"),
    ("perform set_config('row_security', 'off', false)", "show row_security", "on"),
    ("perform set_config('timezone', 'Asia/Tokyo', false)", "show timezone", "UTC"),
    ("perform set_config('datestyle', 'German', false)", "show datestyle", "ISO, MDY"),
    ("perform set_config('client_encoding', 'LATIN1', false)", "show client_encoding", "UTF8"),
    ("perform set_config('application_name', 'x', false)", "show application_name", "ferrobase"),
    ("perform set_config('statement_timeout', '1', false)", "show statement_timeout", "0"),
    ("perform set_config('default_transaction_read_only', 'on', false)", "show transaction_read_only", "off"),
    (
        "perform set_config('request.jwt.claims', 'forged', false)",
        "select coalesce(current_setting('request.jwt.claims', true), '')",
        "",
    ),
    ("perform set_config('role', 'fbpg_one', false)", "select session_user || current_user", "fbpg_loginfbpg_two"),
    ("execute 'create temp table todos as select 666 as id'", "select id from todos", "1"),
    ("execute 'create temp view todos as select 666 as id'", "select id from todos", "1"),
    ("execute 'create function pg_temp.now() returns int language sql return 666'", "select pg_my_temp_schema()", "0"),
    ("execute 'listen evil'", "select count(*) from pg_listening_channels()", "0"),
    (
        "perform pg_advisory_lock(666)",
        "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()",
        "0",
    ),
    (
        "execute 'declare evil cursor with hold for select 666'",
        "select count(*) from pg_cursors where name = 'evil'",
        "0",
    ),
    ("perform nextval('numbers')", "select last_number()", "none"),
    ("execute 'prepare evil as select 666'", "select count(*) from pg_prepared_statements where from_sql", "0"),
];

#[tokio::test]
async fn sec_04_nothing_left_behind_reaches_the_next_caller() {
    let (database, pool) = one_connection().await;
    database
        .script(
            "create table todos as select 1 as id; grant select on todos to public;
             create sequence numbers; grant all on numbers to public;
             create function last_number() returns text language plpgsql as
             $$ begin return lastval(); exception when object_not_in_prerequisite_state then return 'none'; end $$",
        )
        .await;
    for (leave, question, expected) in LEFTOVERS {
        let body =
            format!("create or replace function leave() returns void language plpgsql as $f$ begin {leave}; end $f$");
        database.script(&body).await;
        let request = as_role(user_batch(&["select leave()"]), "fbpg_one");
        pool.run(request).await.unwrap_or_else(|e| panic!("{leave}: {e}"));
        assert_eq!(ask(&pool, question).await.as_deref(), Some(*expected), "{leave}");
        settled(&pool).await;
    }
}

/// What is set for one transaction is gone with it, whatever code runs; no check is needed for that.
#[tokio::test]
async fn sec_04_a_setting_of_one_transaction_costs_no_connection() {
    let (_database, pool) = one_connection().await;
    for zone in ["Asia/Tokyo", "UTC", "Europe/Berlin"] {
        let reply = pool.run(batch(&["show timezone"]).with("timezone", zone)).await.unwrap();
        assert_eq!(cell(&reply), Some(zone));
    }
    assert_eq!(ask(&pool, "show timezone").await.as_deref(), Some("UTC"));
    assert_eq!((pool.stats().opened, pool.stats().dirty), (1, 0));
}

/// A reported setting that changed for good closes the connection even when nobody said that user code would run.
#[tokio::test]
async fn sec_04_a_changed_reported_setting_drops_the_connection() {
    let (_database, pool) = one_connection().await;
    ask(&pool, "select set_config('timezone', 'Asia/Tokyo', false)").await;
    assert_eq!(ask(&pool, "show timezone").await.as_deref(), Some("UTC"));
    assert_eq!((pool.stats().opened, pool.stats().dirty), (2, 1));
}

#[tokio::test]
async fn sec_04_notifications_between_answers_are_tolerated() {
    let (database, pool) = one_connection().await;
    database
        .script("create function hear() returns void language plpgsql as $$ begin execute 'listen noise'; end $$")
        .await;
    // Not declared as user code, so the session keeps listening.
    ask(&pool, "select hear()").await;
    for _ in 0..20 {
        database.script("notify noise, 'a'; notify noise, 'b'").await;
        assert_eq!(ask(&pool, "select 'true answer'").await.as_deref(), Some("true answer"));
    }
    assert_eq!(pool.stats().opened, 1);
}

/// What a login gave itself (`ALTER ROLE ... SET`) would come with every later connection.
#[tokio::test]
async fn sec_21_a_login_with_settings_of_its_own_is_refused() {
    let database = database().await;
    let role = format!("fbpg_bare_{}", database.name());
    let mut admin = database.connect().await;
    admin
        .script(&format!("create role {role} login password 'geheim'; alter role {role} set temp_file_limit = '1GB'"))
        .await
        .unwrap();
    let connect = ConnectOptions::parse(&database.url_as(&role, "geheim")).unwrap();
    let bare = || Pool::new(connect.clone(), PoolOptions { bare_login: true, ..options(1) });
    bare().run(batch(&["select 1"])).await.unwrap();
    for place in [String::new(), format!("in database {}", database.name())] {
        let mut own = Session::connect(&connect).await.unwrap();
        own.script(&format!("alter role {role} {place} set row_security = off")).await.unwrap();
        let pool = bare();
        let error = pool.run(batch(&["select 1"])).await.unwrap_err();
        assert!(error.to_string().contains("row_security"), "{error}");
        assert!(pool.outage().is_some());
        Pool::new(connect.clone(), options(1)).run(batch(&["select 1"])).await.unwrap();
        own.script(&format!("alter role {role} {place} reset all")).await.unwrap();
        eventually("taken again", async || pool.run(batch(&["select 1"])).await.is_ok()).await;
        assert!(pool.outage().is_none());
    }
    admin.script(&format!("alter role {role} reset all; drop role {role}")).await.unwrap();
}
