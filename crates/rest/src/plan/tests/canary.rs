//! The canary: whatever a request says, its words are never SQL.
//!
//! Requests are made of hostile words in every place that a word can stand. After all quoted names and name literals
//! are taken out of the statement, no piece of any word may be left in it; values must not even be in names.

use std::collections::BTreeSet;

use ferrobase_query::compile;
use proptest::prelude::*;

use super::fixture::{CATALOG, SCHEMA, rules};
use crate::ast::*;
use crate::media::MediaType;
use crate::plan::{Everything, Planner, Rules};
use crate::prefer::Preferences;
use crate::request::{Action, CallMethod, RestRequest};

/// In every hostile word.
const CANARY: &str = "c4n4ry";
/// In every word that is a value.
const VALUE: &str = "v4lu3";

fn hostile(mark: &'static str) -> impl Strategy<Value = String> {
    let tails = ["", "\"", "'", "\"; drop table x; --", "\\", "\0", "$1", "') or 1=1 --", "/*", "\u{e9}", "::int", "*"];
    (prop::sample::select(tails.to_vec()), prop::sample::select(tails.to_vec()))
        .prop_map(move |(before, after)| format!("{before}{mark}{after}"))
}

/// A name: known or hostile.
fn any_name() -> impl Strategy<Value = String> {
    let known = ["id", "name", "data", "colour", "tags", "search", "shout", "client_id", "*", "int", "regclass"];
    prop_oneof![prop::sample::select(known.to_vec()).prop_map(str::to_owned), hostile(CANARY)]
}

fn value() -> impl Strategy<Value = String> {
    hostile(VALUE)
}

fn field() -> impl Strategy<Value = Field> {
    let key = prop_oneof![
        hostile(CANARY).prop_map(PathKey::Key),
        prop_oneof![Just("0".to_owned()), Just("-1".to_owned()), hostile(CANARY)].prop_map(PathKey::Index)
    ];
    let step = (any::<bool>(), key).prop_map(|(as_text, to)| PathStep { as_text, to });
    (any_name(), prop::collection::vec(step, 0..3)).prop_map(|(name, path)| Field { name, path })
}

fn operation() -> impl Strategy<Value = Operation> {
    let compare = prop::sample::select(&[CompareOperator::Eq, CompareOperator::Like, CompareOperator::Imatch][..]);
    let quantifier = prop::option::of(prop::sample::select(&[Quantifier::Any, Quantifier::All][..]));
    prop_oneof![
        (compare, quantifier, value()).prop_map(|(operator, quantifier, value)| Operation::Compare {
            operator,
            quantifier,
            value
        }),
        value().prop_map(|value| Operation::Simple { operator: SimpleOperator::Contains, value }),
        prop::collection::vec(value(), 0..4).prop_map(Operation::In),
        Just(Operation::Is(IsValue::Null)),
        value().prop_map(Operation::IsDistinct),
        extended().prop_map(Operation::Extended),
        (prop::option::of(value()), value()).prop_map(|(language, value)| {
            Operation::FullText { operator: FullTextOperator::Websearch, language, value }
        }),
    ]
}

fn extended() -> impl Strategy<Value = Extended> {
    let operators = [
        ColumnOperator::Compare(CompareOperator::Gt),
        ColumnOperator::Simple(SimpleOperator::Overlaps),
        ColumnOperator::IsDistinct,
    ];
    let keys = prop::sample::select(&[KeyTest::One, KeyTest::Any, KeyTest::All][..]);
    let paths = prop::sample::select(&[PathTest::Finds, PathTest::Holds][..]);
    prop_oneof![
        (prop::sample::select(operators.to_vec()), field())
            .prop_map(|(operator, field)| Extended::Column { operator, field }),
        (keys, prop::collection::vec(value(), 1..3)).prop_map(|(test, keys)| Extended::Keys { test, keys }),
        (any::<bool>(), value()).prop_map(|(word, value)| Extended::Similar { word, value }),
        prop::collection::vec(value(), 3..4).prop_map(Extended::Within),
        (paths, value()).prop_map(|(test, path)| Extended::JsonPath { test, path }),
    ]
}

