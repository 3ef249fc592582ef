//! Schema `auth` as applications expect it, and who may touch it (contract 8, security 17).

use ferrobase_pg::ConnectOptions;
use ferrobase_request::install::{InstallOptions, install};

use crate::harness::auth;

#[tokio::test]
async fn every_table_of_the_contract_is_there_and_belongs_to_the_rooms_role() {
    let auth = auth().await;
    let tables = auth
        .value(
            "select string_agg(relname, ' ' order by relname) from pg_class
             where relnamespace = 'auth'::regnamespace and relkind = 'r'
               and relowner = 'supabase_auth_admin'::regrole and relrowsecurity",
        )
        .await;
    for table in [
        "users",
        "identities",
        "sessions",
        "refresh_tokens",
        "mfa_factors",
        "mfa_challenges",
        "mfa_amr_claims",
        "one_time_tokens",
        "flow_state",
        "sso_providers",
        "sso_domains",
        "saml_providers",
        "saml_relay_states",
        "audit_log_entries",
        "oauth_clients",
        "oauth_authorizations",
        "oauth_consents",
        "webauthn_credentials",
        "custom_oauth_providers",
        "api_keys",
    ] {
        assert!(tables.split(' ').any(|name| name == table), "{table} in {tables}");
    }
    let owner = "select nspowner::regrole::text from pg_namespace where nspname = 'auth'";
    assert_eq!(auth.value(owner).await, "supabase_auth_admin");
    let types = "select string_agg(typname, ' ' order by typname) from pg_type
        where typnamespace = 'auth'::regnamespace and typtype = 'e' and typowner = 'supabase_auth_admin'::regrole";
    let types = auth.value(types).await;
    for name in ["aal_level", "code_challenge_method", "factor_status", "factor_type", "one_time_token_type"] {
        assert!(types.contains(name), "{name} in {types}");
    }
}

#[tokio::test]
async fn sec_17_the_role_and_its_login_can_do_nothing_else() {
    let auth = auth().await;
    let role = "select concat_ws(' ', rolsuper, rolcreaterole, rolcreatedb, rolbypassrls, rolreplication, rolcanlogin,
            (select count(*) from pg_auth_members where member = r.oid))
        from pg_roles r where rolname = 'supabase_auth_admin'";
    assert_eq!(auth.value(role).await, "f f f f f f 0");
    let login = "select string_agg(g.rolname, ' ') from pg_roles l join pg_auth_members m on m.member = l.oid
        join pg_roles g on g.oid = m.roleid where l.rolname like 'authenticator\\_auth%'
          and l.rolcanlogin and not l.rolinherit and not l.rolsuper and not l.rolbypassrls";
    assert!(auth.value(login).await.split(' ').all(|role| role == "supabase_auth_admin"));
}

#[tokio::test]
async fn api_roles_have_nothing_on_the_tables() {
    let auth = auth().await;
    let granted =
        "select count(*)::text from pg_class c, unnest(array['anon', 'authenticated', 'service_role']) as role
        where relnamespace = 'auth'::regnamespace and relkind = 'r'
          and has_table_privilege(role, c.oid, 'select, insert, update, delete, truncate, references, trigger')";
    assert_eq!(auth.value(granted).await, "0");
}

#[tokio::test]
async fn applications_refer_to_users_and_have_triggers_on_them() {
    let auth = auth().await;
    auth.db
        .script(
            "create table public.profiles (id uuid primary key references auth.users (id) on delete cascade, name text);
             create function public.welcome() returns trigger language plpgsql security definer set search_path = '' as $$
             begin
                 insert into public.profiles values (new.id, new.raw_user_meta_data ->> 'name');
                 return new;
             end $$;
             create trigger welcome after insert on auth.users for each row execute function public.welcome();",
        )
        .await;
    let body = serde_json::json!({"email": "ada@example.com", "password": "password", "data": {"name": "Ada"}});
    let session = auth.post("/signup", body).await.ok();
    assert_eq!(auth.value("select name from public.profiles").await, "Ada");
    let id = session["user"]["id"].as_str().expect("an id");
    auth.admin(&format!("DELETE /admin/users/{id}"), serde_json::Value::Null).await.ok();
    assert_eq!(auth.value("select count(*)::text from public.profiles").await, "0");
}

#[tokio::test]
async fn confirmed_at_is_the_earlier_confirmation() {
    let auth = auth().await;
    auth.sign_up("ada@example.com").await;
    let same = "select (confirmed_at = email_confirmed_at)::text from auth.users";
    assert_eq!(auth.value(same).await, "true");
}

#[tokio::test]
async fn what_the_application_keeps_in_the_schema_stays_as_it_is() {
    let db = ferrobase_testkit::database().await;
    db.script("create schema auth; create table auth.mine (id int); grant select on auth.mine to public").await;
    let options = InstallOptions {
        rooms: [InstallOptions::default().rooms, vec![ferrobase_auth::MIGRATIONS]].concat(),
        ..InstallOptions::default()
    };
    install(&ConnectOptions::parse(db.url()).expect("a URL"), &options).await.expect("installed");
    let sql = "select concat_ws(' ', relrowsecurity, has_table_privilege('anon', oid, 'select'))
        from pg_class where oid = 'auth.mine'::regclass";
    let result = db.connect().await.query(sql, &[]).await.expect("an answer");
    assert_eq!(result.rows.first().and_then(|row| row.text(0)), Some("f t"));
}
