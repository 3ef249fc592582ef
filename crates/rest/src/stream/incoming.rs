//! Rows in: one INSERT from a staging table, whatever the size of the body.
//!
//! The statement is the one of an ordinary insert; only where its rows come from differs. It is explained before any
//! data is taken, under the caller's role, so that a missing grant or column is told at once.
//! Invariant: a failure anywhere leaves nothing behind, and names the line where one is to blame.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use axum::response::Response;
use ferrobase_base::PublicError;
use ferrobase_pg as pg;
use ferrobase_query::Compiled;
use ferrobase_request::{self as request, LoadError, Stage};
use http::request::Parts;
use http::{HeaderMap, header};
use serde_json::Value;

use super::intake::{BodyFailure, Intake};
use crate::body::rows::Format;
use crate::error::{Error, line_of_body};
use crate::execute::{explained, read, work};
use crate::flow::{Flow, Ready};
use crate::media::MediaType;
use crate::plan::Planned;
use crate::request::{Head, RestRequest};

/// SQLSTATEs and classes of failures that belong to the row that is being inserted, not to all of them together.
const OF_A_ROW: [&str; 5] = ["22", "23502", "23505", "23514", "42501"];

impl Flow<'_> {
    /// Inserts what the body brings, and the answer.
    pub(crate) async fn take_in(&self, parts: &Parts, body: Body) -> Result<Response, PublicError> {
        let head = Head {
            method: &parts.method,
            path: parts.uri.path(),
            query: parts.uri.query().unwrap_or_default(),
            headers: &parts.headers,
        };
        let mut intake = Intake::new(format(&parts.headers, head.query), body);
        let keys = intake.first_keys().await?;
        let parsed =
            self.journal().measure(Stage::Parse, || RestRequest::read_staged(head, keys, &self.settings.rules));
        let mut request = parsed?;
        request.extend(true);
        let catalog = self.target.catalog.get().ok_or(Error::NoCatalog)?;
        let Ready { planned, media, statements } =
            self.journal().measure(Stage::Plan, || self.plan(&request, &catalog))?;
        drop(catalog);

        self.runs(&statements.compiled.statement.sql, &request, &planned);
        let Compiled { statement, output, .. } = statements.compiled;
        let probe = pg::Statement {
            sql: format!("EXPLAIN {}", statement.sql).into(),
            formats: pg::Formats::Text,
            ..statement.clone()
        };
        let work = work(self.settings, &request, &planned, vec![statement]);
        let last_line = intake.last_line();
        let loaded = request::load(self.target, &self.caller.0, vec![probe], work, intake.into_data()).await;
        let reply = match loaded {
            Ok(reply) => reply,
            Err(error) => return Err(self.refused_load(error, &request, &planned, &last_line).await),
        };
        let executed = read(&reply.results, &output).unwrap_or_default();
        Ok(self.render(&request, &planned, &media, executed)?)
    }

    async fn refused_load(
        &self,
        failure: LoadError,
        request: &RestRequest,
        planned: &Planned,
        last_line: &Arc<AtomicU64>,
    ) -> PublicError {
        let LoadError { error, line } = failure;
        let error = match of_body(error) {
            Ok(public) => return public,
            Err(error) => error,
        };
        let code = error.db().map(|db| db.code.as_str().to_owned()).unwrap_or_default();
        // At the last row there may be no more rows, and the failure is one of them all.
        let is_certain = line.is_some_and(|line| line < last_line.load(Ordering::Relaxed))
            || OF_A_ROW.iter().any(|prefix| code.starts_with(prefix));
        let public = PublicError::from(explained(self.target, &self.caller.0, request, planned, error).await);
        match line.filter(|_| is_certain) {
            Some(line) => located(public, line),
            None => public,
        }
    }
}

fn format(headers: &HeaderMap, query: &str) -> Format {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|field| field.to_str().ok()).unwrap_or_default();
    if MediaType::parse(content_type) == MediaType::Csv {
        return Format::Csv;
    }
    Format::Ndjson { listed: query.split('&').any(|pair| pair.starts_with("columns=")) }
}

/// The body's own error, where it was that which ended the COPY.
fn of_body(error: request::Error) -> Result<PublicError, request::Error> {
    match error {
        request::Error::Database { source: pg::Error::Io(error), audience } => match error.downcast::<BodyFailure>() {
            Ok(BodyFailure(public)) => Ok(public),
            Err(error) => Err(request::Error::Database { source: pg::Error::Io(error), audience }),
        },
        other => Err(other),
    }
}

/// Says which line of the body it was, before what PostgreSQL says.
fn located(mut public: PublicError, line: u64) -> PublicError {
    let place = line_of_body(line);
    public.details = Some(Value::String(match public.details {
        Some(Value::String(details)) => format!("{place}: {details}"),
        _ => place,
    }));
    public
}
