//! What `ferrobase config show` and `config check` print.
//!
//! Texts and values only; `cli` decides where they go. Invariant: everything is made from typed values, whose secrets
//! mask themselves.

use ferrobase_base::config::{Problem, Setting as _, shown};

use super::{Loaded, refusals};

/// The merged configuration as YAML, every key, secrets masked; with `origin`, where each value was written.
pub fn show(loaded: &Loaded, origin: bool) -> String {
    shown::to_yaml(&loaded.config.show(), origin.then_some(&loaded.tree))
}

/// The merged configuration as JSON, secrets masked.
pub fn show_json(loaded: &Loaded) -> serde_json::Value {
    loaded.config.show().to_json()
}

/// The verdict of `config check`: which file, what is odd, and what would keep `serve` from starting. `unusable` is what no
/// command could use to serve.
pub fn report(loaded: &Loaded, unusable: &[Problem]) -> String {
    let verdict = if unusable.is_empty() { "valid" } else { "well-formed, but what it says cannot be used" };
    let mut text = match &loaded.file {
        Some(file) => format!("{} is {verdict}\n", file.display()),
        None => format!("no configuration file was found; what defaults, environment and flags say is {verdict}\n"),
    };
    list(&mut text, "error", unusable);
    list(&mut text, "warning", &loaded.warnings);
    let refusals = refusals(loaded, false);
    if !refusals.is_empty() {
        text.push_str("`ferrobase dev` asks for no more; before production, `ferrobase serve` asks for more:\n");
    }
    list(&mut text, "  serve", &refusals);
    text
}

fn list(text: &mut String, label: &str, problems: &[Problem]) {
    for problem in problems {
        text.push_str(&format!("{label}: {problem}\n"));
    }
}
