//! From what a request says to the one relational plan.
//!
//! Second stage: parse -> **plan** -> query -> execute -> render. Pure: same request, catalog and rules, same plan.
//! Steps: `node` gives every filter its relation, `relationship` and `function` look names up, `field` resolves
//! columns, `tree` puts the read together, `mutation` what is written, `needed` what must come back for it.
//! Invariant: relations, functions, types and conversions in a plan come from the catalog; a column that it does not
//! know stays a name, which is quoted, and PostgreSQL answers for it.
//! Ambiguities and their errors: `crate::error`. Shape of the SQL: docs/adr/0003.

mod bulk;
mod document;
mod error;
pub(crate) mod extended;
mod field;
mod function;
mod grouping;
mod keyset;
mod mutation;
mod near;
pub(crate) mod needed;
pub(crate) mod nested;
mod node;
mod precondition;
mod relationship;
mod sight;
mod tree;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;
use ferrobase_catalog::{Catalog, Function, QualifiedName, Relation, ReturnShape, Volatility};
use ferrobase_query::plan::{
    Body, Call, Count, Explain, Guard, Mutation, Pick, Query, Read, Select, Source, Value, Window,
};

pub use self::error::PlanError;
pub use self::keyset::Pages;
pub use self::precondition::demand;
pub use self::sight::{Everything, Hidden, Sight};

use self::nested::Group;
use self::node::{Node, Scope};
use self::tree::Site;
use crate::cursor::CursorKey;
use crate::error::similar::{LIKELY, closest};
use crate::error::{Error, LookupError};
use crate::prefer::{self, Return};
use crate::request::{Action, CallMethod, RestRequest};

/// What the configuration says about plans.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Most rows of an answer and of each embedded list; writes are not bound.
    pub max_rows: Option<u64>,
    /// Aggregates may be used.
    pub aggregates: bool,
    /// Paths may name a relation that has an alias (deprecated upstream).
    pub target_names: bool,
    /// Most levels of embeds.
    pub max_embed_depth: usize,
    /// How `count=planned` and `count=estimated` are answered.
    pub estimates: Estimates,
    /// Refuse casts to types that look names up in the catalog, and to the pseudo-type that PostgreSQL fails at.
    pub refuse_registry_casts: bool,
    /// What PostgREST does not have is understood.
    pub extensions: bool,
    /// What seals cursors.
    pub cursor_key: CursorKey,
    /// Refuse to write what the catalog says cannot be written; else PostgreSQL is asked, which calls some of it an
    /// error of the server.
    pub refuse_unwritable: bool,
}

/// How counts that need not be exact are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Estimates {
    /// By the planner, as PostgREST does. Estimates tell about rows that policies hide.
    Planner,
    /// By counting up to this many.
    CountedUpTo(u64),
}

/// Plans the requests of one caller.
#[derive(Clone, Copy)]
pub struct Planner<'a> {
    /// What there is.
    pub catalog: &'a Catalog,
    /// The schema of the request.
    pub schema: &'a str,
    /// The configuration.
    pub rules: &'a Rules,
    /// What the caller may know of.
    pub sight: &'a dyn Sight,
}

/// A planned request.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The plan. Its body is a JSON list until [`Planned::answer`].
    pub query: Query,
    /// The transaction only reads.
    pub read_only: bool,
    /// What custom media type handlers are looked up by.
    pub target: QualifiedName,
    /// All columns and nothing else are selected: only then may a handler of the relation's rows answer.
    pub default_select: bool,
    /// The relation that is read or written.
    pub relation: Option<Arc<Relation>>,
    /// The function that is called.
    pub function: Option<Arc<Function>>,
    /// Relations that a path named in spite of their alias, with the alias: deprecated upstream.
    pub legacy_paths: Vec<(String, String)>,
    /// The filters name one row by its primary key.
    pub names_row: bool,
    /// The answer is a page by keys, with links to those beside it.
    pub pages: Option<Pages>,
    /// What becomes of the body.
    shows: Shows,
}

/// Whether an answer has rows to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shows {
    Rows,
    /// HEAD, or a write that returns nothing.
    Nothing,
}

/// What was negotiated for the answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// How rows become a body.
    pub body: Body,
    /// Exactly one row is asked for.
    pub singular: bool,
    /// The plan is asked for, not the result.
    pub explain: Option<Explain>,
}

impl Planned {
    /// Says how the answer should look.
    pub fn answer(&mut self, answer: Answer) {
        self.query.body = match self.shows {
            Shows::Rows => answer.body,
            Shows::Nothing => Body::None,
        };
        self.query.explain = answer.explain;
        if answer.explain.is_some() {
            self.query.guard = Guard::default();
        } else if !self.query.guard.matching {
            // Reads change nothing that must be undone: there the number of rows is looked at afterwards.
            self.query.guard.single = answer.singular && (!self.read_only || self.function.is_some());
        }
    }
}

