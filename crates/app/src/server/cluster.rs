//! The servers of one cluster as this process uses them: each is watched, and has connections for reads.
//!
//! What the configuration lists is there from the start and stays. Others come and go as Patroni says (`patroni`): they join the
//! watch first, which finds out what they are, and get their connections from [`Readers`]; one that leaves is given up in the same
//! order, and reads that are under way there are asked again on the primary.
//! Invariant: [`MOST_FOUND`] bounds how many are used that nobody listed, whatever anybody says.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use anyhow::Result;
use ferrobase_pg::config::{DatabaseSection, ListedServer};
use ferrobase_pg::servers::Watched;
use ferrobase_pg::{ConnectOptions, Guide, Host, Servers};
use ferrobase_request::Replicas;
use ferrobase_request::replicas::Rules;

use super::connections::Readers;
use super::patroni;

/// Most servers that are used beside those that are listed.
pub(super) const MOST_FOUND: usize = 32;
/// How long whoever reads on a server that left may take to notice.
const LAST_READS: Duration = Duration::from_secs(60);

/// Several servers of one cluster, watched.
pub(crate) struct Cluster {
    roster: Arc<Roster>,
    guide: Guide,
    patroni: Option<patroni::Watch>,
}

impl Cluster {
    /// Begins to watch, where there are or may be several servers. Must be called on a runtime.
    pub(crate) fn watch(section: &DatabaseSection) -> Result<Option<Self>> {
        let (listed, connect) = (section.servers()?, section.listener()?);
        if listed.len() < 2 && section.patroni.is_empty() {
            return Ok(None);
        }
        let watched = listed.iter().map(|server| watched(server, &connect, section.is_near(server))).collect();
        let guide = Guide::default();
        let servers = Servers::watch(watched, section.bounds(), guide.clone());
        let entry = |(number, server)| Entry { number, server, is_listed: true };
        let entries = listed.into_iter().enumerate().map(entry).collect();
        let state = Mutex::new(State { entries, readers: None });
        let roster = Arc::new(Roster { servers, connect, state });
        let patroni = patroni::Watch::start(section, &roster);
        Ok(Some(Self { roster, guide, patroni }))
    }

    /// Who is watched.
    pub(crate) fn servers(&self) -> &Servers {
        &self.roster.servers
    }

    /// Has connections look for the primary where it is known to be.
    pub(crate) fn guide(&self, connect: ConnectOptions) -> ConnectOptions {
        connect.with_guide(self.guide.clone())
    }

    /// Waits until Patroni was asked, where there is one, and every server that is known by then.
    pub(super) async fn settle(&self, within: Duration) {
        if let Some(patroni) = &self.patroni {
            patroni.heard(within).await;
        }
        self.servers().settle(within).await;
    }

    /// All servers with connections for reads. Those that come from now on get theirs from the same `readers`.
    pub(super) fn replicas(&self, readers: Readers, rules: Rules) -> Arc<Replicas> {
        self.roster.replicas(readers, rules)
    }
}

/// Who belongs to the cluster.
pub(super) struct Roster {
    servers: Servers,
    connect: ConnectOptions,
    state: Mutex<State>,
}

struct State {
    entries: Vec<Entry>,
    /// Those of the target in force, and who makes connections for them.
    readers: Option<(Weak<Replicas>, Readers)>,
}

struct Entry {
    number: usize,
    server: ListedServer,
    is_listed: bool,
}

/// A server that is used.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) number: usize,
    pub(super) host: Host,
    /// The configuration lists it: it stays.
    pub(super) is_listed: bool,
}

impl Roster {
    pub(super) fn servers(&self) -> &Servers {
        &self.servers
    }

    /// Those that are used.
    pub(super) fn known(&self) -> Vec<Known> {
        let known =
            |entry: &Entry| Known { number: entry.number, host: entry.server.host.clone(), is_listed: entry.is_listed };
        self.lock().entries.iter().map(known).collect()
    }

    /// Uses one more server; false where there are too many, or it is there already. Must be called on a runtime.
    pub(super) fn join(&self, host: Host) -> bool {
        let mut state = self.lock();
        let found = state.entries.iter().filter(|entry| !entry.is_listed).count();
        if found >= MOST_FOUND || state.entries.iter().any(|entry| entry.server.host == host) {
            return false;
        }
        // Outside of every region, like whatever is listed outside of them.
        let server = ListedServer { host, region: None, login: None };
        let number = self.servers.join(watched(&server, &self.connect, true));
        if let Some((replicas, readers)) = &state.readers
            && let Some(replicas) = replicas.upgrade()
        {
            replicas.join(number, readers.member(&server, false));
        }
        state.entries.push(Entry { number, server, is_listed: false });
        true
    }

