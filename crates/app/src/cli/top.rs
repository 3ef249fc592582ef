//! `ferrobase top`: what a running server does, as a table that is drawn again and again.
//!
//! Asks `/debug/top` of the admin port twice and shows what happened in between; the first table shows sums since the
//! start. On a terminal each table replaces the one before; anywhere else they follow each other.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, stdout};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use ferrobase_egress::{Authorities, Bounds, Client};

use crate::config::Environment;
use crate::dev::project::Project;
use crate::server::top::{PoolTop, StatementTop, Top};

use super::settings::FileArguments;
use super::terminal;

/// Home, and everything below it gone.
const CLEAR: &str = "\x1b[H\x1b[2J";
/// Lines above the statements, and of a screen whose height nobody tells.
const HEAD: usize = 12;
const SCREEN: (usize, usize) = (100, 40);
const NARROWEST: usize = 60;

/// Shows statements, pools and waits of a running server.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  ferrobase top\n  ferrobase top --url http://127.0.0.1:9091 --interval 5\n  ferrobase top --json | jq '.statements[0]'\n\nOn the machine of the server: the admin port listens on loopback."
)]
pub(super) struct TopArguments {
    #[command(flatten)]
    file: FileArguments,
    /// Address of the admin port; else that of the configuration (`server.admin_port`), else that of the `ferrobase dev` which
    /// runs in this folder.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Seconds between two looks.
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0)]
    interval: f64,
    /// Ends after so many tables.
    #[arg(long, value_name = "NUMBER")]
    count: Option<u64>,
    /// One look as JSON, sums since the start.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &TopArguments, environment: Environment) -> Result<ExitCode> {
    if !(0.1..=3600.0).contains(&arguments.interval) {
        bail!("--interval {}: must be from 0.1 to 3600", arguments.interval);
    }
    let url = match &arguments.url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => found(&arguments.file, environment)?,
    };
    terminal::block_on(watch(arguments, format!("{url}/debug/top")))?;
    Ok(ExitCode::SUCCESS)
}

/// The admin port that is configured, else that of the `dev` that runs in this folder, else the usual one.
fn found(file: &FileArguments, environment: Environment) -> Result<String> {
    let loaded = file.load(environment)?;
    if loaded.tree.at("server.admin_port").is_none()
        && let Some(dev) = Project::at(Path::new("."))?.alive()?
    {
        return Ok(dev.admin_url);
    }
    let server = &loaded.config.server;
    Ok(format!("http://{}:{}", reachable(&server.admin_host), server.admin_port))
}

/// Whoever listens everywhere is found on this machine too.
fn reachable(host: &str) -> String {
    match host {
        "0.0.0.0" | "*" => "127.0.0.1".to_owned(),
        "::" => "[::1]".to_owned(),
        host if host.contains(':') => format!("[{host}]"),
        host => host.to_owned(),
    }
}

async fn watch(arguments: &TopArguments, url: String) -> Result<()> {
    let client = Client::for_named(Bounds::default(), Authorities::System);
    if arguments.json {
        return terminal::print_json(&look(&client, &url).await?);
    }
    let is_screen = stdout().is_terminal();
    let mut before: Option<Top> = None;
    let mut shown = 0;
    loop {
        let now = look(&client, &url).await?;
        // After a restart the sums begin again.
        let since = before.as_ref().filter(|before| before.uptime_seconds < now.uptime_seconds);
        let table = table(&now, since, size());
        let text = if is_screen { format!("{CLEAR}{table}") } else { format!("{table}\n") };
        if !terminal::print_while_read(&text)? {
            return Ok(());
        }
        shown += 1;
        if arguments.count.is_some_and(|count| shown >= count) {
            return Ok(());
        }
        before = Some(now);
        tokio::time::sleep(Duration::from_secs_f64(arguments.interval)).await;
    }
}

async fn look(client: &Client, url: &str) -> Result<Top> {
    let answer = client.get(url, "application/json").await.with_context(|| format!("cannot ask {url}"))?;
    match answer.status.as_u16() {
        200 => serde_json::from_slice(&answer.body).with_context(|| format!("{url} answers something else")),
        404 => bail!("{url} is not there: is that the admin port of `ferrobase serve` or `dev`?"),
        status => bail!("{url} answers with status {status}"),
    }
}

/// Columns and lines of the screen.
fn size() -> (usize, usize) {
    terminal_size::terminal_size().map_or(SCREEN, |(width, height)| (width.0.into(), height.0.into()))
}

