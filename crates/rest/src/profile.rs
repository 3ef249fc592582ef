//! Which schema a request means: `Accept-Profile` when it reads, `Content-Profile` when it writes.
//!
//! First stage. Invariant: the result is one of the exposed schemas.

use http::{HeaderMap, Method};

/// The schema of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Its name.
    pub schema: String,
    /// Whether the answer says which one it was: always when there is a choice.
    pub negotiated: bool,
}

/// A schema was asked for that is not exposed (PGRST106).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownSchema {
    /// What was asked for.
    pub asked: String,
    /// What there is.
    pub exposed: Vec<String>,
}

/// Chooses among the exposed schemas; the first is the default.
///
/// # Errors
/// The schema that was asked for is not exposed.
pub fn choose(method: &Method, headers: &HeaderMap, exposed: &[String]) -> Result<Profile, UnknownSchema> {
    let writes = matches!(*method, Method::POST | Method::PATCH | Method::PUT | Method::DELETE);
    let field = headers.get(if writes { "content-profile" } else { "accept-profile" });
    let Some(asked) = field.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()) else {
        let schema = exposed.first().cloned().unwrap_or_default();
        return Ok(Profile { schema, negotiated: exposed.len() != 1 });
    };
    if exposed.contains(&asked) {
        Ok(Profile { schema: asked, negotiated: true })
    } else {
        Err(UnknownSchema { asked, exposed: exposed.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(
        method: &Method,
        field: Option<(&'static str, &'static str)>,
        exposed: &[&str],
    ) -> Result<(String, bool), String> {
        let mut headers = HeaderMap::new();
        if let Some((name, value)) = field {
            headers.insert(name, value.parse().expect("a field value"));
        }
        let exposed: Vec<String> = exposed.iter().map(ToString::to_string).collect();
        choose(method, &headers, &exposed).map(|p| (p.schema, p.negotiated)).map_err(|e| e.asked)
    }

    #[test]
    fn each_method_has_its_field() {
        let two = ["a", "b"];
        assert_eq!(ask(&Method::GET, None, &["a"]), Ok(("a".into(), false)));
        assert_eq!(ask(&Method::GET, None, &two), Ok(("a".into(), true)));
        assert_eq!(ask(&Method::GET, Some(("accept-profile", "b")), &two), Ok(("b".into(), true)));
        assert_eq!(ask(&Method::HEAD, Some(("accept-profile", "b")), &two), Ok(("b".into(), true)));
        assert_eq!(ask(&Method::GET, Some(("content-profile", "b")), &two), Ok(("a".into(), true)));
        for method in [Method::POST, Method::PATCH, Method::PUT, Method::DELETE] {
            assert_eq!(ask(&method, Some(("content-profile", "b")), &two), Ok(("b".into(), true)));
            assert_eq!(ask(&method, Some(("accept-profile", "b")), &two), Ok(("a".into(), true)));
        }
        assert_eq!(ask(&Method::GET, Some(("accept-profile", "c")), &two), Err("c".into()));
        assert_eq!(ask(&Method::GET, Some(("accept-profile", "")), &two), Err(String::new()));
    }
}
