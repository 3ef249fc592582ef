//! Rows below rows that come as records, byte for byte against PostgreSQL's `json_agg`: every type at every depth, under
//! settings that change what values look like, as a role that sees only some rows.

use ferrobase_pg::{Formats, Statement};
use ferrobase_query::plan::*;
use ferrobase_query::{Compiled, Output, TypeName, compile_rows};
use proptest::prelude::*;

use crate::company::{by, embed, first, table};
use crate::rows::{Bench, SETTINGS, VALUES, everything};

/// The statement of a read with records, and how its rows become a body.
fn packed(bench: &Bench, read: &Read) -> (Statement, Output) {
    let Compiled { statement, output, .. } =
        compile_rows(&Query::list(read.clone()), &bench.catalog).unwrap().expect("the rows qualify");
    assert!(matches!(statement.formats, Formats::Each(_)), "{}", statement.sql);
    (statement, output)
}

/// Parents of all rows of `everything`, which are there both as a list and one by one.
fn family() -> String {
    format!(
        "{};
        alter table everything add id serial primary key, add owner int default 1;
        create table owners (id int primary key, first int, at timestamptz, span tsrange);
        insert into owners values (1, 2, '2026-01-02 03:04:05+00', '[2026-01-02 03:04:05,2026-03-04)'), (2, null, null, null);",
        everything()
    )
}

fn children(columns: &[&str]) -> Embed {
    let rows = Read { order: vec![by("id")], window: first(1000), ..table("everything", columns) };
    embed("children", ("id", "owner"), false, rows)
}

fn owners(columns: &[&str], embeds: Vec<Embed>) -> Read {
    Read { embeds, order: vec![by("id")], window: first(10), ..table("owners", columns) }
}

#[tokio::test]
async fn every_type_below_a_row_is_written_as_postgresql_writes_it() {
    let mut bench = Bench::open(&family()).await;
    let one = embed("one", ("first", "id"), true, table("everything", &["*"]));
    let all = owners(&["*"], vec![children(&["*"]), one]);
    for settings in SETTINGS {
        let (theirs, ours) = bench.both(&Query::list(all.clone()), settings).await;
        for (theirs, ours) in theirs.split(", \n ").zip(ours.split(", \n ")) {
            assert_eq!(ours, theirs, "{settings:?}");
        }
        assert_eq!(ours, theirs, "{settings:?}");
        assert!(ours.matches("\"c0\":").count() > VALUES.len());
    }
    packed(&bench, &all);
}

#[tokio::test]
async fn dates_below_rows_are_read_in_the_style_of_iso_and_a_range_of_times_in_any() {
    let mut bench = Bench::open(&family()).await;
    let style = |style| [("datestyle", style), ("timezone", "Asia/Kathmandu")];
    let date = format!("c{}", VALUES.iter().position(|(of, _)| *of == "date").unwrap());
    for columns in [&["id", "at"][..], &["id", "at", "span"]] {
        let read = owners(columns, vec![children(&["id", &date])]);
        let (theirs, ours) = bench.both(&Query::list(read), &style("ISO, DMY")).await;
        assert_eq!(ours, theirs);
    }
    let (statement, output) = packed(&bench, &owners(&["id"], vec![children(&["id", &date])]));
    let Output::Rows(rows) = output else { panic!("no rows") };
    for (other, is_read) in [("ISO, DMY", true), ("German", false), ("SQL, DMY", false), ("Postgres, DMY", false)] {
        let result = bench.result(statement.clone(), &style(other)).await;
        assert_eq!(rows.outcome(&result).is_some(), is_read, "{other}");
    }
    let span = owners(&["span"], vec![children(&["id"])]);
    assert!(bench.both(&Query::list(span), &style("SQL, DMY")).await.1.contains("02/01/2026"));
}

