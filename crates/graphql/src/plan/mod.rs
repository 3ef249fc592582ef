//! From an operation to documents: names looked up in the model, arguments read, nothing run.
//!
//! Second stage: parse -> **plan** -> query -> execute -> render. One file per subject: `collect` (which fields), `input`
//! (values), `row` (fields of a row), `page`, `filter`, `order`, `groups`, `keys`, `call` (functions), `document` (JSON
//! views), `change` (writes), `told` (what is told of them), `nested` (related rows that are written together).
//! Invariants: what cannot be right for the database either is refused here, with the path of the field; a name of the
//! database comes from the model, never from the request.

mod call;
mod change;
pub(crate) mod collect;
mod document;
mod entities;
mod filter;
mod groups;
pub(crate) mod input;
mod keys;
mod nested;
mod node_id;
mod order;
mod page;
mod row;
mod told;

use apollo_compiler::executable::{Operation, SelectionSet};
use apollo_compiler::response::JsonMap;
use apollo_compiler::{ExecutableDocument, Node};
use ferrobase_query::plan::{Condition, Content, Document, Member, One, Read, Source};

use crate::error::Error;
use crate::model::{Column, Model, MutationField, QueryField, Reference, Table, TableId};
use collect::{Asked, collect};
use input::Input;

pub(crate) use nested::{COUNT, Grown, ROWS};
pub(crate) use order::can_order_by;

/// What an operation asks for.
#[derive(Debug)]
pub(crate) enum Planned {
    /// One statement that reads.
    Read(Document),
    /// Statements that write, one after the other, each with the key of its field.
    Write(Vec<(String, Step)>),
}

/// A field of a mutation.
#[derive(Debug)]
pub(crate) enum Step {
    /// What is known already: JSON text.
    Constant(String),
    /// A statement, and the function that it calls.
    Run(Document, Option<std::sync::Arc<ferrobase_catalog::Function>>),
    /// Changes, whose answers are a list.
    Many(Vec<Self>),
    /// Related rows, and what is told of them when they are there.
    Tree(Box<Grown>),
}

/// Plans one operation.
pub(crate) struct Planner<'a> {
    pub(crate) model: &'a Model,
    pub(crate) document: &'a ExecutableDocument,
    pub(crate) variables: &'a JsonMap,
    /// How many objects were planned for rows that may be of several types.
    pub(crate) splits: std::cell::Cell<usize>,
}

