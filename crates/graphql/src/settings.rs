//! The room's configuration as its stages use it: one immutable value, swapped on reload.

use crate::config::GraphqlSection;

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
}

impl Settings {
    /// The settings of a section. `introspection` is what counts where the section says nothing.
    pub fn new(section: &GraphqlSection, extra_search_path: Vec<String>, introspection: bool) -> Self {
        Self {
            schemas: section.schemas.iter().map(|schema| schema.as_str().to_owned()).collect(),
            extra_search_path,
            introspection: section.introspection.unwrap_or(introspection),
            max_depth: section.max_depth as usize,
            max_aliases: section.max_aliases as usize,
            max_cost: section.max_cost,
            max_rows: section.max_rows,
        }
    }

    /// Schemas in which PostgreSQL looks names up, the request's own first.
    pub(crate) fn search_path(&self, schema: &str) -> Vec<String> {
        std::iter::once(schema).chain(self.extra_search_path.iter().map(String::as_str)).map(str::to_owned).collect()
    }
}
