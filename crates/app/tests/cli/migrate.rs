//! `ferrobase migrate`: against a database that is named, as a deployment runs it.

use ferrobase_testkit::{TestDatabase, database};
use serde_json::json;

use crate::dev::project::{Project, Ran};

/// A project without a running `dev`, and a database of its own.
struct Deployment {
    project: Project,
    database: TestDatabase,
}

impl Deployment {
    async fn new() -> Self {
        Self { project: Project::empty(), database: database().await }
    }

    fn migrate(&self, arguments: &[&str]) -> Ran {
        let url = self.database.url();
        self.project.run(&[&["migrate"], arguments, &["--database-url", url]].concat())
    }
}

#[tokio::test]
async fn files_are_made_shown_and_applied() {
    let deployment = Deployment::new().await;
    let project = &deployment.project;
    assert!(deployment.migrate(&["status"]).err.contains("`ferrobase migrate new` makes one"));
    let first = project.run(&["migrate", "new", "Create users"]).succeeds();
    let second = project.run(&["migrate", "new", "add", "index", "--json"]).json();
    assert_eq!(first, "ferrobase/migrations/0001_create_users.sql\n");
    assert_eq!(second, json!({ "file": "ferrobase/migrations/0002_add_index.sql" }));

    project.write(first.trim(), "create table users (id int primary key, email text);\n");
    assert_eq!(
        deployment.migrate(&["status"]).succeeds(),
        "pending  0001_create_users.sql\nempty    0002_add_index.sql\n"
    );
    let up = deployment.migrate(&["up"]);
    for said in [
        "migrating ",
        "applying 0001_create_users.sql (1 of 1)",
        "applied  0001_create_users.sql in",
        "0002_add_index.sql has no statement yet",
    ] {
        assert!(up.err.contains(said), "no {said:?} in {}", up.err);
    }
    assert!(!up.err.contains("testkit"), "no password: {}", up.err);
    up.succeeds();

    project
        .migration("0002_add_index.sql", "-- ferrobase: no-transaction\ncreate index concurrently on users (email);\n");
    let report = deployment.migrate(&["up", "--json"]);
    assert!(report.err.contains("statement 1 of 1 at 2:1: create index concurrently"), "{}", report.err);
    let report = report.json();
    assert_eq!((&report["applied"][0]["file"], &report["already_applied"]), (&json!("0002_add_index.sql"), &json!(1)));
    assert!(deployment.migrate(&["up"]).err.ends_with("nothing to apply\n"));

    let status = deployment.migrate(&["status", "--json"]).json();
    assert_eq!(status["migrations"][1]["state"], "applied");
    let table = deployment.migrate(&["status"]).succeeds();
    assert!(table.lines().all(|line| line.starts_with("applied  000")), "{table}");
}

#[tokio::test]
async fn files_behind_one_without_a_statement_fail_the_deployment() {
    let deployment = Deployment::new().await;
    let project = &deployment.project;
    project.migration("0000_first.sql", "");
    project.migration("0001_users.sql", "create table users (id int primary key);\n");
    deployment.migrate(&["up"]).fails(&["0000_first.sql has no statement", ": 0001_users.sql\n"]);
    std::fs::remove_file(project.file("ferrobase/migrations/0000_first.sql")).unwrap();
    project.migration("0002_later.sql", "-- left blank on purpose\n");
    project.migration("0003_notes.sql", "create table notes (id int primary key);\n");
    project.migration("0004_more.sql", "");
    let listed = "applied  0001_users.sql\nempty    0002_later.sql\npending  0003_notes.sql\nempty    0004_more.sql\n";
    let said =
        ["0002_later.sql has no statement, so what comes after it is not applied: 0003_notes.sql\n", "delete it"];
    let refused = deployment.migrate(&["up", "--json"]);
    assert!(refused.out.contains("0001_users.sql"), "what was applied is told all the same: {}", refused.out);
    refused.fails(&said);
    assert!(!deployment.migrate(&["up"]).fails(&said).contains("nothing to apply"));
    let status = deployment.migrate(&["status"]).succeeds();
    let states: String = status.lines().map(|line| format!("{}\n", line.split("  20").next().unwrap())).collect();
    assert_eq!(states, listed);

    std::fs::remove_file(project.file("ferrobase/migrations/0002_later.sql")).unwrap();
    let up = deployment.migrate(&["up"]);
    assert!(up.err.contains("applied  0003_notes.sql"), "{}", up.err);
    up.succeeds();
    let status = deployment.migrate(&["status", "--json"]).json();
    assert_eq!(
        (&status["migrations"][1]["state"], &status["migrations"][2]["state"]),
        (&json!("applied"), &json!("empty"))
    );
}

