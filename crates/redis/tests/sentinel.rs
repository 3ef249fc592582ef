//! Sentinel: the primary is found, followed when another takes over, and found again when sentinels are gone.

use ferrobase_redis::{Client, Layout, Login, Trouble};
use ferrobase_testkit::redis::{PRIMARY, Watched};

use crate::harness::{address, allowed_of, at, available, count, eventually, login};

fn layout(watched: &Watched, login: Login) -> Layout {
    let sentinels = watched.addresses().iter().map(|text| address(text)).collect();
    Layout::Sentinel { sentinels, primary: PRIMARY.to_owned(), login }
}

#[tokio::test]
async fn a_replica_takes_over_and_the_limits_resume() {
    let mut watched = Watched::start(Some("data-word"), Some("watch-word")).unwrap();
    let mut options = at(layout(&watched, login(None, "watch-word")));
    options.login = login(None, "data-word");
    let client = Client::start(options).unwrap();
    available(&client).await;
    let limits = client.limits();
    assert_eq!(allowed_of(&limits, "ann", 10, 6).await, 6);
    let copied = async || watched.servers[1].ask(&["keys", "test:rl:anonymous:*"]).is_ok_and(|keys| !keys.is_empty());
    eventually("the replica has the count", copied).await;
    watched.servers[0].kill();
    // Until another is elected nobody counts, and nobody waits long to hear so.
    eventually("the loss is noticed", async || count(&limits, "ann", 10).await.is_err()).await;
    assert!(!client.numbers().available);
    available(&client).await;
    // What the old primary had passed on still counts.
    let again = allowed_of(&limits, "ann", 10, 10).await;
    assert_eq!(again, 4);
    let role = watched.servers[1].ask(&["role"]).unwrap();
    assert!(role.starts_with("master"), "{role}");
}

#[tokio::test]
async fn a_primary_that_was_replaced_is_left() {
    let watched = Watched::start(None, None).unwrap();
    let client = Client::start(at(layout(&watched, Login::default()))).unwrap();
    available(&client).await;
    let limits = client.limits();
    assert_eq!(allowed_of(&limits, "ann", 10, 2).await, 2);
    watched.sentinels[0].ask(&["sentinel", "failover", PRIMARY]).unwrap();
    let counted = async || {
        let _ = count(&limits, "bob", 1_000_000).await;
        let of = |server: usize| watched.servers[server].ask(&["role"]).unwrap_or_default().starts_with("master");
        of(1) && !of(0) && client.numbers().available && count(&limits, "bob", 1_000_000).await.is_ok()
    };
    eventually("the new primary counts", counted).await;
}

#[tokio::test]
async fn sentinels_that_are_down_or_know_nobody() {
    let mut watched = Watched::start(None, None).unwrap();
    watched.sentinels[0].kill();
    let client = Client::start(at(layout(&watched, Login::default()))).unwrap();
    available(&client).await;
    assert!(count(&client.limits(), "ann", 1).await.unwrap().allowed);
    let Layout::Sentinel { sentinels, login, .. } = layout(&watched, Login::default()) else { unreachable!() };
    let unknown = Client::start(at(Layout::Sentinel { sentinels, primary: "nobody".to_owned(), login })).unwrap();
    eventually("an attempt failed", async || unknown.numbers().failures > 0).await;
    assert_eq!(unknown.numbers().trouble, Some(Trouble::NoPrimary));
}
