//! `ferrobase explain-policy`: why a role may, or may not, touch a row.
//!
//! Asks as the owner, as whom the policies can be read, and evaluates them as the role; nothing is kept. The answer is
//! `ferrobase_request::policies`', this file asks and prints.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use ferrobase_catalog::{Privilege, QualifiedName, Scope};
use ferrobase_pg::Session;
use ferrobase_request::exposure::{Visibility, remedy as hidden_remedy, why as hidden_why};
use ferrobase_request::policies::{Clause, ExplainError, Explanation, Judged, Outcome, Question, Step, explain};
use serde_json::{Map, Value, json};

use crate::config::{Config, Environment};
use crate::server::{default_privileges, exposure};

use super::migrate::owner;
use super::settings::ConfigArguments;
use super::terminal;

/// Explains which row-level security policies apply to a role, and what each says of a row.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  ferrobase explain-policy --table notes --role authenticated\n  ferrobase explain-policy --table notes --role authenticated --command insert \\\n      --claims '{\"sub\": \"8d9f2c1e-3b6a-4f0d-9a57-0c5f1f7c2b11\"}' --row '{\"body\": \"hello\"}'\n  ferrobase explain-policy --table notes --role anon --command select --where id=7 --json\n\nThe row is judged in a transaction that is rolled back. Without a configured database, that of the\n`ferrobase dev` which runs in this folder."
)]
pub(super) struct ExplainPolicyArguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// The table, `name` or `schema.name`.
    #[arg(long)]
    table: String,
    /// The database role that the token names.
    #[arg(long)]
    role: String,
    /// The token's claims, a JSON object.
    #[arg(long, value_name = "JSON")]
    claims: Option<String>,
    /// What is tried; without it, all four.
    #[arg(long, value_enum)]
    command: Option<Command>,
    /// A new row, what changes, or a row as if it were there: a JSON object.
    #[arg(long, value_name = "JSON")]
    row: Option<String>,
    /// A row that is there, by the values of columns.
    #[arg(long = "where", value_name = "COLUMN=VALUE")]
    existing: Vec<String>,
    /// Columns that are read or returned [default: all].
    #[arg(long, value_name = "COLUMN", value_delimiter = ',')]
    columns: Vec<String>,
    /// The rows are returned, as with `Prefer: return=representation`.
    #[arg(long)]
    returning: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Command {
    Select,
    Insert,
    Update,
    Delete,
}

const ALL: [Command; 4] = [Command::Select, Command::Insert, Command::Update, Command::Delete];

impl Command {
    fn privilege(self) -> Privilege {
        match self {
            Self::Select => Privilege::Select,
            Self::Insert => Privilege::Insert,
            Self::Update => Privilege::Update,
            Self::Delete => Privilege::Delete,
        }
    }
}