#[tokio::test]
async fn sec_03_no_cast_is_asked_what_a_value_is_as_text() {
    let script = "
        create type mood as enum ('good');
        create function mine(mood) returns text language plpgsql as $$ begin raise 'this ran'; end $$;
        create function mine(numeric) returns text language plpgsql as $$ begin raise 'this ran'; end $$;
        create function mine(timestamptz) returns text language plpgsql as $$ begin raise 'this ran'; end $$;
        create cast (mood as text) with function mine(mood) as implicit;
        create cast (numeric as text) with function mine(numeric) as implicit;
        create cast (timestamptz as text) with function mine(timestamptz) as implicit;
        create table lists (id int primary key);
        create table things (id int primary key, list int, mood mood, number numeric, at timestamptz);
        insert into lists values (1); insert into things values (1, 1, 'good', 1.50, '2026-01-02')";
    let mut bench = Bench::open(script).await;
    assert!(bench.session.query("select number::text from things", &[]).await.is_err());
    let things = embed("things", ("id", "list"), false, table("things", &["mood", "number", "at"]));
    let lists = Read { embeds: vec![things], window: first(5), ..table("lists", &["id"]) };
    let (theirs, ours) = bench.both(&Query::list(lists), &[("timezone", "UTC")]).await;
    assert_eq!(ours, theirs);
    assert!(ours.contains(r#""mood":"good","number":1.50,"at":"2026-01-02T00:00:00+00:00""#), "{ours}");
}

const TREE: &str = "
    create table trees (id int primary key, name text);
    create table branches (id int primary key, tree int, name text, number float8, exact numeric);
    create table leaves (id int primary key, branch int, name text, moment timestamptz);";

fn trees() -> Read {
    let list = |table_name: &str, key: &str| Read {
        order: vec![by("id")],
        window: first(1000),
        ..table(table_name, &["*", key])
    };
    let mut tree = embed("tree", ("tree", "id"), true, table("trees", &["name"]));
    tree.read.embeds = vec![embed("again", ("id", "tree"), false, list("branches", "number"))];
    let leaves = embed("leaves", ("id", "branch"), false, list("leaves", "branch"));
    let branches = Read { embeds: vec![leaves, tree], ..list("branches", "id") };
    Read { embeds: vec![embed("branches", ("id", "tree"), false, branches)], ..list("trees", "id") }
}

#[tokio::test]
async fn nothing_below_is_an_empty_list_or_null() {
    let script =
        format!("{TREE} insert into trees values (1, 'a'), (2, null); insert into branches values (1, 1), (2, 9)");
    let mut bench = Bench::open(&script).await;
    let (theirs, ours) = bench.both(&Query::list(trees()), &[]).await;
    assert_eq!(ours, theirs);
    assert!(ours.contains(r#""leaves":[]"#) && ours.ends_with(r#""branches":[]}]"#), "{ours}");
    let tree = embed("tree", ("tree", "id"), true, table("trees", &["id"]));
    let orphans = Read { embeds: vec![tree], order: vec![by("id")], window: first(5), ..table("branches", &["id"]) };
    let (theirs, ours) = bench.both(&Query::list(orphans.clone()), &[]).await;
    assert_eq!(
        (ours.as_str(), &ours),
        (
            r#"[{"id":1,"tree":{"id":1}}, 
 {"id":2,"tree":null}]"#,
            &theirs
        )
    );
    let one = Query { body: Body::Json { form: JsonForm::Object, strip_nulls: false }, ..Query::list(orphans.clone()) };
    let (theirs, ours) = bench.both(&one, &[]).await;
    assert_eq!((ours.as_str(), &ours), (r#"{"id":1,"tree":{"id":1}}"#, &theirs));
    let none = Query::list(Read { window: first(0), ..orphans });
    assert_eq!(bench.both(&none, &[]).await.1, "[]");
}

#[tokio::test]
async fn what_only_postgresql_knows_below_a_row_is_left_to_it() {
    let script = format!(
        "{TREE}
        create type pair as (a int, b date);
        alter table leaves add list date[], add pair pair, add span tsrange, add doc json;
        insert into trees values (1, 'a'); insert into branches select n, 1, 'b' || n % 2 from generate_series(1, 4) n;
        insert into leaves select n, n % 4 + 1, 'l', '2026-01-02', '{{2026-01-02}}', '(1,2026-01-02)', '[2026-01-02,)', '[1, {{\"a\": 2}}]'
            from generate_series(1, 9) n"
    );
    let mut bench = Bench::open(&script).await;
    let branches = || Read { order: vec![by("id")], ..table("branches", &["id"]) };
    let count = Select { aggregate: Some(Aggregate::of(AggregateFunction::Count)), ..Select::star() };
    let cast = Select { cast: Some(TypeName::from_caller("text")), ..Select::column("id") };
    let path =
        Field { path: vec![PathStep { as_text: true, to: PathKey::Index("0".to_owned()) }], ..Field::column("doc") };
    let path = Select { value: Value::Field(path), name: Some("doc".to_owned()), ..Select::column("doc") };
    let spread = SpreadColumn { value: SpreadValue::Named("name".to_owned()), aggregate: None, name: None };
    let spread = Embed {
        output: EmbedOutput::Spread(vec![spread]),
        ..embed("leaves", ("id", "branch"), false, table("leaves", &["name"]))
    };
    let leaves = |read: Read| embed("leaves", ("id", "branch"), false, Read { order: vec![by("id")], ..read });
    let inner = |embed: Embed| Embed { inner: true, ..embed };
    let hidden = Embed { output: EmbedOutput::Hidden, ..leaves(table("leaves", &[])) };
    for (what, branches) in [
        ("an aggregate", Read { select: vec![count], order: vec![], ..branches() }),
        ("a cast", Read { select: vec![cast], ..branches() }),
        (
            "rows that differ",
            Read {
                distinct: Some(Distinct::Rows),
                select: vec![Select::column("name")],
                order: vec![by("name")],
                ..branches()
            },
        ),
        ("a spread", Read { embeds: vec![spread], ..branches() }),
        ("types that nobody knows", Read { embeds: vec![leaves(table("leaves", &["*"]))], ..branches() }),
        ("a path", Read { embeds: vec![leaves(Read { select: vec![path], ..table("leaves", &[]) })], ..branches() }),
        ("an inner embed", Read { embeds: vec![inner(leaves(table("leaves", &["name"])))], ..branches() }),
        (
            "an inner embed of some of the rows",
            Read {
                embeds: vec![inner(leaves(Read {
                    window: Window { offset: 2, limit: Some(1) },
                    ..table("leaves", &["id"])
                }))],
                ..branches()
            },
        ),
        ("nothing but a hidden embed", Read { select: vec![], embeds: vec![hidden], ..branches() }),
        ("only some of the rows", Read { window: Window { offset: 1, limit: Some(2) }, ..branches() }),
    ] {
        let read = Read {
            embeds: vec![
                embed("branches", ("id", "tree"), false, branches.clone()),
                embed("more", ("id", "tree"), false, table("branches", &["name"])),
            ],
            window: first(5),
            ..table("trees", &["id"])
        };
        let (statement, _) = packed(&bench, &read);
        let (theirs, ours) = bench.both(&Query::list(read), &[]).await;
        assert_eq!(ours, theirs, "{what}: {}", statement.sql);
        assert!(ours.len() > 30, "{what}: {ours}");
    }
    // Without a limit embeds are joined, which is JSON.
    let joined = Read { embeds: vec![leaves(table("leaves", &["id"]))], ..table("branches", &["id"]) };
    let compiled = compile_rows(&Query::list(joined.clone()), &bench.catalog).unwrap().unwrap();
    assert_eq!(compiled.statement.formats, Formats::Text);
    let (theirs, ours) = bench.both(&Query::list(joined), &[]).await;
    assert_eq!(ours, theirs);
}

#[tokio::test]
async fn a_role_sees_the_same_rows_in_both_forms() {
    let script = format!(
        "{TREE}
        do $$ begin create role below_reader nologin; exception when duplicate_object then null; end $$;
        insert into trees values (1, 'a'), (2, 'b');
        insert into branches select n, n % 2 + 1, 'b' || n from generate_series(1, 6) n;
        insert into leaves select n, n % 6 + 1, 'l' || n, '2026-01-02' from generate_series(1, 30) n;
        alter table branches enable row level security; alter table leaves enable row level security;
        create policy few on branches to below_reader using (id % 3 <> 0);
        create policy few on leaves to below_reader using (id < current_setting('below.most')::int);
        grant select on trees, branches, leaves to below_reader"
    );
    let mut bench = Bench::open(&script).await;
    let all = bench.both(&Query::list(trees()), &[]).await;
    assert_eq!(all.1, all.0);
    for most in ["0", "9", "99"] {
        let settings = [("below.most", most), ("role", "below_reader"), ("timezone", "Asia/Kolkata")];
        let (theirs, ours) = bench.both(&Query::list(trees()), &settings).await;
        assert_eq!(ours, theirs);
        assert!(ours.len() < all.1.len());
    }
}

#[tokio::test]
async fn records_of_another_form_than_expected_are_refused() {
    let script = format!(
        "{TREE} insert into trees values (1, 'a'); insert into branches values (1, 1); insert into leaves values (1, 1, 'l')"
    );
    let mut bench = Bench::open(&script).await;
    let (statement, output) = packed(&bench, &trees());
    let Output::Rows(rows) = output else { panic!("no rows") };
    let is_read = |result| rows.outcome(&result).is_some();
    assert!(is_read(bench.result(statement.clone(), &[]).await));
    for (change, back) in [
        ("leaves alter name type bytea using name::bytea", "leaves alter name type text using encode(name, 'escape')"),
        ("leaves alter name type varchar(9)", "leaves alter name type text"),
        ("branches alter id type bigint", "branches alter id type int"),
        ("trees alter name type json using to_json(name)", "trees alter name type text"),
    ] {
        bench.session.script(&format!("alter table {change}")).await.unwrap();
        assert!(!is_read(bench.result(statement.clone(), &[]).await), "{change}");
        bench.session.script(&format!("alter table {back}")).await.unwrap();
    }
    assert!(is_read(bench.result(statement, &[]).await));
}

/// Any text, number and time, three levels deep.
#[test]
fn any_value_below_a_row_is_written_as_postgresql_writes_it() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let bench = std::cell::RefCell::new(runtime.block_on(Bench::open(TREE)));
    let text = || prop::option::of("[^\0]{0,12}");
    let branch = (0..4_i32, text(), any::<f64>(), "-?[0-9]{1,20}(\\.[0-9]{1,10})?");
    let leaf = (0..8_i32, text(), -60_000_000_000_i64..250_000_000_000);
    let zones = prop::sample::select(vec!["UTC", "America/New_York", "Australia/Lord_Howe", "Africa/Monrovia"]);
    let cases = ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() };
    let lists =
        (prop::collection::vec(text(), 0..4), prop::collection::vec(branch, 0..8), prop::collection::vec(leaf, 0..12));
    proptest!(cases, |((names, branches, leaves) in lists, zone in zones)| {
        let mut bench = bench.borrow_mut();
        let (theirs, ours) = runtime.block_on(async {
            bench.session.script("truncate trees, branches, leaves").await.unwrap();
            for (id, name) in names.iter().enumerate() {
                let values = [Some(id.to_string()), name.clone()];
                insert(&mut bench, "insert into trees values ($1::int, $2)", &values).await;
            }
            for (id, (tree, name, number, exact)) in branches.iter().enumerate() {
                let number = number.to_string().replace("inf", "Infinity");
                let values = [Some(id.to_string()), Some(tree.to_string()), name.clone(), Some(number), Some(exact.clone())];
                insert(&mut bench, "insert into branches values ($1::int, $2::int, $3, $4::float8, $5::numeric)", &values).await;
            }
            for (id, (branch, name, seconds)) in leaves.iter().enumerate() {
                let values = [Some(id.to_string()), Some(branch.to_string()), name.clone(), Some(seconds.to_string())];
                insert(&mut bench, "insert into leaves values ($1::int, $2::int, $3, to_timestamp($4::float8))", &values).await;
            }
            bench.both(&Query::list(trees()), &[("timezone", zone)]).await
        });
        prop_assert_eq!(ours, theirs);
    });
}

async fn insert(bench: &mut Bench, sql: &str, values: &[Option<String>]) {
    let values: Vec<Option<&str>> = values.iter().map(Option::as_deref).collect();
    bench.session.query(sql, &values).await.unwrap();
}
