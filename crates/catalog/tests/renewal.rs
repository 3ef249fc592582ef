//! Proofs that are renewed while a load is under way: only of what was asked for, is what the catalog in force calls by
//! that name, and still runs known code only.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ferrobase_catalog::{Catalog, CatalogHandle, Connect, Proven, ReloadOptions, Reloader, Scope, Verb, connect_with};
use ferrobase_pg::{ConnectOptions, Session};
use ferrobase_testkit::TestDatabase;
use tokio::sync::watch;

const FIXTURE: &str = "
    create function me() returns int stable return current_setting('app.me', true)::int;
    create function hook() returns int language plpgsql as 'begin return 1; end';
    create type mood as enum ('good', 'bad');
    create domain positive as int check (value > 0);
    create table plain (id int);
    create table typed (id positive, mood mood);
    create table own_rows (id int, owner int);
    alter table own_rows enable row level security;
    create policy own on own_rows using (owner = me());
    create view over_own as select id from own_rows;
    create table parts (id int) partition by range (id);
    create table part_one partition of parts for values from (0) to (10);
    create table hooked (id int);
    create view over_hooked as select id from hooked;
    create table indexed (id int);
    create table new_type (id int);
    create table judged (id positive);
    create table grows (id int);
    create table widens (id int);
    create table shrinks (id int, note text);
    create table one (id int);
    create table other (id int);
    create table moved (id int);
    create table dropped (id int);
    create table never_asked (id int);
    create view looked_at as select id from plain;
    create schema elsewhere;
    create function tell() returns event_trigger language plpgsql as 'begin end';
    create event trigger ferrobase_ddl on ddl_command_end execute function tell();
    create event trigger ferrobase_drop on sql_drop execute function tell();
    create event trigger ferrobase_index on ddl_command_start when tag in ('CREATE INDEX') execute function tell();";

/// Loads and proves a database.
async fn started(database: &TestDatabase) -> (CatalogHandle, Reloader) {
    started_with(database, Duration::from_millis(1)).await
}

async fn started_with(database: &TestDatabase, settle: Duration) -> (CatalogHandle, Reloader) {
    started_by(connect_with(ConnectOptions::parse(database.url()).unwrap()), settle).await
}

async fn started_by(connect: Connect, settle: Duration) -> (CatalogHandle, Reloader) {
    let handle = CatalogHandle::new();
    handle.listens(true);
    let (_, seen) = watch::channel(Scope::default());
    let options =
        ReloadOptions { proves: true, settle, min_interval: Duration::ZERO, rest: 0, ..ReloadOptions::default() };
    let reloader = Reloader::spawn(connect, seen, handle.clone(), options);
    reloader.first_load().await.unwrap();
    until("proofs", async || handle.proven().is_some()).await;
    (handle, reloader)
}

async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    for _ in 0..2000 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("no {what} within ten seconds");
}

/// A load that waits for the session to roll back, after proofs were renewed.
async fn load_in_its_middle(database: &TestDatabase, reloader: &Reloader) -> Session {
    let mut blocker = database.connect().await;
    blocker.script("begin; alter view looked_at rename to gone").await.unwrap();
    reloader.trigger().request();
    let waiting = "select (count(*) > 0)::text from pg_stat_activity
                   where datname = current_database() and wait_event_type = 'Lock'";
    until("load that waits", async || database.value(waiting).await == "true").await;
    blocker
}

/// The relations of `public` that are proven, among these.
fn names(catalog: &Catalog, proven: Option<&Proven>) -> Vec<String> {
    let is_proven = |oid| proven.is_some_and(|proven| proven.relation(oid).is_some());
    let relations = catalog.relations.values().filter(|relation| is_proven(relation.oid));
    let mut names: Vec<_> = relations.map(|relation| relation.name.name.clone()).collect();
    names.sort();
    names
}

fn ask_for_all_but(catalog: &Catalog, proven: &Proven, left_out: &str) {
    for relation in catalog.relations.values().filter(|relation| relation.name.name != left_out) {
        proven.relation(relation.oid);
    }
}

