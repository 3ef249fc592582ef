//! `ferrobase auth users|mails|preview`: accounts (`accounts`) and mails of signing in.
//!
//! What waits or was caught is read as the owner of the database; how a mail is written follows from the configuration alone.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand, ValueEnum};
use ferrobase_auth::keys::KeyFile;
use ferrobase_auth::mail::{MailKind, Templates, example};
use ferrobase_pg::Session;
use serde_json::{Value, json};

use crate::config::Environment;
use crate::server::auth_settings;

use super::migrate::owner;
use super::settings::ConfigArguments;
use super::{accounts, terminal};

/// Newest first; the text is left out unless it is asked for, because it holds codes.
const MAILS: &str = "select to_jsonb(o)::text from (
        select id, created_at, kind, recipient, subject, state, tries, last_error, plain, html
        from auth.outbox order by created_at desc limit $1::int8
    ) o";

/// Accounts and mails of signing in.
#[derive(Args)]
#[command(
    disable_help_subcommand = true,
    after_help = "Examples:\n  ferrobase auth users list\n  ferrobase auth mails\n  ferrobase auth preview recovery"
)]
pub(super) struct AuthArguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Accounts: list, create, ban, delete, export.
    #[command(
        after_help = "Examples:\n  ferrobase auth users list --filter example.com\n  ferrobase auth users ban ada@example.com --for 24h"
    )]
    Users(accounts::UsersArguments),
    /// Lists mails that wait, were caught (`auth.mailer.catch`, as in `dev`) or could not be sent.
    #[command(
        after_help = "Examples:\n  ferrobase auth mails\n  ferrobase auth mails --text --limit 1\n\nWithout a configured database, that of the `ferrobase dev` which runs in this folder."
    )]
    Mails(MailsArguments),
    /// Prints a mail as it would be sent, with made-up values.
    #[command(
        after_help = "Examples:\n  ferrobase auth preview confirmation\n  ferrobase auth preview invite --html > invite.html"
    )]
    Preview(PreviewArguments),
}

#[derive(Args)]
struct MailsArguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// Most mails.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..))]
    limit: u16,
    /// With the text of each mail, code and link included.
    #[arg(long)]
    text: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct PreviewArguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// Which mail.
    #[arg(value_enum)]
    mail: Kind,
    /// The HTML part instead of the text.
    #[arg(long)]
    html: bool,
    /// Subject and both parts as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Kind {
    Confirmation,
    Invite,
    Recovery,
    MagicLink,
    EmailChange,
    Reauthentication,
}

impl Kind {
    fn mail(self) -> MailKind {
        match self {
            Self::Confirmation => MailKind::Confirmation,
            Self::Invite => MailKind::Invite,
            Self::Recovery => MailKind::Recovery,
            Self::MagicLink => MailKind::MagicLink,
            Self::EmailChange => MailKind::EmailChange,
            Self::Reauthentication => MailKind::Reauthentication,
        }
    }
}

pub(super) fn run(arguments: &AuthArguments, environment: &Environment) -> Result<ExitCode> {
    match &arguments.action {
        Action::Users(arguments) => return accounts::run(arguments, environment),
        Action::Mails(arguments) => mails(arguments, environment)?,
        Action::Preview(arguments) => preview(arguments, environment)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn mails(arguments: &MailsArguments, environment: &Environment) -> Result<()> {
    let owner = owner(&arguments.config, environment)?.with_application_name("ferrobase auth mails");
    let limit = arguments.limit.to_string();
    let mut mails = terminal::block_on(async {
        let mut session = Session::connect(&owner).await.context("cannot connect as the owner of the database")?;
        let answer = session.query(MAILS, &[Some(limit.as_str())]).await.context("cannot read auth.outbox")?;
        session.close().await;
        let rows = answer.rows.iter().filter_map(|row| row.text(0));
        Ok(rows.map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?)
    })?;
    if !arguments.text {
        for mail in mails.iter_mut().filter_map(Value::as_object_mut) {
            mail.retain(|name, _| !matches!(name.as_str(), "plain" | "html" | "subject"));
        }
    }
    if arguments.json {
        return terminal::print_json(&mails);
    }
    if mails.is_empty() {
        terminal::note("no mail waits, failed or was caught");
    }
    terminal::print(&table(&mails))
}

fn table(mails: &[Value]) -> String {
    let mut out = String::new();
    for mail in mails {
        let text = |name: &str| mail[name].as_str().unwrap_or_default();
        let (at, kind, state, to) = (text("created_at"), text("kind"), text("state"), text("recipient"));
        let _ = writeln!(out, "{:<19}  {kind:<16}  {state:<8}  {to}", at.get(..19).unwrap_or(at));
        if !text("last_error").is_empty() {
            let _ = writeln!(out, "    tried {} times: {}", mail["tries"], text("last_error"));
        }
        if !text("plain").is_empty() {
            let lines = format!("{}\n\n{}", text("subject"), text("plain").trim_end());
            let _ = writeln!(out, "\n    {}\n", lines.replace('\n', "\n    "));
        }
    }
    out
}

fn preview(arguments: &PreviewArguments, environment: &Environment) -> Result<()> {
    let config = arguments.config.load(environment.clone())?.config;
    let settings = auth_settings(&config, &KeyFile::default());
    let templates = Templates::load(&config.auth.sign_in.mailer)?;
    let mail = example(arguments.mail.mail(), &settings.external_url, &settings.site_url);
    let written = templates.render(&mail, &settings.site_url);
    if arguments.json {
        let mail = json!({"subject": written.subject, "html": written.html, "text": written.plain});
        return terminal::print_json(&mail);
    }
    if arguments.html {
        return terminal::print(&written.html);
    }
    terminal::print(&format!("Subject: {}\n\n{}", written.subject, written.plain))
}
