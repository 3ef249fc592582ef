//! What the person on call relies on: metrics, logs, limits, TLS, compression, reload by SIGHUP, drain by SIGTERM.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ferrobase_testkit::proxy::{Fault, Proxy};
use ferrobase_testkit::{App, token};
use nix::sys::signal::Signal;
use reqwest::Method;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::caller::{Caller, PATIENCE, client, eventually, metric, ready};
use crate::support::{self, ANN, BINARY};

/// The names in the queries and alert rules of the seed.
const SEED_NAMES: [&str; 8] = [
    "http_requests_total",
    "http_request_duration_seconds_bucket",
    "database_connections_active",
    "database_connections_max",
    "websocket_connections_active",
    "process_resident_memory_bytes",
    "node_memory_total_bytes",
    "process_cpu_seconds_total",
];

#[tokio::test]
async fn every_metric_of_the_seed_has_a_series() {
    let database = support::library().await;
    let app = support::serve(&database).start().await.unwrap();
    let page = client().get(app.admin_url("/metrics")).send().await.unwrap().text().await.unwrap();
    for name in SEED_NAMES {
        let series =
            page.lines().any(|line| line.starts_with(&format!("{name}{{")) || line.starts_with(&format!("{name} ")));
        assert!(series, "{name} has no series before the first request:\n{page}");
    }
    let caller = Caller::of(&app);
    for _ in 0..3 {
        assert_eq!(caller.get("/books").await.status, 200);
    }
    assert_eq!(caller.get("/nothing").await.status, 404);
    let requests = |status| format!("http_requests_total{{method=\"GET\",status=\"{status}\",route=\"/rest/v1\"}}");
    assert_eq!(metric(&app, &requests(200)).await, Some(3.0));
    assert_eq!(metric(&app, &requests(404)).await, Some(1.0));
    assert_eq!(metric(&app, "database_connections_max{pool=\"request\"}").await, Some(23.0));
    assert!(metric(&app, "catalog_relations").await.unwrap() >= 5.0);
    assert!(metric(&app, "process_resident_memory_bytes").await.unwrap() > 1e6);
    assert_eq!(client().get(app.url("/metrics")).send().await.unwrap().status(), 404, "not on the public port");
}

#[tokio::test]
async fn names_in_the_configuration_that_are_wrong_are_told() {
    let database = support::installed().await;
    let serve = || {
        let serve = support::serve(&database).env("FERROBASE_REST__SCHEMAS", "public,private");
        serve.env("FERROBASE_OBSERVABILITY__LOG__LEVEL", "debug").env("FERROBASE_REST__ROOT_SPEC", "private.spec")
    };
    let app = serve().env("FERROBASE_REST__PRE_REQUEST", "look").env("FERROBASE_REST__ANON_ROLE", "nobody_at_all");
    let app = app.env("FERROBASE_AUTH__ALLOWED_ROLES", "anon,gone").start().await.unwrap();
    for said in [
        "rest.pre_request: there is no function look without arguments",
        "rest.root_spec: there is no function private.spec without arguments",
        "rest.anon_role: requests without credentials are refused, because no request may run as nobody_at_all",
        "auth.allowed_roles: no request may run as gone",
    ] {
        eventually(said, PATIENCE, async || app.log().contains(said)).await;
    }
    // Each once, however often the catalog is loaded; and a function with arguments is not the one that is meant.
    let looks = || app.log().matches("names were looked up").count();
    let before = looks();
    database.script("create function public.look(a int) returns void language sql as ''; notify pgrst").await;
    eventually("another look", PATIENCE, async || looks() > before).await;
    assert_eq!(app.log().matches("\"wrong_name\"").count(), 4, "{}", app.log());
    drop(app);
    let more = "create function public.look() returns void language sql as ''; create schema private;
                create function private.spec() returns json language sql as $$ select '{}'::json $$";
    database.script(more).await;
    let app = serve().env("FERROBASE_REST__PRE_REQUEST", "public.look").start().await.unwrap();
    eventually("a look", PATIENCE, async || app.log().contains("names were looked up")).await;
    assert!(!app.log().contains("wrong_name"), "{}", app.log());
}

