//! One connection that is made, and what is asked over it.
//!
//! Multiplexed: requests share it, and what they send in the same moment leaves together.

use redis::aio::MultiplexedConnection;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{MultipleNodeRoutingInfo, ResponsePolicy, RoutingInfo};
use redis::{Cmd, ErrorKind, FromRedisValue, RedisError, RedisResult, Script, ServerErrorKind};

/// A connection to one server, or to the primaries of a cluster.
#[derive(Clone)]
pub(crate) enum Connection {
    /// A single server, or the primary that Sentinel named.
    One(MultiplexedConnection),
    /// A cluster. Follows keys that move (MOVED, ASK) by itself.
    Cluster(ClusterConnection),
}

impl Connection {
    /// Runs a script on one key: by its hash, and with its text where a server does not know it (yet, or any more).
    pub(crate) async fn run<T: FromRedisValue>(
        &self,
        script: &Script,
        text: &str,
        key: &str,
        arguments: [u32; 2],
    ) -> RedisResult<T> {
        let call = |name: &str, body: &str| {
            let mut command = redis::cmd(name);
            command.arg(body).arg(1).arg(key).arg(&arguments);
            command
        };
        match self.query(&call("EVALSHA", script.get_hash())).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                self.query(&call("EVAL", text)).await
            }
            answered => answered,
        }
    }

    pub(crate) async fn query<T: FromRedisValue>(&self, command: &Cmd) -> RedisResult<T> {
        match self.clone() {
            Self::One(mut connection) => command.query_async(&mut connection).await,
            Self::Cluster(mut connection) => command.query_async(&mut connection).await,
        }
    }

    /// Asks every primary of a cluster whether it is there; one that is not makes a third of the callers wait.
    pub(crate) async fn every_primary(&self) -> RedisResult<()> {
        let Self::Cluster(connection) = self else { return Ok(()) };
        let all = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, Some(ResponsePolicy::AllSucceeded)));
        connection.clone().route_command(redis::cmd("PING"), all).await?.extract_error().map(|_| ())
    }

    /// Whether this error says that the connection is of no use any more. A cluster answers for each part of its keys
    /// and mends its own connections; of one server every error counts, because whatever it is (a lost connection, a
    /// primary that became a replica, no memory left), the next request would meet it too.
    pub(crate) fn ends_with(&self, error: &RedisError) -> bool {
        match self {
            Self::One(_) => true,
            Self::Cluster(_) => matches!(error.kind(), ErrorKind::Io | ErrorKind::ClusterConnectionNotFound),
        }
    }
}
