//! How errors repeat the caller's text: escaped, cut, with its place.

use super::refused;

#[test]
fn what_is_repeated_is_escaped_or_cut() {
    assert_eq!(
        refused("order=a.%22b").1,
        "unexpected \"\\\"\" expecting \"asc\", \"desc\", \"nullsfirst\" or \"nullslast\""
    );
    assert_eq!(refused("order=a!").1.split(" expecting").next(), Some("unexpected '!'"));
    assert_eq!(refused("select=a%E2%82%AC").1.split(" expecting").next(), Some("unexpected '\\8364'"));
    assert_eq!(refused("select=a%01").1.split(" expecting").next(), Some("unexpected '\\SOH'"));
    let long = refused(&format!("select={}!", "a".repeat(100_000))).0;
    assert!(long.len() < 3_000, "{}", long.len());
}

#[test]
fn lines_and_tabs_are_counted() {
    assert!(refused("order=a,%09b!").0.ends_with("(line 1, column 10)"), "{:?}", refused("order=a,%09b!"));
    assert!(refused("a=in.(%0A%0A1").0.ends_with("(line 3, column 2)"), "{:?}", refused("a=in.(%0A%0A1"));
}

#[test]
fn text_must_be_utf8() {
    assert_eq!(refused("a=eq.%FF").1, "the text is not valid UTF-8 after percent-decoding");
    assert_eq!(refused("%C3=eq.1").1, "the text is not valid UTF-8 after percent-decoding");
}
