//! `ferrobase graphql schema|explain|check`: what a role sees, what an operation becomes, what documents cost.
//!
//! Asks as the owner; an operation is explained as the role, in a transaction that is rolled back, and never run. What a
//! schema is and what an operation becomes is `ferrobase_graphql`'s, this file loads, asks and prints.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use ferrobase_graphql::{Checked, Explained, Mistake, Settings, Trusted, View};
use ferrobase_pg::{ConnectOptions, Session};
use serde_json::{Map, Value, json};

use crate::config::{Config, Environment};
use crate::server::{default_privileges, exposure};

use super::migrate::owner;
use super::settings::ConfigArguments;
use super::terminal;

/// The GraphQL API from outside: schemas of roles, operations as SQL, documents.
#[derive(Args)]
#[command(
    disable_help_subcommand = true,
    after_help = "Examples:\n  ferrobase graphql schema --role authenticated > schema.graphql\n  ferrobase graphql explain '{ todosCollection { edges { node { id } } } }'"
)]
pub(super) struct GraphqlArguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Prints the schema of a role in GraphQL's language: types by name, always in the same order.
    #[command(after_help = "Example:\n  ferrobase graphql schema --role authenticated > schema.graphql")]
    Schema(SchemaArguments),
    /// Prints the SQL of an operation and PostgreSQL's plan of it. Nothing is run.
    #[command(
        after_help = "Examples:\n  ferrobase graphql explain '{ todosCollection { edges { node { id } } } }'\n  ferrobase graphql explain --role authenticated todos.graphql --variables '{\"first\": 5}' \\\n      --claims '{\"sub\": \"8d9f2c1e-3b6a-4f0d-9a57-0c5f1f7c2b11\"}' --json"
    )]
    Explain(ExplainArguments),
    /// Says what comments and names say in vain; holds an earlier schema, or documents, against that of a role.
    #[command(
        after_help = "Examples:\n  ferrobase graphql check\n  ferrobase graphql check --against schema.graphql --role authenticated\n  ferrobase graphql check persisted-documents.json --role authenticated\n\nEnds with 1 when something that the earlier schema did is gone or stricter, when a document does\nnot fit, or, where neither is given, when a comment or a name says something in vain; else those\nare warnings."
    )]
    Check(CheckArguments),
}

/// Whose view of what.
#[derive(Args)]
struct Sight {
    #[command(flatten)]
    config: ConfigArguments,
    /// The database role that asks.
    #[arg(long, default_value = "anon")]
    role: String,
    /// The schema of the database; else the first of `graphql.schemas`.
    #[arg(long)]
    schema: Option<String>,
}

#[derive(Args)]
struct SchemaArguments {
    #[command(flatten)]
    sight: Sight,
}

