//! Documents that clients name instead of sending them.
//!
//! Persisted ones ([`Persisted`]) were sent once and are remembered by their hash, as long as there is room: Apollo's
//! protocol. Nodes that share something remember them together; whoever has no document asks there before he gives up. Trusted ones ([`Trusted`]) stand in a file, and where there is such a file nothing else is answered.
//! Invariant: a hash is worked out here, never believed.
//! Bounds: documents and their bytes; a file of any size is its owner's.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use apollo_compiler::response::{JsonMap, JsonValue};
use ferrobase_base::Shelf;
use ferrobase_base::ports::SharedTexts;
use indexmap::IndexMap;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::error::Error;
use crate::request::GraphqlRequest;
use crate::settings::Settings;

/// Most documents that are remembered.
const ENTRIES: usize = 2000;
/// Most bytes of them together.
const BYTES: usize = 4 << 20;
/// Longest document that is remembered, in bytes.
const LONGEST: usize = 32 << 10;

/// The document of a request.
pub(crate) struct Named {
    /// Its text.
    pub(crate) text: Arc<str>,
    /// Its hash, where it is to be remembered once it has proved to be valid.
    pub(crate) remember: Option<String>,
}

/// Documents by their hashes, of whoever sent them.
pub(crate) struct Persisted {
    kept: Mutex<Shelf<Arc<str>>>,
    shared: Option<Arc<dyn SharedTexts>>,
}

impl Persisted {
    /// Nothing yet; what other nodes know is found with `shared`.
    pub(crate) fn shared(shared: Option<Arc<dyn SharedTexts>>) -> Self {
        Self { kept: Mutex::new(Shelf::new(ENTRIES, BYTES)), shared }
    }

    /// The document of a request, however it is named.
    pub(crate) async fn document(&self, request: &GraphqlRequest, settings: &Settings) -> Result<Named, Error> {
        let hash = hash(request)?;
        if let Some(trusted) = &settings.trusted {
            return trusted.document(request, hash).map(|text| Named { text, remember: None });
        }
        if request.document.is_some() {
            return Err(Error::NotInList);
        }
        if hash.is_some() && !settings.persisted_queries {
            return Err(Error::NotSupported);
        }
        match (&request.query, hash) {
            (Some(text), Some(hash)) if sha256(text) != hash => Err(Error::HashMismatch),
            (Some(text), hash) => Ok(Named { text: text.as_str().into(), remember: hash.map(str::to_owned) }),
            (None, Some(hash)) => {
                let known = self.lock().get(hash.as_bytes()).cloned();
                match known {
                    Some(text) => Ok(Named { text, remember: None }),
                    None => self.known_elsewhere(hash).await.ok_or(Error::NotPersisted),
                }
            }
            (None, None) => Err(Error::Request("The request has no document: `query` is missing".to_owned())),
        }
    }

    /// What another node was sent. Whoever can write where nodes share something does not decide what a hash means.
    async fn known_elsewhere(&self, hash: &str) -> Option<Named> {
        let text = self.shared.as_ref()?.find(hash).await.filter(|text| sha256(text) == hash)?;
        Some(Named { text: text.into(), remember: Some(hash.to_owned()) })
    }

    /// Remembers a document that was valid for somebody. Other nodes are told of it when it is new to this one.
    pub(crate) async fn keep(&self, named: Named) {
        let Named { text, remember: Some(hash) } = named else { return };
        if text.len() > LONGEST || !self.is_new(&hash, &text) {
            return;
        }
        if let Some(shared) = &self.shared {
            shared.keep(&hash, &text).await;
        }
    }

    fn is_new(&self, hash: &str, text: &Arc<str>) -> bool {
        let mut kept = self.lock();
        if kept.get(hash.as_bytes()).is_some() {
            return false;
        }
        let evicted = kept.put(hash.as_bytes().into(), Arc::clone(text), text.len() + hash.len());
        drop(kept);
        // Freed outside the lock.
        drop(evicted);
        true
    }

