//! Arguments that choose the configuration, shared by every command that has one.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::config::{Environment, Flag, Loaded, Sources, file, load};

use super::terminal;

/// Which file.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct FileArguments {
    /// Configuration file; else the first `ferrobase.yaml` of `.`, `./ferrobase`, `/etc/ferrobase`.
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
}

/// Which file, and which database above it.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ConfigArguments {
    #[command(flatten)]
    file: FileArguments,
    /// URL of the database as its owner (`database.url`).
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
}

/// Settings of the listeners and the log, for commands that serve.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ServerArguments {
    /// Address of the API (`server.host`).
    #[arg(long, value_name = "ADDRESS")]
    host: Option<String>,
    /// Port of the API (`server.port`).
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// Port of health and metrics (`server.admin_port`).
    #[arg(long, value_name = "PORT")]
    admin_port: Option<u16>,
    /// The least important log line: error, warn, info, debug, trace (`observability.log.level`).
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// Logs every statement that a request runs, without its values.
    #[arg(long)]
    pub(crate) log_query: bool,
}

impl ServerArguments {
    /// The flags as settings.
    pub(crate) fn flags(&self) -> Vec<Flag> {
        let flag = |key, flag: &str, text: Option<String>| text.map(|text| Flag { key, flag: flag.to_owned(), text });
        [
            flag("server.host", "--host", self.host.clone()),
            flag("server.port", "--port", self.port.map(|port| port.to_string())),
            flag("server.admin_port", "--admin-port", self.admin_port.map(|port| port.to_string())),
            flag("observability.log.level", "--log-level", self.log_level.clone()),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

impl FileArguments {
    /// Everything that the configuration of a command is made from; what the command itself prefers comes later.
    pub(crate) fn sources(&self, command: &'static str, environment: Environment, flags: Vec<Flag>) -> Result<Sources> {
        let file = file::find(self.config.as_deref(), &environment)?;
        Ok(Sources { command: (command, Vec::new()), file, environment, flags })
    }

    /// The configuration, for commands that do not serve. Warnings are said.
    pub(crate) fn load(&self, environment: Environment) -> Result<Loaded> {
        load_and_warn(&self.sources("", environment, Vec::new())?)
    }
}

impl FileArguments {
    /// The same file, and this database above it.
    pub(crate) fn with_database(&self, database_url: Option<String>) -> ConfigArguments {
        ConfigArguments { file: self.clone(), database_url }
    }
}

impl ConfigArguments {
    /// As [`FileArguments::sources`], with the database.
    pub(crate) fn sources(
        &self,
        command: &'static str,
        environment: Environment,
        mut flags: Vec<Flag>,
    ) -> Result<Sources> {
        if let Some(url) = &self.database_url {
            flags.push(Flag { key: "database.url", flag: "--database-url".to_owned(), text: url.clone() });
        }
        self.file.sources(command, environment, flags)
    }

    /// The configuration, for commands that do not serve. Warnings are said.
    pub(crate) fn load(&self, environment: Environment) -> Result<Loaded> {
        load_and_warn(&self.sources("", environment, Vec::new())?)
    }
}

fn load_and_warn(sources: &Sources) -> Result<Loaded> {
    let loaded = load(sources)?;
    for warning in &loaded.warnings {
        terminal::warn(&warning.to_string());
    }
    Ok(loaded)
}
