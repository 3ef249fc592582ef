//! JSON views: which parts of documents are told, and what functions make.

use apollo_compiler::executable::SelectionSet;
use ferrobase_catalog::QualifiedName;
use ferrobase_query::plan::{
    Argument, Arguments, Call, Columns, Content, Field, Inside, Items, Member, One, PageMember, PageValue, Part, Read,
    Returned, Source, Told, Window,
};

use super::collect::Asked;
use super::{Planner, json};
use crate::error::Error;
use crate::made::{DONE, Made, RowType, RowValue};
use crate::model::TableId;
use crate::views::{DocumentType, Place, Sort};

/// The column of documents.
const DATA: &str = "data";

/// The rows of a view that is a function.
pub(super) fn called((function, arguments): &(QualifiedName, Vec<Argument>)) -> Source {
    Source::Function(Box::new(Call {
        function: function.clone(),
        arguments: Arguments::Named(arguments.clone()),
        returned: Returned { scalar: false, set: true },
        columns: Columns::All,
    }))
}

impl<'a> Planner<'a> {
    /// A list of documents.
    pub(super) fn documents(&self, id: TableId, asked: &Asked<'a>) -> Result<Content, Error> {
        let table = self.table(id);
        let view = table.view.as_ref().ok_or_else(|| Error::unknown(asked.name()))?;
        let mut page = self.rows_of(id, self.read_table(id), asked, table.most)?;
        if self.argument(asked, "orderBy").is_none() && page.keyset.after.is_none() {
            // The order is the view's own.
            page.read.order.clear();
            page.keyset.keys.clear();
        }
        let value = PageValue::Documents(self.document_told(&view.place, asked)?);
        page.members.push(PageMember { key: asked.key.to_owned(), value });
        Ok(Content::Documents(Box::new(page)))
    }

    /// What is told of the document of a row.
    pub(super) fn document_told(&self, place: &Place, asked: &Asked<'a>) -> Result<Told, Error> {
        Ok(Told { column: DATA.to_owned(), value: self.inside(place, asked)? })
    }

    fn inside(&self, place: &Place, asked: &Asked<'a>) -> Result<Inside, Error> {
        Ok(match place {
            Place::Scalar(Sort::Id | Sort::String | Sort::BigInt) => Inside::Text,
            Place::Scalar(Sort::Int) => Inside::Int,
            Place::Scalar(Sort::Float) => Inside::Number,
            Place::Scalar(Sort::Boolean) => Inside::Boolean,
            Place::Scalar(Sort::Json | Sort::Unknown) => Inside::Whole,
            Place::Object(name) => Inside::Object(self.parts(name, asked.below())?),
            Place::Union(name) => {
                let members = match self.model.documents.types.get(name) {
                    Some(DocumentType::Union(members)) => members.as_slice(),
                    _ => &[],
                };
                let part = |name: &String| Ok((name.clone(), self.parts(name, asked.below())?));
                Inside::OneOf(members.iter().map(part).collect::<Result<_, Error>>()?)
            }
            Place::List(item) => {
                let offset = self.number(asked, "offset")?.unwrap_or(0);
                let window = Window { offset, limit: self.number(asked, "first")? };
                Inside::List(Box::new(Items { item: self.inside(item, asked)?, window }))
            }
        })
    }

    fn parts(&self, name: &str, selections: impl Iterator<Item = &'a SelectionSet>) -> Result<Vec<Part>, Error> {
        let documents = &self.model.documents;
        let asked = self.collect(selections, &|condition| documents.is(name, condition));
        let part = |asked: Asked<'a>| {
            let key = asked.key.to_owned();
            Ok(match documents.object(name).and_then(|object| object.fields.get(asked.name())) {
                Some(field) => {
                    let value = self.inside(&field.place, &asked).map_err(|error| error.at(asked.key))?;
                    Part { key, from: field.key.clone(), value }
                }
                // All else that a valid document asks of an object is its type.
                None => Part { key, from: asked.name().to_owned(), value: Inside::Constant(json(name)) },
            })
        };
        asked.into_iter().map(part).collect()
    }

    /// What a function makes.
    pub(super) fn made(&self, made: &Made, read: Read, asked: &Asked<'a>) -> Result<Content, Error> {
        let one = |read, members| Box::new(One { join: None, read, members });
        Ok(match made {
            Made::Done => Content::Sole(one(read, vec![self.done(asked)])),
            Made::Json => Content::Scalar { read: Box::new(read), scalar: ferrobase_query::plan::Scalar::Plain },
            Made::Rows { set: true, row } => Content::List(one(read, self.row_members(row, &row.name, asked)?)),
            Made::Rows { set: false, row } => Content::One(one(read, self.row_members(row, &row.name, asked)?)),
            Made::Outcome(outcome) => {
                let of = |row: &RowType| self.row_members(row, &outcome.interface, asked);
                let either = Content::Either {
                    when: Field::column(&outcome.flag),
                    then: of(&outcome.success)?,
                    otherwise: of(&outcome.error)?,
                };
                Content::Sole(one(read, vec![Member { key: String::new(), value: either }]))
            }
        })
    }

    /// What there is to say about something that ran.
    fn done(&self, asked: &Asked<'a>) -> Member {
        let told = self.collect(asked.below(), &|name| name == DONE).into_iter().map(|asked| {
            let value = if asked.name() == "__typename" { json(DONE) } else { "true".to_owned() };
            format!("{}:{value}", json(asked.key))
        });
        let object = format!("{{{}}}", told.collect::<Vec<_>>().join(","));
        Member { key: String::new(), value: Content::Constant(object) }
    }

    /// Members of a row; `interface` is the other name under which selections may mean it.
    fn row_members(&self, row: &RowType, interface: &str, asked: &Asked<'a>) -> Result<Vec<Member>, Error> {
        let member = |asked: Asked<'a>| {
            let value = match row.fields.get(asked.name()) {
                None => Content::Constant(json(&row.name)),
                Some(field) => match &field.value {
                    RowValue::Plain(value) => {
                        Content::Value { field: Field::column(&field.column), scalar: value.scalar() }
                    }
                    RowValue::Document(place) => {
                        let value = self.inside(place, &asked)?;
                        Content::Inside(Told { column: field.column.clone(), value })
                    }
                },
            };
            Ok(Member { key: asked.key.to_owned(), value })
        };
        let is = |name: &str| name == row.name || name == interface;
        self.collect(asked.below(), &is).into_iter().map(member).collect()
    }
}

/// Whether a call gives one value and not rows, and whether it gives several.
pub(super) fn returned(made: &Made) -> Returned {
    match made {
        Made::Done | Made::Outcome(_) => Returned { scalar: false, set: false },
        Made::Json => Returned { scalar: true, set: false },
        Made::Rows { set, .. } => Returned { scalar: false, set: *set },
    }
}
