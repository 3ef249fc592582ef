//! Where everybody finds the catalog in force.
//!
//! Readers take an `Arc` and keep it for their whole request; a reload swaps the pointer and never waits for them.
//! Invariant: what `get` returned never changes and stays valid after any number of reloads.

use std::ops::RangeInclusive;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use tokio::sync::Notify;

use crate::model::Catalog;
use crate::proven::{Proven, Stands};
use crate::retire::retire;

/// The least time between two renewals that somebody may wait for: everybody can say that the schema changed, and nobody can
/// make requests wait for more than a share of the time.
const LEAST_BETWEEN: Duration = Duration::from_secs(1);

/// A place that holds the newest catalog of one target. Cheap to clone; clones share the place.
#[derive(Clone, Debug, Default)]
pub struct CatalogHandle(Arc<Place>);

#[derive(Debug, Default)]
struct Place {
    current: ArcSwapOption<Catalog>,
    generation: AtomicU64,
    proven: ArcSwapOption<InForce>,
    /// What was heard of changes. Locked while `proven` is written.
    heard: Mutex<Heard>,
    /// A renewal came, or will not come.
    renewed: Notify,
}

/// Proofs, and the generations of the catalogs that tell of the same objects.
#[derive(Debug)]
struct InForce {
    generations: RangeInclusive<u64>,
    proven: Arc<Proven>,
}

/// What was heard of changes of the schema.
#[derive(Debug, Default)]
struct Heard {
    changes: u64,
    /// Whether the next one would be heard of.
    listens: bool,
    /// How often listening began or ended.
    turns: u64,
    /// What the last proof was asked for, by number.
    asked: Vec<u64>,
    /// Whether proofs are renewed as soon as a change is heard of.
    renews: bool,
    /// Until when a renewal that is due is waited for.
    due: Option<Instant>,
    /// When a renewal was due last.
    last_due: Option<Instant>,
}

/// A state of the schema, as far as anybody told of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment(u64);

impl CatalogHandle {
    /// How long it is worth to wait for a renewal.
    pub const WAIT: Duration = Duration::from_millis(150);

    /// A handle without a catalog: nothing was loaded yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The catalog in force; `None` until the first load succeeded. One atomic read, never blocks.
    pub fn get(&self) -> Option<Arc<Catalog>> {
        self.0.current.load_full()
    }

    /// Puts a catalog in force, gives it the next generation and returns it as readers will see it. Nothing is proven of it yet.
    pub fn set(&self, mut catalog: Catalog) -> Arc<Catalog> {
        catalog.generation = self.next_generation();
        self.swap(catalog)
    }

    /// The same with a catalog that was read after that moment. If the schema did not change since, proofs that are in force hold
    /// for it too, and no request finds any less.
    pub(crate) fn set_since(&self, mut catalog: Catalog, since: Moment) -> Arc<Catalog> {
        let heard = self.heard();
        catalog.generation = self.next_generation();
        if let Some(old) = self.0.proven.load_full().filter(|_| heard.changes == since.0) {
            let generations = *old.generations.start()..=catalog.generation;
            self.0.proven.store(Some(Arc::new(InForce { generations, proven: Arc::clone(&old.proven) })));
        }
        self.swap(catalog)
    }

