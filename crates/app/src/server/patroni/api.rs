//! Who is asked, and what Patroni says of a cluster.
//!
//! The addresses that are configured may be those of machines that are gone one day. So whoever answered last is asked first, and
//! members are asked where they say that their own Patroni is. Those addresses come from an answer, not from the operator: one is
//! used only with the host under which the member's database is reached anyway, without a path of its own, and not in the
//! clear where every configured one is `https`. They are as many as members are looked at, and are forgotten with them.
//! Invariant: the answer of another cluster than before, as told by its name, is no answer.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use ferrobase_base::config::{Atom as _, Host as Name, HttpUrl};
use ferrobase_egress::{Authorities, Bounds, Client};
use ferrobase_pg::Host;
use ferrobase_pg::config::DatabaseSection;
use serde::{Deserialize, Deserializer};

use super::super::cluster::MOST_FOUND;

/// How long one address may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// A cluster has a few members of some hundred bytes.
const LARGEST: usize = 256 * 1024;

/// What Patroni says of a cluster.
#[derive(Debug, Deserialize)]
pub(super) struct Cluster {
    /// Its name; older versions do not tell.
    scope: Option<String>,
    #[serde(deserialize_with = "readable")]
    pub(super) members: Vec<Member>,
}

/// Those that can be read: an odd member says nothing about the others.
fn readable<'de, D: Deserializer<'de>>(all: D) -> Result<Vec<Member>, D::Error> {
    let all = Vec::<serde_json::Value>::deserialize(all)?;
    let read = |member: serde_json::Value| match serde_json::from_value(member) {
        Ok(member) => Some(member),
        Err(error) => {
            tracing::debug!(error = &error as &dyn std::error::Error, "a member of Patroni's cluster cannot be read");
            None
        }
    };
    Ok(all.into_iter().filter_map(read).collect())
}

/// A member; one that was made just now may have no address yet.
#[derive(Debug, Deserialize)]
pub(super) struct Member {
    role: Option<String>,
    state: Option<String>,
    host: Option<String>,
    port: Option<u16>,
    api_url: Option<String>,
    #[serde(default)]
    tags: Tags,
}

#[derive(Debug, Default, Deserialize)]
struct Tags {
    noloadbalance: Option<serde_json::Value>,
}

impl Tags {
    /// As Patroni takes it: whatever is not false in Python.
    fn is_set(tag: Option<&serde_json::Value>) -> bool {
        use serde_json::Value;
        match tag {
            None | Some(Value::Null | Value::Bool(false)) => false,
            Some(Value::Number(number)) => number.as_f64() != Some(0.0),
            Some(Value::String(text)) => !text.is_empty(),
            Some(_) => true,
        }
    }
}

impl Member {
    pub(super) fn is_leader(&self) -> bool {
        self.role.as_deref().is_some_and(|role| ["leader", "standby_leader", "master", "primary"].contains(&role))
    }

    /// Whether its PostgreSQL runs and has what the leader has.
    pub(super) fn is_up(&self) -> bool {
        self.state.as_deref().is_some_and(|state| ["running", "streaming"].contains(&state))
    }

    pub(super) fn may_answer(&self) -> bool {
        !Tags::is_set(self.tags.noloadbalance.as_ref()) && self.is_up()
    }

    /// Whether it says where it is at all.
    pub(super) fn has_address(&self) -> bool {
        self.host.is_some()
    }

    /// Where it is: a name or an address and a port. Nobody is sent to a socket of this machine.
    pub(super) fn host(&self) -> Option<Host> {
        let port = self.port.unwrap_or(5432);
        Name::parse(self.host.as_deref()?).filter(|_| port != 0).map(|name| Host::tcp(name.as_str(), port))
    }

    /// Where its own Patroni answers.
    fn api(&self, allows_clear: bool) -> Option<HttpUrl> {
        let url = HttpUrl::parse(self.api_url.as_deref()?).filter(|url| url.is_https() || allows_clear)?;
        let name = match url.authority().rsplit_once(':') {
            Some((name, port)) if !port.contains(']') => name,
            _ => url.authority(),
        };
        let (there, here) = (Name::parse(name)?, Name::parse(self.host.as_deref()?)?);
        let scheme = if url.is_https() { "https" } else { "http" };
        let same = there.eq_ignore_ascii_case(&here);
        same.then(|| HttpUrl::parse(&format!("{scheme}://{}", url.authority()))).flatten()
    }
}

