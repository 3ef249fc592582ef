//! `contract-runner`: points topic files at any server, for comparing ours with the original by hand.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Parser;
use ferrobase_contract_runner::{Topic, Variables, record, run};

/// Runs contract cases against a server, or records its answers.
#[derive(Parser)]
struct Arguments {
    /// Topic files.
    #[arg(required = true)]
    topics: Vec<PathBuf>,
    /// `host:port` of the server.
    #[arg(long)]
    address: String,
    /// Values for `${NAME}`.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    variables: Vec<String>,
    /// Print the server's answers instead of judging them.
    #[arg(long)]
    record: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut variables = Variables::new();
    for variable in &arguments.variables {
        let (name, value) = variable.split_once('=').with_context(|| format!("not NAME=VALUE: {variable}"))?;
        variables.insert(name.to_owned(), value.to_owned());
    }
    let mut failed = 0;
    for path in &arguments.topics {
        let topic = Topic::read(path)?;
        if arguments.record {
            print!("{}", record(&topic, &arguments.address, &variables)?);
            continue;
        }
        let failures = run(&topic, &arguments.address, &variables);
        println!("{}: {} cases, {} failed", path.display(), topic.cases.len(), failures.len());
        for failure in &failures {
            println!("{}\n  {}", failure.case, failure.message);
        }
        failed += failures.len();
    }
    if failed > 0 {
        bail!("{failed} promises not kept");
    }
    Ok(())
}
