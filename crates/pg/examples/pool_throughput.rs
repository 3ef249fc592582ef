//! Requests a second and CPU per request of `Pool::run` against a real server, to compare with pgbench.
//!
//! `cargo run --profile dist -p ferrobase-pg --example pool_throughput -- URL 'select ...' [callers] [connections] [seconds] [checked]`
//! Settings are those of a typical request. `checked` runs the check after user code. See requirements/performance.md.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ferrobase_pg::{Batch, ConnectOptions, Formats, Mode, Pool, PoolOptions, Settings, Statement};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, sql, rest @ ..] = arguments.as_slice() else { panic!("usage: pool_throughput URL SQL ...") };
    let number = |index: usize, default: usize| rest.get(index).and_then(|n| n.parse().ok()).unwrap_or(default);
    let (callers, connections, seconds) = (number(0, 8), number(1, 8), number(2, 5));
    let checked = rest.get(3).is_some_and(|word| word == "checked");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(measure(url, sql, callers, connections, Duration::from_secs(seconds as u64), checked));
}

async fn measure(url: &str, sql: &str, callers: usize, connections: usize, time: Duration, checked: bool) {
    let options = PoolOptions { max_connections: connections, ..PoolOptions::default() };
    let pool = Pool::new(ConnectOptions::parse(url).expect("a URL"), options);
    let statement =
        Statement { sql: Arc::from(sql), params: Vec::new(), param_types: Vec::new(), formats: Formats::Text };
    let scope: Arc<str> = "bench".into();
    let (end, cpu) = (Instant::now() + time, cpu_ticks());
    let tasks: Vec<_> = (0..callers)
        .map(|caller| {
            let (pool, statement, scope) = (pool.clone(), statement.clone(), scope.clone());
            tokio::spawn(async move {
                let mut times = Vec::new();
                while Instant::now() < end {
                    let started = Instant::now();
                    pool.run(request(caller, &statement, &scope, checked)).await.expect("an answer");
                    times.push(started.elapsed());
                }
                times
            })
        })
        .collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.expect("a caller"));
    }
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    println!(
        "{:.0} requests/s, p50 {:?}, p99 {:?}, own CPU {:.1} us/request, {:?}",
        times.len() as f64 / time.as_secs_f64(),
        at(50),
        at(99),
        (cpu_ticks() - cpu) as f64 * 10_000.0 / times.len() as f64,
        pool.stats()
    );
}

fn request(caller: usize, statement: &Statement, scope: &Arc<str>, checked: bool) -> Batch {
    let claims = format!(r#"{{"sub":"00000000-0000-0000-0000-{caller:012}","role":"authenticated"}}"#);
    let settings = [("search_path", "public"), ("request.method", "GET"), ("request.path", "/todos")];
    let mut settings: Settings = settings.into_iter().collect();
    settings.set("request.jwt.claims", &claims);
    Batch {
        settings,
        statements: vec![statement.clone()],
        mode: Mode::Implicit,
        scope: scope.clone(),
        runs_user_code: checked,
        counts_up: false,
        proof: None,
        writes: false,
        shareable: false,
        since: Instant::now(),
        deadline: Instant::now() + Duration::from_secs(10),
    }
}

/// User and system time of this process, in hundredths of a second (Linux).
fn cpu_ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    after_name.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<u64>().ok()).sum()
}
