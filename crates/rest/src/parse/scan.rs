//! A cursor over one query value that can say what it would have accepted where it stopped.
//!
//! Clients depend on the wording of grammar errors, and that wording is what a backtracking parser says which merges
//! the expectations of all alternatives at the furthest position. So each step here follows those rules: a step that
//! fails without having consumed anything leaves its expectations beside those of its neighbours, a step that
//! consumes forgets them. Collecting them costs allocations, so a value is parsed without them first and only parsed
//! again, with them, when it is wrong.
//! Invariant: recursion only through [`Scan::nested`], which is bounded. Read on: `grammar` modules beside this one.

use std::borrow::Cow;

use super::Dialect;
use super::failure::Failure;
use super::trouble::{Note, Trouble, place, quoted, quoted_char, quoted_token, tell};

/// How deep groups and embeddings may nest in one value.
pub const MAX_DEPTH: usize = 64;
/// How many items (select items, conditions, list elements) one value may hold.
pub const MAX_ITEMS: usize = 16_384;

/// A step failed; [`Scan`] knows why.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stop;

/// The outcome of a step.
pub(super) type Step<T> = Result<T, Stop>;

/// One of several readings of the same text.
pub(super) type Reading<'s, 'a, T> = &'s dyn Fn(&mut Scan<'a>) -> Step<T>;

/// Why no further attempt makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bound {
    Depth,
    Items,
}

/// The cursor.
pub(super) struct Scan<'a> {
    text: &'a str,
    at: usize,
    dialect: Dialect,
    tracking: bool,
    trouble: Trouble,
    depth: usize,
    items: usize,
    bound: Option<Bound>,
}

