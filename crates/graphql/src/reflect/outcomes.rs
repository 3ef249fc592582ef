//! Functions whose results have no relation behind them: void, rows of their own, outcomes of writes.
//!
//! A function named `fn_`, or one that returns an outcome, follows the conventions of JSON views: its name without the
//! prefix, names of arguments without `p_`, `input_data` as `input`, documents as they are. All others have pg_graphql's
//! names, and in a schema whose comment says so arguments without a prefix.

use ferrobase_catalog::{DeclaredType, Function, ReturnShape, Volatility};
use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::Reflecting;
use crate::directive::Directive;
use crate::made::{DONE, InputShape, Made, Outcome, RowField, RowType, RowValue};
use crate::naming::{camel, is_name, upper_first};
use crate::scalar::ValueType;
use crate::views::{DocumentType, Place, Sort};

/// Columns of an outcome in its short form.
const SHORT: [&str; 3] = ["success", "message", "data"];
/// Columns that both types of an outcome in its long form have, the first of which says which it is.
const LONG: [&str; 5] = ["succeeded", "message", "status_detail", "http_status", "metadata"];
/// Columns of a success in its long form.
const OF_SUCCESS: [&str; 6] = ["state_changed", "entity_id", "entity_type", "entity", "updated_fields", "cascade"];
/// Columns of an error in its long form.
const OF_ERROR: [&str; 2] = ["error_class", "error_detail"];