#[derive(Args)]
struct ExplainArguments {
    #[command(flatten)]
    sight: Sight,
    /// The document, or a file that holds it.
    #[arg(value_name = "QUERY|FILE")]
    document: String,
    /// Which of its operations.
    #[arg(long, value_name = "NAME")]
    operation: Option<String>,
    /// Values of its variables, a JSON object.
    #[arg(long, value_name = "JSON")]
    variables: Option<String>,
    /// The token's claims, a JSON object.
    #[arg(long, value_name = "JSON")]
    claims: Option<String>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct CheckArguments {
    #[command(flatten)]
    sight: Sight,
    /// The file of trusted documents; prints depth and cost of each.
    file: Option<PathBuf>,
    /// An earlier schema, as `ferrobase graphql schema` printed it.
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &GraphqlArguments, environment: &Environment) -> Result<ExitCode> {
    match &arguments.action {
        Action::Schema(arguments) => schema(arguments, environment),
        Action::Explain(arguments) => explain(arguments, environment),
        Action::Check(arguments) => check(arguments, environment),
    }
}

fn schema(arguments: &SchemaArguments, environment: &Environment) -> Result<ExitCode> {
    let seen = arguments.sight.look(environment)?;
    if seen.view.is_empty() {
        terminal::warn(&format!("the role {} sees nothing in the schema {}", arguments.sight.role, seen.schema));
    }
    terminal::print(&seen.view.sdl())?;
    Ok(ExitCode::SUCCESS)
}

fn explain(arguments: &ExplainArguments, environment: &Environment) -> Result<ExitCode> {
    let variables = object(arguments.variables.as_deref(), "--variables")?;
    let claims = object(arguments.claims.as_deref(), "--claims")?.unwrap_or_default();
    let document = document(&arguments.document)?;
    let seen = arguments.sight.look(environment)?;
    let explained =
        seen.view.explain(&document, arguments.operation.as_deref(), Value::Object(variables.unwrap_or_default()));
    let explained = explained.map_err(|error| anyhow::anyhow!(error.sentences().join("\n")))?;
    let asking = Asking { seen: &seen, role: &arguments.sight.role, claims, as_json: arguments.json };
    let plans = terminal::block_on(asking.plans(&explained))?;
    if arguments.json {
        let told = explained.iter().zip(plans).map(|(one, plan)| {
            json!({ "field": one.field, "sql": &*one.statement.sql, "parameters": parameters(one), "cost": one.cost, "plan": plan })
        });
        terminal::print_json(&told.collect::<Vec<_>>())?;
    } else {
        terminal::print(&text(&explained, &plans))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn check(arguments: &CheckArguments, environment: &Environment) -> Result<ExitCode> {
    let trusted = arguments.file.as_deref().map(Trusted::read).transpose()?;
    let earlier = arguments
        .against
        .as_deref()
        .map(|file| std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display())));
    let earlier = earlier.transpose()?;
    let seen = arguments.sight.look(environment)?;
    let mut checked = Found::default();
    checked.comments(&seen.mistakes, trusted.is_none() && earlier.is_none());
    if let Some(earlier) = earlier {
        checked.breaks(seen.view.breaks(&earlier).map_err(|error| anyhow::anyhow!(error.sentences().join("\n")))?);
    }
    if let Some(trusted) = trusted {
        checked.documents(&trusted, &seen.view, &arguments.sight.role);
    }
    if arguments.json {
        terminal::print_json(&checked.told)?;
    } else {
        terminal::print(&checked.text)?;
    }
    if !checked.wrong.is_empty() {
        bail!("{}", checked.wrong.join("; "));
    }
    Ok(ExitCode::SUCCESS)
}

/// What a check found.
#[derive(Default)]
struct Found {
    told: Vec<Value>,
    text: String,
    /// Why it ends with 1.
    wrong: Vec<String>,
}

impl Found {
    /// Comments and names; warnings only, unless nothing else is looked at.
    fn comments(&mut self, mistakes: &[Mistake], alone: bool) {
        for Mistake { object, text, .. } in mistakes {
            if alone {
                let _ = writeln!(self.text, "{object}: {text}");
                self.told.push(json!({ "object": object, "mistake": text }));
            } else {
                terminal::warn(&format!("{object}: {text}"));
            }
        }
        if alone && !mistakes.is_empty() {
            self.wrong.push(format!("{} comments or names say something in vain", mistakes.len()));
        }
    }

    fn breaks(&mut self, breaks: Vec<String>) {
        if !breaks.is_empty() {
            self.wrong.push(format!("{} changes break what the earlier schema did", breaks.len()));
        }
        for text in breaks {
            let _ = writeln!(self.text, "{text}");
            self.told.push(json!({ "breaks": text }));
        }
    }

    fn documents(&mut self, trusted: &Trusted, view: &View, role: &str) {
        let (mut count, mut wrong) = (0, 0);
        for (id, document) in trusted.iter() {
            count += 1;
            match view.check(document) {
                Ok(Checked { depth, aliases, cost, .. }) => {
                    let shown = cost.map_or_else(|| "by its variables".to_owned(), |cost| cost.to_string());
                    let _ = writeln!(self.text, "{id}: depth {depth}, aliases {aliases}, cost {shown}");
                    self.told.push(json!({ "id": id, "depth": depth, "aliases": aliases, "cost": cost }));
                }
                Err(error) => {
                    wrong += 1;
                    let sentences = error.sentences();
                    let _ = writeln!(self.text, "{id}: {}", sentences.join("\n  "));
                    self.told.push(json!({ "id": id, "errors": sentences }));
                }
            }
        }
        if wrong > 0 {
            self.wrong.push(format!("{wrong} of {count} documents do not fit the schema of the role {role}"));
        }
    }
}

/// What a role sees, and where.
struct Seen {
    view: View,
    /// What is wrong with comments and names, whoever looks.
    mistakes: Vec<Mistake>,
    schema: String,
    search_path: String,
    owner: ConnectOptions,
}

impl Sight {
    fn look(&self, environment: &Environment) -> Result<Seen> {
        let config = self.config.load(environment.clone())?.config;
        let owner = owner(&self.config, environment)?.with_application_name("ferrobase graphql");
        let configured = config.graphql.schemas.first().map(ToString::to_string).unwrap_or_default();
        let schema = self.schema.clone().unwrap_or(configured);
        let extra: Vec<_> = config.rest.extra_search_path.iter().map(ToString::to_string).collect();
        let exposure = exposure(&config, default_privileges(&config.database));
        let catalog = terminal::block_on(load(&owner, &schema, &config))?;
        if catalog.missing_schemas.contains(&schema) {
            bail!("the database has no schema {schema}");
        }
        if !catalog.roles.contains_key(&self.role) {
            bail!("the database has no role {}", self.role);
        }
        let mut settings = Settings::new(&config.graphql, extra.clone(), true);
        settings.schemas = vec![schema.clone()];
        let mistakes = ferrobase_graphql::mistakes(&catalog, &settings);
        let view = View::new(&catalog, &exposure, &settings, &self.role, &schema);
        let quoted = std::iter::once(&schema).chain(&extra).map(|name| format!("\"{}\"", name.replace('"', "\"\"")));
        let search_path = quoted.collect::<Vec<_>>().join(", ");
        Ok(Seen { view, mistakes, schema, search_path, owner })
    }
}

async fn load(owner: &ConnectOptions, schema: &str, config: &Config) -> Result<ferrobase_catalog::Catalog> {
    let mut scope = crate::server::scope(config, "authenticator");
    if !scope.schemas.iter().any(|known| known == schema) {
        scope.schemas.push(schema.to_owned());
        scope.documents.push(schema.to_owned());
    }
    let mut session = Session::connect(owner).await.context("cannot connect as the owner of the database")?;
    let catalog = ferrobase_catalog::load(&mut session, &scope).await.context("cannot read the catalog")?;
    session.close().await;
    Ok(catalog)
}

/// The document itself, or what is in the file of this name.
fn document(given: &str) -> Result<String> {
    let is_file = !given.contains('{') || Path::new(given).exists();
    if is_file {
        std::fs::read_to_string(given).with_context(|| format!("cannot read {given}"))
    } else {
        Ok(given.to_owned())
    }
}

fn object(text: Option<&str>, flag: &str) -> Result<Option<Map<String, Value>>> {
    let Some(text) = text else { return Ok(None) };
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Ok(Some(object)),
        Ok(_) => bail!("{flag}: must be a JSON object"),
        Err(error) => bail!("{flag}: is no JSON: {error}"),
    }
}

