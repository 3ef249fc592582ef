//! Documents of a given shape: JSON that says for every key what belongs there, as GraphQL asks for it.
//!
//! A [`Query`](super::Query) gives what its rows are. A [`Document`] gives what somebody drew: objects with these keys in
//! this order, pages with edges and cursors, values of other rows below. Every part of it is made from the same reads,
//! conditions, orders and writes as a query.
//! Invariants: keys are texts that a grammar has checked (names of GraphQL); names of relations, columns and functions are
//! those of the catalog; values are bound.

use ferrobase_catalog::QualifiedName;

use super::inside::Told;
use super::{Aggregate, Field, Guard, Join, Keyset, Mutation, Read};

/// One statement whose answer is one JSON object.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// What is in it.
    pub members: Vec<Member>,
}

/// A key and what stands there.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// The key.
    pub key: String,
    /// The value.
    pub value: Content,
}

/// A value of a document.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// The same whatever the rows are: JSON text.
    Constant(String),
    /// A value of the row.
    Value {
        /// Which.
        field: Field,
        /// How it becomes JSON.
        scalar: Scalar,
    },
    /// What names the row among all rows of all tables: base64 of a JSON list of schema, table and key.
    RowId {
        /// The table.
        table: QualifiedName,
        /// Columns of its key.
        key: Vec<String>,
    },
    /// More of the same row.
    Object(Vec<Member>),
    /// These, as a list.
    Tuple(Vec<Content>),
    /// One row, or null.
    One(Box<One>),
    /// Rows, as a list of objects.
    List(Box<One>),
    /// Values of the rows, as a list: the only member says of which.
    Values(Box<One>),
    /// A page of rows.
    Page(Box<Page>),
    /// Groups of rows.
    Groups(Box<Groups>),
    /// What a function returns, when that is no row.
    Scalar {
        /// The call, which selects its value.
        read: Box<Read>,
        /// How the value becomes JSON.
        scalar: Scalar,
    },
    /// A change and what became of the rows; only at the root, and alone there.
    Change(Box<Change>),
    /// What is told of a `jsonb` value of the row.
    Inside(Told),
    /// Rows as a list of what is told of a `jsonb` value of each: the page's only member.
    Documents(Box<Page>),
    /// The only member of one row, or null.
    Sole(Box<One>),
    /// An object of these members where a boolean of the row holds, else of those.
    Either {
        /// The boolean.
        when: Field,
        /// Where it holds.
        then: Vec<Member>,
        /// Where it does not, also where it is NULL.
        otherwise: Vec<Member>,
    },
    /// What the value of a column makes of it. Without a key, and alone among the members of an
    /// object, it stands in the object's place.
    Cases(Box<Cases>),
}

/// Values that differ by the value of a column.
#[derive(Clone, Debug, PartialEq)]
pub struct Cases {
    /// The column.
    pub field: Field,
    /// Its values as text, each with what there is then.
    pub cases: Vec<(String, Content)>,
    /// What there is for any other value and for NULL.
    pub otherwise: Content,
}

/// How a value becomes JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// As PostgreSQL's `to_json` writes it.
    Plain,
    /// A `real` or `double precision`; null for what is no number (`NaN`, infinities).
    Finite,
    /// A list of those.
    Finites,
    /// As a string: numbers that are too large for readers of JSON.
    Text,
    /// A list of those.
    Texts,
    /// A document as a string that holds it.
    Encoded,
    /// A list of those.
    EncodedList,
    /// Other words: pairs of (value, word). A value that is not among them is null.
    Words(Vec<(String, String)>),
    /// A list of those.
    WordList(Vec<(String, String)>),
}

/// One row of a source.
#[derive(Clone, Debug, PartialEq)]
pub struct One {
    /// How it corresponds to the row above; none at the root.
    pub join: Option<Join>,
    /// Where it is. Its select list is empty; its embeds are hidden.
    pub read: Read,
    /// What is told of it.
    pub members: Vec<Member>,
}

