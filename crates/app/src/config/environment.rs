//! The environment, read once. **No other file of the program reads it.**
//!
//! A snapshot is taken at start and handed down, so that tests choose their own and nothing changes underneath.

use std::collections::BTreeMap;

use ferrobase_base::config::overlay::PREFIX;

/// Names the file to read, as `--config` does.
pub const CONFIG: &str = "FERROBASE_CONFIG";
/// Names the folder of PostgreSQL's programs.
pub const PG_BIN: &str = "FERROBASE_PG_BIN";

/// Variables of ours that are no settings; one that ends in `_` stands for all that begin so.
pub(crate) const RESERVED: &[&str] = &[CONFIG, PG_BIN, "FERROBASE_TEST_"];

/// The variables of this process, as they were at start.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    unreadable: Vec<String>,
}

impl Environment {
    /// Takes the snapshot.
    pub fn read() -> Self {
        let mut environment = Self::default();
        for (name, value) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            match value.into_string() {
                Ok(value) => {
                    environment.variables.insert(name, value);
                }
                Err(_) if name.starts_with(PREFIX) => environment.unreadable.push(name),
                // Other programs' variables may hold anything.
                Err(_) => {}
            }
        }
        environment
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// Every variable.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Variables of ours whose value is not UTF-8.
    pub(crate) fn unreadable(&self) -> &[String] {
        &self.unreadable
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { variables, unreadable: Vec::new() }
    }
}

impl std::fmt::Debug for Environment {
    /// Names only: values are where secrets live.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.variables.keys()).finish()
    }
}
