//! The settings of a request's transaction: what SQL code can ask about the request, and under which role it runs.
//!
//! Pure: from context, work and rules to a list in the order in which PostgreSQL takes it. Settings that need the
//! login's own rights (a role's settings may be granted to the login only) come before `role`.
//! Invariant: every setting of ours is in every list, empty when there is nothing to say, so that nothing which an
//! earlier request left on the connection can be read. Every `search_path` ends with `pg_temp`, so that a temporary
//! table never shadows a real one.

use std::borrow::Cow;

use ferrobase_catalog::Role;

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
    let mut list = List(Vec::with_capacity(28));
    list.set("search_path", search_path(&work.search_path, rules.profile));
    list.role_settings(role, rules);
    list.set("role", context.identity.role());
    list.set("request.jwt.claims", &**context.identity.claims.json());
    list.set("request.method", &*context.method);
    list.set("request.path", &*context.path);
    list.set("request.headers", &*context.headers);
    list.set("request.cookies", &*context.cookies);
    if rules.profile == Profile::Ferrobase {
        list.application(context);
    }
    if let Some(timezone) = &work.timezone {
        list.set("timezone", timezone);
    }
    list.function_settings(work, rules);
    list.0.extend(rules.app_settings.iter().map(|(name, value)| (Cow::Owned(name.clone()), value.clone())));
    list.0.extend(work.settings.iter().cloned());
    if work.read_only {
        list.set("transaction_read_only", "on");
    }
    list.0
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

struct List(Vec<Setting>);

impl List {
    fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.0.push((Cow::Borrowed(name), value.into()));
    }

    /// The role's own settings and the server's statement timeout.
    fn role_settings(&mut self, role: Option<&Role>, rules: &TransactionRules) {
        let own = role.map_or(&[][..], |role| &role.settings);
        if rules.profile == Profile::Postgrest {
            self.0.extend(own.iter().map(|(name, value)| (Cow::Owned(name.clone()), value.clone())));
            return;
        }
        let own = clamp(own, &rules.role_limits);
        let has_timeout = own.iter().any(|(name, _)| name == "statement_timeout");
        self.0.extend(own.into_iter().map(|(name, value)| (Cow::Owned(name), value)));
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
        self.set("request.id", &*context.request_id);
        self.set("app.client_ip", context.client_ip.map(|ip| ip.to_string()).unwrap_or_default());
        self.set("app.user_id", user);
        self.set("app.current_user_id", user);
        self.set("app.role", identity.role());
        self.set("app.tenant_id", tenant);
        self.set("app.current_tenant_id", tenant);
        self.set("app.current_tenant", tenant);
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
            self.0.push((Cow::Owned(name.clone()), value));
        }
    }
}
