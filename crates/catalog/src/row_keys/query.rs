//! What tells the rows of one query apart.
//!
//! Every item of FROM must be told by the columns of the key: they are its own key, or conditions that hold for every row say
//! that the columns of one of its keys are those of an item that is told, or constants. An outer join says so of the side that
//! may be missing only, and whether that side is missing is told by the rows of the other one.
//! Of grouped and distinct rows it is enough that the columns are told by which they are grouped.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Range;
use std::rc::Rc;

use super::comparisons::Comparisons;
use super::{MOST_LEVELS, Rows, Sources};
use crate::parts::Part;

/// Most joins inside each other.
const MOST_JOINS: usize = 500;

/// `bigint`, `smallint` and `integer`.
const WHOLE_NUMBERS: [&str; 3] = ["20", "21", "23"];

/// Kinds of entries of a range table that are looked into.
const RELATION: &str = "0";
const SUBQUERY: &str = "1";
const JOIN: &str = "2";
const FUNCTION: &str = "3";
const VALUES: &str = "5";
const CTE: &str = "6";
const NOTHING: &str = "8";
/// What rows are grouped by, since PostgreSQL 18.
const GROUP: &str = "9";

/// Kinds of joins.
const INNER: &str = "0";
const LEFT: &str = "1";
const FULL: &str = "2";
const RIGHT: &str = "3";

/// CTEs by level, the innermost first.
pub(super) struct Scope<'s, 'a> {
    ctes: Vec<Part<'a>>,
    /// Those that were looked at: one may be read by several others, and so on.
    known: RefCell<HashMap<usize, Rc<Rows>>>,
    up: Option<&'s Scope<'s, 'a>>,
}

/// A query, and what is found in it.
struct Reading<'q, 's, 'a, 'c> {
    sources: &'q mut Sources<'c>,
    scope: &'s Scope<'s, 'a>,
    entries: Vec<Part<'a>>,
    items: Vec<Item>,
    /// The item of an entry.
    item_of: HashMap<usize, usize>,
    equalities: Vec<Equality>,
    /// Of each outer join the items whose rows it keeps.
    kept: Vec<Range<usize>>,
}

/// An item of FROM.
struct Item {
    rows: Rc<Rows>,
    /// It is made anew for each row of the items before it.
    is_lateral: bool,
    side: Side,
}

/// Where in the joins something is.
#[derive(Clone, Default)]
struct Side {
    /// Outer joins that may leave it out.
    joins: Vec<usize>,
    /// A full join is among them.
    is_full: bool,
}

impl Side {
    fn may_miss(&self) -> bool {
        self.is_full || !self.joins.is_empty()
    }

    fn of_join(&self, join: usize) -> Self {
        Self { joins: [self.joins.as_slice(), &[join]].concat(), ..*self }
    }

    fn of_full_join(&self) -> Self {
        Self { is_full: true, ..self.clone() }
    }
}

/// A column of an item.
type Column = (usize, i16);

/// A value that is the same in two rows when what it says is.
#[derive(Clone, Copy, PartialEq)]
enum Value {
    Constant,
    Of(Column),
}

/// A column has this value wherever its item has a row.
struct Equality {
    column: Column,
    value: Value,
    /// In every row.
    always: bool,
}

/// An output column.
struct Target<'a> {
    number: i16,
    value: Option<Value>,
    /// By what grouping and ordering refer to it.
    mark: &'a str,
    is_hidden: bool,
}

/// What is known of the rows of a query.
pub(super) fn rows<'a>(sources: &mut Sources<'_>, query: Part<'a>, up: Option<&Scope<'_, 'a>>) -> Rows {
    if sources.level >= MOST_LEVELS || query.has(":setOperations") {
        return Rows::default();
    }
    sources.level += 1;
    let scope = Scope { ctes: query.list(":cteList").collect(), known: RefCell::default(), up };
    let reading = Reading {
        sources,
        scope: &scope,
        entries: query.list(":rtable").collect(),
        items: Vec::new(),
        item_of: HashMap::new(),
        equalities: Vec::new(),
        kept: Vec::new(),
    };
    let rows = reading.rows(query).unwrap_or_default();
    sources.level -= 1;
    rows
}

