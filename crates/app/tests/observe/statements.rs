//! Statements by name: the log of slow ones, `/debug/top` and `ferrobase top`.

use std::process::Command;

use ferrobase_testkit::App;
use serde_json::{Value, json};

use crate::caller::{Caller, PATIENCE, client, eventually, metric};
use crate::support::{self, BINARY};

const SLOW: &str = "create function slow(seconds float8, note text) returns text language plpgsql as
                    $$ begin perform pg_sleep(seconds); return note; end $$;
                    grant execute on function slow to anon;";

/// The lines of the log about slow queries.
fn slow_lines(app: &App) -> Vec<Value> {
    let log = app.log();
    let lines = log.lines().filter(|line| line.contains("Slow query"));
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn top(app: &App) -> Value {
    client().get(app.admin_url("/debug/top")).send().await.unwrap().json().await.unwrap()
}

fn statement<'t>(top: &'t Value, name: &str) -> &'t Value {
    let found = top["statements"].as_array().unwrap().iter().find(|statement| statement["name"] == name);
    found.unwrap_or_else(|| panic!("{name} is not in {top:#}"))
}

#[tokio::test]
async fn a_slow_query_leaves_a_line_without_its_values() {
    let database = support::library().await;
    database.script(SLOW).await;
    let app = support::serve(&database)
        .env("FERROBASE_OBSERVABILITY__SLOW_QUERY", "200ms")
        .env("FERROBASE_SERVER__REQUEST_TIMEOUT", "1s");
    let app = app.start().await.unwrap();
    let caller = Caller::of(&app);
    assert_eq!(caller.get("/books?title=eq.canary").await.status, 200);
    assert_eq!(caller.call("slow", &json!({"seconds": 0.3, "note": "canary"})).await.status, 200);
    eventually("the line is there", PATIENCE, async || slow_lines(&app).len() == 1).await;
    let line = slow_lines(&app).remove(0);
    assert_eq!(
        (&line["level"], &line["plan"], &line["role"]),
        (&json!("warn"), &json!("POST rpc/slow"), &json!("anon"))
    );
    assert_eq!((&line["status"], &line["rows"], &line["bytes"]), (&json!(200), &json!(1), &json!(8)));
    let number = |key: &str| line[key].as_f64().unwrap();
    assert!(number("execute_ms") >= 290.0 && number("duration_ms") >= number("execute_ms"), "{line}");
    assert!(number("wait_ms") >= 0.0 && line["request_id"].as_str().unwrap().len() == 36, "{line}");
    assert_eq!(metric(&app, "database_slow_queries_total").await, Some(1.0));

    // One that is cut off is slow too.
    let answer = caller.call("slow", &json!({"seconds": 30, "note": "canary"})).await;
    assert_eq!(answer.status, 504, "{}", answer.body);
    eventually("its line is there", PATIENCE, async || slow_lines(&app).len() == 2).await;
    let line = slow_lines(&app).remove(1);
    assert!(line["execute_ms"].as_f64().unwrap() >= 900.0 && line["plan"] == "POST rpc/slow", "{line}");
    let lines: Vec<String> = slow_lines(&app).iter().map(ToString::to_string).collect();
    assert!(!lines.concat().contains("canary"), "{lines:?}");
}

