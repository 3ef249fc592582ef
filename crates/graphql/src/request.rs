//! A request off the wire: what is asked, of which operation, with which variables.
//!
//! First stage. GraphQL over HTTP: POST with a JSON body, or GET with parameters for operations that read. Only
//! `application/json` is read, so that no page of another site can post here without asking first.

use apollo_compiler::response::{JsonMap, JsonValue};
use http::{HeaderMap, Method, header};
use serde::Deserialize;

use crate::error::{Error, MODERN};

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
            serde_json::from_slice(body).map_err(|error| Error::Request(format!("The body is no request: {error}")))
        }
        Method::GET => by_query(query),
        _ => Err(Error::Method("GraphQL takes POST and GET".to_owned())),
    }
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
            "operationName" => request.operation = Some(value.into_owned()).filter(|name| !name.is_empty()),
            "variables" => request.variables = object("variables", &value)?,
            "extensions" => request.extensions = object("extensions", &value)?,
            _ => {}
        }
    }
    Ok(request)
}

/// Whether the caller knows the type of answers whose status says something.
pub(crate) fn is_modern(headers: &HeaderMap) -> bool {
    let accepts = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepts.flat_map(|value| value.split(',')).any(|media| media.split(';').next().unwrap_or_default().trim() == MODERN)
}

/// The schema that is asked for: `Content-Profile` with POST, `Accept-Profile` with GET, else the first.
pub(crate) fn schema<'s>(method: &Method, headers: &HeaderMap, exposed: &'s [String]) -> Result<&'s str, Error> {
    let field = headers.get(if *method == Method::GET { "accept-profile" } else { "content-profile" });
    let Some(asked) = field else { return Ok(exposed.first().map_or("", String::as_str)) };
    let asked = String::from_utf8_lossy(asked.as_bytes());
    let found = exposed.iter().find(|schema| **schema == *asked);
    found.map(String::as_str).ok_or_else(|| Error::Schema(asked.into_owned()))
}
