//! Paths of the role in a token's claims (`jwt_role_claim`).
#![no_main]

use ferrobase_request::credentials::RolePath;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(path) = RolePath::parse(text) {
        let claims = [("a".to_owned(), "x".into()), ("roles".to_owned(), vec!["x", "y"].into())];
        let _ = path.find(&claims.into_iter().collect());
    }
});
