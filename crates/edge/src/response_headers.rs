//! Fields of every answer: the configured security fields, and what keeps answers out of shared caches.
//!
//! Invariant: a field that a room (or SQL through `response.headers`) wrote itself stays as it is; defaults only fill
//! gaps. Invariant: an answer without its own `Cache-Control` is private and not stored (security 23): what it says
//! depends on who asked.

use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::config::HeadersSection;
use crate::vary;

/// Everything in a request that decides who is asking.
static IDENTITY: [&str; 2] = ["Authorization", "apikey"];

/// The fields to add.
#[derive(Clone, Debug, Default)]
pub struct ResponseHeaders {
    fixed: Vec<(HeaderName, HeaderValue)>,
    private: bool,
}

impl ResponseHeaders {
    /// The fields of `security.headers`, and answers kept out of caches.
    pub fn from_section(section: &HeadersSection) -> Self {
        let fixed = [
            (CONTENT_SECURITY_POLICY, &section.content_security_policy),
            (X_FRAME_OPTIONS, &section.x_frame_options),
            (X_CONTENT_TYPE_OPTIONS, &section.x_content_type_options),
        ]
        .into_iter()
        .filter_map(|(name, text)| Some((name, HeaderValue::try_from(text.as_ref()?.as_str()).ok()?)))
        .collect();
        Self { fixed, private: true }
    }

    /// PostgREST adds none.
    pub fn none() -> Self {
        Self::default()
    }

    /// Fills the gaps of an answer.
    pub fn decorate(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.fixed {
            if !headers.contains_key(name) {
                headers.insert(name, value.clone());
            }
        }
        if self.private {
            if !headers.contains_key(CACHE_CONTROL) {
                headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
            }
            vary::add(headers, &IDENTITY);
        }
    }
}

#[cfg(test)]
mod tests {
    use ferrobase_base::config::HeaderText;

    use crate::credentials::extract;

    use super::*;

    #[test]
    fn sec_23_vary_names_every_field_that_decides_who_asks() {
        let others = ["host", "origin", "x-forwarded-for", "x-tenant-id"];
        for name in ferrobase_request::context::CREDENTIAL_HEADERS.iter().copied().chain(others) {
            let field = (HeaderName::from_static(name), HeaderValue::from_static("Bearer a.b.c"));
            let found = extract(&HeaderMap::from_iter([field]), &"/".parse().unwrap(), true).unwrap();
            let decides = found.bearer.is_some() || found.apikey.is_some();
            assert_eq!(decides, IDENTITY.iter().any(|known| known.eq_ignore_ascii_case(name)), "{name}");
        }
    }

    #[test]
    fn gaps_are_filled_with_the_exact_values_and_rooms_have_the_last_word() {
        let csp = "default-src 'self'; img-src 'self' data: https:;";
        let section = HeadersSection {
            content_security_policy: Some(HeaderText::from_static(csp)),
            x_frame_options: Some(HeaderText::from_static("DENY")),
            x_content_type_options: None,
        };
        let rules = ResponseHeaders::from_section(&section);
        let mut headers = HeaderMap::new();
        headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=60"));
        rules.decorate(&mut headers);
        assert_eq!(headers[CONTENT_SECURITY_POLICY], csp);
        assert_eq!(headers[X_FRAME_OPTIONS], "SAMEORIGIN");
        assert_eq!(headers[CACHE_CONTROL], "public, max-age=60");
        assert!(!headers.contains_key(X_CONTENT_TYPE_OPTIONS));
        let mut bare = HeaderMap::new();
        rules.decorate(&mut bare);
        assert_eq!(bare[CACHE_CONTROL], "private, no-store");
        assert_eq!(bare["vary"], "Authorization, apikey");
        ResponseHeaders::none().decorate(&mut HeaderMap::new());
    }
}
