//! Values that are near each other: texts by their trigrams, places by their distance.
//!
//! Operators and functions of extensions are named with their extension's schema, so that neither a search path nor
//! another object of the same name decides what they are.

/// A point on the earth, and how it is compared with a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The schema of PostGIS.
    pub schema: String,
    /// What the column is.
    pub shape: Shape,
    /// Degrees east, as text of a number.
    pub longitude: String,
    /// Degrees north, as text of a number.
    pub latitude: String,
}

/// What a geographic column is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `geography`.
    Geography,
    /// `geometry` in degrees (SRID 4326).
    Degrees,
    /// `geometry` of any other or of an unknown reference system.
    Geometry,
}

/// How texts are compared by their trigrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Similarity {
    /// The whole text with the whole word.
    Whole,
    /// The part of the text that is most like the word.
    Word,
}
