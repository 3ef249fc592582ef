//! Rate limits that nodes share through Redis, and what each node does when there is none: the running binary against
//! real servers that die, hang and fail over.

use std::path::Path;
use std::time::{Duration, Instant};

use ferrobase_testkit::app::AppBuilder;
use ferrobase_testkit::redis::{Certificates, Watched, cluster};
use ferrobase_testkit::{App, RedisServer, TestDatabase};
use nix::sys::signal::Signal;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use crate::caller::{Caller, PATIENCE, client, eventually, metric};
use crate::support;

/// Never seen in any log.
const PASSWORD: &str = "canary-9c1e";

/// A node with limits, that waits longer than a request should where counts must be exact: the tests share two
/// processors.
fn node(database: &TestDatabase, redis: &[(&str, &str)]) -> AppBuilder {
    let limited = support::serve(database)
        .env("FERROBASE_SECURITY__RATE_LIMIT__ENABLED", "true")
        .env("FERROBASE_REDIS__TIMEOUT", "2s");
    redis.iter().fold(limited, |node, (key, value)| node.env(&format!("FERROBASE_REDIS__{key}"), *value))
}

async fn sharing(app: &App) {
    eventually("Redis is available", PATIENCE, async || metric(app, "redis_available").await == Some(1.0)).await;
}

async fn alone(app: &App) {
    eventually("Redis is unavailable", PATIENCE, async || metric(app, "redis_available").await == Some(0.0)).await;
}

async fn checks(app: &App, result: &str) -> f64 {
    metric(app, &format!("rate_limit_shared_checks_total{{result=\"{result}\"}}")).await.unwrap()
}

/// Sends so many requests, and gives how many were answered otherwise than with 429, and the longest time of one.
async fn admitted(app: &App, requests: usize) -> (usize, Duration) {
    let (caller, mut admitted, mut longest) = (Caller::of(app), 0, Duration::ZERO);
    for _ in 0..requests {
        let answer = caller.get("/tags?limit=1").await;
        assert!([200, 429].contains(&answer.status), "{answer:?}");
        admitted += usize::from(answer.status == 200);
        longest = longest.max(answer.took);
    }
    (admitted, longest)
}

async fn three(database: &TestDatabase, redis: &[(&str, &str)]) -> [App; 3] {
    let mut nodes = Vec::new();
    for _ in 0..3 {
        nodes.push(node(database, redis).start().await.unwrap());
    }
    for node in &nodes {
        sharing(node).await;
    }
    nodes.try_into().unwrap_or_else(|_| unreachable!())
}

/// All three at once.
async fn admitted_by_three([a, b, c]: &[App; 3], requests: usize) -> usize {
    let (a, b, c) = tokio::join!(admitted(a, requests), admitted(b, requests), admitted(c, requests));
    a.0 + b.0 + c.0
}

#[tokio::test]
async fn three_nodes_admit_one_quota_together() {
    let database = support::library().await;
    let redis = RedisServer::start().unwrap();
    let nodes = three(&database, &[("PORT", &redis.port().to_string())]).await;
    let total = admitted_by_three(&nodes, 60).await;
    for node in &nodes {
        for result in ["unavailable", "late", "failed"] {
            assert_eq!(checks(node, result).await, 0.0, "{result}");
        }
    }
    // What was promised is 5 %; nothing was counted elsewhere, so it is exact.
    assert_eq!(total, 100);
    let refused = Caller::of(&nodes[2]).get("/tags?limit=1").await;
    assert_eq!((refused.status, refused.code().as_str()), (429, "FBE429"));
    assert!((1..=61).contains(&refused.header("retry-after").parse::<u64>().unwrap()));
    assert!(refused.header("ratelimit").starts_with("\"anonymous\";r=0;t="));
    assert!(checks(&nodes[2], "known").await >= 1.0, "a refusal that was known cost no question");
    let keys = redis.ask(&["--raw", "keys", "*"]).unwrap();
    assert!(keys.lines().all(|key| key.starts_with("ferrobase:rl:")) && !keys.contains("127.0.0.1"), "{keys}");
}

#[tokio::test]
async fn three_nodes_share_through_a_cluster() {
    let database = support::library().await;
    let servers = cluster(3).unwrap();
    let addresses: Vec<String> = servers.iter().map(RedisServer::address).collect();
    let nodes = three(&database, &[("MODE", "cluster"), ("NODES", &addresses.join(","))]).await;
    assert_eq!(admitted_by_three(&nodes, 60).await, 100);
}

