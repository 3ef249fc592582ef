//! Which fields a selection asks for: fragments opened, conditions decided, equal keys merged.
//!
//! `CollectFields()` of the specification. What comes out keeps the order in which keys appear first.

use apollo_compiler::ExecutableDocument;
use apollo_compiler::ast::DirectiveList;
use apollo_compiler::executable::{Field, Selection, SelectionSet};
use apollo_compiler::response::JsonMap;
use indexmap::IndexMap;

use super::input::Input;

/// A key of an answer and the selections that are behind it; they all name the same field with the same arguments.
pub(crate) struct Asked<'d> {
    pub(crate) key: &'d str,
    pub(crate) fields: Vec<&'d Field>,
}

impl<'d> Asked<'d> {
    /// The field.
    pub(crate) fn field(&self) -> &'d Field {
        self.fields[0]
    }

    /// Whether it is made of the same fields of the document.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.fields.len() == other.fields.len()
            && self.fields.iter().zip(&other.fields).all(|(one, other)| std::ptr::eq(*one, *other))
    }

    /// Its name.
    pub(crate) fn name(&self) -> &'d str {
        self.field().name.as_str()
    }

    /// What is selected below.
    pub(crate) fn below(&self) -> impl Iterator<Item = &'d SelectionSet> + '_ {
        self.fields.iter().map(|field| &field.selection_set)
    }
}

/// What selections ask of an object whose type `is` one of some names.
pub(crate) fn collect<'d>(
    document: &'d ExecutableDocument,
    variables: &JsonMap,
    selections: impl Iterator<Item = &'d SelectionSet>,
    is: &dyn Fn(&str) -> bool,
) -> Vec<Asked<'d>> {
    let mut asked = IndexMap::new();
    for set in selections {
        add(document, variables, set, is, &mut asked);
    }
    asked.into_iter().map(|(key, fields)| Asked { key, fields }).collect()
}

fn add<'d>(
    document: &'d ExecutableDocument,
    variables: &JsonMap,
    set: &'d SelectionSet,
    is: &dyn Fn(&str) -> bool,
    asked: &mut IndexMap<&'d str, Vec<&'d Field>>,
) {
    for selection in &set.selections {
        match selection {
            Selection::Field(field) if is_wanted(&field.directives, variables) => {
                asked.entry(field.response_key().as_str()).or_default().push(field);
            }
            Selection::InlineFragment(fragment)
                if is_wanted(&fragment.directives, variables)
                    && fragment.type_condition.as_ref().is_none_or(|name| is(name)) =>
            {
                add(document, variables, &fragment.selection_set, is, asked);
            }
            Selection::FragmentSpread(spread) if is_wanted(&spread.directives, variables) => {
                if let Some(fragment) = document.fragments.get(&spread.fragment_name)
                    && is(&fragment.selection_set.ty)
                {
                    add(document, variables, &fragment.selection_set, is, asked);
                }
            }
            _ => {}
        }
    }
}

/// `@skip` and `@include`.
fn is_wanted(directives: &DirectiveList, variables: &JsonMap) -> bool {
    let says = |directive: &str| {
        let condition = directives.get(directive)?.specified_argument_by_name("if")?;
        Some(Input::of(condition, variables) == Some(Input::Boolean(true)))
    };
    says("skip") != Some(true) && says("include") != Some(false)
}
