//! Groups of rows, and what is asked of what rows add up to.

use ferrobase_query::plan::{
    Aggregate, AggregateComparison, AggregateFunction, AggregateMember, AggregateValue, Condition, Content, Direction,
    Field, GroupKey, GroupMember, Groups, LogicOperator, Member, Order, OrderBy, Read, Select, Value, Window,
};

use super::collect::Asked;
use super::filter::{MAX_DEPTH, all, comparison};
use super::input::Input;
use super::order::{count, directed};
use super::{Planner, json};
use crate::error::Error;
use crate::model::{Column, Table, TableId};
use crate::scalar::{Class, ValueType};
use crate::schema::aggregated;

impl<'a> Planner<'a> {
    /// Rows of a table in groups.
    pub(super) fn groups(&self, id: TableId, asked: &Asked<'a>) -> Result<Content, Error> {
        let table = self.table(id);
        let mut read = self.read_table(id);
        let by = self.grouped_by(table, asked)?;
        read.group_by = by.iter().map(|column| GroupKey::Field(Field::column(&column.name))).collect();
        if let Some(filter) = self.argument(asked, "filter") {
            read.filters = self.filter(id, &filter, 0)?;
        }
        if let Some(having) = self.argument(asked, "having") {
            read.having = self.having(id, &having, 0)?;
        }
        self.order_groups(id, &mut read, &by, self.argument(asked, "orderBy").as_ref())?;
        let limit = self.number(asked, "first")?.unwrap_or(table.page).min(table.most);
        read.window = Window { offset: self.number(asked, "offset")?.unwrap_or(0), limit: Some(limit) };
        let members = self.group_members(table, &by, asked)?;
        Ok(Content::Groups(Box::new(Groups { join: None, read, members })))
    }

