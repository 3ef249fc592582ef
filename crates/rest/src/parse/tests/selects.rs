//! `select=`: what is understood and what is said about the rest.

use super::{read, refused, spell_items};

#[test]
fn select_items() {
    for (value, wanted) in [
        ("", ""),
        ("*", "<*>"),
        ("id", "<id>"),
        ("id,name", "<id>, <name>"),
        ("id, title , excerpt,created_at", "<id>, <title>, <excerpt>, <created_at>"),
        ("* , author:users!author_id(id,name)", "<*>, <author>=<users>!<author_id>(<id>, <name>)"),
        ("full name", "<full name>"),
        ("order-id", "<order-id>"),
        ("\"order->id, (x)\"", "<order->id, (x)>"),
        ("\"a \\\"b\\\" \\\\c\"", "<a \"b\" \\c>"),
        ("überschrift,$x,_", "<überschrift>, <$x>, <_>"),
        ("alias:name::text", "<alias>=<name>::<text>"),
        ("amount::double precision", "<amount>::<double precision>"),
        ("data->a->>b", "<data>-><a>->><b>"),
        ("data->0->>-1", "<data>->[0]->>[-1]"),
        ("data->0xyz", "<data>-><0xyz>"),
        ("data->!@#$%^&*_a::int", "<data>-><!@#$%^&*_a>::<int>"),
        ("data->\"a.b\"", "<data>-><a.b>"),
        ("rel(data->0)", "<rel>(<data>->[0])"),
        ("x:data->>'k'", "<x>=<data>->><'k'>"),
        // Aggregates.
        ("count()", "<*> Count"),
        ("n:count()::text", "<n>=<*> Count::<text>"),
        ("count:id.count()", "<count>=<id> Count"),
        ("category, count:id.count()", "<category>, <count>=<id> Count"),
        ("count: id.count()", "<count>=<id> Count"),
        ("amount.sum(),amount.avg()::int,a.min(),a.max()", "<amount> Sum, <amount> Avg::<int>, <a> Min, <a> Max"),
        ("a::numeric.sum()::text", "<a>::<numeric> Sum::<text>"),
        ("data->n::int.sum()", "<data>-><n>::<int> Sum"),
        // Embedding.
        ("*,client(*,nested(*))", "<*>, <client>(<*>, <nested>(<*>))"),
        ("posts:posts(id, comments:comments(count))", "<posts>=<posts>(<id>, <comments>=<comments>(<count>))"),
        ("rel()", "<rel>()"),
        ("rel!hint(*)", "<rel>!<hint>(<*>)"),
        ("rel!inner(*)", "<rel>!Inner(<*>)"),
        ("rel!left(*)", "<rel>!Left(<*>)"),
        ("a:rel!hint!inner(*)", "<a>=<rel>!<hint>!Inner(<*>)"),
        ("a:rel!inner!hint(*)", "<a>=<rel>!<hint>!Inner(<*>)"),
        ("rel!left_fkey(*)", "<rel>!<left_fkey>(<*>)"),
        ("rel!\"odd hint!\"(*)", "<rel>!<odd hint!>(<*>)"),
        ("...rel(*)", "...<rel>(<*>)"),
        ("id,...rel!hint!inner(a,...b(c))", "<id>, ...<rel>!<hint>!Inner(<a>, ...<b>(<c>))"),
        (" a ( b , c )", "<a>(<b>, <c>)"),
        ("count:counters(n)", "<count>=<counters>(<n>)"),
        // One closing mark too many means nothing.
        ("a(b))", "<a>(<b>)"),
        ("id,a(count)'", "<id>, <a>(<count>)"),
    ] {
        let raw: String = percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC).collect();
        let query = read(&format!("select={raw}")).unwrap_or_else(|error| panic!("{value}: {error}"));
        assert_eq!(spell_items(&query.select), wanted, "{value}");
    }
}

#[test]
fn select_mistakes() {
    let field = "letter, digit, \"-\", \"->>\", \"->\", \"::\", \".\", \")\", \",\" or end of input";
    for (value, column, details) in [
        ("id,clients(name[])", 16, format!("unexpected '[' expecting {field}")),
        ("name!hint", 5, format!("unexpected '!' expecting {field}")),
        ("name::", 7, "unexpected end of input expecting letter or digit".to_owned()),
        ("data->>--34", 9, "unexpected \"-\" expecting digit".to_owned()),
        (
            "data->(!@#$%^&*_d->>!@#$%^&*_e::integer",
            7,
            "unexpected \"(\" expecting \"-\", digit or any non reserved character different from: .,>()".to_owned(),
        ),
        ("data->>-78xy", 11, "unexpected 'x' expecting digit, \"->\", \"::\", \".\", \",\" or end of input".to_owned()),
    ] {
        let raw: String = percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC).collect();
        let (message, told) = refused(&format!("select={raw}"));
        assert_eq!(message, format!("\"failed to parse select parameter ({value})\" (line 1, column {column})"));
        assert_eq!(told, details, "{value}");
    }
    for value in
        ["id,", ",id", "a(b", "a(b))c", "a),b", "a:b:c", "a::b::c", "*x", "a.b()", "alias:...rel(*)", "a(b)(c)"]
    {
        assert!(!refused(&format!("select={value}")).1.is_empty(), "{value}");
    }
}
