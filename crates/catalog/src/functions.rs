//! Functions: those that RPC calls, and those of one row that act as columns or relationships.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use ferrobase_pg::StatementResult;
use indexmap::IndexMap;

use crate::acl::AclReader;
use crate::cells::Cells;
use crate::error::LoadError;
use crate::model::{
    ComputedField, Function, Isolation, Link, OutputColumn, Parameter, QualifiedName, Relationship, ReturnShape,
    Returns, RowFunction, Volatility,
};
use crate::pace::Pace;
use crate::relations::{Relations, type_class};
use crate::scope::Scope;
use crate::snapshot::Snapshot;
use crate::sql;

/// Types whose single unnamed parameter takes a whole request body.
const BODY_TYPES: [&str; 5] = ["bytea", "json", "jsonb", "text", "xml"];

/// Callable functions by name, overloads in the order in which PostgREST lists them: fewest parameters first.
pub(crate) fn read(
    snapshot: &Snapshot,
    relations: &Relations,
    acls: &mut AclReader,
    pace: &Pace,
) -> Result<IndexMap<QualifiedName, Vec<Arc<Function>>>, LoadError> {
    let mut declared = read_parameters(&snapshot.function_parameters, pace)?;
    let mut functions: BTreeMap<QualifiedName, Vec<Arc<Function>>> = BTreeMap::new();
    for row in pace.over(&snapshot.functions.rows) {
        let mut cells = Cells::new(sql::FUNCTIONS.name, row);
        let oid = cells.number()?;
        let function = read_function(oid, declared.remove(&oid).unwrap_or_default(), &mut cells, relations, acls)?;
        if is_callable(&function.parameters) {
            functions.entry(function.name.clone()).or_default().push(Arc::new(function));
        }
    }
    for overloads in pace.over(functions.values_mut()) {
        overloads.sort_by(|a, b| {
            let key = |f: &Arc<Function>| (f.parameters.len(), f.comment.clone(), f.parameters.clone());
            key(a).cmp(&key(b))
        });
    }
    Ok(pace.over(functions).collect())
}

/// Arguments travel by name, so unnamed parameters cannot be filled, except by a whole body.
fn is_callable(parameters: &[Parameter]) -> bool {
    match parameters {
        [only] if only.name.is_empty() => BODY_TYPES.contains(&only.type_name.as_str()),
        several => several.iter().all(|parameter| !parameter.name.is_empty()),
    }
}

/// A parameter as declared, before inputs and outputs are told apart.
struct Declared {
    mode: char,
    name: String,
    type_name: String,
    unbounded: String,
}

impl Declared {
    fn is_input(&self) -> bool {
        matches!(self.mode, 'i' | 'b' | 'v')
    }

    fn is_output(&self) -> bool {
        matches!(self.mode, 'o' | 'b' | 't')
    }
}

fn read_parameters(answer: &StatementResult, pace: &Pace) -> Result<HashMap<u32, Vec<Declared>>, LoadError> {
    let mut by_function: HashMap<u32, Vec<Declared>> = HashMap::new();
    for row in pace.over(&answer.rows) {
        let mut cells = Cells::new(sql::FUNCTION_PARAMETERS.name, row);
        let function = cells.number()?;
        let mode = cells.text()?.chars().next().unwrap_or('i');
        let declared = Declared { mode, name: cells.string()?, type_name: cells.string()?, unbounded: cells.string()? };
        by_function.entry(function).or_default().push(declared);
    }
    Ok(by_function)
}

fn read_function(
    oid: u32,
    declared: Vec<Declared>,
    cells: &mut Cells<'_>,
    relations: &Relations,
    acls: &mut AclReader,
) -> Result<Function, LoadError> {
    let name = QualifiedName::new(cells.text()?, cells.text()?);
    let comment = cells.optional_string()?;
    let owner = cells.string()?;
    let language = cells.string()?;
    let volatility = match cells.text()? {
        "i" => Volatility::Immutable,
        "s" => Volatility::Stable,
        _ => Volatility::Volatile,
    };
    let security_definer = cells.flag()?;
    let set = cells.flag()?;
    let inputs: usize = cells.number()?;
    let defaults: usize = cells.number()?;
    let rows_one = cells.flag()?;
    let type_name = cells.string()?;
    let shape = read_shape(cells, relations)?;
    let (settings, isolation) = read_settings(&cells.list::<String>()?);
    let execute_grants = acls.grantees(sql::FUNCTIONS.name, cells.optional()?, 'X')?;
    let output_columns = declared.iter().filter(|d| d.is_output());
    Ok(Function {
        oid,
        name,
        comment,
        owner,
        language,
        output_columns: output_columns
            .map(|d| OutputColumn { name: d.name.clone(), type_name: d.type_name.clone() })
            .collect(),
        parameters: input_parameters(declared, inputs.saturating_sub(defaults)),
        returns: Returns { set, rows_one, type_name, shape },
        volatility,
        security_definer,
        settings,
        isolation,
        execute_grants,
    })
}

