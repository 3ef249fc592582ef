//! `ferrobase keys`: anon and service keys, test tokens, a new secret.
//!
//! The secret is `auth.jwt_secret` when it is configured, else the one that `dev` made for the project of this folder.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use ferrobase_request::credentials::ConfiguredKeys;
use ferrobase_request::keys::{self, ProjectKeys, TokenRequest};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::config::Environment;
use crate::dev::project::{Project, new_secret};

use super::settings::ConfigArguments;
use super::terminal;

/// Anon and service keys, test tokens, a new secret.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  ferrobase keys\n  ferrobase keys token --role authenticated --sub 8d9f2c1e-3b6a-4f0d-9a57-0c5f1f7c2b11\n  ferrobase keys rotate"
)]
pub(super) struct KeysArguments {
    #[command(flatten)]
    config: ConfigArguments,
    #[command(subcommand)]
    action: Option<Action>,
    /// As JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Action {
    /// Prints the anon and the service key (the default).
    Show,
    /// Makes a token as an application would get it at sign-in.
    Token(TokenArguments),
    /// Makes a new secret; keys and tokens of the old one stop working when the server has it.
    Rotate,
}

#[derive(Args)]
struct TokenArguments {
    /// The database role.
    #[arg(long, default_value = "authenticated")]
    role: String,
    /// The user (`auth.uid()`).
    #[arg(long)]
    sub: Option<String>,
    /// Seconds until it ends.
    #[arg(long, default_value_t = 3600, value_name = "SECONDS")]
    expires_in: i64,
    /// Further claims, a JSON object.
    #[arg(long, value_name = "JSON")]
    claims: Option<String>,
}

pub(super) fn run(arguments: &KeysArguments, environment: Environment) -> Result<ExitCode> {
    match &arguments.action {
        None | Some(Action::Show) => show(arguments, environment),
        Some(Action::Token(token)) => make_token(arguments, token, environment),
        Some(Action::Rotate) => rotate(arguments, environment),
    }?;
    Ok(ExitCode::SUCCESS)
}

fn show(arguments: &KeysArguments, environment: Environment) -> Result<()> {
    let keys = keys::project_keys(&signing_secret(arguments, environment)?, now())?;
    print_keys(arguments, &keys, None)
}

fn make_token(arguments: &KeysArguments, token: &TokenArguments, environment: Environment) -> Result<()> {
    let claims = match &token.claims {
        None => Map::new(),
        Some(text) => match serde_json::from_str(text).context("--claims is not JSON")? {
            Value::Object(claims) => claims,
            _ => bail!("--claims is not a JSON object"),
        },
    };
    let request = TokenRequest {
        role: Some(token.role.clone()),
        sub: token.sub.clone(),
        lifetime: Some(token.expires_in),
        claims,
    };
    let text = keys::token(&signing_secret(arguments, environment)?, &request, now())?;
    if arguments.json { terminal::print_json(&json!({ "token": text })) } else { terminal::print(&format!("{text}\n")) }
}

fn rotate(arguments: &KeysArguments, environment: Environment) -> Result<()> {
    let loaded = arguments.config.load(environment)?;
    if loaded.config.auth.tokens.jwt_secret.is_some() {
        let secret = new_secret();
        terminal::note(
            "auth.jwt_secret is configured: put the new secret in its place, then reload (SIGHUP) or restart",
        );
        return print_keys(arguments, &keys::project_keys(secret.expose().as_bytes(), now())?, Some(secret.expose()));
    }
    let project = Project::at(Path::new("."))?;
    let secret = project.rotate_secret()?;
    if project.lock()?.is_none() {
        terminal::note("`ferrobase dev` is running here: restart it to use the new secret");
    }
    print_keys(arguments, &keys::project_keys(secret.expose().as_bytes(), now())?, None)
}

fn print_keys(arguments: &KeysArguments, keys: &ProjectKeys, secret: Option<&str>) -> Result<()> {
    if arguments.json {
        let mut object = json!({ "anon_key": keys.anon, "service_key": keys.service });
        if let Some(secret) = secret {
            object["jwt_secret"] = secret.into();
        }
        return terminal::print_json(&object);
    }
    let secret = secret.map_or_else(String::new, |secret| format!("jwt_secret   {secret}\n"));
    terminal::print(&format!("{secret}anon key     {}\nservice key  {}\n", keys.anon, keys.service))
}

/// The secret that signs, configured or the project's own.
fn signing_secret(arguments: &KeysArguments, environment: Environment) -> Result<Vec<u8>> {
    let tokens = arguments.config.load(environment)?.config.auth.tokens;
    let configured = ConfiguredKeys::new(tokens.jwt_secret.as_ref(), tokens.jwt_secret_is_base64, None)?;
    if let Some(secret) = configured.shared_secret() {
        return Ok(secret.to_vec());
    }
    if tokens.jwt_secret.is_some() || tokens.jwks.is_some() {
        bail!("only public keys are configured: tokens are made by whoever has the private key");
    }
    let known = Project::at(Path::new("."))?.known_secret()?;
    let secret = known.context(
        "there is no secret: set auth.jwt_secret (FERROBASE_AUTH__JWT_SECRET), or run `ferrobase dev` in the project's folder",
    )?;
    Ok(secret.expose().as_bytes().to_vec())
}

fn now() -> i64 {
    Timestamp::now().as_second()
}
