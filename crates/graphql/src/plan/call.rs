//! Calls of functions.

use ferrobase_catalog::Volatility;
use ferrobase_query::plan::{
    Arguments, Call, Columns, Content, Field, Member, One, Read, RecordField, Returned, SCALAR, Source,
};
use ferrobase_query::sql::CatalogSql;

use super::Planner;
use super::collect::Asked;
use super::input::Input;
use crate::error::Error;
use crate::made::{InputShape, Made};
use crate::model::{CallArgument, CallReturns, Callee};

impl<'a> Planner<'a> {
    /// What a function returns.
    pub(super) fn call(&self, callee: &Callee, asked: &Asked<'a>) -> Result<Content, Error> {
        let is_scalar = matches!(callee.returns, CallReturns::Value(_) | CallReturns::Values(_));
        let set = matches!(callee.returns, CallReturns::Values(_) | CallReturns::Many(_));
        let call = Call {
            function: callee.function.name.clone(),
            arguments: self.arguments(callee, asked)?,
            returned: match &callee.returns {
                CallReturns::Made(made) => super::document::returned(made),
                _ => Returned { scalar: is_scalar, set },
            },
            columns: Columns::All,
        };
        let mut read = Read::from(Source::Function(Box::new(call)), callee.function.name.name.clone());
        if is_list(callee) {
            read.window.limit = callee.most;
        }
        Ok(match &callee.returns {
            CallReturns::Value(value) => Content::Scalar { read: Box::new(read), scalar: value.scalar() },
            CallReturns::Values(value) => {
                let value = Content::Value { field: Field::column(SCALAR), scalar: value.scalar() };
                let members = vec![Member { key: String::new(), value }];
                Content::Values(Box::new(One { join: None, read, members }))
            }
            CallReturns::One(id) => {
                Content::One(Box::new(One { join: None, read, members: self.row(*id, asked.below())? }))
            }
            CallReturns::Many(id) => Content::Page(Box::new(self.page(*id, None, read, asked)?)),
            CallReturns::Made(made) => self.made(made, read, asked)?,
        })
    }

    fn arguments(&self, callee: &Callee, asked: &Asked<'a>) -> Result<Arguments, Error> {
        let mut fields = Vec::new();
        let mut json = Vec::new();
        for (name, of) in &callee.arguments {
            let Some(value) = self.argument(asked, name) else { continue };
            let sql_type = CatalogSql::written_by_catalog(&of.sql_type);
            let (type_name, cast) = match super::change::text_type(&of.value).filter(|_| of.input.is_none()) {
                Some(text) => (text, Some(sql_type)),
                None => (sql_type, None),
            };
            fields.push(RecordField { name: of.parameter.clone(), type_name, cast, variadic: false });
            json.push((of.parameter.clone(), passed(name, of, &value)?));
        }
        Ok(Arguments::Record { fields, json: Input::Object(json).json().into(), is_object: true })
    }
}

/// Whether what it returns is a list that no page divides. A function that writes and gives values one by one would stop writing
/// where its list ends: that one runs to its end.
fn is_list(callee: &Callee) -> bool {
    match &callee.returns {
        CallReturns::Values(_) => callee.function.volatility != Volatility::Volatile,
        CallReturns::Made(Made::Rows { set, .. }) => *set,
        _ => false,
    }
}

/// A value as PostgreSQL takes it out of a JSON object: a document is not the string that holds it.
fn passed(name: &str, of: &CallArgument, value: &Input) -> Result<Input, Error> {
    match &of.input {
        Some(shape) => Ok(keyed(shape, value.clone())),
        None => super::change::stored(name, &of.value, value),
    }
}

/// An object with the keys that the database knows.
fn keyed(shape: &InputShape, value: Input) -> Input {
    let Input::Object(fields) = value else { return value };
    let key = |(name, value): (String, Input)| {
        let key = shape.fields.get(&name).map_or(name, |(key, _)| key.clone());
        (key, value)
    };
    Input::Object(fields.into_iter().map(key).collect())
}
