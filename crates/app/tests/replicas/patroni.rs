//! A cluster that Patroni keeps: its members are found, those kept out of reads answer none, a switchover is followed.

use serde_json::json;

use super::{SCHEMA, serve, session, write};
use crate::caller::{Caller, PATIENCE, eventually};
use ferrobase_testkit::Patroni;

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
