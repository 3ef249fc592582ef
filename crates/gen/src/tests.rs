//! Catalogs made by hand, and what becomes of them; the real database is in the tests of `app`.

use std::sync::Arc;

use ferrobase_catalog::{
    Catalog, Column, ComputedField, DeclaredType, Field, Function, Generated, Link, OutputColumn, Parameter,
    QualifiedName, Relation, RelationKind, Relationship, ReturnShape, Returns, Schema, TypeClass,
};

use crate::{Language, generate};

/// Names that end strings, lines and comments of every language.
const NASTY: &str = "a\"'\\\n*/`\u{1}";

fn name(name: &str) -> QualifiedName {
    QualifiedName::new("public", name)
}

fn column(name: &str, base_type: &str) -> Column {
    Column { name: name.to_owned(), base_type: base_type.to_owned(), ..Column::default() }
}

fn relation(relation: &str, kind: RelationKind, columns: Vec<Column>) -> Relation {
    let columns = columns.into_iter().map(|column| (column.name.clone(), column)).collect();
    Relation { name: name(relation), kind, columns, ..Relation::default() }
}

fn parameter(name: &str, type_name: &str, required: bool) -> Parameter {
    Parameter { name: name.to_owned(), type_name: type_name.to_owned(), required, ..Parameter::default() }
}

fn function(function: &str, parameters: Vec<Parameter>, type_name: &str) -> Function {
    let returns =
        Returns { type_name: type_name.to_owned(), shape: ReturnShape::Scalar(name("any")), ..Returns::default() };
    Function { name: name(function), parameters, returns, ..Function::default() }
}

/// A catalog of schema `public`, filled in this order or the other way round.
fn catalog(
    relations: Vec<Relation>,
    functions: Vec<Function>,
    types: Vec<(&str, DeclaredType)>,
    turned: bool,
) -> Catalog {
    let mut catalog = Catalog::default();
    catalog.schemas.insert("public".to_owned(), Schema::default());
    let (mut relations, mut functions, mut types) = (relations, functions, types);
    if turned {
        relations.reverse();
        functions.reverse();
        types.reverse();
    }
    catalog.relations = relations.into_iter().map(|relation| (relation.name.clone(), Arc::new(relation))).collect();
    catalog.types = types.into_iter().map(|(type_name, declared)| (name(type_name), declared)).collect();
    for function in functions {
        catalog.functions.entry(function.name.clone()).or_default().push(Arc::new(function));
    }
    catalog
}

fn text(catalog: &Catalog, language: Language) -> String {
    generate(catalog, &["public".to_owned()], language)
}

/// What stands between two lines of the text.
#[track_caller]
fn part<'t>(text: &'t str, from: &str, to: &str) -> &'t str {
    let (_, rest) = text.split_once(from).unwrap_or_else(|| panic!("no {from:?} in {text}"));
    rest.split_once(to).unwrap_or_else(|| panic!("no {to:?} after {from:?} in {rest}")).0
}

fn written() -> Vec<Column> {
    let nullable = |column| Column { nullable: true, ..column };
    vec![
        column("plain", "text"),
        nullable(column("loose", "text")),
        Column { default: Some("0".to_owned()), ..column("filled", "integer") },
        Column { default: Some("now()".to_owned()), ..nullable(column("both", "timestamp(3) with time zone")) },
        Column { generated: Generated::IdentityAlways, ..column("always", "bigint") },
        Column { generated: Generated::IdentityByDefault, ..column("number", "bigint") },
        Column { generated: Generated::Computed, ..nullable(column("made", "numeric(3,1)")) },
    ]
}