/// Defaults belong to the last inputs.
fn input_parameters(declared: Vec<Declared>, required: usize) -> Vec<Parameter> {
    let inputs = declared.into_iter().filter(Declared::is_input).enumerate();
    inputs
        .map(|(index, declared)| Parameter {
            required: index < required,
            variadic: declared.mode == 'v',
            name: declared.name,
            type_name: declared.type_name,
            type_name_unbounded: declared.unbounded,
        })
        .collect()
}

fn read_shape(cells: &mut Cells<'_>, relations: &Relations) -> Result<ReturnShape, LoadError> {
    let has_output_columns = cells.flag()?;
    let type_name = QualifiedName::new(cells.text()?, cells.text()?);
    let is_composite = cells.text()? == "c";
    let is_domain = cells.flag()?;
    let relation = cells.optional_number()?.and_then(|oid| relations.get(oid)).map(|e| e.relation.name.clone());
    Ok(if is_composite || has_output_columns {
        ReturnShape::Row { type_name, relation, is_domain }
    } else if type_name.schema == "pg_catalog" && type_name.name == "void" {
        ReturnShape::Void
    } else {
        ReturnShape::Scalar(type_name)
    })
}

fn read_settings(entries: &[String]) -> (Vec<(String, String)>, Option<Isolation>) {
    let mut isolation = None;
    let mut settings = Vec::new();
    for (name, value) in entries.iter().filter_map(|entry| entry.split_once('=')) {
        if name == "default_transaction_isolation" {
            isolation = Some(Isolation::from_setting(value));
        }
        settings.push((name.to_owned(), value.to_owned()));
    }
    (settings, isolation)
}

/// What is found among the functions of one row.
#[derive(Default)]
pub(crate) struct Computed {
    pub(crate) relationships: Vec<Relationship>,
    pub(crate) functions: HashMap<QualifiedName, Vec<RowFunction>>,
}

/// Functions of one row: adds computed fields to their relations and returns the rest.
pub(crate) fn computed(
    snapshot: &Snapshot,
    scope: &Scope,
    relations: &mut Relations,
    acls: &mut AclReader,
    pace: &Pace,
) -> Result<Computed, LoadError> {
    let mut found = Computed::default();
    // Which place of the search path a field came from, so that the first one wins.
    let mut ranks: HashMap<(u32, String), usize> = HashMap::new();
    for row in pace.over(&snapshot.computed.rows) {
        let mut cells = Cells::new(sql::COMPUTED.name, row);
        let function = QualifiedName::new(cells.text()?, cells.text()?);
        let source: u32 = cells.number()?;
        let target: Option<u32> = cells.optional_number()?;
        let takes_the_row_only = cells.flag()?;
        let set = cells.flag()?;
        let to_one = cells.flag()?;
        if takes_the_row_only && scope.exposes(&function.schema) {
            let leads = target.and_then(|target| relationship(relations, source, target, &function, to_one));
            found.relationships.extend(leads);
        }
        let type_name = cells.string()?;
        let type_class = type_class(cells.text()?, cells.text()?, cells.number()?);
        let comment = cells.optional_string()?;
        let execute_grants = acls.grantees(sql::COMPUTED.name, cells.optional()?, 'X')?;
        if let Some(of) = relations.exposed(source) {
            let of = RowFunction { row: of.relation.name.clone(), takes_the_row_only, comment, execute_grants };
            found.functions.entry(function.clone()).or_default().push(of);
        }
        let Some(entry) = relations.get_mut(source).filter(|entry| entry.exposed && !set) else { continue };
        let Some(rank) = scope.field_rank(&entry.relation.name.schema, &function.schema) else { continue };
        let key = (source, function.name.clone());
        if ranks.get(&key).is_none_or(|known| rank < *known) {
            ranks.insert(key, rank);
            let name = function.name.clone();
            entry.relation.computed_fields.insert(name, ComputedField { function, type_name, type_class });
        }
    }
    for (source, _) in pace.over(ranks.keys()) {
        if let Some(entry) = relations.get_mut(*source) {
            entry.relation.computed_fields.sort_unstable_keys();
        }
    }
    Ok(found)
}

fn relationship(
    relations: &Relations,
    source: u32,
    target: u32,
    function: &QualifiedName,
    to_one: bool,
) -> Option<Relationship> {
    let (from, to) = (&relations.exposed(source)?.relation, &relations.exposed(target)?.relation);
    Some(Relationship {
        source: from.name.clone(),
        target: to.name.clone(),
        link: Link::Computed { function: function.clone(), to_one },
        is_self: source == target,
        source_is_view: from.is_view(),
        target_is_view: to.is_view(),
        comment: None,
    })
}