/// What groups and what is asked of groups.
fn groups() -> impl Strategy<Value = Query> {
    let aggregate = (field(), operation(), any::<bool>()).prop_map(|(field, operation, negated)| {
        let of = SelectField::aggregate(field, Aggregate::Max);
        Logic::Aggregate(AggregateFilter { of, negated, operation })
    });
    let fields = || prop::collection::vec(field(), 1..3);
    let distinct = prop_oneof![Just(Distinct::Rows), fields().prop_map(Distinct::On)];
    let at_root = |logic| (EmbedPath::new(), logic);
    (
        prop::option::of(fields()),
        prop::collection::vec(prop_oneof![aggregate, logic()].prop_map(at_root), 0..2),
        prop::option::weighted(0.3, distinct),
    )
        .prop_map(|(group_by, having, distinct)| Query {
            group_by: group_by.into_iter().map(|fields| (EmbedPath::new(), fields)).collect(),
            having,
            distinct: distinct.into_iter().map(|distinct| (EmbedPath::new(), distinct)).collect(),
            ..Query::default()
        })
}

/// A page by keys, at either end.
fn pages() -> impl Strategy<Value = Query> {
    prop::sample::select(vec![Cursor::First, Cursor::Last])
        .prop_map(|cursor| Query { cursor: Some(cursor), ..Query::default() })
}

fn filter() -> impl Strategy<Value = Filter> {
    (field(), any::<bool>(), operation()).prop_map(|(field, negated, operation)| Filter { field, negated, operation })
}

fn logic() -> impl Strategy<Value = Logic> {
    filter().prop_map(Logic::Filter).prop_recursive(3, 8, 3, |inner| {
        (any::<bool>(), any::<bool>(), prop::collection::vec(inner, 1..3)).prop_map(|(negated, and, items)| {
            let operator = if and { LogicOperator::And } else { LogicOperator::Or };
            Logic::Group { negated, operator, items }
        })
    })
}

fn select_field() -> impl Strategy<Value = SelectItem> {
    let aggregate = prop::option::weighted(0.2, prop::sample::select(&[Aggregate::Count, Aggregate::Max][..]));
    let word = || prop::option::weighted(0.3, any_name());
    let only = prop::collection::vec(logic(), 0..2);
    (field(), word(), word(), aggregate, word(), any::<bool>(), only).prop_map(
        |(field, alias, cast, aggregate, aggregate_cast, distinct, only)| {
            SelectItem::Field(SelectField { field, alias, cast, aggregate, aggregate_cast, distinct, only })
        },
    )
}

/// Relationships of `projects` and what lies beyond them.
fn select_items() -> impl Strategy<Value = Vec<SelectItem>> {
    let relation = |inner: BoxedStrategy<Vec<SelectItem>>, name: &'static str| {
        let join = prop::option::of(prop::sample::select(&[JoinKind::Inner, JoinKind::Left][..]));
        (prop::option::of(hostile(CANARY)), join, any::<bool>(), inner).prop_map(move |(alias, join, spread, items)| {
            let alias = alias.filter(|_| !spread);
            SelectItem::Relation(SelectRelation { name: name.to_owned(), alias, hint: None, join, spread, items })
        })
    };
    let fields = || prop::collection::vec(select_field(), 0..3);
    let clients = relation(fields().boxed(), "clients");
    let tasks = relation(fields().boxed(), "tasks");
    let open = relation(fields().boxed(), "open_tasks");
    (fields(), prop::option::of(clients), prop::option::of(tasks), prop::option::of(open)).prop_map(
        |(mut items, clients, tasks, open)| {
            items.extend([clients, tasks, open].into_iter().flatten());
            items
        },
    )
}

fn order_term() -> impl Strategy<Value = OrderTerm> {
    let direction = prop::option::of(prop::sample::select(&[Direction::Asc, Direction::Desc][..]));
    let measure = prop_oneof![
        Just(Measure::Aggregate(Aggregate::Sum)),
        value().prop_map(Measure::Similarity),
        prop::collection::vec(value(), 2..3).prop_map(Measure::Distance),
    ];
    let measure = prop::option::weighted(0.2, measure);
    (prop::option::weighted(0.3, Just("clients".to_owned())), field(), measure, direction).prop_map(
        |(relation, field, measure, direction)| OrderTerm { relation, field, measure, direction, nulls: None },
    )
}

fn query() -> impl Strategy<Value = Query> {
    let window = (0_u64..5000, prop::option::of(any::<u64>())).prop_map(|(offset, limit)| Window { offset, limit });
    let at_root = |filter| (EmbedPath::new(), filter);
    (
        select_items(),
        prop::collection::vec(filter().prop_map(at_root), 0..3),
        prop::collection::vec(logic().prop_map(|logic| (EmbedPath::new(), logic)), 0..2),
        prop::collection::vec(order_term(), 0..3),
        window,
        prop::collection::vec((any_name(), value()), 0..3),
        prop::option::of(prop::collection::vec(any_name(), 1..3)),
        prop_oneof![Just(Query::default()), pages(), groups()],
    )
        .prop_map(|(select, filters, logic, order, window, arguments, on_conflict, groups)| Query {
            select,
            filters,
            logic,
            order: vec![(EmbedPath::new(), order)],
            windows: vec![(vec!["clients".to_owned()], window)],
            arguments,
            on_conflict,
            ..groups
        })
}

