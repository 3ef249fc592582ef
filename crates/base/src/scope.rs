//! What an API key may be used for: rooms, or parts of them.
//!
//! A scope is the name of a room (`rest`: everything there) or a room and one of its parts (`rest:read`). A room says for
//! each of its routes which part it is (the edge's `RoutePolicy`), and the edge compares: nobody else looks at scopes.
//! Invariant: a scope never gives anything. It takes away from what the key's role may do, and one that nobody knows
//! leaves nothing.

use std::fmt;

/// Rooms and their parts. A room that keys can be limited to has a line here.
const ROOMS: [(&str, &[&str]); 3] = [("rest", &["read", "write"]), ("auth", &["admin", "user"]), ("graphql", &[])];

/// A text that is no scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no scope {text:?}; the scopes are {}", known().join(", "))]
pub struct NoScope {
    /// The text.
    pub text: String,
}

/// Every scope.
pub fn known() -> Vec<String> {
    let parts = |room: &str, parts: &[&str]| parts.iter().map(|part| format!("{room}:{part}")).collect::<Vec<_>>();
    ROOMS.iter().flat_map(|(room, of_room)| [vec![(*room).to_owned()], parts(room, of_room)].concat()).collect()
}

/// The scopes of one key, at least one. A key without any has no `Scopes`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scopes(Vec<String>);

impl Scopes {
    /// As somebody writes them.
    ///
    /// # Errors
    /// The first that is none.
    pub fn read(texts: Vec<String>) -> Result<Option<Self>, NoScope> {
        let known = known();
        match texts.iter().find(|text| !known.contains(text)) {
            Some(text) => Err(NoScope { text: text.clone() }),
            None => Ok((!texts.is_empty()).then_some(Self(texts))),
        }
    }

    /// As they were stored. What another release knew and this one does not allows nothing.
    pub fn stored(texts: Vec<String>) -> Self {
        Self(texts)
    }

    /// Whether they cover this part of this room.
    pub fn cover(&self, needed: &Needed) -> bool {
        let covers = |scope: &String| match scope.split_once(':') {
            None => scope == needed.room,
            Some((room, part)) => room == needed.room && Some(part) == needed.part,
        };
        !needed.room.is_empty() && self.0.iter().any(covers)
    }

    /// Their texts.
    pub fn texts(&self) -> &[String] {
        &self.0
    }
}

/// What a request needs. Without a room no limited key will do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needed {
    /// The room.
    pub room: &'static str,
    /// Its part, where it has parts.
    pub part: Option<&'static str>,
}

impl fmt::Display for Needed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.part {
            Some(part) => write!(f, "{}:{part}", self.room),
            None => f.write_str(self.room),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cover(scopes: &[&str], room: &'static str, part: Option<&'static str>) -> bool {
        Scopes::stored(scopes.iter().map(ToString::to_string).collect()).cover(&Needed { room, part })
    }

    #[test]
    fn a_scope_covers_its_part_and_nothing_else() {
        assert!(cover(&["rest"], "rest", Some("write")) && cover(&["rest:read"], "rest", Some("read")));
        assert!(cover(&["graphql", "rest:read"], "graphql", None));
        for (scope, room, part) in [
            ("rest:read", "rest", Some("write")),
            ("rest:read", "rest", None),
            ("rest", "auth", Some("admin")),
            ("auth:admin", "auth", Some("user")),
            ("", "", None),
            (":", "", Some("")),
            ("unheard_of", "rest", Some("read")),
        ] {
            assert!(!cover(&[scope], room, part), "{scope} covers {room} {part:?}");
        }
    }

    #[test]
    fn only_known_scopes_are_written() {
        let read = |texts: &[&str]| Scopes::read(texts.iter().map(ToString::to_string).collect());
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&["rest:read", "auth:admin"]).unwrap().unwrap().texts(), ["rest:read", "auth:admin"]);
        let wrong = read(&["rest", "rest:delete"]).unwrap_err();
        assert_eq!(wrong.text, "rest:delete");
        assert!(wrong.to_string().ends_with("rest, rest:read, rest:write, auth, auth:admin, auth:user, graphql"));
    }
}
