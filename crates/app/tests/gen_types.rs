//! `ferrobase gen types`: one schema with all that a generator meets, the generated files under the tools of their
//! languages, and programs that use them against the server.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use ferrobase_testkit::{App, TestDatabase};
use serde_json::Value;

use crate::clients::{node, python};
use crate::dev::project::{Project, Ran};
use crate::support;

/// One of them has the name of a crate that the Rust file uses.
const SCHEMAS: &str = "public,shop,serde";

struct Case {
    project: Project,
    database: TestDatabase,
}

impl Case {
    async fn new() -> Self {
        let database = support::database_with(&[here("shop.sql")]).await;
        Self { project: Project::empty(), database }
    }

    fn run(&self, language: &str, arguments: &[&str]) -> Ran {
        let common = ["gen", "types", language, "--schema", SCHEMAS, "--database-url", self.database.url()];
        self.project.run(&[&common, arguments].concat())
    }

    /// Writes the types and copies what uses them beside.
    fn generate(&self, language: &str, file: &str, beside: &[&str]) {
        self.run(language, &["--output", file]).succeeds();
        for name in beside {
            std::fs::copy(here(name), self.project.file(name)).unwrap();
        }
    }

    async fn serve(&self) -> App {
        support::serve(&self.database).start().await.unwrap()
    }
}

fn here(name: &str) -> std::path::PathBuf {
    support::root().join("crates/app/tests/gen_types").join(name)
}

/// Runs a program to its end without holding up the server's other callers.
async fn succeeds(mut command: Command) -> String {
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    printed(&output)
}

fn printed(output: &Output) -> String {
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{out}\n{}", String::from_utf8_lossy(&output.stderr));
    out
}

