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
        (&["--table", "peek", "--role", "anon"], "is no table"),
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
    for (table, role) in [("unprot", "service_role"), ("notes", "authenticated")] {
        assert_eq!(asked(table, role).0, "", "{table} {role}");
    }
}
