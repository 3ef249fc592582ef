//! What answers depend on: one object for each way in which reading reaches a table, and for each way in which the same rows
//! could give something else later.

use std::sync::atomic::Ordering;
use std::time::Duration;

use ferrobase_catalog::{Dependencies, Proven, Scope, dependencies};
use ferrobase_testkit::TestDatabase;

use crate::load;
use crate::proven::TELLS;

/// A proof that stands, whatever of.
fn standing() -> Proven {
    let proven = Proven::default();
    proven.stands().flag().store(true, Ordering::Release);
    proven
}

/// `name: tables` of every relation and function of `public`; `-` where nobody knows.
async fn known(database: &TestDatabase) -> Vec<String> {
    let catalog = load(database, &Scope::default()).await;
    let relations: Vec<_> = catalog.relations.values().collect();
    let functions: Vec<_> = catalog.functions.values().flatten().filter(|f| f.name.name != "tell").collect();
    let (read, called): (Vec<_>, Vec<_>) =
        (relations.iter().map(|r| r.oid).collect(), functions.iter().map(|f| f.oid).collect());
    let mut session = database.connect().await;
    let all = dependencies(&mut session, &standing(), &read, &called, Duration::from_secs(10)).await.unwrap();
    let name = |oid: &u32| relations.iter().find(|r| r.oid == *oid).map_or("?", |r| &r.name.name);
    let tables = |read: &[u32], called: &[u32]| {
        let Some(depends) = all.of(read, called) else { return "-".to_owned() };
        assert!(depends.tables.iter().all(|table| depends.objects.contains(table)));
        assert!(read.iter().chain(called).all(|root| depends.objects.contains(root)), "{depends:?}");
        let mut names: Vec<_> = depends.tables.iter().map(name).collect();
        names.sort_unstable();
        names.join(" ")
    };
    let relations = relations.iter().map(|r| format!("{}: {}", r.name.name, tables(&[r.oid], &[])));
    let functions = functions.iter().map(|f| format!("{}(): {}", f.name.name, tables(&[], &[f.oid])));
    let mut lines: Vec<_> = relations.chain(functions).map(|line| line.trim_end().to_owned()).collect();
    lines.sort();
    lines
}

#[tokio::test]
async fn sec_23_every_table_is_found_that_an_answer_is_made_of() {
    let database = crate::database(
        "
        create type mood as enum ('good', 'bad');
        create domain short as text check (length(value) < 9);
        create table plain (id int, mood mood, moods mood[], name short, at timestamptz default now(), key uuid default gen_random_uuid());
        create table members (org int, who text, day date);
        create function orgs() returns setof int stable security definer
          begin atomic select org from members where who = current_setting('app.user_id', true); end;
        create table docs (id int, org int, body text, at timestamptz, found tsvector generated always as (to_tsvector('english', body)) stored);
        alter table docs enable row level security;
        create policy own on docs using (org in (select orgs()) or body = current_user);
        create policy made on docs for insert with check (exists (select from plain));
        create view shown as select id, upper(body) from docs where at > '2020-01-01'::timestamptz;
        create view over_shown as select s.id, to_json(p) as p, p.mood::text from shown s left join (select mood from plain) p on true
          where 'good'::text::mood = p.mood;
        create table parts (id int, at timestamptz) partition by range (id);
        create table part_one partition of parts for values from (0) to (10);
        create table old (id int);
        create table young () inherits (old);
        create view counted as with recursive up (n) as (select 1 union all select n + 1 from up where n < 3)
          select up.n, count(*) filter (where id > 1), row_number() over (order by up.n)
          from up join parts on parts.id = any (array[up.n]) group by up.n having (up.n, 'x') < (7, 'y') order by 1 limit 3;
        create function adds(a int, b int default 2) returns int return a + b;
        create function told() returns text stable return to_char('2020-01-01'::timestamptz + interval '1 h', 'HH24');
        create function lists() returns setof plain stable begin atomic select * from plain; end;",
    )
    .await;
    database.script(TELLS).await;
    let expected = [
        "adds():",
        // A partition is in no catalog, and so has no name here.
        "counted: ? parts",
        "docs: docs members",
        // The row type of a table is not proven.
        "lists(): -",
        "members: members",
        "old: old young",
        "orgs(): members",
        "over_shown: docs members plain",
        "parts: ? parts",
        "plain: plain",
        "shown: docs members",
        "told():",
        "young: young",
    ];
    crate::assert_lines(&known(&database).await, &expected);
}

