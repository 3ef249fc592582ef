//! Requests and what becomes of them: tables of URL, SQL and values, frozen as text; and the canary property.
//!
//! The catalog is built by hand (`fixture`), because planning is pure. That the SQL also runs and gives the right
//! answers is shown by the tests of `query` and by the contract cases.

mod calls;
mod canary;
mod extensions;
mod fixture;
mod lookups;
mod mutations;
mod reads;
