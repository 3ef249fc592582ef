//! What identifies an answer, and when one that was given is still the answer: security requirement 23.
//!
//! The foundation of the response cache that comes with the change stream, and nothing else yet: nobody keeps answers, and no
//! request comes by here (adr/0024). A cache will ask for the [`AnswerKey`] of a read, and keep what came of it beside the tables
//! that `ferrobase_catalog::Depends` names (whose changes the stream tells) and the [`Epoch`] that was read in its snapshot.
//! Invariant: two answers that may differ while the tables and the epoch are the same have different keys. Invariant: no key where
//! anything is unknown.

mod epoch;
mod key;

pub use epoch::Epoch;
pub use key::AnswerKey;
