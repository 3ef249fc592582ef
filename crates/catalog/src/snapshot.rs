//! The rows of every catalog query, all of one moment.
//!
//! First half of a load: **read** -> assemble. Everything here waits for the server; nothing here thinks.
//! Invariant: one read-only REPEATABLE READ transaction with an empty search_path, so that rows of different queries
//! belong together and type names come qualified. (Functions like `format_type` look at the newest state instead;
//! a change in between is followed by its own notification and load.)

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use ferrobase_pg::{Formats, Session, Settings, Statement, StatementResult};

use crate::error::LoadError;
use crate::pace::{Pace, Room};
use crate::portions;
use crate::scope::Scope;
use crate::sql::{self, Parameter, Query};

/// Answers of the queries under `sql/`, by the name of the file.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) server_version: u32,
    pub(crate) schemas: StatementResult,
    pub(crate) extensions: StatementResult,
    pub(crate) roles: StatementResult,
    pub(crate) memberships: StatementResult,
    pub(crate) role_settings: StatementResult,
    pub(crate) parameter_privileges: StatementResult,
    pub(crate) relations: StatementResult,
    pub(crate) columns: StatementResult,
    pub(crate) types: StatementResult,
    pub(crate) read_only_columns: StatementResult,
    pub(crate) unique_keys: StatementResult,
    pub(crate) foreign_keys: StatementResult,
    pub(crate) view_definitions: StatementResult,
    pub(crate) view_reads: StatementResult,
    pub(crate) equality_operators: StatementResult,
    pub(crate) operator_classes: StatementResult,
    pub(crate) loose_collations: StatementResult,
    pub(crate) comparable_types: StatementResult,
    pub(crate) view_defaults: StatementResult,
    pub(crate) functions: StatementResult,
    pub(crate) function_parameters: StatementResult,
    pub(crate) computed: StatementResult,
    pub(crate) representations: StatementResult,
    pub(crate) media_handlers: StatementResult,
    pub(crate) timezones: StatementResult,
}

impl Snapshot {
    /// Frees it. Only what a large schema has many of takes a while.
    pub(crate) fn discard(self, pace: &Pace) {
        let large = [
            self.relations,
            self.columns,
            self.unique_keys,
            self.foreign_keys,
            self.view_definitions,
            self.view_reads,
            self.view_defaults,
            self.functions,
            self.function_parameters,
        ];
        pace.over(large).for_each(drop);
    }
}

/// The transaction's settings. The timeout is ours: a role's own `statement_timeout` is meant for requests. Compiling the
/// queries to machine code never pays for itself here, whatever an estimate without statistics says.
fn own_settings(session: &Session, timeout: Duration) -> Vec<(&'static str, String)> {
    let mut settings = vec![
        ("search_path", String::new()),
        ("statement_timeout", timeout.as_millis().to_string()),
        ("lock_timeout", "0".to_owned()),
        ("jit", "off".to_owned()),
    ];
    if session.server_version() >= 170_000 {
        settings.push(("transaction_timeout", "0".to_owned()));
    }
    settings
}

/// Opens the transaction. Answers in portions want plans whose first rows come soon.
fn begin(session: &Session, timeout: Duration) -> String {
    let mut script =
        "begin isolation level repeatable read read only; set local cursor_tuple_fraction = 0.0001".to_owned();
    for (name, value) in own_settings(session, timeout) {
        // Names and values are ours.
        let _ = write!(script, "; set local {name} = '{value}'");
    }
    script
}

/// Runs every query of the scope and ends the transaction, also after a failure.
pub(crate) async fn read(session: &mut Session, scope: &Scope, room: Room) -> Result<Snapshot, LoadError> {
    let begin = begin(session, scope.timeout);
    session.script(&begin).await.map_err(control)?;
    let mut reader = Reader { session, scope, room };
    let snapshot = async {
        // The largest comes last: small ones make a new session acquainted with the catalog, a little each.
        let rest = reader.all_but_columns().await?;
        Ok(Snapshot { columns: reader.columns().await?, ..rest })
    };
    let snapshot = snapshot.await;
    end(session, snapshot).await
}

/// The same with two sessions of one server, which see one moment: columns are close to half of the server's work.
pub(crate) async fn read_in_two(
    session: &mut Session,
    helper: &mut Session,
    scope: &Scope,
) -> Result<Snapshot, LoadError> {
    let begin = begin(session, scope.timeout);
    session.script(&begin).await.map_err(control)?;
    let moment = exported(session).await?;
    // The helper joins the moment before it runs anything.
    let join = format!("{begin}; set transaction snapshot '{moment}'");
    helper.script(&join).await.map_err(control)?;
    let (columns, rest) = tokio::join!(
        async {
            let columns = Reader { session: helper, scope, room: Room::NotNeeded }.columns().await;
            end(helper, columns).await
        },
        async {
            let rest = Reader { session, scope, room: Room::NotNeeded }.all_but_columns().await;
            end(session, rest).await
        }
    );
    Ok(Snapshot { columns: columns?, ..rest? })
}

