//! The request logins: passwords, other databases of the cluster, damage.

use ferrobase_base::Secret;
use ferrobase_pg::{ConnectOptions, Session};
use ferrobase_request::install::{InstallOptions, Login, install};
use ferrobase_testkit::{TestDatabase, database};

use crate::support::{ask, installed_database, owner};

async fn connect_as(db: &TestDatabase, login: &Login) -> Result<Session, ferrobase_pg::Error> {
    Session::connect(&owner(db).with_login(&login.user, login.password.clone())).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_database_of_a_cluster_has_logins_that_work() {
    let (one, two) = (database().await, database().await);
    let first = install(&owner(&one), &InstallOptions::default()).await.unwrap().logins;
    let second = install(&owner(&two), &InstallOptions::default()).await.unwrap().logins;
    assert_ne!(first.request.user, second.request.user);
    assert_eq!(install(&owner(&one), &InstallOptions::default()).await.unwrap().logins, first);
    for (db, logins) in [(&one, &first), (&two, &second)] {
        let mut session = connect_as(db, &logins.request).await.unwrap();
        session.script("set role anon").await.unwrap();
        connect_as(db, &logins.service).await.unwrap().script("set role service_role").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_password_is_set_again() {
    let db = database().await;
    let logins = install(&owner(&db), &InstallOptions::default()).await.unwrap().logins;
    // What code that runs as the login can do.
    let mut session = connect_as(&db, &logins.request).await.unwrap();
    session.script(&format!("alter role {} password 'taken over'", logins.request.user)).await.unwrap();
    assert!(connect_as(&db, &logins.request).await.unwrap_err().is_login());
    let repaired = install(&owner(&db), &InstallOptions::default()).await.unwrap().logins;
    assert_eq!(repaired, logins);
    assert!(connect_as(&db, &repaired.request).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_21_settings_of_a_login_are_taken_back() {
    let db = database().await;
    let logins = install(&owner(&db), &InstallOptions::default()).await.unwrap().logins;
    let user = &logins.request.user;
    let mut session = connect_as(&db, &logins.request).await.unwrap();
    // The last one keeps everybody out: a library that does not exist is loaded before anything can be asked.
    for setting in ["row_security = off", "statement_timeout = 1", "local_preload_libraries = 'missing'"] {
        session.script(&format!("alter role {user} set {setting}")).await.unwrap();
    }
    session.script(&format!("alter role {user} in database {} set lock_timeout = 1", db.name())).await.unwrap();
    assert!(connect_as(&db, &logins.request).await.is_err());
    assert_eq!(install(&owner(&db), &InstallOptions::default()).await.unwrap().logins, logins);
    let mut fresh = connect_as(&db, &logins.request).await.unwrap();
    let shown = "select concat_ws(' ', current_setting('row_security'), current_setting('statement_timeout'),
        current_setting('lock_timeout'), current_setting('temp_file_limit'))";
    assert_eq!(ask(&mut fresh, shown).await.as_deref(), Some("on 0 0 1GB"), "the superuser's bound stays");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_dump_takes_logins_of_its_own() {
    let (original, restored) = (database().await, database().await);
    let logins = install(&owner(&original), &InstallOptions::default()).await.unwrap().logins;
    install(&owner(&restored), &InstallOptions::default()).await.unwrap();
    // The dump's records, with a password that the original has changed since.
    restored
        .script(&format!(
            "update ferrobase.secrets set value = '{}' where name = 'login.request.user';
             update ferrobase.secrets set value = 'old' where name = 'login.request.password'",
            logins.request.user
        ))
        .await;
    let own = install(&owner(&restored), &InstallOptions::default()).await.unwrap().logins;
    assert_ne!(own.request.user, logins.request.user);
    assert!(connect_as(&restored, &own.request).await.is_ok());
    assert!(connect_as(&original, &logins.request).await.is_ok(), "the original's password is untouched");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recreated_database_takes_its_logins_over() {
    let db = database().await;
    let before = install(&owner(&db), &InstallOptions::default()).await.unwrap().logins;
    db.script("drop schema ferrobase cascade").await;
    let after = install(&owner(&db), &InstallOptions::default()).await.unwrap().logins;
    assert_eq!((&before.request.user, &before.service.user), (&after.request.user, &after.service.user));
    assert_ne!(before.request.password, after.request.password);
    assert!(connect_as(&db, &after.request).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operators_login_is_used_as_it_is() {
    let db = installed_database().await;
    let name = format!("web_of_{}", db.name());
    db.script(&format!("create role {name} login noinherit password 'good'")).await;
    let with = |password: &str| InstallOptions {
        authenticator: Some(Login { user: name.clone(), password: Some(Secret::new(password)) }),
        ..InstallOptions::default()
    };
    let wrong = install(&owner(&db), &with("wrong")).await.unwrap_err().to_string();
    assert!(wrong.contains(&name) && wrong.contains("database.authenticator"), "{wrong}");
    assert!(!wrong.contains("wrong"), "{wrong}");
    let logins = install(&owner(&db), &with("good")).await.unwrap().logins;
    assert_eq!(logins.request.user, name);
    connect_as(&db, &logins.request).await.unwrap().script("set role authenticated").await.unwrap();
    db.script(&format!("drop owned by {name}; drop role {name}")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_28_passwords_are_the_owners_and_in_no_statement() {
    let db = installed_database().await;
    let logins = install(&owner(&db), &InstallOptions::default()).await.unwrap().logins;
    let mut session = connect_as(&db, &logins.request).await.unwrap();
    for role in ["anon", "authenticated"] {
        session.script(&format!("set role {role}")).await.unwrap();
        let error = session.query("select value from ferrobase.secrets", &[]).await.unwrap_err();
        assert_eq!(error.code().unwrap().as_str(), "42501", "{role}");
        session.script("reset role").await.unwrap();
    }
    let mut service = connect_as(&db, &logins.service).await.unwrap();
    service.script("set role service_role").await.unwrap();
    assert!(service.query("select value from ferrobase.secrets", &[]).await.is_err());
    let shown = format!("{logins:?}");
    let mut admin = db.connect().await;
    let password = ask(&mut admin, "select value from ferrobase.secrets where name = 'login.request.password'").await;
    assert!(!shown.contains(&password.unwrap()), "{shown}");
    let _ = ConnectOptions::new();
}
