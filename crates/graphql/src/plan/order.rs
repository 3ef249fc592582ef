//! Orders, which always end in the key of the table: no two rows have the same place.

use ferrobase_query::plan::{
    Aggregate, AggregateFunction, Direction, Embed, EmbedOutput, Field, Join, Key, Nulls, Order, OrderBy, Read, Select,
    Value,
};
use ferrobase_query::sql::CatalogSql;

use super::Planner;
use super::input::Input;
use crate::error::Error;
use crate::model::{Column, FieldKind, Reference, TableId};
use crate::scalar::Class;

/// Whether rows can be ordered by what a relationship leads to: functions give what they like.
pub(crate) fn can_order_by(to: &Reference) -> bool {
    !matches!(to.join, Join::Function { .. })
}

impl Planner<'_> {
    /// Writes the order of a read; gives its terms as ways to say where a page begins.
    /// Rows that are alike in the columns of `distinct` stand together: these come first.
    pub(super) fn order(
        &self,
        id: TableId,
        read: &mut Read,
        given: Option<&Input>,
        distinct: &[&Column],
    ) -> Result<Vec<Key>, Error> {
        let table = self.table(id);
        let mut keys = Vec::new();
        for term in given.map_or(&[][..], Input::items) {
            for (name, value) in term.fields() {
                match table.fields.get(name).map(|field| &field.kind) {
                    _ if *value == Input::Null => {}
                    None if name == "similarity" => {
                        read.order.push(self.by_similarity(id, value)?);
                        keys.push(Key { not_null: false, type_name: None });
                    }
                    Some(FieldKind::Column(column)) if column.value.class == Class::Json => {
                        let (field, direction) = inside(column, value)?;
                        read.order.push(directed(OrderBy::Field(field), &direction));
                        keys.push(document_key());
                    }
                    Some(FieldKind::Column(column)) => {
                        let by = OrderBy::Field(column.operand());
                        // Rows that are alike in a column are not told apart by asking for it again.
                        if read.order.iter().any(|order| order.by == by) {
                            continue;
                        }
                        read.order.push(directed(by, value));
                        keys.push(self.key(id, column));
                    }
                    Some(FieldKind::One(to)) => self.by_related(to, value, read, &mut keys)?,
                    Some(FieldKind::Many(to)) => self.by_aggregates(to, value, read, &mut keys)?,
                    _ => return Err(Error::unknown(name)),
                }
            }
        }
        self.distinct_first(id, read, &mut keys, distinct);
        for column in &table.key {
            let is_whole = |field: &Field| field.name == *column && field.path.is_empty();
            let is_there = |order: &Order| matches!(&order.by, OrderBy::Field(field) if is_whole(field));
            if !read.order.iter().any(is_there) {
                let field =
                    table.field_of(column).map_or_else(|| Field::column(column), |(_, column)| column.operand());
                let by = OrderBy::Field(field);
                read.order.push(Order { by, direction: Some(Direction::Ascending), nulls: None });
                keys.push(self.key_of(id, column));
            }
        }
        Ok(keys)
    }

    /// Puts the columns of `distinct` in front, in the order and direction in which they are asked for, else upwards.
    fn distinct_first(&self, id: TableId, read: &mut Read, keys: &mut Vec<Key>, distinct: &[&Column]) {
        let is_of =
            |order: &Order, column: &Column| matches!(&order.by, OrderBy::Field(field) if field.name == column.name);
        for column in distinct {
            if !read.order.iter().any(|order| is_of(order, column)) {
                let by = OrderBy::Field(column.operand());
                read.order.push(Order { by, direction: Some(Direction::Ascending), nulls: None });
                keys.push(self.key(id, column));
            }
        }
        let terms: Vec<_> = read.order.drain(..).zip(keys.drain(..)).collect();
        let (first, rest): (Vec<_>, Vec<_>) =
            terms.into_iter().partition(|(order, _)| distinct.iter().any(|column| is_of(order, column)));
        (read.order, *keys) = first.into_iter().chain(rest).unzip();
    }

    fn key(&self, id: TableId, column: &Column) -> Key {
        if column.computed { Key { not_null: false, type_name: None } } else { self.key_of(id, &column.name) }
    }

    fn key_of(&self, id: TableId, column: &str) -> Key {
        let relation = &self.table(id).relation;
        let known = relation.columns.get(column);
        Key {
            not_null: known.is_some_and(|column| !column.nullable),
            type_name: known.map(|column| CatalogSql::written_by_catalog(&column.base_type)),
        }
    }

    /// By how like a text is to another one, the most similar first.
    fn by_similarity(&self, id: TableId, given: &Input) -> Result<Order, Error> {
        let part = |wanted: &str| {
            let found = given.fields().iter().find(|(name, _)| name == wanted);
            found.and_then(|(_, value)| value.text()).unwrap_or_default()
        };
        let name = part("column");
        let column = self.table(id).column(&name).filter(|column| column.value.class == Class::String);
        let (Some(column), Some(schema)) = (column, &self.model.trigrams) else {
            let reason = format!("cannot compare `{name}`, which is no text");
            return Err(Error::Argument { argument: "similarity".to_owned(), reason });
        };
        let by = OrderBy::Similarity { field: Field::column(&column.name), schema: schema.clone(), to: part("to") };
        Ok(Order { by, direction: Some(Direction::Ascending), nulls: Some(Nulls::Last) })
    }

    /// By columns of the one related row.
    fn by_related(&self, to: &Reference, terms: &Input, read: &mut Read, keys: &mut Vec<Key>) -> Result<(), Error> {
        let table = self.table(to.table);
        let mut below = self.read_related(to);
        let embed = read.embeds.len();
        for (name, value) in terms.fields() {
            let Some(column) = table.column(name).filter(|column| column.readable) else {
                let reason = format!("`{name}` of a related row is no column");
                return Err(Error::Argument { argument: "orderBy".to_owned(), reason });
            };
            if *value == Input::Null {
                continue;
            }
            below.select.push(Select::column(&column.name));
            if column.value.class == Class::Json {
                let (field, direction) = inside(column, value)?;
                read.order.push(directed(OrderBy::Embedded { embed, field }, &direction));
                keys.push(document_key());
                continue;
            }
            read.order.push(directed(OrderBy::Embedded { embed, field: column.operand() }, value));
            keys.push(Key { not_null: false, ..self.key(to.table, column) });
        }
        read.embeds.push(hidden(to, below));
        Ok(())
    }

    /// By what related rows add up to.
    fn by_aggregates(&self, to: &Reference, terms: &Input, read: &mut Read, keys: &mut Vec<Key>) -> Result<(), Error> {
        let mut below = self.read_related(to);
        let embed = read.embeds.len();
        for (select, direction, not_null) in self.aggregate_terms(to.table, terms)? {
            let name = format!("a{}", below.select.len());
            read.order.push(directed(OrderBy::Embedded { embed, field: Field::column(&name) }, &direction));
            let type_name = not_null.then(|| CatalogSql::written_by_catalog("bigint"));
            keys.push(Key { not_null, type_name });
            below.select.push(Select { name: Some(name), ..select });
        }
        if !below.select.is_empty() {
            read.embeds.push(hidden(to, below));
        }
        Ok(())
    }

    /// Aggregates that something is ordered by, each with its direction and whether it is the number of rows.
    pub(super) fn aggregate_terms(&self, id: TableId, terms: &Input) -> Result<Vec<(Select, Input, bool)>, Error> {
        let mut out = Vec::new();
        for (name, value) in terms.fields().iter().filter(|(_, value)| *value != Input::Null) {
            if name == "count" {
                out.push((count(), value.clone(), true));
                continue;
            }
            let function = super::groups::function(name).ok_or_else(|| Error::unknown(name))?;
            for (column, direction) in value.fields().iter().filter(|(_, value)| *value != Input::Null) {
                let column = self.table(id).column(column).ok_or_else(|| Error::unknown(column))?;
                out.push((super::groups::of_column(function, column), direction.clone(), false));
            }
        }
        Ok(out)
    }
}

