//! A role's schema for those who look at it from outside a request: the command line, tools, tests.
//!
//! Pure: nothing runs. What is told here is what the stages would do with the same document.

use apollo_compiler::response::{JsonMap, JsonValue};
use apollo_compiler::validation::Valid;
use apollo_compiler::{ExecutableDocument, Schema, request::coerce_variable_values};
use ferrobase_catalog::Catalog;
use ferrobase_pg::Statement;
use ferrobase_query::compile_document;
use ferrobase_query::plan::Document;
use ferrobase_request::exposure::Exposure;

use crate::breaking::breaking;
use crate::cost;
use crate::error::Error;
use crate::flow::UNBOUNDED;
use crate::limits::{self, Amount};
use crate::plan::{Planned, Planner, Step};
use crate::reflected::{Reflected, read, told};
use crate::settings::Settings;

/// A schema as a role sees it.
pub struct View {
    pub(crate) reflected: Reflected,
    unbounded: u64,
}

/// What an operation, or a field of a mutation, becomes.
#[derive(Debug)]
pub struct Explained {
    /// The field, for those of a mutation.
    pub field: Option<String>,
    /// The statement; its text is empty where the catalog has the answer.
    pub statement: Statement,
    /// How many rows it may touch.
    pub cost: f64,
}

/// What is known of a document before it is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// Its deepest selection.
    pub depth: usize,
    /// How many aliases it has, fragments opened.
    pub aliases: usize,
    /// How many rows it may touch with pages of the size that it says, or of the default size where a variable says it;
    /// none where that depends on its variables.
    pub cost: Option<f64>,
}

impl View {
    /// What the role sees of a schema of this catalog.
    pub fn new(catalog: &Catalog, exposure: &Exposure, settings: &Settings, role: &str, schema: &str) -> Self {
        let reflected = Reflected::new(catalog, settings, exposure, role, schema);
        Self { reflected, unbounded: settings.max_rows.unwrap_or(UNBOUNDED) }
    }

    /// The schema in the language of schemas: types by name, the same text whenever the schema is the same.
    pub fn sdl(&self) -> String {
        let mut schema = self.reflected.schema.clone().into_inner();
        schema.types.sort_keys();
        schema.to_string()
    }

    /// What an earlier schema, as it was printed, did and this one does not.
    ///
    /// # Errors
    /// A text that is no schema.
    pub fn breaks(&self, earlier: &str) -> Result<Vec<String>, Error> {
        match Schema::parse_and_validate(earlier, "earlier") {
            Ok(earlier) => Ok(breaking(&earlier, &self.reflected.schema)),
            Err(failed) => Err(Error::Syntax(told(&failed.errors))),
        }
    }

    /// Whether it has nothing to ask for but `node`.
    pub fn is_empty(&self) -> bool {
        self.reflected.model.query.is_empty() && self.reflected.model.mutation.is_empty()
    }

    /// The statements of an operation.
    ///
    /// # Errors
    /// What the room would answer in their place.
    pub fn explain(
        &self,
        text: &str,
        operation: Option<&str>,
        variables: serde_json::Value,
    ) -> Result<Vec<Explained>, Error> {
        let asked = self.reflected.document(text)?;
        let given = match JsonValue::from(variables) {
            JsonValue::Object(map) => map,
            _ => JsonMap::default(),
        };
        let chosen = asked.document.operations.get(operation).map_err(|error| self.told(&error, &asked.document))?;
        let variables = coerce_variable_values(&self.reflected.schema, chosen, &given)
            .map_err(|error| self.told(&error, &asked.document))?;
        let documents = self.documents(&asked.document, operation, &variables)?;
        let explained = documents.into_iter().map(|(field, document)| {
            let drawn = compile_document(&document, None).map_err(|error| Error::from(&error))?;
            Ok(Explained { field, statement: drawn.statement, cost: cost::of(&document, self.unbounded) })
        });
        explained.collect()
    }

    /// What is known of all operations of a document.
    ///
    /// # Errors
    /// What the room would answer to it, whatever the variables are.
    pub fn check(&self, text: &str) -> Result<Checked, Error> {
        let asked = self.reflected.document(text)?;
        let Amount { depth, aliases, .. } = limits::measure(&read(text)?);
        let mut cost = Some(0.0);
        for operation in asked.document.operations.iter() {
            let name = operation.name.as_ref().map(|name| name.as_str());
            let defaults = operation.variables.iter().filter_map(|variable| {
                let value = variable.default_value.as_ref()?;
                Some((variable.name.as_str().into(), json(value)))
            });
            let variables = Valid::assume_valid(defaults.collect::<JsonMap>());
            let own = self.documents(&asked.document, name, &variables).ok();
            let own = own.map(|all| all.iter().map(|(_, document)| cost::of(document, self.unbounded)).sum::<f64>());
            cost = cost.zip(own).map(|(sum, own)| sum + own);
        }
        Ok(Checked { depth, aliases, cost })
    }

    pub(crate) fn documents(
        &self,
        document: &ExecutableDocument,
        operation: Option<&str>,
        variables: &Valid<JsonMap>,
    ) -> Result<Vec<(Option<String>, Document)>, Error> {
        let operation = document.operations.get(operation).map_err(|error| self.told(&error, document))?;
        let planner = Planner { model: &self.reflected.model, document, variables, splits: std::cell::Cell::default() };
        Ok(match planner.plan(operation, &|_| Ok("null".to_owned()))? {
            Planned::Read(document) => vec![(None, document)],
            Planned::Write(steps) => {
                let run = steps.into_iter().flat_map(|(field, step)| {
                    statements(step).into_iter().map(move |document| (Some(field.clone()), document))
                });
                run.collect()
            }
        })
    }

    fn told(&self, error: &apollo_compiler::request::RequestError, document: &ExecutableDocument) -> Error {
        Error::Operation(Box::new(error.to_graphql_error(&document.sources)))
    }
}

/// The statements of a step.
fn statements(step: Step) -> Vec<Document> {
    match step {
        Step::Run(document, _) => vec![document],
        Step::Many(steps) => steps.into_iter().flat_map(statements).collect(),
        Step::Tree(grown) => grown.documents(),
        Step::Constant(_) => Vec::new(),
    }
}

/// A literal without variables as JSON.
fn json(literal: &apollo_compiler::ast::Value) -> JsonValue {
    let input = crate::plan::input::Input::of(literal, &JsonMap::default());
    input.and_then(|input| serde_json::from_str(&input.json()).ok()).unwrap_or(JsonValue::Null)
}
