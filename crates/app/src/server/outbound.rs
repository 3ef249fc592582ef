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
        Self(Client::new(allowed, Bounds { body: LARGEST, ..Bounds::default() }, Authorities::System))
    }
}

impl Outbound for Caller {
    fn call(&self, call: Call) -> Calling<'_> {
        Box::pin(async move {
            let Call { url, fields, body, longest } = call;
            let asking = async {
                match body {
                    None => self.0.ask(&url, fields).await,
                    Some((content_type, body)) => self.0.post(&url, Message { content_type, fields, body }).await,
                }
            };
            let answer = tokio::time::timeout(longest, asking).await.map_err(|late| CallError(Box::new(late)))?;
            let answer = answer.map_err(|error| CallError(Box::new(error)))?;
            Ok(Reply { status: answer.status, body: answer.body, retry_after: answer.retry_after })
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ferrobase_base::config::Atom;
    use tokio::net::TcpListener;

    use super::*;

    /// A call to somebody who takes the connection and says nothing.
    async fn ends_within(longest: Duration, limit: Duration) -> bool {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let caller = Caller::new(vec![Cidr::parse("127.0.0.1/32").unwrap()]);
        let url = format!("http://{}/", silent.local_addr().unwrap());
        let call = caller.call(Call { url, longest, ..Call::default() });
        tokio::time::timeout(limit, call).await.is_ok_and(|called| called.is_err())
    }

    #[tokio::test]
    async fn a_call_takes_as_long_as_who_makes_it_says() {
        assert!(ends_within(Duration::from_millis(50), Duration::from_secs(2)).await);
        let (hook, all_of_it) = (Duration::MAX, Duration::from_millis(5500));
        assert!(!ends_within(hook, all_of_it).await, "a hook is given its time and bounds itself");
    }
}