impl Cluster {
    /// Where the leader is, when there is one.
    pub(super) fn leader(&self) -> Option<Host> {
        self.members.iter().find(|member| member.is_leader()).and_then(Member::host)
    }
}

/// The addresses of a cluster's Patronis.
pub(super) struct Apis {
    client: Client,
    named: Vec<HttpUrl>,
    /// What members said.
    told: Vec<HttpUrl>,
    /// Who answered last.
    last: Option<HttpUrl>,
    scope: Option<String>,
}

impl Apis {
    pub(super) fn of(section: &DatabaseSection) -> Option<Self> {
        let bounds = Bounds { total: PATIENCE, connect: PATIENCE, body: LARGEST, ..Bounds::default() };
        let client = Client::for_named(bounds, Authorities::System);
        let named = section.patroni.clone();
        (!named.is_empty()).then(|| Self { client, named, told: Vec::new(), last: None, scope: None })
    }

    /// What the first says that answers.
    pub(super) async fn ask(&mut self) -> Result<Cluster> {
        let mut failed = None;
        for url in self.in_order() {
            match self.ask_one(&url).await {
                Ok(cluster) => {
                    self.learn(&cluster);
                    self.last = Some(url);
                    return Ok(cluster);
                }
                // What is configured is what a person can mend.
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        Err(failed.unwrap_or_else(|| anyhow::anyhow!("there is nobody to ask")))
    }

    /// Who answered last, then those of the configuration, then those of the members; each once.
    fn in_order(&self) -> Vec<HttpUrl> {
        let all = || self.named.iter().chain(&self.told);
        let last = self.last.iter().filter(|last| all().any(|url| url == *last));
        let mut order: Vec<HttpUrl> = Vec::new();
        for url in last.chain(all()) {
            if !order.contains(url) {
                order.push(url.clone());
            }
        }
        order
    }

    async fn ask_one(&self, url: &HttpUrl) -> Result<Cluster> {
        let url = format!("{url}/cluster");
        let answer = self.client.get(&url, "application/json").await.with_context(|| format!("cannot ask {url}"))?;
        if !answer.status.is_success() {
            bail!("{url} answers with status {}", answer.status);
        }
        let cluster: Cluster =
            serde_json::from_slice(&answer.body).with_context(|| format!("{url} answers something else"))?;
        if self.is_other(&cluster) {
            bail!("{url} answers for another cluster");
        }
        Ok(cluster)
    }

    fn is_other(&self, cluster: &Cluster) -> bool {
        // Who told it once always does.
        self.scope.is_some() && self.scope != cluster.scope
    }

    /// Remembers where else to ask.
    fn learn(&mut self, cluster: &Cluster) {
        if self.scope.is_none() {
            self.scope.clone_from(&cluster.scope);
        }
        let allows_clear = self.named.iter().any(|url| !url.is_https());
        let told = cluster.members.iter().filter_map(|member| member.api(allows_clear));
        self.told = told.take(MOST_FOUND).collect();
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// As Patroni 3 and 4 say it.
    const CLUSTER: &str = r#"{"scope": "c", "members": [
        {"name": "a", "role": "leader", "state": "running", "api_url": "http://10.0.0.1:8008/patroni", "host": "10.0.0.1",
         "port": 5432, "timeline": 3},
        {"name": "b", "role": "sync_standby", "state": "streaming", "host": "10.0.0.2", "port": 5433, "lag": 0},
        {"name": "c", "role": "replica", "state": "streaming", "host": "::1", "port": 5432, "lag": "unknown",
         "tags": {"noloadbalance": true, "clonefrom": true}},
        {"name": "d", "role": "replica", "state": "start failed", "host": "10.0.0.4", "port": 5432},
        {"name": "e", "role": "replica", "state": "creating replica", "api_url": null}]}"#;

    pub(in super::super) fn cluster(text: &str) -> Cluster {
        serde_json::from_str(text).unwrap()
    }

    fn apis(named: &[&str]) -> Apis {
        let patroni = named.iter().map(|url| HttpUrl::parse(url).unwrap()).collect();
        Apis::of(&DatabaseSection { patroni, ..DatabaseSection::default() }).unwrap()
    }

    fn order(apis: &Apis) -> Vec<String> {
        apis.in_order().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn members_are_read_as_they_are_told() {
        let of = |m: &Member| (m.host().map(|host| host.to_string()), m.is_leader(), m.may_answer());
        let told: Vec<_> = cluster(CLUSTER).members.iter().map(of).collect();
        let expected = [
            (Some("10.0.0.1:5432"), true, true),
            (Some("10.0.0.2:5433"), false, true),
            (Some("[::1]:5432"), false, false),
            (Some("10.0.0.4:5432"), false, false),
            (None, false, false),
        ];
        assert_eq!(told, expected.map(|(host, leads, answers)| (host.map(str::to_owned), leads, answers)));
    }

    #[test]
    fn sec_nobody_is_sent_to_what_is_no_host() {
        for host in ["/run/postgresql", "", "a b", "db,evil", "db:1", "@x", "user@db", "999.1.1.1"] {
            let text = serde_json::json!({"members": [{"host": host, "port": 5432}]}).to_string();
            assert_eq!(cluster(&text).members[0].host(), None, "{host}");
        }
        let zero = cluster(r#"{"members": [{"host": "db", "port": 0}]}"#);
        assert_eq!(zero.members[0].host(), None);
    }

    #[test]
    fn an_odd_member_says_nothing_about_the_others() {
        let text = r#"{"members": [{"host": "db", "port": 70000}, 5, {"host": "a", "role": null, "state": "streaming"},
            {"host": "b", "state": "streaming", "tags": {"noloadbalance": "true", "failover_priority": [1]}},
            {"host": "c", "state": "streaming", "tags": {"noloadbalance": 0}}]}"#;
        let read: Vec<_> =
            cluster(text).members.iter().map(|m| (m.host().unwrap().to_string(), m.may_answer())).collect();
        let expected = [("a:5432", true), ("b:5432", false), ("c:5432", true)];
        assert_eq!(read, expected.map(|(host, answers)| (host.to_owned(), answers)));
    }

    #[test]
    fn members_are_asked_when_those_that_are_configured_are_gone() {
        let mut apis = apis(&["http://10.0.0.1:8008", "http://gone:8008"]);
        assert_eq!(order(&apis), ["http://10.0.0.1:8008", "http://gone:8008"]);
        let text = r#"{"members": [
            {"api_url": "http://10.0.0.1:8008/patroni", "host": "10.0.0.1"},
            {"api_url": "http://DB-2:8009/patroni", "host": "db-2", "port": 5433},
            {"api_url": "http://[::2]:8008/patroni", "host": "::2"}]}"#;
        apis.learn(&cluster(text));
        apis.last = HttpUrl::parse("http://[::2]:8008");
        let expected = ["http://[::2]:8008", "http://10.0.0.1:8008", "http://gone:8008", "http://DB-2:8009"];
        assert_eq!(order(&apis), expected, "whoever answered last, and each once");
        apis.learn(&cluster(r#"{"members": []}"#));
        assert_eq!(order(&apis), ["http://10.0.0.1:8008", "http://gone:8008"], "those who left are asked no more");
    }

    #[test]
    fn sec_addresses_that_members_tell_are_theirs_and_few() {
        let mut secure = apis(&["https://10.0.0.1:8008"]);
        let text = r#"{"members": [
            {"api_url": "http://10.0.0.2:8008/patroni", "host": "10.0.0.2"},
            {"api_url": "https://elsewhere:8008/patroni", "host": "10.0.0.3"},
            {"api_url": "https://u:p@10.0.0.3:8008/patroni", "host": "10.0.0.3"},
            {"api_url": "https://10.0.0.3:8008", "host": null},
            {"api_url": "file:///etc/passwd", "host": "10.0.0.3"},
            {"api_url": "https://10.0.0.4:8008/admin?delete=all", "host": "10.0.0.4"}]}"#;
        secure.learn(&cluster(text));
        assert_eq!(order(&secure), ["https://10.0.0.1:8008", "https://10.0.0.4:8008"]);
        let many: Vec<_> =
            (0..500).map(|n| serde_json::json!({"host": "db", "api_url": format!("http://db:{}", n + 1)})).collect();
        let mut clear = apis(&["http://10.0.0.1:8008"]);
        clear.learn(&cluster(&serde_json::json!({ "members": many }).to_string()));
        assert_eq!(order(&clear).len(), 1 + MOST_FOUND);
    }

    #[test]
    fn another_cluster_is_told_by_its_name() {
        let mut apis = apis(&["http://10.0.0.1:8008"]);
        apis.learn(&cluster(r#"{"members": []}"#));
        apis.learn(&cluster(CLUSTER));
        let other = cluster(r#"{"scope": "d", "members": []}"#);
        assert!(apis.is_other(&other) && !apis.is_other(&cluster(CLUSTER)));
        assert!(apis.is_other(&cluster(r#"{"members": []}"#)), "it told its name before");
    }
}