/// Begins a transaction like that of [`read`].
pub(crate) async fn open(session: &mut Session, timeout: Duration) -> Result<(), LoadError> {
    let begin = begin(session, timeout);
    session.script(&begin).await.map_err(control)
}

/// The rows of one query.
pub(crate) async fn ask(
    session: &mut Session,
    query: Query,
    parameters: &[Option<&str>],
    room: Room,
) -> Result<StatementResult, LoadError> {
    let answer = match room {
        Room::NotNeeded => session.query(query.text, parameters).await,
        // By the plan that makes all of them soonest.
        Room::Until(_) if query.portion == 0 => session.query(query.text, parameters).await,
        // The first load, which is not made of portions, keeps its future small.
        Room::Until(_) => Box::pin(portions::read(session, query, parameters, room)).await,
    };
    answer.map_err(|source| LoadError::Query { query: query.name, source })
}

/// The rows of several queries in one round trip, of a moment that lasts until `Session::look_away`: for who is in a hurry. A session
/// that answered them twice does so without planning, by plans that fit any value.
pub(crate) async fn look(
    session: &mut Session,
    queries: &[Query],
    oids: &[u64],
    timeout: Duration,
) -> Result<Vec<StatementResult>, LoadError> {
    let plans = ("plan_cache_mode", "force_generic_plan".to_owned());
    let settings: Settings = own_settings(session, timeout).into_iter().chain([plans]).collect();
    let oids = Bytes::from(serde_json::json!(oids).to_string());
    let statement = |query: &Query| Statement {
        sql: query.of_some().into(),
        params: if query.parameter == Parameter::Nothing { Vec::new() } else { vec![Some(oids.clone())] },
        param_types: Vec::new(),
        formats: Formats::Text,
    };
    let statements: Vec<_> = queries.iter().map(statement).collect();
    session.look(&settings, &statements).await.map_err(|source| LoadError::Query { query: "renewal", source })
}

fn control(source: ferrobase_pg::Error) -> LoadError {
    LoadError::Query { query: "transaction", source }
}

/// Ends the transaction; what failed first is told.
pub(crate) async fn end<T>(session: &mut Session, outcome: Result<T, LoadError>) -> Result<T, LoadError> {
    let ended = session.script("rollback").await;
    let value = outcome?;
    ended.map_err(control)?;
    Ok(value)
}

/// The name under which another session can join this transaction's moment.
async fn exported(session: &mut Session) -> Result<String, LoadError> {
    let answer = session.query("select pg_catalog.pg_export_snapshot()", &[]).await.map_err(control)?;
    let name = answer.rows.first().and_then(|row| row.text(0)).unwrap_or_default();
    // It becomes part of a statement, which has no parameters.
    let is_plain = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
    if name.is_empty() || !name.bytes().all(is_plain) {
        return Err(control(ferrobase_pg::Error::Protocol("a snapshot with an odd name")));
    }
    Ok(name.to_owned())
}

struct Reader<'a> {
    session: &'a mut Session,
    scope: &'a Scope,
    room: Room,
}

impl Reader<'_> {
    async fn columns(&mut self) -> Result<StatementResult, LoadError> {
        self.ask(sql::COLUMNS).await
    }

    async fn all_but_columns(&mut self) -> Result<Snapshot, LoadError> {
        let mut snapshot = Snapshot {
            server_version: self.session.server_version(),
            schemas: self.ask(sql::SCHEMAS).await?,
            extensions: self.ask(sql::EXTENSIONS).await?,
            roles: self.ask(sql::ROLES).await?,
            memberships: self.ask(sql::MEMBERSHIPS).await?,
            role_settings: self.ask(sql::ROLE_SETTINGS).await?,
            relations: self.ask(sql::RELATIONS).await?,
            types: self.ask(sql::TYPES).await?,
            unique_keys: self.ask(sql::UNIQUE_KEYS).await?,
            foreign_keys: self.ask(sql::FOREIGN_KEYS).await?,
            view_definitions: self.ask(sql::VIEW_DEFINITIONS).await?,
            view_reads: self.ask(sql::VIEW_READS).await?,
            equality_operators: self.ask(sql::EQUALITY_OPERATORS).await?,
            operator_classes: self.ask(sql::OPERATOR_CLASSES).await?,
            loose_collations: self.ask(sql::LOOSE_COLLATIONS).await?,
            comparable_types: self.ask(sql::COMPARABLE_TYPES).await?,
            view_defaults: self.ask(sql::VIEW_DEFAULTS).await?,
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
        if self.scope.view_columns {
            snapshot.read_only_columns = self.ask(sql::READ_ONLY_COLUMNS).await?;
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
        ask(self.session, query, parameters, self.room).await
    }
}

fn has_privileged_setting(role_settings: &StatementResult) -> bool {
    role_settings.rows.iter().any(|row| row.text(3).is_some_and(|context| context.starts_with("superuser")))
}