impl Reflecting<'_> {
    /// Whether a function follows the conventions of JSON views.
    pub(super) fn is_conventional(&self, function: &Function) -> bool {
        function.volatility == Volatility::Volatile
            && (function.name.name.starts_with("fn_") || self.has_outcome(function))
    }

    /// The name of a function's field.
    pub(super) fn function_name(&self, function: &Function) -> String {
        if self.is_conventional(function) {
            camel(function.name.name.trim_start_matches("fn_"))
        } else {
            self.naming.field(&function.name.name)
        }
    }

    /// The name of an argument.
    pub(super) fn argument_name(&self, function: &Function, parameter: &str) -> String {
        if self.is_conventional(function) {
            return match parameter.trim_start_matches("p_") {
                "input_data" => "input".to_owned(),
                name => camel(name),
            };
        }
        let prefix = self.schema.parameter_prefix.as_deref().unwrap_or_default();
        self.naming.field(parameter.strip_prefix(prefix).filter(|rest| !rest.is_empty()).unwrap_or(parameter))
    }

    /// The columns of the rows that a function returns, with their types.
    fn columns_of(&self, function: &Function) -> Vec<(String, String)> {
        if !function.output_columns.is_empty() {
            return function.output_columns.iter().map(|one| (one.name.clone(), one.type_name.clone())).collect();
        }
        let ReturnShape::Row { type_name, relation: None, .. } = &function.returns.shape else { return Vec::new() };
        match self.sight.catalog.types.get(type_name) {
            Some(DeclaredType::Composite(fields)) => {
                fields.iter().map(|field| (field.name.clone(), field.type_name.clone())).collect()
            }
            _ => Vec::new(),
        }
    }

    fn has_outcome(&self, function: &Function) -> bool {
        let columns = self.columns_of(function);
        !function.returns.set && (is_short(&columns) || is_long(&columns))
    }

    /// What a function returns that has no relation behind it.
    pub(super) fn made(&mut self, function: &Function, name: &str, said: &Directive) -> Option<Made> {
        let set = function.returns.set;
        match &function.returns.shape {
            ReturnShape::Void => (function.volatility == Volatility::Volatile).then_some(Made::Done),
            ReturnShape::Scalar(of) => {
                let is_json = of.schema == "pg_catalog" && matches!(of.name.as_str(), "json" | "jsonb");
                (is_json && !set && self.is_conventional(function)).then_some(Made::Json)
            }
            ReturnShape::Row { relation: Some(_), .. } => None,
            ReturnShape::Row { .. } => {
                let columns = self.columns_of(function);
                if !set && (is_short(&columns) || is_long(&columns)) {
                    return self.outcome(name, &columns, said).map(Made::Outcome);
                }
                let type_name = format!("{}Row", upper_first(name));
                let row = self.row_type(&type_name, columns.iter(), said)?;
                Some(Made::Rows { set, row })
            }
        }
    }

    fn outcome(&mut self, name: &str, columns: &[(String, String)], said: &Directive) -> Option<Outcome> {
        let base = upper_first(name);
        let common: &[&str] = if is_short(columns) { &SHORT } else { &LONG };
        let of = |own: &[&str]| {
            let wanted = |column: &&(String, String)| common.contains(&&*column.0) || own.contains(&&*column.0);
            columns.iter().filter(wanted).collect::<Vec<_>>()
        };
        let success = self.row_type(&format!("{base}Success"), of(&OF_SUCCESS).into_iter(), said)?;
        let error = self.row_type(&format!("{base}Error"), of(&OF_ERROR).into_iter(), said)?;
        let interface = format!("{base}Result");
        self.take(&interface).then(|| Outcome { interface, flag: common[0].to_owned(), success, error })
    }

    fn row_type<'c>(
        &mut self,
        name: &str,
        columns: impl Iterator<Item = &'c (String, String)>,
        said: &Directive,
    ) -> Option<RowType> {
        let mut fields = IndexMap::new();
        for (column, type_name) in columns {
            let value = match (type_name.as_str(), &said.entity) {
                ("jsonb", Some(entity)) if column == "entity" => RowValue::Document(self.entity(entity)),
                ("json" | "jsonb", _) => RowValue::Document(Place::Scalar(Sort::Json)),
                _ => RowValue::Plain(ValueType::of_sql(type_name)),
            };
            let field = camel(column);
            if is_name(&field) {
                fields.entry(field).or_insert(RowField { column: column.clone(), value });
            }
        }
        (!fields.is_empty() && is_name(name) && self.take(name)).then(|| RowType { name: name.to_owned(), fields })
    }

    fn entity(&self, name: &str) -> Place {
        match self.model.documents.types.get(name) {
            Some(DocumentType::Object(_)) => Place::Object(name.to_owned()),
            Some(DocumentType::Union(_)) => Place::Union(name.to_owned()),
            None => Place::Scalar(Sort::Json),
        }
    }

    /// The keys that a comment says an argument has.
    pub(super) fn input_shape(&mut self, name: &str, keys: &Map<String, Value>) -> Option<InputShape> {
        let mut fields = IndexMap::new();
        for (key, of) in keys {
            let (field, text) = (camel(key), of.as_str().unwrap_or_default());
            let (element, _, _) = taken_apart(text);
            if !is_name(&field) || Sort::input_name(element).is_none() {
                self.mistake(
                    name,
                    format!("`input` declares `{key}` of a type that nothing has: the argument is JSON"),
                );
                return None;
            }
            fields.insert(field, (key.clone(), text.to_owned()));
        }
        let type_name = format!("{}Input", upper_first(name));
        (!fields.is_empty() && self.take(&type_name)).then_some(InputShape { name: type_name, fields })
    }
}

/// `[Int]!` as its element, whether it is a list, and whether it has to be there.
pub(crate) fn taken_apart(text: &str) -> (&str, bool, bool) {
    let (text, required) = text.strip_suffix('!').map_or((text, false), |rest| (rest, true));
    match text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(element) => (element.trim_end_matches('!'), true, required),
        None => (text, false, required),
    }
}

fn is_short(columns: &[(String, String)]) -> bool {
    columns.len() == SHORT.len() && SHORT.iter().all(|name| columns.iter().any(|(column, _)| column == name))
}

fn is_long(columns: &[(String, String)]) -> bool {
    let has = |name: &&str| columns.iter().any(|(column, _)| column == name);
    LONG[..2].iter().chain(&OF_SUCCESS[..4]).all(has)
}

/// Names of types that functions without relations use.
pub(super) const RESERVED: [&str; 2] = [DONE, crate::views::JSON_VALUE];
