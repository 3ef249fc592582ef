//! Names of types and fields in the languages that do not take every name.

use std::collections::HashSet;

/// Names that were given away in one scope; a second bearer gets a number.
#[derive(Debug, Default)]
pub(crate) struct Names(HashSet<String>);

impl Names {
    /// This name, or the next that is free.
    pub(crate) fn give(&mut self, wanted: &str) -> String {
        let numbered = (2..).map(|number| format!("{wanted}{number}"));
        let free = std::iter::once(wanted.to_owned()).chain(numbered).find(|name| !self.0.contains(name));
        let name = free.unwrap_or_default();
        self.0.insert(name.clone());
        name
    }
}

/// What identifiers are made of; numbers of other scripts are none.
fn is_word(c: char) -> bool {
    c.is_ascii_digit() || c.is_alphabetic()
}

/// `order_items` and `order-items` become `OrderItems`.
pub(crate) fn pascal(name: &str) -> String {
    let mut out = String::new();
    for word in name.split(|c: char| !is_word(c)) {
        let mut chars = word.chars();
        if let Some(first) = chars.next() {
            out.extend(first.to_uppercase());
            out.push_str(chars.as_str());
        }
    }
    out
}

/// Letters, digits and underscores, beginning with a letter: `user-id` becomes `user_id`, `1st` `field_1st`.
pub(crate) fn snake(name: &str) -> String {
    let replaced: String = name.chars().map(|c| if is_word(c) { c } else { '_' }).collect();
    let small = replaced.to_lowercase();
    if small.starts_with(char::is_alphabetic) { small } else { format!("field_{}", small.trim_start_matches('_')) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_becomes_one_that_languages_take() {
        let names = ["order_items", "Käse-Sorten", "1st", "_", "übung"];
        assert_eq!(names.map(pascal), ["OrderItems", "KäseSorten", "1st", "", "Übung"]);
        assert_eq!(names.map(snake), ["order_items", "käse_sorten", "field_1st", "field_", "übung"]);
        let mut given = Names::default();
        assert_eq!(["a", "a", "a2", "a"].map(|name| given.give(name)), ["a", "a2", "a22", "a3"]);
    }
}
