//! Rate limits for several nodes: one sliding window a caller, in Redis (`lua/window_count.lua`).
//!
//! One script a check, atomic and on Redis's own clock, so that the count is exact whichever node asks. Keys are
//! `<prefix>:rl:<tier>:{<keyed hash of the caller>}`: of bounded length, without anybody's name or address in them (and
//! nobody without the key finds one by trying), and with the part in braces that decides about the slot in a cluster. Each lives for the span that it counts.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ferrobase_base::ports::{SharedCount, SharedCounting, SharedCounts};
use hmac::{Hmac, KeyInit, Mac};
use redis::{RedisResult, Script};
use sha2::Sha256;

use crate::client::Link;
use crate::connection::Connection;

/// Into so many steps a span is divided; the script knows the same number.
const SLOTS: u64 = 60;
const WINDOW_COUNT: &str = include_str!("../lua/window_count.lua");
static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(WINDOW_COUNT));

/// Counts over one client's connection.
pub(crate) struct SharedWindows {
    link: Arc<Link>,
    names: Names,
}

/// How keys are named.
#[derive(Clone)]
pub(crate) struct Names {
    prefix: Box<str>,
    key: [u8; 32],
}

impl Names {
    pub(crate) fn new(prefix: &str, key: [u8; 32]) -> Self {
        Self { prefix: prefix.into(), key }
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// 128 bits of the hash: nobody finds two callers that share a count.
    fn of(&self, tier: &str, caller: &str) -> String {
        // HMAC takes keys of any length.
        let mac = Hmac::<Sha256>::new_from_slice(&self.key);
        let mut mac = mac.unwrap_or_else(|_| Hmac::<Sha256>::new(&Default::default()));
        mac.update(caller.as_bytes());
        let hash = mac.finalize().into_bytes();
        format!("{}:rl:{tier}:{{{}}}", self.prefix, URL_SAFE_NO_PAD.encode(&hash[..16]))
    }
}

impl SharedWindows {
    pub(crate) fn new(link: Arc<Link>, names: Names) -> Self {
        Self { link, names }
    }
}

impl SharedCounts for SharedWindows {
    fn count<'a>(&'a self, tier: &'static str, caller: &'a str, quota: u32, span: Duration) -> SharedCounting<'a> {
        Box::pin(async move {
            let key = self.names.of(tier, caller);
            let step = u32::try_from(span.as_secs() / SLOTS).unwrap_or(u32::MAX).max(1);
            self.link.ask(async |connection: &Connection| count(connection, &key, quota, step).await).await
        })
    }
}

async fn count(connection: &Connection, key: &str, quota: u32, step: u32) -> RedisResult<SharedCount> {
    let (allowed, used, reset): (bool, u32, u64) = connection.run(&SCRIPT, WINDOW_COUNT, key, [quota, step]).await?;
    Ok(SharedCount { allowed, used, reset: Duration::from_millis(reset) })
}

/// Counts a request of nobody, to see that a server lets us. Without a limit: a refusal would write nothing.
pub(crate) async fn probe(connection: &Connection, names: &Names) -> RedisResult<()> {
    count(connection, &names.of("probe", ""), u32::MAX, 1).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_bounded_and_name_nobody() {
        let key = |tier: &str, caller: &str| Names::new("ferrobase", [7; 32]).of(tier, caller);
        let short = key("anonymous", "address:192.0.2.1");
        assert!(short.starts_with("ferrobase:rl:anonymous:{") && short.ends_with('}'), "{short}");
        assert!(!short.contains("192"));
        let long = key("authenticated", &"{x}\r\n".repeat(10_000));
        assert_eq!(long.len(), "ferrobase:rl:authenticated:{}".len() + 22);
        assert_ne!(key("b", "c"), key("b", "d"));
        let other = Names::new("ferrobase", [8; 32]);
        assert_ne!(key("b", "c"), other.of("b", "c"), "who has no key cannot try addresses");
    }
}
