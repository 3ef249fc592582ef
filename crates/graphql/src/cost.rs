//! What an operation may cost: how many rows it may touch by what it asks for.
//!
//! A page is as many rows as its size says, each with what is asked below it, where its rows are asked for; a row is one. Rows behind totals and
//! aggregates are not known before they are counted: each counts as one. Looked at before anything runs, on the plan itself,
//! where variables, defaults and fragments have become what they mean.

use ferrobase_query::plan::{
    Change, ChangeMember, Content, Document, EdgeMember, EdgeValue, Groups, Member, Mutation, One, Page, PageMember,
    PageValue, Window,
};
use serde::de::IgnoredAny;

/// The rows that a document may touch. `unbounded` is what lists count for whose size nobody says.
pub(crate) fn of(document: &Document, unbounded: u64) -> f64 {
    Costing { unbounded }.members(&document.members)
}

struct Costing {
    unbounded: u64,
}

impl Costing {
    fn members(&self, members: &[Member]) -> f64 {
        members.iter().map(|member| self.content(&member.value)).sum()
    }

    fn content(&self, content: &Content) -> f64 {
        match content {
            Content::Constant(_) | Content::Value { .. } | Content::RowId { .. } | Content::Inside(_) => 0.0,
            Content::Object(members) => self.members(members),
            Content::Tuple(all) => all.iter().map(|one| self.content(one)).sum(),
            Content::One(one) | Content::Sole(one) => 1.0 + self.members(&one.members),
            Content::List(one) | Content::Values(one) => self.list(one),
            Content::Page(page) | Content::Documents(page) => self.page(page),
            Content::Cases(cases) => {
                let all = cases.cases.iter().map(|(_, then)| then).chain([&cases.otherwise]);
                all.map(|then| self.content(then)).fold(0.0, f64::max)
            }
            Content::Either { then, otherwise, .. } => self.members(then).max(self.members(otherwise)),
            Content::Groups(groups) => self.groups(groups),
            Content::Scalar { .. } => 1.0,
            Content::Change(change) => self.change(change),
        }
    }

    fn rows(&self, window: Window) -> f64 {
        window.limit.unwrap_or(self.unbounded) as f64
    }

    fn list(&self, one: &One) -> f64 {
        self.rows(one.read.window) * (1.0 + self.members(&one.members))
    }

    fn page(&self, page: &Page) -> f64 {
        let edge = |edge: &EdgeMember| match &edge.value {
            EdgeValue::Node(members) => self.members(members),
            EdgeValue::Constant(_) | EdgeValue::Cursor | EdgeValue::Document(_) => 0.0,
        };
        let (mut row, mut beside, mut reads) = (1.0, 0.0, false);
        for PageMember { value, .. } in &page.members {
            match value {
                PageValue::Edges(members) => row += members.iter().map(edge).sum::<f64>(),
                PageValue::Total | PageValue::Aggregates(_) => beside += 1.0,
                PageValue::Constant(_) | PageValue::Info(_) | PageValue::Documents(_) => {}
            }
            reads |= matches!(value, PageValue::Edges(_) | PageValue::Info(_) | PageValue::Documents(_));
        }
        let rows = if reads { self.rows(page.read.window) } else { 0.0 };
        rows * row + beside
    }

    fn groups(&self, groups: &Groups) -> f64 {
        self.rows(groups.read.window)
    }

    fn change(&self, change: &Change) -> f64 {
        let told = |member: &ChangeMember| match member {
            ChangeMember::Records(_, members) | ChangeMember::Row(members) => self.members(members),
            ChangeMember::Constant(..) | ChangeMember::Count(_) => 0.0,
        };
        let row = 1.0 + change.members.iter().map(told).sum::<f64>();
        let rows = match &change.mutation {
            Mutation::Insert(insert) => listed(insert.payload.json()),
            Mutation::UpdateEach(update) => listed(&update.json),
            Mutation::Pick(pick) => listed(&pick.json),
            Mutation::Update(_) | Mutation::Delete(_) => {
                change.guard.at_most.map_or(self.unbounded as f64, |most| most.max(0) as f64)
            }
        };
        rows * row
    }
}

/// How many elements a JSON list has; 1 for anything else.
pub(crate) fn listed(json: &[u8]) -> f64 {
    serde_json::from_slice::<Vec<IgnoredAny>>(json).map_or(1, |list| list.len()) as f64
}

/// As it is told: whole numbers without a point.
pub(crate) fn told(cost: f64) -> serde_json::Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if cost < EXACT { (cost as u64).into() } else { cost.into() }
}
