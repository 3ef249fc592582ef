//! The `Prefer` field (RFC 7240) and what of it was applied.
//!
//! First stage; also asked by `render` for `Preference-Applied`. The first value of a preference counts; what is not
//! known is kept, because `handling=strict` makes it an error (PGRST122).

use std::fmt;

/// `resolution=`: what an insert does with rows that exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// Updates them.
    MergeDuplicates,
    /// Leaves them.
    IgnoreDuplicates,
}

/// `return=`: what a write answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Return {
    /// The rows.
    Representation,
    /// Where the row is.
    HeadersOnly,
    /// Nothing.
    Minimal,
}

/// `count=`: how the total is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// By counting.
    Exact,
    /// By the planner's estimate.
    Planned,
    /// By counting up to the row limit, else by the estimate.
    Estimated,
}

impl Count {
    /// Whether rows are counted.
    pub fn counts(self) -> bool {
        matches!(self, Self::Exact | Self::Estimated)
    }
}

/// `tx=`: how the transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tx {
    /// Changes are kept.
    Commit,
    /// Changes are shown and undone.
    Rollback,
}

/// `missing=`: what keys stand for that a row of the body does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The column's default.
    Default,
    /// NULL.
    Null,
}

/// `handling=`: whether unknown preferences are an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handling {
    /// They are.
    Strict,
    /// They are not.
    Lenient,
}

/// Everything that a request prefers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preferences {
    /// `resolution=`.
    pub resolution: Option<Resolution>,
    /// `return=`.
    pub returns: Option<Return>,
    /// `count=`.
    pub count: Option<Count>,
    /// `tx=`; only where the configuration lets a request choose.
    pub tx: Option<Tx>,
    /// `missing=`.
    pub missing: Option<Missing>,
    /// `handling=`.
    pub handling: Option<Handling>,
    /// `timezone=`, as written; PostgreSQL decides whether it is one.
    pub timezone: Option<String>,
    /// `max-affected=`.
    pub max_affected: Option<i64>,
    /// `etag`: a list gets a tag too.
    pub etag: bool,
    /// What is none of these.
    pub unknown: Vec<String>,
    /// Preferences with a value that is none. To PostgREST they are known and without effect.
    pub malformed: Vec<String>,
}

impl Preferences {
    /// Reads all `Prefer` fields in order. `tx=` counts only with `tx_override`.
    pub fn parse<'v>(fields: impl IntoIterator<Item = &'v str>, tx_override: bool) -> Self {
        let mut preferences = Self::default();
        for item in fields.into_iter().flat_map(|field| field.split(',')) {
            let item = item.trim_matches(|c: char| c.is_ascii_whitespace());
            preferences.take(item, tx_override);
        }
        preferences
    }

    fn take(&mut self, item: &str, tx_override: bool) {
        match item {
            "resolution=merge-duplicates" => keep(&mut self.resolution, Resolution::MergeDuplicates),
            "resolution=ignore-duplicates" => keep(&mut self.resolution, Resolution::IgnoreDuplicates),
            "return=representation" => keep(&mut self.returns, Return::Representation),
            "return=headers-only" => keep(&mut self.returns, Return::HeadersOnly),
            "return=minimal" => keep(&mut self.returns, Return::Minimal),
            "count=exact" => keep(&mut self.count, Count::Exact),
            "count=planned" => keep(&mut self.count, Count::Planned),
            "count=estimated" => keep(&mut self.count, Count::Estimated),
            "tx=commit" if tx_override => keep(&mut self.tx, Tx::Commit),
            "tx=rollback" if tx_override => keep(&mut self.tx, Tx::Rollback),
            // Known, and not for the caller to choose here: ignored also under strict handling.
            "tx=commit" | "tx=rollback" => {}
            "missing=default" => keep(&mut self.missing, Missing::Default),
            "missing=null" => keep(&mut self.missing, Missing::Null),
            "handling=strict" => keep(&mut self.handling, Handling::Strict),
            "handling=lenient" => keep(&mut self.handling, Handling::Lenient),
            _ => self.take_valued(item),
        }
    }

    fn take_valued(&mut self, item: &str) {
        if let Some(zone) = item.strip_prefix("timezone=") {
            keep(&mut self.timezone, zone.to_owned());
        } else if let Some(number) = item.strip_prefix("max-affected=") {
            match number.trim().parse() {
                Ok(number) => keep(&mut self.max_affected, number),
                Err(_) => self.malformed.push(item.to_owned()),
            }
        } else {
            self.unknown.push(item.to_owned());
        }
    }

    /// Takes preferences that PostgREST does not know, and to which they stay unknown; and lets nobody believe in a bound that
    /// cannot be read.
    pub fn accept_extensions(&mut self) {
        self.unknown.append(&mut self.malformed);
        if !self.unknown.is_empty() {
            let before = self.unknown.len();
            self.unknown.retain(|item| item != ETAG);
            self.etag = self.unknown.len() < before;
        }
    }

    /// Whether unknown preferences make the request fail.
    pub fn is_strict(&self) -> bool {
        self.handling == Some(Handling::Strict)
    }

    /// The limit on changed rows that this request is held to: only strict handling holds it.
    pub fn enforced_max_affected(&self) -> Option<i64> {
        self.max_affected.filter(|_| self.is_strict())
    }

    /// The unknown preferences of a request that handles them strictly.
    pub fn refused(&self) -> Option<&[String]> {
        (self.is_strict() && !self.unknown.is_empty()).then_some(&self.unknown)
    }
}

