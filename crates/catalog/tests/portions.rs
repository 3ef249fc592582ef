//! Loads beside requests: in portions, and yet of one moment.

use std::fmt::Write as _;
use std::time::Duration;

use ferrobase_catalog::{Catalog, CatalogHandle, LoadError, ReloadOptions, Reloader, Scope, connect_with};
use ferrobase_pg::ConnectOptions;
use ferrobase_testkit::TestDatabase;
use tokio::sync::watch;

/// A view that a load locks for a moment, after it has read schemas and roles and before it reads keys, functions and
/// columns.
const VIEW: &str = "create table base (id int primary key); create view looked_at as select id from base";

fn reloader(database: &TestDatabase, scope: Scope, options: ReloadOptions) -> (CatalogHandle, Reloader) {
    let (handle, (sender, seen)) = (CatalogHandle::new(), watch::channel(scope));
    // It never changes: triggers are what is left.
    drop(sender);
    let connect = connect_with(ConnectOptions::parse(database.url()).unwrap());
    let reloader = Reloader::spawn(connect, seen, handle.clone(), options);
    (handle, reloader)
}

fn quick() -> ReloadOptions {
    ReloadOptions {
        settle: Duration::from_millis(1),
        min_interval: Duration::ZERO,
        rest: 0,
        first_retry: Duration::from_millis(20),
        ..ReloadOptions::default()
    }
}

/// Everything that a load brings, line by line.
fn written(catalog: &Catalog) -> Vec<String> {
    let mut lines = vec![format!("{:?} {:?}", catalog.schemas, catalog.extensions)];
    lines.extend(catalog.relations.iter().map(|one| format!("{one:?}")));
    lines.extend(catalog.functions.iter().map(|one| format!("{one:?}")));
    lines.extend(catalog.relationships.iter().map(|one| format!("{one:?}")));
    lines.extend(catalog.types.iter().map(|one| format!("{one:?} {:?}", catalog.type_comments.get(one.0))));
    lines.extend(catalog.representations.iter().map(|one| format!("{one:?}")));
    lines.extend(catalog.media_handlers.iter().map(|one| format!("{one:?}")));
    let mut of_rows: Vec<_> = catalog.row_functions.iter().map(|one| format!("{one:?}")).collect();
    of_rows.sort();
    lines.extend(of_rows);
    let mut zones: Vec<_> = catalog.timezones.iter().cloned().collect();
    zones.sort();
    lines.extend(zones);
    lines
}

/// More of everything than one portion has.
fn many(count: usize) -> String {
    let mut script = String::from("create table many_0 (id int primary key, up int, name text unique);");
    for number in 1..count {
        let up = number / 2;
        write!(
            script,
            "create table many_{number} (id int primary key, up int references many_{up}, name text default 'x' unique);
             comment on table many_{number} is 'number {number}';
             create view many_view_{number} as select id as other, up, name from many_{number};
             create function many_of_{number}(a int, b text default null) returns setof many_{number} stable
               language sql as 'select * from many_{number}';"
        )
        .unwrap();
    }
    script
}

#[tokio::test]
async fn a_load_in_portions_gives_what_a_whole_load_gives() {
    for (fixture, schemas) in [
        (include_str!("fixtures/columns.sql").to_owned(), &["public", "other schema"][..]),
        (include_str!("fixtures/functions.sql").to_owned(), &["public", "ext ra"]),
        (include_str!("fixtures/relationships.sql").to_owned(), &["public", "Other \"schema"]),
        (include_str!("fixtures/values.sql").to_owned(), &["public", "ext ra"]),
        (include_str!("fixtures/views.sql").to_owned(), &["api", "helpers"]),
        (many(450), &["public"]),
    ] {
        let database = crate::database(&fixture).await;
        let scope = Scope { timezones: true, view_columns: true, ..Scope::exposing(schemas.iter().copied()) };
        let (handle, reloader) = reloader(&database, scope.clone(), quick());
        reloader.first_load().await.unwrap();
        let first = handle.get().unwrap();
        reloader.reload().await.unwrap();
        let portions = handle.get().unwrap();
        assert_eq!((first.generation, portions.generation), (1, 2));
        let whole = written(&crate::load(&database, &scope).await);
        assert!(whole.len() > 10, "there is something to compare");
        crate::assert_lines(&written(&first), &whole);
        crate::assert_lines(&written(&portions), &whole);
    }
}

