//! The rows of every catalog query, all of one moment.
//!
//! First half of a load: **read** -> assemble. Everything here waits for the server; nothing here thinks.
//! Invariant: one read-only REPEATABLE READ transaction with an empty search_path, so that rows of different queries
//! belong together and type names come qualified. (Functions like `format_type` look at the newest state instead;
//! a change in between is followed by its own notification and load.)

use std::time::Duration;

use ferrobase_pg::{Session, StatementResult};

use crate::error::LoadError;
use crate::scope::Scope;
use crate::sql::{self, Parameter, Query};

/// Answers of the queries under `sql/`, by the name of the file.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) server_version: u32,
    pub(crate) schemas: StatementResult,
    pub(crate) roles: StatementResult,
    pub(crate) memberships: StatementResult,
    pub(crate) role_settings: StatementResult,
    pub(crate) parameter_privileges: StatementResult,
    pub(crate) relations: StatementResult,
    pub(crate) columns: StatementResult,
    pub(crate) enums: StatementResult,
    pub(crate) unique_keys: StatementResult,
    pub(crate) foreign_keys: StatementResult,
    pub(crate) view_definitions: StatementResult,
    pub(crate) view_reads: StatementResult,
    pub(crate) functions: StatementResult,
    pub(crate) function_parameters: StatementResult,
    pub(crate) computed: StatementResult,
    pub(crate) representations: StatementResult,
    pub(crate) media_handlers: StatementResult,
    pub(crate) timezones: StatementResult,
}

/// Opens the transaction. The timeout is ours: a role's own `statement_timeout` is meant for requests. Compiling the
/// queries to machine code never pays for itself here, whatever an estimate without statistics says.
fn begin(timeout: Duration) -> String {
    format!(
        "begin isolation level repeatable read read only; set local search_path = ''; \
         set local statement_timeout = {}; set local lock_timeout = 0; set local jit = off",
        timeout.as_millis()
    )
}

/// Runs every query of the scope and ends the transaction, also after a failure.
pub(crate) async fn read(session: &mut Session, scope: &Scope) -> Result<Snapshot, LoadError> {
    let control = |source| LoadError::Query { query: "transaction", source };
    session.script(&begin(scope.timeout)).await.map_err(control)?;
    let snapshot = Reader { session, scope }.read().await;
    let ended = session.script("rollback").await;
    let snapshot = snapshot?;
    ended.map_err(control)?;
    Ok(snapshot)
}

struct Reader<'a> {
    session: &'a mut Session,
    scope: &'a Scope,
}

impl Reader<'_> {
    async fn read(&mut self) -> Result<Snapshot, LoadError> {
        let mut snapshot = Snapshot {
            server_version: self.session.server_version(),
            schemas: self.ask(sql::SCHEMAS).await?,
            roles: self.ask(sql::ROLES).await?,
            memberships: self.ask(sql::MEMBERSHIPS).await?,
            role_settings: self.ask(sql::ROLE_SETTINGS).await?,
            relations: self.ask(sql::RELATIONS).await?,
            columns: self.ask(sql::COLUMNS).await?,
            enums: self.ask(sql::ENUMS).await?,
            unique_keys: self.ask(sql::UNIQUE_KEYS).await?,
            foreign_keys: self.ask(sql::FOREIGN_KEYS).await?,
            view_definitions: self.ask(sql::VIEW_DEFINITIONS).await?,
            view_reads: self.ask(sql::VIEW_READS).await?,
            functions: self.ask(sql::FUNCTIONS).await?,
            function_parameters: self.ask(sql::FUNCTION_PARAMETERS).await?,
            computed: self.ask(sql::COMPUTED).await?,
            representations: self.ask(sql::REPRESENTATIONS).await?,
            media_handlers: self.ask(sql::MEDIA_HANDLERS).await?,
            ..Snapshot::default()
        };
        if snapshot.server_version >= 150_000 && has_privileged_setting(&snapshot.role_settings) {
            snapshot.parameter_privileges = self.ask(sql::PARAMETER_PRIVILEGES).await?;
        }
        if self.scope.timezones {
            snapshot.timezones = self.ask(sql::TIMEZONES).await?;
        }
        Ok(snapshot)
    }

    async fn ask(&mut self, query: Query) -> Result<StatementResult, LoadError> {
        let parameter = self.scope.parameter(query.parameter);
        let parameters = [parameter.as_deref()];
        let parameters = if query.parameter == Parameter::Nothing { &[][..] } else { &parameters[..] };
        self.session
            .query(query.text, parameters)
            .await
            .map_err(|source| LoadError::Query { query: query.name, source })
    }
}

fn has_privileged_setting(role_settings: &StatementResult) -> bool {
    role_settings.rows.iter().any(|row| row.text(3).is_some_and(|context| context.starts_with("superuser")))
}
