//! The path of one function: its overloads are one operation, because a path has one per method.

use ferrobase_catalog::ReturnShape;
use serde_json::{Map, Value, json};

use super::schema::{self, Schema};
use super::{Context, reference, shared};
use crate::openapi::facts::{FunctionFacts, OverloadFacts, ParameterFacts};

/// The path item; `None` when no overload can be called as described.
pub(super) fn path(function: &FunctionFacts<'_>, key: &str, context: &Context<'_>) -> Option<Value> {
    let mut path = Map::new();
    let by_get: Vec<_> = function.overloads.iter().filter(|f| f.by_get && takes_names(f)).collect();
    if !by_get.is_empty() {
        let mut parameters = arguments(&by_get);
        add_window(&mut parameters, &by_get);
        if context.profile.is_some() {
            parameters.push(reference("parameters", "accept_profile"));
        }
        path.insert("get".to_owned(), operation(function, &by_get, &format!("rpc/{key}.get"), parameters, context));
    }
    let all: Vec<_> = function.overloads.iter().collect();
    let mut parameters = vec![reference("parameters", "prefer_call")];
    if all.iter().any(|overload| overload.rows_of.is_some()) {
        parameters.extend(["select", "order", "limit", "offset"].map(|key| reference("parameters", key)));
    }
    if context.profile.is_some() {
        parameters.push(reference("parameters", "content_profile"));
    }
    let mut post = operation(function, &all, &format!("rpc/{key}.post"), parameters, context);
    post["requestBody"] = body(&all)?;
    path.insert("post".to_owned(), post);
    Some(Value::Object(path))
}

/// Whether arguments are given by name, and not the whole body as the only one.
fn takes_names(overload: &OverloadFacts<'_>) -> bool {
    overload.parameters.iter().all(|parameter| !parameter.name.is_empty())
}

