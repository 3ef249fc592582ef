//! The outer select: counts, body, what SQL code set for the response, guard.

use ferrobase_catalog::QualifiedName;

use super::bulk;
use super::condition::ParameterText;
use super::mutation::{self, inserted, location};
use super::read::{Level, Origin};
use super::{CompileError, Compiler, SOURCE, call, call_is_shared, cte};
use crate::guard::Refusal;
use crate::plan::{
    Body, Call, CsvForm, Explain, Guard, JsonForm, Mutation, Precondition, Query, Returned, SCALAR, Source,
};
use crate::sql::{Sql, array_literal};
use crate::statement::Layout;
use crate::tag;

/// Alias of the rows of the answer.
const ANSWER: &str = "fb";
/// CTE of the rows, where two parts of the outer select read them.
const ROWS: &str = "fb_rows";

/// What SQL code may have set for the response.
pub(super) const RESPONSE_SETTINGS: &str =
    ", nullif(current_setting('response.headers', true), ''), nullif(current_setting('response.status', true), '')";

/// The same as a statement of its own, for answers that begin before their rows are known.
pub(super) const SETTINGS_SO_FAR: &str = "SELECT nullif(current_setting('response.headers', true), ''), \
                                          nullif(current_setting('response.status', true), '')";

/// Which column is what.
pub(super) fn layout(query: &Query) -> Layout {
    match (&query.mutation, &query.keyset) {
        (Some(Mutation::UpdateEach(_)), _) => Layout::UPDATE_EACH,
        (Some(_), _) => Layout::MUTATION,
        (None, Some(_)) => Layout::PAGE,
        (None, None) => Layout::READ,
    }
}

impl Compiler {
    /// The whole statement.
    pub(super) fn statement(&mut self, query: &Query) -> Result<Sql, CompileError> {
        if let Some(keyset) = &query.keyset {
            return self.page(query, keyset);
        }
        let mut ctes = Vec::new();
        let origin = self.source_cte(query, &mut ctes)?;
        // Without a body the columns of a mutation are not even looked at: a role may write what it cannot read.
        let blind = query.mutation.is_some() && query.body == Body::None && query.precondition.is_none();
        let rows = if blind {
            let mut all = Sql::of("SELECT 1 FROM ");
            all.ident(SOURCE);
            all
        } else {
            self.rows(&query.read, origin, Level::ROOT)?
        };
        let total = self.total(query, origin)?;

        let mut columns = vec![total, page(query)];
        columns.extend(location_column(query));
        columns.push(body(&query.body, query));
        let shows_lines = is_csv(&query.body) || tagged(query).is_some_and(|check| is_csv(&check.body));
        let from = from_rows(rows, shows_lines, &mut ctes);
        let mut out = with(ctes);
        out.push("SELECT ").join(columns, ", ").push(RESPONSE_SETTINGS);
        if let Some(mutation) = &query.mutation {
            out.push(", ").append(inserted_column(mutation));
        }
        if let Some(Mutation::UpdateEach(update)) = &query.mutation {
            out.push(", ").append(bulk::missing()).push(", ").append(bulk::guard(update));
        }
        if let Some(check) = &query.precondition {
            out.push(", ").append(precondition(check, query));
        }
        if !is_single(query)
            && let Some(guard) = guard(query)?
        {
            out.push(", ").append(guard);
        }
        out.push(" FROM ").append(from).push(" AS ").ident(ANSWER);
        Ok(out)
    }

    /// The precondition of a read alone.
    pub(super) fn check(&mut self, query: &Query) -> Result<Sql, CompileError> {
        let mut ctes = Vec::new();
        let rows = self.rows(&query.read, Origin::Root, Level::ROOT)?;
        let shows_lines = tagged(query).is_some_and(|check| is_csv(&check.body));
        let from = from_rows(rows, shows_lines, &mut ctes);
        let mut out = with(ctes);
        out.push("SELECT ").append(match &query.precondition {
            Some(check) => precondition(check, query),
            None => Sql::of("NULL"),
        });
        out.push(" FROM ").append(from).push(" AS ").ident(ANSWER);
        Ok(out)
    }

