//! Rows that refer to each other, written by one statement a table: which comes first, and what each takes from earlier ones.
//!
//! A [`Tree`] is a list of steps. A step writes or finds rows; columns that refer to rows of an earlier step are filled in
//! when that step is done. Whoever runs it asks for the mutation of each step in turn ([`Tree::mutation`]), runs it with all
//! settings of a statement, and hands back the rows ([`Tree::take`]). Pure: both grammars drive it over their own
//! transaction.
//! Why not one statement: a policy does not see rows that the same statement inserts.
//! Invariant: rows that others depend on must all have been written; otherwise nothing of the tree may be kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use ferrobase_base::{Kind, PublicError};
use ferrobase_catalog::{ColumnPairs, Relation};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::plan::{Columns, Condition, Conflict, InputColumn, Insert, Mutation, Payload, Pick, Update, UpdateEach};

/// A row on its way: columns and JSON text.
pub type Draft = Vec<(String, Box<RawValue>)>;

/// Steps in an order in which each finds what it refers to.
#[derive(Debug, Default)]
pub struct Tree {
    /// The steps.
    pub steps: Vec<Step>,
}

/// Rows of one table.
#[derive(Debug)]
pub struct Step {
    /// The table.
    pub relation: Arc<Relation>,
    /// What is done.
    pub action: Action,
    /// The rows; none for an action that has no use for them.
    pub drafts: Vec<Draft>,
    /// Columns that are filled in.
    pub fills: Vec<Fill>,
    /// Columns that are needed of the rows once they are there.
    pub needed: BTreeSet<String>,
    /// Of each row those, as JSON, once it is done.
    pub written: Vec<Draft>,
}

/// What is done with rows.
#[derive(Debug)]
pub enum Action {
    /// They are new.
    Insert {
        /// Columns that the rows give.
        columns: Vec<InputColumn>,
        /// Absent columns become defaults.
        missing_is_default: bool,
        /// What happens to rows that are there already.
        conflict: Option<Conflict>,
    },
    /// They are there; the drafts are their keys.
    Find {
        /// Columns of the key.
        key: Vec<InputColumn>,
    },
    /// They are there, and take the values of the drafts, which name them by a key.
    Tie {
        /// Columns of the key.
        key: Vec<InputColumn>,
        /// Other columns.
        columns: Vec<InputColumn>,
    },
    /// One row that is there takes the values of the only draft.
    Change {
        /// Columns that the draft gives.
        columns: Vec<InputColumn>,
        /// Which row.
        filters: Vec<Condition>,
    },
    /// Something that needs nothing of other steps.
    Other(Mutation),
}

/// Columns of a step that take their values from rows of an earlier one.
#[derive(Debug)]
pub struct Fill {
    /// The earlier step.
    pub from: usize,
    /// (own column, column of the earlier step).
    pub pairs: ColumnPairs,
    /// (own row, row of the earlier step).
    pub rows: Vec<(usize, usize)>,
}

/// Why a tree cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// A column is given and is filled in, with another value.
    #[error("The value of '{0}' is not that of the related row")]
    Contradicted(String),
    /// A row that others need was not written.
    #[error("A row of '{0}' was not written, so that nothing can be related to it")]
    Lost(String),
    /// A row that is to be related is not there, or is not the caller's to see.
    #[error("A row of '{0}' that is to be related was not found")]
    NotFound(String),
}

impl From<&TreeError> for PublicError {
    fn from(error: &TreeError) -> Self {
        let message = error.to_string();
        match error {
            TreeError::Contradicted(_) => Self::new(Kind::Invalid, "FB142", message).hint(
                "Leave the column out: it is filled in from the object that holds the row, or that the row holds.",
            ),
            TreeError::Lost(_) => Self::new(Kind::Conflict, "FB143", message),
            TreeError::NotFound(_) => Self::new(Kind::NotFound, "FB501", message),
        }
    }
}

impl Step {
    /// A step without fills.
    pub fn new(relation: &Arc<Relation>, action: Action, drafts: Vec<Draft>) -> Self {
        Self {
            relation: Arc::clone(relation),
            action,
            drafts,
            fills: Vec::new(),
            needed: BTreeSet::new(),
            written: Vec::new(),
        }
    }