#[tokio::test]
async fn sec_03_shadows_count_when_proofs_are_renewed() {
    let judged = "create function judge(text) returns bool language plpgsql as 'begin return true; end';
                  create domain inner_one as text check (judge(value));";
    for (change, expected) in [
        ("create domain age as int check (value > 0)", &["plain", "typed"][..]),
        ("create function length(mood) returns int language plpgsql as 'begin return 1; end'", &["plain"]),
        ("create function max(varchar) returns int language plpgsql as 'begin return 1; end'", &[]),
        // A doubt of everything is followed to its end.
        (&format!("{judged} create domain to_json as inner_one"), &[]),
    ] {
        let database = crate::database(FIXTURE).await;
        let (handle, reloader) = started(&database).await;
        let before = handle.get().unwrap();
        let oid = |name| before.relation("public", name).unwrap().oid;
        let asked = handle.proven().unwrap();
        assert!(["plain", "typed"].into_iter().all(|name| asked.relation(oid(name)).is_some()));
        database.script(change).await;
        let mut blocker = load_in_its_middle(&database, &reloader).await;
        let during = handle.proven_of(&before);
        crate::assert_lines(&names(&before, during.as_deref()), expected);
        blocker.script("rollback").await.unwrap();
    }
}

#[tokio::test]
async fn sec_03_what_was_asked_for_is_proven_again_where_names_and_code_are_what_they_were() {
    let database = crate::database(FIXTURE).await;
    let (handle, reloader) = started(&database).await;
    let before = handle.get().unwrap();
    ask_for_all_but(&before, &handle.proven().unwrap(), "never_asked");
    database
        .script(
            "create policy hook on hooked using (id = hook());
             create function fixed(int) returns int immutable language plpgsql as 'begin return 1; end';
             create index on indexed (fixed(id));
             create domain hooks as int check (hook() > 0);
             alter table new_type alter id type hooks;
             alter table grows add more int;
             alter table widens alter id type bigint;
             alter table shrinks drop note;
             create function note(shrinks) returns text language plpgsql as 'begin return null; end';
             alter table one rename to between; alter table other rename to one; alter table between rename to other;
             alter table moved set schema elsewhere;
             drop table dropped",
        )
        .await;
    let mut blocker = load_in_its_middle(&database, &reloader).await;
    let during = handle.proven_of(&before);
    assert!(during.as_ref().unwrap().stands().flag().load(std::sync::atomic::Ordering::Acquire));
    let expected = ["judged", "looked_at", "over_own", "own_rows", "parts", "plain", "typed"];
    crate::assert_lines(&names(&before, during.as_deref()), &expected);
    let settings = |proven: &Proven, name| proven.relation(before.relation("public", name).unwrap().oid).cloned();
    assert_eq!(format!("{:?}", settings(during.as_ref().unwrap(), "over_own")), "Some(Only([\"app.me\"]))");

    blocker.script("rollback").await.unwrap();
    until("new catalog", async || handle.get().unwrap().generation == 2).await;
    let after = handle.get().unwrap();
    // Of everything, after what was renewed.
    until("proof of everything", async || names(&after, handle.proven_of(&after).as_deref()).len() > expected.len())
        .await;
    let all = [
        "grows",
        "judged",
        "looked_at",
        "never_asked",
        "one",
        "other",
        "over_own",
        "own_rows",
        "parts",
        "plain",
        "shrinks",
        "typed",
        "widens",
    ];
    crate::assert_lines(&names(&after, handle.proven_of(&after).as_deref()), &all);
    assert!(during.unwrap().stands().flag().load(std::sync::atomic::Ordering::Acquire), "it is still so");
}

