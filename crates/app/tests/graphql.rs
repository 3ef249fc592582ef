//! GraphQL through the binary: its clients under Node 22, its commands, its documents, what operators see of it.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use ferrobase_testkit::{App, TestDatabase};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::caller::client;
use crate::clients::node;
use crate::dev::project::{Project, Ran, wait_until};
use crate::support::{self, ANN};

fn clients() -> PathBuf {
    support::root().join("tests/clients/graphql")
}

/// The library, a shop that is a subgraph, notes of two users.
async fn library() -> TestDatabase {
    support::database_with(&[support::root().join("contract/rest/fixtures/library.sql"), clients().join("fixture.sql")])
        .await
}

fn graphql(project: &Project, database: &TestDatabase, arguments: &[&str]) -> Ran {
    project.run(&[&["graphql"], arguments, &["--database-url", database.url()]].concat())
}

async fn ask(app: &App, request: &Value) -> Value {
    let key = &support::credentials()["ANON_KEY"];
    let answer = client().post(app.url("/graphql/v1")).bearer_auth(key).json(request).send().await.unwrap();
    answer.json().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn graphql_js_apollo_relay_and_a_gateway_agree_with_the_server() {
    let (database, project) = (library().await, Project::empty());
    let sdl = graphql(&project, &database, &["schema", "--role", "anon"]).succeeds();
    project.write("schema.graphql", &sdl);
    let server = support::serve(&database).env("FERROBASE_GRAPHQL__INTROSPECTION", "true");
    let server =
        server.env("FERROBASE_GRAPHQL__SCHEMAS", "public,shop").env("FERROBASE_AUTH__EMAIL__AUTOCONFIRM", "true");
    let app = server.start().await.unwrap();
    let mut command = Command::new(node());
    command.args(["--test", "--test-reporter=spec"]).current_dir(clients());
    command.env("FERROBASE_URL", app.url("")).env("SDL", project.file("schema.graphql")).envs(support::credentials());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}\nserver log:\n{}", app.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_is_printed_as_a_role_sees_it_and_always_the_same() {
    let (database, project) = (library().await, Project::empty());
    database.script("revoke select (price) on books from anon; revoke select on books from anon; grant select (id, title) on books to anon").await;
    let schema = |role: &str| graphql(&project, &database, &["schema", "--role", role]).succeeds();
    let (anon, user) = (schema("anon"), schema("authenticated"));
    assert_eq!(anon, schema("anon"));
    let type_of = |sdl: &str| sdl.split("\ntype books ").nth(1).unwrap().split('}').next().unwrap().to_owned();
    assert!(!type_of(&anon).contains("price") && type_of(&anon).contains("title"), "{anon}");
    assert!(type_of(&user).contains("price"));
    let names: Vec<_> = user.lines().filter_map(|line| line.strip_prefix("type ")).collect();
    assert!(names.is_sorted() && names.len() > 10, "{names:?}");
    let shop = graphql(&project, &database, &["schema", "--schema", "shop"]).succeeds();
    assert!(
        shop.contains("type products implements Node") && shop.contains("union _Entity = products | stock"),
        "{shop}"
    );
    graphql(&project, &database, &["schema", "--role", "nobody"]).fails(&["no role nobody"]);
    graphql(&project, &database, &["schema", "--schema", "nowhere"]).fails(&["no schema nowhere"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_is_explained_as_its_role_and_never_run() {
    let (database, project) = (library().await, Project::empty());
    let query = "query($id: BigInt!) { booksByPk(id: $id) { title author: authors { name } } }";
    let claims = json!({ "sub": ANN }).to_string();
    let by_user = "{ notesCollection(first: 3) { edges { node { body } } } }";
    let told =
        graphql(&project, &database, &["explain", by_user, "--role", "authenticated", "--claims", &claims]).succeeds();
    assert!(told.contains("SELECT") && told.contains("\"notes\"") && told.contains("-- may touch 3 rows"), "{told}");
    assert!(told.contains("Scan on notes") && told.contains("cost="), "{told}");
    let unknown = graphql(&project, &database, &["explain", query, "--variables", r#"{"id": "1"}"#]).fails(&["1:"]);
    assert!(unknown.contains("Cannot query field \"authors\""), "{unknown}");
    let query = query.replace("author: authors", "author");
    project.write("book.graphql", &query);
    let json =
        graphql(&project, &database, &["explain", "book.graphql", "--variables", r#"{"id": "1"}"#, "--json"]).json();
    let [one] = json.as_array().unwrap().as_slice() else { panic!("{json}") };
    assert_eq!((&one["parameters"], &one["cost"]), (&json!(["1"]), &json!(2.0)));
    assert!(one["plan"][0]["Plan"]["Node Type"].is_string(), "{json}");
    let write = "mutation { a: deleteFromtagsCollection(atMost: 9) { affectedCount } b: deleteFromtagsCollection { affectedCount } }";
    let told = graphql(&project, &database, &["explain", write]).succeeds();
    assert!(told.contains("-- a\n") && told.contains("-- b\n") && told.contains("DELETE"), "{told}");
    let left = database.connect().await.query("select count(*) from tags", &[]).await.unwrap();
    assert_eq!(left.rows.first().unwrap().text(0), Some("3"));
    graphql(&project, &database, &["explain", "nothing.graphql"]).fails(&["cannot read nothing.graphql"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn trusted_documents_are_checked_served_and_read_again() {
    let (database, project) = (library().await, Project::empty());
    let titles =
        "query Titles { booksCollection(orderBy: [{id: AscNullsLast}], first: 2) { edges { node { title } } } }";
    let file = project.file("documents.json");
    let write = |documents: &Value| std::fs::write(&file, documents.to_string()).unwrap();
    write(&json!({ "t": titles }));
    let told = graphql(&project, &database, &["check", "documents.json"]).succeeds();
    assert_eq!(told, "t: depth 2, aliases 0, cost 2\n");
    let app = support::serve(&database).env("FERROBASE_GRAPHQL__TRUSTED_DOCUMENTS", file.to_str().unwrap());
    let app = app.start().await.unwrap();
    let answer = ask(&app, &json!({ "documentId": "t" })).await;
    assert_eq!(answer["data"]["booksCollection"]["edges"][1]["node"]["title"], "Compilers", "{answer}");
    let code = |answer: &Value| answer["errors"][0]["extensions"]["code"].as_str().unwrap_or_default().to_owned();
    assert_eq!(code(&ask(&app, &json!({ "query": "{ __typename }" })).await), "QUERY_NOT_IN_SAFELIST");
    // A broken file changes nothing; a right one is in force.
    write(&json!({ "t": "{" }));
    app.signal(Signal::SIGHUP);
    wait_until("the refusal", || app.log().contains("the document `t` cannot be read"));
    assert_eq!(ask(&app, &json!({ "documentId": "t" })).await["data"], answer["data"]);
    write(&json!({ "n": "{ __typename }" }));
    app.signal(Signal::SIGHUP);
    for _ in 0..100 {
        if ask(&app, &json!({ "documentId": "n" })).await["data"].is_object() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(ask(&app, &json!({ "documentId": "n" })).await, json!({ "data": { "__typename": "Query" } }));
    assert_eq!(code(&ask(&app, &json!({ "documentId": "t" })).await), "PERSISTED_QUERY_NOT_IN_LIST");

    write(&json!({ "t": titles, "old": "{ booksByPk(id: 1) { gone } }" }));
    let failed = graphql(&project, &database, &["check", "documents.json"]).fails(&["1 of 2 documents"]);
    assert!(!failed.contains("panicked"), "{failed}");
    let json = graphql(&project, &database, &["check", "documents.json", "--json"]);
    assert_eq!(json.code(), Some(1));
    assert!(json.out.contains("Cannot query field") && json.out.contains("gone"), "{}", json.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_holds_no_documents_stops_the_start() {
    let (database, project) = (support::installed().await, Project::empty());
    for (content, said) in [(None, "cannot read"), (Some("[1]"), "no list of documents"), (Some("{"), "EOF")] {
        let file = project.file("documents.json");
        if let Some(content) = content {
            std::fs::write(&file, content).unwrap();
        }
        let app = support::serve(&database).env("FERROBASE_GRAPHQL__TRUSTED_DOCUMENTS", file.to_str().unwrap());
        let error = format!("{:#}", app.start().await.err().expect("it must not start"));
        assert!(error.contains("graphql.trusted_documents") && error.contains(said), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_see_operations_by_their_names_and_never_their_values() {
    let database = library().await;
    database
        .script("create function slow(t text) returns int language sql stable as 'select 1 from pg_sleep(0.05)'")
        .await;
    let app = support::serve(&database).env("FERROBASE_OBSERVABILITY__SLOW_QUERY", "10ms").start().await.unwrap();
    let query = "query Secretive($t: String!) { al1as: slow(t: $t) }";
    let answer = ask(&app, &json!({ "query": query, "variables": { "t": "v4lu3" } })).await;
    assert_eq!(answer["data"]["al1as"], 1, "{answer}");
    wait_until("the line", || app.log().contains("Slow query"));
    let log = app.log();
    assert!(log.contains("query Secretive (slow)"), "{log}");
    assert!(!log.contains("v4lu3") && !log.contains("al1as"), "{log}");
}

#[tokio::test]
async fn whoever_develops_has_an_editor_and_is_told_where() {
    let project = Project::new();
    let dev = project.dev();
    assert!(dev.out().contains(&dev.url("/graphql/v1")), "{}", dev.out());
    let page = reqwest::Client::new().get(dev.url("/graphql/v1")).header("accept", "text/html").send().await.unwrap();
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    let page = page.text().await.unwrap();
    assert!(page.contains(&dev.says("anon_key")), "the key is filled in");
    let scripts: Vec<_> = page.split("src=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(scripts.len(), 4);
    for script in scripts {
        let answer = reqwest::Client::builder().gzip(true).build().unwrap().get(dev.url(script)).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{script}");
        assert!(answer.text().await.unwrap().len() > 100, "{script}");
    }
    // What it asks first.
    let ask = json!({ "query": "query IntrospectionQuery { __schema { queryType { name } types { name } } }" });
    let answer = reqwest::Client::new().post(dev.url("/graphql/v1")).header("apikey", dev.says("anon_key")).json(&ask);
    let answer: Value = answer.send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["data"]["__schema"]["queryType"]["name"], "Query", "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comments_say_in_vain_is_told_at_the_start_once_and_by_the_command() {
    let (database, project) = (library().await, Project::empty());
    graphql(&project, &database, &["check"]).succeeds();
    database.script(r#"comment on column books.title is '@graphql({"nam": "heading"})'"#).await;
    let wrong = "column public.books.title: the key `nam` means nothing on a column; did you mean `name`?";
    graphql(&project, &database, &["check"]).fails(&["1 comments or names say something in vain"]);
    let json = graphql(&project, &database, &["check", "--json"]);
    assert!(json.out.contains("means nothing on a column"), "{json:?}");
    project.write("documents.json", &json!({ "t": "{ __typename }" }).to_string());
    graphql(&project, &database, &["check", "documents.json"]).succeeds();
    let app = support::serve(&database).start().await.unwrap();
    let told = format!("GraphQL: {wrong}");
    wait_until("the warning", || app.log().contains(&told));
    // What comes with a reload is told, and nothing twice.
    database.script(r#"comment on table tags is '@graphql({"x": 1})'; notify ferrobase"#).await;
    wait_until("the second warning", || app.log().contains("GraphQL: table public.tags: the key `x` means nothing"));
    assert_eq!(app.log().matches(&told).count(), 1, "{}", app.log());
}

#[test]
fn graphiql_works_in_a_browser_and_asks_nobody_else() {
    let project = Project::new();
    project.migration(
        "0002_books.sql",
        "create table books (id int primary key, title text not null); alter table books enable row level security;
         create policy everybody on books for select using (true); insert into books values (1, 'Compilers');",
    );
    let dev = project.dev();
    let mut command = Command::new(node());
    command.args(["--test", "--test-reporter=spec"]).current_dir(support::root().join("tests/clients/browser"));
    let output = command.env("FERROBASE_URL", dev.url("")).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}\nlog:\n{}", dev.err());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_change_breaks_is_told_with_the_documents_that_ask_for_it() {
    let (database, project) = (library().await, Project::empty());
    let sdl = graphql(&project, &database, &["schema", "--role", "anon"]).succeeds();
    project.write("schema.graphql", &sdl);
    let documents = json!({ "kept": "{ booksCollection { edges { node { id } } } }", "hit": "{ booksCollection { edges { node { title } } } }" });
    project.write("documents.json", &documents.to_string());
    let check = |arguments: &[&str]| graphql(&project, &database, &[&["check"], arguments].concat());
    check(&["documents.json", "--against", "schema.graphql"]).succeeds();
    // What comes new breaks nothing.
    database.script("alter table books add column pages int").await;
    assert_eq!(check(&["--against", "schema.graphql"]).succeeds(), "");
    database
        .script("alter table books rename column title to heading; alter table books alter column price drop not null")
        .await;
    let told = check(&["--against", "schema.graphql"]);
    assert!(
        told.out.contains("`books.title` is gone\n")
            && told.out.contains("`booksFilter.title` is not taken any more\n"),
        "{told:?}"
    );
    assert!(told.code() == Some(1) && told.err.contains("changes break what the earlier schema did"), "{told:?}");
    let told = check(&["documents.json", "--against", "schema.graphql", "--json"]);
    let found: Value = serde_json::from_str(&told.out).unwrap();
    let found = found.as_array().unwrap();
    assert!(found.iter().any(|one| one["breaks"] == "`books.title` is gone"), "{found:?}");
    assert!(found.iter().any(|one| one["id"] == "hit" && one["errors"].is_array()), "{found:?}");
    assert!(found.iter().any(|one| one["id"] == "kept" && one["errors"].is_null()), "{found:?}");
    check(&["--against", "nowhere.graphql"]).fails(&["cannot read nowhere.graphql"]);
    check(&["--against", "documents.json"]).fails(&["1:"]);
}
