//! What is told of changed rows.
//!
//! A statement sees the database as it was when it began: what leads from changed rows to others, and functions of them, would
//! tell what was there before the change. Where such is told it is told by a second statement, which finds the rows by their
//! keys.

use ferrobase_query::plan::{ChangeMember, Columns, Content, Guard, Insert, Member, Mutation, Pick, Update};
use ferrobase_query::tree::{Action, Step as Growth, Tree};

use super::collect::Asked;
use super::{Planner, Step, alone};
use crate::model::{Table, TableId};

impl<'a> Planner<'a> {
    /// A change with what is told of it: one statement, or two.
    pub(super) fn changed(
        &self,
        id: TableId,
        asked: &Asked<'a>,
        mut mutation: Mutation,
        guard: Guard,
        members: Vec<ChangeMember>,
    ) -> Step {
        let table = self.table(id);
        // A view may not show any more what was written through it.
        let finds_again = table.is_named_by_key() && !table.relation.is_view();
        if !finds_again || !sees_others(table, &members) {
            return Step::Run(alone(asked.key, self.change(table, mutation, guard, members)), None);
        }
        returning(&mut mutation, Columns::Named(table.key.clone()));
        let mut tree = Tree::default();
        let root = tree.push(Growth::new(&table.relation, Action::Other(mutation), Vec::new()));
        self.grown(id, asked, (tree, vec![(root, guard)]), root, members)
    }
}

/// Says what of the changed rows is needed afterwards.
pub(super) fn returning(mutation: &mut Mutation, columns: Columns) {
    match mutation {
        Mutation::Insert(Insert { returning, .. })
        | Mutation::Update(Update { returning, .. })
        | Mutation::Delete(ferrobase_query::plan::Delete { returning, .. })
        | Mutation::Pick(Pick { returning, .. }) => *returning = columns,
        Mutation::UpdateEach(_) => {}
    }
}

/// Whether what is told depends on more than the columns of the rows.
fn sees_others(table: &Table, members: &[ChangeMember]) -> bool {
    members.iter().any(|member| match member {
        ChangeMember::Records(_, told) | ChangeMember::Row(told) => any_leads(table, told),
        ChangeMember::Constant(..) | ChangeMember::Count(_) => false,
    })
}

fn any_leads(table: &Table, members: &[Member]) -> bool {
    members.iter().any(|member| leads(table, &member.value))
}

fn leads(table: &Table, content: &Content) -> bool {
    match content {
        Content::Constant(_) | Content::RowId { .. } => false,
        Content::Value { field, .. } => !table.relation.columns.contains_key(&field.name),
        Content::Object(members) => any_leads(table, members),
        Content::Cases(cases) => {
            leads(table, &cases.otherwise) || cases.cases.iter().any(|(_, then)| leads(table, then))
        }
        _ => true,
    }
}
