//! A request off the wire: what is asked, of which operation, with which variables.
//!
//! First stage. GraphQL over HTTP: POST with a JSON body, or GET with parameters for operations that read. Only
//! `application/json` is read, so that no page of another site can post here without asking first.

use apollo_compiler::response::{JsonMap, JsonValue};
use http::{HeaderMap, Method, header};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::{Error, MODERN};
use crate::exact;

/// A request.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct GraphqlRequest {
    /// The document.
    pub(crate) query: Option<String>,
    /// Which of its operations.
    #[serde(rename = "operationName")]
    pub(crate) operation: Option<String>,
    /// Values.
    pub(crate) variables: Option<JsonMap>,
    /// The same as they were sent, where a number among them may have lost digits.
    #[serde(skip)]
    pub(crate) sent: Option<Box<RawValue>>,
    /// The name of a stored document, in place of the document.
    #[serde(rename = "documentId", alias = "doc_id")]
    pub(crate) document: Option<String>,
    /// What else a client says.
    pub(crate) extensions: Option<JsonMap>,
}

/// Reads a request.
pub(crate) fn read(method: &Method, query: &str, headers: &HeaderMap, body: &[u8]) -> Result<GraphqlRequest, Error> {
    match *method {
        Method::POST => {
            let is_json =
                headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|value| {
                    let media = value.split(';').next().unwrap_or_default().trim();
                    media.eq_ignore_ascii_case("application/json")
                });
            if !is_json {
                return Err(Error::MediaType);
            }
            // The library would take a list for a request without its keys.
            if body.trim_ascii_start().first() == Some(&b'[') {
                return Err(Error::Batch);
            }
            let failed = |error| Error::Request(format!("The body is no request: {error}"));
            let request: GraphqlRequest = serde_json::from_slice(body).map_err(failed)?;
            let has_variables = request.variables.as_ref().is_some_and(|variables| !variables.is_empty());
            let sent = if has_variables { sent(body) } else { None };
            Ok(GraphqlRequest { sent, ..request })
        }
        Method::GET => by_query(query),
        _ => Err(Error::Method("GraphQL takes POST and GET".to_owned())),
    }
}

/// The variables of a body as they were sent, where a number may have lost digits.
fn sent(body: &[u8]) -> Option<Box<RawValue>> {
    #[derive(Deserialize)]
    struct Sent {
        variables: Box<RawValue>,
    }
    let body = std::str::from_utf8(body).ok().filter(|body| exact::may_lose(body))?;
    serde_json::from_str::<Sent>(body).ok().map(|sent| sent.variables)
}

fn by_query(query: &str) -> Result<GraphqlRequest, Error> {
    let mut request = GraphqlRequest::default();
    let object = |name: &str, text: &str| match serde_json::from_str(text) {
        Ok(JsonValue::Object(map)) => Ok(Some(map)),
        Ok(JsonValue::Null) => Ok(None),
        _ => Err(Error::Request(format!("The parameter `{name}` is no JSON object"))),
    };
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match name.as_ref() {
            "query" => request.query = Some(value.into_owned()),
            "documentId" | "doc_id" => request.document = Some(value.into_owned()),
            "operationName" => request.operation = Some(value.into_owned()).filter(|name| !name.is_empty()),
            "variables" => {
                request.variables = object("variables", &value)?;
                let sent = Some(value).filter(|value| exact::may_lose(value));
                request.sent = sent.and_then(|value| RawValue::from_string(value.into_owned()).ok());
            }
            "extensions" => request.extensions = object("extensions", &value)?,
            _ => {}
        }
    }
    Ok(request)
}

/// Whether the caller wants the type of answers whose status says something, as much as plain JSON.
pub(crate) fn is_modern(headers: &HeaderMap) -> bool {
    let modern = weight(headers, MODERN).unwrap_or(0.0);
    modern > 0.0 && modern >= weight(headers, "application/json").unwrap_or(0.0)
}

/// Whether a browser asks for a page.
pub(crate) fn wants_page(headers: &HeaderMap) -> bool {
    let page = weight(headers, "text/html").unwrap_or(0.0);
    page > 0.0 && weight(headers, "application/json").is_none_or(|json| page > json)
}

/// How much a media type that is named is wanted.
fn weight(headers: &HeaderMap, media: &str) -> Option<f32> {
    let accepts = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut named = accepts.flat_map(|value| value.split(',')).filter_map(|accepted| {
        let mut parts = accepted.split(';').map(str::trim);
        let is_it = parts.next()?.eq_ignore_ascii_case(media);
        let quality = parts.find_map(|part| part.strip_prefix("q="));
        is_it.then(|| quality.and_then(|quality| quality.parse().ok()).unwrap_or(1.0))
    });
    named.next()
}

/// The schema that is asked for: `Content-Profile` with POST, `Accept-Profile` with GET, else the first.
pub(crate) fn schema<'s>(method: &Method, headers: &HeaderMap, exposed: &'s [String]) -> Result<&'s str, Error> {
    let field = headers.get(if *method == Method::GET { "accept-profile" } else { "content-profile" });
    let Some(asked) = field else { return Ok(exposed.first().map_or("", String::as_str)) };
    let asked = String::from_utf8_lossy(asked.as_bytes());
    let found = exposed.iter().find(|schema| **schema == *asked);
    found.map(String::as_str).ok_or_else(|| Error::Schema(asked.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepting(accept: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::ACCEPT, accept.parse().expect("a field"))])
    }

    #[test]
    fn the_type_of_the_answer_is_what_the_caller_prefers() {
        for (accept, modern, page) in [
            ("application/json", false, false),
            ("*/*", false, false),
            ("application/graphql-response+json", true, false),
            ("application/graphql-response+json; charset=utf-8, application/json;q=0.9", true, false),
            ("application/json, application/graphql-response+json;q=0.5", false, false),
            ("application/graphql-response+json;q=0", false, false),
            ("text/html,application/xhtml+xml,*/*;q=0.8", false, true),
            ("application/json, text/html;q=0.5", false, false),
        ] {
            let headers = accepting(accept);
            assert_eq!((is_modern(&headers), wants_page(&headers)), (modern, page), "{accept}");
        }
    }

    #[test]
    fn a_body_is_one_request() {
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, "application/json".parse().expect("a field"))]);
        let read = |body: &str| read(&Method::POST, "", &headers, body.as_bytes());
        assert!(matches!(read(r#"  [{"query": "{a}"}]"#), Err(Error::Batch)));
        assert!(matches!(read(r#"["{a}"]"#), Err(Error::Batch)), "not the fields of a request in their order");
        assert!(matches!(read("1"), Err(Error::Request(_))));
        assert_eq!(read(r#"{"doc_id": "7", "variables": null}"#).expect("a request").document.as_deref(), Some("7"));
    }
}
