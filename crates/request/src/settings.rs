//! The settings of a request's transaction: what SQL code can ask about the request, and under which role it runs.
//!
//! Pure: from context, work and rules to a list in the order in which PostgreSQL takes it. Settings that need the
//! login's own rights (a role's settings may be granted to the login only) come before `role`.
//! Invariant: every setting of ours that the work's code may look at is in the list, empty when there is nothing to say, so
//! that nothing which an earlier request left on the connection can be read. Only of proven work is known what its code
//! looks at (adr/0009); PostgreSQL takes about a microsecond for each setting. Every `search_path` ends with `pg_temp`, so that a temporary
//! table never shadows a real one.

use std::fmt::Write as _;

use ferrobase_catalog::{Role, SettingsRead};
use ferrobase_pg::Settings;

use crate::context::RequestContext;
use crate::role_settings::{clamp, milliseconds, shortest};
use crate::run::Work;
use crate::target::{Profile, TransactionRules};

/// Room for the settings of most requests, and for their values beside the claims.
const SETTINGS: (usize, usize) = (24, 256);

/// Schemas in which PostgreSQL looks unqualified names up, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchPath {
    /// In double quotes, separated by commas.
    quoted: String,
    /// Something comes before PostgreSQL's own schema, which is looked through first where nobody names it.
    hides_own: bool,
}

/// Where PostgreSQL's own functions and types are.
const OWN: &str = "pg_catalog";

impl<S: AsRef<str>> FromIterator<S> for SearchPath {
    fn from_iter<I: IntoIterator<Item = S>>(schemas: I) -> Self {
        let mut path = Self { quoted: String::with_capacity(64), hides_own: false };
        let mut is_own_there = false;
        for schema in schemas {
            let is_own = schema.as_ref() == OWN;
            path.hides_own |= is_own && !is_own_there && !path.quoted.is_empty();
            is_own_there |= is_own;
            if !path.quoted.is_empty() {
                path.quoted.push_str(", ");
            }
            quote_into(&mut path.quoted, schema.as_ref());
        }
        path
    }
}

impl SearchPath {
    /// Whether names of PostgreSQL's own can mean something else. Proofs know of no such path.
    pub(crate) fn hides_own(&self) -> bool {
        self.hides_own
    }

    /// As a value of the setting: ends with `pg_temp` unless the profile has it otherwise.
    pub(crate) fn write(&self, profile: Profile, out: &mut String) {
        out.push_str(&self.quoted);
        match profile {
            Profile::Ferrobase if self.quoted.is_empty() => out.push_str("pg_temp"),
            Profile::Ferrobase => out.push_str(", pg_temp"),
            Profile::Postgrest => {}
        }
    }
}

/// All settings of the request, in order.
pub(crate) fn settings(
    context: &RequestContext,
    work: &Work,
    role: Option<&Role>,
    rules: &TransactionRules,
) -> Settings {
    let looks_at = work.proof.as_ref().map(|proof| &proof.settings).filter(|_| rules.pre_request.is_none());
    let claims = context.identity.claims.json();
    let settings = Settings::with_capacity(SETTINGS.0, SETTINGS.1 + claims.len());
    let mut list = List { settings, looks_at };
    list.settings.write("search_path", |out| work.search_path.write(rules.profile, out));
    list.role_settings(role, rules);
    list.set("role", context.identity.role());
    list.set("request.jwt.claims", claims);
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
    for (name, value) in &rules.app_settings {
        if list.is_looked_at(name) {
            list.settings.set(name.clone(), value);
        }
    }
    for (name, value) in &work.settings {
        list.settings.set(name.clone(), value);
    }
    if work.read_only {
        list.set("transaction_read_only", "on");
    }
    list.settings
}

/// An identifier in double quotes.
pub(crate) fn quote_into(text: &mut String, identifier: &str) {
    text.push('"');
    for (index, part) in identifier.split('"').enumerate() {
        if index > 0 {
            text.push_str("\"\"");
        }
        text.push_str(part);
    }
    text.push('"');
}

struct List<'a> {
    settings: Settings,
    /// What the code looks at that will run; `None` where nobody knows.
    looks_at: Option<&'a SettingsRead>,
}

impl List<'_> {
    fn set(&mut self, name: &'static str, value: &str) {
        self.settings.set(name, value);
    }

    /// A time limit.
    fn milliseconds(&mut self, name: &'static str, milliseconds: u64) {
        self.settings.write(name, |out| {
            // Writing into memory cannot fail.
            let _ = write!(out, "{milliseconds}ms");
        });
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
            own.iter().for_each(|(name, value)| self.settings.set(name.clone(), value));
            return;
        }
        let own = clamp(own, &rules.role_limits);
        let has_timeout = own.iter().any(|(name, _)| name == "statement_timeout");
        own.into_iter().for_each(|(name, value)| self.settings.set(name, &value));
        if let Some(bound) = rules.role_limits.statement_timeout
            && !has_timeout
        {
            self.milliseconds("statement_timeout", shortest(0, Some(bound)));
        }
    }

    /// What policies and triggers of applications read (`app.*`), and our own.
    fn application(&mut self, context: &RequestContext) {
        let identity = &context.identity;
        let user = identity.user_id().unwrap_or_default();
        let tenant = identity.tenant_id().unwrap_or_default();
        self.tell("request.id", &context.request_id);
        if self.is_looked_at("app.client_ip") {
            self.settings.write("app.client_ip", |out| {
                if let Some(ip) = context.client_ip {
                    let _ = write!(out, "{ip}");
                }
            });
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
            match (rules.profile, milliseconds(value)) {
                (Profile::Ferrobase, Some(time)) if name.eq_ignore_ascii_case("statement_timeout") => {
                    self.milliseconds("statement_timeout", shortest(time, rules.role_limits.statement_timeout));
                }
                _ => self.settings.set(name.clone(), value),
            }
        }
    }
}