/// Parses all of `text` as `grammar`; `what` names it in the error, as in `order (id.ac)`.
pub(super) fn parse_all<T>(
    dialect: Dialect,
    what: &str,
    shown: &str,
    text: &str,
    grammar: impl Fn(&mut Scan<'_>) -> Step<T>,
) -> Result<T, Failure> {
    let mut quick = Scan::new(text, dialect, false);
    if let Ok(value) = quick.whole(&grammar) {
        return Ok(value);
    }
    if let Some(bound) = quick.bound {
        return Err(bound_failure(what, bound));
    }
    let mut careful = Scan::new(text, dialect, true);
    match careful.whole(&grammar) {
        // Both passes take the same decisions; tracking only adds notes.
        Ok(value) => Ok(value),
        Err(Stop) => Err(careful.failure(what, shown)),
    }
}

impl<'a> Scan<'a> {
    fn new(text: &'a str, dialect: Dialect, tracking: bool) -> Self {
        Self { text, at: 0, dialect, tracking, trouble: Trouble::default(), depth: 0, items: 0, bound: None }
    }

    fn whole<T>(&mut self, grammar: &impl Fn(&mut Self) -> Step<T>) -> Step<T> {
        let value = grammar(self)?;
        // The reference never looked at what follows a complete value, and callers have one parenthesis too many.
        // Closing marks are ignored; anything else would have meant something.
        self.run_of(|c| matches!(c, ')' | '\'' | '"' | ' '), &[]);
        self.end()?;
        // A bound that was hit inside an attempt must not be forgotten because another reading happened to fit.
        if self.bound.is_some() { Err(Stop) } else { Ok(value) }
    }

    /// A step that only our own dialect has.
    pub(super) fn extended(&mut self) -> Step<()> {
        if self.dialect == Dialect::Extended { Ok(()) } else { Err(Stop) }
    }

    /// The next character.
    pub(super) fn peek(&self) -> Option<char> {
        if self.bound.is_some() { None } else { self.text[self.at..].chars().next() }
    }

    /// What has not been read yet.
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn advance(&mut self, bytes: usize) {
        self.at += bytes;
        self.trouble.notes.clear();
    }

    /// Notes that are made only where somebody will read them.
    fn note<const N: usize>(&mut self, at: usize, notes: impl FnOnce(&Self) -> [Note; N]) {
        if self.tracking {
            let notes = notes(self).into();
            self.keep(at, notes);
        }
    }

    fn keep(&mut self, at: usize, notes: Vec<Note>) {
        self.trouble = std::mem::take(&mut self.trouble).merge(Trouble { at, notes });
    }

    fn saw(&self) -> Note {
        Note::Saw(self.peek().map(quoted_char).unwrap_or_default())
    }

    /// One character that satisfies `want`; without a name for it.
    pub(super) fn any_of(&mut self, want: impl Fn(char) -> bool) -> Step<char> {
        match self.peek() {
            Some(c) if want(c) => {
                self.advance(c.len_utf8());
                Ok(c)
            }
            _ => {
                self.note(self.at, |scan| [scan.saw()]);
                Err(Stop)
            }
        }
    }

    /// Exactly this character.
    pub(super) fn char(&mut self, c: char) -> Step<()> {
        if self.peek() == Some(c) {
            self.advance(c.len_utf8());
            return Ok(());
        }
        self.note(self.at, |scan| [scan.saw(), Note::Wanted(Cow::Owned(quoted_char(c)))]);
        Err(Stop)
    }

    /// Exactly this word. A wrong word after a right beginning counts as consumed: see [`Scan::attempt`].
    pub(super) fn word(&mut self, word: &'static str) -> Step<()> {
        let start = self.at;
        for expected in word.chars() {
            if self.peek() == Some(expected) {
                self.advance(expected.len_utf8());
                continue;
            }
            // The position is that of the word, the character the one that differs.
            self.note(start, |scan| [Note::Wanted(Cow::Owned(quoted(word))), scan.saw()]);
            return Err(Stop);
        }
        Ok(())
    }

    /// This word in any case.
    pub(super) fn word_any_case(&mut self, word: &'static str) -> Step<()> {
        for expected in word.chars() {
            match self.peek() {
                Some(c) if c.eq_ignore_ascii_case(&expected) => self.advance(c.len_utf8()),
                _ => {
                    self.note(self.at, |scan| [scan.saw(), Note::Wanted(Cow::Owned(quoted_char(expected)))]);
                    return Err(Stop);
                }
            }
        }
        Ok(())
    }

    /// As many characters as satisfy `want`; `names` are what they are called when something else follows.
    pub(super) fn run_of(&mut self, want: impl Fn(char) -> bool, names: &[&'static str]) -> &'a str {
        let rest = if self.bound.is_some() { "" } else { self.rest() };
        let length = rest.find(|c| !want(c)).unwrap_or(rest.len());
        if length > 0 {
            self.advance(length);
        }
        if self.tracking {
            let mut notes = vec![self.saw()];
            notes.extend(names.iter().map(|name| Note::Wanted(Cow::Borrowed(*name))));
            self.keep(self.at, notes);
        }
        &rest[..length]
    }

    /// The same, at least one.
    pub(super) fn run_of_one(&mut self, want: impl Fn(char) -> bool, names: &[&'static str]) -> Step<&'a str> {
        match self.run_of(want, names) {
            "" => Err(Stop),
            run => Ok(run),
        }
    }

    /// Mentions something that the grammar has here only in other circumstances, as the reference does.
    pub(super) fn wish<T>(&mut self, name: &'static str, otherwise: T) -> T {
        self.note(self.at, |scan| [scan.saw(), Note::Wanted(Cow::Borrowed(name))]);
        otherwise
    }

    /// Spaces and tabs.
    pub(super) fn spaces(&mut self) {
        self.run_of(|c| c == ' ' || c == '\t', &[]);
    }

    /// `step` between optional spaces.
    pub(super) fn spaced<T>(&mut self, step: impl FnOnce(&mut Self) -> Step<T>) -> Step<T> {
        self.spaces();
        let value = step(self)?;
        self.spaces();
        Ok(value)
    }

    /// Nothing is left.
    pub(super) fn end(&mut self) -> Step<()> {
        match self.peek() {
            None if self.bound.is_none() => Ok(()),
            seen => {
                if self.tracking {
                    let seen = seen.map(|c| Note::Refused(quoted_token(c)));
                    let notes = seen.into_iter().chain([Note::Wanted(Cow::Borrowed("end of input"))]);
                    self.keep(self.at, notes.collect());
                }
                Err(Stop)
            }
        }
    }

    /// The next character is not one of these.
    pub(super) fn not_before(&mut self, unwanted: impl Fn(char) -> bool) -> Step<()> {
        match self.peek() {
            Some(c) if unwanted(c) => {
                self.note(self.at + c.len_utf8(), |_| [Note::Refused(quoted_token(c))]);
                Err(Stop)
            }
            _ => {
                self.note(self.at, |scan| [scan.saw()]);
                Ok(())
            }
        }
    }

    /// `step`, or nothing read at all when it fails.
    pub(super) fn attempt<T>(&mut self, step: impl FnOnce(&mut Self) -> Step<T>) -> Step<T> {
        let start = self.at;
        let items = self.items;
        let before = self.set_aside();
        let outcome = step(self);
        if outcome.is_err() {
            self.items = items;
        }
        if outcome.is_err() || self.at == start {
            self.at = start;
            self.trouble = before.merge(std::mem::take(&mut self.trouble));
        }
        outcome
    }

    /// `step` would succeed here; nothing is read.
    pub(super) fn ahead(&mut self, step: impl FnOnce(&mut Self) -> Step<()>) -> Step<()> {
        let start = self.at;
        let before = self.set_aside();
        let outcome = step(self);
        if outcome.is_ok() {
            self.at = start;
            self.trouble = before;
        } else if self.at == start {
            self.trouble = before.merge(std::mem::take(&mut self.trouble));
        }
        outcome
    }

    /// `step` if it fits; a failure after having read something stays a failure.
    pub(super) fn maybe<T>(&mut self, step: impl FnOnce(&mut Self) -> Step<T>) -> Step<Option<T>> {
        let start = self.at;
        match step(self) {
            Ok(value) => Ok(Some(value)),
            Err(Stop) if self.at == start && self.bound.is_none() => Ok(None),
            Err(Stop) => Err(Stop),
        }
    }

    /// The first of these steps that reads something or succeeds.
    pub(super) fn first_of<T, const N: usize>(&mut self, steps: [Reading<'_, 'a, T>; N]) -> Step<T> {
        let start = self.at;
        for step in steps {
            match step(self) {
                Err(Stop) if self.at == start => {}
                settled => return settled,
            }
        }
        Err(Stop)
    }

    /// `step` again and again until it does not fit any more.
    pub(super) fn many<T>(&mut self, mut step: impl FnMut(&mut Self) -> Step<T>) -> Step<Vec<T>> {
        let mut values = Vec::new();
        loop {
            let before = self.at;
            let known = if values.is_empty() { self.set_aside() } else { Trouble::default() };
            if !values.is_empty() {
                self.trouble.notes.clear();
            }
            match step(self) {
                Ok(value) if self.at > before => {
                    self.count()?;
                    values.push(value);
                }
                // A step that succeeds without reading would go on for ever: no grammar here has one.
                Ok(_) => return Ok(values),
                Err(Stop) if self.at == before && self.bound.is_none() => {
                    self.trouble = known.merge(std::mem::take(&mut self.trouble));
                    return Ok(values);
                }
                Err(Stop) => return Err(Stop),
            }
        }
    }

    /// `step`, then any number of `separator` and `step`.
    pub(super) fn separated<T>(
        &mut self,
        mut step: impl FnMut(&mut Self) -> Step<T>,
        mut separator: impl FnMut(&mut Self) -> Step<()>,
    ) -> Step<Vec<T>> {
        let first = step(self)?;
        let rest = self.many(|s| {
            separator(s)?;
            step(s)
        })?;
        let mut values = Vec::with_capacity(rest.len() + 1);
        values.push(first);
        values.extend(rest);
        Ok(values)
    }

    /// Names what `step` wants, for when it does not read anything.
    pub(super) fn named<T>(&mut self, label: &'static str, step: impl FnOnce(&mut Self) -> Step<T>) -> Step<T> {
        let start = self.at;
        let before = self.set_aside();
        let outcome = step(self);
        if self.at == start && self.tracking {
            let mut own = std::mem::take(&mut self.trouble);
            if own.notes.is_empty() {
                own.at = start;
            }
            if outcome.is_err() || !own.notes.is_empty() {
                own.relabel(label);
            }
            self.trouble = before.merge(own);
        }
        outcome
    }

    /// `step` one level deeper.
    pub(super) fn nested<T>(&mut self, step: impl FnOnce(&mut Self) -> Step<T>) -> Step<T> {
        if self.depth == MAX_DEPTH {
            self.bound = Some(Bound::Depth);
            return Err(Stop);
        }
        self.depth += 1;
        let outcome = step(self);
        self.depth -= 1;
        outcome
    }

    /// Counts an item against [`MAX_ITEMS`].
    fn count(&mut self) -> Step<()> {
        self.items += 1;
        if self.items >= MAX_ITEMS {
            self.bound = Some(Bound::Items);
            return Err(Stop);
        }
        Ok(())
    }

    fn set_aside(&mut self) -> Trouble {
        std::mem::take(&mut self.trouble)
    }

    fn failure(&self, what: &str, shown: &str) -> Failure {
        if let Some(bound) = self.bound {
            return bound_failure(what, bound);
        }
        let (line, column) = place(self.text, self.trouble.at);
        Failure::new(
            format!("\"failed to parse {what} ({shown})\" (line {line}, column {column})"),
            tell(&self.trouble.notes),
        )
    }
}

fn bound_failure(what: &str, bound: Bound) -> Failure {
    let details = match bound {
        Bound::Depth => format!("nested more than {MAX_DEPTH} levels deep"),
        Bound::Items => format!("more than {MAX_ITEMS} items"),
    };
    Failure::new(format!("failed to parse {what}"), details)
}
