//! The crate from outside: plans compiled and run on PostgreSQL, and the text of their statements.
//!
//! `company` is the fixture; plans are built by hand here, because what a grammar makes of a URL is the grammar's test.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod below;
mod calls;
mod calls_by_name;
mod company;
mod counts;
mod drawn;
mod drawn_below;
mod embeds;
mod guards;
mod mutations;
mod pages;
mod proven;
mod reads;
mod rows;
mod shape;
