//! A table as diesel's `table!` names it. Not what its columns are: the database says that, and knows types that diesel does not.

use std::fmt;
use std::sync::Arc;

use diesel::backend::Backend;
use diesel::pg::{Pg, PgQueryBuilder};
use diesel::query_builder::{QueryBuilder, QueryFragment};
use diesel::{QuerySource, Table as DieselTable};

/// A table: its name, its columns and its primary key.
///
/// ```
/// use kafka_modelsync::table::Table;
///
/// diesel::table! {
///     shop.customers (id) {
///         id -> BigInt,
///         #[sql_name = "type"]
///         kind -> Text,
///     }
/// }
///
/// let table = Table::of(customers::table);
/// assert_eq!(table.to_string(), "shop.customers");
/// assert_eq!((table.columns().len(), &*table.columns()[1], &*table.primary_key()[0]), (2, "type", "id"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    schema: Option<Arc<str>>,
    name: Arc<str>,
    columns: Vec<Arc<str>>,
    primary_key: Vec<Arc<str>>,
}

impl Table {
    /// The table that a `table!` declares.
    #[must_use]
    pub fn of<T>(table: T) -> Self
    where
        T: DieselTable + QuerySource,
        T::FromClause: QueryFragment<Pg>,
        T::AllColumns: QueryFragment<Pg>,
        T::PrimaryKey: QueryFragment<Pg>,
    {
        let path = identifiers(&sql(&table.from_clause())).pop().unwrap_or_default();
        let last = |fragment: &dyn Fn() -> String| identifiers(&fragment()).into_iter().filter_map(|mut path| path.pop()).collect();
        Self { columns: last(&|| sql(&T::all_columns())), primary_key: last(&|| sql(&table.primary_key())), ..Self::at(path) }
    }

    /// A table that no `table!` declares: `customers` or `shop.customers`.
    #[must_use]
    pub fn named<C: Into<Arc<str>>>(name: &str, columns: impl IntoIterator<Item = C>, primary_key: impl IntoIterator<Item = C>) -> Self {
        Self {
            columns: columns.into_iter().map(Into::into).collect(),
            primary_key: primary_key.into_iter().map(Into::into).collect(),
            ..Self::at(name.splitn(2, '.').map(Into::into).collect())
        }
    }

    fn at(mut path: Vec<Arc<str>>) -> Self {
        let name = path.pop().unwrap_or_default();
        Self { schema: path.pop(), name, columns: Vec::new(), primary_key: Vec::new() }
    }

    /// The schema, if one is named; else the database's `search_path` decides.
    #[must_use]
    pub fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }

    /// The name without the schema.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The columns in their order.
    #[must_use]
    pub fn columns(&self) -> &[Arc<str>] {
        &self.columns
    }

    /// The columns of the primary key.
    #[must_use]
    pub fn primary_key(&self) -> &[Arc<str>] {
        &self.primary_key
    }

    /// Whether it has a column of this name.
    #[must_use]
    pub fn has(&self, column: &str) -> bool {
        self.columns.iter().any(|known| **known == *column)
    }

    /// Whether it is the table of this name, whatever columns each knows of it.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.name == other.name && self.schema == other.schema
    }

    /// Whether it is the table of this name, as far as is said: the `search_path` may say the rest.
    pub(crate) fn may_be(&self, other: &Self) -> bool {
        self.name == other.name && (self.schema.is_none() || other.schema.is_none() || self.schema == other.schema)
    }

    /// The name as an identifier in SQL.
    pub(crate) fn quoted(&self) -> String {
        match &self.schema {
            Some(schema) => format!("{}.{}", quoted(schema), quoted(&self.name)),
            None => quoted(&self.name),
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.schema {
            Some(schema) => write!(f, "{schema}.{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// A name as an identifier, whatever is in it.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The only public way to the names behind diesel's types: the SQL that they write.
fn sql(fragment: &impl QueryFragment<Pg>) -> String {
    let mut builder = <Pg as Backend>::QueryBuilder::default();
    match fragment.to_sql(&mut builder, &Pg) {
        Ok(()) => PgQueryBuilder::finish(builder),
        Err(_) => String::new(),
    }
}

/// The paths of a list of quoted names: `"a"."b", "a"."c"`.
fn identifiers(sql: &str) -> Vec<Vec<Arc<str>>> {
    let mut paths = vec![Vec::new()];
    let mut rest = sql;
    while let Some(start) = rest.find('"') {
        if rest[..start].contains(',') {
            paths.push(Vec::new());
        }
        rest = &rest[start + 1..];
        let mut name = String::new();
        while let Some(end) = rest.find('"') {
            name.push_str(&rest[..end]);
            rest = &rest[end + 1..];
            let Some(more) = rest.strip_prefix('"') else { break };
            name.push('"');
            rest = more;
        }
        if let Some(path) = paths.last_mut() {
            path.push(name.into());
        }
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    diesel::table! {
        #[sql_name = "odd\"na,me"]
        plain (id, other) {
            id -> BigInt,
            other -> Text,
            mood -> crate::table::tests::Mood,
        }
    }

    #[derive(Debug, diesel::sql_types::SqlType, diesel::query_builder::QueryId)]
    #[diesel(postgres_type(name = "mood"))]
    pub struct Mood;

    #[test]
    fn names_are_read_whatever_is_in_them_and_whatever_the_types() {
        let table = Table::of(plain::table);
        assert_eq!((table.schema(), table.name(), table.quoted().as_str()), (None, "odd\"na,me", "\"odd\"\"na,me\""));
        assert_eq!(table.columns(), ["id", "other", "mood"].map(Arc::from));
        assert_eq!(table.primary_key(), ["id", "other"].map(Arc::from));
        let named = Table::named("shop.customers", ["id", "name"], ["id"]);
        assert_eq!((named.quoted().as_str(), named.has("name"), named.has("x")), ("\"shop\".\"customers\"", true, false));
    }
}
