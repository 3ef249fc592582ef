//! The key of an answer: a digest of everything that decides it, apart from the rows of its tables and the [epoch](super::Epoch).
//!
//! Statement and values say what is asked for, settings and role who asks, the target where. Of the settings of the request only
//! those count that PostgreSQL acts on itself and those that the code which is run looks at (adr/0009): so everybody whom the policies
//! treat alike shares a key, and nobody else.
//! Invariant: every part is preceded by its length or its number, so that no two lists of parts are the same bytes.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ferrobase_catalog::{Depends, SettingsRead};
use ferrobase_pg::{Formats, Statement};
use sha2::{Digest, Sha256};

use crate::context::RequestContext;
use crate::run::{Work, admit};
use crate::settings::settings;
use crate::target::Target;

/// Begins what is digested; another form of it gets another name.
const DOMAIN: &[u8] = b"ferrobase answer 1";
/// What PostgreSQL reads as a moment that depends on when it reads it, wherever a date may stand.
const CLOCK_WORDS: [&str; 4] = ["now", "today", "tomorrow", "yesterday"];

/// What identifies an answer. Cheap to copy; says nothing of what it was made from.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct AnswerKey([u8; 32]);

/// It was made of claims and of values.
impl std::fmt::Debug for AnswerKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AnswerKey(..)")
    }
}

impl AnswerKey {
    /// The key of what this work answers, if it only reads, is proven, and depends on nothing but what is known. `shape` is everything
    /// that decides how rows become bytes and is not in the statement: the verb, the media type, what is left out, names.
    ///
    /// None for code that looks at settings under names which it works out: nobody knows on what that depends.
    pub fn of(target: &Target, context: &RequestContext, work: &Work, depends: &Depends, shape: &str) -> Option<Self> {
        let proof = work.proof.as_ref()?;
        // Dependencies of an older proof are those of an older schema.
        let is_of_it = Arc::ptr_eq(proof.stands.flag(), depends.stands.flag());
        let stands = is_of_it && proof.stands.flag().load(Ordering::Acquire);
        let SettingsRead::Only(_) = &proof.settings else { return None };
        let only_reads = work.read_only && target.transaction.pre_request.is_none();
        let is_known = stands && only_reads && !work.search_path.hides_own();
        if !is_known || work.statements.iter().any(asks_the_clock) {
            return None;
        }
        let catalog = target.catalog.get()?;
        let role = admit(target, &catalog, &context.identity).ok()?;
        let told = settings(context, work, role, &target.transaction);
        // PostgreSQL itself looks at nothing whose name has two parts.
        let counts = |name: &str| !name.contains('.') || proof.settings.contains(name);
        let told = told.iter().filter(|(name, _)| counts(name));
        let inputs = Inputs {
            target: &target.id,
            role: context.identity.role(),
            shape,
            settings: told.map(|(name, value)| (name.to_ascii_lowercase(), value)).collect(),
            statements: &work.statements,
            objects: &depends.objects,
        };
        Some(inputs.key())
    }
}

/// Everything that decides an answer, in the order in which it is digested.
#[derive(Debug, PartialEq)]
struct Inputs<'a> {
    target: &'a str,
    role: &'a str,
    shape: &'a str,
    settings: Vec<(String, &'a str)>,
    statements: &'a [Statement],
    objects: &'a [u32],
}

impl Inputs<'_> {
    fn key(&self) -> AnswerKey {
        let Self { target, role, shape, settings, statements, objects } = self;
        let mut parts = Parts(Sha256::new());
        parts.text(DOMAIN).text(target.as_bytes()).text(role.as_bytes()).text(shape.as_bytes());
        parts.number(settings.len());
        for (name, value) in settings {
            parts.text(name.as_bytes()).text(value.as_bytes());
        }
        parts.number(statements.len());
        statements.iter().for_each(|statement| parts.statement(statement));
        parts.oids(objects);
        AnswerKey(parts.0.finalize().into())
    }
}

/// Whether one of its values may be read as a date that is another one tomorrow. Quotes and backslashes may stand within a
/// word of a list or a range, and JSON has letters as numbers.
fn asks_the_clock(statement: &Statement) -> bool {
    statement.params.iter().flatten().any(|value| {
        let text = String::from_utf8_lossy(value).to_ascii_lowercase();
        let bare = text.replace(['"', '\\'], "");
        let mut words = bare.split(|c: char| !c.is_ascii_alphabetic());
        text.contains("\\u") || words.any(|word| CLOCK_WORDS.contains(&word))
    })
}

/// What is digested.
struct Parts(Sha256);

