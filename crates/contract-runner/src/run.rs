//! Runs a topic against a server, or records a server's answers.

use std::fmt::Write as _;

use anyhow::{Context, Result};

use crate::judge;
use crate::topic::{Answer, Case, Exchange, Topic, Variables, expand};
use crate::wire::{self, Response};

/// A promise that was not kept.
#[derive(Debug)]
pub struct Failure {
    /// `file:line name`.
    pub case: String,
    /// The request and the difference.
    pub message: String,
}

/// Runs all cases of a topic against `host:port`.
pub fn run(topic: &Topic, address: &str, variables: &Variables) -> Vec<Failure> {
    topic
        .cases
        .iter()
        .filter_map(|case| {
            let message = run_case(case, address, variables).err()?;
            let place = format!("{}:{} {}", topic.path.display(), case.line, case.name);
            Some(Failure { case: place, message: format!("{message:#}") })
        })
        .collect()
}

fn run_case(case: &Case, address: &str, variables: &Variables) -> Result<()> {
    for exchange in &case.exchanges {
        let response = perform(exchange, address, variables).with_context(|| shown(exchange))?;
        let promised = expand_answer(&exchange.answer, variables)?;
        if let Some(difference) = judge::difference(&promised, &response) {
            anyhow::bail!("{}\n  {difference}", shown(exchange));
        }
    }
    Ok(())
}

/// The topic's cases with the server's own answers in place of the promised ones: what to compare by eye when the
/// original server is asked. Fields are those that the promise names.
pub fn record(topic: &Topic, address: &str, variables: &Variables) -> Result<String> {
    let mut out = String::new();
    for case in &topic.cases {
        writeln!(out, "=== {}", case.name)?;
        for exchange in &case.exchanges {
            let response = perform(exchange, address, variables).with_context(|| shown(exchange))?;
            writeln!(out, ">>> {}", exchange.request_line)?;
            for (name, value) in &exchange.headers {
                writeln!(out, "{name}: {value}")?;
            }
            if !exchange.body.is_empty() {
                writeln!(out, "\n{}", exchange.body)?;
            }
            writeln!(out, "<<< {}", response.status)?;
            for (name, _) in &exchange.answer.headers {
                writeln!(out, "{name}: {}", response.header(name).as_deref().unwrap_or("absent"))?;
            }
            writeln!(out, "\n{}\n", String::from_utf8_lossy(&response.body))?;
        }
    }
    Ok(out)
}

fn perform(exchange: &Exchange, address: &str, variables: &Variables) -> Result<Response> {
    let body = expand(&exchange.body, variables)?;
    if exchange.request_line == "RAW" {
        return wire::send_raw(address, &body);
    }
    let line = expand(&exchange.request_line, variables)?;
    let headers = expand_headers(&exchange.headers, variables)?;
    wire::send(address, &line, &headers, &body)
}

fn expand_answer(answer: &Answer, variables: &Variables) -> Result<Answer> {
    Ok(Answer {
        status: answer.status,
        headers: expand_headers(&answer.headers, variables)?,
        body: answer.body.as_deref().map(|body| expand(body, variables)).transpose()?,
    })
}

fn expand_headers(headers: &[(String, String)], variables: &Variables) -> Result<Vec<(String, String)>> {
    headers.iter().map(|(name, value)| Ok((name.clone(), expand(value, variables)?))).collect()
}

fn shown(exchange: &Exchange) -> String {
    exchange.request_line.chars().take(200).collect()
}
