//! `ferrobase explain-policy`: what stands between a role and a row.
//!
//! For one command: the privileges that it needs, then each set of policies that PostgreSQL would ask, in its order,
//! each policy with what it says of the row. Everything runs in one transaction with the role and the claims set as for a
//! request, and is rolled back.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use ferrobase_catalog::{Privilege, QualifiedName};
use ferrobase_pg::{Error, Formats, Session, Statement};
use serde::Serialize;
use serde_json::{Map, Value};

use super::evaluate::{self, JsonRow};
use super::table::{ExplainError, Table};
use super::{Policy, load, name};
use crate::context::{Claims, Identity, RequestContext, Via};
use crate::role_settings::RoleLimits;
use crate::run::Work;
use crate::settings::{SearchPath, settings};
use crate::target::{Profile, TransactionRules};

/// An expression of a policy may take so long.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question {
    /// The table.
    pub table: QualifiedName,
    /// The role.
    pub role: String,
    /// The token's claims.
    pub claims: Map<String, Value>,
    /// SELECT, INSERT, UPDATE or DELETE.
    pub command: Privilege,
    /// The new row, or what changes; for SELECT and DELETE a row as if it were there.
    pub row: Option<Map<String, Value>>,
    /// Columns and values that find a row which is there.
    pub existing: Vec<(String, String)>,
    /// The changed rows are returned.
    pub returning: bool,
    /// Schemas in which the role's code finds names.
    pub search_path: SearchPath,
}

/// Which clause of a policy is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Clause {
    /// Of rows that are there.
    Using,
    /// Of rows that will be there.
    WithCheck,
}

/// What a policy says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The row passes.
    Passes,
    /// It does not: false, or NULL, which counts as false.
    Refuses,
    /// The expression failed; so would the statement.
    Fails(String),
    /// No row was given.
    NotAsked,
}

/// A policy and what it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Judged {
    /// Its name.
    pub policy: String,
    /// Permissive or restrictive.
    pub permissive: bool,
    /// The expression that was asked.
    pub expression: String,
    /// The answer.
    pub outcome: Outcome,
}

/// One set of policies that must let the row pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Policies for this command, and for ALL.
    pub command: &'static str,
    /// Which clause.
    pub clause: Clause,
    /// Why they are asked.
    pub because: &'static str,
    /// Each of them.
    pub policies: Vec<Judged>,
    /// Whether the row passes; nothing without a row.
    pub passes: Option<bool>,
    /// Who refuses.
    pub refused_by: Vec<String>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The command.
    pub command: &'static str,
    /// Privileges that the role lacks for it.
    pub missing_privileges: Vec<String>,
    /// `enabled`, `disabled`, or `bypassed` by this role.
    pub row_security: &'static str,
    /// All policies of the table.
    pub policies: Vec<Policy>,
    /// The sets that are asked.
    pub steps: Vec<Step>,
    /// Whether the command would work; nothing when that depends on a row that was not given.
    pub allowed: Option<bool>,
    /// In one sentence.
    pub verdict: String,
}

/// Explains. The session is the owner's; nothing is kept.
///
/// # Errors
/// The table, role, column or row is not there, or the database fails.
pub async fn explain(session: &mut Session, question: &Question) -> Result<Explanation, ExplainError> {
    let asked = &question.table;
    // Without a search path PostgreSQL writes every name in full.
    session.script("begin; set local search_path = ''").await?;
    let answer = Asking { session, question, name: asked }.answer().await;
    session.script("rollback").await?;
    answer
}

struct Asking<'a> {
    session: &'a mut Session,
    question: &'a Question,
    name: &'a QualifiedName,
}

/// Which row a set of policies is asked about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Subject {
    Existing,
    New,
}

