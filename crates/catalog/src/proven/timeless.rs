//! What a stored expression names, if it is made only of parts that give the same at any time.
//!
//! PostgreSQL keeps expressions as nested `{NODE :field value ...}`. Every kind of node is either on the list here or makes the whole
//! expression unknown, so a node that a new release brings is unknown until somebody looked at it.
//! Invariant: pure; fails towards unknown. Read on: `depends`, which judges what is named.

use std::collections::BTreeSet;

use crate::node_tree::Words;

/// Nodes that compute from what they are given. Left out are those that look at the clock or at chance, at sequences, files or
/// options (`SQLVALUEFUNCTION` in part, `NEXTVALUEEXPR`, `TABLESAMPLECLAUSE`, `XMLEXPR`), that write or lock, that run conditions of
/// domains, and what nobody has looked at.
const NODES: [&str; 48] = [
    "AGGREF",
    "ALIAS",
    "ARRAYCOERCEEXPR",
    "ARRAYEXPR",
    "BOOLEANTEST",
    "BOOLEXPR",
    "CASEEXPR",
    "CASETESTEXPR",
    "CASEWHEN",
    "COALESCEEXPR",
    "COERCETODOMAINVALUE",
    "COERCEVIAIO",
    "COLLATEEXPR",
    "COMMONTABLEEXPR",
    "CONST",
    "CTECYCLECLAUSE",
    "CTESEARCHCLAUSE",
    "DISTINCTEXPR",
    "FIELDSELECT",
    "FROMEXPR",
    "FUNCEXPR",
    "GROUPINGFUNC",
    "GROUPINGSET",
    "JOINEXPR",
    "MINMAXEXPR",
    "NAMEDARGEXPR",
    "NULLIFEXPR",
    "NULLTEST",
    "OPEXPR",
    "PARAM",
    "QUERY",
    "RANGETBLENTRY",
    "RANGETBLFUNCTION",
    "RANGETBLREF",
    "RELABELTYPE",
    "ROWCOMPAREEXPR",
    "ROWEXPR",
    "RTEPERMISSIONINFO",
    "SCALARARRAYOPEXPR",
    "SETOPERATIONSTMT",
    "SORTGROUPCLAUSE",
    "SQLVALUEFUNCTION",
    "SUBLINK",
    "SUBSCRIPTINGREF",
    "TARGETENTRY",
    "VAR",
    "WINDOWCLAUSE",
    "WINDOWFUNC",
];
/// `SQLVALUEFUNCTION`s that say who asks and in which database: `current_role` to `current_catalog`.
const OF_SESSION: std::ops::RangeInclusive<u32> = 9..=13;
/// The only column with a negative number that stays what it is when a row is moved: `tableoid`.
const TABLE_OID: &str = "-6";

/// What is named, by oid.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Named(BTreeSet<(Sorts, u32)>);

/// As what it is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sorts {
    Functions,
    Operators,
    Relations,
    Types,
    /// Types that text is read as.
    Inputs,
}

impl Named {
    /// Everything that is named as this.
    pub(super) fn each(&self, sorts: Sorts) -> impl Iterator<Item = u32> {
        self.0.range((sorts, 0)..=(sorts, u32::MAX)).map(|(_, oid)| *oid)
    }

    /// All oids.
    pub(super) fn oids(&self) -> impl Iterator<Item = u32> {
        self.0.iter().map(|(_, oid)| *oid)
    }
}

/// Adds what an expression names; `None` when it is not made of known parts alone.
pub(super) fn named(tree: &str, all: &mut Named) -> Option<()> {
    let (mut words, mut nodes, mut field) = (Words::of(tree), Vec::new(), "");
    while let Some(word) = words.next() {
        match word {
            "{" => {
                let node = words.next().filter(|node| NODES.contains(node))?;
                nodes.push(node);
                field = "";
            }
            "}" => {
                nodes.pop()?;
                field = "";
            }
            "(" | ")" => {}
            _ if word.starts_with(':') => field = word,
            _ => value(nodes.last().copied().unwrap_or_default(), field, word, all)?,
        }
    }
    // Else it was cut off, or is of another form.
    (words.is_at_end() && nodes.is_empty()).then_some(())
}

