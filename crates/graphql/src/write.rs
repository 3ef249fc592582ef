//! The fields of a mutation, one after the other in one transaction.
//!
//! Fourth stage for operations that write. Before each statement every setting is set again, so that no field decides as
//! whom the next one runs; what fails undoes all of them.

use bytes::Bytes;
use ferrobase_base::PublicError;
use ferrobase_pg::{End, StatementResult};
use ferrobase_query::plan::ChangeMember;
use ferrobase_query::tree::{self, TreeError};
use ferrobase_request::{Opening, Transaction};
use serde_json::value::RawValue;

use crate::error::Error;
use crate::flow::{Flow, Operating, Ready, internal, isolation};
use crate::plan::{COUNT, Grown, ROWS, Step, json};

/// A transaction, and what its statements have in common.
struct Writing<'w, 't> {
    flow: &'w Flow<'w>,
    operating: &'w Operating<'w>,
    transaction: Transaction<'t>,
}

impl Flow<'_> {
    /// The fields of a mutation, in their order.
    pub(crate) async fn write(&self, steps: Vec<(String, Step)>, operating: &Operating<'_>) -> Result<Bytes, Error> {
        let cost = steps.iter().map(|(_, step)| self.cost_of(step)).sum();
        self.afford(cost)?;
        let runs = steps.iter().filter(|(_, step)| !matches!(step, Step::Constant(_))).count();
        let only = runs == 1 && steps.iter().any(|(_, step)| matches!(step, Step::Run(..)));
        let mut values = Vec::with_capacity(steps.len());
        if runs == 0 || only {
            for (key, step) in steps {
                let value = match step {
                    Step::Run(document, function) => {
                        let ready = self.ready(operating, &document, function)?;
                        let failed = |error: Error| error.at(&key);
                        value(&ready, &self.run_one(&ready, operating).await.map_err(failed)?)?
                    }
                    Step::Constant(json) => json.into(),
                    Step::Many(_) | Step::Tree(_) => return Err(internal()),
                };
                values.push((key, value));
            }
            return Ok(side_by_side(&values, &self.ending(cost)));
        }
        let begun = Transaction::begin(self.target, self.context(), self.opening(&steps, operating)).await;
        let transaction = begun.map_err(|error| self.failed(&error))?;
        let mut writing = Writing { flow: self, operating, transaction };
        for (key, step) in steps {
            match writing.step(step).await {
                Ok(value) => values.push((key, value)),
                Err(error) => {
                    writing.transaction.abort().await;
                    return Err(error.at(&key));
                }
            }
        }
        writing.transaction.end(End::Commit).await.map_err(|error| self.failed(&error))?;
        Ok(side_by_side(&values, &self.ending(cost)))
    }

    /// How a transaction begins: as isolated as the strictest of the functions that are called, and the role, want it.
    fn opening(&self, steps: &[(String, Step)], operating: &Operating<'_>) -> Opening {
        let called = |(_, step): &(String, Step)| match step {
            Step::Run(_, Some(function)) => function.isolation,
            _ => None,
        };
        let own = operating.catalog.roles.get(self.context().identity.role()).and_then(|role| role.isolation);
        Opening { isolation: steps.iter().filter_map(called).chain(own).max().map(isolation), ..Opening::default() }
    }

    /// How many rows a field may touch.
    fn cost_of(&self, step: &Step) -> f64 {
        match step {
            Step::Constant(_) => 0.0,
            Step::Run(document, _) => self.cost(document),
            Step::Many(steps) => steps.iter().map(|step| self.cost_of(step)).sum(),
            Step::Tree(grown) => grown.rows() + grown.told.as_ref().map_or(0.0, |told| self.cost(told)) * grown.roots(),
        }
    }
}

