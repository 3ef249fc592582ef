//! Names to addresses. The resolver decides; what it said last is used only while it fails.
//!
//! A resolver that is away would otherwise take every new connection with it, although the server is where it was. The
//! addresses of the configuration stand in for a name that was never resolved. Nothing is remembered for its own sake: a name that
//! leads elsewhere after a failover is followed at the next connection.
//! Not told apart from a failure: a resolver that says there is no such name.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

/// What is known of names. Cheap to clone; clones share it.
#[derive(Clone, Default)]
pub(crate) struct Names(Arc<Inner>);

#[derive(Default)]
struct Inner {
    last: Mutex<HashMap<String, Vec<IpAddr>>>,
    fallback: BTreeMap<String, Vec<IpAddr>>,
}

impl Names {
    /// With addresses for names that cannot be resolved.
    pub(crate) fn with_fallback(fallback: BTreeMap<String, Vec<IpAddr>>) -> Self {
        Self(Arc::new(Inner { fallback, ..Inner::default() }))
    }

    /// The addresses of a name.
    pub(crate) async fn resolve(&self, name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let answer = tokio::net::lookup_host((name, port)).await.map(|found| found.map(|found| found.ip()).collect());
        Ok(self.judge(name, answer)?.into_iter().map(|address| SocketAddr::new(address, port)).collect())
    }

    fn judge(&self, name: &str, answer: io::Result<Vec<IpAddr>>) -> io::Result<Vec<IpAddr>> {
        let mut last = self.0.last.lock().unwrap_or_else(PoisonError::into_inner);
        let error = match answer {
            Ok(found) if !found.is_empty() => {
                if last.get(name) != Some(&found) {
                    last.insert(name.to_owned(), found.clone());
                }
                return Ok(found);
            }
            Ok(_) => io::Error::new(io::ErrorKind::NotFound, "the name has no address"),
            Err(error) => error,
        };
        let known = last.get(name).or_else(|| self.0.fallback.get(name)).cloned();
        known
            .inspect(|_| tracing::debug!(name, %error, "a name could not be resolved; its last addresses are used"))
            .ok_or(error)
    }
}

impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(&self.0.fallback).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_known_last_is_used_only_while_the_resolver_fails() {
        let address = |text: &str| vec![text.parse::<IpAddr>().unwrap()];
        let names = Names::with_fallback([("db".to_owned(), address("10.0.0.9"))].into());
        let failure = || Err(io::Error::other("try again"));
        assert!(names.judge("other", failure()).is_err(), "nothing is known");
        assert_eq!(names.judge("db", failure()).unwrap(), address("10.0.0.9"), "never resolved");
        assert_eq!(names.judge("db", Ok(address("10.0.0.1"))).unwrap(), address("10.0.0.1"));
        assert_eq!(names.judge("db", failure()).unwrap(), address("10.0.0.1"), "the last answer, not the fallback");
        assert_eq!(names.judge("db", Ok(address("10.0.0.2"))).unwrap(), address("10.0.0.2"), "it moved");
        assert_eq!(names.judge("db", Ok(Vec::new())).unwrap(), address("10.0.0.2"));
    }
}
