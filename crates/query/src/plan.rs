//! The relational plan: what a grammar means, before it is SQL.
//!
//! A [`Query`] is one statement: a tree of reads ([`read`], [`embed`]) over a table, a function call ([`call`]) or the
//! rows that a mutation returns ([`mutation`]), with what the answer should look like ([`answer`]).
//! Invariants: relations and functions are named as the catalog names them; other names (aliases, columns that only
//! PostgreSQL can judge) are the caller's and are quoted when written; values are apart and bound.

mod answer;
mod call;
mod condition;
mod document;
mod drawn;
mod embed;
mod inside;
mod keyset;
mod mutation;
mod near;
mod read;

pub use answer::{Body, Count, CsvForm, Explain, Guard, JsonForm, Precondition};
pub use call::{Argument, ArgumentValue, Arguments, Call, CallerSource, RecordField, Returned, SCALAR, UnnamedType};
pub use condition::{
    AggregateComparison, Comparison, Condition, Is, KeyTest, LogicOperator, Operation, Operator, PathTest, Quantifier,
    Related, SearchParser,
};
pub use document::{MergeInto, Patch, SetInside};
pub use drawn::{
    AggregateMember, AggregateValue, Cases, Change, ChangeMember, Content, Document, EdgeMember, EdgeValue,
    GroupMember, Groups, Member, One, Page, PageFact, PageMember, PageValue, Scalar,
};
pub use embed::{Embed, EmbedOutput, Join, SpreadColumn, SpreadValue};
pub use inside::{Inside, Items, Part, Told};
pub use keyset::{Key, Keyset};
pub use mutation::{
    Conflict, Convert, Delete, InputColumn, Insert, Mutation, Payload, Pick, Resolution, Update, UpdateEach,
};
pub use near::{Place, Shape, Similarity};
pub use read::{
    Aggregate, AggregateFunction, Columns, Direction, Distinct, Field, GroupKey, Lock, LockStrength, LockWait, Nulls,
    Order, OrderBy, PathKey, PathStep, Read, Select, Source, Value, Window,
};

/// One statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// Writes first, when it is a mutation; `read` then starts from what it returns.
    pub mutation: Option<Mutation>,
    /// What is read.
    pub read: Read,
    /// The read is a page by keys.
    pub keyset: Option<Keyset>,
    /// What becomes of the rows.
    pub body: Body,
    /// How rows are counted.
    pub count: Count,
    /// What the number of rows must be.
    pub guard: Guard,
    /// What the rows must look like as they are, before anything is done to them. A read with one is only this check,
    /// and locks its rows.
    pub precondition: Option<Precondition>,
    /// Asks for the plan instead of the result.
    pub explain: Option<Explain>,
    /// Locks the rows that are read from a table.
    pub lock: Option<Lock>,
}

impl Query {
    /// A read that answers with a JSON list, uncounted.
    pub fn list(read: Read) -> Self {
        Self {
            mutation: None,
            read,
            keyset: None,
            body: Body::Json { form: JsonForm::List, strip_nulls: false },
            count: Count::default(),
            guard: Guard::default(),
            precondition: None,
            explain: None,
            lock: None,
        }
    }
}
