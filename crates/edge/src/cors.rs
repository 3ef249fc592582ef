//! Cross-origin rules: which browsers' scripts may call, with what, and what they may read of the answer.
//!
//! Written here, not taken from a library, because three servers' habits must fit into one place: PostgREST's (any
//! origin, `*`), the seed's configuration, and rooms that set their own fields (`CorsOwner::Room`). A preflight is
//! answered before authentication: browsers send none with it.
//! Invariant: `*` is never combined with credentials (security 27); an origin that is not allowed gets no CORS field at
//! all, also none that a room wrote.

use ferrobase_base::config::HttpToken;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::config::CorsSection;
use crate::vary;

const ANY: HeaderValue = HeaderValue::from_static("*");
/// Longest `Access-Control-Request-Headers` that is repeated in an answer.
const LONGEST_ECHO: usize = 4096;

/// The rules of one configuration, ready to be written.
#[derive(Clone, Debug)]
pub struct CorsRules {
    origins: Origins,
    methods: HeaderValue,
    request_headers: RequestHeaders,
    expose: Option<HeaderValue>,
    max_age: HeaderValue,
    credentials: bool,
}

#[derive(Clone, Debug)]
enum Origins {
    Any,
    Listed(Vec<HeaderValue>),
}

#[derive(Clone, Debug)]
enum RequestHeaders {
    /// Whatever the preflight asks for, behind `Authorization` and before the fields that need no permission.
    Echoed,
    Listed(HeaderValue),
}

/// Why rules cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CorsError {
    /// Every web site could act as the user.
    #[error("any origin (`*`) cannot be combined with credentials: list the origins")]
    AnyOriginWithCredentials,
    /// A configured name cannot be written into a field.
    #[error("`{0}` cannot be written into a header field")]
    Unwritable(String),
}

impl CorsRules {
    /// The rules of `server.cors`.
    pub fn from_section(section: &CorsSection) -> Result<Self, CorsError> {
        let origins = if section.allows_any_origin() {
            Origins::Any
        } else {
            Origins::Listed(section.allowed_origins.iter().map(|o| field(o.as_str())).collect::<Result<_, _>>()?)
        };
        if section.allow_credentials && matches!(origins, Origins::Any) {
            return Err(CorsError::AnyOriginWithCredentials);
        }
        let request_headers = if section.allowed_headers.iter().any(HttpToken::is_any) {
            RequestHeaders::Echoed
        } else {
            RequestHeaders::Listed(field(&join(&section.allowed_headers))?)
        };
        Ok(Self {
            origins,
            methods: field(&join(&section.allowed_methods))?,
            request_headers,
            expose: (!section.expose_headers.is_empty()).then(|| field(&join(&section.expose_headers))).transpose()?,
            max_age: HeaderValue::from(section.max_age.as_secs()),
            credentials: section.allow_credentials,
        })
    }

    /// PostgREST's rules: any origin, or the listed ones with credentials (`server-cors-allowed-origins`).
    pub fn postgrest(origins: &[String]) -> Result<Self, CorsError> {
        let listed = origins.iter().map(|origin| field(origin)).collect::<Result<Vec<_>, _>>()?;
        let credentials = !listed.is_empty();
        Ok(Self {
            origins: if credentials { Origins::Listed(listed) } else { Origins::Any },
            methods: HeaderValue::from_static("GET, POST, PATCH, PUT, DELETE, OPTIONS, HEAD"),
            request_headers: RequestHeaders::Echoed,
            expose: Some(HeaderValue::from_static(
                "Content-Encoding, Content-Location, Content-Range, Content-Type, \
                 Date, Location, Server, Transfer-Encoding, Range-Unit",
            )),
            max_age: HeaderValue::from_static("86400"),
            credentials,
        })
    }

