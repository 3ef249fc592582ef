//! Reads whose embeds come as records: everything of them is written here, at every depth.
//!
//! Lazy embeds of tables with plain columns; whatever else is below a row (aggregates, casts, spreads, joins) is JSON of
//! PostgreSQL, in a column of the same statement.

use ferrobase_catalog::{Catalog, Relation};

use super::embed::{Place, below, next};
use super::field::window as window_of;
use super::read::{Level, Origin, Pieces, Scope, write_order, write_where};
use super::selection::{Columns, Selection};
use super::{CompileError, Compiler};
use crate::plan::{Embed, EmbedOutput, Field, Join, JsonForm, Read, Scalar, Source, Value};
use crate::rows::BETWEEN;
use crate::sql::Sql;
use crate::template::{PageRule, Piece, Raw as _, RowPiece, Template};

impl Compiler {
    /// A list of rows, or the first of them, with rows below them; none where there are none or they can only be JSON.
    pub(super) fn packed(
        &mut self,
        read: &Read,
        form: JsonForm,
        catalog: &Catalog,
    ) -> Result<Option<Selection>, CompileError> {
        let is_below = |embed: &Embed| embed.output == EmbedOutput::Json && below_of(embed, catalog).is_some();
        // Without a limit embeds are lateral joins.
        let lazy = read.window.limit.is_some() && read.embeds.iter().any(is_below);
        match relation(read, catalog).filter(|_| lazy) {
            Some(relation) => self
                .packed_rows(read, Origin::Root, Level::ROOT, form == JsonForm::Object, (relation, catalog))
                .map(Some),
            None => Ok(None),
        }
    }

    fn packed_rows(
        &mut self,
        read: &Read,
        origin: Origin<'_>,
        level: Level,
        is_one: bool,
        (relation, catalog): (&Relation, &Catalog),
    ) -> Result<Selection, CompileError> {
        let Pieces { scope, items: (columns, row), from, conditions } =
            self.pieces_with(read, origin, level, |compiler, scope| {
                let in_record = !matches!(origin, Origin::Root);
                let mut columns = Columns::of(catalog, relation, (&scope.alias, scope.level), in_record);
                let row = compiler.packed_row(scope, &mut columns)?;
                Ok((columns, row))
            })?;
        let mut rest = Sql::of(" FROM ");
        rest.append(from);
        write_where(&mut rest, conditions);
        let mut window = read.window;
        if is_one && !matches!(origin, Origin::Root) {
            // A view may break its promise of one row; the answer must not break with it.
            window.limit = Some(window.limit.map_or(1, |limit| limit.min(1)));
        }
        write_order(&mut rest, &scope)?;
        window_of(&mut rest, &window);
        let mut pieces: Vec<Piece> = Vec::new();
        if is_one {
            pieces.push(Piece::First(row));
        } else {
            pieces.text("[");
            pieces.push(Piece::Rows(row, BETWEEN));
            pieces.text("]");
        }
        let Columns { sql, shown, .. } = columns;
        let template = Template { shown, pieces, page: PageRule::default() };
        Ok(Selection { distinct: Sql::new(), columns: sql, rest, template })
    }

    fn packed_row(&mut self, scope: &Scope<'_>, columns: &mut Columns<'_>) -> Result<Vec<RowPiece>, CompileError> {
        let mut row: Vec<RowPiece> = Vec::new();
        let mut count = 0;
        let mut member = |row: &mut Vec<RowPiece>, key: &str, column: usize| {
            row.key(count, key);
            count += 1;
            row.push(RowPiece::Column(column));
        };
        let read = scope.read;
        let names = columns.names();
        for select in &read.select {
            match &select.value {
                Value::Field(of) => {
                    let column = self.value(columns, of, &Scalar::Plain);
                    member(&mut row, select.name.as_deref().unwrap_or(&of.name), column);
                }
                Value::Star | Value::One => {
                    for name in &names {
                        let column = self.value(columns, &Field::column(*name), &Scalar::Plain);
                        member(&mut row, name, column);
                    }
                }
            }
        }
        if read.select.is_empty() && read.embeds.is_empty() {
            for name in &names {
                let column = self.value(columns, &Field::column(*name), &Scalar::Plain);
                member(&mut row, name, column);
            }
        }
        for (embed, place) in read.embeds.iter().zip(&scope.places) {
            if embed.output != EmbedOutput::Hidden {
                let column = self.packed_embed(scope, embed, place, columns)?;
                member(&mut row, &embed.name, column);
            }
        }
        row.text(if count == 0 { "{}" } else { "}" });
        Ok(row)
    }

    fn packed_embed(
        &mut self,
        scope: &Scope<'_>,
        embed: &Embed,
        place: &Place,
        columns: &mut Columns<'_>,
    ) -> Result<usize, CompileError> {
        let relation = below_of(embed, columns.catalog).filter(|_| matches!(place, Place::Lazy));
        let packed = match relation {
            None => None,
            Some(relation) => {
                let of = (relation, columns.catalog);
                let rows = self.packed_rows(&embed.read, below(embed, scope), next(scope, embed), embed.to_one, of)?;
                if embed.to_one { rows.record() } else { rows.records() }
            }
        };
        Ok(match packed {
            Some((sql, shown)) => columns.add(sql, shown),
            None => {
                let json = self.embedded_json(scope, embed, place)?;
                self.json(columns, json)
            }
        })
    }
}

/// The table of an embed whose rows can be records.
fn below_of<'c>(embed: &Embed, catalog: &'c Catalog) -> Option<&'c Relation> {
    match embed.join {
        Join::Columns(_) | Join::Junction { .. } => relation(&embed.read, catalog),
        Join::Function { .. } => None,
    }
}

/// The table of a read whose columns can be told one by one.
fn relation<'c>(read: &Read, catalog: &'c Catalog) -> Option<&'c Relation> {
    let Source::Table(name) = &read.source else { return None };
    let relation = catalog.relation(&name.schema, &name.name)?;
    let is_plain = read.select.iter().all(|select| {
        let value = match &select.value {
            Value::Star => select.name.is_none(),
            Value::One => false,
            Value::Field(of) => {
                let has_name = of.path.is_empty() || select.name.is_some();
                has_name && of.convert.is_none() && relation.columns.contains_key(&of.name)
            }
        };
        value && select.cast.is_none() && select.aggregate.is_none()
    });
    let spreads = read.embeds.iter().any(|embed| matches!(embed.output, EmbedOutput::Spread(_)));
    let all = !read.is_grouped() && read.distinct.is_none() && read.having.is_empty();
    (is_plain && all && !spreads).then_some(&**relation)
}
