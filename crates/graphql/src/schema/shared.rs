//! What is the same in many places of a schema is kept once: names, and fields of which nothing is said but name and type.
//!
//! A column's name and type stand in a dozen types of its table, and `OrderByDirection` everywhere: a schema of a thousand tables
//! takes half the memory so, and whoever writes it can tell what he wrote before (`introspect`).
//! Bounds: one drawing, on its thread; what nobody kept is freed with it.

use std::cell::RefCell;
use std::hash::Hash;

use apollo_compiler::ast::{FieldDefinition, InputValueDefinition};
use apollo_compiler::collections::HashSet;
use apollo_compiler::{Name, Node};

thread_local! {
    static KNOWN: RefCell<Option<Known>> = const { RefCell::new(None) };
}

#[derive(Default)]
struct Known {
    names: HashSet<Name>,
    inputs: HashSet<Node<InputValueDefinition>>,
    fields: HashSet<Node<FieldDefinition>>,
}

/// As long as it lives, what is the same on this thread is kept once.
pub(super) struct Sharing(());

impl Sharing {
    pub(super) fn begin() -> Self {
        KNOWN.set(Some(Known::default()));
        Self(())
    }
}

impl Drop for Sharing {
    fn drop(&mut self) {
        KNOWN.set(None);
    }
}

/// A name that `naming` or this program vouches for.
pub(super) fn name(text: &str) -> Name {
    KNOWN.with_borrow_mut(|known| {
        let Some(known) = known else { return Name::new_unchecked(text) };
        if let Some(name) = known.names.get(text) {
            return name.clone();
        }
        let name = Name::new_unchecked(text);
        known.names.insert(name.clone());
        name
    })
}

/// An argument or a field of an input.
pub(super) fn input(input: InputValueDefinition) -> Node<InputValueDefinition> {
    KNOWN.with_borrow_mut(|known| match known {
        Some(known) if input.description.is_none() => once(&mut known.inputs, input),
        _ => Node::new(input),
    })
}

/// A field of an answer.
pub(super) fn field(field: FieldDefinition) -> Node<FieldDefinition> {
    KNOWN.with_borrow_mut(|known| match known {
        Some(known) if field.description.is_none() && field.arguments.is_empty() && field.directives.is_empty() => {
            once(&mut known.fields, field)
        }
        _ => Node::new(field),
    })
}

fn once<T: Eq + Hash>(known: &mut HashSet<Node<T>>, new: T) -> Node<T> {
    if let Some(node) = known.get(&new) {
        return node.clone();
    }
    let node = Node::new(new);
    known.insert(node.clone());
    node
}
