//! What is there already: read in a few queries, judged here, without writing anything.

use std::collections::HashMap;

use ferrobase_base::Secret;
use ferrobase_pg::Session;
use serde::Deserialize;

use super::{DefaultPrivileges, InstallError, InstallOptions, Notice, cluster_roles, ledger, logins};

/// The first installation's choice of default privileges is kept under this name.
pub(super) const DEFAULT_PRIVILEGES: &str = "choice.default_privileges";

/// Facts about cluster and database (`sql/install_state.sql`), and our own records.
#[derive(Debug, Deserialize)]
pub(super) struct State {
    pub(super) user: String,
    pub(super) database: String,
    pub(super) is_superuser: bool,
    pub(super) may_create_roles: bool,
    pub(super) may_bypass_rls: bool,
    /// Those of the roles that the owner is or inherits from.
    pub(super) acts_as: Vec<String>,
    pub(super) owns_database: bool,
    pub(super) is_replica: bool,
    pub(super) public_may_make_temporary: bool,
    pub(super) has_logical_wal: bool,
    pub(super) has_publication: bool,
    pub(super) has_ddl_trigger: bool,
    pub(super) has_bootstrap: bool,
    pub(super) roles: HashMap<String, RoleState>,
    #[serde(skip)]
    pub(super) applied: Vec<Applied>,
    #[serde(skip)]
    pub(super) secrets: HashMap<String, Secret>,
}

/// A role of the cluster.
#[derive(Debug, Default, Deserialize)]
pub(super) struct RoleState {
    pub(super) superuser: bool,
    pub(super) create_role: bool,
    pub(super) bypass_rls: bool,
    pub(super) replication: bool,
    pub(super) login: bool,
    pub(super) inherit: bool,
    pub(super) comment: Option<String>,
    pub(super) member_of: Vec<String>,
    pub(super) reaches_bypass: bool,
    pub(super) owns_relations: bool,
    pub(super) has_temp_file_limit: bool,
    pub(super) own_settings: Vec<OwnSetting>,
}

/// A setting that a role may have given itself (`ALTER ROLE ... SET`).
#[derive(Debug, Deserialize)]
pub(super) struct OwnSetting {
    pub(super) name: String,
    pub(super) in_database: bool,
}

/// What decides which questions can be asked.
struct Probe {
    database: String,
    has_bootstrap: bool,
}

impl Probe {
    async fn read(session: &mut Session) -> Result<Self, InstallError> {
        const DOING: &str = "looking for an earlier installation";
        let result = session.query(include_str!("../../sql/install_probe.sql"), &[]).await;
        let result = result.map_err(InstallError::sql(DOING))?;
        let row = result.rows.first().ok_or(InstallError::Unexpected(DOING))?;
        let (Some(database), Some(has_bootstrap)) = (row.text(0), row.text(1)) else {
            return Err(InstallError::Unexpected(DOING));
        };
        Ok(Self { database: database.to_owned(), has_bootstrap: has_bootstrap == "t" })
    }
}

/// A line of the ledger.
#[derive(Debug, Deserialize)]
pub(super) struct Applied {
    pub(super) room: String,
    pub(super) version: u32,
    pub(super) name: String,
    pub(super) checksum: String,
}

impl State {
    pub(super) async fn read(session: &mut Session, options: &InstallOptions) -> Result<Self, InstallError> {
        // The names of the logins depend on the database and on the records, so those come first.
        let probe = Probe::read(session).await?;
        let (applied, secrets) = if probe.has_bootstrap {
            (read_ledger(session).await?, read_secrets(session).await?)
        } else {
            (Vec::new(), HashMap::new())
        };
        let mut names: Vec<String> = cluster_roles::names(options).map(str::to_owned).collect();
        names.extend(logins::possible_names(&probe.database, &secrets, options));
        let facts = Self::read_facts(session, &names).await?;
        Ok(Self { applied, secrets, ..facts })
    }

