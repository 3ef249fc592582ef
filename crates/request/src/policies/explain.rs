//! `ferrobase explain-policy`: what stands between a role and a row.
//!
//! For one command: the privileges that it needs, then each set of policies that PostgreSQL would ask, in its order,
//! each policy with what it says of the row. Everything runs in one transaction with the role and the claims set as for a
//! request, and is rolled back.

use std::time::{Duration, Instant};

use ferrobase_catalog::{Privilege, QualifiedName};
use ferrobase_pg::{Error, Formats, Session, Statement};
use serde::Serialize;
use serde_json::{Map, Value};

use super::evaluate::{self, JsonRow};
use super::row::{Given, Rules};
use super::table::{ExplainError, Table};
use super::verdict::{all_pass, judge, missing, verdict};
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
    /// Columns that are read or returned; none are all.
    pub columns: Vec<String>,
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
    /// The table of which it is a partition, `schema.table`: who reaches rows through that one is not asked these policies.
    pub partition_of: Option<String>,
    /// BEFORE triggers that would see the row and were not run: they may change it before it is judged.
    pub triggers_not_run: Vec<String>,
    /// What the answer leaves open, in sentences.
    pub remarks: Vec<String>,
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
        question.columns.iter().try_for_each(|column| table.column(&self.name.name, column).map(drop))?;
        let rules = Rules::load(self.session, &table).await?;
        let policies = load(self.session, table.oid, &question.role).await?;
        let mut existing = match (&question.existing[..], &question.row, question.command) {
            ([], Some(row), Privilege::Select | Privilege::Delete) => Some(row.clone()),
            ([], ..) => None,
            (wanted, ..) => Some(evaluate::find_row(self.session, self.name, &table, wanted).await?),
        };
        self.become_role().await?;
        let (mut new, mut triggers_not_run, mut remarks) = (None, Vec::new(), Vec::new());
        if let Some(row) = &question.row {
            let given = Given { name: self.name, table: &table, rules: &rules, row, command: question.command };
            given.check_values(self.session).await?;
            match question.command {
                Privilege::Insert | Privilege::Update => {
                    triggers_not_run = given.triggers();
                    new = Some(self.new_row(given, existing.as_ref(), &triggers_not_run, &mut remarks).await?);
                }
                Privilege::Select | Privilege::Delete if question.existing.is_empty() => {
                    existing = Some(given.generate(self.session, row.clone()).await?);
                }
                Privilege::Select | Privilege::Delete => {}
            }
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
        let verdict = verdict(question, &table, &missing_privileges, &steps, allowed);
        let command = name(question.command);
        Ok(Explanation {
            command,
            missing_privileges,
            row_security,
            policies,
            steps,
            partition_of: table.partition_of,
            triggers_not_run,
            remarks,
            allowed,
            verdict,
        })
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
            arrived: Instant::now(),
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

    /// The row that will be there, if no trigger changes it. One that the table cannot hold is refused, or remarked where a trigger
    /// may mend it.
    async fn new_row(
        &mut self,
        given: Given<'_>,
        existing: Option<&JsonRow>,
        triggers: &[String],
        remarks: &mut Vec<String>,
    ) -> Result<JsonRow, ExplainError> {
        let is_new = given.command == Privilege::Insert;
        let whole = match existing {
            _ if is_new => given.with_defaults(self.session).await?,
            Some(existing) => existing.iter().chain(given.row).map(|(k, v)| (k.clone(), v.clone())).collect(),
            None => given.row.clone(),
        };
        let whole = given.generate(self.session, whole).await?;
        if is_new {
            given.check_row(self.session, &whole).await?;
        }
        let broken = given.broken(self.session, &whole, is_new || existing.is_some()).await?;
        match broken {
            Some(broken) if triggers.is_empty() => return Err(broken.into()),
            broken => remarks.extend(broken.map(|broken| format!("as it was given, the row breaks {broken}"))),
        }
        if !triggers.is_empty() {
            let quoted: Vec<String> = triggers.iter().map(|name| format!("\"{name}\"")).collect();
            remarks.push(format!(
                "BEFORE triggers were not run, which may change the row before policies are asked: {}",
                quoted.join(", ")
            ));
        }
        Ok(whole)
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
