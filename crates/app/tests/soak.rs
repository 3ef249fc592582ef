//! Half an hour at 70 % of what the machine can do, with faults at random moments: `make soak`.
//!
//! How much the machine can do is measured first. Then the proxy breaks the network, sessions and processes of PostgreSQL
//! are killed and it restarts, while memory and open files of the server are noted. Fails when an answer is wrong or late,
//! an acknowledged write is lost, a connection stays lent out, or memory or files grow: `Trend` says what growing is.
//! `FERROBASE_SOAK_MINUTES` says how long (30), `FERROBASE_SOAK_SEED` which faults come when.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ferrobase_pg::{ConnectOptions, Session};
use ferrobase_testkit::private::Stop;
use ferrobase_testkit::proxy::{Fault, Proxy};
use ferrobase_testkit::{App, PrivateCluster};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::caller::{PATIENCE, eventually, metric, value};
use crate::load::{self, Habits, Load};
use crate::support::BINARY;

const CLIENTS: u64 = 32;
const SHARE: f64 = 0.7;
/// The server gives itself two seconds.
const HABITS: Habits = Habits { clients: CLIENTS, latest: Duration::from_secs(5), every: None, large: true };

/// What is done to it.
#[derive(Clone, Copy, Debug)]
enum Blow {
    Network(Fault),
    /// Every session of the server is ended.
    Sessions,
    /// A backend is killed, and PostgreSQL recovers by itself.
    Backend,
    Restart(Stop),
}

const BLOWS: [Blow; 13] = [
    Blow::Network(Fault::Delay(Duration::from_millis(50))),
    Blow::Network(Fault::Trickle(100)),
    Blow::Network(Fault::Reset(20_000)),
    Blow::Network(Fault::Reset(700)),
    Blow::Network(Fault::Truncate(20_000)),
    Blow::Network(Fault::Stall),
    Blow::Network(Fault::Refuse),
    Blow::Network(Fault::Swallow),
    Blow::Sessions,
    Blow::Backend,
    Blow::Restart(Stop::Fast),
    Blow::Restart(Stop::Immediate),
    Blow::Restart(Stop::Kill),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "half an hour: make soak"]
