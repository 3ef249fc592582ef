//! What JSON documents look like: found while loading, found again when definitions or rows change, never at any price.

use std::time::{Duration, Instant};

use ferrobase_catalog::{Catalog, CatalogHandle, ReloadOptions, Reloader, Scope, connect_with, load};
use ferrobase_pg::ConnectOptions;
use ferrobase_testkit::TestDatabase;
use tokio::sync::watch;

const DOCS: &str = "
    create table docs (id int primary key, data jsonb);
    insert into docs values (1, '{\"__typename\": \"Doc\", \"a\": 1}');
    create view v_doc as select id, jsonb_build_object('__typename', 'Doc', 'own', id) || data as data from docs;
    create view plain as select id from docs;";

fn scope() -> Scope {
    Scope { documents: vec!["public".to_owned()], ..Scope::default() }
}

async fn loaded(database: &TestDatabase) -> Catalog {
    load(&mut database.connect().await, &scope()).await.unwrap()
}

/// The keys of the documents of a relation or function.
fn keys(catalog: &Catalog, name: &str) -> Vec<String> {
    let name = ferrobase_catalog::QualifiedName::new("public", name);
    let sampled = catalog.shapes.relations.get(&name).or_else(|| catalog.shapes.functions.get(&name));
    let objects = sampled.map(|sampled| sampled.shape.objects.clone()).unwrap_or_default();
    objects.values().flat_map(|object| object.keys.keys().cloned()).collect()
}

#[tokio::test]
async fn only_documents_of_the_scope_are_looked_into() {
    let database = crate::database(DOCS).await;
    database
        .script(
            "create table tv_stats (id int primary key, data jsonb); insert into tv_stats values (1, '{\"n\": 1}');
             create materialized view mv_doc as select id, data from docs;
             create function v_doc_for(p_who text default 'nobody') returns table (id int, data jsonb) language sql stable as
                $$ select id, jsonb_build_object('who', p_who) from docs $$;
             create function v_needs(p_who text) returns table (id int, data jsonb) language sql stable as
                $$ select id, jsonb_build_object('who', p_who) from docs $$;",
        )
        .await;
    let catalog = loaded(&database).await;
    assert_eq!(keys(&catalog, "v_doc"), ["a", "own"]);
    assert_eq!((keys(&catalog, "tv_stats"), keys(&catalog, "mv_doc")), (vec!["n".to_owned()], vec!["a".to_owned()]));
    assert_eq!((keys(&catalog, "v_doc_for"), keys(&catalog, "v_needs")), (vec!["who".to_owned()], vec![]));
    let name = ferrobase_catalog::QualifiedName::new("public", "v_doc_for");
    assert_eq!(catalog.shapes.functions[&name].defaults, [Some("'nobody'::text".to_owned())]);
    assert_eq!(catalog.shapes.relations.len(), 3, "plain tables and views without documents are left alone");
    let without = load(&mut database.connect().await, &Scope::default()).await.unwrap();
    assert!(without.shapes.is_empty());
}

#[tokio::test]
async fn views_of_others_are_never_run_with_our_rights() {
    let database = crate::database(DOCS).await;
    // Roles are the cluster's, and other tests may have made it.
    database.connect().await.script("create role cat_shapes").await.ok();
    database
        .script(
            "create table seen (who text); grant insert on seen to public;
             grant select on docs to cat_shapes; grant create on schema public to cat_shapes;
             set role cat_shapes;
             create function note() returns int language plpgsql as $$ begin
                insert into public.seen values (current_user); return 1; end $$;
             create view v_theirs as select id, jsonb_build_object('n', note()) as data from docs;
             create function v_theirs_too() returns table (id int, data jsonb) language sql stable as
                $$ select 1, jsonb_build_object('n', note()) $$;",
        )
        .await;
    let catalog = loaded(&database).await;
    assert_eq!((keys(&catalog, "v_theirs"), keys(&catalog, "v_theirs_too")), (vec![], vec![]));
    assert_eq!(keys(&catalog, "v_doc"), ["a", "own"]);
}

#[tokio::test]
async fn a_view_that_is_slow_or_broken_stops_nobody() {
    let database = crate::database(DOCS).await;
    database
        .script(
            "create view v_slow as select id, jsonb_build_object('slow', pg_sleep(60)::text) as data from docs;
             create view v_broken as select id, jsonb_build_object('n', 1 / (id - 1)) as data from docs;
             create view v_large as select id, jsonb_build_object('long', repeat('x', 100000)) as data from docs;
             create function writes() returns int language plpgsql as $$ begin delete from public.docs; return 1; end $$;
             create view v_writing as select id, jsonb_build_object('n', writes()) as data from docs;",
        )
        .await;
    let started = Instant::now();
    let catalog = loaded(&database).await;
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    assert_eq!(keys(&catalog, "v_doc"), ["a", "own"]);
    for name in ["v_slow", "v_broken", "v_large", "v_writing"] {
        assert_eq!(keys(&catalog, name), [""; 0], "{name}");
    }
}

#[tokio::test]
async fn new_keys_are_found_after_a_change_of_the_view_and_in_rows_that_come_later() {
    let database = crate::database(DOCS).await;
    let handle = CatalogHandle::new();
    let (_scope, seen) = watch::channel(scope());
    let options = ReloadOptions {
        settle: Duration::from_millis(5),
        min_interval: Duration::from_millis(20),
        rest: 0,
        resample: Duration::from_millis(100),
        ..ReloadOptions::default()
    };
    let connect = connect_with(ConnectOptions::parse(database.url()).unwrap());
    let reloader = Reloader::spawn(connect, seen, handle.clone(), options);
    reloader.first_load().await.unwrap();
    assert_eq!(keys(&handle.get().unwrap(), "v_doc"), ["a", "own"]);
    // Rows alone: nobody tells of it.
    database.script("update docs set data = '{\"__typename\": \"Doc\", \"b\": 1}'").await;
    let has = async |expected: &[&str]| {
        let until = Instant::now() + Duration::from_secs(10);
        while keys(&handle.get().unwrap(), "v_doc") != expected {
            assert!(Instant::now() < until, "{:?}", keys(&handle.get().unwrap(), "v_doc"));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    has(&["a", "b", "own"]).await;
    let settled = handle.get().unwrap().generation;
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(handle.get().unwrap().generation, settled, "what stays the same makes no new catalog");
    // A load for whatever reason forgets nothing; another definition does.
    reloader.reload().await.unwrap();
    assert_eq!(keys(&handle.get().unwrap(), "v_doc"), ["a", "b", "own"]);
    database.script("create or replace view v_doc as select id, jsonb_build_object('c', 1) as data from docs").await;
    reloader.reload().await.unwrap();
    assert_eq!(keys(&handle.get().unwrap(), "v_doc"), ["c"]);
}