pub(super) fn run(arguments: &ExplainPolicyArguments, environment: &Environment) -> Result<ExitCode> {
    let config = arguments.config.load(environment.clone())?.config;
    let question = question(arguments, &config)?;
    let owner = owner(&arguments.config, environment)?.with_application_name("ferrobase explain-policy");
    let commands = arguments.command.map_or(ALL.to_vec(), |command| vec![command]);
    let (explanations, hidden) = terminal::block_on(async {
        let mut session = Session::connect(&owner).await.context("cannot connect as the owner of the database")?;
        let answer = answer(&mut session, &config, &question, &commands).await;
        session.close().await;
        answer
    })?;
    if arguments.json {
        let table = json!({ "schema": question.table.schema, "name": question.table.name });
        let told = json!({ "table": table, "role": question.role, "hidden": hidden, "commands": explanations });
        terminal::print_json(&told)?;
    } else {
        terminal::print(&text(&question, hidden.as_deref(), &explanations))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What each command meets, and why the API does not show the table.
async fn answer(
    session: &mut Session,
    config: &Config,
    question: &Question,
    commands: &[Command],
) -> Result<(Vec<Explanation>, Option<String>)> {
    let mut explanations = Vec::new();
    for command in commands {
        let asked = Question { command: command.privilege(), ..question.clone() };
        match explain(session, &asked).await {
            Ok(explanation) => explanations.push(explanation),
            // Whether it is hidden can be told of what has no policies, too.
            Err(error @ ExplainError::NoTable { .. }) => {
                let hidden = hidden(session, config, question).await?.map(|hidden| format!("\n  {hidden}"));
                bail!("{error}{}", hidden.unwrap_or_default());
            }
            Err(error) => return Err(error.into()),
        }
    }
    let partition_of = explanations.first().and_then(|explanation| explanation.partition_of.as_ref());
    let hidden = match partition_of {
        Some(whole) => Some(format!(
            "the REST API shows no partitions: its rows are reached through {whole}, whose policies are asked then, \
             not these"
        )),
        None => hidden(session, config, question).await?,
    };
    Ok((explanations, hidden))
}

fn question(arguments: &ExplainPolicyArguments, config: &Config) -> Result<Question> {
    let default_schema = config.rest.schemas.first().map_or("public", |schema| schema.as_str());
    let (schema, name) = arguments.table.split_once('.').unwrap_or((default_schema, &arguments.table));
    let mut existing = Vec::new();
    for pair in &arguments.existing {
        let Some((column, value)) = pair.split_once('=') else { bail!("--where {pair}: must be COLUMN=VALUE") };
        existing.push((column.to_owned(), value.to_owned()));
    }
    let extra = config.rest.extra_search_path.iter().map(ToString::to_string);
    Ok(Question {
        table: QualifiedName::new(schema, name),
        role: arguments.role.clone(),
        claims: object(arguments.claims.as_deref(), "--claims")?.unwrap_or_default(),
        command: Privilege::Select,
        row: object(arguments.row.as_deref(), "--row")?,
        existing,
        columns: arguments.columns.clone(),
        returning: arguments.returning,
        search_path: std::iter::once(schema.to_owned()).chain(extra).collect(),
    })
}

fn object(text: Option<&str>, flag: &str) -> Result<Option<Map<String, Value>>> {
    let Some(text) = text else { return Ok(None) };
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Ok(Some(object)),
        Ok(_) => bail!("{flag}: must be a JSON object"),
        Err(error) => bail!("{flag}: is no JSON: {error}"),
    }
}

/// Why the API does not show this table to this role, whatever privileges and policies say; `None` when it does.
async fn hidden(session: &mut Session, config: &Config, question: &Question) -> Result<Option<String>> {
    let name = &question.table;
    let exposure = exposure(config, default_privileges(&config.database));
    if !exposure.schemas.contains(&name.schema) {
        return Ok(Some(format!("the REST API does not show it: schema {} is not in rest.schemas", name.schema)));
    }
    let scope = Scope::exposing(exposure.schemas.clone());
    let catalog = ferrobase_catalog::load(session, &scope).await.context("cannot read the catalog")?;
    let Some(relation) = catalog.relation(&name.schema, &name.name) else { return Ok(None) };
    Ok(match exposure.visibility(&catalog, relation, &question.role) {
        Visibility::Visible => None,
        Visibility::Hidden(hidden) => {
            let (why, remedy) = (hidden_why(&hidden), hidden_remedy(&hidden, name));
            Some(format!("the REST API hides it from {}: {why}. To expose it, {remedy}", question.role))
        }
    })
}

fn text(question: &Question, hidden: Option<&str>, explanations: &[Explanation]) -> String {
    let mut out = String::new();
    let Some(first) = explanations.first() else { return out };
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "{}.{} for role {}: row-level security is {}",
        question.table.schema, question.table.name, question.role, first.row_security
    );
    if let Some(hidden) = hidden {
        let _ = writeln!(out, "  {hidden}");
    }
    for policy in &first.policies {
        let kind = if policy.permissive { "permissive" } else { "restrictive" };
        let applies = if policy.applies { "" } else { "  (does not apply to this role)" };
        let _ = writeln!(
            out,
            "  {kind} \"{}\" for {} to {}{applies}",
            policy.name,
            policy.command,
            policy.roles.join(", ")
        );
    }
    for explanation in explanations {
        // What the API hides nobody reaches through it, whatever PostgreSQL would say.
        let through = if hidden.is_some() { "not through the API; for PostgreSQL: " } else { "" };
        let _ = write!(out, "\n{}: {through}{}\n", explanation.command, explanation.verdict);
        for remark in &explanation.remarks {
            let _ = writeln!(out, "  but: {remark}");
        }
        explanation.steps.iter().for_each(|step| write_step(&mut out, step));
    }
    out
}

fn write_step(out: &mut String, step: &Step) {
    let clause = if step.clause == Clause::Using { "USING" } else { "WITH CHECK" };
    let _ = writeln!(out, "  {} policies, {clause}: {}", step.command, step.because);
    if step.policies.is_empty() {
        let _ = writeln!(out, "    none applies, so no row passes");
    }
    step.policies.iter().for_each(|judged| write_judged(out, judged));
}

fn write_judged(out: &mut String, judged: &Judged) {
    let kind = if judged.permissive { "permissive" } else { "restrictive" };
    let outcome = match &judged.outcome {
        Outcome::Passes => "passes",
        Outcome::Refuses => "REFUSES",
        Outcome::Fails(_) => "FAILS",
        Outcome::NotAsked => "-",
    };
    let expression = judged.expression.split_whitespace().collect::<Vec<_>>().join(" ");
    let _ = writeln!(out, "    {outcome:<8} {kind} \"{}\": {expression}", judged.policy);
    if let Outcome::Fails(failure) = &judged.outcome {
        let _ = writeln!(out, "             because: {failure}");
    }
}
