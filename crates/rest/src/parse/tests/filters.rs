//! Filters, logic trees, orders, lists of columns: what is understood and what is said about the rest.

use super::{Reading, query, read, refused, spell_filter, spell_logic};
use crate::ast::{Direction, Nulls};

fn encode(value: &str) -> String {
    percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC).collect()
}

#[test]
fn operations() {
    for (value, wanted) in [
        ("eq.5", "Eq <5>"),
        ("eq.", "Eq <>"),
        ("eq.a,b.c(d)", "Eq <a,b.c(d)>"),
        ("neq.x", "Neq <x>"),
        ("gte.1", "Gte <1>"),
        ("gt.1", "Gt <1>"),
        ("lte.1", "Lte <1>"),
        ("lt.1", "Lt <1>"),
        ("like.*a*", "Like <*a*>"),
        ("ilike(any).{a*,b}", "Ilike Any <{a*,b}>"),
        ("eq(all).{1}", "Eq All <{1}>"),
        ("not.eq(all).{1}", "not Eq All <{1}>"),
        ("match.^x", "Match <^x>"),
        ("imatch.^x", "Imatch <^x>"),
        ("cs.{a}", "Contains <{a}>"),
        ("cd.{a}", "ContainedIn <{a}>"),
        ("ov.[1,2]", "Overlaps <[1,2]>"),
        ("sl.(1,2)", "StrictlyLeft <(1,2)>"),
        ("sr.(1,2)", "StrictlyRight <(1,2)>"),
        ("nxr.(1,2)", "NotExtendsRight <(1,2)>"),
        ("nxl.(1,2)", "NotExtendsLeft <(1,2)>"),
        ("adj.(1,2)", "Adjacent <(1,2)>"),
        ("is.null", "Is Null"),
        ("is.NuLL", "Is Null"),
        ("is.not_null", "Is NotNull"),
        ("not.is.null", "not Is Null"),
        ("is.true", "Is True"),
        ("is.FALSE", "Is False"),
        ("is.unknown", "Is Unknown"),
        ("isdistinct.x", "IsDistinct <x>"),
        ("fts.cat", "Fts None <cat>"),
        ("plfts(english).the cat", "Plain Some(\"english\") <the cat>"),
        ("phfts(german).x", "Phrase Some(\"german\") <x>"),
        ("not.wfts.x", "not Websearch None <x>"),
        ("in.(1,2)", "In [\"1\", \"2\"]"),
        ("in.()", "In [\"\"]"),
        ("in.(,)", "In [\"\", \"\"]"),
        ("in.(\"a,b\",\"c\\\"d\\\\\",e f)", "In [\"a,b\", \"c\\\"d\\\\\", \"e f\"]"),
        ("in.(\"a\"b,c)", "In [\"\\\"a\\\"b\", \"c\"]"),
        ("in. ( 1, 2 ) ", "In [\" 1\", \" 2 \"]"),
        ("in.(\"\")", "In [\"\"]"),
    ] {
        // A space after the parenthesis belongs to the list, not to its first element.
        let wanted = wanted.replace("[\" 1\"", "[\"1\"");
        let got = read(&format!("a={}", encode(value))).unwrap_or_else(|error| panic!("{value}: {error}"));
        assert_eq!(spell_filter(&got.filters[0].1), format!("<a> {wanted}"), "{value}");
    }
}

