//! A cluster that Patroni keeps: its members are found, those kept out of reads answer none, a switchover is followed, members
//! that come later are used and those that left are not.

use std::collections::BTreeSet;
use std::time::Duration;

use ferrobase_pg::Session;
use serde_json::json;

use super::{SCHEMA, serve, session, write};
use crate::caller::{Caller, PATIENCE, client, eventually, value};
use ferrobase_testkit::{App, Patroni};

/// Patroni names a member that is gone for twenty seconds more, and the server forgets it ten seconds later.
const FORGOTTEN: Duration = Duration::from_secs(60);
/// A change of the schema.
const LATER: &str = "create function later() returns int language sql stable as 'select 1'; notify ferrobase;";
/// From the end of the promotion to the next write.
const RESUMED: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_of_patronis_is_found_and_followed() {
    let cluster = Patroni::start().await.unwrap();
    let (leader, replica) = cluster.ports().unwrap();
    // One of the addresses leads nowhere.
    let apis: Vec<String> = std::iter::once("http://127.0.0.1:9".to_owned()).chain(cluster.apis()).collect();
    let database = format!("{{read_preference: replica, patroni: {apis:?}}}");
    let (app, _folder) = serve(&cluster.url(leader), &database).await;
    session(&cluster.url(leader)).await.script(SCHEMA).await.unwrap();
    let caller = Caller::of(&app);
    let port = async || caller.get("/rpc/port").await.body;
    eventually("reads are answered by a member that nobody listed", PATIENCE, async || {
        port().await == replica.to_string()
    })
    .await;

    cluster.keep_out_of_reads(replica, true).unwrap();
    eventually("it is kept out of reads", PATIENCE, async || port().await == leader.to_string()).await;
    cluster.keep_out_of_reads(replica, false).unwrap();
    eventually("and is back", PATIENCE, async || port().await == replica.to_string()).await;

    assert_eq!(write(&caller, 1, 1).await.status, 201);
    cluster.switch_over().unwrap();
    let mut n = 1;
    eventually("writes go on", PATIENCE, async || {
        n += 1;
        write(&caller, 1, n).await.status == 201 && cluster.ports().is_ok_and(|(leads, _)| leads == replica)
    })
    .await;
    eventually("the old leader answers reads", PATIENCE, async || port().await == leader.to_string()).await;
    assert_eq!(caller.get("/entries?client=eq.1&n=eq.1").await.json(), json!([{"client": 1, "n": 1}]));
}

/// All machines are replaced, one after the other, until the server has to do with none that it knew at its start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_that_come_later_are_used_and_those_that_left_are_not() {
    let mut cluster = Patroni::start().await.unwrap();
    let (one, two) = cluster.ports().unwrap();
    let database = format!("{{read_preference: replica, patroni: {:?}}}", cluster.apis());
    let (app, _folder) = serve(&cluster.url(one), &database).await;
    session(&cluster.url(one)).await.script(SCHEMA).await.unwrap();
    let caller = Caller::of(&app);
    eventually("the replica of the start answers", PATIENCE, async || readers(&caller).await == [two].into()).await;

    // As long as everybody is there, a new one shares the work.
    let three = tokio::task::block_in_place(|| cluster.add("three")).unwrap();
    eventually("one that joined answers reads", PATIENCE, async || readers(&caller).await == [two, three].into()).await;
    let mut on_three = session(&cluster.url(three)).await;
    assert_ne!(sessions(&mut on_three, "ferrobase read").await, "0");
    assert_eq!(standings(&app, three).await, ["replica"]);

    // It streams and would answer, but is none of the cluster.
    cluster.abandon(two).unwrap();
    eventually("one that left is forgotten", FORGOTTEN, async || standings(&app, two).await.is_empty()).await;
    assert!(!cluster.names(two).unwrap());
    assert_eq!(readers(&caller).await, [three].into());
    let mut on_two = session(&cluster.url(two)).await;
    assert_eq!(value(&mut on_two, "select pg_is_in_recovery()").await, "t");
    eventually("and has no connection left", PATIENCE, async || sessions(&mut on_two, "ferrobase%").await == "0").await;

    // The machine of the primary, with the last Patroni that is configured.
    assert_eq!(write(&caller, 1, 1).await.status, 201);
    tokio::task::block_in_place(|| cluster.stop(one)).unwrap();
    eventually("another one leads", PATIENCE, async || {
        cluster.leader().is_ok_and(|leader| leader == three)
            && value(&mut on_three, "select pg_is_in_recovery()").await == "f"
    })
    .await;
    eventually("writes go on", RESUMED, async || write(&caller, 1, 2).await.status == 201).await;
    let four = tokio::task::block_in_place(|| cluster.add("four")).unwrap();
    eventually("its replacement answers reads", PATIENCE, async || readers(&caller).await == [four].into()).await;

    // Nobody of the start is left: changes of the schema are heard of, switchovers are followed.
    session(&cluster.url(three)).await.script(LATER).await.unwrap();
    eventually("the catalog is of now", PATIENCE, async || caller.get("/rpc/later").await.status == 200).await;
    tokio::task::block_in_place(|| cluster.switch_over()).unwrap();
    let mut n = 2;
    eventually("writes go to the last one", PATIENCE, async || {
        n += 1;
        write(&caller, 1, n).await.status == 201 && cluster.leader().is_ok_and(|leader| leader == four)
    })
    .await;
    eventually("reads to the one before", PATIENCE, async || readers(&caller).await == [three].into()).await;
    assert_eq!(caller.get("/entries?client=eq.1&n=eq.1").await.json(), json!([{"client": 1, "n": 1}]));
    // Patroni has nothing to say of it any more, and yet it stays.
    eventually("nobody names the first one", FORGOTTEN, async || !cluster.names(one).unwrap()).await;
    assert_eq!(standings(&app, one).await, ["away"]);
}

/// Ports of the servers that answer reads now.
async fn readers(caller: &Caller) -> BTreeSet<u16> {
    let mut ports = BTreeSet::new();
    for _ in 0..8 {
        let answer = caller.get("/rpc/port").await;
        ports.insert(answer.body.parse().unwrap_or_default());
    }
    ports
}

/// How many sessions of this name a server has.
async fn sessions(on: &mut Session, name: &str) -> String {
    value(
        on,
        &format!(
            "select count(*) from pg_stat_activity where application_name like '{name}' and pid <> pg_backend_pid()"
        ),
    )
    .await
}

/// How a server stands, as the metrics say; nothing of one that is not known.
async fn standings(app: &App, port: u16) -> Vec<String> {
    let page = client().get(app.admin_url("/metrics")).send().await.unwrap().text().await.unwrap();
    let start = format!("database_server{{server=\"127.0.0.1:{port}\",standing=\"");
    let standing = |line: &str| Some(line.strip_prefix(&start)?.strip_suffix("\"} 1.0")?.to_owned());
    page.lines().filter_map(standing).collect()
}
