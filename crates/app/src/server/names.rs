//! Names in the configuration that nothing in the database answers to: each request would be refused, and only its caller told.
//!
//! Said with every load of the catalog, each once (`warnings`). Schemas that are not there the catalog's loader names itself.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use ferrobase_base::config::{Identifier, QualifiedName};
use ferrobase_pg::Session;
use ferrobase_request::{Registry, Target};

use crate::config::Config;

/// Parameters: schema and name.
const FIND: &str = include_str!("../../sql/function_without_arguments_find.sql");
/// The catalog was loaded a moment ago: the database is there.
const PATIENCE: Duration = Duration::from_secs(5);

/// A name, and what follows from it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Wrong {
    key: &'static str,
    text: String,
}

/// What was said.
#[derive(Clone, Debug, Default)]
pub(super) struct Said(BTreeSet<Wrong>);

/// Says what is new, and gives what is so now.
pub(super) async fn tell(registry: &Registry, config: &Config, said: &Said) -> Said {
    let target = registry.default_target();
    let mut now: BTreeSet<Wrong> = roles(&target, config).into_iter().collect();
    match functions(&target, config).await {
        Ok(found) => now.extend(found),
        // Nobody knows, so nothing is new of them either.
        Err(error) => {
            tracing::debug!(error = &error as &dyn std::error::Error, "names of functions could not be looked up");
            now.extend(said.0.iter().cloned());
        }
    }
    for wrong in now.difference(&said.0) {
        tracing::warn!(code = "wrong_name", key = wrong.key, "{}: {}", wrong.key, wrong.text);
    }
    tracing::debug!(wrong = now.len(), "names were looked up");
    Said(now)
}

fn roles(target: &Target, config: &Config) -> Vec<Wrong> {
    let Some(catalog) = target.catalog.get() else { return Vec::new() };
    let reason = |role: &Identifier| target.refuses(&catalog, role.as_str());
    let anonymous = config.rest.anon_role.iter().filter_map(|role| {
        let reason = reason(role)?;
        let text = format!("requests without credentials are refused, because no request may run as {role}: {reason}");
        Some(Wrong { key: "rest.anon_role", text })
    });
    let allowed = config.auth.tokens.allowed_roles.iter().filter_map(|role| {
        let reason = reason(role)?;
        Some(Wrong { key: "auth.allowed_roles", text: format!("no request may run as {role}: {reason}") })
    });
    anonymous.chain(allowed).collect()
}

async fn functions(target: &Target, config: &Config) -> Result<Vec<Wrong>, ferrobase_pg::Error> {
    let rest = &config.rest;
    let first = rest.schemas.get(..1).unwrap_or_default();
    let named = [
        ("rest.pre_request", &rest.pre_request, first, "every request is refused"),
        ("rest.root_spec", &rest.root_spec, &rest.schemas[..], "the root answers nothing"),
    ];
    let mut wrong = Vec::new();
    if named.iter().all(|(_, name, ..)| name.is_none()) {
        return Ok(wrong);
    }
    let mut session = target.pools.owner.session(Instant::now() + PATIENCE).await?;
    for (key, name, schemas, consequence) in named {
        let Some(name) = name else { continue };
        if !is_there(&mut session, name, schemas).await? {
            let text = format!("there is no function {name} without arguments: {consequence}");
            wrong.push(Wrong { key, text });
        }
    }
    Ok(wrong)
}

/// Whether the function is there; one without a schema in one of these.
async fn is_there(
    session: &mut Session,
    name: &QualifiedName,
    schemas: &[Identifier],
) -> Result<bool, ferrobase_pg::Error> {
    for schema in name.schema.as_ref().map_or(schemas, std::slice::from_ref) {
        let found = session.query(FIND, &[Some(schema.as_str()), Some(name.name.as_str())]).await?;
        if found.rows.first().and_then(|row| row.text(0)) == Some("t") {
            return Ok(true);
        }
    }
    Ok(false)
}
