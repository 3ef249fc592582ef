//! Functions that RPC calls, computed fields, representations and media type handlers.

use ferrobase_catalog::{Isolation, MediaHandler, QualifiedName, ReturnShape, Scope, TypeClass};

use crate::{assert_lines, describe, load};

const FIXTURE: &str = include_str!("fixtures/functions.sql");
const VALUES: &str = include_str!("fixtures/values.sql");

fn scope() -> Scope {
    Scope { extra_search_path: vec!["ext ra".to_owned()], ..Scope::exposing(["public"]) }
}

#[tokio::test]
async fn callable_functions_are_described_with_parameters_and_results() {
    let database = crate::database(FIXTURE).await;
    let catalog = load(&database, &scope()).await;
    let lines: Vec<String> = catalog.functions.values().flatten().map(|f| describe::function(f)).collect();
    assert_lines(
        &lines,
        &[
            "fn public.Say \"it\"(the text text text req=1 var=0) returns scalar pg_catalog.text v iso=None settings=",
            "fn public.any_record() returns scalar pg_catalog.record v iso=None settings=",
            "fn public.body_bytes( bytea bytea req=1 var=0) returns scalar pg_catalog.void v iso=None settings=",
            "fn public.body_json( json json req=1 var=0) returns scalar pg_catalog.json i iso=None settings=",
            "fn public.careful() returns scalar pg_catalog.int4 v iso=Serializable settings=default_transaction_isolation=serializable,statement_timeout=1s,search_path=public, pg_temp",
            "fn public.cut(c character character varying req=1 var=0 ; b bit bit varying req=1 var=0 ; cs character[] character varying[] req=1 var=0 ; v character varying character varying req=1 var=0) returns scalar pg_catalog.text v iso=None settings=",
            "fn public.in_out(a integer integer req=1 var=0) returns composite pg_catalog.record v iso=None settings=",
            "fn public.list_of(schema_name text text req=1 var=0) returns setof composite public.people v iso=None settings=",
            "fn public.one_out() returns composite pg_catalog.int4 v iso=None settings=",
            "fn public.out_first(b integer integer req=1 var=0) returns composite pg_catalog.record v iso=None settings=",
            "fn public.overloaded() returns scalar pg_catalog.int4 v iso=None settings=",
            "fn public.overloaded(a integer integer req=1 var=0) returns scalar pg_catalog.int4 v iso=None settings=",
            "fn public.overloaded(a integer integer req=1 var=0 ; b integer integer req=0 var=0) returns scalar pg_catalog.int4 v iso=None settings=",
            "fn public.person_of(id integer integer req=1 var=0) returns composite public.people v iso=None settings=",
            "fn public.row_named(p public.people public.people req=1 var=0) returns scalar pg_catalog.text s iso=None settings=",
            "fn public.short_name() returns scalar pg_catalog.varchar v iso=None settings=",
            "fn public.spot_of() returns composite public.spot alias v iso=None settings=",
            "fn public.table_of() returns setof composite pg_catalog.record v iso=None settings=",
            "fn public.text_sets() returns setof scalar pg_catalog.text v iso=None settings=",
            "fn public.variadic_sum(first integer integer req=1 var=0 ; others integer[] integer[] req=1 var=1) returns scalar pg_catalog.int4 v iso=None settings=",
        ],
    );
    assert!(catalog.overloads("public", "variadic_sum")[0].is_variadic());
    assert_eq!(catalog.overloads("public", "overloaded").len(), 3);
    assert!(catalog.overloads("ext ra", "shout").is_empty(), "the extra search path is not exposed");
}