    /// Whether a request is a preflight: a question of the browser, not a call.
    pub fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
        method == Method::OPTIONS && headers.contains_key(ORIGIN) && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
    }

    /// The fields of the answer to a preflight; none but `Vary` for an origin that may not call.
    pub fn preflight(&self, request: &HeaderMap) -> HeaderMap {
        let mut fields = HeaderMap::with_capacity(6);
        if let Some(allowed) = request.get(ORIGIN).and_then(|origin| self.allow(origin)) {
            fields.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
            fields.insert(ACCESS_CONTROL_ALLOW_METHODS, self.methods.clone());
            fields.insert(ACCESS_CONTROL_ALLOW_HEADERS, self.allowed_headers(request));
            fields.insert(ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
            if self.credentials {
                fields.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
            }
        }
        vary::add(&mut fields, &["Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers"]);
        fields
    }

    /// Adds the fields to the answer of a call, whatever its status.
    pub fn decorate(&self, origin: Option<&HeaderValue>, response: &mut HeaderMap) {
        if matches!(self.origins, Origins::Listed(_)) {
            // Also without Origin: a cache must not give that answer to a browser.
            vary::add(response, &["Origin"]);
        }
        let Some(origin) = origin else { return };
        let Some(allowed) = self.allow(origin) else {
            remove_all(response);
            return;
        };
        response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        if self.credentials {
            response.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        if let Some(expose) = &self.expose {
            response.insert(ACCESS_CONTROL_EXPOSE_HEADERS, expose.clone());
        }
    }

    fn allow(&self, origin: &HeaderValue) -> Option<HeaderValue> {
        match &self.origins {
            Origins::Any => Some(ANY),
            Origins::Listed(listed) => listed.contains(origin).then(|| origin.clone()),
        }
    }

    fn allowed_headers(&self, request: &HeaderMap) -> HeaderValue {
        match &self.request_headers {
            RequestHeaders::Listed(list) => list.clone(),
            RequestHeaders::Echoed => echo(request),
        }
    }
}

/// `Authorization`, what was asked for, and the fields that need no permission, as PostgREST lists them.
fn echo(request: &HeaderMap) -> HeaderValue {
    let mut names = vec!["Authorization"];
    let asked = request.get(ACCESS_CONTROL_REQUEST_HEADERS).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if asked.len() <= LONGEST_ECHO {
        names.extend(asked.split(',').map(str::trim).filter(|name| HeaderName::try_from(*name).is_ok()));
    }
    for simple in ["Accept", "Accept-Language", "Content-Language"] {
        if !names.iter().any(|name| name.eq_ignore_ascii_case(simple)) {
            names.push(simple);
        }
    }
    // The first word counts once, also when the browser asked for it.
    let mut index = 0;
    names.retain(|name| {
        index += 1;
        index == 1 || !name.eq_ignore_ascii_case("Authorization")
    });
    HeaderValue::try_from(names.join(", ")).unwrap_or(HeaderValue::from_static("Authorization"))
}

fn remove_all(headers: &mut HeaderMap) {
    for name in [
        ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_ALLOW_CREDENTIALS,
        ACCESS_CONTROL_EXPOSE_HEADERS,
        ACCESS_CONTROL_ALLOW_METHODS,
        ACCESS_CONTROL_ALLOW_HEADERS,
    ] {
        headers.remove(name);
    }
}

fn join(names: &[HttpToken]) -> String {
    names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ")
}

fn field(text: &str) -> Result<HeaderValue, CorsError> {
    HeaderValue::try_from(text).map_err(|_| CorsError::Unwritable(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use ferrobase_base::config::Origin;

    use super::*;

    fn fields(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn sec_27_any_origin_with_credentials_is_refused() {
        let section = CorsSection { allow_credentials: true, ..CorsSection::default() };
        assert_eq!(CorsRules::from_section(&section).unwrap_err(), CorsError::AnyOriginWithCredentials);
        let listed = CorsSection { allowed_origins: vec![Origin::from_static("https://app.example.com")], ..section };
        assert!(CorsRules::from_section(&listed).is_ok());
    }

    #[test]
    fn postgrest_answers_preflights_as_its_specification_says() {
        let rules = CorsRules::postgrest(&[]).unwrap();
        let request = fields(&[
            ("origin", "http://example.com"),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "Foo,Bar"),
        ]);
        assert!(CorsRules::is_preflight(&Method::OPTIONS, &request));
        assert!(!CorsRules::is_preflight(&Method::OPTIONS, &fields(&[("origin", "http://example.com")])));
        let answer = rules.preflight(&request);
        assert_eq!(answer[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        assert_eq!(answer[ACCESS_CONTROL_ALLOW_METHODS], "GET, POST, PATCH, PUT, DELETE, OPTIONS, HEAD");
        assert_eq!(
            answer[ACCESS_CONTROL_ALLOW_HEADERS],
            "Authorization, Foo, Bar, Accept, Accept-Language, Content-Language"
        );
        assert_eq!(answer[ACCESS_CONTROL_MAX_AGE], "86400");
        assert!(!answer.contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS));

        let listed = CorsRules::postgrest(&["http://example.com".to_owned()]).unwrap();
        let answer = listed.preflight(&request);
        assert_eq!(answer[ACCESS_CONTROL_ALLOW_ORIGIN], "http://example.com");
        assert_eq!(answer[ACCESS_CONTROL_ALLOW_CREDENTIALS], "true");
    }

    #[test]
    fn an_origin_that_is_not_allowed_gets_nothing() {
        let rules = CorsRules::postgrest(&["http://example.com".to_owned()]).unwrap();
        let request = fields(&[("origin", "http://evil.example"), ("access-control-request-method", "POST")]);
        let answer = rules.preflight(&request);
        assert_eq!(answer.len(), 1, "{answer:?}");
        let mut response = fields(&[("access-control-allow-origin", "*"), ("vary", "Accept")]);
        rules.decorate(request.get(ORIGIN), &mut response);
        assert!(!response.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
        assert_eq!(response["vary"], "Accept, Origin");
    }

    #[test]
    fn an_echoed_list_names_nothing_twice_and_nothing_strange() {
        let request = fields(&[("access-control-request-headers", "authorization, apikey, accept, b@d name,,x")]);
        assert_eq!(echo(&request), "Authorization, apikey, accept, x, Accept-Language, Content-Language");
    }
}
