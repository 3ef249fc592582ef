//! Other spellings of our paths, rewritten before anything else looks at them.
//!
//! The seed's client calls `/api/v1/rest/...` and `/api/v1/tables/{schema}/{table}`. The log keeps the path as sent.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use percent_encoding::percent_decode_str;

use crate::policy::is_below;

/// One rewriting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Alias {
    /// Everything below `from` is below `to`.
    Prefix {
        /// The other spelling.
        from: &'static str,
        /// Ours.
        to: &'static str,
    },
    /// `{from}/{schema}/{table}` is `{to}/{table}` in that schema.
    Table {
        /// The other spelling.
        from: &'static str,
        /// Ours.
        to: &'static str,
    },
}

impl Alias {
    /// The aliases of the seed's client.
    pub fn seed() -> Vec<Self> {
        vec![
            Self::Prefix { from: "/api/v1/rest", to: "/rest/v1" },
            Self::Table { from: "/api/v1/tables", to: "/rest/v1" },
        ]
    }
}

/// A path as we spell it, and the schema that the other spelling named.
pub(crate) struct Resolved<'p> {
    pub(crate) path: Cow<'p, str>,
    pub(crate) schema: Option<String>,
}

/// Rewrites a path by the first alias that fits.
pub(crate) fn resolve<'p>(aliases: &[Alias], path: &'p str) -> Resolved<'p> {
    let rewritten = aliases.iter().find_map(|alias| match alias {
        Alias::Prefix { from, to } if is_below(path, from) => Some((format!("{to}{}", &path[from.len()..]), None)),
        Alias::Table { from, to } if is_below(path, from) => {
            let (schema, table) = path[from.len()..].strip_prefix('/')?.split_once('/')?;
            Some((format!("{to}/{table}"), Some(percent_decode_str(schema).decode_utf8_lossy().into_owned())))
        }
        _ => None,
    });
    match rewritten {
        Some((path, schema)) => Resolved { path: Cow::Owned(path), schema },
        None => Resolved { path: Cow::Borrowed(path), schema: None },
    }
}

/// Names the schema as PostgREST's clients do. A client that names its usual schema with every request means the one in
/// the path all the same.
pub(crate) fn name_schema(method: &Method, headers: &mut HeaderMap, schema: &str) {
    let writes = matches!(*method, Method::POST | Method::PATCH | Method::PUT | Method::DELETE);
    let field = HeaderName::from_static(if writes { "content-profile" } else { "accept-profile" });
    if let Ok(value) = HeaderValue::try_from(schema) {
        headers.insert(field, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_paths_become_ours() {
        let seed = Alias::seed();
        let cases = [
            ("/api/v1/rest/posts", "/rest/v1/posts", None),
            ("/api/v1/rest", "/rest/v1", None),
            ("/api/v1/restful", "/api/v1/restful", None),
            ("/api/v1/tables/public/posts", "/rest/v1/posts", Some("public")),
            ("/api/v1/tables/my%20schema/posts", "/rest/v1/posts", Some("my schema")),
            ("/api/v1/tables/posts", "/api/v1/tables/posts", None),
            ("/rest/v1/posts", "/rest/v1/posts", None),
        ];
        for (sent, ours, schema) in cases {
            let resolved = resolve(&seed, sent);
            assert_eq!((&*resolved.path, resolved.schema.as_deref()), (ours, schema), "{sent}");
        }
    }

    #[test]
    fn the_schema_goes_where_the_verb_needs_it() {
        let mut headers = HeaderMap::new();
        name_schema(&Method::GET, &mut headers, "shop");
        name_schema(&Method::POST, &mut headers, "shop");
        assert_eq!(headers["accept-profile"], "shop");
        for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
            name_schema(&method, &mut headers, "other");
            assert_eq!(headers.get_all("accept-profile").iter().collect::<Vec<_>>(), ["other"], "the path's counts");
            headers.insert("accept-profile", HeaderValue::from_static("usual"));
        }
        assert_eq!(headers["content-profile"], "shop");
    }
}
