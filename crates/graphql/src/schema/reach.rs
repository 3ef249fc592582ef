//! Types that no operation can use are left out: nothing leads to them from the roots.

use apollo_compiler::ast::{FieldDefinition, Type};
use apollo_compiler::collections::HashSet;
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
    let mut waiting: Vec<&Name> = roots.into_iter().flatten().map(|root| &root.name).collect();
    for directive in schema.directive_definitions.values() {
        waiting.extend(directive.arguments.iter().map(|argument| named(&argument.ty)));
    }
    let implementers = schema.implementers_map();
    let mut reached: HashSet<&Name> = HashSet::default();
    while let Some(name) = waiting.pop() {
        if !reached.insert(name) {
            continue;
        }
        match schema.types.get(name) {
            Some(ExtendedType::Object(of)) => {
                of.fields.values().for_each(|field| led_to(field, &mut waiting));
                waiting.extend(of.implements_interfaces.iter().map(|interface| &interface.name));
            }
            Some(ExtendedType::Interface(of)) => {
                of.fields.values().for_each(|field| led_to(field, &mut waiting));
                waiting.extend(of.implements_interfaces.iter().map(|interface| &interface.name));
                let all = implementers.get(name).into_iter();
                waiting.extend(all.flat_map(|all| all.objects.iter().chain(&all.interfaces)));
            }
            Some(ExtendedType::Union(of)) => waiting.extend(of.members.iter().map(|member| &member.name)),
            Some(ExtendedType::InputObject(of)) => waiting.extend(of.fields.values().map(|field| named(&field.ty))),
            Some(ExtendedType::Scalar(_) | ExtendedType::Enum(_)) | None => {}
        }
    }
    reached.into_iter().cloned().collect()
}

fn led_to<'s>(field: &'s FieldDefinition, waiting: &mut Vec<&'s Name>) {
    waiting.push(named(&field.ty));
    waiting.extend(field.arguments.iter().map(|argument| named(&argument.ty)));
}

fn named(ty: &Type) -> &Name {
    ty.inner_named_type()
}