    /// The rows one by one.
    pub(super) fn lines(&mut self, query: &Query) -> Result<Sql, CompileError> {
        let rows = self.rows(&query.read, Origin::Root, Level::ROOT)?;
        let mut out = Sql::of("SELECT ");
        out.append(line(query)).push(" FROM (").append(rows).push(") AS ").ident(ANSWER);
        Ok(out)
    }

    /// The number of all rows.
    pub(super) fn counted(&mut self, query: &Query) -> Result<Sql, CompileError> {
        let mut out = Sql::of("SELECT count(*) FROM (");
        out.append(self.matching_root(&query.read, Origin::Root)?);
        if let Some(bound) = query.count.at_most {
            out.push(" LIMIT ").value(bound.parameter_text());
        }
        out.push(") AS counted");
        Ok(out)
    }

    /// Writes the CTE that the root reads, where there is one.
    fn source_cte(&mut self, query: &Query, ctes: &mut Vec<Sql>) -> Result<Origin<'static>, CompileError> {
        if let Some(mutation) = &query.mutation {
            // The mutation's own aliases are out of sight of the rest: names may repeat there.
            ctes.extend(Self::default().mutation(mutation)?);
            return Ok(Origin::Cte);
        }
        if let (true, Source::Function(function)) = (call_is_shared(query), &query.read.source) {
            ctes.push(cte(SOURCE, call::select_call(function, &query.read.name)));
            return Ok(Origin::Cte);
        }
        Ok(Origin::Root)
    }

    /// The number of all rows, where it was asked for.
    pub(super) fn total(&mut self, query: &Query, origin: Origin<'_>) -> Result<Sql, CompileError> {
        if !query.count.exact || query.mutation.is_some() {
            return Ok(Sql::of("NULL"));
        }
        if query.read.window.is_all() && query.count.at_most.is_none() {
            return Ok(page(query));
        }
        let mut out = Sql::of("(SELECT count(*) FROM (");
        out.append(self.matching_root(&query.read, origin)?);
        if let Some(bound) = query.count.at_most {
            out.push(" LIMIT ").value(bound.parameter_text());
        }
        out.push(") AS counted)");
        Ok(out)
    }
}

/// `EXPLAIN (...) `.
pub(super) fn explain(out: &mut Sql, options: &Explain) {
    out.push(if options.json { "EXPLAIN (FORMAT JSON" } else { "EXPLAIN (FORMAT TEXT" });
    for (wanted, option) in [
        (options.analyze, ", ANALYZE"),
        (options.verbose, ", VERBOSE"),
        (options.settings, ", SETTINGS"),
        (options.buffers, ", BUFFERS"),
        (options.wal, ", WAL"),
    ] {
        if wanted {
            out.push(option);
        }
    }
    out.push(") ");
}

/// `WITH ... `, where there is any.
fn with(ctes: Vec<Sql>) -> Sql {
    let mut out = Sql::new();
    if !ctes.is_empty() {
        out.push("WITH ").join(ctes, ", ").push(" ");
    }
    out
}

/// The rows in FROM: in place, or in a CTE where header and lines both read them.
fn from_rows(rows: Sql, shows_lines: bool, ctes: &mut Vec<Sql>) -> Sql {
    let mut from = Sql::new();
    if shows_lines {
        ctes.push(cte(ROWS, rows));
        from.ident(ROWS);
    } else {
        from.push("(").append(rows).push(")");
    }
    from
}

/// The precondition, where it looks at more than the number of rows.
fn tagged(query: &Query) -> Option<&Precondition> {
    query.precondition.as_ref().filter(|check| check.tags.is_some())
}

fn call_of(query: &Query) -> Option<&Call> {
    match &query.read.source {
        Source::Function(call) => Some(call),
        Source::Table(_) | Source::Derived => None,
    }
}

