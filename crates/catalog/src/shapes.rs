//! Looks into JSON documents: what keys the column `data` of views and of `tv_` tables has, for GraphQL.
//!
//! A step of its own after the catalog is built, on the same session. Bounded: a few rows of each source, small documents
//! only, a short time for each and for all together; what cannot be read has no shape and fails nothing. A relation
//! without such a column costs nothing.
//! Invariant: reading a view runs the code of whoever made it, with the rights of who reads. Only what belongs to the
//! login itself, or to a superuser, is read; other sources have to declare what they give.
//! Invariant: values are forgotten at once; what is kept are keys, sorts of values, names of types and reasons of
//! deprecation, the last two only where everybody who may read the source may read every row: else only names that its
//! definition writes.

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ferrobase_base::error::causes;
use ferrobase_pg::Session;

use crate::cells::Cells;
use crate::error::LoadError;
use crate::model::{Catalog, Function, QualifiedName, Relation, RelationKind, Sampled, Shape, Shapes, Volatility};
use crate::scope::Scope;
use crate::sql;

/// The column of documents.
const DATA: &str = "data";
/// Longest time for one source.
const FOR_ONE: Duration = Duration::from_millis(250);
/// Longest time for all of them.
const FOR_ALL: Duration = Duration::from_secs(3);

/// Something that gives documents.
struct Source<'c> {
    name: &'c QualifiedName,
    oid: u32,
    owner: &'c str,
    /// What its definition depends on.
    reads: Vec<&'c QualifiedName>,
    is_function: bool,
    /// Some may not see all rows, or nobody knows.
    hides: bool,
}

/// The shapes of what a catalog tells of.
pub(crate) async fn sample(session: &mut Session, catalog: &Catalog, scope: &Scope) -> Shapes {
    let sources = sources(catalog, scope);
    if sources.is_empty() {
        return Shapes::default();
    }
    match read(session, catalog, scope, &sources).await {
        Ok(shapes) => shapes,
        Err(error) => {
            tracing::warn!(error = %causes(&error), "JSON documents of views could not be looked at");
            Shapes::default()
        }
    }
}

async fn read(
    session: &mut Session,
    catalog: &Catalog,
    scope: &Scope,
    sources: &[Source<'_>],
) -> Result<Shapes, LoadError> {
    let started = Instant::now();
    let (login, definitions) = definitions(session, catalog, sources).await?;
    let mut shapes = Shapes::default();
    for source in sources {
        let mut sampled = Sampled { definition: definition(source, catalog, &definitions), ..Sampled::default() };
        if source.is_function {
            sampled.defaults = defaults(session, source.oid).await?;
        }
        let is_superusers = catalog.roles.get(source.owner).is_some_and(|role| role.superuser);
        let callable = !source.is_function || sampled.defaults.iter().all(Option::is_some);
        if callable && (source.owner == login || is_superusers) && started.elapsed() < FOR_ALL {
            sampled.shape = documents(session, scope, source).await;
            let texts = texts(source, catalog, &definitions);
            let is_table = !source.is_function && !definitions.contains_key(&source.oid);
            let is_given = |name: &&String| is_table && !source.hides || texts.iter().any(|text| writes(text, name));
            let mut names = BTreeSet::new();
            sampled.shape.type_names(&mut names);
            sampled.names = names.iter().filter(is_given).cloned().collect();
            if source.hides {
                sampled.shape.forget_values(&sampled.names);
            }
        }
        let of = if source.is_function { &mut shapes.functions } else { &mut shapes.relations };
        of.insert(source.name.clone(), Arc::new(sampled));
    }
    tracing::debug!(sources = sources.len(), took = ?started.elapsed(), "JSON documents looked at");
    Ok(shapes)
}

/// What is looked into: views with `data jsonb`, tables named as read models, functions named as views.
fn sources<'c>(catalog: &'c Catalog, scope: &Scope) -> Vec<Source<'c>> {
    let covers = |name: &QualifiedName| scope.documents.contains(&name.schema);
    let relations = catalog.relations.values().filter(|relation| covers(&relation.name) && relation.has_documents());
    let relations = relations.map(|relation| Source {
        name: &relation.name,
        oid: relation.oid,
        owner: &relation.owner,
        reads: relation.reads.iter().map(|base| &base.relation).collect(),
        is_function: false,
        hides: relation.row_security.enabled || relation.reads.iter().any(|base| base.row_security),
    });
    let functions = catalog.functions.values().filter_map(|overloads| match overloads.as_slice() {
        [function] if covers(&function.name) && function.is_document_view() => Some(function),
        _ => None,
    });
    let functions = functions.map(|function| Source {
        name: &function.name,
        oid: function.oid,
        owner: &function.owner,
        reads: Vec::new(),
        is_function: true,
        hides: true,
    });
    relations.chain(functions).collect()
}

