//! What policies and privileges come to: whether a set of policies lets the row pass, what the role lacks, and all in one sentence.
//!
//! Last stage of `explain`. Pure.

use std::collections::BTreeSet;

use ferrobase_catalog::Privilege;
use serde_json::Map;

use super::explain::{Judged, Outcome, Question, Step};
use super::name;
use super::table::Table;

/// Whether the row passes, and who refuses it.
pub(super) fn judge(judged: &[Judged], has_row: bool) -> (Option<bool>, Vec<String>) {
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

pub(super) fn all_pass(steps: &[Step]) -> Option<bool> {
    if steps.iter().any(|step| step.passes == Some(false)) {
        return Some(false);
    }
    steps.iter().all(|step| step.passes == Some(true)).then_some(true)
}

/// Privileges that the command needs and the role does not have.
pub(super) fn missing(question: &Question, table: &Table) -> Vec<String> {
    let mut missing = Vec::new();
    if !table.uses_schema {
        missing.push(format!("USAGE on schema {}", question.table.schema));
    }
    let written: BTreeSet<&str> = question.row.iter().flat_map(Map::keys).map(String::as_str).collect();
    let filtered: BTreeSet<&str> = question.existing.iter().map(|(column, _)| column.as_str()).collect();
    let all = table.all();
    let read = if question.columns.is_empty() { all.clone() } else { named(question) };
    let mut needs = |privilege: Privilege, used: &BTreeSet<&str>| {
        let lacking = table.lacking(privilege, used);
        if lacking.is_empty() {
            return;
        }
        let has_none = table.lacking(privilege, &all).len() == all.len();
        let what = if has_none || privilege == Privilege::Delete {
            question.table.name.clone()
        } else {
            format!("{} ({})", question.table.name, lacking.join(", "))
        };
        missing.push(format!("{} on {what}", name(privilege)));
    };
    let wanted = if written.is_empty() { &all } else { &written };
    match question.command {
        Privilege::Select => needs(Privilege::Select, &read.union(&filtered).copied().collect()),
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
        needs(Privilege::Select, &read);
    }
    missing.dedup();
    missing
}

/// The columns that are asked about.
fn named(question: &Question) -> BTreeSet<&str> {
    question.columns.iter().map(String::as_str).collect()
}

/// What a role can do that may read some columns, where all were asked about.
fn way_out(question: &Question, table: &Table) -> Option<String> {
    let all = table.all();
    let lacking = table.lacking(Privilege::Select, &all);
    let reads_all = question.columns.is_empty() && (question.command == Privilege::Select || question.returning);
    if !reads_all || lacking.is_empty() || lacking.len() == all.len() {
        return None;
    }
    let readable: Vec<&str> =
        all.into_iter().filter(|column| lacking.iter().all(|lacking| lacking != column)).collect();
    Some(format!("; it may SELECT {}, by naming columns (select=, here --columns)", readable.join(", ")))
}

pub(super) fn verdict(
    question: &Question,
    columns: &Table,
    missing: &[String],
    steps: &[Step],
    allowed: Option<bool>,
) -> String {
    let (role, command, table) = (&question.role, name(question.command), &question.table.name);
    if !missing.is_empty() {
        let way_out = way_out(question, columns).unwrap_or_default();
        return format!("refused: role {role} lacks {}{way_out}", missing.join(" and "));
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
    let of_kind = |permissive: bool| {
        let of_kind = step.policies.iter().filter(|policy| policy.permissive == permissive);
        let refusing = of_kind.filter(|policy| step.refused_by.contains(&policy.policy));
        refusing.map(|policy| format!("\"{}\"", policy.policy)).collect::<Vec<_>>().join(", ")
    };
    let (permissive, restrictive) = (of_kind(true), of_kind(false));
    let kind = format!("{} policy", step.command);
    match (permissive.is_empty(), restrictive.is_empty()) {
        (true, _) => format!("refused: restrictive {kind} refused by {restrictive} ({because})"),
        (false, true) => format!("refused: no permissive {kind} lets the row pass: {permissive} ({because})"),
        (false, false) => format!(
            "refused: no permissive {kind} lets the row pass: {permissive}; and a restrictive one refuses it: \
             {restrictive} ({because})"
        ),
    }
}
