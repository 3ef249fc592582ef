//! The logins of requests (security requirements 1, 2 and 17): `authenticator` becomes anon and authenticated,
//! `authenticator_service` becomes service_role, and a room with a schema of its own has a login that becomes the
//! schema's owner. None can do anything by itself.
//!
//! Passwords are made in the server and kept in `ferrobase.secrets`. Roles belong to the cluster, secrets to the
//! database: a second database of a cluster takes logins of its own (`authenticator_` and a hash of its name), so that
//! neither breaks the other's password. A comment on the role says whose it is.

use std::collections::HashMap;

use ferrobase_base::Secret;
use ferrobase_pg::{ConnectOptions, Session};
use futures_util::future::join_all;
use sha2::{Digest, Sha256};

use super::state::{RoleState, State, quote};
use super::{InstallError, InstallOptions, RoomOwner, cluster_roles, scram};

/// A login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// Role name.
    pub user: String,
    /// Its password; `None` where the server asks for none.
    pub password: Option<Secret>,
}

/// The logins of the request pools.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logins {
    /// For anon, authenticated and roles of the application.
    pub request: Login,
    /// For service_role.
    pub service: Login,
    /// For rooms with a schema of their own, by the schema.
    pub rooms: HashMap<&'static str, Login>,
}

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Request,
    Service,
    Room(RoomOwner),
}

fn kinds(options: &InstallOptions) -> impl Iterator<Item = Kind> {
    [Kind::Request, Kind::Service].into_iter().chain(options.owners().map(Kind::Room))
}

impl Kind {
    fn base_name(self) -> &'static str {
        match self {
            Self::Request => "authenticator",
            Self::Service => "authenticator_service",
            Self::Room(owner) => owner.login,
        }
    }

    /// Roles that it becomes.
    fn becomes(self) -> Vec<&'static str> {
        match self {
            Self::Request => vec!["anon", "authenticated"],
            Self::Service => vec!["service_role"],
            Self::Room(owner) => vec![owner.role],
        }
    }

    fn user_key(self) -> String {
        self.key("user")
    }

    fn password_key(self) -> String {
        self.key("password")
    }

    fn key(self, what: &str) -> String {
        match self {
            Self::Request => format!("login.request.{what}"),
            Self::Service => format!("login.service.{what}"),
            Self::Room(owner) => format!("login.room.{}.{what}", owner.schema),
        }
    }

    fn own_name(self, database: &str) -> String {
        let hash = Sha256::digest(database.as_bytes());
        let suffix: String = hash.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        format!("{}_{suffix}", self.base_name())
    }

    fn comment(self, database: &str) -> String {
        format!("Login of Ferrobase for {} in database {database}", self.becomes().join(" and "))
    }

    /// The operator's login, where there is one.
    fn configured(self, options: &InstallOptions) -> Option<&Login> {
        options.authenticator.as_ref().filter(|_| self == Self::Request)
    }

    fn recorded_user(self, state: &State) -> Option<&str> {
        state.secrets.get(&self.user_key()).map(Secret::expose)
    }

    /// The login's name: the operator's, the recorded one, the plain one when it is free or ours, else our own.
    fn user(self, state: &State, options: &InstallOptions) -> String {
        if let Some(login) = self.configured(options) {
            return login.user.clone();
        }
        if let Some(user) = self.recorded_user(state) {
            return user.to_owned();
        }
        match state.roles.get(self.base_name()) {
            Some(role) if !self.is_ours(role, state) => self.own_name(&state.database),
            _ => self.base_name().to_owned(),
        }
    }

    fn is_ours(self, role: &RoleState, state: &State) -> bool {
        role.comment.as_deref() == Some(self.comment(&state.database).as_str())
    }
}

