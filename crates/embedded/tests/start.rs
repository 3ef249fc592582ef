//! A start that goes well: what is made, what is kept, what others find.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::{Arc, Mutex};

use ferrobase_embedded::{Embedded, Error, Options, Profile, Progress, Stopped};

use crate::as_user;
use crate::project::{Other, Project, background_sql, is_alive, is_root, options_of, sql, try_sql, wait_until};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

#[tokio::test]
async fn a_cluster_is_made_once_and_keeps_data_and_port() {
    let project = Project::new();
    let seen: Arc<Mutex<Vec<Progress>>> = Arc::default();
    let log = seen.clone();
    let options = Options {
        // The real profile: this test is also the one that goes through a durable cluster.
        profile: Profile::Durable,
        progress: Some(Arc::new(move |p: &Progress| log.lock().unwrap().push(p.clone()))),
        ..project.durable()
    };
    // Outside the usual range, so that no other test takes it between the two starts.
    let free = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let first = Embedded::start(Options { port: Some(free), ..options.clone() }).await.unwrap();
    assert!(first.created());
    assert!(first.version().is_supported());
    assert_eq!(first.data_dir(), project.data());
    let port = first.port();
    sql(&first.url(), "create table kept(x int); insert into kept values (42)");
    assert_eq!(first.stop().await.unwrap(), Stopped::Fast);
    assert!(!project.data().join("postmaster.pid").exists());

    let second = Embedded::start(options).await.unwrap();
    assert!(!second.created());
    assert_eq!(second.port(), port);
    assert_eq!(sql(&second.url(), "select x from kept"), "42");
    assert_eq!(sql(&second.access().tcp_url_for("postgres"), "select x from kept"), "42");
    second.stop().await.unwrap();

    let seen = seen.lock().unwrap();
    let made = seen.iter().filter(|p| matches!(p, Progress::Initialising { .. })).count();
    assert_eq!(made, 1, "{seen:?}");
    assert_eq!(seen.iter().filter(|p| matches!(p, Progress::Ready { .. })).count(), 2, "{seen:?}");
}

#[tokio::test]
async fn its_urls_are_understood_by_our_own_client() {
    let project = Project::new();
    let running = project.start().await;
    sql(&running.url(), "create database \"a b/c?\"");
    let access = running.access();
    for url in [running.url(), access.url_for("a b/c?"), access.tcp_url_for("postgres"), access.tcp_url_for("a b/c?")] {
        let options = ferrobase_pg::ConnectOptions::parse(&url).unwrap();
        let mut session = ferrobase_pg::Session::connect(&options).await.unwrap();
        let result = session.query("select current_database(), session_user", &[]).await.unwrap();
        let database = if url.contains("%20") { "a b/c?" } else { "postgres" };
        assert_eq!(
            (result.rows.first().unwrap().text(0), result.rows.first().unwrap().text(1)),
            (Some(database), Some("postgres"))
        );
    }
    running.stop().await.unwrap();
}

#[tokio::test]
async fn the_server_is_set_up_for_durability_and_replication() {
    let project = Project::new();
    let running = Embedded::start(project.durable()).await.unwrap();
    let url = running.url();
    let expected = [
        ("fsync", "on"),
        ("full_page_writes", "on"),
        ("synchronous_commit", "on"),
        ("wal_level", "logical"),
        ("max_slot_wal_keep_size", "2GB"),
        ("temp_file_limit", "4GB"),
        ("server_encoding", "UTF8"),
        ("data_checksums", "on"),
        ("password_encryption", "scram-sha-256"),
        ("listen_addresses", "127.0.0.1"),
        ("timezone", "UTC"),
        ("default_text_search_config", "pg_catalog.english"),
    ];
    for (setting, value) in expected {
        assert_eq!(sql(&url, &format!("show {setting}")), value, "{setting}");
    }
    // Letters outside ASCII have two cases, and the order is the same on every machine.
    assert_eq!(sql(&url, "select lower('ÄÉ') || ('Z' < 'a')::text"), "äétrue");
    // What our promises rest on cannot be changed from SQL; what is a default can.
    sql(&url, "alter system set fsync = off");
    sql(&url, "alter system set temp_file_limit = '1GB'");
    running.stop().await.unwrap();
    let running = Embedded::start(project.durable()).await.unwrap();
    assert_eq!(sql(&running.url(), "show fsync"), "on");
    assert_eq!(sql(&running.url(), "show temp_file_limit"), "1GB");
    running.stop().await.unwrap();
}

