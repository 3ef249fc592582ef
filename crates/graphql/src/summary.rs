//! What people call an operation that they look at from outside: in traces, in the log of slow queries, in `ferrobase top`.
//!
//! `query ListPeople (peopleCollection, node)`: its kind, its own name and the fields at its root.
//! Invariant: fields are those of the schema; of the caller's own words only the operation's name is told, which is letters,
//! digits and underscores, and cut short. Aliases, arguments and variables stay out.

use std::collections::BTreeSet;

use apollo_compiler::ExecutableDocument;
use apollo_compiler::executable::Operation;

/// Most letters of a name that a caller chose.
const LONGEST: usize = 64;
/// Most fields that are named.
const FIELDS: usize = 8;

/// The name of an operation.
pub(crate) fn of(operation: &Operation, document: &ExecutableDocument) -> String {
    let mut text = operation.operation_type.name().to_owned();
    if let Some(name) = &operation.name {
        text.push(' ');
        text.push_str(&name.as_str()[..name.len().min(LONGEST)]);
    }
    let fields: BTreeSet<_> = operation.root_fields(document).map(|field| field.name.as_str()).collect();
    let fields: Vec<_> = fields.into_iter().take(FIELDS).collect();
    format!("{text} ({})", fields.join(", "))
}
