//! The description in OpenAPI 2.0, with the keys that PostgREST's users know.
//!
//! facts -> **JSON**. Pure; names of parameters, notes and formats are PostgREST's, because generators and clients of
//! twenty versions read them. Read on: `swagger_types` (types and defaults).

use serde_json::{Map, Value, json};

use super::About;
use super::facts::{ColumnFacts, Comment, Facts, FunctionFacts, OverloadFacts, ParameterFacts, RelationFacts};
use super::swagger_types::{self as types, SwaggerType};

const SECURITY: &str = "JWT";
const WINDOW: [&str; 7] = ["select", "order", "range", "rangeUnit", "offset", "limit", "preferCount"];

/// The document.
pub(super) fn document(facts: &Facts<'_>, about: &About<'_>) -> Value {
    let media = ["application/json", ONE_STRIPPED, ONE, "text/csv"];
    let mut document = json!({ "swagger": "2.0", "info": info(facts, about) });
    if let Some(origin) = &about.address.origin {
        document["host"] = json!(format!("{}:{}", origin.host, origin.port));
        document["schemes"] = json!([origin.scheme()]);
    }
    document["basePath"] = json!(about.address.path);
    document["consumes"] = json!(media);
    document["produces"] = json!(media);
    document["externalDocs"] = json!({
        "description": "PostgREST Documentation",
        "url": "https://postgrest.org/en/latest/references/api.html",
    });
    if about.security {
        document["security"] = json!([{ SECURITY: [] }]);
        document["securityDefinitions"] = json!({ SECURITY: {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "Add the token prepending \"Bearer \" (without quotes) to it",
        } });
    }
    document["paths"] = Value::Object(paths(facts));
    document["parameters"] = Value::Object(parameters(facts));
    document["definitions"] =
        facts.relations.iter().map(|relation| (relation.name.to_owned(), definition(relation))).collect();
    document
}

const ONE: &str = "application/vnd.pgrst.object+json";
const ONE_STRIPPED: &str = "application/vnd.pgrst.object+json;nulls=stripped";

fn info(facts: &Facts<'_>, about: &About<'_>) -> Value {
    json!({
        "title": about.title(facts),
        "description": facts.comment.description.unwrap_or("Made from the schema of the database"),
        "version": env!("CARGO_PKG_VERSION"),
    })
}

fn paths(facts: &Facts<'_>) -> Map<String, Value> {
    let mut paths = Map::new();
    let produces = ["application/openapi+json", "application/json"];
    let root = json!({
        "tags": ["Introspection"],
        "summary": "This description",
        "produces": produces,
        "responses": responses(&[("200", "OK")]),
    });
    paths.insert("/".to_owned(), json!({ "get": root }));
    for relation in &facts.relations {
        paths.insert(format!("/{}", relation.name), relation_path(relation));
    }
    for function in &facts.functions {
        if let Some(path) = function_path(function) {
            paths.insert(format!("/rpc/{}", function.name), path);
        }
    }
    paths
}

fn relation_path(relation: &RelationFacts<'_>) -> Value {
    let name = relation.name;
    let filters: Vec<String> = relation.columns.iter().map(|c| filter_name(name, &c.column.name)).collect();
    let filters = || filters.iter().map(String::as_str);
    let body = format!("body.{name}");
    let body = body.as_str();
    let mut path = Map::new();
    let mut add = |can: bool, method: &str, parameters: Vec<&str>, responses: Value| {
        if can {
            path.insert(method.to_owned(), relation_operation(relation, &parameters, responses));
        }
    };
    let mut read = responses(&[("200", "OK"), ("206", "Partial Content")]);
    read["200"]["schema"] = json!({ "type": "array", "items": { "$ref": format!("#/definitions/{name}") } });
    add(relation.verbs.read, "get", filters().chain(WINDOW).collect(), read);
    add(relation.verbs.insert, "post", vec![body, "select", "preferPost"], responses(&[("201", "Created")]));
    let none = || responses(&[("204", "No Content")]);
    add(relation.verbs.update, "patch", filters().chain([body, "preferReturn"]).collect(), none());
    add(relation.verbs.delete, "delete", filters().chain(["preferReturn"]).collect(), none());
    Value::Object(path)
}

