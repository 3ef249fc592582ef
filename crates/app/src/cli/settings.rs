//! Arguments that choose the configuration, shared by every command that has one.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::config::{Environment, Flag, Loaded, Sources, file, load};

use super::terminal;

/// Which file, and settings above it.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ConfigArguments {
    /// Configuration file; else the first `ferrobase.yaml` of `.`, `./ferrobase`, `/etc/ferrobase`.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// URL of the database as its owner (`database.url`).
    #[arg(long, value_name = "URL")]
    pub(crate) database_url: Option<String>,
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

impl ConfigArguments {
    /// Everything that the configuration is made from. `command` and `choices` are what the command itself prefers.
    pub(crate) fn sources(
        &self,
        command: &'static str,
        choices: Vec<(&'static str, String)>,
        environment: Environment,
        mut flags: Vec<Flag>,
    ) -> Result<Sources> {
        let file = file::find(self.config.as_deref(), &environment)?;
        if let Some(url) = &self.database_url {
            flags.push(Flag { key: "database.url", flag: "--database-url".to_owned(), text: url.clone() });
        }
        Ok(Sources { command: (command, choices), file, environment, flags })
    }

    /// The configuration, for commands that do not serve. Warnings are said.
    pub(crate) fn load(&self, environment: Environment) -> Result<Loaded> {
        let loaded = load(&self.sources("", Vec::new(), environment, Vec::new())?)?;
        for warning in &loaded.warnings {
            terminal::warn(&warning.to_string());
        }
        Ok(loaded)
    }
}
