//! Functions that are called by their names: fields of `Query` or `Mutation`.

use std::sync::Arc;

use ferrobase_catalog::{Function, QualifiedName, ReturnShape, TypeClass, Volatility, own_type_name};
use indexmap::IndexMap;

use super::Reflecting;
use crate::directive;
use crate::model::{CallArgument, CallReturns, Callee, MutationField, QueryField};
use crate::naming::is_name;
use crate::scalar::ValueType;

impl Reflecting<'_> {
    pub(super) fn functions(&mut self) {
        let catalog = self.sight.catalog;
        for (name, overloads) in &catalog.functions {
            let [function] = overloads.as_slice() else { continue };
            let hides = !catalog.may_execute(self.sight.role, function) || function.is_document_view();
            if name.schema != self.sight.schema || hides {
                continue;
            }
            let Some((name, callee)) = self.callee(function) else { continue };
            let callee = Arc::new(callee);
            let (free, reads) = match function.volatility {
                Volatility::Volatile => (!self.model.mutation.contains_key(&name), false),
                Volatility::Stable | Volatility::Immutable => {
                    (!self.model.query.contains_key(&name) && name != "node", true)
                }
            };
            match (free, reads) {
                (false, _) => {
                    let text = format!("its name for GraphQL, `{name}`, is not free: it is left out");
                    self.mistake(&function.name, text);
                }
                (true, true) => {
                    self.model.query.insert(name, QueryField::Call(callee));
                }
                (true, false) => {
                    self.model.mutation.insert(name, MutationField::Call(callee));
                }
            }
        }
    }

    fn callee(&mut self, function: &Arc<Function>) -> Option<(String, Callee)> {
        if function.is_variadic() || function.parameters.iter().any(|parameter| parameter.name.is_empty()) {
            return None;
        }
        let commented = directive::read(function.comment.as_deref());
        let name = commented.directive.name.clone().unwrap_or_else(|| self.function_name(function));
        let mut arguments = IndexMap::new();
        for parameter in &function.parameters {
            if self.is_row_type(&parameter.type_name) || is_of_any_type(&parameter.type_name) {
                return None;
            }
            let is_input = self.is_conventional(function) && parameter.type_name == "jsonb";
            let input = if is_input { self.input_shape(&name, &commented.directive.input) } else { None };
            let argument = CallArgument {
                parameter: parameter.name.clone(),
                sql_type: parameter.type_name_unbounded.clone(),
                value: self.value_type(&parameter.type_name, TypeClass::Scalar, &[]),
                required: parameter.required,
                input,
            };
            let said = commented.directive.arguments.get(&parameter.name);
            let name = said.cloned().unwrap_or_else(|| self.argument_name(function, &parameter.name));
            if !is_name(&name) || arguments.insert(name, argument).is_some() {
                return None;
            }
        }
        let returns = match self.made(function, &name, &commented.directive) {
            Some(made) => CallReturns::Made(made),
            None => self.returns(function)?,
        };
        if !is_name(&name) {
            return None;
        }
        let (description, deprecated) = (commented.description, commented.directive.deprecated);
        let most = self.schema.max_rows.or(self.sight.max_rows);
        Some((name, Callee { function: Arc::clone(function), description, deprecated, arguments, returns, most }))
    }

    fn returns(&mut self, function: &Function) -> Option<CallReturns> {
        let set = function.returns.set;
        match &function.returns.shape {
            ReturnShape::Row { relation: Some(relation), .. } => {
                let id = *self.ids.get(relation)?;
                let table = &self.model.tables[id];
                let reads = if set { table.has_pages() } else { table.is_readable() };
                reads.then_some(if set { CallReturns::Many(id) } else { CallReturns::One(id) })
            }
            ReturnShape::Scalar(name) => {
                let value = self.returned_type(name)?;
                Some(if set { CallReturns::Values(value) } else { CallReturns::Value(value) })
            }
            ReturnShape::Void | ReturnShape::Row { .. } => None,
        }
    }

    /// A type by its name in `pg_type`; none for what only a description at run time would tell.
    fn returned_type(&mut self, name: &QualifiedName) -> Option<ValueType> {
        if name.schema != "pg_catalog" {
            // An array's type is called after its element's.
            let element = name.name.strip_prefix('_');
            let element = element.filter(|element| self.declared.contains_key(&format!("{}.{element}", name.schema)));
            return Some(match element {
                Some(element) => self.value_type(&format!("{}.{element}[]", name.schema), TypeClass::Array, &[]),
                None => self.value_type(&name.to_string(), TypeClass::Scalar, &[]),
            });
        }
        let (element, is_list) = match name.name.strip_prefix('_') {
            Some(element) => (element, true),
            None => (name.name.as_str(), false),
        };
        if matches!(element, "record" | "trigger" | "event_trigger" | "internal" | "cstring") {
            return None;
        }
        Some(ValueType { is_list, ..ValueType::of_sql(own_type_name(element)) })
    }

    /// Whether a type is that of a relation's rows.
    fn is_row_type(&self, type_name: &str) -> bool {
        self.row_types.contains(&type_name.trim_end_matches("[]").replace('"', ""))
    }
}

/// Whether a type stands for several (`anyelement`): nobody could say which one is given. Types of others have their schema
/// in front.
fn is_of_any_type(type_name: &str) -> bool {
    type_name.starts_with("any") || type_name == "\"any\"" || type_name == "record"
}
