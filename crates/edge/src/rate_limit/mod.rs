//! How often one caller may ask: three tiers, per minute, counted in this process, or for several nodes together.
//!
//! Anonymous callers are counted by address, signed-in ones by user, holders of a secret key by key. The count is a
//! sliding window (`window`): in no span of 60 seconds does a caller get more than its quota, and the 101st request of
//! a quota of 100 is refused however the first hundred were spread.
//! Where limits are shared (`shared`), somebody else decides; what this node let pass is counted here as well, so that it
//! can go on alone at any moment, with what it knows, when nobody answers. Whoever is refused is refused from memory
//! until there is room again: callers far beyond their quota cost nobody a question.
//! Invariant: memory is bounded (`keys`): callers beyond the bound push out whoever was quiet longest, and IPv6
//! callers count by /64, so that nobody gets more by owning many addresses.

mod keys;
mod shared;
mod window;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, HeaderValue};

use ferrobase_base::ports::SharedCount;
use keys::Counters;
pub use shared::Shared;
use window::Count;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Callers remembered at once; about 300 bytes each.
const CALLERS: usize = 50_000;

/// Requests per minute of each tier; `None` is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quotas {
    /// Nobody in particular: counted by address. Holders of the public (anon) key are in it too.
    pub anonymous: Option<u32>,
    /// A signed-in user.
    pub authenticated: Option<u32>,
    /// A secret key.
    pub api_key: Option<u32>,
}

/// Which quota counts for a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tier {
    /// By address.
    Anonymous,
    /// By user.
    Authenticated,
    /// By key.
    ApiKey,
}

impl Tier {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Anonymous, Self::Authenticated, Self::ApiKey];

    /// The tier's name in fields and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Authenticated => "authenticated",
            Self::ApiKey => "api_key",
        }
    }
}

/// Who is counted: a tier and what tells its callers apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Caller {
    tier: Tier,
    key: CallerKey,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum CallerKey {
    Address(Option<IpAddr>),
    Name(Box<str>),
}

impl Caller {
    /// Somebody without a name.
    pub fn anonymous(address: Option<IpAddr>) -> Self {
        Self { tier: Tier::Anonymous, key: CallerKey::Address(address.map(group)) }
    }

    /// A signed-in user.
    pub fn user(id: &str) -> Self {
        Self { tier: Tier::Authenticated, key: CallerKey::Name(id.into()) }
    }

    /// Somebody with a verified token that names no user.
    pub fn nameless_user(address: Option<IpAddr>) -> Self {
        Self { tier: Tier::Authenticated, key: CallerKey::Address(address.map(group)) }
    }

    /// A secret key, by its public id.
    pub fn api_key(id: &str) -> Self {
        Self { tier: Tier::ApiKey, key: CallerKey::Name(id.into()) }
    }

    /// Its tier.
    pub fn tier(&self) -> Tier {
        self.tier
    }
}

/// One customer line has a whole /64: counting its addresses one by one would count nobody.
fn group(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() & (u128::MAX << 64)).into()),
        v4 => v4,
    }
}

/// What the limiter says about one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the request may go on.
    pub allowed: bool,
    /// The caller's tier.
    pub tier: Tier,
    /// Requests per minute of the tier.
    pub quota: u32,
    /// Requests left now.
    pub remaining: u32,
    /// Until the oldest counted request leaves the window and makes room for another.
    pub reset: Duration,
}

impl Verdict {
    /// Writes the `RateLimit` and `RateLimit-Policy` fields of the IETF draft (structured fields).
    pub fn write(&self, headers: &mut HeaderMap) {
        let name = self.tier.name();
        let reset = self.reset.as_secs() + u64::from(self.reset.subsec_nanos() > 0);
        let policy = format!("\"{name}\";q={};w={}", self.quota, window::WINDOW.as_secs());
        let state = format!("\"{name}\";r={};t={reset}", self.remaining);
        for (field, text) in [(RATE_LIMIT_POLICY, policy), (RATE_LIMIT, state)] {
            if let Ok(value) = HeaderValue::try_from(text) {
                headers.insert(field, value);
            }
        }
    }
}

