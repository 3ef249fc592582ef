//! The fields that the REST room reads: `Accept`, `Prefer`, `Range`, `Content-Type`.
#![no_main]

use ferrobase_rest::media::{MediaType, accept};
use ferrobase_rest::prefer::Preferences;
use ferrobase_rest::range;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = accept(text);
    let _ = MediaType::parse(text);
    let _ = Preferences::parse([text].into_iter(), true);
    let _ = range::header(text);
});
