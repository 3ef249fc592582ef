//! Why a call gave no answer. For logs: callers of ours never see these texts.
//!
//! Invariant: hosts and addresses are named, paths and queries are not, because they may carry secrets.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::guard::Realm;

/// A failed call.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The URL cannot be called.
    #[error("the URL cannot be called: {reason}")]
    Url {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The name has no address.
    #[error("{host} cannot be resolved")]
    Resolve {
        /// The name.
        host: String,
        /// What the resolver says.
        #[source]
        source: std::io::Error,
    },
    /// The address is not public and in no network that the operator listed.
    #[error("{host} is at {address}, a {realm} address; `security.egress_allow` lists networks that may be called")]
    Refused {
        /// The host as the URL or redirect names it.
        host: String,
        /// Where it is.
        address: IpAddr,
        /// What kind of address that is.
        realm: Realm,
    },
    /// Nobody listens there.
    #[error("cannot connect to {host} at {address}")]
    Connect {
        /// The host.
        host: String,
        /// The last address that was tried.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The certificate is not good, or there is no TLS.
    #[error("TLS with {host} failed")]
    Tls {
        /// The host.
        host: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// No certificate authority is known.
    #[error("no certificate authority is known: install the system's, or name a file in SSL_CERT_FILE")]
    NoAuthorities,
    /// The answer is not HTTP, or broke off.
    #[error("the exchange with {host} failed")]
    Http {
        /// The host.
        host: String,
        /// Why.
        #[source]
        source: hyper::Error,
    },
    /// A redirect without, or with a garbled, `Location`.
    #[error("{host} redirects to nowhere")]
    NoLocation {
        /// The host.
        host: String,
    },
    /// A redirect leads from https to http.
    #[error("a redirect leads from https to http, to {host}")]
    Downgrade {
        /// The next host.
        host: String,
    },
    /// Redirects go on and on.
    #[error("more than {limit} redirects")]
    Redirects {
        /// How many are followed.
        limit: u8,
    },
    /// The answer is larger than it may be.
    #[error("{host} answers with more than {limit} bytes")]
    TooLarge {
        /// The host.
        host: String,
        /// How many may come.
        limit: usize,
    },
    /// The whole call took too long.
    #[error("{host} did not answer within {limit:?}")]
    Timeout {
        /// The first host.
        host: String,
        /// How long it may take.
        limit: Duration,
    },
}
