//! Who asks, and what was sent: the extractors of this room's handlers.
//!
//! [`Flow`] for every request, [`SignedIn`] for those that need a user's token, [`Admin`] for those that need a service
//! key, [`Json`] for bodies.

mod admin;
mod body;
mod flow;
mod signed_in;

pub use admin::Admin;
pub(crate) use admin::{ADMINISTRATORS, has_admins, is_admin};
pub use body::{BODY_LIMIT, Json};
pub(crate) use flow::query_value;
pub use flow::{Client, Flow};
pub use signed_in::SignedIn;
