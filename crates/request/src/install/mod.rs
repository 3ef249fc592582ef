//! What Ferrobase needs in a database, made by itself: roles, request logins, schemas, helpers (design 8.1, 8.7).
//!
//! Runs as the owner at every start. It first reads what is there; when nothing is missing (the usual start) it
//! writes nothing and takes no lease. Otherwise it takes the lease, looks again and does what is missing.
//! Safe when several processes start at once, on one database (lease row with a fence) or on several of a cluster
//! (role statements are tried again). What the owner may not do is reported as a [`Notice`] with the SQL for somebody
//! who may; only what nothing can work without is an error.
//! Invariant: migrations go forward only, and a release works on the schema of the next one.
//! Read on: `state` (what is there), `ledger` (migrations), `cluster_roles`, `logins`, `missing`, `database`, `lease`.

mod cluster_roles;
mod database;
mod error;
pub mod lease;
mod ledger;
mod logins;
mod missing;
mod scram;
pub mod secrets;
mod state;

use std::collections::HashMap;
use std::time::Duration;

use ferrobase_base::Secret;
use ferrobase_pg::{ConnectOptions, Session};

pub use error::InstallError;
pub use ledger::{Migration, RoomMigrations, RoomOwner};
pub use logins::{Login, Logins};

use lease::Lease;
use state::State;

/// Migrations of this crate.
pub const MIGRATIONS: RoomMigrations = RoomMigrations {
    room: "request",
    owner: None,
    migrations: &[
        Migration { version: 1, name: "schemas", sql: include_str!("../../migrations/0001_schemas.sql") },
        Migration {
            version: 2,
            name: "identity_functions",
            sql: include_str!("../../migrations/0002_identity_functions.sql"),
        },
        Migration { version: 3, name: "staging", sql: include_str!("../../migrations/0003_staging.sql") },
    ],
};

/// What to install, and how.
#[derive(Clone, Debug)]
pub struct InstallOptions {
    /// Migrations of all rooms, in the order in which rooms depend on each other.
    pub rooms: Vec<RoomMigrations>,
    /// Grants on future tables; decided at the first installation and kept.
    pub default_privileges: DefaultPrivileges,
    /// A request login that the operator made (`database.authenticator`); otherwise one is made.
    pub authenticator: Option<Login>,
    /// Make the event trigger that announces schema changes, where the owner is a superuser.
    pub ddl_trigger: bool,
    /// `temp_file_limit` of the request logins, in PostgreSQL's notation, where the owner is a superuser.
    pub temp_file_limit: Option<String>,
    /// Who we are, for the lease and for messages about it; different for every process.
    pub holder: String,
    /// Logins of replicas: they must be as harmless as the login of requests.
    pub readers: Vec<String>,
    /// Longest wait for another process that is installing.
    pub lease_wait: Duration,
}

impl Default for InstallOptions {
    fn default() -> Self {
        Self {
            rooms: vec![MIGRATIONS],
            default_privileges: DefaultPrivileges::Supabase,
            authenticator: None,
            ddl_trigger: true,
            temp_file_limit: Some("1GB".to_owned()),
            holder: format!("process {} {:016x}", std::process::id(), rand::random::<u64>()),
            readers: Vec::new(),
            lease_wait: Duration::from_secs(60),
        }
    }
}

impl InstallOptions {
    /// Rooms whose schemas have an owner of their own.
    fn owners(&self) -> impl Iterator<Item = RoomOwner> {
        self.rooms.iter().filter_map(|room| room.owner)
    }
}

/// `database.default_privileges`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DefaultPrivileges {
    /// Future objects of `public` are granted to the API roles.
    #[default]
    Supabase,
    /// Nothing is granted.
    None,
}

impl DefaultPrivileges {
    fn as_str(self) -> &'static str {
        match self {
            Self::Supabase => "supabase",
            Self::None => "none",
        }
    }
}

/// The result of an installation.
#[derive(Clone, Debug)]
pub struct Installed {
    /// Logins for the request pools.
    pub logins: Logins,
    /// What was done now: migrations and other steps, for the log. Empty at a usual start.
    pub done: Vec<String>,
    /// What could not be done and what that means.
    pub notices: Vec<Notice>,
    /// The choice that is in force.
    pub default_privileges: DefaultPrivileges,
    /// What rooms keep with the owner ([`secrets`]).
    pub room_secrets: HashMap<String, Secret>,
    /// Nothing was missing at the first look: what somebody else read from the database meanwhile still holds.
    pub was_complete: bool,
}

