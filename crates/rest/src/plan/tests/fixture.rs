//! A small catalog, and requests against it.

use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use ferrobase_base::PublicError;
use ferrobase_catalog::*;
use ferrobase_query::compile;
use ferrobase_query::plan::{Body, JsonForm};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::cursor::CursorKey;
use crate::parse::Dialect;
use crate::plan::{Answer, Estimates, Everything, Planned, Planner, Rules, Sight};
use crate::request::{self, Head, RestRequest, Root};

pub(super) const SCHEMA: &str = "api";

pub(super) fn name(name: &str) -> QualifiedName {
    QualifiedName::new(SCHEMA, name)
}

/// Clients have projects, projects have tasks, people work on tasks through assignments; people have bosses.
pub(super) static CATALOG: LazyLock<Catalog> = LazyLock::new(|| {
    let mut catalog = Catalog::default();
    table(&mut catalog, "clients", &["id integer", "name text"]);
    table(
        &mut catalog,
        "projects",
        &[
            "id integer",
            "name text",
            "client_id integer",
            "data jsonb",
            "colour api.colour",
            "tags text[]",
            "search tsvector",
        ],
    );
    table(
        &mut catalog,
        "tasks",
        &["id integer", "title text", "project_id integer", "lead_id integer", "helper_id integer"],
    );
    table(&mut catalog, "people", &["id integer", "name text", "boss_id integer"]);
    table(&mut catalog, "assignments", &["person_id integer", "task_id integer", "hours integer"]);
    table(&mut catalog, "notes", &["id integer", "body text", "author text"]);
    key(&mut catalog, "assignments", &["person_id", "task_id"]);
    default(&mut catalog, "notes", "id", "nextval('api.notes_id_seq'::regclass)");
    default(&mut catalog, "notes", "body", "'it''s empty'::text");

    foreign_key(&mut catalog, ("projects", "client_id"), ("clients", "id"), "projects_client_id_fkey");
    foreign_key(&mut catalog, ("tasks", "project_id"), ("projects", "id"), "tasks_project_id_fkey");
    foreign_key(&mut catalog, ("tasks", "lead_id"), ("people", "id"), "tasks_lead_id_fkey");
    foreign_key(&mut catalog, ("tasks", "helper_id"), ("people", "id"), "tasks_helper_id_fkey");
    foreign_key(&mut catalog, ("people", "boss_id"), ("people", "id"), "people_boss_id_fkey");
    foreign_key(&mut catalog, ("assignments", "person_id"), ("people", "id"), "assignments_person_id_fkey");
    foreign_key(&mut catalog, ("assignments", "task_id"), ("tasks", "id"), "assignments_task_id_fkey");
    junction(&mut catalog, "tasks", "people");

    let shout = ComputedField { function: name("shout"), type_name: "text".into(), type_class: TypeClass::Scalar };
    relation(&mut catalog, "projects").computed_fields.insert("shout".into(), shout);
    let computed = Link::Computed { function: name("open_tasks"), to_one: false };
    relate(&mut catalog, "projects", "tasks", computed);

    for (from, to) in [("api.colour", "json"), ("text", "api.colour"), ("json", "api.colour")] {
        let function = format!("api.\"{from} to {to}\"").replace("api.colour", "colour");
        let known = Representation { source_type: from.into(), target_type: to.into(), function };
        catalog.representations.insert((from.into(), to.into()), known);
    }
    functions(&mut catalog);
    table(
        &mut catalog,
        "shops",
        &["id integer", "place gis.geography(Point,4326)", "spot gis.geometry(Point,4326)", "plan gis.geometry"],
    );
    catalog.extensions.insert("pg_trgm".to_owned(), "odd \"schema".to_owned());
    catalog.extensions.insert("postgis".to_owned(), "gis".to_owned());
    catalog
});