    fn value(&self, row: usize, column: &str) -> Option<&RawValue> {
        let (_, value) = self.written.get(row)?.iter().find(|(name, _)| name == column)?;
        Some(value)
    }

    /// A JSON list of these columns of the rows that are there.
    pub fn keys(&self, columns: &[String]) -> Bytes {
        let of = |row: &Draft| row.iter().filter(|(name, _)| columns.contains(name)).cloned().collect();
        list(&self.written.iter().map(of).collect::<Vec<Draft>>())
    }
}

impl Tree {
    /// Adds a step; gives its place.
    pub fn push(&mut self, step: Step) -> usize {
        self.steps.push(step);
        self.steps.len() - 1
    }

    /// The mutation of a step, whose earlier ones are done; none where it has no rows.
    ///
    /// # Errors
    /// A row contradicts the one that it refers to.
    pub fn mutation(&mut self, place: usize) -> Result<Option<Mutation>, TreeError> {
        let (done, rest) = self.steps.split_at_mut(place);
        let Some(step) = rest.first_mut() else { return Ok(None) };
        for fill in &step.fills {
            for (own, other) in &fill.rows {
                if let (Some(draft), Some(from)) = (step.drafts.get_mut(*own), done.get(fill.from)) {
                    fill_in(draft, &fill.pairs, from, *other)?;
                }
            }
        }
        let table = step.relation.name.clone();
        let needed: Vec<String> = step.needed.iter().cloned().collect();
        let json = || list(&step.drafts);
        Ok(match &step.action {
            Action::Other(mutation) => Some(mutation.clone()),
            _ if step.drafts.is_empty() => None,
            Action::Insert { columns, missing_is_default, conflict } => Some(Mutation::Insert(Insert {
                table,
                columns: columns.clone(),
                payload: Payload::Json { json: json(), is_object: false },
                missing_is_default: *missing_is_default,
                conflict: conflict.clone(),
                matching: Vec::new(),
                location: Vec::new(),
                returning: Columns::Named(needed),
            })),
            Action::Find { key } => {
                let returning = Columns::Named(needed);
                Some(Mutation::Pick(Pick { table, key: key.clone(), json: json(), returning }))
            }
            Action::Tie { key, columns } => Some(Mutation::UpdateEach(UpdateEach {
                table,
                key: key.clone(),
                columns: columns.clone(),
                json: json(),
                missing_is_default: false,
                filters: Vec::new(),
                all_must_exist: false,
                returning: needed,
            })),
            Action::Change { columns, filters } => Some(Mutation::Update(Update {
                table,
                columns: columns.clone(),
                inside: Vec::new(),
                merge: Vec::new(),
                payload: Payload::Json { json: json(), is_object: false },
                missing_is_default: false,
                filters: filters.clone(),
                returning: Columns::Named(needed),
            })),
        })
    }

    /// Takes what a step's statement returned: how many rows, and the needed columns of each, where any are needed.
    ///
    /// # Errors
    /// Rows are missing that others need.
    pub fn take(&mut self, place: usize, affected: u64, rows: Vec<Draft>) -> Result<(), TreeError> {
        let Some(step) = self.steps.get_mut(place) else { return Ok(()) };
        let relation = || step.relation.name.name.clone();
        let all = step.drafts.len();
        match &step.action {
            Action::Other(_) => {}
            Action::Find { .. } | Action::Tie { .. } | Action::Change { .. } => {
                if usize::try_from(affected) != Ok(all) {
                    return Err(TreeError::NotFound(relation()));
                }
            }
            // A trigger may leave rows out; then nobody knows any more which row is whose.
            Action::Insert { .. } => {
                if !step.needed.is_empty() && rows.len() != all {
                    return Err(TreeError::Lost(relation()));
                }
            }
        }
        step.written = rows;
        Ok(())
    }
}

