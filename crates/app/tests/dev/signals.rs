//! The ends of `dev`: ordered at any moment, killed, left by its terminal or by its database.

use std::fs;
use std::io::Write;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::project::{Project, eventually, get, is_alive, wait_until};

/// Far below the time after which a PostgreSQL that does not stop is made to.
const PROMPT: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_signal_at_any_moment_leaves_nothing_running() {
    let project = Project::new();
    let moments = [300, 20, 100, 250, 500, 1000].map(Duration::from_millis);
    for (moment, signal) in moments.into_iter().zip([Signal::SIGINT, Signal::SIGTERM].into_iter().cycle()) {
        let dev = project.start(&["dev"]);
        std::thread::sleep(moment);
        let began = Instant::now();
        let ended = dev.stop(signal);
        let took = began.elapsed();
        assert!(took < PROMPT, "after {moment:?} it took {took:?}: {ended:?}\n{}", project.postgres_log());
        // Before it has started anything, a signal may end it as it ends any program.
        assert!(matches!(ended.code(), Some(0) | None), "after {moment:?}: {ended:?}");
        assert!(!ended.err.contains("error"), "after {moment:?}: {ended:?}");
        assert_eq!(project.processes(), Vec::<i32>::new(), "after {moment:?}: {ended:?}");
        assert!(project.announced().is_none());
    }
    let began = Instant::now();
    let dev = project.dev();
    assert!(began.elapsed() < PROMPT, "a lease of one that was stopped: {:?}\n{}", began.elapsed(), dev.err());
    dev.stop(Signal::SIGTERM).succeeds();
}

#[tokio::test]
async fn a_second_signal_ends_a_start_at_once() {
    let project = Project::new();
    let dev = project.start(&["dev"]);
    dev.wait_to_say("creating a PostgreSQL");
    dev.signal(Signal::SIGINT);
    dev.wait_to_say("stopping when PostgreSQL has started");
    let ended = dev.stop(Signal::SIGINT);
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    assert!(!ended.err.contains("is ready"), "{ended:?}");
    // Its shutdown was ordered and is not waited for.
    wait_until("the end of what was started", || project.processes().is_empty());
    project.dev().stop(Signal::SIGTERM).succeeds();
}

#[tokio::test]
async fn after_kill_9_the_next_start_has_all_that_was_written() {
    let project = Project::new();
    let dev = project.dev();
    let key = dev.says("service_key");
    let row = serde_json::json!({ "task": "kept", "user_id": crate::support::ANN });
    let request = reqwest::Client::new().post(dev.url("/rest/v1/todos")).bearer_auth(&key).json(&row);
    assert_eq!(request.send().await.unwrap().status().as_u16(), 201);

    let orphan = project.postmaster().unwrap();
    dev.stop(Signal::SIGKILL);
    assert!(is_alive(orphan));
    let tasks = |dev: &super::project::Dev| dev.url("/rest/v1/todos?select=task");
    assert!(project.announced().is_some(), "what it said is left, and must not be taken for the next one's");
    let dev = project.dev();
    assert!(dev.err().contains("PostgreSQL of an earlier run"), "{}", dev.err());
    assert_eq!(get(&tasks(&dev), &key).await, (200, r#"[{"task":"kept"}]"#.to_owned()));

    let postmaster = project.postmaster().unwrap();
    dev.stop(Signal::SIGKILL);
    let _ = kill(Pid::from_raw(postmaster), Signal::SIGKILL);
    let dev = project.dev();
    assert_eq!(get(&tasks(&dev), &key).await, (200, r#"[{"task":"kept"}]"#.to_owned()));
    dev.stop(Signal::SIGTERM).succeeds();
    assert!(project.processes().is_empty());
}

/// Closing the window of a terminal is how most people end a program.
#[tokio::test]
async fn a_closed_terminal_stops_it() {
    let project = Project::new();
    let mut script = project.program("script");
    script.args(["--quiet", "--command", "exec ferrobase dev", "/dev/null"]);
    let terminal = project.spawn(&mut script).ready();
    let dev: i32 = project.announced().unwrap()["pid"].to_string().parse().unwrap();
    assert_ne!(dev, terminal.pid());
    terminal.stop(Signal::SIGKILL);
    wait_until("dev to end with its terminal", || !is_alive(dev));
    assert_eq!(project.processes(), Vec::<i32>::new());
}

#[tokio::test]
async fn a_database_that_cannot_come_back_ends_it_with_the_reason() {
    let project = Project::new();
    let dev = project.dev();
    let (key, todos) = (dev.says("anon_key"), dev.url("/rest/v1/todos"));
    // Without a terminal SIGHUP is what it is for every server.
    dev.signal(Signal::SIGHUP);
    dev.wait_to_say("configuration reloaded");
    assert_eq!(get(&todos, &key).await.0, 200);

    let killed = project.postmaster().unwrap();
    kill(Pid::from_raw(killed), Signal::SIGKILL).unwrap();
    wait_until("another server", || project.postmaster().is_some_and(|pid| pid != killed));
    eventually(&todos, &key, "[]").await;

    let settings = project.data().unwrap().join("postgresql.conf");
    writeln!(fs::OpenOptions::new().append(true).open(settings).unwrap(), "nonsense = 1").unwrap();
    kill(Pid::from_raw(project.postmaster().unwrap()), Signal::SIGKILL).unwrap();
    dev.end().fails(&["nonsense"]);
    assert!(project.announced().is_none() && project.processes().is_empty());
}