#[tokio::test]
async fn sec_23_what_may_be_something_else_later_has_no_known_dependencies() {
    let database = crate::database(
        "
        create table plain (id int, at timestamptz default now());
        create function in_plpgsql() returns int language plpgsql as 'begin return 1; end';
        create function today() returns date immutable return current_date;
        create function moved() returns date stable return 'yesterday'::text::date;
        create function of_date(text) returns date stable return $1::date;
        create sequence counted;

        create table of_policy (id int, until timestamptz);
        alter table of_policy enable row level security;
        create policy own on of_policy using (until > now());
        create table through_policy (id int);
        alter table through_policy enable row level security;
        create policy own on through_policy using (exists (select from of_policy o where o.id = through_policy.id));
        create table of_plpgsql (id int);
        create policy own on of_plpgsql using (id = in_plpgsql());
        create table of_check (id int, day date check (day < today()));
        create table of_key (day date);
        create index on of_key ((day - today()));
        create table generated (id int, day date generated always as (today() + id) stored);
        create table of_computed (id int);
        create function age_of(of_computed) returns interval stable return now() - '2020-01-01'::timestamptz;

        create view of_now as select now() as at;
        create view of_today as select id from plain where at::date = current_date;
        create view of_word as select id from plain where at > ('tod' || 'ay')::date;
        create view of_clock as select clock_timestamp() as at;
        create view of_local as select localtime as at;
        create view of_chance as select random() as number;
        create view of_uuid as select gen_random_uuid() as id;
        create view of_sample as select id from plain tablesample system (50);
        create view of_place as select ctid, id from plain;
        create view of_version as select xmin, id from plain;
        create view of_name as select tableoid::regclass as name from plain;
        create view of_name_inside as select json_build_object('name', tableoid::regclass) as name from plain;
        create view of_right as select id from plain where has_table_privilege('plain', 'select');
        create view of_member as select id from plain where pg_has_role('pg_read_all_data', 'usage');
        create view of_schema as select current_schema as name;
        create view of_session as select pg_backend_pid() as pid;
        create view of_age as select age(at) as age from plain;
        create view of_offset as select at::time::timetz as at from plain;
        create view of_catalog as select relname from pg_class;
        create view of_information as select table_name::text from information_schema.tables;
        create view of_settings as select name from pg_settings;
        create view of_sequence as select last_value from counted;
        create view of_json as select r.at from json_to_record('{\"at\": \"now\"}') as r (at timestamptz);
        create view of_xml as select xmlelement(name a, id) as x from plain;
        create view locks as select id from plain for update;
        create view over_of_now as select plain.id from plain, of_now;

        create materialized view copied as select id from plain;
        create unlogged table unlogged (id int);
        create table offsets (id int, at timetz);
        create table offset_lists (id int, at timetz[]);
        create table names (id int, name regclass);
        create extension file_fdw;
        create server files foreign data wrapper file_fdw;
        create foreign table remote (line text) server files options (filename '/dev/null');
        create view over_remote as select line from remote;
        create table over_foreign (line text);
        create foreign table below () inherits (over_foreign) server files options (filename '/dev/null');
        create schema elsewhere; create extension pg_trgm schema elsewhere;
        create view by_extension as select elsewhere.show_limit() as number;
        create view by_extension_alone as select elsewhere.similarity('a', 'b') as number;",
    )
    .await;
    database.script(TELLS).await;
    let known: Vec<_> = known(&database).await.into_iter().filter(|line| !line.ends_with(": -")).collect();
    crate::assert_lines(&known, &["by_extension_alone:", "of_computed: of_computed", "plain: plain"]);
}

#[tokio::test]
async fn nothing_is_known_where_nobody_tells_of_changes_or_names_have_a_second_meaning() {
    let shadow = "create function count(int) returns int language sql as 'select 1';";
    for (script, expected) in [("", "plain: -"), (TELLS, "plain: plain"), (&format!("{TELLS} {shadow}"), "plain: -")] {
        let database = crate::database(&format!("create table plain (id int); {script}")).await;
        assert_eq!(known(&database).await.last().unwrap(), expected, "{script}");
    }
}

#[tokio::test]
async fn dependencies_add_up_and_one_that_is_unknown_makes_all_unknown() {
    let database =
        crate::database("create table a (id int); create table b (id int); create view c as select now()").await;
    database.script(TELLS).await;
    let catalog = load(&database, &Scope::default()).await;
    let oid = |name| catalog.relation("public", name).unwrap().oid;
    let mut session = database.connect().await;
    let asked = [oid("a"), oid("b"), oid("c")];
    let proven = standing();
    let all = dependencies(&mut session, &proven, &asked, &[], Duration::from_secs(10)).await.unwrap();
    let mut both = [oid("a"), oid("b")];
    both.sort_unstable();
    assert_eq!(*all.of(&[oid("b"), oid("a"), oid("b")], &[]).unwrap().tables, both);
    assert!(all.of(&[], &[]).unwrap().objects.is_empty());
    assert_eq!(all.of(&[oid("a"), oid("c")], &[]), None);
    assert_eq!(all.of(&[oid("a")], &[oid("a")]), None, "it is no function");
    assert_eq!(Dependencies::default().of(&[oid("a")], &[]), None);
    let left =
        session.query("select current_setting('search_path'), current_setting('transaction_isolation')", &[]).await;
    let left = left.unwrap();
    assert_eq!(left.rows.first().unwrap().text(1), Some("read committed"), "the transaction ended");
}
