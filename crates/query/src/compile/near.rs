//! Operators of pg_trgm and PostGIS, named with their schema.

use crate::plan::{Place, Shape, Similarity};
use crate::sql::Sql;

/// `text OPERATOR("schema".%) word`.
pub(super) fn similar(mut text: Sql, schema: &str, by: Similarity, word: &str) -> Sql {
    text.push(" OPERATOR(").ident(schema);
    text.push(match by {
        Similarity::Whole => ".%) ",
        Similarity::Word => ".%>) ",
    });
    text.text(word).push("::text");
    text
}

/// How unlike two texts are. An index answers this operator, not the function of the same meaning.
pub(super) fn unlikeness(mut text: Sql, schema: &str, word: &str) -> Sql {
    text.push(" OPERATOR(").ident(schema).push(".<->) ").text(word).push("::text");
    text
}

/// The distance of two places, in metres.
pub(super) fn distance(value: Sql, place: &Place) -> Sql {
    let mut out = on_earth(value, place);
    out.push(" OPERATOR(").ident(&place.schema).push(".<->) ").append(point(place));
    out
}

/// Whether a place is within so many metres of another one.
pub(super) fn within(value: Sql, place: &Place, metres: &str, bounds: Option<&[String; 4]>) -> Sql {
    let mut out = Sql::new();
    if let Some(bounds) = bounds {
        out.push("(").append(value.clone()).push(" OPERATOR(").ident(&place.schema).push(".&&) ");
        out.ident(&place.schema).push(".st_makeenvelope(");
        out.join(bounds.iter().map(|degrees| number(degrees)), ", ").push(", 4326) AND ");
    }
    out.ident(&place.schema).push(".st_dwithin(").append(on_earth(value, place)).push(", ").append(point(place));
    out.push(", ").append(number(metres)).push(if bounds.is_some() { "))" } else { ")" });
    out
}

/// A column's value as `geography`. What has no reference system is taken for degrees.
fn on_earth(value: Sql, place: &Place) -> Sql {
    let schema = &place.schema;
    let mut out = Sql::new();
    match place.shape {
        Shape::Geography => return value,
        Shape::Degrees => out.push("(").append(value),
        Shape::Geometry => {
            out.push("(CASE WHEN ").ident(schema).push(".st_srid(").append(value.clone());
            out.push(") IN (0, 4326) THEN ").ident(schema).push(".st_setsrid(").append(value.clone());
            out.push(", 4326) ELSE ").ident(schema).push(".st_transform(").append(value).push(", 4326) END")
        }
    };
    out.push(")::").ident(schema).push(".geography");
    out
}

fn point(place: &Place) -> Sql {
    let schema = &place.schema;
    let mut out = Sql::new();
    out.ident(schema).push(".st_setsrid(").ident(schema).push(".st_makepoint(");
    out.append(number(&place.longitude)).push(", ").append(number(&place.latitude));
    out.push("), 4326)::").ident(schema).push(".geography");
    out
}

fn number(text: &str) -> Sql {
    let mut out = Sql::new();
    out.text(text).push("::float8");
    out
}
