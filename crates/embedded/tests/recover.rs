//! After a death: of the server, of us, of both, in the middle of anything.

use std::fs;
use std::time::Duration;

use ferrobase_embedded::{Embedded, Health, Options, Profile, Stopped};
use nix::sys::signal::Signal;
use tokio::time::timeout;

use crate::as_user;
use crate::project::{Other, Project, background_sql, is_alive, signal, sql, try_sql, wait_until};

#[tokio::test]
async fn a_killed_server_is_started_again_with_all_that_was_committed() {
    let project = Project::new();
    let running = Embedded::start(project.durable()).await.unwrap();
    let (url, port) = (running.url(), running.port());
    sql(&url, "create table kept(x int)");
    let mut health = running.health();
    for round in 1..=2 {
        sql(&url, &format!("insert into kept values ({round})"));
        let old = project.postmaster();
        signal(old, Signal::SIGKILL);
        let came_back = timeout(Duration::from_secs(60), async {
            health.wait_for(|h| matches!(h, Health::Restarting { .. })).await.unwrap();
            health.wait_for(|h| matches!(h, Health::Ready)).await.unwrap();
        });
        came_back.await.unwrap();
        assert_ne!(project.postmaster(), old);
        assert_eq!(sql(&url, "select count(*) from kept"), round.to_string());
    }
    assert_eq!(running.port(), port);
    assert_eq!(running.stop().await.unwrap(), Stopped::Fast);
    assert!(matches!(*health.borrow(), Health::Stopped));
}

#[tokio::test]
async fn a_server_that_somebody_stopped_comes_back_unless_we_are_stopped_too() {
    let project = Project::new();
    let running = project.start().await;
    let mut health = running.health();
    let old = project.postmaster();
    signal(old, Signal::SIGTERM);
    wait_until("the server to end", || !is_alive(old));
    health.wait_for(|h| matches!(h, Health::Restarting { .. })).await.unwrap();
    health.wait_for(|h| matches!(h, Health::Ready)).await.unwrap();
    assert_eq!(sql(&running.url(), "select 1"), "1");

    let old = project.postmaster();
    signal(old, Signal::SIGTERM);
    wait_until("the server to end", || !is_alive(old));
    // Whether our watch has seen it yet or not.
    assert!(matches!(running.stop().await.unwrap(), Stopped::WasDown | Stopped::Fast));
    assert!(!project.data().join("postmaster.pid").exists());
    assert!(Embedded::locate(&project.options()).unwrap().is_none());
}

#[tokio::test]
async fn a_server_left_by_a_killed_process_is_adopted() {
    let project = Project::new();
    let other = Other::start(project.path());
    let pid = project.postmaster();
    let port = project.state()["port"].clone();
    other.kill();
    assert!(is_alive(pid));

    let running = project.start().await;
    assert_eq!(project.postmaster(), pid, "taken over, not started anew");
    assert_eq!(serde_json::json!(running.port()), port);
    assert_eq!(sql(&running.url(), "select 1"), "1");
    // An adopted one is watched too.
    let mut health = running.health();
    signal(pid, Signal::SIGKILL);
    let came_back = async {
        health.wait_for(|h| matches!(h, Health::Restarting { .. })).await.unwrap();
        health.wait_for(|h| matches!(h, Health::Ready)).await.unwrap();
    };
    timeout(Duration::from_secs(60), came_back).await.unwrap();
    assert_ne!(project.postmaster(), pid);
    assert_eq!(running.stop().await.unwrap(), Stopped::Fast);
}

#[tokio::test]
async fn an_orphan_with_other_settings_is_stopped() {
    let project = Project::new();
    let other = Other::start(project.path());
    let pid = project.postmaster();
    other.kill();
    // It was started with fsync off; a durable start must not take that over.
    let running = Embedded::start(project.durable()).await.unwrap();
    assert!(!is_alive(pid));
    assert_eq!(sql(&running.url(), "show fsync"), "on");
    running.stop().await.unwrap();

    let other = Other::start(project.path());
    let pid = project.postmaster();
    other.kill();
    let free = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let running = Embedded::start(Options { port: Some(free), ..project.options() }).await.unwrap();
    assert!(!is_alive(pid));
    assert_eq!(running.port(), free);
    running.stop().await.unwrap();
}

