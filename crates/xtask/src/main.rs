//! The workshop: `cargo xtask <command>`. CI and `make` call the same commands.
//!
//! Each command is one module. Nothing here is part of the product; nothing in the product uses it.

mod adr;
mod build_times;
mod check;
mod docs;
mod new_room;
mod run;
mod test;
mod tidy;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Ferrobase's workshop")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Formatting, lints as errors, crate edges, file headers, generated documentation.
    Check,
    /// Crate edges, file headers and words that must not be in the tree.
    Tidy {
        /// The workspace to look at.
        #[arg(long, default_value = "Cargo.toml")]
        manifest_path: PathBuf,
    },
    /// Every level of tests that a submission needs.
    Test {
        /// Only Rust tests: no clients, no contract cases.
        #[arg(long)]
        rust_only: bool,
        /// Only the tests of the binary.
        #[arg(long, conflicts_with = "rust_only")]
        app_only: bool,
    },
    /// Writes the generated parts of docs/reference; with --check only compares.
    Docs {
        /// Fail when a file is not current instead of writing it.
        #[arg(long)]
        check: bool,
    },
    /// Times a clean release build and an incremental test build, and writes docs/build-times.md.
    BuildTimes,
    /// Scaffolds a decision record: docs/adr/NNNN-title.md.
    Adr {
        /// The decision in a few words.
        title: String,
    },
    /// Scaffolds a room: crates/NAME with the files that every room has.
    NewRoom {
        /// The word that a user would say.
        name: String,
    },
}

fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::Check => check::run(),
        Command::Tidy { manifest_path } => tidy::run(&manifest_path),
        Command::Test { rust_only, app_only } => test::run(rust_only, app_only),
        Command::Docs { check } => docs::run(check),
        Command::BuildTimes => build_times::run(),
        Command::Adr { title } => adr::run(&title),
        Command::NewRoom { name } => new_room::run(&name),
    }
}
