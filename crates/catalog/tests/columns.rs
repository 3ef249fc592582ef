//! Relations, their columns, keys and what can be written.

use ferrobase_catalog::{RelationKind, Scope, TypeClass};

use crate::{assert_lines, describe, load};

const FIXTURE: &str = include_str!("fixtures/columns.sql");

#[tokio::test]
async fn columns_are_described_with_domains_followed_and_names_qualified() {
    let database = crate::database(FIXTURE).await;
    let catalog = load(&database, &Scope::default()).await;
    let things = catalog.relation("public", "things").unwrap();
    let lines: Vec<String> = things.columns.values().map(describe::column).collect();
    assert_lines(
        &lines,
        &[
            "id null=0 type=integer nominal=integer max=None default=nextval('public.things_id_seq') enum= comment=None",
            "code null=0 type=integer nominal=integer max=None default=None enum= comment=None",
            "serial_no null=0 type=integer nominal=integer max=None default=nextval('public.things_serial_no_seq'::regclass) enum= comment=None",
            "name null=0 type=character varying nominal=character varying(20) max=20 default='x'::character varying enum= comment=None",
            "flag null=1 type=bit nominal=bit(3) max=3 default=None enum= comment=None",
            "fixed null=1 type=character nominal=character(4) max=4 default=None enum= comment=None",
            "loose null=1 type=character nominal=bpchar max=None default=None enum= comment=None",
            "price null=1 type=numeric nominal=numeric(8,2) max=None default=None enum= comment=None",
            "nick null=1 type=character varying nominal=public.short max=10 default='none'::character varying enum= comment=None",
            "nick2 null=0 type=character varying nominal=public.shorter max=10 default='none'::character varying enum= comment=None",
            "nick3 null=1 type=character varying nominal=public.short max=10 default='mine'::character varying enum= comment=None",
            "feeling null=1 type=public.mood nominal=public.mood max=None default='ok'::public.mood enum=sad,ok,happy ☺ comment=None",
            "feelings null=1 type=public.mood[] nominal=public.mood[] max=None default=None enum= comment=None",
            "many null=1 type=public.moods nominal=public.moods max=None default=None enum= comment=None",
            "data null=1 type=json nominal=json max=None default=None enum= comment=None",
            "body null=1 type=jsonb nominal=public.doc max=None default=None enum= comment=None",
            "tags null=1 type=text[] nominal=text[] max=None default=None enum= comment=None",
            "spot null=1 type=public.pair nominal=public.pair max=None default=None enum= comment=None",
            "words null=1 type=tsvector nominal=tsvector max=None default=None enum= comment=None",
            "unit null=1 type=\"other schema\".\"Ünit\" nominal=\"other schema\".\"Ünit\" max=None default=None enum=m,km comment=None",
            "made null=0 type=timestamp with time zone nominal=timestamp with time zone max=None default=now() enum= comment=None",
            "doubled null=1 type=integer nominal=integer max=None default=None enum= comment=None",
            "we ird \"näme% null=1 type=text nominal=text max=None default=None enum= comment=odd",
        ],
    );
    assert_eq!(things.comment.as_deref(), Some("Things's\ncomment"));
    // Dropped columns leave a hole in the numbers, not in the list.
    assert_eq!(things.columns[1].position, 3);
}

#[tokio::test]
async fn planning_sees_base_types_classes_and_who_writes() {
    let database = crate::database(FIXTURE).await;
    let catalog = load(&database, &Scope::default()).await;
    let things = catalog.relation("public", "things").unwrap();
    let plain = ["serial_no", "flag", "price", "made", "fixed", "loose"];
    let lines: Vec<String> = things
        .columns
        .values()
        .filter(|column| !plain.contains(&column.name.as_str()))
        .map(describe::planned)
        .collect();
    assert_lines(
        &lines,
        &[
            "id: integer Scalar by default",
            "code: integer Scalar always",
            "name: character varying(20) Scalar",
            "nick: character varying(10) Scalar",
            "nick2: character varying(10) Scalar",
            "nick3: character varying(10) Scalar",
            "feeling: public.mood Scalar",
            "feelings: public.mood[] Array",
            "many: public.mood[] Array",
            "data: json Json",
            "body: jsonb Jsonb",
            "tags: text[] Array",
            "spot: public.pair Composite",
            "words: tsvector TsVector",
            "unit: \"other schema\".\"Ünit\" Scalar",
            "doubled: integer Scalar computed",
            "we ird \"näme%: text Scalar",
        ],
    );
    assert_eq!(things.column("body").unwrap().type_oid, 3802);
    assert_eq!(things.column("missing").map(|c| c.type_class), None::<TypeClass>);
}