impl<'a> Reading<'_, '_, 'a, '_> {
    fn rows(mut self, query: Part<'a>) -> Option<Rows> {
        let from = query.field(":jointree")?;
        for item in from.list(":fromlist") {
            self.join(item, &Side::default(), 0)?;
        }
        if let Some(condition) = from.field(":quals") {
            self.condition(condition, &Side::default(), None);
        }
        let targets: Vec<Target<'a>> = query.list(":targetList").filter_map(|entry| self.target(entry)).collect();
        Some(Rows { key: self.key(query, &targets), unique: Vec::new(), nullable: self.nullable(query, &targets) })
    }

    /// Reads an item of FROM with everything in it; gives its items.
    fn join(&mut self, node: Part<'a>, side: &Side, level: usize) -> Option<Range<usize>> {
        let begin = self.items.len();
        if node.label() == "RANGETBLREF" {
            let entry = node.number(":rtindex")?;
            let item = self.item(*self.entries.get(usize::checked_sub(entry, 1)?)?, side);
            self.item_of.insert(entry, begin);
            self.items.push(item);
            return Some(begin..begin + 1);
        }
        let (left, right) = (node.field(":larg")?, node.field(":rarg")?);
        if level > MOST_JOINS {
            return None;
        }
        let join = self.kept.len();
        self.kept.push(0..0);
        let kind = node.word(":jointype");
        let (of_left, of_right) = match kind {
            INNER => (side.clone(), side.clone()),
            LEFT => (side.clone(), side.of_join(join)),
            RIGHT => (side.of_join(join), side.clone()),
            FULL => (side.of_full_join(), side.of_full_join()),
            _ => return None,
        };
        let left = self.join(left, &of_left, level + 1)?;
        let right = self.join(right, &of_right, level + 1)?;
        let all = left.start..right.end;
        let (kept, missing) = if kind == RIGHT { (right, left) } else { (left, right) };
        self.kept[join] = kept;
        match node.field(":quals") {
            Some(condition) if kind == INNER => self.condition(condition, side, None),
            Some(condition) if kind != FULL => self.condition(condition, side, Some(&missing)),
            _ => {}
        }
        Some(all)
    }

    fn item(&mut self, entry: Part<'a>, side: &Side) -> Item {
        let rows = match entry.word(":rtekind") {
            RELATION => {
                let with_heirs = entry.word(":inh") == "true";
                entry.number(":relid").map(|relation| self.sources.of(relation, with_heirs)).unwrap_or_default()
            }
            SUBQUERY => {
                let query = entry.field(":subquery");
                query.map(|query| Rc::new(rows(self.sources, query, Some(self.scope)))).unwrap_or_default()
            }
            CTE => self.cte(entry).unwrap_or_default(),
            FUNCTION if !returns_set(entry) => Rc::new(Rows::one()),
            VALUES if entry.list(":values_lists").count() == 1 => Rc::new(Rows::one()),
            NOTHING => Rc::new(Rows::one()),
            _ => Rc::default(),
        };
        Item { rows, is_lateral: entry.word(":lateral") == "true", side: side.clone() }
    }

    fn cte(&mut self, entry: Part<'a>) -> Option<Rc<Rows>> {
        let mut scope = self.scope;
        for _ in 0..entry.number::<usize>(":ctelevelsup")? {
            scope = scope.up?;
        }
        let is_it = |cte: &&Part<'a>| cte.word(":ctename") == entry.word(":ctename");
        let cte = scope.ctes.iter().find(is_it).filter(|cte| cte.word(":cterecursive") == "false")?;
        if let Some(known) = scope.known.borrow().get(&cte.at()) {
            return Some(Rc::clone(known));
        }
        let rows = Rc::new(rows(self.sources, cte.field(":ctequery")?, Some(scope)));
        scope.known.borrow_mut().insert(cte.at(), Rc::clone(&rows));
        Some(rows)
    }

    /// Takes equalities out of a condition that holds for every row, or for those in which `missing` is not missing.
    fn condition(&mut self, condition: Part<'a>, side: &Side, missing: Option<&Range<usize>>) {
        if side.is_full {
            return;
        }
        let always = missing.is_none() && !side.may_miss();
        let mut waiting = vec![condition];
        while let Some(condition) = waiting.pop() {
            match condition.label() {
                "BOOLEXPR" if condition.word(":boolop") == "and" => waiting.extend(condition.list(":args")),
                "OPEXPR" if self.sources.comparisons.is_equality(condition.number(":opno")) => {
                    let operands: Vec<Value> =
                        condition.list(":args").filter_map(|operand| self.operand(condition, operand)).collect();
                    let [one, other] = operands[..] else { continue };
                    for (column, value) in [(one, other), (other, one)] {
                        if let Value::Of(column) = column
                            && missing.is_none_or(|missing| missing.contains(&column.0))
                        {
                            self.equalities.push(Equality { column, value, always });
                        }
                    }
                }
                _ => {}
            }
        }
    }

    /// What stands on a side of an equality. A column must be compared there as its keys compare it.
    fn operand(&self, equality: Part<'a>, operand: Part<'a>) -> Option<Value> {
        let value = self.value(operand)?;
        let compares = value == Value::Constant || self.sources.comparisons.is_as_fine(equality, operand);
        compares.then_some(value)
    }

    /// What an expression is, if it is a column or a constant: to a query, columns of those around it are constants.
    fn value(&self, mut expression: Part<'a>) -> Option<Value> {
        // A column that is taken for one of another type is itself only where that makes no other values equal.
        let mut is_itself = true;
        loop {
            match expression.label() {
                "CONST" => return Some(Value::Constant),
                "RELABELTYPE" => {
                    let of = expression.field(":arg")?;
                    is_itself &= self.sources.comparisons.are_alike(expression, of);
                    expression = of;
                }
                "FUNCEXPR" if is_cast_constant(expression) => return Some(Value::Constant),
                "VAR" => match self.column(expression)? {
                    Found::Value(value) => return Some(value).filter(|value| is_itself || *value == Value::Constant),
                    Found::Expression(behind) => expression = behind,
                },
                _ => return None,
            }
        }
    }

    fn column(&self, variable: Part<'a>) -> Option<Found<'a>> {
        if variable.word(":varlevelsup") != "0" {
            return Some(Found::Value(Value::Constant));
        }
        let (entry, number) = (variable.number::<usize>(":varno")?, variable.number::<i16>(":varattno")?);
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        if let Some(item) = self.item_of.get(&entry) {
            return Some(Found::Value(Value::Of((*item, number))));
        }
        let entry = self.entries.get(entry.checked_sub(1)?)?;
        let behind = match entry.word(":rtekind") {
            JOIN => entry.list(":joinaliasvars").nth(index),
            GROUP => entry.list(":groupexprs").nth(index),
            _ => None,
        };
        behind.map(Found::Expression)
    }

    fn target(&self, entry: Part<'a>) -> Option<Target<'a>> {
        let expression = entry.field(":expr")?;
        Some(Target {
            number: entry.number(":resno")?,
            value: self.value(expression),
            mark: entry.word(":ressortgroupref"),
            is_hidden: entry.word(":resjunk") == "true",
        })
    }

    /// Columns that are known to show NULL.
    fn nullable(&self, query: Part<'a>, targets: &[Target<'a>]) -> BTreeSet<i16> {
        // Rows that sum up others have NULL in what they are not grouped by.
        let sums_up = query.has(":groupingSets");
        let is_nullable = |target: &&Target<'a>| match target.value {
            Some(Value::Of((item, column))) => {
                let item = &self.items[item];
                sums_up || item.side.may_miss() || item.rows.nullable.contains(&column)
            }
            _ => false,
        };
        targets.iter().filter(is_nullable).map(|target| target.number).collect()
    }

    /// The key of the rows: keys of items that are shown, as few as are needed.
    fn key(&self, query: Part<'a>, targets: &[Target<'a>]) -> Option<Vec<i16>> {
        let needed = Needed::of(query, &self.sources.comparisons)?;
        let mut parts: Vec<Vec<i16>> = (0..self.items.len())
            .filter_map(|item| self.shown_key(item, targets))
            .filter(|key| !key.is_empty())
            .collect();
        parts.sort();
        let tells = |parts: &[Vec<i16>]| self.tells(&needed, targets, &parts.concat());
        if !tells(&parts) {
            return None;
        }
        for index in (0..parts.len()).rev() {
            let part = parts.remove(index);
            if !tells(&parts) {
                parts.insert(index, part);
            }
        }
        Some(parts.concat())
    }

    /// The key of an item, as columns that show it, or what is the same in every row.
    fn shown_key(&self, item: usize, targets: &[Target<'a>]) -> Option<Vec<i16>> {
        let shows = |value: Value| targets.iter().find(|target| !target.is_hidden && target.value == Some(value));
        let shown = |column: &i16| {
            let column = (item, *column);
            let same = self.equalities.iter().filter(|equality| equality.always && equality.column == column);
            let mut values = std::iter::once(Value::Of(column)).chain(same.map(|equality| equality.value));
            values.find_map(|value| shows(value).filter(|_| value != Value::Constant)).map(|target| target.number)
        };
        self.items[item].rows.key.as_ref()?.iter().map(shown).collect()
    }

    /// Whether these columns tell any two rows apart.
    fn tells(&self, needed: &Needed<'_>, targets: &[Target<'a>], key: &[i16]) -> bool {
        let shown = targets.iter().filter(|target| key.contains(&target.number));
        let shown: HashSet<Column> = shown.filter_map(|target| target.column()).collect();
        let mut told = vec![false; self.items.len()];
        loop {
            let newly = (0..told.len()).filter(|item| !told[*item] && self.is_told(*item, &shown, &told));
            let newly: Vec<usize> = newly.collect();
            newly.iter().for_each(|item| told[*item] = true);
            if newly.is_empty() {
                break;
            }
        }
        let is_same = |target: &Target<'a>| match target.value {
            Some(Value::Of(column)) => told[column.0] || shown.contains(&column),
            Some(Value::Constant) => true,
            None => false,
        };
        match needed {
            Needed::Nothing => true,
            Needed::Items => told.iter().all(|told| *told),
            Needed::Columns(marks) => {
                marks.iter().all(|mark| targets.iter().any(|target| target.mark == *mark && is_same(target)))
            }
        }
    }

    /// Whether there is one row of an item for what is shown and the items that are told already.
    fn is_told(&self, index: usize, shown: &HashSet<Column>, told: &[bool]) -> bool {
        let item = &self.items[index];
        if item.is_lateral && !told[..index].iter().all(|told| *told) {
            return false;
        }
        let is_shown = |column: &i16| shown.contains(&(index, *column));
        let is_same = |column: &i16| {
            let mut values = self.equalities.iter().filter(|equality| equality.column == (index, *column));
            values.any(|equality| match equality.value {
                Value::Constant => true,
                Value::Of(other) => told[other.0] || shown.contains(&other),
            })
        };
        let key = item.rows.key.as_ref();
        // Where it may be missing, the key must not look the same when it is.
        let shows_missing =
            |key: &Vec<i16>| !item.side.may_miss() || key.iter().any(|column| !item.rows.nullable.contains(column));
        if key.is_some_and(|key| !key.is_empty() && key.iter().all(is_shown) && shows_missing(key)) {
            return true;
        }
        let is_missing_told = !item.side.is_full
            && item.side.joins.iter().all(|join| told[self.kept[*join].clone()].iter().all(|told| *told));
        is_missing_told
            && (key.is_some_and(|key| key.iter().all(|column| is_shown(column) || is_same(column)))
                || item.rows.unique.iter().any(|unique| unique.iter().all(is_same)))
    }
}

