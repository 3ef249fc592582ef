//! Who somebody is at a provider, read from verified claims or from the provider's own document.

use serde_json::{Map, Value};

use super::presets::{Fields, Verified};

/// Longest text that is taken over; the rest of a document stays where it is.
const LONGEST: usize = 2048;

/// Somebody.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Profile {
    /// The name that never changes there.
    pub(crate) subject: String,
    /// An address, and whether the provider says that it was confirmed.
    pub(crate) email: Option<(String, bool)>,
    /// What becomes `identity_data`, and is merged into `user_metadata`.
    pub(crate) claims: Map<String, Value>,
}

/// One address of a list.
pub(super) struct Listed {
    pub(super) email: String,
    pub(super) primary: bool,
    pub(super) verified: bool,
}

/// Reads the claims of OpenID Connect.
pub(crate) fn of_claims(claims: &Map<String, Value>, issuer: &str, verified: Verified) -> Option<Profile> {
    let document = Value::Object(claims.clone());
    let fields = Fields {
        subject: "/sub",
        email: "/email",
        verified,
        name: "/name",
        user_name: "/preferred_username",
        picture: "/picture",
    };
    let mut profile = of_document(&document, &fields, issuer)?;
    for name in ["given_name", "family_name", "nickname", "locale", "zoneinfo", "profile", "website", "birthdate"] {
        if let Some(text) = text_at(&document, &format!("/{name}")) {
            profile.claims.insert(name.to_owned(), text.into());
        }
    }
    let custom: Map<String, Value> = claims
        .iter()
        .filter(|(name, _)| ["hd", "tid", "groups", "roles"].contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    if !custom.is_empty() {
        profile.claims.insert("custom_claims".to_owned(), Value::Object(custom));
    }
    Some(profile)
}

/// Reads a provider's own document. None when it does not say who it is.
pub(super) fn of_document(document: &Value, fields: &Fields, issuer: &str) -> Option<Profile> {
    let subject = match document.pointer(fields.subject)? {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    if subject.is_empty() || subject.len() > 255 {
        return None;
    }
    let email = text_at(document, fields.email).map(|email| {
        let verified = match fields.verified {
            Verified::Always => true,
            Verified::Never => false,
            Verified::At(pointer) => is_true(document.pointer(pointer)),
        };
        (email, verified)
    });
    let mut claims = Map::new();
    let mut put = |names: &[&str], pointer: &str| {
        if let Some(text) = text_at(document, pointer) {
            for name in names {
                claims.insert((*name).to_owned(), text.clone().into());
            }
        }
    };
    put(&["name", "full_name"], fields.name);
    put(&["user_name", "preferred_username"], fields.user_name);
    put(&["picture", "avatar_url"], fields.picture);
    claims.insert("iss".to_owned(), issuer.into());
    claims.insert("sub".to_owned(), subject.as_str().into());
    claims.insert("provider_id".to_owned(), subject.as_str().into());
    claims.insert("phone_verified".to_owned(), false.into());
    let mut profile = Profile { subject, email: None, claims };
    profile.set_email(email);
    Some(profile)
}

impl Profile {
    /// Takes the first confirmed address of a list, best the one that the user prefers.
    pub(super) fn choose_email(&mut self, listed: &[Listed]) {
        let best = listed.iter().max_by_key(|listed| (listed.verified, listed.primary));
        if let Some(best) = best {
            self.set_email(Some((best.email.clone(), best.verified)));
        }
    }

    fn set_email(&mut self, email: Option<(String, bool)>) {
        if let Some((email, verified)) = &email {
            self.claims.insert("email".to_owned(), email.as_str().into());
            self.claims.insert("email_verified".to_owned(), (*verified).into());
        }
        self.email = email;
    }
}

/// Some providers write booleans as text.
fn is_true(value: Option<&Value>) -> bool {
    match value {
        Some(Value::Bool(value)) => *value,
        Some(Value::String(text)) => text == "true" || text == "1",
        Some(Value::Number(number)) => number.as_i64() == Some(1),
        _ => false,
    }
}

fn text_at(document: &Value, pointer: &str) -> Option<String> {
    if pointer.is_empty() {
        return None;
    }
    let text = document.pointer(pointer)?.as_str()?;
    (!text.is_empty() && text.len() <= LONGEST && !text.contains('\0')).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::presets::{PRESETS, Protocol};
    use super::*;

    fn of(provider: &str, document: &Value) -> Option<Profile> {
        let preset = PRESETS.iter().find(|preset| preset.name == provider).expect("a preset");
        let Protocol::OAuth(oauth) = &preset.protocol else { panic!("{provider} speaks OIDC") };
        of_document(document, &oauth.fields, preset.base)
    }

    #[test]
    fn documents_of_providers_say_who_it_is() {
        let github = of(
            "github",
            &json!({"id": 583231, "login": "octocat", "name": "Octo", "email": "o@example.com",
            "avatar_url": "https://a/1"}),
        );
        let mut github = github.expect("a profile");
        assert_eq!((github.subject.as_str(), github.email.clone()), ("583231", Some(("o@example.com".into(), false))));
        assert_eq!(github.claims["user_name"], "octocat");
        assert_eq!(github.claims["avatar_url"], "https://a/1");
        let listed = |email: &str, primary, verified| Listed { email: email.into(), primary, verified };
        github.choose_email(&[listed("a@x", false, true), listed("b@x", true, true), listed("c@x", true, false)]);
        assert_eq!(github.email, Some(("b@x".into(), true)));
        assert_eq!(github.claims["email"], "b@x");
        let twitch = of("twitch", &json!({"data": [{"id": "1", "email": "t@example.com", "login": "t"}]}));
        assert_eq!(twitch.expect("a profile").email, Some(("t@example.com".into(), true)));
        let discord = |verified: Value| {
            let document = json!({"id": "80351110224678912", "email": "d@example.com", "verified": verified});
            of("discord", &document).expect("a profile").email.expect("an address").1
        };
        assert!(discord(json!(true)) && !discord(json!(false)) && !discord(json!(null)));
    }

    #[test]
    fn nobody_is_nobody() {
        for document in [json!({}), json!({"id": ""}), json!({"id": null}), json!({"id": [1]}), json!([])] {
            assert_eq!(of("github", &document), None, "{document}");
        }
    }
}
