//! What `--help` promises: every command is there, with an example, and none that is not built.

use crate::dev::project::{Project, Ran};

/// The commands of the design that work. One that is not built is absent, and comes here when it is.
const COMMANDS: [&str; 14] = [
    "dev",
    "serve",
    "postgrest",
    "init",
    "keys",
    "auth",
    "config",
    "migrate",
    "gen",
    "graphql",
    "explain-policy",
    "top",
    "version",
    "completions",
];

/// The names below `Commands:` of a help text.
fn listed(help: &str) -> Vec<String> {
    let block = help.split("\nCommands:\n").nth(1).unwrap_or_default().split("\n\n").next().unwrap_or_default();
    let names = block.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").map(str::to_owned).collect()
}

fn walk(project: &Project, path: &[&str], seen: &mut Vec<String>) {
    let help = project.run(&[path, &["--help"]].concat()).succeeds();
    assert!(help.contains("\nExample"), "ferrobase {}: no example:\n{help}", path.join(" "));
    let example = help.split("\nExample").nth(1).unwrap();
    assert!(example.contains("  ferrobase ") || example.contains("&& ferrobase "), "{example}");
    for name in listed(&help) {
        seen.push([path, &[&name]].concat().join(" "));
        walk(project, &[path, &[&name]].concat(), seen);
    }
}

#[test]
fn every_command_has_an_example_and_only_what_is_built_is_there() {
    let project = Project::empty();
    let mut seen = Vec::new();
    walk(&project, &[], &mut seen);
    let top: Vec<&String> = seen.iter().filter(|path| !path.contains(' ')).collect();
    assert_eq!(top, COMMANDS);
    for inner in [
        "keys token",
        "keys rotate",
        "config check",
        "config show",
        "migrate new",
        "migrate status",
        "migrate up",
        "gen types",
        "graphql schema",
        "graphql explain",
        "graphql check",
    ] {
        assert!(seen.iter().any(|path| path == inner), "{inner} in {seen:?}");
    }
    for absent in ["doctor", "pattern", "jobs", "backup"] {
        let ran = project.run(&[absent]);
        assert_eq!(ran.code(), Some(2));
        assert!(ran.err.contains("unrecognized subcommand"), "{}", ran.err);
    }
}

#[test]
fn misuse_is_told_apart_from_failure() {
    let project = Project::empty();
    for arguments in
        [&[][..], &["dev", "--port", "80000"], &["migrate", "new"], &["keys", "token", "--expires-in", "soon"]]
    {
        let ran = project.run(arguments);
        assert_eq!(ran.code(), Some(2), "{ran:?}");
        assert!(ran.out.is_empty() && ran.err.contains("Usage:") || ran.err.contains("invalid value"), "{ran:?}");
    }
    assert_eq!(std::fs::read_dir(project.path()).unwrap().count(), 0, "nothing was made");
}

#[test]
fn version_says_what_this_is() {
    let project = Project::empty();
    let version = project.run(&["version", "--json"]).json();
    let number = version["version"].as_str().unwrap();
    assert_eq!(number, env!("CARGO_PKG_VERSION"));
    assert!(project.run(&["version"]).succeeds().starts_with(&format!("ferrobase {number} (")));
    assert_eq!(project.run(&["--version"]).succeeds(), format!("ferrobase {number}\n"));
}

#[test]
fn completions_are_scripts_of_their_shells() {
    let project = Project::empty();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = project.run(&["completions", shell]).succeeds();
        for command in COMMANDS {
            assert!(script.contains(command), "{shell}: no {command}");
        }
    }
    let script = "source /dev/stdin && complete -p ferrobase";
    let mut bash = project.program("bash");
    bash.args(["-c", &format!("ferrobase completions bash | {{ {script}; }}")]);
    assert!(Ran::of(&mut bash).succeeds().contains("_ferrobase"));
}

/// `| head` goes away before everything is written.
#[test]
fn a_reader_that_goes_away_is_no_error() {
    let project = Project::empty();
    let mut shell = project.program("bash");
    shell.args(["-c", "set -o pipefail; ferrobase completions bash | head -n 1 >/dev/null"]);
    let ran = Ran::of(&mut shell);
    assert_eq!((ran.code(), ran.err.as_str()), (Some(0), ""));
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let project = Project::empty();
    let on_terminal = |variable: &str| {
        let mut script = project.program("script");
        script.args(["--quiet", "--command", "ferrobase config check --config nowhere.yaml", "/dev/null"]);
        let name = if variable.is_empty() { "FORGET" } else { variable };
        let output = script.env("TERM", "xterm").env_remove("NO_COLOR").env(name, "1").output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let coloured = on_terminal("");
    assert!(coloured.contains("\x1b[") && coloured.contains("nowhere.yaml"), "{coloured:?}");
    let plain = on_terminal("NO_COLOR");
    assert!(plain.starts_with("error: ") && !plain.contains('\x1b'), "{plain:?}");
}
