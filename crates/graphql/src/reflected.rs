//! Schemas of roles, made when they are first asked for and kept while the catalog stays.
//!
//! With each come the documents that were asked of it, read and checked: a client asks the same few again and again.
//! Bounds: roles, documents and their bytes.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use apollo_compiler::collections::HashMap;
use apollo_compiler::parser::Parser;
use apollo_compiler::response::GraphQLError;
use apollo_compiler::schema::Implementers;
use apollo_compiler::validation::{DiagnosticList, Valid};
use apollo_compiler::{ExecutableDocument, Name, Schema, ast};
use ferrobase_base::{Shelf, Sightings};
use ferrobase_catalog::Catalog;
use ferrobase_request::exposure::Exposure;
use ferrobase_request::{Identity, Target, Visibility};
use hashlink::LruCache;
use tokio::sync::OnceCell;

use crate::error::Error;
use crate::limits::{self, Limits};
use crate::model::Model;
use crate::prepared::{Asked, Plans};
use crate::reflect::{Sight, reflect};
use crate::schema;
use crate::settings::Settings;
use crate::suggest;
use crate::usages;

/// Most schemas that are kept.
const SCHEMAS: usize = 64;
/// Most documents of one schema.
const DOCUMENTS: usize = 1000;
/// Most bytes of them together; a document that was read takes many times as much memory.
const BYTES: usize = 1 << 20;
/// Longest document that is kept, in bytes.
const LONGEST: usize = 32 << 10;
/// Documents seen once that are remembered.
const SEEN_ONCE: usize = 4096;
/// Most nested brackets of a document: the reader is recursive.
const RECURSION: usize = 128;
/// Most words of a document.
const TOKENS: usize = 15_000;
/// Most mistakes of a document that are told.
const ERRORS: usize = 20;

/// A schema as a role sees it.
pub(crate) struct Reflected {
    pub(crate) model: Model,
    pub(crate) schema: Valid<Schema>,
    pub(crate) implementers: HashMap<Name, Implementers>,
    pub(crate) plans: Plans,
    limits: Limits,
    documents: Mutex<Shelf<Arc<Asked>>>,
    sightings: Sightings<SEEN_ONCE>,
    /// How many documents were read.
    read: AtomicU64,
}

/// A schema with more types is told beside other requests.
const MANY_TYPES: usize = 2000;

/// Schemas of one room.
#[derive(Default)]
pub(crate) struct Schemas {
    kept: Mutex<Kept>,
    /// Whether one of them was large.
    are_large: AtomicBool,
}

#[derive(Default)]
struct Kept {
    /// Of which catalog and configuration.
    basis: Option<(Weak<Catalog>, Arc<Settings>)>,
    schemas: Option<LruCache<(String, String), Slot>>,
}

/// A schema, made once however many ask for it first.
type Slot = Arc<OnceCell<Arc<Reflected>>>;

impl Schemas {
    /// The schema of a role. Making one of a thousand tables takes a tenth of a second, which nobody else waits for.
    pub(crate) async fn of(
        &self,
        catalog: &Arc<Catalog>,
        settings: &Arc<Settings>,
        target: &Arc<Target>,
        identity: &Identity,
        schema: &str,
    ) -> Result<Arc<Reflected>, Error> {
        let slot = self.slot(catalog, settings, (identity.role().to_owned(), schema.to_owned()));
        let made = slot.get_or_try_init(|| async {
            let (catalog, settings, target) = (Arc::clone(catalog), Arc::clone(settings), Arc::clone(target));
            let (role, schema) = (identity.role().to_owned(), schema.to_owned());
            let making = move || Reflected::new(&catalog, &settings, &target.exposure, &role, &schema);
            let made = tokio::task::spawn_blocking(making).await.map_err(|error| Error::unmade(&error))?;
            self.are_large.fetch_or(made.is_large(), Ordering::Relaxed);
            Ok(Arc::new(made))
        });
        made.await.cloned()
    }

    /// Whether what is asked of them may take a processor for long.
    pub(crate) fn are_large(&self) -> bool {
        self.are_large.load(Ordering::Relaxed)
    }