/// Fills in columns, pairs of (own, other). A value that is there already must be the same.
fn fill_in(draft: &mut Draft, pairs: &[(String, String)], from: &Step, row: usize) -> Result<(), TreeError> {
    for (own, other) in pairs {
        let Some(value) = from.value(row, other) else { continue };
        match draft.iter_mut().find(|(name, _)| name == own) {
            None => draft.push((own.clone(), value.to_owned())),
            Some((_, known)) if known.get() == "null" => *known = value.to_owned(),
            Some((_, known)) if same(known, value) => {}
            Some(_) => return Err(TreeError::Contradicted(own.clone())),
        }
    }
    Ok(())
}

/// Whether two values are the same; a number may be given as a text.
fn same(given: &RawValue, made: &RawValue) -> bool {
    let text = |raw: &RawValue| serde_json::from_str::<String>(raw.get()).unwrap_or_else(|_| raw.get().to_owned());
    text(given) == text(made)
}

/// Rows as a JSON list.
pub fn list(rows: &[Draft]) -> Bytes {
    let mut json = Vec::with_capacity(rows.len() * 64);
    json.push(b'[');
    for (place, row) in rows.iter().enumerate() {
        json.extend_from_slice(if place > 0 { b",{" } else { b"{" });
        for (place, (name, value)) in row.iter().enumerate() {
            if place > 0 {
                json.push(b',');
            }
            json.extend_from_slice(Value::String(name.clone()).to_string().as_bytes());
            json.push(b':');
            json.extend_from_slice(value.get().as_bytes());
        }
        json.push(b'}');
    }
    json.push(b']');
    json.into()
}

/// The rows of a JSON list of objects; `None` for anything else.
pub fn rows(json: &[u8]) -> Option<Vec<Draft>> {
    let rows: Vec<BTreeMap<String, Box<RawValue>>> = serde_json::from_slice(json).ok()?;
    Some(rows.into_iter().map(|row| row.into_iter().collect()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(json: &str) -> Draft {
        rows(format!("[{json}]").as_bytes()).unwrap().remove(0)
    }

    fn tree() -> Tree {
        let relation = Arc::new(Relation::default());
        let insert = || Action::Insert { columns: Vec::new(), missing_is_default: true, conflict: None };
        let mut tree = Tree::default();
        let mut parents = Step::new(&relation, insert(), vec![draft("{}"), draft("{}")]);
        parents.needed.insert("id".to_owned());
        let from = tree.push(parents);
        let given = vec![draft(r#"{"t": 1}"#), draft(r#"{"owner": null}"#), draft(r#"{"owner": "8"}"#)];
        let mut children = Step::new(&relation, insert(), given);
        let pairs = vec![("owner".to_owned(), "id".to_owned())];
        children.fills.push(Fill { from, pairs, rows: vec![(0, 0), (1, 1), (2, 1)] });
        tree.push(children);
        tree
    }

    #[test]
    fn rows_take_what_they_refer_to_from_earlier_steps() {
        let mut tree = tree();
        assert!(tree.mutation(0).unwrap().is_some());
        tree.take(0, 2, rows(br#"[{"id": 7}, {"id": 8}]"#).unwrap()).unwrap();
        let Some(Mutation::Insert(insert)) = tree.mutation(1).unwrap() else { panic!("no insert") };
        assert_eq!(insert.payload.json(), br#"[{"t":1,"owner":7},{"owner":8},{"owner":"8"}]"#);
        assert_eq!(&*tree.steps[0].keys(&["id".to_owned()]), br#"[{"id":7},{"id":8}]"#);
    }

    #[test]
    fn rows_that_are_lost_or_contradicted_end_the_tree() {
        let mut lost = tree();
        lost.mutation(0).unwrap();
        assert_eq!(lost.take(0, 1, rows(br#"[{"id": 7}]"#).unwrap()), Err(TreeError::Lost(String::new())));
        let mut contradicted = tree();
        contradicted.take(0, 2, rows(br#"[{"id": 7}, {"id": 9}]"#).unwrap()).unwrap();
        assert_eq!(contradicted.mutation(1), Err(TreeError::Contradicted("owner".to_owned())));
        assert_eq!(rows(b"[1]").map(|rows| rows.len()), None);
    }
}
