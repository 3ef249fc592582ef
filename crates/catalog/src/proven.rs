//! Which relations and functions are proven to run no code but PostgreSQL's own and that of extensions in C, when they
//! are read, called or written.
//!
//! After code that nobody knows ran in a session, everything that it can leave behind must be looked for and undone
//! (security requirement 3); that costs as much as a small request. Most policies are expressions that compute and
//! compare. Stored expressions are read here as the server keeps them (`pg_node_tree`), from relation to policy to
//! function body, and whatever is not recognised is not proven. A write that is proven may count up sequences, and
//! nothing else outlives it.
//! Invariant: a proof is given up the moment anybody says that the schema changed (`handle`, `reload`), and none is made
//! in a database that does not tell. Pure but for its queries. What is looked at: `sql/code_own_list.sql` and those beside it.

pub(crate) mod depends;
pub(crate) mod reached;
mod timeless;

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use ferrobase_pg::{Row, Session, StatementResult};

use crate::cells::Cells;
use crate::error::LoadError;
use crate::pace::{Pace, Room};
use crate::renewal::Asked;
use crate::settings_read::{self, CURRENT_SETTING, SettingsRead};
use crate::shadows::Shadows;
use crate::snapshot;
use crate::sql::{self, Parameter};

/// The first oid of objects that do not come with PostgreSQL.
const FIRST_OF_USERS: u32 = 16_384;
/// Longest chain of objects that is followed.
const MAX_DEPTH: usize = 64;
/// `nextval`, which defaults may call.
const NEXTVAL: u32 = 1574;
/// Fields of a stored expression that name the function which is called.
const CALLS: [&str; 4] = [":funcid", ":opfuncid", ":aggfnoid", ":winfnoid"];

/// Relations that can be read or written, and functions that can be called, without running code that nobody knows; each
/// with the settings that the code which is run looks at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proven {
    relations: HashMap<u32, SettingsRead>,
    functions: HashMap<u32, SettingsRead>,
    writes: HashMap<(Verb, u32), SettingsRead>,
    pub(crate) stands: Stands,
    pub(crate) asked: Asked,
}

/// That a piece of work runs no code that nobody knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Whether that is still so.
    pub stands: Stands,
    /// What the code that runs looks at.
    pub settings: SettingsRead,
}

/// Whether a proof still stands. Whoever acted on it looks here once he is done: what was proven may have changed while he
/// waited for a connection or a lock.
#[derive(Clone, Debug, Default)]
pub struct Stands(pub(crate) Arc<AtomicBool>);

impl Stands {
    /// A flag of its own, which is up.
    pub(crate) fn standing() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }

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

impl Verb {
    /// The number of such a write of a table, as `sql/code_own_list.sql` says.
    fn number(self, table: u32) -> u64 {
        let verb: u64 = match self {
            Self::Insert => 1,
            Self::Update => 2,
            Self::Delete => 3,
        };
        (verb << 32) + u64::from(table)
    }
}

impl Proven {
    /// What reading this relation (`pg_class.oid`) looks at; `None` when it is not proven.
    pub fn relation(&self, oid: u32) -> Option<&SettingsRead> {
        self.noted(self.relations.get(&oid), oid.into())
    }

    /// What calling this function (`pg_proc.oid`) looks at; `None` when it is not proven.
    pub fn function(&self, oid: u32) -> Option<&SettingsRead> {
        self.noted(self.functions.get(&oid), oid.into())
    }

    /// What writing this table (`pg_class.oid`) looks at; `None` when it is not proven. Sequences may be counted up.
    pub fn write(&self, verb: Verb, oid: u32) -> Option<&SettingsRead> {
        self.noted(self.writes.get(&(verb, oid)), verb.number(oid))
    }

    /// Whoever asked for it will do so again.
    fn noted<'a>(&self, read: Option<&'a SettingsRead>, number: u64) -> Option<&'a SettingsRead> {
        read.inspect(|_| self.asked.note(number))
    }

    fn put(&mut self, sort: Sort, oid: u32, read: SettingsRead) {
        match sort {
            Sort::Relation => _ = self.relations.insert(oid, read),
            Sort::Function => _ = self.functions.insert(oid, read),
            Sort::Write(verb) => _ = self.writes.insert((verb, oid), read),
            Sort::Type | Sort::Operator => {}
        }
    }

    /// Whether nothing is.
    pub(crate) fn is_empty(&self) -> bool {
        self.relations.is_empty() && self.functions.is_empty() && self.writes.is_empty()
    }

    /// Frees it.
    pub(crate) fn discard(self, pace: &Pace) {
        pace.over(self.relations).for_each(drop);
        pace.over(self.functions).for_each(drop);
        pace.over(self.writes).for_each(drop);
    }

    /// Whether it still stands.
    pub fn stands(&self) -> &Stands {
        &self.stands
    }

    /// For plans of tests.
    #[must_use]
    pub fn with_writes(self, writes: impl IntoIterator<Item = (Verb, u32)>) -> Self {
        Self { writes: blind(writes), ..self }
    }

    /// For plans of tests.
    pub fn of(relations: impl IntoIterator<Item = u32>, functions: impl IntoIterator<Item = u32>) -> Self {
        Self { relations: blind(relations), functions: blind(functions), ..Self::default() }
    }
}

