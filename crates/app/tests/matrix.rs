//! Role x table x verb x column: REST and GraphQL agree on who may do what, on what is seen, and on what is there afterwards.

use std::collections::BTreeMap;

use ferrobase_pg::Session;
use ferrobase_testkit::{App, token};
use reqwest::Method;
use serde_json::{Value, json};

use crate::caller::{Caller, client, value};
use crate::support;

/// Tables that differ in grants and policies; each has the columns `id`, `title` and `owner`.
const SCHEMA: &str = "
    create table everyones (id int primary key, title text, owner text);
    create table own (like everyones including all);
    create table shown (like everyones including all);
    create table columns (like everyones including all);
    create table dropbox (like everyones including all);
    create table denied (like everyones including all);
    create table closed (like everyones including all);
    do $$ declare t text; begin
        foreach t in array array['everyones', 'own', 'shown', 'columns', 'dropbox', 'denied', 'closed'] loop
            execute format('insert into %I values (1, ''one'', ''ann''), (2, ''two'', ''bob'')', t);
            execute format('alter table %I enable row level security', t);
        end loop; end $$;
    create policy all_of_it on everyones using (true) with check (true);
    create policy mine on own using (owner = auth.jwt()->>'sub') with check (owner = auth.jwt()->>'sub');
    create policy look on shown for select using (true);
    create policy all_of_it on columns using (true) with check (true);
    create policy all_of_it on dropbox using (true) with check (true);
    create policy all_of_it on denied using (true) with check (true);
    revoke all on columns, dropbox, denied from anon, authenticated;
    grant select (id, title) on columns to anon;
    grant select, insert (id, title), update (title) on columns to authenticated;
    grant insert on dropbox to anon, authenticated;
    grant delete on dropbox to authenticated;
    create view mirror with (security_invoker) as select * from own;
    comment on view mirror is '@graphql({\"primary_key_columns\": [\"id\"]})';
    create view leak as select * from own;
    comment on view leak is '@graphql({\"primary_key_columns\": [\"id\"]})';
    notify ferrobase;";

const TABLES: [&str; 9] = ["everyones", "own", "shown", "columns", "dropbox", "denied", "closed", "mirror", "leak"];
const COLUMNS: [&str; 3] = ["id", "title", "owner"];

/// What came of it: who is refused is refused, otherwise these rows, or this is in the tables then.
#[derive(Debug, PartialEq)]
enum Outcome {
    Refused,
    Rows(Vec<String>),
    Left(String),
}