fn value(node: &str, field: &str, word: &str, all: &mut Named) -> Option<()> {
    let sorts = match (node, field) {
        ("SQLVALUEFUNCTION", ":op") => return word.parse().is_ok_and(|op| OF_SESSION.contains(&op)).then_some(()),
        ("VAR", ":varattno") => return (!word.starts_with('-') || word == TABLE_OID).then_some(()),
        // Locks.
        (_, ":rowMarks") => return (word == "<>").then_some(()),
        (_, ":commandType") => return (word == "1").then_some(()),
        ("COERCEVIAIO", ":resulttype") => Sorts::Inputs,
        (
            _,
            ":funcid" | ":opfuncid" | ":aggfnoid" | ":winfnoid" | ":startInRangeFunc" | ":endInRangeFunc"
            | ":hashfuncid" | ":negfuncid",
        ) => Sorts::Functions,
        (_, ":opno" | ":opnos" | ":eqop" | ":sortop" | ":cycle_mark_neop") => Sorts::Operators,
        (_, ":relid") => Sorts::Relations,
        _ if is_of_types(field) => Sorts::Types,
        _ => return Some(()),
    };
    match word.parse() {
        Ok(0) => {}
        Ok(oid) => {
            all.0.insert((sorts, oid));
        }
        // Lists begin with what they are of; of types there are also those that no field names.
        Err(_) => return (matches!(word, "o" | "<>") || sorts == Sorts::Types).then_some(()),
    }
    Some(())
}

/// `:vartype`, `:element_typeid`, `:colTypes`. That of a join and the like are small numbers, which no type has that is looked for.
fn is_of_types(field: &str) -> bool {
    let ends = |end: &str| {
        field.len() >= end.len() && field.as_bytes()[field.len() - end.len()..].eq_ignore_ascii_case(end.as_bytes())
    };
    ends("type") || ends("types") || ends("typeid")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(tree: &str) -> Option<Vec<(Sorts, u32)>> {
        let mut all = Named::default();
        named(tree, &mut all).map(|()| all.0.into_iter().collect())
    }

    #[test]
    fn names_are_found_where_they_are_meant() {
        let tree = "({QUERY :commandType 1 :rtable ({RANGETBLENTRY :alias {ALIAS :aliasname :relid :colnames (\":funcid\" \"7\")} \
                    :rtekind 0 :relid 16500 :coltypes (o 25 1184)} {RANGETBLENTRY :relid 0}) :rowMarks <> :targetList \
                    ({TARGETENTRY :expr {COERCEVIAIO :arg {OPEXPR :opno 98 :opfuncid 67 :args ({VAR :varattno -6 :vartype 26} \
                    {CONST :consttype 23 :constvalue 4 [ 1 0 0 0 ]})} :resulttype 1082 :location 1266} :resname a\\ \\{XMLEXPR})})";
        let expected = [
            (Sorts::Functions, 67),
            (Sorts::Operators, 98),
            (Sorts::Relations, 16_500),
            (Sorts::Types, 23),
            (Sorts::Types, 25),
            (Sorts::Types, 26),
            (Sorts::Types, 1184),
            (Sorts::Inputs, 1082),
        ];
        assert_eq!(list(tree).unwrap(), expected);
        assert_eq!(list("{ROWCOMPAREEXPR :rctype 1 :opnos (o 97 664) :opfamilies (o 1 2)}").unwrap().len(), 3);
    }

    #[test]
    fn what_is_not_known_to_be_the_same_at_any_time_is_not_known_at_all() {
        for (tree, is_known) in [
            ("{SQLVALUEFUNCTION :op 10 :type 19}", true),
            ("{SQLVALUEFUNCTION :op 0 :type 1082}", false),
            ("{SQLVALUEFUNCTION :op 8 :type 1082}", false),
            ("{SQLVALUEFUNCTION :op 14 :type 19}", false),
            ("{SETOPERATIONSTMT :op 0}", true),
            ("{NEXTVALUEEXPR :seqid 1}", false),
            ("{OF_THE_NEXT_RELEASE :a 1}", false),
            ("{RANGETBLENTRY :tablesample {TABLESAMPLECLAUSE :tsmhandler 1}}", false),
            ("{QUERY :commandType 2}", false),
            ("{QUERY :rowMarks ({ROWMARKCLAUSE :rti 1})}", false),
            ("{VAR :varattno 3}", true),
            ("{VAR :varattno -1}", false),
            ("{FUNCEXPR :funcid what}", false),
            ("{FUNCEXPR :funcid 65", false),
            ("{FUNCEXPR :funcid 65}}", false),
            ("{FUNCEXPR :funcid 65 :a b\\", false),
            ("<>", true),
        ] {
            assert_eq!(list(tree).is_some(), is_known, "{tree}");
        }
    }
}
