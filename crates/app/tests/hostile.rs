//! Clients that mean harm, one kind after the other, against the real binary: its memory stays bounded, and everybody
//! else is served meanwhile.
//!
//! Nothing here is judged by the clock: how long others wait is printed, beside how long they waited before, and the server turns
//! nobody away because the machine is slow ([`PATIENCE`]). Sockets one by one, with short limits, are the matter of
//! `crates/edge/tests`. `frames` speaks HTTP/2 without manners.

mod frames;
mod idle;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use ferrobase_testkit::{App, TestDatabase};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, JoinSet};

use crate::caller::Caller;
use crate::{load, support};

/// Megabytes that any attack here may add to the memory of the (unoptimised) server. Half more than the worst one does.
const MOST: f64 = 128.0;
/// For what comes after everything that was asked before; here and in the server.
const PATIENCE: Duration = Duration::from_secs(120);
const MIB: usize = 1024 * 1024;
const REQUEST: &[u8] = b"GET /rest/v1/pages?select=id&limit=1 HTTP/1.1\r\nhost: x\r\n\r\n";

async fn server() -> (TestDatabase, App) {
    let database = support::installed().await;
    database.script(load::SCHEMA).await;
    // Whoever waits behind a thousand requests of an attack is served after them, however busy the machine is.
    let patient = support::serve(&database)
        .env("FERROBASE_DATABASE__SHED_AFTER", "0s")
        .env("FERROBASE_DATABASE__MAX_WAITING", "2000")
        .env("FERROBASE_DATABASE__ACQUIRE_TIMEOUT", "120s")
        .env("FERROBASE_SERVER__REQUEST_TIMEOUT", "120s");
    let app = patient.start().await.unwrap();
    assert_eq!(Caller::of(&app).get("/pages?limit=1").await.status, 200);
    (database, app)
}

/// Megabytes of memory that a process has.
fn memory(app: &App) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", app.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}

/// Everybody else: four callers who ask without pause, and must all be served.
struct Others {
    stop: Arc<AtomicBool>,
    callers: Vec<JoinHandle<Vec<Duration>>>,
}

impl Others {
    fn of(app: &App) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let callers = (0..4)
            .map(|_| {
                let (caller, stop) = (Caller::with_patience(app, PATIENCE), Arc::clone(&stop));
                tokio::spawn(async move {
                    let mut waited = Vec::new();
                    while !stop.load(Relaxed) {
                        let answer = caller.get("/pages?select=id&limit=1").await;
                        assert_eq!(answer.status, 200, "{answer:?}");
                        waited.push(answer.took);
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                    waited
                })
            })
            .collect();
        Self { stop, callers }
    }

    /// How many were served, and how long one of a hundred waited at least.
    async fn end(self) -> String {
        self.stop.store(true, Relaxed);
        let mut waited = Vec::new();
        for caller in self.callers {
            waited.extend(caller.await.unwrap());
        }
        waited.sort_unstable();
        assert!(!waited.is_empty(), "nobody was served");
        format!("{} served, p99 {:.1?}", waited.len(), waited[waited.len() * 99 / 100])
    }
}

async fn connect(app: &App) -> TcpStream {
    TcpStream::connect(("127.0.0.1", app.port())).await.unwrap()
}

/// Sends pieces until the server takes no more, at most so many bytes; gives how many it took.
async fn pour(stream: &mut TcpStream, piece: &[u8], most: usize) -> usize {
    let mut poured = 0;
    while poured < most {
        let written = tokio::time::timeout(Duration::from_secs(1), stream.write(piece)).await;
        match written {
            Ok(Ok(written @ 1..)) => poured += written,
            _ => break,
        }
    }
    poured
}

/// What the server says to it, as far as it comes within a moment.
async fn hear(stream: &mut TcpStream) -> String {
    let mut heard = Vec::new();
    let _ = tokio::time::timeout(Duration::from_millis(500), stream.read_to_end(&mut heard)).await;
    String::from_utf8_lossy(&heard).into_owned()
}

/// Runs so many of an attack side by side; gives what each says of itself.
async fn together<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    app: &App,
    number: usize,
    attack: impl Fn(TcpStream, usize) -> F,
) -> Vec<T> {
    let mut attacks = JoinSet::new();
    for index in 0..number {
        attacks.spawn(attack(connect(app).await, index));
    }
    attacks.join_all().await
}

