//! Problems and warnings that only show when keys are compared: each section checks itself with one of these.
//!
//! Runs after reading, on values that are right on their own. Places come from the merged tree, so that a message
//! points at the line or variable that the user has to change.

use super::{Fault, Node, Place, Problem, Value};

/// Collects what cross-checks find. Keys are given relative to the section that is being checked.
#[derive(Debug)]
pub struct Report<'t> {
    tree: &'t Node,
    section: String,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl<'t> Report<'t> {
    /// A report on this tree.
    pub fn new(tree: &'t Node) -> Self {
        Self { tree, section: String::new(), problems: Vec::new(), warnings: Vec::new() }
    }

    /// Goes on with another section.
    pub fn section(&mut self, section: &str) -> &mut Self {
        self.section = section.to_owned();
        self
    }

    /// Where the user gave this key a value, if at all.
    pub fn place(&self, key: &str) -> Option<&'t Place> {
        let node = self.tree.at(&self.full(key))?;
        let unset = match &node.value {
            Value::Empty | Value::Null => true,
            Value::List(items) => items.is_empty(),
            Value::Scalar(_) | Value::Map(_) => false,
        };
        (!unset).then_some(&node.place)
    }

    /// Refuses `others` where they stand beside `key`, which says the same. A stronger place settles it: a URL in the
    /// environment replaces the host in a file.
    pub fn excludes(&mut self, key: &str, others: &[&str]) {
        let Some(place) = self.place(key) else { return };
        for other in others {
            if self.place(other).is_some_and(|other| other.rank() >= place.rank()) {
                let key = self.full(key);
                self.refuse(other, format!("`{key}` ({place}) already says it; remove one of the two"));
            }
        }
    }

    /// Notes a problem: the configuration is refused.
    pub fn refuse(&mut self, key: &str, reason: impl Into<String>) {
        self.fault(key, Fault::Refused(reason.into()));
    }

    /// Notes a problem of a given kind.
    pub fn fault(&mut self, key: &str, fault: Fault) {
        let problem = self.problem(key, fault);
        self.problems.push(problem);
    }

    /// Notes a warning: the configuration is used all the same.
    pub fn warn(&mut self, key: &str, reason: impl Into<String>) {
        let problem = self.problem(key, Fault::Refused(reason.into()));
        self.warnings.push(problem);
    }

    /// What was found: problems, then warnings.
    pub fn finish(self) -> (Vec<Problem>, Vec<Problem>) {
        (self.problems, self.warnings)
    }

    fn problem(&self, key: &str, fault: Fault) -> Problem {
        let key = self.full(key);
        let place = self.tree.at(&key).map_or(Place::Default, |node| node.place.clone());
        Problem { key, place, fault }
    }

    fn full(&self, key: &str) -> String {
        match (self.section.is_empty(), key.is_empty()) {
            (true, _) => key.to_owned(),
            (false, true) => self.section.clone(),
            (false, false) => format!("{}.{key}", self.section),
        }
    }
}