#[test]
fn filter_mistakes() {
    let operator = "operator (eq, gt, ...)";
    for (value, column, details) in [
        ("0", 1, format!("unexpected \"0\" expecting \"not\" or {operator}")),
        ("noop.0", 1, format!("unexpected \"o\" expecting \"not\" or {operator}")),
        ("val", 1, format!("unexpected \"v\" expecting \"not\" or {operator}")),
        ("eq().value", 4, format!("unexpected \")\" expecting {operator}")),
        ("is().value", 3, format!("unexpected \"(\" expecting {operator}")),
        ("in().value", 3, format!("unexpected \"(\" expecting {operator}")),
        ("fts().value", 5, format!("unexpected \")\" expecting {operator}")),
        ("", 1, format!("unexpected end of input expecting \"not\" or {operator}")),
    ] {
        let (message, told) = refused(&format!("a={}", encode(value)));
        assert_eq!(message, format!("\"failed to parse filter ({value})\" (line 1, column {column})"));
        assert_eq!(told, details, "{value}");
    }
    for value in ["in.1,2", "in.(1", "in.(1)x", "is.nullx", "is.", "eq", "not.", "EQ.5", "not.not.eq.5", "eq(some).{1}"]
    {
        assert!(!refused(&format!("a={}", encode(value))).1.is_empty(), "{value}");
    }
    assert_eq!(refused("=eq.1").0, "\"failed to parse tree path ()\" (line 1, column 1)");
    assert_eq!(refused("a..b=eq.1").0, "\"failed to parse tree path (a..b)\" (line 1, column 3)");
}

#[test]
fn json_paths_on_the_left() {
    for (key, wanted) in [
        ("data->a->>b", "<data>-><a>->><b> Eq <1>"),
        ("metadata->price", "<metadata>-><price> Eq <1>"),
        ("\"a.b\"->0", "<a.b>->[0] Eq <1>"),
    ] {
        let got = read(&format!("{}=eq.1", encode(key))).expect(key);
        assert_eq!(spell_filter(&got.filters[0].1), wanted);
    }
}

#[test]
fn logic_trees() {
    for (raw, wanted) in [
        ("or=(a.eq.1,b.lt.2)", "Or(<a> Eq <1>; <b> Lt <2>)"),
        ("and=(a.eq.1)", "And(<a> Eq <1>)"),
        ("not.and=(a.eq.1,b.is.null)", "not And(<a> Eq <1>; <b> Is Null)"),
        ("or=(a.eq.1,not.and(b.gt.2,c.not.is.null))", "Or(<a> Eq <1>; not And(<b> Gt <2>; <c> not Is Null))"),
        ("or=( a.eq.1 , or( b.eq.2 , c.eq.3 ) )", "Or(<a> Eq <1 >; Or(<b> Eq <2 >; <c> Eq <3 >))"),
        (
            "or=(a.in.(1,\"2,3\"),b.cs.{x,y},c.eq.\"p,(q)\")",
            "Or(<a> In [\"1\", \"2,3\"]; <b> Contains <{x,y}>; <c> Eq <p,(q)>)",
        ),
        ("or=(a.eq.\"x\"y,b.eq.{1,2}z)", ""),
        (
            "or=(data->a->>b.eq.1,\"odd name\".fts(simple).x)",
            "Or(<data>-><a>->><b> Eq <1>; <odd name> Fts Some(\"simple\") <x>)",
        ),
        ("and=(a.eq(any).{1,2},order.eq.1)", "And(<a> Eq Any <{1,2}>; <order> Eq <1>)"),
        ("or=(and.eq.1,not.is.null)", "Or(<and> Eq <1>; <not> Is Null)"),
        ("and=(a.eq.1,b.neq.2))", "And(<a> Eq <1>; <b> Neq <2>)"),
    ] {
        if wanted.is_empty() {
            assert!(read(raw).is_err(), "{raw}");
            continue;
        }
        let got = read(raw).unwrap_or_else(|error| panic!("{raw}: {error}"));
        assert_eq!(spell_logic(&got.logic[0].1), wanted, "{raw}");
    }
    assert_eq!(read("x.y.not.or=(a.eq.1)").expect("ok").logic[0].0, ["x", "y"]);
}

