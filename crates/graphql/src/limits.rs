//! How far a document may go, before it is held against the schema.
//!
//! Counted over the document as it is written, fragments opened: what a fragment amounts to is counted each time that it is
//! spread, by numbers and not by walking it again, so that fragments which explode cost nothing to refuse. Whoever reads
//! further (the checks of the library, the planner) may then walk them.
//! Invariant: every document passes here first, whatever else is wrong with it.

use std::collections::HashMap;

use apollo_compiler::Name;
use apollo_compiler::ast::{Definition, Document, Field, Selection};

use crate::error::Error;

/// Most fields and fragments of a document, fragments opened: what is planned, and what the library compares.
const FIELDS: usize = 10_000;
/// Most selections inside each other, fragments opened: counting is recursive.
const LEVELS: usize = 256;

/// The bounds that the configuration sets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Deepest selection.
    pub(crate) depth: usize,
    /// Most aliases.
    pub(crate) aliases: usize,
}

/// What a selection amounts to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Amount {
    pub(crate) depth: usize,
    pub(crate) aliases: usize,
    pub(crate) fields: usize,
}

impl Amount {
    fn and_one(self) -> Self {
        Self { fields: self.fields.saturating_add(1), ..self }
    }

    fn beside(self, other: Self) -> Self {
        Self {
            depth: self.depth.max(other.depth),
            aliases: self.aliases.saturating_add(other.aliases),
            fields: self.fields.saturating_add(other.fields),
        }
    }
}

/// Fields that are only the frame of a page.
const FRAME: [&str; 2] = ["edges", "pageInfo"];

/// Refuses a document that goes too far.
pub(crate) fn check(document: &Document, limits: Limits) -> Result<(), Error> {
    let amount = measure(document);
    if amount.depth > limits.depth {
        return Err(Error::TooDeep(limits.depth));
    }
    if amount.aliases > limits.aliases {
        return Err(Error::TooManyAliases(limits.aliases));
    }
    if amount.fields > FIELDS {
        return Err(Error::TooManyFields(FIELDS));
    }
    Ok(())
}

/// What all operations of a document amount to, the deepest of them for its depth.
pub(crate) fn measure(document: &Document) -> Amount {
    let fragments = document.definitions.iter().filter_map(|definition| match definition {
        Definition::FragmentDefinition(fragment) => Some((&fragment.name, fragment.selection_set.as_slice())),
        _ => None,
    });
    let fragments = fragments.collect();
    let mut measuring = Measuring { fragments, known: HashMap::new(), level: 0 };
    let operations = document.definitions.iter().filter_map(|definition| match definition {
        Definition::OperationDefinition(operation) => Some(measuring.of(&operation.selection_set, Below::Other)),
        _ => None,
    });
    operations.fold(Amount::default(), Amount::beside)
}

/// Of what a selection is.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Below {
    /// Of `edges`, whose `node` is no level of its own.
    Edges,
    Other,
}

struct Measuring<'d> {
    fragments: HashMap<&'d Name, &'d [Selection]>,
    /// None while it is being measured.
    known: HashMap<(&'d Name, Below), Option<Amount>>,
    level: usize,
}

impl<'d> Measuring<'d> {
    fn of(&mut self, set: &[Selection], below: Below) -> Amount {
        if self.level >= LEVELS {
            return Amount { depth: usize::MAX, ..Amount::default() };
        }
        self.level += 1;
        let amount = set.iter().fold(Amount::default(), |sum, selection| sum.beside(self.one(selection, below)));
        self.level -= 1;
        amount
    }

    fn one(&mut self, selection: &Selection, below: Below) -> Amount {
        match selection {
            Selection::Field(field) => self.field(field, below),
            Selection::InlineFragment(fragment) => self.of(&fragment.selection_set, below).and_one(),
            Selection::FragmentSpread(spread) => self.spread(&spread.fragment_name, below).and_one(),
        }
    }

    fn field(&mut self, field: &Field, place: Below) -> Amount {
        let name = field.name.as_str();
        let below = self.of(&field.selection_set, if name == "edges" { Below::Edges } else { Below::Other });
        // A relationship may be called `node` too.
        let is_frame = FRAME.contains(&name) || name == "node" && place == Below::Edges;
        let own = usize::from(!is_frame || field.selection_set.is_empty());
        // How deep introspection may go is the library's to say.
        let is_introspection = matches!(field.name.as_str(), "__schema" | "__type");
        Amount {
            depth: if is_introspection { 1 } else { below.depth.saturating_add(own) },
            aliases: below.aliases.saturating_add(usize::from(field.alias.is_some())),
            fields: below.fields.saturating_add(1),
        }
    }

    fn spread(&mut self, name: &Name, below: Below) -> Amount {
        // A circle, or what is no fragment, is the library's to refuse.
        let Some((&name, &set)) = self.fragments.get_key_value(name) else { return Amount::default() };
        if let Some(known) = self.known.get(&(name, below)) {
            return known.unwrap_or_default();
        }
        self.known.insert((name, below), None);
        let amount = self.of(set, below);
        self.known.insert((name, below), Some(amount));
        amount
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(text: &str) -> Amount {
        measure(&apollo_compiler::parser::Parser::new().parse_ast(text, "document").expect("a document"))
    }

    #[test]
    fn fragments_count_wherever_they_are_spread() {
        let plain = amount("{ a { b c: b } }");
        assert_eq!(plain, Amount { depth: 2, aliases: 1, fields: 3 });
        assert_eq!(amount("{ a { ...F d { ...F } } } fragment F on T { b c: b }"), {
            Amount { depth: 3, aliases: 2, fields: 8 }
        });
        assert_eq!(amount("{ a { edges { node { b } } pageInfo { x } } }").depth, 2, "the frame of a page is no level");
        assert_eq!(
            amount("{ a { node { node { edges { b } } } } }").depth,
            4,
            "and nothing else of these names is none"
        );
        assert_eq!(amount("{ a { edges { ...F } } } fragment F on T { node { b } }").depth, 2);
        assert_eq!(amount("{ __schema { types { fields { type { name } } } } a }").depth, 1);
        assert_eq!(amount("{ ...F } fragment F on T { ...G } fragment G on T { a ...F }").fields, 4, "a circle");
    }

    #[test]
    fn what_explodes_is_counted_and_not_walked() {
        use std::fmt::Write as _;
        let mut text = "{ ...F0 }".to_owned();
        for level in 0..70 {
            let next = level + 1;
            let _ = write!(text, " fragment F{level} on T {{ x: a {{ ...F{next} }} y: a {{ ...F{next} }} }}");
        }
        text.push_str(" fragment F70 on T { a }");
        let all = amount(&text);
        assert_eq!((all.depth, all.aliases, all.fields), (71, usize::MAX, usize::MAX));
        let chain: String = (0..1000).map(|n| format!(" fragment F{n} on T {{ ...F{} }}", n + 1)).collect();
        assert_eq!(amount(&format!("{{ ...F0 }}{chain} fragment F1000 on T {{ a }}")).depth, usize::MAX);
    }
}
