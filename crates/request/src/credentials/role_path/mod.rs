//! Where in a token's claims the role is (`jwt_role_claim`, PostgREST's `jwt-role-claim-key`).
//!
//! Two notations. JSONPath (RFC 9535): `$.role`, `$["https://a.example/roles"][0]`, `$.roles[?(@ == "editor")]`; the
//! first match counts. And the older one: `.role`, `."https://a.example/roles"[0]`, `.roles[?(@ ^== "ed")]` with the
//! comparisons `==`, `!=`, `^==` (starts with), `==^` (ends with), `*==` (contains), over the texts of a list.
//! The configuration is trusted, the claims are not: evaluation is bounded by the size of the token.

mod evaluate;
mod legacy;
mod parse;
mod place;

use std::fmt;

use serde_json::{Map, Value};

/// A parsed path.
#[derive(Clone, Debug, PartialEq)]
pub struct RolePath {
    source: String,
    steps: Steps,
}

#[derive(Clone, Debug, PartialEq)]
enum Steps {
    JsonPath(Vec<Segment>),
    Legacy(Vec<legacy::Step>),
}

/// Why a path is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a path to a claim: {reason} at character {at} of {source_text:?}")]
pub struct RolePathError {
    /// What was written.
    pub source_text: String,
    /// 1-based place where reading stopped.
    pub at: usize,
    /// What was expected there.
    pub reason: &'static str,
}

impl RolePath {
    /// Reads either notation.
    pub fn parse(source: &str) -> Result<Self, RolePathError> {
        let steps = if source.trim_start().starts_with('$') {
            parse::json_path(source).map(Steps::JsonPath)
        } else {
            legacy::parse(source).map(Steps::Legacy)
        };
        match steps {
            Ok(steps) => Ok(Self { source: source.to_owned(), steps }),
            Err(stop) => Err(RolePathError { source_text: source.to_owned(), at: stop.at + 1, reason: stop.reason }),
        }
    }

    /// As it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether it is in the older notation, which PostgREST warns about.
    pub fn is_legacy(&self) -> bool {
        matches!(self.steps, Steps::Legacy(_))
    }

    /// The first value that the path leads to.
    pub fn find<'a>(&self, claims: &'a Map<String, Value>) -> Option<&'a Value> {
        match &self.steps {
            Steps::JsonPath(segments) => evaluate::first(segments, claims),
            Steps::Legacy(steps) => legacy::find(steps, claims),
        }
    }
}

impl fmt::Display for RolePath {
    /// The path; in the older notation with every key in quotes, as PostgREST shows it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.steps {
            Steps::JsonPath(_) => f.write_str(&self.source),
            Steps::Legacy(steps) => steps.iter().try_for_each(|step| step.fmt(f)),
        }
    }
}

impl Default for RolePath {
    /// `$.role`.
    fn default() -> Self {
        let role = Segment { descend: false, selectors: vec![Selector::Name("role".to_owned())] };
        Self { source: "$.role".to_owned(), steps: Steps::JsonPath(vec![role]) }
    }
}

/// Where and why reading stopped.
#[derive(Debug, PartialEq, Eq)]
struct Stop {
    at: usize,
    reason: &'static str,
}

/// One step of a JSONPath: `[...]`, `.name`, or either after `..`.
#[derive(Clone, Debug, PartialEq)]
struct Segment {
    descend: bool,
    selectors: Vec<Selector>,
}

#[derive(Clone, Debug, PartialEq)]
enum Selector {
    Name(String),
    Index(i64),
    Slice { start: Option<i64>, end: Option<i64>, step: i64 },
    All,
    Filter(Condition),
}

#[derive(Clone, Debug, PartialEq)]
enum Condition {
    Or(Box<Condition>, Box<Condition>),
    And(Box<Condition>, Box<Condition>),
    Not(Box<Condition>),
    Exists(Query),
    Compare(Operand, Comparison, Operand),
}

#[derive(Clone, Debug, PartialEq)]
enum Operand {
    Literal(Value),
    Query(Query),
}

/// A path inside a filter, from the current value (`@`) or the root (`$`).
#[derive(Clone, Debug, PartialEq)]
struct Query {
    from_root: bool,
    segments: Vec<Segment>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn find(path: &str, claims: &Value) -> Option<Value> {
        RolePath::parse(path).unwrap().find(claims.as_object().unwrap()).cloned()
    }

