//! How often one address may try: a token bucket for each limiter and address.
//!
//! One mechanism for every flow: it names its [`Limit`], the settings say how many in which span. A bucket holds as many as
//! the span allows and fills again evenly. Whole networks of IPv6 count as one address. Where nodes share their counts
//! (`base::ports::SharedCounts`) those decide; the bucket is filled beside, so that a node goes on alone with what it knows when
//! nobody answers.
//! Invariant: memory is bounded; whoever was quiet longest is forgotten first. Invariant: nobody is ever without a limit.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ferrobase_base::ports::SharedCounts;
use hashlink::LruCache;

use crate::config::AuthRateLimitsSection;
use crate::error::{Error, ErrorCode, Result};

/// Buckets that are remembered.
const BUCKETS: usize = 50_000;
const FIVE_MINUTES: Duration = Duration::from_secs(300);

/// What is limited. One name is one bucket, whichever endpoints share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Limit {
    /// Sign-ups, codes, links, recoveries, changes of the account.
    SignIn,
    /// Checks of a code.
    Verify,
    /// Tokens and refreshes.
    Token,
    /// Anonymous accounts.
    Anonymous,
    /// Second factors.
    Mfa,
    /// Single sign-on.
    Sso,
    /// Wallets.
    Web3,
    /// Passkeys.
    Passkey,
}

impl Limit {
    /// Its name where counts are shared.
    fn name(self) -> &'static str {
        match self {
            Self::SignIn => "auth_sign_in",
            Self::Verify => "auth_verify",
            Self::Token => "auth_token",
            Self::Anonymous => "auth_anonymous",
            Self::Mfa => "auth_mfa",
            Self::Sso => "auth_sso",
            Self::Web3 => "auth_web3",
            Self::Passkey => "auth_passkey",
        }
    }

    /// How many in which span.
    fn quota(self, section: &AuthRateLimitsSection) -> (u32, Duration) {
        match self {
            Self::SignIn => (section.sign_in, FIVE_MINUTES),
            Self::Verify => (section.verify, FIVE_MINUTES),
            Self::Token => (section.token, FIVE_MINUTES),
            Self::Anonymous => (section.anonymous_per_hour, Duration::from_secs(3600)),
            Self::Mfa => (section.mfa_per_minute, Duration::from_secs(60)),
            Self::Sso => (section.sso, FIVE_MINUTES),
            Self::Web3 => (section.web3, FIVE_MINUTES),
            Self::Passkey => (section.passkey, FIVE_MINUTES),
        }
    }
}

/// What is left of a quota.
struct Bucket {
    left: f64,
    seen: Instant,
    /// Until when whoever counts for all nodes has said that there is none left.
    closed_until: Option<Instant>,
}

/// The buckets of this process, and those who count for all.
pub struct Limiter {
    buckets: Mutex<LruCache<(Limit, Option<IpAddr>), Bucket>>,
    shared: Option<Arc<dyn SharedCounts>>,
}

impl Limiter {
    /// A limiter that nobody has tried yet.
    pub fn new(shared: Option<Arc<dyn SharedCounts>>) -> Self {
        Self { buckets: Mutex::new(LruCache::new(BUCKETS)), shared }
    }

    /// Counts one try.
    ///
    /// # Errors
    /// 429 when the address has none left.
    pub async fn count(&self, limit: Limit, address: Option<IpAddr>, section: &AuthRateLimitsSection) -> Result<()> {
        match self.wait(limit, address.map(network), section).await {
            None => Ok(()),
            Some(wait) => Err(Error::too_many(ErrorCode::OverRequestRateLimit, "Request rate limit reached", wait)),
        }
    }

    /// How long to wait until there is another; `None` when one was there.
    async fn wait(&self, limit: Limit, address: Option<IpAddr>, section: &AuthRateLimitsSection) -> Option<Duration> {
        let (quota, span) = limit.quota(section);
        let key = (limit, address);
        let Some(shared) = &self.shared else { return self.take(key, quota, span, Instant::now()) };
        if let Some(wait) = self.closed(key, Instant::now()) {
            return Some(wait);
        }
        let caller = address.map_or_else(|| "nowhere".to_owned(), |address| format!("address:{address}"));
        let counted = shared.count(limit.name(), &caller, quota, span).await;
        let now = Instant::now();
        let alone = self.take(key, quota, span, now);
        match counted {
            Err(_) => alone,
            Ok(counted) if counted.allowed => None,
            Ok(counted) => {
                self.close(key, now + counted.reset);
                Some(counted.reset)
            }
        }
    }

