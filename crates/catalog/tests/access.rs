//! Roles, memberships, settings and grants: what they add up to.

use ferrobase_catalog::{Catalog, Isolation, Privilege, Scope};
use ferrobase_testkit::TestDatabase;

use crate::load;

/// Roles are shared by all databases of the server, so every test wants the same ones, and two tests may make them at
/// the same time: the lock is held to the end of the transaction.
const ROLES: &str = r#"
do $$
begin
  perform pg_advisory_xact_lock(hashtext('catalog test roles'));
  if exists (select from pg_roles where rolname = 'cat_login') then
    return;
  end if;
  create role cat_nobody;
  create role cat_reader;
  create role "cat Wri,ter ""x""";
  create role cat_owner;
  create role cat_parent;
  create role cat_child in role cat_parent;
  create role cat_stubborn noinherit in role cat_reader;
  create role cat_behind in role cat_stubborn;
  create role cat_all_reader in role pg_read_all_data;
  create role cat_all_writer in role pg_write_all_data;
  create role cat_service bypassrls;
  create role cat_settings;
  alter role cat_settings set statement_timeout = '5s';
  alter role cat_settings set default_transaction_isolation = 'REPEATABLE READ';
  alter role cat_settings set log_min_messages = 'fatal';
  alter role cat_settings set work_mem = '3MB';
  create role cat_login login password 'cat' noinherit in role cat_child, cat_service, cat_settings;
end $$;
"#;

/// Makes the roles of these tests.
pub async fn roles(database: &TestDatabase) {
    database.script(ROLES).await;
}

async fn loaded(fixture: &str, scope: &Scope) -> (TestDatabase, Catalog) {
    let database = ferrobase_testkit::database().await;
    roles(&database).await;
    database.script(fixture).await;
    let catalog = load(&database, scope).await;
    (database, catalog)
}

const GRANTED: &str = r#"
create schema closed;
create table closed.inner_table (id int);
create table plain (id int, secret text, note text);
create table owned (id int);
alter table owned owner to cat_owner;
grant select, insert on plain to cat_reader;
grant select (id, note), update (note) on plain to "cat Wri,ter ""x""";
grant delete on plain to cat_parent with grant option;
grant insert (id) on owned to public;
revoke update on owned from cat_owner;
create function open_to_all() returns int language sql as 'select 1';
create function closed_to_most() returns int language sql as 'select 1';
revoke execute on function closed_to_most from public;
grant execute on function closed_to_most to cat_parent;
grant usage on schema closed to cat_reader;
"#;

#[tokio::test]
async fn privileges_come_from_grants_inheritance_public_and_predefined_roles() {
    let (_database, catalog) = loaded(GRANTED, &Scope::exposing(["public", "closed"])).await;
    let plain = catalog.relation("public", "plain").unwrap();
    let owned = catalog.relation("public", "owned").unwrap();
    use Privilege::{Delete, Insert, Select, Update};

    assert!(catalog.may("cat_reader", Select, plain) && catalog.may("cat_reader", Insert, plain));
    assert!(!catalog.may("cat_reader", Update, plain) && !catalog.may("cat_nobody", Select, plain));
    assert!(catalog.may("cat_child", Delete, plain), "inherited");
    assert!(catalog.may("cat_parent", Delete, plain) && !catalog.may("cat_login", Delete, plain));
    assert!(!catalog.may("cat_stubborn", Select, plain), "NOINHERIT");
    assert!(!catalog.may("cat_behind", Select, plain), "NOINHERIT further up ends the chain");
    assert!(catalog.may("postgres", Delete, owned), "superuser");
    assert!(catalog.may("cat_all_reader", Select, plain) && !catalog.may("cat_all_reader", Insert, plain));
    assert!(catalog.may("cat_all_writer", Delete, plain) && !catalog.may("cat_all_writer", Select, plain));
    assert!(!catalog.may("no such role", Select, plain));

    assert!(catalog.may("cat_owner", Select, owned), "the default privileges of an owner");
    assert!(!catalog.may("cat_owner", Update, owned), "an owner may take its own away");

    let writer = "cat Wri,ter \"x\"";
    assert!(!catalog.may(writer, Select, plain) && catalog.may_some(writer, Select, plain));
    assert!(catalog.may_column(writer, Select, plain, "note") && !catalog.may_column(writer, Select, plain, "secret"));
    assert!(catalog.may_column(writer, Update, plain, "note") && !catalog.may_column(writer, Update, plain, "id"));
    assert!(catalog.may_column("cat_nobody", Insert, owned, "id"), "PUBLIC has a column");
    assert!(!catalog.may_some("cat_nobody", Update, owned));
}