/// The login and, by oid, the definition of each view and function that matters.
async fn definitions(
    session: &mut Session,
    catalog: &Catalog,
    sources: &[Source<'_>],
) -> Result<(String, HashMap<u32, String>), LoadError> {
    let relation = |name: &&QualifiedName| catalog.relation(&name.schema, &name.name).map(|relation| relation.oid);
    let views = sources.iter().filter(|source| !source.is_function);
    let mut views: Vec<u32> =
        views.flat_map(|source| source.reads.iter().filter_map(relation).chain([source.oid])).collect();
    views.sort_unstable();
    views.dedup();
    let functions: Vec<u32> = sources.iter().filter(|source| source.is_function).map(|source| source.oid).collect();
    let asked = serde_json::json!({"views": views, "functions": functions}).to_string();
    let answer = session.query(sql::DOCUMENT_DEFINITIONS.text, &[Some(&asked)]).await.map_err(failed)?;
    let mut login = String::new();
    let mut found = HashMap::new();
    for row in &answer.rows {
        let mut cells = Cells::new(sql::DOCUMENT_DEFINITIONS.name, row);
        login = cells.string()?;
        found.insert(cells.number()?, cells.string()?);
    }
    Ok((login, found))
}

fn definition(source: &Source<'_>, catalog: &Catalog, definitions: &HashMap<u32, String>) -> u64 {
    let mut hasher = DefaultHasher::new();
    // What was kept while nothing was hidden is forgotten when something is.
    (source.oid, source.hides, definitions.get(&source.oid)).hash(&mut hasher);
    for name in &source.reads {
        let oid = catalog.relation(&name.schema, &name.name).map(|relation| relation.oid);
        (oid, oid.and_then(|oid| definitions.get(&oid))).hash(&mut hasher);
    }
    hasher.finish()
}

/// The definitions of a source and of the views that it reads.
fn texts<'d>(source: &Source<'_>, catalog: &Catalog, definitions: &'d HashMap<u32, String>) -> Vec<&'d String> {
    let read = source.reads.iter().filter_map(|name| catalog.relation(&name.schema, &name.name));
    read.map(|relation| relation.oid).chain([source.oid]).filter_map(|oid| definitions.get(&oid)).collect()
}

/// Whether a definition gives objects this type: `'__typename', 'User'`.
fn writes(definition: &str, name: &str) -> bool {
    let literal = format!("'{}'", name.replace('\'', "''"));
    definition.split("'__typename'").skip(1).any(|rest| {
        let rest = rest.strip_prefix("::text").unwrap_or(rest).trim_start();
        rest.strip_prefix(',').is_some_and(|rest| rest.trim_start().starts_with(&literal))
    })
}

async fn defaults(session: &mut Session, function: u32) -> Result<Vec<Option<String>>, LoadError> {
    let oid = function.to_string();
    let answer = session.query(sql::PARAMETER_DEFAULTS.text, &[Some(&oid)]).await.map_err(failed)?;
    let text = |row| Cells::new(sql::PARAMETER_DEFAULTS.name, row).optional_string();
    answer.rows.iter().map(text).collect()
}

/// What a few documents have in common. What fails is no more than not known.
async fn documents(session: &mut Session, scope: &Scope, source: &Source<'_>) -> Shape {
    let path = std::iter::once(&source.name.schema).chain(&scope.extra_search_path).map(|schema| quoted(schema));
    let begin = format!(
        "begin read only; set local statement_timeout = {}; set local search_path = {}",
        FOR_ONE.as_millis(),
        path.collect::<Vec<_>>().join(", ")
    );
    let call = if source.is_function { "()" } else { "" };
    let name = format!("{}.{}{call}", quoted(&source.name.schema), quoted(&source.name.name));
    // Large documents are left out, so that what comes is bounded.
    let select = format!(
        "select case when pg_catalog.octet_length(t) <= 65536 then t end \
         from (select \"{DATA}\"::pg_catalog.text as t from {name} limit 100) as s"
    );
    let answer = match session.script(&begin).await {
        Ok(()) => session.query(&select, &[]).await,
        Err(error) => Err(error),
    };
    _ = session.script("rollback").await;
    let mut shape = Shape::default();
    match answer {
        Ok(answer) => {
            let documents = answer.rows.iter().filter_map(|row| serde_json::from_str(row.text(0)?).ok());
            documents.for_each(|document| shape.see(&document));
        }
        Err(error) => {
            tracing::debug!(source = %source.name, error = %causes(&error), "A JSON view could not be looked at");
        }
    }
    shape
}

/// A name of the catalog between double quotes.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn failed(source: ferrobase_pg::Error) -> LoadError {
    LoadError::Query { query: "documents", source }
}

impl Relation {
    /// Whether its rows are JSON documents: a view with a column `data jsonb`, or a table named `tv_` with one.
    pub fn has_documents(&self) -> bool {
        let is_jsonb = self.columns.get(DATA).is_some_and(|column| column.base_type == "jsonb");
        let is_read_model = self.is_view() || self.kind == RelationKind::Table && self.name.name.starts_with("tv_");
        is_jsonb && is_read_model
    }
}

impl Function {
    /// Whether it is a view with arguments: named `v_`, reads only, gives rows with a column `data jsonb`.
    pub fn is_document_view(&self) -> bool {
        let gives = self.output_columns.iter().any(|column| column.name == DATA && column.type_name == "jsonb");
        gives && self.returns.set && self.name.name.starts_with("v_") && self.volatility != Volatility::Volatile
    }
}