    /// Takes one from a bucket of this process; how long to wait when it is empty.
    fn take(&self, key: (Limit, Option<IpAddr>), quota: u32, span: Duration, now: Instant) -> Option<Duration> {
        let most = f64::from(quota);
        let each = span.as_secs_f64() / most;
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if !buckets.contains_key(&key) {
            buckets.insert(key, Bucket { left: most, seen: now, closed_until: None });
        }
        let bucket = buckets.get_mut(&key)?;
        let passed = now.saturating_duration_since(bucket.seen).as_secs_f64();
        bucket.left = (bucket.left + passed / each).min(most);
        bucket.seen = now;
        if bucket.left < 1.0 {
            return Some(Duration::from_secs_f64((1.0 - bucket.left) * each));
        }
        bucket.left -= 1.0;
        None
    }

    /// The refusal that is known already: whoever goes on trying costs nobody a question.
    fn closed(&self, key: (Limit, Option<IpAddr>), now: Instant) -> Option<Duration> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let until = buckets.get(&key)?.closed_until?;
        (until > now).then(|| until - now)
    }

    fn close(&self, key: (Limit, Option<IpAddr>), until: Instant) {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = buckets.get_mut(&key) {
            bucket.closed_until = Some(until);
        }
    }
}

/// One customer line has a whole /64.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() & (u128::MAX << 64)).into()),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use ferrobase_base::ports::{SharedCount, SharedCounting, SharedFault};

    use super::*;

    const SPAN: Duration = Duration::from_secs(300);

    fn of(text: &str) -> Option<IpAddr> {
        Some(network(text.parse().unwrap()))
    }

    #[test]
    fn a_bucket_holds_its_quota_and_fills_evenly() {
        let (limiter, now) = (Limiter::new(None), Instant::now());
        let address = of("192.0.2.1");
        let take = |limit, address, now| limiter.take((limit, address), 30, SPAN, now);
        assert!((0..30).all(|_| take(Limit::Token, address, now).is_none()));
        let wait = take(Limit::Token, address, now).unwrap();
        assert!(wait > Duration::from_secs(9) && wait <= Duration::from_secs(10), "{wait:?}");
        assert!(take(Limit::Verify, address, now).is_none(), "another limiter");
        assert!(take(Limit::Token, of("192.0.2.2"), now).is_none(), "another address");
        assert!(take(Limit::Token, address, now + Duration::from_secs(11)).is_none());
        assert!(take(Limit::Token, address, now + Duration::from_secs(11)).is_some());
    }

    #[test]
    fn a_network_of_ipv6_counts_once_and_memory_is_bounded() {
        let (limiter, now) = (Limiter::new(None), Instant::now());
        let take = |limit, address| limiter.take((limit, address), 1, SPAN, now);
        assert!(take(Limit::Sso, of("2001:db8::1")).is_none());
        assert!(take(Limit::Sso, of("2001:db8::ffff")).is_some());
        assert!(take(Limit::Sso, of("2001:db8:0:1::1")).is_none());
        for host in 0..60_000_u32 {
            let _ = take(Limit::Mfa, Some(IpAddr::V4(host.into())));
        }
        assert!(limiter.buckets.lock().unwrap().len() <= BUCKETS);
    }

    /// Counts for all, as long as it is up.
    #[derive(Default)]
    struct Together {
        used: AtomicU32,
        asked: AtomicU32,
        is_down: std::sync::atomic::AtomicBool,
    }

    impl SharedCounts for Together {
        fn count<'a>(&'a self, tier: &'static str, caller: &'a str, quota: u32, span: Duration) -> SharedCounting<'a> {
            assert_eq!((tier, caller, span), ("auth_token", "address:192.0.2.1", SPAN));
            self.asked.fetch_add(1, Ordering::Relaxed);
            let reset = Duration::from_secs(30);
            let used = self.used.fetch_add(1, Ordering::Relaxed) + 1;
            let counted = match self.is_down.load(Ordering::Relaxed) {
                true => Err(SharedFault::Unavailable),
                false => Ok(SharedCount { allowed: used <= quota, used, reset }),
            };
            Box::pin(std::future::ready(counted))
        }
    }

    #[tokio::test]
    async fn nodes_count_together_and_each_goes_on_alone() {
        let section = AuthRateLimitsSection { token: 30, ..AuthRateLimitsSection::default() };
        let together = Arc::<Together>::default();
        let node = || Limiter::new(Some(Arc::clone(&together) as Arc<dyn SharedCounts>));
        let (a, b) = (node(), node());
        let address = Some("192.0.2.1".parse().unwrap());
        let passed = async |node: &Limiter, tries: u32| {
            let mut passed = 0;
            for _ in 0..tries {
                passed += u32::from(node.count(Limit::Token, address, &section).await.is_ok());
            }
            passed
        };
        assert_eq!(passed(&a, 20).await + passed(&b, 20).await, 30);
        let asked = together.asked.load(Ordering::Relaxed);
        assert_eq!(passed(&b, 100).await, 0);
        assert_eq!(together.asked.load(Ordering::Relaxed), asked, "what is known is not asked");
        // Nobody answers: the node has let twenty pass, and ten are left.
        together.is_down.store(true, Ordering::Relaxed);
        assert_eq!(passed(&a, 100).await, 10);
    }
}
