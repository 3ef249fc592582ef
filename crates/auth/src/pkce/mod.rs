//! Proof that whoever brings a code is the client that asked for it (RFC 7636).
//!
//! A client begins a flow with a [`Challenge`], the flow keeps it (`store::flow_state`), and [`grant`] gives a session for the
//! flow's code and the verifier. Invariant: a flow keeps the method that it began with; a challenge is no verifier.

mod challenge;
mod grant;

pub use challenge::{Challenge, Method};
pub use grant::{PkceGrant, grant};