    async fn read_facts(session: &mut Session, roles: &[String]) -> Result<Self, InstallError> {
        const DOING: &str = "reading the state of the database";
        let roles = serde_json::to_string(roles).map_err(|_| InstallError::Unexpected(DOING))?;
        let result = session.query(include_str!("../../sql/install_state.sql"), &[Some(&roles)]).await;
        let result = result.map_err(InstallError::sql(DOING))?;
        let json = result.rows.first().and_then(|row| row.text(0));
        json.and_then(|json| serde_json::from_str(json).ok()).ok_or(InstallError::Unexpected(DOING))
    }

    /// Whether nothing is left that we could do.
    pub(super) fn is_complete(&self, options: &InstallOptions) -> bool {
        self.has_bootstrap
            && options.rooms.iter().all(|room| ledger::pending(room, &self.applied).next().is_none())
            && cluster_roles::are_complete(self, options)
            && logins::are_complete(self, options)
            && !(self.public_may_make_temporary && self.owns_database)
            && !self.wants_publication()
            && !self.wants_ddl_trigger(options)
            && self.default_privileges().is_some()
    }

    pub(super) fn wants_publication(&self) -> bool {
        self.has_logical_wal && !self.has_publication && self.owns_database
    }

    pub(super) fn wants_ddl_trigger(&self, options: &InstallOptions) -> bool {
        options.ddl_trigger && self.is_superuser && !self.has_ddl_trigger
    }

    /// The choice of the first installation.
    pub(super) fn default_privileges(&self) -> Option<DefaultPrivileges> {
        match self.secrets.get(DEFAULT_PRIVILEGES)?.expose() {
            "none" => Some(DefaultPrivileges::None),
            _ => Some(DefaultPrivileges::Supabase),
        }
    }

    /// What is less than it should be.
    pub(super) fn notices(&self, options: &InstallOptions) -> Vec<Notice> {
        let mut notices = Vec::new();
        let mut note = |code, text: String, sql: Option<String>| notices.push(Notice { code, text, sql });
        if self.roles.get("service_role").is_some_and(|role| !role.bypass_rls && !role.superuser) {
            note(
                "service_role_bound",
                format!("service_role lacks BYPASSRLS and {} may not give it: service keys answer 503", self.user),
                Some("alter role service_role bypassrls".to_owned()),
            );
        }
        if self.public_may_make_temporary {
            note(
                "temporary_tables",
                "everybody may make temporary tables in this database; every search_path of ours ends with pg_temp, \
                 functions of the application should do the same"
                    .to_owned(),
                Some(format!("revoke temporary on database {} from public", quote(&self.database))),
            );
        }
        if options.ddl_trigger && !self.has_ddl_trigger {
            note(
                "no_ddl_trigger",
                "only a superuser can make the event trigger that announces schema changes: run NOTIFY ferrobase after \
                 changing the schema by hand (migrations do it themselves)"
                    .to_owned(),
                None,
            );
        }
        if let Some(chosen) = self.default_privileges()
            && chosen != options.default_privileges
        {
            note(
                "default_privileges",
                format!("database.default_privileges was {} at the first installation and stays so", chosen.as_str()),
                None,
            );
        }
        notices
    }
}

/// An identifier in double quotes.
pub(super) fn quote(identifier: &str) -> String {
    let mut quoted = String::new();
    crate::settings::quote_into(&mut quoted, identifier);
    quoted
}

async fn read_ledger(session: &mut Session) -> Result<Vec<Applied>, InstallError> {
    const DOING: &str = "reading the ledger of migrations";
    let query = session.query(include_str!("../../sql/install_record_list.sql"), &[]);
    let result = query.await.map_err(InstallError::sql(DOING))?;
    let json = result.rows.first().and_then(|row| row.text(0));
    json.and_then(|json| serde_json::from_str(json).ok()).ok_or(InstallError::Unexpected(DOING))
}

async fn read_secrets(session: &mut Session) -> Result<HashMap<String, Secret>, InstallError> {
    let query = session.query(include_str!("../../sql/secret_list.sql"), &[]);
    let result = query.await.map_err(InstallError::sql("reading the secrets"))?;
    let pairs = result.rows.iter().filter_map(|row| Some((row.text(0)?.to_owned(), Secret::new(row.text(1)?))));
    Ok(pairs.collect())
}
