//! Which relationships foreign keys and functions make, under the rules that clients know from PostgREST.

use ferrobase_catalog::{QualifiedName, Scope};

use crate::{assert_lines, describe, load};

const FIXTURE: &str = include_str!("fixtures/relationships.sql");

#[tokio::test]
async fn keys_and_functions_make_the_relationships_of_a_table() {
    let database = crate::database(FIXTURE).await;
    let catalog = load(&database, &Scope::exposing(["public", "Other \"schema"])).await;
    let of = |name: &str| describe::relationships(&catalog, "public", name);

    assert_lines(
        &of("people"),
        &[
            "rel public.people -> public.people C fn=public.boss one=true self=true",
            "rel public.people -> public.teams C fn=Other \"schema.elsewhere one=false self=false",
            "rel public.people -> public.teams C fn=public.first_team one=true self=false",
            "rel public.people -> public.teams C fn=public.leads one=false self=false",
            "rel public.people -> Other \"schema.bad.ges O2M Fk 1 id=person,id par=0 self=false v=00",
            "rel public.people -> public.assigned O2M assigned_person_fkey id=person par=0 self=false v=00",
            "rel public.people -> public.badges O2O badges_person_fkey id=person par=1 self=false v=00",
            // The unique index on desks is not a constraint.
            "rel public.people -> public.desks O2M desks_person_fkey id=person par=0 self=false v=00",
            "rel public.people -> public.friends O2M friends_a_fkey id=a par=0 self=false v=00",
            "rel public.people -> public.friends O2M friends_b_fkey id=b par=0 self=false v=00",
            "rel public.people -> public.halved O2O halved_person_fkey id=person par=1 self=false v=00",
            "rel public.people -> public.logged O2M logged_person_fkey id=person par=0 self=false v=00",
            "rel public.people -> public.noted O2M noted_person_fkey id=person par=0 self=false v=00",
            "rel public.people -> public.people M2M public.friends friends_a_fkey id=a friends_b_fkey id=b self=true v=00",
            "rel public.people -> public.people M2M public.friends friends_b_fkey id=b friends_a_fkey id=a self=true v=00",
            "rel public.people -> public.profiles O2O profiles_person_fkey id=person par=1 self=false v=00",
            "rel public.people -> public.sales O2M sales_person_fkey id=person par=0 self=false v=00",
            "rel public.people -> public.teams O2M teams_deputy_fkey id=deputy par=0 self=false v=00",
            "rel public.people -> public.teams O2M teams_lead_fkey id=lead par=0 self=false v=00",
            // Not over noted (own key), halved (key of one arm) or the hidden junction.
            "rel public.people -> public.täsks x M2M public.assigned assigned_person_fkey id=person assigned_task_fkey id=task self=false v=00",
            "rel public.people -> public.täsks x M2M public.logged logged_person_fkey id=person logged_task_fkey id=task self=false v=00",
        ],
    );
    assert_lines(
        &of("parts"),
        &[
            "rel public.parts -> public.parts O2M parts_parent_fkey id=parent par=0 self=true v=00",
            "rel public.parts -> public.parts M2O parts_parent_fkey parent=id par=0 self=true v=00",
            "rel public.parts -> public.parts O2O parts_successor_fkey id=successor par=1 self=true v=00",
            "rel public.parts -> public.parts O2O parts_successor_fkey successor=id par=0 self=true v=00",
        ],
    );
    assert_lines(
        &of("seats"),
        &["rel public.seats -> public.places O2O seats_sx_sy_fkey sx=x,sy=y par=0 self=false v=00"],
    );
    assert_lines(&of("left_end"), &[] as &[&str]);
    assert_lines(
        &of("sales"),
        &[
            "rel public.sales -> public.people M2O sales_person_fkey person=id par=0 self=false v=00",
            "rel public.sales -> public.refunds O2M refunds_sale_sale_day_fkey id=sale,day=sale_day par=0 self=false v=00",
        ],
    );
    // people(teams) replaced both detected keys to people.
    assert_lines(&of("teams"), &["rel public.teams -> public.people C fn=public.people one=false self=false"]);
    let every = catalog.relationships.values().flatten();
    assert!(every.clone().all(|r| !r.target.name.starts_with("sales_") && r.target.schema != "hidden"));
    assert!(every.clone().all(|r| catalog.relation(&r.source.schema, &r.source.name).is_some()));
}

#[tokio::test]
async fn a_request_follows_only_what_its_schema_has() {
    let database = crate::database(FIXTURE).await;
    let catalog = load(&database, &Scope::exposing(["public", "Other \"schema"])).await;
    let within = |schema: &'static str, source: &str| -> Vec<String> {
        catalog.relationships_within(schema, source).map(|r| r.target.to_string()).collect()
    };
    assert!(within("public", "people").iter().all(|target| target.starts_with("public.")));
    assert_eq!(within("public", "people").len(), 19);
    assert_eq!(within("Other \"schema", "bad.ges"), [""; 0]);
    assert_eq!(within("public", "nothing"), [""; 0]);
    let other = QualifiedName::new("Other \"schema", "bad.ges");
    assert_eq!(catalog.relationships_of(&other).len(), 1);
    assert!(!catalog.relationships_of(&other)[0].is_self);
}

#[tokio::test]
async fn the_same_database_gives_the_same_catalog() {
    let database = crate::database(FIXTURE).await;
    let scope = Scope::exposing(["public", "Other \"schema"]);
    let (first, second) = (load(&database, &scope).await, load(&database, &scope).await);
    assert_lines(&describe::catalog(&first), &describe::catalog(&second));
}

#[tokio::test]
async fn comments_of_keys_and_types_are_known() {
    let database = crate::database(
        "create table teams (id int primary key); create table people (id int primary key, team int constraint of_team references teams,
             other int constraint silent references teams);
         create view seen as select * from people;
         comment on constraint of_team on people is 'which team';
         create type mood as enum ('sad'); comment on type mood is 'how one feels'; create type plain as enum ('x');",
    )
    .await;
    let catalog = load(&database, &Scope::exposing(["public"])).await;
    for (source, count) in [("people", 1), ("seen", 1), ("teams", 2)] {
        let ways = catalog.relationships_of(&QualifiedName::new("public", source));
        let said: Vec<_> = ways.iter().filter_map(|way| Some((way.constraint()?, way.comment.as_deref()?))).collect();
        assert_eq!(said, vec![("of_team", "which team"); count], "{source}");
    }
    let comments: Vec<_> =
        catalog.type_comments.iter().map(|(name, text)| (name.name.as_str(), text.as_str())).collect();
    assert_eq!(comments, [("mood", "how one feels")]);
}
