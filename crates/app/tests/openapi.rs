//! The description of the running API, taken at its word: a public validator reads it, and schemathesis calls what it
//! lists with what it allows and with what it does not.
//!
//! `scripts/install-tools test` puts both in place.

use std::path::PathBuf;
use std::process::{Command, Output};

use ferrobase_testkit::App;

use crate::{clients, support};

/// A schema with something of everything.
async fn varied() -> (App, impl Drop) {
    let fixture = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/openapi/varied.sql");
    let database = support::database_with(&[fixture]).await;
    let app = support::serve(&database).env("FERROBASE_REST__ALLOW_UNPROTECTED", "*").start().await.unwrap();
    (app, database)
}

async fn run(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn assert_passed(output: &Output, app: &App) {
    let (told, failed) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told}\n{failed}\nserver log:\n{}", app.log());
}

#[tokio::test]
async fn the_description_is_valid_openapi_3_1() {
    let (app, _database) = varied().await;
    let document = reqwest::get(app.url("/rest/v1/openapi.json")).await.unwrap().bytes().await.unwrap();
    let file = app.folder().join("openapi.json");
    std::fs::write(&file, &document).unwrap();
    let mut command = Command::new(clients::python());
    command.args(["-m", "openapi_spec_validator", "--schema", "3.1.0"]).arg(&file);
    assert_passed(&run(command).await, &app);
    let document = reqwest::get(app.url("/rest/v1/")).await.unwrap().bytes().await.unwrap();
    assert!(std::str::from_utf8(&document).unwrap().contains("\"swagger\":\"2.0\""));
}

#[tokio::test]
async fn schemathesis_finds_no_server_error() {
    let (app, _database) = varied().await;
    let mut command = schemathesis(&app, "not_a_server_error,status_code_conformance");
    command.args(["--phases", &phases("examples,coverage"), "--max-time", "25", "--max-examples", "20"]);
    assert_passed(&run(command).await, &app);
}

#[tokio::test]
async fn answers_are_as_described() {
    let (app, _database) = varied().await;
    let mut command = schemathesis(&app, "response_schema_conformance,content_type_conformance");
    command.args([
        "--include-method",
        "GET",
        "--phases",
        &phases("examples"),
        "--max-time",
        "15",
        "--max-examples",
        "5",
    ]);
    // The quotient of extremes is a number that Python cannot read.
    command.args(["--exclude-path", "/rpc/divide"]);
    assert_passed(&run(command).await, &app);
}

/// Phases that ask the same each time; with `FERROBASE_LONG` also the one that asks what comes to its mind.
fn phases(steady: &str) -> String {
    if std::env::var_os("FERROBASE_LONG").is_some() { format!("{steady},fuzzing") } else { steady.to_owned() }
}

/// A bounded run that is the same each time.
fn schemathesis(app: &App, checks: &str) -> Command {
    let mut command = Command::new(clients::python().with_file_name("schemathesis"));
    command.current_dir(app.folder()).args(["run", &app.url("/rest/v1/openapi.json"), "--checks", checks]);
    command.args(["--seed", "1", "--no-color", "--no-shrink", "--warnings", "off", "--suppress-health-check", "all"]);
    command
}