fn operation(
    function: &FunctionFacts<'_>,
    overloads: &[&OverloadFacts<'_>],
    id: &str,
    parameters: Vec<Value>,
    context: &Context<'_>,
) -> Value {
    let mut operation = json!({ "tags": [format!("(rpc) {}", function.name)], "operationId": id });
    if let Some(commented) = overloads.iter().find(|overload| overload.comment.whole.is_some()) {
        shared::describe(&mut operation, commented.comment);
    }
    if !parameters.is_empty() {
        operation["parameters"] = Value::Array(parameters);
    }
    operation["responses"] = responses(overloads, context);
    operation
}

/// The arguments of all overloads in the query; only what each of them demands is required.
fn arguments(overloads: &[&OverloadFacts<'_>]) -> Vec<Value> {
    let mut arguments: Vec<Value> = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    for parameter in overloads.iter().flat_map(|overload| &overload.parameters) {
        if seen.contains(&parameter.name) {
            continue;
        }
        seen.push(parameter.name);
        let same: Vec<_> = overloads.iter().map(|o| o.parameters.iter().find(|p| p.name == parameter.name)).collect();
        let required = same.iter().all(|found| found.is_some_and(|p| p.required));
        let is_one_type = same.iter().flatten().all(|p| p.real == parameter.real);
        let schema = if is_one_type { argument(parameter) } else { schema::object(json!({ "type": "string" })) };
        arguments.push(json!({ "name": parameter.name, "in": "query", "required": required, "schema": schema }));
    }
    arguments
}

/// An argument; the last one of a VARIADIC function is given once for each element.
fn argument(parameter: &ParameterFacts<'_>) -> Schema {
    if !parameter.variadic {
        return schema::in_query(&parameter.real);
    }
    schema::object(json!({ "type": "array", "items": schema::in_query(&parameter.real.element()) }))
}

/// What chooses among rows, unless an argument has the name.
fn add_window(parameters: &mut Vec<Value>, overloads: &[&OverloadFacts<'_>]) {
    if !overloads.iter().any(|overload| overload.rows_of.is_some()) {
        return;
    }
    for key in ["select", "order", "limit", "offset"] {
        if !parameters.iter().any(|parameter| parameter["name"] == key) {
            parameters.push(reference("parameters", key));
        }
    }
}

/// The body by content type: an object of arguments, or one argument as it is.
fn body(overloads: &[&OverloadFacts<'_>]) -> Option<Value> {
    let mut json_bodies: Vec<Value> = Vec::new();
    let mut content = Map::new();
    for overload in overloads {
        match overload.parameters.as_slice() {
            [only] if only.name.is_empty() => match &*only.type_name {
                "json" | "jsonb" => json_bodies.push(json!({})),
                "text" => add(&mut content, "text/plain", &json!({ "type": "string" })),
                "xml" => add(&mut content, "text/xml", &json!({ "type": "string" })),
                _ => add(&mut content, "application/octet-stream", &json!({ "type": "string", "format": "binary" })),
            },
            several => json_bodies.push(by_name(several)),
        }
    }
    match json_bodies.len() {
        0 => {}
        1 => add(&mut content, "application/json", &json_bodies.remove(0)),
        _ => add(&mut content, "application/json", &json!({ "anyOf": json_bodies })),
    }
    let required = overloads.iter().all(|overload| overload.parameters.iter().any(|p| p.required));
    (!content.is_empty()).then(|| json!({ "required": required, "content": content }))
}

fn add(content: &mut Map<String, Value>, media: &str, schema: &Value) {
    content.insert(media.to_owned(), json!({ "schema": schema }));
}

fn by_name(parameters: &[ParameterFacts<'_>]) -> Value {
    let properties: Schema = parameters
        .iter()
        .map(|p| (p.name.to_owned(), Value::Object(schema::nullable(schema::written(&p.real)))))
        .collect();
    let mut arguments = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    let required: Vec<&str> = parameters.iter().filter(|p| p.required).map(|p| p.name).collect();
    if !required.is_empty() {
        arguments["required"] = json!(required);
    }
    arguments
}

fn responses(overloads: &[&OverloadFacts<'_>], context: &Context<'_>) -> Value {
    let mut responses = json!({});
    let is_void = |o: &OverloadFacts<'_>| o.function.returns.shape == ReturnShape::Void && !o.function.returns.set;
    if overloads.iter().any(|overload| is_void(overload)) {
        responses["204"] = json!({ "description": "Called" });
    }
    let mut results = overloads.iter().filter(|o| !is_void(o)).map(|overload| result(overload, context));
    if let Some(first) = results.next() {
        // Which overload was called decides: together they say nothing that a reader could use.
        let schema = if results.all(|other| other == first) { first } else { json!({}) };
        let content = json!({ "application/json": { "schema": schema } });
        responses["200"] = json!({ "description": "What the function returned", "content": content });
        if overloads.iter().any(|overload| overload.function.returns.set) {
            responses["206"] = json!({ "description": "Some of the rows, when they were counted", "content": content });
        }
    }
    responses["default"] = reference("responses", shared::ERROR);
    responses
}

/// What a call gives, as JSON.
fn result(overload: &OverloadFacts<'_>, context: &Context<'_>) -> Value {
    let returns = &overload.function.returns;
    let one = match &returns.shape {
        ReturnShape::Void => Schema::new(),
        ReturnShape::Scalar(_) => overload.scalar.as_ref().map_or_else(Schema::new, schema::of),
        ReturnShape::Row { .. } => {
            let row = Value::Object(row(overload, context));
            if returns.set {
                return json!({ "type": "array", "items": row });
            }
            // No row is one of NULLs, and a page behind the only row is null.
            let none = json!({ "type": "object", "additionalProperties": { "type": "null" } });
            return json!({ "anyOf": [row, none, { "type": "null" }] });
        }
    };
    let one = Value::Object(schema::nullable(one));
    if returns.set { json!({ "type": "array", "items": one }) } else { one }
}

fn row(overload: &OverloadFacts<'_>, context: &Context<'_>) -> Schema {
    if let Some(relation) = overload.rows_of {
        return schema::object(reference("schemas", context.keys.get(relation)));
    }
    let columns = overload.output.iter().filter(|(name, _)| !name.is_empty());
    let properties: Schema =
        columns.map(|(name, real)| ((*name).to_owned(), Value::Object(schema::nullable(schema::of(real))))).collect();
    let mut row = schema::object(json!({ "type": "object" }));
    if !properties.is_empty() {
        row.insert("properties".to_owned(), Value::Object(properties));
    }
    row
}
