//! GraphQL: a document and its variables against the schema of a small catalog. Read, measured, checked, planned, compiled:
//! statements or a refusal. Each runs on half of the stack that a thread of the server has.
#![no_main]

use std::sync::LazyLock;

use ferrobase_graphql::{Settings, View, config::GraphqlSection};
use ferrobase_request::exposure::Exposure;
use libfuzzer_sys::fuzz_target;

#[path = "../../crates/graphql/src/tests/fixture.rs"]
mod fixture;

static VIEW: LazyLock<View> = LazyLock::new(|| {
    let settings = Settings::new(&GraphqlSection::default(), Vec::new(), true);
    View::new(&fixture::catalog(), &Exposure::open(vec!["api".to_owned()]), &settings, "all", "api")
});

fuzz_target!(|input: (String, String)| {
    let (document, variables) = input;
    let run = move || {
        let variables = serde_json::from_str(&variables).unwrap_or_default();
        let _ = VIEW.explain(&document, None, variables);
        let _ = VIEW.check(&document);
    };
    std::thread::Builder::new().stack_size(1 << 20).spawn(run).expect("a thread").join().expect("no panic");
});
