//! Answers that servers give, and what follows.

use super::*;

const A: usize = 0;
const B: usize = 1;
const C: usize = 2;

/// Three servers of one cluster, and a clock.
struct Scene {
    state: State,
    now: Instant,
}

impl Scene {
    fn new() -> Self {
        Self::of([true, true, true])
    }

    fn of(near: [bool; 3]) -> Self {
        let mut state = State::new(Duration::from_millis(500), 2);
        for (name, is_near) in ["a", "b", "c"].into_iter().zip(near) {
            state.join(Host::tcp(name, 5432), is_near);
        }
        Self { state, now: Instant::now() }
    }

    fn pass(&mut self, ms: u64) {
        self.now += Duration::from_millis(ms);
    }

    fn says(&mut self, index: usize, is_standby: bool, timeline: u32, lsn: u64) {
        self.says_of(7, index, is_standby, timeline, lsn);
    }

    fn says_of(&mut self, system: u64, index: usize, is_standby: bool, timeline: u32, lsn: u64) {
        self.says_as(index as u64, system, index, is_standby, timeline, lsn);
    }

    fn says_as(&mut self, instance: u64, system: u64, index: usize, is_standby: bool, timeline: u32, lsn: u64) {
        let (reached, asked) = (Lsn(lsn), self.now);
        self.pass(1);
        let answer = Answer { asked, is_standby, reached, durable: reached, timeline, system, instance };
        self.state.answered(index, answer, self.now);
    }

    fn usual(&mut self) {
        self.says(A, false, 1, 10);
        self.says(B, true, 1, 10);
        self.says(C, true, 1, 10);
    }

    fn pick(&mut self, at_least: Option<u64>) -> Pick {
        self.state.pick(at_least.map(Lsn), |_| Some(0), self.now)
    }

    fn standing(&self, index: usize) -> Standing {
        self.state.standing(index, self.now)
    }
}

#[test]
fn reads_go_to_whoever_has_least_to_do_and_equals_take_turns() {
    let mut scene = Scene::new();
    assert_eq!(scene.pick(None), Pick::Primary, "nobody is known");
    scene.says(A, false, 1, 10);
    scene.says(B, true, 1, 10);
    assert_eq!((scene.pick(None), scene.state.primary()), (Pick::Primary, None), "not everybody was heard");
    scene.says(C, true, 1, 10);
    scene.usual();
    assert_eq!(scene.state.primary(), Some(A));
    let picked: Vec<_> = (0..2).map(|_| scene.pick(None)).collect();
    assert!(picked.contains(&Pick::Replica(B)) && picked.contains(&Pick::Replica(C)), "{picked:?}");
    let busy = |index| Some(if index == B { 1 } else { 0 });
    assert_eq!(scene.state.pick(None, busy, scene.now), Pick::Replica(C));
    let closed = |index| (index == B).then_some(9);
    assert_eq!(scene.state.pick(None, closed, scene.now), Pick::Replica(B));
}

#[test]
fn who_is_away_behind_or_suspected_answers_nothing() {
    let mut scene = Scene::new();
    scene.usual();
    scene.usual();
    scene.state.failed(B, scene.now);
    assert_eq!((scene.standing(B), scene.pick(None)), (Standing::Away, Pick::Replica(C)));
    scene.state.suspect(C, scene.now);
    assert_eq!(scene.pick(None), Pick::Primary);
    scene.says(C, true, 1, 10);
    assert_eq!(scene.pick(None), Pick::Replica(C), "it answered since");
    scene.pass(1100);
    assert_eq!((scene.standing(C), scene.pick(None)), (Standing::Away, Pick::Primary), "long ago");
    scene.says(A, false, 1, 20);
    scene.pass(501);
    scene.says(C, true, 1, 10);
    assert_eq!((scene.standing(C), scene.pick(None)), (Standing::Behind, Pick::Primary));
    scene.says(C, true, 1, 20);
    assert_eq!(scene.pick(None), Pick::Replica(C));
    assert_eq!(scene.state.lag(C), Some(Duration::ZERO));
}

#[test]
fn whoever_waits_is_woken_when_it_is_there_or_never_will_be() {
    let mut scene = Scene::new();
    scene.usual();
    scene.usual();
    assert_eq!(scene.pick(Some(11)), Pick::Later);
    let (_, mut first) = scene.state.wait_for(Lsn(11)).unwrap();
    let (place, mut second) = scene.state.wait_for(Lsn(12)).unwrap();
    assert!(scene.state.wait_for(Lsn(1)).is_none(), "bounded");
    assert_eq!(scene.state.awaited(), Some((Lsn(11), Lsn(12))));
    scene.says(B, true, 1, 11);
    assert!(first.try_recv().is_ok() && second.try_recv().is_err());
    assert_eq!(scene.pick(Some(11)), Pick::Replica(B));
    scene.state.failed(B, scene.now);
    assert!(second.try_recv().is_err(), "there is another replica");
    scene.state.failed(C, scene.now);
    assert!(second.try_recv().is_ok() && scene.state.waiting() == 0);
    scene.state.give_up(place);
}

