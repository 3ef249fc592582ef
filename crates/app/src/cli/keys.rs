//! `ferrobase keys`: anon and service keys, test tokens, a new secret; opaque keys (`api_keys`) and signing keys (`signing_keys`).
//!
//! The secret is `auth.jwt_secret` when it is configured, else the one that `dev` made for the project of this folder.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use ferrobase_base::Secret;
use ferrobase_base::config::Identifier;
use ferrobase_request::config::TokenSection;
use ferrobase_request::credentials::ConfiguredKeys;
use ferrobase_request::keys::{self, ProjectKeys, TokenRequest};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::config::{Config, Environment};
use crate::dev::project::{Project, new_secret};

use super::settings::FileArguments;
use super::{api_keys, signing_keys, terminal};

/// Longest lifetime of a token: 100 years, in seconds.
const LONGEST: i64 = 100 * 365 * 24 * 60 * 60;
const NO_SECRET: &str = "there is no secret: set auth.jwt_secret (FERROBASE_AUTH__JWT_SECRET), or run `ferrobase dev` in the project's folder";

/// Anon and service keys, test tokens, a new secret.
#[derive(Args)]
#[command(
    disable_help_subcommand = true,
    after_help = "Examples:\n  ferrobase keys\n  ferrobase keys token --sub 8d9f2c1e-3b6a-4f0d-9a57-0c5f1f7c2b11\n  ferrobase keys rotate"
)]
pub(super) struct KeysArguments {
    #[command(flatten)]
    config: FileArguments,
    #[command(subcommand)]
    action: Option<Action>,
    /// As JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Action {
    /// Prints the anon and the service key (the default).
    #[command(after_help = "Examples:\n  ferrobase keys show\n  ferrobase keys show --json")]
    Show,
    /// Makes a token as an application would get it at sign-in.
    #[command(
        after_help = "Examples:\n  ferrobase keys token --sub 8d9f2c1e-3b6a-4f0d-9a57-0c5f1f7c2b11\n  ferrobase keys token --role service_role --expires-in 60\n  ferrobase keys token --claims '{\"email\": \"ann@example.com\"}'"
    )]
    Token(TokenArguments),
    /// Makes a new secret; keys and tokens of the old one stop working when the server has it.
    #[command(
        after_help = "Example:\n  ferrobase keys rotate\n\nA configured auth.jwt_secret is not touched: the new one is printed, to be put in its place."
    )]
    Rotate,
    /// Makes an opaque key, which can be taken back alone.
    #[command(
        after_help = "Examples:\n  ferrobase keys create web --publishable\n  ferrobase keys create reports --role reporting --scope rest:read"
    )]
    Create(api_keys::CreateArguments),
    /// Lists opaque keys: role, last use, whether they were taken back.
    #[command(after_help = "Examples:\n  ferrobase keys list\n  ferrobase keys list --json")]
    List(api_keys::ListArguments),
    /// Takes an opaque key back; servers refuse it within seconds.
    #[command(after_help = "Example:\n  ferrobase keys revoke reports")]
    Revoke(api_keys::RevokeArguments),
    /// The private keys that sign users' tokens, in the database or in a file (`auth.signing_keys`).
    #[command(
        after_help = "Examples:\n  ferrobase keys signing generate\n  ferrobase keys signing rotate --file signing-keys.json"
    )]
    Signing(signing_keys::SigningArguments),
}

#[derive(Args)]
struct TokenArguments {
    /// The database role.
    #[arg(long, default_value = "authenticated")]
    role: String,
    /// The user (`auth.uid()`).
    #[arg(long)]
    sub: Option<String>,
    /// Seconds until it ends; a negative number makes one that has ended (clocks may differ by 30).
    #[arg(
        long,
        default_value_t = 3600,
        value_name = "SECONDS",
        allow_negative_numbers = true,
        value_parser = clap::value_parser!(i64).range(-LONGEST..=LONGEST)
    )]
    expires_in: i64,
    /// Further claims, a JSON object.
    #[arg(long, value_name = "JSON")]
    claims: Option<String>,
}

pub(super) fn run(arguments: &KeysArguments, environment: Environment) -> Result<ExitCode> {
    match &arguments.action {
        Some(Action::Create(key)) => return api_keys::create(key, &arguments.config, &environment, arguments.json),
        Some(Action::List(list)) => return api_keys::list(list, &arguments.config, &environment, arguments.json),
        Some(Action::Revoke(key)) => return api_keys::revoke(key, &arguments.config, &environment),
        Some(Action::Signing(signing)) => {
            return signing_keys::run(signing, &arguments.config, &environment, arguments.json);
        }
        _ => {}
    }
    let config = arguments.config.load(environment)?.config;
    let tokens = &config.auth.tokens;
    match &arguments.action {
        None | Some(Action::Show) => show(arguments, tokens),
        Some(Action::Token(token)) => {
            warn_of_role(&token.role, &config);
            make_token(arguments, token, tokens)
        }
        Some(Action::Rotate) => rotate(arguments, tokens),
        // Above.
        Some(_) => Ok(()),
    }?;
    Ok(ExitCode::SUCCESS)
}

