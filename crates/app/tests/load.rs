//! Users who read, write and call without pause and check every answer, while `storms` and `soak` break things.
//!
//! Right is an answer with exactly the rows that its user may see and has written; the only other one is "not now": 503
//! with `Retry-After`, or 504, with a code. Everything else, an answer that breaks off, and one that comes later than it
//! may, fails the test. Each row is written once: if it is there already, somebody repeated a write.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ferrobase_pg::Session;
use ferrobase_testkit::{App, token};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::caller::{Answer, Caller};

/// Notes of users, something large, and functions that read and write.
pub(crate) const SCHEMA: &str = "
    create table notes (owner uuid not null default auth.uid(), client int, n bigint, primary key (client, n));
    create index on notes (owner, n);
    alter table notes enable row level security;
    create policy own on notes using (owner = auth.uid()) with check (owner = auth.uid());
    create table pages (id int primary key, body text);
    alter table pages enable row level security;
    create policy everybody on pages for select using (true);
    insert into pages select id, repeat(md5(id::text), 2000) from generate_series(0, 9) id;
    create function whoami() returns uuid language plpgsql stable as 'begin return auth.uid(); end';
    create function note(client int, n bigint) returns bigint language sql volatile as
        $$ insert into notes (client, n) values (client, n) returning n $$;
    notify ferrobase;";

const PAGE: usize = 64_000;

fn user(number: u64) -> String {
    format!("0190b6f0-0000-7000-8000-{number:012}")
}

/// How the users ask.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Habits {
    pub(crate) clients: u64,
    /// No answer may take longer.
    pub(crate) latest: Duration,
    /// A request each so often, as long as the server keeps up; without it the next one follows the answer.
    pub(crate) every: Option<Duration>,
    /// Whether they also ask for what is larger than a packet.
    pub(crate) large: bool,
}

/// What they saw.
pub(crate) struct Seen {
    origin: Instant,
    right: AtomicU64,
    longest_us: AtomicU64,
    last_refusal_us: AtomicU64,
    refusals: Mutex<BTreeMap<String, u64>>,
}

impl Seen {
    pub(crate) fn right(&self) -> u64 {
        self.right.load(Relaxed)
    }

    pub(crate) fn refused(&self) -> u64 {
        self.refusals.lock().unwrap().values().sum()
    }

    /// Refusals by status and code.
    pub(crate) fn refusals(&self) -> String {
        let refusals = self.refusals.lock().unwrap();
        refusals.iter().map(|(what, count)| format!("{count} x {what}")).collect::<Vec<_>>().join(", ")
    }

    pub(crate) fn longest(&self) -> Duration {
        Duration::from_micros(self.longest_us.load(Relaxed))
    }

    /// When somebody was turned away last; the beginning when nobody was.
    pub(crate) fn last_refusal(&self) -> Instant {
        self.origin + Duration::from_micros(self.last_refusal_us.load(Relaxed))
    }
}

/// Rows whose writing was acknowledged, by client.
pub(crate) type Written = BTreeMap<u64, BTreeSet<u64>>;

/// Users at work.
pub(crate) struct Load {
    seen: Arc<Seen>,
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<BTreeSet<u64>>>,
}

impl Load {
    /// Sets them to work. `generation` makes their rows others than those of an earlier load.
    pub(crate) fn begin(app: &App, habits: Habits, generation: u64) -> Self {
        let seen = Arc::new(Seen {
            origin: Instant::now(),
            right: AtomicU64::new(0),
            longest_us: AtomicU64::new(0),
            last_refusal_us: AtomicU64::new(0),
            refusals: Mutex::default(),
        });
        let stop = Arc::new(AtomicBool::new(false));
        let clients = (0..habits.clients)
            .map(|number| {
                let client = Client {
                    caller: Caller::of(app).with(token::of_user(&user(number))),
                    number,
                    me: user(number),
                    habits,
                    seen: Arc::clone(&seen),
                    next: generation * 1_000_000_000,
                    written: BTreeSet::new(),
                };
                tokio::spawn(client.play(Arc::clone(&stop)))
            })
            .collect();
        Self { seen, stop, clients }
    }

    pub(crate) fn seen(&self) -> &Seen {
        &self.seen
    }

    /// Whether a client found something wrong: `end` says what.
    pub(crate) fn has_failed(&self) -> bool {
        self.clients.iter().any(JoinHandle::is_finished)
    }

    /// Lets them finish what they are at.
    pub(crate) async fn end(self) -> Written {
        self.stop.store(true, Relaxed);
        let mut written = Written::new();
        for (client, number) in self.clients.into_iter().zip(0..) {
            written.insert(number, client.await.unwrap());
        }
        written
    }
}

/// Every acknowledged row is there.
pub(crate) async fn assert_nothing_lost(session: &mut Session, written: &Written) {
    for (client, written) in written {
        let rows = session.query("select n from notes where client = $1", &[Some(&client.to_string())]).await.unwrap();
        let stored: BTreeSet<u64> = rows.rows.iter().map(|row| row.text(0).unwrap().parse().unwrap()).collect();
        let lost: Vec<_> = written.difference(&stored).collect();
        assert!(lost.is_empty(), "client {client} lost acknowledged rows: {lost:?}");
    }
}