/// The limiter of this process.
pub struct RateLimiter {
    quotas: Quotas,
    counters: Counters,
    origin: Instant,
    shared: Option<Shared>,
}

impl RateLimiter {
    /// A limiter with these quotas and nobody counted yet.
    pub fn new(quotas: Quotas) -> Self {
        Self::with_capacity(quotas, CALLERS)
    }

    /// The same with another bound on the callers remembered.
    pub fn with_capacity(quotas: Quotas, callers: usize) -> Self {
        Self { quotas, counters: Counters::new(callers), origin: Instant::now(), shared: None }
    }

    /// The same, counting for several nodes together.
    #[must_use]
    pub fn sharing(self, shared: Shared) -> Self {
        Self { shared: Some(shared), ..self }
    }

    /// The quotas in force.
    pub fn quotas(&self) -> Quotas {
        self.quotas
    }

    /// Counts one request of a caller, or says that its quota is used up. `None`: its tier has no limit.
    pub async fn check(&self, caller: &Caller, now: Instant) -> Option<Verdict> {
        let quota = self.quota(caller.tier)?;
        let now = now.saturating_duration_since(self.origin);
        let count = match &self.shared {
            None => self.counters.with(caller, now, |window| window.count(quota, now)),
            Some(shared) => self.count_for_all(shared, caller, quota, now).await,
        };
        Some(Verdict {
            allowed: count.allowed,
            tier: caller.tier,
            quota,
            remaining: quota.saturating_sub(count.used),
            reset: count.reset,
        })
    }

    async fn count_for_all(&self, shared: &Shared, caller: &Caller, quota: u32, now: Duration) -> Count {
        if let Some(refusal) = self.counters.with(caller, now, |window| window.refusal(quota, now)) {
            shared.knew();
            return refusal;
        }
        let counted = shared.count(caller, quota).await;
        self.counters.with(caller, now, |window| match counted {
            Ok(SharedCount { allowed, used, reset }) => {
                if allowed {
                    window.record(now);
                } else {
                    window.close(now + reset);
                }
                Count { allowed, used, reset }
            }
            Err(_) => window.count(quota, now),
        })
    }

    fn quota(&self, tier: Tier) -> Option<u32> {
        match tier {
            Tier::Anonymous => self.quotas.anonymous,
            Tier::Authenticated => self.quotas.authenticated,
            Tier::ApiKey => self.quotas.api_key,
        }
    }

