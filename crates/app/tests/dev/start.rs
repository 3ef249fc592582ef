//! Starting: what is made, told and kept; twice in one folder, side by side, as an ordinary user.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use nix::sys::signal::Signal;
use reqwest::Method;
use serde_json::{Value, json};

use super::project::{Dev, Project, Ran, get, is_alive};
use crate::support::ANN;

/// The lines of a banner by their names.
fn banner(text: &str) -> Vec<(String, String)> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("  "));
    lines.map(|line| (line[..12].trim().to_owned(), line[13..].to_owned())).collect()
}

async fn insert(dev: &Dev, task: &str) -> u16 {
    let request = reqwest::Client::new().request(Method::POST, dev.url("/rest/v1/todos"));
    let row = json!({ "task": task, "user_id": ANN });
    request.bearer_auth(dev.says("service_key")).json(&row).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_first_start_makes_everything_and_tells_how_to_reach_it() {
    let project = Project::new();
    let dev = project.dev();
    let postmaster = project.postmaster().unwrap();
    for step in ["creating a PostgreSQL", "starting PostgreSQL on port", "applied  0001_todos.sql", "seeding with"] {
        assert!(dev.err().contains(step), "{step} in {}", dev.err());
    }

    let (said, url) = (banner(&dev.out()), dev.says("url"));
    let expected = [
        ("REST", dev.url("/rest/v1")),
        ("GraphQL", dev.url("/graphql/v1")),
        ("auth", dev.url("/auth/v1")),
        ("health", dev.says("admin_url") + "/ready"),
        ("metrics", dev.says("admin_url") + "/metrics"),
        ("database", dev.says("database_url")),
        ("anon key", dev.says("anon_key")),
        ("service key", dev.says("service_key")),
        ("try", format!("curl '{url}/rest/v1/todos?limit=3'")),
    ];
    assert_eq!(said, expected.map(|(name, value)| (name.to_owned(), value)));
    let mode = |name: &str| fs::metadata(project.file(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        (mode(".ferrobase"), mode(".ferrobase/dev.json"), mode(".ferrobase/secrets.json")),
        (0o700, 0o600, 0o600)
    );
    assert_eq!(fs::read_to_string(project.file(".ferrobase/.gitignore")).unwrap(), "*\n");

    let tried = Ran::of(project.program("sh").args(["-c", &said.last().unwrap().1]));
    assert_eq!(tried.succeeds(), "[]");
    assert_eq!(get(&said[3].1, "").await.0, 200);
    assert_eq!(get(&dev.url("/rest/v1/todos"), &dev.says("anon_key")).await, (200, "[]".to_owned()));
    assert_eq!(insert(&dev, "buy milk").await, 201);
    let by_psql = Ran::of(project.program("psql").args(["-XAtd", &dev.says("database_url"), "-c", "table todos"]));
    assert!(by_psql.succeeds().contains("buy milk"));

    let (anon, service) = (dev.says("anon_key"), dev.says("service_key"));
    assert_eq!(banner(&dev.out()).len(), 9, "requests are logged elsewhere");
    let ended = dev.stop(Signal::SIGTERM);
    assert_eq!(ended.code(), Some(0));
    // The PostgreSQL of this machine may be one that is warned of.
    let is_trouble =
        |line: &&str| line.contains("WARN") && !line.contains("outdated_postgresql") || line.contains("ERROR");
    assert_eq!(ended.err.lines().find(is_trouble), None, "a clean end: {}", ended.err);
    assert!(!is_alive(postmaster) && project.processes().is_empty());
    assert!(project.announced().is_none());

    let dev = project.dev();
    assert_eq!((dev.says("anon_key"), dev.says("service_key")), (anon, service));
    assert!(!dev.err().contains("creating") && !dev.err().contains("seeding"), "{}", dev.err());
    let rows = get(&dev.url("/rest/v1/todos?select=task"), &dev.says("service_key")).await;
    assert_eq!(rows, (200, r#"[{"task":"buy milk"}]"#.to_owned()));
    dev.stop(Signal::SIGINT).succeeds();
    assert!(project.processes().is_empty());
}

#[tokio::test]
async fn a_second_one_in_the_folder_shows_the_first() {
    let project = Project::new();
    let first = project.start(&["dev", "--json"]);
    // It may have to wait for the first one, which makes its database.
    super::project::wait_until("the lock", || project.file(".ferrobase/dev.lock").exists());
    let second = project.run(&["dev"]);
    assert!(second.err.contains(&format!("runs here already (process {})", first.pid())), "{}", second.err);
    let first = first.ready();
    assert_eq!(banner(&second.succeeds()).last().unwrap().1, first.says("try"));

    assert_eq!(get(&first.url("/rest/v1/todos"), &first.says("anon_key")).await.0, 200);
    let data: Value = serde_json::from_str(&first.out()).expect("one JSON value and no log line");
    assert_eq!(data, project.announced().unwrap());
    assert_eq!(project.run(&["dev", "--json"]).json(), data);

    let said = project.run(&["dev", "--reset"]).fails(&["stop it", "ferrobase dev --reset"]);
    assert!(said.contains(&first.pid().to_string()), "{said}");
    assert_eq!(get(&first.url("/rest/v1/todos"), &first.says("anon_key")).await.0, 200);
    first.stop(Signal::SIGTERM).succeeds();
}

#[tokio::test]
async fn two_projects_run_side_by_side() {
    let (one, other) = (Project::new(), Project::new());
    let (first, second) = (one.start(&["dev"]), other.start(&["dev"]));
    let (first, second) = (first.ready(), second.ready());
    for key in ["url", "admin_url", "anon_key", "service_key", "database_url"] {
        assert_ne!(first.says(key), second.says(key), "{key}");
    }
    assert_eq!(insert(&first, "mine").await, 201);
    assert_eq!(get(&second.url("/rest/v1/todos"), &second.says("service_key")).await, (200, "[]".to_owned()));
    assert_eq!(get(&second.url("/rest/v1/todos"), &first.says("service_key")).await.0, 401, "another project's key");
    first.stop(Signal::SIGTERM).succeeds();
    assert_eq!(get(&second.url("/rest/v1/todos"), &second.says("anon_key")).await.0, 200);
    second.stop(Signal::SIGTERM).succeeds();
}

#[tokio::test]
async fn top_asks_the_dev_of_its_folder_unless_a_port_is_configured() {
    let project = Project::new();
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port().to_string();
    drop(holder);
    let dev = project.start(&["dev", "--admin-port", &port]).ready();
    assert_eq!(insert(&dev, "watch me").await, 201);
    let told = project.run(&["top", "--json"]).json();
    let names: Vec<_> = told["statements"].as_array().unwrap().iter().filter_map(|of| of["name"].as_str()).collect();
    assert!(names.contains(&"POST todos"), "{names:?}");
    let configured = Ran::of(project.command(&["top", "--json"]).env("FERROBASE_SERVER__ADMIN_PORT", "1"));
    configured.fails(&["http://127.0.0.1:1/"]);
    let _ = dev.stop(Signal::SIGKILL);
    let ran = project.run(&["top", "--json"]);
    assert!(!ran.err.contains(&port), "what a killed dev left says nothing: {ran:?}");
}

#[tokio::test]
async fn an_ordinary_user_needs_no_rights() {
    let project = Project::of_user();
    project.run(&["init"]).succeeds();
    let dev = project.dev();
    assert!(project.file(".ferrobase/pg/data").is_dir(), "data stay in the project");
    assert_eq!(insert(&dev, "buy milk").await, 201);
    let token = project.run(&["keys", "token", "--sub", ANN]).succeeds();
    let rows = get(&dev.url("/rest/v1/todos?select=task"), token.trim()).await;
    assert_eq!(rows, (200, r#"[{"task":"buy milk"}]"#.to_owned()));
    assert!(project.run(&["migrate", "status"]).succeeds().starts_with("applied  0001_todos.sql"));
    dev.stop(Signal::SIGINT).succeeds();
    assert!(project.processes().is_empty());
}

#[tokio::test]
async fn a_folder_without_a_project_is_served_and_can_become_one() {
    let project = Project::empty();
    let dev = project.dev();
    dev.wait_to_say("`ferrobase init` makes a first one");
    let ready = Ran::of(project.program("sh").args(["-c", &dev.says("try")]));
    assert!(ready.succeeds().contains("true"), "the state of the server, as long as there is no table");
    project.run(&["init"]).succeeds();
    super::project::eventually(&dev.url("/rest/v1/todos"), &dev.says("anon_key"), "[]").await;
    dev.stop(Signal::SIGTERM).succeeds();
}

#[tokio::test]
async fn rotated_keys_count_from_the_next_start() {
    let project = Project::new();
    let dev = project.dev();
    let old = dev.says("service_key");
    let rotated = project.run(&["keys", "rotate", "--json"]);
    assert!(rotated.err.contains("restart it"), "{}", rotated.err);
    let rotated = rotated.json()["service_key"].as_str().unwrap().to_owned();
    let todos = |dev: &Dev| dev.url("/rest/v1/todos");
    assert_eq!(get(&todos(&dev), &old).await.0, 200);
    assert_eq!(get(&todos(&dev), &rotated).await.0, 401);
    dev.stop(Signal::SIGTERM).succeeds();

    let dev = project.dev();
    assert_eq!(dev.says("service_key"), rotated);
    assert_eq!(get(&todos(&dev), &rotated).await.0, 200);
    assert_eq!(get(&todos(&dev), &old).await.0, 401);
    let token = project.run(&["keys", "token", "--json"]).json()["token"].as_str().unwrap().to_owned();
    assert_eq!(get(&todos(&dev), &token).await.0, 200);
    let ended = project.run(&["keys", "token", "--expires-in", "-3600"]).succeeds();
    assert_eq!(get(&todos(&dev), ended.trim()).await.0, 401);
    dev.stop(Signal::SIGTERM).succeeds();
}

#[tokio::test]
async fn the_request_that_is_shown_works_under_any_configuration() {
    let project = Project::empty();
    let certified = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    project.write("cert.pem", &certified.cert.pem());
    project.write("key.pem", &certified.signing_key.serialize_pem());
    let config =
        "server:\n  host: 0.0.0.0\n  tls: {cert: cert.pem, key: key.pem}\nsecurity:\n  require_api_key: true\n";
    project.write("ferrobase.yaml", config);
    let table = "create table \"an odd/name?\" (id int);\nalter table \"an odd/name?\" enable row level security;\n";
    project.migration("0001_odd.sql", table);
    let mut command = project.command(&["dev"]);
    let dev = project.spawn(command.env("FERROBASE_DATABASE__URL", "postgresql://elsewhere/app")).ready();
    dev.wait_to_say("the configured database is left alone");
    assert!(dev.url("").starts_with("https://127.0.0.1:"), "{}", dev.url(""));
    let shown = dev.says("try");
    assert!(shown.contains("an%20odd%2Fname%3F") && shown.contains(&dev.says("anon_key")), "{shown}");
    assert_eq!(Ran::of(project.program("sh").args(["-c", &shown])).succeeds(), "[]");
    dev.stop(Signal::SIGTERM).succeeds();
}

/// Folders have names like this on the machines of people.
#[tokio::test]
async fn any_folder_will_do() {
    let project = Project::new().renamed("Étude & \"co\" % 'x'");
    let dev = project.dev();
    assert_eq!(get(&dev.url("/rest/v1/todos"), &dev.says("anon_key")).await, (200, "[]".to_owned()));
    assert!(project.run(&["migrate", "status"]).succeeds().starts_with("applied  0001_todos.sql"));
    dev.stop(Signal::SIGTERM).succeeds();
}