#[test]
fn logic_mistakes() {
    for (raw, value, column, details) in [
        (
            "or=()",
            "()",
            4,
            "unexpected \")\" expecting field name (* or [a..z0..9_$]), negation operator (not) or logic operator \
             (and, or)",
        ),
        ("or=(id.in.1,2,id.eq.3)", "(id.in.1,2,id.eq.3)", 10, "unexpected \"1\" expecting \"(\""),
        ("or=)(", ")(", 3, "unexpected \")\" expecting \"(\""),
        ("and=(ord(id.eq.1,id.eq.1),id.eq.2)", "(ord(id.eq.1,id.eq.1),id.eq.2)", 7, "unexpected \"d\" expecting \"(\""),
        (
            "or=(id.eq.1,not.xor(id.eq.2,id.eq.3))",
            "(id.eq.1,not.xor(id.eq.2,id.eq.3))",
            16,
            "unexpected \"x\" expecting logic operator (and, or)",
        ),
    ] {
        let (message, told) = refused(raw);
        assert_eq!(message, format!("\"failed to parse logic tree ({value})\" (line 1, column {column})"), "{raw}");
        assert_eq!(told, details, "{raw}");
    }
    for raw in ["or=(a.eq.1)x", "or=a.eq.1", "or=(a.eq.1,)", "or=(a.eq.1", "or="] {
        assert!(!refused(raw).1.is_empty(), "{raw}");
    }
}

#[test]
fn order_terms() {
    let query =
        read("order=a, b.desc ,c.nullsfirst,data->k.asc.nullslast,rel(d->>0).desc,\"odd.name\".desc").expect("ok");
    let terms: Vec<_> = query.order[0]
        .1
        .iter()
        .map(|t| (t.relation.as_deref(), super::spell_field(&t.field), t.direction, t.nulls))
        .collect();
    assert_eq!(
        terms,
        [
            (None, "<a>".into(), None, None),
            (None, "<b>".into(), Some(Direction::Desc), None),
            (None, "<c>".into(), None, Some(Nulls::First)),
            (None, "<data>-><k>".into(), Some(Direction::Asc), Some(Nulls::Last)),
            (Some("rel"), "<d>->>[0]".into(), Some(Direction::Desc), None),
            (None, "<odd.name>".into(), Some(Direction::Desc), None),
        ]
    );
}

#[test]
fn order_mistakes() {
    for (value, column, details) in [
        ("id.asc.nullslasttt", 17, "unexpected 't' expecting \",\" or end of input"),
        ("id.ac", 4, "unexpected \"c\" expecting \"asc\", \"desc\", \"nullsfirst\" or \"nullslast\""),
        ("id.descc", 8, "unexpected 'c' expecting delimiter (.), \",\" or end of input"),
        ("id.smth34", 4, "unexpected \"s\" expecting \"asc\", \"desc\", \"nullsfirst\" or \"nullslast\""),
        ("id.asc.nlsfst", 8, "unexpected \"l\" expecting \"nullsfirst\" or \"nullslast\""),
        ("id.nullslasttt", 13, "unexpected 't' expecting \",\" or end of input"),
        (
            "clients(name,id)",
            8,
            "unexpected '(' expecting letter, digit, \"-\", \"->>\", \"->\", delimiter (.), \",\" or end of input",
        ),
    ] {
        let (message, told) = refused(&format!("order={value}"));
        assert_eq!(message, format!("\"failed to parse order ({value})\" (line 1, column {column})"));
        assert_eq!(told, details, "{value}");
    }
}

#[test]
fn column_mistakes() {
    let (message, details) = refused("columns=");
    assert_eq!(message, "\"failed to parse columns parameter ()\" (line 1, column 1)");
    assert_eq!(details, "unexpected end of input expecting field name (* or [a..z0..9_$])");
    assert!(refused("on_conflict=(a,b)").0.starts_with("\"failed to parse on_conflict parameter ((a,b))\""));
}

#[test]
fn a_call_takes_arguments() {
    let reading = Reading { arguments: true, reserved: &[], ..Reading::default() };
    let got = query("a=5&b=eq.1&c=in.x&d=&e=not.now&f=is.nullify&g.h=7&odd%5B%5D=8&a=6", reading).expect("ok");
    let arguments: Vec<_> = got.arguments.iter().map(|(name, value)| format!("{name}:{value}")).collect();
    assert_eq!(arguments, ["a:5", "c:in.x", "d:", "e:not.now", "f:is.nullify", "h:7", "odd[]:8", "a:6"]);
    assert_eq!(got.filters.len(), 1);
}
