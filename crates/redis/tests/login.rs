//! Who logs in, into which database, and what is said when that fails.

use ferrobase_redis::{Client, Layout, Login, Trouble};
use ferrobase_testkit::RedisServer;
use ferrobase_testkit::redis::{PRIMARY, Watched, cluster};

use crate::harness::{address, allowed_of, at, available, connected, count, eventually, login, options};

/// All that a login needs; docs/guide/operating.md says so.
const RULES: &str = "on >secret-word ~test:* resetchannels -@all +eval +evalsha +time +hmget +hset +hincrby +hdel +del \
                     +expire +get +set";

/// Makes the user `ferro` of these rules.
fn make_user(server: &RedisServer, more: &str) {
    let rules = format!("{RULES} {more}");
    let command: Vec<&str> = ["acl", "setuser", "ferro"].into_iter().chain(rules.split_whitespace()).collect();
    server.ask(&command).unwrap();
}

#[tokio::test]
async fn a_password_and_a_database_number() {
    let server = RedisServer::builder().line("requirepass secret-word").login(None, "secret-word").start().unwrap();
    let mut options = options(&server);
    options.login = login(None, "secret-word");
    options.database = 7;
    let (_client, limits) = connected(options).await;
    assert_eq!(allowed_of(&limits, "ann", 3, 5).await, 3);
    assert_eq!(server.ask(&["keys", "*"]).unwrap(), "");
    assert!(server.ask(&["-n", "7", "keys", "*"]).unwrap().contains("test:rl:anonymous:"));
}

#[tokio::test]
async fn a_user_who_may_do_little_else() {
    let server = RedisServer::start().unwrap();
    let mut options = options(&server);
    options.login = login(Some("ferro"), "secret-word");
    for (database, more) in [(0, ""), (3, "+select")] {
        make_user(&server, more);
        options.database = database;
        let (client, limits) = connected(options.clone()).await;
        assert_eq!(allowed_of(&limits, "ann", 3, 5).await, 3);
        assert_eq!(client.numbers().losses, 0);
    }
}

#[tokio::test]
async fn such_a_user_behind_sentinel_and_in_a_cluster() {
    let watched = Watched::start(None, None).unwrap();
    let nodes = cluster(3).unwrap();
    watched.servers.iter().for_each(|server| make_user(server, "+role"));
    nodes.iter().for_each(|node| make_user(node, "+cluster|slots +ping"));
    let sentinels = watched.addresses().iter().map(|text| address(text)).collect();
    let watched = Layout::Sentinel { sentinels, primary: PRIMARY.to_owned(), login: Login::default() };
    for layout in [watched, Layout::Cluster(vec![address(&nodes[1].address())])] {
        let mut options = at(layout);
        options.login = login(Some("ferro"), "secret-word");
        let (client, limits) = connected(options).await;
        for caller in 0..10 {
            assert_eq!(allowed_of(&limits, &format!("caller {caller}"), 3, 5).await, 3);
        }
        assert_eq!(client.numbers().losses, 0);
    }
}

#[tokio::test]
async fn a_wrong_password_of_a_cluster_or_of_sentinels_is_told_apart_from_their_absence() {
    let watched = Watched::start(None, Some("watch-word")).unwrap();
    let nodes = cluster(3).unwrap();
    nodes.iter().for_each(|node| assert_eq!(node.ask(&["config", "set", "requirepass", "right-word"]).unwrap(), "OK"));
    let sentinels = watched.addresses().iter().map(|text| address(text)).collect();
    let watched = Layout::Sentinel { sentinels, primary: PRIMARY.to_owned(), login: login(None, "wrong-word") };
    for layout in [watched, Layout::Cluster(vec![address(&nodes[1].address())])] {
        let mut options = at(layout);
        options.login = login(None, "wrong-word");
        let client = Client::start(options).unwrap();
        eventually("an attempt failed", async || client.numbers().failures > 0).await;
        assert_eq!(client.numbers().trouble, Some(Trouble::Ours));
    }
}

#[tokio::test]
async fn a_wrong_password_is_no_connection_and_heals() {
    let server = RedisServer::builder().line("requirepass right-word").login(None, "right-word").start().unwrap();
    let mut options = options(&server);
    options.login = login(None, "wrong-word");
    let client = Client::start(options).unwrap();
    eventually("an attempt failed", async || client.numbers().failures > 0).await;
    assert_eq!(client.numbers().trouble, Some(Trouble::Ours));
    let limits = client.limits();
    assert!(count(&limits, "ann", 3).await.is_err());
    server.ask(&["config", "set", "requirepass", "wrong-word"]).unwrap();
    available(&client).await;
    assert!(count(&limits, "ann", 3).await.unwrap().allowed);
    assert_eq!(client.numbers().trouble, None);
}

#[tokio::test]
async fn a_user_without_the_right_to_run_scripts_is_no_connection() {
    let server = RedisServer::builder().line("user ferro on >secret-word ~* -@all +ping").start().unwrap();
    let mut options = options(&server);
    options.login = login(Some("ferro"), "secret-word");
    let client = Client::start(options).unwrap();
    eventually("an attempt failed", async || client.numbers().failures > 0).await;
    assert_eq!((client.numbers().trouble, client.numbers().connects), (Some(Trouble::Ours), 0));
}