    fn next_generation(&self) -> u64 {
        self.0.generation.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn swap(&self, catalog: Catalog) -> Arc<Catalog> {
        let catalog = Arc::new(catalog);
        if let Some(old) = self.0.current.swap(Some(Arc::clone(&catalog))) {
            retire(old);
        }
        catalog
    }

    /// What is proven to run known code only; `None` while nobody knows.
    pub fn proven(&self) -> Option<Arc<Proven>> {
        self.0.proven.load().as_ref().map(|in_force| Arc::clone(&in_force.proven))
    }

    /// The same of the objects that this catalog tells of: with another catalog names mean other objects.
    pub fn proven_of(&self, catalog: &Catalog) -> Option<Arc<Proven>> {
        let in_force = self.0.proven.load();
        let in_force = in_force.as_ref().filter(|in_force| in_force.generations.contains(&catalog.generation));
        in_force.map(|in_force| Arc::clone(&in_force.proven))
    }

    /// The same, but where proofs are being renewed it waits for them: until so long after the word of the change, and
    /// [`Self::WAIT`] at most.
    pub async fn proven_soon(&self, catalog: &Catalog, patience: Duration) -> Option<Arc<Proven>> {
        let mut renewed = pin!(self.0.renewed.notified());
        // From here on nothing is missed.
        renewed.as_mut().enable();
        if let Some(until) = self.due() {
            let until = until - Self::WAIT.saturating_sub(patience);
            let _ = tokio::time::timeout_at(until.into(), renewed).await;
        }
        self.proven_of(catalog)
    }

    /// Whether proofs are being renewed just now.
    pub fn is_being_renewed(&self) -> bool {
        self.due().is_some_and(|until| until > Instant::now())
    }

    /// Until when a renewal is waited for that was heard to be due; another moment for each.
    pub fn due(&self) -> Option<Instant> {
        self.heard().due
    }

    /// Whether somebody renews proofs from now on as soon as they are [due](Self::due). Nobody waits for them any more.
    pub(crate) fn renews(&self, renews: bool) {
        self.heard().renews = renews;
        self.not_due();
    }

    /// No renewal is to be waited for.
    pub(crate) fn not_due(&self) {
        self.heard().due = None;
        self.0.renewed.notify_waiters();
    }

    /// The schema changed: what was proven of it may be so no longer, and what is being proven belongs to the past.
    pub fn doubt(&self) {
        self.forget(&mut self.heard());
    }

    /// Whether changes are heard of from now on. Nothing is proven before that was said, or while they are not; what
    /// changed until now may have been missed.
    pub fn listens(&self, listens: bool) {
        let mut heard = self.heard();
        heard.listens = listens;
        heard.turns += 1;
        self.forget(&mut heard);
    }

    /// Changes when listening begins or ends: then the database may be another server.
    pub(crate) fn turns(&self) -> u64 {
        self.heard().turns
    }

    /// The present state, to be named when something is proven of it.
    pub(crate) fn moment(&self) -> Moment {
        Moment(self.heard().changes)
    }

    /// What the last proof was asked for, by number, while there is none.
    pub(crate) fn asked(&self) -> Vec<u64> {
        self.heard().asked.clone()
    }

    /// Puts in force what was read after that moment, unless the schema changed since or nobody would hear of it.
    pub(crate) fn prove(&self, mut proven: Proven, since: Moment) {
        let mut heard = self.heard();
        if heard.listens && heard.changes == since.0 {
            let generation = self.get().map_or(0, |catalog| catalog.generation);
            // Who acts on a proof learns of a change through its flag.
            proven.stands = Stands::standing();
            let old = self.0.proven.load_full();
            if let Some(old) = &old {
                // Both are of this moment, so who acts on the old one has no reason to doubt, and will hear when there is one.
                proven.stands = old.proven.stands.clone();
            }
            self.0
                .proven
                .store(Some(Arc::new(InForce { generations: generation..=generation, proven: Arc::new(proven) })));
            old.into_iter().for_each(|old| retire(Arc::clone(&old.proven)));
            heard.due = None;
            self.0.renewed.notify_waiters();
        }
    }

    fn forget(&self, heard: &mut Heard) {
        heard.changes += 1;
        if let Some(old) = self.0.proven.swap(None) {
            old.proven.stands.flag().store(false, Ordering::Release);
            heard.asked = old.proven.asked.list();
            let now = Instant::now();
            let is_soon = heard.last_due.is_some_and(|last| now < last + LEAST_BETWEEN);
            if heard.listens && heard.renews && !heard.asked.is_empty() && !is_soon {
                (heard.due, heard.last_due) = (Some(now + Self::WAIT), Some(now));
            }
            retire(Arc::clone(&old.proven));
        }
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.0.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_keep_what_they_took() {
        let handle = CatalogHandle::new();
        assert!(handle.get().is_none());
        handle.set(Catalog { server_version: 1, ..Catalog::default() });
        let kept = handle.get().unwrap();
        let shared = handle.clone();
        shared.set(Catalog { server_version: 2, ..Catalog::default() });
        assert_eq!((kept.server_version, kept.generation), (1, 1));
        let newest = handle.get().unwrap();
        assert_eq!((newest.server_version, newest.generation), (2, 2));
    }

    /// A handle with proofs of what requests ask for.
    fn proving() -> (CatalogHandle, Arc<Catalog>) {
        let handle = CatalogHandle::new();
        let catalog = handle.set(Catalog::default());
        handle.listens(true);
        handle.renews(true);
        prove(&handle);
        (handle, catalog)
    }

    fn prove(handle: &CatalogHandle) {
        let proven = Proven::of([1], []);
        proven.relation(1);
        handle.prove(proven, handle.moment());
    }

    #[tokio::test(start_paused = true)]
    async fn a_renewal_is_waited_for_as_long_as_it_may_be() {
        let (handle, catalog) = proving();
        assert!(handle.proven_soon(&catalog, CatalogHandle::WAIT).await.is_some());
        handle.doubt();
        let renewing = handle.clone();
        tokio::spawn(async move {
            tokio::time::sleep(CatalogHandle::WAIT / 2).await;
            prove(&renewing);
        });
        assert!(handle.proven_soon(&catalog, CatalogHandle::WAIT).await.is_some());
        handle.doubt();
        assert!(handle.due().is_none(), "somebody says so all the time");
        assert!(handle.proven_soon(&catalog, CatalogHandle::WAIT).await.is_none());
    }

    #[tokio::test]
    async fn nobody_waits_for_a_renewal_that_does_not_come() {
        let (handle, catalog) = proving();
        handle.doubt();
        let began = Instant::now();
        assert!(handle.proven_soon(&catalog, CatalogHandle::WAIT).await.is_none());
        assert!(began.elapsed() >= CatalogHandle::WAIT / 2, "until it is late");
        let (handle, catalog) = proving();
        handle.doubt();
        let waits = tokio::spawn({
            let (handle, catalog) = (handle.clone(), Arc::clone(&catalog));
            async move { handle.proven_soon(&catalog, CatalogHandle::WAIT).await }
        });
        tokio::task::yield_now().await;
        handle.not_due();
        assert!(waits.await.unwrap().is_none());
        for stops in [|handle: &CatalogHandle| handle.renews(false), |handle: &CatalogHandle| handle.listens(false)] {
            let (handle, _) = proving();
            stops(&handle);
            handle.doubt();
            assert!(handle.due().is_none());
        }
    }

    #[test]
    fn a_change_of_the_schema_ends_a_proof_and_spoils_one_that_is_under_way() {
        let handle = CatalogHandle::new();
        handle.prove(Proven::of([1], []), handle.moment());
        assert!(handle.proven().is_none(), "nobody would hear of a change");
        handle.listens(true);
        let before = handle.moment();
        handle.prove(Proven::of([1], []), before);
        assert!(handle.proven().unwrap().relation(1).is_some());
        let stood = handle.proven().unwrap();
        assert!(stood.stands().flag().load(Ordering::Acquire));
        handle.doubt();
        assert!(handle.proven().is_none());
        assert!(!stood.stands().flag().load(Ordering::Acquire), "who acted on it can see that");
        handle.prove(Proven::of([1], []), before);
        assert!(handle.proven().is_none(), "read before the change");
        handle.prove(Proven::of([1], []), handle.moment());
        assert!(handle.proven().is_some());
        handle.listens(false);
        handle.prove(Proven::of([1], []), handle.moment());
        assert!(handle.proven().is_none(), "the listener lost its connection");
    }

    #[test]
    fn a_new_catalog_takes_over_what_is_proven_since_nothing_changed() {
        let (handle, before) = proving();
        let (since, proof) = (handle.moment(), handle.proven().unwrap());
        let after = handle.set_since(Catalog::default(), since);
        for catalog in [&before, &after] {
            assert!(Arc::ptr_eq(&handle.proven_of(catalog).unwrap(), &proof), "for who has the old one too");
        }
        prove(&handle);
        assert!(handle.proven_of(&before).is_none() && handle.proven_of(&after).is_some());
        assert!(proof.stands().flag().load(Ordering::Acquire), "more is proven of the same moment");
        handle.doubt();
        assert!(!proof.stands().flag().load(Ordering::Acquire), "whoever acts on the older one hears of it too");
        prove(&handle);
        let unknown = handle.set(Catalog::default());
        assert!(handle.proven_of(&unknown).is_none());
        prove(&handle);
        let since = handle.moment();
        handle.doubt();
        prove(&handle);
        let outdated = handle.set_since(Catalog::default(), since);
        assert!(handle.proven_of(&outdated).is_none());
    }
}
