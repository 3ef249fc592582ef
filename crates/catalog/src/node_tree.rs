//! Reads from a stored view query which column of which relation each of its columns shows unchanged.
//!
//! PostgreSQL stores a view as a `pg_node_tree`: nested `{NODE :field value ...}` and `(lists)`, words separated by
//! blanks, special characters escaped by a backslash. Its target list says of every output column from which column
//! of which relation it was taken, also through joins, subqueries and CTEs; zero when it was computed.
//! Only the outermost target list counts, so nesting is followed instead of searching for words: a subquery in WHERE
//! or HAVING has a target list too, and a column may be called `:targetList`.
//! Iterative and linear in the length of the text, whatever the nesting. Read on: `views` follows chains of views.

/// An output column of a view that is a bare reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The view's column (`attnum`).
    pub(crate) column: i16,
    /// `pg_class.oid` of the relation that it was taken from.
    pub(crate) relation: u32,
    /// The column there (`attnum`).
    pub(crate) relation_column: i16,
}

/// The bare references among the output columns of a view, given its rewritten query. `None` when the text is not
/// of the known form; the caller then treats the view as having no keys.
pub(crate) fn origins(tree: &str) -> Option<Vec<Origin>> {
    let mut words = Words { rest: tree };
    // A list with the one query inside.
    words.expect("(")?;
    words.expect("{")?;
    words.expect("QUERY")?;
    let mut found = Vec::new();
    loop {
        match words.next()? {
            "}" => return Some(found),
            ":targetList" => {
                found = target_list(&mut words)?;
            }
            field if field.starts_with(':') => words.skip_value()?,
            // The rest of a value of several words.
            _ => {}
        }
    }
}

fn target_list(words: &mut Words<'_>) -> Option<Vec<Origin>> {
    let mut found = Vec::new();
    match words.next()? {
        "<>" => return Some(found),
        "(" => {}
        _ => return None,
    }
    loop {
        match words.next()? {
            ")" => return Some(found),
            "{" => {
                words.expect("TARGETENTRY")?;
                found.extend(target_entry(words)?);
            }
            _ => return None,
        }
    }
}

fn target_entry(words: &mut Words<'_>) -> Option<Option<Origin>> {
    let (mut column, mut relation, mut relation_column, mut hidden) = (0, 0, 0, false);
    loop {
        match words.next()? {
            "}" => break,
            ":resno" => column = words.next()?.parse().ok()?,
            ":resorigtbl" => relation = words.next()?.parse().ok()?,
            ":resorigcol" => relation_column = words.next()?.parse().ok()?,
            ":resjunk" => hidden = words.next()? == "true",
            field if field.starts_with(':') => words.skip_value()?,
            _ => {}
        }
    }
    // Column numbers below one are system columns (`ctid`), which no key has.
    let bare = relation != 0 && relation_column > 0 && column > 0 && !hidden;
    Some(bare.then_some(Origin { column, relation, relation_column }))
}

/// The words of a node tree; brackets are words of their own.
pub(crate) struct Words<'t> {
    rest: &'t str,
}

impl<'t> Words<'t> {
    /// The words of this text.
    pub(crate) fn of(tree: &'t str) -> Self {
        Self { rest: tree }
    }

    /// Whether no word is left, and not one that is not of the known form either.
    pub(crate) fn is_at_end(&self) -> bool {
        self.rest.trim_start_matches([' ', '\n', '\t']).is_empty()
    }

