//! Rows out, as PostgreSQL makes them.
//!
//! A task reads from the session and hands pieces to the answer through a channel that holds two of them: a caller who
//! does not read stops the task, the task stops reading, PostgreSQL stops sending. The caller leaving, the deadline
//! and a caller who takes nothing for [`STALL`] end the task, and with it the statement.
//! Invariant: a body ends well only if the transaction did. Whatever else happens, its end is an error, which HTTP
//! shows: the last chunk is missing, or the stream is reset.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use ferrobase_base::PublicError;
use ferrobase_catalog::Function;
use ferrobase_pg::StatementResult;
use ferrobase_query::plan::{Body as Rows, Embed, EmbedOutput, Guard, Query, Read, Source};
use ferrobase_query::{compile_count, compile_lines, response_settings};
use ferrobase_request::Lines;
use futures_util::{StreamExt as _, stream};
use tokio::sync::mpsc;

use crate::execute::{explained, work};
use crate::flow::{Flow, refused};
use crate::media::MediaType;
use crate::plan::Planned;
use crate::render::{self, StreamFacts};
use crate::request::{Action, RestRequest};

/// How long a caller may take nothing. A connection has such a bound of its own; a stream of HTTP/2 does not.
const STALL: Duration = Duration::from_secs(30);
/// Pieces that wait for the caller.
const WAITING: usize = 2;

/// Whether the rows of a request leave as they come. What is written is answered when it is committed; one value, and a
/// number of rows that must be right, are known at the end only, as is the cursor of the next page.
pub(crate) fn applies(request: &RestRequest, planned: &Planned) -> bool {
    let Query { mutation, body, guard, explain, keyset, .. } = &planned.query;
    let gives_rows = match &request.action {
        Action::Read { .. } => true,
        Action::Call { .. } => planned.function.as_ref().is_some_and(|function: &Arc<Function>| function.returns.set),
        _ => false,
    };
    let is_plain = mutation.is_none() && explain.is_none() && keyset.is_none() && *guard == Guard::default();
    gives_rows && is_plain && *body == Rows::Lines
}

impl Flow<'_> {
    /// The answer whose rows are on their way.
    pub(crate) async fn give_out(
        &self,
        request: &RestRequest,
        mut planned: Planned,
        media: &MediaType,
    ) -> Result<Response, PublicError> {
        let query = &mut planned.query;
        let most = self.settings.stream_max_rows;
        let lists_cut_at = self.settings.max_rows.filter(|most| may_cut_lists(&query.read, *most));
        let cut_at = most.filter(|most| request.window.limit.is_none_or(|asked| asked > *most));
        query.read.window.limit = least(request.window.limit, most);
        // A function is called once, for its rows.
        let counts = query.count.exact && matches!(query.read.source, Source::Table(_));
        let count = if counts { Some(compile_count(query).map_err(|error| refused(&error))?) } else { None };
        let rows = compile_lines(query).map_err(|error| refused(&error))?;
        self.runs(&rows.sql, request, &planned);
        let statements = count.into_iter().chain([response_settings(), rows]).collect();

        let context = &self.caller.0;
        let work = work(self.settings, request, &planned, statements);
        let lines = ferrobase_request::lines(self.target, context, work).await;
        let mut lines = match lines {
            Ok(lines) => lines,
            Err(error) => return Err(explained(self.target, context, request, &planned, error).await.into()),
        };
        let head = Head::of(&std::mem::take(&mut lines.head), counts);
        let body = body(lines, Arc::clone(&context.request_id));
        let facts = StreamFacts {
            media,
            total: head.total,
            cut_at,
            lists_cut_at,
            headers: head.headers.as_deref(),
            status: head.status.as_deref(),
            legacy_paths: &planned.legacy_paths,
        };
        Ok(render::streamed(request, facts, body)?)
    }
}

/// Whether some list that a row holds may end at the bound on rows. A row is one value in memory, whatever the bound of
/// the stream is, so its lists keep the bound of ordinary answers.
fn may_cut_lists(read: &Read, most: u64) -> bool {
    let may_cut = |embed: &Embed| !embed.to_one && !is_one_row(&embed.read) && embed.read.window.limit == Some(most);
    let shown = read.embeds.iter().filter(|embed| !matches!(embed.output, EmbedOutput::Hidden));
    shown.into_iter().any(|embed| may_cut(embed) || may_cut_lists(&embed.read, most))
}

/// Whether all rows become one: aggregates and nothing to group by.
fn is_one_row(read: &Read) -> bool {
    let is_aggregated = !read.select.is_empty() && read.select.iter().all(|select| select.aggregate.is_some());
    is_aggregated && read.embeds.is_empty() && read.group_by.is_empty()
}

fn least(asked: Option<u64>, most: Option<u64>) -> Option<u64> {
    match (asked, most) {
        (Some(asked), Some(most)) => Some(asked.min(most)),
        (asked, most) => asked.or(most),
    }
}

/// What is known before the rows.
struct Head {
    total: Option<u64>,
    headers: Option<String>,
    status: Option<String>,
}

impl Head {
    fn of(results: &[StatementResult], counts: bool) -> Self {
        let text = |result: usize, column: usize| {
            results.get(result).and_then(|result| result.rows.first()?.text(column).map(str::to_owned))
        };
        let settings = usize::from(counts);
        Self {
            total: text(0, 0).filter(|_| counts).and_then(|total| total.parse().ok()),
            headers: text(settings, 0),
            status: text(settings, 1),
        }
    }
}

/// Why a body ends early; only the connection sees it.
#[derive(Debug, thiserror::Error)]
#[error("the rows ended early")]
struct Cut;

/// The rows as a body.
fn body(lines: Lines, request_id: Arc<str>) -> Body {
    let (send, receive) = mpsc::channel(WAITING);
    let complete = Arc::new(AtomicBool::new(false));
    tokio::spawn(pump(lines, send, Arc::clone(&complete), request_id));
    let pieces = stream::unfold(Some(receive), move |state| {
        let complete = Arc::clone(&complete);
        async move {
            let mut receive: mpsc::Receiver<Bytes> = state?;
            match receive.recv().await {
                Some(piece) => Some((Ok(piece), Some(receive))),
                None if complete.load(Ordering::Acquire) => None,
                None => Some((Err(Cut), None)),
            }
        }
    });
    // A compressor may ask again after the end.
    Body::from_stream(pieces.fuse())
}

async fn pump(mut lines: Lines, send: mpsc::Sender<Bytes>, complete: Arc<AtomicBool>, request_id: Arc<str>) {
    loop {
        let next = tokio::select! {
            biased;
            () = send.closed() => return,
            next = lines.next() => next,
        };
        match next {
            Ok(Some(piece)) => match tokio::time::timeout(STALL, send.send(piece)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return,
                Err(_) => {
                    tracing::warn!(request_id = &*request_id, "A caller takes nothing of its rows; they end");
                    return;
                }
            },
            Ok(None) => return complete.store(true, Ordering::Release),
            Err(error) => {
                let public = PublicError::from(&error);
                let cause = &error as &dyn std::error::Error;
                tracing::warn!(request_id = &*request_id, code = &*public.code, error = cause, "Rows ended early");
                return;
            }
        }
    }
}
