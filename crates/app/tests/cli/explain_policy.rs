//! `ferrobase explain-policy`: a matrix of policies, and that its verdict is what PostgreSQL does.

use ferrobase_testkit::TestDatabase;
use serde_json::{Value, json};

use crate::dev::project::{Project, Ran};
use crate::support::{self, ANN, BOB};

const TABLES: &str = "
create schema private;
create table public.notes (
  id int primary key, owner uuid not null default auth.uid(), body text, team int, hidden boolean default false);
alter table public.notes enable row level security;
create policy own on public.notes to authenticated using (owner = auth.uid()) with check (owner = auth.uid());
create policy shown on public.notes as restrictive for select to authenticated using (not hidden);
create policy short on public.notes as restrictive for insert to authenticated with check (length(body) < 10);
create policy staff on public.notes to service_role using (true);
insert into public.notes values (1, '00000000-0000-4000-8000-00000000000a', 'mine', 1, false),
                                (2, '00000000-0000-4000-8000-00000000000b', 'theirs', 1, false);
create table public.inbox (id int primary key, body text);
alter table public.inbox enable row level security;
create policy put on public.inbox for insert to authenticated with check (true);
create table public.sealed (id int primary key, a text, b text);
alter table public.sealed enable row level security;
create policy anyone on public.sealed using (true);
insert into public.sealed values (1, 'a', 'b');
revoke all on public.sealed from anon, authenticated;
grant select (id, a), insert (id, a) on public.sealed to authenticated;
create table public.members (list int);
alter table public.members enable row level security;
revoke all on public.members from authenticated;
create table public.lists (id int primary key, tag text);
alter table public.lists enable row level security;
create policy via on public.lists to authenticated using (exists (select from public.members where list = lists.id));
create table public.unprot (id int primary key);
create table private.kept (id int primary key);
create view public.peek as select 1 as one;
";

struct Case {
    project: Project,
    database: TestDatabase,
}

impl Case {
    async fn new() -> Self {
        let database = support::installed().await;
        database.script(TABLES).await;
        Self { project: Project::empty(), database }
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let url = self.database.url();
        self.project.run(&[&["explain-policy"], arguments, &["--database-url", url]].concat())
    }

    /// The answer for one command.
    fn ask(&self, arguments: &[&str]) -> Value {
        self.run(&[arguments, &["--json"]].concat()).json()["commands"][0].clone()
    }

    fn as_ann(&self, table: &str, command: &str, more: &[&str]) -> Value {
        let claims = json!({ "sub": ANN }).to_string();
        let asked = ["--table", table, "--role", "authenticated", "--claims", &claims, "--command", command];
        self.ask(&[&asked, more].concat())
    }
}

