//! The isolation test: 64 clients of 10 users interleave on 2 connections, some fail, some are cancelled, some attack.
//! Nobody may see a row of another user or a setting of another request.
//!
//! About 3 seconds; 30 with `FERROBASE_LONG=1` in the environment.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use ferrobase_request::{Identity, Work};
use serde_json::Value;

use crate::support::{Fixture, Options, first, path, statement};

const CLIENTS: u64 = 64;
const USERS: u64 = 10;

const SCHEMA: &str = "
    create table notes (id bigint generated always as identity primary key, owner uuid not null, body text);
    create index on notes (owner);
    alter table notes enable row level security;
    create policy own on notes using (owner = auth.uid()) with check (owner = auth.uid());
    insert into notes (owner, body)
        select ('0190b6f0-0000-7000-8000-00000000000' || u)::uuid, 'note ' || n
        from generate_series(0, 9) as u, generate_series(1, 20) as n;
    create function public.go(sql text) returns void language plpgsql as $$ begin execute sql; end $$;";

/// Rows of others, and what a request can find of others in its session. One row of JSON.
const PROBE: &str = "select json_build_object(
    'foreign', (select count(*) from notes where owner is distinct from nullif(current_setting('app.user_id'), '')::uuid),
    'own', (select count(*) from notes where owner = auth.uid()),
    'role', current_user, 'user', current_setting('app.user_id'),
    'claims', current_setting('request.jwt.claims')::json ->> 'sub',
    'legacy', nullif(current_setting('request.jwt.claim.sub', true), ''),
    'marker', nullif(current_setting('app.marker', true), ''),
    'path', current_setting('search_path'), 'row_security', current_setting('row_security'),
    'timeout', current_setting('statement_timeout'), 'timezone', current_setting('timezone'),
    'temporary', pg_my_temp_schema() <> 0,
    'listens', (select count(*) from pg_listening_channels()),
    'locks', (select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()),
    'statements', (select count(*) from pg_prepared_statements where from_sql))";

/// What hostile code leaves behind when it can.
const ATTACKS: [&str; 9] = [
    "select set_config('app.user_id', '0190b6f0-0000-7000-8000-000000000003', false)",
    "select set_config('request.jwt.claim.sub', '0190b6f0-0000-7000-8000-000000000003', false)",
    "select set_config('app.marker', 'left behind', false)",
    "select set_config('row_security', 'off', false)",
    "set statement_timeout = 1; set timezone = 'Asia/Tokyo'",
    "prepare left_behind as select 1",
    "deallocate all",
    "listen left_behind",
    "select pg_advisory_lock_shared(4711)",
];

#[derive(Default)]
struct Tally {
    requests: AtomicU64,
    failed: AtomicU64,
    cancelled: AtomicU64,
    attacks: AtomicU64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_04_interleaved_users_never_see_each_other() {
    let time = if std::env::var_os("FERROBASE_LONG").is_some() { 30 } else { 3 };
    let fixture = Arc::new(Fixture::with(Options { sql: SCHEMA, connections: 2, ..Options::default() }).await);
    let clean = probe(&fixture, &user(&fixture, 0)).await;
    let end = Instant::now() + Duration::from_secs(time);
    let tally = Arc::new(Tally::default());
    let clients = (0..CLIENTS).map(|client| {
        let (fixture, tally, clean) = (Arc::clone(&fixture), Arc::clone(&tally), clean.clone());
        tokio::spawn(async move { play(&fixture, &tally, &clean, client, end).await })
    });
    let finished = futures_util::future::join_all(clients).await;
    finished.into_iter().for_each(|client| client.unwrap());

    // Every user sees exactly what it did itself: nothing was lost, nothing was written for another.
    for number in 0..USERS {
        let seen = probe(&fixture, &user(&fixture, number)).await;
        assert_eq!(seen["foreign"], 0, "{seen}");
    }
    let stats = fixture.target.pools.request.stats();
    assert!(stats.size <= 2, "{stats:?}");
    assert!(stats.cancels > 0 && stats.dirty > 0, "nothing was cancelled or thrown away: {stats:?}");
    let count = |counter: &AtomicU64| counter.load(Relaxed);
    let (requests, failed) = (count(&tally.requests), count(&tally.failed));
    let (cancelled, attacks) = (count(&tally.cancelled), count(&tally.attacks));
    println!("{requests} requests, {failed} failed, {cancelled} cancelled, {attacks} attacks; {stats:?}");
    assert!(requests > 200 && failed > 0 && cancelled > 0 && attacks > 0);
}

/// One client: pseudo-random requests until the end.
async fn play(fixture: &Fixture, tally: &Tally, clean: &Value, client: u64, end: Instant) {
    let number = client % USERS;
    let me = user(fixture, number);
    let mut dice = client.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    while Instant::now() < end {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        tally.requests.fetch_add(1, Relaxed);
        match dice % 10 {
            0..=3 => check(&probe(fixture, &me).await, clean, number),
            4 => {
                let note = "insert into notes (owner, body) values (auth.uid(), 'new') returning owner";
                let owner = fixture.value(me.clone(), note).await.unwrap();
                assert_eq!(owner.as_deref(), me.user_id(), "a row was written for another user");
            }
            5 => {
                let anonymous = fixture.value(fixture.anonymous(), "select count(*) from notes").await.unwrap();
                assert_eq!(anonymous.as_deref(), Some("0"), "nobody saw rows");
            }
            6 => {
                let broken = ["select 1/0", "insert into notes (owner) values (null)", "select missing"];
                let sql = broken[(dice >> 8) as usize % broken.len()];
                fixture.query(me.clone(), sql).await.unwrap_err();
                tally.failed.fetch_add(1, Relaxed);
            }
            7 => {
                // Dropped in the middle: while waiting for a connection, or while the statement runs.
                let slow = fixture.query(me.clone(), "select count(*), pg_sleep(0.05) from notes");
                let patience = Duration::from_micros(500 + (dice >> 8) % 500_000);
                if tokio::time::timeout(patience, slow).await.is_err() {
                    tally.cancelled.fetch_add(1, Relaxed);
                }
            }
            _ => {
                let attack = ATTACKS[(dice >> 8) as usize % ATTACKS.len()];
                // Whether it works does not matter; what is left of it does.
                let _ = fixture.query(me.clone(), &format!("select go($sql${attack}$sql$)")).await;
                tally.attacks.fetch_add(1, Relaxed);
            }
        }
    }
}

fn user(fixture: &Fixture, number: u64) -> Identity {
    fixture.user(&format!("0190b6f0-0000-7000-8000-00000000000{number}"))
}

async fn probe(fixture: &Fixture, identity: &Identity) -> Value {
    let reply = fixture.run(identity.clone(), Work::read(path(), statement(PROBE))).await.unwrap();
    serde_json::from_str(&first(&reply.results[0]).unwrap()).unwrap()
}

fn check(seen: &Value, clean: &Value, number: u64) {
    let me = format!("0190b6f0-0000-7000-8000-00000000000{number}");
    assert_eq!(seen["foreign"], 0, "foreign rows: {seen}");
    assert!(seen["own"].as_u64().unwrap() >= 20, "own rows are missing: {seen}");
    for name in ["user", "claims"] {
        assert_eq!(seen[name], me.as_str(), "{seen}");
    }
    let same = [
        "role",
        "legacy",
        "marker",
        "path",
        "row_security",
        "timeout",
        "timezone",
        "temporary",
        "listens",
        "locks",
        "statements",
    ];
    for name in same {
        assert_eq!(seen[name], clean[name], "{name} was left behind: {seen}");
    }
}