/// The recorded login of requests; `None` before the first installation.
pub(super) async fn recorded(session: &mut Session) -> Result<Option<String>, ferrobase_pg::Error> {
    let sql = "select value from ferrobase.secrets where name = $1";
    match session.query(sql, &[Some(&Kind::Request.user_key())]).await {
        Ok(result) => Ok(result.rows.first().and_then(|row| row.text(0)).map(str::to_owned)),
        // undefined_table, invalid_schema_name
        Err(error) if error.code().is_some_and(|code| matches!(code.as_str(), "42P01" | "3F000")) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Every name that a login may have here.
pub(super) fn possible_names(
    database: &str,
    secrets: &HashMap<String, Secret>,
    options: &InstallOptions,
) -> Vec<String> {
    let mut names: Vec<_> = options.authenticator.iter().map(|login| login.user.clone()).collect();
    names.extend(options.readers.iter().cloned());
    for kind in kinds(options) {
        names.extend([kind.base_name().to_owned(), kind.own_name(database)]);
        names.extend(secrets.get(&kind.user_key()).map(|user| user.expose().to_owned()));
    }
    names
}

pub(super) fn are_complete(state: &State, options: &InstallOptions) -> bool {
    kinds(options).all(|kind| {
        let user = kind.user(state, options);
        let Some(role) = state.roles.get(&user) else { return false };
        let is_recorded = kind.configured(options).is_some()
            || (kind.recorded_user(state).is_some() && state.secrets.contains_key(&kind.password_key()));
        is_recorded && kind.becomes().iter().all(|name| role.is_member_of(name)) && !wants_limit(state, role, options)
    })
}

fn wants_limit(state: &State, role: &RoleState, options: &InstallOptions) -> bool {
    state.is_superuser && options.temp_file_limit.is_some() && !role.has_temp_file_limit
}

impl RoleState {
    fn is_member_of(&self, role: &str) -> bool {
        self.member_of.iter().any(|member_of| member_of == role)
    }
}

/// Makes what is missing and says what was made.
pub(super) async fn ensure(
    session: &mut Session,
    state: &State,
    options: &InstallOptions,
) -> Result<Vec<String>, InstallError> {
    let mut done = Vec::new();
    for kind in kinds(options) {
        let user = kind.user(state, options);
        if !state.roles.contains_key(&user) {
            let password = match kind.configured(options) {
                Some(login) => login.password.clone(),
                None => Some(record(session, kind, &user).await?),
            };
            create(session, kind, &user, password.as_ref(), state).await?;
            done.push(format!("login {user}"));
        } else if kind.configured(options).is_none() {
            record(session, kind, &user).await?;
        }
        grant(session, kind, &user, state, options, &mut done).await?;
    }
    Ok(done)
}

/// Whether one is not there.
pub(super) fn are_missing(state: &State, options: &InstallOptions) -> bool {
    kinds(options).any(|kind| !state.roles.contains_key(&kind.user(state, options)))
}

/// The names of those that are not there, and the statements that make them for whoever may. Their passwords are kept.
pub(super) async fn creations(
    session: &mut Session,
    state: &State,
    options: &InstallOptions,
) -> Result<(Vec<String>, Vec<String>), InstallError> {
    let (mut names, mut statements) = (Vec::new(), Vec::new());
    for kind in kinds(options) {
        let user = kind.user(state, options);
        if state.roles.contains_key(&user) {
            continue;
        }
        let password = match kind.configured(options) {
            // Theirs may be one that can be guessed from its verifier.
            Some(_) => Some("the password in database.authenticator".to_owned()),
            None => Some(scram::verifier(record(session, kind, &user).await?.expose())),
        };
        statements.extend(creation(kind, &user, password.as_deref(), state));
        statements.push(format!("grant {} to {}", kind.becomes().join(", "), quote(&user)));
        names.push(user);
    }
    Ok((names, statements))
}

/// Name and password of a login in the secrets; gives the password.
async fn record(session: &mut Session, kind: Kind, user: &str) -> Result<Secret, InstallError> {
    const DOING: &str = "making the password of a request login";
    let (user_key, password_key) = (kind.user_key(), kind.password_key());
    let put = [Some(user_key.as_str()), Some(user)];
    session.execute(include_str!("../../sql/secret_put.sql"), &put).await.map_err(InstallError::sql(DOING))?;
    let key = [Some(password_key.as_str())];
    session.execute(include_str!("../../sql/secret_generate.sql"), &key).await.map_err(InstallError::sql(DOING))?;
    let result =
        session.query(include_str!("../../sql/secret_list.sql"), &[]).await.map_err(InstallError::sql(DOING))?;
    let password =
        result.rows.iter().find(|row| row.text(0) == Some(password_key.as_str())).and_then(|row| row.text(1));
    password.map(Secret::new).ok_or(InstallError::Unexpected(DOING))
}

async fn create(
    session: &mut Session,
    kind: Kind,
    user: &str,
    password: Option<&Secret>,
    state: &State,
) -> Result<(), InstallError> {
    let verifier = password.map(|secret| scram::verifier(secret.expose()));
    let sql = creation(kind, user, verifier.as_deref(), state).join(";\n");
    cluster_roles::run(session, &sql).await.map_err(InstallError::sql("creating a request login"))
}

fn creation(kind: Kind, user: &str, password: Option<&str>, state: &State) -> [String; 2] {
    let password = password.map(|text| format!(" password '{text}'")).unwrap_or_default();
    let user = quote(user);
    let comment = kind.comment(&state.database).replace('\'', "''");
    [
        format!("create role {user} login noinherit nocreatedb nocreaterole{password}"),
        format!("comment on role {user} is '{comment}'"),
    ]
}

async fn grant(
    session: &mut Session,
    kind: Kind,
    user: &str,
    state: &State,
    options: &InstallOptions,
    done: &mut Vec<String>,
) -> Result<(), InstallError> {
    let role = state.roles.get(user);
    let becomes = kind.becomes().into_iter();
    let wanted: Vec<_> = becomes.filter(|name| !role.is_some_and(|role| role.is_member_of(name))).collect();
    if !wanted.is_empty() {
        let sql = format!("grant {} to {}", wanted.join(", "), quote(user));
        match cluster_roles::run(session, &sql).await {
            Ok(()) => {}
            Err(error) if error.code().is_some_and(|code| code == "42501") => {
                let roles = wanted.into_iter().map(str::to_owned).collect();
                return Err(InstallError::MissingGrant {
                    login: user.to_owned(),
                    roles,
                    user: state.user.clone(),
                    sql,
                });
            }
            Err(error) => return Err(InstallError::sql("granting API roles to a request login")(error)),
        }
        done.push(format!("{} for {user}", wanted.join(" and ")));
    }
    if let Some(limit) = &options.temp_file_limit
        && role.is_none_or(|role| wants_limit(state, role, options))
        && state.is_superuser
    {
        let sql = format!("alter role {} set temp_file_limit = '{}'", quote(user), limit.replace('\'', "''"));
        cluster_roles::run(session, &sql).await.map_err(InstallError::sql("limiting temporary files"))?;
        done.push(format!("temp_file_limit of {user}"));
    }
    Ok(())
}

/// Checks that the logins are harmless and get in; a password of ours that does not fit any more is set again.
pub(super) async fn verify(
    session: &mut Session,
    owner: &ConnectOptions,
    state: &State,
    options: &InstallOptions,
) -> Result<Logins, InstallError> {
    let candidates = kinds(options).map(|kind| Candidate::of(kind, state, options));
    let candidates = candidates.collect::<Result<Vec<_>, _>>()?;
    for reader in &options.readers {
        if let Some(reason) = state.roles.get(reader).and_then(|role| unsafe_because(Kind::Request, role)) {
            return Err(InstallError::UnsafeLogin { user: reader.clone(), reason });
        }
    }
    for candidate in &candidates {
        candidate.undo_settings(session, state).await?;
    }
    let tried = join_all(candidates.iter().map(|candidate| candidate.try_login(owner))).await;
    for (candidate, result) in candidates.iter().zip(tried) {
        candidate.settle(result, session, owner, state).await?;
    }
    let mut rooms = HashMap::new();
    let (mut request, mut service) = (None, None);
    for Candidate { kind, login, .. } in candidates {
        match kind {
            Kind::Request => request = Some(login),
            Kind::Service => service = Some(login),
            Kind::Room(owner) => {
                rooms.insert(owner.schema, login);
            }
        }
    }
    match (request, service) {
        (Some(request), Some(service)) => Ok(Logins { request, service, rooms }),
        _ => Err(InstallError::Unexpected("looking for the request logins")),
    }
}

struct Candidate {
    kind: Kind,
    login: Login,
    is_configured: bool,
}

impl Candidate {
    fn of(kind: Kind, state: &State, options: &InstallOptions) -> Result<Self, InstallError> {
        let user = kind.user(state, options);
        let configured = kind.configured(options);
        if let Some(role) = state.roles.get(&user)
            && let Some(reason) = unsafe_because(kind, role)
        {
            return Err(InstallError::UnsafeLogin { user, reason });
        }
        let password = match configured {
            Some(login) => login.password.clone(),
            None => state.secrets.get(&kind.password_key()).cloned(),
        };
        Ok(Self { kind, login: Login { user, password }, is_configured: configured.is_some() })
    }

    /// Takes back the settings of a login of ours. It needs none, and code that runs as the login can leave it some
    /// that break or loosen every later connection.
    async fn undo_settings(&self, session: &mut Session, state: &State) -> Result<(), InstallError> {
        let ours = |role: &&RoleState| !self.is_configured && self.kind.is_ours(role, state);
        let Some(role) = state.roles.get(&self.login.user).filter(ours) else { return Ok(()) };
        if role.own_settings.is_empty() || state.is_replica || !state.may_create_roles {
            return Ok(());
        }
        let user = quote(&self.login.user);
        let undo = role.own_settings.iter().map(|setting| {
            let place =
                if setting.in_database { format!("in database {} ", quote(&state.database)) } else { String::new() };
            format!("alter role {user} {place}reset {};", quote(&setting.name))
        });
        let doing = InstallError::sql("taking back settings of a request login");
        cluster_roles::run(session, &undo.collect::<String>()).await.map_err(doing)?;
        let names: Vec<_> = role.own_settings.iter().map(|setting| setting.name.as_str()).collect();
        tracing::warn!(login = self.login.user, settings = ?names, "settings of a request login were taken back");
        Ok(())
    }

    /// Whether it is another database's. One without a word is too, where we make logins ourselves; somebody who made ours
    /// for us may have left the word out.
    fn is_foreign(&self, role: &RoleState, state: &State) -> bool {
        !self.kind.is_ours(role, state) && (state.may_create_roles || role.comment.is_some())
    }

    async fn try_login(&self, owner: &ConnectOptions) -> Result<(), ferrobase_pg::Error> {
        let options = owner.clone().with_login(&self.login.user, self.login.password.clone());
        Session::connect(&options).await?.close().await;
        Ok(())
    }

    /// Sets the password again when the server did not take it. Code that runs as a request login can change that
    /// login's password, so this also repairs what an attacker broke.
    async fn settle(
        &self,
        result: Result<(), ferrobase_pg::Error>,
        session: &mut Session,
        owner: &ConnectOptions,
        state: &State,
    ) -> Result<(), InstallError> {
        let refused = |source| InstallError::LoginRefused { user: self.login.user.clone(), source };
        let Err(error) = result else { return Ok(()) };
        let is_wrong_password = error.code().is_some_and(|code| code == "28P01");
        let is_ours_to_set = is_wrong_password && !self.is_configured && !state.is_replica;
        let Some(password) = self.login.password.as_ref().filter(|_| is_ours_to_set) else {
            return Err(refused(error));
        };
        if state.roles.get(&self.login.user).is_some_and(|role| self.is_foreign(role, state)) {
            return Err(InstallError::ForeignLogin { user: self.login.user.clone() });
        }
        let sql = format!("alter role {} password '{}'", quote(&self.login.user), scram::verifier(password.expose()));
        if !state.may_create_roles {
            return Err(InstallError::WrongPassword { login: self.login.user.clone(), user: state.user.clone(), sql });
        }
        cluster_roles::run(session, &sql)
            .await
            .map_err(InstallError::sql("setting the password of a request login"))?;
        tracing::warn!(login = self.login.user, kind = ?self.kind, "the password of a request login was set again");
        self.try_login(owner).await.map_err(refused)
    }
}

/// Forgets logins that belong to another database of the cluster (this one is a restored dump, or another process was
/// faster), so that the next look takes logins of our own.
pub(super) async fn forget(
    session: &mut Session,
    user: &str,
    state: &State,
    options: &InstallOptions,
) -> Result<(), InstallError> {
    for kind in kinds(options).filter(|kind| kind.recorded_user(state) == Some(user)) {
        for name in [kind.user_key(), kind.password_key()] {
            let deleted = session.execute(include_str!("../../sql/secret_delete.sql"), &[Some(&name)]).await;
            deleted.map_err(InstallError::sql("forgetting a login of another database"))?;
        }
    }
    Ok(())
}

/// Why requests must not log in as this role.
fn unsafe_because(kind: Kind, role: &RoleState) -> Option<String> {
    let becomes_service = kind != Kind::Service && (role.reaches_bypass || role.is_member_of("service_role"));
    let reasons = [
        (role.superuser, "it is a superuser"),
        (role.create_role, "it may make roles (CREATEROLE)"),
        (role.bypass_rls, "it passes row-level security (BYPASSRLS)"),
        (role.replication, "it may read the replication stream (REPLICATION)"),
        (role.owns_relations, "it owns tables, and row-level security does not bind owners"),
        (!role.login, "it may not log in"),
        (role.inherit, "it inherits the rights of its roles; make it NOINHERIT"),
        (becomes_service, "it can become service_role or another role that passes row-level security"),
    ];
    reasons.into_iter().find(|(applies, _)| *applies).map(|(_, reason)| reason.to_owned())
}
