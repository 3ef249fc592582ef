//! How settings become values: a tree that knows its places, a strict reader, sections that document themselves.
//!
//! Flow: [`yaml`] text, environment ([`overlay`]) and flags become [`Node`] trees, which are merged in that order and
//! [`expand`]ed; a type declared with [`section!`](crate::section) reads the tree and reports everything wrong with it
//! at once; [`Report`] adds what only a comparison of keys can find; [`mod@reference`] and [`shown`] print keys and values.
//! Invariant: nothing here reads a file, the environment or the clock; `app` hands texts in.
//! Invariant: neither a secret nor what `${VAR}` expanded to is ever quoted in a message.

mod amount;
mod container;
mod duration;
pub mod expand;
mod json;
mod name;
mod net;
mod node;
pub mod overlay;
mod place;
mod problem;
mod reader;
pub mod reference;
mod report;
#[cfg(test)]
mod sample;
mod scalar;
mod section;
pub mod shown;
pub mod yaml;

pub use amount::{ByteSize, Ratio};
pub use json::SecretJson;
pub use name::{Identifier, QualifiedName, RelationPattern};
pub use net::{Cidr, HeaderText, Host, HttpToken, HttpUrl, Origin, has_login};
pub use node::{Entry, Map, Node, Scalar, Value};
pub use place::Place;
pub use problem::{ConfigErrors, Fault, Problem};
pub use reader::{Atom, Reader, Setting};
pub use report::Report;
pub use section::Section;
pub use shown::Shown;
