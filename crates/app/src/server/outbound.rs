//! Calls of the room `auth` to providers of sign-in, through the client that guards where calls may go.

use ferrobase_auth::outbound::{Call, CallError, Calling, Outbound, Reply};
use ferrobase_base::config::Cidr;
use ferrobase_egress::{Authorities, Bounds, Client, Message};

/// Answers of providers have a few kilobytes.
const LARGEST: usize = 512 * 1024;

/// Makes the calls.
pub(crate) struct Caller(Client);

impl Caller {
    /// A caller that reaches public addresses and these networks.
    pub(crate) fn new(allowed: Vec<Cidr>) -> Self {
        // The room answers within ten seconds; two calls must fit into that.
        let total = std::time::Duration::from_secs(4);
        Self(Client::new(allowed, Bounds { body: LARGEST, total, ..Bounds::default() }, Authorities::System))
    }
}

impl Outbound for Caller {
    fn call(&self, call: Call) -> Calling<'_> {
        Box::pin(async move {
            let Call { url, fields, body } = call;
            let answer = match body {
                None => self.0.ask(&url, fields).await,
                Some((content_type, body)) => self.0.post(&url, Message { content_type, fields, body }).await,
            };
            let answer = answer.map_err(|error| CallError(Box::new(error)))?;
            Ok(Reply { status: answer.status, body: answer.body, retry_after: answer.retry_after })
        })
    }
}