/// `etag`.
const ETAG: &str = "etag";

fn keep<T>(slot: &mut Option<T>, value: T) {
    slot.get_or_insert(value);
}

/// The value of `Preference-Applied`, in its fixed order; displayed as nothing when nothing was applied.
impl fmt::Display for Preferences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let timezone = self.timezone.as_ref().map(|zone| format!("timezone={zone}"));
        let max_affected = self.enforced_max_affected().map(|n| format!("max-affected={n}"));
        let applied = [
            self.resolution.map(|r| match r {
                Resolution::MergeDuplicates => "resolution=merge-duplicates",
                Resolution::IgnoreDuplicates => "resolution=ignore-duplicates",
            }),
            self.missing.map(|m| match m {
                Missing::Default => "missing=default",
                Missing::Null => "missing=null",
            }),
            self.returns.map(|r| match r {
                Return::Representation => "return=representation",
                Return::HeadersOnly => "return=headers-only",
                Return::Minimal => "return=minimal",
            }),
            self.count.map(|c| match c {
                Count::Exact => "count=exact",
                Count::Planned => "count=planned",
                Count::Estimated => "count=estimated",
            }),
            self.tx.map(|t| match t {
                Tx::Commit => "tx=commit",
                Tx::Rollback => "tx=rollback",
            }),
            self.handling.map(|h| match h {
                Handling::Strict => "handling=strict",
                Handling::Lenient => "handling=lenient",
            }),
            timezone.as_deref(),
            max_affected.as_deref(),
            self.etag.then_some(ETAG),
        ];
        for (index, item) in applied.into_iter().flatten().enumerate() {
            write!(f, "{}{item}", if index > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_read_and_told_in_the_fixed_order() {
        let read = Preferences::parse(
            [
                "max-affected=10,timezone=Europe/Berlin, handling=strict",
                "tx=commit  ,count=exact,return=minimal, missing=default,resolution=merge-duplicates",
            ],
            true,
        );
        assert_eq!(
            read.to_string(),
            "resolution=merge-duplicates, missing=default, return=minimal, count=exact, tx=commit, handling=strict, \
             timezone=Europe/Berlin, max-affected=10"
        );
        assert!(read.unknown.is_empty());
    }

    #[test]
    fn extensions_are_unknown_until_they_are_accepted() {
        let mut read = Preferences::parse(["etag, handling=strict"], false);
        assert_eq!(read.refused(), Some(["etag".to_owned()].as_slice()));
        read.accept_extensions();
        assert_eq!((read.refused(), read.to_string().as_str()), (None, "handling=strict, etag"));
    }

    #[test]
    fn the_first_value_counts() {
        let read = Preferences::parse(["count=exact, count=planned", "count=estimated"], true);
        assert_eq!(read.count, Some(Count::Exact));
    }

    #[test]
    fn the_transaction_is_not_always_the_callers() {
        let read = Preferences::parse(["tx=rollback, handling=strict"], false);
        assert_eq!((read.tx, read.refused()), (None, None));
    }

    #[test]
    fn unknown_ones_matter_when_strict() {
        let read = Preferences::parse(["anything, count=wrong, handling=strict"], true);
        assert_eq!(read.refused(), Some(["anything".to_owned(), "count=wrong".to_owned()].as_slice()));
        assert_eq!(Preferences::parse(["anything"], true).refused(), None);
        assert_eq!(Preferences::parse(["anything, handling=lenient"], true).refused(), None);
    }

    #[test]
    fn the_limit_holds_only_when_strict() {
        assert_eq!(Preferences::parse(["max-affected=3"], true).enforced_max_affected(), None);
        for bound in ["x", "1O", "\"1\"", "99999999999999999999", ""] {
            let mut unread = Preferences::parse([format!("handling=strict, max-affected={bound}").as_str()], true);
            assert_eq!(
                (unread.enforced_max_affected(), unread.refused()),
                (None, None),
                "{bound}, as PostgREST has it"
            );
            unread.accept_extensions();
            assert_eq!(unread.refused(), Some(&[format!("max-affected={bound}")][..]));
        }
        assert_eq!(Preferences::parse(["max-affected=3"], true).to_string(), "");
    }
}
