//! What is configured and not built yet, and what `serve` cannot start without.
//!
//! A key that protects or routes and does nothing would be a trap, so `serve` refuses it by name; other keys of absent
//! rooms only warn. Building a room ends with deleting its lines here.

use ferrobase_base::config::{Fault, Node, Place, Problem};

use super::services::SecretsProvider;
use super::{AuthSection, Config, Loaded};

/// Sections that do nothing yet, and what they are for.
const UNBUILT_SECTIONS: [(&str, &str); 7] = [
    ("realtime", "the realtime API"),
    ("storage", "file storage"),
    ("functions", "functions"),
    ("jobs", "jobs"),
    ("patterns", "data patterns"),
    ("admin", "the dashboard"),
    ("cache", "the response cache"),
];

/// Why `serve` must not start with this configuration; empty when it may. `located` says whether the command found a
/// database besides the configuration (`--embedded`).
pub fn refusals(loaded: &Loaded, located: bool) -> Vec<Problem> {
    let (config, tree) = (&loaded.config, &loaded.tree);
    let mut refusals: Vec<Problem> =
        unbuilt_protections(config).into_iter().map(|(key, what)| not_built(tree, key, what)).collect();
    if !config.auth.has_keys() {
        refusals.push(no_keys(config, tree));
    }
    let unfit = config.auth.tokens.unfit_secrets().into_iter();
    refusals.extend(unfit.map(|(setting, reason)| refused(tree, &format!("auth.{setting}"), &reason)));
    if !located && !config.database.embedded.enabled && !config.database.is_located() {
        refusals.push(refused(
            tree,
            "database.url",
            "no database is named: set it (FERROBASE_DATABASE__URL) or run with --embedded",
        ));
    }
    refusals
}

fn no_keys(config: &Config, tree: &Node) -> Problem {
    if config.auth.tokens.jwks.is_some() {
        return refused(tree, "auth.jwks", "no token could be verified: there is no key in it that verifies any");
    }
    let reason = "no token could be verified: set it (FERROBASE_AUTH__JWT_SECRET, at least 32 random bytes), auth.jwks, or auth.jwks_url \
                  for the tokens of an identity provider";
    refused(tree, "auth.jwt_secret", reason)
}

/// Keys that protect or route and are set, with what they promise.
fn unbuilt_protections(config: &Config) -> Vec<(&'static str, &'static str)> {
    let set = [
        (config.secrets.provider != SecretsProvider::None, "secrets.provider", "a secrets provider"),
        (!config.tenants.is_empty(), "tenants", "tenancy"),
    ];
    set.into_iter().filter(|(set, ..)| *set).map(|(_, key, what)| (key, what)).collect()
}

/// Warnings for what is set, does nothing, and harms nobody.
pub(crate) fn unbuilt_warnings(tree: &Node) -> Vec<Problem> {
    let mut warnings: Vec<Problem> = UNBUILT_SECTIONS
        .iter()
        .filter(|(section, _)| tree.at(section).is_some())
        .map(|(section, what)| refused(tree, section, &format!("{what} is not built yet; the section does nothing")))
        .collect();
    let unbuilt = AuthSection::unbuilt_names().iter();
    let written = unbuilt.map(|name| format!("auth.{name}")).filter(|key| tree.at(key).is_some());
    warnings.extend(written.map(|key| refused(tree, &key, "it is not built yet; the key does nothing")));
    let of_postgrest = ["rest.pre_config"].into_iter().filter(|key| tree.at(key).is_some());
    warnings.extend(
        of_postgrest.map(|key| refused(tree, key, "only `ferrobase postgrest` has its like; the key does nothing")),
    );
    warnings
}

fn not_built(tree: &Node, key: &str, what: &str) -> Problem {
    Problem { key: key.to_owned(), place: place(tree, key), fault: Fault::NotBuilt { what: what.to_owned() } }
}

/// A key whose value cannot be used.
pub(crate) fn refused(tree: &Node, key: &str, reason: &str) -> Problem {
    Problem { key: key.to_owned(), place: place(tree, key), fault: Fault::Refused(reason.to_owned()) }
}

fn place(tree: &Node, key: &str) -> Place {
    tree.at(key).map_or(Place::Default, |node| node.place.clone())
}
