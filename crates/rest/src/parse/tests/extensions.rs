//! What our own dialect has beyond PostgREST's, and that nothing of PostgREST's means something else in it.

use super::*;
use crate::ast::{Aggregate, Distinct, Measure};

fn extended(raw: &str) -> Result<Query, ParseError> {
    query(raw, Reading { dialect: Dialect::Extended, ..Reading::default() })
}

fn filters(raw: &str) -> Vec<String> {
    extended(raw).expect(raw).filters.iter().map(|(_, filter)| spell_filter(filter)).collect()
}

#[test]
fn operators() {
    for (raw, wanted) in [
        ("a=gt(col).b", "<a> Compare(Gt) <b>"),
        ("a=gte(col).b", "<a> Compare(Gte) <b>"),
        ("a=not.neq(col).b->c->>d", "<a> not Simple(Neq) <b>-><c>->><d>"),
        ("a->>x=isdistinct(col).\"odd, name\"", "<a>->><x> IsDistinct <odd, name>"),
        ("a=has.b.c", "<a> Keys { test: One, keys: [\"b.c\"] }"),
        ("a=hasany.(b,\"c,d\")", "<a> Keys { test: Any, keys: [\"b\", \"c,d\"] }"),
        ("a=not.hasall.(b)", "<a> not Keys { test: All, keys: [\"b\"] }"),
        ("a=jsonpath.$.b[*] ? (@ > 1)", "<a> JsonPath { test: Finds, path: \"$.b[*] ? (@ > 1)\" }"),
        ("a=jsonmatch.$.b > 1", "<a> JsonPath { test: Holds, path: \"$.b > 1\" }"),
    ] {
        assert_eq!(filters(raw), [wanted], "{raw}");
        assert!(read(raw).is_err(), "PostgREST has {raw}");
    }
    let tree = extended("or=(a.gt(col).b,c.has.d,e.jsonpath.\"$.x ? (@ == 1, 2)\",f.hasany.(g,h))").expect("a tree");
    let spelt: Vec<_> = tree.logic.iter().map(|(_, logic)| spell_logic(logic)).collect();
    assert_eq!(
        spelt,
        ["Or(<a> Compare(Gt) <b>; <c> Keys { test: One, keys: [\"d\"] }; <e> JsonPath { test: Finds, path: \"$.x ? \
          (@ == 1, 2)\" }; <f> Keys { test: Any, keys: [\"g\", \"h\"] })"]
    );
}

#[test]
fn values_that_look_like_ours_stay_values() {
    for (raw, wanted) in [
        ("a=eq.gt(col).b", "<a> Eq <gt(col).b>"),
        ("a=eq.(col).b", "<a> Eq <(col).b>"),
        ("a=gt(any).{1}", "<a> Gt Any <{1}>"),
        ("distinct=eq.1", "<distinct> Eq <1>"),
        ("distinct=is.null", "<distinct> Is Null"),
        ("group_by=not.in.(a,b)", "<group_by> not In [\"a\", \"b\"]"),
        ("having=like.(a*)", "<having> Like <(a*)>"),
        ("having=gt(col).distinct", "<having> Compare(Gt) <distinct>"),
    ] {
        assert_eq!(filters(raw), [wanted], "{raw}");
    }
}

#[test]
fn groups() {
    let query = extended("group_by=a, b->>c&x.group_by=\"d.e\"&distinct=*&x.distinct=f,g").expect("ok");
    let groups: Vec<_> = query
        .group_by
        .iter()
        .map(|(path, fields)| (path.join("/"), fields.iter().map(spell_field).collect::<Vec<_>>().join(" ")))
        .collect();
    assert_eq!(groups, [(String::new(), "<a> <b>->><c>".into()), ("x".into(), "<d.e>".into())]);
    assert_eq!(query.distinct[0], (vec![], Distinct::Rows));
    let Distinct::On(fields) = &query.distinct[1].1 else { panic!("{:?}", query.distinct) };
    assert_eq!(fields.iter().map(spell_field).collect::<Vec<_>>(), ["<f>", "<g>"]);
}