    fn lock(&self) -> MutexGuard<'_, Shelf<Arc<str>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `extensions.persistedQuery.sha256Hash`.
fn hash(request: &GraphqlRequest) -> Result<Option<&str>, Error> {
    let extension = request.extensions.as_ref().and_then(|extensions: &JsonMap| extensions.get("persistedQuery"));
    let Some(JsonValue::Object(persisted)) = extension else { return Ok(None) };
    if persisted.get("version").and_then(JsonValue::as_i64) != Some(1) {
        return Err(Error::NotSupported);
    }
    Ok(persisted.get("sha256Hash").and_then(JsonValue::as_str))
}

fn sha256(text: &str) -> String {
    use std::fmt::Write as _;
    Sha256::digest(text).iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The documents of a file: as Relay's compiler and graphql-codegen write them (an object from ids to documents), or
/// Apollo's manifest.
#[derive(Debug, Default)]
pub struct Trusted {
    by_id: IndexMap<String, Arc<str>>,
    /// The texts themselves: who sends one of them whole may do so.
    texts: HashSet<Arc<str>>,
    /// By hash, where the id is something else.
    by_hash: HashMap<String, Arc<str>>,
}

/// A file that holds no documents.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustedError {
    /// It cannot be read.
    #[error("cannot read {file}")]
    Read {
        /// Which.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// It is not of a form that is known.
    #[error("{file} is no list of documents: {reason}")]
    Form {
        /// Which.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// One of its documents is none.
    #[error("{file}: the document `{id}` cannot be read: {reason}")]
    Document {
        /// Which file.
        file: String,
        /// Which document.
        id: String,
        /// What is wrong with it.
        reason: String,
    },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Manifest {
    Apollo { format: String, version: u32, operations: Vec<ApolloOperation> },
    Plain(IndexMap<String, String>),
}

#[derive(Deserialize)]
struct ApolloOperation {
    id: String,
    body: String,
}

/// The format of Apollo's manifest.
const APOLLO: &str = "apollo-persisted-query-manifest";

impl Trusted {
    /// Reads a file.
    ///
    /// # Errors
    /// When it is not there, of another form, or has a document that cannot be read.
    pub fn read(file: &Path) -> Result<Self, TrustedError> {
        let name = file.display().to_string();
        let text = std::fs::read_to_string(file).map_err(|source| TrustedError::Read { file: name.clone(), source })?;
        Self::parse(&name, &text)
    }

    fn parse(file: &str, text: &str) -> Result<Self, TrustedError> {
        let form = |reason: String| TrustedError::Form { file: file.to_owned(), reason };
        // What is no JSON is told with its place.
        let json: serde_json::Value = serde_json::from_str(text).map_err(|error| form(error.to_string()))?;
        let manifest = serde_json::from_value(json)
            .map_err(|_| form("neither an object from ids to documents nor a manifest of Apollo's".to_owned()))?;
        let documents: Vec<(String, String)> = match manifest {
            Manifest::Plain(documents) => documents.into_iter().collect(),
            Manifest::Apollo { format, version: 1, operations } if format == APOLLO => {
                operations.into_iter().map(|operation| (operation.id, operation.body)).collect()
            }
            Manifest::Apollo { format, version, .. } => {
                return Err(form(format!("the format is {format} {version}, not {APOLLO} 1")));
            }
        };
        let mut trusted = Self::default();
        for (id, body) in documents {
            if let Err(failed) = apollo_compiler::parser::Parser::new().parse_ast(&body, "document") {
                let reason = failed.errors.iter().next().map(|error| error.to_string()).unwrap_or_default();
                return Err(TrustedError::Document { file: file.to_owned(), id, reason });
            }
            let text: Arc<str> = body.into();
            trusted.by_hash.insert(sha256(&text), Arc::clone(&text));
            trusted.texts.insert(Arc::clone(&text));
            trusted.by_id.insert(id, text);
        }
        Ok(trusted)
    }

    /// Ids and documents, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.by_id.iter().map(|(id, text)| (id.as_str(), &**text))
    }

    fn document(&self, request: &GraphqlRequest, hash: Option<&str>) -> Result<Arc<str>, Error> {
        match (request.document.as_deref().or(hash), &request.query) {
            (Some(id), _) => self.find(id).cloned().ok_or(Error::NotInList),
            (None, Some(text)) => self.texts.get(text.as_str()).cloned().ok_or(Error::NotTrusted),
            (None, None) => Err(Error::Request("The request names no document".to_owned())),
        }
    }

    /// By its id, or by its hash with or without the word that says what sort of hash it is.
    fn find(&self, id: &str) -> Option<&Arc<str>> {
        let bare = id.strip_prefix("sha256:").unwrap_or(id);
        self.by_id.get(id).or_else(|| self.by_id.get(bare)).or_else(|| self.by_hash.get(bare))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_the_known_forms_are_read_and_others_refused_with_their_reason() {
        let plain = Trusted::parse("f", r#"{"a": "{ x }", "b": "query Q { y }"}"#).expect("documents");
        assert_eq!(plain.iter().collect::<Vec<_>>(), [("a", "{ x }"), ("b", "query Q { y }")]);
        assert!(plain.find(&format!("sha256:{}", sha256("{ x }"))).is_some(), "by hash too");
        let apollo = r#"{"format": "apollo-persisted-query-manifest", "version": 1,
                         "operations": [{"id": "i", "name": "Q", "type": "query", "body": "query Q { y }"}]}"#;
        assert_eq!(
            Trusted::parse("f", apollo).expect("documents").iter().collect::<Vec<_>>(),
            [("i", "query Q { y }")]
        );
        for (text, reason) in [
            ("{", "EOF"),
            ("[]", "neither an object"),
            (r#"{"a": 1}"#, "neither an object"),
            (r#"{"a": "{"}"#, "`a` cannot be read"),
            (r#"{"format": "other", "version": 1, "operations": []}"#, "the format is other 1"),
        ] {
            let error = Trusted::parse("f", text).expect_err(text).to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn hashes_are_those_of_everybody_else() {
        assert_eq!(sha256("{__typename}"), "ecf4edb46db40b5132295c0291d62fb65d6759a9eedfa4d5d612dd5ec54a6b38");
    }
}