async fn half_an_hour_of_load_and_faults_leaves_nothing_behind() {
    let minutes: f64 = setting("FERROBASE_SOAK_MINUTES").unwrap_or(30.0);
    let seed = setting("FERROBASE_SOAK_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let cluster = PrivateCluster::start(&[("checkpoint_timeout", "30s"), ("max_wal_size", "256MB")]).await.unwrap();
    let proxy = Proxy::start(format!("127.0.0.1:{}", cluster.port())).await.unwrap();
    let app = App::serve(BINARY, &proxy.in_front_of(&cluster.url()))
        .env("FERROBASE_SERVER__REQUEST_TIMEOUT", "2s")
        .env("FERROBASE_DATABASE__CONNECT_TIMEOUT", "1s")
        .env("FERROBASE_OBSERVABILITY__LOG__LEVEL", "error")
        .start()
        .await
        .unwrap();
    session(&cluster).await.script(load::SCHEMA).await.unwrap();
    let caller = crate::caller::Caller::of(&app);
    eventually("the schema is seen", PATIENCE, async || caller.get("/pages?limit=1").await.status == 200).await;

    let (most, first) = calibrate(&app).await;
    let every = Duration::from_secs_f64(CLIENTS as f64 / (most * SHARE));
    println!("{most:.0} requests/s at most; {SHARE} of it for {minutes} minutes; seed {seed}");
    let load = Load::begin(&app, Habits { every: Some(every), ..HABITS }, 2);
    let mut soak = Soak { cluster, proxy, app, dice: seed | 1, blows: BTreeMap::new() };
    let (begun, lasts) = (Instant::now(), Duration::from_secs_f64(minutes * 60.0));
    // A hundred looks at least, six a minute in the long run.
    let look = (lasts / 100).min(Duration::from_secs(10));
    let (mut memory, mut files) = (Trend::default(), Trend::default());
    let (mut next_look, mut next_blow) = (look, lasts / 60);
    while begun.elapsed() < lasts && !load.has_failed() {
        tokio::time::sleep(next_look.min(next_blow).saturating_sub(begun.elapsed())).await;
        if begun.elapsed() >= next_blow {
            soak.strike().await;
            // One each 20 seconds on average; more often in a short soak.
            next_blow = begun.elapsed() + (lasts / 45).min(Duration::from_secs(20)).mul_f64(0.5 + soak.roll());
        }
        if begun.elapsed() >= next_look {
            next_look += look;
            let seconds = begun.elapsed().as_secs_f64();
            memory.note(seconds, resident(&soak.app));
            files.note(seconds, open_files(&soak.app) as f64);
            if memory.0.len() % 10 == 0 {
                let (right, refused) = (load.seen().right(), load.seen().refused());
                println!(
                    "{seconds:5.0} s: {:.1} MB, {:.0} files, {right} right, {refused} refused",
                    memory.last(),
                    files.last()
                );
            }
        }
    }
    let seen = format!(
        "{} right ({:.0}/s), refused: {}, longest {:.2?}",
        load.seen().right(),
        load.seen().right() as f64 / begun.elapsed().as_secs_f64(),
        load.seen().refusals(),
        load.seen().longest()
    );
    let written = load.end().await;
    println!("{seen}\nblows: {:?}", soak.blows);
    let mut session = session(&soak.cluster).await;
    for written in [&first, &written] {
        load::assert_nothing_lost(&mut session, written).await;
    }
    println!("{} acknowledged writes are there", written.values().map(|rows| rows.len()).sum::<usize>());
    for pool in ["request", "service"] {
        let series = format!("database_connections_active{{pool=\"{pool}\"}}");
        eventually("nothing is lent out", PATIENCE, async || metric(&soak.app, &series).await == Some(0.0)).await;
    }
    println!("memory: {}\nopen files: {}", memory.describe("MB"), files.describe("files"));
    assert!(!memory.grows(3.0), "memory grows");
    assert!(!files.grows(5.0), "open files grow");
}

fn setting<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

async fn session(cluster: &PrivateCluster) -> Session {
    Session::connect(&ConnectOptions::parse(&cluster.url()).unwrap()).await.unwrap()
}

/// Requests a second when everybody asks as fast as he can.
async fn calibrate(app: &App) -> (f64, load::Written) {
    let load = Load::begin(app, HABITS, 1);
    // Caches and the allocator's heaps fill first.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let (right, started) = (load.seen().right(), Instant::now());
    tokio::time::sleep(Duration::from_secs(10)).await;
    let most = (load.seen().right() - right) as f64 / started.elapsed().as_secs_f64();
    (most, load.end().await)
}

struct Soak {
    cluster: PrivateCluster,
    proxy: Proxy,
    app: App,
    dice: u64,
    blows: BTreeMap<String, usize>,
}

impl Soak {
    /// A number from 0 to 1.
    fn roll(&mut self) -> f64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        (self.dice >> 11) as f64 / (1_u64 << 53) as f64
    }

    async fn strike(&mut self) {
        let blow = BLOWS[(self.roll() * BLOWS.len() as f64) as usize];
        *self.blows.entry(format!("{blow:?}")).or_default() += 1;
        match blow {
            Blow::Network(fault) => {
                let lasts = Duration::from_secs_f64(0.1 + 2.0 * self.roll());
                self.proxy.set(fault);
                tokio::time::sleep(lasts).await;
                self.proxy.set(Fault::None);
            }
            Blow::Sessions => {
                let all = "select count(pg_terminate_backend(pid)) from pg_stat_activity
                           where application_name = 'ferrobase' and pid <> pg_backend_pid()";
                value(&mut session(&self.cluster).await, all).await;
            }
            Blow::Backend => {
                let one = "select pid from pg_stat_activity where application_name = 'ferrobase' limit 1";
                let pid = value(&mut session(&self.cluster).await, one).await;
                if let Ok(pid) = pid.parse() {
                    let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
                }
                tokio::time::sleep(Duration::from_millis(300)).await;
                let direct = ConnectOptions::parse(&self.cluster.url()).unwrap();
                eventually("PostgreSQL is back", PATIENCE, async || Session::connect(&direct).await.is_ok()).await;
            }
            Blow::Restart(how) => {
                self.cluster.stop(how).await.unwrap();
                self.cluster.start_again().await.unwrap();
            }
        }
    }
}

