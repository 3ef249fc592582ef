//! Rows that become JSON on our side, byte for byte against PostgreSQL's `json_agg`, for every type that qualifies, with
//! its odd values, under settings that change what values look like.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ferrobase_catalog::{Catalog, Scope};
use ferrobase_pg::{Batch, Formats, Mode, Session, Statement, StatementResult};
use ferrobase_query::plan::*;
use ferrobase_query::{Compiled, Output, TypeName, compile, compile_rows};
use ferrobase_testkit::TestDatabase;
use proptest::prelude::*;

use crate::company::name;

/// A type and values of it, as SQL texts.
pub const VALUES: &[(&str, &[&str])] = &[
    ("boolean", &["true", "false"]),
    ("smallint", &["-32768", "0", "32767"]),
    ("integer", &["-2147483648", "7"]),
    ("bigint", &["-9223372036854775808", "9223372036854775807"]),
    ("real", &["1.5", "1e-30", "3e38", "NaN", "Infinity", "-Infinity", "-0"]),
    ("double precision", &["0.1", "1e300", "-2.5e-300", "123456789012345680000", "NaN", "Infinity", "-Infinity"]),
    ("numeric", &["0.10", "-1", "1e40", "0.00000000000000000001", "NaN", "Infinity", "-Infinity"]),
    ("numeric(10, 3)", &["1", "1234567.891"]),
    ("money", &["12.34", "-5"]),
    (
        "text",
        &[
            "",
            "plain",
            "quote \" backslash \\ slash /",
            "tab\tfeed\nreturn\r",
            "\u{1}\u{8}\u{b}\u{c}\u{1f}\u{7f}",
            "ünï€😀",
            "null",
        ],
    ),
    ("varchar(20)", &["short", "a\"b"]),
    ("char(5)", &["ab", ""]),
    ("\"char\"", &["x", "\""]),
    ("name", &["a_name"]),
    ("bytea", &["\\x00ff10", ""]),
    ("uuid", &["0190b6f0-0000-7000-8000-000000000001"]),
    ("json", &["{\"a\" : [1,\n 2]}", "null", "\"text\"", " 1 "]),
    ("jsonb", &["{\"b\": 1, \"a\": [1, 2.50]}", "null"]),
    ("date", &["2026-01-02", "0044-03-15 BC", "infinity", "-infinity", "12026-01-02"]),
    ("time", &["12:34:56.789", "24:00:00"]),
    ("timetz", &["12:34:56+02", "01:02:03.4-03:30"]),
    (
        "timestamp",
        &["2026-01-02 03:04:05", "2026-01-02 03:04:05.678901", "0044-03-15 12:00:00 BC", "infinity", "-infinity"],
    ),
    (
        "timestamptz",
        &[
            "2026-07-02 03:04:05.6+00",
            "1800-01-02 03:04:05+00",
            "0044-03-15 12:00:00+00 BC",
            "infinity",
            "-infinity",
            "99999-01-01 00:00:00+00",
        ],
    ),
    ("interval", &["1 year 2 months 3 days 04:05:06.7", "-1 day", "0"]),
    ("inet", &["192.168.0.1/24", "::1"]),
    ("cidr", &["10.0.0.0/8"]),
    ("macaddr", &["08:00:2b:01:02:03"]),
    ("macaddr8", &["08:00:2b:01:02:03:04:05"]),
    ("bit(4)", &["1010"]),
    ("varbit", &["10101"]),
    ("xml", &["<a b=\"c\">d</a>"]),
    ("oid", &["26"]),
    ("tsvector", &["'a':1 'b\"c':2"]),
    ("tsquery", &["'a' & 'b'"]),
    ("point", &["(1,2.5)"]),
    ("box", &["(1,1),(0,0)"]),
    ("line", &["{1,2,3}"]),
    ("path", &["((0,0),(1,1))"]),
    ("polygon", &["((0,0),(1,1),(1,0))"]),
    ("circle", &["<(0,0),1>"]),
    ("lseg", &["[(0,0),(1,1)]"]),
    ("int4range", &["[1,5)", "empty"]),
    ("int8range", &["(,5)"]),
    ("numrange", &["[1.5,2.5]"]),
    ("mood", &["good", "so \"so\""]),
    ("positive", &["5"]),
    ("address", &["a@b"]),
    ("moment", &["2026-01-02 03:04:05+00"]),
    ("label", &["a label"]),
    ("flag", &["t"]),
    ("identifier", &["0190b6f0-0000-7000-8000-000000000002"]),
    ("document", &["{\"a\": 1}"]),
    ("temper", &["good"]),
];

