//! What a schema says about itself: `__schema` and `__type`.
//!
//! A selection is compiled once to a tree of keys and facts, which is then walked over the schema and written as text: a
//! schema of a thousand tables is twenty megabytes of answer, and everything between it and the text is time. The library
//! has the types of introspection and judges the selection; a test compares the answers with the library's own.

mod shape;

use std::cell::RefCell;
use std::fmt::Write as _;
use std::ops::Range;

use apollo_compiler::ast::{
    DirectiveDefinition, DirectiveList, EnumValueDefinition, FieldDefinition, InputValueDefinition, Type,
};
use apollo_compiler::collections::HashMap;
use apollo_compiler::response::JsonMap;
use apollo_compiler::schema::ExtendedType;
use apollo_compiler::{ExecutableDocument, Name, Node};

use crate::plan::collect::Asked;
use crate::plan::input::Input;
use crate::reflected::Reflected;
use shape::{Compiling, Fact, Member, Shape};

/// Writes what the schema answers to a field at the root, as JSON text.
pub(crate) fn answer(
    reflected: &Reflected,
    document: &ExecutableDocument,
    variables: &JsonMap,
    asked: &Asked<'_>,
    out: &mut String,
) {
    let compiling = Compiling::new(document, variables);
    let writer = Writer { reflected, written: RefCell::default() };
    if asked.name() == "__schema" {
        writer.schema(&compiling.compile(asked, "__Schema"), out);
    } else {
        let name = argument(asked, "name", variables).and_then(|name| name.text()).unwrap_or_default();
        match reflected.schema.types.get(name.as_str()) {
            Some(of) => writer.named(of, &compiling.compile(asked, "__Type"), out),
            None => out.push_str("null"),
        }
    }
}

fn argument(asked: &Asked<'_>, name: &str, variables: &JsonMap) -> Option<Input> {
    let field = asked.field();
    let given = field.specified_argument_by_name(name).and_then(|value| Input::of(value, variables));
    given.or_else(|| Input::of(field.definition.argument_by_name(name)?.default_value.as_ref()?, variables))
}

/// Writes what is known.
struct Writer<'s> {
    reflected: &'s Reflected,
    /// Where in the answer something stands already, by what was asked of it and where it is in memory: the same types are
    /// referred to, and the same arguments told, again and again.
    written: RefCell<HashMap<(usize, usize), Range<usize>>>,
}

/// Where something is, as long as it is there.
fn place<T: ?Sized>(of: &T) -> usize {
    std::ptr::from_ref(of).cast::<()>() as usize
}

fn quoted(text: &str, out: &mut String) {
    // A string is always JSON.
    out.push_str(&serde_json::to_string(text).unwrap_or_default());
}

/// A name, or a word of ours: nothing in it needs escaping.
fn named(name: &str, out: &mut String) {
    out.push('"');
    out.push_str(name);
    out.push('"');
}

fn optional(text: Option<&str>, out: &mut String) {
    match text {
        Some(text) => quoted(text, out),
        None => out.push_str("null"),
    }
}

fn boolean(value: bool, out: &mut String) {
    out.push_str(if value { "true" } else { "false" });
}

fn list<T>(items: impl Iterator<Item = T>, out: &mut String, mut write: impl FnMut(T, &mut String)) {
    out.push('[');
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push(',');
        }
        write(item, out);
    }
    out.push(']');
}

fn object(shape: &Shape, type_name: &str, out: &mut String, mut write: impl FnMut(&Member, &mut String)) {
    for member in &shape.members {
        out.push_str(&member.key);
        if member.fact == Fact::TypeName {
            named(type_name, out);
        } else {
            write(member, out);
        }
    }
    out.push_str(if shape.members.is_empty() { "{}" } else { "}" });
}

/// Why something should not be used any more; the specification has a default reason.
fn deprecation(directives: &DirectiveList) -> Option<String> {
    let directive = directives.get("deprecated")?;
    let reason = directive.specified_argument_by_name("reason").and_then(|reason| reason.as_str());
    Some(reason.unwrap_or("No longer supported").to_owned())
}

