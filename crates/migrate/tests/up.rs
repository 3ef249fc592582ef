//! What goes well: order, ledger, status, plan, and sessions that stay clean.

use ferrobase_migrate::{Error, Event, State, UpOptions, Version, discover, new, plan};

use crate::folder::{Folder, applied};

#[tokio::test]
async fn files_are_applied_once_in_order_and_recorded() {
    let folder = Folder::with(&[
        ("0010_second", "insert into t values ('second')"),
        ("20260101000000_third", "insert into t values ('third');"),
        ("0002_first", "create table t (x text);\ninsert into t values ('first');\n"),
    ])
    .await;
    assert_eq!(folder.states().await, "0002 pending, 0010 pending, 20260101000000 pending");
    assert_eq!(folder.ask("select to_regnamespace('ferrobase') is null").await, "t", "looking makes nothing");

    let report = folder.up().await.unwrap();
    assert_eq!(applied(&report), ["0002_first.sql", "0010_second.sql", "20260101000000_third.sql"]);
    assert_eq!(folder.ask("select string_agg(x, ',') from t").await, "first,second,third");
    let ledger =
        "select string_agg(concat_ws(' ', version, name, length(checksum), applied_by, applied_at <= now()), '; '
                  order by version) from ferrobase.migrations";
    assert_eq!(
        folder.ask(ledger).await,
        "2 first 64 postgres t; 10 second 64 postgres t; 20260101000000 third 64 postgres t"
    );
    assert!(folder.status().await.is_current());

    let again = folder.up().await.unwrap();
    assert_eq!((again.applied.len(), again.already_applied), (0, 3));
    folder.write("20260101000001_fourth", "insert into t values ('fourth')");
    assert_eq!(applied(&folder.up().await.unwrap()), ["20260101000001_fourth.sql"]);
}

#[tokio::test]
async fn an_edited_applied_file_is_an_error_that_names_the_way_out() {
    let folder = Folder::with(&[("0001_a", "create table a (x int)"), ("0002_b", "create table b (x int)")]).await;
    folder.up().await.unwrap();
    folder.write("0001_a", "create table a (x bigint)");
    folder.write("0003_c", "create table c (x int)");
    let error = folder.up().await.unwrap_err();
    assert_eq!(error.to_string(), "0001_a.sql changed after it was applied");
    assert!(error.hint().unwrap().contains("ferrobase dev --reset"));
    assert_eq!(error.code(), "migrate_edited");
    assert_eq!(folder.states().await, "0001 edited, 0002 applied, 0003 pending");
    assert_eq!(folder.ask("select to_regclass('c') is null").await, "t", "nothing is applied meanwhile");
    // Line ends are git's business.
    folder.write("0001_a", "create table a (x int)");
    folder.write("0002_b", "\u{feff}create table b (x int)");
    assert_eq!(applied(&folder.up().await.unwrap()), ["0003_c.sql"]);
}

#[tokio::test]
async fn a_missing_applied_file_is_reported_and_no_hindrance() {
    let folder = Folder::with(&[("0001_a", "create table a (x int)"), ("0002_b", "create table b (x int)")]).await;
    folder.up().await.unwrap();
    folder.remove("0001_a");
    folder.write("0003_c", "create table c (x int)");
    let (report, events) = folder.up_with(&UpOptions::default()).await;
    assert_eq!(applied(&report.unwrap()), ["0003_c.sql"]);
    assert_eq!(events[0], Event::Missing { version: Version(1), name: "a".into() });
    assert_eq!(folder.states().await, "0001 missing, 0002 applied, 0003 applied");
}

#[tokio::test]
async fn a_late_file_is_applied_and_said_to_be_late() {
    let folder = Folder::with(&[("20260102000000_b", "create table b (x int)")]).await;
    folder.up().await.unwrap();
    folder.write("20260101000000_a", "create table a (x int)");
    assert!(folder.status().await.migrations[0].out_of_order);
    let (report, events) = folder.up_with(&UpOptions::default()).await;
    assert_eq!(report.unwrap().applied.len(), 1);
    assert!(events.contains(&Event::OutOfOrder { file: "20260101000000_a.sql".into() }));
}