#[tokio::test]
async fn proofs_are_renewed_as_soon_as_a_change_is_heard_of() {
    let database = crate::database(FIXTURE).await;
    // Loads wait for more changes.
    let (handle, reloader) = started_with(&database, Duration::from_secs(60)).await;
    let before = handle.get().unwrap();
    ask_for_all_but(&before, &handle.proven().unwrap(), "never_asked");
    database.script("create policy hook on hooked using (id = hook())").await;
    reloader.trigger().request();
    until("renewed proofs", async || handle.proven_soon(&before, CatalogHandle::WAIT).await.is_some()).await;
    let renewed = names(&before, handle.proven_of(&before).as_deref());
    assert!(renewed.contains(&"own_rows".to_owned()) && !renewed.contains(&"never_asked".to_owned()), "{renewed:?}");
    // At once only so often: else requests would always wait for somebody who says all the time that something changed.
    reloader.trigger().request();
    assert!(handle.proven().is_none() && !handle.is_being_renewed());
    assert_eq!(handle.get().unwrap().generation, 1, "the load has not begun");
}

#[tokio::test]
async fn nothing_is_renewed_that_may_be_another_thing_by_now() {
    for change in [
        "alter event trigger ferrobase_drop disable",
        "create function upper(varchar) returns text language sql as 'select null::text'",
        "create function own_cast(point) returns int language plpgsql as 'begin return 1; end';
         create cast (point as int) with function own_cast(point) as assignment",
    ] {
        let database = crate::database(FIXTURE).await;
        let (handle, reloader) = started(&database).await;
        let before = handle.get().unwrap();
        ask_for_all_but(&before, &handle.proven().unwrap(), "");
        database.script(change).await;
        let mut blocker = load_in_its_middle(&database, &reloader).await;
        assert_eq!(names(&before, handle.proven_of(&before).as_deref()), [""; 0], "{change}");
        blocker.script("rollback").await.unwrap();
    }
}

#[tokio::test]
async fn a_renewed_proof_ends_with_the_next_word_of_a_change() {
    let database = crate::database(FIXTURE).await;
    let (handle, reloader) = started(&database).await;
    let before = handle.get().unwrap();
    ask_for_all_but(&before, &handle.proven().unwrap(), "");
    let mut blocker = load_in_its_middle(&database, &reloader).await;
    assert!(names(&before, handle.proven_of(&before).as_deref()).contains(&"hooked".to_owned()));
    database.script("create policy hook on hooked using (id = hook())").await;
    reloader.trigger().request();
    assert!(handle.proven().is_none(), "at once");
    blocker.script("rollback").await.unwrap();
    // The load that was under way knows nothing of the change, and its catalog takes over no proof.
    until("two loads", async || handle.get().unwrap().generation == 3).await;
    until("proofs", async || handle.proven_of(&handle.get().unwrap()).is_some()).await;
    let after = handle.get().unwrap();
    let proven = names(&after, handle.proven_of(&after).as_deref());
    assert!(proven.contains(&"plain".to_owned()) && !proven.contains(&"hooked".to_owned()), "{proven:?}");
}

#[tokio::test]
async fn renewals_have_a_session_that_stands_by() {
    let database = crate::database(FIXTURE).await;
    let (connect, opened) =
        (connect_with(ConnectOptions::parse(database.url()).unwrap()), Arc::new(AtomicUsize::new(0)));
    let counting: Connect = Arc::new({
        let opened = Arc::clone(&opened);
        move || {
            opened.fetch_add(1, Ordering::Relaxed);
            connect()
        }
    });
    let (handle, reloader) = started_by(counting, Duration::from_millis(1)).await;
    let standing = "select coalesce(max(pid), 0)::text from pg_stat_activity
                    where datname = current_database() and state = 'idle' and query = 'rollback'";
    // One for the load, one afterwards.
    for opened_so_far in [2, 3] {
        until("session that stands by", async || database.value(standing).await != "0").await;
        assert_eq!(opened.load(Ordering::Relaxed), opened_so_far);
        ask_for_all_but(&handle.get().unwrap(), &handle.proven().unwrap(), "");
        let generation = handle.get().unwrap().generation;
        let pid = database.value(standing).await;
        reloader.trigger().request();
        assert!(handle.proven().is_none());
        // It renewed, and it loads.
        until("load", async || handle.get().unwrap().generation > generation).await;
        assert!(handle.proven().is_some());
        until("another", async || !["0", &pid].contains(&database.value(standing).await.as_str())).await;
    }
    // One that is gone helps nobody.
    let pid = database.value(standing).await;
    database.value(&format!("select pg_terminate_backend({pid}, 5000)::text")).await;
    ask_for_all_but(&handle.get().unwrap(), &handle.proven().unwrap(), "");
    reloader.trigger().request();
    until("renewed proofs", async || handle.proven().is_some()).await;
    assert!(opened.load(Ordering::Relaxed) >= 5, "by a new one");
}

