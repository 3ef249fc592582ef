//! The command lines of the READMEs, run as they stand; only host and port become those of the test's own server.
//!
//! A block is what is indented by four spaces. What a comment behind a command shows must be what the command prints.

use std::fs;
use std::process::Command;

use ferrobase_testkit::token::SECRET;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::dev::project::{Dev, Project, Ran, wait_until};
use crate::support::root;

const PRINTED_URL: &str = "http://127.0.0.1:8000";

/// The first block after a line that contains this.
fn block(readme: &str, after: &str) -> String {
    let lines = readme.lines().skip_while(|line| !line.contains(after)).skip(1);
    let lines = lines.skip_while(|line| !line.starts_with("    "));
    let lines = lines.take_while(|line| line.starts_with("    ") || line.is_empty());
    let block: String = lines.map(|line| format!("{}\n", line.get(4..).unwrap_or_default())).collect();
    assert!(!block.trim().is_empty(), "no block after {after:?}");
    block
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// Runs the commands of a block; what each `curl` printed is on a line of its own.
fn shell(project: &Project, dev: &Dev, script: &str) -> Vec<String> {
    project.write(".curl/.curlrc", "silent\nshow-error\nwrite-out = \"\\n\"\n");
    let script = script.replace(PRINTED_URL, &dev.says("url"));
    let mut command = project.program("sh");
    let ran = Ran::of(command.args(["-euc", &script]).env("CURL_HOME", project.file(".curl")));
    ran.succeeds().lines().map(str::to_owned).collect()
}

/// Runs a snippet with the client library of the client tests, and gives the JSON that it prints at last.
fn client(mut command: Command, snippet: &str) -> Value {
    let ran = Ran::of(command.arg(snippet)).succeeds();
    serde_json::from_str(ran.lines().last().unwrap_or_else(|| panic!("{snippet} printed nothing"))).unwrap()
}

fn javascript(project: &Project, dev: &Dev, readme: &str, names: &str) -> Value {
    let node = crate::clients::node();
    let modules = root().join("tests/clients/javascript/node_modules");
    let _ = std::os::unix::fs::symlink(modules, project.file("node_modules"));
    let code = block(readme, "## supabase-js").replace(PRINTED_URL, &dev.says("url"));
    let text =
        format!("{code}\nconsole.log(JSON.stringify(data));").replace(IMPORT_END, &format!("{IMPORT_END}{names}"));
    let mut command = project.program(node);
    command.args(["--input-type=module", "--eval"]);
    client(command, &text)
}

/// Where declarations may follow the import.
const IMPORT_END: &str = "from \"@supabase/supabase-js\";\n";

fn python(project: &Project, dev: &Dev, readme: &str, names: &str, print: &str) -> Value {
    let code = block(readme, "## Python").replace(PRINTED_URL, &dev.says("url"));
    let mut command = project.program(crate::clients::python());
    command.arg("-c");
    client(command, &format!("import json\n{names}\n{code}\n{print}"))
}

#[test]
fn make_targets_are_there() {
    let makefile = read("Makefile");
    let readme = read("README.md");
    let targets: Vec<&str> = readme
        .split("make ")
        .skip(1)
        .filter_map(|rest| rest.split(|c: char| c != '-' && !c.is_ascii_lowercase()).next())
        .collect();
    for target in ["demo", "demo-stop", "test", "check", "dist"] {
        assert!(targets.contains(&target), "README.md does not name `make {target}`");
        assert!(makefile.contains(&format!("\n{target}:")), "no `make {target}`");
    }
}

#[test]
fn links_lead_somewhere() {
    let guides = ["docs/guide/start.md", "docs/guide/rest.md", "docs/guide/operating.md"];
    let examples = ["examples/todos/README.md", "examples/packages/README.md"];
    for page in ["README.md", "contract/README.md"].into_iter().chain(guides).chain(examples) {
        let folder = root().join(page).parent().unwrap().to_owned();
        for link in read(page).split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            let is_file = !link.is_empty() && !link.contains("://");
            assert!(!is_file || folder.join(link).exists(), "{page} links to {link}");
        }
    }
}

