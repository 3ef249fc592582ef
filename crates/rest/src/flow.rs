//! One request on its way through the stages.
//!
//! parse -> plan -> query -> execute -> render, each noted in the request's journal (`execute` by the request crate).
//! The stages decide everything; this file only hands values on. Requests that stream part ways here (`stream`).
//! Invariant: an answer that needs no statement runs none.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use ferrobase_base::{Kind, PublicError};
use ferrobase_catalog::{Catalog, ReturnShape};
use ferrobase_edge::{Caller, Streams, collect};
use ferrobase_pg::{self as pg, End};
use ferrobase_query::plan::Lock;
use ferrobase_query::{CompileError, Outcome, compile, compile_check, compile_rows, prove};
use ferrobase_request::{Journal, Opening, Profile, Stage, Target, Transaction};
use http::request::Parts;
use http::{HeaderValue, header};

use crate::batch;
use crate::error::Error;
use crate::execute::{Executed, Statements, execute, failed};
use crate::media::MediaType;
use crate::negotiate::{Circumstances, Negotiated, negotiate};
use crate::nested::{Tree, Writer};
use crate::openapi::Documents;
use crate::parse::Dialect;
use crate::plan::{Answer, Estimates, PlanError, Planned, Planner, Rules, demand};
use crate::plan_cache::{Basis, Made, PlanCache, Sight, Text, Values};
use crate::prefer::Count;
use crate::render::{self, Facts};
use crate::request::{self, Action, Head, RestRequest};
use crate::settings::Settings;
use crate::sight::CallerSight;
use crate::stream::outgoing;
use crate::summary;

/// How far `count=planned` and `count=estimated` count where the planner may not be asked.
const COUNTED_UP_TO: u64 = 100_000;

/// What the stages share.
pub(crate) struct Flow<'a> {
    pub(crate) settings: &'a Arc<Settings>,
    pub(crate) target: &'a Arc<Target>,
    pub(crate) caller: &'a Caller,
    pub(crate) documents: &'a Arc<Documents>,
    pub(crate) plans: &'a PlanCache,
}

/// A request that is ready to run.
pub(crate) struct Ready {
    pub(crate) planned: Planned,
    pub(crate) media: MediaType,
    /// `If-Match` first, where there is one.
    pub(crate) statements: Statements,
}

/// What planning led to.
enum Next<'q> {
    /// The catalog had the answer.
    Answered(Response),
    /// Statements have it.
    Run(Prepared<'q>),
}

/// A request that is ready to run, as one statement or several.
pub(crate) enum Prepared<'q> {
    One(Box<Ready>),
    Tree(Box<Tree<'q>>),
}

impl Prepared<'_> {
    /// Whether nothing is written.
    pub(crate) fn only_reads(&self) -> bool {
        match self {
            Self::One(ready) => ready.planned.read_only,
            Self::Tree(_) => false,
        }
    }
}