fn action() -> impl Strategy<Value = Action> {
    let relation = || "projects".to_owned();
    prop::sample::select(vec![
        Action::Read { relation: relation(), head: false },
        Action::Insert { relation: relation() },
        Action::Update { relation: relation() },
        Action::Delete { relation: relation() },
        Action::Call { function: "projects_of".to_owned(), method: CallMethod::Get },
        Action::Call { function: "main_project".to_owned(), method: CallMethod::Get },
    ])
}

fn preferences() -> impl Strategy<Value = Preferences> {
    let fields = [
        "",
        "return=representation, count=exact",
        "resolution=merge-duplicates, missing=default, return=headers-only",
        "count=estimated, return=representation, resolution=ignore-duplicates",
    ];
    prop::sample::select(fields.to_vec()).prop_map(|field| Preferences::parse([field], false))
}

fn request() -> impl Strategy<Value = RestRequest> {
    let columns = prop::sample::subsequence(vec!["id", "name", "colour", "data"], 0..4);
    (action(), query(), preferences(), columns).prop_map(|(action, mut query, prefer, columns)| {
        if let Action::Call { function, .. } = &action {
            query.arguments.retain(|(name, _)| name == "client");
            if function == "projects_of" {
                query.arguments = vec![("client".to_owned(), VALUE.to_owned())];
            }
        }
        if !query
            .select
            .iter()
            .any(|item| matches!(item, SelectItem::Relation(r) if r.name == "clients" && r.alias.is_none()))
        {
            query.windows.clear();
            for (_, terms) in &mut query.order {
                terms.retain(|term| term.relation.is_none());
            }
        }
        let json = format!(r#"[{{"name":"{VALUE}"}}]"#);
        RestRequest {
            action,
            schema: SCHEMA.to_owned(),
            negotiated: false,
            window: Window { offset: u64::from(query.cursor.is_none()), limit: Some(77) },
            query,
            payload: Some(crate::body::Payload::Json { raw: json.into(), keys: BTreeSet::new(), array: true }),
            columns: columns.into_iter().map(str::to_owned).collect(),
            prefer,
            conditions: crate::conditional::Conditions::default(),
            accept: vec![MediaType::Json],
            content_type: MediaType::Json,
            each: false,
            nestable: false,
        }
    })
}

/// The text without quoted names and name literals, and those alone.
fn split(sql: &str) -> (String, String) {
    let (mut text, mut names) = (String::new(), String::new());
    let mut chars = sql.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                while let Some(c) = chars.next() {
                    if c == '"' && chars.next_if_eq(&'"').is_none() {
                        break;
                    }
                    names.push(c);
                }
            }
            'E' if chars.peek() == Some(&'\'') => {
                chars.next();
                while let Some(c) = chars.next() {
                    match c {
                        '\\' => names.extend(chars.next()),
                        '\'' => break,
                        c => names.push(c),
                    }
                }
            }
            c => text.push(c),
        }
    }
    (text, names)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn no_word_of_a_request_is_ever_sql(request in request(), grouped in any::<bool>()) {
        let rules = Rules { max_rows: grouped.then_some(1000), refuse_registry_casts: false, ..rules() };
        let planner = Planner { catalog: &CATALOG, schema: SCHEMA, rules: &rules, sight: &Everything };
        let Ok(planned) = planner.plan(&request) else { return Ok(()) };
        let compiled = compile(&planned.query).unwrap();
        let statements = [Some(compiled.statement), compiled.estimate];
        for statement in statements.into_iter().flatten() {
            let (text, names) = split(&statement.sql);
            prop_assert!(!text.contains(CANARY) && !text.contains(VALUE), "{}", statement.sql);
            prop_assert!(!names.contains(VALUE), "{}", statement.sql);
            prop_assert!(!statement.sql.contains('\0'));
            // Nothing of what the words bring along either.
            prop_assert!(!text.contains("--") && !text.contains("/*") && !text.contains(';') && !text.contains("drop"));
            let highest = statement.params.len();
            let next = format!("${}", highest + 1);
            prop_assert!(!text.contains(&next), "{}", statement.sql);
        }
    }
}
