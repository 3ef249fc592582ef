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

/// Two tables, one of which refers to the other, a table of words for each row and language, and a parent with an heir.
const JOINED: &str = "
    create table p (id int primary key, code varchar(9) unique, boss int references p, name text);
    create table t (id int primary key, author int references p, code varchar(9), n bigint);
    create table w (t int references t, lang text, word text, primary key (t, lang));
    create table base (id int primary key); create table heir () inherits (base);
    create function one_of(int) returns int language sql immutable as 'select $1';
    create function all_of(int) returns setof int language sql immutable as 'select $1';
";

/// The columns that tell rows of a view apart, and those that show NULL, with a `?`.
async fn told_apart(views: &[(&str, &str)]) -> Vec<String> {
    told_apart_with("", views).await
}

/// The same beside more than those tables.
async fn told_apart_with(more: &str, views: &[(&str, &str)]) -> Vec<String> {
    let view = |(index, (query, _)): (usize, &(&str, &str))| format!("create view v{index:02} as {query};\n");
    let script: String =
        [JOINED, more].map(str::to_owned).into_iter().chain(views.iter().enumerate().map(view)).collect();
    let database = crate::database(&script).await;
    let catalog = load(&database, &Scope::default()).await;
    let told = |(index, (query, _)): (usize, &(&str, &str))| {
        let relation = catalog.relation("public", &format!("v{index:02}")).unwrap_or_else(|| panic!("{query}"));
        let column = |name: &String| {
            format!("{name}{}", if relation.column(name).is_some_and(|column| column.shows_null) { "?" } else { "" })
        };
        format!("{query} => {}", relation.row_key.iter().map(column).collect::<Vec<_>>().join(", "))
    };
    views.iter().enumerate().map(told).collect()
}

fn expected(views: &[(&str, &str)]) -> Vec<String> {
    views.iter().map(|(query, key)| format!("{query} => {key}")).collect()
}

#[tokio::test]
async fn a_join_that_repeats_rows_needs_the_keys_of_all_of_them() {
    let views = [
        ("select id, name from p", "id"),
        ("select a.id, b.id as bid, b.name from p a join p b on b.boss = a.id", "bid"),
        ("select a.id, b.id as bid from t a, t b", "id, bid"),
        ("select a.id from t a, p b", ""),
        ("select t.id as tid, p.name from t right join p on t.author = p.id", ""),
        ("select t.id as tid, p.id as pid from t right join p on t.author = p.id", "tid?, pid"),
        ("select p.id, t.id as tid from p full join t on t.author = p.id", "id?, tid?"),
        ("select p.id from p full join t on t.author = p.id", ""),
        // Of a row there is one author, whether or not their key is shown.
        ("select t.id, p.name from t join p on p.id = t.author", "id"),
        ("select p.id as pid, t.id, p.name from t left join p on t.author = p.id", "id"),
        ("select t.id, p.name from t left join p on p.code = t.code", "id"),
        ("select t.id, p.name from t left join p using (code)", "id"),
        ("select t.id, p.name from t, p where p.id = t.author and t.n > 3", "id"),
        ("select t.id, p.name from t left join p on p.id = t.author or t.n > 3", ""),
        ("select t.id, p.name from t join p on p.id > t.author", ""),
        // From the other side there may be many.
        ("select p.id, t.n from p left join t on t.author = p.id", ""),
        ("select t.id, w.word from t join w on w.t = t.id and w.lang = 'en'", "id"),
        ("select t.id, w.word from t left join w on w.t = t.id where w.lang = 'en'::text", "id"),
        ("select t.id, w.lang, w.word from t join w on w.t = t.id", "id, lang"),
        ("select t.id, w.lang from t left join w on w.t = t.id", ""),
        ("select t.id, b.name from t join p a on a.id = t.author left join p b on b.id = a.boss", "id"),
        // Which of them the other side has depends on what is not told.
        ("select t.id, b.name from t, p a left join p b on b.id = a.boss", ""),
        ("select id from base", ""),
        ("select id from only base", "id"),
    ];
    assert_lines(&told_apart(&views).await, &expected(&views));
}

