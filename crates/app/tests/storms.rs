//! Every fault that a network between server and database can have, under mixed load: a table.
//!
//! For each: every answer is right or "not now", none is late, what was acknowledged is there afterwards, everybody is
//! served again soon after it ended, and no connection stays lent out. What dies with PostgreSQL itself is in
//! `faults`, messages that are lost or doubled one by one in `crates/pg/tests/sec_13_desync.rs`, hours of all of it
//! together in `soak`. Six tenths of a second for each fault; five seconds with `FERROBASE_LONG=1` in the environment.

use std::time::{Duration, Instant};

use ferrobase_pg::ConnectOptions;
use ferrobase_testkit::proxy::{Fault, Proxy};
use ferrobase_testkit::{App, pooler};

use crate::caller::{PATIENCE, eventually, metric};
use crate::load::{self, Habits, Load};
use crate::support::{self, BINARY};

/// Two seconds, and the one that an attempt to connect may take which was swallowed at the last moment.
const RECOVERY: Duration = Duration::from_secs(3);
/// One second is what the server gives itself; the rest is for a machine that has other things to do.
const HABITS: Habits = Habits { clients: 16, latest: Duration::from_secs(3), every: None, large: true };

const STORMS: [(&str, Fault); 10] = [
    ("20 ms more on each way", Fault::Delay(Duration::from_millis(20))),
    ("150 ms more on each way", Fault::Delay(Duration::from_millis(150))),
    ("100 bytes a millisecond", Fault::Trickle(100)),
    ("resets after 20 kB", Fault::Reset(20_000)),
    ("resets during login", Fault::Reset(700)),
    ("cut short after 20 kB", Fault::Truncate(20_000)),
    ("doubled and lost chunks", Fault::Garble(17)),
    ("nothing passes", Fault::Stall),
    ("nobody listens", Fault::Refuse),
    ("half-open", Fault::Swallow),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_fault_of_the_network_yields_a_wrong_answer_or_loses_a_write() {
    // PgBouncer holds its clients' requests while the server is away, as long as its settings say.
    if pooler::is_used() {
        return;
    }
    let lasts = Duration::from_millis(if std::env::var_os("FERROBASE_LONG").is_some() { 5_000 } else { 600 });
    let database = support::installed().await;
    database.script(load::SCHEMA).await;
    let direct = ConnectOptions::parse(database.url()).unwrap();
    let proxy = Proxy::start(direct.hosts()[0].to_string()).await.unwrap();
    let app = App::serve(BINARY, &proxy.in_front_of(database.url()))
        .env("FERROBASE_SERVER__REQUEST_TIMEOUT", "1s")
        .env("FERROBASE_DATABASE__CONNECT_TIMEOUT", "1s")
        .start()
        .await
        .unwrap();
    let mut session = database.connect().await;
    for (generation, (name, fault)) in (1..).zip(STORMS) {
        // A large answer is many chunks. One of them twice and another one not at all is what TCP never does, and nothing
        // above TCP could notice.
        let habits = Habits { large: !matches!(fault, Fault::Garble(_)), ..HABITS };
        let load = Load::begin(&app, habits, generation);
        let seen = load.seen();
        eventually("load", PATIENCE, async || seen.right() > 50 || load.has_failed()).await;
        proxy.set(fault);
        tokio::time::sleep(lasts).await;
        proxy.set(Fault::None);
        let over = Instant::now();
        let right = seen.right();
        // Nobody was turned away for a while.
        eventually("everybody is served again", PATIENCE, async || {
            let calm = seen.last_refusal().max(over).elapsed() > Duration::from_millis(300);
            load.has_failed() || calm && seen.right() > right + 50
        })
        .await;
        let recovery = seen.last_refusal().saturating_duration_since(over);
        let (right, longest, refusals) = (seen.right(), seen.longest(), seen.refusals());
        let written = load.end().await;
        println!(
            "{name}: {right} right; {refusals}; longest {longest:.2?}; the last refusal {recovery:.2?} after the end"
        );
        assert!(recovery < RECOVERY, "{name}: {recovery:?}");
        load::assert_nothing_lost(&mut session, &written).await;
    }
    for pool in ["request", "service"] {
        let series = format!("database_connections_active{{pool=\"{pool}\"}}");
        eventually("nothing is lent out", PATIENCE, async || metric(&app, &series).await == Some(0.0)).await;
    }
}