/// `name iud` of tables and `name()` of functions of `public` that are proven; whoever asks for them has asked.
fn writes_and_calls(catalog: &Catalog, proven: Option<&Proven>) -> Vec<String> {
    let Some(proven) = proven else { return Vec::new() };
    let verbs = [(Verb::Insert, 'i'), (Verb::Update, 'u'), (Verb::Delete, 'd')];
    let writes = catalog.relations.values().filter_map(|relation| {
        let of: String =
            verbs.iter().filter(|(verb, _)| proven.write(*verb, relation.oid).is_some()).map(|(_, c)| *c).collect();
        (!of.is_empty()).then(|| format!("{} {of}", relation.name.name))
    });
    let functions = catalog.functions.values().flatten().filter(|function| proven.function(function.oid).is_some());
    let mut lines: Vec<_> = writes.chain(functions.map(|function| format!("{}()", function.name.name))).collect();
    lines.sort();
    lines
}

#[tokio::test]
async fn sec_03_writes_and_calls_that_were_asked_for_are_proven_again_where_they_mean_the_same() {
    let more = "
        create table written (id int generated by default as identity primary key, note text default 'x', mood mood, at timestamptz default now());
        create table never_written (id int);
        create table fires (id int);
        create table by_default (id int, number int default 1);
        create table by_function (id int, number int default 1);
        create table top (id int primary key);
        create table below (id int primary key references top on delete cascade on update cascade);
        create table bottom (id int references below on delete cascade on update cascade);
        create table alone (id int primary key);
        create table widened (id int);
        create function twice(a int) returns int immutable return a * 2;
        create function never_called(a int) returns int immutable return a;
        create function two_of_them(a int) returns int immutable return a;
        create function two_of_them(a int, b int) returns int immutable return a;
        create function overloaded(a int) returns int immutable return a;
        create function rewritten(a int) returns int immutable return a;
        create function called_otherwise(a int) returns int immutable return a;
        create function optional(a int, b int default 1) returns int immutable return a;
        create function declares(out a int, out b text) stable begin atomic select 1, 'x'; end;
        create function looks() returns text stable return current_setting('app.me', true);";
    let database = crate::database(&format!("{FIXTURE} {more}")).await;
    let (handle, reloader) = started(&database).await;
    let before = handle.get().unwrap();
    let all = writes_and_calls(&before, handle.proven().as_deref());
    // Asked for: everything but these. (Whatever is in the list was asked for, so a handle that has proven anew is needed.)
    for proven in ["below iud", "by_default iud", "called_otherwise()", "fires iud", "never_called()", "written iud"] {
        assert!(all.contains(&proven.to_owned()), "{proven}: {all:?}");
    }
    reloader.reload().await.unwrap();
    until("proof of everything", async || {
        let catalog = handle.get().unwrap();
        let oid = catalog.relation("public", "never_asked").unwrap().oid;
        handle.proven_of(&catalog).is_some_and(|proven| proven.relation(oid).is_some())
    })
    .await;
    let before = handle.get().unwrap();
    let proven = handle.proven().unwrap();
    ask_for_all_but(&before, &proven, "never_asked");
    for relation in before.relations.values().filter(|relation| relation.name.name != "never_written") {
        for verb in [Verb::Insert, Verb::Update, Verb::Delete] {
            proven.write(verb, relation.oid);
        }
    }
    for function in before.functions.values().flatten().filter(|function| function.name.name != "never_called") {
        proven.function(function.oid);
    }
    database
        .script(
            "create function before() returns trigger language plpgsql as 'begin return new; end';
             create trigger fires before insert on fires for each row execute function before();
             create trigger fires before delete on bottom for each row execute function before();
             alter table by_default alter number set default 2;
             alter table by_function alter number set default hook();
             create table refers (id int references alone on update set default);
             alter table widened alter id type bigint;
             create function overloaded(a text) returns int language plpgsql as 'begin return 1; end';
             create or replace function rewritten(a int) returns int immutable language plpgsql as 'begin return 1; end';
             drop function called_otherwise; create function called_otherwise(b int) returns int immutable return b;
             create or replace function optional(a int default 2, b int default 1) returns int immutable return a;
             create or replace function looks() returns text stable return current_setting('app.other', true);
             alter table grows add more int",
        )
        .await;
    let mut blocker = load_in_its_middle(&database, &reloader).await;
    let during = handle.proven_of(&before);
    let found = writes_and_calls(&before, during.as_deref());
    let expected = [
        "alone id",
        "below iu",
        "bottom iu",
        "declares()",
        "fires ud",
        "looks()",
        "me()",
        "top iu",
        "twice()",
        "two_of_them()",
        "two_of_them()",
        "written iud",
    ];
    let others = [
        "dropped",
        "hooked",
        "indexed",
        "judged",
        "moved",
        "never_asked",
        "new_type",
        "one",
        "other",
        "own_rows",
        "parts",
        "plain",
        "shrinks",
        "typed",
        "widens",
    ];
    let found: Vec<_> =
        found.into_iter().filter(|line| !others.iter().any(|other| line.starts_with(&format!("{other} ")))).collect();
    crate::assert_lines(&found, &expected);
    let looks = before.overloads("public", "looks")[0].oid;
    assert_eq!(format!("{:?}", during.unwrap().function(looks)), "Some(Only([\"app.other\"]))");
    blocker.script("rollback").await.unwrap();
}