#[test]
fn conditions_on_groups() {
    for (raw, wanted) in [
        ("having=(count().gt.5)", "And(Some(Count) of <*> Gt <5>)"),
        ("having=(a->b.sum().not.in.(1,2))", "And(Some(Sum) of <a>-><b> not In [\"1\", \"2\"])"),
        ("having=(total.gt.5,or(x.eq.1,a.avg().lt.2))", "And(<total> Gt <5>; Or(<x> Eq <1>; Some(Avg) of <a> Lt <2>))"),
        ("having=(count.eq.1)", "And(<count> Eq <1>)"),
    ] {
        let query = extended(raw).expect(raw);
        let spelt: Vec<_> = query.having.iter().map(|(_, logic)| spell_logic(logic)).collect();
        assert_eq!(spelt, [wanted], "{raw}");
    }
}

#[test]
fn aggregates() {
    for (raw, wanted) in [
        ("select=id.count(distinct)", "<id> Count distinct"),
        ("select=n:count().filter(a.eq.1)::int", "<n>=<*> Count only(<a> Eq <1>)::<int>"),
        (
            "select=a,b.sum().filter(c.gt.1,or(d.is.null,e.eq.2)), f",
            "<a>, <b> Sum only(<c> Gt <1>; Or(<d> Is Null; <e> Eq <2>)), <f>",
        ),
        ("select=category, count:id.count()", "<category>, <count>=<id> Count"),
    ] {
        assert_eq!(spell_items(&extended(raw).expect(raw).select), wanted);
    }
    let query = extended("order=count().desc,a.sum().nullslast,b").expect("ok");
    let terms: Vec<_> = query.order[0].1.iter().map(|term| (spell_field(&term.field), term.measure.clone())).collect();
    assert_eq!(
        terms,
        [
            ("<*>".into(), Some(Measure::Aggregate(Aggregate::Count))),
            ("<a>".into(), Some(Measure::Aggregate(Aggregate::Sum))),
            ("<b>".into(), None)
        ]
    );
}

#[test]
fn what_is_near() {
    for (raw, wanted) in [
        ("a=fuzzy.some, text", "<a> Similar { word: false, value: \"some, text\" }"),
        ("a=not.fuzzyword.x", "<a> not Similar { word: true, value: \"x\" }"),
        ("a=within.(5000,13.4,-52.5)", "<a> Within([\"5000\", \"13.4\", \"-52.5\"])"),
    ] {
        assert_eq!(filters(raw), [wanted], "{raw}");
        assert!(read(raw).is_err(), "PostgREST has {raw}");
    }
    let query = extended("order=a.similarity(\"x,y)\").desc,b.distance(1,2),c").expect("ok");
    let measures: Vec<_> = query.order[0].1.iter().map(|term| term.measure.clone()).collect();
    assert_eq!(
        measures,
        [Some(Measure::Similarity("x,y)".into())), Some(Measure::Distance(vec!["1".into(), "2".into()])), None]
    );
}

#[test]
fn mistakes_are_told() {
    for raw in [
        "a=gt(col).",
        "a=gt(col)b",
        "a=in(col).b",
        "a=hasany.a",
        "distinct=",
        "distinct=*,a",
        "group_by=",
        "group_by=a.b",
        "having=count().gt.5",
        "having=()",
        "having=(count().gt.5",
        "having=(count()gt.5)",
        "select=id.count(distinct",
        "select=id.sum().filter()",
        "select=id.sum().filter(a)",
        "order=count()x",
        "order=a.similarity(x",
        "order=a.distance",
        "a=within.1,2,3",
    ] {
        match extended(raw) {
            Err(ParseError::Grammar(failure)) => {
                assert!(!failure.message.is_empty() && !failure.details.is_empty(), "{raw}: {failure}");
            }
            other => panic!("{raw}: {other:?}"),
        }
    }
}

#[test]
fn having_counts_columns_from_its_own_text() {
    for (raw, place) in [("having=count().gt.5", "column 1)"), ("having=(count()gt.5)", "column 9)")] {
        let Err(ParseError::Grammar(failure)) = extended(raw) else { panic!("{raw}") };
        assert!(failure.message.ends_with(place), "{raw}: {failure}");
    }
}

#[test]
fn functions_keep_these_names_for_their_arguments() {
    let reading = Reading { arguments: true, dialect: Dialect::Extended, ..Reading::default() };
    let query = query("distinct=*&group_by=a&having=(count().gt.1)", reading).expect("arguments");
    assert!(query.distinct.is_empty() && query.group_by.is_empty() && query.having.is_empty());
    assert_eq!(query.arguments.len(), 3);
}