/// A try.
#[derive(Clone, Copy, Debug)]
enum Try {
    Select(&'static str),
    Insert(&'static str),
    Update(&'static str),
    Delete,
}

/// One caller of both rooms.
struct Asker {
    rest: Caller,
    graphql: String,
    token: Option<String>,
}

/// A value of a column that no row has.
fn new_value(column: &str) -> Value {
    if column == "id" { json!(7) } else { json!("ann") }
}

impl Asker {
    fn of(app: &App, token: Option<String>) -> Self {
        let rest = Caller::of(app);
        let rest = token.iter().fold(rest, |caller, token| caller.with(token));
        Self { rest, graphql: app.url("/graphql/v1"), token }
    }

    async fn by_rest(&self, table: &str, what: Try) -> Option<Vec<String>> {
        let (method, path, body) = match what {
            Try::Select(column) => (Method::GET, format!("/{table}?select={column}"), None),
            Try::Insert(column) => {
                let body = if column == "id" { json!({"id": 7}) } else { json!({"id": 7, column: new_value(column)}) };
                (Method::POST, format!("/{table}"), Some(body))
            }
            Try::Update(column) => {
                (Method::PATCH, format!("/{table}?id=in.(1,2)"), Some(json!({column: new_value(column)})))
            }
            Try::Delete => (Method::DELETE, format!("/{table}?id=in.(1,2)"), None),
        };
        let request = self.rest.request(method, &path);
        let request = body.iter().fold(request, |request, body| request.json(body));
        let answer = self.rest.send(request).await.unwrap();
        match (answer.status, what) {
            (200, Try::Select(column)) => {
                let rows = answer.json();
                Some(rows.as_array().unwrap().iter().map(|row| row[column].to_string()).collect())
            }
            (200..300, _) => Some(Vec::new()),
            // Two rows cannot have one id; that is no question of rights.
            (409, Try::Update("id")) => Some(Vec::new()),
            (401 | 403 | 404, _) => None,
            other => panic!("{table}, {what:?}: {other:?} {}", answer.body),
        }
    }

    async fn by_graphql(&self, table: &str, what: Try) -> Option<Vec<String>> {
        let filter = "filter: {id: {in: [1, 2]}}, atMost: 9";
        let query = match what {
            Try::Select(column) => format!("{{ it: {table}Collection {{ edges {{ node {{ {column} }} }} }} }}"),
            Try::Insert(column) => {
                let more = if column == "id" { String::new() } else { format!(", {column}: {}", new_value(column)) };
                format!(
                    "mutation {{ it: insertInto{table}Collection(objects: [{{id: 7{more}}}]) {{ affectedCount }} }}"
                )
            }
            Try::Update(column) => {
                let set = format!("{column}: {}", new_value(column));
                format!("mutation {{ it: update{table}Collection(set: {{{set}}}, {filter}) {{ affectedCount }} }}")
            }
            Try::Delete => format!("mutation {{ it: deleteFrom{table}Collection({filter}) {{ affectedCount }} }}"),
        };
        let request = client().post(&self.graphql).json(&json!({"query": query}));
        let request = self.token.iter().fold(request, |request, token| request.bearer_auth(token));
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        let Some(error) = answer["errors"].get(0) else {
            let rows = answer["data"]["it"]["edges"].as_array().cloned().unwrap_or_default();
            let value = |row: &Value| match what {
                Try::Select(column) => row["node"][column].to_string(),
                _ => String::new(),
            };
            return Some(rows.iter().map(value).collect());
        };
        match (error["extensions"]["code"].as_str().unwrap_or_default(), what) {
            ("CONFLICT", Try::Update("id")) => Some(Vec::new()),
            ("GRAPHQL_VALIDATION_FAILED" | "FORBIDDEN" | "UNAUTHENTICATED", _) => None,
            other => panic!("{table}, {what:?}: {other:?} {answer}"),
        }
    }
}

/// What is in the tables; afterwards everything is as it was.
async fn taken_back(owner: &mut Session) -> String {
    let tables = ["everyones", "own", "shown", "columns", "dropbox", "denied", "closed"];
    let all =
        tables.map(|table| format!("(select string_agg({table}::text, ' ' order by id) from {table})")).join(", ");
    let left = value(owner, &format!("select concat_ws(' | ', {all})")).await;
    for table in tables {
        let again = format!("truncate {table}; insert into {table} values (1, 'one', 'ann'), (2, 'two', 'bob')");
        owner.script(&again).await.unwrap();
    }
    left
}

fn outcome(what: Try, found: Option<Vec<String>>, left: String) -> Outcome {
    match (what, found) {
        (_, None) => Outcome::Refused,
        (Try::Select(_), Some(mut rows)) => {
            rows.sort();
            Outcome::Rows(rows)
        }
        (_, Some(_)) => Outcome::Left(left),
    }
}

#[tokio::test]
async fn rest_and_graphql_agree_on_who_may_do_what() {
    let database = support::installed().await;
    database.script(SCHEMA).await;
    let app = support::serve(&database).start().await.unwrap();
    let mut owner = database.connect().await;
    let roles = [
        ("nobody", None),
        ("ann", Some(token::with_claims(&json!({"role": "authenticated", "sub": "ann"})))),
        ("bob", Some(token::with_claims(&json!({"role": "authenticated", "sub": "bob"})))),
        ("service", Some(token::of_role("service_role"))),
    ];
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, token) in roles {
        let asker = Asker::of(&app, token);
        for table in TABLES {
            let tries =
                COLUMNS.into_iter().flat_map(|column| [Try::Select(column), Try::Insert(column), Try::Update(column)]);
            for what in tries.chain([Try::Delete]) {
                let found = asker.by_rest(table, what).await;
                let rest = outcome(what, found, taken_back(&mut owner).await);
                let found = asker.by_graphql(table, what).await;
                let graphql = outcome(what, found, taken_back(&mut owner).await);
                assert_eq!(rest, graphql, "{name}, {table}, {what:?}: REST, then GraphQL");
                let sort = match rest {
                    Outcome::Refused => "refused",
                    Outcome::Rows(_) => "read",
                    Outcome::Left(_) => "written",
                };
                *counts.entry(sort).or_default() += 1;
            }
        }
    }
    // It is no agreement on nothing.
    assert_eq!(counts.values().sum::<usize>(), 4 * 9 * 10, "{counts:?}");
    assert!(counts.values().all(|count| *count > 40), "{counts:?}");
}
