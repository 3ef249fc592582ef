//! The hint of a 42501: which grant is missing, or which kind of policy.
//!
//! What the role lacks is worked out from the catalog. Policies are not in the catalog: when one refused a row they are
//! looked up, by the owner, once at a time and within a moment; a caller who provokes refusals gets fewer hints, not
//! a slower database.
//! Invariant: only a role that has some privilege on the table, and is not the anonymous one, is told anything. The
//! names in a hint are the role's own, the table's, and columns that the caller named.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ferrobase_catalog::{Catalog, Function, Privilege, Relation};
use ferrobase_pg::DbError;

use super::{Policy, load, name};
use crate::context::Identity;
use crate::target::{Profile, Target};

/// Longest wait for a look at the policies.
const PATIENCE: Duration = Duration::from_millis(500);

/// What was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Reading.
    Read,
    /// New rows; `merges` when rows that are there are changed.
    Insert {
        /// `resolution=merge-duplicates`.
        merges: bool,
    },
    /// Changed rows.
    Update,
    /// Removed rows.
    Delete,
    /// A call.
    Call,
}

/// Columns that the statement reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reads {
    /// None.
    Nothing,
    /// All of them.
    All,
    /// These.
    Columns(Vec<String>),
}

/// What the columns that come back are for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Returned {
    /// The caller asked for them, and can leave it.
    #[default]
    ToTheCaller,
    /// Related rows that are written with these refer to them.
    ToRelatedRows,
}

/// A column that is looked at without being shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    /// The column.
    pub column: String,
    /// What needs that: `filters need`.
    pub what: &'static str,
    /// The caller named it; otherwise it belongs to a key, whose columns the caller may not know.
    pub named: bool,
}

/// One statement of a caller.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// What.
    pub verb: Verb,
    /// On what.
    pub relation: Option<Arc<Relation>>,
    /// With which function.
    pub function: Option<Arc<Function>>,
    /// Relations that are read beside it.
    pub others: Vec<Arc<Relation>>,
    /// Columns that are written.
    pub writes: Vec<String>,
    /// Columns that are shown.
    pub reads: Reads,
    /// What they are shown for.
    pub returned: Returned,
    /// Columns that are looked at without being shown.
    pub compares: Vec<Compared>,
    /// There is a filter.
    pub filters: bool,
}

/// What the caller could do about a refusal; `None` when nothing is known, or nothing may be told.
pub async fn hint(target: &Target, identity: &Identity, error: &DbError, attempt: &Attempt) -> Option<String> {
    let is_ours = target.transaction.profile == Profile::Ferrobase;
    if error.code.as_str() != "42501" || !is_ours || identity.is_anonymous {
        return None;
    }
    let catalog = target.catalog.get()?;
    let refusal = Refusal { catalog: &catalog, role: identity.role(), error, attempt };
    match error.routine.as_deref()? {
        // Functions of PostgreSQL, whose names are not translated as its messages are.
        "aclcheck_error" | "nextval_internal" => refusal.missing_grant(),
        "ExecWithCheckOptions" => refusal.missing_policy(target).await,
        _ => None,
    }
}

struct Refusal<'a> {
    catalog: &'a Catalog,
    role: &'a str,
    error: &'a DbError,
    attempt: &'a Attempt,
}

