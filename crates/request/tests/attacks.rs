//! What code that runs as an API role tries, and must not reach (requirements/security.md).

use std::time::Duration;

use ferrobase_base::{Kind, PublicError};
use ferrobase_request::role_settings::RoleLimits;
use ferrobase_request::{Error, TransactionRules, Work, headers_json, run};
use ferrobase_testkit::token;
use serde_json::json;

use crate::support::{Fixture, Options, ask, code, context, first, path, statement};

const USER: &str = "0190b6f0-0000-7000-8000-000000000001";

/// A function that runs whatever the caller says, as the caller: the hole from which each attack starts.
const HOLE: &str = "create function public.run(sql text) returns text language plpgsql as $$
    declare result text; begin execute sql into result; return result; end $$;
    create function public.go(sql text) returns void language plpgsql as $$ begin execute sql; end $$;";

async fn hole(fixture: &Fixture, identity: ferrobase_request::Identity, sql: &str) -> Result<Option<String>, Error> {
    fixture.value(identity, &format!("select public.run($sql${sql}$sql$)")).await
}

async fn go(fixture: &Fixture, identity: ferrobase_request::Identity, sql: &str) -> Result<Option<String>, Error> {
    fixture.value(identity, &format!("select public.go($sql${sql}$sql$)")).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_01_leaving_the_role_gives_nothing() {
    let fixture = Fixture::new(HOLE).await;
    let escape = "select set_config('role', 'none', true)";
    go(&fixture, fixture.anonymous(), escape).await.unwrap();
    for prize in [
        "select count(*) from pg_authid",
        "select value from ferrobase.secrets limit 1",
        "select pg_read_file('/etc/passwd')",
        "create role taken superuser",
        "alter system set log_statement = 'all'",
    ] {
        let attack = format!("do $d$ begin perform set_config('role', 'none', true); {} end $d$", as_statement(prize));
        let error = go(&fixture, fixture.anonymous(), &attack).await.unwrap_err();
        assert!(matches!(code(&error).as_str(), "42501" | "25001" | "0A000"), "{prize}: {error}");
    }
    let mut session = fixture.db.connect().await;
    let facts = format!(
        "select rolsuper or rolcreaterole or rolcreatedb or rolbypassrls or rolreplication or rolinherit from pg_roles \
         where rolname = '{}'",
        fixture.installed.logins.request.user
    );
    assert_eq!(ask(&mut session, &facts).await.as_deref(), Some("f"));
}

fn as_statement(sql: &str) -> String {
    match sql.strip_prefix("select ") {
        Some(rest) => format!("perform {rest};"),
        None => format!("execute '{}';", sql.replace('\'', "''")),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_01_roles_that_no_caller_may_have_are_refused_by_the_catalog() {
    let db_roles = ["postgres", "authenticator", "pg_read_all_data", "missing role"];
    let fixture = Fixture::with(Options {
        auth: ferrobase_request::AuthRules {
            allowed_roles: ferrobase_request::credentials::AllowedRoles::Any,
            ..ferrobase_request::AuthRules::default()
        },
        ..Options::default()
    })
    .await;
    for role in db_roles {
        let error = fixture.value(fixture.bearer(&token::of_role(role)), "select 1").await.unwrap_err();
        assert!(matches!(error, Error::RoleRefused { .. }), "{role}: {error}");
        let public = PublicError::from(error);
        assert_eq!((public.kind, public.code.as_ref()), (Kind::Forbidden, "FB303"), "{role}");
        assert!(!public.message.contains("superuser"), "{}", public.message);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_02_anonymous_code_cannot_become_service_role() {
    let fixture = Fixture::new(
        "create table guarded (a int); alter table guarded enable row level security; insert into guarded values (1);
         create function public.run(sql text) returns text language plpgsql as $$
             declare result text; begin execute sql into result; return result; end $$",
    )
    .await;
    for attack in ["select set_config('role', 'service_role', true)", "set local role service_role"] {
        let error = go_or_run(&fixture, attack).await;
        assert_eq!(code(&error), "42501", "{attack}");
    }
    let count = "select count(*) from guarded";
    assert_eq!(fixture.value(fixture.anonymous(), count).await.unwrap().as_deref(), Some("0"));
    assert_eq!(fixture.value(fixture.service(), count).await.unwrap().as_deref(), Some("1"));
    // And the service login is no way to anybody else.
    let error = fixture.value(fixture.service(), "select set_config('role', 'authenticated', true)").await;
    assert_eq!(code(&error.unwrap_err()), "42501");
}

async fn go_or_run(fixture: &Fixture, attack: &str) -> Error {
    hole(fixture, fixture.anonymous(), attack).await.unwrap_err()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_04_temporary_tables_cannot_be_made_and_would_not_shadow() {
    let fixture = Fixture::with(Options {
        sql: "create function public.go(sql text) returns void language plpgsql as $$ begin execute sql; end $$;
              create table todos (a int); alter table todos enable row level security;
              create policy everybody on todos using (true); insert into todos values (1), (2);
              create function count_todos() returns bigint language plpgsql as $$
                  begin return (select count(*) from todos); end $$",
        connections: 1,
        ..Options::default()
    })
    .await;
    let shadow = "create temporary table todos (a int)";
    let error = go(&fixture, fixture.anonymous(), shadow).await.unwrap_err();
    assert_eq!(code(&error), "42501");
    // Even where an administrator allows them: the path ends with pg_temp, and the session is thrown away.
    fixture.db.script(&format!("grant temporary on database {} to public", fixture.db.name())).await;
    let same = fixture.value(
        fixture.anonymous(),
        "select public.go('create temporary table todos (a int)')::text || count_todos()::text",
    );
    assert_eq!(same.await.unwrap().as_deref(), Some("2"), "in the same transaction");
    let next = fixture.value(fixture.user(USER), "select count_todos()").await.unwrap();
    assert_eq!(next.as_deref(), Some("2"), "in the next one on the only connection");
    let left = fixture.value(fixture.user(USER), "select pg_my_temp_schema()").await.unwrap();
    assert_eq!(left.as_deref(), Some("0"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_04_session_settings_of_one_request_do_not_reach_the_next() {
    let fixture = Fixture::with(Options { sql: HOLE, connections: 1, ..Options::default() }).await;
    for attack in [
        "select set_config('request.jwt.claims', '{\"sub\":\"evil\"}', false)",
        "select set_config('request.jwt.claim.sub', 'evil', false)",
        "select set_config('app.user_id', 'evil', false)",
        "select set_config('app.marker', 'evil', false)",
        "select set_config('row_security', 'off', false)",
        "select set_config('statement_timeout', '1ms', false)",
        "select set_config('default_transaction_read_only', 'on', false)",
        "select pg_advisory_lock(4711)::text",
    ] {
        let _ = hole(&fixture, fixture.anonymous(), attack).await;
        let probe = "select concat_ws('|', current_setting('request.jwt.claims'), current_setting('app.user_id'),
            nullif(current_setting('request.jwt.claim.sub', true), ''), nullif(current_setting('app.marker', true), ''),
            current_setting('row_security'), current_setting('statement_timeout'),
            current_setting('transaction_read_only'),
            (select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()))";
        let seen = fixture.value(fixture.anonymous(), probe).await.unwrap().unwrap();
        assert_eq!(seen, r#"{"role":"anon"}||on|0|off|0"#, "{attack}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_10_sec_11_unprotected_relations_are_hidden_and_reported() {
    let fixture = Fixture::new(
        "create table open (a int);
         create table guarded (a int); alter table guarded enable row level security;
         create view v_definer as select * from guarded;
         create view v_invoker with (security_invoker = true) as select * from guarded;
         create materialized view copy as select * from guarded;
         create table parts (a int) partition by range (a); alter table parts enable row level security;
         create table part_1 partition of parts for values from (0) to (10)",
    )
    .await;
    let catalog = fixture.target.catalog.get().unwrap();
    let exposure = &fixture.target.exposure;
    let seen = |role: &str| {
        let mut names: Vec<_> = catalog
            .relations
            .values()
            .filter(|relation| exposure.visibility(&catalog, relation, role).is_visible())
            .map(|relation| relation.name.name.as_str())
            .collect();
        names.sort_unstable();
        names.join(" ")
    };
    assert_eq!(seen("anon"), "guarded parts v_invoker");
    assert_eq!(seen("authenticated"), "guarded parts v_invoker");
    assert_eq!(seen("service_role"), "copy guarded open parts v_definer v_invoker", "partitions never");
    let subjects: Vec<_> = exposure.warnings(&catalog).into_iter().map(|warning| warning.subject).collect();
    assert_eq!(subjects, ["public.copy", "public.open", "public.v_definer"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_21_a_role_cannot_lift_its_own_limits() {
    let fixture = Fixture::with(Options {
        transaction: TransactionRules {
            role_limits: RoleLimits { statement_timeout: Some(Duration::from_secs(5)), work_mem_kb: 8192 },
            ..TransactionRules::default()
        },
        auth: ferrobase_request::AuthRules {
            allowed_roles: ferrobase_request::credentials::AllowedRoles::Any,
            ..ferrobase_request::AuthRules::default()
        },
        ..Options::default()
    })
    .await;
    let role = format!("editor_of_{}", fixture.db.name());
    fixture
        .db
        .script(&format!(
            "create role {role} nologin; grant {role} to {login};
             alter role {role} set statement_timeout = 0; alter role {role} set work_mem = '64GB';
             alter role {role} set search_path = evil; alter role {role} set app.user_id = 'evil';
             alter role {role} set lock_timeout = '3s'; alter role {role} set row_security = off",
            login = fixture.installed.logins.request.user
        ))
        .await;
    fixture.reload().await;
    let show = "select concat_ws(' ', current_setting('statement_timeout'), current_setting('work_mem'),
        current_setting('lock_timeout'), current_setting('search_path'), current_setting('app.user_id'),
        current_setting('row_security'))";
    let shown = fixture.value(fixture.bearer(&token::of_role(&role)), show).await.unwrap();
    assert_eq!(shown.as_deref(), Some(r#"5s 8MB 3s "public", "extensions", pg_temp  on"#));
    fixture.db.script(&format!("drop role {role}")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_28_credentials_stay_out_of_the_database() {
    let fixture = Fixture::new("").await;
    let canary = "canary-4711";
    let mut context = context(fixture.bearer(&token::with_claims(&json!({"role": "authenticated", "sub": USER}))));
    let bearer = format!("Bearer {canary}");
    let cookie = format!("session={canary}");
    let fields =
        [("authorization", bearer.as_str()), ("apikey", canary), ("cookie", cookie.as_str()), ("accept", "*/*")];
    context.headers = headers_json(fields, false).into();
    let everything = "select string_agg(name || '=' || setting, ' ') || current_setting('request.headers') ||
        current_setting('request.cookies') || current_setting('request.jwt.claims') from pg_settings";
    let reply = run(&fixture.target, &context, Work::read(path(), statement(everything))).await.unwrap();
    let seen = first(&reply.results[0]).unwrap();
    assert!(seen.contains(r#"{"accept":"*/*"}"#) && !seen.contains(canary));
}