/// What a variable stands for.
enum Found<'a> {
    Value(Value),
    Expression(Part<'a>),
}

impl Target<'_> {
    fn column(&self) -> Option<Column> {
        match self.value {
            Some(Value::Of(column)) => Some(column),
            _ => None,
        }
    }
}

/// What has to be told for rows to be told apart.
#[derive(PartialEq)]
enum Needed<'a> {
    /// There is one row.
    Nothing,
    /// All items of FROM.
    Items,
    /// The columns with these marks.
    Columns(Vec<&'a str>),
}

impl<'a> Needed<'a> {
    /// `None` where nothing tells them apart.
    fn of(query: Part<'a>, comparisons: &Comparisons) -> Option<Self> {
        let columns = |clause| {
            let mark = |by: Part<'a>| comparisons.is_equality(by.number(":eqop")).then(|| by.word(":tleSortGroupRef"));
            query.list(clause).map(mark).collect::<Option<Vec<_>>>().map(Self::Columns)
        };
        if is_limited_to_one(query) {
            return Some(Self::Nothing);
        }
        // Each of the sets repeats columns that others are grouped by, with NULL for its own.
        if query.has(":groupingSets") {
            return None;
        }
        if query.has(":distinctClause") {
            return columns(":distinctClause");
        }
        if query.word(":hasTargetSRFs") == "true" {
            return None;
        }
        if query.has(":groupClause") {
            return columns(":groupClause");
        }
        let is_summed = query.word(":hasAggs") == "true" || query.has(":havingQual");
        Some(if is_summed { Self::Nothing } else { Self::Items })
    }
}