/// A program of npm in the project's folder.
fn npm(project: &Path, program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(node());
    command.arg(project.join("node_modules").join(program)).args(arguments).current_dir(project);
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn typescript_is_understood_by_tsc_and_supabase_js_and_agrees_with_the_server() {
    let case = Case::new().await;
    case.generate("typescript", "database.types.ts", &["example.ts", "tsconfig.json"]);
    case.project.write("package.json", r#"{"type":"module"}"#);
    let packages = support::root().join("tests/clients/javascript/node_modules");
    std::os::unix::fs::symlink(packages, case.project.file("node_modules")).unwrap();
    let folder = case.project.path();
    // Both what compiles and what must not: an expected error that is none is an error.
    succeeds(npm(folder, "typescript/bin/tsc", &["--project", ".", "--pretty", "false"])).await;
    // Who formats the file afterwards changes nothing.
    succeeds(npm(folder, "prettier/bin/prettier.cjs", &["--no-semi", "--check", "database.types.ts"])).await;
    let app = case.serve().await;
    let mut example = Command::new(node());
    example.args(["--disable-warning=ExperimentalWarning", "example.ts"]).current_dir(folder);
    example.env("URL", app.url("")).envs(support::credentials());
    assert_eq!(succeeds(example).await, "agreed\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn python_passes_mypy_and_takes_the_rows_that_the_server_gives() {
    let case = Case::new().await;
    case.generate("python", "database_types.py", &["example.py"]);
    let mut mypy = Command::new(python());
    mypy.args(["-m", "mypy", "--strict", "--follow-imports=silent", "--cache-dir=/dev/null", "example.py"]);
    mypy.current_dir(case.project.path());
    succeeds(mypy).await;
    let app = case.serve().await;
    let mut example = Command::new(python());
    example.args(["-B", "-W", "error::UserWarning", "example.py"]).current_dir(case.project.path());
    example.env("URL", app.url("")).envs(support::credentials());
    assert_eq!(succeeds(example).await, "agreed\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn rust_compiles_and_reads_and_writes_what_the_server_takes() {
    let case = Case::new().await;
    std::fs::create_dir(case.project.file("src")).unwrap();
    case.generate("rust", "src/database.rs", &[]);
    std::fs::copy(here("example.rs"), case.project.file("src/main.rs")).unwrap();
    let manifest = "[package]\nname = \"example\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n\
                    [dependencies]\nserde = { version = \"1\", features = [\"derive\"] }\nserde_json = \"1\"\n";
    case.project.write("Cargo.toml", manifest);
    std::fs::copy(support::root().join("Cargo.lock"), case.project.file("Cargo.lock")).unwrap();
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--offline", "--quiet"]).current_dir(case.project.path());
    build.env("CARGO_TARGET_DIR", concat!(env!("CARGO_TARGET_TMPDIR"), "/gen-types")).env("RUSTFLAGS", "-Dwarnings");
    succeeds(build).await;

    let app = case.serve().await;
    let caller =
        Caller { app: &app, client: reqwest::Client::new(), key: support::credentials()["SERVICE_KEY"].clone() };
    let mut answers = BTreeMap::new();
    for path in [
        "books?order=id",
        "authors?order=id",
        "book_list?order=id",
        "odd%20names",
        "clocks",
        "rpc/add?a=1",
        "rpc/halves?whole=7",
        "rpc/counts",
        "rpc/first_book",
        "rpc/no_book",
        "rpc/home_of?author=1",
        "rpc/search?term=ii",
    ] {
        answers.insert(path, caller.ask("GET", path, None).await);
    }
    let mut example = Command::new(concat!(env!("CARGO_TARGET_TMPDIR"), "/gen-types/debug/example"));
    let mut example = example.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    serde_json::to_writer(example.stdin.take().unwrap(), &answers).unwrap();
    let sent: BTreeMap<String, Value> = serde_json::from_str(&printed(&example.wait_with_output().unwrap())).unwrap();
    for (request, body) in &sent {
        let (method, path) = request.split_once(' ').unwrap();
        answers.insert("", caller.ask(method, path, Some(body)).await);
        match path {
            "books" => {
                let row = &answers[""][0];
                assert_eq!((&row["uid"], row["moods"][0].as_str()), (&Value::Null, Some("it's \"fine\"")), "{row}");
            }
            "rpc/add" => assert_eq!(answers[""], 5),
            _ => assert_eq!((&answers[""][0]["1st"], answers[""][0]["copy"].as_str()), (&Value::Null, Some("y"))),
        }
    }
}

/// Who asks the server as the service.
struct Caller<'a> {
    app: &'a App,
    client: reqwest::Client,
    key: String,
}

impl Caller<'_> {
    async fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let url = self.app.url(&format!("/rest/v1/{path}"));
        let request = self.client.request(method.parse().unwrap(), url).bearer_auth(&self.key);
        let request = request.header("prefer", "return=representation");
        let request = if let Some(body) = body { request.json(body) } else { request };
        let response = request.send().await.unwrap();
        let (status, body) = (response.status(), response.text().await.unwrap());
        assert!(status.is_success(), "{method} {path}: {status} {body}\n{}", self.app.log());
        serde_json::from_str(&body).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_tells_whether_a_file_is_what_would_be_written_and_how_to_renew_it() {
    let case = Case::new().await;
    for (language, file) in [("typescript", "types.ts"), ("python", "types.py"), ("rust", "types.rs")] {
        let renew = format!("`ferrobase gen types {language} --schema {SCHEMAS} --output {file}`");
        case.run(language, &["--check", file]).fails(&["does not exist", &renew]);
        case.run(language, &["--output", file]).succeeds();
        assert_eq!(case.run(language, &["--check", file]).succeeds(), "");
        assert_eq!(case.run(language, &[]).succeeds(), std::fs::read_to_string(case.project.file(file)).unwrap());
    }
    // Order of creation, new statistics and another session's look change nothing.
    for statement in ["alter table shelves rename to racks", "alter table racks rename to shelves", "vacuum full"] {
        case.database.script(statement).await;
    }
    case.run("typescript", &["--check", "types.ts"]).succeeds();

    case.database.script("alter table books add pages int; alter type mood add value 'glad'").await;
    let renew = format!(
        "types.ts is out of date; `ferrobase gen types typescript --schema {SCHEMAS} --output types.ts` renews it"
    );
    let ran = case.run("typescript", &["--check", "types.ts"]);
    let told = ran.out.clone();
    ran.fails(&[&renew]);
    let changes: Vec<&str> = told.lines().filter(|line| line.starts_with(['+', '-'])).collect();
    assert_eq!(changes[..3], ["--- types.ts", "+++ the database", "+            pages: number | null"]);
    assert!(changes.contains(&"-      mood: \"sad\" | \"so-so\" | 'it\\'s \"fine\"'"), "{told}");
    assert!(changes.contains(&"+      mood: \"sad\" | \"so-so\" | 'it\\'s \"fine\"' | \"glad\""), "{told}");
    case.run("typescript", &["--output", "types.ts"]).succeeds();
    case.run("typescript", &["--check", "types.ts"]).succeeds();
}

#[tokio::test(flavor = "multi_thread")]
async fn schemas_are_those_of_the_api_unless_named_and_must_exist() {
    let case = Case::new().await;
    let url = case.database.url();
    case.project.write("ferrobase.yaml", "rest:\n  schemas: [shop]\n");
    let told = case.project.run(&["gen", "types", "typescript", "--database-url", url]).succeeds();
    assert!(told.contains("  shop: {\n") && !told.contains("  public: {\n"), "{told}");
    // An enum of a schema that is not there is told by its values, a row type is not told.
    assert!(told.contains("book: \"sad\" | \"so-so\" | 'it\\'s \"fine\"' | null\n"), "{told}");
    assert!(told.contains("author: unknown\n"), "{told}");
    assert!(told.contains("type DefaultSchema = Schemas[\"shop\"]\n"), "{told}");
    let wrong = ["gen", "types", "rust", "--schema", "shop,shops", "--database-url", url];
    case.project.run(&wrong).fails(&["the database has no schema shops"]);
    assert_eq!(case.project.run(&["gen", "types", "rust", "--check", "a", "--output", "b"]).code(), Some(2));
    assert_eq!(case.project.run(&["gen", "types", "cobol"]).code(), Some(2));
    case.project.run(&["gen", "types", "rust"]).fails(&["no database is named", "ferrobase dev"]);
}

#[test]
fn the_database_of_a_running_dev_is_found_and_its_migrations_are_seen() {
    let project = Project::new();
    let dev = project.dev();
    project.migration("0002_books.sql", "create table books (id int primary key, title text not null);\n");
    dev.wait_to_say("applied  0002_books.sql");
    project.run(&["gen", "types", "typescript", "--output", "types.ts"]).succeeds();
    let written = std::fs::read_to_string(project.file("types.ts")).unwrap();
    assert!(
        written.contains("      books: {\n        Row: {\n          id: number\n          title: string\n"),
        "{written}"
    );
    project.run(&["gen", "types", "typescript", "--check", "types.ts"]).succeeds();
}