#[tokio::test]
async fn what_is_wrong_is_told_with_its_place_and_its_remedy() {
    let deployment = Deployment::new().await;
    let project = &deployment.project;
    project.migration("0001_users.sql", "create table users (id int primary key);\n");
    project.migration("0002_more.sql", "alter table users add email text;\nalter table user add name text;\n");
    deployment.migrate(&["up"]).fails(&[
        "0002_more.sql:2:1",
        "SQLSTATE 42601",
        "   2 | alter table user add name text;",
    ]);
    assert!(deployment.migrate(&["status"]).succeeds().ends_with("pending  0002_more.sql\n"), "it left nothing");
    project.migration("0002_more.sql", "alter table users add email text;\ncommit;\n");
    deployment.migrate(&["up"]).fails(&["0002_more.sql:2:1", "no-transaction"]);
    project.migration("0002_more.sql", "alter table users add email text;\n");
    deployment.migrate(&["up"]).succeeds();

    project.migration("0001_users.sql", "create table users (id bigint primary key);\n");
    deployment.migrate(&["up"]).fails(&["0001_users.sql changed after it was applied", "ferrobase migrate new"]);
    assert!(deployment.migrate(&["status"]).succeeds().starts_with("edited   0001_users.sql"));
    project.migration("stray.sql", "select 1;\n");
    deployment.migrate(&["status"]).fails(&["stray.sql is not named like a migration", "0001_create_users.sql"]);
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_no_good_news() {
    let deployment = Deployment::new().await;
    deployment.migrate(&["up"]).fails(&["no folder ferrobase/migrations", "--folder"]);
    deployment.project.migration("0001_a.SQL", "create table a (id int);\n");
    deployment.migrate(&["up", "--folder", "typo"]).fails(&["no folder typo", "--folder"]);
    deployment.migrate(&["up"]).fails(&["0001_a.SQL is not named like a migration", "small letters"]);
}

#[tokio::test]
async fn a_runner_waits_for_another_as_long_as_it_is_told() {
    let deployment = Deployment::new().await;
    deployment.project.migration("0001_a.sql", "create table a (id int);\n");
    deployment.migrate(&["up"]).succeeds();
    deployment.project.migration("0002_b.sql", "create table b (id int);\n");
    let mut other = deployment.database.connect().await;
    other.script("begin; select from ferrobase.migration_lease for update").await.unwrap();
    deployment.migrate(&["up", "--wait", "100ms"]).fails(&["another runner", "applies migrations"]);
    assert_eq!(deployment.migrate(&["up", "--wait", "soon"]).code(), Some(2));
    other.script("commit").await.unwrap();
    deployment.migrate(&["up", "--wait", "1s"]).succeeds();
}

#[tokio::test]
async fn a_statement_in_doubt_is_shown_and_waits_for_a_decision() {
    let deployment = Deployment::new().await;
    let statement = "do $$ begin commit; perform pg_terminate_backend(pg_backend_pid()); end $$";
    let text =
        format!("-- ferrobase: no-transaction\ncreate table a (id int);\n{statement};\ncreate table b (id int);\n");
    deployment.project.migration("0001_a.sql", &text);
    deployment.migrate(&["up"]).fails(&["connection", "run it again"]);
    let said = "partial  0001_a.sql  1 of 3 statements, and number 2 may be done\n";
    assert_eq!(deployment.migrate(&["status"]).succeeds(), said);
    deployment.migrate(&["up"]).fails(&["0001_a.sql:3:1", "statement 2 of 3", "--in-doubt skip", "--in-doubt retry"]);
    deployment.migrate(&["up", "--in-doubt", "retry"]).fails(&["connection"]);
    deployment.migrate(&["up", "--in-doubt", "skip"]).succeeds();
    assert!(deployment.migrate(&["status"]).succeeds().starts_with("applied  0001_a.sql"));
}

#[tokio::test]
async fn a_database_that_is_not_there_is_named_without_its_password() {
    let project = Project::empty();
    project.run(&["migrate", "status"]).fails(&["database.url", "--database-url", "ferrobase dev"]);
    let nowhere = "postgresql://owner:hunter2@127.0.0.1:1/app";
    let said = project.run(&["migrate", "up", "--database-url", nowhere]).fails(&["127.0.0.1:1", "refused"]);
    assert!(!said.contains("hunter2"), "{said}");
    let said =
        project.run(&["migrate", "up", "--database-url", "postgresql://u:hun/ter2@h/db"]).fails(&["database.url"]);
    assert!(!said.contains("ter2"), "{said}");
}
