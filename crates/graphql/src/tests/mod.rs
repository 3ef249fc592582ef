//! Properties of the pure stages: whatever comes, an answer or a refusal; and no word of a request is ever SQL.

mod canary;
mod fixture;
mod speed;
mod total;

use std::sync::LazyLock;

use apollo_compiler::response::JsonMap;
use apollo_compiler::validation::Valid;
use ferrobase_pg::Statement;
use ferrobase_query::compile_document;
use ferrobase_request::exposure::Exposure;

use crate::config::GraphqlSection;
use crate::plan::collect::collect;
use crate::prepared::{Prepared, Sight, Variables};
use crate::request::GraphqlRequest;
use crate::{Error, Settings, View, flow, introspect};

impl View {
    /// The statement of a request that reads: the plan that is kept, or one that is made and kept, as in a request.
    fn statement(&self, request: &GraphqlRequest) -> Result<Statement, Error> {
        let reflected = &self.reflected;
        let asked = reflected.document(request.query.as_deref().unwrap_or_default())?;
        let name = request.operation.as_deref();
        let Ok(operation) = asked.document.operations.get(name) else { return Err(flow::internal()) };
        let values = flow::variables(reflected, &asked.document, operation, request)?;
        let Some(kept) = Variables::of(&asked, name, &values) else { return Err(flow::internal()) };
        let sight = reflected.plans.find(&kept, None);
        if let Sight::Planned(_, statement) = sight {
            return Ok(statement);
        }
        let plan = |values: &Valid<JsonMap>| {
            let documents = self.documents(&asked.document, name, values)?;
            let Some((_, document)) = documents.into_iter().next() else { return Err(flow::internal()) };
            let drawn = compile_document(&document, None).map_err(|error| Error::from(&error))?;
            Ok(Prepared::new(drawn, None, flow::one_key(&document), 0.0, None))
        };
        let prepared = plan(&values)?;
        let statement = prepared.drawn.statement.clone();
        let again = |values: &JsonMap| plan(Valid::assume_valid_ref(values)).ok();
        reflected.plans.keep(&kept, &values, prepared, again);
        Ok(statement)
    }

    /// What the schema says about itself, as JSON.
    fn introspected(&self, text: &str) -> String {
        let asked = self.reflected.document(text).expect("a document");
        let operation = asked.document.operations.get(None).expect("an operation");
        let variables = JsonMap::default();
        let sets = std::iter::once(&operation.selection_set);
        let root = collect(&asked.document, &variables, sets, &|name| name == "Query");
        let mut told = String::new();
        introspect::answer(&self.reflected, &asked.document, &variables, &root[0], &mut told);
        told
    }
}

/// What a role that may do everything sees of the small catalog.
static VIEW: LazyLock<View> = LazyLock::new(|| {
    let section = GraphqlSection { max_aliases: 1000, max_depth: 64, introspection: Some(true), ..Default::default() };
    let settings = Settings::new(&section, Vec::new(), true);
    View::new(&fixture::catalog(), &Exposure::open(vec!["api".to_owned()]), &settings, "all", "api")
});