/// Megabytes of memory.
fn resident(app: &App) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", app.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}

fn open_files(app: &App) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", app.pid())).unwrap().count()
}

/// A value over time, in seconds.
#[derive(Default)]
struct Trend(Vec<(f64, f64)>);

/// A line through the second half of a trend.
struct Line {
    /// Of the value, a second.
    slope: f64,
    /// Of the slope.
    error: f64,
    seconds: f64,
    mean: f64,
}

impl Trend {
    fn note(&mut self, seconds: f64, value: f64) {
        self.0.push((seconds, value));
    }

    fn last(&self) -> f64 {
        self.0.last().map_or(0.0, |(_, value)| *value)
    }

    /// Least squares over the second half; what fills up once (caches, heaps) has done so by then.
    fn line(&self) -> Line {
        let half = &self.0[self.0.len() / 2..];
        let n = half.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| half.iter().map(of).sum::<f64>() / n;
        let (middle, mean) = (mean(|point| point.0), mean(|point| point.1));
        let spread: f64 = half.iter().map(|(t, _)| (t - middle).powi(2)).sum();
        let slope = half.iter().map(|(t, v)| (t - middle) * (v - mean)).sum::<f64>() / spread;
        let rest: f64 = half.iter().map(|(t, v)| (v - mean - slope * (t - middle)).powi(2)).sum();
        let error = (rest / (n - 2.0).max(1.0) / spread).sqrt();
        Line { slope, error, seconds: half[half.len() - 1].0 - half[0].0, mean }
    }

    /// Whether the line rises by more than `least`, more than a twentieth of the value, and more than three times
    /// what chance explains. Looks that follow each other are not independent (memory moves in steps), so the error
    /// alone would see a trend in a single step.
    fn grows(&self, least: f64) -> bool {
        let Line { slope, error, seconds, mean } = self.line();
        slope * seconds > least.max(mean / 20.0).max(3.0 * error * seconds)
    }

    fn describe(&self, unit: &str) -> String {
        let Line { slope, error, seconds, mean } = self.line();
        let values = self.0.iter().map(|(_, value)| *value);
        let (low, high) = values.fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
        format!(
            "{low:.1} to {high:.1} {unit}; second half: mean {mean:.1}, slope {:+.2} ± {:.2} {unit} an hour, {:+.2} {unit} over \
             {seconds:.0} s",
            slope * 3600.0,
            error * 3600.0,
            slope * seconds
        )
    }
}

#[test]
fn a_trend_is_told_from_noise_and_from_one_step() {
    let of =
        |value: fn(f64) -> f64| Trend((0..180).map(|look| (f64::from(look) * 10.0, value(f64::from(look)))).collect());
    let noise = |look: f64| (look * 12.9898).sin();
    assert!(!of(noise).grows(3.0));
    assert!(!of(|look| 50.0 + f64::from(u8::from(look > 135.0))).grows(3.0), "a step of one");
    assert!(!of(|look| if look < 90.0 { look } else { 90.0 }).grows(3.0), "it filled up");
    let leak = of(|look| 30.0 + look / 20.0 + (look * 12.9898).sin());
    assert!(leak.grows(3.0), "{}", leak.describe("MB"));
}