fn functions(catalog: &mut Catalog) {
    let scalar = |name: &str| Returns {
        shape: ReturnShape::Scalar(QualifiedName::new("pg_catalog", name)),
        ..Returns::default()
    };
    let rows = |set| {
        let relation = Some(name("projects"));
        Returns {
            set,
            shape: ReturnShape::Row { type_name: name("projects"), relation, is_domain: false },
            ..Returns::default()
        }
    };
    function(catalog, "add", &["a integer", "b integer"], scalar("int4"), Volatility::Immutable);
    function(catalog, "add", &["a integer", "b integer", "c integer"], scalar("int4"), Volatility::Immutable);
    function(catalog, "overloaded", &["x integer"], scalar("int4"), Volatility::Volatile);
    function(catalog, "overloaded", &["x text"], scalar("int4"), Volatility::Volatile);
    function(catalog, "projects_of", &["client integer"], rows(true), Volatility::Stable);
    function(catalog, "main_project", &[], rows(false), Volatility::Stable);
    function(catalog, "noted", &["id integer", "body text?"], scalar("int4"), Volatility::Volatile);
    function(catalog, "joined", &["sep text", "words text[]..."], scalar("text"), Volatility::Immutable);
    function(catalog, "store", &[" json"], scalar("json"), Volatility::Volatile);
    function(catalog, "upload", &[" bytea"], Returns::default(), Volatility::Volatile);
}

fn table(catalog: &mut Catalog, table: &str, columns: &[&str]) {
    let columns = columns.iter().enumerate().map(|(position, column)| {
        let (name, declared) = column.split_once(' ').unwrap();
        let type_class = match declared {
            "jsonb" => TypeClass::Jsonb,
            "tsvector" => TypeClass::TsVector,
            array if array.ends_with("[]") => TypeClass::Array,
            _ => TypeClass::Scalar,
        };
        let column = Column {
            name: name.to_owned(),
            position: position as i16 + 1,
            base_type: declared.to_owned(),
            declared_type: declared.to_owned(),
            type_class,
            comparable: true,
            ..Column::default()
        };
        (name.to_owned(), column)
    });
    let relation = Relation {
        name: name(table),
        columns: columns.collect(),
        primary_key: vec!["id".to_owned()],
        insertable: true,
        updatable: true,
        deletable: true,
        ..Relation::default()
    };
    catalog.relations.insert(name(table), Arc::new(relation));
}

fn relation<'c>(catalog: &'c mut Catalog, relation: &str) -> &'c mut Relation {
    Arc::get_mut(&mut catalog.relations[&name(relation)]).unwrap()
}

fn key(catalog: &mut Catalog, table: &str, columns: &[&str]) {
    relation(catalog, table).primary_key = columns.iter().map(|column| (*column).to_owned()).collect();
}

fn default(catalog: &mut Catalog, table: &str, column: &str, default: &str) {
    relation(catalog, table).columns[column].default = Some(default.to_owned());
}

fn relate(catalog: &mut Catalog, source: &str, target: &str, link: Link) {
    let relationship = Relationship {
        source: name(source),
        target: name(target),
        link,
        is_self: source == target,
        source_is_view: false,
        target_is_view: false,
        comment: None,
    };
    catalog.relationships.entry(name(source)).or_default().push(relationship);
}

fn foreign_key(catalog: &mut Catalog, from: (&str, &str), to: (&str, &str), constraint: &str) {
    let constraint = constraint.to_owned();
    let there = vec![(from.1.to_owned(), to.1.to_owned())];
    let back = vec![(to.1.to_owned(), from.1.to_owned())];
    relate(catalog, from.0, to.0, Link::ManyToOne { constraint: constraint.clone(), columns: there });
    relate(catalog, to.0, from.0, Link::OneToMany { constraint, columns: back });
}

fn junction(catalog: &mut Catalog, source: &str, target: &str) {
    let junction = Junction {
        table: name("assignments"),
        source_constraint: "assignments_task_id_fkey".into(),
        target_constraint: "assignments_person_id_fkey".into(),
        source_columns: vec![("id".into(), "task_id".into())],
        target_columns: vec![("id".into(), "person_id".into())],
    };
    relate(catalog, source, target, Link::ManyToMany(junction));
}