/// A hundred megabytes of one field: refused when it is longer than fields may be.
async fn endless_heads(app: &App) -> String {
    let poured = together(app, 20, |mut stream, _| async move {
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nx-long: ").await.unwrap();
        let poured = pour(&mut stream, &[b'a'; 65_536], 100 * MIB).await;
        (poured, hear(&mut stream).await)
    })
    .await;
    let most = poured.iter().map(|(poured, _)| *poured).max().unwrap_or_default();
    // Sockets hold some of it on both sides.
    assert!(most < 16 * MIB, "a server took {most} bytes of a head");
    assert!(poured.iter().all(|(_, answer)| answer.is_empty() || answer.starts_with("HTTP/1.1 431")), "{poured:?}");
    format!("at most {} kB of a head were taken", most / 1024)
}

/// Heads and bodies that come byte by byte.
async fn slow_senders(app: &App) -> String {
    let end = Instant::now() + Duration::from_secs(2);
    together(app, 600, |mut stream, index| async move {
        let begin: &[u8] = match index % 2 {
            0 => b"GET /rest/v1/pages HTTP/1.1\r\nhost: x\r\nx-slow: ",
            _ => b"POST /rest/v1/rpc/whoami HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n",
        };
        stream.write_all(begin).await.unwrap();
        while Instant::now() < end {
            stream.write_all(b" ").await.unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
    "600 connections".to_owned()
}

/// Bytes that are no HTTP, alone and behind requests.
async fn garbage(app: &App) -> String {
    let answers = together(app, 200, |mut stream, index| async move {
        let mut dice = index as u64 | 1;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (dice >> 56) as u8
        })
        .take(65_536)
        .collect();
        if index % 2 == 0 {
            let _ = stream.write_all(REQUEST).await;
        }
        let _ = stream.write_all(&noise).await;
        hear(&mut stream).await
    })
    .await;
    let refused = answers.iter().filter(|answer| answer.contains("HTTP/1.1 400")).count();
    format!("{refused} of 200 heard 400 before the end")
}

/// Thousands of requests on a connection whose answers nobody reads.
async fn unread_answers(app: &App) -> String {
    let requests = REQUEST.repeat(1000);
    let poured = together(app, 20, move |mut stream, _| {
        let requests = requests.clone();
        async move {
            let poured = pour(&mut stream, &requests, 64 * MIB).await;
            // Kept open for as long as the others pour.
            (stream, poured)
        }
    })
    .await;
    let most = poured.iter().map(|(_, poured)| *poured).max().unwrap_or_default();
    assert!(most < 32 * MIB, "the server read {most} bytes of requests ahead");
    format!("at most {} kB of requests were taken", most / 1024)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attacks_on_http_1_cost_bounded_memory_and_nobody_else() {
    let (_database, app) = server().await;
    let mut siege = Siege::begin(&app).await;
    siege.lay("heads of 100 MB", endless_heads(&app)).await;
    siege.lay("slow heads and bodies", slow_senders(&app)).await;
    siege.lay("garbage", garbage(&app)).await;
    siege.lay("unread answers", unread_answers(&app)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attacks_on_http_2_cost_bounded_memory_and_nobody_else() {
    let (_database, app) = server().await;
    let mut siege = Siege::begin(&app).await;
    siege.lay("streams without end", frames::many_streams(&app)).await;
    siege.lay("rapid resets", frames::rapid_resets(&app)).await;
    siege.lay("continuations of 100 MB", frames::endless_continuations(&app)).await;
    siege.lay("fields out of a small table", frames::compressed_fields(&app)).await;
    siege.lay("pings and settings", frames::pings_and_settings(&app)).await;
    siege.lay("closed windows", frames::closed_windows(&app)).await;
}

struct Siege<'a> {
    app: &'a App,
    memory: f64,
}

impl<'a> Siege<'a> {
    /// How it is in peace.
    async fn begin(app: &'a App) -> Self {
        let others = Others::of(app);
        tokio::time::sleep(Duration::from_millis(500)).await;
        let others = others.end().await;
        let memory = memory(app);
        println!("in peace: {others}; {memory:.0} MB");
        Self { app, memory }
    }

    async fn lay(&mut self, name: &str, attack: impl Future<Output = String>) {
        let others = Others::of(self.app);
        let started = Instant::now();
        let mut most = memory(self.app);
        let mut watch = tokio::time::interval(Duration::from_millis(20));
        let mut attack = std::pin::pin!(attack);
        let outcome = loop {
            tokio::select! {
                outcome = &mut attack => break outcome,
                _ = watch.tick() => most = most.max(memory(self.app)),
            }
        };
        let (took, others) = (started.elapsed(), others.end().await);
        println!("{name}: {outcome}; {took:.1?}; others: {others}; {most:.0} MB");
        assert!(most < self.memory + MOST, "{name}: {most:.0} MB, {:.0} MB in peace", self.memory);
        assert_eq!(Caller::of(self.app).get("/pages?limit=1").await.status, 200);
    }
}
