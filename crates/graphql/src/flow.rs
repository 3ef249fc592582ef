//! One operation on its way through the stages.
//!
//! parse -> plan -> query -> execute -> render. A query is one statement; the fields of a mutation are one statement each,
//! one after the other in one transaction, with every setting set again before each.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use apollo_compiler::executable::Operation;
use apollo_compiler::introspection;
use apollo_compiler::request::{RequestError, coerce_variable_values};
use apollo_compiler::response::JsonMap;
use apollo_compiler::validation::Valid;
use apollo_compiler::{ExecutableDocument, Node};
use bytes::Bytes;
use ferrobase_base::{Kind, PublicError};
use ferrobase_catalog::{Catalog, Function, Isolation, Proof, Proven};
use ferrobase_edge::Caller;
use ferrobase_pg::{Formats, Statement, StatementResult};
use ferrobase_query::plan::{Content, Document};
use ferrobase_query::{Drawn, Template, compile_document, prove_document};
use ferrobase_request::{RequestContext, Stage, Target, Work, beside, is_long};
use http::Method;
use http::request::Parts;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::block_in_place;

use crate::cost;
use crate::documents::Persisted;
use crate::error::Error;
use crate::exact;
use crate::introspect;
use crate::plan::{Planned, Planner};
use crate::prepared::{Asked, Prepared, Sight, Variables};
use crate::reflected::{Reflected, Schemas};
use crate::request::{self, GraphqlRequest};
use crate::settings::Settings;
use crate::summary;

/// What a list counts for whose size nobody says, where pages have no largest size either.
pub(crate) const UNBOUNDED: u64 = 1000;

/// What is told of the schema is made anew each time when it is longer, in bytes.
const LONG: usize = 1 << 20;

/// What the stages share.
pub(crate) struct Flow<'a> {
    pub(crate) settings: &'a Arc<Settings>,
    pub(crate) target: &'a Arc<Target>,
    pub(crate) caller: &'a Caller,
    pub(crate) schemas: &'a Schemas,
    pub(crate) persisted: &'a Persisted,
}

/// A statement that is ready to run.
pub(crate) struct Ready {
    pub(crate) drawn: Drawn,
    proof: Option<Proof>,
    read_only: bool,
    function: Option<Arc<Function>>,
}

/// An operation up to the point where values of the database come in.
pub(crate) struct Operating<'o> {
    reflected: &'o Reflected,
    asked: &'o Asked,
    operation: &'o Node<Operation>,
    variables: &'o Valid<JsonMap>,
    pub(crate) catalog: &'o Arc<Catalog>,
    proven: Option<Arc<Proven>>,
    pub(crate) schema: &'o str,
}

