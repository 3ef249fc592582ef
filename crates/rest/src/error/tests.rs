//! Texts that clients know by heart.

use serde_json::json;

use super::*;

/// Code, message, details, hint as JSON, the way the body has them.
fn told(error: impl Into<Error>) -> Value {
    let public = PublicError::from(error.into());
    json!([public.code, public.message, public.details, public.hint])
}

#[test]
fn request_errors_have_the_texts_that_clients_know() {
    assert_eq!(
        told(Error::NotSingular(2)),
        json!(["PGRST116", "Cannot coerce the result to a single JSON object", "The result contains 2 rows", null])
    );
    assert_eq!(
        told(RangeError::OutOfBounds { offset: 9, total: 3 }),
        json!([
            "PGRST103",
            "Requested range not satisfiable",
            "An offset of 9 was requested, but there are only 3 rows.",
            null
        ])
    );
    assert_eq!(
        told(UnknownSchema { asked: "x".into(), exposed: vec!["a".into(), "b".into()] }),
        json!(["PGRST106", "Invalid schema: x", null, "Only the following schemas are exposed: a, b"])
    );
    assert_eq!(
        told(Error::NotEmbedded { name: "t".into(), alias: Some("a".into()) }),
        json!([
            "PGRST108",
            "'t' is not an embedded resource in this request",
            "Target names are not allowed in filters if they have an alias",
            "Change 't' to 'a' in filters, orders or limits."
        ])
    );
    assert_eq!(
        told(Error::Preferences(vec!["x".into(), "y=z".into()])),
        json!(["PGRST122", "Invalid preferences given with handling=strict", "Invalid preferences: x, y=z", null])
    );
    assert_eq!(told(BodyError::Json), json!(["PGRST102", "Empty or invalid json", null, null]));
    assert_eq!(
        told(ParseError::NegativeLimit),
        json!(["PGRST103", "Requested range not satisfiable", "Limit should be greater than or equal to zero.", null])
    );
}

#[test]
fn names_that_do_not_exist() {
    let relation = ferrobase_catalog::QualifiedName::new("api", "film");
    assert_eq!(
        told(LookupError::NoRelation { relation, similar: Some("films".into()) }),
        json!([
            "PGRST205",
            "Could not find the table 'api.film' in the schema cache",
            null,
            "Perhaps you meant the table 'api.films'"
        ])
    );
    let function = ferrobase_catalog::QualifiedName::new("api", "f");
    assert_eq!(
        told(LookupError::NoFunction {
            function: function.clone(),
            arguments: vec!["a".into(), "b".into()],
            call: CallKind::Json,
            similar: Some("f(a, c)".into())
        }),
        json!([
            "PGRST202",
            "Could not find the function api.f(a, b) in the schema cache",
            "Searched for the function api.f with parameters a, b or with a single unnamed json/jsonb parameter, but \
             no matches were found in the schema cache.",
            "Perhaps you meant to call the function api.f(a, c)"
        ])
    );
    assert_eq!(
        told(LookupError::NoFunction { function, arguments: vec![], call: CallKind::Named, similar: None }),
        json!([
            "PGRST202",
            "Could not find the function api.f without parameters in the schema cache",
            "Searched for the function api.f without parameters, but no matches were found in the schema cache.",
            null
        ])
    );
}

#[test]
fn ambiguous_relationships_list_their_ways() {
    use ferrobase_catalog::{Link, QualifiedName, Relationship};
    let by = |constraint: &str, column: &str| Relationship {
        source: QualifiedName::new("api", "orders"),
        target: QualifiedName::new("api", "addresses"),
        link: Link::ManyToOne { constraint: constraint.into(), columns: vec![(column.into(), "id".into())] },
        is_self: false,
        source_is_view: false,
        target_is_view: false,
        comment: None,
    };
    assert_eq!(
        told(LookupError::AmbiguousRelationship {
            origin: "orders".into(),
            target: "addresses".into(),
            candidates: vec![by("billing_fk", "billing_id"), by("shipping_fk", "shipping_id")],
        }),
        json!([
            "PGRST201",
            "Could not embed because more than one relationship was found for 'orders' and 'addresses'",
            [
                {
                    "cardinality": "many-to-one",
                    "embedding": "orders with addresses",
                    "relationship": "billing_fk using orders(billing_id) and addresses(id)"
                },
                {
                    "cardinality": "many-to-one",
                    "embedding": "orders with addresses",
                    "relationship": "shipping_fk using orders(shipping_id) and addresses(id)"
                }
            ],
            "Try changing 'addresses' to one of the following: 'addresses!billing_fk', 'addresses!shipping_fk'. Find \
             the desired relationship in the 'details' key."
        ])
    );
}
