//! `ferrobase serve`: what it refuses to start without, and with a PostgreSQL of its own.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use ferrobase_testkit::token::{SECRET, of_role};
use nix::sys::signal::Signal;

use crate::dev::project::{Dev, Project, Ran, get};
use crate::support;

fn free_port() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string()
}

#[test]
fn it_names_what_it_cannot_start_without() {
    let project = Project::empty();
    let both = [
        "auth.jwt_secret",
        "auth.jwks_url",
        "FERROBASE_AUTH__JWT_SECRET",
        "database.url",
        "FERROBASE_DATABASE__URL",
        "--embedded",
    ];
    project.run(&["serve"]).fails(&both);
    let secret = |value: &str, arguments: &[&str]| {
        Ran::of(project.command(&[&["serve"], arguments].concat()).env("FERROBASE_AUTH__JWT_SECRET", value))
    };
    let said = secret(SECRET, &[]).fails(&["database.url"]);
    assert!(!said.contains("auth.jwt_secret"), "{said}");
    let database = ["--database-url", "postgresql://owner@127.0.0.1:1/app"];
    let said = secret("", &database).fails(&["auth.jwt_secret"]);
    assert!(!said.contains("database.url"), "{said}");
    secret("short", &database).fails(&["auth.jwt_secret", "32"]);
    let ran = Ran::of(
        project
            .command(&["serve"])
            .args(database)
            .envs([("FERROBASE_AUTH__JWT_SECRET", SECRET), ("FERROBASE_DATABASE__READ_PREFERENCE", "replica")]),
    );
    ran.fails(&["database.read_preference", "there are no replicas"]);
    assert_eq!(std::fs::read_dir(project.path()).unwrap().count(), 0, "nothing was made");
}

#[tokio::test]
async fn a_taken_port_is_told() {
    let (project, database) = (Project::empty(), support::installed().await);
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port().to_string();
    let mut command =
        project.command(&["serve", "--database-url", database.url(), "--host", "127.0.0.1", "--port", &port]);
    let ran = Ran::of(command.env("FERROBASE_AUTH__JWT_SECRET", SECRET));
    ran.fails(&[&format!("server.port: 127.0.0.1:{port} is in use"), "--port"]);
}

fn embedded(project: &Project, port: &str) -> Dev {
    let mut command = project.command(&["serve", "--embedded", "--host", "127.0.0.1", "--port", port]);
    project.spawn(command.args(["--admin-port", &free_port()]).env("FERROBASE_AUTH__JWT_SECRET", SECRET))
}

#[tokio::test]
async fn embedded_it_runs_a_postgresql_and_takes_it_along() {
    let (project, port) = (Project::empty(), free_port());
    let served = embedded(&project, &port);
    let url = format!("http://127.0.0.1:{port}/rest/v1/");
    let began = Instant::now();
    let client = reqwest::Client::new();
    let service = of_role("service_role");
    while !client.get(&url).bearer_auth(&service).send().await.is_ok_and(|answer| answer.status() == 200) {
        assert!(began.elapsed() < Duration::from_secs(60), "{}{}", served.out(), served.err());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(get(&url, "not a token").await.0, 401);
    // One database, one owner: a second server says who has it.
    let second = embedded(&project, &free_port()).end();
    second.fails(&["already running", &served.pid().to_string()]);

    let postmaster = project.postmaster().unwrap();
    let ended = served.stop(Signal::SIGTERM);
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    assert!(!crate::dev::project::is_alive(postmaster) && project.processes().is_empty());
    let end: Vec<&str> = ended.out.lines().skip_while(|line| !line.contains("draining")).collect();
    assert!(end.len() >= 2 && end.iter().all(|line| line.contains("\"info\"")), "a clean end: {end:?}");
}

#[tokio::test]
async fn a_signal_while_the_embedded_one_starts_stops_both() {
    let project = Project::empty();
    for moment in [200, 1000].map(Duration::from_millis) {
        let served = embedded(&project, &free_port());
        std::thread::sleep(moment);
        let ended = served.stop(Signal::SIGTERM);
        assert!(matches!(ended.code(), Some(0) | None), "after {moment:?}: {ended:?}");
        assert_eq!(project.processes(), Vec::<i32>::new(), "after {moment:?}: {ended:?}");
    }
}
