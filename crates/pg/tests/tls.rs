//! TLS in each mode against a server with a certificate for `localhost`.

use ferrobase_pg::{ConnectOptions, Error, Session};

use crate::support::server::{Certificates, Server};
use crate::support::value;

async fn connect(server: &Server, user: &str, rest: &str) -> Result<Session, Error> {
    Session::connect(&ConnectOptions::parse(&server.url(user, rest)).unwrap()).await
}

async fn is_tls(server: &Server, user: &str, rest: &str) -> bool {
    let mut session = connect(server, user, rest).await.unwrap_or_else(|e| panic!("{user} {rest}: {e}"));
    let sees = "select ssl from pg_catalog.pg_stat_ssl where pid = pg_catalog.pg_backend_pid()";
    let tls = value(&mut session, sees).await.as_deref() == Some("t");
    assert_eq!(tls, session.is_tls());
    tls
}

async fn refusal(server: &Server, user: &str, rest: &str) -> String {
    connect(server, user, rest).await.expect_err(rest).to_string()
}

fn root(path: &std::path::Path) -> String {
    format!("sslrootcert={}", path.display())
}

#[tokio::test]
async fn each_mode_does_what_libpq_does() {
    let (server, files) = Server::start(true).await;
    let (ours, stranger) = (root(&files.authority), root(&files.stranger));
    let ip = |rest: &str| format!("host=127.0.0.1&port={}&{rest}", server.port);

    assert!(!is_tls(&server, "scram_user", "sslmode=disable").await);
    assert!(!is_tls(&server, "scram_user", "sslmode=allow").await);
    assert!(is_tls(&server, "scram_user", "sslmode=prefer").await);
    assert!(is_tls(&server, "scram_user", "sslmode=require").await);
    assert!(is_tls(&server, "scram_user", &format!("sslmode=verify-ca&{ours}")).await);
    assert!(is_tls(&server, "scram_user", &format!("sslmode=verify-full&{ours}")).await);

    // The wrong authority, the wrong name, the system's authorities.
    for mode in ["require", "verify-ca", "verify-full"] {
        let message = refusal(&server, "scram_user", &format!("sslmode={mode}&{stranger}")).await;
        assert!(message.contains("UnknownIssuer"), "{mode}: {message}");
    }
    assert!(is_tls(&server, "scram_user", &ip(&format!("sslmode=verify-ca&{ours}"))).await);
    let message = refusal(&server, "scram_user", &ip(&format!("sslmode=verify-full&{ours}"))).await;
    assert!(message.contains("certificate"), "{message}");
    let message = refusal(&server, "scram_user", "sslmode=verify-full").await;
    assert!(message.contains("TLS"), "{message}");

    // A certificate that is itself listed is trusted, for its own name.
    let pinned = root(&files.server);
    assert!(is_tls(&server, "scram_user", &format!("sslmode=verify-full&{pinned}")).await);
    refusal(&server, "scram_user", &ip(&format!("sslmode=verify-full&{pinned}"))).await;
}

#[tokio::test]
async fn the_server_may_insist_on_either() {
    let (server, _) = Server::start(true).await;
    assert!(is_tls(&server, "tls_user", "sslmode=allow").await, "plain is refused, then TLS");
    assert!(is_tls(&server, "tls_user", "sslmode=prefer").await);
    assert!(!is_tls(&server, "plain_user", "sslmode=prefer").await, "TLS is refused, then plain");
    assert!(refusal(&server, "tls_user", "sslmode=disable").await.contains("pg_hba.conf"));
    assert!(refusal(&server, "plain_user", "sslmode=require").await.contains("pg_hba.conf"));
}

#[tokio::test]
async fn client_certificates_channel_binding_and_clear_passwords() {
    let (server, files) = Server::start(true).await;
    let Certificates { client, client_key, .. } = &files;
    let certificate = format!("sslmode=require&sslcert={}&sslkey={}", client.display(), client_key.display());
    assert!(is_tls(&server, "cert_user", &certificate).await);
    assert!(refusal(&server, "cert_user", "sslmode=require").await.contains("certificate"));
    let half = format!("sslmode=require&sslcert={}", client.display());
    assert!(refusal(&server, "cert_user", &half).await.contains("belong together"));
    let missing = "sslmode=verify-full&sslrootcert=/no/such/file.pem";
    assert!(refusal(&server, "scram_user", missing).await.contains("/no/such/file.pem"));

    assert!(is_tls(&server, "scram_user", "sslmode=require&channel_binding=require").await);
    assert!(is_tls(&server, "scram_user", "sslmode=require&channel_binding=disable").await);
    assert!(
        refusal(&server, "clear_user", "sslmode=require&channel_binding=require").await.contains("channel_binding")
    );
    assert!(is_tls(&server, "clear_user", "sslmode=require").await);
    assert!(refusal(&server, "clear_user", "sslmode=disable").await.contains("in clear"));
}

#[tokio::test]
async fn cancelling_and_large_traffic_work_over_tls() {
    let (server, _) = Server::start(true).await;
    let mut session = connect(&server, "scram_user", "sslmode=require").await.unwrap();
    let token = session.cancel_token();
    let cancel = async {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        token.cancel().await.unwrap();
    };
    let (result, ()) = tokio::join!(session.query("select pg_sleep(30)", &[]), cancel);
    assert_eq!(result.unwrap_err().code(), Some(ferrobase_pg::SqlState::QUERY_CANCELED));
    let large = "y".repeat(3_000_000);
    let result = session.query("select $1::text from generate_series(1, 3)", &[Some(&large)]).await.unwrap();
    assert!(result.rows.iter().all(|row| row.text(0) == Some(&large)));
}