/// PostgreSQL is asked how it would do it.
struct Asking<'a> {
    seen: &'a Seen,
    role: &'a str,
    claims: Map<String, Value>,
    as_json: bool,
}

impl Asking<'_> {
    /// The plans of statements; the changes of earlier ones are not seen by later ones.
    async fn plans(&self, explained: &[Explained]) -> Result<Vec<Value>> {
        let mut session =
            Session::connect(&self.seen.owner).await.context("cannot connect as the owner of the database")?;
        session.script("begin read only").await?;
        let mut claims = self.claims.clone();
        claims.insert("role".to_owned(), self.role.into());
        let claims = Value::Object(claims).to_string();
        for (name, value) in
            [("search_path", self.seen.search_path.as_str()), ("request.jwt.claims", &claims), ("role", self.role)]
        {
            let setting = [Some(name), Some(value)];
            session
                .query("select pg_catalog.set_config($1, $2, true)", &setting)
                .await
                .context("cannot become the role")?;
        }
        let mut plans = Vec::new();
        for one in explained {
            plans.push(self.plan(&mut session, one).await?);
        }
        session.script("rollback").await?;
        session.close().await;
        Ok(plans)
    }

    async fn plan(&self, session: &mut Session, one: &Explained) -> Result<Value> {
        if one.statement.sql.is_empty() {
            return Ok(Value::Null);
        }
        let format = if self.as_json { "json" } else { "text" };
        let values = parameters(one);
        let values: Vec<_> = values.iter().map(Option::as_deref).collect();
        let result = session.query(&format!("explain (format {format}) {}", one.statement.sql), &values).await;
        let result = result.context("PostgreSQL refuses the statement")?;
        let lines = result.rows.iter().filter_map(|row| row.text(0)).collect::<Vec<_>>().join("\n");
        if self.as_json { Ok(serde_json::from_str(&lines)?) } else { Ok(lines.into()) }
    }
}

fn parameters(one: &Explained) -> Vec<Option<String>> {
    let text = |value: &bytes::Bytes| String::from_utf8_lossy(value).into_owned();
    one.statement.params.iter().map(|value| value.as_ref().map(text)).collect()
}

fn text(explained: &[Explained], plans: &[Value]) -> String {
    let mut out = String::new();
    for (one, plan) in explained.iter().zip(plans) {
        if let Some(field) = &one.field {
            let _ = writeln!(out, "-- {field}");
        }
        if one.statement.sql.is_empty() {
            let _ = writeln!(out, "-- the schema has the answer");
            continue;
        }
        let _ = writeln!(out, "{};", one.statement.sql);
        for (place, value) in parameters(one).iter().enumerate() {
            let _ = writeln!(out, "-- ${}: {}", place + 1, value.as_deref().unwrap_or("null"));
        }
        let _ = writeln!(out, "-- may touch {} rows\n{}\n", one.cost, plan.as_str().unwrap_or_default());
    }
    out
}
