//! What is proven to run known code only: one object for each way in which reading can reach somebody's code.

use std::sync::Arc;
use std::time::Duration;

use ferrobase_catalog::{
    Catalog, CatalogHandle, Proven, ReloadOptions, Reloader, Scope, SettingsRead, Verb, connect_with,
};
use ferrobase_pg::ConnectOptions;
use ferrobase_testkit::TestDatabase;
use tokio::sync::watch;

/// What tells of changes, as far as this crate knows of it: an event trigger of this name.
pub(crate) const TELLS: &str = "
    create function tell() returns event_trigger language plpgsql as 'begin end';
    create event trigger ferrobase_ddl on ddl_command_end execute function tell();
    create event trigger ferrobase_drop on sql_drop execute function tell();
    create event trigger ferrobase_index on ddl_command_start when tag in ('CREATE INDEX') execute function tell();";

/// Loads until something is proven, or is known not to be.
pub(crate) async fn prove(database: &TestDatabase) -> (Arc<Catalog>, Option<Arc<Proven>>) {
    let handle = CatalogHandle::new();
    handle.listens(true);
    let (_scope, seen) = watch::channel(Scope::default());
    let connect = connect_with(ConnectOptions::parse(database.url()).unwrap());
    let options = ReloadOptions { proves: true, ..ReloadOptions::default() };
    let reloader = Reloader::spawn(connect, seen, handle.clone(), options);
    reloader.first_load().await.unwrap();
    for _ in 0..500 {
        if handle.proven().is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    (handle.get().unwrap(), handle.proven())
}

/// `name yes|no` of every relation and function of `public`.
fn table(catalog: &Catalog, proven: &Proven) -> Vec<String> {
    let word = |is_proven: bool| if is_proven { "yes" } else { "no" };
    let relations = catalog.relations.values().map(|r| (r.name.name.clone(), word(proven.relation(r.oid).is_some())));
    let functions = catalog.functions.values().flatten();
    let functions = functions.map(|f| (format!("{}()", f.name.name), word(proven.function(f.oid).is_some())));
    let mut lines: Vec<_> = relations.chain(functions).map(|(name, word)| format!("{name} {word}")).collect();
    lines.sort();
    lines
}

#[tokio::test]
async fn sec_03_only_what_runs_known_code_is_proven() {
    let database = crate::database(
        "
        create function me() returns int stable return current_setting('app.me', true)::int;
        create function calls_me() returns int return me() + 1;
        create function old_style() returns int language sql stable as 'select 1';
        create function in_plpgsql() returns int language plpgsql as 'begin return 1; end';
        create function calls_plpgsql() returns int return in_plpgsql() + 1;
        create function sets() returns text return set_config('app.me', '1', false);
        create function locks() returns void return pg_advisory_lock(1);
        create function runs_sql() returns xml return query_to_xml('select 1', true, false, '');
        create type mood as enum ('good', 'bad');
        create domain positive as int check (value > 0);
        create domain judged as int check (in_plpgsql() > 0);
        create type pair as (a int, b int);
        create type span as range (subtype = float8);

        create table plain (id int);
        create function writes() returns void begin atomic insert into plain values (1); end;
        create table typed (id int, mood mood, moods mood[], number positive, list int[], doc jsonb);
        create type compared as enum ('a', 'b');
        create function same(compared, compared) returns bool language plpgsql as 'begin return true; end';
        create operator = (leftarg = compared, rightarg = compared, function = same);
        create table with_operator (id int, value compared);
        create type shown as enum ('a', 'b');
        create function show(shown) returns json language sql as 'select null::json';
        create cast (shown as json) with function show(shown);
        create table with_cast (id int, value shown);
        create table paired (pair pair);
        create table spanned (span span);
        create table own_rows (id int, owner int);
        alter table own_rows enable row level security;
        create policy own on own_rows using (owner = me());
        create table by_plpgsql (id int);
        create policy own on by_plpgsql for select using (id = in_plpgsql());
        create table writes_plpgsql (id int);
        create policy own on writes_plpgsql for insert with check (id = in_plpgsql());
        create table by_old_style (id int);
        create policy own on by_old_style using (id = old_style());
        create table by_set_config (id int);
        create policy own on by_set_config using (set_config('role', 'postgres', false) is not null);
        create table through_others (id int);
        create policy own on through_others using (exists (select from own_rows o where o.id = through_others.id));
        create table through_bad (id int);
        create policy own on through_bad using (exists (select from by_plpgsql b where b.id = through_bad.id));
        create table cast_to_domain (id int);
        create policy own on cast_to_domain using (id::judged > 0);
        create view good_view as select id, upper('x') from own_rows;
        create view bad_view as select in_plpgsql();
        create view over_bad as select * from bad_view;
        create schema elsewhere; create extension xml2 schema elsewhere;
        create view runs_text as select * from elsewhere.xpath_table('a', 'b', 'c', 'd', 'true') as t (a int, b text);
        create materialized view copy as select id from plain;
        create table checked (id int check (id > in_plpgsql()));
        create function fixed(int) returns int immutable language plpgsql as 'begin return 1; end';
        create table indexed (id int);
        create index on indexed (fixed(id));
        create table parts (id int) partition by range (id);
        create table part_one partition of parts for values from (0) to (10);
        create extension file_fdw;
        create server files foreign data wrapper file_fdw;
        create foreign table remote (line text) server files options (filename '/dev/null');
        create table with_foreign (line text);
        create foreign table below () inherits (with_foreign) server files options (filename '/dev/null');
        create function tell() returns event_trigger language plpgsql as 'begin end';
        create event trigger ferrobase_ddl on ddl_command_end execute function tell();
        create event trigger ferrobase_drop on sql_drop execute function tell();
        create event trigger ferrobase_index on ddl_command_start when tag in ('CREATE INDEX') execute function tell();
    ",
    )
    .await;
    let (catalog, proven) = prove(&database).await;
    let expected = [
        "bad_view no",
        "below no",
        "by_old_style no",
        "by_plpgsql no",
        "by_set_config no",
        "calls_me() yes",
        "calls_plpgsql() no",
        "cast_to_domain no",
        "checked no",
        "copy yes",
        "good_view yes",
        "in_plpgsql() no",
        "indexed no",
        "locks() no",
        "me() yes",
        "old_style() no",
        "over_bad no",
        "own_rows yes",
        "paired no",
        "parts yes",
        "plain yes",
        "remote no",
        "runs_sql() no",
        "runs_text no",
        "sets() no",
        "span_multirange() no",
        "spanned no",
        "through_bad no",
        "through_others yes",
        "typed yes",
        "with_cast no",
        "with_foreign no",
        "with_operator no",
        "writes() no",
        "writes_plpgsql yes",
    ];
    crate::assert_lines(&table(&catalog, &proven.expect("the database tells of changes")), &expected);
}

/// `name iud` of every table of `public`: the verbs that are proven, `-` for none.
fn writes(catalog: &Catalog, proven: &Proven) -> Vec<String> {
    let verbs = [(Verb::Insert, 'i'), (Verb::Update, 'u'), (Verb::Delete, 'd')];
    let mut lines: Vec<_> = catalog
        .relations
        .values()
        .map(|relation| {
            let letters: String = verbs
                .iter()
                .filter(|(verb, _)| proven.write(*verb, relation.oid).is_some())
                .map(|(_, letter)| letter)
                .collect();
            format!("{} {}", relation.name.name, if letters.is_empty() { "-" } else { &letters })
        })
        .collect();
    lines.sort();
    lines
}

#[tokio::test]
async fn sec_03_only_writes_that_run_known_code_are_proven() {
    let database = crate::database(
        "
        create function in_plpgsql() returns int language plpgsql as 'begin return 1; end';
        create function fires() returns trigger language plpgsql as 'begin return new; end';
        create domain judged as int check (in_plpgsql() > 0);
        create sequence counted;

        create table plain (id int generated always as identity primary key, at timestamptz default now());
        create table counting (id bigint default nextval('counted'), key uuid default gen_random_uuid(), c serial);
        create table by_function (id int, number int default in_plpgsql());
        create table by_setting (id int, name text default set_config('app.me', '1', false));
        create table of_domain (id judged);
        create domain named as text default in_plpgsql()::text;
        create table by_domain (id int, name named);
        create domain counted_up as bigint default nextval('counted');
        create table counting_by_domain (id counted_up);
        create table on_condition (id int);
        create trigger now_and_then before update on on_condition for each row when (new.id > in_plpgsql())
          execute function suppress_redundant_updates_trigger();
        create table kept (id int, whole tsvector, title text);
        create trigger own before insert on kept
          for each row execute function tsvector_update_trigger(whole, 'pg_catalog.english', title);

        create table on_insert (id int);
        create trigger fires before insert on on_insert for each row execute function fires();
        create table on_update (id int);
        create trigger fires after update on on_update for each statement execute function fires();
        create table on_delete (id int);
        create constraint trigger fires after delete on on_delete deferrable initially deferred
          for each row execute function fires();
        create table switched_off (id int);
        create trigger fires before insert on switched_off for each row execute function fires();
        alter table switched_off disable trigger fires;
        create table ruled (id int);
        create rule no_delete as on delete to ruled do instead nothing;

        create table checked (id int);
        alter table checked enable row level security;
        create policy all_of_it on checked for select using (true);
        create policy new on checked for insert with check (id = in_plpgsql());
        create policy changed on checked for update using (true) with check (id > 0);
        create table owned (id int);
        alter table owned enable row level security;
        create policy own on owned using (id = current_setting('app.me', true)::int);
        create table judged_by_all (id int);
        alter table judged_by_all enable row level security;
        create policy own on judged_by_all using (true) with check (id = in_plpgsql());
        create table unreadable (id int);
        alter table unreadable enable row level security;
        create policy own on unreadable for select using (id = in_plpgsql());

        create table parent (id int primary key);
        create table child (id int primary key, parent int references parent);
        create table child_of_unreadable_key (id int unique check (id > in_plpgsql()));
        create table child_of_it (id int references child_of_unreadable_key (id));
        create table emptied (id int primary key);
        create table goes_along (id int, of int references emptied on delete cascade on update cascade);
        create trigger fires after delete on goes_along for each row execute function fires();
        create table let_go (id int primary key);
        create table stays (id int, of int references let_go on delete set null);
        create trigger fires after update on stays for each row execute function fires();
        create table to_default (id int primary key);
        create table falls_back (id int, of int default 1 references to_default on delete set default);

        create table parts (id int, place int) partition by list (place);
        create table part_one partition of parts for values in (1);
        create table part_two partition of parts for values in (2);
        create trigger fires before delete on part_two for each row execute function fires();
        create function place_of(int) returns int immutable language plpgsql as 'begin return $1; end';
        create table placed (id int, of int) partition by list (place_of(id));
        create table placed_one partition of placed for values in (1);
        create table of_a_part (id int primary key);
        alter table placed_one add foreign key (of) references of_a_part on update cascade;
        create view shown as select id from plain;
    ",
    )
    .await;
    database.script(TELLS).await;
    let (catalog, proven) = prove(&database).await;
    let expected = [
        "by_domain ud",
        "by_function ud",
        "by_setting ud",
        "checked ud",
        "child iud",
        "child_of_it d",
        "child_of_unreadable_key -",
        "counting iud",
        "counting_by_domain iud",
        "emptied iu",
        "falls_back iud",
        "goes_along iu",
        "judged_by_all -",
        "kept iud",
        "let_go iu",
        "of_a_part id",
        "of_domain -",
        "on_condition id",
        "on_delete iu",
        "on_insert ud",
        "on_update id",
        "owned iud",
        "parent iud",
        "parts i",
        "placed -",
        "plain iud",
        "ruled iu",
        "shown -",
        "stays id",
        "switched_off ud",
        "to_default iu",
        "unreadable -",
    ];
    crate::assert_lines(&writes(&catalog, &proven.expect("the database tells of changes")), &expected);
}

#[tokio::test]
async fn nothing_is_proven_where_nobody_tells_of_changes() {
    for script in ["", &format!("{TELLS} alter event trigger ferrobase_ddl disable;")] {
        let database = crate::database(&format!("create table plain (id int); {script}")).await;
        let (catalog, proven) = prove(&database).await;
        assert_eq!(table(&catalog, &proven.unwrap_or_default()), ["plain no"], "{script}");
    }
}

/// A function or an operator could be taken for PostgreSQL's own in the SQL that we write.
#[tokio::test]
async fn nothing_is_proven_where_names_of_postgresql_are_given_a_second_meaning() {
    for script in [
        "create function count(int) returns int language sql as 'select 1';",
        "create function equal(varchar, varchar) returns bool language plpgsql as 'begin return true; end';
         create operator = (leftarg = varchar, rightarg = varchar, function = equal);",
        "create function own_hash(int, bigint) returns bigint immutable language plpgsql as 'begin return 1; end';
         create operator class own for type int using hash as operator 1 =, function 2 own_hash(int, bigint);",
        "create function own_cast(point) returns int language plpgsql as 'begin return 1; end';
         create cast (point as int) with function own_cast(point) as assignment;",
    ] {
        let database = crate::database(&format!("create table plain (id int); {script} {TELLS}")).await;
        let (catalog, proven) = prove(&database).await;
        let lines = table(&catalog, &proven.unwrap());
        assert!(lines.contains(&"plain no".to_owned()), "{script}: {lines:?}");
    }
}

#[tokio::test]
async fn a_proof_ends_with_the_first_word_of_a_change_and_is_made_anew() {
    let database = crate::database(&format!("create table plain (id int); {TELLS}")).await;
    let handle = CatalogHandle::new();
    handle.listens(true);
    let (_scope, seen) = watch::channel(Scope::default());
    let connect = connect_with(ConnectOptions::parse(database.url()).unwrap());
    let options = ReloadOptions { proves: true, min_interval: Duration::ZERO, rest: 0, ..ReloadOptions::default() };
    let reloader = Reloader::spawn(connect, seen, handle.clone(), options);
    let proven = async || {
        for _ in 0..500 {
            if let Some(proven) = handle.proven() {
                return proven;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("nothing was proven within five seconds")
    };
    let oid = {
        reloader.first_load().await.unwrap();
        handle.get().unwrap().relation("public", "plain").unwrap().oid
    };
    assert!(proven().await.relation(oid).is_some());
    database
        .script(
            "
        create function hook() returns bool language plpgsql as 'begin return true; end';
        create policy own on plain using (hook())",
        )
        .await;
    reloader.trigger().request();
    assert!(handle.proven().is_none(), "at once, not after the load");
    assert!(proven().await.relation(oid).is_none());
}

/// `name: settings` of every relation and function of `public`, and of writes with the verb; `*` is any setting.
fn looks_at(catalog: &Catalog, proven: &Proven) -> Vec<String> {
    let words = |read: &SettingsRead| match read {
        SettingsRead::Any => "*".to_owned(),
        SettingsRead::Only(names) => names.join(" "),
    };
    let mut lines = Vec::new();
    for relation in catalog.relations.values() {
        lines.extend(proven.relation(relation.oid).map(|read| format!("{}: {}", relation.name.name, words(read))));
        for verb in [Verb::Insert, Verb::Update, Verb::Delete] {
            let written = proven.write(verb, relation.oid);
            lines.extend(written.map(|read| format!("{verb:?} {}: {}", relation.name.name, words(read))));
        }
    }
    let functions = catalog.functions.values().flatten();
    lines.extend(functions.filter_map(|f| Some(format!("{}(): {}", f.name.name, words(proven.function(f.oid)?)))));
    lines.sort();
    lines
}

#[tokio::test]
async fn what_proven_code_looks_at_is_known_by_name_or_is_anything() {
    let database = crate::database(
        "
        create function by_name() returns text stable return current_setting('App.Me', true);
        create function strictly() returns text stable return current_setting('request.path');
        create function through() returns text stable return coalesce(by_name(), strictly());
        create function by_column(name text) returns text stable return current_setting(name, true);
        create function composed() returns text stable return current_setting('app.' || current_user, true);
        create function umlaut() returns text stable return current_setting('app.grün', true);
        create function nothing() returns int return 1;
        create table plain (a int primary key, b text default by_name());
        create table mine (a int references plain, b text);
        alter table mine enable row level security;
        create policy seen on mine for select using (b = (select current_setting('app.seen', true)));
        create policy made on mine for insert with check (b = current_setting('app.made', true));
        create policy gone on mine for delete using (exists (select from plain p where p.b = strictly()));
        create table anything (a int);
        alter table anything enable row level security;
        create policy named on anything using (current_setting('a' || a) = 'x');
        create view shows as select a, current_setting('app.view', true) as b from mine;
        ",
    )
    .await;
    database.script(TELLS).await;
    let (catalog, proven) = prove(&database).await;
    let expected = [
        "Delete anything: *",
        "Delete mine: app.seen request.path",
        "Delete plain: app.seen",
        "Insert anything: *",
        "Insert mine: app.made app.seen",
        "Insert plain: App.Me",
        "Update anything: *",
        "Update mine: app.seen",
        "Update plain: app.seen",
        "anything: *",
        "by_column(): *",
        "by_name(): App.Me",
        "composed(): *",
        "mine: app.seen",
        "nothing(): ",
        "plain: ",
        "shows: app.seen app.view",
        "strictly(): request.path",
        "through(): App.Me request.path",
        "umlaut(): app.grün",
    ];
    assert_eq!(looks_at(&catalog, &proven.unwrap()), expected);
}

#[tokio::test]
async fn sec_03_an_aggregate_that_is_named_like_one_of_postgresqls_proves_nothing() {
    let plpgsql = "create function larger(uuid, uuid) returns uuid language plpgsql as 'begin return $1; end';
                   create aggregate max(uuid) (sfunc = larger, stype = uuid)";
    let native = "create aggregate sum(text) (sfunc = textcat, stype = text)";
    for (aggregate, proves) in [(plpgsql, false), (native, true)] {
        let database = crate::database("create table plain (id uuid)").await;
        database.script(&format!("{TELLS} {aggregate}")).await;
        let (catalog, proven) = prove(&database).await;
        let oid = catalog.relation("public", "plain").unwrap().oid;
        assert_eq!(proven.unwrap().relation(oid).is_some(), proves, "{aggregate}");
    }
}

/// The row of an index that could not be built stays, VACUUM says that its table has none, and no event tells who builds it again.
#[tokio::test]
async fn sec_03_an_index_that_could_not_be_built_still_counts() {
    let database = crate::database(&format!(
        "create function fixed(int) returns int immutable language plpgsql as 'begin return 1; end';
         create table doubled (id int); insert into doubled values (1), (1); {TELLS}"
    ))
    .await;
    let mut session = database.connect().await;
    let failed = session.script("create unique index concurrently on doubled (fixed(id))").await;
    assert_eq!(failed.unwrap_err().code().unwrap().as_str(), "23505");
    session.script("vacuum doubled").await.unwrap();
    let flags =
        "select relhasindex::text || (select string_agg(indisready::text, ',') from pg_index where indrelid = c.oid)
                 from pg_class c where relname = 'doubled'";
    assert_eq!(database.value(flags).await, "falsefalse");
    let (catalog, proven) = prove(&database).await;
    let proven = proven.unwrap();
    assert_eq!(table(&catalog, &proven), ["doubled no"]);
    crate::assert_lines(&writes(&catalog, &proven), &["doubled -"]);
}
