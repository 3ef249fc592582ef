//! Ten thousand callers who asked once and stay. With `FERROBASE_LONG=1` they leave and ten thousand others come, twice:
//! memory that the allocator keeps is used again.

use std::time::{Duration, Instant};

use ferrobase_testkit::App;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::{Others, connect, memory, server};

const CONNECTIONS: usize = 10_000;
/// Kilobytes for one of them. The unoptimised server takes a third.
const MOST_EACH: f64 = 48.0;

/// Answered without the database, and short.
const QUESTION: &[u8] = b"GET /nowhere HTTP/1.1\r\nhost: x\r\n\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_idle_connections_cost_little_and_nobody_else() {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let files = if setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() { hard } else { soft };
    // The server leaves 512 for other things than connections, and inherits this process's bound.
    let number = CONNECTIONS.min(usize::try_from(files).unwrap().saturating_sub(700));
    let (_database, app) = server().await;
    let others = Others::of(&app);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let (peace, before) = (others.end().await, memory(&app));
    println!("in peace: {peace}; {before:.0} MB");
    let first = crowd(&app, number).await;
    let each = (first - before) * 1024.0 / number as f64;
    println!("{each:.1} kB each");
    assert!(each < MOST_EACH, "{each} kB for an idle connection");
    for _ in 0..if std::env::var_os("FERROBASE_LONG").is_some() { 2 } else { 0 } {
        let again = crowd(&app, number).await;
        assert!(again < first * 1.2, "{again} MB after {first} MB");
    }
}

/// Comes, asks, stays and leaves; gives the megabytes of the server while all are there.
async fn crowd(app: &App, number: usize) -> f64 {
    let others = Others::of(app);
    let started = Instant::now();
    let mut asking = JoinSet::new();
    let mut idle = Vec::with_capacity(number);
    for _ in 0..number {
        let mut stream = connect(app).await;
        asking.spawn(async move {
            ask(&mut stream).await;
            stream
        });
        if asking.len() >= 64 {
            idle.push(asking.join_next().await.unwrap().unwrap());
        }
    }
    idle.extend(asking.join_all().await);
    let (opened, after) = (started.elapsed(), memory(app));
    // They are all there still.
    for stream in idle.iter_mut().step_by(97) {
        ask(stream).await;
    }
    let others = others.end().await;
    println!("{number} idle connections after {opened:.1?}: {after:.0} MB; others: {others}");
    drop(idle);
    let others = Others::of(app);
    tokio::time::sleep(Duration::from_millis(500)).await;
    println!("after they left: {}; {:.0} MB", others.end().await, memory(app));
    after
}

async fn ask(stream: &mut TcpStream) {
    stream.write_all(QUESTION).await.unwrap();
    let mut answer = [0; 2048];
    let read = stream.read(&mut answer).await.unwrap();
    assert!(answer[..read].starts_with(b"HTTP/1.1 404"), "{}", String::from_utf8_lossy(&answer[..read]));
}