fn function(catalog: &mut Catalog, function: &str, parameters: &[&str], returns: Returns, volatility: Volatility) {
    let parameters = parameters.iter().map(|parameter| {
        let (parameter_name, declared) = parameter.split_once(' ').unwrap();
        let plain = declared.trim_end_matches("...").trim_end_matches('?');
        Parameter {
            name: parameter_name.to_owned(),
            type_name: plain.to_owned(),
            type_name_unbounded: plain.to_owned(),
            required: !declared.ends_with('?'),
            variadic: declared.ends_with("..."),
        }
    });
    let known =
        Function { name: name(function), parameters: parameters.collect(), returns, volatility, ..Function::default() };
    catalog.functions.entry(name(function)).or_default().push(Arc::new(known));
}

/// The rules of `serve`.
pub(super) fn rules() -> Rules {
    Rules {
        max_rows: Some(1000),
        aggregates: true,
        target_names: false,
        max_embed_depth: 10,
        estimates: Estimates::CountedUpTo(5000),
        refuse_registry_casts: true,
        extensions: true,
        cursor_key: CursorKey::derived_from(None),
        refuse_unwritable: true,
    }
}

/// A request line, fields and body: `GET /projects?select=id`.
#[derive(Clone, Copy, Default)]
pub(super) struct Asked<'a> {
    pub(super) line: &'a str,
    pub(super) fields: &'a [(&'a str, &'a str)],
    pub(super) body: &'a str,
}

impl Asked<'_> {
    pub(super) fn read(self) -> Result<RestRequest, PublicError> {
        let (method, target) = self.line.split_once(' ').unwrap();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut headers = HeaderMap::new();
        for (field, value) in self.fields {
            headers.append(HeaderName::try_from(*field).unwrap(), HeaderValue::try_from(*value).unwrap());
        }
        let rules = request::Rules {
            schemas: vec![SCHEMA.to_owned()],
            tx_override: false,
            root: Root::Description,
            document: false,
            reserved: Vec::new(),
            dialect: Dialect::Extended,
        };
        let method = Method::try_from(method).unwrap();
        let head = Head { method: &method, path, query, headers: &headers };
        Ok(RestRequest::read(head, &Bytes::copy_from_slice(self.body.as_bytes()), &rules)?)
    }

    pub(super) fn plan(self, rules: &Rules, sight: &dyn Sight) -> Result<Planned, PublicError> {
        let request = self.read()?;
        let planner = Planner { catalog: &CATALOG, schema: SCHEMA, rules, sight };
        let mut planned = planner.plan(&request)?;
        let singular = request.accept.iter().any(crate::media::MediaType::is_singular);
        let form = if singular { JsonForm::Object } else { JsonForm::List };
        planned.answer(Answer { body: Body::Json { form, strip_nulls: false }, singular, explain: None });
        Ok(planned)
    }

    /// What becomes of the request, for a snapshot.
    pub(super) fn told(self, rules: &Rules, sight: &dyn Sight) -> String {
        let mut out = self.line.to_owned();
        for (field, value) in self.fields {
            let _ = write!(out, "\n{field}: {value}");
        }
        if !self.body.is_empty() {
            let _ = write!(out, "\n{}", self.body);
        }
        match self.plan(rules, sight) {
            Ok(planned) => {
                let statement = compile(&planned.query).unwrap().statement;
                // What every statement begins and most end with says nothing here.
                let sql = statement.sql.replace(RESPONSE_SETTINGS, "");
                let _ = write!(out, "\n    {sql}");
                for value in &statement.params {
                    let value = value.as_deref().map_or("NULL".into(), String::from_utf8_lossy);
                    let _ = write!(out, "\n    -- {value}");
                }
            }
            Err(error) => {
                let _ = write!(out, "\n    {:?} {error}", error.kind);
                if let Some(details) = &error.details {
                    let _ = write!(out, "\n    details: {details}");
                }
                if let Some(hint) = &error.hint {
                    let _ = write!(out, "\n    hint: {hint}");
                }
            }
        }
        out.push_str("\n\n");
        out
    }
}

const RESPONSE_SETTINGS: &str =
    ", nullif(current_setting('response.headers', true), ''), nullif(current_setting('response.status', true), '')";

/// A table of GET requests.
pub(super) fn gets(targets: &[&str]) -> String {
    let asked = |target: &&str| {
        let line = format!("GET {target}");
        Asked { line: &line, ..Asked::default() }.told(&rules(), &Everything)
    };
    targets.iter().map(asked).collect()
}
