//! The queries of the loader, embedded from `sql/`; each file says what it needs and gives.
//!
//! Invariant: none of them contains a value; what varies is passed as a parameter.

use std::borrow::Cow;

/// A query and the name under which errors mention it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Query {
    /// The file's name.
    pub(crate) name: &'static str,
    /// Its text.
    pub(crate) text: &'static str,
    /// What it takes.
    pub(crate) parameter: Parameter,
    /// How many rows PostgreSQL makes in less than a millisecond or two, whichever they are; 0 where all of them are few.
    pub(crate) portion: usize,
}

/// What a query of [`Parameter::Objects`] says for whom everything is wanted.
const OR_EVERYTHING: &str = "$1::text is null or ";

impl Query {
    /// Its text where objects are always named: a plan that fits any list of them finds them by an index then.
    pub(crate) fn of_some(&self) -> Cow<'static, str> {
        match self.parameter {
            Parameter::Objects => self.text.replace(OR_EVERYTHING, "").into(),
            _ => self.text.into(),
        }
    }
}

/// The parameter of a query; none takes more than one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parameter {
    /// None.
    Nothing,
    /// JSON list of the exposed schemas.
    Exposed,
    /// JSON list of the exposed schemas and those of the extra search path.
    Searched,
    /// The login that requests use, or null.
    Login,
    /// JSON object with lists of oids: `views`, `functions`.
    Documents,
    /// JSON list of oids, or null for everything.
    Objects,
    /// JSON list of oids.
    Oids,
    /// An oid.
    Oid,
}

macro_rules! queries {
    ($($constant:ident $file:literal $parameter:ident $portion:literal;)*) => {
        $(pub(crate) const $constant: Query = Query {
            name: $file,
            text: include_str!(concat!("../sql/", $file, ".sql")),
            parameter: Parameter::$parameter,
            portion: $portion,
        };)*
        /// Every query, for the test that prepares them all.
        #[cfg(test)]
        pub(crate) const ALL: &[Query] = &[$($constant),*];
    };
}

queries! {
    SCHEMAS "schema_list" Nothing 100;
    EXTENSIONS "extension_list" Nothing 100;
    ROLES "role_list" Nothing 100;
    MEMBERSHIPS "role_membership_list" Nothing 100;
    ROLE_SETTINGS "role_setting_list" Nothing 100;
    PARAMETER_PRIVILEGES "parameter_privilege_list" Login 100;
    RELATIONS "relation_list" Exposed 50;
    COLUMNS "column_list" Exposed 100;
    TYPES "type_list" Nothing 100;
    READ_ONLY_COLUMNS "read_only_column_list" Exposed 100;
    UNIQUE_KEYS "unique_key_list" Nothing 100;
    FOREIGN_KEYS "foreign_key_list" Nothing 200;
    VIEW_DEFINITIONS "view_definition_list" Searched 40;
    VIEW_READS "view_read_list" Nothing 100;
    EQUALITY_OPERATORS "equality_operator_list" Nothing 0;
    OPERATOR_CLASSES "operator_class_list" Nothing 200;
    LOOSE_COLLATIONS "loose_collation_list" Nothing 200;
    COMPARABLE_TYPES "comparable_type_list" Nothing 200;
    VIEW_DEFAULTS "view_default_list" Nothing 100;
    FUNCTIONS "function_list" Exposed 50;
    FUNCTION_PARAMETERS "function_parameter_list" Exposed 200;
    COMPUTED "computed_list" Searched 100;
    REPRESENTATIONS "representation_list" Login 100;
    MEDIA_HANDLERS "media_handler_list" Exposed 100;
    TIMEZONES "timezone_list" Nothing 100;
    OWN_CODE "code_own_list" Nothing 200;
    SHADOWS_OF_FUNCTIONS "code_shadow_function_list" Nothing 200;
    SHADOWS_OF_OPERATORS "code_shadow_operator_list" Nothing 200;
    SHADOWS_OF_TYPES "code_shadow_type_list" Nothing 200;
    CODE_OF_FUNCTIONS "code_function_list" Objects 50;
    CODE_OF_RELATIONS "code_relation_list" Objects 50;
    CODE_OF_WRITES "code_write_list" Objects 50;
    CODE_OF_REFERENCES "code_reference_list" Objects 200;
    CODE_OF_TYPES "code_type_list" Objects 50;
    CODE_OF_OPERATORS "code_operator_list" Objects 100;
    IDENTITIES "identity_list" Oids 100;
    FUNCTION_IDENTITIES "function_identity_list" Oids 100;
    ANSWER_FACTS "answer_fact_list" Oids 100;
    DOCUMENT_DEFINITIONS "document_definition_list" Documents 100;
    PARAMETER_DEFAULTS "parameter_default_list" Oid 100;
}

