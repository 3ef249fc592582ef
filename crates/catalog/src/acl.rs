//! Reads access control lists as PostgreSQL prints their items: `role=letters/grantor`.
//!
//! An item with nothing before `=` is PUBLIC; a `*` after a letter is the grant option, which callers do not need.
//! Tables of one application mostly share one list, so each distinct list is read once per load.
//! Source of the letters: the PostgreSQL manual, "Privileges", table of abbreviations.

use std::collections::HashMap;
use std::rc::Rc;

use crate::error::LoadError;
use crate::model::{Grants, PUBLIC};

/// One role's letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AclItem {
    /// Role, or [`PUBLIC`].
    pub(crate) grantee: String,
    /// Privileges, one letter each.
    pub(crate) letters: String,
}

impl AclItem {
    /// Whether a privilege is among the letters.
    pub(crate) fn has(&self, letter: char) -> bool {
        self.letters.contains(letter)
    }

    /// The privileges on a whole relation.
    pub(crate) fn grants(&self) -> Grants {
        Grants {
            select: self.has('r'),
            insert: self.has('a'),
            update: self.has('w'),
            delete: self.has('d'),
            other: ['D', 'x', 't'].into_iter().any(|letter| self.has(letter)),
            ..Grants::default()
        }
    }
}

/// Reads lists, remembering the ones it has seen.
#[derive(Debug, Default)]
pub(crate) struct AclReader {
    seen: HashMap<String, Rc<[AclItem]>>,
}

impl AclReader {
    /// The items of a list given as JSON of strings; NULL (no list) has none.
    pub(crate) fn read(&mut self, query: &'static str, json: Option<&str>) -> Result<Rc<[AclItem]>, LoadError> {
        let json = json.unwrap_or("[]");
        if let Some(items) = self.seen.get(json) {
            return Ok(Rc::clone(items));
        }
        let items = parse_list(json).ok_or_else(|| LoadError::Answer {
            query,
            column: 0,
            reason: format!("`{json}` is no access control list"),
        })?;
        self.seen.insert(json.to_owned(), Rc::clone(&items));
        Ok(items)
    }

    /// The grantees that have one privilege.
    pub(crate) fn grantees(
        &mut self,
        query: &'static str,
        json: Option<&str>,
        letter: char,
    ) -> Result<Vec<String>, LoadError> {
        let items = self.read(query, json)?;
        let mut grantees: Vec<String> =
            items.iter().filter(|item| item.has(letter)).map(|item| item.grantee.clone()).collect();
        grantees.sort();
        grantees.dedup();
        Ok(grantees)
    }
}

fn parse_list(json: &str) -> Option<Rc<[AclItem]>> {
    let items: Vec<String> = serde_json::from_str(json).ok()?;
    let mut merged: Vec<AclItem> = Vec::new();
    for item in items {
        let item = parse_item(&item)?;
        // One grantee has an item per grantor.
        match merged.iter_mut().find(|known| known.grantee == item.grantee) {
            Some(known) => known.letters.push_str(&item.letters),
            None => merged.push(item),
        }
    }
    Some(merged.into())
}

/// Reads `name=letters/grantor`; names other than plain words are in double quotes, with quotes doubled.
fn parse_item(item: &str) -> Option<AclItem> {
    let (grantee, rest) = match item.strip_prefix('"') {
        Some(quoted) => parse_quoted(quoted)?,
        None => {
            let end = item.find('=')?;
            (item[..end].to_owned(), &item[end..])
        }
    };
    let letters = rest.strip_prefix('=')?;
    let letters = letters.split('/').next()?.chars().filter(|c| *c != '*').collect();
    Some(AclItem { grantee: if grantee.is_empty() { PUBLIC.to_owned() } else { grantee }, letters })
}

/// Reads up to the closing quote; returns the name and what follows.
fn parse_quoted(mut text: &str) -> Option<(String, &str)> {
    let mut name = String::new();
    loop {
        let end = text.find('"')?;
        name.push_str(&text[..end]);
        text = &text[end + 1..];
        match text.strip_prefix('"') {
            Some(more) => {
                name.push('"');
                text = more;
            }
            None => return Some((name, text)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn items_are_read_with_quoted_names_public_and_grant_options() {
        let mut reader = AclReader::default();
        let json = r#"["postgres=arwdDxt/postgres","\"we,ird\"\"= x\"=r*w/postgres","=r/\"a/b\"","postgres=m/other"]"#;
        let items = reader.read("t", Some(json)).unwrap();
        let shown: Vec<_> = items.iter().map(|i| (i.grantee.as_str(), i.letters.as_str())).collect();
        assert_eq!(shown, [("postgres", "arwdDxtm"), ("we,ird\"= x", "rw"), ("public", "r")]);
        assert_eq!(reader.grantees("t", Some(json), 'w').unwrap(), ["postgres", "we,ird\"= x"]);
        assert!(reader.read("t", None).unwrap().is_empty());
    }

    #[test]
    fn anything_else_is_an_error() {
        for json in [r#"["nonsense"]"#, r#"["\"open=r/x"]"#, r#"{"a":1}"#, r#"[""]"#] {
            assert!(AclReader::default().read("t", Some(json)).is_err(), "{json}");
        }
    }

    proptest! {
        #[test]
        fn any_role_name_comes_through_its_quotes(name in "[ -~äß☺]{1,20}") {
            let item = format!("\"{}\"=r*w/postgres", name.replace('"', "\"\""));
            let json = serde_json::to_string(&[item]).unwrap();
            let items = AclReader::default().read("t", Some(&json)).unwrap();
            prop_assert_eq!(&items[0], &AclItem { grantee: name, letters: "rw".to_owned() });
        }

        #[test]
        fn any_item_is_read_or_refused(item in "[ -~ä]{0,30}") {
            let _ = AclReader::default().read("t", serde_json::to_string(&[item]).ok().as_deref());
        }
    }
}