impl Writer<'_> {
    /// Writes a thing; what was written before, in the same shape, is copied. `out` only grows.
    fn once(&self, shape: usize, thing: usize, out: &mut String, write: impl FnOnce(&mut String)) {
        let key = (shape, thing);
        let known = self.written.borrow().get(&key).cloned();
        match known {
            Some(range) => out.extend_from_within(range),
            None => {
                let start = out.len();
                write(out);
                self.written.borrow_mut().insert(key, start..out.len());
            }
        }
    }

    fn schema(&self, shape: &Shape, out: &mut String) {
        let schema = &self.reflected.schema;
        let roots = &schema.schema_definition;
        object(shape, "__Schema", out, |member, out| match member.fact {
            Fact::Description => optional(roots.description.as_deref(), out),
            Fact::Types => list(schema.types.values(), out, |of, out| self.named(of, &member.below, out)),
            Fact::QueryType => self.by_name(roots.query.as_deref(), &member.below, out),
            Fact::MutationType => self.by_name(roots.mutation.as_deref(), &member.below, out),
            Fact::SubscriptionType => self.by_name(roots.subscription.as_deref(), &member.below, out),
            _ => list(schema.directive_definitions.values(), out, |of, out| self.directive(of, &member.below, out)),
        });
    }

    fn by_name(&self, name: Option<&Name>, shape: &Shape, out: &mut String) {
        match name.and_then(|name| self.reflected.schema.types.get(name)) {
            Some(of) => self.named(of, shape, out),
            None => out.push_str("null"),
        }
    }

    /// A type with a name.
    fn named(&self, of: &ExtendedType, shape: &Shape, out: &mut String) {
        object(shape, "__Type", out, |member, out| {
            let below = &member.below;
            let shown = |directives| member.with_deprecated || deprecation(directives).is_none();
            match (member.fact, of) {
                (Fact::Kind, of) => named(kind(of), out),
                (Fact::Name, of) => named(of.name(), out),
                (Fact::Description, of) => optional(of.description().map(|text| text.as_str()), out),
                (Fact::Fields, ExtendedType::Object(of)) => {
                    let fields = of.fields.values().filter(|field| shown(&field.directives));
                    list(fields, out, |field, out| self.field(field, below, out));
                }
                (Fact::Fields, ExtendedType::Interface(of)) => {
                    let fields = of.fields.values().filter(|field| shown(&field.directives));
                    list(fields, out, |field, out| self.field(field, below, out));
                }
                (Fact::Interfaces, ExtendedType::Object(of)) => {
                    list(of.implements_interfaces.iter(), out, |name, out| self.by_name(Some(&name.name), below, out));
                }
                (Fact::Interfaces, ExtendedType::Interface(of)) => {
                    list(of.implements_interfaces.iter(), out, |name, out| self.by_name(Some(&name.name), below, out));
                }
                (Fact::PossibleTypes, ExtendedType::Interface(of)) => {
                    let objects = self.reflected.implementers.get(&of.name).into_iter().flat_map(|all| &all.objects);
                    list(objects, out, |name, out| self.by_name(Some(name), below, out));
                }
                (Fact::PossibleTypes, ExtendedType::Union(of)) => {
                    list(of.members.iter(), out, |name, out| self.by_name(Some(&name.name), below, out));
                }
                (Fact::EnumValues, ExtendedType::Enum(of)) => {
                    let values = of.values.values().filter(|value| shown(&value.directives));
                    list(values, out, |value, out| self.enum_value(value, below, out));
                }
                (Fact::InputFields, ExtendedType::InputObject(of)) => {
                    let fields = of.fields.values().filter(|field| shown(&field.directives));
                    list(fields, out, |field, out| self.input(field, below, out));
                }
                (Fact::IsOneOf, ExtendedType::InputObject(of)) => boolean(of.directives.has("oneOf"), out),
                _ => out.push_str("null"),
            }
        });
    }

    /// A type as something refers to it.
    fn reference(&self, of: &Type, shape: &Shape, out: &mut String) {
        match of {
            Type::Named(name) => {
                self.once(shape.of_named, place(name.as_str()), out, |out| self.by_name(Some(name), shape, out));
            }
            Type::NonNullNamed(name) => wrapped("NON_NULL", shape, out, |below, out| {
                self.once(below.of_named, place(name.as_str()), out, |out| self.by_name(Some(name), below, out));
            }),
            Type::List(item) => wrapped("LIST", shape, out, |below, out| self.reference(item, below, out)),
            Type::NonNullList(item) => wrapped("NON_NULL", shape, out, |below, out| {
                wrapped("LIST", below, out, |below, out| self.reference(item, below, out));
            }),
        }
    }

    fn field(&self, of: &FieldDefinition, shape: &Shape, out: &mut String) {
        // (What is said about it, or what it takes, is its own.)
        if of.description.is_some() || !of.arguments.is_empty() {
            return self.new_field(of, shape, out);
        }
        self.once(shape.id, place(of), out, |out| self.new_field(of, shape, out));
    }

    fn new_field(&self, of: &FieldDefinition, shape: &Shape, out: &mut String) {
        let reason = deprecation(&of.directives);
        object(shape, "__Field", out, |member, out| match member.fact {
            Fact::Name => named(&of.name, out),
            Fact::Description => optional(of.description.as_deref(), out),
            Fact::Args => {
                let shown = |input: &&Node<InputValueDefinition>| {
                    member.with_deprecated || deprecation(&input.directives).is_none()
                };
                list(of.arguments.iter().filter(shown), out, |input, out| self.input(input, &member.below, out));
            }
            Fact::Type => self.reference(&of.ty, &member.below, out),
            Fact::IsDeprecated => boolean(reason.is_some(), out),
            _ => optional(reason.as_deref(), out),
        });
    }

    fn input(&self, of: &InputValueDefinition, shape: &Shape, out: &mut String) {
        if of.description.is_some() {
            return self.new_input(of, shape, out);
        }
        self.once(shape.id, place(of), out, |out| self.new_input(of, shape, out));
    }

    fn new_input(&self, of: &InputValueDefinition, shape: &Shape, out: &mut String) {
        let reason = deprecation(&of.directives);
        object(shape, "__InputValue", out, |member, out| match member.fact {
            Fact::Name => named(&of.name, out),
            Fact::Description => optional(of.description.as_deref(), out),
            Fact::Type => self.reference(&of.ty, &member.below, out),
            Fact::DefaultValue => {
                optional(
                    of.default_value.as_ref().map(|value| value.serialize().no_indent().to_string()).as_deref(),
                    out,
                );
            }
            Fact::IsDeprecated => boolean(reason.is_some(), out),
            _ => optional(reason.as_deref(), out),
        });
    }

    fn enum_value(&self, of: &EnumValueDefinition, shape: &Shape, out: &mut String) {
        let reason = deprecation(&of.directives);
        object(shape, "__EnumValue", out, |member, out| match member.fact {
            Fact::Name => named(&of.value, out),
            Fact::Description => optional(of.description.as_deref(), out),
            Fact::IsDeprecated => boolean(reason.is_some(), out),
            _ => optional(reason.as_deref(), out),
        });
    }

    fn directive(&self, of: &DirectiveDefinition, shape: &Shape, out: &mut String) {
        object(shape, "__Directive", out, |member, out| match member.fact {
            Fact::Name => named(&of.name, out),
            Fact::Description => optional(of.description.as_deref(), out),
            Fact::IsRepeatable => boolean(of.repeatable, out),
            Fact::Locations => list(of.locations.iter(), out, |location, out| {
                let _ = write!(out, "\"{location}\"");
            }),
            _ => {
                let shown = |input: &&Node<InputValueDefinition>| {
                    member.with_deprecated || deprecation(&input.directives).is_none()
                };
                list(of.arguments.iter().filter(shown), out, |input, out| self.input(input, &member.below, out));
            }
        });
    }
}