impl Flow<'_> {
    /// The answer, or what failed in whatever stage.
    pub(crate) async fn run(&self, parts: &Parts, body: &[u8]) -> Result<Bytes, Error> {
        let started = Instant::now();
        let request = request::read(&parts.method, parts.uri.query().unwrap_or_default(), &parts.headers, body)?;
        let schema = request::schema(&parts.method, &parts.headers, &self.settings.schemas)?;
        let named = self.persisted.document(&request, self.settings).await?;
        let catalog = self.target.catalog.get().ok_or_else(no_catalog)?;
        let identity = &self.context().identity;
        let reflected = self.schemas.of(&catalog, self.settings, self.target, identity, schema).await?;
        let asked = reflected.document(&named.text)?;
        self.persisted.keep(named).await;
        let found = asked.document.operations.get(request.operation.as_deref());
        let operation = found.map_err(|error| told(&error, &asked.document))?;
        if parts.method == Method::GET && !operation.is_query() {
            return Err(Error::Method("Operations that change something are sent by POST".to_owned()));
        }
        let variables = variables(&reflected, &asked.document, operation, &request)?;
        self.context().journal.note(Stage::Parse, started, started.elapsed());
        let own_code = self.target.transaction.pre_request.is_none();
        let of_code = self.target.proven(&catalog).await;
        let proven = of_code.proven.clone().filter(|_| own_code);
        let (reflected, asked, catalog, variables) = (&*reflected, &*asked, &catalog, &variables);
        let mut operating = Operating { reflected, asked, operation, variables, catalog, proven, schema };
        if operation.is_query() {
            let name = request.operation.as_deref();
            if let Some(answer) = self.query(&operating, name).await? {
                return Ok(answer);
            }
            // What was known of its code is no longer so: again, once it is known again, or is said to be unknown.
            let of_code = self.target.proven(catalog).await;
            for proven in [of_code.proven.clone().filter(|_| own_code), None] {
                operating.proven = proven;
                if let Some(answer) = Box::pin(self.query(&operating, name)).await? {
                    return Ok(answer);
                }
            }
            Err(internal())
        } else {
            let Planned::Write(steps) = self.plan(&operating, variables)? else { return Err(internal()) };
            self.write(steps, &operating).await
        }
    }

    pub(crate) fn context(&self) -> &RequestContext {
        &self.caller.0
    }

    fn plan(&self, operating: &Operating<'_>, variables: &Valid<JsonMap>) -> Result<Planned, Error> {
        let Operating { reflected, asked, operation, .. } = operating;
        let planner = Planner {
            model: &reflected.model,
            document: &asked.document,
            variables,
            splits: std::cell::Cell::default(),
        };
        planner.plan(operation, &|field| {
            if !reflected.model.introspection {
                return Err(Error::Introspection);
            }
            introspection::check_max_depth(&asked.document, operation)
                .map_err(|error| told(&error, &asked.document))?;
            Ok(beside_others(reflected, || {
                let mut told = String::with_capacity(asked.told.load(Ordering::Relaxed));
                introspect::answer(reflected, &asked.document, variables, field, &mut told);
                asked.told.fetch_max(told.len(), Ordering::Relaxed);
                // Of several fields one may be long.
                told.shrink_to_fit();
                told
            }))
        })
    }

    /// An operation that reads: by a plan that is known, or by one that is made now. `None` when what was known of its code
    /// is no longer so: nothing was answered.
    async fn query(&self, operating: &Operating<'_>, name: Option<&str>) -> Result<Option<Bytes>, Error> {
        let started = Instant::now();
        let (plans, proven) = (&operating.reflected.plans, operating.proven.as_ref());
        let kept = Variables::of(operating.asked, name, operating.variables);
        let sight = kept.as_ref().map_or(Sight::First, |variables| plans.find(variables, proven));
        let (prepared, statement) = match sight {
            Sight::Planned(prepared, statement) => (prepared, statement),
            Sight::First | Sight::Again => {
                let document = self.reading(operating, operating.variables)?;
                if document.members.is_empty() {
                    return answer(&self.ending(0.0), |out| {
                        out.extend_from_slice(b"{}");
                        true
                    })
                    .map(Some)
                    .ok_or_else(internal);
                }
                if let Some(told) = long(&document) {
                    self.enter(operating).await?;
                    let told = answer(&self.ending(0.0), |out| write_constants(&told, out));
                    return told.map(Some).ok_or_else(internal);
                }
                let prepared = self.prepared(operating, &document)?;
                self.afford(prepared.cost)?;
                let statement = prepared.drawn.statement.clone();
                match (sight, &kept) {
                    (Sight::Again, Some(variables)) => {
                        let again = |values: &JsonMap| {
                            // What was coerced once is not coerced again: a word may be no value of its type.
                            let document = self.reading(operating, Valid::assume_valid_ref(values)).ok()?;
                            self.prepared(operating, &document).ok()
                        };
                        (plans.keep(variables, operating.variables, prepared, again), statement)
                    }
                    _ => (Arc::new(prepared), statement),
                }
            }
        };
        self.context().journal.note(Stage::Plan, started, started.elapsed());
        let ending = self.ending(prepared.cost);
        if statement.sql.is_empty() {
            self.enter(operating).await?;
            return answer(&ending, |out| prepared.drawn.template.write(&StatementResult::default(), out).is_some())
                .map(Some)
                .ok_or_else(internal);
        }
        let drawn = Drawn { statement, template: Arc::clone(&prepared.drawn.template) };
        let ready = Ready { drawn, proof: prepared.proof.clone(), read_only: true, function: None };
        let failed = |error: Error| prepared.root.iter().fold(error, |error, key| error.at(key));
        if !prepared.rows_are_odd.load(Ordering::Relaxed) {
            let Some(results) = self.run_known(&ready, operating).await.map_err(failed)? else { return Ok(None) };
            if let Some(answer) = self.written(&ready.drawn.template, results, ending.clone()).await {
                return Ok(Some(answer));
            }
            prepared.rows_are_odd.store(true, Ordering::Relaxed);
        }
        // The schema has just changed, or dates are not in the style of ISO: PostgreSQL makes the JSON of whatever comes.
        let document = self.reading(operating, operating.variables)?;
        let drawn = compile_document(&document, None).map_err(|error| Error::from(&error))?;
        let ready = Ready { drawn, proof: None, ..ready };
        let results = self.run_one(&ready, operating).await.map_err(failed)?;
        self.written(&ready.drawn.template, results, ending).await.map(Some).ok_or_else(internal)
    }

    /// The catalog has the answer: whoever the database or its pre-request function refuses gets none.
    async fn enter(&self, operating: &Operating<'_>) -> Result<(), Error> {
        let nothing =
            Statement { sql: "select".into(), params: Vec::new(), param_types: Vec::new(), formats: Formats::Text };
        let work = Work::read(self.settings.search_path(operating.schema), nothing);
        let entered = ferrobase_request::run(self.target, self.context(), work).await;
        entered.map(|_| ()).map_err(|error| self.failed(&error))
    }

    fn reading(&self, operating: &Operating<'_>, variables: &Valid<JsonMap>) -> Result<Document, Error> {
        match self.plan(operating, variables)? {
            Planned::Read(document) => Ok(document),
            Planned::Write(_) => Err(internal()),
        }
    }

    /// The statement of a document that reads.
    fn prepared(&self, operating: &Operating<'_>, document: &Document) -> Result<Prepared, Error> {
        let (proof, drawn) = self.compiled(operating, document, true)?;
        let cost = self.cost(document);
        Ok(Prepared::new(drawn, proof, one_key(document), cost, operating.proven.as_ref()))
    }

    pub(crate) fn cost(&self, document: &Document) -> f64 {
        cost::of(document, self.settings.max_rows.unwrap_or(UNBOUNDED))
    }

    /// Refuses what may touch too many rows.
    pub(crate) fn afford(&self, cost: f64) -> Result<(), Error> {
        match self.settings.max_cost {
            Some(most) if cost > most => Err(Error::TooCostly { cost, most }),
            _ => Ok(()),
        }
    }

    /// What an answer ends with: its cost, where costs are bounded.
    pub(crate) fn ending(&self, cost: f64) -> String {
        match self.settings.max_cost {
            Some(_) => format!(",\"extensions\":{{\"cost\":{}}}}}", cost::told(cost)),
            None => "}".to_owned(),
        }
    }

    fn compiled(
        &self,
        operating: &Operating<'_>,
        document: &Document,
        read_only: bool,
    ) -> Result<(Option<Proof>, Drawn), Error> {
        let catalog = operating.catalog;
        let proof = operating.proven.as_ref().and_then(|proven| prove_document(document, catalog, proven));
        let drawn = self.context().journal.measure(Stage::Query, || {
            compile_document(document, proof.as_ref().filter(|_| read_only).map(|_| &**catalog))
        });
        Ok((proof, drawn.map_err(|error| Error::from(&error))?))
    }

    pub(crate) async fn run_one(
        &self,
        ready: &Ready,
        operating: &Operating<'_>,
    ) -> Result<Vec<StatementResult>, Error> {
        self.run_known(ready, operating).await?.ok_or_else(internal)
    }

    /// The same; `None` when what was known of its code is no longer so: nothing was answered.
    async fn run_known(&self, ready: &Ready, operating: &Operating<'_>) -> Result<Option<Vec<StatementResult>>, Error> {
        self.begins(ready, operating);
        match ferrobase_request::run(self.target, self.context(), self.work(ready, operating.schema)).await {
            Ok(reply) => Ok(Some(reply.results)),
            Err(error) if error.is_doubt() => Ok(None),
            Err(error) => Err(self.failed(&error)),
        }
    }

    /// Notes the statement and what people call it.
    pub(crate) fn begins(&self, ready: &Ready, operating: &Operating<'_>) {
        let sql = &ready.drawn.statement.sql;
        self.context().journal.runs(sql, || summary::of(operating.operation, &operating.asked.document));
        tracing::debug!(target: "ferrobase::sql", sql = &**sql, "Statement");
    }

    pub(crate) fn work(&self, ready: &Ready, schema: &str) -> Work {
        let path = self.settings.search_path(schema);
        let mut work = Work { read_only: ready.read_only, ..Work::read(path, ready.drawn.statement.clone()) };
        work.proof = ready.proof.clone();
        if let Some(function) = &ready.function {
            work.isolation = function.isolation.map(isolation);
            work.function_settings = function.settings.clone();
        }
        work
    }

    async fn written(&self, template: &Arc<Template>, results: Vec<StatementResult>, ending: String) -> Option<Bytes> {
        let started = Instant::now();
        let (answer, rows) = if is_long(&results) {
            let template = Arc::clone(template);
            beside(move || written(&template, &results, &ending)).await
        } else {
            written(template, &results, &ending)
        };
        self.context().journal.note(Stage::Render, started, started.elapsed());
        self.context().journal.counted(rows as u64);
        answer
    }

    /// A statement that writes.
    pub(crate) fn ready(
        &self,
        operating: &Operating<'_>,
        document: &Document,
        function: Option<Arc<Function>>,
    ) -> Result<Ready, Error> {
        let (proof, drawn) = self.compiled(operating, document, false)?;
        Ok(Ready { drawn, proof, read_only: false, function })
    }

    pub(crate) fn failed(&self, error: &ferrobase_request::Error) -> Error {
        let failed = Error::database(error);
        if let Error::Database(public) = &failed
            && matches!(public.kind, Kind::Internal | Kind::Unavailable | Kind::Timeout)
        {
            let (id, cause) = (&*self.context().request_id, error as &dyn std::error::Error);
            tracing::error!(request_id = id, code = &*public.code, error = cause, "A statement failed");
        }
        failed
    }
}

