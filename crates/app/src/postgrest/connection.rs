//! From `db-uri` to connection options, completed by libpq's environment variables as libpq completes it.

use anyhow::{Context as _, Result};
use ferrobase_base::Secret;
use ferrobase_pg::options::TargetSessionAttrs;
use ferrobase_pg::{ConnectOptions, Host};

use super::settings::Settings;
use crate::config::Environment;

/// PostgreSQL's port.
const PORT: u16 = 5432;

/// How to connect.
pub(super) fn options(settings: &Settings, environment: &Environment) -> Result<ConnectOptions> {
    let text = settings.uri.expose();
    let options = ConnectOptions::parse(text).context("db-uri")?;
    let options = complete(options, environment)?;
    let named = text.contains("application_name");
    let name = concat!("Ferrobase ", env!("CARGO_PKG_VERSION"));
    Ok(if named { options } else { options.with_application_name(environment.get("PGAPPNAME").unwrap_or(name)) })
}

/// The same for the listener, which must reach the primary to hear of changes.
pub(super) fn listener(options: ConnectOptions) -> ConnectOptions {
    if options.hosts().len() > 1 { options.with_target_session_attrs(TargetSessionAttrs::ReadWrite) } else { options }
}

/// Fills what the string leaves open.
fn complete(mut options: ConnectOptions, environment: &Environment) -> Result<ConnectOptions> {
    let variable = |name: &str| environment.get(name).filter(|value| !value.is_empty());
    if options.hosts().is_empty()
        && let Some(host) = variable("PGHOST")
    {
        let port = match variable("PGPORT") {
            None => PORT,
            Some(port) => port.parse().context("PGPORT is not a port")?,
        };
        options = options.with_hosts(
            host.split(',').map(
                |host| {
                    if host.starts_with('/') { Host::unix(host, port) } else { Host::tcp(host, port) }
                },
            ),
        );
    }
    if options.database().is_none()
        && let Some(database) = variable("PGDATABASE")
    {
        options = options.with_database(database);
    }
    let user = options.user().or_else(|| variable("PGUSER")).map(str::to_owned);
    let password = options.password().cloned().or_else(|| variable("PGPASSWORD").map(Secret::new));
    Ok(match user {
        Some(user) => options.with_login(user, password),
        None => options,
    })
}

#[cfg(test)]
mod tests {
    use super::super::settings::{Settings, Sources};
    use super::*;

    fn of(uri: &str, variables: &[(&str, &str)]) -> ConnectOptions {
        let environment = Environment::from_iter(variables.iter().copied().chain([("PGRST_DB_URI", uri)]));
        let sources = Sources::read(None, &environment).unwrap();
        options(&Settings::new(&sources, None).unwrap(), &environment).unwrap()
    }

    #[test]
    fn libpqs_variables_fill_what_the_string_leaves_open() {
        let variables =
            [("PGHOST", "/run/pg"), ("PGPORT", "5433"), ("PGUSER", "auth"), ("PGDATABASE", "app"), ("PGPASSWORD", "x")];
        let filled = of("postgresql://", &variables);
        assert_eq!(filled.to_string(), "auth@/run/pg/.s.PGSQL.5433/app");
        assert_eq!(filled.password().map(|password| password.expose().to_owned()).as_deref(), Some("x"));
        let given = of("postgresql://me:y@db.example:1/other", &variables);
        assert_eq!(given.to_string(), "me@db.example:1/other");
        assert_eq!(given.password().map(|password| password.expose().to_owned()).as_deref(), Some("y"));
        let hosts = of("dbname=app", &[("PGHOST", "a,b")]);
        assert_eq!(hosts.hosts().len(), 2);
        assert!(hosts.application_name().starts_with("Ferrobase "));
        assert_eq!(of("dbname=app application_name=mine", &[]).application_name(), "mine");
    }
}
