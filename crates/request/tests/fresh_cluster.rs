//! The first installation in a cluster that has no API roles yet, by an owner who is no superuser. The shared test
//! server cannot show this, because roles belong to the cluster; so this file starts a server of its own.

use std::fs;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ferrobase_pg::{ConnectOptions, Session};
use ferrobase_request::install::{InstallError, InstallOptions, install};
use ferrobase_testkit::cluster::find_binaries;

use crate::support::ask;

/// A private server; it stops and disappears when dropped.
struct FreshCluster {
    bin: PathBuf,
    home: PathBuf,
    port: u16,
}

impl FreshCluster {
    fn start() -> Self {
        let bin = find_binaries().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let home = std::env::temp_dir().join(format!("ferrobase-fresh-{}", std::process::id()));
        let _ = fs::remove_dir_all(&home);
        fs::create_dir_all(&home).unwrap();
        if let Some((user, group)) = server_user() {
            std::os::unix::fs::chown(&home, Some(user), Some(group)).unwrap();
        }
        let cluster = Self { bin, home, port };
        let data = cluster.data();
        cluster
            .run("initdb", &["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync", "-D", &data]);
        let options = format!("-p {port} -k {} -c listen_addresses=127.0.0.1 -c fsync=off", cluster.home.display());
        cluster.run("pg_ctl", &["start", "-w", "-s", "-D", &data, "-o", &options]);
        cluster
    }

    fn data(&self) -> String {
        self.home.join("data").display().to_string()
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let status = self.command(program).args(arguments).status().unwrap();
        assert!(status.success(), "{program} {arguments:?}");
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.bin.join(program));
        command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if let Some((user, group)) = server_user() {
            command.uid(user).gid(group);
        }
        command
    }

    fn options(&self, user: &str) -> ConnectOptions {
        let url = format!("postgresql://{user}:x@127.0.0.1:{}/app", self.port);
        ConnectOptions::parse(&url).unwrap()
    }

    async fn superuser(&self) -> Session {
        Session::connect(&self.options("postgres").with_database("postgres")).await.unwrap()
    }
}

impl Drop for FreshCluster {
    fn drop(&mut self) {
        let _ = self.command("pg_ctl").args(["stop", "-s", "-m", "immediate", "-D", &self.data()]).status();
        let _ = fs::remove_dir_all(&self.home);
    }
}

/// PostgreSQL does not run as root; then it runs as the package's user.
fn server_user() -> Option<(u32, u32)> {
    let id = |arguments: &[&str]| {
        let output = Command::new("id").args(arguments).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().parse::<u32>().unwrap()
    };
    (Path::new("/proc").exists() && id(&["-u"]) == 0).then(|| (id(&["-u", "postgres"]), id(&["-g", "postgres"])))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_without_superuser_starts_from_nothing() {
    let cluster = FreshCluster::start();
    let mut admin = cluster.superuser().await;
    for sql in ["create role plain login", "create role maker login createrole", "create database app owner plain"] {
        admin.execute(sql, &[]).await.unwrap();
    }

    let error = install(&cluster.options("plain"), &InstallOptions::default()).await.unwrap_err();
    let InstallError::MissingRoles { sql, .. } = &error else { panic!("{error}") };
    assert!(
        sql.contains("create role anon nologin") && sql.contains("service_role nologin noinherit bypassrls"),
        "{sql}"
    );

    // Passwords for the logins were made, so that the statements are all that has to be run.
    let mut app = Session::connect(&cluster.options("postgres")).await.unwrap();
    app.script("reassign owned by plain to maker").await.unwrap();
    let installed = install(&cluster.options("maker"), &InstallOptions::default()).await.unwrap();
    let codes: Vec<_> = installed.notices.iter().map(|notice| notice.code).collect();
    assert_eq!(codes, ["service_role_bound", "no_ddl_trigger"], "{:?}", installed.notices);
    assert_eq!(installed.logins.request.user, "authenticator");
    assert_eq!(installed.notices[0].sql.as_deref(), Some("alter role service_role bypassrls"));
    let bypass = "select rolbypassrls::text from pg_roles where rolname = 'service_role'";
    assert_eq!(ask(&mut admin, bypass).await.as_deref(), Some("false"));

    admin.script(installed.notices[0].sql.as_deref().unwrap()).await.unwrap();
    let again = install(&cluster.options("maker"), &InstallOptions::default()).await.unwrap();
    assert_eq!((again.done.len(), again.notices.len()), (0, 1), "{again:?}");
}
