//! Patroni as one more source of what is known about the servers of a cluster.
//!
//! At start its members are added to those that are listed ([`discover`]); from then on it is asked every second
//! ([`Watch`]): a member that Patroni keeps out of reads (`noloadbalance`), or that is not running, answers none, and a leader that
//! changed has everybody asked at once. Who takes writes and how far replicas are is still what the servers say themselves
//! (`ferrobase_pg::servers`), and so is the refusal of two primaries. Only `GET /cluster` is asked; nothing is ever told to
//! Patroni.
//! Invariant: a Patroni that does not answer changes nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use ferrobase_base::config::{Atom as _, HttpUrl};
use ferrobase_base::error::causes;
use ferrobase_egress::{Authorities, Bounds, Client};
use ferrobase_pg::config::{DatabaseHost, DatabaseSection, ReplicaAddress};
use ferrobase_pg::{Host, Servers};
use serde::Deserialize;
use tokio::task::AbortHandle;

/// Between two questions.
const PAUSE: Duration = Duration::from_secs(1);
/// How long one address may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// A cluster has a few members of some hundred bytes.
const LARGEST: usize = 256 * 1024;

/// What Patroni says of a cluster.
#[derive(Debug, Deserialize)]
struct Cluster {
    members: Vec<Member>,
}

#[derive(Debug, Deserialize)]
struct Member {
    name: String,
    role: String,
    state: String,
    host: String,
    port: u16,
    #[serde(default)]
    tags: Tags,
}

#[derive(Debug, Default, Deserialize)]
struct Tags {
    #[serde(default)]
    noloadbalance: bool,
}

impl Member {
    fn is_leader(&self) -> bool {
        ["leader", "standby_leader", "master", "primary"].contains(&self.role.as_str())
    }

    fn may_answer(&self) -> bool {
        !self.tags.noloadbalance && ["running", "streaming"].contains(&self.state.as_str())
    }

    fn host(&self) -> Host {
        Host::tcp(self.host.clone(), self.port)
    }
}

/// The addresses of a cluster's Patronis.
struct Apis {
    client: Client,
    urls: Vec<HttpUrl>,
}

impl Apis {
    fn of(section: &DatabaseSection) -> Option<Self> {
        let bounds = Bounds { total: PATIENCE, connect: PATIENCE, body: LARGEST, ..Bounds::default() };
        let client = Client::for_named(bounds, Authorities::System);
        (!section.patroni.is_empty()).then(|| Self { client, urls: section.patroni.clone() })
    }

    /// What the first says that answers.
    async fn ask(&self) -> Result<Cluster> {
        let mut last = None;
        for url in &self.urls {
            match self.ask_one(url).await {
                Ok(cluster) => return Ok(cluster),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| anyhow::anyhow!("there is nobody to ask")))
    }

    async fn ask_one(&self, url: &HttpUrl) -> Result<Cluster> {
        let url = format!("{}/cluster", url.as_str().trim_end_matches('/'));
        let answer = self.client.get(&url, "application/json").await.with_context(|| format!("cannot ask {url}"))?;
        if !answer.status.is_success() {
            bail!("{url} answers with status {}", answer.status);
        }
        serde_json::from_slice(&answer.body).with_context(|| format!("{url} answers something else"))
    }
}

/// Adds the members of the cluster to the servers that are listed.
pub(super) async fn discover(section: &mut DatabaseSection) -> Result<()> {
    let Some(apis) = Apis::of(section) else { return Ok(()) };
    let cluster = match apis.ask().await {
        Ok(cluster) => cluster,
        Err(error) => {
            tracing::warn!(
                error = causes(error.as_ref()),
                "Patroni does not answer; only the servers that are listed are used"
            );
            return Ok(());
        }
    };
    let mut known: Vec<Host> = section.servers()?.into_iter().map(|server| server.host).collect();
    for member in &cluster.members {
        let Some(host) = DatabaseHost::parse(&member.host) else { continue };
        if !known.contains(&member.host()) {
            known.push(member.host());
            section.replicas.push(ReplicaAddress { host, port: member.port, ..ReplicaAddress::default() });
            tracing::info!(member = member.name, server = %member.host(), "Patroni names a server");
        }
    }
    Ok(())
}

/// Asks again and again; ends when dropped.
pub(crate) struct Watch(AbortHandle);

impl Watch {
    /// Begins, where there is somebody to ask. `hosts` are the servers in their order. Must be called on a runtime.
    pub(super) fn start(section: &DatabaseSection, servers: &Servers, hosts: Vec<Host>) -> Option<Self> {
        let watching = Watching { apis: Apis::of(section)?, servers: servers.clone(), hosts, leader: None };
        Some(Self(tokio::spawn(watching.run()).abort_handle()))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Watching {
    apis: Apis,
    servers: Servers,
    hosts: Vec<Host>,
    leader: Option<Host>,
}

impl Watching {
    async fn run(mut self) {
        let mut strangers = BTreeSet::new();
        let mut is_away = false;
        loop {
            match self.apis.ask().await {
                Ok(cluster) => {
                    is_away = false;
                    self.heed(&cluster, &mut strangers);
                }
                Err(error) if !std::mem::replace(&mut is_away, true) => {
                    tracing::warn!(error = causes(error.as_ref()), "Patroni does not answer; what it said last holds");
                }
                Err(_) => {}
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn heed(&mut self, cluster: &Cluster, strangers: &mut BTreeSet<String>) {
        for (index, host) in self.hosts.iter().enumerate() {
            // Who is no member is none of Patroni's business.
            let member = cluster.members.iter().find(|member| member.host() == *host);
            let is_aside = member.is_some_and(|member| !member.is_leader() && !member.may_answer());
            if self.servers.set_aside(index, is_aside) {
                tracing::info!(server = %host, is_aside, "Patroni says whether this server answers reads");
            }
        }
        let leader = cluster.members.iter().find(|member| member.is_leader()).map(Member::host);
        if leader.is_some() && leader != self.leader {
            self.leader = leader;
            self.servers.hurry();
        }
        for member in cluster.members.iter().filter(|member| !self.hosts.contains(&member.host())) {
            if strangers.insert(member.name.clone()) {
                let server = member.host();
                tracing::warn!(member = member.name, %server, "Patroni names a new server; it is used after a restart");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Patroni 3 and 4 say it.
    const CLUSTER: &str = r#"{"scope": "c", "members": [
        {"name": "a", "role": "leader", "state": "running", "api_url": "http://10.0.0.1:8008/patroni", "host": "10.0.0.1",
         "port": 5432, "timeline": 3},
        {"name": "b", "role": "sync_standby", "state": "streaming", "host": "10.0.0.2", "port": 5433, "lag": 0},
        {"name": "c", "role": "replica", "state": "streaming", "host": "::1", "port": 5432, "lag": "unknown",
         "tags": {"noloadbalance": true, "clonefrom": true}},
        {"name": "d", "role": "replica", "state": "start failed", "host": "10.0.0.4", "port": 5432}]}"#;

    #[test]
    fn members_are_read_as_they_are_told() {
        let cluster: Cluster = serde_json::from_str(CLUSTER).unwrap();
        let told: Vec<_> =
            cluster.members.iter().map(|m| (m.host().to_string(), m.is_leader(), m.may_answer())).collect();
        let expected = [
            ("10.0.0.1:5432", true, true),
            ("10.0.0.2:5433", false, true),
            ("[::1]:5432", false, false),
            ("10.0.0.4:5432", false, false),
        ];
        assert_eq!(told, expected.map(|(host, leads, answers)| (host.to_owned(), leads, answers)));
    }
}
