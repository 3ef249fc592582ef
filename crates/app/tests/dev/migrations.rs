//! Migrations and the seed beside a running `dev`, and what it does about files that were changed.

use nix::sys::signal::Signal;

use super::project::{Project, eventually, get};

const ITEMS: &str = "create table items (id int primary key, name text);
alter table items enable row level security;
";

#[tokio::test]
async fn a_new_file_is_applied_while_it_runs() {
    let project = Project::new();
    let dev = project.dev();
    let key = dev.says("service_key");
    project.migration("0002_items.sql", &format!("{ITEMS}insert into items values (1, 'one');\n"));
    eventually(&dev.url("/rest/v1/items?select=name"), &key, r#"[{"name":"one"}]"#).await;

    // What `new` makes has no statement yet: applied at once, it could never be written.
    let made = project.run(&["migrate", "new", "add", "notes"]).succeeds();
    assert_eq!(made, "ferrobase/migrations/0003_add_notes.sql\n");
    dev.wait_to_say("0003_add_notes.sql has no statement yet");
    assert!(project.run(&["migrate", "status"]).succeeds().ends_with("empty    0003_add_notes.sql\n"));
    project.write(made.trim(), "alter table items add notes text default 'none';\n");
    eventually(&dev.url("/rest/v1/items?select=notes"), &key, r#"[{"notes":"none"}]"#).await;

    project.migration("0004_bad.sql", "-- A mistake.\n\nalter table items\n    add price numeri;\n");
    dev.wait_to_say("0004_bad.sql:4:15: type \"numeri\" does not exist");
    dev.wait_to_say("   4 |     add price numeri;");
    assert_eq!(get(&dev.url("/rest/v1/items?select=id"), &key).await, (200, r#"[{"id":1}]"#.to_owned()));
    project.migration("0004_bad.sql", "-- A mistake.\n\nalter table items\n    add price numeric;\n");
    eventually(&dev.url("/rest/v1/items?select=price"), &key, r#"[{"price":null}]"#).await;

    // Why a new table is not found is what everybody asks first.
    project.migration("0005_loose.sql", "create table loose (id int primary key);\n");
    dev.wait_to_say("public.loose is hidden from anon and authenticated: it has no row-level security");
    assert_eq!(dev.err().matches("loose is hidden").count(), 1);

    let up = project.run(&["migrate", "up"]);
    assert!(up.err.contains("nothing to apply"), "{}", up.err);
    project.migration("0002_items.sql", ITEMS);
    dev.wait_to_say("0002_items.sql changed after it was applied");
    assert_eq!(get(&dev.url("/rest/v1/items?select=id"), &key).await.0, 200);
    dev.stop(Signal::SIGTERM).succeeds();
}

#[tokio::test]
async fn an_edited_file_stops_the_start_until_a_reset() {
    let project = Project::new();
    project.write("ferrobase/seed.sql", "insert into todos (user_id, task) values (gen_random_uuid(), 'seeded');\n");
    let dev = project.dev();
    let key = dev.says("anon_key");
    let change = "update todos set task = 'changed'";
    let changed = project.program("psql").args(["-Xqd", &dev.says("database_url"), "-c", change]).status().unwrap();
    assert!(changed.success());
    dev.stop(Signal::SIGTERM).succeeds();

    let applied = std::fs::read_to_string(project.file("ferrobase/migrations/0001_todos.sql")).unwrap();
    project.migration("0001_todos.sql", &applied.replace("task        text", "task        varchar(80)"));
    let refused = project.run(&["dev"]);
    refused.fails(&["0001_todos.sql changed after it was applied", "ferrobase dev --reset", "ferrobase migrate new"]);
    assert!(project.processes().is_empty() && project.announced().is_none());

    let dev = project.start(&["dev", "--reset"]).ready();
    let rows = get(&dev.url("/rest/v1/todos?select=task"), &dev.says("service_key")).await;
    assert_eq!(rows, (200, r#"[{"task":"seeded"}]"#.to_owned()), "a new database, seeded again");
    assert_eq!(dev.says("anon_key"), key, "keys are the project's, not the database's");
    dev.stop(Signal::SIGTERM).succeeds();
}

#[tokio::test]
async fn the_seed_runs_once_and_after_the_migrations() {
    let project = Project::new();
    let good = std::fs::read_to_string(project.file("ferrobase/migrations/0001_todos.sql")).unwrap();
    project.migration("0001_todos.sql", &good.replace("bigint", "bigit"));
    project.write("ferrobase/seed.sql", "insert into todos (user_id, task) values (gen_random_uuid(), 'seeded');\n");
    let dev = project.dev();
    assert!(dev.err().contains("0001_todos.sql:") && dev.err().contains("bigit"), "{}", dev.err());
    assert!(!dev.err().contains("seeding"), "{}", dev.err());

    project.migration("0001_todos.sql", &good);
    let key = dev.says("service_key");
    let tasks = dev.url("/rest/v1/todos?select=task");
    eventually(&tasks, &key, r#"[{"task":"seeded"}]"#).await;
    dev.wait_to_say("seeding with seed.sql");

    project.write("ferrobase/seed.sql", "delete from todos;\n");
    dev.wait_to_say("seed.sql runs on a new database only");
    assert_eq!(get(&tasks, &key).await.1, r#"[{"task":"seeded"}]"#);
    dev.stop(Signal::SIGTERM).succeeds();
    let dev = project.dev();
    assert!(!dev.err().contains("seeding"), "{}", dev.err());
    assert_eq!(get(&dev.url("/rest/v1/todos?select=task"), &key).await.1, r#"[{"task":"seeded"}]"#);
    dev.stop(Signal::SIGTERM).succeeds();
}
