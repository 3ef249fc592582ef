//! The servers of one cluster, as several keys name them: `url` or `host` or `primary`, `replicas`, `regions`.
//!
//! Each is listed once, those that were named as primaries first: in that order connections look for the one that takes
//! writes. Roles change with a failover, so the order is where looking begins and no more.

use super::{DatabaseSection, ReplicaAddress, ServerAddress};
use crate::options::{ConnectOptions, ConnectOptionsError, Host, TargetSessionAttrs};
use crate::servers::Bounds;

/// One of the servers.
#[derive(Clone, Debug)]
pub struct ListedServer {
    /// Where it is.
    pub host: Host,
    /// Its region, where there are regions.
    pub region: Option<String>,
    /// The login of reads there, when it has one of its own.
    pub login: Option<(String, Option<ferrobase_base::Secret>)>,
}

impl DatabaseSection {
    /// All servers that are listed. One alone is not watched, unless Patroni may name others.
    ///
    /// # Errors
    /// A URL that cannot be read; `check` has said so before.
    pub fn servers(&self) -> Result<Vec<ListedServer>, ConnectOptionsError> {
        let direct = match &self.listen_url {
            Some(url) => ConnectOptions::parse(url.expose())?.hosts().to_vec(),
            None => self.primary_hosts()?,
        };
        let mut list: Vec<ListedServer> = Vec::new();
        let mut add = |host: Host, region: Option<&String>, replica: Option<&ReplicaAddress>| {
            let login = replica.and_then(|r| Some((r.user.as_ref()?.to_string(), r.password.clone())));
            match list.iter_mut().find(|known| known.host == host) {
                Some(known) => {
                    known.region = known.region.take().or(region.cloned());
                    known.login = known.login.take().or(login);
                }
                None => list.push(ListedServer { host, region: region.cloned(), login }),
            }
        };
        direct.into_iter().for_each(|host| add(host, None, None));
        for (name, region) in &self.regions {
            region.primary.iter().for_each(|primary| add(of_primary(primary), Some(name), None));
        }
        self.replicas.iter().for_each(|replica| add(of_replica(replica), None, Some(replica)));
        for (name, region) in &self.regions {
            region.replicas.iter().for_each(|replica| add(of_replica(replica), Some(name), Some(replica)));
        }
        Ok(list)
    }

    /// Whether a server is in the region of this process, or there are no regions. What is listed outside of the regions
    /// belongs to this one.
    pub fn is_near(&self, server: &ListedServer) -> bool {
        match (&self.region, &server.region) {
            (Some(here), Some(there)) => here == there,
            _ => true,
        }
    }

    /// Bounds of the watch.
    pub fn bounds(&self) -> Bounds {
        let max_waiting = usize::try_from(self.max_waiting).unwrap_or(usize::MAX);
        Bounds { max_lag: self.max_replica_lag, max_waiting }
    }

    /// Where connections look for the primary: behind the hosts that are named as such, all others. Of several servers the
    /// one that takes writes is meant.
    pub(super) fn with_all_hosts(&self, options: ConnectOptions) -> Result<ConnectOptions, ConnectOptionsError> {
        let mut hosts = options.hosts().to_vec();
        for server in self.servers()? {
            // What a pooler stands before is not reached past it.
            let is_past_pooler = self.listen_url.is_some() && server.region.is_none() && !self.is_replica(&server.host);
            if !hosts.contains(&server.host) && !is_past_pooler {
                hosts.push(server.host);
            }
        }
        let several = (hosts.len() > 1 || !self.patroni.is_empty()) && options.target == TargetSessionAttrs::Any;
        let options = options.with_hosts(hosts);
        Ok(if several { options.with_target_session_attrs(TargetSessionAttrs::ReadWrite) } else { options })
    }

    fn is_replica(&self, host: &Host) -> bool {
        self.replicas.iter().any(|replica| of_replica(replica) == *host)
    }