/// The type on which a domain stands is part of statements, by its name.
#[tokio::test]
async fn sec_03_nothing_is_renewed_whose_domains_stand_on_something_else() {
    let more = "
        create function bad(text) returns bool language plpgsql as 'begin return true; end';
        create domain feeling as mood;
        create table felt (id int primary key, how feeling);
        create domain short as varchar(9);
        create table noted (id int primary key, note short);";
    for change in [
        "alter type mood rename to mood_of_before; create domain mood as mood_of_before check (bad(value::text))",
        "alter table felt alter how type text; drop domain feeling; create domain feeling as text;
         alter table felt alter how type feeling; alter type mood rename to mood_of_before;
         create domain mood as text check (bad(value))",
    ] {
        let database = crate::database(&format!("{FIXTURE} {more}")).await;
        let (handle, reloader) = started(&database).await;
        let before = handle.get().unwrap();
        let proven = handle.proven().unwrap();
        ask_for_all_but(&before, &proven, "");
        let all = writes_and_calls(&before, Some(&proven));
        assert!(all.contains(&"felt iud".to_owned()) && all.contains(&"noted iud".to_owned()), "{all:?}");
        database.script(change).await;
        let mut blocker = load_in_its_middle(&database, &reloader).await;
        let during = handle.proven_of(&before);
        let found = writes_and_calls(&before, during.as_deref());
        assert!(found.contains(&"noted iud".to_owned()), "{found:?}");
        assert!(!found.iter().any(|line| line.starts_with("felt")), "{found:?}");
        let read = names(&before, during.as_deref());
        assert!(read.contains(&"noted".to_owned()) && !read.contains(&"felt".to_owned()), "{read:?}");
        blocker.script("rollback").await.unwrap();
    }
}
