//! Columns, casts and comparisons of the request in the words of the plan.
//!
//! The catalog says how a path leads into a column, whether a domain presents or reads its values, and what is text to
//! a full-text search. A column that the catalog does not know goes on as it is: PostgreSQL may know a computed field
//! of that name, and its message is the one that clients expect.

use ferrobase_catalog::{Relation, TypeClass};
use ferrobase_query::plan::{
    Aggregate, AggregateComparison, AggregateFunction, Comparison, Condition, Direction, Field, Is, LogicOperator,
    Nulls, Operation, Operator, Order, OrderBy, PathKey, PathStep, Quantifier, SearchParser,
};
use ferrobase_query::{CatalogSql, TypeName};

use super::{PlanError, Planner};
use crate::ast;

impl Planner<'_> {
    /// A column of a relation, without any conversion.
    pub(super) fn field(&self, relation: Option<&Relation>, field: &ast::Field) -> Field {
        let path: Vec<PathStep> = field.path.iter().map(path_step).collect();
        let class = relation.and_then(|relation| type_class(relation, &field.name));
        let is_document = matches!(class, Some(TypeClass::Json | TypeClass::Jsonb));
        Field {
            name: field.name.clone(),
            to_document: !path.is_empty() && !is_document,
            path,
            convert: None,
            as_type: None,
        }
    }

    /// A column as it is shown: through the function that presents its domain, where there is one.
    pub(super) fn output_field(&self, relation: Option<&Relation>, field: &ast::Field) -> Field {
        let convert = relation
            .and_then(|relation| relation.column(&field.name))
            .and_then(|column| self.conversion(&column.declared_type, "json"));
        Field { convert, ..self.field(relation, field) }
    }

    /// A column as it is compared: with the function that reads the caller's text for its domain.
    fn input_field(&self, relation: Option<&Relation>, field: &ast::Field) -> Field {
        let convert = relation
            .and_then(|relation| relation.column(&field.name))
            .and_then(|column| self.conversion("text", &column.declared_type));
        Field { convert, ..self.field(relation, field) }
    }

    /// The function that turns one type into another, where a domain declares it.
    pub(super) fn conversion(&self, from: &str, to: &str) -> Option<CatalogSql> {
        self.catalog.representation(from, to).map(|known| CatalogSql::written_by_catalog(&known.function))
    }

    /// A type to cast to.
    pub(super) fn cast(&self, name: Option<&str>) -> Result<Option<TypeName>, PlanError> {
        let Some(name) = name else { return Ok(None) };
        let type_name = TypeName::from_caller(name);
        if self.rules.refuse_registry_casts && type_name.is_registry() {
            return Err(PlanError::RegistryCast(name.to_owned()));
        }
        if self.rules.refuse_registry_casts && type_name.is_unknown() {
            return Err(PlanError::UnknownCast);
        }
        Ok(Some(type_name))
    }

    /// An aggregate with the rows that it sees and the cast of its result.
    pub(super) fn aggregate(
        &self,
        relation: Option<&Relation>,
        field: &ast::SelectField,
    ) -> Result<Option<Aggregate>, PlanError> {
        let Some(function) = field.aggregate else { return Ok(None) };
        let filter = field.only.iter().map(|only| self.logic(relation, only, &|_| None)).collect::<Result<_, _>>()?;
        let cast = self.cast(field.aggregate_cast.as_deref())?;
        Ok(Some(Aggregate { distinct: field.distinct, filter, cast, ..Aggregate::of(aggregate_function(function)) }))
    }

    /// A filter on a column.
    pub(super) fn filter(&self, relation: Option<&Relation>, filter: &ast::Filter) -> Result<Condition, PlanError> {
        Ok(Condition::Compare(Comparison {
            field: self.input_field(relation, &filter.field),
            negated: filter.negated,
            operation: self.operation(relation, &filter.field, &filter.operation)?,
        }))
    }

    /// A tree of conditions; `embedded` may recognise a filter as one on an embed.
    pub(super) fn logic(
        &self,
        relation: Option<&Relation>,
        logic: &ast::Logic,
        embedded: &dyn Fn(&ast::Filter) -> Option<Condition>,
    ) -> Result<Condition, PlanError> {
        Ok(match logic {
            ast::Logic::Filter(filter) => match embedded(filter) {
                Some(condition) => condition,
                None => self.filter(relation, filter)?,
            },
            ast::Logic::Aggregate(filter) => Condition::Aggregate(AggregateComparison {
                of: self.aggregated(relation, &filter.of)?,
                negated: filter.negated,
                operation: self.operation(None, &filter.of.field, &filter.operation)?,
            }),
            ast::Logic::Group { negated, operator, items } => Condition::Group {
                negated: *negated,
                operator: match operator {
                    ast::LogicOperator::And => LogicOperator::And,
                    ast::LogicOperator::Or => LogicOperator::Or,
                },
                // The grammar bounds the depth.
                items: items.iter().map(|item| self.logic(relation, item, embedded)).collect::<Result<_, _>>()?,
            },
        })
    }

    fn operation(
        &self,
        relation: Option<&Relation>,
        field: &ast::Field,
        operation: &ast::Operation,
    ) -> Result<Operation, PlanError> {
        Ok(match operation {
            ast::Operation::Compare { operator, quantifier, value } => {
                let operator = compare_operator(*operator);
                Operation::Binary {
                    operator,
                    quantifier: quantifier.map(|quantifier| match quantifier {
                        ast::Quantifier::Any => Quantifier::Any,
                        ast::Quantifier::All => Quantifier::All,
                    }),
                    // `*` is what can stand in a URL without encoding.
                    value: match operator {
                        Operator::Like | Operator::ILike => value.replace('*', "%"),
                        _ => value.clone(),
                    },
                }
            }
            ast::Operation::Simple { operator, value } => {
                Operation::Binary { operator: simple_operator(*operator), quantifier: None, value: value.clone() }
            }
            // `in.()` is one empty text to the grammar and no value to everybody else.
            ast::Operation::In(values) if matches!(values.as_slice(), [only] if only.is_empty()) => {
                Operation::In(Vec::new())
            }
            ast::Operation::In(values) => Operation::In(values.clone()),
            ast::Operation::Is(is) => Operation::Is(match is {
                ast::IsValue::Null => Is::Null,
                ast::IsValue::NotNull => Is::NotNull,
                ast::IsValue::True => Is::True,
                ast::IsValue::False => Is::False,
                ast::IsValue::Unknown => Is::Unknown,
            }),
            ast::Operation::IsDistinct(value) => Operation::DistinctFrom(value.clone()),
            ast::Operation::FullText { operator, language, value } => Operation::Search {
                parser: match operator {
                    ast::FullTextOperator::Fts => SearchParser::Operators,
                    ast::FullTextOperator::Plain => SearchParser::Plain,
                    ast::FullTextOperator::Phrase => SearchParser::Phrase,
                    ast::FullTextOperator::Websearch => SearchParser::Web,
                },
                configuration: language.clone(),
                query: value.clone(),
                vectorise: relation.and_then(|relation| type_class(relation, &field.name)) != Some(TypeClass::TsVector),
            },
            ast::Operation::Extended(extended) => self.extended(relation, field, extended)?,
        })
    }
}