#[tokio::test]
async fn top_shows_statements_pools_and_what_postgresql_waits_for() {
    let database = support::library().await;
    database.script(SLOW).await;
    let app = support::serve(&database).start().await.unwrap();
    let caller = Caller::of(&app);
    for title in ["a", "b", "c"] {
        let path = format!("/books?select=title,authors!author_id(name)&title=eq.{title}&order=id");
        assert_eq!(caller.get(&path).await.status, 200);
    }
    assert_eq!(caller.get("/books?select=title,made_up&title=eq.a").await.status, 400);
    let sleeping = {
        let caller = caller.clone();
        tokio::spawn(async move { caller.call("slow", &json!({"seconds": 3, "note": "x"})).await })
    };
    let sleeps = |top: &Value| {
        let activity = top["activity"].as_array().cloned().unwrap_or_default();
        activity.iter().any(|one| one["wait_event"] == "PgSleep" && one["sessions"] == 1)
    };
    eventually("the sleeper is seen", PATIENCE, async || sleeps(&top(&app).await)).await;
    let seen = top(&app).await;
    assert_eq!((&seen["requests"]["in_flight"], &seen["pools"][0]["name"]), (&json!(1), &json!("request")));
    // Reads that were quick may still keep a connection.
    let active = seen["pools"][0]["active"].as_u64().unwrap();
    assert!(seen["pools"][0]["max"] == 23 && (1..=3).contains(&active), "{seen:#}");
    let books = statement(&seen, "GET books(authors) by title");
    assert_eq!((&books["calls"], &books["errors"]), (&json!(3), &json!(0)));
    assert!(books["total_us"].as_u64().unwrap() >= books["execute_us"].as_u64().unwrap());
    let counted: u64 = books["latency"].as_array().unwrap().iter().map(|pair| pair[1].as_u64().unwrap()).sum();
    assert_eq!(counted, 3);
    assert!(!seen.to_string().contains("made_up"), "names that only a caller knows stay out: {seen:#}");
    assert_eq!(client().get(app.url("/debug/top")).send().await.unwrap().status(), 404, "not on the public port");
    // A page whose name was pointed at this machine (security 27).
    for (field, value) in [("host", "evil.example"), ("origin", "https://evil.example")] {
        let rebound = client().get(app.admin_url("/debug/top")).header(field, value).send().await.unwrap();
        assert_eq!(rebound.status(), 403, "{field}");
    }
    sleeping.await.unwrap();
}

#[tokio::test]
async fn the_command_draws_a_table_or_prints_json() {
    let database = support::library().await;
    let app = support::serve(&database).start().await.unwrap();
    assert_eq!(Caller::of(&app).get("/tags?limit=1").await.status, 200);
    let run = async |arguments: &[&str], url: String| {
        let mut command = Command::new(BINARY);
        command.arg("top").args(["--url", &url]).args(arguments);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    };
    let output = run(&["--json"], app.admin_url("/")).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(statement(&json, "GET tags")["calls"], 1);

    let output = run(&["--interval", "0.1", "--count", "2"], app.admin_url("")).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && !text.contains('\x1b'), "no screen, no escapes: {text}");
    assert_eq!(text.matches("POOL").count(), 2, "{text}");
    assert!(text.contains("GET tags") && text.contains("since the start") && text.contains("PostgreSQL: "), "{text}");

    let output = run(&["--count", "1"], app.url("")).await;
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && error.contains("admin port"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_is_told_what_would_help() {
    let database = support::library().await;
    database.script(SLOW).await;
    database
        .script(
            "create table counts (id int primary key, n int); grant all on counts to anon, service_role;
        alter table counts enable row level security; create policy everything on counts using (true);
        insert into counts values (1, 0); notify ferrobase",
        )
        .await;
    let app = support::serve(&database).env("FERROBASE_DATABASE__MAX_CONNECTIONS", "4").start().await.unwrap();
    let caller = Caller::of(&app);
    eventually("the table is served", PATIENCE, async || caller.get("/counts").await.status == 200).await;
    assert_eq!(top(&app).await["advice"], Value::Null, "nobody waits");

    // Statements that need no processor.
    let naps: Vec<_> = (0..20)
        .map(|_| {
            let caller = Caller::of(&app);
            tokio::spawn(async move { caller.call("slow", &json!({"seconds": 0.5, "note": ""})).await })
        })
        .collect();
    let advises = async |kind: &str| top(&app).await["advice"]["kind"] == kind;
    eventually("more connections", PATIENCE, async || advises("connections").await).await;
    let screen = Command::new(BINARY).args(["top", "--count", "1", "--url", &app.admin_url("")]).output().unwrap();
    let screen = String::from_utf8(screen.stdout).unwrap();
    assert!(
        screen.contains("Requests wait: ") && screen.contains("raise database.max_connections (now 3)"),
        "{screen}"
    );
    for nap in naps {
        nap.await.unwrap();
    }

    // Statements that wait for each other.
    let mut holder = database.connect().await;
    holder.script("begin; update counts set n = 1").await.unwrap();
    let writes: Vec<_> = (0..20)
        .map(|_| {
            let caller = Caller::of(&app);
            let write = caller.request(reqwest::Method::PATCH, "/counts?id=eq.1").json(&json!({"n": 2}));
            tokio::spawn(async move { caller.send(write).await.unwrap() })
        })
        .collect();
    eventually("locks", PATIENCE, async || advises("locks").await).await;
    holder.script("rollback").await.unwrap();
    for write in writes {
        assert_eq!(write.await.unwrap().status, 204);
    }
    eventually("it is over", PATIENCE, async || top(&app).await["advice"] == Value::Null).await;
}
