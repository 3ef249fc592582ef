//! How far a document may go, before anything is done with it.
//!
//! Counted over the document as it is written, fragments opened: what a fragment costs is counted each time that it is
//! spread, by numbers and not by walking it again, so that fragments which explode cost nothing to refuse.

use std::collections::HashMap;

use apollo_compiler::ExecutableDocument;
use apollo_compiler::executable::{Operation, Selection, SelectionSet};

use crate::error::Error;
use crate::settings::Settings;

/// What a selection amounts to.
#[derive(Clone, Copy, Debug, Default)]
struct Amount {
    depth: usize,
    aliases: usize,
}

impl Amount {
    fn beside(self, other: Self) -> Self {
        Self { depth: self.depth.max(other.depth), aliases: self.aliases.saturating_add(other.aliases) }
    }
}

/// Fields that are only the frame of a page.
const FRAME: [&str; 3] = ["edges", "node", "pageInfo"];

/// Refuses an operation that goes too far.
pub(crate) fn check(document: &ExecutableDocument, operation: &Operation, settings: &Settings) -> Result<(), Error> {
    let mut measure = Measure { document, known: HashMap::new() };
    let amount = measure.of(&operation.selection_set);
    if amount.depth > settings.max_depth && !operation.is_introspection(document) {
        return Err(Error::TooDeep(settings.max_depth));
    }
    if amount.aliases > settings.max_aliases {
        return Err(Error::TooManyAliases(settings.max_aliases));
    }
    Ok(())
}

struct Measure<'d> {
    document: &'d ExecutableDocument,
    known: HashMap<&'d str, Amount>,
}

impl<'d> Measure<'d> {
    fn of(&mut self, set: &'d SelectionSet) -> Amount {
        set.selections.iter().fold(Amount::default(), |sum, selection| sum.beside(self.one(selection)))
    }

    fn one(&mut self, selection: &'d Selection) -> Amount {
        match selection {
            Selection::Field(field) => {
                let below = self.of(&field.selection_set);
                let own = usize::from(!FRAME.contains(&field.name.as_str()) || field.selection_set.is_empty());
                let aliases = below.aliases.saturating_add(usize::from(field.alias.is_some()));
                Amount { depth: below.depth + own, aliases }
            }
            Selection::InlineFragment(fragment) => self.of(&fragment.selection_set),
            Selection::FragmentSpread(spread) => {
                let name = spread.fragment_name.as_str();
                if let Some(known) = self.known.get(name) {
                    return *known;
                }
                let Some(fragment) = self.document.fragments.get(name) else { return Amount::default() };
                // Valid documents have no circles of fragments.
                let amount = self.of(&fragment.selection_set);
                self.known.insert(name, amount);
                amount
            }
        }
    }
}