    /// Callers remembered now.
    pub fn callers(&self) -> usize {
        self.counters.len()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::{Arc, Mutex};

    use ferrobase_base::ports::{SharedCounting, SharedCounts, SharedFault};
    use futures_util::FutureExt as _;

    use super::*;
    use crate::metrics::{Exposition, Metrics};

    const QUOTAS: Quotas = Quotas { anonymous: Some(100), authenticated: Some(500), api_key: Some(1000) };

    /// Without others to ask the answer is there at once.
    fn check(limiter: &RateLimiter, caller: &Caller, now: Instant) -> Option<Verdict> {
        limiter.check(caller, now).now_or_never().unwrap()
    }

    fn allowed_of(limiter: &RateLimiter, caller: &Caller, requests: u32, now: Instant) -> u32 {
        (0..requests).filter(|_| check(limiter, caller, now).unwrap().allowed).count() as u32
    }

    #[test]
    fn each_tier_gets_exactly_its_quota() {
        let limiter = RateLimiter::new(QUOTAS);
        let now = Instant::now();
        let callers = [
            (Caller::anonymous(Some("192.0.2.1".parse().unwrap())), 100),
            (Caller::user("u1"), 500),
            (Caller::api_key("k1"), 1000),
            (Caller::anonymous(Some("192.0.2.2".parse().unwrap())), 100),
            (Caller::anonymous(None), 100),
            (Caller::nameless_user(None), 500),
        ];
        for (caller, quota) in callers {
            assert_eq!(allowed_of(&limiter, &caller, quota + 50, now), quota, "{caller:?}");
            let refused = check(&limiter, &caller, now).unwrap();
            assert_eq!((refused.allowed, refused.remaining), (false, 0));
            assert!(refused.reset > Duration::from_secs(58) && refused.reset <= Duration::from_secs(61));
        }
        let unlimited = RateLimiter::new(Quotas { anonymous: None, ..QUOTAS });
        assert_eq!(check(&unlimited, &Caller::anonymous(None), now), None);
    }

    #[test]
    fn no_span_of_sixty_seconds_holds_more_than_the_quota() {
        let limiter = RateLimiter::new(QUOTAS);
        let caller = Caller::user("steady");
        let start = Instant::now();
        let mut granted = Vec::new();
        // 20 a second for five minutes against 500 a minute.
        for tick in 0..6000_u64 {
            let now = start + Duration::from_millis(tick * 50);
            if check(&limiter, &caller, now).unwrap().allowed {
                granted.push(tick * 50);
            }
        }
        for (index, first) in granted.iter().enumerate() {
            let within = granted[index..].iter().take_while(|at| **at < first + 60_000).count();
            assert!(within <= 500, "{within} within the minute from {first} ms");
        }
        assert!(granted.len() >= 5 * 480, "the window must not starve a caller either: {}", granted.len());
    }

    #[test]
    fn callers_are_bounded_and_an_address_block_counts_once() {
        let limiter = RateLimiter::with_capacity(QUOTAS, 1000);
        let now = Instant::now();
        for user in 0..20_000 {
            check(&limiter, &Caller::user(&user.to_string()), now);
        }
        assert!(limiter.callers() <= 1100, "{}", limiter.callers());
        let block = |host: &str| Caller::anonymous(Some(format!("2001:db8:0:7::{host}").parse().unwrap()));
        assert_eq!(block("1"), block("ffff"));
        assert_ne!(block("1"), Caller::anonymous(Some("2001:db8:0:8::1".parse().unwrap())));
        assert_eq!(
            Caller::anonymous(Some("::ffff:192.0.2.1".parse().unwrap())),
            Caller::anonymous(Some("192.0.2.1".parse().unwrap()))
        );
    }

    #[test]
    fn fields_follow_the_draft() {
        let verdict = Verdict {
            allowed: true,
            tier: Tier::ApiKey,
            quota: 1000,
            remaining: 999,
            reset: Duration::from_millis(59_100),
        };
        let mut headers = HeaderMap::new();
        verdict.write(&mut headers);
        assert_eq!(headers["ratelimit-policy"], "\"api_key\";q=1000;w=60");
        assert_eq!(headers["ratelimit"], "\"api_key\";r=999;t=60");
    }

    /// Counts for all nodes as long as it is up; what it was asked stays.
    #[derive(Default)]
    struct Together {
        used: AtomicU32,
        asked: Mutex<Vec<String>>,
        is_down: Mutex<Option<SharedFault>>,
    }

    impl SharedCounts for Together {
        fn count<'a>(&'a self, tier: &'static str, caller: &'a str, quota: u32, _: Duration) -> SharedCounting<'a> {
            self.asked.lock().unwrap().push(format!("{tier} {caller}"));
            let reset = Duration::from_secs(30);
            let counted = match *self.is_down.lock().unwrap() {
                Some(fault) => Err(fault),
                None if self.used.load(Ordering::Relaxed) >= quota => {
                    Ok(SharedCount { allowed: false, used: quota, reset })
                }
                None => {
                    let used = self.used.fetch_add(1, Ordering::Relaxed) + 1;
                    Ok(SharedCount { allowed: true, used, reset })
                }
            };
            Box::pin(std::future::ready(counted))
        }
    }

    fn sharing(together: &Arc<Together>, metrics: &Metrics) -> RateLimiter {
        let counts = Arc::clone(together) as Arc<dyn SharedCounts>;
        RateLimiter::new(QUOTAS).sharing(Shared::new(counts, metrics))
    }

    #[test]
    fn nodes_share_a_quota_and_refuse_from_memory() {
        let (together, metrics, now) = (Arc::<Together>::default(), Metrics::new(), Instant::now());
        let (a, b) = (sharing(&together, &metrics), sharing(&together, &Metrics::new()));
        let caller = Caller::anonymous(Some("192.0.2.1".parse().unwrap()));
        assert_eq!(allowed_of(&a, &caller, 60, now) + allowed_of(&b, &caller, 60, now), 100);
        let asked = together.asked.lock().unwrap().len();
        let refused = check(&b, &caller, now + Duration::from_secs(10)).unwrap();
        assert_eq!((refused.allowed, refused.remaining), (false, 0));
        assert!(refused.reset.abs_diff(Duration::from_secs(20)) < Duration::from_secs(1), "{refused:?}");
        assert_eq!(allowed_of(&b, &caller, 1000, now), 0);
        assert_eq!(together.asked.lock().unwrap().len(), asked, "nobody asks before there can be room");
        check(&b, &caller, now + Duration::from_secs(31));
        let asked = together.asked.lock().unwrap();
        assert_eq!((asked.len(), asked[0].as_str()), (102, "anonymous address:192.0.2.1"));
    }

    #[test]
    fn a_node_goes_on_alone_with_what_it_knows() {
        let (together, metrics, now) = (Arc::<Together>::default(), Metrics::new(), Instant::now());
        let limiter = sharing(&together, &metrics);
        let caller = Caller::user("u1");
        assert_eq!(allowed_of(&limiter, &caller, 200, now), 200);
        for fault in [SharedFault::Late, SharedFault::Unavailable, SharedFault::Failed] {
            *together.is_down.lock().unwrap() = Some(fault);
            assert_eq!(allowed_of(&limiter, &caller, 50, now), 50);
        }
        assert_eq!(allowed_of(&limiter, &caller, 500, now), 150, "never more than the quota on this node");
        // It is back and has forgotten everything; this node has not.
        *together.is_down.lock().unwrap() = None;
        together.used.store(0, Ordering::Relaxed);
        assert_eq!(allowed_of(&limiter, &caller, 100, now + Duration::from_secs(5)), 0);
        assert_eq!(allowed_of(&limiter, &caller, 100, now + Duration::from_secs(70)), 100);
        let page = metrics.expose(Exposition::Classic).unwrap();
        for (result, count) in
            [("allowed", 300), ("late", 50), ("failed", 50 + 150), ("unavailable", 50), ("known", 450)]
        {
            let line = format!("rate_limit_shared_checks_total{{result=\"{result}\"}} {count}\n");
            assert!(page.contains(&line), "{line} in {page}");
        }
        assert!(page.contains("rate_limit_shared_check_seconds_count 550\n"), "{page}");
    }

    #[test]
    fn a_name_that_looks_like_an_address_is_another_caller() {
        let (together, now) = (Arc::<Together>::default(), Instant::now());
        let limiter = sharing(&together, &Metrics::new());
        let address = Some("192.0.2.1".parse().unwrap());
        for caller in [Caller::user("192.0.2.1"), Caller::nameless_user(address), Caller::nameless_user(None)] {
            check(&limiter, &caller, now);
        }
        let asked = together.asked.lock().unwrap();
        assert_eq!(
            *asked,
            ["authenticated name:192.0.2.1", "authenticated address:192.0.2.1", "authenticated nowhere"]
        );
    }
}
