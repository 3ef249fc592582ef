//! The command line: one module per command, with an example in every `--help`.
//!
//! A command returns `Ok` or an error whose chain is printed; exit code 1 is a failure, 2 a misuse of the command line
//! (clap's). Data goes to the standard output, everything else to the standard error; `--json` where output is data.

mod accounts;
mod api_keys;
mod auth;
mod completions;
mod config;
mod dev;
pub(crate) mod explain;
mod explain_policy;
mod gen_types;
mod graphql;
mod init;
pub(crate) mod keys;
pub(crate) mod migrate;
mod postgrest;
mod serve;
mod settings;
mod signing_keys;
pub(crate) mod terminal;
mod top;
mod version;

use std::process::ExitCode;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Parser, Subcommand};

use crate::config::Environment;

/// Colours are used on a terminal only; clap asks the terminal, `NO_COLOR` and `CLICOLOR`.
const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default())
    .placeholder(AnsiColor::Cyan.on_default());

/// One binary that turns PostgreSQL into a production backend.
#[derive(Parser)]
#[command(
    name = "ferrobase",
    version,
    styles = STYLES,
    arg_required_else_help = true,
    after_help = "Examples:\n  ferrobase init && ferrobase dev      a project on this machine, with its own PostgreSQL\n  ferrobase serve --help               production"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Everything on one machine: a private PostgreSQL, this folder's migrations, and the APIs.
    Dev(dev::DevArguments),
    /// Production: serves a database that is there, or an embedded one.
    Serve(serve::ServeArguments),
    /// Drop-in PostgREST: its file, variables, flags and signals; REST at `/` and nothing else.
    Postgrest(postgrest::PostgrestArguments),
    /// Scaffolds `ferrobase.yaml` and `ferrobase/` in this folder.
    Init(init::InitArguments),
    /// Prints anon and service keys, makes test tokens, rotates the secret.
    Keys(keys::KeysArguments),
    /// Signing in: accounts, and mails that wait or were caught.
    Auth(auth::AuthArguments),
    /// Checks and shows the configuration.
    Config(config::ConfigCommand),
    /// The project's migrations: new, status, up.
    Migrate(migrate::MigrateArguments),
    /// Types for programs that use the API: TypeScript, Python, Rust.
    Gen(gen_types::GenArguments),
    /// The GraphQL API: a role's schema, an operation as SQL, trusted documents.
    Graphql(graphql::GraphqlArguments),
    /// Why a role may, or may not, touch a row.
    ExplainPolicy(explain_policy::ExplainPolicyArguments),
    /// What a running server does: statements, pools, waits.
    Top(top::TopArguments),
    /// Version and build.
    Version(version::VersionArguments),
    /// Completion script for a shell.
    Completions(completions::CompletionsArguments),
}

/// Runs the program to its end.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let environment = Environment::read();
    let outcome = match arguments.command {
        Command::Dev(arguments) => dev::run(&arguments, environment),
        Command::Serve(arguments) => serve::run(&arguments, environment),
        Command::Postgrest(arguments) => postgrest::run(arguments, environment),
        Command::Init(arguments) => init::run(&arguments),
        Command::Keys(arguments) => keys::run(&arguments, environment),
        Command::Auth(arguments) => auth::run(&arguments, &environment),
        Command::Config(arguments) => config::run(&arguments, environment),
        Command::Migrate(arguments) => migrate::run(&arguments, &environment),
        Command::Gen(arguments) => gen_types::run(&arguments, &environment),
        Command::Graphql(arguments) => graphql::run(&arguments, &environment),
        Command::ExplainPolicy(arguments) => explain_policy::run(&arguments, &environment),
        Command::Top(arguments) => top::run(&arguments, environment),
        Command::Version(arguments) => version::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            terminal::error(&error);
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    /// Longer lines are broken by clap, and a broken example cannot be copied.
    const WIDEST: usize = 98;

    fn check(command: &clap::Command, path: &str) {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        assert!(help.starts_with("Example"), "`{path} --help` has no example: {help}");
        for line in help.lines() {
            assert!(line.chars().count() <= WIDEST, "`{path} --help`: too long: {line}");
        }
        for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
            check(inner, &format!("{path} {}", inner.get_name()));
        }
    }

    #[test]
    fn every_help_has_an_example_that_can_be_copied() {
        let command = Arguments::command();
        command.clone().debug_assert();
        check(&command, "ferrobase");
    }
}
