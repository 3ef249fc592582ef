//! Every example of docs/guide/graphql-writes.md, in the order in which it stands there.

use serde_json::Value;

use crate::harness::api;

const GUIDE: &str = include_str!("../../../docs/guide/graphql-writes.md");

/// The fenced blocks of the page with their languages.
fn blocks() -> Vec<(&'static str, &'static str)> {
    let fenced = GUIDE.split("\n```").skip(1).step_by(2);
    fenced.map(|block| block.split_once('\n').expect("a language")).collect()
}

#[tokio::test]
async fn what_the_guide_shows_is_so() {
    let blocks = blocks();
    let Some((("sql", schema), examples)) = blocks.split_first().map(|(first, rest)| (*first, rest)) else {
        panic!("the guide begins with its schema")
    };
    let api = api(schema).await;
    assert!(examples.len() >= 16, "{} blocks", examples.len());
    for pair in examples.chunks(2) {
        let [("graphql", query), ("json", expected)] = pair else { panic!("an example and its answer: {pair:?}") };
        let expected: Value = serde_json::from_str(expected).unwrap_or_else(|error| panic!("{error}: {expected}"));
        assert_eq!(api.data(query).await, expected, "{query}");
    }
}