/// Everything, as far as the screen reaches.
fn table(now: &Top, before: Option<&Top>, (width, height): (usize, usize)) -> String {
    let width = width.max(NARROWEST);
    let seconds = before.map_or(now.uptime_seconds, |before| now.uptime_seconds - before.uptime_seconds);
    let answered =
        now.requests.answered - before.map_or(0, |before| before.requests.answered.min(now.requests.answered));
    let mut text = String::new();
    // Writing into memory cannot fail.
    let _ = writeln!(
        text,
        "ferrobase {}   up {}   {:.1} requests/s   {} in flight   {}",
        now.version,
        age(now.uptime_seconds),
        answered as f64 / seconds.max(0.001),
        now.requests.in_flight,
        if before.is_some() { format!("last {seconds:.1} s") } else { "since the start".to_owned() },
    );
    let _ = writeln!(
        text,
        "\n{:<10} {:>6} {:>5} {:>5} {:>7} {:>11} {:>9}",
        "POOL", "ACTIVE", "IDLE", "MAX", "WAITING", "LANES", "TIMEOUTS"
    );
    now.pools.iter().for_each(|pool| pool_line(&mut text, pool));
    let _ = writeln!(text, "\n{}", waits(now));
    if let Some(advice) = &now.advice {
        let _ = writeln!(text, "Requests wait: {}", advice.text);
    }
    text.push('\n');
    let mut rows = rows(now, before);
    rows.truncate(height.saturating_sub(HEAD + now.pools.len()).max(5));
    let _ = writeln!(
        text,
        "{:>9} {:>9} {:>9} {:>6} {:>6} {:>9}  STATEMENT",
        "CALLS/S", "MEAN", "P99", "WAIT", "ERR", "BYTES/S"
    );
    for row in rows {
        let line = format!(
            "{:>9.1} {:>9} {:>9} {:>5.0}% {:>6} {:>9}  {}",
            row.calls as f64 / seconds.max(0.001),
            time(row.total_us as f64 / row.calls.max(1) as f64),
            time(row.p99_us as f64),
            100.0 * row.wait_us as f64 / row.total_us.max(1) as f64,
            row.errors,
            size_of(row.bytes as f64 / seconds.max(0.001)),
            row.name,
        );
        let _ = writeln!(text, "{}", line.chars().take(width).collect::<String>().trim_end());
    }
    text
}

fn pool_line(text: &mut String, pool: &PoolTop) {
    let lanes = match pool.lanes_held_up {
        0 => pool.lanes.to_string(),
        held => format!("{} ({held} held)", pool.lanes),
    };
    let away = if pool.available { "" } else { "  database away" };
    let _ = writeln!(
        text,
        "{:<10} {:>6} {:>5} {:>5} {:>7} {:>11} {:>9}{away}",
        pool.name, pool.active, pool.idle, pool.max, pool.waiting, lanes, pool.timeouts
    );
}

/// What sessions of the database that are at work wait for.
fn waits(top: &Top) -> String {
    let Some(activity) = &top.activity else { return "PostgreSQL: not asked (no connection as the owner)".to_owned() };
    let busy = activity.iter().filter(|one| one.state != "idle");
    let told: Vec<String> = busy
        .map(|one| {
            let what = match (one.state.as_str(), one.wait_type.as_str()) {
                ("active", "") => "on the CPU".to_owned(),
                ("active", kind) => format!("{kind}/{}", one.wait_event),
                (state, _) => state.to_owned(),
            };
            format!(
                "{} {what}{}",
                one.sessions,
                if one.oldest_seconds >= 1.0 { format!(" ({})", age(one.oldest_seconds)) } else { String::new() }
            )
        })
        .collect();
    if told.is_empty() { "PostgreSQL: idle".to_owned() } else { format!("PostgreSQL: {}", told.join(", ")) }
}

/// A statement in the time between two looks.
struct Row<'t> {
    name: &'t str,
    calls: u64,
    errors: u64,
    total_us: u64,
    wait_us: u64,
    bytes: u64,
    p99_us: u64,
}

/// Statements that ran, those first that took most time.
fn rows<'t>(now: &'t Top, before: Option<&Top>) -> Vec<Row<'t>> {
    // A statement that was forgotten and came back counts from nothing.
    let known = |one: &StatementTop| {
        before?.statements.iter().find(|old| old.name == one.name).filter(|old| old.calls <= one.calls)
    };
    let nothing = StatementTop::default();
    let mut rows: Vec<Row<'t>> = now
        .statements
        .iter()
        .map(|one| {
            let old = known(one).unwrap_or(&nothing);
            Row {
                name: &one.name,
                calls: one.calls - old.calls,
                errors: one.errors.saturating_sub(old.errors),
                total_us: one.total_us.saturating_sub(old.total_us),
                wait_us: one.wait_us.saturating_sub(old.wait_us),
                bytes: one.bytes.saturating_sub(old.bytes),
                p99_us: quantile(0.99, &one.latency, &old.latency),
            }
        })
        .filter(|row| row.calls > 0)
        .collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.total_us));
    rows
}

