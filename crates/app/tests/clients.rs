//! The official clients against the binary: supabase-js under Node 22 and supabase-py, both pinned.
//!
//! `scripts/install-tools test` puts Node and the packages in place; a test whose client is missing fails and says so.

use std::path::PathBuf;
use std::process::Command;

use crate::support;

#[tokio::test]
async fn supabase_js() {
    let mut command = Command::new(node());
    command.args(["--test", "--test-reporter=spec"]).current_dir(support::root().join("tests/clients/javascript"));
    passes(command).await;
}

#[tokio::test]
async fn supabase_py() {
    let mut command = Command::new(python());
    command
        .args(["-m", "pytest", "-q", "-p", "no:cacheprovider"])
        .current_dir(support::root().join("tests/clients/python"));
    passes(command).await;
}

/// Node 22 or newer.
pub(crate) fn node() -> PathBuf {
    let node = std::fs::read_to_string(cache().join("node"))
        .unwrap_or_else(|_| panic!("Node is not installed for the tests: run `scripts/install-tools test`"));
    PathBuf::from(node.trim())
}

/// Python with supabase-py, schemathesis and a validator of OpenAPI.
pub(crate) fn python() -> PathBuf {
    let python = cache().join("venv/bin/python");
    assert!(python.exists(), "the Python packages are not installed for the tests: run `scripts/install-tools test`");
    python
}

fn cache() -> PathBuf {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache"), PathBuf::from);
    base.join("ferrobase")
}

/// Runs the client's own test runner against a server on the library.
async fn passes(mut command: Command) {
    let fixtures = ["contract/rest/fixtures/library.sql", "tests/clients/fixtures.sql"];
    let database = support::database_with(&fixtures.map(|file| support::root().join(file))).await;
    // Plans and undone writes are methods of the clients' builders too.
    let server = support::serve(&database).env("FERROBASE_REST__PLAN_ENABLED", "true");
    let app = server.env("FERROBASE_REST__TX_END", "commit-allow-override").start().await.unwrap();
    command.env("FERROBASE_URL", app.url("")).envs(support::credentials());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert!(
        output.status.success(),
        "{}\n{}\nserver log:\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
        app.log()
    );
}
