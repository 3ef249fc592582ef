//! What a schema no longer does that an earlier one did: for whoever changes a database that others' programs ask.
//!
//! Pure. Compares a schema as it was printed (`ferrobase graphql schema`) with one as it is. What comes new is no matter
//! here, except what has to be given from now on.
//! Invariant: an operation that was valid for the earlier schema, and is not for this one, meets something that is told.

use apollo_compiler::ast::{FieldDefinition, InputValueDefinition, Type};
use apollo_compiler::schema::ExtendedType;
use apollo_compiler::{Name, Schema};

use crate::schema::NEEDED;

/// Everything that a schema took away or made stricter, in sentences, in the order of the earlier one.
pub(crate) fn breaking(earlier: &Schema, now: &Schema) -> Vec<String> {
    let mut comparing = Comparing { now, told: Vec::new() };
    let gone: Vec<&Name> = earlier.types.keys().filter(|name| !now.types.contains_key(*name)).collect();
    for (name, was) in earlier.types.iter().filter(|(_, was)| !was.is_built_in()) {
        match now.types.get(name) {
            Some(is) => comparing.types(name, was, is),
            // Types that belong to another one are gone with it.
            None if gone.iter().any(|other| *other != name && name.starts_with(other.as_str())) => {}
            None => comparing.say(format!("the type `{name}` is gone")),
        }
    }
    comparing.told
}

struct Comparing<'s> {
    now: &'s Schema,
    told: Vec<String>,
}

impl Comparing<'_> {
    fn say(&mut self, text: String) {
        self.told.push(text);
    }

    fn types(&mut self, name: &Name, was: &ExtendedType, is: &ExtendedType) {
        match (was, is) {
            (ExtendedType::Object(was), ExtendedType::Object(is)) => {
                for interface in was.implements_interfaces.iter().filter(|one| !is.implements_interfaces.contains(*one))
                {
                    self.say(format!("`{name}` is no `{interface}` any more"));
                }
                self.fields(name, was.fields.values().map(|of| &***of), |field| is.fields.get(field).map(|of| &***of));
            }
            (ExtendedType::Interface(was), ExtendedType::Interface(is)) => {
                self.fields(name, was.fields.values().map(|of| &***of), |field| is.fields.get(field).map(|of| &***of));
            }
            (ExtendedType::Union(was), ExtendedType::Union(is)) => {
                for member in was.members.iter().filter(|member| !is.members.contains(*member)) {
                    self.say(format!("`{name}` is never a `{member}` any more"));
                }
            }
            (ExtendedType::Enum(was), ExtendedType::Enum(is)) => {
                for value in was.values.keys().filter(|value| !is.values.contains_key(*value)) {
                    self.say(format!("`{name}` has no value `{value}` any more"));
                }
            }
            (ExtendedType::InputObject(was), ExtendedType::InputObject(is)) => {
                let given = was.fields.values().map(|of| &***of);
                let taken: Vec<&InputValueDefinition> = is.fields.values().map(|of| &***of).collect();
                self.inputs(&format!("{name}."), given, &taken);
                if is.directives.has("oneOf") && !was.directives.has("oneOf") {
                    self.say(format!("`{name}` takes only one of its fields now"));
                }
            }
            (ExtendedType::Scalar(_), ExtendedType::Scalar(_)) => {}
            _ => self.say(format!("`{name}` is another kind of type now")),
        }
    }

    fn fields<'f>(
        &mut self,
        name: &Name,
        was: impl Iterator<Item = &'f FieldDefinition>,
        is: impl Fn(&Name) -> Option<&'f FieldDefinition>,
    ) {
        for was in was {
            let place = format!("{name}.{}", was.name);
            let Some(is) = is(&was.name) else {
                self.say(format!("`{place}` is gone"));
                continue;
            };
            if !self.answers(&was.ty, &is.ty) {
                self.say(format!("`{place}` was `{}` and is `{}`", was.ty, is.ty));
            }
            let taken: Vec<&InputValueDefinition> = is.arguments.iter().map(|of| &**of).collect();
            self.inputs(&format!("{place}:"), was.arguments.iter().map(|of| &**of), &taken);
        }
    }

    /// Arguments, or fields of an input.
    fn inputs<'i>(
        &mut self,
        place: &str,
        given: impl Iterator<Item = &'i InputValueDefinition>,
        taken: &[&InputValueDefinition],
    ) {
        let mut known = Vec::new();
        for was in given {
            // What had to be given then is no news.
            if is_needed(was) || !taken.iter().any(|is| is.name == was.name && is_needed(is)) {
                known.push(&was.name);
            }
            match taken.iter().find(|is| is.name == was.name) {
                None => self.say(format!("`{place}{}` is not taken any more", was.name)),
                Some(is) if !takes(&was.ty, &is.ty, is.default_value.is_some()) => {
                    known.push(&was.name);
                    self.say(format!("`{place}{}` was `{}` and is `{}`", was.name, was.ty, is.ty));
                }
                Some(_) => {}
            }
        }
        for new in taken.iter().filter(|new| is_needed(new) && !known.contains(&&new.name)) {
            self.say(format!("`{place}{}` must be given now", new.name));
        }
    }

    /// Whether what is answered now is something that was answered before.
    fn answers(&self, was: &Type, is: &Type) -> bool {
        match (was, is) {
            (Type::Named(was), Type::Named(is) | Type::NonNullNamed(is))
            | (Type::NonNullNamed(was), Type::NonNullNamed(is)) => was == is || self.now.is_subtype(was, is),
            (Type::List(was), Type::List(is) | Type::NonNullList(is))
            | (Type::NonNullList(was), Type::NonNullList(is)) => self.answers(was, is),
            _ => false,
        }
    }
}

