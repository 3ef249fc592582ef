//! What follows from a list of members: who is used, who answers reads, who is forgotten. No I/O and no clock.
//!
//! A member that Patroni names no longer was removed, or is down for longer than its lease lasts: Patroni tells no difference. It
//! answers no reads from then on, and is forgotten after [`FORGOTTEN_AFTER`]; when it comes back, it is named again and used
//! again. A list without a leader says nothing of who is missing: the cluster is being arranged anew, or its store is.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::super::cluster::{Known, MOST_FOUND};
use super::api::{Cluster, Member};

/// A server that was found is forgotten when it was named by nobody for so long.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(10);

/// What is to be done.
#[derive(Debug)]
pub(super) enum Step {
    /// A server answers reads, or does not.
    SetAside(Known, bool),
    /// A server is used from now on.
    Join(ferrobase_pg::Host),
    /// A server is used no longer.
    Forget(Known),
}

/// What follows.
#[derive(Debug, Default)]
pub(super) struct Heeded {
    pub(super) steps: Vec<Step>,
    /// Why a member is not used.
    pub(super) refused: Option<String>,
}

/// Who is missing since when.
#[derive(Debug, Default)]
pub(super) struct Attendance(BTreeMap<usize, Instant>);

impl Attendance {
    /// Compares what Patroni says with those that are known.
    pub(super) fn heed(&mut self, known: &[Known], cluster: &Cluster, now: Instant) -> Heeded {
        let mut heeded = Heeded::default();
        let has_leader = cluster.leader().is_some();
        self.0.retain(|number, _| known.iter().any(|known| known.number == *number));
        for one in known {
            let member = cluster.members.iter().find(|member| member.host().as_ref() == Some(&one.host));
            if member.is_some() {
                self.0.remove(&one.number);
            }
            match member {
                Some(member) => {
                    let is_aside = !member.is_leader() && !member.may_answer();
                    heeded.steps.push(Step::SetAside(one.clone(), is_aside));
                }
                // Who is listed and no member is none of Patroni's business.
                None if one.is_listed => heeded.steps.push(Step::SetAside(one.clone(), false)),
                None if !has_leader => {}
                None => {
                    let since = *self.0.entry(one.number).or_insert(now);
                    let is_over = now.saturating_duration_since(since) >= FORGOTTEN_AFTER;
                    let step = if is_over { Step::Forget } else { |one| Step::SetAside(one, true) };
                    heeded.steps.push(step(one.clone()));
                }
            }
        }
        newcomers(known, cluster, &mut heeded);
        heeded
    }
}

/// Members that are not known yet, and are there.
fn newcomers(known: &[Known], cluster: &Cluster, heeded: &mut Heeded) {
    let mut found = known.iter().filter(|known| !known.is_listed).count();
    let mut hosts: Vec<_> = known.iter().map(|known| known.host.clone()).collect();
    let is_there = |member: &&Member| member.has_address() && (member.is_leader() || member.is_up());
    // The leader first: without it nothing works.
    let (leaders, others): (Vec<_>, Vec<_>) =
        cluster.members.iter().filter(is_there).partition(|member| member.is_leader());
    for member in leaders.into_iter().chain(others) {
        match member.host() {
            None => heeded.refused = Some("where it is is neither a host name nor an address".to_owned()),
            Some(host) if hosts.contains(&host) => {}
            Some(host) if found < MOST_FOUND => {
                found += 1;
                hosts.push(host.clone());
                heeded.steps.push(Step::Join(host));
            }
            Some(_) => heeded.refused = Some(format!("{MOST_FOUND} that nobody listed are used already")),
        }
    }
}

#[cfg(test)]
mod tests {
    use ferrobase_pg::Host;
    use serde_json::{Value, json};

    use super::super::api::tests::cluster;
    use super::*;

    fn known(number: usize, name: &str, is_listed: bool) -> Known {
        Known { number, host: Host::tcp(name, 5432), is_listed }
    }

    fn leader(host: &str) -> Value {
        json!({"host": host, "port": 5432, "role": "leader", "state": "running"})
    }

    fn replica(host: &str, state: &str) -> Value {
        json!({"host": host, "port": 5432, "role": "replica", "state": state})
    }

    fn said(members: &[Value]) -> Cluster {
        cluster(&json!({ "members": members }).to_string())
    }