#[test]
fn a_project_of_your_own() {
    let project = Project::empty();
    fs::remove_dir(project.path()).unwrap();
    let commands = block(&read("README.md"), "A project of your own");
    assert!(commands.starts_with("mkdir shop && cd shop\n") && commands.contains("ferrobase dev"), "{commands}");
    let mut command = project.program("sh");
    command.args(["-euc", &commands]).current_dir(project.path().parent().unwrap());
    let shell = project.spawn(&mut command).ready();
    let dev: i32 = project.announced().unwrap()["pid"].to_string().parse().unwrap();
    assert!(project.file("ferrobase/migrations/0001_todos.sql").exists());
    kill(Pid::from_raw(dev), Signal::SIGINT).unwrap();
    shell.end().succeeds();
}

#[tokio::test]
async fn in_production() {
    let database = crate::support::installed().await;
    let project = Project::empty();
    let command = block(&read("README.md"), "## In production");
    let (url, secret) = ("postgresql://owner:secret@db.example.com/app", "JWT_SECRET=...");
    assert!(command.contains(url) && command.contains(secret), "{command}");
    let command = command.replace(url, database.url()).replace(secret, &format!("JWT_SECRET='{SECRET}'"));
    let mut shell = project.program("sh");
    let ports = [
        ("FERROBASE_SERVER__HOST", "127.0.0.1"),
        ("FERROBASE_SERVER__PORT", "0"),
        ("FERROBASE_SERVER__ADMIN_PORT", "0"),
    ];
    let served = project.spawn(shell.args(["-euc", &format!("exec env {command}")]).envs(ports));
    wait_until("it to be ready", || served.out().contains("\"message\":\"ready\"") || served.err().contains("error"));
    served.stop(Signal::SIGTERM).succeeds();
}

#[tokio::test]
async fn todos() {
    let readme = read("examples/todos/README.md");
    let project = Project::copy_of(&root().join("examples/todos"));
    assert_eq!(block(&readme, "In this folder").trim(), "ferrobase dev");
    let dev = project.dev();

    // Its two programs are run by `clients`.
    let calls = block(&readme, "## curl");
    let printed = shell(&project, &dev, &(block(&readme, "second terminal") + &calls));
    let shown: Vec<&str> = calls.lines().filter_map(|line| line.split_once("# ")).map(|(_, shown)| shown).collect();
    assert_eq!(printed.len(), 3, "signing up prints nothing: {printed:?}");
    assert!(printed[0].contains("\"task\":\"water the plants\""), "{printed:?}");
    assert_eq!(printed[1..], shown);
    dev.stop(Signal::SIGTERM).succeeds();
}

#[tokio::test]
async fn packages() {
    let readme = read("examples/packages/README.md");
    let project = Project::copy_of(&root().join("examples/packages"));
    assert!(block(&readme, "by hand").starts_with("ferrobase dev "), "{readme}");
    let dev = project.dev();
    // The whole index takes half a minute.
    let load = block(&readme, "second terminal").replace("./load.py", "./load.py --excerpt");
    shell(&project, &dev, &load);

    let calls = block(&readme, "## curl") + &block(&read("README.md"), "prints how to call it");
    let printed = shell(&project, &dev, &calls);
    let answers: Vec<&String> = printed.iter().filter(|line| line.starts_with(['[', '{'])).collect();
    assert_eq!(answers.len(), calls.matches("curl ").count(), "{printed:?}");
    for answer in answers {
        assert!(answer.starts_with("[{"), "an empty or wrong answer: {answer}");
    }

    let anon = dev.says("anon_key");
    let row = javascript(&project, &dev, &readme, &format!("const ANON_KEY = '{anon}';\n"));
    assert_eq!(row["name"], "curl");
    assert!(row["dependencies"].as_array().is_some_and(|edges| !edges.is_empty()), "{row}");
    let with_data = readme.replace("db.table(\"packages\")", "data = db.table(\"packages\")");
    let rows = python(&project, &dev, &with_data, &format!("ANON_KEY = '{anon}'"), "print(json.dumps(data))");
    assert!(rows[0]["name"].as_str().unwrap().starts_with("postgresql"), "{rows}");
    dev.stop(Signal::SIGTERM).succeeds();
}
