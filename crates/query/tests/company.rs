//! The fixture's database, and short ways to build plans over it and to run them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ferrobase_catalog::QualifiedName;
use ferrobase_pg::{Batch, DbError, Error, Formats, Mode, Rows, Session, Statement, StatementResult};
use ferrobase_query::plan::*;
use ferrobase_query::{Compiled, Outcome, Output, compile, compile_rows};
use ferrobase_testkit::{TestDatabase, database_from};
use serde_json::Value as Json;

/// A database of the fixture with a session in it.
pub struct Company {
    session: Session,
    _database: TestDatabase,
}

impl Company {
    pub async fn open() -> Self {
        let database = database_from("query_company_1", |url| async move {
            let options = ferrobase_pg::ConnectOptions::parse(&url).unwrap();
            let mut session = Session::connect(&options).await.unwrap();
            session.script(include_str!("fixture.sql")).await.unwrap();
        })
        .await;
        Self { session: database.connect().await, _database: database }
    }

    /// Runs a plan in a transaction of its own.
    pub async fn try_run(&mut self, query: &Query) -> Result<Outcome, DbError> {
        let compiled = compile(query).unwrap();
        let Output::Json(layout) = compiled.output else { panic!("a plan was asked for, not a result") };
        Ok(layout.outcome(&self.try_result(compiled.statement).await?))
    }

    pub async fn run(&mut self, query: &Query) -> Outcome {
        let sql = compile(query).unwrap().statement.sql;
        self.try_run(query).await.unwrap_or_else(|error| panic!("{error:?}\n{sql}"))
    }

    /// The body of an answer as JSON.
    pub async fn json(&mut self, query: &Query) -> Json {
        body(&self.run(query).await)
    }

    /// The body of the same answer from records, if it can come from them.
    pub async fn packed(&mut self, query: &Query) -> Option<Json> {
        let catalog = ferrobase_catalog::load(&mut self.session, &ferrobase_catalog::Scope::default()).await.unwrap();
        let Compiled { statement, output: Output::Rows(rows), .. } = compile_rows(query, &catalog).unwrap()? else {
            panic!("no rows")
        };
        let result = matches!(statement.formats, Formats::Each(_)).then(|| self.try_result(statement))?.await.unwrap();
        Some(body(&rows.outcome(&result).expect("the columns are as expected")))
    }

    pub async fn try_rows(&mut self, statement: Statement) -> Result<Rows, DbError> {
        Ok(self.try_result(statement).await?.rows)
    }

    async fn try_result(&mut self, statement: Statement) -> Result<StatementResult, DbError> {
        let batch = Batch {
            settings: Default::default(),
            statements: vec![statement],
            mode: Mode::Implicit,
            scope: Arc::from(""),
            runs_user_code: true,
            counts_up: false,
            proof: None,
            writes: true,
            shareable: false,
            since: Instant::now(),
            deadline: Instant::now() + Duration::from_secs(30),
        };
        match self.session.run(&batch).await {
            Ok(mut reply) => Ok(reply.results.remove(0)),
            Err(Error::Db(error)) => Err(*error),
            Err(other) => panic!("{other}"),
        }
    }

    /// The first column of a query, as text.
    pub async fn ask(&mut self, sql: &str) -> String {
        let result = self.session.query(sql, &[]).await.unwrap();
        result.rows.iter().map(|row| row.text(0).unwrap_or("NULL").to_owned()).collect::<Vec<_>>().join(",")
    }

    pub async fn script(&mut self, sql: &str) {
        self.session.script(sql).await.unwrap();
    }
}

pub fn body(outcome: &Outcome) -> Json {
    serde_json::from_slice(outcome.body.as_deref().unwrap_or(b"null")).unwrap()
}

pub fn name(name: &str) -> QualifiedName {
    QualifiedName::new("public", name)
}

/// A table with some of its columns.
pub fn table(table: &str, columns: &[&str]) -> Read {
    let select = columns.iter().map(|column| if *column == "*" { Select::star() } else { Select::column(*column) });
    Read { select: select.collect(), ..Read::from(Source::Table(name(table)), table) }
}

pub fn compare(column: &str, operator: Operator, value: &str) -> Condition {
    Condition::Compare(Comparison {
        field: Field::column(column),
        negated: false,
        operation: Operation::Binary { operator, quantifier: None, value: value.to_owned() },
    })
}

pub fn eq(column: &str, value: &str) -> Condition {
    compare(column, Operator::Equal, value)
}

pub fn by(column: &str) -> Order {
    Order { by: OrderBy::Field(Field::column(column)), direction: None, nulls: None }
}

pub fn first(rows: u64) -> Window {
    Window { offset: 0, limit: Some(rows) }
}

/// An embed over one pair of columns.
pub fn embed(key: &str, pair: (&str, &str), to_one: bool, read: Read) -> Embed {
    Embed {
        name: key.to_owned(),
        join: Join::Columns(vec![(pair.0.to_owned(), pair.1.to_owned())]),
        to_one,
        inner: false,
        output: EmbedOutput::Json,
        read,
    }
}

/// A client of a project.
pub fn client(columns: &[&str]) -> Embed {
    embed("client", ("client_id", "id"), true, table("clients", columns))
}

/// The projects of a client.
pub fn projects(columns: &[&str]) -> Embed {
    embed("projects", ("id", "client_id"), false, Read { order: vec![by("id")], ..table("projects", columns) })
}

/// The tasks of a project.
pub fn tasks(columns: &[&str]) -> Embed {
    embed("tasks", ("id", "project_id"), false, Read { order: vec![by("id")], ..table("tasks", columns) })
}

/// The people who work on a task.
pub fn workers(columns: &[&str]) -> Embed {
    Embed {
        join: Join::Junction {
            table: name("assignments"),
            parent: vec![("id".to_owned(), "task_id".to_owned())],
            target: vec![("id".to_owned(), "person_id".to_owned())],
        },
        ..embed("workers", ("", ""), false, Read { order: vec![by("id")], ..table("people", columns) })
    }
}