fn refused_by(explanation: &Value) -> Vec<String> {
    let steps = explanation["steps"].as_array().unwrap();
    let refusing = steps.iter().find(|step| step["passes"] == json!(false)).expect("a step that refuses");
    refusing["refused_by"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_policy_says_what_it_says_of_the_row() {
    let case = Case::new().await;
    let insert = |row: Value| case.as_ann("notes", "insert", &["--row", &row.to_string()]);
    let fine = insert(json!({"id": 3, "body": "hello"}));
    assert_eq!(fine["allowed"], json!(true), "the default of owner counts: {fine}");
    let foreign = insert(json!({"id": 3, "body": "hello", "owner": BOB}));
    assert_eq!((foreign["allowed"].clone(), refused_by(&foreign)), (json!(false), vec!["own".to_owned()]));
    let long = insert(json!({"id": 3, "body": "much too long"}));
    assert_eq!(refused_by(&long), ["short"]);
    assert!(long["verdict"].as_str().unwrap().starts_with("refused: restrictive INSERT policy refused by \"short\""));
    let empty = insert(json!({"id": 3}));
    assert_eq!(refused_by(&empty), ["short"], "NULL counts as false: {empty}");

    let select = |more: &[&str]| case.as_ann("notes", "select", more);
    assert_eq!(select(&["--where", "id=1"])["allowed"], json!(true));
    assert_eq!(refused_by(&select(&["--where", "id=2"])), ["own"]);
    assert_eq!(select(&[])["allowed"], Value::Null, "without a row it depends");

    let update = |id: &str, row: Value| case.as_ann("notes", "update", &["--where", id, "--row", &row.to_string()]);
    assert_eq!(update("id=1", json!({"body": "new"}))["allowed"], json!(true));
    assert_eq!(refused_by(&update("id=1", json!({ "owner": BOB }))), ["own"]);
    assert_eq!(refused_by(&update("id=1", json!({"hidden": true}))), ["shown"], "the row must stay visible");
    assert_eq!(case.as_ann("notes", "delete", &["--where", "id=1"])["allowed"], json!(true));
    assert_eq!(case.as_ann("notes", "delete", &["--where", "id=2"])["allowed"], json!(false));

    // Nothing of all that was kept.
    assert_eq!(case.count("notes").await, "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_policies_and_privileges_are_named() {
    let case = Case::new().await;
    let row = ["--row", r#"{"id": 1, "body": "x"}"#];
    assert_eq!(case.as_ann("inbox", "insert", &row)["allowed"], json!(true));
    let returning = case.as_ann("inbox", "insert", &[&row[..], &["--returning"]].concat());
    assert_eq!(
        returning["verdict"],
        json!("refused: no policy of table inbox lets role authenticated SELECT (the new row is returned)")
    );
    let select = case.as_ann("inbox", "select", &[]);
    assert_eq!(select["allowed"], json!(false), "no policy lets any row pass: {select}");

    let column = case.as_ann("sealed", "insert", &["--row", r#"{"id": 1, "b": "x"}"#]);
    assert_eq!(column["missing_privileges"], json!(["INSERT on sealed (b)"]));
    let delete = case.as_ann("sealed", "delete", &["--where", "id=1"]);
    assert_eq!(delete["missing_privileges"], json!(["DELETE on sealed"]));
    let all = case.as_ann("sealed", "select", &[]);
    assert_eq!(all["missing_privileges"], json!(["SELECT on sealed (b)"]));

    let inner = case.as_ann("lists", "select", &["--row", r#"{"id": 1}"#]);
    let outcome = &inner["steps"][0]["policies"][0]["outcome"];
    assert!(outcome["fails"].as_str().unwrap().contains("members"), "{inner}");

    let asked = ["--table", "notes", "--role", "service_role", "--command", "select"];
    assert_eq!(case.ask(&asked)["row_security"], json!("bypassed"));
    let asked = ["--table", "notes", "--role", "anon", "--command", "select"];
    let anonymous = case.ask(&asked);
    assert_eq!(anonymous["allowed"], json!(false));
    assert!(anonymous["policies"].as_array().unwrap().iter().all(|policy| policy["applies"] == json!(false)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_the_table_cannot_hold_is_malformed_and_no_policy_is_to_blame() {
    let case = Case::new().await;
    let domains = "create domain word as text not null check (value <> 'no');
                   create table public.words (id int primary key, word word, short varchar(3), note text);
                   alter table public.words enable row level security;
                   create policy anyone on public.words using (true) with check (true);
                   create policy seen on public.words as restrictive for update using (note is null)";
    case.database.script(domains).await;
    let ask = |table: &str, command: &str, row: Value| {
        let row = row.to_string();
        case.run(&["--table", table, "--role", "anon", "--command", command, "--row", &row])
    };
    for (command, row, said) in [
        ("insert", json!({"id": "x", "word": "a"}), "words.id: invalid input syntax for type integer: \"x\" (22P02)"),
        ("update", json!({"id": "x"}), "words.id: invalid input syntax"),
        (
            "select",
            json!({"id": 3_000_000_000_u64}),
            "words.id: value \"3000000000\" is out of range for type integer (22003)",
        ),
        (
            "insert",
            json!({"id": 1, "word": "a", "short": "long"}),
            "words.short: value too long for type character varying(3) (22001)",
        ),
        ("insert", json!({"id": 1, "word": "no"}), "words.word: value for domain word violates check constraint"),
        ("insert", json!({"id": 1}), "words: domain word does not allow null values (23502)"),
    ] {
        let ran = ask("words", command, row);
        assert!(ran.code() == Some(1) && ran.err.contains("the row is malformed: "), "{command}: {ran:?}");
        assert!(ran.err.contains(said) && !ran.err.contains("policy"), "{command}: {ran:?}");
    }
    // A part of a row is enough for what changes; and a row that fits is judged.
    assert!(ask("words", "update", json!({"note": "x"})).succeeds().contains("refused"));
    assert!(ask("words", "insert", json!({"id": 1, "word": "a"})).succeeds().contains("allowed"));
    // What a role may not reach is not the row's fault.
    let ran = ask("private.kept", "insert", json!({"id": 1}));
    assert!(ran.succeeds().contains("lacks USAGE on schema private"));
}

const COMPUTED: &str = "
create function public.tenant() returns text language sql stable as $$ select auth.jwt() ->> 'tenant' $$;
create table public.gent (
  id int primary key, owner text, tenant text generated always as (split_part(owner, '/', 1)) stored,
  tenth int generated always as (10 / id) stored);
create table public.trgt (id serial primary key, tenant text not null, price int check (price < 1000));
create table public.made (id int generated always as identity, price int constraint cheap check (price < 1000), tag text not null);
insert into public.trgt (tenant, price) values ('a', 1);
create function public.stamp() returns trigger language plpgsql as $$ begin new.tenant := tenant(); return new; end $$;
create trigger stamp before insert on public.trgt for each row execute function stamp();
create trigger watch before update of price on public.trgt for each row execute function stamp();
create trigger late after insert on public.trgt for each row execute function stamp();
create policy t on public.gent using (tenant = tenant()) with check (tenant = tenant());
create policy t on public.trgt using (tenant = tenant()) with check (tenant = tenant());
create policy t on public.made using (true) with check (true);
alter table public.gent enable row level security;
alter table public.trgt enable row level security;
alter table public.made enable row level security;
insert into public.gent values (1, 'a/x');
insert into public.made (price, tag) values (1, 'a');
";

#[tokio::test(flavor = "multi_thread")]
async fn generated_columns_are_computed_before_policies_are_asked() {
    let case = Case::new().await;
    case.database.script(COMPUTED).await;
    let ask = |command: &str, more: &[&str]| {
        let asked = ["--table", "gent", "--role", "authenticated", "--claims", r#"{"tenant": "a"}"#];
        case.ask(&[&asked[..], &["--command", command], more].concat())["allowed"].clone()
    };
    for (command, more, allowed) in [
        ("insert", &["--row", r#"{"id": 2, "owner": "a/y"}"#][..], true),
        ("insert", &["--row", r#"{"id": 2, "owner": "b/y"}"#], false),
        ("update", &["--where", "id=1", "--row", r#"{"owner": "a/z"}"#], true),
        ("update", &["--where", "id=1", "--row", r#"{"owner": "b/z"}"#], false),
        ("select", &["--row", r#"{"id": 2, "owner": "a/y"}"#], true),
        ("select", &["--row", r#"{"id": 2, "tenant": "b"}"#], false),
        ("delete", &["--where", "id=1"], true),
    ] {
        assert_eq!(ask(command, more), json!(allowed), "{command} {more:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_constraints_or_generated_columns_refuse_is_malformed() {
    let case = Case::new().await;
    case.database.script(COMPUTED).await;
    let ask = |table: &str, command: &str, more: &[&str]| {
        let asked = ["--table", table, "--role", "authenticated", "--claims", r#"{"tenant": "a"}"#];
        case.run(&[&asked[..], &["--command", command], more].concat())
    };
    for (table, command, row, said) in [
        ("gent", "insert", r#"{"id": 2, "tenant": "a"}"#, "gent.tenant: a generated column takes no value (428C9)"),
        ("gent", "update", r#"{"tenant": "a"}"#, "gent.tenant: a generated column takes no value (428C9)"),
        ("gent", "insert", r#"{"id": 0, "owner": "a"}"#, "gent.tenth: division by zero (22012)"),
        ("made", "insert", r#"{"id": 7, "tag": "a"}"#, "made.id: an identity column that is GENERATED ALWAYS"),
        ("made", "insert", r#"{"price": 5000, "tag": "a"}"#, "made: check constraint \"cheap\" (23514)"),
        ("made", "update", r#"{"price": 5000}"#, "made: check constraint \"cheap\" (23514)"),
        ("made", "insert", r#"{"price": 5}"#, "made.tag: null in a column that is NOT NULL (23502)"),
        ("made", "update", r#"{"tag": null}"#, "made.tag: null in a column that is NOT NULL (23502)"),
    ] {
        ask(table, command, &["--row", row]).fails(&["the row is malformed: ", said]);
    }
    ask("made", "update", &["--where", "id=1", "--row", r#"{"price": 5000}"#]).fails(&["\"cheap\""]);
    assert!(ask("made", "insert", &["--row", r#"{"price": 5, "tag": "a"}"#]).succeeds().contains("INSERT: allowed"));
    assert!(ask("made", "update", &["--row", r#"{"price": 5}"#]).succeeds().contains("depends on the row"));
}

#[tokio::test(flavor = "multi_thread")]
async fn before_triggers_that_were_not_run_are_named() {
    let case = Case::new().await;
    case.database.script(COMPUTED).await;
    let asked = ["--table", "trgt", "--role", "authenticated", "--claims", r#"{"tenant": "a"}"#, "--command"];
    let insert = [&asked[..], &["insert", "--row", r#"{"price": 5000}"#]].concat();
    let told = case.ask(&insert);
    assert_eq!((&told["allowed"], &told["triggers_not_run"]), (&json!(false), &json!(["stamp"])));
    let text = case.run(&insert).succeeds();
    for line in [
        "  but: BEFORE triggers were not run, which may change the row before policies are asked: \"stamp\"\n",
        "  but: as it was given, the row breaks trgt.tenant: null in a column that is NOT NULL (23502)\n",
    ] {
        assert!(text.contains(line), "no {line:?} in\n{text}");
    }
    let told = |more: &[&str]| case.ask(&[&asked[..], more].concat())["triggers_not_run"].clone();
    assert_eq!(told(&["update", "--where", "id=1", "--row", r#"{"price": 2}"#]), json!(["watch"]));
    assert_eq!(told(&["update", "--where", "id=1", "--row", r#"{"tenant": "a"}"#]), json!([]));
    assert_eq!(told(&["delete", "--where", "id=1"]), json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_tells_permissive_from_restrictive_policies_and_columns_that_may_be_read() {
    let case = Case::new().await;
    let row = json!({ "id": 3, "body": "much too long", "owner": BOB }).to_string();
    let told = case.as_ann("notes", "insert", &["--row", &row])["verdict"].clone();
    let said =
        "refused: no permissive INSERT policy lets the row pass: \"own\"; and a restrictive one refuses it: \"short\"";
    assert!(told.as_str().unwrap().starts_with(said), "{told}");

    let select = |more: &[&str]| case.as_ann("sealed", "select", more);
    let all = select(&["--where", "id=1"])["verdict"].clone();
    let said = "refused: role authenticated lacks SELECT on sealed (b); it may SELECT a, id, by naming columns";
    assert!(all.as_str().unwrap().starts_with(said), "{all}");
    let some = select(&["--where", "id=1", "--columns", "id,a"]);
    assert_eq!(some["allowed"], json!(true), "{some}");
    assert_eq!(select(&["--columns", "b"])["missing_privileges"], json!(["SELECT on sealed (b)"]));
    let returning = ["--row", r#"{"id": 2, "a": "x"}"#, "--returning"];
    assert_eq!(case.as_ann("sealed", "insert", &returning)["missing_privileges"], json!(["SELECT on sealed (b)"]));
    let some = case.as_ann("sealed", "insert", &[&returning[..], &["--columns", "id"]].concat());
    assert_eq!(some["allowed"], json!(true), "{some}");
    case.run(&["--table", "sealed", "--role", "anon", "--columns", "c"]).fails(&["sealed has no column c"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_readable_and_mistakes_are_told() {
    let case = Case::new().await;
    let claims = json!({ "sub": ANN }).to_string();
    let asked = ["--table", "public.notes", "--role", "authenticated", "--claims", &claims, "--command", "insert"];
    let text = case.run(&[&asked[..], &["--row", r#"{"id": 9, "body": "much too long"}"#]].concat()).succeeds();
    for line in [
        "public.notes for role authenticated: row-level security is enabled",
        "  permissive \"own\" for ALL to authenticated",
        "  permissive \"staff\" for ALL to service_role  (does not apply to this role)",
        "    passes   permissive \"own\": (owner = auth.uid())",
        "    REFUSES  restrictive \"short\": (length(body) < 10)",
    ] {
        assert!(text.contains(line), "no {line:?} in\n{text}");
    }
    for (arguments, said) in [
        (&["--table", "nothing", "--role", "anon"][..], "there is no table public.nothing"),
        (&["--table", "notes", "--role", "nobody"], "there is no role nobody"),
        (&["--table", "peek", "--role", "anon"], "public.peek is a view and no table"),
        (&["--table", "notes", "--role", "anon", "--row", "[]"], "must be a JSON object"),
        (&["--table", "notes", "--role", "anon", "--row", "{\"x\": 1}"], "notes has no column x"),
        (&["--table", "notes", "--role", "anon", "--where", "id"], "COLUMN=VALUE"),
        (&["--table", "notes", "--role", "anon", "--where", "id=99"], "0 rows match"),
        (&["--table", "notes", "--role", "anon", "--where", "id=1) or (true"], "invalid input syntax"),
    ] {
        let ran = case.run(arguments);
        assert!(ran.code() == Some(1) && ran.err.contains(said), "{arguments:?}: {ran:?}");
    }
}

impl Case {
    async fn count(&self, table: &str) -> String {
        let mut session = self.database.connect().await;
        crate::caller::value(&mut session, &format!("select count(*) from public.{table}")).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_api_hides_is_told_whatever_policies_say() {
    let case = Case::new().await;
    let asked = |table: &'static str, role: &'static str| {
        let arguments = ["--table", table, "--role", role, "--command", "select"];
        let hidden = case.run(&[&arguments[..], &["--json"]].concat()).json()["hidden"].clone();
        (hidden.as_str().unwrap_or_default().to_owned(), case.run(&arguments).succeeds())
    };
    let (hidden, text) = asked("unprot", "authenticated");
    assert!(hidden.contains("no row-level security") && text.contains(&hidden), "{hidden}\n{text}");
    assert!(text.contains("SELECT: not through the API; for PostgreSQL: allowed"), "{text}");
    assert!(asked("private.kept", "service_role").0.contains("rest.schemas"));
    let kinds = "create table public.parted (id int) partition by range (id);
                 create table public.part_1 partition of public.parted for values from (0) to (9);
                 create materialized view public.copied as select 1 as one";
    case.database.script(kinds).await;
    let (partition, text) = asked("part_1", "service_role");
    assert!(partition.contains("no partitions: its rows are reached through public.parted,"), "{partition}");
    assert!(text.contains(&partition), "{text}");
    case.run(&["--table", "copied", "--role", "anon"]).fails(&[
        "public.copied is a materialized view and no table: it has no policies",
        "the REST API hides it from anon: relations of its kind cannot have row-level security",
    ]);
    for (table, role) in [("unprot", "service_role"), ("notes", "authenticated")] {
        assert_eq!(asked(table, role).0, "", "{table} {role}");
    }
}