impl Flow<'_> {
    /// The answer, or the error in whatever stage it happened.
    pub(crate) async fn run(&self, parts: &Parts, body: Body) -> Result<Response, PublicError> {
        let streams = self.streams(parts);
        if streams.incoming {
            return Box::pin(self.take_in(parts, body)).await;
        }
        let body = collect(body).await?;
        let catalog = self.target.catalog.get().ok_or(Error::NoCatalog)?;
        if batch::is_meant(parts, self.settings) && !self.is_postgrest() {
            return Box::pin(batch::run(self, &catalog, &parts.headers, &body)).await;
        }
        let head = Head {
            method: &parts.method,
            path: parts.uri.path(),
            query: parts.uri.query().unwrap_or_default(),
            headers: &parts.headers,
        };
        let of_code = self.target.proven(&catalog).await;
        let role = self.caller.0.identity.role();
        let Some(mut text) = Text::of(parts, &body, role, streams.outgoing) else {
            // Boxed: the future of every request would carry all stages.
            return Box::pin(self.follow(head, &body, streams, catalog)).await;
        };
        let proven = of_code.proven.as_ref();
        let basis = Basis { settings: self.settings, target: self.target, catalog: &catalog, proven };
        let started = Instant::now();
        let known = match self.plans.find(&basis, &mut text) {
            Sight::Planned(known) => Some(known),
            Sight::First => None,
            Sight::Again => self.plans.keep(&basis, text, |head, body| self.known(head, body, streams, &catalog)),
        };
        let Some(known) = known else { return Box::pin(self.follow(head, &body, streams, catalog)).await };
        let found = Instant::now();
        self.journal().note(Stage::Parse, started, found - started);
        self.journal().note(Stage::Plan, found, Duration::ZERO);
        drop(catalog);
        let (request, ready, values) = known.parts();
        if let Some(answer) = self.answer_one(request, ready, values).await? {
            return Ok(answer);
        }
        // Planned anew, once it is known again what its code does.
        let catalog = self.target.catalog.get().ok_or(Error::NoCatalog)?;
        let _of_code = self.target.proven(&catalog).await;
        Box::pin(self.follow(head, &body, streams, catalog)).await
    }

    /// The plan of a request, if it is one that can be kept: one statement, whose answer does not stream, and nobody to
    /// be told of anything.
    fn known(&self, head: Head<'_>, body: &Bytes, streams: Streams, catalog: &Catalog) -> Made {
        let Ok(request) = self.read(head, body, streams) else { return Made::Refused };
        if matches!(request.action, Action::Describe { .. }) {
            return Made::Other;
        }
        let ready = match self.prepare(&request, catalog, None) {
            Ok(Prepared::One(ready)) => ready,
            Ok(Prepared::Tree(_)) => return Made::Other,
            Err(_) => return Made::Refused,
        };
        let is_plain = ready.statements.check.is_none() && ready.planned.legacy_paths.is_empty();
        if is_plain && !outgoing::applies(&request, &ready.planned) {
            Made::Plan(Box::new((request, *ready)))
        } else {
            Made::Other
        }
    }

    /// Every stage of a request.
    async fn follow(
        &self,
        head: Head<'_>,
        body: &Bytes,
        streams: Streams,
        catalog: Arc<Catalog>,
    ) -> Result<Response, PublicError> {
        let request = self.journal().measure(Stage::Parse, || self.read(head, body, streams))?;
        if let Action::Describe { format, .. } = request.action {
            return self.describe(&request, catalog, format).await;
        }
        let next = self.journal().measure(Stage::Plan, || match self.without_statement(&request, &catalog)? {
            Some(answer) => Ok::<_, PublicError>(Next::Answered(answer)),
            None => Ok(Next::Run(self.prepare(&request, &catalog, None)?)),
        })?;
        let prepared = match next {
            Next::Run(prepared) => prepared,
            Next::Answered(answer) => {
                self.answered_at_once();
                return Ok(answer);
            }
        };
        drop(catalog);
        let mut ready = match prepared {
            Prepared::One(ready) => ready,
            Prepared::Tree(tree) => {
                self.runs(&summary::tree(&tree.planned), &request, &tree.planned);
                return Ok(Box::pin(self.write_tree(&request, *tree)).await?);
            }
        };
        warn_of_targets(&ready.planned.legacy_paths, &request);
        if outgoing::applies(&request, &ready.planned) {
            if request.conditions.is_some() && !request.action.is_mutation() {
                return Err(PlanError::NotConditional("field, because its rows are told before all are known").into());
            }
            let Ready { planned, media, .. } = *ready;
            return Box::pin(self.give_out(&request, planned, &media)).await;
        }
        loop {
            if let Some(answer) = self.answer_one(&request, &ready, &Values::default()).await? {
                return Ok(answer);
            }
            // Nothing is said to be known of this one, so nothing of it falls.
            ready.statements = Statements::by_postgresql(&ready.planned)?;
        }
    }

    /// Runs one statement and renders what it gives; `None` when what was known of its code is no longer so.
    async fn answer_one(
        &self,
        request: &RestRequest,
        ready: &Ready,
        values: &Values,
    ) -> Result<Option<Response>, PublicError> {
        let Ready { planned, media, statements } = ready;
        self.runs(&statements.compiled.statement.sql, request, planned);
        let executed =
            execute(self.target, &self.caller.0, self.settings, request, planned, statements, values).await?;
        let Some(executed) = executed else { return Ok(None) };
        let canonical = values.canonical(&request.query.canonical);
        let rendered =
            self.journal().measure(Stage::Render, || self.rendered(request, &canonical, planned, media, executed))?;
        Ok(Some(rendered))
    }

    pub(crate) fn journal(&self) -> &Journal {
        &self.caller.0.journal
    }

    /// Says what is run, for those who look at the server from outside.
    pub(crate) fn runs(&self, sql: &str, request: &RestRequest, planned: &Planned) {
        self.journal().runs(sql, || summary::of(request, planned));
    }

    /// PostgREST tells the times of stages that were not needed too.
    fn answered_at_once(&self) {
        if self.is_postgrest() {
            for stage in [Stage::Execute, Stage::Render] {
                self.journal().note(stage, Instant::now(), Duration::ZERO);
            }
        }
    }

    /// What the edge let through as a stream. PostgREST streams nothing.
    fn streams(&self, parts: &Parts) -> Streams {
        let marked = parts.extensions.get::<Streams>().copied().filter(|_| !self.is_postgrest());
        marked.unwrap_or_default()
    }

    pub(crate) fn read(&self, head: Head<'_>, body: &Bytes, streams: Streams) -> Result<RestRequest, Error> {
        let mut request = RestRequest::read(head, body, &self.reading())?;
        request.extend(!self.is_postgrest());
        if request.window.limit.is_none() && !request.action.is_mutation() && !streams.outgoing {
            request.window.limit = self.settings.page_limit_default;
        }
        Ok(request)
    }

    /// OPTIONS is answered from the catalog.
    fn without_statement(&self, request: &RestRequest, catalog: &Catalog) -> Result<Option<Response>, PublicError> {
        let sight = CallerSight::new(self.target, catalog, &self.caller.0.identity);
        let rules = self.rules();
        let planner = Planner { catalog, schema: &request.schema, rules: &rules, sight: &sight };
        Ok(Some(match &request.action {
            Action::RootInfo => {
                self.open_to_all(render::root_info(batch::allowed(self.settings) && !self.is_postgrest()))
            }
            Action::RelationInfo { relation } => self.open_to_all(render::relation_info(planner.relation(relation)?)),
            Action::FunctionInfo { function } => {
                self.open_to_all(render::function_info(planner.callee(request, function)?))
            }
            _ => return Ok(None),
        }))
    }

    /// Upstream lets any origin read what can be done with a resource, whatever its other CORS rules say.
    fn open_to_all(&self, mut response: Response) -> Response {
        if self.is_postgrest() {
            response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        }
        response
    }

    pub(crate) fn is_postgrest(&self) -> bool {
        self.target.transaction.profile == Profile::Postgrest
    }

    /// The plan of a request. With a lock the rows that it reads are kept as they are.
    pub(crate) fn prepare<'q>(
        &self,
        request: &'q RestRequest,
        catalog: &Catalog,
        lock: Option<Lock>,
    ) -> Result<Prepared<'q>, PublicError> {
        let sight = CallerSight::new(self.target, catalog, &self.caller.0.identity);
        let rules = self.rules();
        let planner = Planner { catalog, schema: &request.schema, rules: &rules, sight: &sight };
        if let Some(group) = planner.nested(request)? {
            let mut planned = planner.plan_shown(request, &group)?;
            let chosen = self.chosen(request, catalog, &planned)?;
            if chosen.explain.is_some() {
                // Later statements can only be planned for rows that earlier ones have written.
                return Err(Error::NotImplemented("Rows with related rows have no single plan.".to_owned()).into());
            }
            let media = chosen.media.clone();
            planned.answer(answer(chosen));
            return Ok(Prepared::Tree(Box::new(Tree { group, planned, media })));
        }
        Ok(Prepared::One(Box::new(self.plan_with(request, catalog, &planner, lock)?)))
    }

    /// The plan of a request that takes one statement.
    pub(crate) fn plan(&self, request: &RestRequest, catalog: &Catalog) -> Result<Ready, PublicError> {
        let sight = CallerSight::new(self.target, catalog, &self.caller.0.identity);
        let rules = self.rules();
        let planner = Planner { catalog, schema: &request.schema, rules: &rules, sight: &sight };
        self.plan_with(request, catalog, &planner, None)
    }

    fn plan_with(
        &self,
        request: &RestRequest,
        catalog: &Catalog,
        planner: &Planner<'_>,
        lock: Option<Lock>,
    ) -> Result<Ready, PublicError> {
        let mut planned = planner.plan(request)?;
        let chosen = self.chosen(request, catalog, &planned)?;
        let check = self.check(request, catalog, planner, &mut planned, &chosen)?;
        let media = chosen.media.clone();
        planned.answer(answer(chosen));
        if lock.is_some() {
            planned.query.lock = lock;
            planned.read_only = false;
        }
        let is_own = check.is_none() && self.target.transaction.pre_request.is_none();
        let proven = self.target.catalog.proven_of(catalog).filter(|_| is_own);
        let proof = proven.and_then(|proven| prove(&planned.query, catalog, &proven));
        let compiled = self.journal().measure(Stage::Query, || {
            let from_rows = proof.is_some() && planned.read_only;
            let rows = if from_rows { compile_rows(&planned.query, catalog) } else { Ok(None) };
            rows.transpose().unwrap_or_else(|| compile(&planned.query)).map_err(|error| refused(&error))
        })?;
        Ok(Ready { planned, media, statements: Statements::new(check, compiled, proof) })
    }

    /// How the answer looks, and whether all that is preferred is known.
    fn chosen(&self, request: &RestRequest, catalog: &Catalog, planned: &Planned) -> Result<Negotiated, Error> {
        let strict = || request.prefer.refused().map_or(Ok(()), |unknown| Err(Error::Preferences(unknown.to_vec())));
        // Of two mistakes the reference tells this one first for writes, and the other one for reads.
        if request.action.is_mutation() {
            strict()?;
        }
        let chosen = self.negotiate(request, catalog, planned)?;
        strict()?;
        Ok(chosen)
    }

    fn negotiate(&self, request: &RestRequest, catalog: &Catalog, planned: &Planned) -> Result<Negotiated, Error> {
        let circumstances = Circumstances {
            catalog,
            target: &planned.target,
            whole_rows: planned.default_select,
            plans: self.settings.plans,
            is_postgrest: self.is_postgrest(),
        };
        negotiate(&request.accept, circumstances)
    }

    /// What `If-Match` demands of a write: in the statement of a DELETE, else as a statement before it.
    fn check(
        &self,
        request: &RestRequest,
        catalog: &Catalog,
        planner: &Planner<'_>,
        planned: &mut Planned,
        chosen: &Negotiated,
    ) -> Result<Option<pg::Statement>, PublicError> {
        let Some(tags) = request.conditions.matches.as_ref().filter(|_| chosen.explain.is_none()) else {
            return Ok(None);
        };
        if matches!(request.action, Action::Delete { .. }) {
            demand(&mut planned.query, tags, &chosen.body, &chosen.media.content_type());
        }
        let Some(mut read) = planner.plan_check(request)? else { return Ok(None) };
        let seen = self.negotiate(request, catalog, &read)?;
        demand(&mut read.query, tags, &seen.body, &seen.media.content_type());
        Ok(Some(compile_check(&read.query).map_err(|error| refused(&error))?))
    }

    /// How requests are read: whatever the settings say, PostgREST's profile has PostgREST's grammar.
    fn reading(&self) -> Cow<'_, request::Rules> {
        let rules = &self.settings.rules;
        if self.is_postgrest() && rules.dialect != Dialect::Postgrest {
            return Cow::Owned(request::Rules { dialect: Dialect::Postgrest, ..rules.clone() });
        }
        Cow::Borrowed(rules)
    }

    /// Writes related rows in a transaction of their own.
    async fn write_tree(&self, request: &RestRequest, mut tree: Tree<'_>) -> Result<Response, Error> {
        let context = &*self.caller.0;
        // Rows may refer to each other in a circle.
        let opening = Opening { defer_constraints: true, ..Opening::default() };
        let mut transaction =
            Transaction::begin(self.target, context, opening).await.map_err(|error| failed(error, context))?;
        match self.write_within(&mut transaction, request, &mut tree).await {
            Ok(answer) => {
                let end = if self.settings.rolls_back(request.prefer.tx) { End::Rollback } else { End::Commit };
                transaction.end(end).await.map_err(|error| failed(error, context))?;
                Ok(answer)
            }
            Err(error) => {
                transaction.abort().await;
                Err(error)
            }
        }
    }

    /// Writes related rows inside a transaction.
    pub(crate) async fn write_within(
        &self,
        transaction: &mut Transaction<'_>,
        request: &RestRequest,
        tree: &mut Tree<'_>,
    ) -> Result<Response, Error> {
        let mut writer = Writer { transaction, context: &self.caller.0, settings: self.settings, request };
        let executed = writer.write(tree).await?;
        self.render(request, &tree.planned, &tree.media, executed)
    }

    fn rules(&self) -> Rules {
        let is_postgrest = self.is_postgrest();
        Rules {
            max_rows: self.settings.max_rows,
            aggregates: self.settings.aggregates,
            target_names: self.settings.target_names,
            max_embed_depth: self.settings.max_embed_depth,
            estimates: if is_postgrest { Estimates::Planner } else { Estimates::CountedUpTo(COUNTED_UP_TO) },
            refuse_registry_casts: !is_postgrest,
            extensions: !is_postgrest,
            cursor_key: self.settings.cursor_key,
            refuse_unwritable: !is_postgrest,
        }
    }

    pub(crate) fn render(
        &self,
        request: &RestRequest,
        planned: &Planned,
        media: &MediaType,
        executed: Executed,
    ) -> Result<Response, Error> {
        let canonical = &request.query.canonical;
        self.journal().measure(Stage::Render, || self.rendered(request, canonical, planned, media, executed))
    }

    fn rendered(
        &self,
        request: &RestRequest,
        canonical: &str,
        planned: &Planned,
        media: &MediaType,
        executed: Executed,
    ) -> Result<Response, Error> {
        let (outcome, estimate) = match executed {
            Executed::Plan(lines) => return Ok(render::plan(request, media, lines)),
            Executed::Rows { outcome, estimate } => (outcome, estimate),
        };
        self.journal().counted(outcome.page);
        // Writes fail in the statement when the number of rows is wrong; a read undoes nothing and is judged here.
        if media.is_singular() && outcome.page != 1 {
            return Err(Error::NotSingular(outcome.page));
        }
        let link = match (&planned.pages, &outcome.keys) {
            (Some(pages), Some(keys)) => render::pages::link(canonical, pages, keys, &self.settings.cursor_key)?,
            _ => None,
        };
        let facts = Facts {
            canonical,
            media,
            total: self.total(request, &outcome, estimate),
            resolution_applied: request.query.on_conflict.is_some()
                || planned.relation.as_ref().is_some_and(|relation| !relation.primary_key.is_empty()),
            is_void: planned
                .function
                .as_ref()
                .is_some_and(|function| !function.returns.set && function.returns.shape == ReturnShape::Void),
            verbosity: self.settings.verbosity,
            legacy_paths: &planned.legacy_paths,
            extensions: !self.is_postgrest(),
            is_row: media.is_singular() || planned.names_row,
            pages: planned.pages.is_some().then_some(link.as_deref()),
        };
        render::render(request, &outcome, facts)
    }

    /// All rows, where an estimate says so.
    fn total(&self, request: &RestRequest, outcome: &Outcome, estimate: Option<u64>) -> Option<u64> {
        let estimate = estimate?;
        match (request.prefer.count?, outcome.total) {
            (Count::Planned, _) => Some(estimate),
            (Count::Estimated, Some(counted)) if self.settings.max_rows.is_none_or(|most| counted > most) => {
                Some(counted.max(estimate))
            }
            _ => None,
        }
    }
}

