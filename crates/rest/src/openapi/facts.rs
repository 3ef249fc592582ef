//! What one caller may know of one schema, gathered once for whatever writer describes it.
//!
//! catalog -> **facts** -> `swagger` (OpenAPI 2.0) or `v3` (3.1). The only walk over the catalog: a writer that has no
//! catalog cannot list what is not in here.
//! Invariant: relations, columns, functions, notes and type names that the caller may not know of are left out; what
//! is listed is also what is granted, except where the configuration says otherwise (`Listing`).

use std::borrow::Cow;
use std::collections::BTreeMap;

use ferrobase_catalog::{Catalog, Column, Function, Generated, Link, Privilege, Relation, ReturnShape, Volatility};

use super::real_type::RealType;
use super::type_name::TypeNames;

/// How much is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Listing {
    /// What the role may use, verb by verb and column by column.
    Granted,
    /// Each relation and function that the role has any privilege on, in full: PostgREST's way.
    Reachable,
    /// Everything that is exposed (`rest.openapi_mode: ignore-privileges`).
    Everything,
}

/// Who looks at what.
pub(crate) struct View<'a> {
    /// What there is.
    pub(crate) catalog: &'a Catalog,
    /// The schema that is described.
    pub(crate) schema: &'a str,
    /// Schemas whose types need no qualification besides it.
    pub(crate) extra_search_path: &'a [String],
    /// The caller's role.
    pub(crate) role: &'a str,
    /// How much is listed.
    pub(crate) listing: Listing,
    /// Whether a relation may be known of at all.
    pub(crate) visible: &'a dyn Fn(&Relation) -> bool,
}

/// What is described.
pub(crate) struct Facts<'a> {
    /// The schema's comment.
    pub(crate) comment: Comment<'a>,
    /// Relations by name.
    pub(crate) relations: Vec<RelationFacts<'a>>,
    /// Functions by name.
    pub(crate) functions: Vec<FunctionFacts<'a>>,
}

/// One relation.
pub(crate) struct RelationFacts<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// Its comment.
    pub(crate) comment: Comment<'a>,
    /// What can be done with it.
    pub(crate) verbs: Verbs,
    /// Whether an INSERT can take the place of a row that is there.
    pub(crate) upsertable: bool,
    /// Columns in table order.
    pub(crate) columns: Vec<ColumnFacts<'a>>,
}

/// What can be done with a relation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // the verbs' own names
pub(crate) struct Verbs {
    pub(crate) read: bool,
    pub(crate) insert: bool,
    pub(crate) update: bool,
    pub(crate) delete: bool,
}

impl Verbs {
    fn any(self) -> bool {
        self.read || self.insert || self.update || self.delete
    }
}

/// One column.
pub(crate) struct ColumnFacts<'a> {
    /// As the catalog has it; its type names are told through `type_name` and `shown_type`.
    pub(crate) column: &'a Column,
    /// It is part of the primary key.
    pub(crate) is_key: bool,
    /// The table and column that a foreign key of this column alone leads to.
    pub(crate) references: Option<(&'a str, &'a str)>,
    /// What can be done with it.
    pub(crate) verbs: Verbs,
    /// The type as descriptions name it.
    pub(crate) shown_type: Cow<'a, str>,
    /// What its values are.
    pub(crate) real: RealType<'a>,
    /// The relation is a view: what is a key of one of its tables, several of its rows may have.
    pub(crate) of_view: bool,
    /// JSON made from it is whatever a cast of its domain makes.
    pub(crate) presented: bool,
    /// JSON is read into it by a cast of its domain.
    pub(crate) read_by_cast: bool,
}

/// The overloads of one function.
pub(crate) struct FunctionFacts<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// Fewest parameters first, never empty.
    pub(crate) overloads: Vec<OverloadFacts<'a>>,
}

/// One overload.
pub(crate) struct OverloadFacts<'a> {
    /// As the catalog has it.
    pub(crate) function: &'a Function,
    /// Its comment.
    pub(crate) comment: Comment<'a>,
    /// It may be called by GET.
    pub(crate) by_get: bool,
    /// Parameters in order.
    pub(crate) parameters: Vec<ParameterFacts<'a>>,
    /// The relation whose rows it returns, where that is listed.
    pub(crate) rows_of: Option<&'a str>,
    /// The values of a result that is no row.
    pub(crate) scalar: Option<RealType<'a>>,
    /// Declared columns of the result with their types.
    pub(crate) output: Vec<(&'a str, RealType<'a>)>,
}

/// One parameter.
pub(crate) struct ParameterFacts<'a> {
    /// Its name, empty when the whole body is the argument.
    pub(crate) name: &'a str,
    /// The type as descriptions name it.
    pub(crate) type_name: Cow<'a, str>,
    /// What its values are.
    pub(crate) real: RealType<'a>,
    /// No DEFAULT.
    pub(crate) required: bool,
    /// VARIADIC.
    pub(crate) variadic: bool,
}

