//! GraphiQL: the page and what it is made of.

use ferrobase_graphql::config::GraphqlSection;

use crate::harness::{Api, Setup};

const BROWSER: (&str, &str) = ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8");

async fn with(graphiql: bool) -> Api {
    let graphql = GraphqlSection { graphiql: Some(graphiql), ..GraphqlSection::default() };
    Setup { graphql, ..Setup::default() }.start("create table t (id int primary key)").await
}

/// What stands between two texts, each time.
fn between<'t>(text: &'t str, before: &str, after: &str) -> Vec<&'t str> {
    text.split(before).skip(1).filter_map(|rest| rest.split_once(after)).map(|(inner, _)| inner).collect()
}

#[tokio::test]
async fn browsers_get_a_page_that_needs_no_other_host() {
    let api = with(true).await;
    let settings = (*api.settings.load_full()).clone().with_editor_key(Some("key-</script>".to_owned()));
    api.settings.store(std::sync::Arc::new(settings));
    let page = api.send("GET ", &[BROWSER], "").await;
    assert_eq!(
        (page.status.as_u16(), page.headers["content-type"].to_str().unwrap()),
        (200, "text/html; charset=utf-8")
    );
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self';") && !policy.contains("http"), "{policy}");
    assert!(page.body.contains(r#"{"apikey":"key-\u003c/script>"}"#), "{}", page.body);
    assert!(!page.body.contains("//"), "no other host: {}", page.body);
    let files: Vec<_> = ["src=\"", "href=\"/"].iter().flat_map(|mark| between(&page.body, mark, "\"")).collect();
    assert_eq!(files.len(), 5, "{files:?}");
    let mut size = 0;
    for file in files {
        let path = file.trim_start_matches('/').strip_prefix("graphql/v1").unwrap();
        let asset = api.send(&format!("GET {path}"), &[], "").await;
        assert_eq!(asset.status, 200, "{path}");
        assert_eq!(asset.headers["cache-control"], "public, max-age=31536000, immutable");
        assert_eq!(asset.headers["content-encoding"], "gzip");
        let length: usize = asset.headers["content-length"].to_str().unwrap().parse().unwrap();
        size += length;
    }
    assert!(size < 400_000, "{size}");
    assert_eq!(api.send("GET /graphiql", &[], "").await.body, page.body, "where keys are asked for");
    assert_eq!(api.send("GET /graphiql/other.js", &[], "").await.status, 404);
    assert_eq!(api.send("GET /graphiql/..%2fpage.html", &[], "").await.status, 404);
}

#[tokio::test]
async fn whoever_asks_a_question_or_wants_json_gets_no_page() {
    let api = with(true).await;
    let asked = api.send("GET ?query={__typename}", &[BROWSER], "").await;
    assert_eq!(asked.body, r#"{"data":{"__typename":"Query"}}"#);
    assert_eq!(api.send("GET ", &[("accept", "application/json")], "").await.status, 400);
    assert_eq!(api.send("GET ", &[], "").await.status, 400);
    let off = with(false).await;
    assert_eq!(off.send("GET ", &[BROWSER], "").await.status, 400);
    assert_eq!(off.send("GET /graphiql", &[BROWSER], "").await.status, 404);
    assert_eq!(off.send("GET /graphiql/react.js", &[], "").await.status, 404);
}
