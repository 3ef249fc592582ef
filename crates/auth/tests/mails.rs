//! Mails on their way to a real mail server.

use std::time::{Duration, Instant};

use ferrobase_auth::config::{MailerTls, SignInSection};
use ferrobase_auth::mail::{Outbox, Sender};
use ferrobase_testkit::MailServer;
use nix::sys::signal::Signal;
use serde_json::json;
use std::sync::Arc;

use crate::harness::{Auth, composed};
use crate::proofs::confirming;

/// The room with the real way out for mails, and nobody who sends them yet.
async fn room(change: impl FnOnce(&mut SignInSection)) -> (Auth, Sender) {
    let mut made = None;
    let section = confirming(|section| {
        section.mailer.host = Some("127.0.0.1".to_owned());
        section.mailer.tls = MailerTls::None;
        section.mailer.from = Some("app@example.com".to_owned());
        section.mailer.sender_name = Some("The App".to_owned());
        change(section);
    });
    let auth = composed(section, |settings| {
        let outbox = Outbox::new(Arc::clone(settings));
        made = Some(outbox.clone());
        Some(outbox)
    })
    .await;
    let outbox = made.expect("an outbox");
    let sender = Sender::new(Arc::clone(&auth.registry), Arc::clone(&auth.settings), outbox);
    (auth, sender)
}

async fn waiting(auth: &Auth) -> String {
    auth.value("select count(*)::text from auth.outbox").await
}

/// Until nothing waits any more.
async fn drained(auth: &Auth) {
    let end = Instant::now() + Duration::from_secs(20);
    while waiting(auth).await != "0" {
        assert!(Instant::now() < end, "{}", auth.value("select to_jsonb(o)::text from auth.outbox o").await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_mail_arrives_and_its_link_works() {
    let server = MailServer::start().await.unwrap();
    let (auth, sender) = room(|section| section.mailer.port = server.port()).await;
    let sending = tokio::spawn(sender.run());
    auth.post(
        "/signup",
        json!({"email": "ada@example.com", "password": "password", "data": {"name": "A\r\nBcc: x@y.z"}}),
    )
    .await
    .ok();
    let mails = server.wait_for(1).await.unwrap();
    let mail = &mails[0];
    assert_eq!(
        (&mail["subject"], &mail["from"][0]["address"]),
        (&json!("Confirm your address"), &json!("app@example.com"))
    );
    assert_eq!((&mail["from"][0]["name"], &mail["to"][0]["address"]), (&json!("The App"), &json!("ada@example.com")));
    let text = mail["text"].as_str().unwrap();
    let link = text.lines().find(|line| line.starts_with("http://")).expect("a link").trim();
    assert!(mail["html"].as_str().unwrap().contains(&link.replace('&', "&amp;")), "{mail}");
    assert!(auth.follow(link).await.contains("#access_token="));
    let head = server.source(mail).await.unwrap();
    assert!(!head.to_lowercase().contains("\nbcc:"), "{head}");
    drained(&auth).await;
    sending.abort();
}

#[tokio::test]
async fn a_slow_mail_server_holds_nobody_up() {
    let server = MailServer::start().await.unwrap();
    let (auth, sender) = room(|section| section.mailer.port = server.port()).await;
    let sending = tokio::spawn(sender.run());
    server.signal(Signal::SIGSTOP);
    let begun = Instant::now();
    for n in 0..12 {
        auth.post("/otp", json!({"email": format!("user{n}@example.com")})).await.ok();
    }
    // The sender waits for the server meanwhile, and holds no connection of the four.
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let idle = "select count(*)::text from pg_stat_activity
        where datname = current_database() and usename = 'authenticator_auth' and state <> 'idle'";
    assert_eq!(auth.value(idle).await, "0");
    server.signal(Signal::SIGCONT);
    server.wait_for(12).await.unwrap();
    drained(&auth).await;
    sending.abort();
}

#[tokio::test]
async fn a_mail_comes_again_and_is_given_up_when_its_code_is_over() {
    let server = MailServer::start().await.unwrap();
    // Nobody listens there.
    let (auth, sender) = room(|section| section.mailer.port = 9).await;
    auth.post("/otp", json!({"email": "ada@example.com"})).await.ok();
    auth.post("/otp", json!({"email": "late@example.com"})).await.ok();
    auth.db
        .script("update auth.outbox set created_at = now() - interval '1 day' where recipient = 'late@example.com'")
        .await;
    let sending = tokio::spawn(sender.run());
    let end = Instant::now() + Duration::from_secs(10);
    let tried = "select coalesce(string_agg(recipient || ' ' || state || ' ' || tries || ' ' || (plain = ''), ', '
        order by recipient), '') from auth.outbox where last_error is not null";
    while auth.value(tried).await != "ada@example.com waiting 1 false, late@example.com given_up 1 true" {
        assert!(Instant::now() < end, "{}", auth.value(tried).await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // The configuration is put right, and the next try is due.
    let mut settings = (**auth.settings.load()).clone();
    settings.section.mailer.port = server.port();
    auth.settings.store(Arc::new(settings));
    auth.db.script("update auth.outbox set next_try_at = now() where state = 'waiting'").await;
    let mails = server.wait_for(1).await.unwrap();
    assert_eq!(mails[0]["to"][0]["address"], "ada@example.com");
    sending.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_senders_send_each_mail_once() {
    let server = MailServer::start().await.unwrap();
    let (auth, one) = room(|section| section.mailer.port = server.port()).await;
    let other =
        Sender::new(Arc::clone(&auth.registry), Arc::clone(&auth.settings), Outbox::new(Arc::clone(&auth.settings)));
    for n in 0..30 {
        auth.post("/otp", json!({"email": format!("user{n}@example.com")})).await.ok();
    }
    assert_eq!(waiting(&auth).await, "30");
    let sending = [tokio::spawn(one.run()), tokio::spawn(other.run())];
    drained(&auth).await;
    assert_eq!(server.wait_for(30).await.unwrap().len(), 30);
    sending.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn a_caught_mail_stays_and_no_mail_is_queued_for_what_was_undone() {
    let (auth, _) = room(|section| {
        section.mailer.host = None;
        section.mailer.catch = true;
    })
    .await;
    auth.post("/otp", json!({"email": "ada@example.com"})).await.ok();
    let caught = "select kind || ' ' || recipient || ' ' || state from auth.outbox";
    assert_eq!(auth.value(caught).await, "confirmation ada@example.com caught");
    // A trigger of the application refuses the account at the end: nothing is left of it, the mail neither.
    auth.db
        .script(
            "create function refuse() returns trigger language plpgsql as $$ begin raise 'no'; end $$;
         create constraint trigger refuse after insert on auth.users deferrable initially deferred
         for each row execute function refuse()",
        )
        .await;
    let refused = auth.post("/otp", json!({"email": "bob@example.com"})).await;
    assert!(!refused.status.is_success(), "{refused:?}");
    assert_eq!(waiting(&auth).await, "1");
}

#[tokio::test]
async fn without_a_mail_server_everybody_is_told_the_same() {
    let (auth, _) = room(|section| section.mailer.host = None).await;
    auth.admin("POST /admin/users", json!({"email": "ada@example.com", "email_confirm": true})).await.ok();
    for path in ["/recover", "/otp", "/resend"] {
        let ask = async |email: &str| auth.post(path, json!({"type": "signup", "email": email})).await.error();
        let (known, unknown) = (ask("ada@example.com").await, ask("nobody@example.com").await);
        assert_eq!((known.0, &known), (500, &unknown), "{path}");
    }
}