struct Client {
    caller: Caller,
    number: u64,
    me: String,
    habits: Habits,
    seen: Arc<Seen>,
    next: u64,
    written: BTreeSet<u64>,
}

impl Client {
    async fn play(mut self, stop: Arc<AtomicBool>) -> BTreeSet<u64> {
        let mut dice = (self.number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        // One after the other, not all at the same moment.
        let mut pace = self.habits.every.map(|every| {
            let first = every.mul_f64(self.number as f64 / self.habits.clients as f64);
            tokio::time::interval_at(tokio::time::Instant::now() + first, every)
        });
        if let Some(pace) = &mut pace {
            pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        }
        while !stop.load(Relaxed) {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            if let Some(pace) = &mut pace {
                pace.tick().await;
            }
            self.ask(dice >> 20).await;
        }
        self.written
    }

    async fn ask(&mut self, dice: u64) {
        let number = self.number;
        match dice % 20 {
            0..=5 => {
                let path = format!("/notes?select=owner,client,n&client=eq.{number}&order=n.desc&limit=20");
                let Some(rows) = self.served(self.caller.request(Method::GET, &path), 200).await else { return };
                assert!(self.are_mine(&rows) && rows[0]["client"].as_u64().is_none_or(|c| c == number), "{rows}");
                let (newest, known) = (rows[0]["n"].as_u64(), self.written.last().copied());
                assert!(newest >= known, "client {number} read {newest:?} after {known:?} was acknowledged");
            }
            6..=8 => {
                let path = "/notes?select=owner&limit=10";
                let Some(rows) = self.served(self.caller.request(Method::GET, path), 200).await else { return };
                assert!(self.are_mine(&rows), "client {number} got {rows}");
            }
            9..=10 => {
                let whose = (dice >> 4) % self.habits.clients;
                let path = format!("/notes?select=owner&client=eq.{whose}&limit=5");
                let Some(rows) = self.served(self.caller.request(Method::GET, &path), 200).await else { return };
                assert!(self.are_mine(&rows), "client {number} got {rows} of {whose}");
                assert!(whose == number || rows == json!([]), "client {number} got {rows} of {whose}");
            }
            11 if self.habits.large => {
                let id = (dice >> 4) % 10;
                let request = self.caller.request(Method::GET, &format!("/pages?id=eq.{id}"));
                let Some(rows) = self.served(request, 200).await else { return };
                let body = rows[0]["body"].as_str().unwrap_or_default();
                let is_whole =
                    body.len() == PAGE && body.as_bytes().chunks(32).all(|piece| piece == &body.as_bytes()[..32]);
                assert!(rows[0]["id"] == id && is_whole, "page {id}: {} bytes", body.len());
            }
            11..=14 => {
                let request = self.caller.request(Method::GET, "/rpc/whoami");
                let Some(answer) = self.served(request, 200).await else { return };
                assert_eq!(answer, json!(self.me));
            }
            15..=17 => {
                self.next += 1;
                let row = json!({"client": number, "n": self.next});
                let request = self.caller.request(Method::POST, "/notes?select=owner,n").json(&row);
                let request = request.header("prefer", "return=representation");
                let Some(rows) = self.served(request, 201).await else { return };
                assert!(self.are_mine(&rows) && rows[0]["n"] == self.next, "client {number} wrote {row}, got {rows}");
                self.written.insert(self.next);
            }
            _ => {
                self.next += 1;
                let arguments = json!({"client": number, "n": self.next});
                let request = self.caller.request(Method::POST, "/rpc/note").json(&arguments);
                let Some(answer) = self.served(request, 200).await else { return };
                assert_eq!(answer, self.next);
                self.written.insert(self.next);
            }
        }
    }

    fn are_mine(&self, rows: &Value) -> bool {
        rows.as_array().is_some_and(|rows| rows.iter().all(|row| row["owner"] == self.me))
    }

    /// The answer, unless the client was told to come back later.
    async fn served(&self, request: reqwest::RequestBuilder, status: u16) -> Option<Value> {
        let answer =
            self.caller.send(request).await.unwrap_or_else(|error| panic!("client {}: {error:?}", self.number));
        self.seen.longest_us.fetch_max(micros(answer.took), Relaxed);
        assert!(answer.took <= self.habits.latest, "client {}: too late: {answer:?}", self.number);
        if answer.status == status {
            self.seen.right.fetch_add(1, Relaxed);
            return Some(answer.json());
        }
        assert!(is_refusal(&answer), "client {}: {answer:?}", self.number);
        self.seen.last_refusal_us.fetch_max(micros(self.seen.origin.elapsed()), Relaxed);
        *self.seen.refusals.lock().unwrap().entry(format!("{} {}", answer.status, answer.code())).or_default() += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
        None
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn is_refusal(answer: &Answer) -> bool {
    answer.is_unavailable() || (answer.status == 504 && !answer.code().is_empty())
}
