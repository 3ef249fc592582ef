//! What could be taken for one of PostgreSQL's own in the SQL that we write: it binds its doubt to a type, or nothing is proven.

use ferrobase_catalog::{Catalog, Proven, Verb};

use crate::proven::{TELLS, prove};

/// Whoever is called here was taken for somebody else.
const FIXTURE: &str = "
    create type mood as enum ('good', 'bad', '\"good\"');
    create domain short as varchar;
    create domain paper as json;
    create table plain (id int, name varchar, paper json);
    insert into plain values (1, 'good', '\"good\"');";

/// A function of these arguments that only an attacker calls.
fn evil(name: &str, arguments: &str, returns: &str) -> String {
    format!("create function {name}({arguments}) returns {returns} language plpgsql as $$ begin raise 'evil'; end $$;")
}

/// What could be chosen in statements about tables without any type of somebody's own, each with a statement of that kind.
fn attacks() -> Vec<(String, Option<&'static str>)> {
    let judge = evil("judge", "text", "bool");
    let operator = |name: &str, left: &str, right: &str| {
        let made = evil("compare", &format!("{left}, {right}"), "bool");
        format!("{made} create operator {name} (leftarg = {left}, rightarg = {right}, function = compare);")
    };
    let equal_moods = operator("=", "mood", "mood");
    vec![
        // A call that is a cast to a domain.
        (format!("{judge} create domain to_json as text check (judge(value))"), Some("select to_json(id) from plain")),
        (
            format!("{judge} create domain inner_one as text check (judge(value)); create domain max as inner_one;"),
            Some("select max(name) from plain"),
        ),
        // It fits a known side better, and the other one is unknown.
        (operator("~~", "varchar", "mood"), Some("select from plain where name like 'good'")),
        // Values become of a domain by themselves.
        (operator("=", "paper", "paper"), Some("select from plain where paper = '1'")),
        (evil("lower", "short", "text"), None),
        (evil("to_json", "short[]", "json"), None),
        // They become of this type because somebody said so.
        (
            format!("{equal_moods} create cast (json as mood) with inout as implicit"),
            Some("select from plain where paper = 'good'"),
        ),
        (
            format!("{} create cast (json as mood) with inout as implicit", evil("length", "mood", "int")),
            Some("select length(paper) from plain"),
        ),
        (
            format!(
                "{} create cast (json as mood) with function to_mood(json) as implicit",
                evil("to_mood", "json", "mood")
            ),
            None,
        ),
        // A function of PostgreSQL's that does something.
        (
            "create operator ~~ (leftarg = int, rightarg = int, function = pg_try_advisory_lock)".into(),
            Some("select 1 / (1 - (id like '1')::int) from plain"),
        ),
        ("create aggregate string_agg(text, bool) (sfunc = set_config, stype = text)".into(), None),
        // What the planner makes of NOT.
        (
            format!(
                "{} create operator ~~ (leftarg = int, rightarg = int, function = int4eq, negator = !!~~)",
                operator("!!~~", "int", "int")
            ),
            Some("select from plain where not (id like '5')"),
        ),
        // Texts before an operator or in front of all others, of which nobody says the type.
        (
            evil("compare", "mood, bigint", "text")
                + "create operator || (leftarg = mood, rightarg = bigint, function = compare)",
            Some("select 'good' || count(*) from plain"),
        ),
        (
            "create extension citext;".to_owned() + &evil("to_tsquery", "citext, text", "tsquery"),
            Some("select to_tsquery('english', 'a')"),
        ),
        (evil("jsonb_build_object", "mood, int", "jsonb"), Some("select jsonb_build_object('good', id) from plain")),
        // Rows, which all row types take.
        (evil("json_agg", "plain", "json"), Some("select json_agg(p.*) from plain p")),
        // The rest of the arguments has a default, or is a list.
        (evil("max", "varchar, int default 0", "int"), Some("select max(name) from plain")),
        (evil("sum", "variadic varchar[]", "int"), Some("select sum(name) from plain")),
        (
            evil("lower", "a mood default 'good', b varchar default ''", "text"),
            Some("select lower(b => name) from plain"),
        ),
        // Only what comes later is of a type of somebody's own.
        (evil("starts_with", "varchar, mood", "bool"), Some("select starts_with(name, 'good') from plain")),
    ]
}

fn proves(catalog: &Catalog, proven: &Proven, name: &str) -> bool {
    proven.relation(catalog.relation("public", name).unwrap().oid).is_some()
}

#[tokio::test]
async fn sec_03_what_can_be_taken_for_postgresqls_own_anywhere_proves_nothing() {
    for (attack, reached_by) in attacks() {
        let database = crate::database(FIXTURE).await;
        database.script(&attack).await;
        if let Some(statement) = reached_by {
            let failed = database.connect().await.query(statement, &[]).await.err().map(|error| error.to_string());
            let failed = failed.unwrap_or_default();
            assert!(failed.contains("evil") || failed.contains("division by zero"), "{attack}\n{statement}: {failed}");
        }
        database.script(TELLS).await;
        let (catalog, proven) = prove(&database).await;
        assert!(!proves(&catalog, &proven.unwrap(), "plain"), "{attack}");
    }
}

/// Tables with `mood` in each of the ways in which a value can be one.
const MOODS: &str = "
    create domain shade as mood;
    create table of_mood (mood mood);
    create table of_moods (moods mood[]);
    create table of_shade (shade shade);
    create view shows_mood as select mood from of_mood;
    create table by_mood (id int) ;
    alter table by_mood enable row level security;
    create policy own on by_mood using (exists (select from of_mood));
    create function says_mood() returns mood return 'good'::mood;
    create function counts() returns bigint stable return (select count(*) from plain);";