#[tokio::test]
async fn a_node_counts_alone_while_redis_is_dead_and_says_so_once() {
    let database = support::library().await;
    let mut redis =
        RedisServer::builder().line(format!("requirepass {PASSWORD}")).login(None, PASSWORD).start().unwrap();
    let settings = [("PORT", redis.port().to_string()), ("PASSWORD", PASSWORD.to_owned())];
    let settings = settings.each_ref().map(|(key, value)| (*key, value.as_str()));
    let (a, b) = (node(&database, &settings).start().await.unwrap(), node(&database, &settings).start().await.unwrap());
    sharing(&a).await;
    sharing(&b).await;
    assert_eq!(admitted(&a, 30).await.0, 30);
    redis.kill();
    // Never open: each node has its own limit, and knows what it let pass before. Never closed: nobody is refused early.
    let ((by_a, slowest_a), (by_b, slowest_b)) = tokio::join!(admitted(&a, 150), admitted(&b, 150));
    assert_eq!((by_a, by_b), (70, 100));
    assert!(slowest_a.max(slowest_b) < Duration::from_secs(2), "{slowest_a:?} {slowest_b:?}");
    for app in [&a, &b] {
        alone(app).await;
        assert!(checks(app, "unavailable").await + checks(app, "failed").await >= 70.0);
    }
    eventually("attempts go on", PATIENCE, async || metric(&a, "redis_connect_failures_total").await >= Some(4.0))
        .await;
    redis.start_again().unwrap();
    sharing(&a).await;
    sharing(&b).await;
    // Redis has forgotten everything; the nodes have not.
    assert_eq!((admitted(&a, 5).await.0, admitted(&b, 5).await.0), (0, 0));
    eventually("the end is said", PATIENCE, async || a.log().contains("Redis is there")).await;
    for app in [&a, &b] {
        let log = app.log();
        assert_eq!(log.matches("Redis is unavailable").count(), 1, "{log}");
        assert!(!log.contains(PASSWORD), "{log}");
    }
}

#[tokio::test]
async fn a_redis_that_hangs_delays_requests_by_no_more_than_its_deadline() {
    let database = support::library().await;
    let redis = RedisServer::start().unwrap();
    let port = redis.port().to_string();
    let app = node(&database, &[("PORT", &port), ("TIMEOUT", "100ms")]).start().await.unwrap();
    sharing(&app).await;
    assert_eq!(admitted(&app, 20).await.0, 20);
    redis.signal(Signal::SIGSTOP);
    let caller = Caller::of(&app);
    let first = caller.get("/tags?limit=1").await;
    assert_eq!(first.status, 200);
    assert!(first.took < Duration::from_secs(1), "the deadline and a request: {:?}", first.took);
    let began = Instant::now();
    let (more, _) = admitted(&app, 100).await;
    assert!(began.elapsed() < Duration::from_secs(5), "only the first request waits: {:?}", began.elapsed());
    assert_eq!(more, 79, "the limit of the node holds meanwhile");
    assert!(checks(&app, "late").await >= 1.0);
    redis.signal(Signal::SIGCONT);
    sharing(&app).await;
}

#[tokio::test]
async fn a_wrong_password_is_named_and_keeps_nobody_from_starting() {
    let database = support::library().await;
    let redis = RedisServer::builder().line("requirepass another").login(None, "another").start().unwrap();
    let port = redis.port().to_string();
    let app = node(&database, &[("PORT", &port), ("PASSWORD", PASSWORD)]).start().await.unwrap();
    eventually("it is said", PATIENCE, async || app.log().contains("Redis is of no use")).await;
    assert_eq!(admitted(&app, 110).await.0, 100);
    let log = app.log();
    let line = log.lines().find(|line| line.contains("Redis is of no use")).unwrap();
    assert!(line.contains("redis.password") && line.contains("\"level\":\"error\""), "{line}");
    assert!(!log.contains(PASSWORD), "{log}");
    redis.ask(&["config", "set", "requirepass", PASSWORD]).unwrap();
    sharing(&app).await;
}