#[tokio::test]
async fn rows_are_told_apart_through_queries_within_queries() {
    let views = [
        ("with c as (select * from p) select c.id, t.id as tid from t join c on c.id = t.author", "tid"),
        ("with c as (select * from p), d as (select * from c) select id from d", "id"),
        ("select s.id from (select id, boss from p where name > 'a') s left join p b on b.id = s.boss", "id"),
        (
            "select p.id, x.tid from p left join lateral (select t.id as tid from t where t.author = p.id order by n limit 1) x on true",
            "id",
        ),
        ("select p.id, x.tid from p, lateral (select t.id as tid from t where t.author = p.id limit 2) x", "id, tid"),
        ("select p.id, x.n from p, lateral (select count(*) as n from t where t.author = p.id) x", "id"),
        // What is made of a row does not tell it.
        ("select x.id from p, lateral (select t.id from t where t.author = p.id limit 1) x where p.id = x.id", "id"),
        ("select id, name from (select id, name from p) s where exists (select 1 from t where t.author = s.id)", "id"),
        ("select p.id, generate_series(1, 2) from p", ""),
        ("select p.id, x from p, unnest(array[1, 2]) x", ""),
        ("select p.id, x from p, all_of(p.id) x", ""),
        ("select p.id, x from p, one_of(p.id) x", "id"),
        ("select p.id, x from p, (values (1), (2)) v (x)", ""),
        ("select p.id, x from p, (values (1)) v (x)", "id"),
        ("select id from p union all select id from t", ""),
        ("with recursive r as (select id from p union all select id from r where id > 9) select id from r", ""),
        ("select p.id, count(*) from p join t on t.author = p.id group by p.id", "id"),
        (
            "select p.id, p.name, b.name as boss, count(*) from p join p b on b.id = p.boss join t on t.author = p.id group by p.id, p.name, b.name",
            "id",
        ),
        ("select p.id, t.n, count(*) from p join t on t.author = p.id group by p.id, t.n", ""),
        ("select author, count(*) from t group by author", ""),
        ("select p.id, count(*) from p group by rollup (p.id)", ""),
        ("select distinct p.id, p.name from p join t on t.author = p.id", "id"),
        ("select distinct p.id, t.n from p join t on t.author = p.id", ""),
        ("select distinct p.id, p.name from p group by rollup (p.id, p.name)", ""),
        ("select distinct on (p.id) p.id, t.n from p join t on t.author = p.id order by p.id, t.n", "id"),
        ("select max(id) as id from p", ""),
        ("select id, row_number() over (order by name) as place from p", "id"),
    ];
    assert_lines(&told_apart(&views).await, &expected(&views));
}

