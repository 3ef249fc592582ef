//! What guarded roles do not get to see: forgotten row-level security, copies without it, views that pass it by.

use ferrobase_catalog::{ExposureRules, Hidden, Scope};

use crate::load;

const FIXTURE: &str = "
create schema hidden;
create table hidden.policed (id int); alter table hidden.policed enable row level security;
create table hidden.plain (id int);
create table policed (id int); alter table policed enable row level security;
create table forgotten (id int);
create table split (id int) partition by list (id); alter table split enable row level security;
create table split_1 partition of split for values in (1);
create materialized view copied as select * from policed;
create materialized view hidden.copied as select * from policed;
create view as_owner as select * from policed;
create view as_caller with (security_invoker) as select * from policed;
create view of_forgotten with (security_invoker) as select * from forgotten;
create view of_hidden_plain as select * from hidden.plain;
create view of_hidden_copy with (security_invoker) as select * from hidden.copied;
create view of_copied with (security_invoker) as select * from copied;
create view through with (security_invoker) as select * from as_owner;
create view constant as select 1 as one;
";

fn hidden(rules: &ExposureRules, catalog: &ferrobase_catalog::Catalog, role: &str) -> Vec<String> {
    let found = catalog.relations.values().filter_map(|relation| {
        let why = match rules.hidden_from(role, relation, catalog)? {
            Hidden::WithoutRowSecurity => "no row security".to_owned(),
            Hidden::CannotHaveRowSecurity => "cannot have row security".to_owned(),
            Hidden::ReadsAsOwner { relation } => format!("reads {relation} as owner"),
            Hidden::ReadsUnprotected { relation } => format!("reads unprotected {relation}"),
        };
        Some(format!("{}: {why}", relation.name.name))
    });
    found.collect()
}

#[tokio::test]
async fn sec_10_tables_without_row_security_are_hidden_from_guarded_roles() {
    let database = crate::database(FIXTURE).await;
    let catalog = load(&database, &Scope::default()).await;
    let guarded = ExposureRules::guarded();
    crate::assert_lines(
        &hidden(&guarded, &catalog, "anon"),
        &[
            "as_owner: reads public.policed as owner",
            "copied: cannot have row security",
            "forgotten: no row security",
            "of_copied: reads public.policed as owner",
            "of_forgotten: reads unprotected public.forgotten",
            "of_hidden_copy: reads public.policed as owner",
            "of_hidden_plain: reads unprotected hidden.plain",
            "through: reads public.policed as owner",
        ],
    );
    assert!(hidden(&guarded, &catalog, "postgres").is_empty(), "a superuser sees everything anyway");
    assert!(hidden(&ExposureRules::open(), &catalog, "anon").is_empty());
}

#[tokio::test]
async fn sec_10_the_configuration_names_exceptions() {
    let database = crate::database(FIXTURE).await;
    let catalog = load(&database, &Scope::default()).await;
    let named = ExposureRules {
        allow_unprotected: vec!["public.forgotten".to_owned(), "public.copied".to_owned()],
        allow_definer_views: vec!["public.as_owner".to_owned()],
        ..ExposureRules::guarded()
    };
    crate::assert_lines(
        &hidden(&named, &catalog, "anon"),
        &[
            "of_copied: reads public.policed as owner",
            "of_hidden_copy: reads public.policed as owner",
            "of_hidden_plain: reads unprotected hidden.plain",
            "through: reads public.policed as owner",
        ],
    );
    for pattern in ["*", "public.*"] {
        let all = ExposureRules {
            allow_unprotected: vec![pattern.to_owned()],
            allow_definer_views: vec![pattern.to_owned()],
            ..ExposureRules::guarded()
        };
        assert!(hidden(&all, &catalog, "anon").is_empty(), "{pattern}");
    }
    for pattern in ["publi*", "public.forgotte", "public", "other.*", "public.forgotten2"] {
        let none = ExposureRules { allow_unprotected: vec![pattern.to_owned()], ..ExposureRules::guarded() };
        assert_eq!(hidden(&none, &catalog, "anon").len(), 8, "{pattern}");
    }
}

#[tokio::test]
async fn sec_10_whoever_inherits_a_guarded_role_is_guarded() {
    let database = crate::database(FIXTURE).await;
    crate::access::roles(&database).await;
    let catalog = load(&database, &Scope::default()).await;
    let rules = ExposureRules { guarded_roles: vec!["cat_parent".to_owned()], ..ExposureRules::guarded() };
    let count = |role: &str| hidden(&rules, &catalog, role).len();
    assert_eq!((count("cat_parent"), count("cat_child"), count("cat_reader")), (8, 8, 0));
    assert_eq!(count("a role that nobody made"), 8, "what is unknown is guarded");
    let service = ExposureRules { guarded_roles: vec!["cat_service".to_owned()], ..ExposureRules::guarded() };
    assert!(hidden(&service, &catalog, "cat_service").is_empty(), "policies do not bind it");
}

#[tokio::test]
async fn sec_11_partitions_are_never_in_the_catalog() {
    let database = crate::database(FIXTURE).await;
    let catalog = load(&database, &Scope::default()).await;
    assert!(catalog.relation("public", "split").is_some());
    assert!(catalog.relation("public", "split_1").is_none());
}
