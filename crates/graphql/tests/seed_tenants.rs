//! The seed's checklist, 8 to 10: tenants by row security and by schema.

use serde_json::json;

use crate::harness::{Api, Setup, api};

const A: &str = "00000000-0000-4000-8000-00000000000a";
const B: &str = "00000000-0000-4000-8000-00000000000b";
const BOSS: &str = "00000000-0000-4000-8000-0000000000ff";

/// Projects of two tenants, guarded by policies that hold without a setting, too.
fn projects(view_options: &str) -> String {
    format!(
        "create table members (id uuid primary key, role text not null default 'member');
         create table projects (id int primary key, tenant_id uuid not null, name text not null, settings jsonb default '{{}}');
         insert into members values ('{BOSS}', 'super_admin');
         insert into projects values (1, '{A}', 'First'), (2, '{B}', 'Second');
         alter table projects enable row level security;
         create policy tenant_isolation on projects using (tenant_id = nullif(current_setting('app.current_tenant_id', true), '')::uuid);
         create policy admin_access on projects using (exists (select from members
            where id = nullif(current_setting('app.current_user_id', true), '')::uuid and role = 'super_admin'));
         create view v_projects {view_options} as select id, name,
            jsonb_build_object('__typename', 'Project', 'id', id, 'name', name, 'settings', settings) as data from projects;"
    )
}

async fn names(api: &Api, claims: serde_json::Value) -> serde_json::Value {
    api.data_as(claims, "{ projects { name } }").await["projects"].take()
}

fn of_tenant(tenant: &str) -> serde_json::Value {
    json!({"role": "authenticated", "sub": "00000000-0000-4000-8000-000000000001", "app_metadata": {"tenant_id": tenant}})
}

#[tokio::test]
async fn seed_08_tenants_see_their_own_and_nobody_sees_nothing() {
    let api = api(&projects("with (security_invoker = true)")).await;
    assert_eq!(names(&api, of_tenant(A)).await, json!([{"name": "First"}]));
    assert_eq!(names(&api, of_tenant(B)).await, json!([{"name": "Second"}]));
    assert_eq!(names(&api, json!({"role": "authenticated"})).await, json!([]));
    assert_eq!(api.data("{ projects { name } }").await, json!({"projects": []}));
    // The seed's policy asks for a setting that nobody has to have made.
    assert_eq!(api.refused("select current_setting('app.nobody_made_this')").await, "42704");
}

#[tokio::test]
async fn seed_08_a_view_that_passes_by_the_policies_is_not_there() {
    let api = api(&projects("")).await;
    let through_the_view = "set role authenticated; select count(*) from v_projects";
    let mut session = api.db.connect().await;
    session.script("set role authenticated").await.unwrap();
    let count = session.query("select count(*) from v_projects", &[]).await.unwrap();
    assert_eq!(count.rows.first().unwrap().text(0), Some("2"), "{through_the_view}");
    let answer = api.ask_as(of_tenant(A), "{ projects { name } }").await;
    assert_eq!(answer.code(), "GRAPHQL_VALIDATION_FAILED");
}

#[tokio::test]
async fn seed_09_who_may_see_all_sees_all() {
    let api = api(&projects("with (security_invoker = true)")).await;
    let boss = json!({"role": "authenticated", "sub": BOSS});
    assert_eq!(names(&api, boss).await, json!([{"name": "First"}, {"name": "Second"}]));
}

/// What makes a tenant's schema. Unlike the seed's it takes no name that is none, and grants what callers need.
const CREATE_TENANT: &str = "create function create_tenant_schema(slug text) returns void language plpgsql as $$
    declare schema_name text := 'tenant_' || slug;
    begin
        if slug !~ '^[a-z0-9_]{1,50}$' then
            raise exception 'not a tenant: %', slug using errcode = '22023';
        end if;
        execute format('create schema %I', schema_name);
        execute format('create table %I.projects (id int primary key, name text not null)', schema_name);
        execute format('create view %I.v_projects with (security_invoker = true) as
            select id, jsonb_build_object(''__typename'', ''Project'', ''id'', id, ''name'', name) as data from %I.projects',
            schema_name, schema_name);
        execute format('grant usage on schema %I to authenticated', schema_name);
        execute format('grant select on all tables in schema %I to authenticated', schema_name);
    end $$;
    revoke execute on function create_tenant_schema from public, anon, authenticated;";

#[tokio::test]
async fn seed_10_a_schema_for_each_tenant_is_there_without_a_restart() {
    let mut setup = Setup::default();
    setup.graphql.schemas =
        ["public", "tenant_acme", "tenant_blue"].map(ferrobase_base::config::Identifier::from_static).into();
    // The same connection serves both.
    setup.connections = 1;
    let api = setup.start(CREATE_TENANT).await;
    let ask = async |profile: &str| {
        let token = ferrobase_testkit::token::with_claims(&json!({"role": "authenticated"}));
        let fields = [("content-profile", profile), ("authorization", &format!("Bearer {token}"))];
        api.ask_with(&fields, "{ projects { __typename name } }", json!(null)).await
    };
    assert_eq!(ask("tenant_acme").await.code(), "GRAPHQL_VALIDATION_FAILED");
    api.db
        .script(
            "select create_tenant_schema('acme'); select create_tenant_schema('blue');
             insert into tenant_acme.projects values (1, 'Rocket'); insert into tenant_blue.projects values (1, 'Boat');",
        )
        .await;
    api.reload().await;
    for _ in 0..3 {
        for (profile, name) in [("tenant_acme", "Rocket"), ("tenant_blue", "Boat")] {
            let answer = ask(profile).await.json();
            assert_eq!(answer["data"]["projects"], json!([{"__typename": "Project", "name": name}]));
        }
    }
    assert_eq!(ask("tenant_evil").await.code(), "BAD_REQUEST");
    assert_eq!(api.refused("select create_tenant_schema('x\"; drop schema public')").await, "22023");
}

#[tokio::test]
async fn seed_10_routing_by_a_function_that_runs_any_text_is_not_offered() {
    let api = api(
        "create function route_to_tenant(p_tenant_slug text, p_query text) returns setof record language plpgsql as $$
        begin
            execute format('set search_path to %I, public', 'tenant_' || p_tenant_slug);
            return query execute p_query;
            set search_path to public;
        end $$;",
    )
    .await;
    for operation in ["mutation { route_to_tenant", "{ route_to_tenant"] {
        let answer = api.ask(&format!("{operation}(p_tenant_slug: \"a\", p_query: \"select 1\") }}")).await;
        assert_eq!(answer.code(), "GRAPHQL_VALIDATION_FAILED", "{}", answer.body);
    }
    // It runs whatever it is given, and the session looks for names elsewhere afterwards.
    let mut session = api.db.connect().await;
    session.script("set search_path = extensions").await.unwrap();
    let call = "select * from public.route_to_tenant('a', 'select count(*) from pg_authid') as r(n bigint)";
    assert_eq!(session.query(call, &[]).await.unwrap().rows.len(), 1);
    let path = session.query("show search_path", &[]).await.unwrap();
    assert_eq!(path.rows.first().unwrap().text(0), Some("public"));
}