#[tokio::test]
async fn values_that_another_equality_calls_the_same_tell_no_rows_apart() {
    let views = [
        ("select nick::citext as nick from n", ""),
        ("select distinct nick::citext as nick from n", ""),
        ("select n.nick, t.n from t join n on n.nick::citext = t.code", ""),
        ("select mail from m", "mail"),
        ("select mail::text as mail from m", ""),
        ("select t.id, m.name from t join m on m.mail = t.mood", "id"),
        ("select t.id, m.name from t join m on m.mail::text = t.mood::text", ""),
        ("select t.id, o.n from t join o on o.mail = t.mood", ""),
        ("select nick::bpchar as nick from n", ""),
        ("select nick::word as nick from n", ""),
        ("select word::text as word from d", "word"),
        ("select t.id, d.word from t join d on d.word = t.code", "id"),
        ("select t.id, p.name from t join p on p.code = t.nick", "id"),
        // By a collation that calls several texts one, and by one that does not.
        ("select t.id, t.n from t join n on n.nick = t.loose", ""),
        ("select t.id, t.n from t join n on n.nick = t.loose collate \"C\"", ""),
        ("select nick collate loose as nick from n", ""),
        ("select distinct nick collate loose as nick from n", ""),
        ("select loose from l", "loose"),
        ("select t.id, l.loose from t join l on l.loose = t.loose", "id"),
        ("select t.id, l.n from t join l on l.strict = t.loose", ""),
        ("select t.id, o.n from t join o on o.loose = t.loose", ""),
        ("select t.id, o.n from t join o on o.nick = t.nick", ""),
        // A time with a zone is several without one, where clocks are put back.
        ("select t.id, t.n from t join z on z.local = t.at", ""),
        ("select t.id, t.n from t join z on z.local = t.at::timestamp", ""),
        ("select t.id, k.kind from t join k on k.kind = t.kind", "id"),
        ("select distinct on (nick) nick from n order by nick using ~~<", ""),
    ];
    let more = "
        create extension citext;
        create collation loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
        create domain word as text;
        create type kind as enum ('a', 'b');
        create table n (nick text primary key); create table m (mail citext primary key, name text);
        create table l (loose text collate loose primary key, strict text unique, n int);
        create table d (word word primary key); create table z (local timestamp primary key);
        create table k (kind kind unique not null);
        create table o (mail citext, loose text collate loose, nick text, n int);
        create unique index on o (mail text_ops); create unique index on o (loose collate \"C\");
        create function odd_less(text, text) returns bool language sql immutable as 'select length($1) < length($2)';
        create function odd_same(text, text) returns bool language sql immutable as 'select length($1) = length($2)';
        create function odd_order(text, text) returns int language sql immutable as 'select length($1) - length($2)';
        create operator ~~< (function = odd_less, leftarg = text, rightarg = text);
        create operator ~~= (function = odd_same, leftarg = text, rightarg = text);
        create operator class by_length for type text using btree as
            operator 1 ~~<, operator 3 ~~=, function 1 odd_order(text, text);
        create unique index on o (nick by_length);
        alter table t add nick text, add loose text collate loose, add mood citext, add at timestamptz, add kind kind;
    ";
    assert_lines(&told_apart_with(more, &views).await, &expected(&views));
}

#[tokio::test]
async fn only_a_limit_of_one_is_one() {
    let views = [
        ("select t.id, x.name from t, lateral (select name from p limit 1) x", "id"),
        ("select t.id, x.name from t, lateral (select name from p limit '1') x", "id"),
        ("select t.id, x.name from t, lateral (select name from p limit 1 * 10::bigint) x", ""),
        ("select t.id, x.name from t, lateral (select name from p limit one_of(1)) x", ""),
        ("select t.id, x.name from t, lateral (select name from p limit 1.0) x", ""),
    ];
    assert_lines(&told_apart(&views).await, &expected(&views));
}

#[tokio::test]
async fn views_over_views_have_the_keys_of_what_they_are_made_of() {
    let script = format!(
        "{JOINED} create view a as select t.id as tid, p.id as pid, t.n from t left join p on p.boss = t.author;
         create view b as select a.tid, a.n, a.pid from a; create view c as select tid from a;
         create view d as select p.name, b.* from b join p on p.id = b.pid;
         create view r1 as select id from p; create view r2 as select id from r1; create or replace view r1 as select id from r2;
         create materialized view m as select t.code as k, t.n from t; create unique index on m (k);
         create view e as select t.id, m.n from t left join m on m.k = t.code;"
    );
    let database = crate::database(&script).await;
    let catalog = load(&database, &Scope::default()).await;
    let told: Vec<String> = ["a", "b", "c", "d", "r1", "m", "e"]
        .iter()
        .map(|name| format!("{name}: {}", catalog.relation("public", name).unwrap().row_key.join(", ")))
        .collect();
    assert_lines(&told, &["a: tid, pid", "b: tid, pid", "c: ", "d: tid, pid", "r1: ", "m: ", "e: id"]);
    let nullable = |view: &str, column: &str| catalog.relation("public", view).unwrap().columns[column].shows_null;
    assert!(nullable("b", "pid") && nullable("a", "n") && !nullable("b", "tid"));
}
