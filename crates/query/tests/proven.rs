//! Which casts leave a plan proven: those to types of PostgreSQL's own, which no search path gives another meaning.

use ferrobase_catalog::{Proven, Scope, Verb};
use ferrobase_query::plan::*;
use ferrobase_query::prove;
use ferrobase_query::{CatalogSql, TypeName};

use crate::company::name;

#[tokio::test]
async fn sec_03_casts_to_types_of_postgresqls_own_run_known_code_only() {
    let database = ferrobase_testkit::database().await;
    database
        .script(
            "create type mood as enum ('good'); create table things (id int, note text, mood mood);
             create domain int4 as int check (value > 0); create domain short as text",
        )
        .await;
    let mut session = database.connect().await;
    let catalog = ferrobase_catalog::load(&mut session, &Scope::default()).await.unwrap();
    let proven = Proven::of([catalog.relation("public", "things").unwrap().oid], []);
    let is_proven = |select: Select| {
        let read = Read { select: vec![select], ..Read::from(Source::Table(name("things")), "things") };
        prove(&Query::list(read), &catalog, &proven).is_some()
    };
    for (to, expected) in [
        ("text", true),
        ("INT", true),
        ("double precision", true),
        ("int4", true),
        ("uuid", true),
        ("timestamptz", true),
        ("jsonb", true),
        ("short", false),
        ("mood", false),
        ("regclass", false),
        ("things", false),
        ("text\"", false),
        ("public.int4", false),
    ] {
        let cast = || Some(TypeName::from_caller(to));
        let counted = Aggregate { cast: cast(), ..Aggregate::of(AggregateFunction::Count) };
        for select in [
            Select { cast: cast(), ..Select::column("note") },
            Select { aggregate: Some(counted), ..Select::column("id") },
        ] {
            assert_eq!(is_proven(select), expected, "{to}");
        }
        if expected {
            // Whatever the search path says besides.
            let oid = database.value(&format!("select '{to}'::regtype::oid::text")).await;
            assert!(oid.parse::<u32>().unwrap() < 16_384, "{to}");
        }
    }
}

#[tokio::test]
async fn sec_03_documents_that_are_written_as_texts_run_known_code_only() {
    let database = ferrobase_testkit::database().await;
    database.script("create type mood as enum ('good'); create table things (id int, note jsonb, mood mood)").await;
    let mut session = database.connect().await;
    let catalog = ferrobase_catalog::load(&mut session, &Scope::default()).await.unwrap();
    let oid = catalog.relation("public", "things").unwrap().oid;
    let proven = Proven::of([oid], []).with_writes([(Verb::Insert, oid)]);
    let written = CatalogSql::written_by_catalog;
    let is_proven = |convert: Option<Convert>| {
        let column = InputColumn { name: "note".into(), type_name: written("text"), convert, default: None };
        let insert = Insert {
            table: name("things"),
            columns: vec![column],
            payload: Payload::Json { json: "{}".into(), is_object: true },
            missing_is_default: false,
            conflict: None,
            matching: Vec::new(),
            returning: Columns::Named(Vec::new()),
            location: Vec::new(),
        };
        let query = Query::list(Read::from(Source::Derived, "things"));
        let query = Query { mutation: Some(Mutation::Insert(insert)), body: Body::None, ..query };
        prove(&query, &catalog, &proven).is_some()
    };
    for own in ["json", "jsonb", "json[]", "jsonb[]"] {
        assert!(is_proven(Some(Convert::Cast(written(own)))), "{own}");
    }
    assert!(is_proven(None));
    assert!(!is_proven(Some(Convert::Cast(written("public.mood")))));
    assert!(!is_proven(Some(Convert::Cast(written("public.jsonb")))));
    assert!(!is_proven(Some(Convert::Call(written("public.read")))));
}