impl Refusal<'_> {
    /// Whether the message is about something of this name: names are not translated either.
    fn is_about(&self, name: &str) -> bool {
        let message = &self.error.message;
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        message.match_indices(name).any(|(at, _)| {
            let before = message[..at].chars().next_back();
            let after = message[at + name.len()..].chars().next();
            !before.is_some_and(is_part) && !after.is_some_and(is_part)
        })
    }

    /// Whether the message has this name in quotes, whichever quotes its language has.
    fn quotes(&self, name: &str) -> bool {
        let message = &self.error.message;
        let is_quote = |c: char| !c.is_alphanumeric() && !c.is_whitespace();
        message.match_indices(name).any(|(at, _)| {
            message[..at].chars().next_back().is_some_and(is_quote)
                && message[at + name.len()..].chars().next().is_some_and(is_quote)
        })
    }

    fn may_know(&self, relation: &Relation) -> bool {
        [Privilege::Select, Privilege::Insert, Privilege::Update, Privilege::Delete]
            .into_iter()
            .any(|privilege| self.catalog.may_some(self.role, privilege, relation))
    }

    fn lacks(&self, privilege: &str, what: &str) -> String {
        format!("role {} lacks {privilege} on {what}", self.role)
    }

    fn missing_grant(&self) -> Option<String> {
        let relation = self.attempt.relation.iter().chain(&self.attempt.others).find(|r| self.is_about(&r.name.name));
        let Some(relation) = relation else {
            return self.missing_around();
        };
        if !self.may_know(relation) {
            return None;
        }
        let is_target = self.attempt.relation.as_ref().is_some_and(|target| target.oid == relation.oid);
        if !is_target {
            return self.missing_read(relation, &Reads::All, "");
        }
        self.missing_on_target(relation).or_else(|| match (self.attempt.verb, &self.attempt.reads) {
            (Verb::Call, _) | (_, Reads::Columns(_)) => self.read_by_function(relation),
            (_, Reads::All | Reads::Nothing) => self.missing_read(relation, &Reads::All, ""),
        })
    }

    /// What the caller named may be read: something that runs on the way takes more.
    fn read_by_function(&self, relation: &Relation) -> Option<String> {
        let may_all = self.catalog.may(self.role, Privilege::Select, relation);
        (!may_all).then(|| {
            let table = &relation.name.name;
            format!(
                "role {} may SELECT some columns of {table} only, and a function that it calls reads others",
                self.role
            )
        })
    }

    /// A function, or the sequence behind a column.
    fn missing_around(&self) -> Option<String> {
        if let Some(function) = self.attempt.function.as_ref().filter(|f| self.is_about(&f.name.name)) {
            let lacks = !self.catalog.may_execute(self.role, function);
            return lacks.then(|| self.lacks("EXECUTE", &function.name.name));
        }
        let relation = self.attempt.relation.as_ref().filter(|relation| self.may_know(relation))?;
        let column = relation.columns.values().find(|column| {
            let sequence = column.default.as_deref().and_then(sequence_of);
            sequence.is_some_and(|sequence| self.is_about(&sequence))
        })?;
        let (table, column) = (&relation.name.name, &column.name);
        Some(format!("role {} lacks USAGE on the sequence that numbers {table}.{column}", self.role))
    }

    fn missing_on_target(&self, relation: &Relation) -> Option<String> {
        let shown = self.for_what();
        match self.attempt.verb {
            // Columns that were named come first: asking for fewer columns does not help against them.
            Verb::Read | Verb::Call => {
                let named = matches!(self.attempt.reads, Reads::Columns(_));
                let shown = || self.missing_read(relation, &self.attempt.reads, "");
                let first = if named { shown() } else { None };
                first.or_else(|| self.missing_compared(relation)).or_else(shown)
            }
            Verb::Insert { merges } => self
                .missing_write(relation, Privilege::Insert)
                .or_else(|| merges.then(|| self.missing_write(relation, Privilege::Update)).flatten())
                .or_else(|| self.missing_compared(relation))
                .or_else(|| self.missing_read(relation, &self.attempt.reads, shown)),
            Verb::Update => self
                .missing_write(relation, Privilege::Update)
                .or_else(|| self.missing_compared(relation))
                .or_else(|| self.missing_read(relation, &self.attempt.reads, shown)),
            Verb::Delete => self
                .missing_write(relation, Privilege::Delete)
                .or_else(|| self.missing_compared(relation))
                .or_else(|| self.missing_read(relation, &self.attempt.reads, shown)),
        }
    }

    /// What needs the rows that come back.
    fn for_what(&self) -> &'static str {
        match self.attempt.returned {
            Returned::ToTheCaller => "which Prefer: return=representation needs: use Prefer: return=minimal",
            Returned::ToRelatedRows => "which writing rows together with related rows needs",
        }
    }

    fn missing_write(&self, relation: &Relation, privilege: Privilege) -> Option<String> {
        let table = &relation.name.name;
        if !self.catalog.may_some(self.role, privilege, relation) {
            return Some(self.lacks(name(privilege), table));
        }
        let column = self
            .attempt
            .writes
            .iter()
            .find(|column| !self.catalog.may_column(self.role, privilege, relation, column))
            .filter(|_| privilege != Privilege::Delete)?;
        Some(self.lacks(name(privilege), &format!("column {table}.{column}")))
    }

    /// A column that is compared, ordered by or looked up, without being shown.
    fn missing_compared(&self, relation: &Relation) -> Option<String> {
        let Compared { column, what, named } = self.attempt.compares.iter().find(|compared| {
            relation.columns.contains_key(&compared.column)
                && !self.catalog.may_column(self.role, Privilege::Select, relation, &compared.column)
        })?;
        let table = &relation.name.name;
        let of = match (self.catalog.may_some(self.role, Privilege::Select, relation), named) {
            (false, _) => table.clone(),
            (true, true) => format!("column {table}.{column}"),
            (true, false) => format!("a key column of {table}"),
        };
        Some(format!("{}, which {what}", self.lacks("SELECT", &of)))
    }

    fn missing_read(&self, relation: &Relation, reads: &Reads, because: &str) -> Option<String> {
        let table = &relation.name.name;
        let because = if because.is_empty() { String::new() } else { format!(", {because}") };
        if *reads != Reads::Nothing && !self.catalog.may_some(self.role, Privilege::Select, relation) {
            return Some(format!("{}{because}", self.lacks("SELECT", table)));
        }
        match reads {
            Reads::Columns(columns) => {
                let column = columns.iter().find(|column| {
                    relation.columns.contains_key(*column)
                        && !self.catalog.may_column(self.role, Privilege::Select, relation, column)
                })?;
                let of = match self.attempt.returned {
                    Returned::ToTheCaller => format!("column {table}.{column}"),
                    // Keys, which the caller did not name.
                    Returned::ToRelatedRows => format!("a key column of {table}"),
                };
                Some(format!("{}{because}", self.lacks("SELECT", &of)))
            }
            Reads::All if !self.catalog.may(self.role, Privilege::Select, relation) => Some(format!(
                "role {} may SELECT some columns of {table} only: name them in the select parameter",
                self.role
            )),
            _ => None,
        }
    }

    async fn missing_policy(&self, target: &Target) -> Option<String> {
        let relation = self.attempt.relation.as_ref()?;
        if !self.quotes(&relation.name.name) || !self.may_know(relation) {
            return None;
        }
        let _only = target.looks.try_acquire().ok()?;
        let look = async {
            let mut session = target.pools.owner.session(Instant::now() + PATIENCE).await.ok()?;
            load(&mut session, relation.oid, self.role).await.ok()
        };
        let policies = tokio::time::timeout(PATIENCE, look).await.ok()??;
        Some(self.judge(&relation.name.name, &policies))
    }

    /// Whether it was the USING of a policy, which is asked of a row that is there already. The word is SQL and stays as
    /// it is in every language of the messages.
    fn is_of_using(&self, table: &str) -> bool {
        self.error.message.replace(table, "").contains("USING")
    }

    /// Which kind of policy is not there, or did not let the row pass.
    fn judge(&self, table: &str, policies: &[Policy]) -> String {
        let lets = |privilege: Privilege| policies.iter().any(|policy| policy.permissive && policy.covers(privilege));
        let none =
            |privilege: Privilege| format!("no policy of table {table} lets role {} {}", self.role, name(privilege));
        let restrictive = policies.iter().filter(|policy| policy.applies && !policy.permissive);
        if restrictive.clone().any(|policy| self.quotes(&policy.name)) {
            return format!("a restrictive policy of table {table} refuses the row");
        }
        let (written, returned) = match self.attempt.verb {
            Verb::Insert { merges: true } if lets(Privilege::Insert) && !lets(Privilege::Update) => {
                return format!("{}, which resolution=merge-duplicates and PUT need", none(Privilege::Update));
            }
            Verb::Insert { merges: true } if self.is_of_using(table) => {
                return format!(
                    "the row that is there already satisfies no UPDATE policy, or no SELECT policy, of table {table} \
                     for role {}",
                    self.role
                );
            }
            Verb::Insert { .. } => (Privilege::Insert, self.attempt.reads != Reads::Nothing),
            Verb::Update => (Privilege::Update, self.attempt.filters || self.attempt.reads != Reads::Nothing),
            Verb::Delete => (Privilege::Delete, true),
            Verb::Read | Verb::Call => return format!("a policy of table {table} refuses a row that the call wrote"),
        };
        if !lets(written) {
            return none(written);
        }
        if returned && !lets(Privilege::Select) {
            let way_out = match self.attempt.verb {
                Verb::Insert { .. } => self.for_what(),
                _ => "which changing rows by a filter needs",
            };
            return format!("{}, {way_out}", none(Privilege::Select));
        }
        if self.attempt.verb == (Verb::Insert { merges: true }) {
            return format!(
                "the row satisfies no INSERT policy or, because it may replace another and is read again, no UPDATE or \
                 SELECT policy of table {table} for role {}",
                self.role
            );
        }
        let also = if returned { " or, because the new row is read again, no SELECT policy" } else { "" };
        format!("the row satisfies no {} policy{also} of table {table} for role {}", name(written), self.role)
    }
}

/// The sequence's name in `nextval('schema.name'::regclass)`.
fn sequence_of(default: &str) -> Option<String> {
    let (_, rest) = default.split_once("nextval('")?;
    let (path, _) = rest.split_once('\'')?;
    Some(path.rsplit('.').next()?.trim_matches('"').to_owned())
}

impl Attempt {
    /// A statement that touches nothing we know of.
    pub fn of(verb: Verb) -> Self {
        Self {
            verb,
            relation: None,
            function: None,
            others: Vec::new(),
            writes: Vec::new(),
            reads: Reads::Nothing,
            returned: Returned::default(),
            compares: Vec::new(),
            filters: false,
        }
    }
}
