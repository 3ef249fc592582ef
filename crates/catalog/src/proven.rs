//! Which relations and functions are proven to run no code but PostgreSQL's own and that of extensions in C, when they
//! are read, called or written.
//!
//! After code that nobody knows ran in a session, everything that it can leave behind must be looked for and undone
//! (security requirement 3); that costs as much as a small request. Most policies are expressions that compute and
//! compare. Stored expressions are read here as the server keeps them (`pg_node_tree`), from relation to policy to
//! function body, and whatever is not recognised is not proven. A write that is proven may count up sequences, and
//! nothing else outlives it.
//! Invariant: a proof is given up the moment anybody says that the schema changed (`handle`, `reload`), and none is made
//! in a database that does not tell. Pure but for the one query. What is looked at: `sql/code_list.sql`.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use ferrobase_pg::{Session, StatementResult};

use crate::cells::Cells;
use crate::error::LoadError;
use crate::sql::CODE;

/// The first oid of objects that do not come with PostgreSQL.
const FIRST_OF_USERS: u32 = 16_384;
/// Longest chain of objects that is followed.
const MAX_DEPTH: usize = 64;
/// `nextval`, which defaults may call.
const NEXTVAL: u32 = 1574;
/// Fields of a stored expression that name the function which is called.
const CALLS: [&str; 4] = [":funcid", ":opfuncid", ":aggfnoid", ":winfnoid"];

/// Relations that can be read or written, and functions that can be called, without running code that nobody knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proven {
    relations: HashSet<u32>,
    functions: HashSet<u32>,
    writes: HashSet<(Verb, u32)>,
    pub(crate) stands: Stands,
}

/// Whether a proof still stands. Whoever acted on it looks here once he is done: what was proven may have changed while he
/// waited for a connection or a lock.
#[derive(Clone, Debug, Default)]
pub struct Stands(pub(crate) Arc<AtomicBool>);

impl Stands {
    /// False from the moment on in which the schema was said to have changed.
    pub fn flag(&self) -> &Arc<AtomicBool> {
        &self.0
    }
}

/// It is no part of what is proven.
impl PartialEq for Stands {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Stands {}

/// How a table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // named as in SQL
pub enum Verb {
    Insert,
    Update,
    Delete,
}

impl Proven {
    /// Whether reading this relation (`pg_class.oid`) is proven.
    pub fn has_relation(&self, oid: u32) -> bool {
        self.relations.contains(&oid)
    }

    /// Whether calling this function (`pg_proc.oid`) is proven.
    pub fn has_function(&self, oid: u32) -> bool {
        self.functions.contains(&oid)
    }

    /// Whether writing this table (`pg_class.oid`) is proven, apart from sequences that are counted up.
    pub fn has_write(&self, verb: Verb, oid: u32) -> bool {
        self.writes.contains(&(verb, oid))
    }

    /// Whether it still stands.
    pub fn stands(&self) -> &Stands {
        &self.stands
    }

    /// For plans of tests.
    #[must_use]
    pub fn with_writes(self, writes: impl IntoIterator<Item = (Verb, u32)>) -> Self {
        Self { writes: writes.into_iter().collect(), ..self }
    }