/// What stands at a place inside of a document, and in which direction rows are ordered by it.
fn inside(column: &Column, given: &Input) -> Result<(Field, Input), Error> {
    let path = super::filter::steps(given)?;
    let direction = given.fields().iter().find(|(name, _)| name == "direction");
    let direction = direction.map_or(Input::Null, |(_, direction)| direction.clone());
    // Only `jsonb` has an order.
    let field = Field { path, to_document: !column.is_binary_json, ..Field::column(&column.name) };
    Ok((field, direction))
}

fn document_key() -> Key {
    Key { not_null: false, type_name: Some(CatalogSql::written_by_catalog("jsonb")) }
}

/// How many rows there are.
pub(super) fn count() -> Select {
    let aggregate = Some(Aggregate::of(AggregateFunction::Count));
    Select { value: Value::Star, cast: None, aggregate, name: None }
}

/// A lateral join that only the order looks at.
fn hidden(to: &Reference, read: Read) -> Embed {
    Embed { name: String::new(), join: to.join.clone(), to_one: true, inner: false, output: EmbedOutput::Hidden, read }
}

pub(super) fn directed(by: OrderBy, direction: &Input) -> Order {
    let (direction, nulls) = match direction.text().as_deref() {
        Some("AscNullsFirst") => (Direction::Ascending, Nulls::First),
        Some("DescNullsFirst") => (Direction::Descending, Nulls::First),
        Some("DescNullsLast") => (Direction::Descending, Nulls::Last),
        _ => (Direction::Ascending, Nulls::Last),
    };
    Order { by, direction: Some(direction), nulls: Some(nulls) }
}