/// Settings that change what values look like.
pub const SETTINGS: &[&[(&str, &str)]] = &[
    &[],
    &[("timezone", "America/St_Johns"), ("datestyle", "ISO, DMY")],
    &[("timezone", "Asia/Kathmandu")],
    &[("timezone", "Europe/Amsterdam"), ("intervalstyle", "iso_8601")],
    &[("bytea_output", "escape"), ("extra_float_digits", "-5"), ("intervalstyle", "sql_standard")],
];

const TYPES: &str = r#"
    create type mood as enum ('good', 'so "so"');
    create domain positive as int check (value > 0);
    create domain address as text;
    create domain moment as timestamptz;
    create domain label as varchar(20);
    create domain flag as boolean;
    create domain identifier as uuid;
    create domain document as jsonb;
    create domain temper as mood;"#;

/// A database with its catalog.
pub struct Bench {
    pub session: Session,
    pub catalog: Catalog,
    _database: TestDatabase,
}

impl Bench {
    pub async fn open(script: &str) -> Self {
        let database = ferrobase_testkit::database().await;
        database.script(script).await;
        let mut session = database.connect().await;
        let catalog = ferrobase_catalog::load(&mut session, &Scope::default()).await.unwrap();
        Self { session, catalog, _database: database }
    }

    pub async fn result(&mut self, statement: Statement, settings: &[(&'static str, &str)]) -> StatementResult {
        let settings = settings.iter().copied().collect();
        let batch = Batch {
            settings,
            statements: vec![statement],
            mode: Mode::Implicit,
            scope: Arc::from(""),
            runs_user_code: false,
            counts_up: false,
            proof: None,
            writes: false,
            shareable: false,
            since: Instant::now(),
            deadline: Instant::now() + Duration::from_secs(30),
        };
        self.session.run(&batch).await.unwrap().results.remove(0)
    }

    /// What PostgreSQL makes of the query, and what we make of it.
    pub async fn both(&mut self, query: &Query, settings: &[(&'static str, &str)]) -> (String, String) {
        let text = |body: Option<bytes::Bytes>| String::from_utf8(body.unwrap().to_vec()).unwrap();
        let Compiled { statement, output: Output::Json(layout), .. } = compile(query).unwrap() else {
            panic!("no JSON")
        };
        let theirs = layout.outcome(&self.result(statement, settings).await);
        let compiled = compile_rows(query, &self.catalog).unwrap().expect("the rows qualify");
        let Output::Rows(rows) = compiled.output else { panic!("no rows") };
        let statement = compiled.statement;
        let ours = self.result(statement.clone(), settings).await;
        let ours = rows.outcome(&ours).expect("the columns are as expected");
        assert_eq!(theirs.page, ours.page);
        if let Formats::Wished(each) = &statement.formats {
            let heard = Statement { formats: Formats::Each(Arc::clone(each)), ..statement };
            let binary = self.result(heard, settings).await;
            assert_eq!(rows.outcome(&binary).as_ref(), Some(&ours), "the same in binary format");
        }
        (text(theirs.body), text(ours.body))
    }
}

/// A table with a column of each type: a row for each value and one of NULLs.
pub fn everything() -> String {
    let columns: Vec<_> = VALUES.iter().enumerate().map(|(n, (type_name, _))| format!("c{n} {type_name}")).collect();
    let mut script =
        format!("{TYPES} create table everything ({}); insert into everything default values;", columns.join(", "));
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    for (n, (type_name, values)) in VALUES.iter().enumerate() {
        for value in *values {
            let value = match *type_name {
                "tsvector" | "tsquery" => format!("$q${value}$q$"),
                _ => quoted(value),
            };
            script += &format!("insert into everything (c{n}) values ({value});");
        }
    }
    script
}

#[tokio::test]
async fn every_type_that_qualifies_is_written_as_postgresql_writes_it() {
    let mut bench = Bench::open(&everything()).await;
    let query = Query::list(Read::from(Source::Table(name("everything")), "everything"));
    for settings in SETTINGS {
        let (theirs, ours) = bench.both(&query, settings).await;
        for (theirs, ours) in theirs.split(", \n ").zip(ours.split(", \n ")) {
            assert_eq!(ours, theirs, "{settings:?}");
        }
        assert_eq!(ours, theirs, "{settings:?}");
        serde_json::from_str::<serde_json::Value>(&ours).unwrap();
    }
}

#[tokio::test]
async fn lists_of_none_and_one_and_single_objects_have_the_same_form() {
    let script = "create table things (id int, \"odd \"\"name\\\" text); insert into things values (1, 'a'), (2, null)";
    let mut bench = Bench::open(script).await;
    let odd = "odd \"name\\";
    for ids in [&["0"][..], &["1"], &["1", "2"]] {
        for form in [JsonForm::List, JsonForm::Object] {
            let ids = ids.iter().map(|id| (*id).to_owned()).collect();
            let filter = Comparison { field: Field::column("id"), negated: false, operation: Operation::In(ids) };
            let renamed = Select { name: Some("the \"other\"".to_owned()), ..Select::column(odd) };
            let mut read = Read::from(Source::Table(name("things")), "things");
            read.select = vec![Select::star(), renamed];
            read.filters = vec![Condition::Compare(filter)];
            let query = Query { body: Body::Json { form, strip_nulls: false }, ..Query::list(read) };
            let (theirs, ours) = bench.both(&query, &[]).await;
            assert_eq!(ours, theirs);
        }
    }
}

/// Casts that these values survive, and what is inside of documents.
#[tokio::test]
async fn casts_and_paths_are_written_as_postgresql_writes_them() {
    let mut bench = Bench::open(
        r#"
        create type mood as enum ('good', 'bad');
        create domain document as jsonb;
        create type pair as (at timestamptz, b text);
        create table things (id int, big bigint, number numeric, yes boolean, note text, day date, at timestamptz, mood mood,
                             key uuid, doc json, docb document, pair pair);
        insert into things values
            (1, 9007199254740993, 1.50, true, '7', '2026-01-02', '2026-01-02 03:04:05+00', 'good',
             '0190b6f0-0000-7000-8000-000000000001', '{"a": {"b" : [1, "x\"y"]}}', '{"a": {"b": [1, "x\"y"]}}', ('2026-01-02', 'b')),
            (null, null, null, null, null, null, null, null, null, 'null', '{"a": null}', null),
            (2, -1, 'NaN', false, '-1', 'infinity', '-infinity', 'bad', null, '[5]', '"text"', (null, null))"#,
    )
    .await;
    let cast = |column: &str, to| Select {
        cast: Some(TypeName::from_caller(to)),
        name: Some(format!("{column} as {to}")),
        ..Select::column(column)
    };
    let own = [
        ("id", &["text", "int8", "bigint", "numeric", "float8", "boolean", "varchar", "smallint"][..]),
        ("big", &["text", "numeric", "varchar"]),
        ("number", &["text", "double precision", "real"]),
        ("yes", &["text", "int"]),
        ("note", &["text", "int", "varchar", "char", "bytea", "numeric"]),
        ("mood", &["text", "varchar"]),
        ("key", &["text", "uuid"]),
        ("doc", &["text", "jsonb"]),
        ("docb", &["text", "json"]),
    ];
    let dated = [
        ("day", &["timestamptz", "timestamp", "date", "text"][..]),
        ("at", &["date", "timestamptz", "varchar", "text"]),
    ];
    let all = |casts: &[(&str, &[&'static str])]| {
        casts.iter().flat_map(|(column, to)| to.iter().map(|to| cast(column, *to))).collect::<Vec<_>>()
    };
    let path = |column: &str, to_document, steps: &[(bool, PathKey)]| {
        let path = steps.iter().map(|(as_text, to)| PathStep { as_text: *as_text, to: to.clone() }).collect();
        Value::Field(Field { path, to_document, ..Field::column(column) })
    };
    let (key, index) = (|key: &str| PathKey::Key(key.to_owned()), |index: &str| PathKey::Index(index.to_owned()));
    let mut inside = Vec::new();
    for (n, (column, to_document)) in [("doc", false), ("docb", false), ("pair", true)].into_iter().enumerate() {
        for as_text in [false, true] {
            let steps = [
                vec![(as_text, key("a"))],
                vec![(false, key("a")), (false, key("b")), (as_text, index("1"))],
                vec![(as_text, key("at"))],
            ];
            for (m, steps) in steps.iter().enumerate() {
                let name = Some(format!("{n} {as_text} {m}"));
                inside.push(Select { value: path(column, to_document, steps), name, ..Select::column(column) });
            }
        }
    }
    inside.push(Select { value: path("doc", false, &[(true, index("0"))]), ..cast("doc", "int") });
    for select in [[all(&own), all(&dated)].concat(), inside] {
        let read = Read { select, ..Read::from(Source::Table(name("things")), "things") };
        for settings in SETTINGS {
            let (theirs, ours) = bench.both(&Query::list(read.clone()), settings).await;
            assert_eq!(ours, theirs, "{settings:?}");
        }
    }
}

/// Nothing is set that an expression of somebody's own would notice: whoever has another style has PostgreSQL's JSON.
#[tokio::test]
async fn dates_in_another_style_than_iso_are_refused() {
    let script = "create table days (day date, at timestamp, zoned timestamptz)";
    let mut bench = Bench::open(script).await;
    let styles = ["SQL, MDY", "SQL, DMY", "German", "Postgres, MDY", "Postgres, DMY", "ISO, DMY"];
    let values = ["2026-11-12 03:04:05.6", "0044-03-15 12:00:00 BC", "10000-01-02 00:00:00", "0001-01-01 00:00:00"];
    for column in ["day", "at", "zoned"] {
        for value in values {
            let script = format!("truncate days; insert into days ({column}) values ('{value}')");
            bench.session.script(&script).await.unwrap();
            let read = Read { select: vec![Select::column(column)], ..Read::from(Source::Table(name("days")), "days") };
            let compiled = compile_rows(&Query::list(read), &bench.catalog).unwrap().unwrap();
            let Output::Rows(rows) = compiled.output else { panic!("no rows") };
            for style in styles {
                let result = bench.result(compiled.statement.clone(), &[("datestyle", style)]).await;
                let is_read = rows.outcome(&result).is_some();
                assert_eq!(is_read, style.starts_with("ISO"), "{column} {value} {style}");
            }
        }
    }
    bench.session.script("truncate days; insert into days values ('infinity', '-infinity', 'infinity')").await.unwrap();
    let all = Query::list(Read::from(Source::Table(name("days")), "days"));
    for style in styles {
        let (theirs, ours) = bench.both(&all, &[("datestyle", style)]).await;
        assert_eq!(ours, theirs, "{style}");
    }
}

#[tokio::test]
async fn what_only_postgresql_knows_is_left_to_it() {
    let bench = Bench::open(
        "
        create type pair as (a int, b int);
        create table things (id int, list int[], pair pair, span tsrange, doc json)",
    )
    .await;
    let select = |column: &str| Select::column(column);
    let cast = |column: &str, to| Select { cast: Some(TypeName::from_caller(to)), ..Select::column(column) };
    let aggregate = Select { aggregate: Some(Aggregate::of(AggregateFunction::Sum)), ..select("id") };
    for (what, select) in [
        ("an array", select("list")),
        ("a composite", select("pair")),
        ("a range of times", select("span")),
        ("all of them", Select::star()),
        ("a cast to a type of somebody's own", cast("id", "pair")),
        ("a cast to a type that has no form", cast("doc", "tsrange")),
        ("an aggregate", aggregate),
        ("an unknown column", select("none")),
    ] {
        let read = Read { select: vec![select], ..Read::from(Source::Table(name("things")), "things") };
        assert!(compile_rows(&Query::list(read), &bench.catalog).unwrap().is_none(), "{what}");
    }
    let plain = Read { select: vec![select("id")], ..Read::from(Source::Table(name("things")), "things") };
    assert!(compile_rows(&Query::list(plain.clone()), &bench.catalog).unwrap().is_some());
    for body in
        [Body::Csv(CsvForm::Standard), Body::Lines, Body::None, Body::Json { form: JsonForm::List, strip_nulls: true }]
    {
        let query = Query { body: body.clone(), ..Query::list(plain.clone()) };
        assert!(compile_rows(&query, &bench.catalog).unwrap().is_none(), "{body:?}");
    }
    let counted = Query { count: Count { exact: true, ..Count::default() }, ..Query::list(plain) };
    assert!(compile_rows(&counted, &bench.catalog).unwrap().is_none());
}

#[tokio::test]
async fn rows_of_another_form_than_expected_are_refused() {
    let mut bench = Bench::open("create table things (id int, text text); insert into things values (1, 'a')").await;
    let query = Query::list(Read::from(Source::Table(name("things")), "things"));
    for change in [
        "alter table things alter id type text",
        "alter table things add more int",
        "alter table things drop text, drop more",
    ] {
        bench.session.script(change).await.unwrap();
        let compiled = compile_rows(&query, &bench.catalog).unwrap().unwrap();
        let Output::Rows(rows) = compiled.output else { panic!("no rows") };
        let result = bench.result(compiled.statement, &[]).await;
        assert_eq!(rows.outcome(&result), None, "{change}");
    }
}

/// Any text, number and time.
#[test]
fn any_value_is_written_as_postgresql_writes_it() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let script = "create table things (id int, text text, number float8, exact numeric, moment timestamptz)";
    let bench = std::cell::RefCell::new(runtime.block_on(Bench::open(script)));
    let row = ("[^\0]{0,12}", any::<f64>(), "-?[0-9]{1,20}(\\.[0-9]{1,10})?", -60_000_000_000_i64..250_000_000_000);
    let zones = prop::sample::select(vec!["UTC", "America/New_York", "Australia/Lord_Howe", "Africa/Monrovia"]);
    let cases = ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(cases, |(rows in prop::collection::vec(row, 0..20), zone in zones)| {
        let mut bench = bench.borrow_mut();
        let (theirs, ours) = runtime.block_on(async {
            bench.session.script("truncate things").await.unwrap();
            for (text, number, exact, seconds) in &rows {
                let (number, seconds) = (number.to_string().replace("inf", "Infinity"), seconds.to_string());
                let values = [Some(text.as_str()), Some(&number), Some(exact), Some(&seconds)];
                let insert = "insert into things values (1, $1, $2::float8, $3::numeric, to_timestamp($4::float8))";
                bench.session.query(insert, &values).await.unwrap();
            }
            let query = Query::list(Read::from(Source::Table(name("things")), "things"));
            bench.both(&query, &[("timezone", zone)]).await
        });
        prop_assert_eq!(ours, theirs);
    });
}