type Plan = (Privilege, Clause, Subject, &'static str);

impl Asking<'_> {
    async fn answer(mut self) -> Result<Explanation, ExplainError> {
        let question = self.question;
        let table = Table::find(self.session, &self.name.schema, &self.name.name, &question.role).await?;
        table.check(&self.name.name, question.row.as_ref())?;
        let policies = load(self.session, table.oid, &question.role).await?;
        let existing = match (&question.existing[..], &question.row, question.command) {
            ([], Some(row), Privilege::Select | Privilege::Delete) => Some(row.clone()),
            ([], ..) => None,
            (wanted, ..) => Some(evaluate::find_row(self.session, self.name, &table, wanted).await?),
        };
        self.become_role().await?;
        if let Some(row) = &question.row {
            evaluate::check_values(self.session, self.name, &table, row).await?;
        }
        let new = self.new_row(&table, existing.as_ref()).await?;
        if let (Privilege::Insert, Some(new)) = (question.command, &new) {
            evaluate::check_row(self.session, self.name, new).await?;
        }
        let missing_privileges = missing(question, &table);
        let asks = table.row_security && !table.is_bypassed;
        let mut steps = Vec::new();
        for (privilege, clause, subject, because) in plan(question).into_iter().filter(|_| asks) {
            let row = if subject == Subject::Existing { existing.as_ref() } else { new.as_ref() };
            steps.push(self.step(&policies, privilege, clause, because, row).await?);
        }
        let row_security = match (table.row_security, table.is_bypassed) {
            (false, _) => "disabled",
            (true, true) => "bypassed",
            (true, false) => "enabled",
        };
        let allowed = if missing_privileges.is_empty() { all_pass(&steps) } else { Some(false) };
        let verdict = verdict(question, &missing_privileges, &steps, allowed);
        let command = name(question.command);
        Ok(Explanation { command, missing_privileges, row_security, policies, steps, allowed, verdict })
    }

    /// The settings of a request, the role among them.
    async fn become_role(&mut self) -> Result<(), ExplainError> {
        let question = self.question;
        let identity = Identity {
            claims: Claims::of_role(question.claims.clone(), &question.role),
            via: Via::Token,
            is_anonymous: false,
            expires_at: None,
            api_key: None,
        };
        let context = RequestContext {
            identity,
            request_id: "explain-policy".into(),
            method: "GET".into(),
            path: "/".into(),
            headers: "{}".into(),
            cookies: "{}".into(),
            client_ip: None,
            deadline: Instant::now() + PATIENCE,
            trace: None,
            journal: Default::default(),
            freshness: None,
        };
        let nothing = Statement { sql: "".into(), params: Vec::new(), param_types: Vec::new(), formats: Formats::Text };
        let work = Work { read_only: false, ..Work::read(question.search_path.clone(), nothing) };
        let rules = TransactionRules {
            profile: Profile::Ferrobase,
            role_limits: RoleLimits { statement_timeout: Some(PATIENCE), ..RoleLimits::default() },
            ..TransactionRules::default()
        };
        for (name, value) in settings(&context, &work, None, &rules).iter() {
            let setting = [Some(name), Some(value)];
            let set = self.session.query("select pg_catalog.set_config($1, $2, true)", &setting).await;
            set.map_err(|source| {
                if name == "role" { ExplainError::Role { source } } else { ExplainError::Database { source } }
            })?;
        }
        Ok(())
    }

    async fn new_row(&mut self, table: &Table, existing: Option<&JsonRow>) -> Result<Option<JsonRow>, Error> {
        let Some(row) = &self.question.row else { return Ok(None) };
        match (self.question.command, existing) {
            (Privilege::Insert, _) => evaluate::with_defaults(self.session, table, row).await.map(Some),
            (Privilege::Update, Some(existing)) => {
                let mut whole = existing.clone();
                whole.extend(row.clone());
                Ok(Some(whole))
            }
            _ => Ok(Some(row.clone())),
        }
    }

    async fn step(
        &mut self,
        policies: &[Policy],
        privilege: Privilege,
        clause: Clause,
        because: &'static str,
        row: Option<&JsonRow>,
    ) -> Result<Step, Error> {
        let mut judged = Vec::new();
        for policy in policies.iter().filter(|policy| policy.covers(privilege)) {
            let expression = match clause {
                Clause::Using => policy.using.as_deref(),
                // What has no WITH CHECK is checked by its USING.
                Clause::WithCheck => policy.check.as_deref().or(policy.using.as_deref()),
            };
            let expression = expression.unwrap_or("true").to_owned();
            let outcome = match row {
                None => Outcome::NotAsked,
                Some(row) => match evaluate::expression(self.session, self.name, &expression, row).await? {
                    Ok(Some(true)) => Outcome::Passes,
                    Ok(_) => Outcome::Refuses,
                    Err(failure) => Outcome::Fails(failure),
                },
            };
            judged.push(Judged { policy: policy.name.clone(), permissive: policy.permissive, expression, outcome });
        }
        let (passes, refused_by) = judge(&judged, row.is_some());
        Ok(Step { command: name(privilege), clause, because, policies: judged, passes, refused_by })
    }
}

