//! Bodies: JSON, CSV and forms, as rows and as arguments.
#![no_main]

use bytes::Bytes;
use ferrobase_rest::body::{Use, read};
use ferrobase_rest::media::MediaType;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let body = Bytes::copy_from_slice(bytes);
    for media in ["application/json", "text/csv", "application/x-www-form-urlencoded", "text/plain"] {
        let media = MediaType::parse(media);
        let _ = read(&body, &media, Use::Rows, false);
        let _ = read(&body, &media, Use::Arguments, true);
    }
});
