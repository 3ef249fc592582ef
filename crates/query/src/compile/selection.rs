//! Rows as columns, with the template that makes JSON of them again: a statement of its own, or records below another row.
//!
//! Records are in binary format. There a value comes as it is where we know its type's binary form, as the text of its
//! output function where we know what JSON that is, else as JSON (docs/adr/0020). The columns of a statement come as text, but
//! for records and what is simpler in binary format.

use ferrobase_catalog::{Catalog, Relation};

use super::Compiler;
use super::drawn::presented;
use super::field;
use super::read::Level;
use crate::plan::{Field, Scalar};
use crate::records::{MOST_FIELDS, RECORD, RECORDS};
use crate::shown::{Form, Shown};
use crate::sql::Sql;
use crate::template::Template;

/// A select list with what stands around it.
pub(super) struct Selection {
    /// What stands before the list.
    pub(super) distinct: Sql,
    /// The list, as long as what is shown.
    pub(super) columns: Vec<Sql>,
    /// ` FROM ...` to the end.
    pub(super) rest: Sql,
    pub(super) template: Template,
}

impl Selection {
    /// As a statement.
    pub(super) fn statement(self) -> (Sql, Template) {
        let Self { distinct, mut columns, rest, template } = self;
        if columns.is_empty() {
            // Only how many rows there are.
            columns.push(Sql::of("1"));
        }
        let mut out = Sql::of("SELECT ");
        out.append(distinct).join(columns, ", ").append(rest);
        (out, template)
    }

    /// As an array of records; none where a record cannot have so many fields.
    pub(super) fn records(self) -> Option<(Sql, Shown)> {
        self.below("ARRAY(SELECT ", RECORDS)
    }

    /// As one record, or NULL: of one row at most.
    pub(super) fn record(self) -> Option<(Sql, Shown)> {
        self.below("(SELECT ", RECORD)
    }

    fn below(self, open: &'static str, type_oid: u32) -> Option<(Sql, Shown)> {
        let Self { distinct, columns, rest, template } = self;
        if columns.len() > MOST_FIELDS {
            return None;
        }
        let mut out = Sql::of(open);
        out.append(distinct).push("ROW(").join(columns, ", ").push(")").append(rest).push(")");
        Some((out, Shown { type_oid, form: Form::Below(Box::new(template)) }))
    }
}

/// The columns so far, and the row that they are of.
pub(super) struct Columns<'c> {
    pub(super) catalog: &'c Catalog,
    relation: &'c Relation,
    pub(super) alias: String,
    pub(super) level: Level,
    /// Of a record, not of the statement.
    in_record: bool,
    pub(super) sql: Vec<Sql>,
    pub(super) shown: Vec<Shown>,
    known: Vec<Option<(Field, Scalar)>>,
}

impl<'c> Columns<'c> {
    pub(super) fn of(
        catalog: &'c Catalog,
        relation: &'c Relation,
        (alias, level): (&str, Level),
        in_record: bool,
    ) -> Self {
        let alias = alias.to_owned();
        Self { catalog, relation, alias, level, in_record, sql: Vec::new(), shown: Vec::new(), known: Vec::new() }
    }

    pub(super) fn add(&mut self, sql: Sql, shown: Shown) -> usize {
        self.sql.push(sql);
        self.shown.push(shown);
        self.known.push(None);
        self.sql.len() - 1
    }

    /// The names of all columns of the relation.
    pub(super) fn names(&self) -> Vec<&'c str> {
        self.relation.columns.keys().map(String::as_str).collect()
    }

    fn column(&self, of: &Field) -> Option<&'c ferrobase_catalog::Column> {
        (of.path.is_empty() && of.convert.is_none()).then(|| self.relation.columns.get(&of.name)).flatten()
    }
}

impl Compiler {
    /// The column of a value, which may be there already.
    pub(super) fn value(&mut self, columns: &mut Columns<'_>, of: &Field, scalar: &Scalar) -> usize {
        let is_it = |known: &Option<(Field, Scalar)>| known.as_ref().is_some_and(|(f, s)| f == of && s == scalar);
        if let Some(index) = columns.known.iter().position(is_it) {
            return index;
        }
        let (sql, shown) = self.sent(columns, of, scalar);
        let index = columns.add(sql, shown);
        columns.known[index] = Some((of.clone(), scalar.clone()));
        index
    }

    /// How a value comes.
    fn sent(&mut self, columns: &Columns<'_>, of: &Field, scalar: &Scalar) -> (Sql, Shown) {
        let plain = field::field(&columns.alias, of);
        let sent = columns.column(of).and_then(|column| match columns.in_record {
            true => Shown::packed(column, scalar),
            false => Shown::sent(column, scalar).map(|shown| (None, shown)),
        });
        match sent {
            Some((None, shown)) => (plain, shown),
            Some((Some(function), shown)) => {
                let mut out = Sql::of("pg_catalog.textin(pg_catalog.");
                out.push(function).push("(").append(plain).push("))");
                (out, shown)
            }
            None => {
                let mut json = Sql::of("to_json(");
                json.append(presented(plain, scalar)).push(")");
                (json, Shown::JSON)
            }
        }
    }

    /// A column that PostgreSQL has made JSON of.
    pub(super) fn json(&mut self, columns: &mut Columns<'_>, sql: Sql) -> usize {
        columns.add(sql, Shown::JSON)
    }
}
