//! Flags that print and end.

use std::process::{Command, Output};

use serde_json::Value;

use super::Deployment;
use crate::support::BINARY;

fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(BINARY);
    command.arg("postgrest").args(arguments).env_clear().envs(environment.iter().copied());
    command.output().unwrap()
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn the_example_is_a_file_that_gives_the_defaults() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("postgrest.conf");
    std::fs::write(&path, stdout(&run(&["--example"], &[]))).unwrap();
    let quiet = [("PGRST_DB_CONFIG", "false")];
    let defaults = stdout(&run(&["--dump-config"], &quiet));
    assert_eq!(stdout(&run(&["--dump-config", path.to_str().unwrap()], &quiet)), defaults);
    assert!(defaults.contains("server-port = 3000\n") && defaults.contains("db-anon-role = \"\"\n"), "{defaults}");
    // Every setting of the dump is explained in the example.
    let example = stdout(&run(&["-e"], &[]));
    for key in defaults.lines().filter_map(|line| line.split(" = ").next()) {
        let explained = |line: &str| line.trim_start_matches("# ").starts_with(&format!("{key} = "));
        assert!(example.lines().any(explained), "{key} is not in the example");
    }
}

#[test]
fn the_environment_goes_before_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("postgrest.conf");
    std::fs::write(&path, "db-config = false\ndb-max-rows = 5\ndb-pool = 3\n").unwrap();
    let dump = stdout(&run(&["--dump-config", path.to_str().unwrap()], &[("PGRST_DB_MAX_ROWS", "7")]));
    assert!(dump.contains("db-max-rows = 7\n") && dump.contains("db-pool = 3\n"), "{dump}");
}

#[test]
fn what_cannot_be_used_is_told_and_exits_with_1() {
    for (name, value, expected) in [
        ("PGRST_DB_TX_END", "maybe", "Invalid db-tx-end"),
        ("PGRST_JWT_SECRET", "short", "The JWT secret must be at least 32 characters long."),
        ("PGRST_DB_SCHEMAS", "pg_catalog", "db-schemas does not allow schema: 'pg_catalog'"),
        ("PGRST_ADMIN_SERVER_PORT", "3000", "admin-server-port cannot be the same as server-port"),
        ("PGRST_JWT_ROLE_CLAIM_KEY", "role.other", "failed to parse role-claim-key value"),
    ] {
        let output = run(&["--dump-config"], &[("PGRST_DB_CONFIG", "false"), (name, value)]);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{name}={value}: {told}");
        assert!(told.contains(expected), "{name}={value}: {told}");
    }
    let missing = run(&["--dump-config", "/nonexistent/postgrest.conf"], &[]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("/nonexistent/postgrest.conf"));
    assert_eq!(run(&["--nonsense"], &[]).status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dumps_have_what_the_database_says() {
    let deployment = Deployment::new().await;
    deployment.set("db_schemas", "api").await;
    deployment.set("db_max_rows", "9").await;
    deployment.set("server_port", "1").await;
    let url = deployment.url();
    let environment = [("PGRST_DB_URI", url.as_str()), ("PGRST_DB_MAX_ROWS", "5")];
    let dump = stdout(&run(&["--dump-config"], &environment));
    assert!(dump.contains("db-max-rows = 9\n") && dump.contains("server-port = 3000\n"), "{dump}");
    let schema: Value = serde_json::from_str(&stdout(&run(&["--dump-schema"], &environment))).unwrap();
    assert_eq!(schema["relations"][0]["name"], "api.todos");
    assert_eq!(schema["relations"][0]["primary_key"], serde_json::json!(["id"]));
    assert_eq!(schema["functions"][0]["name"], "api.who");
}

/// Every token would be 500 "Server lacks JWT secret".
#[test]
fn a_jwk_that_verifies_nothing_is_told_at_the_start() {
    for secret in [
        r#"{"kty":"oct"}"#,
        r#"{"keys":[]}"#,
        r#"{"kty":"oct","use":"enc","k":"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE"}"#,
    ] {
        let output =
            run(&[], &[("PGRST_JWT_SECRET", secret), ("PGRST_DB_URI", "postgresql://nobody@127.0.0.1:1/none")]);
        assert_eq!(output.status.code(), Some(1), "{secret}");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.contains("jwt-secret") && told.contains("none can verify a token"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_says_once_why_the_database_added_nothing() {
    let deployment = Deployment::new().await;
    let url = deployment.url();
    let dump = run(&["--dump-config"], &[("PGRST_DB_URI", url.as_str()), ("PGRST_DB_PRE_CONFIG", "nowhere.nothing")]);
    let told = String::from_utf8_lossy(&dump.stderr);
    assert_eq!(told.matches("nowhere").count(), 1, "{told}");
    assert!(stdout(&dump).contains("db-pre-config = \"nowhere.nothing\"\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ready_asks_the_running_server() {
    let deployment = Deployment::new().await;
    let app = deployment.start().await;
    let port = app.admin_url("").rsplit(':').next().unwrap().to_owned();
    let ask = |host: &str, port: &str| {
        run(&["--ready"], &[("PGRST_ADMIN_SERVER_HOST", host), ("PGRST_ADMIN_SERVER_PORT", port)])
    };
    assert_eq!(stdout(&ask("localhost", &port)), format!("OK: http://localhost:{port}/ready\n"));
    for (host, port, expected) in [
        ("!4", port.as_str(), "`--ready` needs to know where to ask"),
        ("127.0.0.1", "1", "connection refused to http://127.0.0.1:1/ready"),
        ("127.0.0.1", "", "Admin server is not running"),
    ] {
        let output = ask(host, port);
        assert_eq!(output.status.code(), Some(1));
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.contains(expected), "{host} {port}: {told}");
    }
}