#[tokio::test]
async fn sec_03_what_takes_only_values_of_somebodys_own_type_is_a_doubt_of_these() {
    let attacks = [
        evil("length", "mood", "int"),
        evil("length", "variadic mood[]", "int"),
        evil("array_length", "mood[], int", "int"),
        evil("starts_with", "mood, text", "bool"),
        evil("next", "mood, mood", "mood") + "create aggregate max(mood) (sfunc = next, stype = mood)",
        evil("same", "mood, mood", "bool") + "create operator = (leftarg = mood, rightarg = mood, function = same)",
        evil("like", "mood, text", "bool").replace("like(", "\"like\"(")
            + "create operator ~~ (leftarg = mood, rightarg = text, function = \"like\")",
        evil("shown", "mood", "json") + "create cast (mood as json) with function shown",
    ];
    for attack in attacks {
        let database = crate::database(&format!("{FIXTURE} {MOODS} {attack}; {TELLS}")).await;
        let (catalog, proven) = prove(&database).await;
        let proven = proven.unwrap();
        let names = ["by_mood", "of_mood", "of_moods", "of_shade", "plain", "shows_mood"];
        let known: Vec<_> = names.into_iter().filter(|name| proves(&catalog, &proven, name)).collect();
        assert_eq!(known, ["plain"], "{attack}");
        let function = |name| proven.function(catalog.overloads("public", name)[0].oid).is_some();
        assert_eq!([function("counts"), function("says_mood")], [true, false], "{attack}");
        let plain = catalog.relation("public", "plain").unwrap().oid;
        assert!(proven.write(Verb::Insert, plain).is_some(), "{attack}");
    }
}

#[tokio::test]
async fn what_cannot_be_taken_for_postgresqls_own_takes_no_proof() {
    for harmless in [
        // Not as many arguments (pgjwt has this one).
        evil("sign", "payload json, secret text, algorithm text default 'HS256'", "text"),
        // Conditions that only compute, and a name that nothing of PostgreSQL's has.
        "create domain age as int check (value between 0 and 150);".to_owned(),
        evil("judge", "text", "bool") + "create domain judged as text check (judge(value));",
        // A text without a type goes to the operator whose sides are alike.
        evil("compare", "text, mood", "bool")
            + "create operator ~~ (leftarg = text, rightarg = mood, function = compare);",
    ] {
        let database = crate::database(&format!("{FIXTURE} {harmless}; {TELLS}")).await;
        for like in ["select from plain where name like 'good'", "select from plain where name::text like $1"] {
            let values = [Some("good")];
            let values = if like.contains('$') { &values[..] } else { &[] };
            database.connect().await.query(like, values).await.unwrap();
        }
        let (catalog, proven) = prove(&database).await;
        assert!(proves(&catalog, &proven.unwrap(), "plain"), "{harmless}");
    }
}

/// What citext brings is named like functions that our statements never call with a column; their defaults may.
#[tokio::test]
async fn with_citext_only_inserts_are_doubted_whose_defaults_have_such_values() {
    let database = crate::database(&format!(
        "{FIXTURE} create schema ext; create extension citext schema ext;
         create table users (id int primary key, email ext.citext unique);
         create table named (id int, name ext.citext default 'nobody');
         create table placed (id int default strpos('ab'::ext.citext, 'B'::ext.citext));
         create table guarded (email ext.citext);
         alter table guarded enable row level security;
         create policy own on guarded using (ext.replace(email, 'a', 'b') = 'b');
         {TELLS}"
    ))
    .await;
    let (catalog, proven) = prove(&database).await;
    let proven = proven.unwrap();
    let lines = ["guarded", "named", "placed", "plain", "users"].map(|name| {
        let oid = catalog.relation("public", name).unwrap().oid;
        let is_written = |verb| proven.write(verb, oid).is_some();
        let is_read = proven.relation(oid).is_some();
        format!("{name} {is_read} {} {}", is_written(Verb::Insert), is_written(Verb::Update))
    });
    // Since PostgreSQL 18 its functions have bodies that can be followed.
    let guarded =
        if catalog.server_version < 180_000 { "guarded false false false" } else { "guarded true false true" };
    let expected =
        [guarded, "named true false true", "placed true false true", "plain true true true", "users true true true"];
    crate::assert_lines(&lines, &expected);
}

#[tokio::test]
async fn no_extension_of_the_server_takes_the_proof_of_a_table_that_does_not_use_it() {
    let database = crate::database("").await;
    let available = "select string_agg(name, ' ' order by name) from pg_available_extensions where name <> 'plpgsql'";
    let (mut made, mut doubted) = (Vec::new(), Vec::new());
    for extension in database.value(available).await.split(' ') {
        let database = crate::database("create table plain (id int, name text)").await;
        // Some are only updated to, or need a library at the start of the server.
        let create = format!("create extension \"{extension}\" cascade");
        if database.connect().await.script(&create).await.is_err() {
            continue;
        }
        made.push(extension.to_owned());
        database.script(TELLS).await;
        let (catalog, proven) = prove(&database).await;
        if !proves(&catalog, &proven.unwrap(), "plain") {
            doubted.push(extension.to_owned());
        }
    }
    let contrib = [
        "btree_gin",
        "btree_gist",
        "citext",
        "cube",
        "dblink",
        "earthdistance",
        "fuzzystrmatch",
        "hstore",
        "intarray",
        "isn",
        "lo",
        "ltree",
        "pg_trgm",
        "pgcrypto",
        "postgres_fdw",
        "seg",
        "tablefunc",
        "unaccent",
        "uuid-ossp",
    ];
    for extension in contrib {
        assert!(made.iter().any(|name| name == extension), "{extension} is missing: {made:?}");
    }
    assert_eq!(doubted, Vec::<String>::new(), "of {made:?}");
}
