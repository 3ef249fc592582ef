//! What is at the root: a description of the API in OpenAPI 2.0, as far as it is built.
//!
//! Lists the paths that the caller's role may use, with their methods; types, parameters and comments come with the
//! complete description. Pure; runs no statement.
//! Invariant: nothing is listed that the caller may not know of.

use axum::response::Response;
use ferrobase_catalog::{Catalog, Function, Privilege, Relation, Volatility};
use http::{HeaderValue, header};
use serde_json::{Map, Value, json};

use crate::error::Error;
use crate::media::MediaType;
use crate::render::body_of;
use crate::request::RestRequest;

/// Who is told what.
pub(crate) struct View<'a> {
    /// What there is.
    pub(crate) catalog: &'a Catalog,
    /// The caller's role.
    pub(crate) role: &'a str,
    /// List also what the role may not use.
    pub(crate) all: bool,
    /// Whether a relation may be known of.
    pub(crate) visible: &'a dyn Fn(&Relation) -> bool,
}

/// The description.
///
/// # Errors
/// The caller takes no type that it comes in.
pub(crate) fn describe(request: &RestRequest, view: &View<'_>) -> Result<Response, Error> {
    let fits = |media: &MediaType| matches!(media, MediaType::OpenApi | MediaType::Json | MediaType::Any);
    if !request.accept.iter().any(fits) {
        return Err(Error::NotAcceptable(request.accept.iter().map(ToString::to_string).collect()));
    }
    let mut response = Response::new(body_of(request, document(request, view).to_string().into()));
    let headers = response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("Accept, Prefer, Range"));
    if let Ok(value) = HeaderValue::try_from(MediaType::OpenApi.content_type()) {
        headers.insert(header::CONTENT_TYPE, value);
    }
    if let Some(Ok(profile)) = request.negotiated.then(|| HeaderValue::try_from(&request.schema)) {
        headers.insert("content-profile", profile);
    }
    Ok(response)
}

fn document(request: &RestRequest, view: &View<'_>) -> Value {
    let schema = view.catalog.schemas.get(&request.schema);
    json!({
        "swagger": "2.0",
        "info": {
            "title": schema.and_then(|s| s.comment.as_deref()).unwrap_or("Ferrobase API"),
            "description": "",
            "version": env!("CARGO_PKG_VERSION"),
        },
        "basePath": "/",
        "consumes": ["application/json", "application/vnd.pgrst.object+json", "text/csv"],
        "produces": ["application/json", "application/vnd.pgrst.object+json", "text/csv"],
        "paths": paths(request, view),
    })
}

fn paths(request: &RestRequest, view: &View<'_>) -> Map<String, Value> {
    let mut paths = Map::new();
    paths.insert("/".to_owned(), methods(&["get"]));
    let relations = view.catalog.relations.values().filter(|r| r.name.schema == request.schema && (view.visible)(r));
    for relation in relations {
        let verbs = relation_verbs(relation, view);
        if !verbs.is_empty() {
            paths.insert(format!("/{}", relation.name.name), methods(&verbs));
        }
    }
    for overloads in view.catalog.functions.values() {
        for function in overloads.iter().filter(|f| f.name.schema == request.schema) {
            if view.all || view.catalog.may_execute(view.role, function) {
                paths.insert(format!("/rpc/{}", function.name.name), methods(function_verbs(function)));
            }
        }
    }
    paths.sort_keys();
    paths
}

fn relation_verbs(relation: &Relation, view: &View<'_>) -> Vec<&'static str> {
    let may = |privilege| view.all || view.catalog.may_some(view.role, privilege, relation);
    [
        (true, Privilege::Select, "get"),
        (relation.insertable, Privilege::Insert, "post"),
        (relation.updatable, Privilege::Update, "patch"),
        (relation.deletable, Privilege::Delete, "delete"),
    ]
    .into_iter()
    .filter(|(can, privilege, _)| *can && may(*privilege))
    .map(|(_, _, verb)| verb)
    .collect()
}

fn function_verbs(function: &Function) -> &'static [&'static str] {
    if function.volatility == Volatility::Volatile { &["post"] } else { &["get", "post"] }
}

fn methods(verbs: &[&str]) -> Value {
    verbs.iter().map(|verb| ((*verb).to_owned(), json!({ "responses": { "200": { "description": "OK" } } }))).collect()
}
