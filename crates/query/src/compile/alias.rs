//! Names for the relations of a statement.
//!
//! A name that PostgreSQL may show in a message (`column projects_1.nme does not exist`) says what it stands for. All
//! names of a statement differ, so no inner one hides an outer one.

/// PostgreSQL cuts identifiers to this many bytes.
const MAX_BYTES: usize = 63;

/// The names given so far.
#[derive(Debug, Default)]
pub(crate) struct Aliases {
    used: Vec<String>,
}

impl Aliases {
    /// The name itself if it is free, else with a number behind it.
    pub(crate) fn fresh(&mut self, wanted: &str) -> String {
        let mut name = cut(wanted, MAX_BYTES).to_owned();
        let mut number = 1_usize;
        while self.used.contains(&name) {
            number += 1;
            let suffix = format!("_{number}");
            name = format!("{}{suffix}", cut(wanted, MAX_BYTES - suffix.len()));
        }
        self.used.push(name.clone());
        name
    }

    /// A name with its depth in the tree; the depth survives cutting.
    pub(crate) fn at_depth(&mut self, base: &str, depth: usize) -> String {
        let suffix = format!("_{depth}");
        self.fresh(&format!("{}{suffix}", cut(base, MAX_BYTES - suffix.len())))
    }
}

/// The longest prefix of at most so many bytes.
fn cut(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ_and_stay_within_the_limit() {
        let mut aliases = Aliases::default();
        assert_eq!(aliases.fresh("projects_1"), "projects_1");
        assert_eq!(aliases.at_depth("projects", 1), "projects_1_2");
        let long = "ü".repeat(60);
        let first = aliases.at_depth(&long, 1);
        let second = aliases.at_depth(&long, 1);
        assert_ne!(first, second);
        assert!(first.len() <= 63 && second.len() <= 63, "{first} {second}");
        assert!(first.ends_with("_1"));
    }
}
