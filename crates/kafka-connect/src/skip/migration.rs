//! The column `kafka_skip` and what goes with it, as SQL for PostgreSQL: to be printed into a migration, or applied.

use super::trigger::{FUNCTIONS, NO_TRIGGERS, TRIGGERS};

/// Makes a table ready for `kafka_skip`. Every statement may be repeated.
///
/// ```
/// use kafka_connect::skip::migration::SkipMigration;
///
/// assert_eq!(
///     SkipMigration::of("public.customers").up(),
///     r#"ALTER TABLE "public"."customers" ADD COLUMN IF NOT EXISTS kafka_skip boolean NOT NULL DEFAULT false;
/// ALTER TABLE "public"."customers" REPLICA IDENTITY FULL;
/// "#
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkipMigration {
    schema: Option<String>,
    table: String,
    writers: Writers,
}

/// Who sets the flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writers {
    Framework,
    All,
}

impl SkipMigration {
    /// Of this table, `customers` or `public.customers`: the column, and a replica identity with which a deletion carries it.
    #[must_use]
    pub fn of(table: &str) -> Self {
        let (schema, table) = match table.split_once('.') {
            Some((schema, table)) => (Some(schema), table),
            None => (None, table),
        };
        Self { schema: schema.map(str::to_owned), table: table.to_owned(), writers: Writers::Framework }
    }

    /// With triggers that apply the rule to every writer: suppression as the transaction says it, then what a statement gives for the
    /// column, else false.
    ///
    /// A deletion whose flag has to change first is done by the trigger itself; the statement then does not count that row. Rows that
    /// a transaction deletes with `delete_flagged` are counted.
    #[must_use]
    pub fn with_triggers(mut self) -> Self {
        self.writers = Writers::All;
        self
    }

    /// The statements.
    #[must_use]
    pub fn up(&self) -> String {
        let mut sql = String::from(
            "ALTER TABLE {table} ADD COLUMN IF NOT EXISTS kafka_skip boolean NOT NULL DEFAULT false;\n\
             ALTER TABLE {table} REPLICA IDENTITY FULL;\n",
        );
        if self.writers == Writers::All {
            sql = sql + FUNCTIONS + TRIGGERS;
        }
        self.fill(&sql)
    }

    /// The statements that take it back. A table that had a replica identity of its own before needs it set again.
    #[must_use]
    pub fn down(&self) -> String {
        let sql = "ALTER TABLE {table} REPLICA IDENTITY DEFAULT;\nALTER TABLE {table} DROP COLUMN IF EXISTS kafka_skip;\n";
        self.fill(&(NO_TRIGGERS.to_owned() + sql))
    }

    fn fill(&self, sql: &str) -> String {
        let schema = self.schema.as_deref().map(|schema| quoted(schema) + ".").unwrap_or_default();
        sql.replace("{table}", &format!("{schema}{}", quoted(&self.table))).replace("{schema}", &schema)
    }
}

/// A name as an identifier, whatever is in it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted() {
        let up = SkipMigration::of("my schema.o\"rders").with_triggers().up();
        assert!(
            up.contains(r#"ALTER TABLE "my schema"."o""rders" ADD"#) && up.contains(r#"FUNCTION "my schema".kafka_skip_rule()"#),
            "{up}"
        );
        assert!(!up.contains("{table}") && !up.contains("{schema}"));
    }

    #[test]
    fn what_goes_up_comes_down() {
        let migration = SkipMigration::of("orders").with_triggers();
        insta::assert_snapshot!(migration.up());
        insta::assert_snapshot!(migration.down());
    }

    #[test]
    fn the_setting_is_the_one_that_triggers_read() {
        assert!(FUNCTIONS.contains(&format!("current_setting('{}', true)", super::super::trigger::SETTING)));
    }
}
