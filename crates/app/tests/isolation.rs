//! The isolation test, end to end: 64 interleaved clients of 10 users on two pooled connections. Some requests fail,
//! some are dropped half-way, some run code that tries to leave something behind. Nobody may ever see a row of another
//! user, or a setting of another request.
//!
//! About 5 seconds; 30 with `FERROBASE_LONG=1` in the environment. What the transaction itself guarantees is tested in
//! `crates/request/tests/isolation.rs`; here everything between the socket and PostgreSQL takes part.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ferrobase_testkit::token;
use reqwest::Method;
use serde_json::{Value, json};

use crate::caller::{Answer, Caller, value};
use crate::support;

const CLIENTS: u64 = 64;
const USERS: u64 = 10;
const FIRST_ROWS: u64 = 20;

const SCHEMA: &str = "
    create table notes (
        id bigint generated always as identity primary key,
        owner uuid not null default auth.uid(),
        number int check (number >= 0)
    );
    create index on notes (owner);
    alter table notes enable row level security;
    create policy own on notes using (owner = auth.uid()) with check (owner = auth.uid());
    insert into notes (owner, number)
        select ('0190b6f0-0000-7000-8000-00000000000' || u)::uuid, n from generate_series(0, 9) u, generate_series(1, 20) n;
    create function go(sql text) returns void language plpgsql volatile as $$ begin execute sql; end $$;
    create function refuse() returns void language plpgsql as $$ begin raise exception 'no'; end $$;
    create function dawdle() returns bigint language sql volatile as
        $$ select pg_sleep(0.05); select count(*) from notes $$;

    -- Everything that a request could have inherited, as its own code sees it.
    create function probe() returns json language sql volatile as $$ select json_build_object(
        'foreign', (select count(*) from notes where owner is distinct from auth.uid()),
        'rows', (select count(*) from notes),
        'sub', current_setting('request.jwt.claims')::json ->> 'sub',
        'claims_role', current_setting('request.jwt.claims')::json ->> 'role',
        'tenant', current_setting('request.jwt.claims')::json ->> 'tenant_id',
        'method', current_setting('request.method'),
        'path', current_setting('request.path'),
        'id', current_setting('request.id'),
        'caller', current_setting('request.headers')::json ->> 'x-caller',
        'cookies', current_setting('request.cookies'),
        'app.user_id', current_setting('app.user_id'),
        'app.current_user_id', current_setting('app.current_user_id'),
        'app.role', current_setting('app.role'),
        'app.tenant_id', current_setting('app.tenant_id'),
        'app.current_tenant_id', current_setting('app.current_tenant_id'),
        'app.current_tenant', current_setting('app.current_tenant'),
        'app.client_ip', current_setting('app.client_ip'),
        'legacy', coalesce(current_setting('request.jwt.claim.sub', true), ''),
        'marker', coalesce(current_setting('app.marker', true), ''),
        'role', current_user, 'setting role', current_setting('role'), 'login', session_user,
        'search_path', current_setting('search_path'), 'row_security', current_setting('row_security'),
        'statement_timeout', current_setting('statement_timeout'), 'timezone', current_setting('timezone'),
        'read_only', current_setting('transaction_read_only'), 'encoding', current_setting('client_encoding'),
        'isolation', current_setting('transaction_isolation'),
        'temporary', pg_my_temp_schema() <> 0,
        'listens', (select count(*) from pg_listening_channels()),
        'cursors', (select count(*) from pg_cursors where is_holdable),
        'locks', (select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()),
        'prepared', (select count(*) from pg_prepared_statements where from_sql)) $$;
    notify ferrobase;";

/// What hostile code leaves behind when it can.
const ATTACKS: [&str; 14] = [
    "select set_config('app.user_id', '0190b6f0-0000-7000-8000-000000000003', false)",
    "select set_config('request.jwt.claims', '{\"sub\": \"0190b6f0-0000-7000-8000-000000000003\"}', false)",
    "select set_config('request.jwt.claim.sub', '0190b6f0-0000-7000-8000-000000000003', false)",
    "select set_config('app.marker', 'left behind', false)",
    "select set_config('row_security', 'off', false)",
    "select set_config('role', 'none', false)",
    "set search_path = pg_temp, public; set statement_timeout = 1; set timezone = 'Asia/Tokyo'",
    "set client_encoding = 'LATIN1'",
    "create temporary table notes (owner uuid)",
    "declare left_behind cursor with hold for select 1",
    "prepare left_behind as select 1",
    "deallocate all",
    "listen left_behind",
    "select pg_advisory_lock_shared(4711)",
];

