//! One request, one transaction: settings, role, read-only, isolation, pre-request, failures.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ferrobase_base::{Kind, PublicError};
use ferrobase_catalog::{Proof, QualifiedName, SettingsRead, Stands};
use ferrobase_pg::{End, Isolation, Pool, PoolOptions};
use ferrobase_request::journal::Stage;
use ferrobase_request::role_settings::RoleLimits;
use ferrobase_request::{Error, Journal, Profile, RequestContext, TransactionRules, Work, lines, run};
use ferrobase_testkit::token;
use serde_json::{Value, json};

use crate::support::{Fixture, Options, code, context, first, path, statement};

const USER: &str = "0190b6f0-0000-7000-8000-000000000001";

/// Every setting of a request, as SQL code sees it.
const SETTINGS: &str = "select json_object_agg(name, current_setting(name, true)) from unnest(array[
    'request.jwt.claims', 'request.method', 'request.path', 'request.headers', 'request.cookies', 'request.id',
    'app.client_ip', 'app.user_id', 'app.current_user_id', 'app.role', 'app.tenant_id', 'app.current_tenant_id',
    'app.current_tenant', 'search_path', 'transaction_read_only', 'role'
]) as name";

async fn settings(fixture: &Fixture, identity: ferrobase_request::Identity) -> Value {
    let work = Work::read(path(), statement(SETTINGS));
    let reply = fixture.run(identity, work).await.unwrap();
    serde_json::from_str(&first(&reply.results[0]).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_setting_is_there_also_when_it_is_empty() {
    let fixture = Fixture::new("").await;
    let claims = json!({"role": "authenticated", "sub": USER, "exp": token::now() + 60, "tenant_id": 42});
    let user = settings(&fixture, fixture.bearer(&token::with_claims(&claims))).await;
    let expected = json!({
        "request.jwt.claims": claims.to_string(),
        "request.method": "GET",
        "request.path": "/rest/v1/todos",
        "request.headers": r#"{"user-agent":"tests"}"#,
        "request.cookies": "{}",
        "request.id": "req-1",
        "app.client_ip": "192.0.2.7",
        "app.user_id": USER,
        "app.current_user_id": USER,
        "app.role": "authenticated",
        "app.tenant_id": "42",
        "app.current_tenant_id": "42",
        "app.current_tenant": "42",
        "search_path": r#""public", "extensions", pg_temp"#,
        "transaction_read_only": "on",
        "role": "authenticated",
    });
    assert_eq!(user, expected);
    let anonymous = settings(&fixture, fixture.anonymous()).await;
    assert_eq!(anonymous["request.jwt.claims"], r#"{"role":"anon"}"#);
    for empty in ["app.user_id", "app.current_user_id", "app.tenant_id", "app.current_tenant"] {
        assert_eq!(anonymous[empty], "", "{empty}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn proven_code_is_told_what_it_looks_at_and_postgresql_what_it_needs() {
    let fixture = Fixture::new("").await;
    let bearer = || fixture.bearer(&token::with_claims(&json!({"role": "authenticated", "exp": token::now() + 60})));
    for names in [&["Request.Path", "app.role"][..], &[]] {
        let looks_at = SettingsRead::Only(names.iter().map(|name| (*name).into()).collect());
        let stands = Stands::default();
        stands.flag().store(true, Ordering::Release);
        let proof = Proof { stands, settings: looks_at };
        let work = Work { proof: Some(proof), ..Work::read(path(), statement(SETTINGS)) };
        let reply = fixture.run(bearer(), work).await.unwrap();
        let seen: Value = serde_json::from_str(&first(&reply.results[0]).unwrap()).unwrap();
        for always in ["search_path", "role", "transaction_read_only", "request.jwt.claims"] {
            assert_ne!(seen[always], "", "{always}");
        }
        let told = |name: &str| seen[name].as_str().is_some_and(|value| !value.is_empty());
        assert_eq!((told("request.path"), told("app.role")), (!names.is_empty(), !names.is_empty()), "{seen}");
        for never in ["request.headers", "request.method", "request.id", "app.client_ip"] {
            assert!(!told(never), "{never}: {seen}");
        }
    }
    // Nobody knows what this code looks at.
    assert_eq!(settings(&fixture, bearer()).await["request.method"], "GET");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_identity_functions_are_null_when_unset_and_survive_casts() {
    let fixture = Fixture::new("").await;
    let ask = "select json_build_array(auth.uid(), auth.role(), auth.email(), app.user_id(), app.user_id()::uuid, \
               app.tenant_id()::bigint, app.client_ip(), auth.jwt() ->> 'role')";
    let anonymous = fixture.value(fixture.anonymous(), ask).await.unwrap().unwrap();
    let expected = json!([null, "anon", null, null, null, null, "192.0.2.7", "anon"]);
    assert_eq!(serde_json::from_str::<Value>(&anonymous).unwrap(), expected);
    let claims =
        json!({"role": "authenticated", "sub": USER, "email": "a@example.com", "app_metadata": {"tenant_id": "7"}});
    let user = fixture.value(fixture.bearer(&token::with_claims(&claims)), ask).await.unwrap().unwrap();
    let expected = json!([USER, "authenticated", "a@example.com", USER, USER, 7, "192.0.2.7", "authenticated"]);
    assert_eq!(serde_json::from_str::<Value>(&user).unwrap(), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_seeds_policies_isolate_users_and_give_nobody_no_rows() {
    let fixture = Fixture::new(
        "create table todos (id bigint primary key, user_id uuid not null);
         alter table todos enable row level security;
         create policy own on todos using (user_id::text = current_setting('app.user_id', true))
             with check (user_id::text = current_setting('app.user_id', true));
         insert into todos values (1, '0190b6f0-0000-7000-8000-000000000001'), (2, '0190b6f0-0000-7000-8000-000000000002')",
    )
    .await;
    let list = "select string_agg(id::text, ',') from todos";
    assert_eq!(fixture.value(fixture.user(USER), list).await.unwrap().as_deref(), Some("1"));
    assert_eq!(fixture.value(fixture.anonymous(), list).await.unwrap(), None);
    assert_eq!(fixture.value(fixture.service(), list).await.unwrap().as_deref(), Some("1,2"));
    let foreign = "insert into todos values (3, '0190b6f0-0000-7000-8000-000000000002')";
    assert_eq!(code(&fixture.query(fixture.user(USER), foreign).await.unwrap_err()), "42501");
    assert_eq!(fixture.query(fixture.user(USER), "delete from todos").await.unwrap().tag, "DELETE 1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reading_cannot_write() {
    let fixture = Fixture::new("create table t (a int); grant all on t to anon").await;
    let work = Work::read(path(), statement("insert into t values (1)"));
    let error = fixture.run(fixture.anonymous(), work).await.unwrap_err();
    assert_eq!((code(&error).as_str(), PublicError::from(&error).kind), ("25006", Kind::MethodNotAllowed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rollback_and_isolation_are_explicit() {
    let fixture = Fixture::new("create table t (a int)").await;
    let insert = "insert into t values (1) returning current_setting('transaction_isolation')";
    let work =
        Work { end: End::Rollback, isolation: Some(Isolation::Serializable), ..Work::write(path(), statement(insert)) };
    let reply = fixture.run(fixture.service(), work).await.unwrap();
    assert_eq!(first(&reply.results[0]).as_deref(), Some("serializable"));
    assert_eq!(fixture.value(fixture.service(), "select count(*) from t").await.unwrap().as_deref(), Some("0"));
    let work = Work {
        isolation: Some(Isolation::RepeatableRead),
        ..Work::read(path(), statement("insert into t values (2)"))
    };
    assert_eq!(code(&fixture.run(fixture.service(), work).await.unwrap_err()), "25006");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pre_request_function_runs_first_and_its_result_is_not_shown() {
    let fixture = Fixture::with(Options {
        sql: "create function public.check_request() returns void language plpgsql as $$
              begin
                  if current_setting('request.path') = '/forbidden' then
                      raise sqlstate 'PT402' using message = 'Pay first', hint = 'with money';
                  end if;
                  perform set_config('my.mark', 'seen', true);
              end $$",
        transaction: TransactionRules {
            pre_request: Some(QualifiedName::new("public", "check_request")),
            ..TransactionRules::default()
        },
        ..Options::default()
    })
    .await;
    let mark = fixture.value(fixture.anonymous(), "select current_setting('my.mark')").await.unwrap();
    assert_eq!(mark.as_deref(), Some("seen"));
    let mut forbidden = context(fixture.anonymous());
    forbidden.path = "/forbidden".into();
    let error = run(&fixture.target, &forbidden, Work::read(path(), statement("select 1"))).await.unwrap_err();
    let public = PublicError::from(error);
    assert_eq!((public.kind, public.code.as_ref(), public.message.as_str()), (Kind::Raised(402), "PT402", "Pay first"));
    assert_eq!(public.hint.as_deref(), Some("with money"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn time_zone_and_hoisted_settings_hold_for_this_request_only() {
    let fixture = Fixture::with(Options {
        transaction: TransactionRules {
            hoisted_settings: vec!["statement_timeout".to_owned()],
            role_limits: RoleLimits { statement_timeout: Some(Duration::from_secs(20)), ..RoleLimits::default() },
            ..TransactionRules::default()
        },
        ..Options::default()
    })
    .await;
    let show = "select current_setting('timezone') || ' ' || current_setting('statement_timeout') || ' ' || \
                current_setting('work_mem')";
    let work = Work {
        timezone: Some("Asia/Tokyo".to_owned()),
        function_settings: vec![("statement_timeout".into(), "7s".into()), ("work_mem".into(), "99MB".into())],
        ..Work::read(path(), statement(show))
    };
    let reply = fixture.run(fixture.anonymous(), work).await.unwrap();
    assert_eq!(first(&reply.results[0]).as_deref(), Some("Asia/Tokyo 7s 4MB"));
    let plain = fixture.value(fixture.anonymous(), show).await.unwrap().unwrap();
    assert!(plain.ends_with(" 20s 4MB") && !plain.starts_with("Asia"), "{plain}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_have_the_statuses_that_clients_know() {
    let fixture = Fixture::new(
        "create table secrets (a int primary key);
         revoke all on secrets from anon, authenticated;
         create table t (a int primary key check (a > 0));
         create function boom() returns void language plpgsql as $$ begin raise 'no' using hint = 'h'; end $$;
         create function odd() returns void language plpgsql as $$
             begin raise sqlstate 'PGRST' using message = '{\"code\":\"X1\",\"message\":\"m\"}',
                 detail = '{\"status\":418,\"headers\":{\"X-Tea\":\"pot\"}}'; end $$",
    )
    .await;
    let kind_of =
        async |identity, sql: &'static str| PublicError::from(fixture.query(identity, sql).await.unwrap_err()).kind;
    assert_eq!(kind_of(fixture.anonymous(), "select * from secrets").await, Kind::Unauthenticated);
    assert_eq!(kind_of(fixture.user(USER), "select * from secrets").await, Kind::Forbidden);
    assert_eq!(kind_of(fixture.anonymous(), "select * from missing").await, Kind::NotFound);
    assert_eq!(kind_of(fixture.anonymous(), "select missing()").await, Kind::NotFound);
    assert_eq!(kind_of(fixture.anonymous(), "select 1/0").await, Kind::Invalid);
    assert_eq!(kind_of(fixture.anonymous(), "select 'x'::int").await, Kind::Invalid);
    assert_eq!(kind_of(fixture.anonymous(), "select boom()").await, Kind::Invalid);
    assert_eq!(kind_of(fixture.service(), "insert into t values (1), (1)").await, Kind::Conflict);
    assert_eq!(kind_of(fixture.service(), "insert into t values (0)").await, Kind::Invalid);
    let odd = PublicError::from(fixture.query(fixture.anonymous(), "select odd()").await.unwrap_err());
    assert_eq!((odd.kind, odd.code.as_ref()), (Kind::Raised(418), "X1"));
    assert_eq!(odd.headers, [("X-Tea".to_owned(), "pot".to_owned())]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deferred_constraint_fails_the_request_although_rows_came() {
    let fixture = Fixture::new(
        "create table parent (id int primary key);
         create table child (id int references parent deferrable initially deferred)",
    )
    .await;
    let error = fixture.query(fixture.service(), "insert into child values (1) returning id").await.unwrap_err();
    assert_eq!((code(&error).as_str(), PublicError::from(error).kind), ("23503", Kind::Conflict));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_deadline_ends_a_request_and_frees_its_connection() {
    let fixture = Fixture::with(Options { connections: 1, ..Options::default() }).await;
    let mut context = context(fixture.anonymous());
    context.deadline = Instant::now() + Duration::from_millis(150);
    let started = Instant::now();
    let work = Work::read(path(), statement("select pg_sleep(30)"));
    let error = run(&fixture.target, &context, work).await.unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(5));
    assert_eq!(PublicError::from(error).kind, Kind::Timeout);
    assert_eq!(fixture.value(fixture.anonymous(), "select 1").await.unwrap().as_deref(), Some("1"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_servers_statement_timeout_holds() {
    let fixture = Fixture::with(Options {
        transaction: TransactionRules {
            role_limits: RoleLimits { statement_timeout: Some(Duration::from_millis(100)), ..RoleLimits::default() },
            ..TransactionRules::default()
        },
        ..Options::default()
    })
    .await;
    let error = fixture.query(fixture.anonymous(), "select pg_sleep(30)").await.unwrap_err();
    assert_eq!(code(&error), "57014");
    assert_eq!(PublicError::from(error).message, "canceling statement due to statement timeout");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_catalog_or_a_server_the_answer_is_503() {
    let mut fixture = Fixture::new("").await;
    fixture.target.catalog = ferrobase_catalog::CatalogHandle::new();
    let error = fixture.value(fixture.anonymous(), "select 1").await.unwrap_err();
    assert!(matches!(error, Error::NoCatalog));
    let public = PublicError::from(error);
    assert_eq!((public.kind, public.code.as_ref()), (Kind::Unavailable, "PGRST002"));
    fixture.reload().await;
    let nowhere = ferrobase_pg::ConnectOptions::parse("postgresql://anon@127.0.0.1:1/none").unwrap();
    fixture.target.pools.request = Pool::new(nowhere, PoolOptions::default());
    let public = PublicError::from(fixture.value(fixture.anonymous(), "select 1").await.unwrap_err());
    assert_eq!((public.kind, public.code.as_ref()), (Kind::Unavailable, "PGRST000"));
    assert!(public.retry_after.is_some());
    assert!(!format!("{public:?}").contains("127.0.0.1"), "{public:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn service_keys_wait_for_bypassrls() {
    let fixture = Fixture::new("").await;
    let mut catalog = (*fixture.target.catalog.get().unwrap()).clone();
    catalog.roles.get_mut("service_role").unwrap().bypass_rls = false;
    fixture.target.catalog.set(catalog);
    let public = PublicError::from(fixture.value(fixture.service(), "select 1").await.unwrap_err());
    assert_eq!((public.kind, public.code.as_ref()), (Kind::Unavailable, "FB304"));
    assert!(public.hint.unwrap().contains("ALTER ROLE service_role BYPASSRLS"));
    assert!(fixture.value(fixture.anonymous(), "select 1").await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_saturated_pool_answers_at_once() {
    let mut fixture = Fixture::new("").await;
    let connect = fixture.target.pools.request.connect_options().clone();
    let bounds = PoolOptions { max_connections: 1, max_waiting: 1, ..PoolOptions::default() };
    fixture.target.pools.request = Pool::new(connect, bounds);
    let asked = (0..6).map(|_| async {
        let started = Instant::now();
        let result = fixture.value(fixture.anonymous(), "select pg_sleep(0.3)").await;
        (result, started.elapsed())
    });
    let answers = futures_util::future::join_all(asked).await;
    let (served, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(result, _)| result.is_ok());
    assert!(!served.is_empty() && refused.len() >= 3, "{} served", served.len());
    for (result, elapsed) in refused {
        let public = PublicError::from(result.unwrap_err());
        assert_eq!(public.kind, Kind::Unavailable);
        assert!(public.retry_after.is_some() && elapsed < Duration::from_millis(250), "{public:?} {elapsed:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_too_long_for_a_connection_is_504() {
    let mut fixture = Fixture::new("").await;
    let connect = fixture.target.pools.request.connect_options().clone();
    let bounds =
        PoolOptions { max_connections: 1, acquire_timeout: Duration::from_millis(100), ..PoolOptions::default() };
    fixture.target.pools.request = Pool::new(connect, bounds);
    let both = ["select pg_sleep(0.5)"; 2].map(|sql| fixture.value(fixture.anonymous(), sql));
    let answers = futures_util::future::join_all(both).await;
    let refused: Vec<_> = answers.into_iter().filter_map(Result::err).map(PublicError::from).collect();
    assert_eq!(refused.len(), 1);
    assert_eq!((refused[0].kind, refused[0].code.as_ref()), (Kind::Timeout, "PGRST003"));
    assert_eq!(refused[0].message, "Timed out acquiring connection from connection pool.");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgrest_profile_leaves_roles_and_settings_to_the_database() {
    let fixture = Fixture::with(Options {
        transaction: TransactionRules {
            profile: Profile::Postgrest,
            app_settings: vec![("app.settings.secret".into(), "s".into())],
            ..TransactionRules::default()
        },
        auth: ferrobase_request::AuthRules::postgrest(Some("anon".to_owned())),
        ..Options::default()
    })
    .await;
    let show = "select current_setting('search_path') || ' ' || current_setting('app.settings.secret')";
    let shown = fixture.value(fixture.anonymous(), show).await.unwrap();
    assert_eq!(shown.as_deref(), Some(r#""public", "extensions" s"#));
    let error = fixture.value(fixture.bearer(&token::of_role("not existing")), "select 1").await.unwrap_err();
    let public = PublicError::from(error);
    assert_eq!((public.kind, public.code.as_ref()), (Kind::Unauthenticated, "22023"));
    assert_eq!(public.message, "role \"not existing\" does not exist");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_anonymous_request_that_pauses_after_a_conflict_holds_up_nobody() {
    let sql = "create sequence calls; grant usage on calls to anon;
        create function lose() returns bigint language plpgsql as $$
        declare call bigint := nextval('calls');
        begin
            if call < 4 then raise exception 'lost' using errcode = '40001'; end if;
            return call;
        end $$";
    // One connection, and so one permit.
    let fixture = Arc::new(Fixture::with(Options { sql, connections: 1, ..Options::default() }).await);
    let losing = tokio::spawn({
        let fixture = Arc::clone(&fixture);
        async move { fixture.value(fixture.anonymous(), "select lose()").await.unwrap() }
    });
    let began = Instant::now();
    while fixture.target.pools.request.stats().retried == 0 {
        assert!(!losing.is_finished() && began.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let mut others = 0;
    while !losing.is_finished() {
        fixture.value(fixture.anonymous(), "select 1").await.unwrap();
        others += 1;
    }
    assert_eq!(losing.await.unwrap().as_deref(), Some("4"));
    assert!(others > 2, "{others} others were answered while it paused");
    assert_eq!(fixture.target.anonymous_share().waiting, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_stream_takes_is_the_databases_time_and_not_its_readers() {
    let fixture = Fixture::new("").await;
    let journal = Journal::new(None, false);
    let context = RequestContext { journal: journal.clone(), ..context(fixture.service()) };
    let rows = "select n::text from (select 1 as n union all select 2 from pg_sleep(0.2)) as numbers";
    let mut lines = lines(&fixture.target, &context, Work::read(path(), statement(rows))).await.unwrap();
    let mut seen = 0;
    while let Some(piece) = lines.next().await.unwrap() {
        seen += piece.iter().filter(|byte| **byte == b'\n').count();
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    assert_eq!(seen, 2);
    let took = journal.times().get(Stage::Execute).unwrap();
    assert!((Duration::from_millis(190)..Duration::from_millis(700)).contains(&took), "{took:?}");
}