    /// The steps in words.
    fn words(heeded: &Heeded) -> Vec<String> {
        let word = |step: &Step| match step {
            Step::SetAside(known, true) => format!("aside {}", known.host),
            Step::SetAside(known, false) => format!("use {}", known.host),
            Step::Join(host) => format!("join {host}"),
            Step::Forget(known) => format!("forget {}", known.host),
        };
        heeded.steps.iter().map(word).collect()
    }

    #[test]
    fn members_join_once_they_run() {
        let (mut attendance, now) = (Attendance::default(), Instant::now());
        let listed = [known(0, "a", true)];
        let members = [
            replica("c", "streaming"),
            replica("d", "creating replica"),
            leader("b"),
            leader("a"),
            replica("c", "running"),
            json!({"role": "replica", "state": "running"}),
        ];
        let heeded = attendance.heed(&listed, &said(&members), now);
        assert_eq!(words(&heeded), ["use a:5432", "join b:5432", "join c:5432"]);
        assert_eq!(heeded.refused, None, "who has no address yet has nothing wrong with it");
        let no_reads = json!({"host": "e", "role": "replica", "state": "streaming", "tags": {"noloadbalance": true}});
        let heeded = attendance.heed(&listed, &said(&[leader("a"), no_reads]), now);
        assert_eq!(words(&heeded), ["use a:5432", "join e:5432"], "it may become the leader");
    }

    #[test]
    fn whoever_is_named_no_longer_answers_nothing_and_is_forgotten_after_a_while() {
        let (mut attendance, start) = (Attendance::default(), Instant::now());
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let all = [known(0, "a", true), known(1, "b", false), known(2, "c", false)];
        let without = said(&[leader("c")]);
        let steps = |attendance: &mut Attendance, said: &Cluster, now| words(&attendance.heed(&all, said, now));
        assert_eq!(steps(&mut attendance, &without, at(0)), ["use a:5432", "aside b:5432", "use c:5432"]);
        let back = said(&[leader("c"), replica("b", "streaming")]);
        assert_eq!(steps(&mut attendance, &back, at(9)), ["use a:5432", "use b:5432", "use c:5432"]);
        assert_eq!(steps(&mut attendance, &without, at(11))[1], "aside b:5432", "the time begins anew");
        let down = said(&[leader("c"), replica("b", "stopped")]);
        assert_eq!(steps(&mut attendance, &down, at(60))[1], "aside b:5432", "who is down is not forgotten");
        assert_eq!(steps(&mut attendance, &without, at(61))[1], "aside b:5432");
        assert_eq!(steps(&mut attendance, &without, at(71)), ["use a:5432", "forget b:5432", "use c:5432"]);
        // What was listed stays, named or not, and is nobody's to keep out of reads.
        assert_eq!(steps(&mut attendance, &without, at(9999))[0], "use a:5432");
    }

    #[test]
    fn a_list_without_a_leader_forgets_nobody() {
        let (mut attendance, start) = (Attendance::default(), Instant::now());
        let all = [known(1, "b", false), known(2, "c", false)];
        for (seconds, members) in [(0, vec![]), (60, vec![replica("c", "running")]), (120, vec![])] {
            let heeded = attendance.heed(&all, &said(&members), start + Duration::from_secs(seconds));
            assert!(!words(&heeded).iter().any(|word| word.ends_with("b:5432")), "{heeded:?}");
        }
        assert!(attendance.0.is_empty());
    }

    #[test]
    fn sec_how_many_are_used_that_nobody_listed_is_bounded() {
        let (mut attendance, now) = (Attendance::default(), Instant::now());
        let mut members: Vec<Value> = (0..200).map(|n| replica(&format!("r{n}"), "running")).collect();
        members.push(leader("z"));
        let heeded = attendance.heed(&[known(0, "a", true)], &said(&members), now);
        let joined = heeded.steps.iter().filter(|step| matches!(step, Step::Join(_))).count();
        assert_eq!((joined, &words(&heeded)[1]), (MOST_FOUND, &"join z:5432".to_owned()), "the leader is among them");
        assert_eq!(heeded.refused.as_deref(), Some("32 that nobody listed are used already"));
        let full: Vec<Known> = (0..MOST_FOUND).map(|n| known(n, &format!("k{n}"), false)).collect();
        let heeded = attendance.heed(&full, &said(&[leader("new")]), now);
        assert!(heeded.refused.is_some() && !words(&heeded).iter().any(|word| word.starts_with("join")));
        assert!(attendance.0.len() <= MOST_FOUND);
        let heeded = attendance.heed(&[], &said(&[leader("/run/postgresql")]), now);
        assert!(heeded.steps.is_empty() && heeded.refused.is_some());
    }
}
