//! What a load covers: comes from the configuration and never from the database.

use std::time::Duration;

use crate::sql::Parameter;

/// What to load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Exposed schemas: their relations and functions are in the catalog.
    pub schemas: Vec<String>,
    /// Schemas in which requests also look for functions; views there carry keys on, but are not exposed.
    pub extra_search_path: Vec<String>,
    /// The login that requests use, for which settings it may set and casts it may call; `None` is the login that
    /// loads. A name that does not exist may do nothing.
    pub request_login: Option<String>,
    /// Schemas whose JSON documents are looked into, for GraphQL ([`crate::Shapes`]).
    pub documents: Vec<String>,
    /// Also load the names of time zones (slow: see `sql/timezone_list.sql`).
    pub timezones: bool,
    /// Also find out which columns of views can be written (slow: see `sql/read_only_column_list.sql`).
    pub view_columns: bool,
    /// Bound of a whole load, and of each of its statements in the server.
    pub timeout: Duration,
}

impl Default for Scope {
    fn default() -> Self {
        Self {
            schemas: vec!["public".to_owned()],
            extra_search_path: Vec::new(),
            request_login: None,
            documents: Vec::new(),
            timezones: false,
            view_columns: false,
            timeout: Duration::from_secs(60),
        }
    }
}

impl Scope {
    /// Exposes these schemas and nothing else.
    pub fn exposing<S: Into<String>>(schemas: impl IntoIterator<Item = S>) -> Self {
        Self { schemas: schemas.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// Whether a schema is exposed.
    pub fn exposes(&self, schema: &str) -> bool {
        self.schemas.iter().any(|s| s == schema)
    }

    /// How early a request for a relation of one schema finds a function of another: its own schema first, then the
    /// extra search path in order; `None` when it does not look there.
    pub(crate) fn field_rank(&self, relation_schema: &str, function_schema: &str) -> Option<usize> {
        if relation_schema == function_schema {
            return Some(0);
        }
        self.extra_search_path.iter().position(|s| s == function_schema).map(|position| position + 1)
    }

    pub(crate) fn parameter(&self, parameter: Parameter) -> Option<String> {
        let list = |schemas: Vec<&String>| serde_json::to_string(&schemas).ok();
        match parameter {
            Parameter::Nothing | Parameter::Objects => None,
            Parameter::Exposed => list(self.schemas.iter().collect()),
            Parameter::Searched => list(self.schemas.iter().chain(&self.extra_search_path).collect()),
            Parameter::Login => self.request_login.clone(),
            // Those vary within a load.
            Parameter::Documents => Some(r#"{"views": [], "functions": []}"#.to_owned()),
            Parameter::Oids => Some("[]".to_owned()),
            Parameter::Oid => Some("0".to_owned()),
        }
    }
}
