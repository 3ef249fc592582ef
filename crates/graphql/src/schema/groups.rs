//! Groups of rows, and what is asked of what rows add up to.

use apollo_compiler::ast::{FieldDefinition, InputValueDefinition};

use super::Drawing;
use super::build::{
    argument, described, field, full_list, input, input_object, list_of_required, object, optional, required,
};
use super::inputs::filter_name;
use super::rows::aggregated;
use crate::model::{Table, TableId};
use crate::scalar::{Class, ValueType};

impl Drawing<'_> {
    /// The types in which groups are told and asked for.
    pub(super) fn groups(&mut self, id: TableId) {
        let table = &self.model.tables[id];
        if !table.has_groups() {
            return;
        }
        let mut keys = Vec::new();
        for (name, column) in table.comparable() {
            keys.push(field(name, self.value(&column.value)));
        }
        object(&mut self.schema, &table.type_of("GroupKeys"), None, keys);
        let keys = described(field("keys", required(&table.type_of("GroupKeys"))), "What its rows have in common.");
        let all = described(field("aggregate", required(&table.type_of("Aggregate"))), "What its rows add up to.");
        object(&mut self.schema, &table.type_of("Group"), None, [keys, all]);
        self.having(table);
        self.aggregate_orders(table);
    }

    fn having(&mut self, table: &Table) {
        let own = table.type_of("Having");
        let mut fields = self.asked_of_aggregates(table);
        fields.extend([input("and", list_of_required(&own)), input("or", list_of_required(&own))]);
        fields.push(input("not", optional(&own)));
        input_object(&mut self.schema, &own, fields);
        for (function, what) in [("sum", "SumHaving"), ("avg", "AvgHaving"), ("min", "ExtremeHaving")] {
            let mut fields = Vec::new();
            for (name, value) in aggregated(table, function) {
                self.value(&value);
                fields.push(input(name, optional(&filter_name(&value.name, value.is_list))));
            }
            if !fields.is_empty() {
                input_object(&mut self.schema, &table.type_of(what), fields);
            }
        }
    }

    /// Comparisons of what rows add up to.
    pub(super) fn asked_of_aggregates(&mut self, table: &Table) -> Vec<InputValueDefinition> {
        self.value(&ValueType::of_class(Class::Int));
        let mut fields = vec![input("count", optional(&filter_name("Int", false)))];
        for (function, what) in
            [("sum", "SumHaving"), ("avg", "AvgHaving"), ("min", "ExtremeHaving"), ("max", "ExtremeHaving")]
        {
            if !aggregated(table, function).is_empty() {
                fields.push(input(function, optional(&table.type_of(what))));
            }
        }
        fields
    }

    fn aggregate_orders(&mut self, table: &Table) {
        for (function, what) in [("sum", "NumberOrderBy"), ("min", "ExtremeOrderBy")] {
            let fields = aggregated(table, function);
            let fields: Vec<_> =
                fields.into_iter().map(|(name, _)| input(name, optional("OrderByDirection"))).collect();
            if !fields.is_empty() {
                input_object(&mut self.schema, &table.type_of(what), fields);
            }
        }
        let by_aggregates = ordered_by_aggregates(table);
        let by_keys = input("keys", optional(&table.type_of("OrderBy")));
        let of_groups = by_aggregates.iter().cloned().chain([by_keys]);
        input_object(&mut self.schema, &table.type_of("GroupOrderBy"), of_groups);
        input_object(&mut self.schema, &table.type_of("AggregateOrderBy"), by_aggregates);
    }

    /// The field that gives groups.
    pub(super) fn grouped(&self, name: &str, id: TableId) -> FieldDefinition {
        let table = &self.model.tables[id];
        let drawn = field(name, full_list(&table.type_of("Group")));
        let drawn = argument(drawn, "by", full_list(&table.type_of("Column")), None);
        let drawn = argument(drawn, "filter", optional(&table.type_of("Filter")), None);
        let drawn = argument(drawn, "having", optional(&table.type_of("Having")), None);
        let drawn = argument(drawn, "orderBy", list_of_required(&table.type_of("GroupOrderBy")), None);
        let drawn = argument(drawn, "first", optional("Int"), None);
        let drawn = argument(drawn, "offset", optional("Int"), None);
        described(drawn, &format!("Rows of type `{}` in groups.", table.type_name))
    }
}

fn ordered_by_aggregates(table: &Table) -> Vec<InputValueDefinition> {
    let mut fields = vec![input("count", optional("OrderByDirection"))];
    for (function, what) in
        [("sum", "NumberOrderBy"), ("avg", "NumberOrderBy"), ("min", "ExtremeOrderBy"), ("max", "ExtremeOrderBy")]
    {
        if !aggregated(table, function).is_empty() {
            fields.push(input(function, optional(&table.type_of(what))));
        }
    }
    fields
}
