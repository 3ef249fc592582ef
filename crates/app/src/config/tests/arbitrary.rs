//! Whatever is written, loading ends with settings or with messages: it never panics, and what it accepts it can print.

use ferrobase_base::config::reference::Reference;
use proptest::prelude::*;

use super::super::{Config, load, refusals, report, show};
use super::sources;

/// A known key with a value of any kind, in the file's own form.
fn setting() -> impl Strategy<Value = String> {
    let keys: Vec<String> = Reference::of::<Config>().keys().map(|key| key.path.clone()).collect();
    let value = prop_oneof![
        "[a-z0-9./:%_@ -]{0,20}",
        "-?[0-9]{1,20}",
        "[0-9]{1,5}(ms|s|m|h|d|MB|KiB|%|x)",
        Just("null".to_owned()),
        Just("[a, b, '*']".to_owned()),
        Just("{a: b, enabled: true}".to_owned()),
        Just("${HOME}".to_owned()),
        Just("vault://a/b".to_owned()),
        Just("file:///dev/null".to_owned()),
        Just("postgresql://u:p@h:1/d".to_owned()),
        "\\PC{0,20}",
    ];
    (prop::sample::select(keys), value).prop_map(|(key, value)| {
        let steps: Vec<&str> = key.split('.').collect();
        let open: String = steps.iter().map(|step| step.replace("[]", "").replace("<name>", "x") + ": {").collect();
        // A list item's key goes one bracket deeper than it would as a plain group.
        let open = if key.contains("[]") { open.replacen(": {", ": [{", key.matches("[]").count()) } else { open };
        let open = open.strip_suffix('{').unwrap_or(&open).to_owned();
        let close: String = open
            .chars()
            .rev()
            .filter_map(|c| match c {
                '{' => Some('}'),
                '[' => Some(']'),
                _ => None,
            })
            .collect();
        format!("{open} {value}{close}")
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn one_setting(text in setting()) {
        never_panics(&text);
    }

    #[test]
    fn many_variables(settings in prop::collection::vec(("FERROBASE_(SERVER|DATABASE|AUTH|REST|TENANTS|REDIS)(__[A-Z_]{0,12}){0,3}", "\\PC{0,20}"), 0..6)) {
        let variables: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let _ = load(&sources("", &variables));
    }

    #[test]
    fn any_text(text in "\\PC{0,300}") {
        never_panics(&text);
    }
}

fn never_panics(text: &str) {
    match load(&sources(text, &[("HOME", "/home/canary")])) {
        Ok(loaded) => {
            let _ = (show(&loaded, true), report(&loaded, &[]), refusals(&loaded, false));
        }
        Err(errors) => assert!(!errors.to_string().is_empty() && !errors.to_string().contains("canary"), "{errors}"),
    }
}
