//! The whole configuration as its users meet it: files, variables, flags in; settings, messages, printed text out.

mod arbitrary;
mod messages;
mod published_blocks;
mod reference;
mod reload;
mod secrets;
mod serve;
mod sources;

use super::file::ConfigFile;
use super::{Environment, Flag, Loaded, Sources, load};

/// Sources of a file `ferrobase.yaml` with this text and these variables.
fn sources(text: &str, variables: &[(&str, &str)]) -> Sources {
    Sources {
        file: Some(ConfigFile { path: "ferrobase.yaml".into(), text: text.to_owned() }),
        environment: variables.iter().copied().collect::<Environment>(),
        ..Sources::default()
    }
}

fn flag(key: &'static str, flag: &str, text: &str) -> Flag {
    Flag { key, flag: flag.to_owned(), text: text.to_owned() }
}

/// Loads what must be right.
fn loaded(text: &str, variables: &[(&str, &str)]) -> Loaded {
    load(&sources(text, variables)).unwrap_or_else(|errors| panic!("{errors}\n{text}"))
}

/// What is said about a configuration that is wrong, a line a problem.
fn refused(text: &str, variables: &[(&str, &str)]) -> Vec<String> {
    match load(&sources(text, variables)) {
        Ok(_) => panic!("accepted:\n{text}"),
        Err(errors) => errors.0.iter().map(ToString::to_string).collect(),
    }
}

fn warnings(text: &str) -> Vec<String> {
    loaded(text, &[]).warnings.iter().map(ToString::to_string).collect()
}