/// Whether it has to be given, by its type or because a new row has nothing else for the column.
fn is_needed(input: &InputValueDefinition) -> bool {
    input.is_required() || input.description.as_ref().is_some_and(|text| text.contains(NEEDED))
}

/// Whether what was given before is something that is taken now.
fn takes(was: &Type, is: &Type, has_default: bool) -> bool {
    match (was, is) {
        (Type::Named(was) | Type::NonNullNamed(was), Type::Named(is))
        | (Type::NonNullNamed(was), Type::NonNullNamed(is)) => was == is,
        // It may be left out as before, and null was never of use.
        (Type::Named(was), Type::NonNullNamed(is)) => has_default && was == is,
        (Type::List(was) | Type::NonNullList(was), Type::List(is))
        | (Type::NonNullList(was), Type::NonNullList(is)) => takes(was, is, false),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EARLIER: &str = "type Query { pets(first: Int, by: By!, of: [Kind!]): [Pet!]! pet(id: ID!): Pet node: Node any: Any old: Old oldEdge: OldEdge }
        interface Node { id: ID! } type Pet implements Node { id: ID! name: String! kind: Kind tags: [String] }
        type Toy implements Node { id: ID! } type Old { x: Int } type OldEdge { x: Old } union Any = Pet | Toy
        enum Kind { CAT DOG } input By { kind: Kind, name: String! } scalar Moment";

    fn told(now: &str) -> Vec<String> {
        let read = |text: &str| Schema::parse_and_validate(text, "schema").expect("a schema");
        breaking(&read(EARLIER), &read(now))
    }

    #[test]
    fn what_was_valid_and_is_no_longer_is_told() {
        assert_eq!(told(EARLIER), [""; 0]);
        for (from, to, expected) in [
            ("name: String!", "name: String! age: Int", &[][..]),
            ("kind: Kind tags", "kind: Kind! tags", &[]),
            ("pet(id: ID!)", "pet(id: ID, or: Int)", &[]),
            ("pet(id: ID!)", "pet(id: ID!, or: Int! = 1)", &[]),
            ("node: Node", "node: Pet", &[]),
            (" tags: [String]", "", &["`Pet.tags` is gone"]),
            ("name: String!", "name: String", &["`Pet.name` was `String!` and is `String`"]),
            ("tags: [String]", "tags: String", &["`Pet.tags` was `[String]` and is `String`"]),
            ("pets(first: Int, ", "pets(", &["`Query.pets:first` is not taken any more"]),
            ("pet(id: ID!)", "pet(id: ID!, or: Int!)", &["`Query.pet:or` must be given now"]),
            ("first: Int", "first: Int!", &["`Query.pets:first` was `Int` and is `Int!`"]),
            ("of: [Kind!]", "of: [Int!]", &["`Query.pets:of` was `[Kind!]` and is `[Int!]`"]),
            ("CAT DOG", "CAT", &["`Kind` has no value `DOG` any more"]),
            ("Any = Pet | Toy", "Any = Pet", &["`Any` is never a `Toy` any more"]),
            ("type Toy implements Node", "type Toy", &["`Toy` is no `Node` any more"]),
            ("input By { kind: Kind, ", "input By { ", &["`By.kind` is not taken any more"]),
            ("input By { kind: Kind, ", "input By { kind: Kind!, ", &["`By.kind` was `Kind` and is `Kind!`"]),
            ("name: String! }", "name: String! \"A new row needs it.\" age: Int }", &["`By.age` must be given now"]),
            ("kind: Kind, name", "\"A new row needs it.\" kind: Kind, name", &["`By.kind` must be given now"]),
            ("scalar Moment", "enum Moment { NOW }", &["`Moment` is another kind of type now"]),
        ] {
            let now = EARLIER.replacen(from, to, 1);
            assert_ne!(now, EARLIER, "{from}");
            assert_eq!(told(&now), expected, "{from} -> {to}");
        }
        let without = EARLIER.replace(" old: Old oldEdge: OldEdge", "");
        let without = without.replace("type Old { x: Int } type OldEdge { x: Old } ", "");
        assert_eq!(told(&without), ["`Query.old` is gone", "`Query.oldEdge` is gone", "the type `Old` is gone"]);
    }
}
