//! Bounds on a request's head.
//!
//! The connection's own bounds (listener) are a little wider, so that what is only somewhat too long gets an answer in
//! our error shape; far beyond, HTTP itself answers with a bare 414 or 431 and closes.

use ferrobase_base::PublicError;
use http::HeaderMap;
use http::request::Parts;

use crate::refusal;

/// Checks the length of the URL and of all fields together.
pub(crate) fn check_head(parts: &Parts, url_limit: usize, header_limit: usize) -> Result<(), PublicError> {
    let url = parts.uri.path_and_query().map_or(0, |text| text.as_str().len());
    if url > url_limit {
        return Err(refusal::url_too_long(url_limit));
    }
    if size_of(&parts.headers) > header_limit {
        return Err(refusal::headers_too_large(header_limit));
    }
    Ok(())
}

/// Bytes of the fields as HTTP/1 writes them: name, colon, space, value, line end.
fn size_of(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum()
}
