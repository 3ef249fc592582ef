//! The room's configuration as its stages use it: one immutable value, swapped on reload.

use std::sync::Arc;

use ferrobase_request::SearchPath;

use crate::config::GraphqlSection;
use crate::documents::Trusted;

/// What the stages need to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Exposed schemas; the first is the default one.
    pub schemas: Vec<String>,
    /// Schemas that are searched after the request's own.
    pub extra_search_path: Vec<String>,
    /// Introspection is answered where the schema's comment says nothing.
    pub introspection: bool,
    /// Deepest selection.
    pub max_depth: usize,
    /// Most aliases in one document.
    pub max_aliases: usize,
    /// Most rows that one operation may touch by what it asks for.
    pub max_cost: Option<f64>,
    /// Most rows of one page.
    pub max_rows: Option<u64>,
    /// The only documents that are answered, where there are such.
    pub trusted: Option<Arc<Trusted>>,
    /// Documents are remembered by their hashes.
    pub persisted_queries: bool,
    /// Browsers get an editor.
    pub graphiql: bool,
    /// The key that the editor sends until somebody writes another one.
    pub editor_key: Option<String>,
}

impl Settings {
    /// The settings of a section. Where the section says nothing, introspection and the editor are for those who develop.
    pub fn new(section: &GraphqlSection, extra_search_path: Vec<String>, develops: bool) -> Self {
        Self {
            schemas: section.schemas.iter().map(|schema| schema.as_str().to_owned()).collect(),
            extra_search_path,
            introspection: section.introspection.unwrap_or(develops),
            max_depth: section.max_depth as usize,
            max_aliases: section.max_aliases as usize,
            max_cost: section.max_cost,
            max_rows: section.max_rows,
            trusted: None,
            persisted_queries: section.persisted_queries,
            graphiql: section.graphiql.unwrap_or(develops),
            editor_key: None,
        }
    }

    /// The same, answering these documents only.
    #[must_use]
    pub fn trusting(self, trusted: Option<Trusted>) -> Self {
        Self { trusted: trusted.map(Arc::new), ..self }
    }

    /// The same, with a key for the editor.
    #[must_use]
    pub fn with_editor_key(self, key: Option<String>) -> Self {
        Self { editor_key: key, ..self }
    }

    /// Schemas in which PostgreSQL looks names up, the request's own first.
    pub(crate) fn search_path(&self, schema: &str) -> SearchPath {
        std::iter::once(schema).chain(self.extra_search_path.iter().map(String::as_str)).collect()
    }
}
