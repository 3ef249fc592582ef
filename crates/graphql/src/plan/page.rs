//! Pages: which rows, in what order, from where to where, and what is told of them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ferrobase_query::plan::{
    Aggregate, AggregateFunction, AggregateMember, AggregateValue, Distinct, EdgeMember, EdgeValue, Join, Keyset,
    OrderBy, Page, PageFact, PageMember, PageValue, Read, Window,
};

use super::collect::Asked;
use super::{Planner, json};
use crate::error::Error;
use crate::model::{Column, Table, TableId};
use crate::scalar::ValueType;
use crate::schema::aggregated;

impl<'a> Planner<'a> {
    /// A page of rows of a table, wherever they come from.
    pub(super) fn page(&self, id: TableId, join: Option<Join>, read: Read, asked: &Asked<'a>) -> Result<Page, Error> {
        let page = Page { join, ..self.rows_of(id, read, asked, self.table(id).page)? };
        Ok(Page { members: self.page_members(id, asked)?, ..page })
    }

    /// Which rows a page has, `size` of them where nothing else is asked for; nothing is told of it yet.
    pub(super) fn rows_of(&self, id: TableId, mut read: Read, asked: &Asked<'a>, size: u64) -> Result<Page, Error> {
        let table = self.table(id);
        let filters = ["filter", "where"].into_iter().find_map(|name| self.argument(asked, name));
        if let Some(filter) = filters {
            read.filters.extend(self.filter(id, &filter, 0)?);
        }
        let (first, last) = (self.first(asked)?, self.number(asked, "last")?);
        let distinct = self.distinct(id, asked)?;
        let keys = self.order(id, &mut read, self.argument(asked, "orderBy").as_ref(), &distinct)?;
        if !distinct.is_empty() {
            if last.is_some()
                || self.argument(asked, "before").is_some_and(|before| before != super::input::Input::Null)
            {
                let reason =
                    "excludes `last` and `before`: which row stands for the others depends on where one begins";
                return Err(Error::Argument { argument: "distinctOn".to_owned(), reason: reason.to_owned() });
            }
            // As many terms of the order as there are columns, in the order's order.
            let first = read.order.iter().take(distinct.len());
            let fields = first.map(|order| &order.by).filter(|by| matches!(by, OrderBy::Field(_))).cloned();
            read.distinct = Some(Distinct::On(fields.collect()));
        }
        let (after, before) = (self.place(asked, "after", keys.len())?, self.place(asked, "before", keys.len())?);
        if first.is_some() && last.is_some() {
            return Err(Error::Argument { argument: "last".to_owned(), reason: "excludes `first`".to_owned() });
        }
        // Without a size a page that ends somewhere is read from there.
        let backward = last.is_some() || first.is_none() && before.is_some() && after.is_none();
        let (from, until) = if backward { (before, after) } else { (after, before) };
        let limit = first.or(last).unwrap_or(size).min(table.most);
        let offset = self.number(asked, "offset")?.unwrap_or(0);
        read.window = Window { offset, limit: (limit < u64::MAX).then_some(limit) };
        let keyset = Keyset { keys, after: from, backward };
        Ok(Page { join: None, read, keyset, until, members: Vec::new() })
    }

    /// How many rows: lists of documents also say `limit`.
    fn first(&self, asked: &Asked<'a>) -> Result<Option<u64>, Error> {
        match (self.number(asked, "first")?, self.number(asked, "limit")?) {
            (Some(_), Some(_)) => {
                Err(Error::Argument { argument: "limit".to_owned(), reason: "excludes `first`".to_owned() })
            }
            (first, limit) => Ok(first.or(limit)),
        }
    }