#[tokio::test]
async fn relations_of_every_kind_say_what_can_be_written() {
    let database = crate::database(FIXTURE).await;
    let catalog = load(&database, &Scope::default()).await;
    let lines: Vec<String> =
        catalog.relations.values().map(|r| format!("{:?} {}", r.kind, describe::relation(r))).collect();
    assert_lines(
        &lines,
        &[
            "Table table public.UPPER view=0 iud=111 pk= comment=None",
            "ForeignTable table public.file_lines view=0 iud=000 pk= comment=None",
            "View table public.grouped view=1 iud=000 pk= comment=None",
            "MaterializedView table public.kept view=1 iud=000 pk=id comment=None",
            "PartitionedTable table public.measured view=0 iud=111 pk=day,place comment=None",
            "View table public.shown view=1 iud=111 pk=id comment=None",
            "Table table public.things view=0 iud=111 pk=id comment=Things's\\ncomment",
            "View table public.triggered view=1 iud=100 pk= comment=None",
            "Table table public.täble \" with.dots view=0 iud=111 pk=a b comment=None",
        ],
    );
    assert!(catalog.relations.values().all(|relation| relation.kind != RelationKind::View || relation.is_view()));
    let shown = catalog.relation("public", "shown").unwrap();
    assert_eq!(shown.column("title").unwrap().default.as_deref(), Some("'from the view'::character varying"));
    // Key order, not name order.
    assert_eq!(catalog.relation("public", "measured").unwrap().primary_key, ["place", "day"]);
}

#[tokio::test]
async fn unique_keys_are_those_that_on_conflict_can_name() {
    let database = crate::database(FIXTURE).await;
    let catalog = load(&database, &Scope::default()).await;
    let table = catalog.relation("public", "täble \" with.dots").unwrap();
    assert_eq!(table.primary_key, ["a b"]);
    let mut keys = table.unique_keys.clone();
    keys.sort();
    assert_eq!(keys, [vec!["c.d"], vec!["e,f"], vec!["e,f", "a b"]]);
}

#[tokio::test]
async fn only_exposed_schemas_are_loaded_and_missing_ones_are_named() {
    let database = crate::database(FIXTURE).await;
    let catalog = load(&database, &Scope::exposing(["other schema", "not there", "pg_catalog"])).await;
    assert_eq!(catalog.relations.keys().map(ToString::to_string).collect::<Vec<_>>(), ["other schema.things"]);
    assert_eq!(catalog.missing_schemas, ["not there", "pg_catalog"]);
    assert!(catalog.schemas.contains_key("public") && !catalog.schemas.contains_key("pg_catalog"));
}

#[tokio::test]
async fn declared_types_are_named_with_their_values_fields_and_bases() {
    let database = crate::database(FIXTURE).await;
    let catalog = load(&database, &Scope::default()).await;
    let lines: Vec<String> = catalog.types.iter().map(|(name, declared)| format!("{name} {declared:?}")).collect();
    assert_lines(
        &lines,
        &[
            r#"other schema.Ünit Enum(["m", "km"])"#,
            r#"public.doc Domain("jsonb")"#,
            r#"public.mood Enum(["sad", "ok", "happy ☺"])"#,
            r#"public.moods Domain("public.mood[]")"#,
            r#"public.pair Composite([Field { name: "a", type_name: "integer" }, Field { name: "b", type_name: "text" }])"#,
            r#"public.short Domain("character varying(10)")"#,
            r#"public.shorter Domain("character varying(10)")"#,
        ],
    );
}

#[tokio::test]
async fn columns_of_views_that_show_an_expression_are_read_only_where_it_is_asked() {
    let database = crate::database(FIXTURE).await;
    let asked = Scope { view_columns: true, ..Scope::default() };
    for (scope, expected) in [(asked, &["loud"][..]), (Scope::default(), &[])] {
        let catalog = load(&database, &scope).await;
        let view = catalog.relation("public", "shown").unwrap();
        let found: Vec<&str> = view.columns.values().filter(|c| c.read_only).map(|c| c.name.as_str()).collect();
        assert_eq!(found, expected);
    }
}

#[tokio::test]
async fn what_rules_or_triggers_write_takes_no_on_conflict() {
    let sql = "create table plain (id int primary key);
        create table ruled (id int primary key);
        create rule also as on update to ruled do also select 1;
        create table deleted (id int primary key);
        create rule kept as on delete to deleted do instead nothing;
        create view shown as select id from plain;
        create view summed as select count(*) from plain;
        create view written as select id from plain;
        create view watched as select id from plain;
        create function nothing() returns trigger language plpgsql as $$ begin return new; end $$;
        create trigger on_insert instead of insert on written for each row execute function nothing();
        create trigger on_delete instead of delete on watched for each row execute function nothing();
        create trigger before before insert on plain for each row execute function nothing()";
    let database = crate::database(sql).await;
    let catalog = load(&database, &Scope::default()).await;
    for (name, upsertable) in [
        ("plain", true),
        ("ruled", false),
        ("deleted", true),
        ("shown", true),
        ("summed", false),
        ("written", false),
        ("watched", true),
    ] {
        assert_eq!(catalog.relation("public", name).unwrap().upsertable, upsertable, "{name}");
    }
}
