//! The installation: once, again, by two at once, without superuser, by an older program.

use ferrobase_pg::{ConnectOptions, Session};
use ferrobase_request::install::{
    DefaultPrivileges, InstallError, InstallOptions, Installed, Login, MIGRATIONS, Migration, RoomMigrations,
    RoomOwner, install, recorded_login,
};
use ferrobase_testkit::{TestDatabase, database};

use crate::support::{ask, installed_database, owner};

async fn run(db: &TestDatabase) -> Installed {
    install(&owner(db), &InstallOptions::default()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_installation_makes_everything_and_the_second_nothing() {
    let db = database().await;
    let mut session = db.connect().await;
    assert_eq!(recorded_login(&mut session).await.unwrap(), None);
    let first = run(&db).await;
    assert_eq!(recorded_login(&mut session).await.unwrap().as_ref(), Some(&first.logins.request.user));
    assert!(first.done.iter().any(|done| done.contains("migration request/0001")), "{:?}", first.done);
    assert_eq!(first.notices, [], "a superuser may do everything");
    let second = run(&db).await;
    assert_eq!(second.done, Vec::<String>::new());
    assert_eq!((first.was_complete, second.was_complete), (false, true));
    assert_eq!(second.logins, first.logins);
    let schemas = "select string_agg(nspname, ' ' order by nspname) from pg_namespace where nspname in
        ('app', 'auth', 'extensions', 'ferrobase', 'graphql_public', 'realtime', 'storage')";
    assert_eq!(
        ask(&mut session, schemas).await.as_deref(),
        Some("app auth extensions ferrobase graphql_public realtime storage")
    );
    let roles = "select string_agg(rolname || case when rolbypassrls then '!' else '' end, ' ' order by rolname)
        from pg_roles where rolname in ('anon', 'authenticated', 'service_role')";
    assert_eq!(ask(&mut session, roles).await.as_deref(), Some("anon authenticated service_role!"));
    let publication = "select count(*) from pg_publication where pubname = 'supabase_realtime'";
    let logical = ask(&mut session, "show wal_level").await.as_deref() == Some("logical");
    assert_eq!(ask(&mut session, publication).await.as_deref(), Some(if logical { "1" } else { "0" }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_start_together_do_not_disturb_each_other() {
    let (one, two) = (database().await, database().await);
    let options = || InstallOptions::default();
    let tasks = (0..8).map(|n| {
        let owner = owner(if n % 2 == 0 { &one } else { &two });
        let options = options();
        tokio::spawn(async move { install(&owner, &options).await })
    });
    let results = futures_util::future::join_all(tasks).await;
    let installed: Vec<_> = results.into_iter().map(|result| result.unwrap().unwrap()).collect();
    assert_eq!(installed[0].logins, installed[2].logins);
    assert_eq!(installed[1].logins, installed[7].logins);
    for db in [&one, &two] {
        let mut session = db.connect().await;
        let count = ask(&mut session, "select count(*) from ferrobase.own_migrations").await;
        assert_eq!(count, Some(MIGRATIONS.migrations.len().to_string()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn default_privileges_are_chosen_once() {
    let db = database().await;
    let options = InstallOptions { default_privileges: DefaultPrivileges::None, ..InstallOptions::default() };
    let installed = install(&owner(&db), &options).await.unwrap();
    assert_eq!(installed.default_privileges, DefaultPrivileges::None);
    db.script("create table public.t (a int)").await;
    let mut session = db.connect().await;
    let may = "select has_table_privilege('anon', 'public.t', 'select')::text";
    assert_eq!(ask(&mut session, may).await.as_deref(), Some("false"));
    let again = run(&db).await;
    assert_eq!(again.default_privileges, DefaultPrivileges::None);
    assert!(again.notices.iter().any(|notice| notice.code == "default_privileges"), "{:?}", again.notices);

    let db = installed_database().await;
    db.script("create table public.t (a int)").await;
    let mut session = db.connect().await;
    assert_eq!(ask(&mut session, may).await.as_deref(), Some("true"));
    let truncate = "select has_table_privilege('authenticated', 'public.t', 'truncate')::text";
    assert_eq!(ask(&mut session, truncate).await.as_deref(), Some("false"), "no policy binds TRUNCATE");
}

const EXTRA: RoomMigrations = RoomMigrations {
    room: "request",
    owner: None,
    migrations: &[
        MIGRATIONS.migrations[0],
        MIGRATIONS.migrations[1],
        MIGRATIONS.migrations[2],
        Migration { version: 4, name: "extra", sql: "create table ferrobase.extra (a int)" },
    ],
};

fn with_rooms(rooms: Vec<RoomMigrations>) -> InstallOptions {
    InstallOptions { rooms, ..InstallOptions::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_program_works_on_the_schema_of_a_newer_one() {
    let db = installed_database().await;
    let newer = install(&owner(&db), &with_rooms(vec![EXTRA])).await.unwrap();
    assert!(newer.done.iter().any(|done| done.contains("request/0004 extra")), "{:?}", newer.done);
    assert_eq!(run(&db).await.done, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_or_failing_migration_stops_the_start() {
    const CHANGED: RoomMigrations = RoomMigrations {
        room: "request",
        owner: None,
        migrations: &[Migration { version: 1, name: "schemas", sql: "select 1" }],
    };
    const FAILING: RoomMigrations = RoomMigrations {
        room: "broken",
        owner: None,
        migrations: &[Migration { version: 1, name: "half", sql: "create table ferrobase.half (a int); select 1/0" }],
    };
    let db = installed_database().await;
    let changed = install(&owner(&db), &with_rooms(vec![CHANGED])).await.unwrap_err();
    assert!(matches!(changed, InstallError::Changed { version: 1, .. }), "{changed}");
    let failing = install(&owner(&db), &with_rooms(vec![MIGRATIONS, FAILING])).await.unwrap_err();
    assert_eq!(failing.to_string(), "migration broken/0001 half failed: division by zero (SQLSTATE 22012)");
    let mut session = db.connect().await;
    assert_eq!(ask(&mut session, "select to_regclass('ferrobase.half')::text").await, None);
    assert!(install(&owner(&db), &InstallOptions::default()).await.is_ok(), "the lease was given back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_exists_is_adopted() {
    let db = database().await;
    db.script(
        "create schema auth; create schema app;
         create function auth.uid() returns uuid language sql stable return '0190b6f0-0000-7000-8000-000000000009'::uuid",
    )
    .await;
    run(&db).await;
    let mut session = db.connect().await;
    assert_eq!(
        ask(&mut session, "select auth.uid()::text").await.as_deref(),
        Some("0190b6f0-0000-7000-8000-000000000009")
    );
    assert_eq!(ask(&mut session, "select auth.role()").await, None);
}

/// A login of the test that owns a database and is no superuser.
struct Owner<'a> {
    db: &'a TestDatabase,
    name: String,
}

impl<'a> Owner<'a> {
    async fn new(db: &'a TestDatabase, attributes: &str) -> Self {
        let name = format!("owner_of_{}", db.name());
        db.script(&format!(
            "create role {name} login {attributes} password 'x';
             alter database {database} owner to {name}; alter schema public owner to {name}",
            database = db.name()
        ))
        .await;
        Self { db, name }
    }

    fn options(&self) -> ConnectOptions {
        ConnectOptions::parse(&self.db.url_as(&self.name, "x")).unwrap()
    }

    async fn gone(self) {
        self.db
            .script(&format!(
                "alter database {} owner to postgres; reassign owned by {name} to postgres; drop owned by {name}; \
                 drop role {name}",
                self.db.name(),
                name = self.name
            ))
            .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_with_createrole_is_enough() {
    // Somebody else installed once: the API roles are there, and with them everything that only a superuser may do.
    drop(installed_database().await);
    let db = database().await;
    let owner = Owner::new(&db, "createrole").await;
    let mut session = db.connect().await;
    if session.server_version() >= 160_000 {
        let error = install(&owner.options(), &InstallOptions::default()).await.unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, InstallError::MissingGrant { .. }), "{text}");
        assert!(text.contains("grant anon, authenticated to \"authenticator_"), "{text}");
        let admin = format!("grant anon, authenticated, service_role to {} with admin option", owner.name);
        session.script(&admin).await.unwrap();
    }
    let installed = install(&owner.options(), &InstallOptions::default()).await.unwrap();
    assert_eq!(installed.notices.iter().map(|notice| notice.code).collect::<Vec<_>>(), ["no_ddl_trigger"]);
    assert!(installed.logins.request.user.starts_with("authenticator_"), "the plain name is another database's");
    let again = install(&owner.options(), &InstallOptions::default()).await.unwrap();
    assert_eq!(again.done, Vec::<String>::new());
    for login in [&again.logins.request.user, &again.logins.service.user] {
        db.script(&format!("drop role {login}")).await;
    }
    owner.gone().await;
}

/// A room with a schema of its own.
const HARBOUR: RoomMigrations = RoomMigrations {
    room: "harbour",
    owner: Some(RoomOwner { schema: "harbour", role: "harbour_owner", login: "authenticator_harbour" }),
    migrations: &[Migration {
        version: 1,
        name: "ships",
        sql: "create schema harbour; create table harbour.ships (id int)",
    }],
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_who_may_not_make_roles_is_told_once_what_to_run() {
    drop(installed_database().await);
    let db = database().await;
    let owner = Owner::new(&db, "nocreaterole").await;
    let options = InstallOptions { rooms: vec![MIGRATIONS, HARBOUR], ..InstallOptions::default() };
    let error = install(&owner.options(), &options).await.unwrap_err();
    let InstallError::MissingRoles { sql, roles, .. } = &error else { panic!("{error}") };
    assert_eq!(roles.len(), 4, "{roles:?}");
    assert!(error.to_string().contains("create role \"authenticator_") && !sql.contains("'...'"), "{error}");
    db.script(sql).await;

    let logins = install(&owner.options(), &options).await.unwrap().logins;
    for (login, role) in
        [(&logins.request, "anon"), (&logins.service, "service_role"), (&logins.rooms["harbour"], "harbour_owner")]
    {
        let options = owner.options().with_login(&login.user, login.password.clone());
        Session::connect(&options).await.unwrap().script(&format!("set role {role}")).await.unwrap();
    }
    let mut session = db.connect().await;
    let whose = "select nspowner::regrole::text from pg_namespace where nspname = 'harbour'";
    assert_eq!(ask(&mut session, whose).await.as_deref(), Some("harbour_owner"));
    assert_eq!(install(&owner.options(), &options).await.unwrap().done, Vec::<String>::new());

    db.script(&format!("alter role {} password 'made up'", logins.service.user)).await;
    let error = install(&owner.options(), &options).await.unwrap_err();
    let InstallError::WrongPassword { sql, login, .. } = &error else { panic!("{error}") };
    assert_eq!(login, &logins.service.user);
    db.script(sql).await;
    assert_eq!(install(&owner.options(), &options).await.unwrap().logins, logins);

    owner.gone().await;
    db.script("drop owned by harbour_owner").await;
    for role in [&logins.request.user, &logins.service.user, &logins.rooms["harbour"].user, "harbour_owner"] {
        db.script(&format!("drop role {role}")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_01_a_privileged_login_is_never_used_for_requests() {
    let db = installed_database().await;
    let name = format!("login_of_{}", db.name());
    for (attributes, reason) in [
        ("superuser noinherit", "it is a superuser"),
        ("createrole noinherit", "CREATEROLE"),
        ("bypassrls noinherit", "BYPASSRLS"),
        ("replication noinherit", "REPLICATION"),
        ("inherit", "NOINHERIT"),
        ("noinherit in role service_role", "service_role"),
    ] {
        db.script(&format!("create role {name} login {attributes} password 'x'")).await;
        let login = Login { user: name.clone(), password: Some("x".to_owned().into()) };
        let options = InstallOptions { authenticator: Some(login), ..InstallOptions::default() };
        let reads = InstallOptions { readers: vec![name.clone()], ..InstallOptions::default() };
        for options in [options, reads] {
            let error = install(&owner(&db), &options).await.unwrap_err();
            let is_unsafe = matches!(error, InstallError::UnsafeLogin { .. });
            assert!(is_unsafe && error.to_string().contains(reason), "{error}");
        }
        db.script(&format!("drop role {name}")).await;
    }
    db.script(&format!("create role {name} login noinherit password 'x'; create table owned (a int)")).await;
    db.script(&format!("grant create on schema public to {name}; alter table owned owner to {name}")).await;
    let login = Login { user: name.clone(), password: Some("x".to_owned().into()) };
    let options = InstallOptions { authenticator: Some(login), ..InstallOptions::default() };
    let error = install(&owner(&db), &options).await.unwrap_err();
    assert!(error.to_string().contains("owns tables"), "{error}");
    db.script("drop table owned").await;
    let installed = install(&owner(&db), &options).await.unwrap();
    assert_eq!(installed.logins.request.user, name);
    db.script(&format!("drop owned by {name}; drop role {name}")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_26_the_event_trigger_only_notifies() {
    let db = installed_database().await;
    let mut listener = db.connect().await;
    listener.script("listen ferrobase").await.unwrap();
    db.script("create table announced (a int)").await;
    let notification = tokio::time::timeout(std::time::Duration::from_secs(5), listener.notification()).await;
    let notification = notification.expect("no notification").unwrap();
    assert_eq!((notification.channel.as_str(), notification.payload.as_str()), ("ferrobase", "reload schema"));
    // An index that is built beside writes is told of before they run its functions, and also if it never comes to an end.
    db.script("create function twice(a int) returns int immutable language sql return a * 2; insert into announced values (1), (1)").await;
    let mut heard = 0;
    while tokio::time::timeout(std::time::Duration::from_millis(500), listener.notification()).await.is_ok() {
        heard += 1;
    }
    assert_eq!(heard, 1, "the function");
    let mut builder = db.connect().await;
    let failed = builder.script("create unique index concurrently twofold on announced (twice(a))").await;
    assert_eq!(failed.unwrap_err().code().unwrap().as_str(), "23505");
    let told = tokio::time::timeout(std::time::Duration::from_secs(5), listener.notification()).await;
    assert_eq!(told.expect("nobody told").unwrap().payload, "reload schema");
    let mut session = db.connect().await;
    let owner = "select rolsuper::text from pg_roles where oid = (select proowner from pg_proc where oid = \
                 'ferrobase.notify_ddl'::regproc)";
    assert_eq!(ask(&mut session, owner).await.as_deref(), Some("true"));
    // Whatever breaks inside, the user's DDL goes on: here the name that it calls leads to an error.
    db.script(
        "create schema evil; create function evil.pg_event_trigger_ddl_commands() returns int language sql return 1/0;
         alter function ferrobase.notify_ddl() set search_path = evil, pg_catalog",
    )
    .await;
    db.script("create table survives (a int); drop table survives").await;
}
