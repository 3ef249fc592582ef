//! Where a setting's value comes from: the database, then the environment, then the file.
//!
//! PostgREST is generous in reading: numbers and flags may be texts, and what makes no sense counts as not set.
//! Pure. Read on: `super` (which settings there are).

use std::collections::BTreeMap;

use super::file::Value;

/// Values by key: those of the file with dashes, the environment's as `PGRST_X_Y`, the database's as `x_y`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
    /// The file.
    pub(crate) file: BTreeMap<String, Value>,
    /// The variables that begin with `PGRST_`.
    pub(crate) environment: BTreeMap<String, String>,
    /// What the database says about its login.
    pub(crate) database: BTreeMap<String, String>,
}

impl Sources {
    fn value(&self, key: &str) -> Option<Value> {
        let name = key.replace('-', "_");
        let text = self.database.get(&name);
        let text = text.or_else(|| self.environment.get(&format!("PGRST_{}", name.to_uppercase())));
        text.map(|text| Value::Text(text.clone())).or_else(|| self.file.get(key).cloned())
    }

    /// A text, also an empty one.
    pub(crate) fn text_or_empty(&self, key: &str) -> Option<String> {
        self.value(key).map(spelled)
    }

    /// A text; an empty one is not set.
    pub(crate) fn text(&self, key: &str) -> Option<String> {
        self.text_or_empty(key).filter(|text| !text.is_empty())
    }

    /// The same under one of two names.
    pub(crate) fn text_of(&self, key: &str, alias: &str) -> Option<String> {
        self.text(key).or_else(|| self.text(alias))
    }

    /// A whole number.
    pub(crate) fn number<N: TryFrom<i64>>(&self, key: &str) -> Option<N> {
        let number = match self.value(key)? {
            Value::Number(number) if number.fract() == 0.0 && number.abs() < 9e15 => number as i64,
            Value::Text(text) => text.trim().parse().ok()?,
            _ => return None,
        };
        N::try_from(number).ok()
    }

    /// The same under one of two names.
    pub(crate) fn number_of<N: TryFrom<i64>>(&self, key: &str, alias: &str) -> Option<N> {
        self.number(key).or_else(|| self.number(alias))
    }

    /// A flag: a word in any case, or a number of which more than 0 is true.
    pub(crate) fn flag(&self, key: &str) -> Option<bool> {
        match self.value(key)? {
            Value::Flag(flag) => Some(flag),
            Value::Text(text) => {
                let word: String = text.chars().filter(|c| c.is_alphabetic()).collect();
                match word.to_lowercase().as_str() {
                    "true" => Some(true),
                    "false" => Some(false),
                    _ => text.trim().parse::<i64>().ok().map(|number| number > 0),
                }
            }
            Value::Number(_) | Value::List => None,
        }
    }

    /// `app.settings.*` with full names, by name.
    pub(crate) fn app_settings(&self) -> Vec<(String, String)> {
        const PREFIX: &str = "app.settings.";
        let from_file = self.file.iter().filter(|(key, _)| key.starts_with(PREFIX));
        let mut settings: BTreeMap<String, String> =
            from_file.map(|(key, value)| (key.clone(), spelled(value.clone()))).collect();
        settings.extend(self.environment.iter().filter_map(|(name, value)| {
            Some((format!("{PREFIX}{}", name.strip_prefix("PGRST_APP_SETTINGS_")?), value.clone()))
        }));
        settings.into_iter().collect()
    }
}

fn spelled(value: Value) -> String {
    match value {
        Value::Text(text) => text,
        Value::Number(number) => number.to_string(),
        Value::Flag(flag) => flag.to_string(),
        Value::List => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(file: Value) -> Sources {
        Sources { file: BTreeMap::from([("db-x".to_owned(), file)]), ..Sources::default() }
    }

    #[test]
    fn the_database_goes_before_the_environment_before_the_file() {
        let mut sources = sources(Value::Text("file".into()));
        assert_eq!(sources.text("db-x").unwrap(), "file");
        sources.environment.insert("PGRST_DB_X".into(), "environment".into());
        assert_eq!(sources.text("db-x").unwrap(), "environment");
        sources.database.insert("db_x".into(), "database".into());
        assert_eq!(sources.text("db-x").unwrap(), "database");
        sources.database.insert("db_x".into(), String::new());
        assert_eq!((sources.text("db-x"), sources.text_or_empty("db-x").as_deref()), (None, Some("")));
    }

    #[test]
    fn flags_and_numbers_may_be_texts_and_nonsense_is_not_set() {
        for (text, expected) in
            [("TRUE", Some(true)), ("'false'", Some(false)), ("2", Some(true)), ("0", Some(false)), ("x", None)]
        {
            assert_eq!(sources(Value::Text(text.into())).flag("db-x"), expected, "{text}");
        }
        assert_eq!(sources(Value::Number(13.0)).flag("db-x"), None);
        assert_eq!(sources(Value::Number(13.0)).number::<u16>("db-x"), Some(13));
        assert_eq!(sources(Value::Text("13".into())).number::<u16>("db-x"), Some(13));
        assert_eq!(sources(Value::Number(1e9)).number::<u16>("db-x"), None);
        assert_eq!(sources(Value::Number(1.5)).number::<u16>("db-x"), None);
        assert_eq!(sources(Value::Flag(true)).number::<u16>("db-x"), None);
    }

    #[test]
    fn application_settings_come_from_file_and_environment() {
        let mut sources = Sources::default();
        sources.file.insert("app.settings.a".into(), Value::Flag(false));
        sources.environment.insert("PGRST_APP_SETTINGS_B".into(), "2".into());
        let expected = [("app.settings.B", "2"), ("app.settings.a", "false")];
        assert_eq!(sources.app_settings(), expected.map(|(k, v)| (k.to_owned(), v.to_owned())));
    }
}