fn relation_operation(relation: &RelationFacts<'_>, parameters: &[&str], responses: Value) -> Value {
    let mut operation = operation(relation.name, relation.comment, responses);
    operation["parameters"] = parameters.iter().map(|name| reference("parameters", name)).collect();
    operation
}

fn operation(tag: &str, comment: Comment<'_>, responses: Value) -> Value {
    let mut operation = json!({ "tags": [tag] });
    if let Some(summary) = comment.summary {
        operation["summary"] = json!(summary);
    }
    if let Some(description) = comment.description {
        operation["description"] = json!(description);
    }
    operation["responses"] = responses;
    operation
}

fn responses(codes: &[(&str, &str)]) -> Value {
    codes.iter().map(|(code, text)| ((*code).to_owned(), json!({ "description": text }))).collect()
}

fn reference(place: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/{place}/{name}") })
}

fn filter_name(relation: &str, column: &str) -> String {
    format!("rowFilter.{relation}.{column}")
}

/// Of several overloads the last one, with the most parameters, is shown: a path has one operation per method.
fn function_path(function: &FunctionFacts<'_>) -> Option<Value> {
    let overload = function.overloads.last()?;
    let operation = |parameters: Vec<Value>| {
        let tag = format!("(rpc) {}", function.name);
        let mut operation = operation(&tag, overload.comment, responses(&[("200", "OK")]));
        operation["produces"] = json!(["application/json", ONE_STRIPPED, ONE]);
        if !parameters.is_empty() {
            operation["parameters"] = Value::Array(parameters);
        }
        operation
    };
    let mut path = Map::new();
    if overload.by_get {
        path.insert("get".to_owned(), operation(overload.parameters.iter().map(argument).collect()));
    }
    let body = json!({ "name": "args", "in": "body", "required": true, "schema": arguments(overload) });
    path.insert("post".to_owned(), operation(vec![body, reference("parameters", "preferParams")]));
    Some(Value::Object(path))
}

/// An argument in the query. Arrays are texts there (`{1,2}`), except the last one of a VARIADIC function, which is
/// given once for each of its elements.
fn argument(parameter: &ParameterFacts<'_>) -> Value {
    let type_name = &*parameter.type_name;
    let mut argument = json!({ "name": parameter.name, "in": "query", "required": parameter.required });
    if parameter.variadic {
        let element = type_name.strip_suffix("[]").unwrap_or(type_name);
        argument["type"] = json!("array");
        argument["collectionFormat"] = json!("multi");
        argument["items"] = typed(Map::new(), element);
        return argument;
    }
    argument["type"] = match types::of(type_name) {
        None | Some(SwaggerType::Array) => json!(SwaggerType::String.name()),
        Some(other) => json!(other.name()),
    };
    argument["format"] = json!(types::format(type_name));
    argument
}