#[tokio::test]
async fn functions_and_schemas_have_privileges_too() {
    let (_database, catalog) = loaded(GRANTED, &Scope::exposing(["public", "closed"])).await;
    let function = |name: &str| &catalog.overloads("public", name)[0];
    assert!(catalog.may_execute("cat_nobody", function("open_to_all")), "PUBLIC by default");
    assert!(!catalog.may_execute("cat_nobody", function("closed_to_most")));
    assert!(catalog.may_execute("cat_child", function("closed_to_most")));
    assert_eq!(function("closed_to_most").execute_grants, ["cat_parent", "postgres"]);

    assert!(catalog.may_use_schema("cat_reader", "closed") && !catalog.may_use_schema("cat_nobody", "closed"));
    assert!(catalog.may_use_schema("cat_nobody", "public") && !catalog.may_use_schema("postgres", "nowhere"));
    assert!(catalog.may_use_schema("cat_all_reader", "closed"));

    assert_eq!(catalog.owns_exposed("cat_owner").unwrap().to_string(), "public.owned");
    assert_eq!(catalog.owns_exposed("cat_reader"), None);
}

#[tokio::test]
async fn roles_know_their_attributes_memberships_and_settings() {
    let (database, catalog) = loaded("", &Scope::default()).await;
    let role = |name: &str| &catalog.roles[name];
    let login = role("cat_login");
    assert!(login.login && !login.superuser && !login.bypass_rls && !login.create_role && !login.replication);
    assert_eq!(login.may_become, ["cat_child", "cat_parent", "cat_service", "cat_settings"]);
    assert!(login.inherits.is_empty());
    assert_eq!(role("cat_child").inherits, ["cat_parent"]);
    assert_eq!(role("cat_behind").inherits, ["cat_stubborn"]);
    assert_eq!(role("cat_behind").may_become, ["cat_reader", "cat_stubborn"]);
    assert!(role("cat_service").bypass_rls && role("postgres").superuser);
    assert!(role("postgres").inherits.contains(&"pg_database_owner".to_owned()), "the owner of this database");

    let settings = role("cat_settings");
    assert_eq!(settings.isolation, Some(Isolation::RepeatableRead));
    // A superuser's setting is not for an ordinary login.
    let narrow = Scope { request_login: Some("cat_login".to_owned()), ..Scope::default() };
    let catalog_for_login = load(&database, &narrow).await;
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let ordinary = [pair("statement_timeout", "5s"), pair("work_mem", "3MB")];
    assert_eq!(catalog_for_login.roles["cat_settings"].settings, ordinary);
    assert!(settings.settings.contains(&pair("log_min_messages", "fatal")), "a superuser may set it");
}

#[tokio::test]
async fn since_16_each_membership_says_what_it_gives() {
    let (database, catalog) = loaded("", &Scope::default()).await;
    if catalog.server_version < 160_000 {
        return;
    }
    let script = "do $$ begin
      perform pg_advisory_xact_lock(hashtext('catalog test roles'));
      if not exists (select from pg_roles where rolname = 'cat16_member') then
        create role cat16_member;
        grant cat_reader to cat16_member with inherit false, set true;
        grant cat_parent to cat16_member with inherit true, set false;
      end if;
    end $$";
    database.script(script).await;
    let catalog = load(&database, &Scope::default()).await;
    let member = &catalog.roles["cat16_member"];
    assert_eq!(
        (member.inherits.as_slice(), member.may_become.as_slice()),
        (&["cat_parent".to_owned()][..], &["cat_reader".to_owned()][..])
    );
}

#[tokio::test]
async fn settings_for_this_database_come_before_those_for_all() {
    let (database, _) = loaded("", &Scope::default()).await;
    let name = database.name();
    let here = format!("alter role cat_settings in database {name} set statement_timeout = '7s'");
    database.script(&here).await;
    let catalog = load(&database, &Scope::default()).await;
    let timeout = catalog.roles["cat_settings"].settings.iter().find(|(name, _)| name == "statement_timeout");
    assert_eq!(timeout.map(|(_, value)| value.as_str()), Some("7s"));
}

#[tokio::test]
async fn a_role_without_privileges_loads_the_same_catalog() {
    let (database, all) = loaded(GRANTED, &Scope::exposing(["public", "closed"])).await;
    let options = ferrobase_pg::ConnectOptions::parse(&database.url_as("cat_login", "cat")).unwrap();
    let mut session = ferrobase_pg::Session::connect(&options).await.unwrap();
    let refused = session.query("select * from public.plain", &[]).await;
    assert!(refused.is_err(), "the login may not read the table itself");
    let seen = ferrobase_catalog::load(&mut session, &Scope::exposing(["public", "closed"])).await.unwrap();
    crate::assert_lines(&crate::describe::catalog(&seen), &crate::describe::catalog(&all));
    let plain = seen.relation("public", "plain").unwrap();
    assert!(seen.may("cat_reader", Privilege::Select, plain));
}
