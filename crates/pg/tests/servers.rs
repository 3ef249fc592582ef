//! Several servers of one cluster, watched: who is the primary, who is fresh, and what a commit's place is good for.

use std::time::{Duration, Instant};

use ferrobase_pg::servers::{Bounds, Pick, Standing, Watched};
use ferrobase_pg::{
    Batch, ConnectOptions, End, Error, Guide, Host, Isolation, Lsn, Mode, Opening, Pool, PoolOptions, Servers, Session,
    Terms, Turn,
};
use ferrobase_testkit::PrivateCluster;

use super::support::{BatchExt, batch, eventually};

const POSITIONED: Terms<'_> = Terms { judge: None, position: true, held: None };
const SOON: Duration = Duration::from_secs(3);
const PATIENCE: Duration = Duration::from_secs(20);

struct Pair {
    primary: PrivateCluster,
    standby: PrivateCluster,
}

impl Pair {
    async fn start() -> Self {
        let primary = PrivateCluster::start(&[]).await.unwrap();
        let standby = primary.standby("one", &[]).await.unwrap();
        Self { primary, standby }
    }

    fn watch(&self, guide: &Guide) -> Servers {
        let connect = ConnectOptions::parse(&self.primary.url()).unwrap();
        let watched = [&self.primary, &self.standby].map(|cluster| Watched {
            host: Host::tcp("127.0.0.1", cluster.port()),
            connect: connect.clone(),
            is_near: true,
        });
        let bounds = Bounds { max_lag: Duration::from_millis(500), max_waiting: 10 };
        Servers::watch(watched.into(), bounds, guide.clone())
    }

    /// A pool that looks for the primary.
    fn pool(&self, guide: &Guide) -> Pool {
        let hosts = [&self.primary, &self.standby].map(|cluster| Host::tcp("127.0.0.1", cluster.port()));
        let connect = ConnectOptions::parse(&self.primary.url()).unwrap().with_hosts(hosts);
        let connect = connect.with_target_session_attrs(ferrobase_pg::options::TargetSessionAttrs::ReadWrite);
        Pool::new(connect.with_guide(guide.clone()), PoolOptions::default())
    }
}

async fn session(cluster: &PrivateCluster) -> Session {
    Session::connect(&ConnectOptions::parse(&cluster.url()).unwrap()).await.unwrap()
}

fn standings(servers: &Servers) -> Vec<Standing> {
    servers.status().iter().map(|status| status.standing).collect()
}

fn all(_: usize) -> Option<usize> {
    Some(0)
}

fn opening() -> Opening {
    Opening {
        isolation: Isolation::ReadCommitted,
        read_only: false,
        defer_constraints: false,
        deadline: Instant::now() + PATIENCE,
    }
}

fn turn(sql: &str) -> Turn {
    Turn { settings: Default::default(), statements: batch(&[sql]).statements, continues: false }
}