    /// For plans of tests.
    pub fn of(relations: impl IntoIterator<Item = u32>, functions: impl IntoIterator<Item = u32>) -> Self {
        let (relations, functions) = (relations.into_iter().collect(), functions.into_iter().collect());
        Self { relations, functions, ..Self::default() }
    }
}

/// Reads and resolves the objects of a database.
pub(crate) async fn prove(session: &mut Session) -> Result<Proven, LoadError> {
    let answer = session.query(CODE.text, &[]).await.map_err(|source| LoadError::Query { query: CODE.name, source })?;
    let resolving = tokio::task::spawn_blocking(move || resolve(&answer));
    resolving.await.map_err(LoadError::Build)?
}

fn resolve(answer: &StatementResult) -> Result<Proven, LoadError> {
    let mut objects = Objects::default();
    for row in &answer.rows {
        let mut cells = Cells::new(CODE.name, row);
        let (sort, number, harmless) = (cells.text()?, cells.number()?, cells.flag()?);
        let (leads, trees) = (cells.list::<u64>()?, cells.list::<Option<String>>()?);
        match sort {
            "unsafe" => objects.unsafe_functions = leads.into_iter().map(|oid| oid as u32).collect(),
            "shadow" => return Ok(Proven::default()),
            _ => {
                let Some(sort) = Sort::named(sort) else { return Err(cells.wrong("is no sort of object")) };
                let trees = trees.into_iter().flatten().collect();
                objects.all.entry(number).or_default().push((sort, Object { harmless, leads, trees }));
            }
        }
    }
    Ok(objects.proven())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Sort {
    Function,
    Relation,
    Type,
    Operator,
    Write(Verb),
}

impl Sort {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "function" => Self::Function,
            "relation" => Self::Relation,
            "type" => Self::Type,
            "operator" => Self::Operator,
            "insert" => Self::Write(Verb::Insert),
            "update" => Self::Write(Verb::Update),
            "delete" => Self::Write(Verb::Delete),
            _ => return None,
        })
    }
}

struct Object {
    harmless: bool,
    leads: Vec<u64>,
    trees: Vec<String>,
}

/// All objects by number: oids, and above them the writes. An oid is unique within one sort only, so it stands for
/// whatever has it.
#[derive(Default)]
struct Objects {
    all: HashMap<u64, Vec<(Sort, Object)>>,
    unsafe_functions: HashSet<u32>,
}

impl Objects {
    fn proven(&self) -> Proven {
        let mut verdicts = HashMap::new();
        let mut proven = Proven::default();
        for (number, objects) in &self.all {
            if !self.is_proven(*number, &mut verdicts, 0) {
                continue;
            }
            // What is above an oid says how a table is written.
            let oid = *number as u32;
            for (sort, _) in objects {
                match sort {
                    Sort::Relation => proven.relations.insert(oid),
                    Sort::Function => proven.functions.insert(oid),
                    Sort::Write(verb) => proven.writes.insert((*verb, oid)),
                    Sort::Type | Sort::Operator => continue,
                };
            }
        }
        proven
    }

    /// Whether nothing of this number leads to code that nobody knows. What leads back to itself through others is not
    /// proven; the query of a view names the view itself.
    fn is_proven(&self, number: u64, verdicts: &mut HashMap<u64, bool>, depth: usize) -> bool {
        let Some(objects) = self.all.get(&number) else { return true };
        if let Some(verdict) = verdicts.get(&number) {
            return *verdict;
        }
        if depth > MAX_DEPTH {
            return false;
        }
        verdicts.insert(number, false);
        let mut leads_well = |other: u64| other == number || self.is_proven(other, verdicts, depth + 1);
        let verdict = objects.iter().all(|(sort, object)| {
            let counts = *sort == Sort::Write(Verb::Insert);
            object.harmless
                && object.leads.iter().all(|other| leads_well(*other))
                && object.trees.iter().all(|tree| self.reads_well(tree, counts, &mut leads_well))
        });
        verdicts.insert(number, verdict);
        verdict
    }