    /// Columns in which no two rows of a page are alike.
    fn distinct(&self, id: TableId, asked: &Asked<'a>) -> Result<Vec<&'a Column>, Error> {
        let given = self.argument(asked, "distinctOn");
        let mut columns: Vec<&Column> = Vec::new();
        for name in given.iter().flat_map(|given| given.items()).filter_map(|name| name.text()) {
            let column = self.table(id).column(&name).ok_or_else(|| Error::unknown(&name))?;
            if columns.iter().all(|known| known.name != column.name) {
                columns.push(column);
            }
        }
        Ok(columns)
    }

    /// A place that a cursor says.
    fn place(&self, asked: &Asked<'a>, name: &str, terms: usize) -> Result<Option<Vec<Option<String>>>, Error> {
        let Some(text) = self.argument(asked, name).and_then(|value| value.text()) else { return Ok(None) };
        let decoded = STANDARD.decode(&text).ok().and_then(|list| serde_json::from_slice(&list).ok());
        match decoded.filter(|values: &Vec<Option<String>>| values.len() == terms) {
            Some(values) => Ok(Some(values)),
            None => {
                let reason = "is no place in this order".to_owned();
                Err(Error::Argument { argument: name.to_owned(), reason })
            }
        }
    }

    fn page_members(&self, id: TableId, asked: &Asked<'a>) -> Result<Vec<PageMember>, Error> {
        let table = self.table(id);
        let own = table.type_of("Connection");
        let mut members = Vec::new();
        for asked in self.collect(asked.below(), &|name| name == own) {
            let value = match asked.name() {
                "__typename" => PageValue::Constant(json(&own)),
                "edges" => PageValue::Edges(self.edges(id, &asked).map_err(|error| error.at(asked.key))?),
                "pageInfo" => PageValue::Info(self.page_info(&asked)),
                "totalCount" => PageValue::Total,
                "aggregate" => PageValue::Aggregates(self.aggregates(table, &asked)),
                name => return Err(Error::unknown(name)),
            };
            members.push(PageMember { key: asked.key.to_owned(), value });
        }
        Ok(members)
    }

    fn edges(&self, id: TableId, asked: &Asked<'a>) -> Result<Vec<EdgeMember>, Error> {
        let own = self.table(id).type_of("Edge");
        let mut members = Vec::new();
        for asked in self.collect(asked.below(), &|name| name == own) {
            let value = match asked.name() {
                "__typename" => EdgeValue::Constant(json(&own)),
                "cursor" => EdgeValue::Cursor,
                "node" => match &self.table(id).view {
                    Some(view) => EdgeValue::Document(self.document_told(&view.place, &asked)?),
                    None => EdgeValue::Node(self.row(id, asked.below()).map_err(|error| error.at(asked.key))?),
                },
                name => return Err(Error::unknown(name)),
            };
            members.push(EdgeMember { key: asked.key.to_owned(), value });
        }
        Ok(members)
    }

    fn page_info(&self, asked: &Asked<'a>) -> Vec<(String, PageFact)> {
        let fact = |asked: Asked<'a>| {
            let fact = match asked.name() {
                "hasNextPage" => PageFact::HasNext,
                "hasPreviousPage" => PageFact::HasPrevious,
                "startCursor" => PageFact::Start,
                "endCursor" => PageFact::End,
                _ => PageFact::Constant(json("PageInfo")),
            };
            (asked.key.to_owned(), fact)
        };
        self.collect(asked.below(), &|name| name == "PageInfo").into_iter().map(fact).collect()
    }

    pub(super) fn aggregates(&self, table: &Table, asked: &Asked<'a>) -> Vec<AggregateMember> {
        let own = table.type_of("Aggregate");
        let member = |asked: Asked<'a>| {
            let of = |function, what| AggregateValue::Object(self.aggregates_of(table, function, what, &asked));
            let value = match asked.name() {
                "count" => AggregateValue::Count,
                "sum" => of(AggregateFunction::Sum, "Sum"),
                "avg" => of(AggregateFunction::Avg, "Avg"),
                "min" => of(AggregateFunction::Min, "Min"),
                "max" => of(AggregateFunction::Max, "Max"),
                _ => AggregateValue::Constant(json(&own)),
            };
            AggregateMember { key: asked.key.to_owned(), value }
        };
        self.collect(asked.below(), &|name| name == own).into_iter().map(member).collect()
    }

    fn aggregates_of(
        &self,
        table: &Table,
        function: AggregateFunction,
        what: &str,
        asked: &Asked<'a>,
    ) -> Vec<AggregateMember> {
        let own = table.type_of(&format!("{what}AggregateResult"));
        let results = aggregated(table, function.name());
        let result = |name: &str| results.iter().find(|(field, _)| *field == name).map(|(_, value)| value);
        let member = |asked: Asked<'a>| {
            let value = match (table.column(asked.name()), result(asked.name())) {
                (Some(column), Some(value)) => AggregateValue::Of {
                    field: column.operand(),
                    aggregate: Aggregate::of(function),
                    scalar: ValueType::scalar(value),
                },
                _ => AggregateValue::Constant(json(&own)),
            };
            AggregateMember { key: asked.key.to_owned(), value }
        };
        self.collect(asked.below(), &|name| name == own).into_iter().map(member).collect()
    }
}