#[test]
fn what_is_written_is_required_optional_or_never() {
    let catalog = catalog(vec![relation("t", RelationKind::Table, written())], vec![], vec![], false);
    let typescript = text(&catalog, Language::TypeScript);
    let insert = part(&typescript, "Insert: {\n", "        }\n");
    let expected = [
        "always?: never",
        "both?: string | null",
        "filled?: number",
        "loose?: string | null",
        "made?: never",
        "number?: number",
        "plain: string",
    ];
    assert_eq!(insert.lines().map(str::trim).collect::<Vec<_>>(), expected);
    let update = part(&typescript, "Update: {\n", "        }\n");
    assert_eq!(update.lines().map(str::trim).next_back(), Some("plain?: string"));

    let python = text(&catalog, Language::Python);
    let insert = part(&python, "class PublicTInsert(TypedDict):\n", "\n\n");
    assert_eq!(insert.lines().count(), 5, "{insert}");
    assert!(insert.ends_with("    plain: Annotated[str, Field(alias=\"plain\")]"), "{insert}");

    let rust = text(&catalog, Language::Rust);
    let insert = part(&rust, "pub struct TInsert {\n", "    }\n");
    let fields: Vec<_> = insert.lines().map(str::trim).filter(|line| line.starts_with("pub")).collect();
    let expected = [
        "pub both: Option<Option<String>>,",
        "pub filled: Option<i32>,",
        "pub loose: Option<String>,",
        "pub number: Option<i64>,",
        "pub plain: String,",
    ];
    assert_eq!(fields, expected);
    assert!(rust.contains("pub fn new(plain: String) -> Self {"), "{rust}");
}

#[test]
fn views_are_written_where_they_can_be_and_never_their_expressions() {
    let shown = vec![column("id", "integer"), Column { read_only: true, ..column("loud", "text") }];
    let mut writable = relation("writable", RelationKind::View, shown);
    (writable.insertable, writable.updatable) = (true, true);
    let fixed = relation("fixed", RelationKind::MaterializedView, vec![column("id", "integer")]);
    let typescript = text(&catalog(vec![writable, fixed], vec![], vec![], false), Language::TypeScript);
    let views = part(&typescript, "Views: {\n", "    Functions:");
    assert!(part(views, "fixed: {\n", "writable").lines().all(|line| !line.contains("Insert")), "{views}");
    let insert = part(views, "Insert: {\n", "        }\n");
    assert_eq!(insert.lines().map(str::trim).collect::<Vec<_>>(), ["id?: number | null", "loud?: never"]);
    assert!(typescript.contains("Tables: {\n      [_ in never]: never\n    }"), "{typescript}");
}

#[test]
fn domains_and_lists_are_followed_to_what_they_stand_on() {
    let types = vec![
        ("mood", DeclaredType::Enum(vec!["sad".to_owned(), "ok".to_owned()])),
        ("moods", DeclaredType::Domain("public.mood[]".to_owned())),
        ("pair", DeclaredType::Composite(vec![Field { name: "a".to_owned(), type_name: "public.moods".to_owned() }])),
    ];
    let columns = [
        ("a", "public.mood"),
        ("b", "public.moods"),
        ("c", "public.pair[]"),
        ("d", "public.t"),
        ("e", "inet"),
        ("f", "extensions.vector(3)"),
        ("g", "character varying(3)[]"),
    ];
    let columns = columns.map(|(name, base)| column(name, base)).to_vec();
    let catalog = catalog(vec![relation("t", RelationKind::Table, columns)], vec![], types, false);
    let lines = |text: &str, from: &str, to: &str| -> Vec<String> {
        part(text, from, to).lines().map(|line| line.trim().to_owned()).collect()
    };
    assert_eq!(
        lines(&text(&catalog, Language::TypeScript), "Row: {\n", "        }\n"),
        [
            "a: Database[\"public\"][\"Enums\"][\"mood\"]",
            "b: Database[\"public\"][\"Enums\"][\"mood\"][]",
            "c: Database[\"public\"][\"CompositeTypes\"][\"pair\"][]",
            "d: Database[\"public\"][\"Tables\"][\"t\"][\"Row\"]",
            "e: unknown",
            "f: string",
            "g: string[]",
        ]
    );
    let rust = text(&catalog, Language::Rust);
    let expected = [
        "pub a: Mood,",
        "pub b: Vec<Mood>,",
        "pub c: Vec<Pair>,",
        "pub d: TRow,",
        "pub e: String,",
        "pub f: String,",
        "pub g: Vec<String>,",
    ];
    assert_eq!(lines(&rust, "pub struct TRow {\n", "    }\n"), expected);
    assert!(rust.contains("pub a: Option<Vec<Mood>>,"), "fields of composite types may be NULL: {rust}");
    let python = text(&catalog, Language::Python);
    assert!(python.contains("    c: List[PublicPair] = Field(alias=\"c\")\n"), "{python}");
}

