//! `cargo xtask new-room NAME`: a room that looks like every other room.

use std::fs;
use std::path::Path;

use anyhow::{Result, bail};

/// Creates crates/NAME with its manifest, header, error type, configuration and test binary.
pub fn run(name: &str) -> Result<()> {
    let folder = Path::new("crates").join(name);
    if folder.exists() {
        bail!("{} exists", folder.display());
    }
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_lowercase() || c == '-') {
        bail!("a room's name is one lower-case word");
    }
    fs::create_dir_all(folder.join("src"))?;
    fs::create_dir_all(folder.join("tests"))?;
    for (file, text) in [
        ("Cargo.toml", manifest(name)),
        ("src/lib.rs", library(name)),
        ("src/error.rs", error(name)),
        ("tests/main.rs", format!("//! The room `{name}` against a real PostgreSQL.\n")),
    ] {
        fs::write(folder.join(file), text)?;
    }
    println!("{}: next, name it in docs/architecture.md and compose it in crates/app", folder.display());
    Ok(())
}

fn manifest(name: &str) -> String {
    format!(
        "[package]\nname = \"ferrobase-{name}\"\ndescription = \"\"\nversion.workspace = true\nedition.workspace = true\n\
         rust-version.workspace = true\nlicense.workspace = true\npublish.workspace = true\n\n[lints]\nworkspace = true\n\n\
         [dependencies]\nferrobase-base.workspace = true\nferrobase-request.workspace = true\nferrobase-edge.workspace = true\n\
         axum.workspace = true\nthiserror.workspace = true\n\n[dev-dependencies]\nferrobase-testkit.workspace = true\n"
    )
}

fn library(name: &str) -> String {
    format!(
        "//! What the room `{name}` is for.\n//!\n//! Flow: parse -> plan -> query -> execute -> render.\n\
         //! Invariant: every statement runs through `request::run`.\n\nmod error;\n\npub use error::Error;\n"
    )
}

fn error(name: &str) -> String {
    format!(
        "//! What can fail in `{name}`, and what its caller is told.\n\nuse ferrobase_base::{{Kind, PublicError}};\n\n\
         /// A failure of this room.\n#[derive(Debug, thiserror::Error)]\n#[non_exhaustive]\npub enum Error {{}}\n\n\
         impl From<Error> for PublicError {{\n    fn from(error: Error) -> Self {{\n        \
         PublicError::new(Kind::Internal, \"FB000\", error.to_string())\n    }}\n}}\n"
    )
}
