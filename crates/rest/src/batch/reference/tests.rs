//! References into one answer, in bodies and in query strings.

use super::*;
use crate::parse::Reading;

struct One(Node);

impl Answers for One {
    fn answer(&self, operation: usize) -> Option<&Node> {
        (operation == 0).then_some(&self.0)
    }
}

fn answers() -> One {
    let json = r#"{"status":201,"headers":{"location":"/t?id=eq.7"},"body":[{"id":12345678901234567890.5,
        "name":"a,b) \"}","none":null,"tags":["x","y,z"],"a/b":{"~":1},"at":1}]}"#;
    One(Node::new(RawValue::from_string(json.to_owned()).unwrap()))
}

fn body(json: &str) -> String {
    match fill_body(json, &answers()) {
        Ok(filled) => filled.unwrap_or_else(|| "as it is".to_owned()),
        Err(error) => ferrobase_base::PublicError::from(error).code.into_owned(),
    }
}

#[test]
fn values_take_the_place_of_references() {
    for (json, wanted) in [
        (r#"{"a":{"$ref":"/0/body/0/id"},"b":1}"#, r#"{"a":12345678901234567890.5,"b":1}"#),
        (r#"[{"$ref":"/0/body/0/name"}, 1.50]"#, r#"["a,b) \"}",1.50]"#),
        (r#"{"$ref":"/0/body/0/tags/1"}"#, r#""y,z""#),
        (r#"{"$ref":"/0/body/0/a~1b/~0"}"#, "1"),
        (r#"{"$ref":"/0/headers/location"}"#, r#""/t?id=eq.7""#),
        (r#"{"$ref":"/0/body/0/none"}"#, "null"),
        (r#"{"a":1}"#, "as it is"),
        // Not ours, or written so that it is not.
        (r##"{"$ref":"#/definitions/x"}"##, r##"{"$ref":"#/definitions/x"}"##),
        (r#"{"$ref":"/0/body","more":1}"#, r#"{"$ref":"/0/body","more":1}"#),
        (r#"["\"$ref\"",{"\u0024ref":"/0/body/0/id"}]"#, "as it is"),
    ] {
        assert_eq!(body(json), wanted, "{json}");
    }
    for pointer in ["/1/body", "/0/body/1", "/0/body/01", "/0/body/-1", "/0/body/0/nope", "/0/body/0/id/x", "/00/body"]
    {
        assert_eq!(body(&format!(r#"{{"$ref":"{pointer}"}}"#)), "FB154", "{pointer}");
    }
    let deep = format!(r#"{}{{"$ref":"/0/status"}}{}"#, "[".repeat(40), "]".repeat(40));
    assert_eq!(body(&deep), "FB156");
}

fn query(text: &str) -> String {
    let mut query = parse::query(text, Reading::default()).unwrap();
    match fill_query(&mut query, &answers()) {
        Ok(()) => {
            let shown = query.filters.iter().map(|(_, filter)| format!("{:?}", filter.operation));
            let logic = query.logic.iter().map(|(_, logic)| format!("{logic:?}"));
            shown.chain(logic).collect::<Vec<_>>().join(" ")
        }
        Err(error) => ferrobase_base::PublicError::from(error).code.into_owned(),
    }
}

#[test]
fn the_canonical_query_has_values_that_mean_the_same() {
    let filled = |text: &str| {
        let mut query = parse::query(text, Reading::default()).unwrap();
        fill_query(&mut query, &answers()).unwrap();
        let again = parse::query(&query.canonical, Reading::default()).unwrap();
        let shape = |query: &Query| format!("{:?} {:?}", query.filters, query.logic);
        assert_eq!(shape(&query), shape(&again), "{}", query.canonical);
        query.canonical
    };
    assert_eq!(filled("a=eq.{/0/status}&b=eq.1"), "a=eq.201&b=eq.1");
    for text in [
        "a=eq.{/0/body/0/name}",
        "a=in.(1,{/0/body/0/name})",
        "a=in.({/0/body/0/tags},4)",
        "a=cs.{/0/body/0/tags}",
        "or=(a.eq.{/0/body/0/name},b.cs.{/0/body/0/tags},c.in.({/0/body/0/tags}))",
    ] {
        assert!(!filled(text).contains("%2F0%2Fbody"), "{text}");
    }
    assert_eq!(filled("a=cd.{1,2}&b=eq.x{/0/status}"), "a=cd.%7B1%2C2%7D&b=eq.x%7B%2F0%2Fstatus%7D");
}

#[test]
fn filters_take_values_and_never_grammar() {
    assert_eq!(query("a=eq.{/0/body/0/name}"), r#"Compare { operator: Eq, quantifier: None, value: "a,b) \"}" }"#);
    assert_eq!(query("a=in.(1,{/0/body/0/name})"), r#"In(["1", "a,b) \"}"])"#);
    assert_eq!(query("a=in.({/0/body/0/tags})"), r#"In(["x", "y,z"])"#);
    assert!(query("a=cs.{/0/body/0/tags}").contains(r#"value: "{\"x\",\"y,z\"}""#));
    assert!(query("or=(a.eq.{/0/body/0/name},b.eq.2)").contains(r#"value: "a,b) \"}" }"#));
    assert!(query("a=eq.x{/0/status}").contains(r#""x{/0/status}""#), "only as a whole");
    assert!(query("a=cd.{1,2}").contains(r#""{1,2}""#));
    for text in ["a=eq.{/0/body/0/none}", "a=eq.{/0/body/0}", "a=eq.{/0/body/0/a~1b}", "a=in.({/0/body})"] {
        assert_eq!(query(text), "FB155", "{text}");
    }
    assert_eq!(query("a=eq.{/3/body}"), "FB154");
}
