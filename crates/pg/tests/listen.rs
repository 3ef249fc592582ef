//! A listener that comes back.

use std::time::Duration;

use ferrobase_pg::listen::Probe;
use ferrobase_pg::{ConnectOptions, Event, Listener};
use ferrobase_testkit::proxy::{Fault, Proxy};

use crate::support::{database, login, value};

async fn next(listener: &mut Listener) -> Event {
    tokio::time::timeout(Duration::from_secs(10), listener.recv()).await.expect("an event in time").unwrap()
}

async fn connected(listener: &mut Listener) {
    while !matches!(next(listener).await, Event::Connected) {}
}

async fn payload(listener: &mut Listener) -> String {
    match next(listener).await {
        Event::Notification(n) => format!("{}:{}", n.channel, n.payload),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn notifications_arrive_and_a_lost_connection_is_told_and_replaced() {
    let database = database().await;
    let mut listener = Listener::spawn(login(&database), ["pgrst", "Ferro \"base\""]);
    connected(&mut listener).await;
    database.script("notify pgrst, 'reload'; notify \"Ferro \"\"base\"\"\"").await;
    assert_eq!(payload(&mut listener).await, "pgrst:reload");
    assert_eq!(payload(&mut listener).await, "Ferro \"base\":");

    let kill = "select count(pg_terminate_backend(pid)) from pg_stat_activity where usename = 'fbpg_login' and datname = current_database()";
    assert_eq!(value(&mut database.connect().await, kill).await.as_deref(), Some("1"));
    assert!(matches!(next(&mut listener).await, Event::Disconnected { .. }));
    connected(&mut listener).await;
    database.script("notify pgrst, 'again'").await;
    assert_eq!(payload(&mut listener).await, "pgrst:again");
}

#[tokio::test]
async fn a_silent_peer_is_found_out() {
    let database = database().await;
    let direct = login(&database);
    let proxy = Proxy::start(direct.hosts()[0].to_string()).await.unwrap();
    let url = proxy.in_front_of(&database.url_as("fbpg_login", "geheim"));
    let connect = ConnectOptions::parse(&url).unwrap().with_connect_timeout(Duration::from_millis(300));
    let probe = Probe { after: Duration::from_millis(150), patience: Duration::from_millis(150) };
    let mut listener = Listener::spawn_with(connect, ["c"], probe);
    connected(&mut listener).await;
    // Several probes pass.
    tokio::time::sleep(Duration::from_millis(500)).await;
    database.script("notify c, 'alive'").await;
    assert_eq!(payload(&mut listener).await, "c:alive");
    proxy.set(Fault::Stall);
    assert!(matches!(next(&mut listener).await, Event::Disconnected { .. }));
    proxy.set(Fault::None);
    connected(&mut listener).await;
}

#[tokio::test]
async fn a_database_that_is_not_there_yet_is_waited_for() {
    let connect = ConnectOptions::parse("postgresql://u:p@127.0.0.1:1/d").unwrap();
    let mut listener = Listener::spawn(connect, ["c"]);
    for _ in 0..3 {
        assert!(matches!(next(&mut listener).await, Event::Disconnected { .. }));
    }
}