/// What looks at no setting.
fn blind<K: Eq + Hash>(keys: impl IntoIterator<Item = K>) -> HashMap<K, SettingsRead> {
    keys.into_iter().map(|key| (key, SettingsRead::default())).collect()
}

/// What a catalog that was read before still tells of, by oid.
#[derive(Debug, Default)]
pub(crate) struct Same {
    pub(crate) relations: HashSet<u32>,
    /// Those of them whose defaults are the same too: such a text can be part of a write.
    pub(crate) written: HashSet<u32>,
    pub(crate) functions: HashSet<u32>,
}

/// Reads and resolves the objects of a database, beside requests.
pub(crate) async fn prove(session: &mut Session, timeout: Duration) -> Result<Proven, LoadError> {
    let room = Room::within(timeout);
    snapshot::open(session, timeout).await?;
    let answers = everything(session, room).await;
    let answers = snapshot::end(session, answers).await?;
    let resolving = tokio::task::spawn_blocking(move || resolve(answers, &Pace::new(room)));
    resolving.await.map_err(LoadError::Build)?
}

/// What there is of one sort, and how the query is called that told it.
type Told = (&'static str, StatementResult);

async fn everything(session: &mut Session, room: Room) -> Result<Vec<Told>, LoadError> {
    let own = [sql::OWN_CODE, sql::SHADOWS_OF_FUNCTIONS, sql::SHADOWS_OF_OPERATORS, sql::SHADOWS_OF_TYPES];
    let all = [&own[..], &reached::OF_OBJECTS].concat();
    let mut answers = Vec::with_capacity(all.len());
    for query in all {
        let parameters = if query.parameter == Parameter::Nothing { &[][..] } else { &[None][..] };
        answers.push((query.name, snapshot::ask(session, query, parameters, room).await?));
    }
    Ok(answers)
}

fn resolve(answers: Vec<Told>, pace: &Pace) -> Result<Proven, LoadError> {
    // Growing would move all of them at once.
    let rows = answers.iter().map(|(_, answer)| answer.rows.len()).sum();
    let mut objects = Objects { all: HashMap::with_capacity(rows), ..Objects::default() };
    for (name, answer) in answers {
        for row in pace.over(&answer.rows) {
            objects.take(name, row)?;
        }
    }
    let proven = objects.proven(pace);
    pace.over(objects.all).for_each(drop);
    Ok(proven)
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
    /// Whether it may look at any setting.
    opaque: bool,
    leads: Vec<u64>,
    trees: Vec<String>,
}

/// All objects by number: oids, and above them the writes. An oid is unique within one sort only, so it stands for
/// whatever has it.
#[derive(Default)]
pub(crate) struct Objects {
    all: HashMap<u64, Vec<(Sort, Object)>>,
    unsafe_functions: HashSet<u32>,
    shadows: Shadows,
}

impl Objects {
    /// A row of one of the `sql/code_*_list.sql`, which has that name.
    pub(crate) fn take(&mut self, query: &'static str, row: Row<'_>) -> Result<(), LoadError> {
        let mut cells = Cells::new(query, row);
        let (sort, number, harmless) = (cells.text()?, cells.number::<u64>()?, cells.flag()?);
        let opaque = cells.flag()?;
        let (leads, trees) = (cells.list::<u64>()?, cells.list::<Option<String>>()?);
        match sort {
            "unsafe" => {
                self.unsafe_functions.insert(u32::try_from(number).map_err(|_| cells.wrong("is no oid"))?);
            }
            _ if number >> 32 == 0 && self.shadows.take(sort, number as u32) => {}
            _ => {
                let Some(sort) = Sort::named(sort) else { return Err(cells.wrong("is no sort of object")) };
                let trees = trees.into_iter().flatten().collect();
                self.all.entry(number).or_default().push((sort, Object { harmless, opaque, leads, trees }));
            }
        }
        Ok(())
    }

    /// The numbers that what has this number leads to and that may be those of objects of somebody's own, or of their writes.
    pub(crate) fn leads(&self, number: u64) -> impl Iterator<Item = u64> {
        let objects = self.all.get(&number).into_iter().flatten().map(|(_, object)| object);
        let words = |tree: &'_ String| words(tree).filter_map(|word| word.parse::<u32>().ok()).collect::<Vec<_>>();
        let numbers = objects.flat_map(move |object| {
            let named = object.trees.iter().flat_map(words).map(u64::from);
            object.leads.iter().copied().chain(named).collect::<Vec<_>>()
        });
        // Whatever is read leads to what has to be known of everything.
        numbers.chain(self.shadows.doubts()).filter(|number| *number as u32 >= FIRST_OF_USERS)
    }

    /// What has these numbers and is the same, of objects among which is everything that it leads to.
    pub(crate) fn proven_again(&self, numbers: &[u64], same: &Same) -> Proven {
        let (mut verdicts, mut proven) = (HashMap::new(), Proven::default());
        if self.is_shadowed(&mut verdicts) {
            return proven;
        }
        for number in numbers {
            let Some(objects) = self.all.get(number) else { continue };
            let Some(read) = self.verdict(*number, &mut verdicts, 0) else { continue };
            let oid = *number as u32;
            let is_same = |sort: Sort| match sort {
                Sort::Relation => same.relations.contains(&oid),
                Sort::Write(_) => same.written.contains(&oid),
                Sort::Function => same.functions.contains(&oid),
                Sort::Type | Sort::Operator => false,
            };
            for sort in objects.iter().map(|(sort, _)| *sort).filter(|sort| is_same(*sort)) {
                proven.put(sort, oid, read.clone());
                // A change may follow before it is asked for again.
                proven.asked.note(*number);
            }
        }
        proven
    }

    fn proven(&self, pace: &Pace) -> Proven {
        let mut verdicts = HashMap::with_capacity(self.all.len());
        if self.is_shadowed(&mut verdicts) {
            return Proven::default();
        }
        let mut proven = Proven { writes: HashMap::with_capacity(self.all.len()), ..Proven::default() };
        for (number, objects) in pace.over(&self.all) {
            let Some(read) = self.verdict(*number, &mut verdicts, 0) else { continue };
            // What is above an oid says how a table is written.
            let oid = *number as u32;
            for (sort, _) in objects {
                proven.put(*sort, oid, read.clone());
            }
        }
        pace.over(verdicts).for_each(drop);
        proven
    }

    /// Whether something could be taken for one of PostgreSQL's own wherever anything is read.
    fn is_shadowed(&self, verdicts: &mut HashMap<u64, Option<SettingsRead>>) -> bool {
        // Nobody notes what such a type looks at for those who never mention it.
        let is_harmless = |number| {
            self.all.contains_key(&number) && self.verdict(number, verdicts, 0) == Some(SettingsRead::default())
        };
        self.shadows.are_everywhere() || !self.shadows.doubts().all(is_harmless)
    }

    /// What everything of this number looks at; `None` when any of it leads to code that nobody knows. What leads back to itself
    /// through others is not proven; the query of a view names the view itself.
    fn verdict(
        &self,
        number: u64,
        verdicts: &mut HashMap<u64, Option<SettingsRead>>,
        depth: usize,
    ) -> Option<SettingsRead> {
        let Some(objects) = self.all.get(&number) else {
            // A write of which nobody told is none of PostgreSQL's own.
            return u32::try_from(number).is_ok().then(|| Self::of_postgresql(number));
        };
        if let Some(verdict) = verdicts.get(&number) {
            return verdict.clone();
        }
        if depth > MAX_DEPTH {
            return None;
        }
        verdicts.insert(number, None);
        let mut read = SettingsRead::default();
        let mut follow = |other: u64| match other == number {
            true => Some(SettingsRead::default()),
            false => self.verdict(other, verdicts, depth + 1),
        };
        let is_proven = objects.iter().all(|(sort, object)| {
            let is_default = *sort == Sort::Write(Verb::Insert);
            let mut gathers = |more: Option<SettingsRead>| more.map(|more| read.extend(&more)).is_some();
            object.harmless
                && !(*sort == Sort::Type && self.shadows.has_type(number))
                && (!object.opaque || gathers(Some(SettingsRead::Any)))
                && object.leads.iter().all(|other| gathers(follow(*other)))
                && object.trees.iter().all(|tree| gathers(self.of_tree(tree, is_default, &mut follow)))
        });
        let verdict = is_proven.then_some(read);
        verdicts.insert(number, verdict.clone());
        verdict
    }

    /// What an object that comes with PostgreSQL looks at, wherever it is used in a way that does not say more.
    fn of_postgresql(number: u64) -> SettingsRead {
        let tells = u32::try_from(number).is_ok_and(|oid| CURRENT_SETTING.contains(&oid));
        if tells { SettingsRead::Any } else { SettingsRead::default() }
    }

    /// What a stored expression looks at if it only computes, or counts up a sequence where it may. Words are looked at
    /// wherever they stand: an alias that looks like a field can make an expression suspect, never the other way round.
    /// `is_default`: it may count up a sequence, and its text may become part of a statement.
    fn of_tree(
        &self,
        tree: &str,
        is_default: bool,
        follow: &mut impl FnMut(u64) -> Option<SettingsRead>,
    ) -> Option<SettingsRead> {
        let mut words = words(tree).peekable();
        let mut read = SettingsRead::default();
        while let Some(word) = words.next() {
            let next = words.peek().copied().unwrap_or_default();
            match word {
                // A domain's conditions are expressions of their own; a default may count up a sequence.
                "COERCETODOMAIN" | "NEXTVALUEEXPR" => return None,
                ":commandType" if next != "1" => return None,
                _ if CALLS.contains(&word) => match next.parse::<u32>().ok()? {
                    NEXTVAL if is_default => {}
                    NEXTVAL => return None,
                    function if self.unsafe_functions.contains(&function) => return None,
                    function if CURRENT_SETTING.contains(&function) => {
                        read.extend(&SettingsRead::one(settings_read::named(words.clone()).as_deref()));
                    }
                    _ => {}
                },
                _ => match word.parse::<u32>() {
                    Ok(oid) if is_default && self.shadows.has_type_in_default(oid) => return None,
                    Ok(oid) if oid >= FIRST_OF_USERS => read.extend(&follow(oid.into())?),
                    _ => {}
                },
            }
        }
        Some(read)
    }
}

/// The words of a stored expression.
fn words(tree: &str) -> impl Iterator<Item = &str> + Clone {
    let is_end = |c: char| matches!(c, ' ' | '\n' | '(' | ')' | '{' | '}' | '[' | ']');
    tree.split(is_end).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_once() -> Pace {
        Pace::new(Room::NotNeeded)
    }

    fn objects(list: &[(u64, Sort, bool, &[u64], &str)]) -> Objects {
        let mut objects = Objects { unsafe_functions: HashSet::from([2078]), ..Objects::default() };
        for (oid, sort, harmless, leads, tree) in list {
            let (leads, trees) = (leads.to_vec(), vec![(*tree).to_owned()]);
            let object = Object { harmless: *harmless, opaque: *sort == Sort::Operator, leads, trees };
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
            assert_eq!(objects.proven(&at_once()).relation(1).is_some(), is_proven, "{tree}");
        }
    }

    #[test]
    fn settings_are_found_through_whatever_leads_to_them() {
        let claims = ":funcid 3294 :args ({CONST :consttype 25 :constvalue 7 [ 28 0 0 0 97 46 98 ]})";
        let objects = objects(&[
            (20_000, Sort::Function, true, &[], claims),
            (20_001, Sort::Relation, true, &[20_000], ""),
            (20_002, Sort::Relation, true, &[], ":opno 20005"),
            (20_003, Sort::Relation, true, &[], ":funcid 3294 :args ({VAR :vartype 25})"),
            (20_005, Sort::Operator, true, &[], ""),
            (20_006, Sort::Relation, true, &[2077], ""),
            (20_007, Sort::Relation, true, &[20_000, 20_003], ""),
            (20_008, Sort::Relation, true, &[], ":opno 96"),
        ]);
        let proven = objects.proven(&at_once());
        let only = SettingsRead::Only(vec!["a.b".into()]);
        assert_eq!(proven.function(20_000), Some(&only));
        assert_eq!(proven.relation(20_001), Some(&only));
        assert_eq!(proven.relation(20_008), Some(&SettingsRead::default()));
        for oid in [20_002, 20_003, 20_006, 20_007] {
            assert_eq!(proven.relation(oid), Some(&SettingsRead::Any), "{oid}");
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
        assert_eq!(objects.proven(&at_once()), Proven::of([20_000], []).with_writes(writes));
    }

    #[test]
    fn one_oid_stands_for_all_that_have_it_and_circles_prove_nothing() {
        let twice = objects(&[(20_000, Sort::Function, true, &[], ""), (20_000, Sort::Type, false, &[], "")]);
        assert_eq!(twice.proven(&at_once()), Proven::default());
        let circle = objects(&[
            (20_000, Sort::Relation, true, &[], ":relid 20001"),
            (20_001, Sort::Relation, true, &[20_000], ""),
        ]);
        assert_eq!(circle.proven(&at_once()), Proven::default());
        let chain: Vec<_> = (0..200_u64).map(|n| (20_000 + n, Sort::Function, true, vec![20_001 + n], "")).collect();
        let chain: Vec<_> =
            chain.iter().map(|(oid, sort, fine, leads, tree)| (*oid, *sort, *fine, &leads[..], *tree)).collect();
        assert!(objects(&chain).proven(&at_once()).function(20_199).is_some(), "however deep the others are");
    }
}