    /// Uses a server that was found no longer; false while it takes writes. Must be called on a runtime.
    pub(super) fn forget(&self, number: usize) -> bool {
        let mut state = self.lock();
        let is_found = state.entries.iter().any(|entry| entry.number == number && !entry.is_listed);
        if !is_found || !self.servers.leave(number) {
            return false;
        }
        state.entries.retain(|entry| entry.number != number);
        let replicas = state.readers.as_ref().and_then(|(replicas, _)| replicas.upgrade());
        if let Some(member) = replicas.and_then(|replicas| replicas.leave(number)) {
            tokio::spawn(async move { tokio::time::timeout(LAST_READS, member.close()).await });
        }
        true
    }

    fn replicas(&self, readers: Readers, rules: Rules) -> Arc<Replicas> {
        let mut state = self.lock();
        let members = state.entries.iter().map(|entry| (entry.number, readers.member(&entry.server, entry.is_listed)));
        let replicas = Arc::new(Replicas::new(self.servers.clone(), members, rules));
        state.readers = Some((Arc::downgrade(&replicas), readers));
        replicas
    }

    /// Nothing under the lock panics half-way.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As the owner, also where reads have a login of their own: any server may become the primary.
fn watched(server: &ListedServer, connect: &ConnectOptions, is_near: bool) -> Watched {
    Watched { host: server.host.clone(), connect: connect.clone(), is_near }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use ferrobase_base::config::{Atom as _, HttpUrl};
    use ferrobase_pg::config::{DatabaseUrl, ReadPreference};
    use ferrobase_request::FreshnessKey;
    use ferrobase_request::install::{Login, Logins};

    use super::*;

    fn rules(section: &DatabaseSection) -> Rules {
        Rules {
            prefers_replicas: section.read_preference == ReadPreference::Replica,
            wait: section.freshness_wait,
            statement_timeout: None,
            key: FreshnessKey::derived_from(Some(b"of the test"), "default"),
        }
    }

    /// Nothing listens on these ports: who is used does not depend on who answers.
    #[tokio::test]
    async fn sec_found_servers_are_few_and_listed_ones_stay() {
        let section = DatabaseSection {
            url: DatabaseUrl::parse("postgresql://owner@127.0.0.1:1,127.0.0.1:2/app"),
            patroni: vec![HttpUrl::parse("http://127.0.0.1:3").unwrap()],
            ..DatabaseSection::default()
        };
        let cluster = Cluster::watch(&section).unwrap().unwrap();
        let roster = &cluster.roster;
        let nobody = || Login { user: "nobody".to_owned(), password: None };
        let logins = Logins { request: nobody(), service: nobody(), rooms: HashMap::new() };
        let readers = || Readers::new(&section, &section.owner().unwrap(), &logins);
        let first = cluster.replicas(readers(), rules(&section));
        assert!(roster.join(Host::tcp("127.0.0.1", 4)) && !roster.join(Host::tcp("127.0.0.1", 4)), "once");
        assert!(!roster.join(Host::tcp("127.0.0.1", 2)), "it is listed");
        assert_eq!(first.status().len(), 3);
        // The target is made anew when the database is there, with what came meanwhile.
        let replicas = cluster.replicas(readers(), rules(&section));
        assert_eq!(replicas.status().len(), 3);
        let joined = (5..100).filter(|port| roster.join(Host::tcp("127.0.0.1", *port))).count();
        assert_eq!((joined, replicas.status().len()), (MOST_FOUND - 1, MOST_FOUND + 2));
        for known in roster.known() {
            assert_eq!(roster.forget(known.number), !known.is_listed, "{known:?}");
            assert!(!roster.forget(known.number), "once");
        }
        let left: Vec<String> = replicas.status().into_iter().map(|(status, _)| status.server).collect();
        assert_eq!(left, ["127.0.0.1:1", "127.0.0.1:2"]);
        assert!(roster.join(Host::tcp("127.0.0.1", 4)), "there is room again");
        assert_eq!(roster.known().last().map(|known| known.number), Some(MOST_FOUND + 2), "a number is given once");
    }

    #[tokio::test]
    async fn one_server_alone_is_watched_where_patroni_may_name_others() {
        let url = DatabaseUrl::parse("postgresql://owner@127.0.0.1:1/app");
        let alone = DatabaseSection { url, ..DatabaseSection::default() };
        assert!(Cluster::watch(&alone).unwrap().is_none());
        let patroni = vec![HttpUrl::parse("http://127.0.0.1:3").unwrap()];
        let cluster = Cluster::watch(&DatabaseSection { patroni, ..alone }).unwrap().unwrap();
        assert_eq!(cluster.servers().status().len(), 1);
    }
}