    pub(super) fn primary_hosts(&self) -> Result<Vec<Host>, ConnectOptionsError> {
        if let Some(url) = &self.url {
            return Ok(ConnectOptions::parse(url.expose())?.hosts().to_vec());
        }
        let is_named = self.primary.is_some() || !self.host.is_empty() || self.regions.is_empty();
        let named = if is_named { self.primary_addresses() } else { Vec::new() };
        Ok(named.into_iter().map(|(host, port)| super::connect::server(host, port)).collect())
    }
}

fn of_primary(address: &ServerAddress) -> Host {
    super::connect::server(address.host.clone(), address.port)
}

fn of_replica(address: &ReplicaAddress) -> Host {
    super::connect::server(address.host.clone(), address.port)
}

#[cfg(test)]
mod tests {
    use ferrobase_base::config::{Atom as _, Identifier};

    use super::super::{DatabaseHost, DatabaseUrl, RegionSection};
    use super::*;

    fn replica(host: &str) -> ReplicaAddress {
        ReplicaAddress { host: DatabaseHost::parse(host).unwrap(), ..ReplicaAddress::default() }
    }

    fn primary(host: &str) -> Option<ServerAddress> {
        Some(ServerAddress { host: DatabaseHost::parse(host).unwrap(), ..ServerAddress::default() })
    }

    fn names(section: &DatabaseSection) -> Vec<String> {
        section.servers().unwrap().iter().map(|server| server.host.to_string()).collect()
    }

    #[test]
    fn one_server_is_left_as_it_is() {
        let section = DatabaseSection { url: DatabaseUrl::parse("postgresql://o@a/app"), ..DatabaseSection::default() };
        assert_eq!(names(&section).len(), 1);
        assert_eq!(section.owner().unwrap().target, TargetSessionAttrs::Any);
    }

    #[test]
    fn every_server_may_be_the_primary() {
        let own = ReplicaAddress {
            user: Some(Identifier::from_static("reader")),
            password: Some("p".to_owned().into()),
            ..replica("c")
        };
        let section =
            DatabaseSection { primary: primary("a"), replicas: vec![replica("b"), own], ..DatabaseSection::default() };
        assert_eq!(names(&section), ["a:5432", "b:5432", "c:5432"]);
        let owner = section.owner().unwrap();
        assert_eq!((owner.hosts().len(), owner.target), (3, TargetSessionAttrs::ReadWrite));
        let servers = section.servers().unwrap();
        assert_eq!(servers[2].login.as_ref().map(|(user, _)| user.as_str()), Some("reader"));
        assert!(servers[1].login.is_none() && servers.iter().all(|server| section.is_near(server)));
    }

    #[test]
    fn regions_say_what_is_near() {
        let region = |p: &str, r: &str| RegionSection { primary: primary(p), replicas: vec![replica(r)] };
        let section = DatabaseSection {
            regions: [("east".to_owned(), region("a", "b")), ("west".to_owned(), region("c", "d"))].into(),
            region: Some("west".to_owned()),
            ..DatabaseSection::default()
        };
        assert!(section.is_located() && section.has_replicas());
        assert_eq!(names(&section), ["a:5432", "c:5432", "b:5432", "d:5432"]);
        let near: Vec<bool> = section.servers().unwrap().iter().map(|server| section.is_near(server)).collect();
        assert_eq!(near, [false, true, false, true]);
        assert_eq!(section.owner().unwrap().hosts().len(), 4);
    }

    #[test]
    fn behind_a_pooler_the_watch_goes_past_it() {
        let section = DatabaseSection {
            url: DatabaseUrl::parse("postgresql://o@pool:6432/app"),
            listen_url: DatabaseUrl::parse("postgresql://o@a:5432/app"),
            replicas: vec![replica("b")],
            ..DatabaseSection::default()
        };
        assert_eq!(names(&section), ["a:5432", "b:5432"]);
        let hosts: Vec<_> = section.owner().unwrap().hosts().iter().map(Host::to_string).collect();
        assert_eq!(hosts, ["pool:6432", "b:5432"]);
        let hosts: Vec<_> = section.listener().unwrap().hosts().iter().map(Host::to_string).collect();
        assert_eq!(hosts, ["a:5432", "b:5432"]);
    }
}
