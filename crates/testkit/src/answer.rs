//! An answer over HTTP, as tests look at it.

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::Value;

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its fields.
    pub headers: HeaderMap,
    /// Its body, whole.
    pub body: String,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// A field, empty when it is not there or no text.
    pub fn field(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The code of an error, or of the first of several as GraphQL tells them; empty where there is none.
    pub fn code(&self) -> String {
        let json = self.json();
        let code = if json["errors"].is_array() { &json["errors"][0]["extensions"]["code"] } else { &json["code"] };
        code.as_str().unwrap_or_default().to_owned()
    }

    /// Status, code and message of an error.
    pub fn error(&self) -> (u16, String, String) {
        (self.status.as_u16(), self.code(), self.text("message"))
    }

    /// Asserts that it succeeded and gives the body.
    pub fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        self.json()
    }

    fn text(&self, name: &str) -> String {
        self.json()[name].as_str().unwrap_or_default().to_owned()
    }
}
