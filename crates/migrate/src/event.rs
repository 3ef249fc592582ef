//! What `up` and `seed_once` tell while they work: facts, which the caller words.

use std::time::Duration;

use crate::discover::Version;
use crate::place::Place;

/// Receives the facts.
pub type Listener<'a> = &'a mut (dyn FnMut(&Event) + Send);

/// Something that happened or begins.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// Another runner is at it; we wait.
    Waiting {
        /// Who it says it is.
        holder: String,
    },
    /// An applied file is not in the folder any more.
    Missing {
        /// Its number.
        version: Version,
        /// Its name.
        name: String,
    },
    /// A file is applied although a later one was applied before it.
    OutOfOrder {
        /// Its name.
        file: String,
    },
    /// A file begins.
    Applying {
        /// Its name.
        file: String,
        /// Its place among those to be applied, from 1.
        number: usize,
        /// How many are to be applied.
        of: usize,
    },
    /// A statement of a file without a transaction begins.
    Statement {
        /// The file's name.
        file: String,
        /// Its place in the file, from 1.
        number: usize,
        /// How many there are.
        of: usize,
        /// Where it begins.
        place: Place,
        /// Its first words.
        summary: String,
    },
    /// PostgreSQL remarked something while a statement ran.
    Notice {
        /// The file's name.
        file: String,
        /// Where the statement begins.
        place: Place,
        /// Whether it is a WARNING, which perhaps was not meant.
        warning: bool,
        /// Its words.
        message: String,
    },
    /// A lock was not to be had; the file was rolled back and is tried again.
    Retrying {
        /// The file's name.
        file: String,
        /// The attempt that comes now, from 2.
        attempt: u32,
        /// What PostgreSQL said.
        reason: String,
    },
    /// A file is applied.
    Applied {
        /// Its name.
        file: String,
        /// How long it took.
        duration: Duration,
    },
    /// The seed begins.
    Seeding {
        /// Its name.
        file: String,
    },
}
