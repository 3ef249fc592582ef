//! Mails and text messages of the running binary: to a mail server with TLS and a login, to a provider's API, and caught.

use std::process::Command;

use ferrobase_testkit::MailServer;
use reqwest::Client;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::support;

async fn post(url: &str, body: &Value) -> (u16, Value) {
    let answer = Client::new().post(url).json(body).send().await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_goes_out_over_tls_with_a_login() {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
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

/// Takes one request and answers as Twilio does.
async fn provider(listener: TcpListener) -> String {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut request = Vec::new();
    while !String::from_utf8_lossy(&request).contains("Body=") {
        let mut chunk = [0; 4096];
        let read = stream.read(&mut chunk).await.unwrap();
        assert!(read > 0, "the request ends early");
        request.extend_from_slice(&chunk[..read]);
    }
    let body = r#"{"sid": "SM42", "status": "queued"}"#;
    let answer = format!("HTTP/1.1 201 Created\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
    stream.write_all(answer.as_bytes()).await.unwrap();
    String::from_utf8(request).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_message_goes_to_the_providers_api() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let database = support::installed().await;
    let app = support::serve(&database)
        .env("FERROBASE_AUTH__SMS__ENABLED", "true")
        .env("FERROBASE_AUTH__SMS__PROVIDER", "twilio")
        .env("FERROBASE_AUTH__SMS__ACCOUNT", "AC1")
        .env("FERROBASE_AUTH__SMS__TOKEN", "secret")
        .env("FERROBASE_AUTH__SMS__FROM", "+15550")
        .env("FERROBASE_AUTH__SMS__URL", url)
        .start()
        .await
        .unwrap();
    let taken = tokio::spawn(provider(listener));
    let (status, sent) = post(&app.url("/auth/v1/otp"), &json!({"phone": "+49151000"})).await;
    assert_eq!((status, sent), (200, json!({"message_id": "SM42"})), "{}", app.log());
    let request = taken.await.unwrap();
    assert!(request.starts_with("POST /2010-04-01/Accounts/AC1/Messages.json HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("authorization: Basic QUMxOnNlY3JldA==\r\n"), "{request}");
    let form = request.split("\r\n\r\n").nth(1).unwrap();
    let digits = form.strip_prefix("To=%2B49151000&From=%2B15550&Body=Your+code+is+").unwrap();
    let body = json!({"type": "sms", "phone": "49151000", "token": digits});
    assert_eq!(post(&app.url("/auth/v1/verify"), &body).await.0, 200);
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