/// Whether the answer is the one value of a function.
fn is_single(query: &Query) -> bool {
    call_of(query).is_some_and(|call| !call.returned.set)
}

/// The number of rows of the answer.
fn page(query: &Query) -> Sql {
    Sql::of(if is_single(query) { "1" } else { "count(*)" })
}

fn location_column(query: &Query) -> Option<Sql> {
    match query.mutation.as_ref()? {
        Mutation::Insert(insert) if !insert.location.is_empty() => Some(location(&insert.location)),
        Mutation::Insert(_)
        | Mutation::Update(_)
        | Mutation::UpdateEach(_)
        | Mutation::Delete(_)
        | Mutation::Pick(_) => Some(Sql::of("NULL")),
    }
}

fn inserted_column(mutation: &Mutation) -> Sql {
    match mutation {
        Mutation::Insert(insert) if insert.conflict.is_some() => inserted(),
        Mutation::Insert(_)
        | Mutation::Update(_)
        | Mutation::UpdateEach(_)
        | Mutation::Delete(_)
        | Mutation::Pick(_) => Sql::of("NULL"),
    }
}

fn body(body: &Body, query: &Query) -> Sql {
    let returned = call_of(query).map(|call| call.returned);
    match body {
        Body::None => Sql::of("NULL"),
        Body::Json { form, strip_nulls } => json(*form, *strip_nulls, returned),
        Body::Csv(form) => csv(*form),
        Body::Lines => lines(query),
        Body::GeoJson => {
            let mut out =
                Sql::of("json_build_object('type', 'FeatureCollection', 'features', coalesce(json_agg(ST_AsGeoJSON(");
            out.row(ANSWER).push(")::json), '[]'))");
            out
        }
        Body::Custom { function, row_type } => custom(function, row_type.as_ref(), returned),
    }
}

fn json(form: JsonForm, strip_nulls: bool, returned: Option<Returned>) -> Sql {
    let mut list = Sql::of(if strip_nulls { "json_strip_nulls(json_agg(" } else { "json_agg(" });
    if returned.is_some_and(|returned| returned.scalar) {
        list.column(ANSWER, SCALAR);
    } else {
        list.row(ANSWER);
    }
    list.push(if strip_nulls { "))" } else { ")" });
    let is_single = returned.is_some_and(|returned| !returned.set);
    let mut out = Sql::of("coalesce(");
    if form == JsonForm::Object || is_single {
        out.append(list).push("->0, 'null')");
    } else {
        out.append(list).push(", '[]')");
    }
    out
}

/// A row as JSON text.
fn line(query: &Query) -> Sql {
    let mut out = Sql::new();
    if call_of(query).is_some_and(|call| call.returned.scalar) {
        out.push("coalesce(to_json(").column(ANSWER, SCALAR).push(")::text, 'null')");
    } else {
        out.push("row_to_json(").row(ANSWER).push(")::text");
    }
    out
}

/// All of them. A line feed of `json` stands between tokens and becomes a blank.
fn lines(query: &Query) -> Sql {
    let mut out = Sql::of("coalesce(string_agg(translate(");
    out.append(line(query)).push(", E'\\n\\r', '  ') || E'\\n', ''), '')");
    out
}

/// Header and lines. Field names come from the rows, because only PostgreSQL knows what `*` is.
fn csv(form: CsvForm) -> Sql {
    let (name, first, [single, end]) = match form {
        // Where there is no row, names come from one of NULLs. In the text of a record a value stands in quotes where RFC 4180
        // wants it, but its backslashes are doubled.
        CsvForm::Standard => (
            "CASE WHEN translate(names.name, E'\",\\n\\r', '') <> names.name \
             THEN '\"' || pg_catalog.replace(names.name, '\"', '\"\"') || '\"' ELSE names.name END",
            "fb_rows.* FROM (SELECT) AS one LEFT JOIN fb_rows ON true",
            ["pg_catalog.replace(", ", E'\\\\\\\\', E'\\\\')"],
        ),
        CsvForm::Record => ("names.name", "* FROM fb_rows", ["", ""]),
    };
    let mut out = Sql::of("(SELECT coalesce(string_agg(");
    out.push(name).push(", ','), '') FROM (SELECT json_object_keys(row_to_json(");
    out.row("first").push(")) AS name FROM (SELECT ").push(first).push(" LIMIT 1) AS first) AS names)");
    out.push(" || E'\\n' || coalesce(string_agg(").push(single).push("substring((").row(ANSWER);
    out.push(")::text, 2, length((").row(ANSWER).push(")::text) - 2)").push(end).push(", E'\\n'), '')");
    out
}

