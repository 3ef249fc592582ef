//! What rows of a document add up to: aggregates of a page, and rows in groups.

use super::condition::{Plain, condition};
use super::drawn::{built, constant, presented};
use super::field::{aggregate, field, window as window_of};
use super::read::{Level, Origin, Pieces, write_order, write_where};
use super::{CompileError, Compiler};
use crate::plan::{AggregateMember, AggregateValue, GroupKey, GroupMember, Groups, Read, Select, Value, Window};
use crate::sql::Sql;

/// What is told of all rows is one row, whether or not anything is added up.
pub(super) const ONE_ROW: &str = " HAVING true";

impl Compiler {
    /// Groups of rows as an expression.
    pub(super) fn groups(&mut self, groups: &Groups, row: Option<(&str, Level)>) -> Result<Sql, CompileError> {
        let (origin, level) = Self::origin(row, groups.join.as_ref())?;
        let Pieces { scope, from, conditions, .. } = self.pieces(&groups.read, origin, level)?;
        let mut members = Vec::with_capacity(groups.members.len());
        for member in &groups.members {
            let mut one = Sql::new();
            match member {
                GroupMember::Keys(key, fields) => {
                    one.name_literal(key).push(", ").append(self.object(fields, (&scope.alias, scope.level))?);
                }
                GroupMember::Aggregate(member) => {
                    one.name_literal(&member.key).push(", ").append(aggregate_value(&scope.alias, &member.value)?);
                }
            }
            members.push(one);
        }
        let mut out = Sql::of("(SELECT coalesce(json_agg(p.one), '[]') FROM (SELECT json_build_object(");
        out.join(members, ", ").push(") AS one FROM ").append(from);
        write_where(&mut out, conditions);
        let keys: Vec<Sql> = groups
            .read
            .group_by
            .iter()
            .filter_map(|key| match key {
                GroupKey::Field(column) => Some(field(&scope.alias, column)),
                GroupKey::Item(_) => None,
            })
            .collect();
        if !keys.is_empty() {
            out.push(" GROUP BY ").join(keys, ", ");
        }
        if !groups.read.having.is_empty() {
            let having = groups.read.having.iter().map(|having| condition(&mut Plain(&scope.alias), having));
            out.push(" HAVING ").join(having.collect::<Result<Vec<_>, _>>()?, " AND ");
        }
        write_order(&mut out, &scope)?;
        window_of(&mut out, &groups.read.window);
        out.push(") AS p)");
        Ok(out)
    }

    /// Aggregates of the rows that are left when those that are like another one are out.
    pub(super) fn aggregates_of_distinct(
        &mut self,
        read: &Read,
        members: &[AggregateMember],
        (origin, level): (Origin<'_>, Level),
    ) -> Result<Sql, CompileError> {
        let mut names = Vec::new();
        aggregated(members, &mut names);
        let mut select: Vec<Select> = names.into_iter().map(Select::column).collect();
        if select.is_empty() {
            select.push(Select { value: Value::One, cast: None, aggregate: None, name: None });
        }
        let all = Read { select, window: Window::default(), ..read.clone() };
        let rows = self.rows(&all, origin, level)?;
        let mut out = Sql::of("(SELECT ");
        out.append(aggregates("d", members)?).push(" FROM (").append(rows).push(") AS d").push(ONE_ROW).push(")");
        Ok(out)
    }
}

/// Columns that aggregates are of.
fn aggregated(members: &[AggregateMember], names: &mut Vec<String>) {
    for member in members {
        match &member.value {
            AggregateValue::Of { field, .. } if !names.contains(&field.name) => names.push(field.name.clone()),
            AggregateValue::Object(members) => aggregated(members, names),
            _ => {}
        }
    }
}

pub(super) fn aggregates<'m>(alias: &str, members: &'m [AggregateMember]) -> Result<Sql, CompileError> {
    let value = |member: &'m AggregateMember| Ok((member.key.as_str(), aggregate_value(alias, &member.value)?));
    Ok(built(members.iter().map(value).collect::<Result<Vec<_>, CompileError>>()?))
}

fn aggregate_value(alias: &str, value: &AggregateValue) -> Result<Sql, CompileError> {
    match value {
        AggregateValue::Constant(json) => Ok(constant(json)),
        AggregateValue::Count => Ok(Sql::of("count(*)")),
        AggregateValue::Of { field: of, aggregate: how, scalar } => {
            Ok(presented(aggregate(alias, field(alias, of), how)?, scalar))
        }
        AggregateValue::Object(members) => aggregates(alias, members),
    }
}
