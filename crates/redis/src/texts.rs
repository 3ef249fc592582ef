//! Texts that several nodes remember together: GraphQL's persisted queries.
//!
//! One key for each place, `<prefix>:text:<place>`; the first digits of a text's hash are its place, so that there are never
//! more keys than places, whoever sends texts. A text takes the place of another one, and each is gone a day after it was
//! last sent. Whoever asks compares hashes.
//! Bounds: places, bytes of a text, days.

use std::sync::Arc;
use std::time::Duration;

use ferrobase_base::ports::{SharedKeeping, SharedText, SharedTexts};
use redis::{ErrorKind, FromRedisValue, RedisResult};

use crate::client::Link;
use crate::connection::Connection;

/// Digits of a hash that are its place: 4,096 places.
const DIGITS: usize = 3;
/// Longest text, in bytes: with all places taken, 64 MB.
const LONGEST: usize = 16 << 10;
/// How long a text is remembered.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// Texts over one client's connection.
pub(crate) struct SharedPlaces {
    link: Arc<Link>,
    prefix: Box<str>,
}

impl SharedPlaces {
    pub(crate) fn new(link: Arc<Link>, prefix: &str) -> Self {
        Self { link, prefix: prefix.into() }
    }

    /// The key of a hash; none for what is no hash.
    fn key(&self, hash: &str) -> Option<String> {
        let is_hash = hash.len() == 64 && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        is_hash.then(|| format!("{}:text:{}", self.prefix, &hash[..DIGITS]))
    }

    async fn ask<T: FromRedisValue>(&self, command: redis::Cmd) -> Option<T> {
        let question = async |connection: &Connection| lenient(connection.query(&command).await);
        self.link.ask(question).await.ok().flatten()
    }
}

/// What a login may not do, or a server has no memory for, is no reason to count requests alone.
fn lenient<T>(answered: RedisResult<T>) -> RedisResult<Option<T>> {
    match answered {
        Err(error) if matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension) => {
            tracing::debug!(error = &error as &dyn std::error::Error, "Redis remembers no texts");
            Ok(None)
        }
        answered => answered.map(Some),
    }
}

impl SharedTexts for SharedPlaces {
    fn find<'a>(&'a self, hash: &'a str) -> SharedText<'a> {
        Box::pin(async move {
            let mut command = redis::cmd("GET");
            command.arg(self.key(hash)?);
            self.ask::<Option<String>>(command).await.flatten()
        })
    }

    fn keep<'a>(&'a self, hash: &'a str, text: &'a str) -> SharedKeeping<'a> {
        Box::pin(async move {
            let Some(key) = self.key(hash).filter(|_| text.len() <= LONGEST) else { return };
            let mut command = redis::cmd("SET");
            command.arg(key).arg(text).arg("EX").arg(KEPT.as_secs());
            let _: Option<()> = self.ask(command).await;
        })
    }
}
