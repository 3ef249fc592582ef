//! Starts that cannot be: each says what is wrong and what to do, and makes nothing.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use nix::unistd::geteuid;

use super::project::{Project, Ran};

#[test]
fn without_postgresql_it_names_the_command_that_installs_it() {
    let project = Project::new();
    let nothing = project.file("bin");
    fs::create_dir(&nothing).unwrap();
    let ran = Ran::of(project.command(&["dev"]).env("FERROBASE_PG_BIN", &nothing));
    ran.fails(&[&nothing.display().to_string(), "FERROBASE_PG_BIN", "install postgresql"]);
    assert!(project.announced().is_none());
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let project = Project::of_user();
    fs::set_permissions(project.path(), fs::Permissions::from_mode(0o555)).unwrap();
    if geteuid().is_root() {
        std::os::unix::fs::chown(project.path(), Some(0), Some(0)).unwrap();
    }
    let folder = project.file(".ferrobase").display().to_string();
    project.run(&["dev"]).fails(&[&format!("cannot make {folder}"), "Permission denied"]);
    project.run(&["init"]).fails(&["cannot write ferrobase.yaml", "Permission denied"]);
}

/// Somebody else has run `dev` here: as root, mostly.
#[test]
fn state_of_another_user_is_named() {
    if !geteuid().is_root() {
        return;
    }
    let project = Project::of_user();
    fs::create_dir(project.file(".ferrobase")).unwrap();
    fs::set_permissions(project.file(".ferrobase"), fs::Permissions::from_mode(0o700)).unwrap();
    project.run(&["dev"]).fails(&["belongs to root", "run as root", "remove"]);
}

#[test]
fn a_port_that_was_set_and_is_taken_is_told_before_anything_is_made() {
    let project = Project::new();
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port().to_string();
    let in_use = format!("port {port} (server.port) is in use");
    project.run(&["dev", "--port", &port]).fails(&[&in_use, "--port"]);
    Ran::of(project.command(&["dev"]).env("FERROBASE_SERVER__PORT", &port)).fails(&[&in_use]);
    project.write("ferrobase.yaml", &format!("server:\n  admin_port: {port}\n"));
    project.run(&["dev"]).fails(&[&format!("port {port} (server.admin_port) is in use"), "--admin-port"]);
    assert!(!project.file(".ferrobase/pg").exists());

    project.write("ferrobase.yaml", &format!("database:\n  embedded:\n    port: {port}\n"));
    project.run(&["dev"]).fails(&[&format!("port {port} on 127.0.0.1 is taken"), "database.embedded.port"]);
    assert!(project.processes().is_empty());
}

#[test]
fn a_configuration_that_is_wrong_stops_it_before_anything_is_made() {
    let project = Project::new();
    project.write("ferrobase.yaml", "server:\n  prot: 8000\n");
    project.run(&["dev"]).fails(&["server.prot (ferrobase.yaml:2): unknown key; did you mean `port`?"]);
    project.write("ferrobase.yaml", "rest:\n  max_rows: many\n");
    project.run(&["dev"]).fails(&["rest.max_rows"]);
    assert!(!project.file(".ferrobase/pg").exists());
}
