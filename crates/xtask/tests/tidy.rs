//! `cargo xtask tidy` as a colleague meets it: a sideways import fails the check and is named.

#![allow(clippy::unwrap_used)]
use std::fs;
use std::path::Path;
use std::process::Command;

fn package(root: &Path, name: &str, dependencies: &str) {
    let folder = root.join("crates").join(name);
    fs::create_dir_all(folder.join("src")).unwrap();
    fs::write(
        folder.join("Cargo.toml"),
        format!("[package]\nname = \"ferrobase-{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[dependencies]\n{dependencies}"),
    )
    .unwrap();
    fs::write(folder.join("src/lib.rs"), "//! A crate.\n").unwrap();
}

fn tidy(root: &Path) -> (bool, String) {
    let manifest = root.join("Cargo.toml");
    let output =
        Command::new(env!("CARGO_BIN_EXE_xtask")).arg("tidy").arg("--manifest-path").arg(manifest).output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_sideways_import_is_rejected() {
    let workspace = tempfile::tempdir().unwrap();
    let root = workspace.path();
    fs::write(root.join("Cargo.toml"), "[workspace]\nresolver = \"3\"\nmembers = [\"crates/*\"]\n").unwrap();
    package(root, "base", "");
    package(root, "migrate", "ferrobase-base = { path = \"../base\" }\n");
    package(root, "rest", "ferrobase-base = { path = \"../base\" }\n");
    let (clean, output) = tidy(root);
    assert!(clean, "{output}");

    package(root, "rest", "ferrobase-migrate = { path = \"../migrate\" }\n");
    let (clean, output) = tidy(root);
    assert!(!clean);
    assert!(output.contains("rest uses migrate: a room never uses a room"), "{output}");
}