/// Who is in doubt is asked when a connection is there, not before the wait for one, and before a transaction is kept.
#[tokio::test]
async fn nothing_is_written_that_waited_until_the_primary_was_in_doubt() {
    let (database, guide) = (super::support::database().await, Guide::default());
    database.script("create table t (n int); grant all on t to fbpg_login").await;
    let connect = super::support::login(&database).with_guide(guide.clone());
    let pool = Pool::new(connect, super::support::options(1));
    let read = || Batch { writes: false, ..batch(&["select count(*) from t"]) };
    let mut talk = pool.converse(opening()).await.unwrap();
    talk.exchange(&turn("insert into t values (1)")).await.unwrap();
    let waiting = tokio::spawn({
        let pool = pool.clone();
        async move { pool.run(batch(&["insert into t values (2)"])).await }
    });
    eventually("it waits", async || pool.stats().waiting == 1).await;
    guide.doubt(true);
    let (kept, waited) = (talk.end(End::Commit).await, waiting.await.unwrap());
    assert!(matches!((&kept, &waited), (Err(Error::Unsettled), Err(Error::Unsettled))), "{kept:?} {waited:?}");
    assert!(matches!(pool.converse(opening()).await, Err(Error::Unsettled)));
    assert_eq!(super::support::cell(&pool.run(read()).await.unwrap()), Some("0"), "reading goes on");
    let slow = tokio::spawn({
        let pool = pool.clone();
        guide.doubt(false);
        async move { pool.run(batch(&["insert into t values (3)", "select pg_sleep(20)"])).await }
    });
    eventually("it runs", async || pool.stats().active == 1).await;
    guide.doubt(true);
    let slow = slow.await.unwrap();
    assert!(matches!(slow, Err(Error::Moved)), "what was under way is unknown: {slow:?}");
    guide.doubt(false);
    pool.run(batch(&["insert into t values (4)"])).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pair_through_its_life() {
    let (pair, guide) = (Pair::start().await, Guide::default());
    let servers = pair.watch(&guide);
    assert!(servers.settle(SOON).await);
    let usual = [Standing::Primary, Standing::Replica];
    eventually("both are known", async || standings(&servers) == usual).await;
    let pool = pair.pool(&guide);
    pool.run(batch(&["create table t (n int)"])).await.unwrap();

    sec_14_a_place_is_behind_the_commit(&pair, &servers, &pool).await;
    nothing_is_waited_for_longer_than_it_is_worth(&pair, &servers, &pool).await;
    frozen_and_back(&pair, &servers).await;
    let one_address = a_standby_in_the_place_of_the_primary(&pair).await;
    promoted(&pair, &servers, &pool).await;
    one_address.run(batch(&["insert into t values (-3)"])).await.unwrap();
}

/// One address, behind which a standby stands: what it refused did nothing and is tried again on a new connection, once.
async fn a_standby_in_the_place_of_the_primary(pair: &Pair) -> Pool {
    let pool = Pool::new(ConnectOptions::parse(&pair.standby.url()).unwrap(), PoolOptions::default());
    let refused = pool.run(batch(&["insert into t values (-3)"])).await;
    assert!(matches!(refused, Err(Error::NotPrimary(_))), "{refused:?}");
    assert_eq!(pool.stats().opened, 2, "a new connection was tried");
    pool
}

/// Whoever waits for the place that came with a commit finds the commit.
async fn sec_14_a_place_is_behind_the_commit(pair: &Pair, servers: &Servers, pool: &Pool) {
    let mut reader = session(&pair.standby).await;
    for n in 0..50 {
        let insert = format!("insert into t values ({n})");
        let position = match n % 3 {
            0 => pool.run_on(batch(&[&insert]), POSITIONED).await.unwrap().position,
            1 => {
                let quiet = ["set local synchronous_commit = off", &insert];
                let mode = Mode::Explicit { isolation: Isolation::ReadCommitted, read_only: false, end: End::Commit };
                pool.run_on(batch(&quiet).mode(mode), POSITIONED).await.unwrap().position
            }
            _ => {
                let mut conversation = pool.converse(opening()).await.unwrap();
                conversation.exchange(&turn(&insert)).await.unwrap();
                conversation.commit_positioned().await.unwrap()
            }
        };
        let position = position.unwrap();
        assert_eq!(position.timeline, 1);
        servers.committed(position);
        assert!(servers.position().is_some_and(|(_, here)| here.lsn >= position.lsn));
        assert_eq!(servers.wait(position.lsn, Instant::now() + SOON, all).await, Some(1), "{n}");
        let found = reader.query(&format!("select n from t where n = {n}"), &[]).await.unwrap();
        assert_eq!(found.rows.len(), 1, "{n}");
    }
    let failed = pool.run_on(batch(&["insert into t values ('x')"]), POSITIONED).await;
    assert!(matches!(failed, Err(Error::Db(_))), "{failed:?}");
    assert_eq!(pool.stats().cancels, 0, "the connection was ready again");
}

async fn nothing_is_waited_for_longer_than_it_is_worth(pair: &Pair, servers: &Servers, pool: &Pool) {
    let mut direct = session(&pair.standby).await;
    assert_eq!(servers.wait(Lsn(u64::MAX), Instant::now() + Duration::from_millis(50), all).await, None);
    assert_eq!(servers.waiting(), 0);
    direct.query("select pg_wal_replay_pause()", &[]).await.unwrap();
    let position = pool.run_on(batch(&["insert into t values (-1)"]), POSITIONED).await.unwrap().position.unwrap();
    let waited = servers.wait(position.lsn, Instant::now() + SOON, all).await;
    assert_eq!(waited, None, "it fell behind meanwhile");
    eventually("behind", async || standings(servers)[1] == Standing::Behind).await;
    assert_eq!(servers.pick(None, all), Pick::Primary);
    direct.query("select pg_wal_replay_resume()", &[]).await.unwrap();
    eventually("caught up", async || standings(servers)[1] == Standing::Replica).await;
}

async fn frozen_and_back(pair: &Pair, servers: &Servers) {
    pair.standby.freeze();
    let frozen = Instant::now();
    servers.lost(1).await;
    let lost = frozen.elapsed();
    pair.standby.thaw();
    assert!(lost < SOON && servers.pick(None, all) == Pick::Primary, "{lost:?}");
    eventually("back", async || servers.pick(None, all) == Pick::Replica(1)).await;
}

/// The primary freezes, which closes no connection; another one takes over, and everything moves there.
async fn promoted(pair: &Pair, servers: &Servers, pool: &Pool) {
    let (spare, mut talk) = (pool.converse(opening()).await.unwrap(), pool.converse(opening()).await.unwrap());
    talk.exchange(&turn("insert into t values (-4)")).await.unwrap();
    spare.abort().await.unwrap();
    eventually("a connection is free", async || pool.stats().idle == 1).await;
    pair.primary.freeze();
    let write = |row: i32| {
        let (pool, insert) = (pool.clone(), format!("insert into t values ({row})"));
        tokio::spawn(async move { pool.run(batch(&[&insert])).await })
    };
    let under_way = write(-2);
    eventually("it is sent", async || pool.stats().idle == 0).await;
    let without_connection = write(-6);
    servers.lost(0).await;
    pair.standby.promote().await.unwrap();
    eventually("the other one is the primary", async || standings(servers)[1] == Standing::Primary).await;
    let outcome = under_way.await.unwrap();
    assert!(matches!(outcome, Err(Error::Moved)), "{outcome:?}");
    without_connection.await.unwrap().unwrap();
    let started = Instant::now();
    let port = pool.run(batch(&["select inet_server_port()"])).await.unwrap();
    assert_eq!(port.results[0].rows.first().unwrap().text(0), Some(pair.standby.port().to_string().as_str()));
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
    assert_eq!(servers.position().unwrap().1.timeline, 2);
    assert_eq!(servers.trouble(), None);
    // The old one knows nothing of that, and would keep what was begun there.
    pair.primary.thaw();
    let kept = talk.end(End::Commit).await;
    assert!(matches!(kept, Err(Error::Moved)), "{kept:?}");
    let mut old = session(&pair.primary).await;
    assert_eq!(old.query("select n from t where n = -4", &[]).await.unwrap().rows.len(), 0);
    eventually("two primaries", async || servers.trouble().is_some()).await;
    let refused = pool.run(batch(&["insert into t values (-5)"])).await;
    assert!(matches!(refused, Err(Error::Unsettled)), "{refused:?}");
    pair.primary.kill();
    eventually("one is left", async || servers.trouble().is_none()).await;
}

/// A standby that nobody knew at the start answers reads and takes over; what was there before is forgotten.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_join_and_leave_while_they_are_watched() {
    let (pair, guide) = (Pair::start().await, Guide::default());
    let connect = ConnectOptions::parse(&pair.primary.url()).unwrap();
    let watched = |cluster: &PrivateCluster, name: &str| Watched {
        host: Host::tcp(name, cluster.port()),
        connect: connect.clone(),
        is_near: true,
    };
    let bounds = Bounds { max_lag: Duration::from_millis(500), max_waiting: 10 };
    let servers = Servers::watch(vec![watched(&pair.primary, "127.0.0.1")], bounds, guide.clone());
    assert!(servers.settle(SOON).await);
    let primary_only = connect.clone().with_target_session_attrs(ferrobase_pg::options::TargetSessionAttrs::ReadWrite);
    let pool = Pool::new(primary_only.with_guide(guide.clone()), PoolOptions::default());
    pool.run(batch(&["create table t (n int)"])).await.unwrap();

    assert_eq!(servers.join(watched(&pair.standby, "127.0.0.1")), 1);
    eventually("it answers reads", async || servers.pick(None, all) == Pick::Replica(1)).await;
    assert_eq!(servers.join(watched(&pair.primary, "localhost")), 2);
    let usual = [Standing::Primary, Standing::Replica, Standing::Twin];
    eventually("the primary under another name", async || standings(&servers) == usual).await;
    assert_eq!(servers.trouble(), None);
    assert!(servers.leave(1), "and is forgotten, though it answers");
    tokio::time::timeout(SOON, servers.lost(1)).await.expect("whoever asked it is told");
    assert_eq!((servers.pick(None, all), servers.status().len()), (Pick::Primary, 2));
    let watches = "select count(*)::text from pg_stat_activity where application_name = 'ferrobase watch'";
    let mut direct = session(&pair.standby).await;
    let left = async |direct: &mut Session| {
        direct.query(watches, &[]).await.unwrap().rows.first().unwrap().text(0) == Some("0")
    };
    let began = Instant::now();
    while !left(&mut direct).await {
        assert!(began.elapsed() < PATIENCE, "it is still watched");
    }

    assert_eq!(servers.join(watched(&pair.standby, "127.0.0.1")), 3);
    eventually("it is back", async || servers.pick(None, all) == Pick::Replica(3)).await;
    assert!(!servers.leave(0), "it takes writes");
    pair.primary.kill();
    pair.standby.promote().await.unwrap();
    eventually("the other one is the primary", async || standings(&servers)[2] == Standing::Primary).await;
    assert!(servers.leave(0) && servers.leave(2));
    pool.run(batch(&["insert into t values (1)"])).await.unwrap();
    assert_eq!((standings(&servers), servers.trouble()), (vec![Standing::Primary], None));
}