    fn grouped_by(&self, table: &'a Table, asked: &Asked<'a>) -> Result<Vec<&'a Column>, Error> {
        let mut by: Vec<&Column> = Vec::new();
        for name in self.argument(asked, "by").unwrap_or(Input::Null).items() {
            let name = name.text().unwrap_or_default();
            let column = table.column(&name).ok_or_else(|| Error::unknown(&name))?;
            if by.iter().all(|known| known.name != column.name) {
                by.push(column);
            }
        }
        if by.is_empty() {
            return Err(Error::Argument { argument: "by".to_owned(), reason: "names no column".to_owned() });
        }
        Ok(by)
    }

    /// In the order that is asked for, then by what the groups are made by: no two of them are alike.
    fn order_groups(&self, id: TableId, read: &mut Read, by: &[&Column], given: Option<&Input>) -> Result<(), Error> {
        let table = self.table(id);
        for (name, value) in given.map_or(&[][..], Input::items).iter().flat_map(Input::fields) {
            if name != "keys" {
                let one = Input::Object(vec![(name.clone(), value.clone())]);
                for (select, direction, _) in self.aggregate_terms(id, &one)? {
                    read.order.push(directed(OrderBy::Value(Box::new(select)), &direction));
                }
                continue;
            }
            for (name, direction) in value.fields().iter().filter(|(_, direction)| *direction != Input::Null) {
                let column = table.column(name).filter(|column| by.iter().any(|by| by.name == column.name));
                let column = column.ok_or_else(|| not_grouped("orderBy", name))?;
                read.order.push(directed(OrderBy::Field(Field::column(&column.name)), direction));
            }
        }
        for column in by {
            let by = OrderBy::Field(Field::column(&column.name));
            if read.order.iter().all(|order| order.by != by) {
                read.order.push(Order { by, direction: Some(Direction::Ascending), nulls: None });
            }
        }
        Ok(())
    }

    fn group_members(&self, table: &Table, by: &[&Column], asked: &Asked<'a>) -> Result<Vec<GroupMember>, Error> {
        let own = table.type_of("Group");
        let mut members = Vec::new();
        for asked in self.collect(asked.below(), &|name| name == own) {
            let key = asked.key.to_owned();
            members.push(match asked.name() {
                "keys" => GroupMember::Keys(key, self.group_keys(table, by, &asked).map_err(|e| e.at(asked.key))?),
                "aggregate" => {
                    let value = AggregateValue::Object(self.aggregates(table, &asked));
                    GroupMember::Aggregate(AggregateMember { key, value })
                }
                _ => GroupMember::Aggregate(AggregateMember { key, value: AggregateValue::Constant(json(&own)) }),
            });
        }
        Ok(members)
    }

    fn group_keys(&self, table: &Table, by: &[&Column], asked: &Asked<'a>) -> Result<Vec<Member>, Error> {
        let own = table.type_of("GroupKeys");
        let mut members = Vec::new();
        for asked in self.collect(asked.below(), &|name| name == own) {
            let value = match asked.name() {
                "__typename" => Content::Constant(json(&own)),
                name => {
                    let column = table.column(name).filter(|column| by.iter().any(|by| by.name == column.name));
                    let column = column.ok_or_else(|| not_grouped("by", name).at(asked.key))?;
                    Content::Value { field: Field::column(&column.name), scalar: column.value.scalar() }
                }
            };
            members.push(Member { key: asked.key.to_owned(), value });
        }
        Ok(members)
    }

    /// Conditions on groups, which all hold.
    fn having(&self, id: TableId, given: &Input, depth: usize) -> Result<Vec<Condition>, Error> {
        if depth > MAX_DEPTH {
            return Err(Error::TooDeep(MAX_DEPTH));
        }
        let mut conditions = Vec::new();
        for (name, value) in given.fields().iter().filter(|(_, value)| *value != Input::Null) {
            if !matches!(name.as_str(), "and" | "or" | "not") {
                conditions.extend(self.having_one(id, name, value)?);
                continue;
            }
            let parts = value.items().iter().map(|part| Ok(all(self.having(id, part, depth + 1)?)));
            let items = parts.collect::<Result<Vec<_>, Error>>()?;
            let operator = if name == "or" { LogicOperator::Or } else { LogicOperator::And };
            conditions.push(Condition::Group { negated: name == "not", operator, items });
        }
        Ok(conditions)
    }

    /// Conditions on one aggregate of a table's rows.
    pub(super) fn having_one(&self, id: TableId, name: &str, value: &Input) -> Result<Vec<Condition>, Error> {
        let table = self.table(id);
        if name == "count" {
            return compared(count, &ValueType::of_class(Class::Int), value);
        }
        let function = function(name).ok_or_else(|| Error::unknown(name))?;
        let results = aggregated(table, function.name());
        let mut conditions = Vec::new();
        for (field, asked) in value.fields() {
            let known = results.iter().find(|(known, _)| known == field).zip(table.column(field));
            let ((_, result), column) = known.ok_or_else(|| Error::unknown(field))?;
            conditions.extend(compared(|| of_column(function, column), result, asked)?);
        }
        Ok(conditions)
    }
}

/// Comparisons of an aggregate.
fn compared(of: impl Fn() -> Select, value: &ValueType, asked: &Input) -> Result<Vec<Condition>, Error> {
    let one = |(name, operand): &(String, Input)| {
        Ok(match comparison(value, name, operand)? {
            Some(operation) => Condition::Aggregate(AggregateComparison { of: of(), negated: false, operation }),
            None => Condition::Unknown,
        })
    };
    asked.fields().iter().map(one).collect()
}

/// An aggregate by its name.
pub(super) fn function(name: &str) -> Option<AggregateFunction> {
    use AggregateFunction::{Avg, Max, Min, Sum};
    [Sum, Avg, Min, Max].into_iter().find(|function| function.name() == name)
}

/// An aggregate of a column.
pub(super) fn of_column(function: AggregateFunction, column: &Column) -> Select {
    let value = Value::Field(column.operand());
    Select { value, cast: None, aggregate: Some(Aggregate::of(function)), name: None }
}

fn not_grouped(argument: &str, name: &str) -> Error {
    Error::Argument { argument: argument.to_owned(), reason: format!("does not group by `{name}`") }
}