/// Direction and NULLs of an order term.
pub(super) fn order(by: OrderBy, term: &ast::OrderTerm) -> Order {
    Order {
        direction: direction(&by, term.direction),
        by,
        nulls: term.nulls.map(|nulls| match nulls {
            ast::Nulls::First => Nulls::First,
            ast::Nulls::Last => Nulls::Last,
        }),
    }
}

/// Similarity is ordered by the distance of two texts, which falls as it rises; unasked, the most similar come first.
fn direction(by: &OrderBy, asked: Option<ast::Direction>) -> Option<Direction> {
    let is_flipped = matches!(by, OrderBy::Similarity { .. });
    asked.map(|asked| match (asked, is_flipped) {
        (ast::Direction::Asc, false) | (ast::Direction::Desc, true) => Direction::Ascending,
        (ast::Direction::Desc, false) | (ast::Direction::Asc, true) => Direction::Descending,
    })
}

/// The output name of a path: its last key, or the column's name when it has none.
pub(super) fn path_name(field: &ast::Field) -> Option<&str> {
    if field.path.is_empty() {
        return None;
    }
    let last_key = field.path.iter().rev().find_map(|step| match &step.to {
        ast::PathKey::Key(key) => Some(key.as_str()),
        ast::PathKey::Index(_) => None,
    });
    Some(last_key.unwrap_or(&field.name))
}

pub(super) fn type_class(relation: &Relation, name: &str) -> Option<TypeClass> {
    let column = relation.column(name).map(|column| column.type_class);
    column.or_else(|| relation.computed_field(name).map(|computed| computed.type_class))
}

fn aggregate_function(function: ast::Aggregate) -> AggregateFunction {
    match function {
        ast::Aggregate::Sum => AggregateFunction::Sum,
        ast::Aggregate::Avg => AggregateFunction::Avg,
        ast::Aggregate::Min => AggregateFunction::Min,
        ast::Aggregate::Max => AggregateFunction::Max,
        ast::Aggregate::Count => AggregateFunction::Count,
    }
}

fn path_step(step: &ast::PathStep) -> PathStep {
    let to = match &step.to {
        ast::PathKey::Key(key) => PathKey::Key(key.clone()),
        ast::PathKey::Index(index) => PathKey::Index(index.clone()),
    };
    PathStep { as_text: step.as_text, to }
}

pub(super) fn compare_operator(operator: ast::CompareOperator) -> Operator {
    match operator {
        ast::CompareOperator::Eq => Operator::Equal,
        ast::CompareOperator::Gt => Operator::Greater,
        ast::CompareOperator::Gte => Operator::GreaterOrEqual,
        ast::CompareOperator::Lt => Operator::Less,
        ast::CompareOperator::Lte => Operator::LessOrEqual,
        ast::CompareOperator::Like => Operator::Like,
        ast::CompareOperator::Ilike => Operator::ILike,
        ast::CompareOperator::Match => Operator::Match,
        ast::CompareOperator::Imatch => Operator::IMatch,
    }
}

pub(super) fn simple_operator(operator: ast::SimpleOperator) -> Operator {
    match operator {
        ast::SimpleOperator::Neq => Operator::NotEqual,
        ast::SimpleOperator::Contains => Operator::Contains,
        ast::SimpleOperator::ContainedIn => Operator::ContainedIn,
        ast::SimpleOperator::Overlaps => Operator::Overlaps,
        ast::SimpleOperator::StrictlyLeft => Operator::StrictlyLeft,
        ast::SimpleOperator::StrictlyRight => Operator::StrictlyRight,
        ast::SimpleOperator::NotExtendsRight => Operator::NotExtendsRight,
        ast::SimpleOperator::NotExtendsLeft => Operator::NotExtendsLeft,
        ast::SimpleOperator::Adjacent => Operator::Adjacent,
    }
}