/// A comment: its first line, and what follows without the empty lines in between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Comment<'a> {
    /// All of it.
    pub(crate) whole: Option<&'a str>,
    /// The first line.
    pub(crate) summary: Option<&'a str>,
    /// The rest, when there is one.
    pub(crate) description: Option<&'a str>,
}

impl<'a> Comment<'a> {
    pub(crate) fn of(comment: Option<&'a str>) -> Self {
        let Some(whole) = comment else { return Self::default() };
        let (summary, rest) = whole.split_once('\n').unwrap_or((whole, ""));
        let rest = rest.trim_start_matches('\n');
        Self { whole: comment, summary: Some(summary), description: (!rest.is_empty()).then_some(rest) }
    }
}

/// Gathers what the view shows.
pub(crate) fn gather<'a>(view: &View<'a>) -> Facts<'a> {
    let Some(schema) = view.catalog.schemas.get(view.schema) else {
        return Facts { comment: Comment::default(), relations: Vec::new(), functions: Vec::new() };
    };
    let comment = Comment::of(schema.comment.as_deref());
    // Without USAGE nothing in a schema can be used, whatever else is granted.
    if view.listing == Listing::Granted && !view.catalog.may_use_schema(view.role, view.schema) {
        return Facts { comment: Comment::default(), relations: Vec::new(), functions: Vec::new() };
    }
    let types = TypeNames::new(view);
    let mut relations: Vec<_> =
        view.catalog.relations.values().filter_map(|relation| view.relation(relation, &types)).collect();
    relations.sort_by_key(|relation| relation.name);
    let functions = view.functions(&types, &relations);
    Facts { comment, relations, functions }
}

impl<'a> View<'a> {
    /// Whether the caller may know that a relation exists.
    pub(super) fn knows(&self, relation: &Relation) -> bool {
        (self.visible)(relation)
            && match self.listing {
                Listing::Everything => true,
                Listing::Reachable => self.reaches(relation),
                Listing::Granted => {
                    self.catalog.may_use_schema(self.role, &relation.name.schema) && self.verbs(relation).any()
                }
            }
    }

    fn relation(&self, relation: &'a Relation, types: &TypeNames) -> Option<RelationFacts<'a>> {
        if relation.name.schema != self.schema || !self.knows(relation) {
            return None;
        }
        let keys = self.foreign_keys(relation);
        let columns = relation.columns.values().filter_map(|column| {
            let verbs = self.column_verbs(relation, column);
            let references = keys.get(column.name.as_str()).copied();
            verbs.any().then(|| self.column(relation, column, verbs, references, types))
        });
        Some(RelationFacts {
            name: &relation.name.name,
            comment: Comment::of(relation.comment.as_deref()),
            verbs: self.verbs(relation),
            upsertable: relation.upsertable,
            columns: columns.collect(),
        })
    }

    fn column(
        &self,
        relation: &Relation,
        column: &'a Column,
        verbs: Verbs,
        references: Option<(&'a str, &'a str)>,
        types: &TypeNames,
    ) -> ColumnFacts<'a> {
        ColumnFacts {
            column,
            is_key: relation.primary_key.contains(&column.name),
            references,
            verbs,
            shown_type: types.of_column(&column.shown_type),
            real: match &column.enum_values[..] {
                [] => RealType::of(&column.base_type, self.catalog),
                values => RealType { name: Cow::Borrowed(&column.base_type), values },
            },
            of_view: relation.is_view(),
            presented: self.catalog.representation(&column.declared_type, "json").is_some(),
            read_by_cast: self.catalog.representation("json", &column.declared_type).is_some(),
        }
    }

    /// What the relation allows and the role may. PostgREST shows every method as soon as one of them writes.
    fn verbs(&self, relation: &Relation) -> Verbs {
        if self.listing != Listing::Granted {
            let writes = relation.insertable || relation.updatable || relation.deletable;
            return Verbs { read: true, insert: writes, update: writes, delete: writes };
        }
        let may = |privilege| self.catalog.may_some(self.role, privilege, relation);
        Verbs {
            read: may(Privilege::Select),
            insert: relation.insertable && may(Privilege::Insert),
            update: relation.updatable && may(Privilege::Update),
            delete: relation.deletable && may(Privilege::Delete),
        }
    }

    fn column_verbs(&self, relation: &Relation, column: &Column) -> Verbs {
        let written = matches!(column.generated, Generated::No | Generated::IdentityByDefault);
        if self.listing != Listing::Granted {
            return Verbs { read: true, insert: written, update: written, delete: true };
        }
        let may = |privilege| self.catalog.may_column(self.role, privilege, relation, &column.name);
        Verbs {
            read: may(Privilege::Select),
            insert: written && may(Privilege::Insert),
            update: written && may(Privilege::Update),
            delete: false,
        }
    }