impl<'a> Planner<'a> {
    /// The plan. `introspected` gives what the schema says about itself.
    pub(crate) fn plan(
        &self,
        operation: &'a Node<Operation>,
        introspected: &dyn Fn(&Asked<'a>) -> Result<String, Error>,
    ) -> Result<Planned, Error> {
        let root = operation.object_type().as_str();
        let asked = self.collect(std::iter::once(&operation.selection_set), &|name| name == root);
        if operation.is_mutation() {
            let steps = asked.iter().map(|asked| Ok((asked.key.to_owned(), self.step(asked)?)));
            return Ok(Planned::Write(steps.collect::<Result<_, Error>>()?));
        }
        let mut members = Vec::with_capacity(asked.len());
        for asked in &asked {
            let value = match asked.name() {
                "__typename" => Content::Constant(json(root)),
                "__schema" | "__type" => Content::Constant(introspected(asked)?),
                _ => self.root(asked).map_err(|error| error.at(asked.key))?,
            };
            members.push(Member { key: asked.key.to_owned(), value });
        }
        Ok(Planned::Read(Document { members }))
    }

    fn root(&self, asked: &Asked<'a>) -> Result<Content, Error> {
        match asked.name() {
            "node" => return self.node(asked),
            "_service" if self.model.is_subgraph => return Ok(self.service(asked)),
            "_entities" if self.model.is_subgraph => return self.entities(asked),
            _ => {}
        }
        match self.model.query.get(asked.name()).ok_or_else(|| Error::unknown(asked.name()))? {
            QueryField::Collection(id) => {
                let read = self.read_table(*id);
                Ok(Content::Page(Box::new(self.page(*id, None, read, asked)?)))
            }
            QueryField::ByKey(id) => self.by_key(*id, asked),
            QueryField::ByAnyKey(id) => self.by_any_key(*id, asked),
            QueryField::Groups(id) => self.groups(*id, asked),
            QueryField::Call(callee) => self.call(callee, asked),
            QueryField::Documents(id) => self.documents(*id, asked),
            QueryField::DocumentPage(id) => {
                let read = self.read_table(*id);
                Ok(Content::Page(Box::new(self.page(*id, None, read, asked)?)))
            }
        }
    }

    fn step(&self, asked: &Asked<'a>) -> Result<Step, Error> {
        if asked.name() == "__typename" {
            return Ok(Step::Constant(json("Mutation")));
        }
        let field = self.model.mutation.get(asked.name()).ok_or_else(|| Error::unknown(asked.name()))?;
        self.written(field, asked).map_err(|error| error.at(asked.key))
    }

    fn written(&self, field: &MutationField, asked: &Asked<'a>) -> Result<Step, Error> {
        let value = match field {
            MutationField::Insert(id) => return self.insert(*id, asked),
            MutationField::UpdateMany(id) => return self.update_many(*id, asked),
            MutationField::UpdateByKey(id) => return self.update_by_key(*id, asked),
            MutationField::Update(id) => return self.update(*id, asked),
            MutationField::Delete(id) => self.delete(*id, asked),
            MutationField::DeleteByKey(id) => self.delete_by_key(*id, asked),
            MutationField::Call(callee) => self.call(callee, asked),
        };
        let function = match field {
            MutationField::Call(callee) => Some(std::sync::Arc::clone(&callee.function)),
            _ => None,
        };
        Ok(Step::Run(alone(asked.key, value?), function))
    }

    /// A row by its primary key.
    fn by_key(&self, id: TableId, asked: &Asked<'a>) -> Result<Content, Error> {
        let mut read = self.read_table(id);
        read.filters = self.keyed(id, asked)?;
        Ok(Content::One(Box::new(One { join: None, read, members: self.row(id, asked.below())? })))
    }

    /// The row with the key that the arguments are.
    fn keyed(&self, id: TableId, asked: &Asked<'a>) -> Result<Vec<Condition>, Error> {
        let key = self.key_values(id, &|name| self.argument(asked, name))?;
        Ok(key.into_iter().map(|(column, value)| filter::equal(column, value.text())).collect())
    }

    /// The columns of a primary key with their values, which `given` knows by the names of their fields.
    fn key_values(
        &self,
        id: TableId,
        given: &dyn Fn(&str) -> Option<Input>,
    ) -> Result<Vec<(&'a String, Input)>, Error> {
        let table = self.table(id);
        let named = table.key.iter().filter_map(|column| table.field_of(column));
        let value = |(name, column): (&String, &'a Column)| {
            Ok((&column.name, column.value.meant(name, &given(name).unwrap_or(Input::Null))?))
        };
        named.map(value).collect()
    }

    /// A row by what names it among all rows.
    fn node(&self, asked: &Asked<'a>) -> Result<Content, Error> {
        let text = self.argument(asked, "nodeId").and_then(|value| value.text()).unwrap_or_default();
        let Some((id, key)) = node_id::decode(self.model, &text) else {
            return Err(Error::Argument { argument: "nodeId".to_owned(), reason: "names no row".to_owned() });
        };
        let mut read = self.read_table(id);
        read.filters.extend(self.table(id).key.iter().zip(key).map(|(column, value)| filter::same(column, value)));
        Ok(Content::One(Box::new(One { join: None, read, members: self.row(id, asked.below())? })))
    }

    pub(crate) fn table(&self, id: TableId) -> &'a Table {
        &self.model.tables[id]
    }

    fn read_table(&self, id: TableId) -> Read {
        let Table { relation, view, .. } = self.table(id);
        let source = match view.as_ref().and_then(|view| view.function.as_ref()) {
            Some(told) => document::called(told),
            None => Source::Table(relation.name.clone()),
        };
        Read::from(source, relation.name.name.clone())
    }

    fn read_related(&self, to: &Reference) -> Read {
        self.read_table(to.table)
    }

    fn collect(&self, selections: impl Iterator<Item = &'a SelectionSet>, is: &dyn Fn(&str) -> bool) -> Vec<Asked<'a>> {
        collect(self.document, self.variables, selections, is)
    }

    /// The value of an argument: what was given, else its default; none where there is neither.
    fn argument(&self, asked: &Asked<'a>, name: &str) -> Option<Input> {
        let field = asked.field();
        match field.specified_argument_by_name(name).and_then(|value| Input::of(value, self.variables)) {
            Some(value) => Some(value),
            None => {
                let definition = field.definition.argument_by_name(name)?;
                Input::of(definition.default_value.as_ref()?, self.variables)
            }
        }
    }

    /// A whole number that is not negative.
    fn number(&self, asked: &Asked<'a>, name: &str) -> Result<Option<u64>, Error> {
        match self.argument(asked, name) {
            None | Some(Input::Null) => Ok(None),
            Some(value) => {
                let text = value.text().unwrap_or_default();
                let reason = || Error::Argument { argument: name.to_owned(), reason: "must be 0 or more".to_owned() };
                text.parse().map(Some).map_err(|_| reason())
            }
        }
    }
}

/// A document with one value.
fn alone(key: &str, value: Content) -> Document {
    Document { members: vec![Member { key: key.to_owned(), value }] }
}

/// JSON text of a string.
pub(crate) fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
