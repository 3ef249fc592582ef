//! Bodies that stream, NDJSON and csv: cut anywhere, the same bytes give the same rows or the same error.
#![no_main]

use ferrobase_rest::body::rows::{Format, copy_data};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u16, &[u8])| {
    let (cut, bytes) = input;
    let (head, tail) = bytes.split_at(usize::from(cut).min(bytes.len()));
    for format in [Format::Csv, Format::Ndjson { listed: false }, Format::Ndjson { listed: true }] {
        assert_eq!(copy_data(format, [bytes]), copy_data(format, [head, tail]));
    }
});
