//! Definitions put together.

use apollo_compiler::ast::{Directive, EnumValueDefinition, FieldDefinition, InputValueDefinition, Type, Value};
use apollo_compiler::collections::IndexMap;
use apollo_compiler::schema::{
    Component, ComponentName, EnumType, ExtendedType, InputObjectType, InterfaceType, ObjectType, ScalarType,
};
use apollo_compiler::{Name, Node, Schema};

use super::shared;
pub(super) use super::shared::name;

pub(super) fn optional(type_name: &str) -> Type {
    Type::Named(name(type_name))
}

pub(super) fn required(type_name: &str) -> Type {
    Type::NonNullNamed(name(type_name))
}

/// `[T]`
pub(super) fn list(type_name: &str) -> Type {
    Type::List(Box::new(optional(type_name)))
}

/// `[T!]`
pub(super) fn list_of_required(type_name: &str) -> Type {
    Type::List(Box::new(required(type_name)))
}

/// `[T!]!`
pub(super) fn full_list(type_name: &str) -> Type {
    Type::NonNullList(Box::new(required(type_name)))
}

/// A field without arguments.
pub(super) fn field(field_name: &str, ty: Type) -> FieldDefinition {
    FieldDefinition {
        description: None,
        name: name(field_name),
        arguments: Vec::new(),
        ty,
        directives: Default::default(),
    }
}

/// The field with an argument more.
pub(super) fn argument(
    mut field: FieldDefinition,
    argument: &str,
    ty: Type,
    default: Option<Value>,
) -> FieldDefinition {
    field.arguments.push(shared::input(input_with_default(argument, ty, default)));
    field
}

/// The field with a description.
pub(super) fn described(mut field: FieldDefinition, description: &str) -> FieldDefinition {
    field.description = Some(description.into());
    field
}

/// The field with what its owner says about it.
pub(super) fn said(
    mut field: FieldDefinition,
    description: Option<&String>,
    reason: Option<&String>,
) -> FieldDefinition {
    field.description = description.map(|text| text.as_str().into());
    if let Some(reason) = reason {
        let argument =
            apollo_compiler::ast::Argument { name: name("reason"), value: Node::new(Value::String(reason.clone())) };
        let directive = Directive { name: name("deprecated"), arguments: vec![Node::new(argument)] };
        field.directives.push(Node::new(directive));
    }
    field
}

pub(super) fn input(field_name: &str, ty: Type) -> InputValueDefinition {
    input_with_default(field_name, ty, None)
}

pub(super) fn input_with_default(field_name: &str, ty: Type, default: Option<Value>) -> InputValueDefinition {
    InputValueDefinition {
        description: None,
        name: name(field_name),
        ty: Node::new(ty),
        default_value: default.map(Node::new),
        directives: Default::default(),
    }
}

pub(super) fn object(
    schema: &mut Schema,
    type_name: &str,
    description: Option<&str>,
    fields: impl IntoIterator<Item = FieldDefinition>,
) {
    implementing(schema, type_name, description, &[], fields);
}

/// An object that implements interfaces.
pub(super) fn implementing(
    schema: &mut Schema,
    type_name: &str,
    description: Option<&str>,
    interfaces: &[&str],
    fields: impl IntoIterator<Item = FieldDefinition>,
) {
    let definition = ObjectType {
        description: description.map(Into::into),
        name: name(type_name),
        implements_interfaces: interfaces.iter().map(|interface| ComponentName::from(name(interface))).collect(),
        directives: Default::default(),
        fields: named(fields.into_iter().map(|field| (field.name.clone(), shared::field(field)))),
    };
    schema.types.insert(name(type_name), ExtendedType::Object(Node::new(definition)));
}

pub(super) fn interface(
    schema: &mut Schema,
    type_name: &str,
    description: &str,
    interfaces: &[&str],
    fields: impl IntoIterator<Item = FieldDefinition>,
) {
    let definition = InterfaceType {
        description: Some(description.into()),
        name: name(type_name),
        implements_interfaces: interfaces.iter().map(|interface| ComponentName::from(name(interface))).collect(),
        directives: Default::default(),
        fields: named(fields.into_iter().map(|field| (field.name.clone(), shared::field(field)))),
    };
    schema.types.insert(name(type_name), ExtendedType::Interface(Node::new(definition)));
}

pub(super) fn input_object(
    schema: &mut Schema,
    type_name: &str,
    fields: impl IntoIterator<Item = InputValueDefinition>,
) {
    let definition = InputObjectType {
        description: None,
        name: name(type_name),
        directives: Default::default(),
        fields: named(fields.into_iter().map(|field| (field.name.clone(), shared::input(field)))),
    };
    schema.types.insert(name(type_name), ExtendedType::InputObject(Node::new(definition)));
}

/// An input of which exactly one field is given.
pub(super) fn one_of(schema: &mut Schema, type_name: &str, fields: impl IntoIterator<Item = InputValueDefinition>) {
    let directive = Directive { name: name("oneOf"), arguments: Vec::new() };
    let definition = InputObjectType {
        description: None,
        name: name(type_name),
        directives: [Component::new(directive)].into_iter().collect(),
        fields: named(fields.into_iter().map(|field| (field.name.clone(), shared::input(field)))),
    };
    schema.types.insert(name(type_name), ExtendedType::InputObject(Node::new(definition)));
}

pub(super) fn enumeration<'v>(
    schema: &mut Schema,
    type_name: &str,
    description: Option<&str>,
    values: impl IntoIterator<Item = &'v str>,
) {
    let value =
        |value: &str| EnumValueDefinition { description: None, value: name(value), directives: Default::default() };
    let definition = EnumType {
        description: description.map(Into::into),
        name: name(type_name),
        directives: Default::default(),
        values: named(values.into_iter().map(|text| (name(text), Node::new(value(text))))),
    };
    schema.types.insert(name(type_name), ExtendedType::Enum(Node::new(definition)));
}

pub(super) fn scalar(schema: &mut Schema, type_name: &str, description: &str) {
    let definition =
        ScalarType { description: Some(description.into()), name: name(type_name), directives: Default::default() };
    schema.types.insert(name(type_name), ExtendedType::Scalar(Node::new(definition)));
}

/// Members by name, without room for more.
fn named<T>(members: impl Iterator<Item = (Name, Node<T>)>) -> IndexMap<Name, Component<T>> {
    let mut members: IndexMap<_, _> = members.map(|(name, member)| (name, Component::from(member))).collect();
    members.shrink_to_fit();
    members
}
