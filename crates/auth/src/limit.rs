//! How often one address may try: a token bucket for each limiter and address.
//!
//! One mechanism for every flow: it names its [`Limit`], the settings say how many in which span. A bucket holds as many as
//! the span allows and fills again evenly. Whole networks of IPv6 count as one address. Every node counts for itself.
//! Invariant: memory is bounded; whoever was quiet longest is forgotten first.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

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
}

/// The buckets of this process.
pub struct Limiter {
    buckets: Mutex<LruCache<(Limit, Option<IpAddr>), Bucket>>,
}

impl Default for Limiter {
    fn default() -> Self {
        Self { buckets: Mutex::new(LruCache::new(BUCKETS)) }
    }
}

impl Limiter {
    /// Counts one try.
    ///
    /// # Errors
    /// 429 when the address has none left.
    pub fn count(&self, limit: Limit, address: Option<IpAddr>, section: &AuthRateLimitsSection) -> Result<()> {
        let (quota, span) = limit.quota(section);
        match self.take(limit, address, quota, span, Instant::now()) {
            None => Ok(()),
            Some(wait) => Err(Error::too_many(ErrorCode::OverRequestRateLimit, "Request rate limit reached", wait)),
        }
    }

    /// How long to wait until there is another; `None` when one was there.
    fn take(
        &self,
        limit: Limit,
        address: Option<IpAddr>,
        quota: u32,
        span: Duration,
        now: Instant,
    ) -> Option<Duration> {
        let most = f64::from(quota);
        let each = span.as_secs_f64() / most;
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (limit, address.map(network));
        if !buckets.contains_key(&key) {
            buckets.insert(key, Bucket { left: most, seen: now });
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
    use super::*;

    const SPAN: Duration = Duration::from_secs(300);

    #[test]
    fn a_bucket_holds_its_quota_and_fills_evenly() {
        let (limiter, now) = (Limiter::default(), Instant::now());
        let address = Some("192.0.2.1".parse().unwrap());
        let take = |limit, address, now| limiter.take(limit, address, 30, SPAN, now);
        assert!((0..30).all(|_| take(Limit::Token, address, now).is_none()));
        let wait = take(Limit::Token, address, now).unwrap();
        assert!(wait > Duration::from_secs(9) && wait <= Duration::from_secs(10), "{wait:?}");
        assert!(take(Limit::Verify, address, now).is_none(), "another limiter");
        assert!(take(Limit::Token, Some("192.0.2.2".parse().unwrap()), now).is_none(), "another address");
        assert!(take(Limit::Token, address, now + Duration::from_secs(11)).is_none());
        assert!(take(Limit::Token, address, now + Duration::from_secs(11)).is_some());
    }

    #[test]
    fn a_network_of_ipv6_counts_once_and_memory_is_bounded() {
        let (limiter, now) = (Limiter::default(), Instant::now());
        let of = |text: &str| Some(text.parse().unwrap());
        assert!(limiter.take(Limit::Sso, of("2001:db8::1"), 1, SPAN, now).is_none());
        assert!(limiter.take(Limit::Sso, of("2001:db8::ffff"), 1, SPAN, now).is_some());
        assert!(limiter.take(Limit::Sso, of("2001:db8:0:1::1"), 1, SPAN, now).is_none());
        for host in 0..60_000_u32 {
            let _ = limiter.take(Limit::Mfa, Some(IpAddr::V4(host.into())), 1, SPAN, now);
        }
        assert!(limiter.buckets.lock().unwrap().len() <= BUCKETS);
    }
}
