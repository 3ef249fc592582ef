//! Whatever the text: a query or an error of the caller, in bounded stack.

use proptest::prelude::*;

use super::{Dialect, MAX_DEPTH, Reading, query, refused};

/// Runs on a quarter of the stack that a worker thread has: what recurses without bound dies here.
fn on_a_small_stack(run: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(512 * 1024).spawn(run).expect("a thread");
    thread.join().expect("no panic");
}

#[test]
fn sec_18_parsers_survive_deep_nesting() {
    on_a_small_stack(|| {
        for depth in [MAX_DEPTH + 1, 10_000] {
            let texts = [
                format!("select={}", "a(".repeat(depth)),
                format!("select={}{}", "...a(".repeat(depth), ")".repeat(depth)),
                format!("or={}", "(or".repeat(depth)),
                format!("or=({}a.eq.1{})", "not.and(".repeat(depth), ")".repeat(depth)),
            ];
            for raw in texts {
                let (message, details) = refused(&raw);
                assert_eq!(details, "nested more than 64 levels deep", "{message}");
            }
        }
        for raw in [
            format!("select=a{}", "->b".repeat(5_000)),
            format!("a={}eq.1", "not.".repeat(10_000)),
            format!("order={}", "(".repeat(10_000)),
            format!("{}=eq.1", "a.".repeat(10_000)),
            format!("a=in.{}", "(".repeat(10_000)),
            format!("a=eq.{}", "\"".repeat(10_000)),
        ] {
            let _ = query(&raw, Reading::default());
        }
        let deep = format!("select={}*{}", "a(".repeat(MAX_DEPTH), ")".repeat(MAX_DEPTH));
        assert!(query(&deep, Reading::default()).is_ok());
    });
}

/// Pieces from which texts near the grammar are made.
const PIECES: &[&str] = &[
    "select=",
    "order=",
    "or=",
    "and=",
    "not.or=",
    "limit=",
    "offset=",
    "columns=",
    "on_conflict=",
    "a=",
    "a.b=",
    "&",
    "(",
    ")",
    ",",
    ".",
    ":",
    "::",
    "!",
    "->",
    "->>",
    "\"",
    "\\",
    "{",
    "}",
    "*",
    "...",
    "count()",
    ".sum()",
    "eq.",
    "in.",
    "is.",
    "not.",
    "null",
    "fts(x).",
    "any",
    "(any)",
    "asc",
    ".desc",
    "nullsfirst",
    "a",
    "b c",
    "7",
    "-",
    "%22",
    "%00",
    "%F0%9F%98%80",
    "+",
    "=",
    "inner",
    "left",
    "or",
    "and",
    "distinct=",
    "group_by=",
    "having=",
    "(col).",
    "has.",
    "hasany.",
    "jsonpath.",
    "count(distinct)",
    ".filter(",
    "isdistinct",
];

fn dialect() -> impl Strategy<Value = Dialect> {
    prop::sample::select(&[Dialect::Postgrest, Dialect::Extended][..])
}

/// What PostgREST reads means the same in our dialect: ours only takes what is an error there.
fn reads_alike(raw: &str, arguments: bool) -> bool {
    let read = |dialect| query(raw, Reading { arguments, reserved: &[], dialect, keyed: false });
    read(Dialect::Postgrest).is_err() || read(Dialect::Postgrest) == read(Dialect::Extended)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_refused(raw in ".{0,200}", arguments: bool, dialect in dialect()) {
        let _ = query(&raw, Reading { arguments, reserved: &[], dialect, keyed: false });
    }

    #[test]
    fn texts_near_the_grammar_are_read_or_refused(
        pieces in prop::collection::vec(prop::sample::select(PIECES), 0..40),
        arguments: bool,
        dialect in dialect(),
    ) {
        let raw = pieces.concat();
        if let Err(error) = query(&raw, Reading { arguments, reserved: &[], dialect, keyed: false }) {
            let public = ferrobase_base::PublicError::from(crate::error::Error::from(error));
            prop_assert!(public.code.starts_with("PGRST1"), "{public:?}");
            prop_assert!(!public.message.is_empty());
            prop_assert!(public.details.is_some());
        }
    }

    #[test]
    fn no_text_changes_its_meaning_in_our_dialect(
        pieces in prop::collection::vec(prop::sample::select(PIECES), 0..20),
        arguments: bool,
    ) {
        prop_assert!(reads_alike(&pieces.concat(), arguments));
    }

    #[test]
    fn what_was_read_once_is_read_again_from_its_canonical_form(
        pieces in prop::collection::vec(prop::sample::select(PIECES), 0..20),
        dialect in dialect(),
    ) {
        let reading = Reading { dialect, ..Reading::default() };
        let raw = pieces.concat();
        // A key without a value means nothing, and has an empty one in the canonical form.
        prop_assume!(raw.split('&').all(|pair| pair.contains('=')));
        if let Ok(first) = query(&raw, reading) {
            let again = query(&first.canonical, reading).expect("a canonical query");
            prop_assert_eq!(first.canonical, again.canonical);
            prop_assert_eq!(first.filters.len(), again.filters.len());
        }
    }
}
