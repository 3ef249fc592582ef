//! Bodies on their way in and out: bounds on what comes, visibility of what is cut.
//!
//! `incoming` wraps a request's body: size limit (also without `Content-Length`), stall limit, and what happens to the
//! rest of a body that nobody reads. `outgoing` wraps a streamed answer: deadline, panics, and the moment it ends.
//! Rooms read whole bodies through [`collect`], streamed ones through [`chunks`], so that every room answers a bad body
//! alike. axum's own extractors
//! (`Bytes`, `Json`) have a limit of 2 MB besides, which a room that uses them must switch off.

mod incoming;
mod outgoing;

use axum::body::Body;
use bytes::Bytes;
use ferrobase_base::PublicError;
use futures_util::{Stream, TryStreamExt};
use http_body_util::BodyExt;

pub(crate) use incoming::{BodyRules, BodyWatch, Rest, guard};
pub(crate) use outgoing::{Ending, watch};

use crate::refusal;

/// What went wrong with a request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyFault {
    /// Over the route's limit in bytes.
    #[error("the body is larger than {0} bytes")]
    TooLarge(u64),
    /// Nothing came for too long.
    #[error("the body stopped coming")]
    TooSlow,
    /// The connection ended, or its framing is not HTTP.
    #[error("the body broke off")]
    Broken,
}

impl BodyFault {
    /// The failure as the caller sees it.
    pub fn refusal(self) -> PublicError {
        match self {
            Self::TooLarge(limit) => refusal::body_too_large(limit),
            Self::TooSlow => refusal::body_too_slow(),
            Self::Broken => refusal::malformed("The body ended early or is not framed as HTTP says"),
        }
    }
}

/// Reads a whole request body. The size was bounded by the route's policy before the room was called.
pub async fn collect(body: Body) -> Result<Bytes, PublicError> {
    match body.collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) => Err(fault_of(&error).refusal()),
    }
}

/// The data of a request body as it comes. For rooms whose route said that it streams.
pub fn chunks(body: Body) -> impl Stream<Item = Result<Bytes, PublicError>> + Send {
    TryStreamExt::map_err(body.into_data_stream(), |error| fault_of(&error).refusal())
}

/// Finds our fault in the chain of an error that went through a body.
fn fault_of(error: &(dyn std::error::Error + 'static)) -> BodyFault {
    let mut cause = Some(error);
    while let Some(current) = cause {
        if let Some(fault) = current.downcast_ref::<BodyFault>() {
            return *fault;
        }
        cause = current.source();
    }
    BodyFault::Broken
}