#[test]
fn functions_have_overloads_defaults_and_the_shape_of_what_comes_back() {
    let mut rows = function("rows", vec![], "public.t");
    rows.returns = Returns { set: true, rows_one: true, ..rows.returns };
    let mut table = function("table", vec![parameter("since", "date", false)], "record");
    table.returns.set = true;
    table.returns.rows_one = true;
    table.output_columns = vec![OutputColumn { name: "n".to_owned(), type_name: "bigint".to_owned() }];
    let functions = vec![
        function("one", vec![], "public.t"),
        function("f", vec![parameter("b", "integer", true), parameter("a", "text", false)], "boolean"),
        function("f", vec![], "integer"),
        function("same", vec![parameter("x", "integer", true)], "text"),
        function("same", vec![parameter("x", "text", true)], "text"),
        rows,
        table,
    ];
    let catalog =
        catalog(vec![relation("t", RelationKind::Table, vec![column("id", "integer")])], functions, vec![], false);
    let typescript = text(&catalog, Language::TypeScript);
    let expected = r#"      f:
        | { Args: never; Returns: number }
        | { Args: { a?: string; b: number }; Returns: boolean }
      one: {
        Args: never
        Returns: {
          id: number
        }
        SetofOptions: {
          from: "*"
          to: "t"
          isOneToOne: true
          isSetofReturn: false
        }
      }
      rows: {
        Args: never
        Returns: {
          id: number
        }
        SetofOptions: {
          from: "*"
          to: "t"
          isOneToOne: true
          isSetofReturn: true
        }
      }
      same:
        | {
            Args: { x: number }
            Returns: {
              error: true
            } & "public.same(x integer) and public.same(x text) differ in types only, so that a call cannot choose: rename a parameter"
          }
        | {
            Args: { x: string }
            Returns: {
              error: true
            } & "public.same(x integer) and public.same(x text) differ in types only, so that a call cannot choose: rename a parameter"
          }
      table: {
        Args: { since?: string }
        Returns: {
          n: number
        }[]
      }
"#;
    assert_eq!(part(&typescript, "Functions: {\n", "    }\n    Enums"), expected);
    let rust = text(&catalog, Language::Rust);
    for line in [
        "pub type FReturns = Option<i32>;",
        "pub type FReturns2 = Option<bool>;",
        "pub type RowsReturns = Vec<TRow>;",
        "pub type OneReturns = OneResult;",
        "pub type TableReturns = Vec<TableResult>;",
    ] {
        assert!(rust.contains(line), "{line} in {rust}");
    }
    // Where there is no row, the API has one of NULLs.
    assert_eq!(part(&rust, "pub struct OneResult {\n", "    }\n").trim(), "pub id: Option<i32>,");
    assert!(!rust.contains("SameArgs"), "what cannot be called has no arguments: {rust}");
}

#[test]
fn keys_say_whether_one_row_or_many_and_computed_columns_are_in_the_row() {
    let link = |constraint: &str, target: &str, one_to_one: bool| {
        let (constraint, columns) = (constraint.to_owned(), vec![("id".to_owned(), "id".to_owned())]);
        let link = if one_to_one {
            Link::OneToOne { constraint, columns, source_is_parent: false }
        } else {
            Link::ManyToOne { constraint, columns }
        };
        related("a", target, link)
    };
    let mut from = relation("a", RelationKind::Table, vec![column("id", "integer")]);
    let field = ComputedField { function: name("loud"), type_name: "text".to_owned(), type_class: TypeClass::Scalar };
    from.computed_fields.insert("loud".to_owned(), field);
    let to = relation("b", RelationKind::Table, vec![column("id", "integer")]);
    let mut catalog = catalog(vec![from, to], vec![], vec![], false);
    let computed = related("a", "b", Link::Computed { function: name("last_b"), to_one: true });
    catalog.relationships.insert(name("a"), vec![computed, link("two", "b", true), link("one", "b", false)]);
    let typescript = text(&catalog, Language::TypeScript);
    let keys = part(&typescript, "Relationships: [\n", "        ]\n");
    let told: Vec<_> =
        keys.lines().map(str::trim).filter(|line| line.contains("Name") || line.contains("One")).collect();
    assert_eq!(told, ["foreignKeyName: \"one\"", "isOneToOne: false", "foreignKeyName: \"two\"", "isOneToOne: true"]);
    let row = part(&typescript, "Row: {\n", "        Insert");
    assert!(
        row.contains(
            "          last_b: {\n            id: number\n          } | null\n          loud: string | null\n"
        ),
        "{row}"
    );
    assert!(
        part(&typescript, "Insert: {\n", "Relationships").lines().all(|line| !line.contains("loud")),
        "{typescript}"
    );
    assert!(typescript.contains("public.loud is a computed column of public.a"), "{typescript}");
    let options = part(&typescript, "      last_b: {\n        Args", "      loud:");
    assert!(options.contains("from: \"a\"\n          to: \"b\"\n          isOneToOne: true"), "{options}");
}