fn show(arguments: &KeysArguments, tokens: &TokenSection) -> Result<()> {
    let keys = keys::project_keys(&secret_of_project(tokens)?, &tokens.jwt_role_claim, now())?;
    print_keys(arguments, &keys, None)
}

/// Says so where a server of this configuration refuses whatever names this role. No more than that: the server may have another.
pub(super) fn warn_of_role(role: &str, config: &Config) {
    let is = |known: &Identifier| known.as_str() == role;
    if config.rest.anon_role.as_ref().is_none_or(|anonymous| !is(anonymous))
        && !config.auth.tokens.allowed_roles.iter().any(is)
    {
        terminal::warn(&format!(
            "--role {role}: is not in auth.allowed_roles; a server refuses it (FB303) until it is"
        ));
    }
}

fn make_token(arguments: &KeysArguments, token: &TokenArguments, tokens: &TokenSection) -> Result<()> {
    let request = TokenRequest {
        role: Some(token.role.clone()),
        sub: token.sub.clone(),
        audience: tokens.jwt_audience.clone(),
        lifetime: Some(token.expires_in),
        role_claim: tokens.jwt_role_claim.clone(),
        claims: token.claims.as_deref().map(read_claims).transpose()?.unwrap_or_default(),
    };
    if let Some(sub) = token.sub.as_deref().filter(|sub| !is_uuid(sub)) {
        terminal::warn(&format!("--sub {sub}: is no UUID; whatever asks auth.uid() of this token fails"));
    }
    let text = keys::token(&secret_of_project(tokens)?, &request, now())?;
    if arguments.json { terminal::print_json(&json!({ "token": text })) } else { terminal::print(&format!("{text}\n")) }
}

fn is_uuid(text: &str) -> bool {
    let hyphens = [8, 13, 18, 23];
    let fits =
        |(place, byte): (usize, u8)| if hyphens.contains(&place) { byte == b'-' } else { byte.is_ascii_hexdigit() };
    text.len() == 36 && text.bytes().enumerate().all(fits)
}

fn read_claims(text: &str) -> Result<Map<String, Value>> {
    match serde_json::from_str(text).context("--claims is not JSON")? {
        Value::Object(claims) => Ok(claims),
        _ => bail!("--claims is not a JSON object"),
    }
}

fn rotate(arguments: &KeysArguments, tokens: &TokenSection) -> Result<()> {
    if configured(tokens).is_some() {
        return propose(arguments, tokens);
    }
    let project = Project::at(Path::new("."))?;
    project.known_secret()?.context(NO_SECRET)?;
    let secret = project.rotate_secret()?;
    terminal::note(if project.lock()?.is_none() {
        "`ferrobase dev` is running here: restart it to use the new secret"
    } else {
        "the next `ferrobase dev` uses the new secret"
    });
    print_keys(arguments, &keys::project_keys(secret.expose().as_bytes(), &tokens.jwt_role_claim, now())?, None)
}

/// A new secret for whoever keeps the configuration.
fn propose(arguments: &KeysArguments, tokens: &TokenSection) -> Result<()> {
    let secret = new_secret();
    let signing = signing_secret(&TokenSection { jwt_secret: Some(secret.clone()), ..tokens.clone() })?;
    let signing = signing.context("a new secret is a text")?;
    terminal::note("auth.jwt_secret is configured: put the new secret in its place, then reload (SIGHUP) or restart");
    print_keys(arguments, &keys::project_keys(&signing, &tokens.jwt_role_claim, now())?, Some(&secret))
}

fn print_keys(arguments: &KeysArguments, keys: &ProjectKeys, secret: Option<&Secret>) -> Result<()> {
    if arguments.json {
        let mut object = json!({ "anon_key": keys.anon, "service_key": keys.service });
        if let Some(secret) = secret {
            object["jwt_secret"] = secret.expose().into();
        }
        return terminal::print_json(&object);
    }
    let secret = secret.map_or_else(String::new, |secret| format!("jwt_secret   {}\n", secret.expose()));
    terminal::print(&format!("{secret}anon key     {}\nservice key  {}\n", keys.anon, keys.service))
}

/// The secret that signs, configured or the project's own.
fn secret_of_project(tokens: &TokenSection) -> Result<Vec<u8>> {
    if let Some(secret) = signing_secret(tokens)? {
        return Ok(secret);
    }
    if configured(tokens).is_some() || tokens.jwks.is_some() {
        bail!("only public keys are configured: tokens are made by whoever has the private key");
    }
    let secret = Project::at(Path::new("."))?.known_secret()?.context(NO_SECRET)?;
    Ok(secret.expose().as_bytes().to_vec())
}

/// The configured secret as bytes; `None` where there is none or only public keys.
pub(crate) fn signing_secret(tokens: &TokenSection) -> Result<Option<Vec<u8>>> {
    let keys = ConfiguredKeys::new(configured(tokens), tokens.jwt_secret_is_base64, None)?;
    Ok(keys.shared_secret())
}

/// An empty one (`FERROBASE_AUTH__JWT_SECRET=`) counts as none.
fn configured(tokens: &TokenSection) -> Option<&Secret> {
    tokens.jwt_secret.as_ref().filter(|secret| !secret.is_empty())
}

/// Seconds since the epoch.
pub(crate) fn now() -> i64 {
    Timestamp::now().as_second()
}
