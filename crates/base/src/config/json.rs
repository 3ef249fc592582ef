//! Settings whose shape another standard owns: a JWK set, for example.
//!
//! Kept as JSON for the code that knows the standard. Treated as a secret, because private keys look like public ones.

use std::fmt;

use super::{Fault, Node, Reader, Setting, Shown, Value};

/// A JSON value that may hold keys: never printed. Written as YAML, or as one text of JSON.
#[derive(Clone, PartialEq)]
pub struct SecretJson(serde_json::Value);

impl SecretJson {
    /// The value itself: only where it leaves for its one legitimate use.
    pub fn expose(&self) -> &serde_json::Value {
        &self.0
    }
}

impl From<serde_json::Value> for SecretJson {
    fn from(value: serde_json::Value) -> Self {
        Self(value)
    }
}

impl fmt::Debug for SecretJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Setting for SecretJson {
    const SECRET: bool = true;

    fn kind() -> String {
        "JSON".to_owned()
    }

    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match &node.value {
            Value::Scalar(scalar) if scalar.unresolved => None,
            Value::Scalar(scalar) => match serde_json::from_str(&scalar.text) {
                Ok(json) => Some(Self(json)),
                Err(_) => {
                    let (found, expected) = ("this text".to_owned(), Self::kind());
                    reader.note(&node.place, Fault::WrongValue { found, expected });
                    None
                }
            },
            _ => Some(Self(to_json(node))),
        }
    }

    fn show(&self) -> Shown {
        Shown::Masked
    }
}

/// Every scalar becomes text, which is what the members of a JWK are.
fn to_json(node: &Node) -> serde_json::Value {
    match &node.value {
        Value::Empty | Value::Null => serde_json::Value::Null,
        Value::Scalar(scalar) => serde_json::Value::from(scalar.text.as_str()),
        Value::List(items) => items.iter().map(to_json).collect(),
        Value::Map(map) => map.entries().iter().map(|entry| (entry.key.clone(), to_json(&entry.node))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Place, yaml};

    fn read(text: &str) -> Option<SecretJson> {
        let tree = yaml::parse(text, "a.yaml").unwrap();
        SecretJson::read(tree.at("keys").unwrap(), &mut Reader::default())
    }

    #[test]
    fn yaml_and_json_say_the_same() {
        let yaml = read("keys:\n  - kty: oct\n    k: abc\n    key_ops: [verify]\n").unwrap();
        let json = read(r#"keys: '[{"kty":"oct","k":"abc","key_ops":["verify"]}]'"#).unwrap();
        assert_eq!(yaml, json);
        assert_eq!(yaml.expose()[0]["k"], "abc");
        assert_eq!(format!("{yaml:?}"), "***");
    }

    #[test]
    fn text_that_is_not_json_is_refused_unquoted() {
        let mut reader = Reader::default();
        assert_eq!(SecretJson::read(&Node::text("canary", Place::Default), &mut reader), None);
    }
}