/// The sets that PostgreSQL asks for a command.
fn plan(question: &Question) -> Vec<Plan> {
    use Clause::{Using, WithCheck};
    use Privilege::{Delete, Insert, Select, Update};
    use Subject::{Existing, New};
    match question.command {
        Select => vec![(Select, Using, Existing, "the row is read")],
        Insert => {
            let mut plan = vec![(Insert, WithCheck, New, "the row is new")];
            if question.returning {
                plan.push((Select, Using, New, "the new row is returned"));
            }
            plan
        }
        Update => vec![
            (Select, Using, Existing, "a filter reads the row"),
            (Update, Using, Existing, "the row is changed"),
            (Update, WithCheck, New, "the changed row must satisfy them too"),
            (Select, Using, New, "the changed row must stay visible, because a filter reads it"),
        ],
        Delete => {
            vec![(Select, Using, Existing, "a filter reads the row"), (Delete, Using, Existing, "the row is removed")]
        }
    }
}

/// Whether the row passes, and who refuses it.
fn judge(judged: &[Judged], has_row: bool) -> (Option<bool>, Vec<String>) {
    let passes = |policy: &&Judged| policy.outcome == Outcome::Passes;
    let permissive = judged.iter().filter(|policy| policy.permissive);
    if permissive.clone().next().is_none() {
        // Nothing lets any row pass, whatever it looks like.
        return (Some(false), Vec::new());
    }
    if !has_row {
        return (None, Vec::new());
    }
    let is_let = permissive.clone().any(|policy| passes(&policy));
    let refusing = judged.iter().filter(|policy| !passes(policy) && (!policy.permissive || !is_let));
    let refused_by: Vec<String> = refusing.map(|policy| policy.policy.clone()).collect();
    (Some(refused_by.is_empty()), refused_by)
}

fn all_pass(steps: &[Step]) -> Option<bool> {
    if steps.iter().any(|step| step.passes == Some(false)) {
        return Some(false);
    }
    steps.iter().all(|step| step.passes == Some(true)).then_some(true)
}

/// Privileges that the command needs and the role does not have.
fn missing(question: &Question, table: &Table) -> Vec<String> {
    let mut missing = Vec::new();
    if !table.uses_schema {
        missing.push(format!("USAGE on schema {}", question.table.schema));
    }
    let written: BTreeSet<&str> = question.row.iter().flat_map(Map::keys).map(String::as_str).collect();
    let filtered: BTreeSet<&str> = question.existing.iter().map(|(column, _)| column.as_str()).collect();
    let all = table.all();
    let mut needs = |privilege: Privilege, used: &BTreeSet<&str>| {
        let lacking = table.lacking(privilege, used);
        if lacking.is_empty() {
            return;
        }
        let what = if lacking.len() == used.len() || privilege == Privilege::Delete {
            question.table.name.clone()
        } else {
            format!("{} ({})", question.table.name, lacking.join(", "))
        };
        missing.push(format!("{} on {what}", name(privilege)));
    };
    let wanted = if written.is_empty() { &all } else { &written };
    match question.command {
        Privilege::Select => needs(Privilege::Select, &all),
        Privilege::Insert => needs(Privilege::Insert, wanted),
        Privilege::Update => {
            needs(Privilege::Update, wanted);
            needs(Privilege::Select, &filtered);
        }
        Privilege::Delete => {
            needs(Privilege::Delete, &all);
            needs(Privilege::Select, &filtered);
        }
    }
    if question.returning && question.command != Privilege::Select {
        needs(Privilege::Select, &all);
    }
    missing.dedup();
    missing
}

fn verdict(question: &Question, missing: &[String], steps: &[Step], allowed: Option<bool>) -> String {
    let (role, command, table) = (&question.role, name(question.command), &question.table.name);
    if !missing.is_empty() {
        return format!("refused: role {role} lacks {}", missing.join(" and "));
    }
    let Some(step) = steps.iter().find(|step| step.passes == Some(false)) else {
        return match allowed {
            Some(true) => format!("allowed: role {role} may {command} this row of {table}"),
            _ => format!("depends on the row: give one with --row or --where to see what each policy says of {table}"),
        };
    };
    let because = step.because;
    if step.policies.iter().all(|policy| !policy.permissive) {
        return format!("refused: no policy of table {table} lets role {role} {} ({because})", step.command);
    }
    let quoted: Vec<String> = step.refused_by.iter().map(|policy| format!("\"{policy}\"")).collect();
    let who = quoted.join(", ");
    if step.policies.iter().any(|policy| policy.permissive && policy.outcome == Outcome::Passes) {
        format!("refused: restrictive {} refused by {who} ({because})", noun(step.command))
    } else {
        format!("refused: no permissive {} lets the row pass: {who} ({because})", noun(step.command))
    }
}

fn noun(command: &str) -> String {
    format!("{command} policy")
}