fn related(source: &str, target: &str, link: Link) -> Relationship {
    let (source, target) = (name(source), name(target));
    Relationship { source, target, link, is_self: false, source_is_view: false, target_is_view: false, comment: None }
}

#[test]
fn no_name_or_value_ends_a_string_a_line_or_a_comment() {
    let mut table = relation(NASTY, RelationKind::Table, vec![column(NASTY, "integer"), column("type", "text")]);
    table.comment = Some(NASTY.to_owned());
    let functions = vec![function(NASTY, vec![parameter(NASTY, "text", true)], "text")];
    let types = vec![("e", DeclaredType::Enum(vec![NASTY.to_owned(), "A".to_owned(), "a".to_owned()]))];
    let catalog = catalog(vec![table], functions, types, false);
    let typescript = text(&catalog, Language::TypeScript);
    assert!(typescript.contains(r#"e: "a\"'\\\n*/`\u0001" | "A" | "a""#), "{typescript}");
    let python = text(&catalog, Language::Python);
    assert!(python.contains(r#"= Field(alias="a\"'\\\n*/`\u0001")"#), "{python}");
    assert!(python.contains(r#"PublicE: TypeAlias = Literal["a\"'\\\n*/`\u0001", "A", "a"]"#), "{python}");
    let rust = text(&catalog, Language::Rust);
    assert!(rust.contains(r#"#[serde(rename = "a\"'\\\n*/`\u{1}")]"#), "{rust}");
    // Two values of one enum, and two types, that would have the same name.
    assert!(
        rust.contains("        A,\n") && rust.contains("        A2,\n") && rust.contains("        A3,\n"),
        "{rust}"
    );
    assert!(rust.contains("pub r#type: String,") && rust.contains("A row of `a\"'\\ */  `."), "{rust}");
}

#[test]
fn the_order_of_the_catalog_changes_nothing() {
    let make = |turned| {
        let relations = ["b", "a", "B", "a_b", "a1"].map(|name| relation(name, RelationKind::Table, written()));
        let functions = vec![
            function("g", vec![parameter("x", "integer", true)], "text"),
            function("g", vec![parameter("y", "integer", true)], "text"),
            function("f", vec![], "text"),
        ];
        let label = |label: &str| DeclaredType::Enum(vec![label.to_owned()]);
        catalog(relations.to_vec(), functions, vec![("n", label("1")), ("m", label("2"))], turned)
    };
    for language in [Language::TypeScript, Language::Python, Language::Rust] {
        assert_eq!(text(&make(false), language), text(&make(true), language));
    }
}

#[test]
fn a_schema_without_anything_and_one_that_is_not_there() {
    let empty = catalog(vec![], vec![], vec![], false);
    let typescript = generate(&empty, &["public".to_owned(), "gone".to_owned()], Language::TypeScript);
    assert_eq!(typescript.matches("[_ in never]: never").count(), 5);
    assert!(
        typescript.contains("export const Constants = {\n  public: {\n    Enums: {},\n  },\n} as const\n"),
        "{typescript}"
    );
    assert!(!typescript.contains("gone"));
    assert!(text(&empty, Language::Python).ends_with("    model_config = ConfigDict(serialize_by_alias=True)\n"));
    assert!(text(&empty, Language::Rust).ends_with("pub mod public {\n    use super::*;\n}\n"));
}