#[tokio::test]
async fn a_failover_is_followed() {
    let database = support::library().await;
    let mut watched = Watched::start(Some("data-word"), Some("watch-word")).unwrap();
    let nodes = watched.addresses().join(",");
    let settings = [
        ("MODE", "sentinel"),
        ("NODES", nodes.as_str()),
        ("PASSWORD", "data-word"),
        ("SENTINEL_PASSWORD", "watch-word"),
    ];
    let (a, b) = (node(&database, &settings).start().await.unwrap(), node(&database, &settings).start().await.unwrap());
    sharing(&a).await;
    sharing(&b).await;
    assert_eq!(admitted(&a, 40).await.0, 40);
    let offset = |server: usize| {
        let info = watched.servers[server].ask(&["info", "replication"]).unwrap_or_default();
        info.lines().find_map(|line| line.strip_prefix("master_repl_offset:").map(str::to_owned))
    };
    eventually("the replica has the count", PATIENCE, async || offset(0) == offset(1)).await;
    watched.servers[0].kill();
    // Until another is elected each counts for itself.
    assert_eq!((admitted(&a, 10).await.0, admitted(&b, 20).await.0), (10, 20));
    let took = eventually("the new primary is used", PATIENCE, async || {
        let available = metric(&a, "redis_available").await == Some(1.0);
        available
            && metric(&b, "redis_available").await == Some(1.0)
            && watched.servers[1].ask(&["role"]).unwrap_or_default().starts_with("master")
    })
    .await;
    assert!(took < PATIENCE);
    // 40 that the replica knew of, and 60 more; what each let pass alone only that node remembers.
    let total = admitted(&b, 100).await.0 + admitted(&a, 100).await.0;
    assert!((30..=60).contains(&total), "{total}");
}

#[tokio::test]
async fn tls_with_an_authority_of_ones_own() {
    let database = support::library().await;
    let folder = tempfile::tempdir().unwrap();
    let certificates = certificates(folder.path());
    let authority = certificates.authority.display().to_string();
    let redis = RedisServer::builder()
        .tls(certificates)
        .line("tls-auth-clients no")
        .line(format!("user ferro on >{PASSWORD} ~* +@all"))
        .start()
        .unwrap();
    let port = redis.port().to_string();
    let mut settings = vec![
        ("HOST", "127.0.0.1"),
        ("PORT", &port),
        ("TLS", "true"),
        ("USER", "ferro"),
        ("PASSWORD", PASSWORD),
        ("DB", "2"),
    ];
    let distrustful = node(&database, &settings).start().await.unwrap();
    settings.push(("TLS_ROOT_CERT", &authority));
    let app = node(&database, &settings).start().await.unwrap();
    sharing(&app).await;
    assert_eq!(admitted(&app, 110).await.0, 100);
    assert!(redis.ask(&["-n", "2", "--raw", "keys", "*"]).unwrap().contains("ferrobase:rl:anonymous:{"));
    // The system's authorities do not know ours.
    eventually("it is said", PATIENCE, async || distrustful.log().contains("Redis is unavailable")).await;
    assert!(distrustful.log().contains("certificate"), "{}", distrustful.log());
    assert_eq!(metric(&distrustful, "redis_available").await, Some(0.0));
}

fn certificates(folder: &Path) -> Certificates {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "an authority");
    let (authority_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let authority = params.self_signed(&authority_key).unwrap().pem();
    let issuer = Issuer::new(params, authority_key);
    let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let write = |name: &str, text: String| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    Certificates {
        authority: write("ca.pem", authority),
        certificate: write("cert.pem", certificate.pem()),
        key: write("key.pem", key.serialize_pem()),
    }
}

#[tokio::test]
async fn a_reload_keeps_the_connection_and_shares_the_new_limits() {
    let database = support::library().await;
    let redis = RedisServer::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ferrobase.yaml");
    let write = |quota: u32, prefix: &str| {
        let text = format!(
            "security: {{rate_limit: {{enabled: true, anonymous: {quota}}}}}\n\
             redis: {{port: {}, timeout: 2s, prefix: {prefix}}}\n",
            redis.port()
        );
        std::fs::write(&file, text).unwrap();
    };
    write(20, "ours");
    let start =
        async || support::serve(&database).arg("--config").arg(file.display().to_string()).start().await.unwrap();
    let (a, b) = (start().await, start().await);
    sharing(&a).await;
    sharing(&b).await;
    assert_eq!(admitted(&a, 15).await.0 + admitted(&b, 15).await.0, 20);
    write(50, "theirs");
    a.signal(Signal::SIGHUP);
    eventually("the reload is over", PATIENCE, async || a.log().contains("configuration reloaded")).await;
    assert!(a.log().lines().any(|line| line.contains("at_restart") && line.contains("redis.prefix")), "{}", a.log());
    // The twenty still count.
    assert_eq!(admitted(&a, 60).await.0, 30);
    assert_eq!(metric(&a, "redis_connects_total").await, Some(1.0));
}

