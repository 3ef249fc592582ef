//! What stops a start, each with a message that says what to do.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::Duration;

use ferrobase_base::PublicError;
use ferrobase_embedded::{Embedded, Error, Options, find};

use crate::as_user;
use crate::project::{Project, is_root, sql};

async fn refusal(options: Options) -> Error {
    let error = Embedded::start(options).await.map(|_| "started").unwrap_err();
    let public = PublicError::from(&error);
    assert_eq!((public.code.as_ref(), public.message), (error.code(), error.to_string()));
    error
}

#[tokio::test]
async fn no_project_folder() {
    let error = refusal(Options::new("/nonexistent/project")).await;
    assert!(matches!(&error, Error::NoProject { path } if path == Path::new("/nonexistent/project")), "{error}");
    let project = Project::new();
    let file = project.path().join("file");
    fs::write(&file, "").unwrap();
    let error = refusal(Options::new(&file)).await;
    assert!(error.to_string().contains("file"), "{error}");
}

#[tokio::test]
async fn a_folder_that_is_not_writable() {
    if is_root() {
        return; // Root writes everywhere; the test below runs this one as a user.
    }
    let project = Project::new();
    fs::set_permissions(project.path(), fs::Permissions::from_mode(0o555)).unwrap();
    let error = refusal(project.options()).await;
    fs::set_permissions(project.path(), fs::Permissions::from_mode(0o755)).unwrap();
    assert!(matches!(error, Error::NotWritable { .. }), "{error}");
    assert!(error.to_string().contains(".ferrobase"));
    assert!(error.hint().unwrap().contains("write access"));
}

#[tokio::test]
async fn data_of_another_major_version() {
    let project = Project::new();
    project.start().await.stop().await.unwrap();
    let version = project.data().join("PG_VERSION");
    fs::write(&version, "13\n").unwrap();
    let error = refusal(project.options()).await;
    assert!(matches!(error, Error::WrongMajor { data_major: 13, .. }), "{error}");
    assert!(error.hint().unwrap().contains("postgresql-13") || !cfg!(target_os = "linux"), "{:?}", error.hint());
    fs::write(&version, "9.6\n").unwrap();
    assert!(matches!(refusal(project.options()).await, Error::WrongMajor { data_major: 9, .. }));
}

#[tokio::test]
async fn a_folder_that_is_no_cluster() {
    let project = Project::new();
    project.start().await.stop().await.unwrap();
    let version = project.data().join("PG_VERSION");
    let good = fs::read_to_string(&version).unwrap();
    for wrong in [None, Some(""), Some("fifteen"), Some("\u{0}")] {
        match wrong {
            None => fs::remove_file(&version).unwrap(),
            Some(text) => fs::write(&version, text).unwrap(),
        }
        let error = refusal(project.options()).await;
        assert!(matches!(error, Error::NotACluster { .. }), "{wrong:?}: {error}");
        assert!(error.hint().unwrap().contains("move"));
    }
    // A link to a file of somebody else is not read.
    fs::remove_file(&version).unwrap();
    symlink("/etc/hostname", &version).unwrap();
    assert!(matches!(refusal(project.options()).await, Error::NotACluster { .. }));
    fs::remove_file(&version).unwrap();
    fs::write(&version, good).unwrap();
    project.start().await.stop().await.unwrap();
}

