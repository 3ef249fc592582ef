//! Values that stand elsewhere: `file:///path` is read here; `vault://` and `aws://` wait for their provider.
//!
//! Invariant: a secret's text appears in no message; the reference does.

use std::path::Path;

use ferrobase_base::config::{Fault, Node, Problem, Scalar, Value};

use super::file::read_bounded;

/// Large enough for key sets, small enough for a mistake.
const MAX_SECRET_BYTES: usize = 64 << 10;

/// Replaces every `file:///` value of the tree, and marks the references that a provider will have to resolve.
pub(crate) fn resolve(tree: &mut Node) -> Vec<Problem> {
    let provider = provider(tree);
    let mut problems = Vec::new();
    tree.for_each_scalar(&mut |key, place, scalar| {
        if let Err(fault) = resolve_one(key, scalar, &provider) {
            scalar.unresolved = true;
            problems.push(Problem { key: key.to_owned(), place: place.clone(), fault });
        }
    });
    problems
}

fn resolve_one(key: &str, scalar: &mut Scalar, provider: &str) -> Result<(), Fault> {
    if scalar.text.starts_with("file:///") {
        let reference = scalar.text.clone();
        let path = Path::new(&reference["file://".len()..]);
        let text = read_bounded(path, MAX_SECRET_BYTES).map_err(|reason| refused(&reference, reason))?;
        // Editors and shells end files with a newline that nobody means.
        scalar.text = text.trim_end_matches(['\n', '\r']).to_owned();
        scalar.written = Some(reference);
        return Ok(());
    }
    let Some(needed) = needed_provider(&scalar.text) else { return Ok(()) };
    if key.starts_with("secrets.") {
        return Err(refused(&scalar.text, "the provider's own settings cannot come from it".to_owned()));
    }
    if needed != provider {
        return Err(refused(&scalar.text, format!("it needs `secrets.provider: {needed}`, which is `{provider}`")));
    }
    scalar.unresolved = true;
    Ok(())
}

fn needed_provider(text: &str) -> Option<&'static str> {
    match text.split_once("://") {
        Some(("vault", _)) => Some("vault"),
        Some(("aws", _)) => Some("aws_secrets_manager"),
        _ => None,
    }
}

fn provider(tree: &Node) -> String {
    match tree.at("secrets.provider").map(|node| &node.value) {
        Some(Value::Scalar(scalar)) => scalar.text.trim().to_ascii_lowercase(),
        _ => "none".to_owned(),
    }
}

fn refused(reference: &str, reason: String) -> Fault {
    Fault::Secret { reference: reference.to_owned(), reason }
}