/// Telling a large schema takes a processor some dozen milliseconds: others do not wait for it.
fn beside_others<T>(reflected: &Reflected, work: impl FnOnce() -> T) -> T {
    let is_long = reflected.is_large();
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) if is_long => block_in_place(work),
        _ => work(),
    }
}

/// An answer, and of how many rows it is.
fn written(template: &Template, results: &[StatementResult], ending: &str) -> (Option<Bytes>, usize) {
    let mut rows = 0;
    let answer = results.first().and_then(|result| {
        answer(ending, |out| {
            let count = template.write(result, out);
            rows = count.unwrap_or_default();
            count.is_some()
        })
    });
    (answer, rows)
}

fn answer(ending: &str, write: impl FnOnce(&mut Vec<u8>) -> bool) -> Option<Bytes> {
    let mut out = b"{\"data\":".to_vec();
    if !write(&mut out) {
        return None;
    }
    out.extend_from_slice(ending.as_bytes());
    Some(out.into())
}

/// What is answered, by key, where it is all known and too long to be kept: the schema of many tables is megabytes.
fn long(document: &Document) -> Option<Vec<(&str, &str)>> {
    let known = document.members.iter().map(|member| match &member.value {
        Content::Constant(json) => Some((member.key.as_str(), json.as_str())),
        _ => None,
    });
    let known: Vec<_> = known.collect::<Option<_>>()?;
    (known.iter().map(|(_, json)| json.len()).sum::<usize>() > LONG).then_some(known)
}

