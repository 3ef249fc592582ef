//! Similar texts and near places: what needs an extension.
//!
//! The catalog says whether it is there and in which schema. Numbers are read here, so that a wrong one is the caller's
//! error and not PostGIS's.

use ferrobase_catalog::Relation;
use ferrobase_query::plan::{Operation, OrderBy, Place, Shape};

use super::{PlanError, Planner};
use crate::ast;

/// Metres of a degree of latitude, or of longitude at the equator: less than anywhere on earth.
const METRES_OF_DEGREE: f64 = 110_000.0;
/// Beyond this a circle may reach over a pole.
const NEAR_POLE: f64 = 89.0;

impl Planner<'_> {
    /// The schema of an extension.
    pub(super) fn extension(&self, name: &'static str) -> Result<String, PlanError> {
        self.catalog.extensions.get(name).cloned().ok_or(PlanError::NoExtension(name))
    }

    /// `title.similarity(word)`.
    pub(super) fn by_similarity(
        &self,
        relation: Option<&Relation>,
        field: &ast::Field,
        to: &str,
    ) -> Result<OrderBy, PlanError> {
        let schema = self.extension("pg_trgm")?;
        Ok(OrderBy::Similarity { field: self.field(relation, field), schema, to: to.to_owned() })
    }

    /// `place.distance(longitude,latitude)`.
    pub(super) fn by_distance(
        &self,
        relation: Option<&Relation>,
        field: &ast::Field,
        numbers: &[String],
    ) -> Result<OrderBy, PlanError> {
        let [longitude, latitude] = read(numbers)?;
        let place = self.place(relation, field, longitude, latitude)?;
        Ok(OrderBy::Distance { field: self.field(relation, field), place })
    }

    /// `place=within.(metres,longitude,latitude)`.
    pub(super) fn within(
        &self,
        relation: Option<&Relation>,
        field: &ast::Field,
        numbers: &[String],
    ) -> Result<Operation, PlanError> {
        let [metres, longitude, latitude] = read(numbers)?;
        if metres < 0.0 {
            return Err(PlanError::Place("a distance is not below 0"));
        }
        let place = self.place(relation, field, longitude, latitude)?;
        let bounds = bounds(metres, longitude, latitude).filter(|_| place.shape == Shape::Degrees);
        Ok(Operation::Within {
            place,
            metres: metres.to_string(),
            bounds: bounds.map(|b| b.map(|degrees| degrees.to_string())),
        })
    }

    fn place(
        &self,
        relation: Option<&Relation>,
        field: &ast::Field,
        longitude: f64,
        latitude: f64,
    ) -> Result<Place, PlanError> {
        if !(-180.0..=180.0).contains(&longitude) || !(-90.0..=90.0).contains(&latitude) {
            return Err(PlanError::Place("longitudes go from -180 to 180, latitudes from -90 to 90, in this order"));
        }
        let schema = self.extension("postgis")?;
        let declared = relation.filter(|_| field.path.is_empty()).and_then(|relation| {
            let column = relation.column(&field.name).map(|column| column.base_type.as_str());
            column.or_else(|| relation.computed_field(&field.name).map(|computed| computed.type_name.as_str()))
        });
        let shape = declared.and_then(|declared| shape(declared, &schema));
        let shape = shape.ok_or(PlanError::Place("the column is no geography or geometry"))?;
        Ok(Place { schema, shape, longitude: longitude.to_string(), latitude: latitude.to_string() })
    }
}

fn read<const N: usize>(texts: &[String]) -> Result<[f64; N], PlanError> {
    let numbers: Option<Vec<f64>> =
        texts.iter().map(|text| text.trim().parse().ok().filter(|number: &f64| number.is_finite())).collect();
    let wrong = if N == 2 {
        "two numbers are needed: longitude, latitude"
    } else {
        "three numbers are needed: metres, longitude, latitude"
    };
    numbers.and_then(|numbers| <[f64; N]>::try_from(numbers).ok()).ok_or(PlanError::Place(wrong))
}

/// What a type of PostGIS is: `extensions.geometry(Point,4326)`.
fn shape(declared: &str, schema: &str) -> Option<Shape> {
    let quoted = format!("\"{}\"", schema.replace('"', "\"\""));
    let name = [schema, &quoted].iter().find_map(|schema| declared.strip_prefix(*schema)?.strip_prefix('.'))?;
    let (name, modifiers) = name.split_once('(').unwrap_or((name, ""));
    match name {
        "geography" => Some(Shape::Geography),
        "geometry" if modifiers.trim_end_matches(')').rsplit(',').next() == Some("4326") => Some(Shape::Degrees),
        "geometry" => Some(Shape::Geometry),
        _ => None,
    }
}

/// A box in degrees around a circle (west, south, east, north); none where it would go over a pole or the date line.
fn bounds(metres: f64, longitude: f64, latitude: f64) -> Option<[f64; 4]> {
    let north = metres / METRES_OF_DEGREE;
    let farthest = latitude.abs() + north;
    if farthest > NEAR_POLE {
        return None;
    }
    let east = north / farthest.to_radians().cos();
    let within = [longitude - east, latitude - north, longitude + east, latitude + north];
    (within[0] >= -180.0 && within[2] <= 180.0).then_some(within)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_postgis_are_recognised() {
        for (declared, schema, wanted) in [
            ("public.geography(Point,4326)", "public", Some(Shape::Geography)),
            ("public.geometry(Point,4326)", "public", Some(Shape::Degrees)),
            ("\"my gis\".geometry(MultiPolygon,4326)", "my gis", Some(Shape::Degrees)),
            ("public.geometry(Point,3857)", "public", Some(Shape::Geometry)),
            ("public.geometry", "public", Some(Shape::Geometry)),
            ("other.geometry", "public", None),
            ("text", "public", None),
        ] {
            assert_eq!(shape(declared, schema), wanted, "{declared}");
        }
    }

    #[test]
    fn boxes_hold_their_circles() {
        let [west, south, east, north] = bounds(1_000.0, 13.4, 52.5).expect("no pole near");
        assert!(west < 13.386 && east > 13.414 && south < 52.491 && north > 52.509);
        assert!(bounds(10_000.0, 179.99, 0.0).is_none(), "over the date line");
        assert!(bounds(200_000.0, 0.0, 88.0).is_none(), "over a pole");
        assert!(bounds(30_000_000.0, 0.0, 0.0).is_none(), "everywhere");
    }

    #[test]
    fn numbers_are_numbers() {
        let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        assert_eq!(read::<2>(&texts(&["1", " -2.5"])).expect("numbers"), [1.0, -2.5]);
        for wrong in [&["1"][..], &["1", "x"], &["1", "NaN"], &["1", "1e999"], &["1", "2", "3"], &["", ""]] {
            assert!(read::<2>(&texts(wrong)).is_err(), "{wrong:?}");
        }
    }
}
