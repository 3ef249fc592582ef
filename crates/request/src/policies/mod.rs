//! Row-level security policies, read when somebody asks why a row was refused. Never on the way of a request that works.
//!
//! `denial` makes the hint of a 42501 from the catalog and, when a policy refused, from one look at `pg_policy`;
//! `explain` is `ferrobase explain-policy`: which policies apply, and what each says of one row, for a role with claims.
//! Invariant: what policies say is told to nobody through the API; hints name kinds of policies, never expressions.

mod denial;
mod evaluate;
mod explain;
mod row;
mod table;
mod verdict;

use ferrobase_catalog::Privilege;
use ferrobase_pg::{Error, Row, Session};

pub use denial::{Attempt, Compared, Reads, Returned, Verb, hint};
pub use explain::{Clause, Explanation, Judged, Outcome, Question, Step, explain};
pub use table::{ExplainError, NoTable};

/// One policy, as far as one role is concerned.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// One permissive policy must let a row pass, every restrictive one.
    pub permissive: bool,
    /// `ALL`, `SELECT`, `INSERT`, `UPDATE` or `DELETE`.
    pub command: String,
    /// For whom it was made.
    pub roles: Vec<String>,
    /// The role is one of them, or has the rights of one.
    pub applies: bool,
    /// `USING`: rows that are there.
    pub using: Option<String>,
    /// `WITH CHECK`: rows that will be there.
    pub check: Option<String>,
}

impl Policy {
    /// Whether it has a say in this.
    fn covers(&self, privilege: Privilege) -> bool {
        self.applies && (self.command == "ALL" || self.command == name(privilege))
    }

    fn of(row: Row<'_>) -> Self {
        let text = |index| row.text(index).map(str::to_owned);
        let is_true = |index| row.text(index) == Some("t");
        Self {
            name: text(0).unwrap_or_default(),
            permissive: is_true(1),
            command: match row.text(2) {
                Some("r") => "SELECT",
                Some("a") => "INSERT",
                Some("w") => "UPDATE",
                Some("d") => "DELETE",
                _ => "ALL",
            }
            .to_owned(),
            roles: row.text(3).and_then(|roles| serde_json::from_str(roles).ok()).unwrap_or_default(),
            applies: is_true(4),
            using: text(5),
            check: text(6),
        }
    }
}

/// The policies of a table, those that bind the role marked.
async fn load(session: &mut Session, table: u32, role: &str) -> Result<Vec<Policy>, Error> {
    let parameters = [Some(table.to_string()), Some(role.to_owned())];
    let parameters: Vec<Option<&str>> = parameters.iter().map(Option::as_deref).collect();
    let found = session.query(include_str!("../../sql/policy_list.sql"), &parameters).await?;
    Ok(found.rows.iter().map(Policy::of).collect())
}

/// The privilege's name in SQL.
fn name(privilege: Privilege) -> &'static str {
    match privilege {
        Privilege::Select => "SELECT",
        Privilege::Insert => "INSERT",
        Privilege::Update => "UPDATE",
        Privilege::Delete => "DELETE",
    }
}