fn write_constants(known: &[(&str, &str)], out: &mut Vec<u8>) -> bool {
    out.reserve(known.iter().map(|(key, json)| key.len() + json.len() + 8).sum());
    for (index, (key, json)) in known.iter().enumerate() {
        // A key of an answer is a name.
        out.extend_from_slice(if index == 0 { b"{\"" } else { b",\"" });
        out.extend_from_slice(key.as_bytes());
        out.extend_from_slice(b"\":");
        out.extend_from_slice(json.as_bytes());
    }
    out.extend_from_slice(b"}");
    true
}

/// The key of the only field that is read from the database.
pub(crate) fn one_key(document: &Document) -> Option<String> {
    let is_read = |value: &Content| !matches!(value, Content::Constant(_));
    let mut read = document.members.iter().filter(|member| is_read(&member.value));
    read.next().filter(|_| read.next().is_none()).map(|member| member.key.clone())
}

pub(crate) fn variables(
    reflected: &Reflected,
    document: &ExecutableDocument,
    operation: &Operation,
    request: &GraphqlRequest,
) -> Result<Valid<JsonMap>, Error> {
    let mut given = request.variables.clone().unwrap_or_default();
    if let Some(sent) = &request.sent {
        exact::keep(&reflected.schema, operation, sent, &mut given);
    }
    coerce_variable_values(&reflected.schema, operation, &given).map_err(|error| told(&error, document))
}

fn told(error: &RequestError, document: &ExecutableDocument) -> Error {
    Error::Operation(Box::new(error.to_graphql_error(&document.sources)))
}

pub(crate) fn isolation(level: Isolation) -> ferrobase_pg::Isolation {
    match level {
        Isolation::ReadCommitted => ferrobase_pg::Isolation::ReadCommitted,
        Isolation::RepeatableRead => ferrobase_pg::Isolation::RepeatableRead,
        Isolation::Serializable => ferrobase_pg::Isolation::Serializable,
    }
}

fn no_catalog() -> Error {
    Error::database(&ferrobase_request::Error::NoCatalog)
}

pub(crate) fn internal() -> Error {
    tracing::error!("A result does not have the columns of its plan");
    Error::Database(Box::new(PublicError::new(Kind::Internal, "FB105", "The answer could not be made")))
}
