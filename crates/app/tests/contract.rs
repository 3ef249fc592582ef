//! Every topic of contract/ against the binary, each on a fresh database and server; and again behind PgBouncer.

use ferrobase_contract_runner::{Topic, run};
use ferrobase_testkit::PgBouncer;

use crate::support;

/// One test per topic, so that the runner shows and times them apart.
macro_rules! topics {
    ($($test:ident: $file:literal,)*) => {
        const LISTED: &[&str] = &[$($file),*];
        $(
            #[tokio::test]
            async fn $test() {
                keeps($file, false).await;
            }
        )*
        mod behind_pgbouncer {
            $(
                #[tokio::test]
                async fn $test() {
                    super::keeps($file, true).await;
                }
            )*
        }
    };
}

topics! {
    edge_http: "edge/http",
    rest_attacks: "rest/attacks",
    rest_auth: "rest/auth",
    rest_batch: "rest/batch",
    rest_bulk: "rest/bulk",
    rest_cost: "rest/cost",
    rest_documents: "rest/documents",
    rest_embed: "rest/embed",
    rest_errors: "rest/errors",
    rest_limits: "rest/limits",
    rest_nested: "rest/nested",
    rest_openapi: "rest/openapi",
    rest_pages: "rest/pages",
    rest_querying: "rest/querying",
    rest_read: "rest/read",
    rest_rpc: "rest/rpc",
    rest_stream: "rest/stream",
    rest_write: "rest/write",
}

#[test]
fn every_topic_is_listed() {
    let folder = support::root().join("contract");
    let found: Vec<String> = Topic::read_all(&folder)
        .unwrap()
        .iter()
        .map(|topic| topic.path.strip_prefix(&folder).unwrap().with_extension("").display().to_string())
        .collect();
    assert_eq!(found, LISTED);
}

async fn keeps(file: &str, pooled: bool) {
    let topic = Topic::read(&support::root().join("contract").join(file).with_extension("case")).unwrap();
    let database = support::database_with(&topic.fixtures).await;
    let mut app = support::serve(&database);
    if pooled {
        app = app.behind(PgBouncer::start(database.url(), &[]).unwrap());
    }
    for (name, value) in &topic.server {
        app = app.env(name, value);
    }
    let app = app.start().await.unwrap();
    assert!(!pooled || app.pooler().is_some_and(|pooler| pooler.log().contains("login attempt")), "it goes through");
    let address = format!("127.0.0.1:{}", app.port());
    let variables = support::credentials();
    let (topic, failures) = tokio::task::spawn_blocking(move || {
        let failures = run(&topic, &address, &variables);
        (topic, failures)
    })
    .await
    .unwrap();
    let shown: Vec<String> =
        failures.iter().map(|failure| format!("{}\n  {}", failure.case, failure.message)).collect();
    assert!(
        failures.is_empty(),
        "{} of {} cases failed:\n\n{}\n\nserver log:\n{}",
        failures.len(),
        topic.cases.len(),
        shown.join("\n\n"),
        app.log()
    );
}