#[tokio::test]
async fn programs_that_do_not_do() {
    let project = Project::new();
    let good = find(None, None).await.unwrap();
    assert!(find(Some(&good.dir), Some(good.version.major)).await.is_ok());

    let empty = project.path().join("bin");
    fs::create_dir(&empty).unwrap();
    fs::set_permissions(project.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let with_bin = || Options { bin_dir: Some(empty.clone()), ..project.options() };
    let error = refusal(with_bin()).await;
    assert!(matches!(error, Error::BadBinDir { .. }), "{error}");
    let hint = error.hint().unwrap();
    assert!(hint.contains("FERROBASE_PG_BIN") && hint.contains("install"), "{hint}");

    let fake = |name: &str, says: &str| {
        fs::write(empty.join(name), format!("#!/bin/sh\n{says}\n")).unwrap();
        fs::set_permissions(empty.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    };
    for (server, initdb, expected) in [
        ("echo 'postgres (PostgreSQL) 13.4'", "echo 'initdb (PostgreSQL) 13.4'", "not supported"),
        ("echo 'postgres (PostgreSQL) 19beta1'", "echo 'initdb (PostgreSQL) 19beta1'", "not supported"),
        ("echo 'postgres (PostgreSQL) 16.1'", "echo 'initdb (PostgreSQL) 15.1'", "initdb is 15.1"),
        ("echo hello", "true", "hello"),
        ("echo broken library >&2; exit 127", "true", "broken library"),
    ] {
        fake("postgres", server);
        fake("initdb", initdb);
        let error = refusal(with_bin()).await;
        assert!(error.to_string().contains(expected), "{error}");
    }
    let error = refusal(Options { version: Some(99), ..project.options() }).await;
    assert!(matches!(error, Error::VersionMissing { wanted: 99, .. }), "{error}");
    assert!(error.hint().unwrap().contains("postgresql"), "{:?}", error.hint());
    assert!(!project.path().join(".ferrobase/pg/data").exists());
}

#[tokio::test]
async fn a_broken_configuration_shows_the_servers_own_words() {
    let project = Project::new();
    project.start().await.stop().await.unwrap();
    let path = project.data().join("postgresql.conf");
    let good = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{good}\nno_such_setting = 1\n")).unwrap();
    let error = refusal(project.options()).await;
    assert!(matches!(error, Error::BadConfiguration { .. }), "{error}");
    assert!(error.to_string().contains("no_such_setting"), "{error}");
    fs::write(&path, format!("{good}\nshared_buffers = '900TB'\n")).unwrap();
    let error = refusal(project.options()).await;
    assert!(error.to_string().contains("postgres.log"), "{error}");
    fs::write(&path, good).unwrap();
    project.start().await.stop().await.unwrap();
}

#[tokio::test]
async fn damaged_data_is_said_to_be_damaged() {
    let project = Project::new();
    project.start().await.stop().await.unwrap();
    let control = project.data().join("global/pg_control");
    let mut bad = fs::read(&control).unwrap();
    let away = control.with_extension("away");
    fs::rename(&control, &away).unwrap();
    let error = refusal(project.options()).await;
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
    assert!(error.hint().unwrap().contains("backup"));
    fs::rename(&away, &control).unwrap();
    bad[20] ^= 0xff;
    fs::write(&control, bad).unwrap();
    let error = refusal(project.options()).await;
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
}

#[tokio::test]
async fn an_unreadable_state_file_is_not_overwritten() {
    let project = Project::new();
    project.start().await.stop().await.unwrap();
    let path = project.home().join("cluster.json");
    fs::write(&path, "{\"password\": 7").unwrap();
    let error = refusal(project.options()).await;
    assert!(matches!(error, Error::BadState { .. }), "{error}");
    assert!(error.hint().unwrap().contains("new password"));
    assert_eq!(fs::read_to_string(&path).unwrap(), "{\"password\": 7");
}

#[tokio::test]
async fn a_socket_path_over_the_limit() {
    let project = Project::new();
    let run_dir = project.path().join("r".repeat(90));
    let error = refusal(Options { run_dir: Some(run_dir), ..project.options() }).await;
    assert!(matches!(error, Error::SocketPathTooLong { limit: 103 | 107, .. }), "{error}");
}

#[tokio::test]
async fn a_run_folder_of_ones_own() {
    let project = Project::new();
    let run_dir = project.path().join("run");
    fs::set_permissions(project.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let options = Options { run_dir: Some(run_dir.clone()), ..project.options() };
    let running = Embedded::start(options.clone()).await.unwrap();
    assert_eq!(running.access().socket_dir, run_dir.canonicalize().unwrap());
    assert_eq!(sql(&running.url(), "select 1"), "1");
    running.stop().await.unwrap();
    // A link in its place could lead anywhere.
    let _ = fs::remove_dir(&run_dir);
    fs::create_dir(project.path().join("elsewhere")).unwrap();
    symlink(project.path().join("elsewhere"), &run_dir).unwrap();
    assert!(matches!(refusal(options).await, Error::UnsafeFolder { .. }));
}

#[tokio::test]
async fn a_server_that_is_too_slow_is_stopped_and_said_to_be_slow() {
    let project = Project::new();
    project.start().await.stop().await.unwrap();
    // Where this test has to wait for a processor the server may be there at the first look.
    let mut refused = None;
    for _ in 0..20 {
        match Embedded::start(Options { start_timeout: Duration::ZERO, ..project.options() }).await {
            Ok(quick) => drop(quick.stop().await.unwrap()),
            Err(error) => {
                refused = Some(error);
                break;
            }
        }
    }
    let error = refused.expect("it is too slow at least once");
    assert!(matches!(error, Error::StartTimeout { .. }), "{error}");
    assert!(!project.data().join("postmaster.pid").exists());
    project.start().await.stop().await.unwrap();
}

as_user! {
    a_folder_that_is_not_writable => a_folder_that_is_not_writable_as_user,
    a_folder_that_is_no_cluster => a_folder_that_is_no_cluster_as_user,
    damaged_data_is_said_to_be_damaged => damaged_data_is_said_to_be_damaged_as_user,
    a_run_folder_of_ones_own => a_run_folder_of_ones_own_as_user,
}
