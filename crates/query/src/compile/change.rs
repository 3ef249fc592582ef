//! Changes as documents: what became of the rows.

use super::answer::{SHOWN, guard_of};
use super::drawn::{constant, edge_name};
use super::read::Level;
use super::{CompileError, Compiler, SOURCE};
use crate::plan::{Change, ChangeMember, Mutation};
use crate::sql::Sql;

impl Compiler {
    /// A change as a statement.
    pub(super) fn change(&mut self, change: &Change) -> Result<Sql, CompileError> {
        let ctes = Self::default().mutation(&change.mutation)?;
        let alias = self.aliases.fresh(&change.read.name);
        let mut columns = Vec::new();
        let mut laterals = Sql::new();
        let mut members = Vec::with_capacity(change.members.len());
        for (index, member) in change.members.iter().enumerate() {
            let mut one = Sql::new();
            match member {
                ChangeMember::Constant(key, json) => one.name_literal(key).push(", ").append(constant(json)),
                ChangeMember::Count(key) => one.name_literal(key).push(", count(*)"),
                ChangeMember::Records(key, fields) => {
                    let (mut value, lateral) = self.told(fields, (&alias, Level { limited: true, ..Level::ROOT }))?;
                    value.push(" AS ").ident(&edge_name(index));
                    columns.push(value);
                    laterals.append(lateral);
                    one.name_literal(key).push(", coalesce(json_agg(p.").ident(&edge_name(index)).push("), '[]')")
                }
                ChangeMember::Row(fields) => {
                    let (mut value, lateral) = self.told(fields, (&alias, Level { limited: true, ..Level::ROOT }))?;
                    value.push(" AS ").ident(&edge_name(index));
                    columns.push(value);
                    laterals.append(lateral);
                    one.push("(array_agg(p.").ident(&edge_name(index)).push("))[1]")
                }
            };
            members.push(one);
        }
        if columns.is_empty() {
            columns.push(Sql::of("1"));
        }
        let mut rows = Sql::of("SELECT ");
        rows.join(columns, ", ").push(" FROM ").ident(SOURCE).push(" AS ").ident(&alias).append(laterals);
        let mut out = Sql::of("WITH ");
        out.join(ctes, ", ");
        match change.members.as_slice() {
            [ChangeMember::Row(_)] => out.push(" SELECT ").join(members, ", "),
            _ => out.push(" SELECT json_build_object(").join(members, ", ").push(")"),
        };
        if let Some(guard) = guard_of(&change.guard, Some(&change.mutation), SHOWN)? {
            out.push(", ").append(guard);
        }
        if let Mutation::UpdateEach(update) = &change.mutation {
            out.push(", ").append(super::bulk::guard(update));
        }
        out.push(" FROM (").append(rows).push(") AS p");
        Ok(out)
    }
}