#[test]
fn near_ones_go_first_and_a_near_primary_before_far_ones() {
    let mut far_primary = Scene::of([false, true, false]);
    far_primary.usual();
    far_primary.usual();
    assert_eq!(far_primary.pick(None), Pick::Replica(B));
    far_primary.state.failed(B, far_primary.now);
    assert_eq!(far_primary.pick(None), Pick::Replica(C));
    let mut near_primary = Scene::of([true, true, false]);
    near_primary.usual();
    near_primary.usual();
    near_primary.state.failed(B, near_primary.now);
    assert_eq!(near_primary.pick(None), Pick::Primary);
    near_primary.state.failed(A, near_primary.now);
    assert_eq!(near_primary.pick(None), Pick::Replica(C), "better far than not at all");
}

#[test]
fn sec_14_another_timeline_or_cluster_is_a_stranger() {
    let mut scene = Scene::new();
    scene.usual();
    scene.says_of(8, B, true, 1, 10);
    scene.says(C, true, 2, 10);
    assert_eq!((scene.standing(B), scene.standing(C)), (Standing::Stranger, Standing::Stranger));
    assert_eq!(scene.pick(None), Pick::Primary);
}

#[test]
fn a_promoted_standby_becomes_the_primary_and_moves_on() {
    let mut scene = Scene::new();
    scene.usual();
    scene.state.failed(A, scene.now);
    assert_eq!((scene.state.primary(), scene.pick(None)), (Some(A), Pick::Replica(C)), "reads go on");
    scene.says(B, false, 2, 9);
    assert_eq!((scene.state.primary(), scene.state.trouble()), (Some(B), None));
    assert_eq!(scene.state.position(), Some((7, Position { timeline: 2, lsn: Lsn(9) })));
    assert_eq!(scene.standing(C), Standing::Stranger, "until it follows");
    scene.says(C, true, 2, 9);
    assert_eq!(scene.standing(C), Standing::Replica);
    // The old one comes back and believes that nothing happened.
    scene.says(A, false, 1, 12);
    assert_eq!(scene.state.trouble(), None, "the other one may have gone just before");
    scene.says(B, false, 2, 9);
    assert!(matches!(scene.state.trouble(), Some(Trouble::Split(leaders)) if leaders.len() == 2));
    assert_eq!(scene.state.primary(), Some(B), "who it is does not change");
    scene.state.failed(B, scene.now);
    assert!(matches!(scene.state.trouble(), Some(Trouble::Outdated(leader)) if leader.timeline == 1));
    scene.says(A, true, 2, 9);
    scene.says(B, false, 2, 9);
    assert_eq!((scene.state.primary(), scene.state.trouble()), (Some(B), None));
}

#[test]
fn a_primary_that_goes_as_another_comes_is_no_split() {
    let mut scene = Scene::new();
    scene.usual();
    scene.says(A, false, 1, 10);
    scene.says(B, false, 2, 10);
    assert_eq!((scene.state.trouble(), scene.state.primary()), (None, Some(A)));
    scene.state.failed(A, scene.now);
    assert_eq!((scene.state.trouble(), scene.state.primary()), (None, Some(B)));
}

#[test]
fn another_cluster_never_takes_over() {
    let mut scene = Scene::new();
    scene.usual();
    scene.state.failed(A, scene.now);
    scene.says_of(8, B, false, 5, 10);
    assert!(matches!(scene.state.trouble(), Some(Trouble::Foreign(leader)) if leader.system == 8));
    assert_eq!(scene.state.primary(), Some(A));
}

#[test]
fn a_server_that_joins_answers_reads_and_one_that_left_is_forgotten() {
    let mut scene = Scene::new();
    scene.usual();
    scene.usual();
    scene.state.failed(C, scene.now);
    let joined = scene.state.join(Host::tcp("d", 5432), true);
    assert_eq!((joined, scene.standing(joined)), (3, Standing::Unknown));
    assert_eq!((scene.pick(None), scene.state.primary()), (Pick::Replica(B), Some(A)), "nobody waits for it");
    scene.says(joined, true, 1, 10);
    let picked: Vec<_> = (0..2).map(|_| scene.pick(None)).collect();
    assert!(picked.contains(&Pick::Replica(B)) && picked.contains(&Pick::Replica(joined)), "{picked:?}");
    assert!(scene.state.leave(B, scene.now) && scene.state.leave(B, scene.now));
    assert_eq!(scene.pick(None), Pick::Replica(joined));
    // Whoever still has its number finds nobody, and changes nothing.
    scene.says(B, false, 9, 99);
    scene.state.suspect(B, scene.now);
    scene.state.failed(B, scene.now);
    assert!(!scene.state.set_aside(B, true, scene.now) && !scene.state.has_reached(B, Lsn(1)));
    assert_eq!((scene.state.trouble(), scene.standing(B), scene.state.host(B)), (None, Standing::Unknown, None));
    assert_eq!(scene.state.join(Host::tcp("b", 5432), true), 4, "a number is given once");
    assert_eq!(scene.state.numbers().collect::<Vec<_>>(), [A, C, joined, 4]);
}

