//! `rest`: what the REST API exposes and how far a request may go.
//!
//! The names follow PostgREST's (`db-max-rows` is `max_rows`); the defaults are ours. `anon_role`, the schemas and the
//! transaction's end also go to `request` through `app`.

use ferrobase_base::config::{ByteSize, HttpToken, Identifier, QualifiedName, RelationPattern, Report};
use ferrobase_base::{choice, section};

choice! {
    /// How the transaction of a request ends.
    pub enum TxEnd {
        /// Committed.
        Commit = "commit",
        /// Committed, unless the request asks with `Prefer: tx=rollback`.
        CommitAllowOverride = "commit-allow-override",
        /// Rolled back: a server for trying things out.
        Rollback = "rollback",
        /// Rolled back, unless the request asks with `Prefer: tx=commit`.
        RollbackAllowOverride = "rollback-allow-override",
    }
}

choice! {
    /// What the OpenAPI description lists.
    pub enum OpenApiMode {
        /// What the caller's role may use.
        FollowPrivileges = "follow-privileges",
        /// Everything exposed.
        IgnorePrivileges = "ignore-privileges",
        /// Nothing: the root answers 404.
        Disabled = "disabled",
    }
}

choice! {
    /// How much an error tells.
    pub enum Verbosity {
        /// Message, details and hint.
        Verbose = "verbose",
        /// Code and message.
        Minimal = "minimal",
    }
}

section! {
    /// The REST API.
    pub struct RestSection {
        /// Exposed schemas; the first is the default one.
        schemas: Vec<Identifier> = vec![Identifier::from_static("public")];
        /// Schemas that are searched after the request's own, not exposed.
        extra_search_path: Vec<Identifier> = vec![Identifier::from_static("public"), Identifier::from_static("extensions")];
        /// Role of requests without credentials; none refuses them.
        anon_role: Option<Identifier> = Some(Identifier::from_static("anon"));
        /// Most rows that one answer carries; `null` is no bound.
        max_rows: Option<u64> = Some(1000);
        /// Most rows of an answer that is streamed; `null` is as `max_rows`, 0 is no bound.
        stream_max_rows: Option<u64> = None;
        /// How transactions end.
        tx_end: TxEnd = TxEnd::Commit;
        /// Function that runs at the start of every request and may refuse it.
        pre_request: Option<QualifiedName> = None;
        /// Function that runs when settings are read from the database.
        pre_config: Option<QualifiedName> = None;
        /// Function that answers at the root instead of the OpenAPI description; its schema must be exposed, without one it is the request's.
        root_spec: Option<QualifiedName> = None;
        /// Allows `count()`, `sum()`, `avg()`, `min()`, `max()` in `select`.
        aggregates_enabled: bool = true;
        /// Allows `Accept: application/vnd.pgrst.plan`. Plans tell about rows that the caller may not see.
        plan_enabled: bool = false;
        /// What the OpenAPI description lists.
        openapi_mode: OpenApiMode = OpenApiMode::FollowPrivileges;
        /// Adds the token scheme to the OpenAPI description.
        openapi_security_active: bool = false;
        /// Sends `Server-Timing` with the time of each stage.
        server_timing: bool = false;
        /// Request field that is copied into the answer, for tracing.
        trace_header: Option<HttpToken> = None;
        /// Settings of functions that are applied to the whole transaction before the function runs.
        hoisted_tx_settings: Vec<String> = hoisted();
        /// Channel on which `NOTIFY` reloads the schema cache.
        channel: Identifier = Identifier::from_static("pgrst");
        /// Listens on it.
        channel_enabled: bool = true;
        /// How much an error tells.
        verbosity: Verbosity = Verbosity::Verbose;
        /// Rows of an answer when the request names no limit; none is up to `max_rows`.
        page_limit_default: Option<u64> = None;
        /// Most planner cost that one statement may have; none does not ask the planner.
        max_cost: Option<f64> = None;
        /// Most levels of embedding in `select`.
        max_embed_depth: u32 = 10, in 1..=64;
        /// Most operations of one batch (`POST` to the root); 0 switches batches off.
        batch_max_operations: u32 = 100, in 0..=10_000;
        /// Most bytes that the operations of one batch answer with together.
        batch_max_response: ByteSize = ByteSize::mib(16), in ByteSize::kib(1)..=ByteSize::mib(1024);
        /// Relations without row security that anonymous and signed-in users may see all the same.
        allow_unprotected: Vec<RelationPattern> = Vec::new();
    }
}

fn hoisted() -> Vec<String> {
    ["statement_timeout", "plan_filter.statement_cost_limit", "default_transaction_isolation"]
        .map(str::to_owned)
        .to_vec()
}

impl RestSection {
    /// What only shows when keys are compared.
    pub fn check(&self, report: &mut Report<'_>) {
        if self.schemas.is_empty() {
            report.refuse("schemas", "at least one schema must be exposed");
        }
        for schema in self.schemas.iter().filter(|schema| is_reserved(schema)) {
            report.refuse("schemas", format!("`{schema}` holds the server's own state and cannot be exposed"));
        }
        if let Some(schema) = self.root_spec.as_ref().and_then(|function| function.schema.as_ref())
            && !self.schemas.contains(schema)
        {
            report.refuse("root_spec", format!("`{schema}` is not one of rest.schemas"));
        }
        if self.max_cost.is_some_and(|cost| cost <= 0.0) {
            report.refuse("max_cost", "must be more than 0");
        }
        if let (Some(page), Some(max)) = (self.page_limit_default, self.max_rows)
            && page > max
        {
            report.refuse("page_limit_default", format!("is more than max_rows ({max})"));
        }
        if self.allow_unprotected.contains(&RelationPattern::All) {
            report.warn("allow_unprotected", "`*` shows every table without row security to everybody");
        }
    }
}

fn is_reserved(schema: &str) -> bool {
    matches!(schema, "pg_catalog" | "information_schema" | "ferrobase" | "auth") || schema.starts_with("pg_")
}