impl<'a> Planner<'a> {
    /// Plans a request for rows or a call. Descriptions and OPTIONS need no plan: see [`Planner::relation`] and
    /// [`Planner::callee`].
    ///
    /// # Errors
    /// A name that is not there or not unique, or something that cannot be combined.
    pub fn plan(&self, request: &RestRequest) -> Result<Planned, PlanError> {
        match &request.action {
            Action::Read { relation, head } => self.plan_read(request, relation, *head),
            Action::Insert { relation }
            | Action::Update { relation }
            | Action::Put { relation }
            | Action::Delete { relation } => self.plan_mutation(request, relation),
            Action::Call { function, method } => self.plan_call(request, function, *method),
            Action::RelationInfo { .. } | Action::FunctionInfo { .. } | Action::Describe { .. } | Action::RootInfo => {
                Err(Error::Path.into())
            }
        }
    }

    /// A relation of the request's schema that this caller may know of.
    ///
    /// # Errors
    /// There is none, or it is hidden.
    pub fn relation(&self, name: &str) -> Result<&'a Arc<Relation>, PlanError> {
        let missing = || LookupError::NoRelation {
            relation: QualifiedName::new(self.schema, name),
            similar: self.similar_relation(name),
        };
        let relation = self.catalog.relation(self.schema, name).ok_or_else(missing)?;
        match self.sight.hidden(relation) {
            None => Ok(relation),
            Some(Hidden::UNKNOWN) => Err(missing().into()),
            Some(Hidden { code, hint }) => Err(PlanError::Hidden { relation: relation.name.clone(), code, hint }),
        }
    }

    /// The function that a request would call, for OPTIONS: as by GET without arguments from a body.
    ///
    /// # Errors
    /// There is none, or several.
    pub fn callee(&self, request: &RestRequest, name: &str) -> Result<&'a Arc<Function>, PlanError> {
        Ok(self.function(request, name, CallMethod::Get)?)
    }

    fn similar_relation(&self, name: &str) -> Option<String> {
        let known = self.catalog.relations.values().filter(|relation| {
            relation.name.schema == self.schema && relation.name.name != name && self.sight.suggests(relation)
        });
        closest(name, known.map(|relation| relation.name.name.as_str()), LIKELY).map(str::to_owned)
    }

    fn plan_read(&self, request: &RestRequest, name: &str, head: bool) -> Result<Planned, PlanError> {
        let relation = self.relation(name)?;
        let node = Node::of(&request.query, request.window, self.scope(true))?;
        let mut read = self.tree(
            &node,
            Site {
                source: Source::Table(relation.name.clone()),
                name: &relation.name.name,
                relation: Some(relation),
                max_rows: self.rules.max_rows,
            },
        )?;
        let default_select = is_default(&node, &read.select);
        let (keyset, pages) = self.keyset(request, relation, &mut read)?.unzip();
        Ok(Planned {
            query: Query { keyset, count: self.read_count(request), ..Query::list(read) },
            read_only: true,
            pages,
            target: relation.name.clone(),
            default_select,
            relation: Some(Arc::clone(relation)),
            function: None,
            legacy_paths: legacy_paths(&node),
            names_row: mutation::names_row(request, relation),
            shows: if head { Shows::Nothing } else { Shows::Rows },
        })
    }

    fn plan_mutation(&self, request: &RestRequest, name: &str) -> Result<Planned, PlanError> {
        let relation = self.relation(name)?;
        self.planned_mutation(request, relation, |read| self.mutation(request, relation, read))
    }

    /// What is shown of the root rows of a tree once it is written. The keys of the rows are still to come.
    pub(crate) fn plan_shown(&self, request: &RestRequest, group: &Group<'_>) -> Result<Planned, PlanError> {
        let relation = &group.relation;
        self.planned_mutation(request, relation, |read| {
            Ok(Mutation::Pick(Pick {
                table: relation.name.clone(),
                key: nested::filled_columns(relation, relation.primary_key.iter())?,
                json: Bytes::from_static(b"[]"),
                returning: mutation::returning(request, relation, read),
            }))
        })
    }

    fn planned_mutation(
        &self,
        request: &RestRequest,
        relation: &Arc<Relation>,
        mutation: impl FnOnce(&mut Read) -> Result<Mutation, PlanError>,
    ) -> Result<Planned, PlanError> {
        if request.query.asks_how_to_read() {
            return Err(PlanError::NotReading);
        }
        precondition::check_kept(request)?;
        self.check_unlimited(request)?;
        let node = Node::of(&request.query, request.window, self.scope(false))?;
        let mut read = self.tree(
            &node,
            Site { source: Source::Derived, name: &relation.name.name, relation: Some(relation), max_rows: None },
        )?;
        if request.conditions.matches.is_some() && read.is_narrowed() {
            return Err(PlanError::NotConditional("If-Match, whose tag is not of every row that is written"));
        }
        let default_select = is_default(&node, &read.select);
        let mutation = mutation(&mut read)?;
        let max_affected = match request.action {
            Action::Update { .. } | Action::Delete { .. } => request.prefer.enforced_max_affected(),
            _ => None,
        };
        let is_put = matches!(request.action, Action::Put { .. });
        let absent = is_put && request.conditions.differs.is_some();
        let guard = Guard { single: false, matching: is_put, absent, at_most: max_affected };
        let shows_rows = request.prefer.returns == Some(Return::Representation);
        Ok(Planned {
            query: Query { mutation: Some(mutation), guard, ..Query::list(read) },
            read_only: false,
            pages: None,
            target: relation.name.clone(),
            default_select,
            relation: Some(Arc::clone(relation)),
            function: None,
            legacy_paths: legacy_paths(&node),
            names_row: mutation::names_row(request, relation),
            shows: if shows_rows { Shows::Rows } else { Shows::Nothing },
        })
    }

    /// PostgREST passes over the limit of an update, which then takes more rows than were meant.
    fn check_unlimited(&self, request: &RestRequest) -> Result<(), PlanError> {
        let is_bounded = matches!(request.action, Action::Update { .. } | Action::Delete { .. });
        let is_limited = self.rules.extensions && is_bounded && request.window != crate::ast::Window::default();
        if is_limited { Err(PlanError::Limited) } else { Ok(()) }
    }

    fn plan_call(&self, request: &RestRequest, name: &str, method: CallMethod) -> Result<Planned, PlanError> {
        let function = self.function(request, name, method)?;
        function::check_arguments(request, function)?;
        if request.query.cursor.is_some() {
            return Err(PlanError::NoPages("the result of a function"));
        }
        precondition::check_kept(request)?;
        let row_name = function::row_name(function);
        let relation = match &function.returns.shape {
            ReturnShape::Row { relation: Some(relation), .. } => self.catalog.relations.get(relation),
            _ => None,
        };
        let node = Node::of(&request.query, request.window, self.scope(true))?;
        let mut read = self.tree(
            &node,
            Site {
                source: Source::Derived,
                name: row_name,
                relation: relation.map(AsRef::as_ref),
                max_rows: self.rules.max_rows,
            },
        )?;
        if !function.returns.set {
            // One value needs no bound, and without one PostgreSQL folds the call into the outer select.
            read.window = Window { offset: request.window.offset, limit: request.window.limit };
        }
        let default_select = is_default(&node, &read.select);
        let columns = needed::columns(&mut read, relation.map(AsRef::as_ref));
        let returned = function::returned(function);
        let max_affected = request.prefer.enforced_max_affected();
        if max_affected.is_some() && !returned.set {
            return Err(Error::MaxAffectedCall.into());
        }
        read.source = Source::Function(Box::new(Call {
            function: function.name.clone(),
            arguments: function::arguments(request, function, method),
            returned,
            columns,
        }));
        let count = Count { exact: request.prefer.count.is_some_and(prefer::Count::counts), ..Count::default() };
        let guard = Guard { at_most: max_affected, ..Guard::default() };
        Ok(Planned {
            query: Query { count, guard, ..Query::list(read) },
            pages: None,
            read_only: method != CallMethod::Post || function.volatility != Volatility::Volatile,
            target: QualifiedName::new(self.schema, row_name),
            default_select,
            relation: relation.map(Arc::clone),
            function: Some(Arc::clone(function)),
            legacy_paths: legacy_paths(&node),
            names_row: false,
            shows: if method == CallMethod::Head { Shows::Nothing } else { Shows::Rows },
        })
    }

    fn scope(&self, reads: bool) -> Scope {
        Scope {
            root_conditions: reads,
            // PostgREST passes over those of what a write shows.
            windows: reads || self.rules.extensions,
            target_names: self.rules.target_names,
            most_depth: self.rules.max_embed_depth,
        }
    }

    fn read_count(&self, request: &RestRequest) -> Count {
        match (request.prefer.count, self.rules.estimates) {
            (None, _) => Count::default(),
            (Some(prefer::Count::Exact), _) => Count { exact: true, ..Count::default() },
            (Some(_), Estimates::CountedUpTo(most)) => Count { exact: true, at_most: Some(most), estimate: false },
            (Some(prefer::Count::Planned), Estimates::Planner) => Count { estimate: true, ..Count::default() },
            (Some(prefer::Count::Estimated), Estimates::Planner) => Count {
                exact: true,
                // One more than the limit says that there are more.
                at_most: self.rules.max_rows.map(|rows| rows.saturating_add(1)),
                estimate: true,
            },
        }
    }
}

fn legacy_paths(node: &Node<'_>) -> Vec<(String, String)> {
    let mut found = Vec::new();
    node.legacy_paths(&mut found);
    found
}

/// Whether `*` alone is selected, and was not written out.
fn is_default(node: &Node<'_>, select: &[Select]) -> bool {
    node.children.is_empty() && matches!(select, [Select { value: Value::Star, aggregate: None, .. }])
}