    pub(crate) fn next(&mut self) -> Option<&'t str> {
        let text = self.rest.trim_start_matches([' ', '\n', '\t']);
        let bytes = text.as_bytes();
        let mut end = 0;
        while let Some(byte) = bytes.get(end) {
            match byte {
                b'(' | b')' | b'{' | b'}' => {
                    end += usize::from(end == 0);
                    break;
                }
                b' ' | b'\n' | b'\t' => break,
                b'\\' => end += 2,
                _ => end += 1,
            }
        }
        // A backslash at the very end, or before half a character, is not of the known form.
        let word = text.get(..end)?;
        self.rest = &text[end..];
        if word.is_empty() { None } else { Some(word) }
    }

    fn expect(&mut self, wanted: &str) -> Option<()> {
        (self.next()? == wanted).then_some(())
    }

    /// Skips one value: a word, or a bracket with everything up to its end.
    fn skip_value(&mut self) -> Option<()> {
        let mut depth = 0usize;
        loop {
            match self.next()? {
                "(" | "{" => depth += 1,
                ")" | "}" => depth = depth.checked_sub(1)?,
                _ => {}
            }
            if depth == 0 {
                return Some(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(column: i16, name: &str, relation: u32, origin: i16, junk: bool) -> String {
        format!(
            "{{TARGETENTRY :expr {{VAR :varno 1 :location 7}} :resno {column} :resname {name} :ressortgroupref 0 \
             :resorigtbl {relation} :resorigcol {origin} :resjunk {junk}}}"
        )
    }

    #[test]
    fn only_bare_columns_of_the_outermost_list_are_found() {
        let inner = format!("{{QUERY :commandType 1 :targetList ({}) :override 0}}", entry(1, "id", 99, 9, false));
        let tree = format!(
            "({{QUERY :commandType 1 :cteList <> :rtable ({{RANGETBLENTRY :alias <> :eref {{ALIAS :aliasname a :colnames \
             (\"id\" \"we\\ ird\\)\" \"q\"uo\\{{te\")}} :selectedCols (b 8 9)}}) :jointree {{FROMEXPR :quals {{SUBLINK \
             :subselect {inner} :location 161}}}} :targetList ({} {} {} {{TARGETENTRY :expr {{CONST :constvalue 4 [ 1 0 0 ]}} \
             :resno 4 :resname t :resorigtbl 0 :resorigcol 0 :resjunk false}}) :havingQual {{SUBLINK :subselect {inner}}} \
             :stmt_len 0}})",
            entry(1, "id", 16389, 1, false),
            entry(2, ":targetList", 16390, 2, false),
            entry(3, "sorted\\ by", 16389, 3, true),
        );
        let origin = |column, relation, relation_column| Origin { column, relation, relation_column };
        assert_eq!(origins(&tree).unwrap(), [origin(1, 16389, 1), origin(2, 16390, 2)]);
    }

    #[test]
    fn system_columns_are_no_origins_and_no_list_is_empty() {
        assert_eq!(origins(&format!("({{QUERY :targetList ({})}})", entry(1, "c", 5, -1, false))).unwrap(), []);
        assert_eq!(origins("({QUERY :targetList <>})").unwrap(), []);
    }

    #[test]
    fn truncated_and_foreign_texts_are_refused_without_panic() {
        let tree = format!("({{QUERY :rtable (\"ä\\ ö\" {{X :y 1}}) :targetList ({})}})", entry(1, "é", 5, 1, false));
        assert_eq!(origins(&tree).unwrap().len(), 1);
        for (cut, _) in tree.char_indices() {
            // The list bracket around the query is not needed for the answer.
            if cut < tree.len() - 1 {
                assert_eq!(origins(&tree[..cut]), None, "cut at {cut}");
            }
        }
        for text in ["", "<>", "({INSERT})", "({QUERY :targetList (oops)})", "({QUERY :a \\", "({QUERY :a )})"] {
            assert_eq!(origins(text), None, "{text}");
        }
    }

    /// Writes a word as PostgreSQL does (`outToken`).
    fn written(name: &str) -> String {
        if name.is_empty() {
            return "\"\"".to_owned();
        }
        let mut text = String::new();
        if name.starts_with(['<', '"', '+', '-', '0', '1', '9']) {
            text.push('\\');
        }
        for character in name.chars() {
            if " \n\t(){}\\".contains(character) {
                text.push('\\');
            }
            text.push(character);
        }
        text
    }

    proptest! {
        #[test]
        fn any_names_leave_the_origins_readable(names in prop::collection::vec("[ -~äß☺\\n\\t]{0,12}", 1..6)) {
            let entries: Vec<String> =
                (1..).zip(&names).map(|(n, name)| entry(n, &written(name), 4711, n + 3, false)).collect();
            let aliases: Vec<String> = names.iter().map(|name| format!("\"{}\"", written(name))).collect();
            let tree = format!(
                "({{QUERY :rtable ({{RTE :alias {} :colnames ({})}}) :targetList ({}) :stmt_len 0}})",
                written(&names[0]),
                aliases.join(" "),
                entries.join(" ")
            );
            let found = origins(&tree).unwrap();
            let columns: Vec<(i16, i16)> = found.iter().map(|o| (o.column, o.relation_column)).collect();
            let expected: Vec<(i16, i16)> = (1..).take(names.len()).map(|n| (n, n + 3)).collect();
            prop_assert_eq!(columns, expected);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "(\\(\\{QUERY )?[ -~ä(){}:\\\\]{0,80}") {
            let _ = origins(&text);
        }
    }
}