    /// Whether a stored expression only computes, or counts up a sequence where it may. Words are looked at wherever they stand: an alias that looks like a
    /// field can make an expression suspect, never the other way round.
    fn reads_well(&self, tree: &str, counts: bool, leads_well: &mut impl FnMut(u64) -> bool) -> bool {
        let is_end = |c: char| matches!(c, ' ' | '\n' | '(' | ')' | '{' | '}' | '[' | ']');
        let mut words = tree.split(is_end).filter(|word| !word.is_empty()).peekable();
        while let Some(word) = words.next() {
            let next = words.peek().copied().unwrap_or_default();
            let is_fine = match word {
                // A domain's conditions are expressions of their own; a default may count up a sequence.
                "COERCETODOMAIN" | "NEXTVALUEEXPR" => false,
                ":commandType" => next == "1",
                _ if CALLS.contains(&word) => match next.parse::<u32>() {
                    Ok(NEXTVAL) => counts,
                    Ok(function) => !self.unsafe_functions.contains(&function),
                    Err(_) => false,
                },
                _ => match word.parse::<u32>() {
                    Ok(oid) if oid >= FIRST_OF_USERS => leads_well(oid.into()),
                    _ => true,
                },
            };
            if !is_fine {
                return false;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects(list: &[(u64, Sort, bool, &[u64], &str)]) -> Objects {
        let mut objects = Objects { unsafe_functions: HashSet::from([2078]), ..Objects::default() };
        for (oid, sort, harmless, leads, tree) in list {
            let object = Object { harmless: *harmless, leads: leads.to_vec(), trees: vec![(*tree).to_owned()] };
            objects.all.entry(*oid).or_default().push((*sort, object));
        }
        objects
    }

    #[test]
    fn what_is_not_recognised_is_not_proven() {
        for (tree, is_proven) in [
            ("{OPEXPR :opno 96 :opfuncid 65 :args ({CONST :consttype 23})}", true),
            ("{FUNCEXPR :funcid 2078 :args <>}", false),
            ("{FUNCEXPR :funcid what}", false),
            ("{FUNCEXPR :funcid 20000}", true),
            ("{FUNCEXPR :funcid 20001}", false),
            ("{RTE :relid 20002}", false),
            ("({QUERY :commandType 1})", true),
            ("({QUERY :commandType 2})", false),
            ("{COERCETODOMAIN :resulttype 23}", false),
            ("{VAR :vartype 20003}", true),
            ("{CONST :location 99999}", true),
        ] {
            let objects = objects(&[
                (1, Sort::Relation, true, &[], tree),
                (20_000, Sort::Function, true, &[], ""),
                (20_001, Sort::Function, false, &[], ""),
                (20_002, Sort::Relation, true, &[20_001], ""),
                (20_003, Sort::Type, true, &[0], ""),
            ]);
            assert_eq!(objects.proven().has_relation(1), is_proven, "{tree}");
        }
    }

    #[test]
    fn defaults_may_count_and_conditions_may_not() {
        let insert = 20_000 + (1 << 32);
        let nextval = "{FUNCEXPR :funcid 1574}";
        let objects = objects(&[
            (insert, Sort::Write(Verb::Insert), true, &[20_000], nextval),
            (20_000, Sort::Relation, true, &[], ""),
            (20_000 + (2 << 32), Sort::Write(Verb::Update), true, &[20_000], nextval),
            (20_001, Sort::Relation, true, &[], nextval),
            (20_001 + (3 << 32), Sort::Write(Verb::Delete), true, &[20_001], ""),
            (20_002 + (3 << 32), Sort::Write(Verb::Delete), true, &[20_000, insert], ""),
        ]);
        let writes = [(Verb::Insert, 20_000), (Verb::Delete, 20_002)];
        assert_eq!(objects.proven(), Proven::of([20_000], []).with_writes(writes));
    }

    #[test]
    fn one_oid_stands_for_all_that_have_it_and_circles_prove_nothing() {
        let twice = objects(&[(20_000, Sort::Function, true, &[], ""), (20_000, Sort::Type, false, &[], "")]);
        assert_eq!(twice.proven(), Proven::default());
        let circle = objects(&[
            (20_000, Sort::Relation, true, &[], ":relid 20001"),
            (20_001, Sort::Relation, true, &[20_000], ""),
        ]);
        assert_eq!(circle.proven(), Proven::default());
        let chain: Vec<_> = (0..200_u64).map(|n| (20_000 + n, Sort::Function, true, vec![20_001 + n], "")).collect();
        let chain: Vec<_> =
            chain.iter().map(|(oid, sort, fine, leads, tree)| (*oid, *sort, *fine, &leads[..], *tree)).collect();
        assert!(objects(&chain).proven().has_function(20_199), "however deep the others are");
    }
}
