//! Descriptions that were made, until the catalog or the configuration changes.
//!
//! A large schema takes a while to describe, so that is done off the threads that serve requests, one description at
//! a time, and kept. Invariant: bounded in entries and bytes (one description is kept however large it is); a
//! description is only handed to the role, schema, catalog and settings that it was made for.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use hashlink::LinkedHashMap;

use super::Format;
use crate::settings::Settings;

/// Most descriptions that are kept.
const ENTRIES: usize = 64;
/// Most bytes that they have together.
const BYTES: usize = 64 << 20;

/// What a description was made for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    /// The target's own key: tenant and configuration.
    pub(crate) target: Arc<str>,
    /// The catalog's generation.
    pub(crate) generation: u64,
    /// The caller's role.
    pub(crate) role: String,
    /// The schema.
    pub(crate) schema: String,
    /// The version of OpenAPI.
    pub(crate) format: Format,
}

/// The descriptions of one room.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    kept: Mutex<Kept>,
    /// Held by whoever makes one.
    making: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Debug, Default)]
struct Kept {
    /// The least recently used first. With the settings of each, because those are swapped apart from the target.
    entries: LinkedHashMap<Key, (Arc<Settings>, Bytes)>,
    bytes: usize,
}

impl Documents {
    /// The description, made by `make` unless it is there. `None` when making it failed.
    pub(crate) async fn get(
        self: &Arc<Self>,
        key: Key,
        settings: &Arc<Settings>,
        make: impl FnOnce() -> Bytes + Send + 'static,
    ) -> Option<Bytes> {
        if let Some(bytes) = self.find(&key, settings) {
            return Some(bytes);
        }
        let turn = Arc::clone(&self.making).lock_owned().await;
        if let Some(bytes) = self.find(&key, settings) {
            return Some(bytes);
        }
        let (documents, settings) = (Arc::clone(self), Arc::clone(settings));
        // The turn goes along: a caller who leaves does not let the next one start beside what still runs.
        let made = tokio::task::spawn_blocking(move || {
            let bytes = make();
            documents.keep(key, settings, bytes.clone());
            drop(turn);
            bytes
        });
        made.await.ok()
    }

    fn find(&self, key: &Key, settings: &Arc<Settings>) -> Option<Bytes> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (made_for, bytes) = kept.entries.to_back(key)?;
        Arc::ptr_eq(made_for, settings).then(|| bytes.clone())
    }

    fn keep(&self, key: Key, settings: Arc<Settings>, bytes: Bytes) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody will ask for what an older catalog said. (Tenants count their catalogs apart: theirs stay.)
        kept.retain(|other| other.target != key.target || other.generation >= key.generation);
        kept.bytes += bytes.len();
        if let Some((_, replaced)) = kept.entries.insert(key, (settings, bytes)) {
            kept.bytes -= replaced.len();
        }
        while kept.entries.len() > 1 && (kept.entries.len() > ENTRIES || kept.bytes > BYTES) {
            let Some((_, (_, oldest))) = kept.entries.pop_front() else { break };
            kept.bytes -= oldest.len();
        }
    }
}

impl Kept {
    fn retain(&mut self, wanted: impl Fn(&Key) -> bool) {
        let mut freed = 0;
        self.entries.retain(|key, (_, bytes)| {
            let stays = wanted(key);
            if !stays {
                freed += bytes.len();
            }
            stays
        });
        self.bytes -= freed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RestSection;

    fn key(role: &str, generation: u64) -> Key {
        Key {
            target: "default#1".into(),
            generation,
            role: role.to_owned(),
            schema: "public".to_owned(),
            format: Format::V31,
        }
    }

    fn settings() -> Arc<Settings> {
        Arc::new(Settings::new(&RestSection::default(), vec![]))
    }

    async fn ask(documents: &Arc<Documents>, key: Key, settings: &Arc<Settings>, text: &'static str) -> Bytes {
        documents.get(key, settings, move || Bytes::from_static(text.as_bytes())).await.expect("a document")
    }

    #[tokio::test]
    async fn a_document_is_made_once_for_each_role_catalog_and_configuration() {
        let documents = Arc::new(Documents::default());
        let first = settings();
        assert_eq!(ask(&documents, key("anon", 1), &first, "a").await, "a");
        assert_eq!(ask(&documents, key("anon", 1), &first, "b").await, "a");
        assert_eq!(ask(&documents, key("other", 1), &first, "c").await, "c");
        assert_eq!(ask(&documents, key("anon", 2), &first, "d").await, "d");
        assert_eq!(ask(&documents, key("anon", 2), &settings(), "e").await, "e");
        let kept = documents.kept.lock().expect("no panic");
        assert_eq!((kept.entries.len(), kept.bytes), (1, 1), "what an older catalog said is gone");
    }

    #[tokio::test]
    async fn what_is_kept_is_bounded() {
        let documents = Arc::new(Documents::default());
        let settings = settings();
        for role in 0..ENTRIES * 2 {
            ask(&documents, key(&role.to_string(), 1), &settings, "x").await;
        }
        assert_eq!(documents.kept.lock().expect("no panic").entries.len(), ENTRIES);
        let large = Bytes::from(vec![b' '; BYTES + 1]);
        for role in ["large", "larger"] {
            let large = large.clone();
            documents.get(key(role, 1), &settings, move || large).await.expect("a document");
        }
        let kept = documents.kept.lock().expect("no panic");
        assert_eq!((kept.entries.len(), kept.bytes), (1, BYTES + 1));
    }

    #[tokio::test]
    async fn a_document_that_cannot_be_made_leaves_the_next_one_its_turn() {
        let documents = Arc::new(Documents::default());
        let settings = settings();
        let failed = documents.get(key("anon", 1), &settings, || panic!("made to fail")).await;
        assert_eq!(failed, None);
        assert_eq!(ask(&documents, key("anon", 1), &settings, "a").await, "a");
    }
}
