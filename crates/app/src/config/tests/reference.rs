//! `docs/reference/config.md` says what the code does: compared here, written with `UPDATE_DOCS=1`.

use std::path::Path;

use ferrobase_base::config::reference::Reference;

use super::super::{Config, environment, show};
use super::loaded;

const HEAD: &str = include_str!("../reference.md");

#[test]
fn reference_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/config.md");
    let generated = format!("{HEAD}{}", Reference::of::<Config>().to_markdown());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, generated).unwrap();
        return;
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == generated, "docs/reference/config.md is not current: run `cargo xtask docs`");
}

#[test]
fn the_reference_names_the_variables_that_are_no_settings() {
    for name in [environment::CONFIG, environment::PG_BIN] {
        assert!(HEAD.contains(name), "{name}");
    }
}

#[test]
fn every_key_has_a_sentence_and_is_shown() {
    let shown = show(&loaded("", &[]), false);
    for key in Reference::of::<Config>().keys() {
        assert!(key.about.ends_with('.'), "{}: {}", key.path, key.about);
        let top = key.path.split(['.', '[']).next().unwrap();
        assert!(shown.contains(top), "{}", key.path);
    }
}

/// A default that its own bounds would refuse could not be written down.
#[test]
fn every_default_can_be_configured() {
    let shown = show(&loaded("", &[]), false);
    assert_eq!(loaded(&shown, &[]).config, Config::default());
}