#[tokio::test]
async fn both_killed_and_the_next_start_recovers() {
    let project = Project::new();
    let other = Other::start(project.path());
    let url = Embedded::locate(&project.options()).unwrap().unwrap().url();
    sql(&url, "create table kept as select generate_series(1, 1000) x");
    let mut session = background_sql(&url, "begin; insert into kept values (0); select pg_sleep(600)");
    wait_until("the session", || {
        sql(&url, "select count(*) from pg_stat_activity where wait_event = 'PgSleep'") == "1"
    });
    let pid = project.postmaster();
    other.kill();
    signal(pid, Signal::SIGKILL);
    let running = project.start().await;
    assert_eq!(sql(&running.url(), "select count(*) from kept"), "1000");
    running.stop().await.unwrap();
    let _ = session.wait();
}

#[tokio::test]
async fn stuck_processes_of_a_dead_server_are_ended() {
    let project = Project::new();
    let other = Other::start(project.path());
    let url = Embedded::locate(&project.options()).unwrap().unwrap().url();
    let mut session = background_sql(&url, "select pg_sleep(600)");
    let find = "select pid from pg_stat_activity where wait_event = 'PgSleep'";
    wait_until("the session", || !sql(&url, find).is_empty());
    let backend: i32 = sql(&url, find).parse().unwrap();
    let pid = project.postmaster();
    // A stopped process does not notice that its postmaster is gone, like one that is deep in a computation.
    signal(backend, Signal::SIGSTOP);
    other.kill();
    signal(pid, Signal::SIGKILL);
    let running = project.start().await;
    assert!(!is_alive(backend));
    assert_eq!(sql(&running.url(), "select 1"), "1");
    running.stop().await.unwrap();
    let _ = session.wait();
}

#[tokio::test]
async fn a_start_killed_at_any_moment_leaves_nothing_half_made() {
    let project = Project::new();
    for delay in [50, 150, 250, 300, 400, 500, 600, 800, 1200] {
        let other = Other::spawn(project.path());
        std::thread::sleep(Duration::from_millis(delay));
        other.kill();
    }
    let running = project.start().await;
    assert_eq!(sql(&running.url(), "select 1"), "1");
    running.stop().await.unwrap();
    let left: Vec<String> =
        fs::read_dir(project.home()).unwrap().flatten().map(|e| e.file_name().into_string().unwrap()).collect();
    assert!(!left.iter().any(|name| name.starts_with("data.partial") || name.starts_with("password")), "{left:?}");
}

#[tokio::test]
async fn a_start_that_is_cancelled_leaves_nothing_running() {
    let project = Project::new();
    // Through initdb and into the server's start.
    for delay in [30, 200, 600, 900, 1300, 1600, 2000] {
        if let Ok(started) = timeout(Duration::from_millis(delay), Embedded::start(project.options())).await {
            started.unwrap().stop().await.unwrap();
        }
    }
    let running = project.start().await;
    assert_eq!(sql(&running.url(), "select 1"), "1");
    let pid = project.postmaster();
    running.stop().await.unwrap();
    assert!(!is_alive(pid));
    assert!(Embedded::locate(&project.options()).unwrap().is_none());
}