/// Something that the owner may not do. The server works without it, less well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Stable code, also the doctor's.
    pub code: &'static str,
    /// What is missing and what that means.
    pub text: String,
    /// What somebody with the right can run.
    pub sql: Option<String>,
}

/// Brings the database to the state that this release needs. `owner` is `database.url`.
pub async fn install(owner: &ConnectOptions, options: &InstallOptions) -> Result<Installed, InstallError> {
    let owner = owner.clone().with_application_name("ferrobase install");
    let mut session = Session::connect(&owner).await.map_err(InstallError::Connect)?;
    let result = Installer { session: &mut session, owner: &owner, options, done: Vec::new() }.run().await;
    session.close().await;
    result
}

/// The login of requests that an installation recorded: what [`install`] will give unless something is amiss. `None`
/// when nothing is installed. Needs the owner's rights.
pub async fn recorded_login(session: &mut Session) -> Result<Option<String>, ferrobase_pg::Error> {
    logins::recorded(session).await
}

struct Installer<'a> {
    session: &'a mut Session,
    owner: &'a ConnectOptions,
    options: &'a InstallOptions,
    done: Vec<String>,
}

impl Installer<'_> {
    async fn run(mut self) -> Result<Installed, InstallError> {
        // Nothing that others put into schema public is called by accident while we run with the owner's rights.
        self.session
            .script(
                "set search_path = pg_catalog, pg_temp; set client_min_messages = warning; set lock_timeout = '10s'",
            )
            .await
            .map_err(InstallError::sql("preparing the session"))?;
        let mut state = State::read(self.session, self.options).await?;
        self.check_ledger(&state)?;
        let was_complete = state.is_complete(self.options);
        if !was_complete {
            if state.is_replica {
                return Err(InstallError::Replica);
            }
            state = self.complete(state).await?;
        }
        let logins = self.logins(&mut state).await?;
        let notices = state.notices(self.options);
        let default_privileges = state.default_privileges().unwrap_or(self.options.default_privileges);
        let was_complete = was_complete && self.done.is_empty();
        let is_of_room = |(name, _): &(String, Secret)| name.starts_with(secrets::PREFIX);
        let room_secrets = state.secrets.into_iter().filter(is_of_room).collect();
        Ok(Installed { logins, done: self.done, notices, default_privileges, room_secrets, was_complete })
    }

    fn check_ledger(&self, state: &State) -> Result<(), InstallError> {
        self.options.rooms.iter().try_for_each(|room| ledger::check(room, &state.applied))
    }

    /// Does what is missing, under the lease. What another process did in the meantime is not missing any more.
    async fn complete(&mut self, state: State) -> Result<State, InstallError> {
        missing::check(self.session, &state, self.options).await?;
        if !state.has_bootstrap {
            database::bootstrap(self.session).await?;
            self.done.push("schema ferrobase".to_owned());
        }
        let options = self.options;
        let mut lease = Lease::acquire(self.session, "install", &options.holder, options.lease_wait).await?;
        let result = self.complete_under(&mut lease).await;
        // The lease ends by itself when giving it back fails, so that failure is of no interest.
        let _ = lease.release(self.session).await;
        result
    }

    async fn complete_under(&mut self, lease: &mut Lease) -> Result<State, InstallError> {
        let options = self.options;
        let state = State::read(self.session, options).await?;
        self.done.extend(cluster_roles::ensure(self.session, &state, options).await?);
        self.done.extend(logins::ensure(self.session, &state, options).await?);
        for room in &options.rooms {
            for migration in ledger::pending(room, &state.applied) {
                lease.renew(self.session).await?;
                ledger::apply(self.session, room, migration, lease).await?;
                self.done.push(format!("migration {}/{:04} {}", room.room, migration.version, migration.name));
            }
        }
        lease.renew(self.session).await?;
        self.done.extend(database::ensure(self.session, &state, options).await?);
        State::read(self.session, options).await
    }

    async fn logins(&mut self, state: &mut State) -> Result<Logins, InstallError> {
        // At most once for each login: our own ones are nobody else's.
        for _ in 0..2 + self.options.owners().count() {
            match logins::verify(self.session, self.owner, state, self.options).await {
                Err(InstallError::ForeignLogin { user }) => {
                    logins::forget(self.session, &user, state, self.options).await?;
                    let now = State::read(self.session, self.options).await?;
                    *state = self.complete(now).await?;
                }
                result => return result,
            }
        }
        logins::verify(self.session, self.owner, state, self.options).await
    }
}