/// Rows of a source, and what is to be known of the page that they are on.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// How the rows correspond to the row above; none at the root.
    pub join: Option<Join>,
    /// Which rows. Its select list is empty, its embeds are hidden, its window's limit is the size of the page.
    pub read: Read,
    /// Its order as a way to say where a page begins.
    pub keyset: Keyset,
    /// The values of the row before which it ends at the latest, where that is asked for too.
    pub until: Option<Vec<Option<String>>>,
    /// What is told.
    pub members: Vec<PageMember>,
}

/// A key and what stands there.
#[derive(Clone, Debug, PartialEq)]
pub struct PageMember {
    /// The key.
    pub key: String,
    /// The value.
    pub value: PageValue,
}

/// What can be told of a page.
#[derive(Clone, Debug, PartialEq)]
pub enum PageValue {
    /// The same whatever the rows are: JSON text.
    Constant(String),
    /// The rows, each with its place.
    Edges(Vec<EdgeMember>),
    /// Where it begins and ends.
    Info(Vec<(String, PageFact)>),
    /// How many rows there are on all pages.
    Total,
    /// What the rows of all pages add up to.
    Aggregates(Vec<AggregateMember>),
    /// What is told of a `jsonb` value of each row.
    Documents(Told),
}

/// A key of an edge and what stands there.
#[derive(Clone, Debug, PartialEq)]
pub struct EdgeMember {
    /// The key.
    pub key: String,
    /// The value.
    pub value: EdgeValue,
}

/// What can be told of an edge.
#[derive(Clone, Debug, PartialEq)]
pub enum EdgeValue {
    /// The same whatever the row is: JSON text.
    Constant(String),
    /// Its place, which a page can begin behind.
    Cursor,
    /// The row.
    Node(Vec<Member>),
    /// What is told of a `jsonb` value of the row.
    Document(Told),
}

/// What is known of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageFact {
    /// The same whatever the rows are: JSON text.
    Constant(String),
    /// Rows come after it.
    HasNext,
    /// Rows come before it.
    HasPrevious,
    /// The place of its first row.
    Start,
    /// The place of its last row.
    End,
}

/// A key among aggregates and what stands there.
#[derive(Clone, Debug, PartialEq)]
pub struct AggregateMember {
    /// The key.
    pub key: String,
    /// The value.
    pub value: AggregateValue,
}

/// What can be told of many rows.
#[derive(Clone, Debug, PartialEq)]
pub enum AggregateValue {
    /// The same whatever the rows are: JSON text.
    Constant(String),
    /// How many there are.
    Count,
    /// What a column adds up to.
    Of {
        /// The column.
        field: Field,
        /// How.
        aggregate: Aggregate,
        /// How the result becomes JSON.
        scalar: Scalar,
    },
    /// More of them.
    Object(Vec<AggregateMember>),
}

/// Rows that are put in groups by values.
#[derive(Clone, Debug, PartialEq)]
pub struct Groups {
    /// How the rows correspond to the row above; none at the root.
    pub join: Option<Join>,
    /// Which rows, by what they are grouped ([`Read::group_by`], fields only), which groups, and their order and number.
    pub read: Read,
    /// What is told of each group.
    pub members: Vec<GroupMember>,
}

/// A key of a group and what stands there.
#[derive(Clone, Debug, PartialEq)]
pub enum GroupMember {
    /// Values that the rows of the group have in common, as an object.
    Keys(String, Vec<Member>),
    /// What the rows add up to.
    Aggregate(AggregateMember),
}

/// A change of rows and what is told of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// What is done. It returns what the members need.
    pub mutation: Mutation,
    /// How many rows it may be.
    pub guard: Guard,
    /// The rows that it returned; its source is [`Source::Derived`](super::Source::Derived).
    pub read: Read,
    /// What is told.
    pub members: Vec<ChangeMember>,
}

/// A key and what stands there.
#[derive(Clone, Debug, PartialEq)]
pub enum ChangeMember {
    /// The same whatever the rows are: JSON text.
    Constant(String, String),
    /// How many rows there are.
    Count(String),
    /// The rows as they are now.
    Records(String, Vec<Member>),
    /// The one row that there is, or null, instead of an object: alone among the members.
    Row(Vec<Member>),
}
