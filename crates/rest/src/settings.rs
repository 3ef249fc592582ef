//! The room's configuration as its stages use it: one immutable value, swapped on reload.
//!
//! Made from [`RestSection`]; `ferrobase postgrest` makes it from its own file. Each stage is handed the few fields
//! that it needs.

use ferrobase_request::SearchPath;

use crate::config::{OpenApiMode, RestSection, TxEnd, Verbosity};
use crate::cursor::CursorKey;
use crate::openapi::Address;
use crate::parse::Dialect;
use crate::prefer::Tx;
use crate::request::{Root, Rules};

/// What the stages need to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How requests are read.
    pub rules: Rules,
    /// Schemas that are searched after the request's own.
    pub extra_search_path: Vec<String>,
    /// Most rows of one answer.
    pub max_rows: Option<u64>,
    /// Most rows of a streamed one.
    pub stream_max_rows: Option<u64>,
    /// Rows of an answer to a request without a limit.
    pub page_limit_default: Option<u64>,
    /// Most levels of embedding.
    pub max_embed_depth: usize,
    /// Aggregates are allowed.
    pub aggregates: bool,
    /// Query plans are shown.
    pub plans: bool,
    /// A path in a filter may name a relation by its target in spite of an alias (PostgREST before 16 did).
    pub target_names: bool,
    /// How transactions end.
    pub tx_end: TxEnd,
    /// How much an error tells.
    pub verbosity: Verbosity,
    /// What the descriptions list.
    pub openapi: OpenApiMode,
    /// What seals cursors; [`Settings::sealed_by`] gives one of its own.
    pub cursor_key: CursorKey,
    /// The description at the root tells how tokens are sent.
    pub openapi_security: bool,
    /// Requests without credentials are served.
    pub anonymous: bool,
    /// Where the API is, as the descriptions tell it.
    pub address: Address,
    /// Most operations of one batch; with none there are no batches.
    pub batch_max_operations: usize,
    /// Most bytes of the results of one batch.
    pub batch_max_response: usize,
}

impl Settings {
    /// The settings of a section. `reserved` are parameters that other parts of the server read.
    pub fn new(section: &RestSection, reserved: Vec<String>) -> Self {
        let root = match (&section.openapi_mode, &section.root_spec) {
            (OpenApiMode::Disabled, _) => Root::Nothing,
            (_, Some(function)) => Root::Function {
                schema: function.schema.as_ref().map(|schema| schema.as_str().to_owned()),
                name: function.name.as_str().to_owned(),
            },
            (_, None) => Root::Description,
        };
        let rules = Rules {
            schemas: section.schemas.iter().map(|schema| schema.as_str().to_owned()).collect(),
            tx_override: matches!(section.tx_end, TxEnd::CommitAllowOverride | TxEnd::RollbackAllowOverride),
            root,
            document: false,
            reserved,
            dialect: Dialect::Extended,
        };
        Self {
            rules,
            extra_search_path: section.extra_search_path.iter().map(|schema| schema.as_str().to_owned()).collect(),
            max_rows: section.max_rows,
            stream_max_rows: match section.stream_max_rows {
                None => section.max_rows,
                Some(0) => None,
                Some(most) => Some(most),
            },
            page_limit_default: section.page_limit_default,
            max_embed_depth: section.max_embed_depth as usize,
            aggregates: section.aggregates_enabled,
            plans: section.plan_enabled,
            target_names: false,
            tx_end: section.tx_end,
            verbosity: section.verbosity,
            openapi: section.openapi_mode,
            cursor_key: CursorKey::derived_from(None),
            openapi_security: section.openapi_security_active,
            anonymous: section.anon_role.is_some(),
            address: Address::default(),
            batch_max_operations: section.batch_max_operations as usize,
            batch_max_response: section.batch_max_response.as_usize(),
        }
    }

    /// PostgREST's: its defaults, its grammar, and nothing of ours.
    pub fn postgrest(schemas: Vec<String>) -> Self {
        let section = RestSection {
            aggregates_enabled: false,
            max_rows: None,
            // Upstream has no bound; our parsers have.
            max_embed_depth: 64,
            ..RestSection::default()
        };
        let base = Self::new(&section, Vec::new());
        let rules = Rules { schemas, dialect: Dialect::Postgrest, ..base.rules };
        Self { rules, target_names: true, ..base }
    }

    /// The API is at this address, and describes itself in OpenAPI 3.1 too.
    #[must_use]
    pub fn described_at(mut self, address: Address) -> Self {
        self.rules.document = self.openapi != OpenApiMode::Disabled;
        self.address = address;
        self
    }

    /// Seals cursors with a key that is derived from this secret.
    #[must_use]
    pub fn sealed_by(self, secret: Option<&[u8]>) -> Self {
        Self { cursor_key: CursorKey::derived_from(secret), ..self }
    }

    /// Whether a transaction is undone; `asked` is what the request prefers, already `None` where it may not choose.
    pub(crate) fn rolls_back(&self, asked: Option<Tx>) -> bool {
        match (self.tx_end, asked) {
            (_, Some(Tx::Rollback)) => true,
            (_, Some(Tx::Commit)) => false,
            (end, None) => matches!(end, TxEnd::Rollback | TxEnd::RollbackAllowOverride),
        }
    }

    /// Schemas in which PostgreSQL looks names up, the request's own first.
    pub(crate) fn search_path(&self, schema: &str) -> SearchPath {
        std::iter::once(schema).chain(self.extra_search_path.iter().map(String::as_str)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_chooses_how_its_transaction_ends_only_where_it_may() {
        let settings = |tx_end| Settings::new(&RestSection { tx_end, ..RestSection::default() }, vec![]);
        for (tx_end, may_choose, by_default) in [
            (TxEnd::Commit, false, false),
            (TxEnd::CommitAllowOverride, true, false),
            (TxEnd::Rollback, false, true),
            (TxEnd::RollbackAllowOverride, true, true),
        ] {
            let settings = settings(tx_end);
            assert_eq!(settings.rules.tx_override, may_choose, "{tx_end:?}");
            assert_eq!(settings.rolls_back(None), by_default, "{tx_end:?}");
            assert!(settings.rolls_back(Some(Tx::Rollback)) && !settings.rolls_back(Some(Tx::Commit)));
        }
    }

    #[test]
    fn the_root_is_what_the_configuration_says() {
        let root =
            |mode| Settings::new(&RestSection { openapi_mode: mode, ..RestSection::default() }, vec![]).rules.root;
        assert_eq!(root(OpenApiMode::FollowPrivileges), Root::Description);
        assert_eq!(root(OpenApiMode::Disabled), Root::Nothing);
    }
}
