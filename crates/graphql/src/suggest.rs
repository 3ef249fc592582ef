//! What a caller may have meant by a name that the schema does not have.
//!
//! Only where introspection is answered: suggestions tell names of the schema. The library says which name is unknown, in
//! the words of graphql-js; what is added here are its words too (`Did you mean "title"?`).

use apollo_compiler::Schema;
use apollo_compiler::response::GraphQLError;
use apollo_compiler::schema::ExtendedType;

/// Most names that are suggested.
const MOST: usize = 5;

/// Adds what may have been meant.
pub(crate) fn add(error: &mut GraphQLError, schema: &Schema) {
    let Some((unknown, known)) = unknown(&error.message, schema) else { return };
    let near = nearest(&unknown, known);
    if let Some(list) = listed(&near) {
        error.message.push_str(&format!(" Did you mean {list}?"));
    }
}

/// The unknown name and the names that could stand in its place.
fn unknown(message: &str, schema: &Schema) -> Option<(String, Vec<String>)> {
    let mut quoted = message.split('"').skip(1).step_by(2);
    let (name, of) = (quoted.next()?, quoted.next());
    let known = if message.starts_with("Cannot query field") {
        fields(schema, of?)?
    } else if message.starts_with("Unknown argument") {
        arguments(schema, of?)?
    } else if message.starts_with("Unknown type") {
        schema.types.keys().filter(|name| !name.starts_with("__")).map(ToString::to_string).collect()
    } else if message.starts_with("Unknown directive") {
        schema.directive_definitions.keys().map(|name| format!("@{name}")).collect()
    } else if message.starts_with("Value ") && message.contains("enum") {
        let ExtendedType::Enum(of) = schema.types.get(of?)? else { return None };
        of.values.keys().map(ToString::to_string).collect()
    } else if message.contains("is not defined by type") {
        let ExtendedType::InputObject(of) = schema.types.get(of?)? else { return None };
        of.fields.keys().map(ToString::to_string).collect()
    } else {
        return None;
    };
    Some((name.to_owned(), known))
}

fn fields(schema: &Schema, type_name: &str) -> Option<Vec<String>> {
    let names = match schema.types.get(type_name)? {
        ExtendedType::Object(of) => of.fields.keys().map(ToString::to_string).collect(),
        ExtendedType::Interface(of) => of.fields.keys().map(ToString::to_string).collect(),
        _ => return None,
    };
    Some(names)
}

/// Of a field, named `Type.field` and perhaps an argument in brackets.
fn arguments(schema: &Schema, coordinate: &str) -> Option<Vec<String>> {
    let coordinate = coordinate.split('(').next()?;
    let (type_name, field) = coordinate.split_once('.')?;
    let field = schema.type_field(type_name, field).ok()?;
    Some(field.arguments.iter().map(|argument| argument.name.to_string()).collect())
}

/// The names that are not far away, the nearest first. How far may be is graphql-js's rule.
pub(crate) fn nearest(unknown: &str, known: Vec<String>) -> Vec<String> {
    let far = unknown.len() * 2 / 5 + 1;
    let lower = unknown.to_lowercase();
    let distance = |name: &str| {
        if name.len().abs_diff(unknown.len()) > far {
            return usize::MAX;
        }
        if name.to_lowercase() == lower { 1 } else { strsim::osa_distance(name, unknown) }
    };
    let mut near: Vec<_> = known.into_iter().map(|name| (distance(&name), name)).collect();
    near.retain(|(distance, _)| *distance <= far);
    near.sort();
    near.into_iter().take(MOST).map(|(_, name)| name).collect()
}

/// `"a"`, `"a" or "b"`, `"a", "b", or "c"`.
fn listed(names: &[String]) -> Option<String> {
    let quoted: Vec<_> = names.iter().map(|name| format!("\"{name}\"")).collect();
    Some(match quoted.as_slice() {
        [] => return None,
        [one] => one.clone(),
        [one, other] => format!("{one} or {other}"),
        [all @ .., last] => format!("{}, or {last}", all.join(", ")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(query: &str) -> String {
        let schema =
            "type Query { people(first: Int, order: Way): Person } type Person { id: ID, name: String, names: String }
                      enum Way { Asc Desc } input Filter { title: String }";
        let schema = Schema::parse_and_validate(schema, "schema").expect("a schema");
        let errors = apollo_compiler::ExecutableDocument::parse_and_validate(&schema, query, "document");
        let errors = errors.expect_err("a mistake").errors;
        let mut error = errors.iter().last().expect("a mistake").unstable_to_json_compat();
        add(&mut error, &schema);
        error.message
    }

    #[test]
    fn unknown_names_are_told_with_those_that_are_near() {
        for (query, expected) in [
            ("{ poeple { id } }", r#"Cannot query field "poeple" on type "Query". Did you mean "people"?"#),
            ("{ people { nam } }", r#"Cannot query field "nam" on type "Person". Did you mean "name" or "names"?"#),
            ("{ people { zzzzzz } }", r#"Cannot query field "zzzzzz" on type "Person"."#),
            ("{ people(frist: 1) { id } }", r#"Did you mean "first"?"#),
            ("{ people(order: asc) { id } }", r#"Did you mean "Asc" or "Desc"?"#),
            ("{ people { ...F } } fragment F on Persn { id }", r#"Did you mean "Person"?"#),
            ("{ people { id @skp(if: true) } }", r#"Did you mean "@skip"?"#),
        ] {
            let told = error(query);
            assert!(told.ends_with(expected), "{query}: {told}");
        }
    }
}