impl Parts {
    fn number(&mut self, number: usize) -> &mut Self {
        self.0.update((number as u64).to_le_bytes());
        self
    }

    fn text(&mut self, text: &[u8]) -> &mut Self {
        self.number(text.len());
        self.0.update(text);
        self
    }

    fn oids(&mut self, oids: &[u32]) {
        self.number(oids.len());
        oids.iter().for_each(|oid| self.0.update(oid.to_le_bytes()));
    }

    fn statement(&mut self, statement: &Statement) {
        let Statement { sql, params, param_types, formats } = statement;
        self.text(sql.as_bytes()).number(params.len());
        for value in params {
            match value {
                None => self.number(0),
                Some(value) => self.number(1).text(value),
            };
        }
        self.oids(param_types);
        let (form, binary) = match formats {
            Formats::Text => (0, &[][..]),
            Formats::Each(binary) => (1, &binary[..]),
            Formats::Wished(binary) => (2, &binary[..]),
        };
        self.number(form).number(binary.len());
        binary.iter().for_each(|is_binary| self.0.update([u8::from(*is_binary)]));
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    /// Few letters, so that what is written one after the other often looks the same.
    fn text() -> impl Strategy<Value = String> {
        "[a\0\x01]{0,2}"
    }

    fn formats() -> impl Strategy<Value = Formats> {
        let binary = || prop::collection::vec(any::<bool>(), 0..2).prop_map(Arc::from);
        prop_oneof![Just(Formats::Text), binary().prop_map(Formats::Each), binary().prop_map(Formats::Wished)]
    }

    fn statement() -> impl Strategy<Value = Statement> {
        let value = prop::option::of(text().prop_map(Bytes::from));
        let parts = (text(), prop::collection::vec(value, 0..2), prop::collection::vec(0_u32..2, 0..2), formats());
        parts.prop_map(|(sql, params, param_types, formats)| Statement {
            sql: sql.into(),
            params,
            param_types,
            formats,
        })
    }

    /// [`Inputs`], and a place that says which part is to be another one.
    type Owned = ((String, String, String), Vec<(String, String)>, Vec<Statement>, Vec<u32>);

    fn owned() -> impl Strategy<Value = Owned> {
        (
            (text(), text(), text()),
            prop::collection::vec((text(), text()), 0..2),
            prop::collection::vec(statement(), 0..3),
            prop::collection::vec(0_u32..2, 0..3),
        )
    }

    fn inputs(((target, role, shape), settings, statements, objects): &Owned) -> Inputs<'_> {
        let settings = settings.iter().map(|(name, value)| (name.clone(), &**value)).collect();
        Inputs { target, role, shape, settings, statements, objects }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn sec_23_keys_are_the_same_where_all_inputs_are_and_nowhere_else(one in owned(), other in owned(), part in 0..7) {
            let same = one.clone();
            prop_assert_eq!(inputs(&one).key(), inputs(&same).key());
            prop_assert_eq!(inputs(&one) == inputs(&other), inputs(&one).key() == inputs(&other).key());
            // Nearly the same: one part is the other's.
            let mut mixed = one.clone();
            match part {
                0 => mixed.0.0 = other.0.0,
                1 => mixed.0.1 = other.0.1,
                2 => mixed.0.2 = other.0.2,
                3 => mixed.1 = other.1,
                4 => mixed.2 = other.2,
                5 => mixed.3 = other.3,
                _ => std::mem::swap(&mut mixed.0.0, &mut mixed.0.1),
            }
            prop_assert_eq!(inputs(&one) == inputs(&mixed), inputs(&one).key() == inputs(&mixed).key());
        }
    }

    #[test]
    fn sec_23_words_that_mean_another_day_tomorrow_are_seen_wherever_a_date_may_stand() {
        for (value, is_one) in [
            ("now", true),
            ("NOW", true),
            (" Today 10:00", true),
            ("{2020-01-01,\"tomorrow\"}", true),
            ("[yesterday,)", true),
            ("{n\\ow}", true),
            ("[n\"o\"w,)", true),
            ("[\"\\u006eow\"]", true),
            ("snow", false),
            ("known nowhere", false),
            ("2020-01-01", false),
            ("infinity", false),
            ("", false),
        ] {
            let params = vec![None, Some(Bytes::copy_from_slice(value.as_bytes()))];
            let statement = Statement { sql: "".into(), params, param_types: Vec::new(), formats: Formats::Text };
            assert_eq!(asks_the_clock(&statement), is_one, "{value}");
        }
    }

    #[test]
    fn a_key_does_not_tell_what_it_was_made_of() {
        assert_eq!(format!("{:?}", AnswerKey([7; 32])), "AnswerKey(..)");
    }
}
