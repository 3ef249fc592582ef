//! Mails and text messages of the running binary: to a mail server with TLS and a login, to a provider's API, and caught.

use std::path::{Path, PathBuf};
use std::process::Command;

use ferrobase_testkit::{MailServer, StarttlsServer};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::caller::{PATIENCE, eventually};
use crate::support;

async fn post(url: &str, body: &Value) -> (u16, Value) {
    let answer = Client::new().post(url).json(body).send().await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_goes_out_over_tls_with_a_login() {
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = certificate(folder.path());
    let (cert, key) = (cert.to_str().unwrap(), key.to_str().unwrap());
    let login = ["--incoming-user", "app", "--incoming-pass", "secret"];
    let tls = ["--incoming-secure", "--incoming-cert", cert, "--incoming-key", key];
    let server = MailServer::start_with(&[&login[..], &tls].concat()).await.unwrap();
    let database = support::installed().await;
    let app = support::serve(&database)
        .env("FERROBASE_AUTH__MAILER__HOST", "localhost")
        .env("FERROBASE_AUTH__MAILER__PORT", server.port().to_string())
        .env("FERROBASE_AUTH__MAILER__TLS", "tls")
        .env("FERROBASE_AUTH__MAILER__USER", "app")
        .env("FERROBASE_AUTH__MAILER__PASSWORD", "secret")
        .env("FERROBASE_AUTH__MAILER__FROM", "app@example.com")
        .env("SSL_CERT_FILE", cert)
        .start()
        .await
        .unwrap();
    let (status, _) = post(&app.url("/auth/v1/otp"), &json!({"email": "ada@example.com"})).await;
    assert_eq!(status, 200);
    let mails = server.wait_for(1).await.unwrap_or_else(|error| panic!("{error}\n{}", app.log()));
    let text = mails[0]["text"].as_str().unwrap();
    let digits = text.split("code: ").nth(1).unwrap().split_whitespace().next().unwrap();
    let body = json!({"type": "email", "email": "ada@example.com", "token": digits});
    let (status, session) = post(&app.url("/auth/v1/verify"), &body).await;
    assert_eq!((status, &session["user"]["email"]), (200, &json!("ada@example.com")));
    assert!(!app.log().contains(digits), "codes are not logged");
}

/// Takes one request and gives this answer.
async fn provider(listener: TcpListener, status: &str, body: &str) -> String {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut request = String::new();
    let is_whole = |request: &str| {
        let (head, body) = request.split_once("\r\n\r\n")?;
        let length =
            head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        Some(body.len() >= length.unwrap_or(0_usize))
    };
    while !is_whole(&request).unwrap_or(false) {
        let mut chunk = [0; 4096];
        let read = stream.read(&mut chunk).await.unwrap();
        assert!(read > 0, "the request ends early");
        request.push_str(std::str::from_utf8(&chunk[..read]).unwrap());
    }
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
    stream.write_all(answer.as_bytes()).await.unwrap();
    request
}

/// What a provider is asked, as its reference describes it: name, request line, login in the head, and the form up to the code.
const PROVIDERS: [(&str, &str, &str, &str, &str); 4] = [
    (
        "twilio",
        "/2010-04-01/Accounts/AC1/Messages.json",
        "Basic QUMxOnNlY3JldA==",
        "To=%2B49151000&From=%2B15550&Body=Your+code+is+",
        r#"{"sid": "M42", "status": "queued"}"#,
    ),
    (
        "messagebird",
        "/messages",
        "AccessKey secret",
        "originator=%2B15550&recipients=49151000&body=Your+code+is+",
        r#"{"id": "M42", "recipients": {"totalCount": 1, "totalSentCount": 1, "totalDeliveryFailedCount": 0}}"#,
    ),
    (
        "textlocal",
        "/send/",
        "",
        "apikey=secret&sender=%2B15550&numbers=49151000&message=Your+code+is+",
        r#"{"status": "success", "messages": [{"id": "M42", "recipient": 49151000}]}"#,
    ),
    (
        "vonage",
        "/sms/json",
        "",
        "api_key=AC1&api_secret=secret&from=%2B15550&to=49151000&text=Your+code+is+",
        r#"{"message-count": "1", "messages": [{"to": "49151000", "message-id": "M42", "status": "0"}]}"#,
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_message_goes_to_the_providers_api() {
    let database = support::installed().await;
    for (name, path, login, form, answer) in PROVIDERS {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = support::serve(&database)
            .env("FERROBASE_AUTH__SMS__ENABLED", "true")
            .env("FERROBASE_AUTH__SMS__PROVIDER", name)
            .env("FERROBASE_AUTH__SMS__ACCOUNT", "AC1")
            .env("FERROBASE_AUTH__SMS__TOKEN", "secret")
            .env("FERROBASE_AUTH__SMS__FROM", "+15550")
            .env("FERROBASE_AUTH__SMS__URL", url)
            .env("FERROBASE_AUTH__SMS__MAX_FREQUENCY", "0s")
            .start()
            .await
            .unwrap();
        let status = if name == "twilio" { "201 Created" } else { "200 OK" };
        let taken = tokio::spawn(provider(listener, status, answer));
        let (status, sent) = post(&app.url("/auth/v1/otp"), &json!({"phone": "+49151000"})).await;
        assert_eq!((status, sent), (200, json!({"message_id": "M42"})), "{name}: {}", app.log());
        let request = taken.await.unwrap();
        assert!(request.starts_with(&format!("POST {path} HTTP/1.1\r\n")), "{request}");
        assert!(request.contains("content-type: application/x-www-form-urlencoded\r\n"), "{request}");
        let authorization = request.lines().find_map(|line| line.strip_prefix("authorization: ")).unwrap_or_default();
        assert_eq!(authorization, login, "{name}");
        let sent = request.split("\r\n\r\n").nth(1).unwrap().strip_prefix(form).unwrap_or_else(|| panic!("{request}"));
        let digits = sent.split('&').next().unwrap();
        let body = json!({"type": "sms", "phone": "49151000", "token": digits});
        assert_eq!(post(&app.url("/auth/v1/verify"), &body).await.0, 200, "{name}");
        assert!(!app.log().contains("secret"), "{}", app.log());
    }
}

/// A certificate for this machine, in files.
fn certificate(folder: &Path) -> (PathBuf, PathBuf) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (cert, key)
}

/// Sends mails by this server with a login; `auth.mailer.tls` stays as it is by default.
fn by(server: &StarttlsServer, database: &ferrobase_testkit::TestDatabase) -> ferrobase_testkit::app::AppBuilder {
    support::serve(database)
        .env("FERROBASE_AUTH__MAILER__HOST", "localhost")
        .env("FERROBASE_AUTH__MAILER__PORT", server.port().to_string())
        .env("FERROBASE_AUTH__MAILER__USER", "app")
        .env("FERROBASE_AUTH__MAILER__PASSWORD", "secret")
        .env("FERROBASE_AUTH__MAILER__FROM", "app@example.com")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_goes_out_after_a_change_to_tls() {
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = certificate(folder.path());
    let server = StarttlsServer::start(&cert, &key, false).unwrap();
    let database = support::installed().await;
    let app = by(&server, &database).env("SSL_CERT_FILE", cert.to_str().unwrap()).start().await.unwrap();
    assert_eq!(post(&app.url("/auth/v1/otp"), &json!({"email": "ada@example.com"})).await.0, 200);
    let mail = |told: &[Value]| told.iter().find(|event| event["mail"].is_string()).cloned();
    eventually("the mail arrives", PATIENCE, async || mail(&server.told()).is_some()).await;
    let told = server.told();
    assert_eq!(told[0], json!({"login": "app", "password": "secret", "secure": true}));
    let mail = mail(&told).unwrap();
    assert_eq!(mail["secure"], true);
    assert!(mail["mail"].as_str().unwrap().contains("To: ada@example.com"), "{mail}");
    eventually("nothing waits", PATIENCE, async || {
        database.value("select count(*)::text from auth.outbox").await == "0"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_neither_login_nor_mail_goes_out_in_the_clear_or_to_a_stranger() {
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = certificate(folder.path());
    let database = support::installed().await;
    // A server that offers no TLS, as somebody in between would make it look, and one whose certificate nobody vouches for.
    for (is_plain, is_trusted) in [(true, true), (false, false)] {
        let server = StarttlsServer::start(&cert, &key, is_plain).unwrap();
        let mut builder = by(&server, &database);
        if is_trusted {
            builder = builder.env("SSL_CERT_FILE", cert.to_str().unwrap());
        }
        let app = builder.start().await.unwrap();
        let email = format!("ada-{is_plain}@example.com");
        assert_eq!(post(&app.url("/auth/v1/otp"), &json!({"email": email})).await.0, 200);
        let failed = format!("select coalesce(max(tries), 0)::text from auth.outbox where recipient = '{email}'");
        eventually("it was tried", PATIENCE, async || database.value(&failed).await != "0").await;
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        let told = server.told();
        assert!(told.iter().all(|event| event["login"].is_null() && event["mail"].is_null()), "{told:?}");
    }
}

fn run(database: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(support::BINARY);
    let output = command.args(arguments).env("FERROBASE_DATABASE__URL", database).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn caught_mails_are_logged_listed_and_previewed() {
    let database = support::installed().await;
    let app = support::serve(&database).env("FERROBASE_AUTH__MAILER__CATCH", "true").start().await.unwrap();
    let body = json!({"email": "ada@example.com", "password": "password"});
    assert_eq!(post(&app.url("/auth/v1/signup"), &body).await.0, 200);
    let listed = run(database.url(), &["auth", "mails"]);
    assert!(listed.contains("confirmation") && listed.contains("caught    ada@example.com"), "{listed}");
    let mails: Value = serde_json::from_str(&run(database.url(), &["auth", "mails", "--json", "--text"])).unwrap();
    let text = mails[0]["plain"].as_str().unwrap();
    let digits = text.split("code: ").nth(1).unwrap().split_whitespace().next().unwrap();
    assert!(!listed.contains(digits), "codes are told when they are asked for");
    assert!(app.log().contains(digits), "{}", app.log());
    let body = json!({"type": "signup", "email": "ada@example.com", "token": digits});
    assert_eq!(post(&app.url("/auth/v1/verify"), &body).await.0, 200);
    let preview = run(database.url(), &["auth", "preview", "recovery"]);
    assert!(preview.starts_with("Subject: Set a new password\n") && preview.contains("123456"), "{preview}");
}