fn arguments(overload: &OverloadFacts<'_>) -> Value {
    let mut schema = json!({ "type": "object" });
    if let Some(comment) = overload.comment.whole {
        schema["description"] = json!(comment);
    }
    let properties: Map<String, Value> =
        overload.parameters.iter().map(|p| (p.name.to_owned(), typed(Map::new(), &p.type_name))).collect();
    if !properties.is_empty() {
        schema["properties"] = Value::Object(properties);
    }
    let required: Vec<&str> = overload.parameters.iter().filter(|p| p.required).map(|p| p.name).collect();
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

/// Adds type, format and elements.
fn typed(mut schema: Map<String, Value>, type_name: &str) -> Value {
    schema.insert("format".to_owned(), json!(types::format(type_name)));
    let Some(kind) = types::of(type_name) else { return Value::Object(schema) };
    schema.insert("type".to_owned(), json!(kind.name()));
    if kind == SwaggerType::Array {
        let element = types::of(&type_name[..type_name.len() - 2]);
        schema.insert("items".to_owned(), element.map_or_else(|| json!({}), |kind| json!({ "type": kind.name() })));
    }
    Value::Object(schema)
}

fn definition(relation: &RelationFacts<'_>) -> Value {
    let mut definition = json!({ "type": "object" });
    if let Some(comment) = relation.comment.whole {
        definition["description"] = json!(comment);
    }
    let properties: Map<String, Value> =
        relation.columns.iter().map(|column| (column.column.name.clone(), property(column))).collect();
    if !properties.is_empty() {
        definition["properties"] = Value::Object(properties);
    }
    let required: Vec<&str> =
        relation.columns.iter().filter(|c| !c.column.nullable).map(|c| c.column.name.as_str()).collect();
    if !required.is_empty() {
        definition["required"] = json!(required);
    }
    definition
}

fn property(facts: &ColumnFacts<'_>) -> Value {
    let column = facts.column;
    let mut schema = Map::new();
    let mut add = |key: &str, value: Value| schema.insert(key.to_owned(), value);
    let default = column.default.as_deref();
    if let Some(default) = default.and_then(|default| types::default(&facts.shown_type, default)) {
        add("default", default);
    }
    if let Some(description) = described(facts) {
        add("description", json!(description));
    }
    if !column.enum_values.is_empty() {
        add("enum", json!(column.enum_values));
    }
    if let Some(length) = column.max_length {
        add("maxLength", json!(length));
    }
    typed(schema, &facts.shown_type)
}

/// The comment with notes on keys, in the form that readers of the document look for.
fn described(facts: &ColumnFacts<'_>) -> Option<String> {
    let mut notes = Vec::new();
    if facts.is_key {
        notes.push("This is a Primary Key.<pk/>".to_owned());
    }
    if let Some((table, column)) = facts.references {
        let tag = format!("<fk table='{table}' column='{column}'/>");
        notes.push(format!("This is a Foreign Key to `{table}.{column}`.{tag}"));
    }
    let comment = facts.column.comment.as_deref();
    if notes.is_empty() {
        return comment.map(str::to_owned);
    }
    let comment = comment.map_or_else(String::new, |comment| format!("{comment}\n\n"));
    Some(format!("{comment}Note:\n{}", notes.join("\n")))
}

/// Parameters that operations refer to.
fn parameters(facts: &Facts<'_>) -> Map<String, Value> {
    let mut parameters = Map::new();
    for (key, values) in [
        ("preferParams", &[][..]),
        ("preferReturn", &RETURN[..]),
        ("preferCount", &["count=none"][..]),
        ("preferPost", &RETURN_AND_RESOLUTION[..]),
    ] {
        let mut prefer = plain("Prefer", "header", "What the answer should be like");
        if !values.is_empty() {
            prefer["enum"] = json!(values);
        }
        parameters.insert(key.to_owned(), prefer);
    }
    for (key, name, place, description) in [
        ("select", "select", "query", "Columns and related rows to return"),
        ("on_conflict", "on_conflict", "query", "Columns that decide whether a row exists"),
        ("order", "order", "query", "Order of the rows"),
        ("range", "Range", "header", "First and last row to return"),
        ("rangeUnit", "Range-Unit", "header", "What the range counts"),
        ("offset", "offset", "query", "Rows to skip"),
        ("limit", "limit", "query", "Most rows to return"),
    ] {
        parameters.insert(key.to_owned(), plain(name, place, description));
    }
    parameters["rangeUnit"]["default"] = json!("items");
    for relation in &facts.relations {
        parameters.insert(format!("body.{}", relation.name), body(relation.name));
        for column in &relation.columns {
            let mut filter = json!({ "name": column.column.name, "in": "query", "required": false, "type": "string" });
            if let Some(comment) = &column.column.comment {
                filter["description"] = json!(comment);
            }
            parameters.insert(filter_name(relation.name, &column.column.name), filter);
        }
    }
    parameters
}

const RETURN: [&str; 3] = ["return=representation", "return=minimal", "return=none"];
const RETURN_AND_RESOLUTION: [&str; 5] = [
    "return=representation",
    "return=minimal",
    "return=none",
    "resolution=ignore-duplicates",
    "resolution=merge-duplicates",
];

fn plain(name: &str, place: &str, description: &str) -> Value {
    json!({ "name": name, "in": place, "description": description, "required": false, "type": "string" })
}

fn body(relation: &str) -> Value {
    json!({
        "name": relation,
        "in": "body",
        "description": relation,
        "required": false,
        "schema": reference("definitions", relation),
    })
}
