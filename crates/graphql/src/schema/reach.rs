//! Types that no operation can use are left out: nothing leads to them from the roots.

use std::collections::HashSet;

use apollo_compiler::schema::ExtendedType;
use apollo_compiler::validation::Valid;
use apollo_compiler::{Name, Schema};

/// A valid schema without what nothing leads to, which is valid too.
pub(super) fn pruned(mut schema: Schema) -> Valid<Schema> {
    let reached = reached(&schema);
    schema.types.retain(|name, of| of.is_built_in() || reached.contains(name));
    Valid::assume_valid(schema)
}

fn reached(schema: &Schema) -> HashSet<Name> {
    let roots = &schema.schema_definition;
    let roots = [&roots.query, &roots.mutation, &roots.subscription];
    let mut waiting: Vec<Name> = roots.into_iter().flatten().map(|root| root.name.clone()).collect();
    for directive in schema.directive_definitions.values() {
        waiting.extend(directive.arguments.iter().map(|argument| argument.ty.inner_named_type().clone()));
    }
    let implementers = schema.implementers_map();
    let mut reached = HashSet::new();
    while let Some(name) = waiting.pop() {
        let Some(of) = schema.types.get(&name) else { continue };
        if !reached.insert(name.clone()) {
            continue;
        }
        let mut fields = |field: &apollo_compiler::ast::FieldDefinition| {
            waiting.push(field.ty.inner_named_type().clone());
            waiting.extend(field.arguments.iter().map(|argument| argument.ty.inner_named_type().clone()));
        };
        match of {
            ExtendedType::Object(of) => {
                of.fields.values().for_each(|field| fields(field));
                waiting.extend(of.implements_interfaces.iter().map(|interface| interface.name.clone()));
            }
            ExtendedType::Interface(of) => {
                of.fields.values().for_each(|field| fields(field));
                waiting.extend(of.implements_interfaces.iter().map(|interface| interface.name.clone()));
                let of = implementers.get(&name).into_iter();
                waiting.extend(of.flat_map(|all| all.objects.iter().chain(&all.interfaces)).cloned());
            }
            ExtendedType::Union(of) => waiting.extend(of.members.iter().map(|member| member.name.clone())),
            ExtendedType::InputObject(of) => {
                waiting.extend(of.fields.values().map(|field| field.ty.inner_named_type().clone()));
            }
            ExtendedType::Scalar(_) | ExtendedType::Enum(_) => {}
        }
    }
    reached
}
