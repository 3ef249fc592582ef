//! Keys that come through views, and whose rights views use.

use ferrobase_catalog::{BaseRead, QualifiedName, Relation, RelationKind, Scope};

use crate::{assert_lines, describe, load};

const FIXTURE: &str = include_str!("fixtures/views.sql");

fn scope() -> Scope {
    Scope { extra_search_path: vec!["helpers".to_owned()], ..Scope::exposing(["api"]) }
}

#[tokio::test]
async fn keys_come_through_views_under_the_views_names() {
    let database = crate::database(FIXTURE).await;
    let catalog = load(&database, &scope()).await;
    let keys: Vec<String> = catalog
        .relations
        .values()
        .map(|relation| format!("{}: {}", relation.name.name, relation.primary_key.join(", ")))
        .collect();
    assert_lines(
        &keys,
        &[
            ":targetList: :resno",
            "bookings: id",
            "circle_a: ",
            "circle_b: ",
            "clients: client id",
            "combined: ",
            "computed: ",
            "half_rooms: ",
            "joined: project_id, client_id",
            "kept: id",
            // The chain passes a schema that is neither exposed nor searched.
            "lost: ",
            "members: project_id, client_id",
            "passports: id",
            "projects ä: nr",
            // In the order of the table's key.
            "rooms: b, n",
        ],
    );
}

#[tokio::test]
async fn views_stand_in_for_both_ends_and_for_junctions() {
    let database = crate::database(FIXTURE).await;
    let catalog = load(&database, &scope()).await;
    let of = |name: &str| describe::relationships(&catalog, "api", name);
    assert_lines(
        &of("clients"),
        &[
            "rel api.clients -> api.:targetList O2M projects_client_id_fkey client id=({[}])\\ x par=0 self=false v=11",
            "rel api.clients -> api.:targetList M2M api.members members_client_fkey client id=client_id members_project_fkey :resno=project_id self=false v=11",
            "rel api.clients -> api.joined M2M api.members members_client_fkey client id=client_id members_project_fkey project_id=project_id self=false v=11",
            "rel api.clients -> api.kept O2M projects_client_id_fkey client id=client_id par=0 self=false v=11",
            "rel api.clients -> api.kept M2M api.members members_client_fkey client id=client_id members_project_fkey id=project_id self=false v=11",
            "rel api.clients -> api.members O2M members_client_fkey client id=client_id par=0 self=false v=11",
            "rel api.clients -> api.passports O2O passports_client_fkey client id=client par=1 self=false v=11",
            "rel api.clients -> api.projects ä O2M projects_client_id_fkey client id=for client par=0 self=false v=11",
            "rel api.clients -> api.projects ä M2M api.members members_client_fkey client id=client_id members_project_fkey nr=project_id self=false v=11",
        ],
    );
    // A composite key in another order, and one relationship for each name of a repeated column.
    assert_lines(
        &of("rooms"),
        &[
            "rel api.rooms -> api.bookings O2M the room b=b1,n=n par=0 self=false v=11",
            "rel api.rooms -> api.bookings O2M the room b=b2,n=n par=0 self=false v=11",
        ],
    );
    for without in ["half_rooms", "computed", "combined", "circle_a", "circle_b", "lost"] {
        assert_lines(&of(without), &[] as &[&str]);
    }
}

#[tokio::test]
async fn a_table_and_a_view_over_it_are_joined_like_two_relations() {
    let database = crate::database(
        "create table t (id int primary key, parent int references t);
         create view v as select id as vid, parent as vparent from t",
    )
    .await;
    let catalog = load(&database, &Scope::default()).await;
    assert_lines(
        &describe::relationships(&catalog, "public", "v"),
        &[
            "rel public.v -> public.t O2M t_parent_fkey vid=parent par=0 self=false v=10",
            "rel public.v -> public.t M2O t_parent_fkey vparent=id par=0 self=false v=10",
            "rel public.v -> public.v O2M t_parent_fkey vid=vparent par=0 self=true v=11",
            "rel public.v -> public.v M2O t_parent_fkey vparent=vid par=0 self=true v=11",
        ],
    );
}

fn read(relation: &Relation, name: &str) -> Option<(bool, bool)> {
    let (schema, name) = name.split_once('.').unwrap();
    let wanted = QualifiedName::new(schema, name);
    let found: Option<&BaseRead> = relation.reads.iter().find(|read| read.relation == wanted);
    found.map(|read| (read.row_security, read.as_caller))
}

#[tokio::test]
async fn reads_say_what_is_reached_and_with_whose_rights() {
    let database = crate::database(
        "create schema deep;
         create table deep.policed (id int primary key); alter table deep.policed enable row level security;
         create table deep.plain (id int primary key);
         create view deep.as_owner as select * from deep.policed;
         create view deep.as_caller with (security_invoker = on) as select * from deep.policed;
         create materialized view deep.copy as select * from deep.as_caller;
         create view owner_view as select id from deep.policed where id in (select id from deep.plain);
         create view caller_view with (security_invoker) as select * from deep.as_caller;
         create view caller_of_owner with (security_invoker = true) as select * from deep.as_owner;
         create view owner_of_caller as select * from deep.as_caller;
         create view both_ways with (security_invoker = 1) as
           select id from deep.policed union all select id from deep.as_owner;
         create view of_copy with (security_invoker) as select * from deep.copy;
         create view switched_off with (security_invoker = false) as select * from deep.policed;
         create view system as select oid from pg_class;",
    )
    .await;
    let catalog = load(&database, &Scope::default()).await;
    let reads = |view: &str, base: &str| read(catalog.relation("public", view).unwrap(), base);
    assert_eq!(reads("owner_view", "deep.policed"), Some((true, false)));
    assert_eq!(reads("owner_view", "deep.plain"), Some((false, false)));
    assert_eq!(reads("caller_view", "deep.policed"), Some((true, true)));
    assert_eq!(reads("caller_view", "deep.as_caller"), Some((false, true)));
    assert_eq!(reads("caller_of_owner", "deep.policed"), Some((true, false)));
    assert_eq!(reads("owner_of_caller", "deep.policed"), Some((true, false)));
    assert_eq!(reads("both_ways", "deep.policed"), Some((true, false)), "the path with fewer rights counts");
    assert_eq!(reads("of_copy", "deep.policed"), Some((true, false)), "a materialized view was filled by its owner");
    assert_eq!(reads("of_copy", "deep.copy"), Some((false, true)));
    assert_eq!(reads("switched_off", "deep.policed"), Some((true, false)));
    assert!(catalog.relation("public", "system").unwrap().reads.is_empty());
    let caller_view = catalog.relation("public", "caller_view").unwrap();
    assert!(caller_view.security_invoker && caller_view.kind == RelationKind::View);
    assert!(catalog.relation("deep", "policed").is_none(), "what is not exposed is not in the catalog");
}
