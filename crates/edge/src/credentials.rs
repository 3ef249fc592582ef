//! Takes credentials out of a request; `request::authenticate` judges them.
//!
//! Invariant: a credential that is present is passed on, however garbled, so that it fails there: nothing that a
//! caller sent as proof is ever taken for "no proof" (design 2.2).

use std::borrow::Cow;

use ferrobase_base::PublicError;
use ferrobase_request::Credentials;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use percent_encoding::percent_decode_str;

use crate::refusal;

const API_KEY: HeaderName = HeaderName::from_static("apikey");

/// The credentials of a request, from its fields and, where the route allows that, from its query.
pub(crate) fn extract(headers: &HeaderMap, uri: &Uri, key_in_query: bool) -> Result<Credentials, PublicError> {
    let bearer = single(headers, &AUTHORIZATION)?.and_then(|value| bearer_of(&value));
    let in_field = single(headers, &API_KEY)?;
    let in_query = || key_in_query.then(|| query_value(uri.query()?)).flatten();
    Ok(Credentials { bearer, apikey: in_field.map(Cow::into_owned).or_else(in_query) })
}

/// The one value of a field. Two could mean one thing to a proxy and another to us.
fn single<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<Cow<'h, str>>, PublicError> {
    let mut values = headers.get_all(name).iter().map(lossy);
    let first = values.next();
    match values.next() {
        Some(second) if first.as_ref() != Some(&second) => {
            Err(refusal::malformed("A credential field is there twice with different values"))
        }
        _ => Ok(first),
    }
}

/// Bytes that are no text become a text that no key or token can be. Almost all are text, which is quickly seen.
fn lossy(value: &HeaderValue) -> Cow<'_, str> {
    let bytes = value.as_bytes();
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// What follows `Bearer`. Other schemes are not ours and prove nothing either way.
fn bearer_of(value: &str) -> Option<String> {
    let (scheme, rest) = value.trim_start().split_once(' ').unwrap_or((value.trim(), ""));
    scheme.eq_ignore_ascii_case("bearer").then(|| rest.trim().to_owned())
}

fn query_value(query: &str) -> Option<String> {
    query.split('&').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        (name == API_KEY.as_str()).then(|| percent_decode_str(value).decode_utf8_lossy().into_owned())
    })
}

/// The query without the key. `None` when there is nothing to take out.
pub(crate) fn query_without_key(query: &str) -> Option<String> {
    let is_key = |pair: &&str| pair.split_once('=').is_some_and(|(name, _)| name == API_KEY.as_str());
    query
        .split('&')
        .any(|pair| is_key(&pair))
        .then(|| query.split('&').filter(|pair| !is_key(pair)).collect::<Vec<_>>().join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extracted(fields: &[(&'static str, &[u8])], uri: &str, key_in_query: bool) -> Result<Credentials, PublicError> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_bytes(value).unwrap());
        }
        extract(&headers, &uri.parse().unwrap(), key_in_query)
    }

    fn bearer(value: &[u8]) -> Option<String> {
        extracted(&[("authorization", value)], "/", false).unwrap().bearer
    }

    #[test]
    fn what_is_sent_as_a_token_is_never_nothing() {
        assert_eq!(bearer(b"Bearer abc").as_deref(), Some("abc"));
        assert_eq!(bearer(b"bearer  abc ").as_deref(), Some("abc"));
        assert_eq!(bearer(b"Bearer").as_deref(), Some(""));
        assert_eq!(bearer(b"Bearer \xff\xfe").as_deref(), Some("\u{fffd}\u{fffd}"));
        assert_eq!(bearer(b"Basic YTpi"), None);
    }

    #[test]
    fn the_query_counts_only_where_the_route_says_so() {
        assert_eq!(extracted(&[], "/?apikey=k%2B1", true).unwrap().apikey.as_deref(), Some("k+1"));
        assert_eq!(extracted(&[], "/?apikey=k1", false).unwrap().apikey, None);
        let both = extracted(&[("apikey", b"field")], "/?apikey=query", true).unwrap();
        assert_eq!(both.apikey.as_deref(), Some("field"));
        assert_eq!(query_without_key("a=1&apikey=k&b=2").as_deref(), Some("a=1&b=2"));
        assert_eq!(query_without_key("apikey=k").as_deref(), Some(""));
        assert_eq!(query_without_key("a=1&apikeys=k"), None);
    }

    #[test]
    fn two_different_proofs_are_refused() {
        let two: &[(&'static str, &[u8])] = &[("authorization", b"Bearer a"), ("authorization", b"Bearer b")];
        assert_eq!(extracted(two, "/", false).unwrap_err().code, "FBE400");
        let same: &[(&'static str, &[u8])] = &[("authorization", b"Bearer a"), ("authorization", b"Bearer a")];
        assert_eq!(extracted(same, "/", false).unwrap().bearer.as_deref(), Some("a"));
    }
}
