//! `ferrobase auth users`: accounts, in the database of the configuration.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};
use ferrobase_auth::operate;
use serde_json::Value;

use crate::config::Environment;

use super::api_keys::with_pool;
use super::settings::ConfigArguments;
use super::terminal;

/// Accounts of one transaction of an export.
const PAGE: i64 = 500;

/// Accounts.
#[derive(Args)]
#[command(disable_help_subcommand = true)]
pub(super) struct UsersArguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Lists accounts, newest first.
    #[command(after_help = "Examples:\n  ferrobase auth users list\n  ferrobase auth users list --filter ada --json")]
    List {
        #[command(flatten)]
        database: Place,
        /// A part of address, number or name.
        #[arg(long, default_value = "", hide_default_value = true)]
        filter: String,
        /// Most accounts.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=10_000))]
        limit: i64,
    },
    /// Makes an account whose address counts as confirmed.
    #[command(
        after_help = "Examples:\n  ferrobase auth users create ada@example.com\n  ferrobase auth users create ada@example.com --password-stdin < password.txt"
    )]
    Create {
        #[command(flatten)]
        database: Place,
        /// The address.
        email: String,
        /// Reads the password from the standard input; without it the account has none.
        #[arg(long)]
        password_stdin: bool,
    },
    /// Bans an account and ends its sessions.
    #[command(
        after_help = "Examples:\n  ferrobase auth users ban ada@example.com --for 24h\n  ferrobase auth users ban ada@example.com --for none"
    )]
    Ban {
        #[command(flatten)]
        database: Place,
        /// Address or id.
        user: String,
        /// How long (`24h`, `1h30m`); `none` lifts a ban.
        #[arg(long = "for", value_name = "DURATION", default_value = "876000h", hide_default_value = true)]
        duration: String,
    },
    /// Deletes an account with everything that refers to it.
    #[command(after_help = "Example:\n  ferrobase auth users delete ada@example.com")]
    Delete {
        #[command(flatten)]
        database: Place,
        /// Address or id.
        user: String,
    },
    /// Writes all accounts, one JSON object a line, stored passwords included.
    #[command(after_help = "Example:\n  ferrobase auth users export > users.jsonl")]
    Export {
        #[command(flatten)]
        database: Place,
    },
}

#[derive(Args)]
struct Place {
    #[command(flatten)]
    config: ConfigArguments,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &UsersArguments, environment: &Environment) -> Result<ExitCode> {
    match &arguments.action {
        Action::List { database, filter, limit } => {
            let users = with_pool(&database.config, environment, async |pool| {
                Ok(operate::list(pool, filter, *limit, 0).await?)
            })?;
            show(&users, database.json)?;
        }
        Action::Create { database, email, password_stdin } => {
            let section = database.config.load(environment.clone())?.config.auth.sign_in.password;
            let password = if *password_stdin { Some(std::io::read_to_string(std::io::stdin())?) } else { None };
            let password = password.as_deref().map(|text| text.trim_end_matches(['\r', '\n']));
            let user = with_pool(&database.config, environment, async |pool| {
                Ok(operate::create(pool, &section, email, password).await?)
            })?;
            show(&[user], database.json)?;
        }
        Action::Ban { database, user, duration } => {
            let seconds = operate::ban_seconds(duration)?;
            let user =
                with_pool(&database.config, environment, async |pool| Ok(operate::ban(pool, user, seconds).await?))?;
            show(&[user], database.json)?;
        }
        Action::Delete { database, user } => {
            let user = with_pool(&database.config, environment, async |pool| Ok(operate::delete(pool, user).await?))?;
            terminal::note("deleted");
            show(&[user], database.json)?;
        }
        Action::Export { database } => with_pool(&database.config, environment, async |pool| {
            let mut offset = 0;
            loop {
                let page = operate::export(pool, PAGE, offset).await?;
                let lines: String = page.iter().map(|user| format!("{user}\n")).collect();
                if page.is_empty() || !terminal::print_while_read(&lines)? {
                    return Ok(());
                }
                offset += PAGE;
            }
        })?,
    }
    Ok(ExitCode::SUCCESS)
}

fn show(users: &[Value], json: bool) -> Result<()> {
    if json {
        return terminal::print_json(&users);
    }
    let text = |user: &Value, name: &str| user[name].as_str().unwrap_or_default().to_owned();
    let mut lines = String::new();
    for user in users {
        let who = if text(user, "email").is_empty() { text(user, "phone") } else { text(user, "email") };
        let who = if who.is_empty() { "(anonymous)".to_owned() } else { who };
        let banned = if user.get("banned_until").is_some() { "  banned" } else { "" };
        lines.push_str(&format!("{}  {who:<32} {}{banned}\n", text(user, "id"), text(user, "created_at")));
    }
    terminal::print(&lines)
}
