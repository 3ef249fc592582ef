//! The settings of a request's transaction: what SQL code can ask about the request, and under which role it runs.
//!
//! Pure: from context, work and rules to a list in the order in which PostgreSQL takes it. Settings that need the
//! login's own rights (a role's settings may be granted to the login only) come before `role`.
//! Invariant: every setting of ours that the work's code may look at is in the list, empty when there is nothing to say, so
//! that nothing which an earlier request left on the connection can be read. Only of proven work is known what its code
//! looks at (adr/0009); PostgreSQL takes about a microsecond for each setting. Every `search_path` ends with `pg_temp`, so that a temporary
//! table never shadows a real one.

use std::borrow::Cow;

use ferrobase_catalog::{Role, SettingsRead};

use crate::context::RequestContext;
use crate::role_settings::{clamp, milliseconds, shortest};
use crate::run::Work;
use crate::target::{Profile, TransactionRules};

/// A transaction-local setting.
pub(crate) type Setting = (Cow<'static, str>, String);

/// All settings of the request, in order.
pub(crate) fn settings(
    context: &RequestContext,
    work: &Work,
    role: Option<&Role>,
    rules: &TransactionRules,
) -> Vec<Setting> {
    let looks_at = work.proof.as_ref().map(|proof| &proof.settings).filter(|_| rules.pre_request.is_none());
    let mut list = List { settings: Vec::with_capacity(28), looks_at };
    list.set("search_path", search_path(&work.search_path, rules.profile));
    list.role_settings(role, rules);
    list.set("role", context.identity.role());
    list.set("request.jwt.claims", &**context.identity.claims.json());
    list.tell("request.method", &context.method);
    list.tell("request.path", &context.path);
    list.ask("request.headers", || context.headers.text());
    list.ask("request.cookies", || context.cookies.text());
    if rules.profile == Profile::Ferrobase {
        list.application(context);
    }
    if let Some(timezone) = &work.timezone {
        list.set("timezone", timezone);
    }
    list.function_settings(work, rules);
    let app_settings = rules.app_settings.iter().filter(|(name, _)| list.is_looked_at(name));
    let app_settings: Vec<_> = app_settings.map(|(name, value)| (Cow::Owned(name.clone()), value.clone())).collect();
    list.settings.extend(app_settings);
    list.settings.extend(work.settings.iter().cloned());
    if work.read_only {
        list.set("transaction_read_only", "on");
    }
    list.settings
}

/// Quoted schemas, then `pg_temp`.
pub(crate) fn search_path(schemas: &[String], profile: Profile) -> String {
    let mut path = String::with_capacity(64);
    for schema in schemas {
        if !path.is_empty() {
            path.push_str(", ");
        }
        quote_into(&mut path, schema);
    }
    match profile {
        Profile::Ferrobase if path.is_empty() => path.push_str("pg_temp"),
        Profile::Ferrobase => path.push_str(", pg_temp"),
        Profile::Postgrest => {}
    }
    path
}

/// An identifier in double quotes.
pub(crate) fn quote_into(text: &mut String, identifier: &str) {
    text.push('"');
    for c in identifier.chars() {
        if c == '"' {
            text.push('"');
        }
        text.push(c);
    }
    text.push('"');
}

struct List<'a> {
    settings: Vec<Setting>,
    /// What the code looks at that will run; `None` where nobody knows.
    looks_at: Option<&'a SettingsRead>,
}

impl List<'_> {
    fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.settings.push((Cow::Borrowed(name), value.into()));
    }

    /// What nobody but SQL code asks for.
    fn tell(&mut self, name: &'static str, value: &str) {
        self.ask(name, || value);
    }

    /// The same, worked out only where somebody asks.
    fn ask<'v>(&mut self, name: &'static str, value: impl FnOnce() -> &'v str) {
        if self.is_looked_at(name) {
            self.set(name, value());
        }
    }

    /// PostgreSQL itself looks at nothing whose name has two parts.
    fn is_looked_at(&self, name: &str) -> bool {
        self.looks_at.is_none_or(|looked_at| !name.contains('.') || looked_at.contains(name))
    }

    /// The role's own settings and the server's statement timeout.
    fn role_settings(&mut self, role: Option<&Role>, rules: &TransactionRules) {
        let own = role.map_or(&[][..], |role| &role.settings);
        if rules.profile == Profile::Postgrest {
            self.settings.extend(own.iter().map(|(name, value)| (Cow::Owned(name.clone()), value.clone())));
            return;
        }
        let own = clamp(own, &rules.role_limits);
        let has_timeout = own.iter().any(|(name, _)| name == "statement_timeout");
        self.settings.extend(own.into_iter().map(|(name, value)| (Cow::Owned(name), value)));
        if let Some(bound) = rules.role_limits.statement_timeout
            && !has_timeout
        {
            self.set("statement_timeout", format!("{}ms", shortest(0, Some(bound))));
        }
    }

    /// What policies and triggers of applications read (`app.*`), and our own.
    fn application(&mut self, context: &RequestContext) {
        let identity = &context.identity;
        let user = identity.user_id().unwrap_or_default();
        let tenant = identity.tenant_id().unwrap_or_default();
        self.tell("request.id", &context.request_id);
        if self.is_looked_at("app.client_ip") {
            self.set("app.client_ip", context.client_ip.map(|ip| ip.to_string()).unwrap_or_default());
        }
        self.tell("app.user_id", user);
        self.tell("app.current_user_id", user);
        self.tell("app.role", identity.role());
        self.tell("app.tenant_id", tenant);
        self.tell("app.current_tenant_id", tenant);
        self.tell("app.current_tenant", tenant);
    }

    /// Settings of the called function that must hold before it starts (`rest.hoisted_tx_settings`).
    fn function_settings(&mut self, work: &Work, rules: &TransactionRules) {
        let is_hoisted = |name: &str| rules.hoisted_settings.iter().any(|hoisted| hoisted.eq_ignore_ascii_case(name));
        for (name, value) in &work.function_settings {
            // The isolation level is the transaction's, and the caller of `run` puts it there.
            if !is_hoisted(name) || name.eq_ignore_ascii_case("default_transaction_isolation") {
                continue;
            }
            let value = match (rules.profile, milliseconds(value)) {
                (Profile::Ferrobase, Some(time)) if name.eq_ignore_ascii_case("statement_timeout") => {
                    format!("{}ms", shortest(time, rules.role_limits.statement_timeout))
                }
                _ => value.clone(),
            };
            self.settings.push((Cow::Owned(name.clone()), value));
        }
    }
}