#[tokio::test]
async fn two_files_of_one_number_are_refused() {
    let folder = Folder::with(&[("0001_a", "create table a (x int)"), ("001_b", "create table b (x int)")]).await;
    let error = folder.up().await.unwrap_err();
    assert_eq!(error.to_string(), "0001_a.sql and 001_b.sql have the same number 0001");
}

#[tokio::test]
async fn up_stops_at_the_wanted_file() {
    let folder = Folder::with(&[("0001_a", "select 1"), ("0002_b", "select 1"), ("0003_c", "select 1")]).await;
    let to = UpOptions { to: Some(Version(2)), ..UpOptions::default() };
    assert_eq!(folder.up_with(&to).await.0.unwrap().applied.len(), 2);
    assert_eq!(folder.states().await, "0001 applied, 0002 applied, 0003 pending");
}

#[tokio::test]
async fn what_postgresql_remarks_is_told_with_its_statement() {
    let text = "drop table if exists nothing;\ndo $$ begin raise warning 'careful'; end $$;\nselect 1;";
    let folder = Folder::with(&[("0001_a", text), ("0002_b", &format!("-- ferrobase: no-transaction\n{text}"))]).await;
    let (report, events) = folder.up_with(&UpOptions::default()).await;
    report.unwrap();
    let told: Vec<String> = events
        .iter()
        .filter_map(|event| match event {
            Event::Notice { file, place, warning, message } => Some(format!("{file}:{place} {warning} {message}")),
            _ => None,
        })
        .collect();
    let of = |file: &str, line: usize| {
        [
            format!("{file}:{line}:1 false table \"nothing\" does not exist, skipping"),
            format!("{file}:{}:1 true careful", line + 1),
        ]
    };
    assert_eq!(told, [of("0001_a.sql", 1), of("0002_b.sql", 2)].concat());
}

#[tokio::test]
async fn nothing_of_a_file_stays_in_the_session() {
    let folder = Folder::with(&[
        (
            "0001_dump",
            "select pg_catalog.set_config('search_path', '', false);
             set statement_timeout = '1s'; set default_transaction_read_only = on;
             create temporary table left_over (x int); listen something; select pg_advisory_lock(7);
             prepare p as select 1;
             -- Who may not write the ledger: our own role is taken back before the file is recorded.
             set role pg_monitor;",
        ),
        (
            "0002_next",
            "create table next (x int);
             do $$ begin
                assert current_setting('search_path') = '\"$user\", public', current_setting('search_path');
                assert current_user = session_user;
                assert to_regclass('pg_temp.left_over') is null;
                assert not exists (select from pg_prepared_statements);
                assert not exists (select from pg_locks where locktype = 'advisory' and pid = pg_backend_pid());
             end $$;",
        ),
    ])
    .await;
    folder.up().await.unwrap();
    assert_eq!(folder.ask("select count(*)::text from pg_class where relname = 'next'").await, "1");
}

#[tokio::test]
async fn a_role_without_rights_to_the_database_is_told_so() {
    let folder = Folder::with(&[("0001_a", "select 1")]).await;
    folder.connect().await.script("do $$ begin create role migrate_poor login password 'x'; exception when duplicate_object then null; end $$").await.unwrap();
    let url = folder.database.url_as("migrate_poor", "x");
    let options = ferrobase_pg::ConnectOptions::parse(&url).unwrap();
    let mut session = ferrobase_pg::Session::connect(&options).await.unwrap();
    let result = ferrobase_migrate::up(&mut session, folder.path(), &UpOptions::default(), &mut |_| {}).await;
    match result.unwrap_err() {
        error @ Error::Ledger { .. } => {
            assert!(error.to_string().contains("permission denied for database"), "{error}");
        }
        other => panic!("{other:?}"),
    }
    // One that only owns the database is enough.
    let script = format!("alter database {} owner to migrate_poor", folder.database.name());
    folder.connect().await.script(&script).await.unwrap();
    let result = ferrobase_migrate::up(&mut session, folder.path(), &UpOptions::default(), &mut |_| {}).await;
    assert_eq!(result.unwrap().applied.len(), 1);
    let reset = format!("alter database {} owner to postgres", folder.database.name());
    folder.connect().await.script(&reset).await.unwrap();
}