/// Tells the operator whose clients name an embed by its target although it has an alias.
fn warn_of_targets(paths: &[(String, String)], request: &RestRequest) {
    for (target, alias) in paths {
        let relation = request.action.relation().unwrap_or_default();
        tracing::warn!(
            target: "ferrobase::deprecated",
            "WARNING: A filter, order or limit of a request to `{relation}` names the embedded `{target}`, whose alias is `{alias}`"
        );
    }
}

fn answer(chosen: Negotiated) -> Answer {
    Answer { body: chosen.body, singular: chosen.media.is_singular(), explain: chosen.explain }
}

/// A plan that exceeds what one statement can be.
pub(crate) fn refused(error: &CompileError) -> PublicError {
    match error {
        CompileError::TooDeep => PublicError::new(Kind::Invalid, "FB103", "The request nests too deeply"),
        CompileError::TooManyValues(_) => PublicError::new(Kind::Invalid, "FB104", "The request has too many values"),
        CompileError::NoPage => {
            PublicError::new(Kind::Invalid, "FB124", "A cursor cannot be combined with this representation")
        }
        CompileError::SourceBelowRoot => {
            tracing::error!(error = error as &dyn std::error::Error, "A plan could not be compiled");
            PublicError::new(Kind::Internal, "FB105", "The request could not be compiled")
        }
    }
    .details(error.to_string())
}