#[tokio::test]
async fn a_stale_pid_file_does_not_stop_the_start_nor_hit_a_stranger() {
    let project = Project::new();
    project.start().await.stop().await.unwrap();
    let mut stranger = std::process::Command::new("sleep").arg("600").spawn().unwrap();
    let pid_file = project.data().join("postmaster.pid");
    // A live process that has nothing to do with it, a dead one, and nonsense.
    let stale = format!("{}\n{}\n1\n5432\n/tmp\nlocalhost\n 1 1\nready   \n", stranger.id(), project.data().display());
    for content in [stale.as_str(), "4194303\n", "nonsense", ""] {
        fs::write(&pid_file, content).unwrap();
        assert!(Embedded::locate(&project.options()).unwrap().is_none());
        let running = project.start().await;
        assert_eq!(sql(&running.url(), "select 1"), "1");
        running.stop().await.unwrap();
    }
    assert!(stranger.try_wait().unwrap().is_none(), "the stranger lives");
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

#[tokio::test]
async fn a_stale_socket_lock_does_not_stop_the_start() {
    let project = Project::new();
    let running = project.start().await;
    let lock = running.access().socket_dir.join(format!(".s.PGSQL.{}.lock", running.port()));
    let content = fs::read_to_string(&lock).unwrap();
    let pid = project.postmaster();
    running.stop().await.unwrap();
    let live = std::process::id().to_string();
    fs::create_dir_all(lock.parent().unwrap()).unwrap();
    if crate::project::is_root() {
        let user = nix::unistd::User::from_name("postgres").unwrap().unwrap();
        std::os::unix::fs::chown(lock.parent().unwrap(), Some(user.uid.as_raw()), None).unwrap();
    }
    fs::set_permissions(lock.parent().unwrap(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    fs::write(&lock, content.replace(&pid.to_string(), &live)).unwrap();
    let running = project.start().await;
    assert_eq!(sql(&running.url(), "select 1"), "1");
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_lost_state_file_costs_the_password_only() {
    let project = Project::new();
    let running = project.start().await;
    sql(&running.url(), "create table kept(x int)");
    let old_url = running.url();
    running.stop().await.unwrap();
    fs::remove_file(project.home().join("cluster.json")).unwrap();
    let running = project.start().await;
    assert!(!running.created());
    assert_eq!(sql(&running.url(), "select count(*) from kept"), "0");
    assert!(try_sql(&old_url.replace("port=", "port=0"), "select 1").is_err());
    running.stop().await.unwrap();

    // Also when an orphan is running that nobody can log in to.
    let other = Other::start(project.path());
    let pid = project.postmaster();
    other.kill();
    fs::remove_file(project.home().join("cluster.json")).unwrap();
    let running = project.start().await;
    assert!(!is_alive(pid));
    assert_eq!(sql(&running.url(), "select count(*) from kept"), "0");
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_server_that_does_not_end_in_time_is_stopped_at_once_and_recovers() {
    let project = Project::new();
    let options = Options { stop_timeout: Duration::from_secs(1), profile: Profile::Durable, ..project.durable() };
    let running = Embedded::start(options.clone()).await.unwrap();
    let url = running.url();
    sql(&url, "create table kept(x int); insert into kept values (1)");
    let mut session = background_sql(&url, "select pg_sleep(600)");
    let find = "select pid from pg_stat_activity where wait_event = 'PgSleep'";
    wait_until("the session", || !sql(&url, find).is_empty());
    signal(sql(&url, find).parse().unwrap(), Signal::SIGSTOP);
    assert_eq!(running.stop().await.unwrap(), Stopped::Immediate);
    let _ = session.wait();
    let running = Embedded::start(options).await.unwrap();
    assert_eq!(sql(&running.url(), "select x from kept"), "1");
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_server_that_cannot_come_back_is_reported() {
    let project = Project::new();
    let running = project.start().await;
    let mut health = running.health();
    let control = project.data().join("global/pg_control");
    fs::rename(&control, control.with_extension("away")).unwrap();
    signal(project.postmaster(), Signal::SIGKILL);
    let failed = timeout(Duration::from_secs(90), health.wait_for(|h| matches!(h, Health::Failed(_)))).await;
    let Health::Failed(error) = failed.unwrap().unwrap().clone() else { unreachable!() };
    assert_eq!(error.code(), "embedded_damaged", "{error}");
    assert!(running.stop().await.is_err());
}

as_user! {
    a_killed_server_is_started_again_with_all_that_was_committed => a_killed_server_is_started_again_as_user,
    a_server_left_by_a_killed_process_is_adopted => a_server_left_by_a_killed_process_is_adopted_as_user,
    both_killed_and_the_next_start_recovers => both_killed_and_the_next_start_recovers_as_user,
    stuck_processes_of_a_dead_server_are_ended => stuck_processes_of_a_dead_server_are_ended_as_user,
    a_start_killed_at_any_moment_leaves_nothing_half_made => a_start_killed_at_any_moment_as_user,
    a_stale_pid_file_does_not_stop_the_start_nor_hit_a_stranger => a_stale_pid_file_as_user,
    a_lost_state_file_costs_the_password_only => a_lost_state_file_costs_the_password_only_as_user,
}
