//! The settings in force as a file that gives the same settings (`--dump-config`). Secrets are in it, as upstream.

use super::{Listen, LogLevel, Name, Settings};

impl LogLevel {
    fn word(self) -> &'static str {
        match self {
            Self::Crit => "crit",
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}

impl Settings {
    /// One line for each setting, by name.
    pub(crate) fn dump(&self) -> String {
        let flag = |flag: bool| flag.to_string();
        let name = |name: &Option<Name>| quoted(&name.as_ref().map(Name::spell).unwrap_or_default());
        let text = |text: &Option<String>| quoted(text.as_deref().unwrap_or_default());
        let secret = self.jwt.secret.as_ref().map_or("", |secret| secret.expose());
        let mut lines = vec![
            ("client-error-verbosity", quoted(self.verbosity.as_str())),
            ("db-aggregates-enabled", flag(self.aggregates)),
            ("db-anon-role", text(&self.anon_role)),
            ("db-channel", quoted(&self.channel)),
            ("db-channel-enabled", flag(self.channel_enabled)),
            ("db-config", flag(self.db_config)),
            ("db-extra-search-path", joined(&self.extra_search_path)),
            ("db-hoisted-tx-settings", joined(&self.hoisted)),
            ("db-max-rows", self.max_rows.map_or_else(|| quoted(""), |rows| rows.to_string())),
            ("db-plan-enabled", flag(self.plans)),
            ("db-pool", self.pool.size.to_string()),
            ("db-pool-acquisition-timeout", self.pool.acquisition_timeout.to_string()),
            ("db-pool-automatic-recovery", flag(self.pool.automatic_recovery)),
            ("db-pool-max-idletime", self.pool.max_idletime.to_string()),
            ("db-pool-max-lifetime", self.pool.max_lifetime.to_string()),
            ("db-pre-config", name(&self.pre_config)),
            ("db-pre-request", name(&self.pre_request)),
            ("db-prepared-statements", flag(self.prepared_statements)),
            ("db-root-spec", name(&self.root_spec)),
            ("db-schemas", joined(&self.schemas)),
            ("db-tx-end", quoted(self.tx_end.as_str())),
            ("db-uri", quoted(self.uri.expose())),
            ("jwt-aud", text(&self.jwt.audience)),
            ("jwt-cache-max-entries", self.jwt.cache_entries.to_string()),
            ("jwt-role-claim-key", quoted(&self.jwt.role.to_string())),
            ("jwt-secret", quoted(secret)),
            ("jwt-secret-is-base64", flag(self.jwt.is_base64)),
            ("log-level", quoted(self.log_level.word())),
            ("log-query", flag(self.log_query)),
            ("openapi-mode", quoted(self.openapi_mode.as_str())),
            ("openapi-security-active", flag(self.openapi_security)),
            ("openapi-server-proxy-uri", text(&self.openapi_proxy)),
            ("server-cors-allowed-origins", joined(&self.cors_origins)),
            ("server-reuseport", flag(self.reuse_port)),
            ("server-timing-enabled", flag(self.server_timing)),
            ("server-trace-header", text(&self.trace_header)),
            ("url-use-legacy-target-names", flag(self.target_names)),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect::<Vec<_>>();
        lines.extend(listening("server", &self.server));
        lines.extend(listening("admin-server", &self.admin));
        lines.extend(self.app_settings.iter().map(|(key, value)| (key.clone(), quoted(value))));
        lines.sort();
        lines.into_iter().map(|(key, value)| format!("{key} = {value}\n")).collect()
    }
}

impl Name {
    fn spell(&self) -> String {
        match &self.schema {
            Some(schema) => format!("{schema}.{}", self.name),
            None => self.name.clone(),
        }
    }
}

fn listening(what: &str, listen: &Listen) -> [(String, String); 4] {
    let socket = listen.socket.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
    [
        (format!("{what}-host"), quoted(&listen.host)),
        (format!("{what}-port"), listen.port.map_or_else(|| quoted(""), |port| port.to_string())),
        (format!("{what}-unix-socket"), quoted(&socket)),
        (format!("{what}-unix-socket-mode"), quoted(&format!("{:o}", listen.socket_mode))),
    ]
}

fn joined(items: &[String]) -> String {
    quoted(&items.join(","))
}

/// A text as the file writes it.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '$' => quoted.push_str("$$"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}
