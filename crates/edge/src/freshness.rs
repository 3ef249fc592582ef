//! The freshness token on the wire: a field and a cookie of the answer to a write, brought back by later requests.
//!
//! The field is for programs, the cookie for browsers, which bring it back by themselves. A request may also say where it
//! wants to read. What a token means is decided in `request`.
//! Invariant: the cookie proves nothing about its bearer (security 27): it only decides which server answers.

use ferrobase_request::{Freshness, ReadFrom, RequestContext};
use http::header::{ACCESS_CONTROL_EXPOSE_HEADERS, COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue};

/// The token, in requests and answers.
pub const FRESHNESS: HeaderName = HeaderName::from_static("x-ferrobase-freshness");
/// Where to read: `primary` or `replica`.
pub const READ_FROM: HeaderName = HeaderName::from_static("x-ferrobase-read");
/// The token's cookie.
pub const FRESHNESS_COOKIE: &str = "fb_freshness";

/// How tokens are given out.
#[derive(Clone, Copy, Debug)]
pub struct FreshnessRules {
    /// Whether the cookie is for encrypted connections only.
    pub secure_cookie: bool,
    /// How long a browser keeps it, in seconds: a while longer than a replica that answers may be behind.
    pub cookie_seconds: u64,
}

impl FreshnessRules {
    /// What a request says. The field counts before the cookie; a wish that is none is not there.
    pub(crate) fn read(self, headers: &HeaderMap) -> Freshness {
        let token = text(headers.get(FRESHNESS)).map(str::to_owned).or_else(|| cookie(headers));
        let is = |wish: &str| text(headers.get(READ_FROM)).is_some_and(|text| text.eq_ignore_ascii_case(wish));
        let from = match (is("primary"), is("replica")) {
            (true, _) => Some(ReadFrom::Primary),
            (_, true) => Some(ReadFrom::Replica),
            _ => None,
        };
        Freshness::new(token, from)
    }

    /// Gives out the token of a write.
    pub(crate) fn write(self, context: &RequestContext, headers: &mut HeaderMap) {
        let Some(token) = context.freshness.as_ref().and_then(|freshness| freshness.given()) else { return };
        let secure = if self.secure_cookie { "; Secure" } else { "" };
        let cookie = format!(
            "{FRESHNESS_COOKIE}={token}; Path=/; Max-Age={}; HttpOnly; SameSite=Lax{secure}",
            self.cookie_seconds
        );
        // Tokens are base64url, which every field can hold.
        if let (Ok(field), Ok(cookie)) = (HeaderValue::try_from(token), HeaderValue::try_from(cookie)) {
            headers.insert(FRESHNESS, field);
            headers.append(SET_COOKIE, cookie);
        }
        expose(headers);
    }
}

/// Scripts of other origins may read the field, where they may read anything.
fn expose(headers: &mut HeaderMap) {
    let Some(exposed) = text(headers.get(ACCESS_CONTROL_EXPOSE_HEADERS)) else { return };
    if let Ok(longer) = HeaderValue::try_from(format!("{exposed}, {FRESHNESS}")) {
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, longer);
    }
}

fn text(value: Option<&HeaderValue>) -> Option<&str> {
    value.and_then(|value| value.to_str().ok()).map(str::trim)
}

fn cookie(headers: &HeaderMap) -> Option<String> {
    let pairs = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|all| all.split(';'));
    let mut found = pairs.filter_map(|pair| pair.trim().strip_prefix(FRESHNESS_COOKIE)?.strip_prefix('='));
    found.next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: FreshnessRules = FreshnessRules { secure_cookie: true, cookie_seconds: 60 };

    fn read(fields: &[(HeaderName, &str)]) -> Freshness {
        let fields = fields.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()));
        RULES.read(&HeaderMap::from_iter(fields))
    }

    #[test]
    fn the_field_counts_before_the_cookie() {
        assert_eq!(read(&[]).token, None);
        let cookie = (COOKIE, "a=b; fb_freshness=c1; fb_freshness_2=no");
        assert_eq!(read(std::slice::from_ref(&cookie)).token.as_deref(), Some("c1"));
        assert_eq!(read(&[cookie, (FRESHNESS, "f1")]).token.as_deref(), Some("f1"));
        assert_eq!(read(&[(READ_FROM, "primary")]).from, Some(ReadFrom::Primary));
        assert_eq!(read(&[(READ_FROM, " PRIMARY")]).from, Some(ReadFrom::Primary));
        assert_eq!(read(&[(READ_FROM, "Replica")]).from, Some(ReadFrom::Replica));
        assert_eq!(read(&[(READ_FROM, "elsewhere")]).from, None);
    }

    #[test]
    fn the_field_is_shown_to_other_origins_that_may_read() {
        let mut headers = HeaderMap::new();
        expose(&mut headers);
        assert!(headers.is_empty());
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Content-Range"));
        expose(&mut headers);
        assert_eq!(headers[ACCESS_CONTROL_EXPOSE_HEADERS], "Content-Range, x-ferrobase-freshness");
    }
}
