//! A node tree of PostgreSQL (`pg_node_tree`) as parts to walk on: nodes with fields, lists and words.
//!
//! Made in one pass over the words, without recursion, whatever the nesting; all parts stand in one vector, so that letting
//! go of them is none either. Read on: `row_keys` (who walks there), `node_tree` (the words).

use crate::node_tree::Words;

/// A tree that was read.
#[derive(Debug, Default)]
pub(crate) struct Tree<'t> {
    parts: Vec<Kind<'t>>,
}

#[derive(Debug)]
enum Kind<'t> {
    Word(&'t str),
    /// What stands in brackets; of a node each item with the field that it follows.
    Items {
        label: &'t str,
        items: Vec<(&'t str, usize)>,
    },
}

/// A part of a tree.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part<'a> {
    tree: &'a Tree<'a>,
    at: usize,
}

/// Brackets that are open.
#[derive(Default)]
struct Open<'t> {
    is_node: bool,
    label: &'t str,
    field: &'t str,
    /// The next word is a value, whatever it looks like.
    is_value: bool,
    items: Vec<(&'t str, usize)>,
}

impl<'t> Tree<'t> {
    /// Reads a tree; `None` when the text is not of the known form.
    pub(crate) fn read(text: &'t str) -> Option<Self> {
        let mut words = Words::of(text);
        let mut tree = Self::default();
        let mut open: Vec<Open<'t>> = Vec::new();
        loop {
            let word = words.next()?;
            match word {
                "(" => open.push(Open::default()),
                "{" => open.push(Open { is_node: true, label: words.next()?, ..Open::default() }),
                ")" | "}" => {
                    let closed = open.pop().filter(|closed| closed.is_node == (word == "}"))?;
                    let part = tree.add(Kind::Items { label: closed.label, items: closed.items });
                    match open.last_mut() {
                        Some(above) => above.take(part),
                        None => return words.is_at_end().then_some(tree),
                    }
                }
                word => {
                    let above = open.last_mut()?;
                    if above.is_node && !above.is_value && word.starts_with(':') {
                        (above.field, above.is_value) = (word, true);
                    } else {
                        above.take(tree.add(Kind::Word(word)));
                    }
                }
            }
        }
    }

    fn add(&mut self, part: Kind<'t>) -> usize {
        self.parts.push(part);
        self.parts.len() - 1
    }

    /// The outermost part.
    pub(crate) fn root(&self) -> Part<'_> {
        Part { tree: self, at: self.parts.len().saturating_sub(1) }
    }
}

impl Open<'_> {
    fn take(&mut self, part: usize) {
        self.items.push((self.field, part));
        self.is_value = false;
    }
}

impl<'a> Part<'a> {
    /// Which part it is.
    pub(crate) fn at(self) -> usize {
        self.at
    }

    /// What sort of node it is; nothing for anything else.
    pub(crate) fn label(self) -> &'a str {
        match self.tree.parts.get(self.at) {
            Some(Kind::Items { label, .. }) => label,
            _ => "",
        }
    }

    /// What stands in the brackets.
    pub(crate) fn items(self) -> impl Iterator<Item = Part<'a>> {
        self.named().iter().map(move |(_, at)| Part { at: *at, ..self })
    }

    /// The values of a field; it has several where an array is written out.
    pub(crate) fn values(self, field: &'a str) -> impl Iterator<Item = Part<'a>> {
        self.named().iter().filter(move |(name, _)| *name == field).map(move |(_, at)| Part { at: *at, ..self })
    }

    /// The value of a field.
    pub(crate) fn field(self, field: &'a str) -> Option<Part<'a>> {
        self.values(field).next()
    }

    /// The list in a field.
    pub(crate) fn list(self, field: &'a str) -> impl Iterator<Item = Part<'a>> {
        self.field(field).into_iter().flat_map(Part::items)
    }

    /// The word of a field, or nothing.
    pub(crate) fn word(self, field: &'a str) -> &'a str {
        self.field(field).map_or("", Part::text)
    }

    /// The number in a field.
    pub(crate) fn number<N: std::str::FromStr>(self, field: &'a str) -> Option<N> {
        self.word(field).parse().ok()
    }

    /// Whether a field says something.
    pub(crate) fn has(self, field: &'a str) -> bool {
        self.field(field).is_some_and(|value| value.text() != "<>")
    }

    /// A word.
    pub(crate) fn text(self) -> &'a str {
        match self.tree.parts.get(self.at) {
            Some(Kind::Word(word)) => word,
            _ => "",
        }
    }

    fn named(self) -> &'a [(&'a str, usize)] {
        match self.tree.parts.get(self.at) {
            Some(Kind::Items { items, .. }) => items,
            _ => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_lists_and_words_are_found() {
        let text = r#"({QUERY :name :odd :none <> :list ({VAR :no 3} {VAR :no 4}) :bytes 2 [ 1 0 ] :set (b 8 9)})"#;
        let tree = Tree::read(text).unwrap();
        let query = tree.root().items().next().unwrap();
        assert_eq!(
            (query.label(), query.word(":name"), query.has(":none"), query.has(":list")),
            ("QUERY", ":odd", false, true)
        );
        let numbers: Vec<u32> = query.list(":list").filter_map(|part| part.number(":no")).collect();
        assert_eq!(numbers, [3, 4]);
        let bytes: Vec<&str> = query.values(":bytes").map(Part::text).collect();
        assert_eq!(bytes, ["2", "[", "1", "0", "]"]);
        assert_eq!(query.list(":set").map(Part::text).collect::<Vec<_>>(), ["b", "8", "9"]);
    }

    #[test]
    fn what_is_cut_or_foreign_is_no_tree() {
        let text = "({QUERY :a (1 2) :b {X :c 1}})";
        assert!(Tree::read(text).is_some());
        for end in 0..text.len() {
            assert!(Tree::read(&text[..end]).is_none(), "cut at {end}");
        }
        for text in ["word", "({A :b)", "(1) 2", "(}", ")"] {
            assert!(Tree::read(text).is_none(), "{text}");
        }
    }
}