#[cfg(test)]
mod tests {
    use crate::scope::Scope;

    use super::*;

    /// What each query answers, so that a change of a file shows here as a change of its promise.
    #[tokio::test]
    async fn every_query_runs_in_an_empty_database_with_an_empty_search_path() {
        let database = ferrobase_testkit::database().await;
        let mut session = database.connect().await;
        session.script("set search_path = ''").await.unwrap();
        for query in ALL {
            let parameter = Scope::default().parameter(query.parameter);
            let parameters = [parameter.as_deref()];
            let parameters = if query.parameter == Parameter::Nothing { &[][..] } else { &parameters[..] };
            let answer = session.query(query.text, parameters).await;
            answer.unwrap_or_else(|error| panic!("{}: {error}", query.name));
        }
    }

    /// PostgreSQL looks at every row of a catalog table where an index is missing: once is fine, once for each of the
    /// user's tables takes the square of their number.
    #[tokio::test]
    async fn no_query_looks_at_a_whole_catalog_table_again_and_again() {
        let database = ferrobase_testkit::database().await;
        let tables = 400;
        let each =
            "execute format('create table t%s (id int primary key, up int references t%s, n text unique)', i, i / 2);
             execute format('create domain d%s as int check (value > %s)', i, i);
             execute format('create function f%s(t%s) returns t%s stable language sql as %L', i, i, i, 'select $1');
             execute format('create view v%s as select * from t%s', i, i);";
        let script = format!(
            "create function tell() returns event_trigger language plpgsql as 'begin end';
             create table t0 (id int primary key);
             do $$ begin for i in 1..{tables} loop {each} end loop; end $$;
             create event trigger ferrobase_ddl on ddl_command_end execute function tell();
             create event trigger ferrobase_drop on sql_drop execute function tell();
             create event trigger ferrobase_index on ddl_command_start when tag in ('CREATE INDEX') execute function tell();
             analyze"
        );
        database.script(&script).await;
        let mut session = database.connect().await;
        for query in ALL {
            for begin in ["declare portions no scroll cursor for ", ""] {
                session
                    .script("begin; set local search_path = ''; set local cursor_tuple_fraction = 0.0001")
                    .await
                    .unwrap();
                let parameter = Scope::default().parameter(query.parameter);
                let parameters = [parameter.as_deref()];
                let parameters = if query.parameter == Parameter::Nothing { &[][..] } else { &parameters[..] };
                let before = rows_looked_at(&mut session).await;
                session.query(&format!("{begin}{}", query.text), parameters).await.unwrap();
                if !begin.is_empty() {
                    session.query("fetch all from portions", &[]).await.unwrap();
                }
                for (table, (looked, rows)) in rows_looked_at(&mut session).await {
                    let looked = looked - before.get(&table).map_or(0, |(looked, _)| *looked);
                    assert!(looked <= 100 * (rows + 100), "{} `{begin}`: {looked} of {table}, {rows}", query.name);
                }
                session.script("rollback").await.unwrap();
            }
        }
    }

    /// Of each catalog table, how many rows were looked at one after the other, and how many it has. The first number
    /// goes on from one transaction to the next, until PostgreSQL reports it somewhere, within none.
    async fn rows_looked_at(session: &mut ferrobase_pg::Session) -> std::collections::HashMap<String, (i64, i64)> {
        let looked = "select c.relname, seq_tup_read::text, c.reltuples::int8::text
             from pg_catalog.pg_stat_xact_sys_tables join pg_catalog.pg_class c on c.oid = relid";
        let answer = session.query(looked, &[]).await.unwrap();
        let number = |row: ferrobase_pg::Row<'_>, at| row.text(at).unwrap().parse().unwrap();
        answer.rows.iter().map(|row| (row.text(0).unwrap().to_owned(), (number(row, 1), number(row, 2)))).collect()
    }

    #[test]
    fn every_file_says_what_it_takes_and_needs() {
        for query in ALL {
            let header = query.text.replace("\n-- ", " ");
            for word in ["Parameters: ", "Privileges: ", "Oldest PostgreSQL: "] {
                assert!(header.contains(word), "{} does not say {word}", query.name);
            }
            assert_eq!(query.text.contains("$1"), query.parameter != Parameter::Nothing, "{}", query.name);
            let is_of_objects = query.parameter == Parameter::Objects;
            assert_eq!(query.text.contains(OR_EVERYTHING), is_of_objects, "{}", query.name);
        }
    }
}