#[test]
fn whoever_waits_for_a_server_that_leaves_is_woken() {
    let mut scene = Scene::new();
    scene.usual();
    scene.usual();
    scene.state.failed(C, scene.now);
    let (_, mut woken) = scene.state.wait_for(Lsn(11)).unwrap();
    assert!(woken.try_recv().is_err());
    scene.state.leave(B, scene.now);
    assert!(woken.try_recv().is_ok() && scene.pick(Some(11)) == Pick::Primary);
}

/// Every server of the start is replaced by another one, the primary included; what is known of the cluster stays.
#[test]
fn a_cluster_outlives_all_servers_that_it_began_with() {
    let mut scene = Scene::new();
    scene.usual();
    let [d, e] = ["d", "e"].map(|name| scene.state.join(Host::tcp(name, 5432), true));
    for joined in [d, e] {
        scene.says(joined, true, 1, 10);
    }
    assert!(!scene.state.leave(A, scene.now), "it takes writes");
    assert_eq!(scene.state.primary(), Some(A));
    [A, B, C].iter().for_each(|gone| scene.state.failed(*gone, scene.now));
    assert!([A, B, C].iter().all(|gone| scene.state.leave(*gone, scene.now)));
    assert_eq!((scene.state.primary(), scene.state.is_settled()), (None, true));
    assert_eq!(scene.pick(None), Pick::Replica(e), "reads go on");
    scene.says(d, false, 2, 12);
    assert_eq!((scene.state.primary(), scene.state.trouble()), (Some(d), None));
    assert_eq!(scene.state.position().map(|(system, position)| (system, position.timeline)), Some((7, 2)));
    scene.says(e, true, 2, 12);
    assert_eq!(scene.pick(Some(12)), Pick::Replica(e));
    // Nor is the history forgotten with those who made it.
    scene.state.failed(d, scene.now);
    let old = scene.state.join(Host::tcp("a", 5432), true);
    scene.says(old, false, 1, 50);
    assert!(matches!(scene.state.trouble(), Some(Trouble::Outdated(leader)) if leader.server == "a:5432"));
    scene.says_of(8, old, false, 9, 50);
    assert!(matches!(scene.state.trouble(), Some(Trouble::Foreign(_))));
}

#[test]
fn a_second_primary_that_joins_is_a_split_and_stays_one_until_it_stops() {
    let mut scene = Scene::new();
    scene.usual();
    let joined = scene.state.join(Host::tcp("d", 5432), true);
    scene.says(joined, false, 1, 10);
    scene.says(A, false, 1, 11);
    assert!(matches!(scene.state.trouble(), Some(Trouble::Split(leaders)) if leaders.len() == 2));
    assert!(!scene.state.leave(joined, scene.now) && scene.state.trouble().is_some(), "nobody talks it away");
    scene.state.failed(joined, scene.now);
    assert!(scene.state.trouble().is_none() && scene.state.leave(joined, scene.now));
}

/// Nothing is installed before that: on which of two would not be known.
#[test]
fn nothing_is_settled_before_whoever_joined_was_asked_and_is_no_second_primary() {
    let mut scene = Scene::new();
    scene.usual();
    assert!(scene.state.is_settled());
    let joined = scene.state.join(Host::tcp("d", 5432), true);
    assert!(!scene.state.is_settled());
    scene.says(joined, false, 1, 10);
    assert!(!scene.state.is_settled() && scene.state.trouble().is_none(), "the first may have stopped just now");
    scene.says(A, false, 1, 11);
    assert!(scene.state.is_settled() && scene.state.trouble().is_some());
}

#[test]
fn one_server_under_two_names_counts_once() {
    let mut scene = Scene::new();
    scene.usual();
    scene.usual();
    let [again, replica] = ["10.0.0.1", "10.0.0.2"].map(|name| scene.state.join(Host::tcp(name, 5432), true));
    for _ in 0..2 {
        scene.says_as(A as u64, 7, again, false, 1, 10);
        scene.says_as(B as u64, 7, replica, true, 1, 10);
        scene.usual();
    }
    assert_eq!((scene.state.trouble(), scene.state.primary()), (None, Some(A)), "no second primary");
    assert_eq!([again, replica].map(|number| scene.standing(number)), [Standing::Twin; 2]);
    let picked: Vec<_> = (0..4).map(|_| scene.pick(None)).collect();
    assert!(picked.iter().all(|pick| [Pick::Replica(B), Pick::Replica(C)].contains(pick)), "{picked:?}");
    scene.state.set_aside(replica, true, scene.now);
    assert_eq!([scene.pick(None), scene.pick(None)], [Pick::Replica(C); 2], "said under either name");
    // The other name takes its place where the first one leads nowhere.
    scene.state.failed(A, scene.now);
    assert_eq!((scene.state.primary(), scene.state.trouble()), (Some(again), None));
    scene.says(A, false, 1, 10);
    assert_eq!((scene.state.primary(), scene.standing(A)), (Some(again), Standing::Twin), "and keeps it");
    // Another server with the same history is another server.
    scene.says_as(99, 7, again, false, 1, 10);
    scene.says(A, false, 1, 10);
    assert!(matches!(scene.state.trouble(), Some(Trouble::Split(_))));
}