/// `'a'::text`, or `1` where a `bigint` is wanted.
fn is_cast_constant(expression: Part<'_>) -> bool {
    expression.label() == "FUNCEXPR"
        && matches!(expression.word(":funcformat"), "1" | "2")
        && expression.list(":args").all(|of| of.label() == "CONST")
}

/// `LIMIT 1`.
fn is_limited_to_one(query: Part<'_>) -> bool {
    let is_number = |limit: &Part<'_>| limit.label() == "CONST" && WHOLE_NUMBERS.contains(&limit.word(":consttype"));
    let limit = query.field(":limitCount").map(|limit| {
        let inside = limit.list(":args").next().filter(|_| is_cast_constant(limit));
        inside.unwrap_or(limit)
    });
    let bytes = limit.filter(is_number).map(|limit| limit.values(":constvalue").map(Part::text));
    // The length, and the bytes in square brackets.
    let mut bytes = bytes.into_iter().flatten().skip(2).take_while(|byte| *byte != "]");
    query.word(":limitOption") == "0" && bytes.next() == Some("1") && bytes.all(|byte| byte == "0")
}

/// Whether a function in FROM gives rows.
fn returns_set(entry: Part<'_>) -> bool {
    let mut waiting: Vec<Part<'_>> = entry.list(":functions").collect();
    while let Some(part) = waiting.pop() {
        if part.word(":funcretset") == "true" {
            return true;
        }
        waiting.extend(part.items());
    }
    false
}
