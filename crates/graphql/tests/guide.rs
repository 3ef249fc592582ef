//! What docs/guide/graphql.md shows: its tables, and each operation with the answer below it, in order.

use serde_json::Value;

use crate::harness::api;

const GUIDE: &str = include_str!("../../../docs/guide/graphql.md");

/// The indented blocks of the page.
fn blocks() -> Vec<String> {
    let mut blocks = vec![String::new()];
    for line in GUIDE.lines() {
        match line.strip_prefix("    ") {
            Some(code) => {
                let block = blocks.last_mut().expect("a block");
                block.push_str(code);
                block.push('\n');
            }
            None if !blocks.last().expect("a block").is_empty() => blocks.push(String::new()),
            None => {}
        }
    }
    blocks
}

#[tokio::test]
async fn every_answer_of_the_guide_is_the_answer() {
    let blocks = blocks();
    let tables = blocks.iter().find(|block| block.starts_with("create table")).expect("tables");
    let api = api(tables).await;
    let mut shown = 0;
    for pair in blocks.windows(2) {
        let [operation, answer] = pair else { continue };
        let is_answer = answer.starts_with("{\"data\"") || answer.starts_with("{\"errors\"");
        if !is_answer {
            continue;
        }
        let expected: Value = serde_json::from_str(answer).unwrap_or_else(|error| panic!("{error}: {answer}"));
        assert_eq!(api.ask(operation).await.json(), expected, "{operation}");
        shown += 1;
    }
    assert!(shown >= 14, "{shown}");
}

#[test]
fn every_code_is_explained() {
    let source = include_str!("../src/error.rs");
    let codes = source.split('"').filter(|word| {
        word.len() > 6 && word.contains('_') && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
    });
    let mut count = 0;
    for code in codes {
        assert!(GUIDE.contains(code), "{code}");
        count += 1;
    }
    assert!(count > 15, "{count}");
}
