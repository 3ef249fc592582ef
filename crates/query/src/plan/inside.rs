//! What is told of a `jsonb` value: only the parts that somebody asked for, under the keys that they gave them.
//!
//! Invariant: keys of the value and names of types are names of a grammar (the planner has checked them), never texts of a
//! request; what has not the sort that is promised is null.

/// A `jsonb` column and what is told of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// The column.
    pub column: String,
    /// What.
    pub value: Inside,
}

/// A value inside a document.
#[derive(Clone, Debug, PartialEq)]
pub enum Inside {
    /// The same whatever it is: JSON text.
    Constant(String),
    /// As it is.
    Whole,
    /// As text.
    Text,
    /// A number.
    Number,
    /// A whole number of 32 bits.
    Int,
    /// True or false.
    Boolean,
    /// An object of these parts.
    Object(Vec<Part>),
    /// A list.
    List(Box<Items>),
    /// An object by the name of its type; null for any other name.
    OneOf(Vec<(String, Vec<Part>)>),
}

/// A part of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// The key in the answer.
    pub key: String,
    /// The key in the document.
    pub from: String,
    /// What is told of it.
    pub value: Inside,
}

/// Items of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Items {
    /// What is told of each.
    pub item: Inside,
    /// How many, from which on; all where nothing is said.
    pub window: super::Window,
}
