//! Behind PgBouncer in transaction mode: every request may reach another server process.
//!
//! Ignored unless asked for, because PgBouncer is one more package: `cargo nextest run -p ferrobase-pg --run-ignored all`.

use std::fs;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ferrobase_pg::{ConnectOptions, End, Host, Isolation, Mode, Pool, PoolOptions, Pooler, Session};

use crate::support::{BatchExt, batch, cell, database, eventually, login, options, statement, user_batch};

struct PgBouncer {
    process: Child,
    _folder: tempfile::TempDir,
    port: u16,
}

impl PgBouncer {
    /// Two server connections for everybody.
    fn start(upstream: &ConnectOptions) -> Self {
        let folder = tempfile::Builder::new().prefix("fbpg").tempdir_in("/tmp").unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let users = folder.path().join("users");
        fs::write(&users, "\"fbpg_login\" \"geheim\"\n").unwrap();
        let configuration = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr=127.0.0.1\nlisten_port={port}\n\
             unix_socket_dir=\nauth_type=scram-sha-256\nauth_file={}\npool_mode=transaction\ndefault_pool_size=2\n",
            upstream.hosts()[0].port(),
            users.display()
        );
        let file = folder.path().join("pgbouncer.ini");
        fs::write(&file, configuration).unwrap();
        let mut command = Command::new("pgbouncer");
        if nix::unistd::geteuid().is_root() {
            let user = nix::unistd::User::from_name("postgres").unwrap().unwrap();
            for path in [folder.path(), &users, &file] {
                nix::unistd::chown(path, Some(user.uid), Some(user.gid)).unwrap();
            }
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        let process = command.arg("-q").arg(&file).stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        Self { process, _folder: folder, port }
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs pgbouncer"]
async fn requests_work_whichever_server_process_they_reach() {
    let database = database().await;
    let direct = login(&database);
    let bouncer = PgBouncer::start(&direct);
    let through = direct.with_hosts([Host::tcp("127.0.0.1", bouncer.port)]);
    eventually("pgbouncer answers", async || Session::connect(&through).await.is_ok()).await;

    let primary = through.clone().with_target_session_attrs(ferrobase_pg::options::TargetSessionAttrs::Primary);
    Session::connect(&primary).await.unwrap();

    let pool = Pool::new(through, PoolOptions { pooler: Pooler::Transaction, ..options(8) });
    let tasks: Vec<_> = (0..16)
        .map(|task| {
            let pool = pool.clone();
            tokio::spawn(async move {
                for round in 0..40 {
                    let me = format!("{task}/{round}");
                    let mut request = user_batch(&[]).with("role", "fbpg_one").with("app.me", &me);
                    request.statements =
                        vec![statement("select current_setting('app.me') || current_user || $1::text", &[Some("!")])];
                    if round % 2 == 0 {
                        let end = if round % 4 == 0 { End::Commit } else { End::Rollback };
                        request.mode = Mode::Explicit { isolation: Isolation::RepeatableRead, read_only: false, end };
                    }
                    let reply = pool.run(request).await.unwrap_or_else(|e| panic!("{me}: {e}"));
                    assert_eq!(cell(&reply), Some(format!("{me}fbpg_one!").as_str()));
                    let error = pool.run(batch(&["select 1/0"])).await.unwrap_err();
                    assert_eq!(error.code(), Some(ferrobase_pg::SqlState::DIVISION_BY_ZERO));
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert!(pool.run(batch(&["select pg_sleep(30)"]).within(Duration::from_millis(200))).await.is_err());
    eventually("cancelled", async || pool.stats().active == 0).await;
    assert_eq!(cell(&pool.run(batch(&["select 'next'"])).await.unwrap()), Some("next"));
    assert_eq!((pool.stats().protocol_errors, pool.stats().terminated), (0, 0));
}
