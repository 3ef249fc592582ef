//! The catalog as JSON, for people and programs that ask what is exposed (`--dump-schema`, `/schema_cache`).
//!
//! Names, types and relationships; no data, and of privileges only what functions and relations are. The form may grow.

use serde_json::{Value, json};

use crate::model::{Catalog, Function, Link, Relation, Relationship, ReturnShape};

impl Catalog {
    /// Everything that requests can name.
    pub fn describe(&self) -> Value {
        let relationships = self.relationships.values().flatten();
        json!({
            "server_version": self.server_version,
            "generation": self.generation,
            "relations": self.relations.values().map(|one| relation(one)).collect::<Vec<_>>(),
            "relationships": relationships.map(relationship).collect::<Vec<_>>(),
            "functions": self.functions.values().flatten().map(|one| function(one)).collect::<Vec<_>>(),
            "representations": self.representations.values().map(|cast| json!({
                "from": cast.source_type, "to": cast.target_type, "function": cast.function,
            })).collect::<Vec<_>>(),
            "media_handlers": self.media_handlers.iter().map(|handler| json!({
                "media_type": handler.media_type,
                "function": handler.function.to_string(),
                "target": handler.target.as_ref().map(ToString::to_string),
            })).collect::<Vec<_>>(),
        })
    }
}

fn relation(relation: &Relation) -> Value {
    let columns: Vec<Value> = relation
        .columns
        .values()
        .map(|column| {
            json!({
                "name": column.name,
                "type": column.declared_type,
                "nullable": column.nullable,
                "default": column.default,
                "max_length": column.max_length,
                "enum": column.enum_values,
                "comment": column.comment,
            })
        })
        .collect();
    json!({
        "name": relation.name.to_string(),
        "kind": format!("{:?}", relation.kind),
        "comment": relation.comment,
        "primary_key": relation.primary_key,
        "unique_keys": relation.unique_keys,
        "insertable": relation.insertable,
        "updatable": relation.updatable,
        "upsertable": relation.upsertable,
        "deletable": relation.deletable,
        "columns": columns,
        "computed_fields": relation.computed_fields.keys().collect::<Vec<_>>(),
    })
}

fn relationship(relationship: &Relationship) -> Value {
    let (kind, through) = match &relationship.link {
        Link::ManyToOne { .. } => ("many-to-one", None),
        Link::OneToMany { .. } => ("one-to-many", None),
        Link::OneToOne { .. } => ("one-to-one", None),
        Link::ManyToMany(junction) => ("many-to-many", Some(&junction.table)),
        Link::Computed { function, .. } => ("computed", Some(function)),
    };
    json!({
        "source": relationship.source.to_string(),
        "target": relationship.target.to_string(),
        "kind": kind,
        "through": through.map(ToString::to_string),
        "constraint": relationship.constraint(),
        "columns": relationship.columns(),
    })
}

fn function(function: &Function) -> Value {
    let returns = match &function.returns.shape {
        ReturnShape::Void => "void".to_owned(),
        ReturnShape::Scalar(name) | ReturnShape::Row { type_name: name, .. } => name.to_string(),
    };
    let parameters = function.parameters.iter().map(|parameter| {
        json!({
            "name": parameter.name,
            "type": parameter.type_name,
            "required": parameter.required,
            "variadic": parameter.variadic,
        })
    });
    json!({
        "name": function.name.to_string(),
        "comment": function.comment,
        "volatility": format!("{:?}", function.volatility),
        "parameters": parameters.collect::<Vec<_>>(),
        "returns": returns,
        "set": function.returns.set,
    })
}