/// The bound below which this share of the requests stayed that came since `old`.
fn quantile(share: f64, now: &[(u64, u32)], old: &[(u64, u32)]) -> u64 {
    let before = |bound| old.iter().find(|(other, _)| *other == bound).map_or(0, |(_, count)| *count);
    let counts: Vec<(u64, u64)> =
        now.iter().map(|(bound, count)| (*bound, u64::from(count.saturating_sub(before(*bound))))).collect();
    let all: u64 = counts.iter().map(|(_, count)| count).sum();
    let wanted = (all as f64 * share).ceil() as u64;
    let mut seen = 0;
    for (bound, count) in counts {
        seen += count;
        if count > 0 && seen >= wanted {
            return bound;
        }
    }
    0
}

/// Microseconds for people.
fn time(micros: f64) -> String {
    match micros {
        m if m < 1000.0 => format!("{m:.0} us"),
        m if m < 10_000.0 => format!("{:.2} ms", m / 1e3),
        m if m < 1e6 => format!("{:.0} ms", m / 1e3),
        m => format!("{:.1} s", m / 1e6),
    }
}

/// Bytes for people.
fn size_of(bytes: f64) -> String {
    match bytes {
        b if b < 1000.0 => format!("{b:.0}"),
        b if b < 1e6 => format!("{:.1} kB", b / 1e3),
        b if b < 1e9 => format!("{:.1} MB", b / 1e6),
        b => format!("{:.1} GB", b / 1e9),
    }
}

/// Seconds for people.
fn age(seconds: f64) -> String {
    let whole = seconds as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min", whole / 60),
        3600..86_400 => format!("{} h {} min", whole / 3600, whole / 60 % 60),
        _ => format!("{} d {} h", whole / 86_400, whole / 3600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::top::{Activity, Requests};

    fn statement(name: &str, calls: u64, total_us: u64, latency: &[(u64, u32)]) -> StatementTop {
        StatementTop { name: name.to_owned(), calls, total_us, latency: latency.to_vec(), ..StatementTop::default() }
    }

    #[test]
    fn a_table_shows_what_happened_since_the_look_before() {
        let before = Top {
            uptime_seconds: 10.0,
            requests: Requests { answered: 100, in_flight: 0 },
            statements: vec![statement("GET books", 100, 1_000_000, &[(16_384, 100)])],
            ..Top::default()
        };
        let now = Top {
            uptime_seconds: 12.0,
            requests: Requests { answered: 120, in_flight: 3 },
            statements: vec![
                statement("GET books", 110, 1_020_000, &[(2048, 9), (4096, 1), (16_384, 100)]),
                statement("GET authors", 10, 500_000, &[(65_536, 10)]),
            ],
            activity: Some(vec![Activity {
                state: "active".to_owned(),
                wait_type: "Lock".to_owned(),
                wait_event: "relation".to_owned(),
                sessions: 2,
                oldest_seconds: 75.0,
            }]),
            pools: vec![PoolTop { name: "request".to_owned(), max: 15, available: true, ..PoolTop::default() }],
            ..Top::default()
        };
        let text = table(&now, Some(&before), SCREEN);
        assert!(text.contains("10.0 requests/s   3 in flight   last 2.0 s"), "{text}");
        assert!(text.contains("PostgreSQL: 2 Lock/relation (1 min)"), "{text}");
        let lines: Vec<&str> = text.lines().filter(|line| line.contains("GET ")).collect();
        assert!(lines[0].ends_with("GET authors") && lines[0].contains("50 ms"), "{text}");
        assert!(!text.contains("Requests wait"), "{text}");
        assert!(lines[1].contains("5.0") && lines[1].contains("2.00 ms") && lines[1].contains("4.10 ms"), "{text}");
    }

    #[test]
    fn sums_are_shown_when_there_was_no_look_before_and_long_names_end_at_the_edge() {
        let name = "GET books(authors) by ".to_owned() + &"title,".repeat(40);
        let now =
            Top { uptime_seconds: 100.0, statements: vec![statement(&name, 10, 1000, &[(112, 10)])], ..Top::default() };
        let text = table(&now, None, (80, 24));
        assert!(text.contains("since the start") && text.contains("not asked"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }

    #[test]
    fn numbers_are_for_people() {
        assert_eq!([time(12.0), time(1234.0), time(45_678.0), time(2.5e6)], ["12 us", "1.23 ms", "46 ms", "2.5 s"]);
        assert_eq!([size_of(12.0), size_of(1.5e3), size_of(2e6)], ["12", "1.5 kB", "2.0 MB"]);
        assert_eq!([age(59.0), age(3700.0), age(90_000.0)], ["59 s", "1 h 1 min", "1 d 1 h"]);
        assert_eq!(
            [reachable("0.0.0.0"), reachable("::1"), reachable("localhost")],
            ["127.0.0.1", "[::1]", "localhost"]
        );
    }
}