    fn slot(&self, catalog: &Arc<Catalog>, settings: &Arc<Settings>, key: (String, String)) -> Slot {
        let mut old = None;
        let mut kept = self.lock();
        if !kept.is_of(catalog, settings) {
            let basis = Some((Arc::downgrade(catalog), Arc::clone(settings)));
            old = Some(std::mem::replace(&mut *kept, Kept { basis, schemas: None }));
        }
        let schemas = kept.schemas.get_or_insert_with(|| LruCache::new(SCHEMAS));
        let slot = match schemas.get(&key) {
            Some(slot) => Arc::clone(slot),
            None => {
                let slot = Slot::default();
                schemas.insert(key, Arc::clone(&slot));
                slot
            }
        };
        drop(kept);
        // Freed outside the lock.
        drop(old);
        slot
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn is_of(&self, catalog: &Arc<Catalog>, settings: &Arc<Settings>) -> bool {
        self.basis.as_ref().is_some_and(|(known, with)| {
            std::ptr::eq(known.as_ptr(), Arc::as_ptr(catalog)) && Arc::ptr_eq(with, settings)
        })
    }
}

impl Reflected {
    /// Whether telling it takes a processor for long.
    pub(crate) fn is_large(&self) -> bool {
        self.schema.types.len() > MANY_TYPES
    }

    pub(crate) fn new(catalog: &Catalog, settings: &Settings, exposure: &Exposure, role: &str, schema: &str) -> Self {
        let sees = |relation: &ferrobase_catalog::Relation| {
            matches!(exposure.visibility(catalog, relation, role), Visibility::Visible)
        };
        let mut model = reflect(Sight {
            catalog,
            schema,
            role,
            sees: &sees,
            max_rows: settings.max_rows,
            introspection: settings.introspection,
        });
        let limits = Limits { depth: settings.max_depth, aliases: settings.max_aliases };
        let drawn = Self::of_schema(schema::draw(&mut model), limits);
        model.sdl = model.is_subgraph.then(|| schema::sdl(&model, &drawn.schema));
        Self { model, ..drawn }
    }

    /// A schema without anything that it means.
    pub(crate) fn of_schema(schema: Valid<Schema>, limits: Limits) -> Self {
        let implementers = schema.implementers_map();
        Self {
            model: Model::default(),
            schema,
            implementers,
            plans: Plans::default(),
            limits,
            documents: Mutex::new(Shelf::new(DOCUMENTS, BYTES)),
            sightings: Sightings::default(),
            read: AtomicU64::new(0),
        }
    }

    /// A document, read and checked; kept at second sight.
    pub(crate) fn document(&self, text: &str) -> Result<Arc<Asked>, Error> {
        if let Some(known) = self.documents().get(text.as_bytes()) {
            return Ok(Arc::clone(known));
        }
        let document = self.read(text)?;
        let number = self.read.fetch_add(1, Ordering::Relaxed);
        let asked = Arc::new(Asked { document, number, told: AtomicUsize::new(0) });
        if text.len() <= LONGEST && self.sightings.seen_before(text) {
            let evicted = self.documents().put(text.as_bytes().into(), Arc::clone(&asked), text.len());
            // Freed outside the lock.
            drop(evicted);
        }
        Ok(asked)
    }

    fn documents(&self) -> MutexGuard<'_, Shelf<Arc<Asked>>> {
        self.documents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, text: &str) -> Result<Valid<ExecutableDocument>, Error> {
        // Without the schema first: what is no document is told apart from what does not fit.
        let ast = read(text)?;
        limits::check(&ast, self.limits)?;
        let document =
            ast.to_executable_validate(&self.schema).map_err(|failed| Error::Invalid(self.meant(&failed.errors)))?;
        let mut wrong = usages::wrong(&document, &self.schema);
        wrong.truncate(ERRORS);
        if wrong.is_empty() { Ok(document) } else { Err(Error::Invalid(wrong)) }
    }

    /// What does not fit, with what may have been meant where that is no secret.
    fn meant(&self, errors: &DiagnosticList) -> Vec<GraphQLError> {
        let mut told = told(errors);
        // The library takes away what is unknown and then misses it.
        if told.iter().any(|error| error.message.starts_with("Cannot query field")) {
            told.retain(|error| !error.message.contains("must have a selection of subfields"));
        }
        if self.model.introspection {
            told.iter_mut().for_each(|error| suggest::add(error, &self.schema));
        }
        told
    }
}

/// A document as it is written.
pub(crate) fn read(text: &str) -> Result<ast::Document, Error> {
    let read = Parser::new().recursion_limit(RECURSION).token_limit(TOKENS).parse_ast(text, "document");
    read.map_err(|failed| Error::Syntax(told(&failed.errors)))
}

pub(crate) fn told(errors: &DiagnosticList) -> Vec<GraphQLError> {
    errors.iter().take(ERRORS).map(|error| error.unstable_to_json_compat()).collect()
}