#[derive(Default)]
struct Tally {
    requests: AtomicU64,
    probes: AtomicU64,
    inserted: [AtomicU64; USERS as usize],
    failed: AtomicU64,
    dropped: AtomicU64,
    attacks: AtomicU64,
    foreign: AtomicU64,
    leftover: AtomicU64,
    /// The first few offences, in words.
    offences: Mutex<Vec<String>>,
}

impl Tally {
    fn offence(&self, counter: &AtomicU64, what: String) {
        counter.fetch_add(1, Relaxed);
        let mut offences = self.offences.lock().unwrap();
        if offences.len() < 5 {
            offences.push(what);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_sees_a_row_or_a_setting_of_somebody_else() {
    let seconds = if std::env::var_os("FERROBASE_LONG").is_some() { 30 } else { 5 };
    let database = support::installed().await;
    database.script(SCHEMA).await;
    let app = support::serve(&database)
        // A quarter is for service keys, one at least: two are left for everybody else.
        .env("FERROBASE_DATABASE__MAX_CONNECTIONS", "3")
        .env("FERROBASE_DATABASE__ACQUIRE_TIMEOUT", "15s")
        .start()
        .await
        .unwrap();
    let tally = Arc::new(Tally::default());
    let clean = Arc::new(probe(&Caller::of(&app).with(user_token(0)), 0, "clean").await.json());
    let end = Instant::now() + Duration::from_secs(seconds);
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let caller = Caller::of(&app).with(user_token(client % USERS));
            tokio::spawn(play(caller, Arc::clone(&tally), Arc::clone(&clean), client, end))
        })
        .collect();
    let mut direct = database.connect().await;
    let connections = "select count(*) from pg_stat_activity where application_name = 'ferrobase'
                       and datname = current_database()";
    let mut most = 0;
    while Instant::now() < end {
        most = most.max(value(&mut direct, connections).await.parse().unwrap());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    for client in clients {
        client.await.unwrap();
    }
    let count = |counter: &AtomicU64| counter.load(Relaxed);
    println!(
        "{seconds} s: {} requests, of which {} probes, {} refused statements, {} dropped, {} attacks; at most {most} \
         connections; {} foreign rows, {} leftover settings",
        count(&tally.requests),
        count(&tally.probes),
        count(&tally.failed),
        count(&tally.dropped),
        count(&tally.attacks),
        count(&tally.foreign),
        count(&tally.leftover),
    );
    let offences = tally.offences.lock().unwrap().join("\n");
    assert_eq!((count(&tally.foreign), count(&tally.leftover)), (0, 0), "{offences}");
    // A connection that is being closed may overlap with its successor.
    assert!((1..=4_u32).contains(&most), "{most} connections");
    for (what, counter) in [("refused", &tally.failed), ("dropped", &tally.dropped), ("attacks", &tally.attacks)] {
        assert!(count(counter) > 20, "{what}: {}", count(counter));
    }
    assert!(count(&tally.probes) > 200);

    // Every row that was acknowledged is there, for its owner, and nothing else is.
    for number in 0..USERS {
        let stored = value(&mut direct, &format!("select count(*) from notes where owner = '{}'", user(number))).await;
        let inserted = count(&tally.inserted[number as usize]);
        assert_eq!(stored.parse::<u64>().unwrap(), FIRST_ROWS + inserted, "rows of user {number}");
    }
    let stuck = "select count(*) from pg_stat_activity where datname = current_database()
                 and (state like 'idle in transaction%' or pid in (select pid from pg_locks where locktype = 'advisory'))";
    assert_eq!(value(&mut direct, stuck).await, "0", "a transaction or a lock stayed");
}

/// One client: pseudo-random requests until the end.
async fn play(caller: Caller, tally: Arc<Tally>, clean: Arc<Value>, client: u64, end: Instant) {
    let number = client % USERS;
    let mut dice = client.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    while Instant::now() < end {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        let request = tally.requests.fetch_add(1, Relaxed);
        match dice % 12 {
            0..=3 => {
                let name = format!("{client}-{request}");
                let answer = probe(&caller, number, &name).await;
                tally.probes.fetch_add(1, Relaxed);
                judge(&tally, &clean, &answer, number, &name);
            }
            4 | 5 => read(&caller, &tally, number).await,
            6 => {
                let answer = caller.post("/notes?select=owner", &json!({"number": 1})).await;
                assert_eq!(answer.status, 201, "{answer:?}");
                tally.inserted[number as usize].fetch_add(1, Relaxed);
            }
            7 | 8 => fail(&caller, &tally, dice >> 8, number).await,
            9 | 10 => {
                let patience = Duration::from_micros(500 + (dice >> 8) % 300_000);
                let slow = caller.send(caller.request(Method::POST, "/rpc/dawdle").json(&json!({})));
                if tokio::time::timeout(patience, slow).await.is_err() {
                    tally.dropped.fetch_add(1, Relaxed);
                }
            }
            _ => {
                let attack = ATTACKS[(dice >> 8) as usize % ATTACKS.len()];
                // Whether it works does not matter; what is left of it does.
                caller.call("go", &json!({"sql": attack})).await;
                tally.attacks.fetch_add(1, Relaxed);
            }
        }
    }
}

async fn read(caller: &Caller, tally: &Tally, number: u64) {
    let answer = caller.get("/notes?select=owner&order=id.desc&limit=50").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let rows = answer.json();
    let rows = rows.as_array().unwrap();
    let me = user(number);
    if rows.len() < FIRST_ROWS as usize || rows.iter().any(|row| row["owner"] != me.as_str()) {
        tally.offence(&tally.foreign, format!("user {number} read {}", answer.body));
    }
}

/// Requests that fail inside PostgreSQL, each in its own way.
async fn fail(caller: &Caller, tally: &Tally, dice: u64, number: u64) {
    let other = user((number + 1) % USERS);
    let (answer, status) = match dice % 4 {
        0 => (caller.get("/notes?id=eq.nonsense").await, 400),
        1 => (caller.call("refuse", &json!({})).await, 400),
        2 => (caller.post("/notes", &json!({"number": -1})).await, 400),
        _ => (caller.post("/notes", &json!({"number": 1, "owner": other})).await, 403),
    };
    assert_eq!(answer.status, status, "{answer:?}");
    tally.failed.fetch_add(1, Relaxed);
}

/// Calls `probe`, marked so that the answer can be told from every other.
async fn probe(caller: &Caller, number: u64, name: &str) -> Answer {
    let request = caller.request(Method::POST, "/rpc/probe").json(&json!({}));
    let request = request.header("x-request-id", format!("id-{name}")).header("x-caller", name);
    let answer = caller.send(request).await.unwrap();
    assert_eq!(answer.status, 200, "user {number}: {answer:?}");
    answer
}

/// Compares what a request saw with what it alone may see.
fn judge(tally: &Tally, clean: &Value, answer: &Answer, number: u64, name: &str) {
    let seen = answer.json();
    let (me, id, tenant) = (user(number), format!("id-{name}"), format!("tenant-{number}"));
    if seen["foreign"] != 0 || seen["rows"].as_u64().is_none_or(|rows| rows < FIRST_ROWS) {
        tally.offence(&tally.foreign, format!("user {number}: {seen}"));
    }
    let mut mine = vec![
        (answer.header("x-request-id"), id.as_str()),
        (text(&seen, "id"), id.as_str()),
        (text(&seen, "caller"), name),
        (text(&seen, "tenant"), tenant.as_str()),
    ];
    mine.extend(["sub", "app.user_id", "app.current_user_id"].map(|key| (text(&seen, key), me.as_str())));
    let tenants = ["app.tenant_id", "app.current_tenant_id", "app.current_tenant"];
    mine.extend(tenants.map(|key| (text(&seen, key), tenant.as_str())));
    let own = ["foreign", "rows", "id", "caller", "tenant", "sub", "app.user_id", "app.current_user_id"];
    let same = clean
        .as_object()
        .unwrap()
        .iter()
        .filter(|(key, _)| !own.contains(&key.as_str()) && !tenants.contains(&key.as_str()));
    let differs = same.filter(|(key, value)| seen[key.as_str()] != **value).map(|(key, _)| key.as_str());
    let mut wrong: Vec<&str> = differs.collect();
    wrong.extend(mine.into_iter().filter(|(seen, expected)| seen != expected).map(|(seen, _)| seen));
    if !wrong.is_empty() {
        tally.offence(&tally.leftover, format!("user {number}, {name}: {wrong:?} in {seen}"));
    }
}

fn text<'a>(seen: &'a Value, key: &str) -> &'a str {
    seen[key].as_str().unwrap_or_default()
}

fn user(number: u64) -> String {
    format!("0190b6f0-0000-7000-8000-00000000000{number}")
}

fn user_token(number: u64) -> String {
    let tenant = format!("tenant-{number}");
    token::with_claims(
        &json!({ "role": "authenticated", "sub": user(number), "tenant_id": tenant, "exp": token::now() + 3600 }),
    )
}
