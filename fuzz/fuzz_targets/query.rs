//! The query string: `select`, filters, logic trees, order, windows. Whatever comes, a query or a refusal.
#![no_main]

use ferrobase_rest::parse::{Reading, query};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = query(text, Reading::default());
    let _ = query(text, Reading { arguments: true, ..Reading::default() });
    // The grammar of `select` is the deepest: it gets texts of its own.
    let _ = query(&format!("select={text}"), Reading::default());
});