#[tokio::test]
async fn a_plan_lists_statements_and_serialises() {
    let folder = Folder::with(&[
        ("0001_a", "create table a (x int);"),
        ("0002_b", "-- ferrobase: no-transaction\n\ncreate index concurrently a_x\n  on a (x);\nvacuum a;\n"),
    ])
    .await;
    let to = UpOptions { to: Some(Version(1)), ..UpOptions::default() };
    folder.up_with(&to).await.0.unwrap();
    let plan = plan(&mut folder.connect().await, folder.path()).await.unwrap();
    let expected = serde_json::json!({
        "files": [{
            "version": "0002", "file": "0002_b.sql", "transaction": false, "done": 0,
            "statements": [
                { "line": 3, "summary": "create index concurrently a_x on a (x)" },
                { "line": 5, "summary": "vacuum a" },
            ],
        }],
        "edited": [],
    });
    assert_eq!(serde_json::to_value(&plan).unwrap(), expected);
    let status = serde_json::to_value(folder.status().await).unwrap();
    assert_eq!(status["migrations"][0]["state"], "applied");
    assert_eq!(status["migrations"][1]["state"], "pending");
    assert_eq!(status["migrations"][0]["applied_at"].as_str().unwrap().len(), "2026-01-01T00:00:00Z".len());
}

#[tokio::test]
async fn listeners_hear_of_the_new_schema_at_commit() {
    let folder = Folder::with(&[("0001_a", "create table a (x int)")]).await;
    let mut listener = folder.connect().await;
    listener.script("listen ferrobase").await.unwrap();
    folder.up().await.unwrap();
    let notification = listener.notification().await.unwrap();
    assert_eq!((notification.channel.as_str(), notification.payload.as_str()), ("ferrobase", "reload schema"));
}

#[tokio::test]
async fn a_dump_is_a_migration() {
    let Some(bin) = ferrobase_testkit::cluster::find_binaries().ok().filter(|bin| bin.join("pg_dump").exists()) else {
        eprintln!("no pg_dump here");
        return;
    };
    let source = Folder::with(&[(
        "0001_all",
        "create type mood as enum ('sad', 'it''s ok');
         create table t (id int generated always as identity primary key, note text default 'a;b', m mood);
         insert into t (note, m) values (E'tab\\tand \\\\. and ;', 'sad'), (null, 'it''s ok');
         create function f(n int) returns int language sql begin atomic; select case when n > 0 then n else 0 end; end;
         create function g() returns text language plpgsql as $body$ begin return ';'; end $body$;
         create view v as select * from t;
         create rule r as on update to v do instead (update t set note = new.note; delete from t where false);
         comment on table t is 'semi;colon -- and /* more';",
    )])
    .await;
    source.up().await.unwrap();
    let dump = std::process::Command::new(bin.join("pg_dump"))
        .args(["--no-owner", "--exclude-schema=ferrobase", "--dbname", source.database.url()])
        .output()
        .unwrap();
    assert!(dump.status.success(), "{dump:?}");
    let text = String::from_utf8(dump.stdout).unwrap();
    // Newer releases of pg_dump frame their output with commands of psql.
    let framed = text.contains("\\restrict");
    let plain: String = text.lines().filter(|l| !l.contains("restrict ")).map(|l| format!("{l}\n")).collect();
    let target = Folder::with(&[("0001_dump", &text)]).await;
    if framed {
        let error = target.up().await.unwrap_err();
        assert!(error.to_string().contains("`\\restrict` is a command of psql"), "{error}");
        target.write("0001_dump", &plain);
    }
    target.up().await.unwrap();
    assert_eq!(target.ask("select note from t order by id").await, "tab\tand \\. and ;");
    assert_eq!(target.ask("select f(-1)::text || g() || (select count(*) from v)").await, "0;2");
}

#[tokio::test]
async fn new_files_continue_the_folder() {
    let folder = Folder::new().await;
    let path = new(folder.path(), "Create users").unwrap();
    assert!(path.ends_with("0001_create_users.sql"));
    assert_eq!(folder.up().await.unwrap().applied.len(), 1, "the template can be applied");
    assert_eq!(discover(folder.path()).unwrap()[0].name, "create_users");
    assert_eq!(folder.status().await.migrations[0].state, State::Applied);
}