    /// Whether the caller may know that a column exists: what is not granted is not named either.
    fn knows_column(&self, relation: &Relation, name: &str) -> bool {
        relation.column(name).is_some_and(|column| self.column_verbs(relation, column).any())
    }

    /// Any privilege at all, or the owner's rights.
    fn reaches(&self, relation: &Relation) -> bool {
        let owner = relation.owner.as_str();
        let is_owner = owner == self.role
            || self.catalog.roles.get(self.role).is_some_and(|role| role.inherits.iter().any(|other| other == owner));
        is_owner
            || self.catalog.may_other(self.role, relation)
            || [Privilege::Select, Privilege::Insert, Privilege::Update, Privilege::Delete]
                .into_iter()
                .any(|privilege| self.catalog.may_some(self.role, privilege, relation))
    }

    /// Where foreign keys of one column lead, tables before views: the first one counts.
    fn foreign_keys(&self, relation: &'a Relation) -> BTreeMap<&'a str, (&'a str, &'a str)> {
        let mut keys = BTreeMap::new();
        let mut all: Vec<_> = self.catalog.relationships_within(&relation.name.schema, &relation.name.name).collect();
        all.sort_by_key(|relationship| relationship.target_is_view);
        for relationship in all {
            let columns = match &relationship.link {
                Link::ManyToOne { columns, .. } | Link::OneToOne { columns, source_is_parent: false, .. } => columns,
                _ => continue,
            };
            let [(from, to)] = columns.as_slice() else { continue };
            let target = &relationship.target;
            let target_relation = self.catalog.relation(&target.schema, &target.name);
            if target_relation.is_some_and(|relation| self.knows(relation) && self.knows_column(relation, to)) {
                keys.entry(from.as_str()).or_insert((target.name.as_str(), to.as_str()));
            }
        }
        keys
    }

    fn functions(&self, types: &TypeNames, relations: &[RelationFacts<'a>]) -> Vec<FunctionFacts<'a>> {
        let own = self.catalog.functions.iter().filter(|(name, _)| name.schema == self.schema);
        let mut functions: Vec<_> = own
            .filter_map(|(name, overloads)| {
                let callable = overloads.iter().filter(|function| self.may_call(function));
                let overloads: Vec<_> = callable.map(|f| self.overload(f, types, relations)).collect();
                (!overloads.is_empty()).then_some(FunctionFacts { name: &name.name, overloads })
            })
            .collect();
        functions.sort_by_key(|function| function.name);
        functions
    }

    fn may_call(&self, function: &Function) -> bool {
        self.listing == Listing::Everything || self.catalog.may_execute(self.role, function)
    }

    fn overload(
        &self,
        function: &'a Function,
        types: &TypeNames,
        relations: &[RelationFacts<'a>],
    ) -> OverloadFacts<'a> {
        let rows_of = match &function.returns.shape {
            ReturnShape::Row { relation: Some(relation), .. } if relation.schema == function.name.schema => {
                let listed = relations.binary_search_by_key(&relation.name.as_str(), |listed| listed.name).ok();
                listed.map(|index| &relations[index]).filter(|listed| listed.verbs.read).map(|listed| listed.name)
            }
            _ => None,
        };
        let parameters = function.parameters.iter().map(|parameter| ParameterFacts {
            name: &parameter.name,
            type_name: types.of_parameter(&parameter.type_name),
            real: RealType::of(&parameter.type_name, self.catalog),
            required: parameter.required,
            variadic: parameter.variadic,
        });
        OverloadFacts {
            function,
            comment: Comment::of(function.comment.as_deref()),
            by_get: function.volatility != Volatility::Volatile,
            parameters: parameters.collect(),
            rows_of,
            scalar: match &function.returns.shape {
                ReturnShape::Scalar(name) => Some(RealType::named(name, self.catalog)),
                ReturnShape::Row { .. } | ReturnShape::Void => None,
            },
            output: function
                .output_columns
                .iter()
                .map(|column| (column.name.as_str(), RealType::of(&column.type_name, self.catalog)))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Comment;

    #[test]
    fn comments_have_a_first_line_and_a_rest() {
        let parts = |text| {
            let comment = Comment::of(Some(text));
            (comment.summary, comment.description)
        };
        assert_eq!(parts("one line"), (Some("one line"), None));
        assert_eq!(parts("a\n\n\nb\n c\n"), (Some("a"), Some("b\n c\n")));
        assert_eq!(parts("a\n\n"), (Some("a"), None));
        assert_eq!(parts("\nb"), (Some(""), Some("b")));
        assert_eq!(Comment::of(None), Comment::default());
    }
}