#[tokio::test]
async fn sec_30_embedded_is_private() {
    let project = Project::new();
    // Even when somebody opened the folder up meanwhile.
    project.start().await.stop().await.unwrap();
    fs::set_permissions(project.data(), fs::Permissions::from_mode(0o755)).unwrap();
    let running = project.start().await;
    let access = running.access();

    assert_eq!(mode(&project.data()), 0o700);
    assert_eq!(mode(&access.socket_dir), 0o700);
    assert_eq!(mode(&project.home().join("cluster.json")), 0o600);
    assert_eq!(mode(&project.home().join("postgres.log")), 0o600);
    assert_eq!(mode(&project.path().join(".ferrobase")), 0o700);
    let socket = access.socket_dir.join(format!(".s.PGSQL.{}", access.port));
    assert!(socket.as_os_str().len() <= 107, "{}", socket.display());
    assert_eq!(fs::metadata(&socket).unwrap().uid(), fs::metadata(project.data()).unwrap().uid());
    let ignore = fs::read_to_string(project.path().join(".ferrobase/.gitignore")).unwrap();
    assert!(ignore.lines().any(|line| line == "*"));

    // Nobody gets in without the password, over either way.
    let wrong = access.password.expose().to_owned() + "x";
    for url in [running.url(), access.tcp_url_for("postgres")] {
        let error = try_sql(&url.replace(access.password.expose(), &wrong), "select 1").unwrap_err();
        assert!(error.contains("password authentication failed"), "{error}");
    }
    let methods = sql(&running.url(), "select string_agg(distinct auth_method, ',') from pg_hba_file_rules");
    assert_eq!(methods, "scram-sha-256");
    let addresses =
        sql(&running.url(), "select string_agg(distinct address, ',' order by address) from pg_hba_file_rules");
    assert_eq!(addresses, "127.0.0.1,::1");

    // The server is never root, and none of our environment reaches SQL.
    let uid = fs::metadata(format!("/proc/{}", project.postmaster())).unwrap().uid();
    assert_ne!(uid, 0);
    let environment = fs::read(format!("/proc/{}/environ", project.postmaster())).unwrap();
    let environment = String::from_utf8(environment).unwrap();
    assert!(environment.contains("PATH=") && !environment.contains("EMBEDDED"), "{environment}");
    assert!(!environment.contains("CARGO") && !environment.contains("HOME="), "{environment}");
    // The password is in no argument list and not in the log.
    for process in fs::read_dir("/proc").unwrap().flatten() {
        let line = fs::read(process.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        assert!(!line.contains("embedded") || !line.contains(access.password.expose()), "{line}");
    }
    let log = fs::read_to_string(project.home().join("postgres.log")).unwrap();
    assert!(!log.contains(access.password.expose()));
    assert!(!format!("{running:?}").contains(access.password.expose()));
    running.stop().await.unwrap();
}

#[tokio::test]
async fn two_projects_run_side_by_side() {
    let (one, two) = (Project::new(), Project::new());
    let (a, b) = tokio::join!(one.start(), two.start());
    assert_ne!(a.port(), b.port());
    assert_ne!(a.access().socket_dir, b.access().socket_dir);
    sql(&a.url(), "create table here(x int)");
    assert!(try_sql(&b.url(), "select * from here").is_err());
    a.stop().await.unwrap();
    assert_eq!(sql(&b.url(), "select 1"), "1");
    b.stop().await.unwrap();
}

#[tokio::test]
async fn a_second_start_is_told_about_the_first() {
    let project = Project::new();
    let first = project.start().await;
    match Embedded::start(project.options()).await {
        Err(Error::AlreadyRunning { pid, port }) => {
            assert_eq!(pid, Some(i32::try_from(std::process::id()).unwrap()));
            assert_eq!(port, Some(first.port()));
        }
        other => panic!("{other:?}"),
    }
    let found = Embedded::locate(&project.options()).unwrap().unwrap();
    assert_eq!(sql(&found.url(), "select 1"), "1");
    assert!(matches!(Embedded::reset(&project.options()).await, Err(Error::AlreadyRunning { .. })));
    first.stop().await.unwrap();
    assert!(Embedded::locate(&project.options()).unwrap().is_none());

    // The same when the first is another process.
    let other = Other::start(project.path());
    match Embedded::start(project.options()).await {
        Err(Error::AlreadyRunning { pid, port: Some(_) }) => {
            assert_eq!(pid, Some(i32::try_from(other.child.id()).unwrap()));
        }
        other => panic!("{other:?}"),
    }
    other.kill();
    project.start().await.stop().await.unwrap();
}

#[tokio::test]
async fn starts_at_the_same_moment_make_one_cluster() {
    let project = Project::new();
    let starts = (0..4).map(|_| tokio::spawn(Embedded::start(project.options())));
    let mut winners = Vec::new();
    for start in starts.collect::<Vec<_>>() {
        match start.await.unwrap() {
            Ok(running) => winners.push(running),
            Err(Error::AlreadyRunning { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(winners.len(), 1);
    winners.pop().unwrap().stop().await.unwrap();
}

#[tokio::test]
async fn a_taken_port_is_an_error_only_when_it_was_asked_for() {
    let project = Project::new();
    let first = project.start().await;
    let port = first.port();
    let socket_dir = first.access().socket_dir.clone();
    first.stop().await.unwrap();
    let holder = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let refused = Embedded::start(Options { port: Some(port), ..project.options() }).await;
    match refused {
        Err(error @ Error::PortTaken { .. }) => {
            assert!(error.to_string().contains(&port.to_string()));
            assert!(error.hint().unwrap().contains("database.embedded.port"));
        }
        other => panic!("{other:?}"),
    }
    assert!(!socket_dir.exists(), "a refused start leaves nothing behind");
    let moved = project.start().await;
    assert_ne!(moved.port(), port);
    let new_port = moved.port();
    moved.stop().await.unwrap();
    drop(holder);
    let chosen = Embedded::start(Options { port: Some(port), ..project.options() }).await.unwrap();
    assert_eq!(chosen.port(), port);
    assert_ne!(port, new_port);
    chosen.stop().await.unwrap();
}

#[tokio::test]
async fn odd_folder_names_work() {
    let outer = Project::new();
    let odd = outer.path().join("it's a \"näme\", $HOME %41 ".to_owned() + &"long".repeat(40));
    fs::create_dir(&odd).unwrap();
    let data_dir = odd.join("the data");
    if is_root() {
        fs::set_permissions(outer.path(), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let options = Options { data_dir: Some(data_dir.clone()), profile: Profile::Test, ..options_of(&odd) };
    for _ in 0..2 {
        let running = Embedded::start(options.clone()).await.unwrap();
        assert_eq!(sql(&running.url(), "select 1"), "1");
        running.stop().await.unwrap();
    }
    assert!(data_dir.join(".gitignore").exists());
    assert!(data_dir.join("data/PG_VERSION").exists());
}

#[tokio::test]
async fn reset_deletes_the_database_and_nothing_else() {
    let project = Project::new();
    fs::write(project.path().join("mine.txt"), "mine").unwrap();
    Embedded::reset(&project.options()).await.unwrap();
    let running = project.start().await;
    sql(&running.url(), "create table gone(x int)");
    let old_password = project.state()["password"].clone();
    running.stop().await.unwrap();
    Embedded::reset(&project.options()).await.unwrap();
    assert!(!project.data().exists());
    let running = project.start().await;
    assert!(running.created());
    assert!(try_sql(&running.url(), "select * from gone").is_err());
    assert_ne!(project.state()["password"], old_password);
    assert_eq!(fs::read_to_string(project.path().join("mine.txt")).unwrap(), "mine");
    running.stop().await.unwrap();
}

#[tokio::test]
async fn open_sessions_do_not_hold_up_a_stop() {
    let project = Project::new();
    let running = project.start().await;
    let mut session = background_sql(&running.url(), "begin; select pg_sleep(600)");
    wait_until("the session", || {
        sql(&running.url(), "select count(*) from pg_stat_activity where wait_event = 'PgSleep'") == "1"
    });
    assert_eq!(running.stop().await.unwrap(), Stopped::Fast);
    assert!(!session.wait().unwrap().success());
}

#[test]
fn a_dropped_handle_or_runtime_stops_the_server() {
    let project = Project::new();
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    for keep_runtime in [true, false] {
        let runtime = runtime();
        let running = runtime.block_on(project.start());
        let pid = project.postmaster();
        if keep_runtime {
            drop(running);
            wait_until("the server to stop after its handle was dropped", || !is_alive(pid));
            drop(runtime);
        } else {
            drop(runtime);
            wait_until("the server to stop after its runtime was dropped", || !is_alive(pid));
        }
        assert!(!project.data().join("postmaster.pid").exists(), "it stopped cleanly");
    }
}

as_user! {
    a_cluster_is_made_once_and_keeps_data_and_port => a_cluster_is_made_once_and_keeps_data_and_port_as_user,
    sec_30_embedded_is_private => sec_30_embedded_is_private_as_user,
    a_second_start_is_told_about_the_first => a_second_start_is_told_about_the_first_as_user,
    two_projects_run_side_by_side => two_projects_run_side_by_side_as_user,
    odd_folder_names_work => odd_folder_names_work_as_user,
    reset_deletes_the_database_and_nothing_else => reset_deletes_the_database_and_nothing_else_as_user,
}
