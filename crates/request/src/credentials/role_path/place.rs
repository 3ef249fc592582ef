//! The way back: the role goes where the path will look for it, in tokens that are made here.

use serde_json::{Map, Value};

use super::{RolePath, Selector, Steps, legacy};

impl RolePath {
    /// The keys of a path that only goes from object to object.
    pub fn keys(&self) -> Option<Vec<&str>> {
        match &self.steps {
            Steps::JsonPath(segments) => segments
                .iter()
                .map(|segment| match &segment.selectors[..] {
                    [Selector::Name(name)] if !segment.descend => Some(name.as_str()),
                    _ => None,
                })
                .collect(),
            Steps::Legacy(steps) => steps
                .iter()
                .map(|step| match step {
                    legacy::Step::Key(key) => Some(key.as_str()),
                    _ => None,
                })
                .collect(),
        }
    }

    /// Writes the claim `role` to where this path looks for it. What is there already stays: somebody has decided otherwise.
    /// Claims that have something else in the way stay as they are, and so do all with a path that does more than go from
    /// object to object.
    pub fn place(&self, claims: &mut Map<String, Value>) {
        let (Some(role), None) = (claims.get("role").cloned(), self.find(claims)) else { return };
        let Some(keys) = self.keys() else { return };
        let Some((last, way)) = keys.split_last() else { return };
        let mut object = claims;
        for key in way {
            let below = object.entry(*key).or_insert_with(|| Value::Object(Map::new()));
            let Value::Object(below) = below else { return };
            object = below;
        }
        object.insert((*last).to_owned(), role);
    }

    /// Whether tokens that are made here can carry their role to where this path looks.
    pub fn can_be_written(&self) -> bool {
        let mut claims = Map::from_iter([("role".to_owned(), Value::from("r"))]);
        self.place(&mut claims);
        self.find(&claims).and_then(Value::as_str) == Some("r")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn placed(path: &str, claims: Value) -> Value {
        let Value::Object(mut claims) = claims else { panic!("{claims}") };
        RolePath::parse(path).unwrap().place(&mut claims);
        Value::Object(claims)
    }

    #[test]
    fn the_role_goes_where_the_path_looks() {
        let app = json!({"role": "r", "app": {"role": "r"}});
        for path in [".app.role", "$.app.role", "$['app'][\"role\"]", r#"."app".role"#] {
            assert_eq!(placed(path, json!({"role": "r"})), app, "{path}");
        }
        let url = json!({"role": "r", "https://a.example/role": "r"});
        assert_eq!(placed(r#"$["https://a.example/role"]"#, json!({"role": "r"})), url);
        assert_eq!(placed(".role", json!({"role": "r"})), json!({"role": "r"}));
        assert_eq!(placed(".app.role", json!({"sub": "u"})), json!({"sub": "u"}), "there is no role to place");
    }

    #[test]
    fn what_is_there_stays() {
        let decided = json!({"role": "r", "app_metadata": {"role": "editor", "a": 1}});
        assert_eq!(placed(".app_metadata.role", decided.clone()), decided);
        let beside = placed(".app_metadata.role", json!({"role": "r", "app_metadata": {"a": 1}}));
        assert_eq!(beside, json!({"role": "r", "app_metadata": {"a": 1, "role": "r"}}));
        let in_the_way = json!({"role": "r", "app": "text"});
        assert_eq!(placed(".app.role", in_the_way.clone()), in_the_way);
    }

    #[test]
    fn paths_that_nothing_can_be_written_to_are_known() {
        for (path, can) in [
            ("$.role", true),
            (".app.role", true),
            ("$..role", true),
            (".roles[0]", false),
            ("$.roles[?(@ == 'r')]", false),
            ("$['a', 'b']", false),
            (".role.name", false),
        ] {
            assert_eq!(RolePath::parse(path).unwrap().can_be_written(), can, "{path}");
        }
    }
}
