//! What identifies an answer, and when one that was given is still the answer: security requirement 23.
//!
//! The foundation of the response cache that comes with the change stream, and nothing else yet: nobody keeps answers, and no
//! request comes by here (adr/0024). A cache will ask what a plan reads (`ferrobase_query::reads`), what that depends on
//! (`ferrobase_catalog::dependencies`), and for the [`AnswerKey`]; and keep what came of it beside the tables whose changes the stream
//! tells and the [`Epoch`] that was read in the same snapshot.
//! Invariant: two answers that may differ while the tables and the epoch are the same have different keys. Invariant: no key where
//! anything is unknown.

mod epoch;
mod key;

pub use epoch::Epoch;
pub use key::AnswerKey;