#[tokio::test]
async fn without_redis_there_are_no_numbers_of_it() {
    let database = support::library().await;
    let app = support::serve(&database).env("FERROBASE_SECURITY__RATE_LIMIT__ENABLED", "true").start().await.unwrap();
    assert_eq!(admitted(&app, 5).await.0, 5);
    assert_eq!(metric(&app, "redis_available").await, None);
    assert_eq!(metric(&app, "rate_limit_shared_checks_total{result=\"allowed\"}").await, None);
    assert!(!app.log().contains("Redis"), "{}", app.log());
}

/// Tries to sign in until it is refused; gives how many were not.
async fn tries(app: &App, most: usize) -> usize {
    let client = reqwest::Client::new();
    for number in 0..most {
        let request = client.post(app.url("/auth/v1/token?grant_type=password"));
        let body = serde_json::json!({"email": "nobody@example.com", "password": "wrong"});
        let answer = request.json(&body).send().await.unwrap();
        if answer.status() == 429 {
            assert!(answer.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap() >= 1);
            return number;
        }
        assert_eq!(answer.status(), 400);
    }
    most
}

#[tokio::test]
async fn tries_to_sign_in_are_counted_together() {
    let database = support::installed().await;
    let mut redis = RedisServer::start().unwrap();
    let port = redis.port().to_string();
    let start = async || {
        let node = support::serve(&database).env("FERROBASE_REDIS__PORT", &port).env("FERROBASE_REDIS__TIMEOUT", "2s");
        let app = node.env("FERROBASE_AUTH__RATE_LIMITS__TOKEN", "20").start().await.unwrap();
        sharing(&app).await;
        app
    };
    let (a, b) = (start().await, start().await);
    assert_eq!(tries(&a, 12).await, 12);
    assert_eq!(tries(&b, 20).await, 8, "the other node knows");
    let keys = redis.ask(&["--raw", "keys", "ferrobase:rl:auth_token:*"]).unwrap();
    assert!(keys.lines().count() == 1 && !keys.contains("127.0.0.1"), "{keys}");
    let seconds: i64 = redis.ask(&["ttl", keys.trim()]).unwrap().parse().unwrap();
    assert!((250..=310).contains(&seconds), "five minutes count: {seconds}");
    // Nobody counts for all: each node has its own limit, and knows what it let pass.
    redis.kill();
    alone(&a).await;
    let by_a = tries(&a, 50).await;
    assert!((8..=10).contains(&by_a), "{by_a}");
}

#[tokio::test]
async fn a_document_that_one_node_was_sent_is_known_to_all() {
    let database = support::library().await;
    let redis = RedisServer::start().unwrap();
    let [a, b, c] = three(&database, &[("PORT", &redis.port().to_string())]).await;
    let query = "{ __typename }";
    let hash = "7f56e67dd21ab3f30d1ff8b7bed08893f0a0db86449836189b361dd1e56ddb4b";
    let ask = async |app: &App, query: Option<&str>, hash: &str| {
        let body = serde_json::json!({ "query": query, "extensions": { "persistedQuery": { "version": 1, "sha256Hash": hash } } });
        client().post(app.url("/graphql/v1")).json(&body).send().await.unwrap().text().await.unwrap()
    };
    assert!(ask(&b, None, hash).await.contains("PERSISTED_QUERY_NOT_FOUND"));
    assert!(ask(&a, Some(query), hash).await.contains("Query"));
    for node in [&b, &c] {
        assert!(ask(node, None, hash).await.contains(r#""__typename":"Query""#));
    }
    // What somebody writes there under a hash that is not its own is nothing.
    let other = hash.replacen("7f5", "7f6", 1);
    redis.ask(&["set", "ferrobase:text:7f6", "{ __schema { types { name } } }"]).unwrap();
    assert!(ask(&c, None, &other).await.contains("PERSISTED_QUERY_NOT_FOUND"));
    // Without Redis each node has its own.
    drop(redis);
    assert!(ask(&b, None, hash).await.contains(r#""__typename":"Query""#));
}
