//! The bound on planner cost (`rest.max_cost`): the planner is asked before a statement runs, in its transaction.
//!
//! Pure: adds the questions to the statements and reads the answers. `run` puts both around the judgement. Not on the hot path:
//! without the setting nothing here is called.
//! Invariant: the estimate itself leaves this file as a yes or no only (security 22).

use ferrobase_pg::{Formats, Statement, StatementResult};

/// Beginnings of statements whose cost the planner knows. What explains itself, and COPY, is not asked about.
const PLANNED: [&str; 6] = ["SELECT", "WITH", "INSERT", "UPDATE", "DELETE", "MERGE"];

/// Puts a question for each statement after the first `skip`, in front of all of them. How many statements then come
/// first; `None` when there is nothing to ask.
pub(crate) fn ask(statements: &mut Vec<Statement>, skip: usize) -> Option<usize> {
    let questions: Vec<Statement> =
        statements.iter().skip(skip).filter(|statement| is_planned(&statement.sql)).map(question).collect();
    if questions.is_empty() {
        return None;
    }
    let leading = skip + questions.len();
    statements.splice(skip..skip, questions);
    Some(leading)
}

fn is_planned(sql: &str) -> bool {
    let sql = sql.trim_start();
    PLANNED.iter().any(|word| sql.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word)))
}

fn question(statement: &Statement) -> Statement {
    Statement {
        sql: format!("EXPLAIN (FORMAT JSON) {}", statement.sql).into(),
        formats: Formats::Text,
        ..statement.clone()
    }
}

/// Whether a plan costs more than this. A plan that cannot be read costs too much.
pub(crate) fn exceeds(plan: &StatementResult, most: f64) -> bool {
    let cost = || {
        let text = plan.rows.first()?.bytes(0)?;
        let plan: serde_json::Value = serde_json::from_slice(&text).ok()?;
        plan.get(0)?.get("Plan")?.get("Total Cost")?.as_f64()
    };
    cost().is_none_or(|cost| cost > most)
}

#[cfg(test)]
mod tests {
    use ferrobase_pg::Rows;

    use super::*;

    fn statements(texts: &[&str]) -> Vec<Statement> {
        let statement = |sql: &&str| Statement {
            sql: (*sql).into(),
            params: Vec::new(),
            param_types: Vec::new(),
            formats: Formats::Text,
        };
        texts.iter().map(statement).collect()
    }

    #[test]
    fn questions_stand_between_pre_request_and_statements() {
        let mut asked =
            statements(&["select pre()", "WITH a AS (SELECT 1) SELECT", "EXPLAIN SELECT 1", "COPY t FROM STDIN"]);
        assert_eq!(ask(&mut asked, 1), Some(2));
        let sql: Vec<&str> = asked.iter().map(|statement| &*statement.sql).collect();
        assert_eq!(sql[1], "EXPLAIN (FORMAT JSON) WITH a AS (SELECT 1) SELECT");
        assert_eq!(sql.len(), 5);
        assert_eq!(ask(&mut statements(&["EXPLAIN SELECT 1"]), 0), None);
    }

    #[test]
    fn costs_are_read_from_plans() {
        let plan = |text: &str| StatementResult { rows: Rows::of([[Some(text)]]), ..StatementResult::default() };
        let costs = plan(r#"[{"Plan": {"Total Cost": 100.5}}]"#);
        assert!(exceeds(&costs, 100.0) && !exceeds(&costs, 100.5));
        assert!(exceeds(&plan("[]"), 1e300) && exceeds(&StatementResult::default(), 1e300));
    }
}