#[tokio::test]
async fn settings_of_roles_count_after_a_word_on_the_channel() {
    let database = support::installed().await;
    let memory =
        "create function public.memory() returns text language sql stable as $$ select current_setting('work_mem') $$";
    database.script(memory).await;
    let app = support::serve(&database).start().await.unwrap();
    let caller = Caller::of(&app);
    let (caller, name) = (&caller, database.name());
    let has = async |size: &str| caller.get("/rpc/memory").await.json() == json!(size);
    for (size, notify) in [("7MB", "notify pgrst, 'reload config'"), ("9MB", "notify ferrobase, 'reload config'")] {
        database.script(&format!("alter role anon in database {name} set work_mem = '{size}'")).await;
        assert!(!has(size).await, "ALTER ROLE tells nobody");
        database.script(notify).await;
        let mut left = 100;
        while !has(size).await {
            left -= 1;
            assert!(left > 0, "{size} does not count; the log:\n{}", app.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

#[tokio::test]
async fn rate_limits_are_what_the_configuration_says() {
    let database = support::library().await;
    let app = support::serve(&database).env("FERROBASE_SECURITY__RATE_LIMIT__ENABLED", "true").start().await.unwrap();
    let caller = Caller::of(&app);
    for number in 1..=100 {
        assert_eq!(caller.get("/tags?limit=1").await.status, 200, "request {number}");
    }
    let refused = caller.get("/tags?limit=1").await;
    assert_eq!((refused.status, refused.code().as_str()), (429, "FBE429"));
    assert!((1..=61).contains(&refused.header("retry-after").parse::<u64>().unwrap()));
    assert_eq!(refused.header("ratelimit-policy"), "\"anonymous\";q=100;w=60");
    assert!(refused.header("ratelimit").starts_with("\"anonymous\";r=0;t="));
    // A user has another quota, and so has a secret key.
    let user = caller.with(token::of_user(ANN)).get("/tags?limit=1").await;
    assert_eq!((user.status, user.header("ratelimit-policy")), (200, "\"authenticated\";q=500;w=60"));
    let key = support::credentials()["SERVICE_KEY"].clone();
    let service = caller.send(caller.request(Method::GET, "/tags?limit=1").header("apikey", key)).await.unwrap();
    assert_eq!((service.status, service.header("ratelimit-policy")), (200, "\"api_key\";q=1000;w=60"));
    assert_eq!(metric(&app, "http_requests_rate_limited_total{tier=\"anonymous\"}").await, Some(1.0));
}

#[tokio::test]
async fn a_request_line_in_the_log_has_the_keys_of_the_seed() {
    let database = support::library().await;
    let app = support::serve(&database).start().await.unwrap();
    let caller = Caller::of(&app).with(token::of_user(ANN));
    let request = caller.request(Method::GET, "/books?id=eq.1&apikey=eq.hidden").header("x-request-id", "of-this-test");
    assert_eq!(caller.send(request).await.unwrap().status, 400);
    let line = || {
        app.log().lines().find(|line| line.contains("of-this-test") && line.contains("completed")).map(str::to_owned)
    };
    eventually("the line is written", PATIENCE, async || line().is_some()).await;
    let line = line().unwrap();
    let fields: serde_json::Map<String, Value> = serde_json::from_str(&line).unwrap();
    let keys: Vec<&str> = fields.keys().map(String::as_str).collect();
    let seed = ["timestamp", "level", "message", "method", "path", "status", "duration_ms", "user_id", "request_id"];
    assert_eq!(keys[..9], seed, "{line}");
    assert_eq!((&fields["status"], &fields["user_id"], &fields["level"]), (&json!(400), &json!(ANN), &json!("warn")));
    assert_eq!((&fields["code"], &fields["query"]), (&json!("42703"), &json!("id=eq.1&apikey=***")));
    // Every other line is JSON with the first three keys as well.
    for line in app.log().lines() {
        let fields: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(["timestamp", "level", "message"].iter().all(|key| fields[*key].is_string()), "{line}");
    }
}

#[tokio::test]
async fn answers_are_compressed_unless_that_is_switched_off() {
    let database = support::library().await;
    let plain = reqwest::Client::builder().no_gzip().no_brotli().no_zstd().timeout(PATIENCE).build().unwrap();
    let encoding = async |app: &App, accepts: &str| {
        let request = plain.get(app.url("/rest/v1/")).header("accept-encoding", accepts);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        let encoding = response.headers().get("content-encoding").map(|value| value.to_str().unwrap().to_owned());
        (encoding.unwrap_or_default(), response.bytes().await.unwrap().len())
    };
    let on = support::serve(&database).start().await.unwrap();
    let whole = encoding(&on, "identity").await.1;
    for name in ["gzip", "br", "zstd"] {
        let (used, size) = encoding(&on, name).await;
        assert!(used == name && size < whole / 2, "{name}: {used}, {size} of {whole}");
    }
    let off = support::serve(&database).env("FERROBASE_SERVER__ENABLE_COMPRESSION", "false").start().await.unwrap();
    assert_eq!(encoding(&off, "gzip, br, zstd").await, (String::new(), whole));
}

/// However much a request embeds, it is one statement.
#[tokio::test]
async fn an_embedding_request_is_one_statement() {
    let database = support::library().await;
    let app = support::serve(&database).arg("--log-query").start().await.unwrap();
    let caller = Caller::of(&app);
    let statements = || app.log().lines().filter(|line| line.contains("\"message\":\"Statement\"")).count();
    assert_eq!(statements(), 0);
    let path = "/books?select=title,author:authors!author_id(name,books!author_id(title,tags(label))),\
                editor:authors!editor_id(name),tags(label),book_tags(tags(label,books(title)))&order=id";
    let answer = caller.get(path).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let books = answer.json();
    assert_eq!(books[0]["author"]["name"], "Ada");
    assert_eq!(books[2]["tags"], json!([{"label": "classic"}, {"label": "short"}]));
    assert_eq!(books[0]["book_tags"][0]["tags"]["books"].as_array().unwrap().len(), 3);
    eventually("the statement is logged", PATIENCE, async || statements() >= 1).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(statements(), 1, "{}", app.log());
}

/// A certificate for 127.0.0.1 in these files; gives it as clients trust it.
fn certificate(cert: &Path, key: &Path) -> CertificateDer<'static> {
    let pair = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(cert, pair.cert.pem()).unwrap();
    std::fs::write(key, pair.signing_key.serialize_pem()).unwrap();
    pair.cert.der().clone()
}

/// Asks over TLS, trusting this certificate only.
async fn get_over_tls(app: &App, trusted: &CertificateDer<'static>, path: &str) -> std::io::Result<String> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let stream = tokio::net::TcpStream::connect(("127.0.0.1", app.port())).await?;
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let mut stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn tls_is_spoken_as_configured_and_certificates_are_read_again() {
    let database = support::library().await;
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let first = certificate(&cert, &key);
    let app = support::serve(&database)
        .env("FERROBASE_SERVER__TLS__CERT", cert.display().to_string())
        .env("FERROBASE_SERVER__TLS__KEY", key.display().to_string())
        .start()
        .await
        .unwrap();
    let answer = get_over_tls(&app, &first, "/rest/v1/tags?select=id&id=eq.1").await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("[{\"id\":1}]"), "{answer}");
    assert!(client().get(app.url("/rest/v1/tags")).send().await.is_err(), "and nothing else is");
    let second = certificate(&cert, &key);
    app.signal(Signal::SIGHUP);
    let renewed = async || get_over_tls(&app, &second, "/rest/v1/tags").await.is_ok();
    eventually("the new certificate is used", PATIENCE, renewed).await;
    assert!(get_over_tls(&app, &first, "/rest/v1/tags").await.is_err());
    // A file that is no certificate changes nothing.
    std::fs::write(&cert, "nonsense").unwrap();
    app.signal(Signal::SIGHUP);
    eventually("it says so", PATIENCE, async || app.log().contains("the old certificate stays in force")).await;
    assert!(get_over_tls(&app, &second, "/rest/v1/tags").await.is_ok());
}

/// A server with a configuration file that tests rewrite.
struct Configured {
    app: App,
    file: PathBuf,
    _folder: tempfile::TempDir,
}

const SECRET: &str = "the first secret of this test, which is long enough";

impl Configured {
    async fn start(url: &str, yaml: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ferrobase.yaml");
        std::fs::write(&file, yaml).unwrap();
        let app = App::serve(BINARY, url)
            .arg("--config")
            .arg(file.display().to_string())
            .without_env("FERROBASE_AUTH__JWT_SECRET")
            .start()
            .await
            .unwrap();
        Self { app, file, _folder: folder }
    }

    /// Puts another file in its place, sends SIGHUP, and waits until the log says what came of it.
    async fn reload(&self, yaml: &str) -> String {
        let said = |log: &str| {
            let spoke =
                |line: &&str| line.contains("configuration reloaded") || line.contains("old configuration stays");
            log.lines().filter(spoke).map(str::to_owned).collect::<Vec<_>>()
        };
        let before = said(&self.app.log()).len();
        std::fs::write(&self.file, yaml).unwrap();
        self.app.signal(Signal::SIGHUP);
        eventually("the reload is over", PATIENCE, async || said(&self.app.log()).len() > before).await;
        said(&self.app.log()).pop().unwrap()
    }
}

fn yaml(rest: &str) -> String {
    format!("auth: {{jwt_secret: \"{SECRET}\"}}\n{rest}")
}

fn token_by(secret: &str) -> String {
    let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
    let claims = json!({ "role": "authenticated", "sub": ANN, "exp": token::now() + 3600 });
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap()
}

#[tokio::test]
async fn sighup_puts_a_right_configuration_in_force() {
    let database = support::library().await;
    database.script("create schema other; create table other.things (id int); alter table other.things enable row level security").await;
    database.script("grant usage on schema other to anon; grant select on other.things to anon").await;
    let server = Configured::start(database.url(), &yaml("rest: {max_rows: 2}")).await;
    let caller = Caller::of(&server.app);
    let rows = async || caller.get("/books").await.json().as_array().unwrap().len();
    let origin = async || {
        let request = caller.request(Method::GET, "/books").header("origin", "https://a.example");
        caller.send(request).await.unwrap().header("access-control-allow-origin").to_owned()
    };
    assert_eq!((rows().await, origin().await.as_str()), (2, "*"));
    assert_eq!(caller.with(token_by(SECRET)).get("/notes").await.status, 200);

    let next = "another secret of this test, which is long enough";
    let text = format!(
        "auth: {{jwt_secret: \"{next}\"}}\nrest: {{max_rows: 1, schemas: [public, other]}}\n\
         server: {{port: 1, cors: {{allowed_origins: [\"https://a.example\"]}}}}\n\
         observability: {{log: {{level: debug}}}}\nsecurity: {{headers: {{x_frame_options: SAMEORIGIN}}}}"
    );
    let said = server.reload(&text).await;
    assert!(said.contains("rest.max_rows") && said.contains("observability.log.level"), "{said}");
    assert!(!said.contains("long enough"), "no secret is said: {said}");
    assert_eq!((rows().await, origin().await.as_str()), (1, "https://a.example"));
    assert_eq!(caller.with(token_by(SECRET)).get("/notes").await.status, 401, "the old key is no key");
    assert_eq!(caller.with(token_by(next)).get("/notes").await.status, 200);
    assert_eq!(caller.get("/books").await.header("x-frame-options"), "SAMEORIGIN");
    let things = async || {
        let request = caller.request(Method::GET, "/things").header("accept-profile", "other");
        caller.send(request).await.unwrap().status == 200
    };
    eventually("the new schema is served", Duration::from_secs(5), things).await;

    // Back again: what is no longer written has its default.
    let said = server.reload(&yaml("server: {port: 2}")).await;
    assert!(said.contains("rest.max_rows") && !said.contains("stays"), "{said}");
    assert_eq!((rows().await, origin().await.as_str()), (3, "*"));
}

#[tokio::test]
async fn sighup_with_a_wrong_configuration_changes_nothing_and_says_why() {
    let database = support::library().await;
    let server = Configured::start(database.url(), &yaml("rest: {max_rows: 2}")).await;
    let caller = Caller::of(&server.app);
    for (wrong, why) in [
        ("rest: {max_rowz: 1}", "max_rows"),
        ("rest: {max_rows: many}", "rest.max_rows"),
        ("server: {cors: {allow_credentials: true}}\nrest: {max_rows: 1}", "allow_credentials"),
        ("rest: [", "ferrobase.yaml"),
        ("tenants: [{name: a, schema: a}]\nrest: {max_rows: 1}", "tenants"),
    ] {
        let said = server.reload(&yaml(wrong)).await;
        assert!(said.contains("the old configuration stays in force") && said.contains(why), "{wrong}: {said}");
        let answer = caller.get("/books").await;
        assert_eq!((answer.status, answer.json().as_array().unwrap().len()), (200, 2), "{wrong}");
    }
    std::fs::remove_file(&server.file).unwrap();
    server.app.signal(Signal::SIGHUP);
    let missing = async || server.app.log().matches("old configuration stays").count() == 6;
    eventually("a missing file is said", PATIENCE, missing).await;
    assert_eq!(caller.get("/books").await.json().as_array().unwrap().len(), 2);
}

/// What `serve` refuses at its start, it refuses later as well.
#[tokio::test]
async fn sec_27_a_reload_puts_no_weak_secret_in_force() {
    let database = support::library().await;
    let server = Configured::start(database.url(), &yaml("")).await;
    let caller = Caller::of(&server.app);
    let known = "super-secret-jwt-token-with-at-least-32-characters-long";
    for weak in
        [format!("auth: {{jwt_secret: {known}}}"), "auth: {jwt_secret: short}".to_owned(), "server: {}".to_owned()]
    {
        let said = server.reload(&weak).await;
        assert!(said.contains("stays in force") && said.contains("auth.jwt_secret"), "{said}");
        assert!(!said.contains(known), "{said}");
        assert_eq!(caller.with(token_by(known)).get("/notes").await.status, 401);
        assert_eq!(caller.with(token_by(SECRET)).get("/notes").await.status, 200);
    }
}

/// The configuration may be put right while the server still waits for its database.
#[tokio::test]
async fn a_reload_before_the_database_is_there_counts() {
    let database = support::library().await;
    let upstream = ferrobase_pg::ConnectOptions::parse(database.url()).unwrap().hosts()[0].to_string();
    let proxy = Proxy::start(upstream).await.unwrap();
    proxy.set(Fault::Refuse);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ferrobase.yaml");
    std::fs::write(&file, yaml("rest: {max_rows: 2}")).unwrap();
    let serve = App::serve(BINARY, &proxy.in_front_of(database.url())).without_env("FERROBASE_AUTH__JWT_SECRET");
    let app = serve.arg("--config").arg(file.display().to_string()).without_waiting().start().await.unwrap();
    eventually("it waits", PATIENCE, async || app.log().contains("not usable yet")).await;
    let server = Configured { app, file, _folder: folder };
    let said = server.reload(&yaml("rest: {max_rows: 1}")).await;
    assert!(said.contains("configuration reloaded"), "{said}");
    proxy.set(Fault::None);
    eventually("ready", PATIENCE, async || ready(&server.app).await.0 == 200).await;
    let books = Caller::of(&server.app).get("/books").await.json();
    assert_eq!(books.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn sighup_opens_the_log_file_anew() {
    let database = support::library().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ferrobase.log");
    let app = support::serve(&database)
        .env("FERROBASE_OBSERVABILITY__LOG__FILE", file.display().to_string())
        .start()
        .await
        .unwrap();
    let caller = Caller::of(&app);
    let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
    caller.get("/books?select=id").await;
    eventually("the first line", PATIENCE, async || read(&file).contains("\"query\":\"select=id\"")).await;
    let rotated = folder.path().join("ferrobase.log.1");
    std::fs::rename(&file, &rotated).unwrap();
    app.signal(Signal::SIGHUP);
    eventually("a new file", PATIENCE, async || file.exists()).await;
    caller.get("/books?select=title").await;
    eventually("the second line", PATIENCE, async || read(&file).contains("\"query\":\"select=title\"")).await;
    assert!(!read(&rotated).contains("select=title") && !read(&file).contains("select=id\""));
    assert_eq!(app.log(), "", "nothing goes to the output beside the file");
    // Where the new file cannot be opened, the old one is kept.
    std::fs::remove_dir_all(folder.path()).unwrap();
    app.signal(Signal::SIGHUP);
    assert_eq!(caller.get("/books").await.status, 200);
}

const SLOW: &str = "create function slow(seconds float) returns text language sql volatile as
                    $$ select pg_sleep(seconds); select 'done'::text $$; notify ferrobase";

#[tokio::test]
async fn sec_30_sigterm_fails_ready_first_and_finishes_what_was_begun() {
    let database = support::library().await;
    database.script(SLOW).await;
    let mut app = support::serve(&database).start().await.unwrap();
    let caller = Caller::of(&app);
    let under_way = tokio::spawn({
        let caller = caller.clone();
        async move { caller.call("slow", &json!({"seconds": 2})).await }
    });
    let active = "database_connections_active{pool=\"request\"}";
    eventually("it runs", PATIENCE, async || metric(&app, active).await == Some(1.0)).await;
    app.signal(Signal::SIGTERM);
    let started = Instant::now();
    eventually("/ready fails", Duration::from_millis(500), async || ready(&app).await.0 == 503).await;
    assert!(ready(&app).await.1.contains("draining"));
    assert_eq!(caller.get("/books").await.status, 200, "until load balancers have seen it, requests are answered");
    let finished = under_way.await.unwrap();
    assert_eq!((finished.status, finished.json()), (200, json!("done")));
    let status = app.wait(Duration::from_secs(5)).await.expect("it ends");
    assert!(status.success(), "{status}");
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert!(tokio::net::TcpStream::connect(("127.0.0.1", app.port())).await.is_err());
    assert!(app.log().contains("\"message\":\"stopped\""), "{}", app.log());
}

#[tokio::test]
async fn sec_30_the_drain_has_a_bound_and_a_second_signal_ends_it() {
    let database = support::library().await;
    database.script(SLOW).await;
    for second in [None, Some(Signal::SIGINT)] {
        let serve = support::serve(&database)
            .env("FERROBASE_SERVER__DRAIN_TIMEOUT", if second.is_some() { "60s" } else { "1s" });
        let mut app = serve.start().await.unwrap();
        let caller = Caller::of(&app);
        let endless = tokio::spawn(async move {
            caller.send(caller.request(Method::POST, "/rpc/slow").json(&json!({"seconds": 60}))).await
        });
        let active = "database_connections_active{pool=\"request\"}";
        eventually("it runs", PATIENCE, async || metric(&app, active).await == Some(1.0)).await;
        let started = Instant::now();
        app.signal(Signal::SIGTERM);
        if let Some(signal) = second {
            eventually("draining", PATIENCE, async || ready(&app).await.0 == 503).await;
            app.signal(signal);
        }
        let status = app.wait(Duration::from_secs(8)).await.expect("it ends");
        assert!(status.success(), "{status}");
        let longest = if second.is_some() { 2 } else { 5 };
        assert!(started.elapsed() < Duration::from_secs(longest), "{second:?}: {:?}", started.elapsed());
        assert!(endless.await.unwrap().is_err(), "what was cut is not answered");
    }
    // Nobody's statement runs on when its server is gone.
    let mut direct = database.connect().await;
    let running = "select count(*) from pg_stat_activity where query like '%slow%' and state = 'active'
                   and datname = current_database() and pid <> pg_backend_pid()";
    let gone = async || crate::caller::value(&mut direct, running).await == "0";
    eventually("nothing runs", Duration::from_secs(5), gone).await;
}
