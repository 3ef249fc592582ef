//! What the API offers, described for machines: OpenAPI 2.0 at the root, OpenAPI 3.1 at `openapi.json`.
//!
//! catalog -> `facts` (gathered once, for one role and schema) -> `swagger` or `v3` (JSON) -> `answer`, through
//! `cache`. Everything but `answer` is pure.
//! Invariant: nothing is listed that the caller may not know of; writers see the facts and never the catalog.

mod address;
mod answer;
mod cache;
mod facts;
mod real_type;
mod swagger;
mod swagger_types;
mod type_name;
mod v3;

use bytes::Bytes;

pub use address::{Address, Origin};
pub(crate) use cache::Documents;
pub(crate) use facts::{Listing, View};

/// The name under which OpenAPI 3.1 is served.
pub(crate) const DOCUMENT: &str = "openapi.json";

/// Which version of OpenAPI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// OpenAPI 2.0, as PostgREST writes it.
    Swagger,
    /// OpenAPI 3.1.
    V31,
}

/// Whose API is described.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `serve` and `dev`.
    Ferrobase,
    /// `ferrobase postgrest`.
    Postgrest,
}

/// What the configuration says about the descriptions.
pub(crate) struct About<'a> {
    pub(crate) dialect: Dialect,
    /// Where the API is.
    pub(crate) address: &'a Address,
    /// OpenAPI 2.0 tells how tokens are sent.
    pub(crate) security: bool,
    /// Requests without credentials are served.
    pub(crate) anonymous: bool,
    /// Exposed schemas, the default one first.
    pub(crate) schemas: &'a [String],
    /// The one that is described.
    pub(crate) schema: &'a str,
}

/// The comment that every new database has on `public`, which says nothing of an API.
const OF_EVERY_DATABASE: &str = "standard public schema";

impl<'a> About<'a> {
    /// The API's name.
    fn title<'f>(&self, facts: &facts::Facts<'f>) -> &'f str {
        match (self.dialect, facts.comment.summary) {
            (Dialect::Postgrest, summary) => summary.unwrap_or("PostgREST API"),
            (Dialect::Ferrobase, None | Some(OF_EVERY_DATABASE)) => "Ferrobase API",
            (Dialect::Ferrobase, Some(summary)) => summary,
        }
    }

    /// How requests name the schema, where there is more than one.
    fn profile(&self) -> Option<v3::Profile<'a>> {
        let is_default = self.schemas.first().is_some_and(|first| first == self.schema);
        (self.schemas.len() > 1).then_some(v3::Profile { schema: self.schema, is_default })
    }
}

/// The document.
pub(crate) fn write(format: Format, view: &View<'_>, about: &About<'_>) -> Bytes {
    let facts = facts::gather(view);
    let document = match format {
        Format::Swagger => swagger::document(&facts, about),
        Format::V31 => v3::document(&facts, about),
    };
    document.to_string().into()
}