fn is_csv(body: &Body) -> bool {
    matches!(body, Body::Csv(_))
}

fn custom(function: &QualifiedName, row_type: Option<&QualifiedName>, returned: Option<Returned>) -> Sql {
    let mut out = Sql::new();
    out.qualified(function).push("(");
    if returned.is_some_and(|returned| returned.scalar && !returned.set) {
        out.column(ANSWER, SCALAR);
    } else if let Some(row_type) = row_type {
        out.push("(").row(ANSWER).push(")::").qualified(row_type);
    } else {
        out.row(ANSWER);
    }
    out.push(")");
    out
}

/// A value that cannot be computed when the rows are not what the caller saw; see [`crate::guard`].
fn precondition(check: &Precondition, query: &Query) -> Sql {
    let mut out = Sql::of("CASE WHEN count(*) = 0");
    if let Some(tags) = &check.tags {
        let tags = array_literal(tags.iter().map(String::as_str));
        // What cannot be compared does not match.
        out.push(" OR NOT coalesce(").append(tag::sql(&check.media, body(&check.body, query)));
        out.push(" = ANY (").text(&tags).push("::text[]), false)");
    }
    out.push(" THEN (").push(Refusal::Precondition.text()).push(" || count(*))::int END");
    out
}

/// A value that cannot be computed when the number of rows is wrong; see [`crate::guard`].
fn guard(query: &Query) -> Result<Option<Sql>, CompileError> {
    let is_narrowed = query.mutation.is_some() && query.read.is_narrowed();
    guard_of(&query.guard, query.mutation.as_ref(), if is_narrowed { WRITTEN } else { SHOWN })
}

/// The number of rows that are shown.
pub(super) const SHOWN: &str = "count(*)";
/// The number of rows that were written, where the answer may show fewer.
const WRITTEN: &str = "(SELECT count(*) FROM fb_source)";

/// The same for what a mutation returned; `counted` is what is counted.
pub(super) fn guard_of(
    guard: &Guard,
    mutation: Option<&Mutation>,
    counted: &'static str,
) -> Result<Option<Sql>, CompileError> {
    let mut out = Sql::of("CASE");
    let mut refuse = |condition: Sql, counted: &'static str, refusal: Refusal| {
        out.push(" WHEN ").append(condition).push(" THEN (").push(refusal.text());
        out.push(" || ").push(counted).push(")::int");
    };
    let not_one = |counted: &'static str| {
        let mut out = Sql::of(counted);
        out.push(" <> 1");
        out
    };
    if let (true, Some(Mutation::Insert(insert))) = (guard.absent, mutation) {
        // There was a row to insert, and the one that is there kept its place.
        let mut condition = not_one(counted);
        condition.push(" AND ").append(mutation::gives_row(insert)?);
        refuse(condition, counted, Refusal::Exists);
    }
    if guard.matching {
        refuse(not_one(counted), counted, Refusal::NotMatching);
    }
    if guard.single {
        refuse(not_one(counted), counted, Refusal::NotSingular);
        if counted != SHOWN {
            refuse(not_one(SHOWN), SHOWN, Refusal::NotSingular);
        }
    }
    if let Some(most) = guard.at_most {
        let mut condition = Sql::of(counted);
        condition.push(" > ").value(most.to_string());
        refuse(condition, counted, Refusal::TooMany);
    }
    if *guard == Guard::default() {
        return Ok(None);
    }
    out.push(" END");
    Ok(Some(out))
}
