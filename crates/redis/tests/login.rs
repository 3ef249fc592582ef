//! Who logs in, into which database, and what is said when that fails.

use ferrobase_redis::{Client, Trouble};
use ferrobase_testkit::RedisServer;

use crate::harness::{allowed_of, available, connected, count, eventually, login, options};

/// All that a login needs.
const RULES: &str =
    "~limits:* resetchannels -@all +eval +evalsha +time +hmget +hset +hincrby +hdel +del +expire +select";

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
    let server = RedisServer::builder().line(format!("user ferro on >secret-word {RULES}")).start().unwrap();
    let mut options = options(&server);
    options.login = login(Some("ferro"), "secret-word");
    options.prefix = "limits".to_owned();
    let (client, limits) = connected(options).await;
    assert_eq!(allowed_of(&limits, "ann", 3, 5).await, 3);
    assert_eq!(client.numbers().losses, 0);
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