impl Writing<'_, '_> {
    /// Runs a field; gives its value.
    async fn step(&mut self, step: Step) -> Result<Bytes, Error> {
        match step {
            Step::Many(steps) => {
                let mut list = b"[".to_vec();
                for (index, step) in steps.into_iter().enumerate() {
                    let one = self.one(step).await.map_err(|error| error.at(&index.to_string()))?;
                    if index > 0 {
                        list.extend_from_slice(b",");
                    }
                    list.extend_from_slice(&one);
                }
                list.extend_from_slice(b"]");
                Ok(list.into())
            }
            one => self.one(one).await,
        }
    }

    /// Runs what is no list.
    async fn one(&mut self, step: Step) -> Result<Bytes, Error> {
        match step {
            Step::Constant(json) => Ok(json.into()),
            Step::Run(document, function) => {
                let ready = self.flow.ready(self.operating, &document, function)?;
                self.run(&ready).await
            }
            Step::Tree(grown) => self.tree(*grown).await,
            Step::Many(_) => Err(internal()),
        }
    }

    async fn run(&mut self, ready: &Ready) -> Result<Bytes, Error> {
        self.flow.begins(ready, self.operating);
        let reply = self.transaction.run(self.flow.work(ready, self.operating.schema)).await;
        value(ready, &reply.map_err(|error| self.flow.failed(&error))?.results)
    }

    /// Runs the steps of a tree; gives what is told of its root.
    async fn tree(&mut self, mut grown: Grown) -> Result<Bytes, Error> {
        let mut roots = 0;
        for place in 0..grown.tree.steps.len() {
            let Some(document) = grown.document(place).map_err(|error| refused(&error))? else { continue };
            let ready = self.flow.ready(self.operating, &document, None)?;
            let told = self.run(&ready).await?;
            let (count, rows) = read(&told).ok_or_else(internal)?;
            if place == grown.root {
                roots = count;
            }
            grown.tree.take(place, count, rows).map_err(|error| refused(&error))?;
        }
        if let Some(document) = grown.told() {
            let ready = self.flow.ready(self.operating, document, None)?;
            return self.run(&ready).await;
        }
        let mut object = serde_json::Map::new();
        for member in &grown.members {
            match member {
                ChangeMember::Count(key) => object.insert(key.clone(), roots.into()),
                ChangeMember::Constant(key, json) => {
                    object.insert(key.clone(), serde_json::from_str(json).unwrap_or_default())
                }
                ChangeMember::Records(..) | ChangeMember::Row(_) => None,
            };
        }
        Ok(serde_json::Value::Object(object).to_string().into())
    }
}

/// What a step answers.
fn read(told: &[u8]) -> Option<(u64, Vec<tree::Draft>)> {
    let parts: std::collections::HashMap<String, &RawValue> = serde_json::from_slice(told).ok()?;
    let count = serde_json::from_str(parts.get(COUNT)?.get()).ok()?;
    let rows = parts.get(ROWS).map_or_else(|| Some(Vec::new()), |rows| tree::rows(rows.get().as_bytes()))?;
    Some((count, rows))
}

fn refused(error: &TreeError) -> Error {
    Error::Database(Box::new(PublicError::from(error)))
}

/// The value of a statement's only key.
fn value(ready: &Ready, results: &[StatementResult]) -> Result<Bytes, Error> {
    let mut object = Vec::new();
    let result = results.first().ok_or_else(internal)?;
    ready.drawn.template.write(result, &mut object).ok_or_else(internal)?;
    // An object with the one key.
    let end = object.len().saturating_sub(1);
    let start = object.iter().position(|byte| *byte == b':').ok_or_else(internal)? + 1;
    Ok(Bytes::from(object).slice(start..end))
}

/// The values of a mutation under their keys.
fn side_by_side(values: &[(String, Bytes)], ending: &str) -> Bytes {
    let mut body = b"{\"data\":{".to_vec();
    for (index, (key, value)) in values.iter().enumerate() {
        if index > 0 {
            body.extend_from_slice(b",");
        }
        body.extend_from_slice(json(key).as_bytes());
        body.extend_from_slice(b":");
        body.extend_from_slice(value);
    }
    body.extend_from_slice(b"}");
    body.extend_from_slice(ending.as_bytes());
    body.into()
}
