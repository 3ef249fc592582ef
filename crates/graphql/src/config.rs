//! `graphql`: what the GraphQL API exposes and how far an operation may go.

use std::path::PathBuf;

use ferrobase_base::config::{Identifier, Report};
use ferrobase_base::section;

section! {
    /// The GraphQL API.
    pub struct GraphqlSection {
        /// Exposed schemas; the first is the default one.
        schemas: Vec<Identifier> = vec![Identifier::from_static("public")];
        /// Answers introspection queries; none is on in `dev` and off in `serve`. A schema's comment can say otherwise.
        introspection: Option<bool> = None;
        /// Deepest selection; `edges` and `node` of pages do not count.
        max_depth: u32 = 10, in 1..=64;
        /// Most aliases in one document.
        max_aliases: u32 = 30, in 1..=1000;
        /// Most rows that one operation may touch by what it asks for; none is no bound.
        max_cost: Option<f64> = None;
        /// Most rows that one page gives.
        max_rows: Option<u64> = Some(1000);
        /// File of the only documents that are answered: a JSON object from ids to documents, or a manifest of Apollo's.
        trusted_documents: Option<PathBuf> = None;
        /// Remembers documents by their hashes, so that clients do not have to send them again.
        persisted_queries: bool = true;
        /// Shows an editor to browsers; none is on in `dev` and off in `serve`.
        graphiql: Option<bool> = None;
    }
}

impl GraphqlSection {
    /// What only shows when keys are compared.
    pub fn check(&self, report: &mut Report<'_>) {
        if self.schemas.is_empty() {
            report.refuse("schemas", "at least one schema must be exposed");
        }
        if self.max_cost.is_some_and(|cost| cost <= 0.0) {
            report.refuse("max_cost", "must be more than 0");
        }
    }
}
