//! Signals and notifications: the schema cache, the file, and the settings in the database.

use nix::sys::signal::Signal;
use serde_json::Value;

use super::{Deployment, eventually, get, signal};

async fn rows(app: &ferrobase_testkit::App) -> usize {
    let rows: Value = serde_json::from_str(&get(app, "/todos").await.1).unwrap();
    rows.as_array().map_or(0, Vec::len)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notification_or_a_signal_loads_the_schema_cache() {
    let deployment = Deployment::new().await;
    let app = deployment.start().await;
    let anon = deployment.role("anon");
    let make = |name: &str| format!("create table api.{name} (a int); grant select on api.{name} to {anon}");
    for (name, how) in [("one", Some("notify pgrst")), ("two", Some("notify pgrst, 'reload schema'")), ("three", None)]
    {
        deployment.database.script(&make(name)).await;
        assert_eq!(get(&app, &format!("/{name}")).await.0, 404);
        match how {
            Some(notify) => deployment.database.script(notify).await,
            None => signal(&app, Signal::SIGUSR1),
        }
        eventually(&app, name, async || get(&app, &format!("/{name}")).await.0 == 200).await;
    }
    deployment.database.script(&make("four")).await;
    deployment.database.script("notify pgrst, 'something else'; notify other").await;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert_eq!(get(&app, "/four").await.0, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_in_the_database_count_and_are_read_again() {
    let deployment = Deployment::new().await;
    deployment.set("db_max_rows", "1").await;
    let app = deployment.server().env("PGRST_DB_MAX_ROWS", "2").start().await.unwrap();
    assert_eq!(rows(&app).await, 1);
    deployment.set("db_max_rows", "0").await;
    deployment.database.script("notify pgrst, 'reload config'").await;
    eventually(&app, "the new bound", async || rows(&app).await == 0).await;
    assert!(app.log().contains("Config reloaded"), "{}", app.log());

    // What cannot be used leaves the old settings in force.
    deployment.set("db_tx_end", "nonsense").await;
    deployment.set("db_max_rows", "2").await;
    signal(&app, Signal::SIGUSR2);
    eventually(&app, "the refusal", async || app.log().contains("Failed reloading config: Invalid db-tx-end")).await;
    assert_eq!(rows(&app).await, 0);

    let ignoring = deployment.server().env("PGRST_DB_CONFIG", "false").start().await.unwrap();
    assert_eq!(rows(&ignoring).await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_jwk_that_verifies_nothing_keeps_the_secret_in_force() {
    let deployment = Deployment::new().await;
    let app = deployment.start().await;
    let token = ferrobase_testkit::token::of_role(&deployment.role("user"));
    let status = async || {
        let request = reqwest::Client::new().get(app.url("/todos")).bearer_auth(&token);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(status().await, 200);
    deployment.set("jwt_secret", r#"{"keys":[]}"#).await;
    deployment.database.script("notify pgrst, 'reload config'").await;
    eventually(&app, "the refusal", async || app.log().contains("none can verify a token")).await;
    assert!(!app.log().contains("Config reloaded"), "{}", app.log());
    assert_eq!(status().await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_of_roles_are_read_again_with_the_configuration() {
    let deployment = Deployment::new().await;
    let memory =
        "create function api.memory() returns text language sql stable as $$ select current_setting('work_mem') $$";
    deployment.database.script(memory).await;
    let app = deployment.start().await;
    let anon = deployment.role("anon");
    for (size, how) in [("7MB", Some("notify pgrst, 'reload config'")), ("9MB", None)] {
        deployment.database.script(&format!("alter role {anon} set work_mem = '{size}'")).await;
        assert_ne!(get(&app, "/rpc/memory").await.1, format!("\"{size}\""), "ALTER ROLE tells nobody");
        match how {
            Some(notify) => deployment.database.script(notify).await,
            None => signal(&app, Signal::SIGUSR2),
        }
        eventually(&app, size, async || get(&app, "/rpc/memory").await.1 == format!("\"{size}\"")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_may_set_settings() {
    let deployment = Deployment::new().await;
    let login = deployment.role("login");
    deployment
        .database
        .script(&format!(
            "create schema conf;
            create function conf.settings() returns void language sql as $$
                select set_config('pgrst.db_max_rows', '1', true); select set_config('pgrst.jwt_aud', 'mine', true) $$;
            grant usage on schema conf to {login}"
        ))
        .await;
    let app = deployment.server().env("PGRST_DB_PRE_CONFIG", "conf.settings").start().await.unwrap();
    assert_eq!(rows(&app).await, 1);
    // A function that is not there is told, and the rest goes on.
    let without = deployment.server().env("PGRST_DB_PRE_CONFIG", "conf.nothing").start().await.unwrap();
    assert_eq!(rows(&without).await, 2);
    assert!(without.log().contains("Failed to query database settings"), "{}", without.log());
}

/// A function that fails once must not expose the schemas of the file, or forget the database's secret.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_whose_function_fails_keeps_every_setting() {
    let deployment = Deployment::new().await;
    let login = deployment.role("login");
    let conf = |body: &str| {
        format!("create or replace function conf.settings() returns void language plpgsql as $$ begin {body}; end $$")
    };
    deployment.database.script(&format!("create schema conf; grant usage on schema conf to {login}")).await;
    deployment.database.script(&conf("perform set_config('pgrst.db_max_rows', '1', true)")).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("postgrest.conf");
    std::fs::write(&path, "db-pre-config = \"conf.settings\"\n").unwrap();
    let app = deployment.server().arg(path.to_str().unwrap()).start().await.unwrap();
    assert_eq!(rows(&app).await, 1);

    deployment.database.script(&conf("raise exception 'boo'")).await;
    std::fs::write(&path, "db-pre-config = \"conf.settings\"\ndb-tx-end = \"rollback\"\n").unwrap();
    deployment.database.script("notify pgrst, 'reload config'").await;
    eventually(&app, "the refusal", async || app.log().contains("The settings in force stay")).await;
    assert!(app.log().contains("could not be read: boo"), "{}", app.log());
    assert!(!app.log().contains("Config reloaded"), "{}", app.log());
    assert_eq!(rows(&app).await, 1, "the database's bound");

    deployment.database.script(&conf("perform set_config('pgrst.db_max_rows', '0', true)")).await;
    signal(&app, Signal::SIGUSR2);
    eventually(&app, "the new bound", async || rows(&app).await == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_file_is_read_again_on_a_signal() {
    let deployment = Deployment::new().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("postgrest.conf");
    let secret = |secret: &str| {
        std::fs::write(&path, format!("jwt-secret = \"{secret}\"\napp.settings.name = \"{secret}\"\n")).unwrap();
    };
    deployment
        .database
        .script("create function api.name() returns text language sql as $$ select current_setting('app.settings.name', true) $$")
        .await;
    secret(ferrobase_testkit::token::SECRET);
    let app = deployment.server().env("PGRST_JWT_SECRET", "").arg(path.to_str().unwrap()).start().await.unwrap();
    let token = ferrobase_testkit::token::of_role(&deployment.role("user"));
    let status = async || {
        let request = reqwest::Client::new().get(app.url("/todos")).bearer_auth(&token);
        request.send().await.unwrap().status().as_u16()
    };
    // The variable is set, to nothing: it hides the file's.
    assert_eq!(status().await, 500);
    drop(app);
    let app = deployment.server().without_env("PGRST_JWT_SECRET").arg(path.to_str().unwrap()).start().await.unwrap();
    let status = async || {
        let request = reqwest::Client::new().get(app.url("/todos")).bearer_auth(&token);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(status().await, 200);
    let other = "another secret that is also long enough";
    secret(other);
    assert_eq!(status().await, 200);
    signal(&app, Signal::SIGUSR2);
    eventually(&app, "the new secret", async || status().await == 401).await;
    assert_eq!(get(&app, "/rpc/name").await.1, format!("\"{other}\""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_channel_can_be_switched_off_and_on() {
    let deployment = Deployment::new().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("postgrest.conf");
    std::fs::write(&path, "db-channel-enabled = false\n").unwrap();
    let app = deployment.server().arg(path.to_str().unwrap()).start().await.unwrap();
    let listeners = async || {
        let mut session = deployment.database.connect().await;
        let sql = "select 1 from pg_stat_activity where query ilike 'listen%' and datname = current_database()";
        session.query(sql, &[]).await.unwrap().rows.len()
    };
    assert_eq!(listeners().await, 0);
    std::fs::write(&path, "db-channel-enabled = true\ndb-channel = \"my channel\"\n").unwrap();
    signal(&app, Signal::SIGUSR2);
    eventually(&app, "a listener", async || listeners().await == 1).await;
    std::fs::write(&path, "db-channel-enabled = false\n").unwrap();
    signal(&app, Signal::SIGUSR2);
    eventually(&app, "no listener", async || listeners().await == 0).await;
}