/// A type around another one.
fn wrapped(kind: &str, shape: &Shape, out: &mut String, inner: impl Fn(&Shape, &mut String)) {
    object(shape, "__Type", out, |member, out| match member.fact {
        Fact::Kind => named(kind, out),
        Fact::OfType => inner(&member.below, out),
        _ => out.push_str("null"),
    });
}

fn kind(of: &ExtendedType) -> &'static str {
    match of {
        ExtendedType::Scalar(_) => "SCALAR",
        ExtendedType::Object(_) => "OBJECT",
        ExtendedType::Interface(_) => "INTERFACE",
        ExtendedType::Union(_) => "UNION",
        ExtendedType::Enum(_) => "ENUM",
        ExtendedType::InputObject(_) => "INPUT_OBJECT",
    }
}

#[cfg(test)]
mod tests {
    use apollo_compiler::Schema;
    use apollo_compiler::introspection::partial_execute;
    use apollo_compiler::request::coerce_variable_values;

    use super::*;
    use crate::limits::Limits;
    use crate::plan::collect::collect;

    /// Everything that can be asked, twice nested where types refer to types.
    const ALL: &str = "query Q($old: Boolean = true) { __schema { description types { ...T } queryType { ...T }
        mutationType { name } subscriptionType { name } directives { name description isRepeatable locations args { ...I }
        all: args(includeDeprecated: true) { name } __typename } __typename }
        one: __type(name: \"Pet\") { ...T } none: __type(name: \"Nobody\") { name } }
        fragment T on __Type { kind name description specifiedByURL fields { name } all: fields(includeDeprecated: $old) { name
        description args { ...I } type { ...R } isDeprecated deprecationReason __typename } interfaces { name } possibleTypes {
        name } enumValues { name } every: enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason }
        inputFields { ...I } ofType { name } __typename }
        fragment I on __InputValue { name description type { ...R } defaultValue isDeprecated deprecationReason }
        fragment R on __Type { kind name ofType { kind name ofType { kind name ofType { kind name fields { name } } } } }";
    const SCHEMA: &str = "\"All of it\" schema { query: Query mutation: Change } directive @oneOf on INPUT_OBJECT
        directive @tag(names: [String!]! = [\"a\", \"b\"], old: Int @deprecated) repeatable on FIELD | OBJECT
        \"Asks\" type Query { pets(first: Int = 3, by: By = {kind: CAT}): [Pet!]! any: Any \"quote \\\" here\" old: Pet @deprecated }
        type Change { add(by: By!): Pet } interface Node { id: ID! } interface Named implements Node { id: ID! name: String }
        type Pet implements Node & Named { id: ID! name: String kind: Kind at: Moment @deprecated(reason: \"Later\") }
        type Toy implements Node { id: ID! } union Any = Pet | Toy scalar Moment
        enum Kind { CAT \"Barks\" DOG @deprecated(reason: \"Loud\") } input By { kind: Kind = DOG, names: [String], old: Int @deprecated }";

    #[test]
    fn answers_are_those_of_the_library() {
        let schema = Schema::parse_and_validate(SCHEMA, "schema").unwrap();
        let document = ExecutableDocument::parse_and_validate(&schema, ALL, "document").unwrap();
        let operation = document.operations.get(None).unwrap();
        let variables = coerce_variable_values(&schema, operation, &JsonMap::default()).unwrap();
        let implementers = schema.implementers_map();
        let theirs = partial_execute(&schema, &implementers, &document, operation, &variables).unwrap();
        assert_eq!(theirs.errors, []);
        let theirs = serde_json::to_value(theirs.data).unwrap();
        let reflected = Reflected::of_schema(schema, Limits { depth: 10, aliases: 10 });
        let root = collect(&document, &variables, std::iter::once(&operation.selection_set), &|name| name == "Query");
        for asked in &root {
            let mut told = String::new();
            answer(&reflected, &document, &variables, asked, &mut told);
            let ours: serde_json::Value = serde_json::from_str(&told).unwrap();
            assert_eq!(ours, theirs[asked.key], "{}", asked.key);
        }
        assert_eq!(root.len(), 3);
    }
}
