//! Ways in: passwords, sockets, several hosts, the right kind of server; and how refusals look.

use std::time::{Duration, Instant};

use ferrobase_pg::{ConnectOptions, Error, Host, Pool, PoolOptions, Session, SqlState};

use crate::support::server::Server;
use crate::support::{batch, database, login, value};

fn parse(url: &str) -> ConnectOptions {
    ConnectOptions::parse(url).unwrap()
}

async fn refused(options: &ConnectOptions) -> Error {
    Session::connect(options).await.expect_err("the login should be refused")
}

#[tokio::test]
async fn a_wrong_password_is_reported_as_a_refused_login() {
    let database = database().await;
    let error = refused(&parse(&database.url_as("fbpg_login", "falsch"))).await;
    assert!(matches!(&error, Error::Login { user, .. } if user == "fbpg_login"), "{error}");
    assert!(error.is_login() && error.code() == Some(SqlState::INVALID_PASSWORD));
    assert!(!format!("{error:?} {error}").contains("falsch"));

    let unknown = login(&database).with_database("no_such_database");
    assert_eq!(refused(&unknown).await.code(), Some(SqlState::INVALID_CATALOG_NAME));
    let none = login(&database).with_login("fbpg_login", None);
    assert!(matches!(refused(&none).await, Error::Authentication(_)));

    // Through a pool the cause is still visible, and the second caller hears of it at once.
    let pool = Pool::new(parse(&database.url_as("fbpg_login", "falsch")), PoolOptions::default());
    assert!(pool.run(batch(&["select 1"])).await.unwrap_err().is_login());
    let started = Instant::now();
    assert!(pool.run(batch(&["select 1"])).await.unwrap_err().is_login());
    assert!(started.elapsed() < Duration::from_millis(50) && !pool.stats().available);
}

#[tokio::test]
async fn sec_a_server_that_nobody_listed_proves_that_it_knows_the_password() {
    let (server, _) = Server::start(false).await;
    let proof = |user: &str| parse(&server.url(user, "sslmode=disable")).with_proof();
    let mut session = Session::connect(&proof("scram_user")).await.unwrap();
    assert_eq!(value(&mut session, "select current_user").await.as_deref(), Some("scram_user"));
    let error = refused(&proof("md5_user")).await;
    assert!(error.to_string().contains("not listed"), "{error}");

    // One that lets everybody in proves nothing.
    let anybody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = anybody.local_addr().unwrap();
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        while let Ok((mut stream, _)) = anybody.accept().await {
            let mut startup = [0; 1024];
            let _ = stream.read(&mut startup).await;
            let _ = stream.write_all(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I").await;
        }
    });
    let there = parse(&format!("postgresql://me:geheim@{address}/app?sslmode=disable"));
    Session::connect(&there).await.expect("listed, it is believed");
    let error = refused(&there.clone().with_proof()).await;
    assert!(error.to_string().contains("without proving"), "{error}");
    // Who is known by the guide alone is not listed.
    let guide = ferrobase_pg::Guide::default();
    guide.join(&Host::tcp("127.0.0.1", address.port()));
    let nobody = parse("postgresql://me:geheim@127.0.0.1:1/app?sslmode=disable").with_guide(guide);
    let error = refused(&nobody).await;
    assert!(error.to_string().contains("without proving"), "{error}");
}

#[tokio::test]
async fn passwords_in_each_form_and_unix_sockets() {
    let (server, _) = Server::start(false).await;
    for user in ["scram_user", "md5_user", "plain_user"] {
        for mode in ["disable", "allow", "prefer"] {
            let mut session = Session::connect(&parse(&server.url(user, &format!("sslmode={mode}")))).await.unwrap();
            assert_eq!(value(&mut session, "select current_user").await.as_deref(), Some(user));
            assert!(!session.is_tls());
        }
    }
    let error = refused(&parse(&server.url("scram_user", "sslmode=require"))).await;
    assert!(error.to_string().contains("does not offer TLS"), "{error}");
    let error = refused(&parse(&server.url("clear_user", ""))).await;
    assert!(error.to_string().contains("in clear"), "{error}");
    let error = refused(&parse(&server.url("scram_user", "channel_binding=require"))).await;
    assert!(error.to_string().contains("channel_binding"), "{error}");
    let error = refused(&parse(&server.url("md5_user", "channel_binding=require"))).await;
    assert!(error.to_string().contains("channel_binding"), "{error}");

    let socket =
        parse("postgresql://scram_user:geheim@/postgres").with_hosts([Host::unix(server.socket_folder(), server.port)]);
    for mode in ["disable", "verify-full"] {
        let options = parse(&format!(
            "host={} port={} user=scram_user password=geheim dbname=postgres sslmode={mode}",
            server.socket_folder().display(),
            server.port
        ));
        assert_eq!(options.hosts(), socket.hosts());
        let mut session = Session::connect(&options).await.unwrap();
        assert_eq!(value(&mut session, "select inet_server_addr() is null").await.as_deref(), Some("t"));
        let token = session.cancel_token();
        token.cancel().await.unwrap();
    }
}

#[tokio::test]
async fn hosts_are_tried_in_turn() {
    let database = database().await;
    let good = login(&database);
    let (dead, here) = (Host::tcp("127.0.0.1", 1), good.hosts()[0].clone());
    let mut session = Session::connect(&good.clone().with_hosts([dead.clone(), here.clone()])).await.unwrap();
    assert_eq!(value(&mut session, "select 1").await.as_deref(), Some("1"));
    let error = refused(&good.clone().with_hosts([dead.clone(), dead])).await;
    assert!(matches!(&error, Error::Connect { host, .. } if host == "127.0.0.1:1, 127.0.0.1:1"), "{error}");
    let error = refused(&good.with_hosts([Host::tcp("no-such-host.invalid", 5432)])).await;
    assert!(matches!(error, Error::Connect { .. }) && !error.is_login());
}

#[tokio::test]
async fn target_session_attrs_choose_the_kind_of_server() {
    let database = database().await;
    let with =
        |attrs: &str| parse(&format!("{}?target_session_attrs={attrs}", database.url_as("fbpg_login", "geheim")));
    for fits in ["any", "read-write", "primary", "prefer-standby"] {
        Session::connect(&with(fits)).await.unwrap_or_else(|e| panic!("{fits}: {e}"));
    }
    for not in ["read-only", "standby"] {
        let error = refused(&with(not)).await;
        assert!(error.to_string().contains("target_session_attrs"), "{error}");
    }
    let read_only = with("read-only").with_setting("default_transaction_read_only", "on");
    Session::connect(&read_only).await.unwrap();
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let options =
        parse(&format!("postgresql://u:p@127.0.0.1:{port}/d")).with_connect_timeout(Duration::from_millis(200));
    for options in [options.clone(), options.with_ssl_mode(ferrobase_pg::SslMode::Disable)] {
        let started = Instant::now();
        let error = refused(&options).await;
        assert!(error.to_string().contains("200ms"), "{error}");
        assert!(started.elapsed() < Duration::from_secs(2));
    }
}

#[tokio::test]
async fn sessions_start_with_their_settings() {
    let database = database().await;
    let options = login(&database).with_setting("statement_timeout", "1234").with_application_name("the app");
    let mut session = Session::connect(&options).await.unwrap();
    session.script("set statement_timeout = 5; reset all").await.unwrap();
    assert_eq!(value(&mut session, "show statement_timeout").await.as_deref(), Some("1234ms"));
    assert_eq!(value(&mut session, "show application_name").await.as_deref(), Some("the app"));
    assert_eq!(value(&mut session, "show client_encoding").await.as_deref(), Some("UTF8"));
}