/// A session that keeps a load in its middle until it rolls back.
async fn in_the_middle_of_a_load(database: &TestDatabase, reloader: &Reloader) -> ferrobase_pg::Session {
    let mut blocker = database.connect().await;
    blocker.script("begin; alter view looked_at rename to gone").await.unwrap();
    reloader.trigger().request();
    for _ in 0..2000 {
        if waiting(database).await != "0" {
            return blocker;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the load did not come to the view");
}

async fn waiting(database: &TestDatabase) -> String {
    database.value("select count(*)::text from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'").await
}

#[tokio::test]
async fn a_change_in_the_middle_of_a_load_is_seen_by_the_next_one_and_then_wholly() {
    let database = crate::database(VIEW).await;
    let (handle, reloader) = reloader(&database, Scope::default(), quick());
    reloader.first_load().await.unwrap();
    let before = written(&handle.get().unwrap());

    let mut blocker = in_the_middle_of_a_load(&database, &reloader).await;
    database
        .script(
            "alter table base add column added int;
             create table later (id int primary key, base int references base);
             create view over_both as select l.id, b.added from later l join base b on b.id = l.base;
             create function later_of(base base) returns setof later stable language sql as 'select * from later'",
        )
        .await;
    let mut state = reloader.state();
    blocker.script("rollback").await.unwrap();
    state.wait_for(|state| state.loads == 2).await.unwrap();
    crate::assert_lines(&written(&handle.get().unwrap()), &before);

    reloader.reload().await.unwrap();
    let after = handle.get().unwrap();
    crate::assert_lines(&written(&after), &written(&crate::load(&database, &Scope::default()).await));
    assert!(after.relation("public", "base").unwrap().columns.contains_key("added"));
    assert!(after.relation("public", "over_both").is_some() && after.overloads("public", "later_of").len() == 1);
}

#[tokio::test]
async fn a_load_that_fails_in_its_middle_keeps_the_old_catalog_and_is_done_again() {
    let database = crate::database(VIEW).await;
    let (handle, reloader) = reloader(&database, Scope::default(), quick());
    reloader.first_load().await.unwrap();

    let mut blocker = in_the_middle_of_a_load(&database, &reloader).await;
    database.script("create table later (id int)").await;
    let mut state = reloader.state();
    database
        .script("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'")
        .await;
    let failed = state.wait_for(|state| state.failures > 0).await.unwrap().clone();
    let error = failed.last_error.unwrap();
    assert!(matches!(&*error, LoadError::Query { query: "relation_list", .. }), "{error:?}");
    let kept = handle.get().unwrap();
    assert!(kept.generation == 1 && kept.relation("public", "later").is_none());

    blocker.script("rollback").await.unwrap();
    state.wait_for(|state| state.failures_in_a_row == 0 && state.loads == 2).await.unwrap();
    assert!(handle.get().unwrap().relation("public", "later").is_some());
}

/// Requests may use what was changed within a second: the quickest of several, because other tests run beside. Where the
/// machine is so busy that a whole load is slow too, rests may make it a few times as slow.
#[tokio::test]
async fn a_change_of_a_small_schema_is_there_within_a_second() {
    let database = crate::database(&many(250)).await;
    let (handle, reloader) = reloader(&database, Scope::default(), ReloadOptions::default());
    reloader.first_load().await.unwrap();
    let (mut quickest, mut whole) = (Duration::MAX, Duration::MAX);
    for number in 0..5 {
        // A load just ended, and so many a second are enough.
        tokio::time::sleep(Duration::from_secs(1)).await;
        database.script(&format!("create table new_{number} (id int)")).await;
        let asked = std::time::Instant::now();
        reloader.reload().await.unwrap();
        assert!(handle.get().unwrap().relation("public", &format!("new_{number}")).is_some());
        quickest = quickest.min(asked.elapsed());
        let asked = std::time::Instant::now();
        crate::load(&database, &Scope::default()).await;
        whole = whole.min(asked.elapsed());
    }
    assert!(quickest < Duration::from_secs(1).max(whole * 8), "{quickest:?}, a whole load {whole:?}");
}