#[tokio::test]
async fn results_name_the_relation_they_are_rows_of() {
    let database = crate::database(FIXTURE).await;
    let catalog = load(&database, &scope()).await;
    let shape = |name: &str| catalog.overloads("public", name)[0].returns.shape.clone();
    let relation = |name: &str| match shape(name) {
        ReturnShape::Row { relation, .. } => relation.map(|r| r.to_string()),
        other => panic!("{other:?}"),
    };
    assert_eq!(relation("person_of").as_deref(), Some("public.people"));
    assert_eq!(relation("list_of").as_deref(), Some("public.people"));
    let returns = |name: &str| {
        let returns = &catalog.overloads("public", name)[0].returns;
        format!("{} set={} one={}", returns.type_name, returns.set, returns.rows_one)
    };
    assert_eq!(returns("list_of"), "public.people set=true one=false");
    assert_eq!(returns("text_sets"), "text set=true one=true");
    assert_eq!(returns("any_record"), "record set=false one=false");
    assert_eq!(returns("spot_of"), "public.spot_domain set=false one=false");
    assert_eq!(relation("spot_of"), None, "a free-standing type is no relation");
    assert_eq!(relation("table_of"), None);
    assert_eq!(shape("body_bytes"), ReturnShape::Void);
    let outputs = |name: &str| -> Vec<String> {
        let function = &catalog.overloads("public", name)[0];
        function.output_columns.iter().map(|c| format!("{} {}", c.name, c.type_name)).collect()
    };
    assert_eq!(outputs("table_of"), ["id integer", "Näme text"]);
    assert_eq!(outputs("in_out"), ["a integer", "b text"]);
    assert_eq!(outputs("person_of"), [""; 0]);
    let careful = &catalog.overloads("public", "careful")[0];
    assert_eq!((careful.isolation, careful.security_definer), (Some(Isolation::Serializable), true));
    assert_eq!((careful.language.as_str(), careful.comment.as_deref()), ("plpgsql", Some("Be careful")));
}

#[tokio::test]
async fn computed_fields_are_functions_of_one_row_that_the_search_path_finds() {
    let database = crate::database(VALUES).await;
    let catalog = load(&database, &scope()).await;
    let people = catalog.relation("public", "people").unwrap();
    let mut fields: Vec<String> = people
        .computed_fields
        .iter()
        .map(|(name, field)| format!("{name} = {}: {} {:?}", field.function, field.type_name, field.type_class))
        .collect();
    fields.sort();
    assert_lines(
        &fields,
        // `shout` exists in both schemas: the relation's own comes first.
        &[
            "as_json = public.as_json: jsonb Jsonb",
            "full_name = public.full_name: text Scalar",
            "name = public.name: text Scalar",
            "shout = public.shout: text Scalar",
            "with_default = public.with_default: text Scalar",
        ],
    );
    assert!(people.computed_field("full_name").is_some());
    assert!(people.computed_field("name").is_none(), "a column of that name wins");
    assert_eq!(people.computed_field("as_json").unwrap().type_class, TypeClass::Jsonb);
    assert!(catalog.relation("public", "people_view").unwrap().computed_fields.is_empty());
}

#[tokio::test]
async fn representations_are_implicit_casts_of_domains() {
    let database = crate::database(VALUES).await;
    let catalog = load(&database, &scope()).await;
    let lines: Vec<String> = describe::catalog(&catalog).into_iter().filter(|line| line.starts_with("rep ")).collect();
    assert_lines(
        &lines,
        &[
            "rep json public.color public.color",
            "rep public.color json \"ext ra\".\"to json\"",
            "rep text public.color public.color",
        ],
    );
    assert!(catalog.representation("text", "public.color").is_some());
    assert!(catalog.representation("public.color", "text").is_none());

    // A login without EXECUTE does not get the cast.
    let narrow = Scope { request_login: Some("cat_nobody".to_owned()), ..scope() };
    database.script("revoke execute on function \"ext ra\".\"to json\"(color) from public").await;
    crate::access::roles(&database).await;
    let catalog = load(&database, &narrow).await;
    assert!(catalog.representation("public.color", "json").is_none());
    assert!(catalog.representation("text", "public.color").is_some());
}

#[tokio::test]
async fn media_types_have_handlers_for_relations_elements_and_functions() {
    let database = crate::database(VALUES).await;
    let catalog = load(&database, &scope()).await;
    let find = |target: Option<&str>, media_type: &str| -> Option<&MediaHandler> {
        let target = target.map(|name| QualifiedName::new("public", name));
        catalog.media_handler(target.as_ref(), media_type)
    };
    let people = find(Some("people"), "text/vnd.people").unwrap();
    assert_eq!((people.function.to_string().as_str(), people.is_aggregate), ("public.people_agg", true));
    let any = find(None, "*/*").unwrap();
    assert_eq!((any.content_type.as_str(), any.is_aggregate), ("application/octet-stream", true));
    let function = find(Some("picture"), "image/png").unwrap();
    assert_eq!((function.function.to_string().as_str(), function.is_aggregate), ("public.image/PNG", false));
    assert_eq!(function.content_type, "image/PNG");
    assert!(find(Some("teams"), "text/vnd.people").is_none());
}
