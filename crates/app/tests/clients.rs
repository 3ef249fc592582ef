//! The official clients against the binary: supabase-js under Node 22 and supabase-py, both pinned.
//!
//! `scripts/install-tools test` puts Node and the packages in place; a test whose client is missing fails and says so.

use std::path::PathBuf;
use std::process::Command;

use ferrobase_testkit::app::AppBuilder;

use crate::support;

/// The example's table.
const TODOS: &str = "examples/todos/ferrobase/migrations/0001_todos.sql";

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

/// The example as its page shows it: both programs print what is written there.
#[tokio::test]
async fn the_todos_example_does_what_its_page_says() {
    let example = support::root().join("examples/todos");
    let page = std::fs::read_to_string(example.join("README.md")).unwrap();
    let shown: Vec<_> = page.lines().skip_while(|line| !line.contains("ann: ")).take(4).map(str::trim).collect();
    assert!(shown.last().unwrap().starts_with("signed out"), "{shown:?}");

    let database = support::database_with(&[support::root().join(TODOS)]).await;
    let app = signing_in(support::serve(&database)).start().await.unwrap();
    // The packages are those of the client tests; Node looks for them beside the program.
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(example.join("todos.mjs"), folder.path().join("todos.mjs")).unwrap();
    let packages = support::root().join("tests/clients/javascript/node_modules");
    std::os::unix::fs::symlink(packages, folder.path().join("node_modules")).unwrap();
    for (program, file) in [(node(), folder.path().join("todos.mjs")), (python(), example.join("todos.py"))] {
        let mut command = Command::new(program);
        command.arg(&file).env("URL", app.url("")).envs(support::credentials());
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let printed: Vec<_> = printed.lines().collect();
        assert_eq!(printed, shown, "{file:?}\n{}\n{}", String::from_utf8_lossy(&output.stderr), app.log());
    }
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

/// Addresses need no confirmation, and nobody needs an address.
fn signing_in(server: AppBuilder) -> AppBuilder {
    server
        .env("FERROBASE_AUTH__EMAIL__AUTOCONFIRM", "true")
        .env("FERROBASE_AUTH__ENABLE_ANONYMOUS_SIGN_INS", "true")
        .env("FERROBASE_AUTH__RATE_LIMITS__SIGN_IN", "1000")
}

/// Runs the client's own test runner against a server on the library.
async fn passes(mut command: Command) {
    let fixtures = ["contract/rest/fixtures/library.sql", "tests/clients/fixtures.sql", TODOS];
    let database = support::database_with(&fixtures.map(|file| support::root().join(file))).await;
    // Plans and undone writes are methods of the clients' builders too.
    let server = support::serve(&database).env("FERROBASE_REST__PLAN_ENABLED", "true");
    let server = server.env("FERROBASE_REST__TX_END", "commit-allow-override");
    let app = signing_in(server).start().await.unwrap();
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