    #[test]
    fn both_notations_lead_to_the_same_place() {
        let claims = json!({
            "postgrest": {"a_role": "r"},
            "customObject": {"manyRoles": ["other", "r"]},
            "https://www.example.com/roles": [{"value": "r"}],
            "myDomain": ["other", "r"],
        });
        for (path, legacy, expected) in [
            ("$.postgrest.a_role", ".postgrest.a_role", Some(json!("r"))),
            ("$.customObject.manyRoles[1]", ".customObject.manyRoles[1]", Some(json!("r"))),
            (
                r#"$["https://www.example.com/roles"][0].value"#,
                r#"."https://www.example.com/roles"[0].value"#,
                Some(json!("r")),
            ),
            ("$.myDomain[3]", ".myDomain[3]", None),
            ("$.myRole", ".myRole", None),
            (r#"$.myDomain[?(@ == "r")]"#, r#".myDomain[?(@ == "r")]"#, Some(json!("r"))),
            (r#"$.myDomain[?(@ != "other")]"#, r#".myDomain[?(@ != "other")]"#, Some(json!("r"))),
        ] {
            assert_eq!(find(path, &claims), expected, "{path}");
            assert_eq!(find(legacy, &claims), expected, "{legacy}");
        }
        assert!(RolePath::parse(".role").unwrap().is_legacy());
        assert!(!RolePath::default().is_legacy());
    }

    #[test]
    fn legacy_filters_look_at_texts_only() {
        let claims = json!({"roles": [{"k": "string"}, "other", "test_author"], "words": ["a"]});
        assert_eq!(find(r#".roles[?(@ ^== "test_a")]"#, &claims), Some(json!("test_author")));
        assert_eq!(find(r#".roles[?(@ ==^ "author")]"#, &claims), Some(json!("test_author")));
        assert_eq!(find(r#".roles[?(@ *== "_")]"#, &claims), Some(json!("test_author")));
        assert_eq!(find(r#".roles[?(@ != "other")]"#, &claims), Some(json!("test_author")));
        assert_eq!(find(r#".roles[?(@ == "string")]"#, &claims), None);
        assert_eq!(find(r#".words.a"#, &claims), None);
    }

    #[test]
    fn json_paths_have_wildcards_slices_descent_and_conditions() {
        let claims = json!({"a": {"b": [1, 2, 3, 4]}, "list": [{"n": "x", "v": 1}, {"n": "y", "v": 5}], "want": "y"});
        for (path, expected) in [
            ("$.a.b[-1]", Some(json!(4))),
            ("$.a.b[1:]", Some(json!(2))),
            ("$.a.b[::-1]", Some(json!(4))),
            ("$.a.b[-2:-1]", Some(json!(3))),
            ("$.a.*[0]", Some(json!(1))),
            ("$..v", Some(json!(1))),
            ("$.list[?@.v > 2].n", Some(json!("y"))),
            ("$.list[?(@.n == $.want && !(@.v < 5))]['v']", Some(json!(5))),
            ("$.list[?@.missing || @.v >= 5].n", Some(json!("y"))),
            ("$['a', 'want']", Some(json!({"b": [1, 2, 3, 4]}))),
            (r#"$["wan\u0074"]"#, Some(json!("y"))),
            ("$.list[?@.n == null]", None),
            ("$.list[?@.absent == @.absent].n", Some(json!("x"))),
        ] {
            assert_eq!(find(path, &claims), expected, "{path}");
        }
    }

    #[test]
    fn nonsense_is_refused_with_its_place() {
        for path in [
            "$.my_role;;domain",
            "@@.role.other",
            "role.other",
            ".role##",
            ".my_role;;domain",
            ".#$$%&$%/",
            "1234",
            ".role[?(@ =)]",
            "",
            "$.",
            "$[",
            "$[?(@ == )]",
            "$['a",
            ".role[?(@ == \"a\")].b",
            "$.a[1.5]",
        ] {
            assert!(RolePath::parse(path).is_err(), "{path}");
        }
        let deep = format!("$[?{}@.a{}]", "(".repeat(500), ")".repeat(500));
        assert_eq!(RolePath::parse(&deep).unwrap_err().reason, "fewer nested parentheses");
        assert_eq!(RolePath::parse("$.my_role;;domain").unwrap_err().at, 10);
    }
}
