//! The description in OpenAPI 3.1: every path with its parameters, bodies, answers and errors.
//!
//! facts -> **JSON**. Pure. Read on: `relation` and `function` (paths), `rows` and `schema` (JSON Schema), `shared`
//! (what operations refer to), `names` (keys and segments).
//! Invariant: the document is valid under OpenAPI 3.1 whatever names the database has.

mod function;
mod names;
mod relation;
mod rows;
mod schema;
mod shared;

use serde_json::{Map, Value, json};

use super::About;
use super::facts::Facts;
use names::Keys;

/// The document.
pub(super) fn document(facts: &Facts<'_>, about: &About<'_>) -> Value {
    let keys = Keys::of(shared::OWN.into_iter().chain(facts.relations.iter().map(|relation| relation.name)));
    let context = Context { keys, profile: about.profile() };
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": about.title(facts),
            "description": facts.comment.description.unwrap_or("Made from the schema of the database"),
            "version": env!("CARGO_PKG_VERSION"),
        },
        "servers": [{ "url": Some(about.address.url()).filter(|url| !url.is_empty()).unwrap_or("/".to_owned()) }],
        "security": security(about),
    });
    document["paths"] = Value::Object(paths(facts, &context));
    document["components"] = components(facts, &context);
    document
}

/// What the paths are written with.
struct Context<'a> {
    /// Keys of the relations.
    keys: Keys<'a>,
    /// The schema, where a request must or may name it.
    profile: Option<Profile<'a>>,
}

/// How a request names the schema.
#[derive(Clone, Copy)]
pub(super) struct Profile<'a> {
    pub(super) schema: &'a str,
    pub(super) is_default: bool,
}

/// Either credential does; none does where anonymous requests are served.
fn security(about: &About<'_>) -> Value {
    let mut ways = vec![json!({ "bearer": [] }), json!({ "apikey": [] })];
    if about.anonymous {
        ways.insert(0, json!({}));
    }
    Value::Array(ways)
}

fn paths(facts: &Facts<'_>, context: &Context<'_>) -> Map<String, Value> {
    let mut paths = Map::new();
    paths.insert(format!("/{}", super::DOCUMENT), shared::own_path());
    for relation in &facts.relations {
        paths.insert(format!("/{}", names::segment(relation.name)), relation::path(relation, context));
    }
    let function_keys = Keys::of(facts.functions.iter().map(|function| function.name));
    for function in &facts.functions {
        if let Some(path) = function::path(function, function_keys.get(function.name), context) {
            paths.insert(format!("/rpc/{}", names::segment(function.name)), path);
        }
    }
    paths
}

fn components(facts: &Facts<'_>, context: &Context<'_>) -> Value {
    let mut schemas = shared::schemas();
    let mut parameters = shared::parameters(context.profile);
    let mut responses = shared::responses();
    for relation in &facts.relations {
        let key = context.keys.get(relation.name);
        if relation.verbs.read {
            schemas.insert(key.to_owned(), rows::read(relation));
        }
        if relation.verbs.insert {
            schemas.insert(format!("{key}.insert"), rows::insert(relation));
        }
        if relation.verbs.update {
            schemas.insert(format!("{key}.update"), rows::update(relation));
        }
        parameters.extend(relation::filters(relation, key));
        responses.insert(key.to_owned(), relation::answer(relation, key));
    }
    json!({
        "schemas": schemas,
        "parameters": parameters,
        "headers": shared::headers(),
        "responses": responses,
        "securitySchemes": {
            "bearer": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" },
            "apikey": { "type": "apiKey", "in": "header", "name": "apikey" },
        },
    })
}

fn reference(place: &str, key: &str) -> Value {
    json!({ "$ref": format!("#/components/{place}/{key}") })
}
